/* SPDX-License-Identifier: MIT */
/*
 * Probes into tunnels against clients' packets: what the program at the egress makes of a packet is,
 * byte for byte, what the balancer's program makes of the same packet from a client.
 */
#include "xdp/probe.h"

#include <bpf/bpf.h>
#include <endian.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/addr.h"
#include "tests/lib/fixture.h"
#include "xdp/probe.skel.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define SLOT 3u
#define MARKS (PROBE_MARK | SLOT << PROBE_MARK_SLOT_SHIFT)
#define PORT 7u /* ifindex; nothing is sent there */
#define MTU 1500u

/* One pool for each encapsulation, whose number is its tunnel's; VIPs of both families for each. */
#define GUE \
	"tunnel = { type = \"gue\"; port = 9886; source = \"10.0.13.37\"; source6 = " \
	"\"fc00:2307::1337\"; }; "
#define POOL(name, address, more) \
	"{ name = \"" name "\"; " more "backends = ( { name = \"" name "\"; address = \"" address \
	"\"; } ); }"
#define VIP(address, pool, proto) \
	"{ name = \"" address proto "\"; address = \"" address \
	"\"; port = 80; protocol = \"" proto "\"; pool = \"" pool "\"; track = \"never\"; }"
#define VIPS(n, pool) \
	VIP("10.200.1." n, pool, "tcp") \
	", " VIP("10.200.1." n, pool, "udp") ", " VIP("fc00:1::" n, pool, \
						      "tcp") ", " VIP("fc00:1::" n, pool, "udp")

static const char config[] =
	"interfaces = ( { name = \"none0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT "\"; } );\n"
	"pools = (" POOL("ip4", "10.0.0.1", "") ", " POOL("ip6", "fc00::1", "") ", " POOL(
		"gue4", "10.0.2.1",
		GUE) ", " POOL("gue6", "fc00:0:0:2::1",
			       GUE) ");\n"
				    "vips = (" VIPS("1", "ip4") ", " VIPS("2", "ip6") ", " VIPS(
					    "3", "gue4") ", " VIPS("4", "gue6") ");\n";

static const struct {
	enum sluice_encap encap;
	const char *address, *source;
} tunnels[] = {
	{SLUICE_ENCAP_IP4, "10.0.0.1", NULL},
	{SLUICE_ENCAP_IP6, "fc00::1", NULL},
	{SLUICE_ENCAP_GUE4, "10.0.2.1", "10.0.13.37"},
	{SLUICE_ENCAP_GUE6, "fc00:0:0:2::1", "fc00:2307::1337"},
};

static struct {
	struct model *model;
	struct dryrun *dryrun;
	struct probe_bpf *skel;
	int program, map, counters;
} lab;

static struct sluice_backend backend(size_t i)
{
	struct sluice_backend b = {
		.encap = (uint8_t)tunnels[i].encap,
		.flags = SLUICE_BACKEND_NEXTHOP,
		.ifindex = PORT,
		.mtu = MTU,
		.port = htobe16(9886),
	};

	memcpy(b.dmac, FRAME_GATEWAY, 6);
	memcpy(b.smac, FRAME_DEST, 6); /* what a client's packet is sent back with */
	assert_int_equal(addr_parse(&b.addr, tunnels[i].address), 0);
	if (tunnels[i].source)
		assert_int_equal(addr_parse(&b.source, tunnels[i].source), 0);
	return b;
}

static void set(uint32_t number, const struct sluice_backend *b)
{
	assert_int_equal(bpf_map_update_elem(lab.map, &number, b, BPF_ANY), 0);
}

static int setup(void **state)
{
	(void)state;
	fixture_need_bpf();
	lab.model = fixture_model(config);
	lab.dryrun = fixture_dryrun(lab.model);
	lab.skel = probe_bpf__open();
	assert_non_null(lab.skel);
	lab.skel->rodata->probe_mark = MARKS;
	assert_int_equal(probe_bpf__load(lab.skel), 0);
	lab.program = bpf_program__fd(lab.skel->progs.sluice_probe);
	lab.map = bpf_map__fd(lab.skel->maps.probe_tunnels);
	lab.counters = bpf_map__fd(lab.skel->maps.probe_counters);
	for (size_t i = 0; i < N(tunnels); i++) {
		struct sluice_backend b = backend(i);

		set((uint32_t)i + 1, &b);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	probe_bpf__destroy(lab.skel);
	dryrun_free(lab.dryrun);
	model_free(lab.model);
	memset(&lab, 0, sizeof(lab));
	return 0;
}

static uint64_t count(enum probe_outcome outcome)
{
	int n = libbpf_num_possible_cpus();
	struct probe_counters each[n];
	uint64_t sum = 0;
	uint32_t key = 0;

	assert_int_equal(bpf_map_lookup_elem(lab.counters, &key, each), 0);
	for (int cpu = 0; cpu < n; cpu++)
		sum += each[cpu].outcome[outcome];
	return sum;
}

/* Sends @in with @mark: what comes of it must be @outcome, in the verdict and in the counters. */
static void run(const struct frame *in, uint32_t mark, struct frame *out,
		enum probe_outcome outcome)
{
	struct __sk_buff before = {.mark = mark}, after;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->data,
		    .data_size_in = (uint32_t)in->size, .data_out = out->data,
		    .data_size_out = sizeof(out->data), .ctx_in = &before,
		    .ctx_size_in = sizeof(before), .ctx_out = &after,
		    .ctx_size_out = sizeof(after));
	uint64_t counted = count(outcome);

	assert_int_equal(bpf_prog_test_run_opts(lab.program, &opts), 0);
	out->size = opts.data_size_out;
	assert_int_equal(count(outcome), counted + 1);
	assert_int_equal(opts.retval, outcome == PROBE_OUT_SENT ? TC_ACT_REDIRECT : TC_ACT_SHOT);
	/* Routes and rules of other programs see a packet like any other. */
	if (outcome == PROBE_OUT_SENT)
		assert_int_equal(after.mark, 0);
}

