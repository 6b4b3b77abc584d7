/* SPDX-License-Identifier: MIT */
/*
 * Documents as people see them: whole tables, compared letter by letter. The documents are those
 * that control/print.h promises.
 */
#include "control/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "control/outcome.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define COLUMNS_MAX 80

/* What @print makes of the JSON in @document; the caller frees it. */
static char *printed(print_fn *print, const char *document, bool all)
{
	_cleanup_(json_decrefp) json_t *json = json_loads(document, 0, NULL);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(json);
	assert_non_null(out);
	assert_int_equal(print(out, json, all), 0);
	fclose(out);
	return text;
}

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	while (*text) {
		size_t n = strcspn(text, "\n");

		longest = n > longest ? n : longest;
		text += n + (text[n] == '\n');
	}
	return longest;
}

struct print_case {
	print_fn *print;
	bool all;
	const char *document;
	const char *expected;
};

static void check(const struct print_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_(freep) char *text =
			printed(cases[i].print, cases[i].document, cases[i].all);

		assert_string_equal(text, cases[i].expected);
		assert_in_range(longest_line(text), 1, COLUMNS_MAX);
	}
}

static void status_shows_the_daemon(void **state)
{
	static const struct print_case cases[] = {
		{print_status, false,
		 "{\"version\": \"0.1.0\", \"pid\": 123, \"uptime_s\": 7500,"
		 " \"config\": \"/etc/sluice/sluice.conf\", \"pin_dir\": \"/sys/fs/bpf/sluice\","
		 " \"state_dir\": \"/var/lib/sluice\", \"loaded_at\": 1764166860,"
		 " \"interfaces\": [{\"name\": \"eth0\", \"ifindex\": 2, \"mode\": \"native\","
		 "  \"attach\": \"alone\", \"program_id\": 7},"
		 "  {\"name\": \"eth1.100\", \"ifindex\": 13, \"mode\": \"generic\","
		 "  \"attach\": \"dispatcher\", \"program_id\": 1234}],"
		 " \"vips\": 3, \"backends\": 12, \"operator_changes\": 1,"
		 " \"unresolved_backends\": 2, \"memory_bytes\": 4718592}",
		 "sluiced     0.1.0, up 2 h 5 min\n"
		 "process     123\n"
		 "config      /etc/sluice/sluice.conf\n"
		 "loaded      2025-11-26 14:21:00\n"
		 "pinned in   /sys/fs/bpf/sluice\n"
		 "state in    /var/lib/sluice\n"
		 "map memory  4.5 MiB\n"
		 "VIPs        3\n"
		 "backends    12\n"
		 "            2 without a usable next hop\n"
		 "            1 changed by the operator\n"
		 "\n"
		 "INTERFACE  INDEX  MODE     ATTACHED    PROGRAM\n"
		 "eth0           2  native   alone             7\n"
		 "eth1.100      13  generic  dispatcher     1234\n"},
		{print_status, false, "{\"uptime_s\": 59, \"unresolved_backends\": 0}",
		 "sluiced     -, up 59 s\n"
		 "process     -\n"
		 "config      -\n"
		 "loaded      -\n"
		 "pinned in   -\n"
		 "state in    -\n"
		 "map memory  -\n"
		 "VIPs        -\n"
		 "backends    -\n"},
	};

	(void)state;
	check(cases, COUNT(cases));
}

static const char vips_table[] =
	"VIP   SERVICE                POOL  ACTIVE  RING      PACKETS    BYTES  DROPPED\n"
	"www   198.18.0.80:80/tcp     web      3/4  v2/65537    12.3k  4.5 MiB        0\n"
	"www6  [2001:db8::80]:80/tcp  web      4/4  v1/4093         0      0 B      999\n"
	"dns   198.18.0.53:*/udp      dns    12/12  v2/65537     100G  1.0 TiB     1.0k\n";

