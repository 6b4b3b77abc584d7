/* SPDX-License-Identifier: MIT */
/*
 * Command lines of sluice-helper: what they mean, and what is said about those that mean nothing.
 */
#include "daemon/helper_options.h"

#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/hint.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define WORDS_MAX 80

/* Reads the command line behind the program's name; 0 or what helper_options_parse() returns. */
static int parse(struct helper_options *out, const char *line, struct diag *diag)
{
	static char copy[2048];
	char *argv[WORDS_MAX + 1] = {"sluice-helper"};
	char *save = NULL;
	int argc = 1;

	strcpy(copy, line);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(argc < WORDS_MAX);
		argv[argc++] = strcmp(word, "''") ? word : "";
	}
	opterr = 0;
	return helper_options_parse(out, argc, argv, diag);
}

static struct helper_options good(const char *line)
{
	struct helper_options o;
	struct diag diag = {0};
	int err = parse(&o, line, &diag);

	if (err)
		fail_msg("%s: refused: %s", line, diag.n ? diag.entries[0].text : "");
	assert_int_equal(diag.n, 0);
	return o;
}

static struct sluice_addr address(const char *text)
{
	struct sluice_addr addr;

	assert_int_equal(addr_parse(&addr, text), 0);
	return addr;
}

static void a_port_is_enough(void **state)
{
	struct helper_options o = good("-i eth0");
	(void)state;

	assert_int_equal(o.action, HELPER_RUN);
	assert_int_equal(o.n_ports, 1);
	assert_string_equal(o.ports[0], "eth0");
	assert_int_equal(o.n_from + o.n_self + o.backends.n, 0);
	assert_null(o.hints_file);
	assert_null(o.netns);
	assert_false(o.no_decap || o.json || o.verbose);
	assert_int_equal(o.n_gue_ports, 2);
	assert_int_equal(o.gue_ports[0], 6080);
	assert_int_equal(o.gue_ports[1], 9886);
	assert_int_equal(o.rate, 100000);
	assert_string_equal(o.pin_dir, "/sys/fs/bpf/sluice-helper");
	helper_options_fini(&o);
}

static void all_options_are_taken(void **state)
{
	struct helper_options o = good(
		"-i eth0 --interface eth1 -i eth0 -v --no-decap --from 10.0.0.0/8 --from 100::/64 "
		"--backend 10.0.0.1 --backend=2001:db8::1=65535 --self 10.0.0.2 --self 2001:db8::2 "
		"--netns inside --gue-port 1 --gue-port 65535 --rate 0 --pin-dir /sys/fs/bpf/x");
	struct sluice_addr a1 = address("10.0.0.1"), a2 = address("2001:db8::1");
	struct sluice_addr self = address("2001:db8::2");
	(void)state;

	assert_int_equal(o.n_ports, 2);
	assert_string_equal(o.ports[1], "eth1");
	assert_true(o.verbose && o.no_decap);
	assert_int_equal(o.n_from, 2);
	assert_int_equal(o.from[0].len, 96 + 8);
	assert_int_equal(o.from[1].len, 64);
	assert_int_equal(o.backends.n, 2);
	assert_int_equal(o.backends.list[0].number, hint_number(&a1));
	assert_true(addr_equal(&o.backends.list[0].address, &a1));
	assert_int_equal(o.backends.list[1].number, 65535);
	assert_true(addr_equal(&o.backends.list[1].address, &a2));
	assert_int_equal(o.n_self, 2);
	assert_true(addr_equal(&o.self[1], &self));
	assert_string_equal(o.netns, "inside");
	assert_int_equal(o.n_gue_ports, 2);
	assert_int_equal(o.gue_ports[0], 1);
	assert_int_equal(o.gue_ports[1], 65535);
	assert_int_equal(o.rate, 0);
	assert_string_equal(o.pin_dir, "/sys/fs/bpf/x");
	helper_options_fini(&o);
}

static void other_commands_need_no_port(void **state)
{
	static const struct {
		const char *line;
		enum helper_action action;
		bool json;
	} cases[] = {
		{"--status", HELPER_STATUS, false},
		{"--status -j", HELPER_STATUS, true},
		{"--json --status --pin-dir /x", HELPER_STATUS, true},
		{"--detach", HELPER_DETACH, false},
		{"--version", HELPER_VERSION, false},
		{"-h", HELPER_HELP, false},
		{"--help", HELPER_HELP, false},
	};
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		struct helper_options o = good(cases[i].line);

		assert_int_equal(o.action, cases[i].action);
		assert_int_equal(o.json, cases[i].json);
		helper_options_fini(&o);
	}
}

