/* SPDX-License-Identifier: MIT */
/*
 * Frames through the helper's loaded program, beside real sockets: the process has a network namespace
 * of its own, with the VIPs and the client on lo, so that connections over lo are those of the frames.
 */
#include "daemon/helper_program.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <endian.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "daemon/helper_hints.h"
#include "daemon/helper_netns.h"
#include "daemon/helper_self.h"
#include "daemon/helper_status.h"
#include "tests/lib/fixture.h"
#include "tests/lib/netns.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* The client's ports: of an open connection, of one that was closed, of none. */
#define OPEN "40000"
#define CLOSED "40001"
#define NONE "40009"

/* Tunnels from the balancer to this host, 198.18.1.11 or 2001:db8:1::11, without and with a hint. */
#define PLAIN4 "4 172.16.0.1>198.18.1.11 / "
#define PLAIN6 "6 100::1>2001:db8:1::11 / "
#define HINT4 "4 172.16.0.1>198.18.1.11 df id7 / " /* hints at 198.18.1.12 */
#define HINT6 "6 100::8:0:0:1>2001:db8:1::11 / "   /* hints at 2001:db8:1::12 */
#define SENT4 "4 172.16.0.1>198.18.1.12 df / "
#define SENT6 "6 100::1>2001:db8:1::12 / "

#define FLOW4 "4 198.18.2.2>198.18.0.80 / tcp "
#define FLOW6 "6 2001:db8:2::2>2001:db8::80 / tcp "
#define DATA " / pad 100"

static const char backends[][32] = {
	"198.18.1.12=7",
	"2001:db8:1::12=8",
	"198.18.1.11=9",
	"2001:db8:1::11=10",
};

static struct {
	struct helper_program program;
	struct helper_settings settings;
	int sockets[8];
	size_t n_sockets;
	struct helper_counters before;
} lab;

/* ----------------------------------------------------------------------------------------- sockets */

static int keep(int fd)
{
	assert_true(fd >= 0);
	assert_true(lab.n_sockets < N(lab.sockets));
	lab.sockets[lab.n_sockets++] = fd;
	return fd;
}

/* A TCP socket with the address and port. */
static int bound(const char *address, unsigned int port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htobe16((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htobe16((uint16_t)port)};
	bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	int fd = keep(socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM, 0));
	int on = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	if (!is_v4)
		assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	assert_int_equal(bind(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
			      is_v4 ? sizeof(v4) : sizeof(v6)),
			 0);
	return fd;
}

static int listening(const char *address)
{
	int fd = bound(address, 80);

	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/* A connection from the client's port: the server's side of it. */
static int connected(int listener, const char *client, unsigned int port)
{
	struct sockaddr_storage server;
	socklen_t size = sizeof(server);
	int fd = bound(client, port);

	assert_int_equal(getsockname(listener, (struct sockaddr *)&server, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&server, size), 0);
	return keep(accept(listener, NULL, NULL));
}

/* Closed by the server first: its side waits until late packets have died out. */
static void open_and_close(int listener, const char *client, unsigned int port)
{
	char byte;

	connected(listener, client, port);
	close(lab.sockets[--lab.n_sockets]);
	assert_int_equal(read(lab.sockets[lab.n_sockets - 1], &byte, 1), 0);
	close(lab.sockets[--lab.n_sockets]);
}

static void open_sockets(void)
{
	int v4 = listening("198.18.0.80"), v6 = listening("2001:db8::80");

	connected(v4, "198.18.2.2", 40000);
	connected(v6, "2001:db8:2::2", 40000);
	open_and_close(v4, "198.18.2.2", 40001);
	open_and_close(v6, "2001:db8:2::2", 40001);
}

static void close_sockets(void)
{
	while (lab.n_sockets)
		close(lab.sockets[--lab.n_sockets]);
}

/* ----------------------------------------------------------------------------------------- program */

static void load(void)
{
	_cleanup_(helper_hints_fini) struct helper_hints hints = {0};
	struct diag diag = {0};
	struct sluice_addr self[2];

	assert_int_equal(addr_parse(&self[0], "198.18.1.11"), 0);
	assert_int_equal(addr_parse(&self[1], "2001:db8:1::11"), 0);
	for (size_t i = 0; i < N(backends); i++)
		assert_int_equal(helper_hints_add(&hints, backends[i], &diag), 0);
	fixture_check(helper_program_load(&lab.program, &lab.settings, -1, &diag), &diag);
	assert_int_equal(helper_hints_write(&hints,
					    helper_program_map(&lab.program, HELPER_MAP_HINTS), -1),
			 0);
	assert_int_equal(
		helper_self_set(helper_program_map(&lab.program, HELPER_MAP_SELF), self, 2), 0);
}

static void reload(void)
{
	helper_program_fini(&lab.program);
	load();
}

static int setup(void **state)
{
	(void)state;
	netns_enter();
	netns_run("echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6\n"
		  "for i in 198.18.0.80/32 198.18.2.2/32; do ip addr add $i dev lo; done\n"
		  "for i in 2001:db8::80 2001:db8:2::2; do ip addr add $i/128 dev lo nodad; done");
	memset(&lab, 0, sizeof(lab));
	lab.settings = (struct helper_settings){
		.features = HELPER_FEATURE_DECAP,
		.rate = 1000000,
		.netns = -1,
		.gue_port = {htobe16(6080), htobe16(9886)},
	};
	load();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_sockets();
	helper_program_fini(&lab.program);
	return 0;
}

static struct helper_counters counters(void)
{
	struct helper_counters sum;

	assert_int_equal(
		helper_status_counters(helper_program_map(&lab.program, HELPER_MAP_COUNTERS), &sum),
		0);
	return sum;
}

static int run(const struct frame *in, struct frame *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->data, .data_size_in = (__u32)in->size,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .repeat = 1);
	struct attach_program program = helper_program_attachable(&lab.program);

	assert_int_equal(bpf_prog_test_run_opts(program.fd, &opts), 0);
	out->size = opts.data_size_out;
	return (int)opts.retval;
}