static void vips_show_service_and_traffic(void **state)
{
	static const struct print_case cases[] = {
		{print_vips, false,
		 "{\"vips\": [{\"name\": \"www\", \"address\": \"198.18.0.80\", \"port\": 80,"
		 "  \"protocol\": \"tcp\", \"pool\": \"web\", \"maglev\": \"v2\","
		 "  \"ring_size\": 65537, \"backends\": 4, \"active\": 3, \"packets\": 12345,"
		 "  \"bytes\": 4718592, \"dropped\": 0},"
		 " {\"name\": \"www6\", \"address\": \"2001:db8::80\", \"port\": 80,"
		 "  \"protocol\": \"tcp\", \"pool\": \"web\", \"maglev\": \"v1\","
		 "  \"ring_size\": 4093, \"backends\": 4, \"active\": 4, \"packets\": 0,"
		 "  \"bytes\": 0, \"dropped\": 999},"
		 " {\"name\": \"dns\", \"address\": \"198.18.0.53\", \"port\": 0,"
		 "  \"protocol\": \"udp\", \"pool\": \"dns\", \"maglev\": \"v2\","
		 "  \"ring_size\": 65537, \"backends\": 12, \"active\": 12,"
		 "  \"packets\": 99999999999, \"bytes\": 1099511627775, \"dropped\": 1000}]}",
		 vips_table},
		{print_vips, false, "{\"vips\": [{\"name\": \"www\"}]}",
		 "VIP  SERVICE  POOL  ACTIVE  RING  PACKETS  BYTES  DROPPED\n"
		 "www  -:-/-    -          -  -           -      -        -\n"},
		{print_vips, false, "{\"vips\": []}", "no VIPs\n"},
		{print_vips, false, "{}", "no VIPs\n"},
	};

	(void)state;
	check(cases, COUNT(cases));
}

static void backends_mark_what_the_operator_set(void **state)
{
	static const struct print_case cases[] = {
		{print_backends, false,
		 "{\"backends\": [{\"name\": \"web-1\", \"pool\": \"web\","
		 "  \"address\": \"198.18.1.11\", \"id\": 1, \"state\": \"active\","
		 "  \"state_by\": \"config\", \"weight\": 100, \"weight_by\": \"config\","
		 "  \"nexthop\": {\"state\": \"ready\", \"interface\": \"eth0\","
		 "  \"mac\": \"00:00:5e:00:53:01\"}, \"packets\": 1000000, \"bytes\": 1023}]}",
		 "BACKEND  POOL  ADDRESS      STATE   WEIGHT  NEXT HOP  PACKETS   BYTES\n"
		 "web-1    web   198.18.1.11  active     100  eth0         1.0M  1023 B\n"},
		{print_backends, false,
		 "{\"backends\": [{\"name\": \"web-1\", \"pool\": \"web\","
		 "  \"address\": \"2001:db8:1::11\", \"state\": \"draining\","
		 "  \"state_by\": \"operator\", \"weight\": 100, \"weight_by\": \"config\","
		 "  \"nexthop\": {\"state\": \"no_route\"}, \"packets\": 5, \"bytes\": 1024},"
		 " {\"name\": \"web-2\", \"pool\": \"web\", \"address\": \"198.18.1.12\","
		 "  \"state\": \"active\", \"state_by\": \"config\", \"weight\": 65535,"
		 "  \"weight_by\": \"operator\", \"nexthop\": {\"state\": \"static\","
		 "  \"interface\": \"eth0\"}, \"packets\": 0, \"bytes\": 0},"
		 " {\"name\": \"web-3\", \"pool\": \"web\", \"address\": \"198.18.1.13\","
		 "  \"state\": \"disabled\", \"state_by\": \"config\", \"weight\": 1,"
		 "  \"weight_by\": \"config\", \"nexthop\": {\"state\": \"resolving\","
		 "  \"interface\": \"eth0\"}, \"packets\": 0, \"bytes\": 0}]}",
		 "BACKEND  POOL  ADDRESS         STATE      WEIGHT  NEXT HOP     PACKETS    BYTES\n"
		 "web-1    web   2001:db8:1::11  draining*     100  no route           5  1.0 KiB\n"
		 "web-2    web   198.18.1.12     active     65535*  eth0 static        0      0 B\n"
		 "web-3    web   198.18.1.13     disabled        1  resolving          0      0 B\n"
		 "* by the operator, not the config\n"},
		{print_backends, false, "{\"backends\": [{\"weight\": \"much\"}]}",
		 "BACKEND  POOL  ADDRESS  STATE  WEIGHT  NEXT HOP  PACKETS  BYTES\n"
		 "-        -     -        -           -  -               -      -\n"},
		{print_backends, false, "{\"backends\": []}", "no backends\n"},
	};

	(void)state;
	check(cases, COUNT(cases));
}

