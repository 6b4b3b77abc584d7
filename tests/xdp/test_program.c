/* SPDX-License-Identifier: MIT */
/*
 * Packets through the loaded program: frame in; verdict, outcome, backend and whole frame out.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/outcome.h"
#include "daemon/stats.h"
#include "tests/lib/fixture.h"

static const char config_text[] =
	"interfaces = ( { name = \"none0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT "\"; } );\n"
	"pools = ( { name = \"web\"; backends = (\n"
	"    { name = \"web-1\"; address = \"10.0.0.1\"; },\n"
	"    { name = \"web-2\"; address = \"10.0.0.2\"; },\n"
	"    { name = \"web-3\"; address = \"10.0.0.3\"; } ); },\n"
	"  { name = \"empty\"; } );\n"
	"vips = (\n"
	"  { name = \"www\"; address = \"10.200.1.1\"; port = 80; protocol = \"tcp\";\n"
	"    pool = \"web\"; maglev = \"v1\"; },\n"
	"  { name = \"dns\"; address = \"10.200.1.1\"; port = 80; protocol = \"udp\";\n"
	"    pool = \"web\"; maglev = \"v1\"; },\n"
	"  { name = \"small\"; address = \"10.200.1.2\"; port = 81; protocol = \"tcp\";\n"
	"    pool = \"web\"; ring_size = 4093; },\n"
	"  { name = \"none\"; address = \"10.200.1.99\"; port = 80; protocol = \"tcp\";\n"
	"    pool = \"empty\"; } );\n";

/* clang-format off */
/* The same ring for all, so that slots can be compared. */
#define HASH_VIP(name, last, port, hash) \
	"{ name = \"" name "4\"; address = \"10.200.2." last "\"; port = " port ";\n" \
	"  protocol = \"tcp\"; pool = \"web\"; hash = \"" hash "\"; },\n" \
	"{ name = \"" name "6\"; address = \"fc00:1::" last "\"; port = " port ";\n" \
	"  protocol = \"tcp\"; pool = \"web\"; hash = \"" hash "\"; }"
static const char hash_config[] =
	"interfaces = ( { name = \"none0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT "\"; } );\n"
	"pools = ( { name = \"web\"; backends = (\n"
	"    { name = \"web-1\"; address = \"10.0.0.1\"; },\n"
	"    { name = \"web-2\"; address = \"10.0.0.2\"; } ); } );\n"
	"vips = (\n"
	HASH_VIP("exact", "1", "80", "tuple") ",\n"
	HASH_VIP("any", "2", "0", "tuple") ",\n"
	HASH_VIP("with", "3", "0", "with_destination_port") ",\n"
	HASH_VIP("nosport", "4", "80", "no_source_port") ",\n"
	HASH_VIP("dport", "5", "0", "destination_port") ");\n";
/* clang-format on */

static struct model *model;
static struct dryrun *dryrun;

static int setup(void **state)
{
	(void)state;
	fixture_need_bpf();
	model = fixture_model(config_text);
	dryrun = fixture_dryrun(model);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dryrun_free(dryrun);
	model_free(model);
	return 0;
}

struct packet_case {
	const char *in;
	const char *verdict;
	const char *outcome;
	const char *vip;
	const char *backend;
	const char *outer; /* NULL: the frame is unchanged */
};