/* What a packet is kept for when it has no hint, or is not kept. */
#define NO_REASON HELPER_KEPT_MAX

/* The frame must end so, and be counted as that alone. */
static void assert_ends(const struct frame *in, const char *what, int action,
			enum helper_outcome outcome, enum helper_reason reason,
			const struct frame *expected)
{
	static struct frame out;
	struct helper_counters before = counters(), after;
	int got = run(in, &out);

	after = counters();
	for (int i = 0; i < HELPER_OUT_MAX; i++)
		if (after.outcome[i] - before.outcome[i] != (i == (int)outcome))
			fail_msg("%s: outcome %d is counted %llu times", what, i,
				 after.outcome[i] - before.outcome[i]);
	for (int i = 0; i < HELPER_KEPT_MAX; i++)
		if (after.kept[i] - before.kept[i] != (i == (int)reason))
			fail_msg("%s: reason %d is counted %llu times", what, i,
				 after.kept[i] - before.kept[i]);
	if (got != action)
		fail_msg("%s: action %d, expected %d", what, got, action);
	frame_assert_equal(&out, expected, what);
}

/* The frame of @text with its addresses swapped: on its way back. */
static void build_sent(struct frame *out, const char *text)
{
	unsigned char mac[6];

	frame_build(out, text);
	memcpy(mac, out->data, 6);
	memcpy(out->data, out->data + 6, 6);
	memcpy(out->data + 6, mac, 6);
}

static void assert_unpacked(const char *outer, const char *inner, enum helper_reason reason)
{
	static struct frame in, expected;
	char text[512];

	snprintf(text, sizeof(text), "%s%s", outer, inner);
	frame_build(&in, text);
	frame_build(&expected, inner);
	assert_ends(&in, text, XDP_PASS, HELPER_OUT_DECAPSULATED, reason, &expected);
}

static void assert_sent_on(const char *outer, const char *sent, const char *inner)
{
	static struct frame in, expected;
	char text[512];

	snprintf(text, sizeof(text), "%s%s", sent, inner);
	build_sent(&expected, text);
	snprintf(text, sizeof(text), "%s%s", outer, inner);
	frame_build(&in, text);
	assert_ends(&in, text, XDP_TX, HELPER_OUT_SENT_ON, NO_REASON, &expected);
}

static void assert_untouched(const char *text, int action, enum helper_outcome outcome,
			     enum helper_reason reason)
{
	static struct frame in;

	frame_build(&in, text);
	assert_ends(&in, text, action, outcome, reason, &in);
}

/* ------------------------------------------------------------------------------------------- tests */

static void tunnels_of_all_kinds_are_unpacked(void **state)
{
	static const char *const outers[] = {
		PLAIN4,
		PLAIN6,
		"4 172.16.0.1>198.18.1.11 df / ",
		"4 172.16.0.1>198.18.1.11 id7 / ", /* no hint without DF */
		"4 172.16.0.1>198.18.1.11 ihl7 tos1c / ",
		"4 10.0.0.9>198.18.1.11 / udp 5000>6080 / ",
		"4 10.0.0.9>198.18.1.11 / udp 5000>9886 sum0 / ",
		"6 fc00:2307::1337>2001:db8:1::11 tc1c / udp 5000>6080 / ",
	};
	static const char *const inners[] = {
		FLOW4 NONE ">80 A" DATA,
		FLOW6 NONE ">80 A" DATA,
		"4 198.18.2.2>198.18.0.80 / udp 40000>53",
		"4 198.18.2.2>198.18.0.80 MF / udp 40000>53",
		"4 198.18.2.2>198.18.0.80 off1480 / pad 100",
		"6 2001:db8:2::2>2001:db8::80 / icmp6 128/0 / pad 20",
	};
	(void)state;

	for (size_t i = 0; i < N(outers); i++)
		for (size_t k = 0; k < N(inners); k++)
			assert_unpacked(outers[i], inners[k], NO_REASON);
}

