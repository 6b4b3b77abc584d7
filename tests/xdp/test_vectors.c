/* SPDX-License-Identifier: MIT */
/*
 * The cases of tests/vectors/packets.md, table by table and in order (flows are remembered from one
 * to the next), and every row of tests/vectors/flows.tsv, through the loaded program: whole frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/outcome.h"
#include "tests/lib/fixture.h"

/* The set-up that packets.md describes; %s: the pools' tunnel, the VIPs' server ids in TCP. */
static const char config_format[] =
	"interfaces = ( { name = \"none0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT "\"; } );\n"
	"pools = (\n"
	"  { name = \"four\"; %s backends = (\n"
	"    { name = \"a\"; address = \"10.0.0.1\"; server_ids = [1022, 197630]; },\n"
	"    { name = \"b\"; address = \"10.0.0.2\"; server_ids = [1023, 197631]; },\n"
	"    { name = \"c\"; address = \"10.0.0.3\"; server_ids = [1025, 197633]; } ); },\n"
	"  { name = \"six\"; %s backends = (\n"
	"    { name = \"d\"; address = \"fc00::1\"; server_ids = [1024, 197632]; },\n"
	"    { name = \"e\"; address = \"fc00::2\"; server_ids = [1026, 197634]; },\n"
	"    { name = \"f\"; address = \"fc00::3\"; server_ids = [1027, 197635]; } ); },\n"
	"  { name = \"none\"; } );\n"
	"decap = [ \"fc00:1404::1\" ];\n"
	"vips = (\n"
	"  { name = \"u\"; address = \"10.200.1.1\"; port = 80; protocol = \"udp\"; pool = "
	"\"four\";"
	"    maglev = \"v1\"; },\n"
	"  { name = \"t\"; address = \"10.200.1.1\"; port = 80; protocol = \"tcp\"; pool = "
	"\"four\";"
	"    maglev = \"v1\"; %s },\n"
	"  { name = \"any\"; address = \"10.200.1.2\"; port = 0; protocol = \"tcp\"; pool = "
	"\"four\";"
	"    maglev = \"v1\"; %s },\n"
	"  { name = \"mixed\"; address = \"10.200.1.3\"; port = 80; protocol = \"tcp\"; pool = "
	"\"six\";"
	"    maglev = \"v1\"; %s },\n"
	"  { name = \"port\"; address = \"10.200.1.4\"; port = 0; protocol = \"tcp\"; pool = "
	"\"four\";"
	"    maglev = \"v1\"; hash = \"destination_port\"; %s },\n"
	"  { name = \"quic\"; address = \"10.200.1.5\"; port = 443; protocol = \"udp\"; pool = "
	"\"four\";"
	"    maglev = \"v1\"; quic = \"katran\"; },\n"
	"  { name = \"t6\"; address = \"fc00:1::1\"; port = 80; protocol = \"tcp\"; pool = \"six\";"
	"    maglev = \"v1\"; %s },\n"
	"  { name = \"quic6\"; address = \"fc00:1::2\"; port = 443; protocol = \"udp\"; pool = "
	"\"six\";"
	"    maglev = \"v1\"; quic = \"katran\"; },\n"
	"  { name = \"empty\"; address = \"10.200.1.99\"; port = 80; protocol = \"tcp\";"
	"    pool = \"none\"; },\n"
	"  { name = \"empty6\"; address = \"fc00:1::11\"; port = 80; protocol = \"udp\";"
	"    pool = \"none\"; } );\n";

#define GUE \
	"tunnel = { type = \"gue\"; port = 9886; source = \"10.0.13.37\"; source6 = " \
	"\"fc00:2307::1337\"; };"
#define TCP_ID "tcp_server_id = true;"

/* Cases that the vectors hold and that sluice answers otherwise, by design: what it does. */
static const struct exception {
	const char *table;
	const char *number;
	const char *verdict; /* NULL: the case says too little to be run */
	const char *outer;   /* NULL: the frame is unchanged; "": as the case says */
	const char *why;
} exceptions[] = {
	{"base", "13", "XDP_TX", "4 172.16.104.123>10.0.0.3",
	 "the first fragment of a datagram for a VIP is balanced"},
	{"base", "33", NULL, NULL, "its input is that of case 1, which must be sent"},
	{"gue", "10", "XDP_TX", "4 10.0.13.37>10.0.0.3 / udp 26747>9886", "options are balanced"},
};