/* ---------------------------------------------------------------------------------------- frames */

/* Behind the VIP's address, to which the tunnel's number is added; NULL: the end of the packet. */
static const struct {
	const char *source, *more;
	int family;
} inners[] = {
	{"192.168.1.1", " / tcp 31337>80 S", 4},
	{"198.18.0.2", " tos8c / tcp 40001>80 A / pad 333", 4},
	{"198.18.0.2", " df / tcp 256>80 PA / pad 1300", 4},
	{"198.18.0.2", " ihl9 / tcp 1>80 F", 4},
	{"198.18.255.254", " / udp 65535>80 / pad 7", 4},
	{"10.9.8.7", " / udp 53>80 sum0 / pad 1023", 4},
	{"fc00:2::1", " / tcp 31337>80 S", 6},
	{"2001:db8::2:3:4", " tcb8 / tcp 40001>80 A / pad 333", 6},
	{"2001:db8::2:3:4", " / udp 40001>80 / pad 40", 6},
	{"2001:db8::2", " tc03 / tcp 40001>80 PA / pad 1200", 6},
};

static void probes_leave_as_clients_packets_do(void **state)
{
	static struct frame in, got, expected;
	char text[128];
	(void)state;

	for (size_t t = 0; t < N(tunnels); t++) {
		for (size_t i = 0; i < N(inners); i++) {
			struct dryrun_result result;

			snprintf(text, sizeof(text),
				 inners[i].family == 4 ? "4 %s>10.200.1.%zu%s"
						       : "6 %s>fc00:1::%zu%s",
				 inners[i].source, t + 1, inners[i].more);
			frame_build(&in, text);
			result = fixture_send(lab.dryrun, &in, &expected);
			assert_string_equal(result.verdict.name, "TX");
			run(&in, MARKS | (uint32_t)(t + 1), &got, PROBE_OUT_SENT);
			frame_assert_equal(&got, &expected, text);
		}
	}
}

static void the_answer_of_a_backend_is_left_to_the_host(void **state)
{
	static const char *const answers[] = {
		"4 10.200.1.1>198.18.0.2 / tcp 80>40001 SA",
		"4 10.200.1.1>198.18.0.2 / udp 80>40001",
		"6 fc00:1::1>2001:db8::2 / tcp 80>40001 SA",
	};
	static struct frame in, out;
	(void)state;

	for (size_t i = 0; i < N(answers); i++) {
		struct dryrun_result result;

		frame_build(&in, answers[i]);
		result = fixture_send(lab.dryrun, &in, &out);
		assert_string_equal(result.verdict.name, "PASS");
		assert_int_equal(result.verdict.trace.outcome, SLUICE_OUT_NOT_VIP);
		frame_assert_equal(&out, &in, answers[i]);
	}
}

/* ----------------------------------------------------------------------------------------- drops */

static void marks_without_a_tunnel_go_nowhere(void **state)
{
	static const struct {
		uint32_t mark;
		enum probe_outcome outcome;
	} cases[] = {
		{MARKS | 9, PROBE_OUT_NO_TUNNEL},
		{MARKS | 0xffff, PROBE_OUT_NO_TUNNEL},
		{MARKS, PROBE_OUT_NO_TUNNEL},
		{0, PROBE_OUT_UNMARKED},
		{1, PROBE_OUT_UNMARKED},
		/* of another daemon, and of somebody else */
		{PROBE_MARK | (SLOT + 1) << PROBE_MARK_SLOT_SHIFT | 1, PROBE_OUT_UNMARKED},
		{0x5d030001, PROBE_OUT_UNMARKED},
	};
	static struct frame in, out;
	(void)state;

	frame_build(&in, "4 192.168.1.1>10.200.1.1 / tcp 31337>80 S");
	for (size_t i = 0; i < N(cases); i++)
		run(&in, cases[i].mark, &out, cases[i].outcome);
}