static void tags_stay(void **state)
{
	static struct frame in, expected;
	(void)state;

	frame_build(&in, "vlan 5 / " PLAIN4 FLOW6 NONE ">80 A");
	frame_build(&expected, "vlan 5 / " FLOW6 NONE ">80 A");
	assert_ends(&in, "vlan", XDP_PASS, HELPER_OUT_DECAPSULATED, NO_REASON, &expected);
	frame_build(&in, "qinq 7 / vlan 5 / " PLAIN6 FLOW4 NONE ">80 A");
	frame_build(&expected, "qinq 7 / vlan 5 / " FLOW4 NONE ">80 A");
	assert_ends(&in, "qinq", XDP_PASS, HELPER_OUT_DECAPSULATED, NO_REASON, &expected);
	build_sent(&expected, "vlan 5 / " SENT4 FLOW4 NONE ">80 A");
	frame_build(&in, "vlan 5 / " HINT4 FLOW4 NONE ">80 A");
	assert_ends(&in, "vlan, hint", XDP_TX, HELPER_OUT_SENT_ON, NO_REASON, &expected);
}

static void congestion_goes_over_to_the_inner_packet(void **state)
{
	static const struct {
		const char *outer;
		const char *inner;
		const char *expected;
	} cases[] = {
		{"4 172.16.0.1>198.18.1.11 tos3 / ", "4 198.18.2.2>198.18.0.80 tos9 / udp 1>2",
		 "4 198.18.2.2>198.18.0.80 tosb / udp 1>2"},
		{"4 172.16.0.1>198.18.1.11 tos2 / ", "4 198.18.2.2>198.18.0.80 tos9 / udp 1>2",
		 "4 198.18.2.2>198.18.0.80 tos9 / udp 1>2"},
		{"6 100::1>2001:db8:1::11 tc3 / ", "4 198.18.2.2>198.18.0.80 tos2 / udp 1>2",
		 "4 198.18.2.2>198.18.0.80 tos3 / udp 1>2"},
		{"4 172.16.0.1>198.18.1.11 tos3 / ", "4 198.18.2.2>198.18.0.80 tos8 / udp 1>2",
		 "4 198.18.2.2>198.18.0.80 tos8 / udp 1>2"},
		{"6 100::1>2001:db8:1::11 tc3 / ", "6 2001:db8:2::2>2001:db8::80 tca2 / udp 1>2",
		 "6 2001:db8:2::2>2001:db8::80 tca3 / udp 1>2"},
		{"6 100::1>2001:db8:1::11 tc3 / ", "6 2001:db8:2::2>2001:db8::80 tca0 / udp 1>2",
		 "6 2001:db8:2::2>2001:db8::80 tca0 / udp 1>2"},
	};
	static struct frame in, expected;
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		char text[512];

		snprintf(text, sizeof(text), "%s%s", cases[i].outer, cases[i].inner);
		frame_build(&in, text);
		frame_build(&expected, cases[i].expected);
		assert_ends(&in, text, XDP_PASS, HELPER_OUT_DECAPSULATED, NO_REASON, &expected);
	}
}

static void what_is_not_ours_is_left_alone(void **state)
{
	static const struct {
		const char *frame;
		enum helper_outcome outcome;
	} cases[] = {
		{"ARP", HELPER_OUT_PASSED},
		{FLOW4 NONE ">80 A", HELPER_OUT_PASSED},
		{FLOW6 OPEN ">80 A", HELPER_OUT_PASSED},
		{"4 10.0.0.9>198.18.1.11 / udp 5000>6081 / " FLOW4 NONE ">80 A", HELPER_OUT_PASSED},
		{"4 10.0.0.9>198.18.1.11 proto47 / " FLOW4 NONE ">80 A", HELPER_OUT_PASSED},
		{"4 10.0.0.9>198.18.1.11 off1480 proto17 / pad 100", HELPER_OUT_PASSED},
		{"4 10.0.0.9>198.18.1.11 off8 / udp 5000>6080 / " FLOW4 NONE ">80 A",
		 HELPER_OUT_PASSED},
		{"4 172.16.0.1>198.18.1.12 df id7 / " FLOW4 NONE ">80 A", HELPER_OUT_NOT_SELF},
		{"6 100::8:0:0:1>2001:db8:1::12 / " FLOW4 NONE ">80 A", HELPER_OUT_NOT_SELF},
		{"4 172.16.0.1>198.18.1.11 MF / " FLOW4 NONE ">80 A", HELPER_OUT_FRAGMENT},
		{"4 172.16.0.1>198.18.1.11 off8 / " FLOW4 NONE ">80 A", HELPER_OUT_FRAGMENT},
		{"4 172.16.0.1>198.18.1.11 ihl4 proto4 / data 5000", HELPER_OUT_MALFORMED},
		{"4 172.16.0.1>198.18.1.11 proto4 / data 45000000", HELPER_OUT_MALFORMED},
		{"4 172.16.0.1>198.18.1.11 proto4 / " FLOW6 NONE ">80 A", HELPER_OUT_MALFORMED},
		{"6 100::1>2001:db8:1::11 nh41 / " FLOW4 NONE ">80 A", HELPER_OUT_MALFORMED},
		{"4 10.0.0.9>198.18.1.11 / udp 5000>6080 / data 0004000045000014",
		 HELPER_OUT_MALFORMED},
		{"4 10.0.0.9>198.18.1.11 / udp 5000>6080 / cut 39 / " FLOW6 NONE ">80 A",
		 HELPER_OUT_MALFORMED},
	};
	(void)state;

	for (size_t i = 0; i < N(cases); i++)
		assert_untouched(cases[i].frame, XDP_PASS, cases[i].outcome, NO_REASON);
}