/*
 * The vectors leave out every other case, and flows are remembered: before this one the flow went to
 * fc00::2 by an id.
 */
static const char missing_before_31[] =
	"4 192.168.1.42>10.200.1.5 / udp 31337>443 / quic 00410083040506070040";

static const struct exception *find_exception(const char *table, const char *number)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(*exceptions); i++)
		if (strcmp(exceptions[i].table, table) == 0 &&
		    strcmp(exceptions[i].number, number) == 0)
			return &exceptions[i];
	return NULL;
}

/* Cells of a table's row, without the blanks around them. */
static size_t split_row(char *line, char *cells[], size_t max)
{
	size_t n = 0;
	char *cell, *save = NULL;

	for (cell = strtok_r(line, "|", &save); cell && n < max;
	     cell = strtok_r(NULL, "|", &save)) {
		char *end = cell + strlen(cell);

		while (*cell == ' ')
			cell++;
		while (end > cell && (end[-1] == ' ' || end[-1] == '\n'))
			*--end = '\0';
		if (*cell)
			cells[n++] = cell;
	}
	return n;
}

/* The frame that an echo reply is: built by words, but back to the sender, from the VIP. */
static void build_reply(struct frame *out, const char *text)
{
	frame_build(out, text);
	memcpy(out->data, FRAME_SOURCE, 6);
	memcpy(out->data + 6, FRAME_DEST, 6);
}

/* What the case's output cell says, as a frame. */
static void build_expected(struct frame *out, const char *cell, const struct frame *in)
{
	static const char inner[] = " + inner unchanged";
	char outer[512];
	const char *end = strstr(cell, inner);

	if (strcmp(cell, "unchanged") == 0) {
		*out = *in;
	} else if (end && end[strlen(inner)] == '\0') {
		snprintf(outer, sizeof(outer), "%.*s", (int)(end - cell), cell);
		frame_build_outer(out, outer, in);
	} else {
		build_reply(out, cell);
	}
}

/* xpop: the inner packet of the input leaves, with one hop less. */
static void build_xpop(struct frame *out, const char *input, const char *cell)
{
	static struct frame inner;
	const char *from = strstr(input, "/ 4 ");
	char text[512], outer[256];
	const char *ttl = strstr(cell, " ttl");

	assert_non_null(from);
	assert_non_null(ttl);
	snprintf(text, sizeof(text), "%s", from + 2);
	/* the cell's TTL in place of the input's */
	if (strstr(text, " ttl1 "))
		memcpy(strstr(text, " ttl1 "), " ttl0 ", 6);
	else
		snprintf(text, sizeof(text), "4 192.168.1.3>10.200.1.1 ttl63 / udp 31337>80");
	frame_build(&inner, text);
	if (strncmp(cell, "4 192", 5) == 0) {
		*out = inner;
		return;
	}
	snprintf(outer, sizeof(outer), "%.*s", (int)(strstr(cell, " / 4 ") - cell), cell);
	frame_build_outer(out, outer, &inner);
}

static void check_case(struct dryrun *dryrun, const char *table, char *cells[4])
{
	static struct frame in, out, expected;
	const struct exception *e = find_exception(table, cells[0]);
	const char *verdict = e ? e->verdict : cells[2];
	struct dryrun_result result;
	char what[640];

	if (e)
		print_message("%s %s: %s\n", table, cells[0], e->why);
	if (!verdict)
		return;
	if (strcmp(table, "base") == 0 && strcmp(cells[0], "31") == 0) {
		frame_build(&in, missing_before_31);
		fixture_send(dryrun, &in, &out);
	}
	snprintf(what, sizeof(what), "%s %s: %s", table, cells[0], cells[1]);
	frame_build(&in, cells[1]);
	if (e && e->outer)
		frame_build_outer(&expected, e->outer, &in);
	else if (strcmp(table, "xpop") == 0)
		build_xpop(&expected, cells[1], cells[3]);
	else
		build_expected(&expected, cells[3], &in);
	result = fixture_send(dryrun, &in, &out);
	if (strcmp(result.verdict.name, verdict + strlen("XDP_")) != 0)
		fail_msg("%s: %s (%s), not %s", what, result.verdict.name,
			 outcome_name(result.verdict.trace.outcome), verdict);
	frame_assert_equal(&out, &expected, what);
}