static void backends_that_cannot_be_sent_to_get_nothing(void **state)
{
	static struct frame in, out;
	struct sluice_backend b = backend(0);
	(void)state;

	frame_build(&in, "4 192.168.1.1>10.200.1.1 / tcp 31337>80 S");
	b.flags = 0;
	set(20, &b);
	run(&in, MARKS | 20, &out, PROBE_OUT_NO_NEXTHOP);
	b = backend(0);
	b.ifindex = 0;
	set(20, &b);
	run(&in, MARKS | 20, &out, PROBE_OUT_NO_NEXTHOP);
	b = backend(0);
	b.encap = SLUICE_ENCAP_LOCAL;
	set(20, &b);
	run(&in, MARKS | 20, &out, PROBE_OUT_LOCAL);
	b.encap = SLUICE_ENCAP_NONE;
	set(20, &b);
	run(&in, MARKS | 20, &out, PROBE_OUT_NO_TUNNEL);
}

static void packets_fit_the_tunnel_or_are_dropped(void **state)
{
	static const unsigned int overheads[N(tunnels)] = {20, 40, 28, 48};
	static struct frame in, out;
	char text[96];
	(void)state;

	for (size_t i = 0; i < N(tunnels); i++) {
		unsigned int fits = MTU - overheads[i] - 20 - 20; /* bytes behind the headers */

		snprintf(text, sizeof(text), "4 192.168.1.1>10.200.1.1 / tcp 31337>80 S / pad %u",
			 fits);
		frame_build(&in, text);
		run(&in, MARKS | (uint32_t)(i + 1), &out, PROBE_OUT_SENT);
		assert_int_equal(out.size, 14 + MTU);
		snprintf(text, sizeof(text), "4 192.168.1.1>10.200.1.1 / tcp 31337>80 S / pad %u",
			 fits + 1);
		frame_build(&in, text);
		run(&in, MARKS | (uint32_t)(i + 1), &out, PROBE_OUT_TOO_BIG);
	}
}

static void what_the_tunnel_does_not_carry_is_dropped(void **state)
{
	static const char *const packets[] = {
		"4 192.168.1.1>10.200.1.1 MF id7 / udp 31337>80",
		"4 192.168.1.1>10.200.1.1 off8 id7 / udp 31337>80",
		"4 192.168.1.1>10.200.1.1 proto132 / tcp 31337>80 S",
		"6 fc00:2::1>fc00:1::1 hbh / tcp 31337>80 S",
		"6 fc00:2::1>fc00:1::1 frag:0,1,5 / udp 31337>80",
		"6 fc00:2::1>fc00:1::1 nh132 / tcp 31337>80 S",
		"ARP",
	};
	static struct frame in, out;
	(void)state;

	for (size_t i = 0; i < N(packets); i++) {
		frame_build(&in, packets[i]);
		run(&in, MARKS | 1, &out, PROBE_OUT_NOT_L4);
	}
}

static void echo_requests_may_be_sent_by_hand(void **state)
{
	static struct frame in, got, expected;
	(void)state;

	frame_build(&in, "4 198.18.0.2>10.200.1.1 / icmp 8/0 / pad 56");
	run(&in, MARKS | 1, &got, PROBE_OUT_SENT);
	frame_build_outer(&expected, "4 172.16.0.2>10.0.0.1", &in);
	frame_assert_equal(&got, &expected, "IPv4 in IPv4");
	frame_build(&in, "6 fc00:2::1>fc00:1::1 / icmp6 128/0 / pad 56");
	run(&in, MARKS | 4, &got, PROBE_OUT_SENT);
	frame_build_outer(&expected, "6 fc00:2307::1337>fc00:0:0:2::1 / udp 0>9886", &in);
	frame_assert_equal(&got, &expected, "IPv6 in GUE in IPv6");
}

/* The outer tag lies beside the frame, where the test cannot see it; the inner one is in it. */
static void frames_carry_the_tags_of_the_way(void **state)
{
	static const unsigned char inner[] = {0x81, 0, 0, 8, 8, 0};
	static struct frame in, out;
	struct sluice_backend b = backend(0);
	(void)state;

	b.vlan = htobe16(8);
	b.s_vlan = htobe16(7);
	set(21, &b);
	frame_build(&in, "4 192.168.1.1>10.200.1.1 / tcp 31337>80 S");
	run(&in, MARKS | 21, &out, PROBE_OUT_SENT);
	assert_int_equal(out.size, in.size + 20 + 4);
	assert_memory_equal(out.data + 12, inner, sizeof(inner));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes_leave_as_clients_packets_do),
		cmocka_unit_test(the_answer_of_a_backend_is_left_to_the_host),
		cmocka_unit_test(marks_without_a_tunnel_go_nowhere),
		cmocka_unit_test(backends_that_cannot_be_sent_to_get_nothing),
		cmocka_unit_test(packets_fit_the_tunnel_or_are_dropped),
		cmocka_unit_test(what_the_tunnel_does_not_carry_is_dropped),
		cmocka_unit_test(echo_requests_may_be_sent_by_hand),
		cmocka_unit_test(frames_carry_the_tags_of_the_way),
	};

	return cmocka_run_group_tests_name("xdp/probe", tests, setup, teardown);
}