/* Kept with a hint: what each of the reasons is for. */
static void flows_of_this_host_are_kept(void **state)
{
	static const struct {
		const char *inner;
		enum helper_reason reason;
	} cases[] = {
		{FLOW4 OPEN ">80 A" DATA, HELPER_KEPT_SOCKET},
		{FLOW6 OPEN ">80 A" DATA, HELPER_KEPT_SOCKET},
		{FLOW4 OPEN ">80 FA", HELPER_KEPT_SOCKET},
		{FLOW4 OPEN ">80 R", HELPER_KEPT_SOCKET},
		{FLOW4 CLOSED ">80 A", HELPER_KEPT_SOCKET},
		{FLOW6 CLOSED ">80 A", HELPER_KEPT_SOCKET},
		{"4 198.18.2.2>198.18.0.80 ihl6 / tcp " OPEN ">80 A", HELPER_KEPT_SOCKET},
		{"6 2001:db8:2::2>2001:db8::80 hbh dstopt / tcp " OPEN ">80 A", HELPER_KEPT_SOCKET},
		{FLOW4 NONE ">80 S", HELPER_KEPT_NEW_FLOW},
		{FLOW6 NONE ">80 S", HELPER_KEPT_NEW_FLOW},
		{FLOW4 NONE ">80 SA", HELPER_KEPT_NEW_FLOW},
		{"4 198.18.2.2>198.18.0.80 / udp 40000>80", HELPER_KEPT_NOT_TCP},
		{"6 2001:db8:2::2>2001:db8::80 / udp 40000>80", HELPER_KEPT_NOT_TCP},
		{"4 198.18.2.2>198.18.0.80 MF / tcp " NONE ">80 A", HELPER_KEPT_NOT_TCP},
		{"4 198.18.2.2>198.18.0.80 off8 / tcp " NONE ">80 A", HELPER_KEPT_NOT_TCP},
		{"6 2001:db8:2::2>2001:db8::80 frag:0,1,5 / tcp " NONE ">80 A",
		 HELPER_KEPT_NOT_TCP},
		{"4 198.18.2.2>198.18.0.80 / icmp 8/0 / pad 20", HELPER_KEPT_NOT_TCP},
		/* errors, by what they quote: the VIP's packet to the client */
		{"4 198.18.9.9>198.18.0.80 / icmp 3/4 mtu1400 / 4 198.18.0.80>198.18.2.2 / tcp "
		 "80>" OPEN " A",
		 HELPER_KEPT_SOCKET},
		{"4 198.18.9.9>198.18.0.80 / icmp 11/0 / cut 28 / 4 198.18.0.80>198.18.2.2 / tcp "
		 "80>" OPEN " A",
		 HELPER_KEPT_SOCKET},
		{"6 2001:db8:9::9>2001:db8::80 / icmp6 2/0 mtu1400 / 6 2001:db8::80>2001:db8:2::2 "
		 "/ "
		 "tcp 80>" OPEN " A",
		 HELPER_KEPT_SOCKET},
		{"6 2001:db8:9::9>2001:db8::80 / icmp6 1/4 / cut 48 / 6 2001:db8::80>2001:db8:2::2 "
		 "/ tcp 80>" OPEN " A",
		 HELPER_KEPT_SOCKET},
		{"4 198.18.9.9>198.18.0.80 / icmp 3/4 mtu1400 / 4 198.18.0.80>198.18.2.2 / udp "
		 "80>" NONE,
		 HELPER_KEPT_NOT_TCP},
		{"4 198.18.9.9>198.18.0.80 / icmp 3/4 mtu1400 / 4 198.18.0.81>198.18.2.2 / tcp "
		 "80>" NONE " A",
		 HELPER_KEPT_NOT_TCP},
		{"4 198.18.9.9>198.18.0.80 / icmp 0/0 / 4 198.18.0.80>198.18.2.2 / tcp 80>" NONE
		 " A",
		 HELPER_KEPT_NOT_TCP},
	};
	(void)state;

	open_sockets();
	for (size_t i = 0; i < N(cases); i++) {
		assert_unpacked(HINT4, cases[i].inner, cases[i].reason);
		assert_unpacked(HINT6, cases[i].inner, cases[i].reason);
	}
}