static const struct packet_case packet_cases[] = {
	{"4 192.168.1.1>10.200.1.1 / udp 31337>80", "TX", "forwarded", "dns", "web-3",
	 "4 172.16.104.123>10.0.0.3"},
	{"4 192.168.1.1>10.200.1.1 tos8c / tcp 31337>80 A", "TX", "forwarded", "www", "web-3",
	 "4 172.16.104.123>10.0.0.3 tos8c"},
	{"4 192.168.1.1>10.200.1.1 df ttl3 / tcp 31337>80 S", "TX", "forwarded", "www", "web-3",
	 "4 172.16.104.123>10.0.0.3"},
	{"4 192.168.1.1>10.200.1.1 ihl7 / tcp 31337>80 A", "TX", "forwarded", "www", "web-3",
	 "4 172.16.104.123>10.0.0.3"},
	{"4 192.168.1.1>10.200.1.1 / tcp 31337>80 A / pad 1440", "TX", "forwarded", "www", "web-3",
	 "4 172.16.104.123>10.0.0.3"},
	{"4 192.168.1.1>10.200.1.1 / tcp 31337>80 A / pad 1441", "DROP", "too_big_no_df", "www",
	 "web-3", NULL},
	{"4 192.168.1.1>10.200.1.99 / tcp 31337>80 S", "DROP", "no_backend", "none", "-", NULL},
	{"4 192.168.1.1>10.200.1.1 / tcp 31337>82 A", "PASS", "not_vip", "-", "-", NULL},
	{"4 192.168.1.1>10.200.1.7 / tcp 31337>80 A", "PASS", "not_vip", "-", "-", NULL},
	{"4 192.168.1.1>10.200.1.1 proto47 / udp 1>2", "PASS", "not_l4", "-", "-", NULL},
	{"4 192.168.1.1>10.200.1.1 ihl4 / data 5000", "PASS", "malformed", "-", "-", NULL},
	{"4 192.168.1.1>10.200.1.1 len4000 / tcp 31337>80 A", "PASS", "malformed", "-", "-", NULL},
	{"4 192.168.1.1>10.200.1.1 len19 / tcp 31337>80 A", "PASS", "malformed", "-", "-", NULL},
	{"4 192.168.1.1>10.200.1.1 proto6 / data 7a690050", "PASS", "malformed", "-", "-", NULL},
	{"4 192.168.1.1>10.200.1.1 proto17 / data 7a690050", "PASS", "malformed", "-", "-", NULL},
	{"6 fc00:2::1>fc00:1::1 / tcp 31337>80 A", "PASS", "not_ip", "-", "-", NULL},
	{"ARP", "PASS", "not_ip", "-", "-", NULL},
};

static void check_packet(const struct packet_case *c)
{
	static struct frame in, out, expected;
	struct dryrun_result result;

	frame_build(&in, c->in);
	result = fixture_send(dryrun, &in, &out);
	if (strcmp(result.verdict.name, c->verdict) != 0 ||
	    strcmp(outcome_name(result.verdict.trace.outcome), c->outcome) != 0)
		print_message("%s\n", c->in);
	assert_string_equal(result.verdict.name, c->verdict);
	assert_string_equal(outcome_name(result.verdict.trace.outcome), c->outcome);
	assert_string_equal(result.vip, c->vip);
	assert_string_equal(result.backend, c->backend);
	if (c->outer)
		frame_build_outer(&expected, c->outer, &in);
	else
		expected = in;
	frame_assert_equal(&out, &expected, c->in);
}

static void packets_leave_as_they_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(packet_cases) / sizeof(*packet_cases); i++)
		check_packet(&packet_cases[i]);
}

static void padding_behind_the_packet_stays(void **state)
{
	static struct frame in, out, expected;
	(void)state;

	frame_build(&in, "4 192.168.1.1>10.200.1.1 / tcp 31337>80 A");
	memset(in.data + in.size, 0xee, 6);
	in.size += 6;
	fixture_send(dryrun, &in, &out);
	frame_build_outer(&expected, "4 172.16.104.123>10.0.0.3 len71", &in);
	frame_assert_equal(&out, &expected, "padding");
}

