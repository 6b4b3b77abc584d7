/* SPDX-License-Identifier: MIT */
/*
 * Every way out of the program, and everything that can happen on the way: a frame in; verdict,
 * outcome, VIP, backend, counters and the whole frame out. The last test fails when there is an
 * outcome or an event that no frame here has met.
 *
 * Every pool has one backend that serves, so that the VIP tells where a frame goes. What only a
 * running balancer knows (devices, this host itself, slots that move) is written into the maps.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "control/outcome.h"
#include "daemon/stats.h"
#include "tests/host/check.h"
#include "tests/host/host.h"
#include "tests/lib/fixture.h"
#include "tests/lib/netns.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define HINT 0x1234
#define DEVICE_MAC "\x02\0\0\0\0\x09"

#define POOL(name, backend, address, more) \
	"{ name = \"" name "\"; " more " backends = (\n" \
	"  { name = \"" backend "\"; address = \"" address "\"; } ); },\n"
#define VIP(name, address, port, protocol, pool, more) \
	"{ name = \"" name "\"; address = \"" address "\"; port = " port \
	"; protocol = \"" protocol "\"; pool = \"" pool "\"; ring_size = 4093; " more " }"
#define GUE \
	"tunnel = { type = \"gue\"; port = 9886; source = \"10.0.13.37\"; source6 = " \
	"\"fc00:2307::1337\"; };"

/* %u %u: rates of echo replies and of "too big". */
/* clang-format off */
static const char config_format[] =
	"interfaces = ( { name = \"none0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT "\"; } );\n"
	"icmp = { echo_rate = %u; error_rate = %u; };\n"
	"decap = ( \"10.210.0.1\", \"fc00:1404::1\",\n"
	"          { address = \"10.210.0.2\"; egress = true; },\n"
	"          { address = \"fc00:1404::2\"; egress = true; } );\n"
	"pools = (\n"
	POOL("four", "a", "10.0.0.1", "")
	POOL("six", "b", "fc00::1", "")
	POOL("gue4", "g", "10.0.2.1", GUE)
	POOL("gue6", "h", "fc00:0:0:2::1", GUE)
	POOL("host", "self", "10.0.3.1", "")
	POOL("away", "away", "10.0.4.1", "")
	POOL("vlan", "vlan", "10.0.5.1", "")
	POOL("port", "port", "10.0.6.1", "")
	POOL("closed", "closed", "10.0.7.1", "")
	POOL("new", "new", "10.0.8.1", "")
	"{ name = \"old\"; backends = (\n"
	"  { name = \"old\"; address = \"10.0.8.2\"; id = 4660; } ); },\n"
	"{ name = \"ids\"; backends = (\n"
	"  { name = \"x\"; address = \"10.0.9.1\"; server_ids = [7, 1022]; },\n"
	"  { name = \"y\"; address = \"10.0.9.2\"; server_ids = [8, 1023]; "
	"state = \"draining\"; },\n"
	"  { name = \"z\"; address = \"10.0.9.3\"; server_ids = [9, 1024]; "
	"state = \"disabled\"; } ); },\n"
	"{ name = \"none\"; } );\n"
	"vips = (\n"
	VIP("t", "10.200.1.1", "80", "tcp", "four", "") ",\n"
	VIP("u", "10.200.1.1", "80", "udp", "four", "track = \"never\";") ",\n"
	VIP("over6", "10.200.1.2", "80", "tcp", "six", "") ",\n"
	VIP("any", "10.200.1.3", "0", "tcp", "four", "") ",\n"
	VIP("nosport", "10.200.1.4", "80", "tcp", "four", "hash = \"no_source_port\";") ",\n"
	VIP("dport", "10.200.1.5", "0", "tcp", "four", "hash = \"destination_port\";") ",\n"
	VIP("g4", "10.200.1.6", "80", "tcp", "gue4", "") ",\n"
	VIP("g4u", "10.200.1.6", "80", "udp", "gue4", "track = \"never\";") ",\n"
	VIP("g6", "10.200.1.7", "80", "tcp", "gue6", "") ",\n"
	VIP("g6u", "10.200.1.7", "80", "udp", "gue6", "track = \"never\";") ",\n"
	VIP("host", "10.200.1.8", "80", "tcp", "host", "") ",\n"
	VIP("away", "10.200.1.9", "80", "tcp", "away", "") ",\n"
	VIP("vlan", "10.200.1.10", "80", "tcp", "vlan", "") ",\n"
	VIP("port", "10.200.1.11", "80", "tcp", "port", "") ",\n"
	VIP("closed", "10.200.1.12", "80", "tcp", "closed", "") ",\n"
	VIP("moves", "10.200.1.13", "80", "tcp", "new", "") ",\n"
	VIP("remembers", "10.200.1.14", "80", "udp", "four", "track = \"always\";") ",\n"
	VIP("quic", "10.200.1.15", "443", "udp", "ids", "quic = \"katran\"; track = \"never\";") ",\n"
	VIP("lb", "10.200.1.16", "443", "udp", "ids",
	    "quic = \"quic-lb\"; quic_server_id_bytes = 2; track = \"never\";") ",\n"
	VIP("tcpid", "10.200.1.17", "80", "tcp", "ids",
	    "tcp_server_id = true; track = \"never\";") ",\n"
	VIP("udpid", "10.200.1.18", "80", "udp", "ids", "udp_stable = true; track = \"never\";") ",\n"
	VIP("clients", "10.200.1.19", "80", "tcp", "four",
	    "deny = [ \"192.168.66.0/24\" ];"
	    "sources = ( { prefix = \"192.168.7.0/24\"; pool = \"six\"; },"
	    "            { prefix = \"192.168.7.9/32\"; backend = \"x\"; pool = \"ids\"; },"
	    "            { prefix = \"192.168.8.0/24\"; pool = \"none\"; } );") ",\n"
	VIP("few", "10.200.1.20", "80", "udp", "four",
	    "allow = [ \"192.168.1.0/24\" ]; track = \"never\";") ",\n"
	VIP("kquic", "10.200.1.21", "443", "udp", "ids", "quic = \"katran\"; track = \"always\";") ",\n"
	VIP("kudp", "10.200.1.22", "80", "udp", "ids", "udp_stable = true;") ",\n"
	VIP("ktcp", "10.200.1.23", "80", "tcp", "ids", "tcp_server_id = true;") ",\n"
	VIP("none", "10.200.1.99", "80", "tcp", "none", "") ",\n"
	VIP("net", "10.201.0.0/16", "0", "udp", "four", "track = \"never\";") ",\n"
	VIP("subnet", "10.201.7.0/24", "53", "udp", "six", "track = \"never\";") ",\n"
	VIP("t6", "fc00:1::1", "80", "tcp", "six", "") ",\n"
	VIP("u6", "fc00:1::1", "80", "udp", "six", "track = \"never\";") ",\n"
	VIP("over4", "fc00:1::2", "80", "tcp", "four", "") ",\n"
	VIP("g64", "fc00:1::3", "80", "tcp", "gue4", "") ",\n"
	VIP("g66", "fc00:1::4", "80", "tcp", "gue6", "") ",\n"
	VIP("g66u", "fc00:1::4", "80", "udp", "gue6", "track = \"never\";") ",\n"
	VIP("net6", "fc00:3::/32", "0", "tcp", "six", "")
	");\n";
/* clang-format on */

static struct model *model;
static struct dryrun *dryrun;
static bool met_outcome[SLUICE_OUT_MAX], met_event[SLUICE_EVENT_MAX];

/* ---------------------------------------------------------------------------------------- set-up */

static const struct program *loaded(void)
{
	return datapath_program(dryrun_datapath(dryrun));
}

static struct sluice_backend *records(void)
{
	return loaded()->mapped[MAP_BACKENDS].data;
}

static uint32_t find_backend(const char *name)
{
	const struct sluice_name *names = loaded()->mapped[MAP_NAMES].data;

	for (uint32_t id = 1; id < program_map_entries(loaded(), MAP_NAMES); id++)
		if (strcmp(names[id].backend, name) == 0)
			return id;
	fail_msg("no backend \"%s\"", name);
	return 0;
}

/* The backend leaves by device @ifindex, with these tags. */
static void leave_by(const char *name, uint32_t ifindex, unsigned int s_vlan, unsigned int vlan)
{
	struct sluice_backend *b = &records()[find_backend(name)];

	b->ifindex = ifindex;
	b->s_vlan = htons((uint16_t)s_vlan);
	b->vlan = htons((uint16_t)vlan);
	memcpy(b->smac, DEVICE_MAC, sizeof(b->smac));
}

/* Slots of "new" move: their flows of before are with "old". */
static void move_slots(void)
{
	struct slots slots = {loaded()->mapped[MAP_RINGS].data, loaded()->mapped[MAP_OTHERS].data};
	uint32_t n = program_map_entries(loaded(), MAP_RINGS) * SLUICE_LINE_SLOTS;
	uint32_t from = find_backend("new"), to = find_backend("old");

	for (uint32_t i = 0; i < n; i++)
		if (SLUICE_SLOT_CUR(slots_get(&slots, i)) == from)
			slots_set(&slots, i, SLUICE_SLOT(from, to, true));
}

static void open_program(unsigned int echo_rate, unsigned int error_rate)
{
	char config[16384];

	snprintf(config, sizeof(config), config_format, echo_rate, error_rate);
	model = fixture_model(config);
	dryrun = fixture_dryrun(model);
}

static int setup(void **state)
{
	uint32_t other;
	(void)state;

	netns_enter();
	netns_run("ip link add other type veth peer name peer");
	other = if_nametoindex("other");
	open_program(1000000, 1000000);
	assert_int_equal(bpf_map_update_elem(program_map_fd(loaded(), MAP_DEVICES), &other, &other,
					     BPF_ANY),
			 0);
	records()[find_backend("self")].encap = SLUICE_ENCAP_LOCAL;
	records()[find_backend("away")].flags &= (uint8_t)~SLUICE_BACKEND_NEXTHOP;
	leave_by("vlan", 1, 0, 5);
	leave_by("port", other, 7, 8);
	leave_by("closed", other + 1000, 0, 0);
	move_slots();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dryrun_free(TAKE(dryrun));
	model_free(TAKE(model));
	return 0;
}

/* ---------------------------------------------------------------------------------------- a frame */

#define EVENT(name) (1u << SLUICE_EVENT_##name)