/* There are a listener and other flows, but not this one. */
static void other_flows_are_sent_on(void **state)
{
	static const char *const inners[] = {
		FLOW4 NONE ">80 A" DATA,
		FLOW6 NONE ">80 A" DATA,
		FLOW4 NONE ">80 R",
		FLOW4 NONE ">81 FA",
		"4 198.18.2.2>198.18.0.80 ihl15 / tcp " NONE ">80 A",
		"6 2001:db8:2::2>2001:db8::80 hbh / tcp " NONE ">80 A",
		"4 198.18.9.9>198.18.0.80 / icmp 3/4 mtu1400 / 4 198.18.0.80>198.18.2.2 / tcp "
		"80>" NONE " A",
		"6 2001:db8:9::9>2001:db8::80 / icmp6 2/0 mtu1400 / 6 2001:db8::80>2001:db8:2::2 / "
		"tcp 80>" NONE " A",
		"4 198.18.9.9>198.18.0.80 / icmp 11/0 / cut 28 / 4 198.18.0.80>198.18.2.2 / tcp "
		"80>" NONE " A",
	};
	static const struct {
		const char *outer;
		const char *sent;
	} tunnels[] = {
		{HINT4, SENT4},
		{HINT6, SENT6},
		{"4 172.17.255.3>198.18.1.11 ihl8 ttl61 tos5c df id7 / ",
		 "4 172.17.255.3>198.18.1.12 ihl8 ttl61 tos5c df / "},
		{"4 10.0.0.9>198.18.1.11 df id7 / udp 5000>6080 / ",
		 "4 10.0.0.9>198.18.1.12 df / udp 5000>6080 / "},
		{"4 10.0.0.9>198.18.1.11 df id7 / udp 5000>9886 sum0 / ",
		 "4 10.0.0.9>198.18.1.12 df / udp 5000>9886 sum0 / "},
		{"6 fc00:2307:0:0:8::1337>2001:db8:1::11 hl9 tc7c / udp 5000>6080 / ",
		 "6 fc00:2307::1337>2001:db8:1::12 hl9 tc7c / udp 5000>6080 / "},
	};
	(void)state;

	open_sockets();
	for (size_t i = 0; i < N(tunnels); i++)
		for (size_t k = 0; k < N(inners); k++)
			assert_sent_on(tunnels[i].outer, tunnels[i].sent, inners[k]);
}

/* A UDP checksum that comes out as zero is written as ffff, since zero stands for none. */
static void a_udp_checksum_is_never_zero(void **state)
{
	static const struct {
		const char *outer;
		const char *sent;
		size_t checksum; /* offset in the frame */
	} tunnels[] = {
		{"6 fc00:2307:0:0:8::1337>2001:db8:1::11 / udp %u>6080 / ",
		 "6 fc00:2307::1337>2001:db8:1::12 / udp %u>6080 / ", 14 + 40 + 6},
		{"4 10.0.0.9>198.18.1.11 df id7 / udp %u>6080 / ",
		 "4 10.0.0.9>198.18.1.12 df / udp %u>6080 / ", 14 + 20 + 6},
	};
	static struct frame frame;
	char outer[128], sent[128], text[256];
	(void)state;

	for (size_t i = 0; i < N(tunnels); i++) {
		unsigned int port = 0;

		/* There is one port for each checksum. */
		do {
			assert_true(++port < 65536);
			snprintf(sent, sizeof(sent), tunnels[i].sent, port);
			snprintf(text, sizeof(text), "%s%s", sent, FLOW4 NONE ">80 A");
			frame_build(&frame, text);
		} while (memcmp(frame.data + tunnels[i].checksum, "\xff\xff", 2) != 0);
		snprintf(outer, sizeof(outer), tunnels[i].outer, port);
		assert_sent_on(outer, sent, FLOW4 NONE ">80 A");
	}
}

/* The hinted backend gets it without a hint: it is the last one. */
static void nothing_is_sent_on_twice(void **state)
{
	(void)state;
	assert_sent_on(HINT4, SENT4, FLOW4 NONE ">80 A");
	assert_untouched(SENT4 FLOW4 NONE ">80 A", XDP_PASS, HELPER_OUT_NOT_SELF, NO_REASON);
	/* as that backend sees it */
	assert_unpacked("4 172.16.0.1>198.18.1.11 df / ", FLOW4 NONE ">80 A", NO_REASON);
	assert_unpacked("6 100::1>2001:db8:1::11 / ", FLOW4 NONE ">80 A", NO_REASON);
}