/* 10.1.244.204 and 10.0.0.1 have the same number. */
static void nonsense_is_refused(void **state)
{
	static const struct {
		const char *line;
		const char *message; /* NULL: getopt's */
	} cases[] = {
		{"", "which interface? -i NAME (\"ip link\" lists them)"},
		{"-i", NULL},
		{"--bogus", NULL},
		{"-i eth0 eth1", "\"eth1\" belongs to no option"},
		{"-i ''", "--interface \"\" is not the name of an interface"},
		{"-i abcdefghijklmnop", "--interface \"abcdefghijklmnop\" is not the name of an "
					"interface"},
		{"-i eth0 --from 10.0.0.0/33", "--from \"10.0.0.0/33\" is not a prefix of IPv4 or "
					       "IPv6"},
		{"-i eth0 --from 10.0.0.1/8", "--from 10.0.0.1/8 has bits set beyond its length"},
		{"-i eth0 --from ::/0",
		 "--from ::/0 has all of IPv4 in it; all of IPv6 that is in use is 2000::/3, and "
		 "100::/64 is what balancers send IP in IP from"},
		{"-i eth0 --backend web-1",
		 "backend \"web-1\": must be an address that a host can have, or ADDRESS=NUMBER "
		 "with a number of 1..65535"},
		{"-i eth0 --backend 10.0.0.1=0",
		 "backend \"10.0.0.1=0\": must be an address that a host can have, or "
		 "ADDRESS=NUMBER with a number of 1..65535"},
		{"-i eth0 --backend 10.0.0.1=65536",
		 "backend \"10.0.0.1=65536\": must be an address that a host can have, or "
		 "ADDRESS=NUMBER with a number of 1..65535"},
		{"-i eth0 --backend 10.0.0.1=+1",
		 "backend \"10.0.0.1=+1\": must be an address that a host can have, or "
		 "ADDRESS=NUMBER with a number of 1..65535"},
		{"-i eth0 --backend 224.0.0.1",
		 "backend \"224.0.0.1\": must be an address that a host can have, or "
		 "ADDRESS=NUMBER with a number of 1..65535"},
		{"-i eth0 --backend 10.0.0.1 --backend 10.1.244.204",
		 "backends 10.0.0.1 and 10.1.244.204 both have number 34444 in hints; give one "
		 "another id in the balancers' config, and that here: 10.1.244.204=NUMBER"},
		{"-i eth0 --backend 10.0.0.1 --hints /etc/sluice/sluice.conf",
		 "backends come from --hints or from --backend, not from both"},
		{"-i eth0 --hints ''", "--hints \"\" is not a file"},
		{"-i eth0 --self 10.0.0", "--self \"10.0.0\" is not an address of IPv4 or IPv6"},
		{"-i eth0 --netns ''", "--netns \"\" is not a network namespace"},
		{"-i eth0 --gue-port 0", "--gue-port \"0\" is not a port of 1..65535"},
		{"-i eth0 --gue-port 65536", "--gue-port \"65536\" is not a port of 1..65535"},
		{"-i eth0 --gue-port 1 --gue-port 2 --gue-port 3 --gue-port 4 --gue-port 5",
		 "more than 4 GUE ports"},
		{"-i eth0 --rate -1", "--rate \"-1\" is not a number of 0..1000000000"},
		{"-i eth0 --rate 1000000001",
		 "--rate \"1000000001\" is not a number of 0..1000000000"},
		{"-i eth0 --rate 99999999999999999999",
		 "--rate \"99999999999999999999\" is not a number of 0..1000000000"},
		{"-i eth0 --rate 5x", "--rate \"5x\" is not a number of 0..1000000000"},
		{"-i eth0 --pin-dir x", "--pin-dir \"x\" is not an absolute path"},
		{"-i eth0 -j", "-j is for --status only"},
		{"-i eth0 --status", "-i is for running only"},
		{"--status --detach", "one of --status, --detach, --version and --help at a time"},
	};
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		struct helper_options o;
		struct diag diag = {0};

		assert_int_equal(parse(&o, cases[i].line, &diag), -EINVAL);
		assert_int_equal(diag.n, cases[i].message ? 1 : 0);
		if (cases[i].message)
			assert_string_equal(diag.entries[0].text, cases[i].message);
		diag_fini(&diag);
		helper_options_fini(&o);
	}
}

static void a_backend_may_be_said_twice(void **state)
{
	struct helper_options o =
		good("-i eth0 --backend 10.0.0.1 --backend 10.0.0.1 --backend 10.0.0.2=7 "
		     "--backend 10.0.0.2=7");
	(void)state;

	assert_int_equal(o.backends.n, 2);
	helper_options_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_is_enough),
		cmocka_unit_test(all_options_are_taken),
		cmocka_unit_test(other_commands_need_no_port),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(a_backend_may_be_said_twice),
	};

	return cmocka_run_group_tests_name("daemon/helper_options", tests, NULL, NULL);
}