/* Runs all rows of the table called @table; returns how many. */
static size_t check_table(struct dryrun *dryrun, const char *table)
{
	FILE *file = fopen("tests/vectors/packets.md", "r");
	char line[1024], heading[64];
	bool inside = false;
	size_t rows = 0;

	assert_non_null(file);
	snprintf(heading, sizeof(heading), "**%s**", table);
	while (fgets(line, sizeof(line), file)) {
		char *cells[4];

		if (line[0] == '*')
			inside = strncmp(line, heading, strlen(heading)) == 0;
		if (!inside || line[0] != '|' || split_row(line, cells, 4) != 4 ||
		    cells[0][0] < '0' || cells[0][0] > '9')
			continue;
		check_case(dryrun, table, cells);
		rows++;
	}
	fclose(file);
	return rows;
}

static void run_table(const char *table, const char *tunnel, const char *tcp, size_t rows)
{
	char config[8192];
	struct model *model;
	struct dryrun *dryrun;

	fixture_need_bpf();
	snprintf(config, sizeof(config), config_format, tunnel, tunnel, tcp, tcp, tcp, tcp, tcp);
	model = fixture_model(config);
	dryrun = fixture_dryrun(model);
	assert_int_equal(check_table(dryrun, table), rows);
	dryrun_free(dryrun);
	model_free(model);
}

static void base_cases(void **state)
{
	(void)state;
	run_table("base", "", "", 18);
}

static void gue_cases(void **state)
{
	(void)state;
	run_table("gue", GUE, "", 12);
}

static void tpr_cases(void **state)
{
	(void)state;
	run_table("tpr", "", TCP_ID, 9);
}

static void xpop_cases(void **state)
{
	(void)state;
	run_table("xpop", GUE, "", 2);
}

/* Every row: slot, backend and outer header; IPIP and GUE. */
static void run_flows(const char *tunnel)
{
	static struct frame in, out, expected;
	char config[8192], line[512];
	FILE *file = fopen("tests/vectors/flows.tsv", "r");
	unsigned int rows = 0;
	struct model *model;
	struct dryrun *dryrun;

	assert_non_null(file);
	fixture_need_bpf();
	snprintf(config, sizeof(config), config_format, tunnel, tunnel, "", "", "", "", "");
	model = fixture_model(config);
	dryrun = fixture_dryrun(model);
	while (fgets(line, sizeof(line), file)) {
		char kind[8], src[64], vip[64], hash[16], real[64], outer_src[64], text[256];
		unsigned int sport, dport, slot, gue_sport;
		struct dryrun_result result;

		if (sscanf(line, "%7s %63s %u %63s %u %15s %u %63s %63s %u", kind, src, &sport, vip,
			   &dport, hash, &slot, real, outer_src, &gue_sport) != 10)
			continue;
		rows++;
		snprintf(text, sizeof(text), "%c %s>%s / tcp %u>%u A", kind[0], src, vip, sport,
			 dport);
		frame_build(&in, text);
		result = fixture_send(dryrun, &in, &out);
		assert_int_equal(result.verdict.trace.slot, slot);
		if (*tunnel)
			snprintf(text, sizeof(text), "%c %s>%s / udp %u>9886", kind[1],
				 kind[1] == '4' ? "10.0.13.37" : "fc00:2307::1337", real,
				 gue_sport);
		else
			snprintf(text, sizeof(text), "%c %s>%s", kind[1], outer_src, real);
		frame_build_outer(&expected, text, &in);
		frame_assert_equal(&out, &expected, line);
	}
	fclose(file);
	dryrun_free(dryrun);
	model_free(model);
	assert_int_equal(rows, 200);
}

static void flows_in_ipip(void **state)
{
	(void)state;
	run_flows("");
}

static void flows_in_gue(void **state)
{
	(void)state;
	run_flows(GUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base_cases),    cmocka_unit_test(gue_cases),
		cmocka_unit_test(tpr_cases),     cmocka_unit_test(xpop_cases),
		cmocka_unit_test(flows_in_ipip), cmocka_unit_test(flows_in_gue),
	};

	return cmocka_run_group_tests_name("xdp/vectors", tests, NULL, NULL);
}