static void hints_that_lead_nowhere_keep(void **state)
{
	static const struct {
		const char *outer;
		enum helper_reason reason;
	} cases[] = {
		{"4 172.16.0.1>198.18.1.11 df id77 / ", HELPER_KEPT_UNKNOWN},
		{"4 172.16.0.1>198.18.1.11 df id1792 / ",
		 HELPER_KEPT_UNKNOWN}, /* 7, turned round */
		{"6 100::ffff:0:0:1>2001:db8:1::11 / ", HELPER_KEPT_UNKNOWN},
		{"4 172.16.0.1>198.18.1.11 df id9 / ", HELPER_KEPT_SELF},
		{"6 100::a:0:0:1>2001:db8:1::11 / ", HELPER_KEPT_SELF},
		{"4 172.16.0.1>198.18.1.11 df id10 / ", HELPER_KEPT_SELF},
		{"4 172.16.0.1>198.18.1.11 df id8 / ", HELPER_KEPT_OTHER_FAMILY},
		{"6 100::7:0:0:1>2001:db8:1::11 / ", HELPER_KEPT_OTHER_FAMILY},
		{"6 fc00:2307:0:0:7::1337>2001:db8:1::11 / udp 5000>6080 / ",
		 HELPER_KEPT_OTHER_FAMILY},
	};
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		assert_unpacked(cases[i].outer, FLOW4 NONE ">80 A", cases[i].reason);
		assert_unpacked(cases[i].outer, FLOW6 NONE ">80 A", cases[i].reason);
	}
}

static void an_empty_bucket_keeps(void **state)
{
	static struct frame in, out;
	struct helper_counters sum = {0};
	cpu_set_t all, one;
	unsigned int sent = 0;
	(void)state;

	lab.settings.rate = 0;
	reload();
	assert_unpacked(HINT4, FLOW4 NONE ">80 A", HELPER_KEPT_LIMITED);
	/* Full at first, with a token: buckets are the CPU's, so the test stays on one. */
	lab.settings.rate = 1;
	reload();
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	frame_build(&in, HINT4 FLOW4 NONE ">80 A");
	while (!sum.kept[HELPER_KEPT_LIMITED] && sent < 100) {
		run(&in, &out);
		sent++;
		sum = counters();
	}
	assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
	assert_int_equal(sum.kept[HELPER_KEPT_LIMITED], 1);
	assert_int_equal(sum.outcome[HELPER_OUT_DECAPSULATED], 1);
	assert_int_equal(sum.outcome[HELPER_OUT_SENT_ON], sent - 1);
	assert_true(sent > 1);
}

static void without_unpacking_the_tunnel_stays(void **state)
{
	(void)state;
	lab.settings.features &= ~HELPER_FEATURE_DECAP;
	reload();
	open_sockets();
	assert_untouched(PLAIN4 FLOW4 NONE ">80 A", XDP_PASS, HELPER_OUT_TUNNELLED, NO_REASON);
	assert_untouched(PLAIN6 FLOW6 NONE ">80 A", XDP_PASS, HELPER_OUT_TUNNELLED, NO_REASON);
	assert_untouched(HINT4 FLOW4 OPEN ">80 A", XDP_PASS, HELPER_OUT_TUNNELLED,
			 HELPER_KEPT_SOCKET);
	assert_untouched("4 172.16.0.1>198.18.1.11 tos3 / 4 198.18.2.2>198.18.0.80 tos2 / udp 1>2",
			 XDP_PASS, HELPER_OUT_TUNNELLED, NO_REASON);
	assert_sent_on(HINT4, SENT4, FLOW4 NONE ">80 A");
	assert_sent_on(HINT6, SENT6, FLOW6 NONE ">80 A");
}

static void only_named_balancers_may_tunnel(void **state)
{
	static const char *const texts[] = {"172.16.0.0/16", "10.0.0.9/32", "100::/64",
					    "fc00:2307::1337", "fd00:0:0:0:99::1"};
	struct addr_prefix from[N(texts)];
	(void)state;

	for (size_t i = 0; i < N(texts); i++)
		assert_int_equal(addr_prefix_parse(&from[i], texts[i]), 0);
	lab.settings.features |= HELPER_FEATURE_FROM;
	reload();
	assert_int_equal(helper_program_set_from(&lab.program, from, N(from)), 0);
	open_sockets();
	assert_unpacked(PLAIN4, FLOW4 NONE ">80 A", NO_REASON);
	assert_unpacked(PLAIN6, FLOW4 NONE ">80 A", NO_REASON);
	assert_unpacked("4 10.0.0.9>198.18.1.11 / udp 5000>6080 / ", FLOW4 NONE ">80 A", NO_REASON);
	assert_unpacked("6 fc00:2307::1337>2001:db8:1::11 / udp 5000>6080 / ", FLOW4 NONE ">80 A",
			NO_REASON);
	/* the hint in a source is no part of who it is */
	assert_unpacked("6 fc00:2307:0:0:8::1337>2001:db8:1::11 / udp 5000>6080 / ",
			FLOW4 OPEN ">80 A", HELPER_KEPT_SOCKET);
	assert_unpacked("6 fd00:0:0:0:8::1>2001:db8:1::11 / udp 5000>6080 / ", FLOW4 OPEN ">80 A",
			HELPER_KEPT_SOCKET);
	assert_sent_on(HINT4, SENT4, FLOW4 NONE ">80 A");
	assert_untouched("4 172.17.0.1>198.18.1.11 / " FLOW4 OPEN ">80 A", XDP_DROP,
			 HELPER_OUT_DENIED, NO_REASON);
	assert_untouched("4 10.0.0.8>198.18.1.11 df id7 / udp 5000>6080 / " FLOW4 NONE ">80 A",
			 XDP_DROP, HELPER_OUT_DENIED, NO_REASON);
	assert_untouched("4 172.17.0.1>198.18.1.11 MF / " FLOW4 OPEN ">80 A", XDP_DROP,
			 HELPER_OUT_DENIED, NO_REASON);
	assert_untouched("6 100:0:0:1::1>2001:db8:1::11 / " FLOW4 OPEN ">80 A", XDP_DROP,
			 HELPER_OUT_DENIED, NO_REASON);
	assert_untouched("6 fc00:2307::1338>2001:db8:1::11 / " FLOW4 OPEN ">80 A", XDP_DROP,
			 HELPER_OUT_DENIED, NO_REASON);
	/* what is no tunnel comes from anywhere */
	assert_untouched("4 172.17.0.1>198.18.1.11 / tcp 1>22 S", XDP_PASS, HELPER_OUT_PASSED,
			 NO_REASON);
}