/* Every IPv4 row of the flow vectors: slot, backend and outer source. */
static void flows_go_where_katran_sends_them(void **state)
{
	static struct frame in, out, expected;
	char line[512];
	FILE *file = fopen("tests/vectors/flows.tsv", "r");
	unsigned int rows = 0;
	(void)state;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char kind[8], src[64], vip[64], hash[16], real[64], outer_src[64], text[256];
		unsigned int sport, dport, slot;
		struct dryrun_result result;

		if (sscanf(line, "%7s %63s %u %63s %u %15s %u %63s %63s", kind, src, &sport, vip,
			   &dport, hash, &slot, real, outer_src) != 9 ||
		    strcmp(kind, "44") != 0)
			continue;
		rows++;
		snprintf(text, sizeof(text), "4 %s>%s / tcp %u>%u A", src, vip, sport, dport);
		frame_build(&in, text);
		result = fixture_send(dryrun, &in, &out);
		assert_int_equal(result.verdict.trace.slot, slot);
		snprintf(text, sizeof(text), "4 %s>%s", outer_src, real);
		frame_build_outer(&expected, text, &in);
		frame_assert_equal(&out, &expected, line);
	}
	fclose(file);
	assert_int_equal(rows, 67);
}

/* Frames of two texts, IPv4 and IPv6, whose slots are the same, or not. */
struct slot_case {
	bool same;
	const char *a;
	const char *b;
};

#define FLOW4(last, client, ports) "4 " client ">10.200.2." last " / tcp " ports " A"
#define FLOW6(last, client, ports) "6 " client ">fc00:1::" last " / tcp " ports " A"
#define ERROR4(last, client, ports) \
	"4 203.0.113.9>10.200.2." last " / icmp 3/1 / cut 28 / 4 10.200.2." last ">" client \
	" / tcp " ports " A"
#define ERROR6(last, client, ports) \
	"6 2001:db8::9>fc00:1::" last " / icmp6 1/0 / cut 48 / 6 fc00:1::" last ">" client \
	" / tcp " ports " A"
#define A4 "192.168.1.1"
#define B4 "192.168.77.9"
#define A6 "fc00:2::1"
#define B6 "fc00:2::7:9"

static const struct slot_case slot_cases[] = {
	/* every port is served: the destination port does not count, unless it is asked for */
	{true, FLOW4("2", A4, "31337>80"), FLOW4("2", A4, "31337>81")},
	{true, FLOW6("2", A6, "31337>80"), FLOW6("2", A6, "31337>81")},
	{true, FLOW4("2", A4, "31337>80"), FLOW4("3", A4, "31337>0")},
	{true, FLOW6("2", A6, "31337>80"), FLOW6("3", A6, "31337>0")},
	{false, FLOW4("2", A4, "31337>80"), FLOW4("2", A4, "31338>80")},
	{true, FLOW4("3", A4, "31337>80"), FLOW4("1", A4, "31337>80")},
	{true, FLOW6("3", A6, "31337>80"), FLOW6("1", A6, "31337>80")},
	{false, FLOW4("3", A4, "31337>80"), FLOW4("3", A4, "31337>81")},
	/* without the source port it is as if it were 0 */
	{true, FLOW4("4", A4, "31337>80"), FLOW4("4", A4, "1000>80")},
	{true, FLOW6("4", A6, "31337>80"), FLOW6("4", A6, "1000>80")},
	{true, FLOW4("4", A4, "31337>80"), FLOW4("1", A4, "0>80")},
	{true, FLOW6("4", A6, "31337>80"), FLOW6("1", A6, "0>80")},
	{false, FLOW4("4", A4, "31337>80"), FLOW4("4", B4, "31337>80")},
	/* by the destination port alone it stands for the source port, and the client is nobody */
	{true, FLOW4("5", A4, "31337>42"), FLOW4("5", B4, "1000>42")},
	{true, FLOW6("5", A6, "31337>42"), FLOW6("5", B6, "1000>42")},
	{true, FLOW4("5", A4, "31337>42"), FLOW4("3", "0.0.0.0", "42>42")},
	{true, FLOW6("5", A6, "31337>42"), FLOW6("3", "::", "42>42")},
	{false, FLOW4("5", A4, "31337>42"), FLOW4("5", A4, "31337>43")},
	/* errors count as the flow that they quote */
	{true, FLOW4("1", A4, "31337>80"), ERROR4("1", A4, "80>31337")},
	{true, FLOW6("1", A6, "31337>80"), ERROR6("1", A6, "80>31337")},
	{true, FLOW4("2", A4, "31337>80"), ERROR4("2", A4, "81>31337")},
	{true, FLOW6("2", A6, "31337>80"), ERROR6("2", A6, "81>31337")},
	{true, FLOW4("3", A4, "31337>81"), ERROR4("3", A4, "81>31337")},
	{true, FLOW4("4", A4, "31337>80"), ERROR4("4", A4, "80>1000")},
	{true, FLOW6("4", A6, "31337>80"), ERROR6("4", A6, "80>1000")},
	{true, FLOW4("5", A4, "31337>42"), ERROR4("5", B4, "42>1000")},
	{true, FLOW6("5", A6, "31337>42"), ERROR6("5", B6, "42>1000")},
};