enum leaves {
	SAME,  /* unchanged */
	OUTER, /* behind an outer header, to the gateway */
	REPLY, /* another packet, back to the sender */
	INNER, /* another packet, with the MAC addresses that it had */
};

struct exit_case {
	const char *in;
	const char *verdict;
	enum sluice_outcome outcome;
	const char *vip;
	const char *backend;
	uint32_t events;
	enum leaves leaves;
	const char *out;   /* the outer header, or the other packet */
	const char *inner; /* with OUTER: what is behind it, when that is not what came in */
	const char *tags;  /* with OUTER: types and tags in hex; NULL: those that came in */
	bool other_device; /* with OUTER: from its address */
};

#define EXIT(in_, verdict_, outcome_, vip_, backend_, ...) \
	{ \
		.in = (in_), .verdict = (verdict_), .outcome = SLUICE_OUT_##outcome_, \
		.vip = (vip_), .backend = (backend_), __VA_ARGS__ \
	}
#define BEHIND(text) .leaves = OUTER, .out = (text)
#define ANSWER(text) .leaves = REPLY, .out = (text)
#define INSIDE(text) .leaves = INNER, .out = (text)

/* The frame's Ethernet header with tags: its bytes. */
static size_t l2_size(const struct frame *f)
{
	size_t at = 14;

	while ((f->data[at - 2] == 0x81 && f->data[at - 1] == 0) ||
	       (f->data[at - 2] == 0x88 && f->data[at - 1] == 0xa8))
		at += 4;
	return at;
}

static void insert_tags(struct frame *f, const unsigned char *tags, size_t size)
{
	memmove(f->data + 12 + size, f->data + 12, f->size - 12);
	memcpy(f->data + 12, tags, size);
	f->size += size;
}

static size_t tags_from_hex(unsigned char *out, const char *hex)
{
	size_t n = strlen(hex) / 2;
	unsigned int byte;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (unsigned char)byte;
	}
	return n;
}

/* What must leave for @in. */
static void build_expected(struct frame *out, const struct exit_case *c, const struct frame *in)
{
	static struct frame inner;
	unsigned char tags[8];
	size_t size = l2_size(in) - 14;

	if (c->leaves == SAME) {
		*out = *in;
		return;
	}
	memcpy(tags, in->data + 12, size);
	if (c->leaves == OUTER) {
		inner = *in;
		memmove(inner.data + 12, inner.data + 12 + size, inner.size - 12 - size);
		inner.size -= size;
		if (c->inner)
			frame_build(&inner, c->inner);
		frame_build_outer(out, c->out, &inner);
		if (c->other_device)
			memcpy(out->data + 6, DEVICE_MAC, 6);
		if (c->tags)
			size = tags_from_hex(tags, c->tags);
	} else {
		frame_build(out, c->out);
	}
	if (c->leaves == REPLY) {
		memcpy(out->data, FRAME_SOURCE, 6);
		memcpy(out->data + 6, FRAME_DEST, 6);
	}
	insert_tags(out, tags, size);
}

/* All VIPs' counters, by id. */
struct counts {
	struct sluice_counters vip[64];
};

static void count(struct counts *counts)
{
	assert_true(model->n_vips < N(counts->vip));
	for (uint32_t id = 0; id <= model->n_vips; id++)
		counts->vip[id] = stats_vip(dryrun_datapath(dryrun), id);
}

/*
 * The outcome was counted once, for VIP @vip, and the events once each; what happened before the VIP
 * was known counts for none.
 */
static void check_counters(const struct exit_case *c, uint32_t vip, const struct counts *before,
			   const struct counts *after)
{
	uint64_t events[SLUICE_EVENT_MAX] = {0};

	for (uint32_t id = 0; id <= model->n_vips; id++) {
		const struct sluice_counters *from = &before->vip[id], *to = &after->vip[id];

		for (int i = 0; i < SLUICE_OUT_MAX; i++)
			if (to->outcome[i] - from->outcome[i] !=
			    (id == vip && i == (int)c->outcome))
				fail_msg("%s: counter \"%s\" of VIP %u went up by %llu", c->in,
					 outcome_name(i), id, to->outcome[i] - from->outcome[i]);
		for (int i = 0; i < SLUICE_EVENT_MAX; i++)
			if (id == vip || !id)
				events[i] += to->event[i] - from->event[i];
	}
	for (int i = 0; i < SLUICE_EVENT_MAX; i++)
		if (events[i] != (c->events >> i & 1))
			fail_msg("%s: event %d went up by %lu", c->in, i, events[i]);
}

static void check_case(const struct exit_case *c)
{
	static struct frame in, out, expected;
	static struct counts before, after;
	struct dryrun_result result;

	count(&before);
	frame_build(&in, c->in);
	result = fixture_send(dryrun, &in, &out);
	if (strcmp(result.verdict.name, c->verdict) != 0 ||
	    result.verdict.trace.outcome != (uint32_t)c->outcome ||
	    strcmp(result.vip, c->vip) != 0 || strcmp(result.backend, c->backend) != 0)
		fail_msg("%s:\n%s %s vip=%s backend=%s, not\n%s %s vip=%s backend=%s", c->in,
			 result.verdict.name, outcome_name(result.verdict.trace.outcome),
			 result.vip, result.backend, c->verdict, outcome_name(c->outcome), c->vip,
			 c->backend);
	count(&after);
	check_counters(c, result.verdict.trace.vip, &before, &after);
	build_expected(&expected, c, &in);
	frame_assert_equal(&out, &expected, c->in);
	met_outcome[c->outcome] = true;
	for (int i = 0; i < SLUICE_EVENT_MAX; i++)
		met_event[i] = met_event[i] || c->events >> i & 1;
}

static void check_cases(const struct exit_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_case(&cases[i]);
}

/* --------------------------------------------------------------------- what is left to the host */