static void other_gue_ports_take_the_place_of_the_usual_ones(void **state)
{
	(void)state;
	memset(lab.settings.gue_port, 0, sizeof(lab.settings.gue_port));
	lab.settings.gue_port[3] = htobe16(7777);
	reload();
	assert_unpacked("4 10.0.0.9>198.18.1.11 / udp 5000>7777 / ", FLOW4 NONE ">80 A", NO_REASON);
	assert_untouched("4 10.0.0.9>198.18.1.11 / udp 5000>6080 / " FLOW4 NONE ">80 A", XDP_PASS,
			 HELPER_OUT_PASSED, NO_REASON);
	assert_untouched("4 10.0.0.9>198.18.1.11 / udp 5000>0 / " FLOW4 NONE ">80 A", XDP_PASS,
			 HELPER_OUT_PASSED, NO_REASON);
}

static void sockets_may_be_in_another_namespace(void **state)
{
	_cleanup_(closep) int other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct diag diag = {0};
	int id, again;
	(void)state;

	assert_true(other >= 0);
	open_sockets();
	netns_enter();
	assert_sent_on(HINT4, SENT4, FLOW4 OPEN ">80 A");
	fixture_check(helper_netns_id(other, &id, &diag), &diag);
	fixture_check(helper_netns_id(other, &again, &diag), &diag);
	assert_int_equal(again, id);
	lab.settings.netns = id;
	reload();
	assert_unpacked(HINT4, FLOW4 OPEN ">80 A", HELPER_KEPT_SOCKET);
	assert_unpacked(HINT6, FLOW6 OPEN ">80 A", HELPER_KEPT_SOCKET);
	assert_sent_on(HINT4, SENT4, FLOW4 NONE ">80 A");
}

/* ------------------------------------------------------------------------------------- handshakes */

static void put32(unsigned char *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

/* Sends the IP packet of the frame over lo. */
static void send_packet(const struct frame *frame, bool v4)
{
	struct sockaddr_in to4 = {.sin_family = AF_INET};
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6};
	_cleanup_(closep) int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_RAW);

	assert_true(fd >= 0);
	assert_int_equal(inet_pton(AF_INET, "198.18.0.80", &to4.sin_addr), 1);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::80", &to6.sin6_addr), 1);
	assert_int_equal(sendto(fd, frame->data + 14, frame->size - 14, 0,
				v4 ? (struct sockaddr *)&to4 : (struct sockaddr *)&to6,
				v4 ? sizeof(to4) : sizeof(to6)),
			 (ssize_t)frame->size - 14);
}

/* The sequence number that the SYN of @frame, from port @sport, is answered with. */
static uint32_t ask_for_cookie(const struct frame *frame, unsigned int sport, bool v4)
{
	_cleanup_(closep) int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_TCP);
	const struct timeval patience = {.tv_sec = 10};

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	send_packet(frame, v4);
	for (;;) {
		unsigned char buffer[256];
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
		const unsigned char *tcp = v4 ? buffer + 20 : buffer;
		uint32_t seq;

		assert_true(n >= (v4 ? 40 : 20));
		if ((tcp[2] << 8 | tcp[3]) != (int)sport || tcp[13] != 0x12)
			continue;
		memcpy(&seq, tcp + 4, sizeof(seq));
		return be32toh(seq);
	}
}

/* The frame's inner TCP header is @at; sets its numbers. */
static void set_numbers(struct frame *frame, size_t at, uint32_t seq, uint32_t ack)
{
	put32(frame->data + at + 4, seq);
	put32(frame->data + at + 8, ack);
}