static void counters_leave_out_zeros_unless_all_are_asked_for(void **state)
{
	static const char document[] =
		"{\"total\": {\"forwarded\": 12345, \"not_ip\": 0, \"no_backend\": 1},"
		" \"vips\": [{\"name\": \"www\", \"counters\": {\"forwarded\": 12345,"
		"  \"no_backend\": 1}}, {\"name\": \"idle\", \"counters\": {\"forwarded\": 0}}]}";
	static const struct print_case cases[] = {
		{print_counters, false, document,
		 "total\n"
		 "  forwarded   12.3k  sent to a backend through the tunnel\n"
		 "  no_backend      1  the VIP has no backend for it: dropped\n"
		 "vip www\n"
		 "  forwarded   12.3k  sent to a backend through the tunnel\n"
		 "  no_backend      1  the VIP has no backend for it: dropped\n"
		 "vip idle: nothing counted\n"},
		{print_counters, true, document,
		 "total\n"
		 "  forwarded   12.3k  sent to a backend through the tunnel\n"
		 "  not_ip          0  neither IPv4 nor IPv6 (ARP, ...): left to the host\n"
		 "  no_backend      1  the VIP has no backend for it: dropped\n"
		 "vip www\n"
		 "  forwarded   12.3k  sent to a backend through the tunnel\n"
		 "  no_backend      1  the VIP has no backend for it: dropped\n"
		 "vip idle\n"
		 "  forwarded  0  sent to a backend through the tunnel\n"},
		/* from a daemon that knows more outcomes */
		{print_counters, false, "{\"total\": {\"teleported\": 2, \"not_l4\": 3}}",
		 "total\n"
		 "  teleported  2\n"
		 "  not_l4      3  not TCP, UDP or ICMP for a VIP: left to the host\n"},
		{print_counters, false, "{}", "total: nothing counted\n"},
	};

	(void)state;
	check(cases, COUNT(cases));
}

static void every_outcome_fits_the_width(void **state)
{
	_cleanup_(json_decrefp) json_t *document = json_object();
	_cleanup_(freep) char *json = NULL;
	_cleanup_(freep) char *text = NULL;
	json_t *total = json_object();

	(void)state;
	for (unsigned int i = 0; i < SLUICE_OUT_MAX; i++)
		json_object_set_new(total, outcome_name(i), json_integer(99949999));
	json_object_set_new(document, "total", total);
	json = json_dumps(document, 0);
	text = printed(print_counters, json, false);
	assert_in_range(longest_line(text), 1, COLUMNS_MAX);
	for (unsigned int i = 0; i < SLUICE_OUT_MAX; i++) {
		assert_non_null(strstr(text, outcome_name(i)));
		assert_non_null(strstr(text, outcome_text(i)));
	}
}

static void changes_are_told(void **state)
{
	static const struct print_case cases[] = {
		{print_changed, false,
		 "{\"backends\": [{\"pool\": \"web\", \"name\": \"web-1\", \"state\": \"draining\","
		 "  \"weight\": 100}, {\"pool\": \"static\", \"name\": \"web-1\","
		 "  \"state\": \"draining\", \"weight\": 5}], \"slots_written\": 1234}",
		 "BACKEND  POOL    STATE     WEIGHT\n"
		 "web-1    web     draining     100\n"
		 "web-1    static  draining       5\n"
		 "1234 ring slots written\n"},
		{print_changed, false, "{}",
		 "BACKEND  POOL  STATE  WEIGHT\n"
		 "- ring slots written\n"},
		{print_reload, false,
		 "{\"vips\": 3, \"backends\": 1, \"slots_written\": 65537,"
		 " \"changes\": [\"vip www: added\", \"backend web-3 of pool web: weight 1 -> "
		 "2\"]}",
		 "vip www: added\n"
		 "backend web-3 of pool web: weight 1 -> 2\n"
		 "3 VIPs, 1 backend, 65537 ring slots written\n"},
		{print_reload, false,
		 "{\"vips\": 1, \"backends\": 0, \"slots_written\": 1, \"changes\": []}",
		 "nothing changed\n"
		 "1 VIP, 0 backends, 1 ring slot written\n"},
	};

	(void)state;
	check(cases, COUNT(cases));
}