static const struct exit_case host_cases[] = {
	EXIT("ARP", "PASS", NOT_IP, "-", "-"),
	EXIT("vlan 5 / ARP", "PASS", NOT_IP, "-", "-"),
	EXIT("qinq 5 / ARP", "PASS", NOT_IP, "-", "-"),
	EXIT("vlan 5 / vlan 6 / ARP", "PASS", NOT_IP, "-", "-"),
	EXIT("vlan 5 / vlan 6 / vlan 7 / 4 192.168.1.1>10.200.1.1 / tcp 31337>80 A", "PASS", NOT_IP,
	     "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 ihl4 / data 5000", "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 len4000 / tcp 31337>80 A", "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 len19 / tcp 31337>80 A", "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 proto6 / data 7a690050", "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 proto17 / data 7a690050", "PASS", MALFORMED, "-", "-"),
	EXIT("6 fc00:2::1>fc00:1::1 len4000 / tcp 31337>80 A", "PASS", MALFORMED, "-", "-"),
	EXIT("6 fc00:2::1>fc00:1::1 nh60 / data 0604", "PASS", MALFORMED, "-", "-"),
	EXIT("6 fc00:2::1>fc00:1::1 nh6 / data 7a690050", "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 / icmp 3/3 / data 4500", "PASS", MALFORMED, "-", "-"),
	/* what lies behind the packet's own length is padding */
	EXIT("4 192.168.1.1>10.200.1.1 len20 / udp 31337>80", "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 len27 / udp 31337>80", "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 len39 / tcp 31337>80 A", "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 len27 / icmp 8/0 / pad 24", "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.9.9>10.200.1.1 len51 / icmp 3/1 / 4 10.200.1.1>192.168.1.1 / udp 80>31337",
	     "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.9.9>10.200.1.1 len47 / icmp 3/1 / 4 10.200.1.1>192.168.1.1 / udp 80>31337",
	     "PASS", MALFORMED, "-", "-"),
	EXIT("6 fc00:2::1>fc00:1::1 len7 / udp 31337>80", "PASS", MALFORMED, "-", "-"),
	EXIT("6 fc00:2::1>fc00:1::1 len19 / tcp 31337>80 A", "PASS", MALFORMED, "-", "-"),
	EXIT("6 fc00:2::1>fc00:1::1 len7 / icmp6 128/0 / pad 8", "PASS", MALFORMED, "-", "-"),
	EXIT("6 fc00:2::1>fc00:1::1 len0 frag:8,0,1 / udp 1>2", "PASS", MALFORMED, "-", "-"),
	EXIT("6 fc00:9::9>fc00:1::1 len51 / icmp6 1/0 / 6 fc00:1::1>fc00:2::1 / udp 80>31337",
	     "PASS", MALFORMED, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 proto47 / udp 1>2", "PASS", NOT_L4, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 / icmp 13/0 / pad 12", "PASS", NOT_L4, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 / icmp 0/0 / pad 12", "PASS", NOT_L4, "-", "-"),
	EXIT("6 fc00:2::1>fc00:1::1 nh47 / udp 1>2", "PASS", NOT_L4, "-", "-"),
	EXIT("6 fc00:2::1>fc00:1::1 / icmp6 135/0 / pad 24", "PASS", NOT_L4, "-", "-"),
	/* an error about what another host sent, and about something that is no flow */
	EXIT("4 192.168.9.9>10.200.1.1 / icmp 3/1 / 4 10.7.7.7>192.168.1.1 / tcp 80>31337 A",
	     "PASS", NOT_L4, "-", "-"),
	EXIT("4 192.168.9.9>10.200.1.1 / icmp 3/1 / 4 10.200.1.1>192.168.1.1 off8 / tcp 80>31337 A",
	     "PASS", NOT_L4, "-", "-"),
	EXIT("4 192.168.9.9>10.200.1.1 / icmp 3/1 / 4 10.200.1.1>192.168.1.1 / icmp 0/0", "PASS",
	     NOT_L4, "-", "-"),
	EXIT("6 fc00:9::9>fc00:1::1 / icmp6 1/0 / 6 fc00:7::7>fc00:2::1 / tcp 80>31337 A", "PASS",
	     NOT_L4, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 / tcp 31337>82 A", "PASS", NOT_VIP, "-", "-"),
	EXIT("4 192.168.1.1>10.200.7.1 / tcp 31337>80 A", "PASS", NOT_VIP, "-", "-"),
	EXIT("4 192.168.1.1>10.202.0.1 / udp 31337>80", "PASS", NOT_VIP, "-", "-"),
	EXIT("6 fc00:2::1>fc00:4::1 / tcp 31337>80 A", "PASS", NOT_VIP, "-", "-"),
	EXIT("6 fc00:2::1>::ffff:10.200.1.1 / tcp 31337>80 A", "PASS", NOT_VIP, "-", "-"),
	EXIT("4 192.168.1.1>10.200.7.1 / icmp 8/0 / pad 24", "PASS", NOT_VIP, "-", "-"),
	EXIT("6 fc00:2::1>fc00:4::1 / icmp6 128/0 / pad 24", "PASS", NOT_VIP, "-", "-"),
	EXIT("4 192.168.9.9>10.200.1.1 / icmp 3/1 / 4 10.200.1.1>192.168.1.1 / tcp 22>31337 A",
	     "PASS", NOT_VIP, "-", "-"),
	/* this host is the backend */
	EXIT("4 192.168.1.1>10.200.1.8 / tcp 31337>80 S", "PASS", LOCAL, "host", "self"),
	EXIT("vlan 5 / 4 192.168.1.1>10.200.1.8 / tcp 31337>80 A", "PASS", LOCAL, "host", "self"),
};

static void what_is_not_ours_is_left_to_the_host(void **state)
{
	(void)state;
	check_cases(host_cases, N(host_cases));
}

/* ------------------------------------------------------------------------------------ forwarded */

/* IP in IP, of all families; VIPs of all kinds; tags and devices. */
static const struct exit_case forward_cases[] = {
	EXIT("4 192.168.1.1>10.200.1.1 tos8c ttl1 / tcp 31337>80 A", "TX", FORWARDED, "t", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1 tos8c")),
	EXIT("4 192.168.1.1>10.200.1.1 ihl15 df / udp 31337>80", "TX", FORWARDED, "u", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("4 192.168.1.1>10.200.1.2 tosff / tcp 31337>80 A", "TX", FORWARDED, "over6", "b",
	     BEHIND("6 100::bac1:101>fc00::1 tcff")),
	EXIT("6 fc00:2::1>fc00:1::1 tc8c / tcp 31337>80 A", "TX", FORWARDED, "t6", "b",
	     BEHIND("6 100::7a69:1>fc00::1 tc8c")),
	EXIT("6 fc00:2::1>fc00:1::1 hbh route dstopt / udp 31337>80", "TX", FORWARDED, "u6", "b",
	     BEHIND("6 100::7a69:1>fc00::1")),
	EXIT("6 fc00:2::c0a8:101>fc00:1::2 / tcp 31337>80 A", "TX", FORWARDED, "over4", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("4 192.168.1.1>10.200.1.3 / tcp 31337>12345 A", "TX", FORWARDED, "any", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("4 192.168.1.1>10.200.1.4 / tcp 31337>80 A", "TX", FORWARDED, "nosport", "a",
	     BEHIND("4 172.16.1.1>10.0.0.1")),
	EXIT("4 192.168.1.1>10.200.1.5 / tcp 31337>42 A", "TX", FORWARDED, "dport", "a",
	     BEHIND("4 172.16.105.122>10.0.0.1")),
	EXIT("4 192.168.1.1>10.201.1.1 / udp 31337>53", "TX", FORWARDED, "net", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("4 192.168.1.1>10.201.7.1 / udp 31337>53", "TX", FORWARDED, "subnet", "b",
	     BEHIND("6 100::bac1:101>fc00::1")),
	EXIT("4 192.168.1.1>10.201.7.1 / udp 31337>54", "TX", FORWARDED, "net", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("6 fc00:2::1>fc00:3:8::9 / tcp 31337>54 A", "TX", FORWARDED, "net6", "b",
	     BEHIND("6 100::7a69:1>fc00::1")),
	EXIT("vlan 9 / 4 192.168.1.1>10.200.1.1 / tcp 31337>80 A", "TX", FORWARDED, "t", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("qinq 9 / vlan 10 / 6 fc00:2::1>fc00:1::1 / tcp 31337>80 A", "TX", FORWARDED, "t6",
	     "b", BEHIND("6 100::7a69:1>fc00::1")),
	EXIT("qinq 9 / 4 192.168.1.1>10.200.1.1 / tcp 31337>80 A", "TX", FORWARDED, "t", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("vlan 9 / vlan 10 / 4 192.168.1.1>10.200.1.1 / tcp 31337>80 A", "TX", FORWARDED, "t",
	     "a", BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("qinq 9 / qinq 10 / 4 192.168.1.1>10.200.1.2 / tcp 31337>80 A", "TX", FORWARDED,
	     "over6", "b", BEHIND("6 100::bac1:101>fc00::1")),
	EXIT("4 192.168.1.1>10.200.1.10 / tcp 31337>80 A", "TX", FORWARDED, "vlan", "vlan",
	     BEHIND("4 172.16.104.123>10.0.5.1"), .tags = "81000005"),
	EXIT("qinq 9 / vlan 10 / 4 192.168.1.1>10.200.1.10 / tcp 31337>80 A", "TX", FORWARDED,
	     "vlan", "vlan", BEHIND("4 172.16.104.123>10.0.5.1"), .tags = "81000005"),
	EXIT("4 192.168.1.1>10.200.1.11 / tcp 31337>80 A", "REDIRECT", FORWARDED, "port", "port",
	     BEHIND("4 172.16.104.123>10.0.6.1"), .tags = "88a8000781000008", .other_device = true),
	EXIT("vlan 9 / 4 192.168.1.1>10.200.1.11 / tcp 31337>80 A", "REDIRECT", FORWARDED, "port",
	     "port", BEHIND("4 172.16.104.123>10.0.6.1"), .tags = "88a8000781000008",
	     .other_device = true),
};

static void packets_go_to_their_backend(void **state)
{
	(void)state;
	check_cases(forward_cases, N(forward_cases));
}

static const struct exit_case gue_cases[] = {
	EXIT("4 192.168.1.1>10.200.1.6 tos8c / tcp 31337>80 A", "TX", FORWARDED, "g4", "g",
	     BEHIND("4 10.0.13.37>10.0.2.1 tos8c / udp 26747>9886")),
	EXIT("4 192.168.1.1>10.200.1.6 / udp 31337>80 / pad 7", "TX", FORWARDED, "g4u", "g",
	     BEHIND("4 10.0.13.37>10.0.2.1 / udp 26747>9886")),
	EXIT("4 192.168.1.1>10.200.1.6 ihl9 / tcp 31337>80 A", "TX", FORWARDED, "g4", "g",
	     BEHIND("4 10.0.13.37>10.0.2.1 / udp 26747>9886")),
	/* nothing tells the sum: over IPv4 the checksum is left out */
	EXIT("4 192.168.1.1>10.200.1.6 / udp 31337>80 sum0", "TX", FORWARDED, "g4u", "g",
	     BEHIND("4 10.0.13.37>10.0.2.1 / udp 26747>9886 sum0")),
	EXIT("4 192.168.1.1>10.200.1.6 MF id9 / udp 31337>80", "TX", FORWARDED, "g4u", "g",
	     BEHIND("4 10.0.13.37>10.0.2.1 / udp 26747>9886 sum0")),
	EXIT("4 192.168.1.1>10.200.1.6 off8 id9 / udp 1>2", "TX", FORWARDED, "g4u", "g",
	     .events = EVENT(FRAGMENT), BEHIND("4 10.0.13.37>10.0.2.1 / udp 26747>9886 sum0")),
	/* over IPv6 it must be there: the packet is read */
	EXIT("4 192.168.1.1>10.200.1.7 / tcp 31337>80 A", "TX", FORWARDED, "g6", "h",
	     BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31592>9886")),
	EXIT("4 192.168.1.1>10.200.1.7 / udp 31337>80 sum0 / pad 1", "TX", FORWARDED, "g6u", "h",
	     BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31592>9886")),
	EXIT("4 192.168.1.1>10.200.1.7 / udp 31337>80 sum0 / pad 1023", "TX", FORWARDED, "g6u", "h",
	     BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31592>9886")),
	EXIT("4 192.168.1.1>10.200.1.7 MF id9 / udp 31337>80 / pad 63", "TX", FORWARDED, "g6u", "h",
	     BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31592>9886")),
	EXIT("4 192.168.1.1>10.200.1.7 off72 id9 / udp 1>2 / pad 300", "TX", FORWARDED, "g6u", "h",
	     .events = EVENT(FRAGMENT), BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31592>9886")),
	EXIT("6 fc00:2::1>fc00:1::3 / tcp 31337>80 A", "TX", FORWARDED, "g64", "g",
	     BEHIND("4 10.0.13.37>10.0.2.1 / udp 31337>9886")),
	EXIT("6 fc00:2::1>fc00:1::4 tc12 / tcp 31337>80 A", "TX", FORWARDED, "g66", "h",
	     BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 tc12 / udp 31337>9886")),
	EXIT("6 fc00:2::1>fc00:1::4 hbh / udp 31337>80 / pad 40", "TX", FORWARDED, "g66u", "h",
	     BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31337>9886")),
	EXIT("6 fc00:2::1>fc00:1::4 frag:0,1,5 / udp 31337>80 / pad 40", "TX", FORWARDED, "g66u",
	     "h", BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31337>9886")),
	/* errors */
	EXIT("4 192.168.9.9>10.200.1.6 / icmp 3/4 mtu1400 / 4 10.200.1.6>192.168.1.1 / tcp "
	     "80>31337 A",
	     "TX", FORWARDED, "g4", "g", .events = EVENT(ICMP_ERROR),
	     BEHIND("4 10.0.13.37>10.0.2.1 / udp 26747>9886")),
	EXIT("4 192.168.9.9>10.200.1.7 / icmp 3/4 mtu1400 / 4 10.200.1.7>192.168.1.1 / tcp "
	     "80>31337 A",
	     "TX", FORWARDED, "g6", "h", .events = EVENT(ICMP_ERROR),
	     BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31592>9886")),
	EXIT("6 fc00:9::9>fc00:1::4 / icmp6 2/0 mtu1280 / 6 fc00:1::4>fc00:2::1 / tcp 80>31337 A",
	     "TX", FORWARDED, "g66", "h", .events = EVENT(ICMP_ERROR),
	     BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31337>9886")),
};

static void gue_checksums_are_right_or_absent(void **state)
{
	(void)state;
	check_cases(gue_cases, N(gue_cases));
}

/* Also of a packet that lies in several buffers, where the sum can only be had by reading it. */
static void gue_sums_packets_in_several_buffers(void **state)
{
	static const struct exit_case cases[] = {
		EXIT("4 192.168.1.1>10.200.1.7 / udp 31337>80 sum0 / pad 5000", "TX", FORWARDED,
		     "g6u", "h", BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31592>9886")),
		EXIT("4 192.168.1.1>10.200.1.7 MF id9 / udp 31337>80 / pad 4068", "TX", FORWARDED,
		     "g6u", "h", BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31592>9886")),
		EXIT("4 192.168.1.1>10.200.1.7 off72 id9 / udp 1>2 / pad 8001", "TX", FORWARDED,
		     "g6u", "h", .events = EVENT(FRAGMENT),
		     BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31592>9886")),
		EXIT("vlan 4 / 6 fc00:2::1>fc00:1::4 hbh / udp 31337>80 / pad 6007", "TX",
		     FORWARDED, "g66u", "h",
		     BEHIND("6 fc00:2307::1337>fc00:0:0:2::1 / udp 31337>9886")),
	};
	(void)state;

	if (!(program_settings(loaded())->features & SLUICE_FEATURE_FRAGS)) {
		print_message("this kernel has no XDP for frames of several buffers\n");
		skip();
	}
	records()[find_backend("h")].mtu = 9000;
	check_cases(cases, N(cases));
}

/* A UDP datagram may end before its IP packet does (RFC 9868): the last bytes are in no checksum. */
static void gue_sums_what_udp_leaves_out(void **state)
{
	static struct frame in, out, expected;
	const unsigned char *udp = in.data + 14 + 20;
	unsigned int sum;
	(void)state;

	frame_build(&in, "4 192.168.1.1>10.200.1.7 / udp 31337>80 / data 61626364eeee");
	in.data[14 + 20 + 5] -= 2;
	/* Without these two bytes and twice two in the lengths, in ones' complement. */
	sum = ((unsigned int)udp[6] << 8 | udp[7]) + 0xeeee + 4;
	sum = (sum & 0xffff) + (sum >> 16);
	in.data[14 + 20 + 6] = (unsigned char)(sum >> 8);
	in.data[14 + 20 + 7] = (unsigned char)sum;
	fixture_send(dryrun, &in, &out);
	frame_build_outer(&expected, "6 fc00:2307::1337>fc00:0:0:2::1 / udp 31592>9886", &in);
	frame_assert_equal(&out, &expected, "bytes behind the datagram");
}

/* ----------------------------------------------------------------------------------- ICMP errors */

#define ERROR4(kind, more, quoted) "4 192.168.9.9>10.200.1.1 / icmp " kind " / " more quoted
#define QUOTED4 "4 10.200.1.1>192.168.1.1 / tcp 80>31337 A"
#define TO_A \
	.verdict = "TX", .vip = "t", .backend = "a", .events = EVENT(ICMP_ERROR), \
	BEHIND("4 172.16.104.123>10.0.0.1")
#define ERROR6(kind, more, quoted) "6 fc00:9::9>fc00:1::1 / icmp6 " kind " / " more quoted
#define QUOTED6 "6 fc00:1::1>fc00:2::1 / tcp 80>31337 A"
#define TO_B \
	.verdict = "TX", .vip = "t6", .backend = "b", .events = EVENT(ICMP_ERROR), \
	BEHIND("6 100::7a69:1>fc00::1")

static const struct exit_case error_cases[] = {
	{.in = ERROR4("3/0", "", QUOTED4), TO_A},
	{.in = ERROR4("3/1", "cut 28 / ", QUOTED4), TO_A}, /* 8 bytes of TCP */
	{.in = ERROR4("3/3", "cut 24 / ", QUOTED4), TO_A}, /* the ports */
	{.in = ERROR4("3/4 mtu1400", "", QUOTED4), TO_A},
	{.in = ERROR4("3/13", "", QUOTED4), TO_A},
	{.in = ERROR4("11/0", "", QUOTED4), TO_A},
	{.in = ERROR4("12/0", "", QUOTED4), TO_A},
	{.in = ERROR4("3/1", "cut 68 / ", "4 10.200.1.1>192.168.1.1 ihl15 / tcp 80>31337 A"), TO_A},
	EXIT("4 192.168.9.9>10.200.1.1 ihl8 tos44 / icmp 3/1 / cut 28 / " QUOTED4, "TX", FORWARDED,
	     "t", "a", .events = EVENT(ICMP_ERROR), BEHIND("4 172.16.104.123>10.0.0.1 tos44")),
	EXIT(ERROR4("3/1", "cut 28 / ", "4 10.200.1.1>192.168.1.1 / udp 80>31337"), "TX", FORWARDED,
	     "u", "a", .events = EVENT(ICMP_ERROR), BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("4 192.168.9.9>10.201.1.1 / icmp 3/1 / cut 28 / 4 10.201.1.1>192.168.1.1 / udp "
	     "53>31337",
	     "TX", FORWARDED, "net", "a", .events = EVENT(ICMP_ERROR),
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("6 fc00:9::9>fc00:3:8::9 / icmp6 1/0 / cut 48 / 6 fc00:3:8::9>fc00:2::1 / tcp "
	     "54>31337 A",
	     "TX", FORWARDED, "net6", "b", .events = EVENT(ICMP_ERROR),
	     BEHIND("6 100::7a69:1>fc00::1")),
	EXIT("4 192.168.9.9>10.200.1.3 / icmp 11/0 / cut 28 / 4 10.200.1.3>192.168.1.1 / tcp "
	     "12345>31337 A",
	     "TX", FORWARDED, "any", "a", .events = EVENT(ICMP_ERROR),
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("4 192.168.9.9>10.200.1.5 / icmp 3/1 / cut 28 / 4 10.200.1.5>192.168.1.1 / tcp "
	     "42>31337 A",
	     "TX", FORWARDED, "dport", "a", .events = EVENT(ICMP_ERROR),
	     BEHIND("4 172.16.105.122>10.0.0.1")),
	EXIT("4 192.168.9.9>10.200.1.4 / icmp 3/1 / cut 28 / 4 10.200.1.4>192.168.1.1 / tcp "
	     "80>31337 A",
	     "TX", FORWARDED, "nosport", "a", .events = EVENT(ICMP_ERROR),
	     BEHIND("4 172.16.1.1>10.0.0.1")),
	/* what is quoted has the server's id, but it is not looked for */
	EXIT("4 192.168.9.9>10.200.1.15 / icmp 3/1 / 4 10.200.1.15>192.168.1.1 / udp 443>31337 / "
	     "quic 4080000008000000",
	     "TX", FORWARDED, "quic", "x", .events = EVENT(ICMP_ERROR),
	     BEHIND("4 172.16.104.123>10.0.9.1")),
	EXIT(ERROR4("3/1", "cut 23 / ", QUOTED4), "PASS", MALFORMED, "-", "-"),
	{.in = ERROR6("1/0", "", QUOTED6), TO_B},
	{.in = ERROR6("1/4", "cut 48 / ", QUOTED6), TO_B},
	{.in = ERROR6("2/0 mtu1280", "", QUOTED6), TO_B},
	{.in = ERROR6("3/0", "", QUOTED6), TO_B},
	{.in = ERROR6("4/1", "", QUOTED6), TO_B},
	{.in = ERROR6("1/0", "cut 72 / ",
		      "6 fc00:1::1>fc00:2::1 hbh route dstopt / tcp 80>31337 A"),
	 TO_B},
	{.in = ERROR6("1/0", "cut 56 / ", "6 fc00:1::1>fc00:2::1 frag:0,1,7 / tcp 80>31337 A"),
	 TO_B},
	EXIT(ERROR6("1/0", "", "6 fc00:1::1>fc00:2::1 frag:8,1,7 / tcp 80>31337 A"), "PASS", NOT_L4,
	     "-", "-"),
};

static void errors_follow_the_flow_that_they_quote(void **state)
{
	(void)state;
	check_cases(error_cases, N(error_cases));
}

/* -------------------------------------------------------------------------------------- fragments */

#define PIECE4(more) "4 192.168.1.1>10.200.1.1 " more " / udp 31337>80 / pad 1000"
#define PIECE6(more) "6 fc00:2::1>fc00:1::1 " more " / udp 31337>80 / pad 1000"

/* In this order. */
static const struct exit_case fragment_cases[] = {
	EXIT(PIECE4("id1 off1008"), "DROP", FRAGMENT_LOST, "t", "-"),
	EXIT(PIECE4("id1 MF"), "TX", FORWARDED, "u", "a", BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT(PIECE4("id1 MF off1008"), "TX", FORWARDED, "u", "a", .events = EVENT(FRAGMENT),
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT(PIECE4("id1 off2016"), "TX", FORWARDED, "u", "a", .events = EVENT(FRAGMENT),
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT(PIECE4("id2 off1008"), "DROP", FRAGMENT_LOST, "t", "-"),
	EXIT("4 192.168.1.2>10.200.1.1 id1 off8 / udp 1>2", "DROP", FRAGMENT_LOST, "t", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 id1 off8 / tcp 1>2 A", "DROP", FRAGMENT_LOST, "t", "-"),
	/* a port that no VIP has, and another protocol: all of the datagram is the host's */
	EXIT("4 192.168.1.1>10.200.1.1 id3 MF / udp 31337>81", "PASS", NOT_VIP, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 id3 off8 / udp 1>2", "PASS", NOT_VIP, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 id4 MF proto47 / udp 1>2", "PASS", NOT_L4, "-", "-"),
	EXIT("4 192.168.1.1>10.200.1.1 id4 off8 proto47 / udp 1>2", "PASS", NOT_L4, "-", "-"),
	EXIT("4 192.168.1.1>10.200.7.1 id3 off8 / udp 1>2", "PASS", NOT_VIP, "-", "-"),
	/* refused, with all its pieces */
	EXIT("4 192.168.2.1>10.200.1.20 id5 MF / udp 31337>80", "DROP", DENIED, "few", "-"),
	EXIT("4 192.168.2.1>10.200.1.20 id5 off8 / udp 1>2", "DROP", FRAGMENT_LOST, "few", "-"),
	EXIT(PIECE6("frag:1008,0,1"), "DROP", FRAGMENT_LOST, "t6", "-"),
	EXIT(PIECE6("frag:0,1,1"), "TX", FORWARDED, "u6", "b", BEHIND("6 100::7a69:1>fc00::1")),
	EXIT(PIECE6("frag:1008,1,1"), "TX", FORWARDED, "u6", "b", .events = EVENT(FRAGMENT),
	     BEHIND("6 100::7a69:1>fc00::1")),
	EXIT(PIECE6("hbh frag:2016,0,1"), "TX", FORWARDED, "u6", "b", .events = EVENT(FRAGMENT),
	     BEHIND("6 100::7a69:1>fc00::1")),
	EXIT(PIECE6("frag:1008,0,2"), "DROP", FRAGMENT_LOST, "t6", "-"),
	EXIT(PIECE6("frag:0,0,9"), "TX", FORWARDED, "u6", "b", BEHIND("6 100::7a69:1>fc00::1")),
	EXIT("6 fc00:2::1>fc00:4::1 frag:8,0,1 / udp 1>2", "PASS", NOT_VIP, "-", "-"),
	/* an ICMP error in pieces, of which the first one quotes the flow: they come from another host */
	EXIT("4 192.168.9.9>10.200.1.1 id8 MF / icmp 3/4 mtu1400 / 4 10.200.1.1>192.168.1.1 / udp "
	     "80>31337 / pad 100",
	     "TX", FORWARDED, "u", "a", .events = EVENT(ICMP_ERROR),
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("4 192.168.9.9>10.200.1.1 id8 off136 / icmp 3/4 / pad 92", "TX", FORWARDED, "u", "a",
	     .events = EVENT(FRAGMENT), BEHIND("4 172.16.104.123>10.0.0.1")),
	/* where the port alone chooses, no piece shows the client */
	EXIT("4 192.168.1.1>10.200.1.5 id9 MF / tcp 31337>42 A", "TX", FORWARDED, "dport", "a",
	     BEHIND("4 172.16.105.122>10.0.0.1")),
	EXIT("4 192.168.1.1>10.200.1.5 id9 off32 / tcp 1>2 A", "TX", FORWARDED, "dport", "a",
	     .events = EVENT(FRAGMENT), BEHIND("4 172.16.105.122>10.0.0.1")),
	/* of an echo request each piece becomes one of the reply; its type is in the first alone */
	EXIT("4 192.168.1.1>10.200.1.1 id6 off1008 / icmp 8/0 / pad 92", "DROP", FRAGMENT_LOST, "t",
	     "-"),
	EXIT("4 192.168.1.1>10.200.1.1 id6 ttl3 MF / icmp 8/0 / pad 1000", "TX", ECHO, "t", "-",
	     ANSWER("4 10.200.1.1>192.168.1.1 id6 MF / icmp 0/0 / pad 1000")),
	EXIT("4 192.168.1.1>10.200.1.1 id6 ttl3 off1008 / icmp 8/0 / pad 92", "TX", ECHO, "t", "-",
	     .events = EVENT(FRAGMENT),
	     ANSWER("4 10.200.1.1>192.168.1.1 id6 off1008 / icmp 8/0 / pad 92")),
	EXIT("qinq 3 / 6 fc00:2::1>fc00:1::1 frag:0,1,6 / icmp6 128/0 / pad 1000", "TX", ECHO, "t6",
	     "-", ANSWER("6 fc00:1::1>fc00:2::1 frag:0,1,6 / icmp6 129/0 / pad 1000")),
	EXIT("qinq 3 / 6 fc00:2::1>fc00:1::1 hl1 frag:1008,0,6 / icmp6 128/0 / pad 92", "TX", ECHO,
	     "t6", "-", .events = EVENT(FRAGMENT),
	     ANSWER("6 fc00:1::1>fc00:2::1 frag:1008,0,6 / icmp6 128/0 / pad 92")),
	EXIT("4 192.168.1.1>10.200.7.1 id7 MF / icmp 8/0 / pad 1000", "PASS", NOT_VIP, "-", "-"),
	EXIT("4 192.168.1.1>10.200.7.1 id7 off1008 / icmp 8/0 / pad 92", "PASS", NOT_VIP, "-", "-"),
};

static void pieces_follow_the_first_one(void **state)
{
	(void)state;
	check_cases(fragment_cases, N(fragment_cases));
}

/* ------------------------------------------------------------------------------------ ids, flows */

#define QUIC(hex) "4 192.168.1.1>10.200.1.15 / udp 31337>443 / quic " hex
#define LB(hex) "4 192.168.1.1>10.200.1.16 / udp 31337>443 / quic " hex
#define TCPID(hex) "4 192.168.1.1>10.200.1.17 / tcp 31337>80 A opt:" hex
#define UDPID(hex) "4 192.168.1.1>10.200.1.18 / udp 31337>80 / data " hex
#define TO(backend_, events_, address) \
	.backend = backend_, .events = events_, BEHIND("4 172.16.104.123>" address)
#define TO_X(event) TO("x", event, "10.0.9.1")
#define TO_Y(event) TO("y", event, "10.0.9.2")
#define SENT .verdict = "TX"

/* The ring has x only: y is reached by its id alone, z not at all. */
static const struct exit_case id_cases[] = {
	/* short header: layouts 1 (1023 = 0x3ff), 2 and 3 (8) */
	{.in = QUIC("4040ffc000000000"), SENT, .vip = "quic", TO_Y(EVENT(ID_USED))},
	{.in = QUIC("4080000008000000"), SENT, .vip = "quic", TO_Y(EVENT(ID_USED))},
	{.in = QUIC("40c0000000080000"), SENT, .vip = "quic", TO_Y(EVENT(ID_USED))},
	{.in = QUIC("40c0800000080000"), SENT, .vip = "quic", TO_X(0)}, /* negative in Katran */
	{.in = QUIC("4000000008000000"), SENT, .vip = "quic", TO_X(0)}, /* no layout */
	{.in = QUIC("4080000000000000"), SENT, .vip = "quic", TO_X(0)},
	{.in = QUIC("4080000009000000"),
	 SENT,
	 .vip = "quic",
	 TO_X(EVENT(ID_UNKNOWN))}, /* z is out */
	{.in = QUIC("40800000ee000000"), SENT, .vip = "quic", TO_X(EVENT(ID_UNKNOWN))},
	/* long header: a handshake of version 1, an initial one and 0-RTT, whose ids are the client's */
	{.in = QUIC("e0000000010880000008000000"), SENT, .vip = "quic", TO_Y(EVENT(ID_USED))},
	{.in = QUIC("c0000000010880000008000000"), SENT, .vip = "quic", TO_X(0)},
	{.in = QUIC("d0000000010880000008000000"), SENT, .vip = "quic", TO_X(0)},
	{.in = QUIC("e0000000010780000008000000"), SENT, .vip = "quic", TO_X(0)}, /* a short id */
	/* version 2 has other codes for them */
	{.in = QUIC("f06b3343cf0880000008000000"), SENT, .vip = "quic", TO_Y(EVENT(ID_USED))},
	{.in = QUIC("d06b3343cf0880000008000000"), SENT, .vip = "quic", TO_X(0)},
	{.in = QUIC("e06b3343cf0880000008000000"), SENT, .vip = "quic", TO_X(0)},
	{.in = QUIC("4080000008"), SENT, .vip = "quic", TO_Y(EVENT(ID_USED))},
	{.in = QUIC("40800000"), SENT, .vip = "quic", TO_X(0)}, /* ends before */
	/* ends before by its IP header, and goes on behind it */
	{.in = "4 192.168.1.1>10.200.1.15 len32 / udp 31337>443 / quic 4080000008000000",
	 SENT,
	 .vip = "quic",
	 .backend = "x",
	 BEHIND("4 172.16.104.123>10.0.9.1 len52")},
	{.in = "4 192.168.1.1>10.200.1.17 len44 / tcp 31337>80 A opt:b706080000000000 / pad 9",
	 SENT,
	 .vip = "tcpid",
	 .backend = "x",
	 BEHIND("4 172.16.104.123>10.0.9.1 len64")},
	{.in = "4 192.168.1.1>10.200.1.18 len35 / udp 31337>80 / data 520000080000000000000000",
	 SENT,
	 .vip = "udpid",
	 .backend = "x",
	 BEHIND("4 172.16.104.123>10.0.9.1 len55")},
	{.in = LB("4005000800000000"), SENT, .vip = "lb", TO_Y(EVENT(ID_USED))},
	{.in = LB("40e5000800000000"), SENT, .vip = "lb", TO_X(0)}, /* config 7: not to be routed */
	{.in = LB("4005eeee00000000"), SENT, .vip = "lb", TO_X(EVENT(ID_UNKNOWN))},
	{.in = LB("e0000000010805000800000000"), SENT, .vip = "lb", TO_Y(EVENT(ID_USED))},
	{.in = TCPID("b706080000000000"), SENT, .vip = "tcpid", TO_Y(EVENT(ID_USED))},
	{.in = TCPID("01020403e8b70608000000"), SENT, .vip = "tcpid", TO_Y(EVENT(ID_USED))},
	{.in = TCPID("b706000000080000"),
	 SENT,
	 .vip = "tcpid",
	 TO_X(EVENT(ID_UNKNOWN))}, /* byte order */
	{.in = TCPID("b706090000000000"), SENT, .vip = "tcpid", TO_X(EVENT(ID_UNKNOWN))},
	{.in = TCPID("00b7060800000000"),
	 SENT,
	 .vip = "tcpid",
	 TO_X(0)}, /* behind the end of the list */
	{.in = TCPID("b605080000000000"), SENT, .vip = "tcpid", TO_X(0)},
	{.in = "4 192.168.1.1>10.200.1.17 / tcp 31337>80 S opt:b706080000000000",
	 SENT,
	 .vip = "tcpid",
	 TO_X(0)},
	{.in = UDPID("5200000800000000"), SENT, .vip = "udpid", TO_Y(EVENT(ID_USED))},
	{.in = UDPID("5300000800000000"), SENT, .vip = "udpid", TO_X(0)},
	{.in = UDPID("52000008000000"), SENT, .vip = "udpid", TO_X(0)}, /* ends before */
	{.in = UDPID("5200000000000000"), SENT, .vip = "udpid", TO_X(0)},
	{.in = UDPID("520000ee00000000"), SENT, .vip = "udpid", TO_X(EVENT(ID_UNKNOWN))},
};

static void ids_in_packets_name_the_backend(void **state)
{
	(void)state;
	check_cases(id_cases, N(id_cases));
}

#define MOVES(port, flags) "4 192.168.1.1>10.200.1.13 / tcp " port ">80 " flags
#define TO_NEW(source, events_) \
	.backend = "new", .events = events_, BEHIND("4 " source ">10.0.8.1 df id4660")

/* In this order. The other owner is told to "new" (id 4660 of the outer header), not to "old". */
static const struct exit_case flow_cases[] = {
	{.in = "4 192.168.1.1>10.200.1.14 / udp 31337>80",
	 SENT,
	 .vip = "remembers",
	 TO("a", 0, "10.0.0.1")},
	{.in = "4 192.168.1.1>10.200.1.14 / udp 31337>80",
	 SENT,
	 .vip = "remembers",
	 TO("a", EVENT(FLOW_HIT), "10.0.0.1")},
	{.in = MOVES("31337", "S"), SENT, .vip = "moves", TO_NEW("172.16.104.123", EVENT(HINTED))},
	{.in = MOVES("31337", "A"),
	 SENT,
	 .vip = "moves",
	 TO_NEW("172.16.104.123", EVENT(FLOW_HIT) | EVENT(HINTED))},
	{.in = MOVES("31337", "PA"),
	 SENT,
	 .vip = "moves",
	 TO_NEW("172.16.104.123", EVENT(FLOW_HIT) | EVENT(HINTED))},
};

static void remembered_flows_stay(void **state)
{
	(void)state;
	check_cases(flow_cases, N(flow_cases));
}

/*
 * What ids leave behind, as with Katran: one of QUIC takes along what is remembered of its flow, one for
 * stable routing nothing, one in TCP all that comes after it. "k*" remembers flows, the ring has x only.
 */
#define KQUIC(port, hex) "4 192.168.1.1>10.200.1.21 / udp " port ">443 / quic " hex
#define KUDP(port, hex) "4 192.168.1.1>10.200.1.22 / udp " port ">80 / data " hex
#define KTCP(port, more) "4 192.168.1.1>10.200.1.23 / tcp " port ">80 " more
#define TO_BY(backend_, events_, source, address) \
	.backend = backend_, .events = events_, BEHIND("4 " source ">" address)

static const struct exit_case memory_cases[] = {
	/* nothing was remembered of the flow, and nothing is */
	{.in = KQUIC("31337", "4080000008000000"), SENT, .vip = "kquic", TO_Y(EVENT(ID_USED))},
	{.in = KQUIC("31337", "4000000000000000"), SENT, .vip = "kquic", TO_X(0)},
	/* now something is, and goes along */
	{.in = KQUIC("31337", "4000000000000000"), SENT, .vip = "kquic", TO_X(EVENT(FLOW_HIT))},
	{.in = KQUIC("31337", "4080000008000000"), SENT, .vip = "kquic", TO_Y(EVENT(ID_USED))},
	{.in = KQUIC("31337", "4000000000000000"), SENT, .vip = "kquic", TO_Y(EVENT(FLOW_HIT))},
	{.in = KUDP("31337", "5200000800000000"), SENT, .vip = "kudp", TO_Y(EVENT(ID_USED))},
	{.in = KUDP("31337", "0000000000000000"), SENT, .vip = "kudp", TO_X(0)},
	{.in = KUDP("31337", "5200000800000000"), SENT, .vip = "kudp", TO_Y(EVENT(ID_USED))},
	{.in = KUDP("31337", "0000000000000000"), SENT, .vip = "kudp", TO_X(EVENT(FLOW_HIT))},
	{.in = KTCP("31337", "A opt:b706080000000000"), SENT, .vip = "ktcp", TO_Y(EVENT(ID_USED))},
	{.in = KTCP("31337", "A"), SENT, .vip = "ktcp", TO_Y(EVENT(FLOW_HIT))},
	/* a reset is not the beginning of anything */
	{.in = KTCP("31338", "R"),
	 SENT,
	 .vip = "ktcp",
	 TO_BY("x", 0, "172.16.107.123", "10.0.9.1")},
	{.in = KTCP("31338", "R"),
	 SENT,
	 .vip = "ktcp",
	 TO_BY("x", 0, "172.16.107.123", "10.0.9.1")},
};

static void ids_leave_behind_what_katrans_do(void **state)
{
	(void)state;
	check_cases(memory_cases, N(memory_cases));
}

/* A flow that nobody saw begin goes to its slot's old owner, and is told of the new one, if it has a number. */
static void unknown_flows_go_to_the_old_owner(void **state)
{
	uint32_t new = find_backend("new");
	struct exit_case c = {
		.in = MOVES("31338", "A"),
		SENT,
		.vip = "moves",
		.backend = "old",
		.events = EVENT(FLOW_OLD) | EVENT(HINTED),
		BEHIND("4 172.16.107.123>10.0.8.2 df id4660"),
	};
	(void)state;

	records()[new].hint = htons(HINT);
	check_case(&c);
	c.events = EVENT(FLOW_HIT) | EVENT(HINTED);
	check_case(&c);
}

/* ------------------------------------------------------------------------------ clients, dead ends */

static const struct exit_case client_cases[] = {
	EXIT("4 192.168.7.1>10.200.1.19 / tcp 31337>80 A", "TX", FORWARDED, "clients", "b",
	     .events = EVENT(SOURCE_USED), BEHIND("6 100::bac1:701>fc00::1")),
	EXIT("4 192.168.7.9>10.200.1.19 / tcp 31337>80 A", "TX", FORWARDED, "clients", "x",
	     .events = EVENT(SOURCE_USED), BEHIND("4 172.16.110.115>10.0.9.1")),
	EXIT("4 192.168.8.1>10.200.1.19 / tcp 31337>80 A", "DROP", NO_BACKEND, "clients", "-",
	     .events = EVENT(SOURCE_USED)),
	EXIT("4 192.168.1.1>10.200.1.19 / tcp 31337>80 A", "TX", FORWARDED, "clients", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("4 192.168.66.1>10.200.1.19 / tcp 31337>80 A", "DROP", DENIED, "clients", "-"),
	EXIT("4 192.168.1.1>10.200.1.20 / udp 31337>80", "TX", FORWARDED, "few", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT("4 192.168.2.1>10.200.1.20 / udp 31337>80", "DROP", DENIED, "few", "-"),
	EXIT("4 192.168.1.1>10.200.1.99 / tcp 31337>80 S", "DROP", NO_BACKEND, "none", "-"),
	EXIT("4 192.168.1.1>10.200.1.9 / tcp 31337>80 S", "DROP", NO_NEXTHOP, "away", "away"),
};

static void clients_are_told_apart(void **state)
{
	(void)state;
	check_cases(client_cases, N(client_cases));
}

/* The frame of one that is dropped at a closed device has its outer header already. */
static void a_device_that_is_not_there_drops(void **state)
{
	static struct frame in, out;
	struct dryrun_result result;
	(void)state;

	frame_build(&in, "4 192.168.1.1>10.200.1.12 / tcp 31337>80 S");
	result = fixture_send(dryrun, &in, &out);
	assert_string_equal(result.verdict.name, "DROP");
	assert_int_equal(result.verdict.trace.outcome, SLUICE_OUT_NO_NEXTHOP);
	assert_string_equal(result.backend, "closed");
}

/* ----------------------------------------------------------------------------------------- tunnels */

#define IN4(ttl, dst) "4 192.168.1.1>" dst " ttl" ttl " / udp 31337>80"
#define IN6(hl, dst) "6 fc00:2::1>" dst " hl" hl " / tcp 31337>80 A"

static const struct exit_case decap_cases[] = {
	EXIT("4 172.31.0.1>10.210.0.1 / " IN4("9", "10.200.1.1"), "TX", FORWARDED, "u", "a",
	     .events = EVENT(DECAPSULATED), BEHIND("4 172.16.104.123>10.0.0.1"),
	     .inner = IN4("8", "10.200.1.1")),
	EXIT("4 172.31.0.1>10.210.0.1 ihl7 / " IN4("9", "10.200.1.1"), "TX", FORWARDED, "u", "a",
	     .events = EVENT(DECAPSULATED), BEHIND("4 172.16.104.123>10.0.0.1"),
	     .inner = IN4("8", "10.200.1.1")),
	EXIT("4 172.31.0.1>10.210.0.1 / " IN6("9", "fc00:1::1"), "TX", FORWARDED, "t6", "b",
	     .events = EVENT(DECAPSULATED), BEHIND("6 100::7a69:1>fc00::1"),
	     .inner = IN6("8", "fc00:1::1")),
	EXIT("6 fc00:5::1>fc00:1404::1 / " IN4("9", "10.200.1.1"), "TX", FORWARDED, "u", "a",
	     .events = EVENT(DECAPSULATED), BEHIND("4 172.16.104.123>10.0.0.1"),
	     .inner = IN4("8", "10.200.1.1")),
	EXIT("6 fc00:5::1>fc00:1404::1 / udp 1>6080 / " IN6("9", "fc00:1::1"), "TX", FORWARDED,
	     "t6", "b", .events = EVENT(DECAPSULATED), BEHIND("6 100::7a69:1>fc00::1"),
	     .inner = IN6("8", "fc00:1::1")),
	EXIT("4 172.31.0.1>10.210.0.1 / udp 1>9886 / " IN4("9", "10.200.1.1"), "TX", FORWARDED, "u",
	     "a", .events = EVENT(DECAPSULATED), BEHIND("4 172.16.104.123>10.0.0.1"),
	     .inner = IN4("8", "10.200.1.1")),
	EXIT("qinq 5 / vlan 6 / 4 172.31.0.1>10.210.0.1 / " IN4("9", "10.200.1.1"), "TX", FORWARDED,
	     "u", "a", .events = EVENT(DECAPSULATED), BEHIND("4 172.16.104.123>10.0.0.1"),
	     .inner = IN4("8", "10.200.1.1")),
	/* not for a VIP: to the host, or back to the router; without the tunnel */
	EXIT("4 172.31.0.1>10.210.0.1 / " IN4("9", "10.9.9.9"), "PASS", NOT_VIP, "-", "-",
	     .events = EVENT(DECAPSULATED), INSIDE(IN4("8", "10.9.9.9"))),
	EXIT("vlan 6 / 4 172.31.0.1>10.210.0.1 / " IN6("9", "fc00:9::9"), "PASS", NOT_VIP, "-", "-",
	     .events = EVENT(DECAPSULATED), INSIDE(IN6("8", "fc00:9::9"))),
	EXIT("4 172.31.0.1>10.210.0.2 / " IN4("9", "10.9.9.9"), "TX", EGRESS, "-", "-",
	     .events = EVENT(DECAPSULATED), ANSWER(IN4("8", "10.9.9.9"))),
	EXIT("vlan 6 / 6 fc00:5::1>fc00:1404::2 / " IN6("9", "fc00:9::9"), "TX", EGRESS, "-", "-",
	     .events = EVENT(DECAPSULATED), ANSWER(IN6("8", "fc00:9::9"))),
	EXIT("4 172.31.0.1>10.210.0.2 / " IN4("9", "10.200.1.1"), "TX", FORWARDED, "u", "a",
	     .events = EVENT(DECAPSULATED), BEHIND("4 172.16.104.123>10.0.0.1"),
	     .inner = IN4("8", "10.200.1.1")),
	EXIT("4 172.31.0.1>10.210.0.2 / 4 192.168.1.1>10.200.1.8 ttl9 / tcp 31337>80 A", "PASS",
	     LOCAL, "host", "self", .events = EVENT(DECAPSULATED),
	     INSIDE("4 192.168.1.1>10.200.1.8 ttl8 / tcp 31337>80 A")),
	/* the last hop */
	EXIT("4 172.31.0.1>10.210.0.1 / " IN4("1", "10.200.1.1"), "DROP", TTL, "-", "-",
	     .events = EVENT(DECAPSULATED), INSIDE(IN4("0", "10.200.1.1"))),
	EXIT("4 172.31.0.1>10.210.0.2 / " IN6("0", "fc00:1::1"), "DROP", TTL, "-", "-",
	     .events = EVENT(DECAPSULATED), INSIDE(IN6("0", "fc00:1::1"))),
	/* no tunnel that we know, to the same address */
	EXIT("4 172.31.0.1>10.210.0.1 / udp 1>53 / " IN4("9", "10.200.1.1"), "PASS", NOT_VIP, "-",
	     "-"),
	EXIT("4 172.31.0.1>10.210.0.1 / icmp 8/0 / pad 24", "PASS", NOT_VIP, "-", "-"),
	EXIT("4 172.31.0.1>10.210.0.1 MF / " IN4("9", "10.200.1.1"), "PASS", NOT_L4, "-", "-"),
	EXIT("4 172.31.0.1>10.210.0.3 / " IN4("9", "10.200.1.1"), "PASS", NOT_L4, "-", "-"),
	EXIT("4 172.31.0.1>10.210.0.1 proto41 / " IN4("9", "10.200.1.1"), "PASS", NOT_L4, "-", "-"),
	EXIT("6 fc00:5::1>fc00:1404::1 nh4 / " IN6("9", "fc00:1::1"), "PASS", NOT_L4, "-", "-"),
};

static void tunnels_that_end_here_are_taken_off(void **state)
{
	(void)state;
	check_cases(decap_cases, N(decap_cases));
}

/* -------------------------------------------------------------------------------------------- echo */

static const struct exit_case echo_cases[] = {
	EXIT("4 192.168.1.1>10.200.1.1 ttl3 tos20 id77 / icmp 8/0 / pad 56", "TX", ECHO, "t", "-",
	     ANSWER("4 10.200.1.1>192.168.1.1 tos20 id77 / icmp 0/0 / pad 56")),
	EXIT("4 192.168.1.1>10.200.1.1 ihl8 df / icmp 8/0 / pad 57", "TX", ECHO, "t", "-",
	     ANSWER("4 10.200.1.1>192.168.1.1 ihl8 df / icmp 0/0 / pad 57")),
	EXIT("4 192.168.1.1>10.201.3.3 / icmp 8/0 / pad 56", "TX", ECHO, "net", "-",
	     ANSWER("4 10.201.3.3>192.168.1.1 / icmp 0/0 / pad 56")),
	EXIT("qinq 3 / vlan 4 / 4 192.168.1.1>10.200.1.99 / icmp 8/0 / pad 1", "TX", ECHO, "none",
	     "-", ANSWER("4 10.200.1.99>192.168.1.1 / icmp 0/0 / pad 1")),
	EXIT("qinq 3 / 4 192.168.1.1>10.200.1.99 / icmp 8/0 / pad 1", "TX", ECHO, "none", "-",
	     ANSWER("4 10.200.1.99>192.168.1.1 / icmp 0/0 / pad 1")),
	EXIT("vlan 3 / vlan 4 / 4 192.168.1.1>10.200.1.99 / icmp 8/0 / pad 1", "TX", ECHO, "none",
	     "-", ANSWER("4 10.200.1.99>192.168.1.1 / icmp 0/0 / pad 1")),
	EXIT("6 fc00:2::1>fc00:1::1 hl3 tc20 / icmp6 128/0 / pad 56", "TX", ECHO, "t6", "-",
	     ANSWER("6 fc00:1::1>fc00:2::1 tc20 / icmp6 129/0 / pad 56")),
	EXIT("vlan 4 / 6 fc00:2::1>fc00:3::77 / icmp6 128/0 / pad 33", "TX", ECHO, "net6", "-",
	     ANSWER("6 fc00:3::77>fc00:2::1 / icmp6 129/0 / pad 33")),
	EXIT("4 172.31.0.1>10.210.0.1 / 4 192.168.1.1>10.200.1.1 ttl9 / icmp 8/0 / pad 8", "TX",
	     ECHO, "t", "-", .events = EVENT(DECAPSULATED),
	     ANSWER("4 10.200.1.1>192.168.1.1 / icmp 0/0 / pad 8")),
};

static void echo_requests_are_answered(void **state)
{
	(void)state;
	check_cases(echo_cases, N(echo_cases));
}

/* The reply to a request with these last two bytes is what a receiver takes for intact. */
static void check_echo(const char *request, unsigned int last)
{
	static struct frame in, out;
	struct check_frame check = {.action = XDP_TX, .outcome = SLUICE_OUT_ECHO};
	char text[256];
	const char *wrong;

	snprintf(text, sizeof(text), "%s%04x", request, last);
	frame_build(&in, text);
	fixture_send(dryrun, &in, &out);
	check.in = in.data;
	check.in_size = in.size;
	check.out = out.data;
	check.out_size = out.size;
	wrong = check_frame(&check);
	if (wrong)
		fail_msg("%s: %s", text, wrong);
}

/* Around the carries, at both ends and in between. */
static void echo_replies_have_right_checksums(void **state)
{
	static const char request4[] = "4 192.168.1.1>10.200.1.1 / icmp 8/0 / data 00000000";
	static const char request6[] = "6 fc00:2::1>fc00:1::1 / icmp6 128/0 / data 00000000";
	(void)state;

	for (unsigned int i = 0; i < 0x10000; i += i < 0x20 || (i & 0xff) > 0xfc ? 1 : 29) {
		check_echo(request4, i);
		check_echo(request6, i);
	}
	/* 0xf7fe .. 0xf801 and the all-zero message */
	for (unsigned int i = 0xf7f0; i < 0xf810; i++)
		check_echo(request4, i);
	check_echo("4 192.168.1.1>10.200.1.1 / icmp 8/0 / data ", 0);
}

/* ----------------------------------------------------------------------------------------- too big */

#define BIG4(dst, more, pad) "4 192.168.1.1>" dst " " more " / tcp 31337>80 A / pad " pad
#define BIG6(dst, pad) "6 fc00:2::1>" dst " / tcp 31337>80 A / pad " pad

/* A device of 1500 bytes: 1480 through IP in IP, 1460 through IPv6, 1472 and 1452 with UDP. */
static const struct exit_case big_cases[] = {
	EXIT(BIG4("10.200.1.1", "df", "1440"), "TX", FORWARDED, "t", "a",
	     BEHIND("4 172.16.104.123>10.0.0.1")),
	EXIT(BIG4("10.200.1.1", "df", "1441"), "TX", TOO_BIG, "t", "a",
	     ANSWER("4 10.200.1.1>192.168.1.1 / icmp 3/4 mtu1480 / cut 84 / " BIG4("10.200.1.1",
										   "df", "1441"))),
	EXIT(BIG4("10.200.1.1", "df tos9c id5 ihl9", "1440"), "TX", TOO_BIG, "t", "a",
	     ANSWER("4 10.200.1.1>192.168.1.1 / icmp 3/4 mtu1480 / cut 84 / " BIG4(
		     "10.200.1.1", "df tos9c id5 ihl9", "1440"))),
	EXIT(BIG4("10.200.1.2", "df", "1421"), "TX", TOO_BIG, "over6", "b",
	     ANSWER("4 10.200.1.2>192.168.1.1 / icmp 3/4 mtu1460 / cut 84 / " BIG4("10.200.1.2",
										   "df", "1421"))),
	EXIT(BIG4("10.200.1.6", "df", "1433"), "TX", TOO_BIG, "g4", "g",
	     ANSWER("4 10.200.1.6>192.168.1.1 / icmp 3/4 mtu1472 / cut 84 / " BIG4("10.200.1.6",
										   "df", "1433"))),
	EXIT(BIG4("10.200.1.7", "df", "1413"), "TX", TOO_BIG, "g6", "h",
	     ANSWER("4 10.200.1.7>192.168.1.1 / icmp 3/4 mtu1452 / cut 84 / " BIG4("10.200.1.7",
										   "df", "1413"))),
	EXIT("vlan 5 / " BIG4("10.200.1.1", "df", "1441"), "TX", TOO_BIG, "t", "a",
	     ANSWER("4 10.200.1.1>192.168.1.1 / icmp 3/4 mtu1480 / cut 84 / " BIG4("10.200.1.1",
										   "df", "1441"))),
	EXIT("qinq 5 / " BIG4("10.200.1.1", "df", "1441"), "TX", TOO_BIG, "t", "a",
	     ANSWER("4 10.200.1.1>192.168.1.1 / icmp 3/4 mtu1480 / cut 84 / " BIG4("10.200.1.1",
										   "df", "1441"))),
	EXIT("vlan 5 / vlan 6 / " BIG4("10.200.1.1", "df", "1441"), "TX", TOO_BIG, "t", "a",
	     ANSWER("4 10.200.1.1>192.168.1.1 / icmp 3/4 mtu1480 / cut 84 / " BIG4("10.200.1.1",
										   "df", "1441"))),
	EXIT(BIG4("10.200.1.1", "df", "8000"), "TX", TOO_BIG, "t", "a",
	     ANSWER("4 10.200.1.1>192.168.1.1 / icmp 3/4 mtu1480 / cut 84 / " BIG4("10.200.1.1",
										   "df", "8000"))),
	EXIT(BIG4("10.200.1.1", "", "1441"), "DROP", TOO_BIG_NO_DF, "t", "a"),
	EXIT(BIG6("fc00:1::1", "1400"), "TX", FORWARDED, "t6", "b",
	     BEHIND("6 100::7a69:1>fc00::1")),
	EXIT(BIG6("fc00:1::1", "1401"), "TX", TOO_BIG, "t6", "b",
	     ANSWER("6 fc00:1::1>fc00:2::1 / icmp6 2/0 mtu1460 / cut 248 / " BIG6("fc00:1::1",
										  "1401"))),
	EXIT(BIG6("fc00:1::2", "1421"), "TX", TOO_BIG, "over4", "a",
	     ANSWER("6 fc00:1::2>fc00:2::1 / icmp6 2/0 mtu1480 / cut 248 / " BIG6("fc00:1::2",
										  "1421"))),
	EXIT("qinq 5 / vlan 6 / " BIG6("fc00:1::4", "1393"), "TX", TOO_BIG, "g66", "h",
	     ANSWER("6 fc00:1::4>fc00:2::1 / icmp6 2/0 mtu1452 / cut 248 / " BIG6("fc00:1::4",
										  "1393"))),
};

static void what_does_not_fit_is_answered(void **state)
{
	(void)state;
	check_cases(big_cases, N(big_cases));
}

/* Nobody sends IPv6 in less than 1280 bytes on being told so; IPv4 goes down to what fits. */
static const struct exit_case narrow_cases[] = {
	EXIT(BIG6("fc00:1::1", "1180"), "TX", FORWARDED, "t6", "b",
	     BEHIND("6 100::7a69:1>fc00::1")),
	EXIT(BIG6("fc00:1::1", "1181"), "DROP", TOO_NARROW, "t6", "b"),
	EXIT(BIG6("fc00:1::1", "1220"), "DROP", TOO_NARROW, "t6", "b"),
	EXIT(BIG6("fc00:1::1", "1221"), "TX", TOO_BIG, "t6", "b",
	     ANSWER("6 fc00:1::1>fc00:2::1 / icmp6 2/0 mtu1280 / cut 248 / " BIG6("fc00:1::1",
										  "1221"))),
	EXIT(BIG4("10.200.1.2", "df", "1201"), "TX", TOO_BIG, "over6", "b",
	     ANSWER("4 10.200.1.2>192.168.1.1 / icmp 3/4 mtu1240 / cut 84 / " BIG4("10.200.1.2",
										   "df", "1201"))),
};

static void ipv6_is_never_told_less_than_its_minimum(void **state)
{
	(void)state;
	records()[find_backend("b")].mtu = 1280;
	check_cases(narrow_cases, N(narrow_cases));
}

/* -------------------------------------------------------------------------------------- the limits */

/* Sends the frame 100 times, on one CPU: how often it met @outcome; else it met @other. */
static unsigned int count_met(const char *text, enum sluice_outcome outcome, const char *verdict,
			      enum sluice_outcome other)
{
	static struct frame in, out;
	unsigned int met = 0;

	frame_build(&in, text);
	for (int i = 0; i < 100; i++) {
		struct dryrun_result result = fixture_send(dryrun, &in, &out);

		if (result.verdict.trace.outcome != (uint32_t)outcome) {
			assert_int_equal(result.verdict.trace.outcome, other);
			continue;
		}
		assert_string_equal(result.verdict.name, verdict);
		frame_assert_equal(&out, &in, text);
		met_outcome[outcome] = true;
		met++;
	}
	return met;
}

static void use_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

static void answers_are_limited(void **state)
{
	static const struct {
		const char *text;
		enum sluice_outcome answered;
		enum sluice_outcome limited;
	} cases[] = {
		{"4 192.168.1.1>10.200.1.1 / icmp 8/0 / pad 56", SLUICE_OUT_ECHO,
		 SLUICE_OUT_ECHO_LIMITED},
		{"6 fc00:2::1>fc00:1::1 / icmp6 128/0 / pad 56", SLUICE_OUT_ECHO,
		 SLUICE_OUT_ECHO_LIMITED},
		{BIG4("10.200.1.1", "df", "1441"), SLUICE_OUT_TOO_BIG, SLUICE_OUT_TOO_BIG_LIMITED},
		{BIG6("fc00:1::1", "1441"), SLUICE_OUT_TOO_BIG, SLUICE_OUT_TOO_BIG_LIMITED},
	};
	(void)state;

	use_one_cpu();
	for (size_t i = 0; i < N(cases); i++) {
		unsigned int limited;

		/* One a second, and one at the beginning: two cases that share a bucket get one. */
		open_program(1, 1);
		limited = count_met(cases[i].text, cases[i].limited, "DROP", cases[i].answered);
		assert_in_range(limited, 1, 99);
		teardown(state);
		open_program(0, 0);
		limited = count_met(cases[i].text, cases[i].limited, "DROP", cases[i].answered);
		assert_int_equal(limited, 100);
		teardown(state);
	}
}

/* Of an echo request whose first piece was above the limit nothing is answered. */
static void limited_requests_are_lost_whole(void **state)
{
	static const struct exit_case cases[] = {
		EXIT("4 192.168.1.1>10.200.1.1 id6 MF / icmp 8/0 / pad 1000", "DROP", ECHO_LIMITED,
		     "t", "-"),
		EXIT("4 192.168.1.1>10.200.1.1 id6 off1008 / icmp 8/0 / pad 92", "DROP",
		     FRAGMENT_LOST, "t", "-"),
	};

	open_program(0, 0);
	check_cases(cases, N(cases));
	teardown(state);
}

/* ---------------------------------------------------------------------------------------- no room */

/*
 * Metadata of another program lies in the headroom. Kernels before 6.3 take 32 bytes of it at most,
 * which leave room enough; there the host build stands in.
 */
static int run_with_meta(const struct frame *in, uint32_t meta)
{
	static unsigned char data[FRAME_MAX + 256], out[FRAME_MAX + 256];
	struct xdp_md ctx = {.data = meta, .data_end = meta + (uint32_t)in->size};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = ctx.data_end,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	memcpy(data + meta, in->data, in->size);
	if (bpf_prog_test_run_opts(program_fd(loaded()), &opts))
		return -errno;
	return (int)opts.retval;
}

/* In the host build the frame, with this much room or in several buffers, is dropped for it. */
static void check_host(const struct host_frame *frame)
{
	static unsigned char out[FRAME_MAX];
	struct host_result result;
	struct diag diag = {0};
	uint32_t entries[MAP_MAX];
	size_t size = sizeof(out);

	for (int i = 0; i < MAP_MAX; i++)
		entries[i] = program_map_entries(loaded(), i);
	assert_int_equal(host_open(program_settings(loaded()), entries), 0);
	fixture_check(host_fill(model, 1500, &diag), &diag);
	result = host_send(frame, out, &size);
	host_close();
	assert_int_equal(result.action, XDP_DROP);
	assert_int_equal(result.trace.outcome, SLUICE_OUT_NO_HEADROOM);
}

/* What is to be quoted is not at hand where the driver has split the headers off. */
static void a_split_frame_is_not_quoted(void **state)
{
	static struct frame in;
	struct host_frame frame = {.data = in.data, .linear = 80};
	(void)state;

	frame_build(&in, BIG4("10.200.1.1", "df", "1441"));
	frame.size = in.size;
	check_host(&frame);
}

static void without_headroom_packets_are_dropped(void **state)
{
	static struct frame in;
	struct host_frame frame = {.data = in.data, .headroom = 50};
	int action;
	(void)state;

	frame_build(&in, "4 192.168.1.1>10.200.1.1 / tcp 31337>80 A");
	frame.size = in.size;
	check_host(&frame);
	met_outcome[SLUICE_OUT_NO_HEADROOM] = true;
	action = run_with_meta(&in, 208);
	if (action == -EINVAL) {
		print_message("this kernel takes little metadata: only the host build was tried\n");
		return;
	}
	assert_int_equal(action, XDP_DROP);
	assert_int_equal(program_trace(loaded())->outcome, SLUICE_OUT_NO_HEADROOM);
}

/* -------------------------------------------------------------------------------------- all of them */

static void every_exit_was_met(void **state)
{
#define EVENT_NAME(NAME, name, text) name,
	static const char *const event_names[] = {SLUICE_EVENTS(EVENT_NAME)};
	bool all = true;
	(void)state;

	for (int i = 0; i < SLUICE_OUT_MAX; i++) {
		if (!met_outcome[i])
			print_message("no frame met the outcome \"%s\"\n", outcome_name(i));
		all = all && met_outcome[i];
	}
	for (int i = 0; i < SLUICE_EVENT_MAX; i++) {
		if (!met_event[i])
			print_message("no frame met the event \"%s\"\n", event_names[i]);
		all = all && met_event[i];
	}
	assert_true(all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		TEST(what_is_not_ours_is_left_to_the_host),
		TEST(packets_go_to_their_backend),
		TEST(gue_checksums_are_right_or_absent),
		TEST(gue_sums_packets_in_several_buffers),
		TEST(gue_sums_what_udp_leaves_out),
		TEST(errors_follow_the_flow_that_they_quote),
		TEST(pieces_follow_the_first_one),
		TEST(ids_in_packets_name_the_backend),
		TEST(remembered_flows_stay),
		TEST(ids_leave_behind_what_katrans_do),
		TEST(unknown_flows_go_to_the_old_owner),
		TEST(clients_are_told_apart),
		TEST(a_device_that_is_not_there_drops),
		TEST(tunnels_that_end_here_are_taken_off),
		TEST(echo_requests_are_answered),
		TEST(echo_replies_have_right_checksums),
		TEST(what_does_not_fit_is_answered),
		TEST(ipv6_is_never_told_less_than_its_minimum),
		TEST(a_split_frame_is_not_quoted),
		TEST(without_headroom_packets_are_dropped),
		cmocka_unit_test(answers_are_limited),
		cmocka_unit_test(limited_requests_are_lost_whole),
		cmocka_unit_test(every_exit_was_met),
	};
	int failed;

	netns_init(tests, N(tests));
	failed = cmocka_run_group_tests_name("xdp/exits", tests, NULL, NULL);
	netns_fini();
	return failed;
}