static void check_cookie(const char *flow, size_t header, bool v4, unsigned int sport)
{
	static struct frame syn, in, expected;
	char text[256], inner[128];
	uint32_t cookie;

	snprintf(text, sizeof(text), "%s%u>80 S opt:020405b4 / pad 0", flow, sport);
	frame_build(&syn, text);
	cookie = ask_for_cookie(&syn, sport, v4);
	snprintf(inner, sizeof(inner), "%s%u>80 A", flow, sport);
	snprintf(text, sizeof(text), HINT4 "%s", inner);
	frame_build(&in, text);
	frame_build(&expected, inner);
	/* The SYN had number 1. A cookie's lowest bits are an index and may be others. */
	set_numbers(&in, 14 + 20 + header, 2, cookie + 1);
	set_numbers(&expected, 14 + header, 2, cookie + 1);
	assert_ends(&in, "cookie", XDP_PASS, HELPER_OUT_DECAPSULATED, HELPER_KEPT_COOKIE,
		    &expected);
	snprintf(text, sizeof(text), SENT4 "%s", inner);
	build_sent(&expected, text);
	set_numbers(&in, 14 + 20 + header, 2, cookie + 1000);
	set_numbers(&expected, 14 + 20 + header, 2, cookie + 1000);
	assert_ends(&in, "no cookie", XDP_TX, HELPER_OUT_SENT_ON, NO_REASON, &expected);
}

static void answers_to_cookies_are_kept(void **state)
{
	(void)state;
	if (access("/proc/sys/net/ipv4/tcp_syncookies", W_OK)) {
		print_message("this kernel has no SYN cookies\n");
		skip();
	}
	netns_run("echo 2 >/proc/sys/net/ipv4/tcp_syncookies");
	listening("198.18.0.80");
	listening("2001:db8::80");
	check_cookie(FLOW4, 20, true, 40005);
	check_cookie(FLOW6, 40, false, 40006);
}

/* A handshake of which only the SYN is there: from a client whose kernel resets nothing. */
static void half_open_flows_are_kept(void **state)
{
	static struct frame syn;
	(void)state;

	netns_run("ip link add v0 type veth peer name v1\n"
		  "ip link set v0 up\nip link set v1 up\n"
		  "ip addr add 198.18.3.1/24 dev v0\n"
		  "ip neigh add 198.18.3.3 lladdr 02:00:00:00:00:33 dev v0\n"
		  "for i in all lo v0; do echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter; done");
	listening("198.18.0.80");
	frame_build(&syn, "4 198.18.3.3>198.18.0.80 / tcp 40007>80 S / pad 0");
	assert_sent_on(HINT4, SENT4, "4 198.18.3.3>198.18.0.80 / tcp 40007>80 A");
	send_packet(&syn, true);
	assert_unpacked(HINT4, "4 198.18.3.3>198.18.0.80 / tcp 40007>80 A", HELPER_KEPT_SOCKET);
	assert_sent_on(HINT4, SENT4, "4 198.18.3.3>198.18.0.80 / tcp 40008>80 A");
}

static void counters_go_on_with_the_next_program(void **state)
{
	struct helper_program next;
	struct helper_counters sum;
	struct diag diag = {0};
	(void)state;

	assert_unpacked(PLAIN4, FLOW4 NONE ">80 A", NO_REASON);
	fixture_check(helper_program_load(&next, &lab.settings,
					  helper_program_map(&lab.program, HELPER_MAP_COUNTERS),
					  &diag),
		      &diag);
	helper_program_fini(&lab.program);
	lab.program = next;
	sum = counters();
	assert_int_equal(sum.outcome[HELPER_OUT_DECAPSULATED], 1);
	/* another map than counters: begins anew */
	fixture_check(helper_program_load(&next, &lab.settings,
					  helper_program_map(&lab.program, HELPER_MAP_HINTS),
					  &diag),
		      &diag);
	helper_program_fini(&lab.program);
	lab.program = next;
	sum = counters();
	assert_int_equal(sum.outcome[HELPER_OUT_DECAPSULATED], 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		TEST(tunnels_of_all_kinds_are_unpacked),
		TEST(tags_stay),
		TEST(congestion_goes_over_to_the_inner_packet),
		TEST(what_is_not_ours_is_left_alone),
		TEST(flows_of_this_host_are_kept),
		TEST(other_flows_are_sent_on),
		TEST(a_udp_checksum_is_never_zero),
		TEST(nothing_is_sent_on_twice),
		TEST(hints_that_lead_nowhere_keep),
		TEST(an_empty_bucket_keeps),
		TEST(without_unpacking_the_tunnel_stays),
		TEST(only_named_balancers_may_tunnel),
		TEST(other_gue_ports_take_the_place_of_the_usual_ones),
		TEST(sockets_may_be_in_another_namespace),
		TEST(answers_to_cookies_are_kept),
		TEST(half_open_flows_are_kept),
		TEST(counters_go_on_with_the_next_program),
	};
	int failed;

	netns_init(tests, N(tests));
	failed = cmocka_run_group_tests_name("xdp/helper", tests, NULL, NULL);
	netns_fini();
	return failed;
}