static void json_keeps_the_order_of_keys(void **state)
{
	static const struct print_case cases[] = {
		{print_json, false,
		 "{\"vips\": 3, \"backends\": 12, \"changes\": [\"a\"], \"x\": {}}",
		 "{\n"
		 "  \"vips\": 3,\n"
		 "  \"backends\": 12,\n"
		 "  \"changes\": [\n"
		 "    \"a\"\n"
		 "  ],\n"
		 "  \"x\": {}\n"
		 "}\n"},
	};

	(void)state;
	check(cases, COUNT(cases));
}

static void long_names_are_not_cut(void **state)
{
	static const char name[] =
		"k\xc3\xa4se-and-other-things-of-a-name-that-is-far-longer-than-usual";
	_cleanup_(freep) char *document = NULL;
	_cleanup_(freep) char *text = NULL;

	(void)state;
	assert_true(asprintf(&document,
			     "{\"backends\": [{\"name\": \"%s\", \"pool\": \"p\", \"state\": \"s\","
			     " \"weight\": 1}], \"slots_written\": 0}",
			     name) > 0);
	text = printed(print_changed, document, false);
	/* The letter of two bytes takes one column. */
	assert_string_equal(text,
			    "BACKEND                                                        "
			    "POOL  STATE  WEIGHT\n"
			    "k\xc3\xa4se-and-other-things-of-a-name-that-is-far-longer-than-usual  "
			    "p     s           1\n"
			    "0 ring slots written\n");
}

static void numbers_are_scaled_and_rounded(void **state)
{
	static const struct {
		json_int_t n;
		const char *count;
		const char *bytes;
	} cases[] = {
		{-1, "-", "-"},
		{0, "0", "0 B"},
		{999, "999", "999 B"},
		{1000, "1.0k", "1000 B"},
		{1023, "1.0k", "1023 B"},
		{1024, "1.0k", "1.0 KiB"},
		{12345, "12.3k", "12.1 KiB"},
		{12350, "12.4k", "12.1 KiB"},
		{99949, "99.9k", "97.6 KiB"},
		{99950, "100k", "97.6 KiB"},
		{999499, "999k", "976 KiB"},
		{999500, "1.0M", "976 KiB"},
		{1048063, "1.0M", "1023 KiB"},
		{1048064, "1.0M", "1.0 MiB"},
		{4718592, "4.7M", "4.5 MiB"},
		{1000000000000, "1.0T", "931 GiB"},
		{INT64_MAX, "9.2E", "8.0 EiB"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char count[PRINT_COUNT_MAX], bytes[PRINT_BYTES_MAX];

		assert_string_equal(print_count(count, cases[i].n), cases[i].count);
		assert_string_equal(print_bytes(bytes, cases[i].n), cases[i].bytes);
	}
}

static void outcomes_have_words(void **state)
{
	enum sluice_outcome found = SLUICE_OUT_TOO_BIG;

	(void)state;
	for (unsigned int i = 0; i < SLUICE_OUT_MAX; i++) {
		assert_int_equal(outcome_find(&found, outcome_name(i)), 0);
		assert_int_equal(found, i);
	}
	assert_string_equal(outcome_name(SLUICE_OUT_NO_BACKEND), "no_backend");
	assert_string_equal(outcome_text(SLUICE_OUT_NO_BACKEND),
			    "the VIP has no backend for it: dropped");
	found = SLUICE_OUT_TOO_BIG;
	assert_int_not_equal(outcome_find(&found, "teleported"), 0);
	assert_int_equal(found, SLUICE_OUT_TOO_BIG);
	assert_string_equal(outcome_name(SLUICE_OUT_MAX), "unknown");
	assert_string_equal(outcome_text(SLUICE_OUT_MAX), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_shows_the_daemon),
		cmocka_unit_test(vips_show_service_and_traffic),
		cmocka_unit_test(backends_mark_what_the_operator_set),
		cmocka_unit_test(counters_leave_out_zeros_unless_all_are_asked_for),
		cmocka_unit_test(every_outcome_fits_the_width),
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(json_keeps_the_order_of_keys),
		cmocka_unit_test(long_names_are_not_cut),
		cmocka_unit_test(numbers_are_scaled_and_rounded),
		cmocka_unit_test(outcomes_have_words),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests_name("control/print", tests, NULL, NULL);
}