static unsigned int slot_of(struct dryrun *other, const char *text)
{
	static struct frame in, out;
	struct dryrun_result result;

	frame_build(&in, text);
	result = fixture_send(other, &in, &out);
	if (strcmp(result.verdict.name, "TX") != 0)
		fail_msg("%s: %s", text, result.verdict.name);
	return result.verdict.trace.slot;
}

static void hash_options_say_what_counts(void **state)
{
	struct model *other_model = fixture_model(hash_config);
	struct dryrun *other = fixture_dryrun(other_model);
	(void)state;

	for (size_t i = 0; i < sizeof(slot_cases) / sizeof(*slot_cases); i++) {
		const struct slot_case *c = &slot_cases[i];
		unsigned int a = slot_of(other, c->a), b = slot_of(other, c->b);

		if ((a == b) != c->same)
			fail_msg("%s: slot %u; %s: slot %u", c->a, a, c->b, b);
	}
	dryrun_free(other);
	model_free(other_model);
}

/* A ring of another size: slots stay below it, and follow hash mod size. */
static void small_rings_use_their_own_modulus(void **state)
{
	static struct frame in, out;
	unsigned int highest = 0;
	char text[128];
	(void)state;

	for (unsigned int port = 1000; port < 1400; port++) {
		struct dryrun_result small;

		snprintf(text, sizeof(text), "4 192.168.1.1>10.200.1.2 / tcp %u>81 A", port);
		frame_build(&in, text);
		small = fixture_send(dryrun, &in, &out);
		assert_string_equal(small.verdict.name, "TX");
		assert_true(small.verdict.trace.slot < 4093);
		if (small.verdict.trace.slot > highest)
			highest = small.verdict.trace.slot;
	}
	assert_true(highest > 3500);
}

static void counters_follow_the_packets(void **state)
{
	static struct frame in, out;
	struct sluice_counters before, after;
	struct sluice_backend_counters backend_before, backend_after;
	struct datapath *dp = dryrun_datapath(dryrun);
	struct dryrun_result result;
	(void)state;

	frame_build(&in, "4 192.168.1.1>10.200.1.1 / tcp 31337>80 A");
	result = fixture_send(dryrun, &in, &out);
	before = stats_vip(dp, result.verdict.trace.vip);
	backend_before = stats_backend(dp, result.verdict.trace.backend);
	for (int i = 0; i < 3; i++)
		fixture_send(dryrun, &in, &out);
	after = stats_vip(dp, result.verdict.trace.vip);
	backend_after = stats_backend(dp, result.verdict.trace.backend);
	assert_int_equal(after.outcome[SLUICE_OUT_FORWARDED] - before.outcome[SLUICE_OUT_FORWARDED],
			 3);
	assert_int_equal(after.bytes - before.bytes, 3 * (in.size - 14));
	assert_int_equal(backend_after.packets - backend_before.packets, 3);
	assert_int_equal(backend_after.bytes - backend_before.bytes, 3 * (in.size - 14));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_leave_as_they_should),
		cmocka_unit_test(padding_behind_the_packet_stays),
		cmocka_unit_test(flows_go_where_katran_sends_them),
		cmocka_unit_test(hash_options_say_what_counts),
		cmocka_unit_test(small_rings_use_their_own_modulus),
		cmocka_unit_test(counters_follow_the_packets),
	};

	return cmocka_run_group_tests_name("xdp/program", tests, setup, teardown);
}
