/* SPDX-License-Identifier: MIT */
/*
 * What sluice-helper writes into its maps: backends of a config, those that left it, the host's
 * addresses. The maps are real ones, beside no program.
 */
#include "daemon/helper_hints.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "daemon/helper_self.h"
#include "tests/lib/fixture.h"
#include "tests/lib/load_text.h"
#include "tests/lib/netns.h"
#include "xdp/helper.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static int new_map(uint32_t key_size, uint32_t value_size)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "test", key_size, value_size, 1024, NULL);

	assert_true(fd >= 0);
	return fd;
}

static int new_hints(void)
{
	return new_map(sizeof(uint32_t), sizeof(struct helper_hint));
}

static size_t count(int map, void *key)
{
	void *previous = NULL;
	size_t n = 0;

	for (; bpf_map_get_next_key(map, previous, key) == 0; n++)
		previous = key;
	return n;
}

static size_t count_hints(int map)
{
	uint32_t key;

	return count(map, &key);
}

static void assert_hint(int map, uint32_t number, const char *address, bool gone)
{
	struct helper_hint hint;
	char text[ADDR_TEXT_MAX];

	assert_int_equal(bpf_map_lookup_elem(map, &number, &hint), 0);
	assert_string_equal(addr_print(&hint.addr, text), address);
	assert_int_equal(hint.gone_s != 0, gone);
}

static struct helper_hints list(const char *const *texts, size_t n)
{
	struct helper_hints hints = {0};
	struct diag diag = {0};

	for (size_t i = 0; i < n; i++)
		fixture_check(helper_hints_add(&hints, texts[i], &diag), &diag);
	return hints;
}

static int write_list(const char *const *texts, size_t n, int from)
{
	_cleanup_(helper_hints_fini) struct helper_hints hints = list(texts, n);
	int map = new_hints();

	assert_int_equal(helper_hints_write(&hints, map, from), 0);
	return map;
}

/* An address of several pools is one backend. */
static void backends_of_a_config_are_read(void **state)
{
	static const char text[] =
		"interfaces = ( { name = \"eth0\"; } );\n"
		"pools = ( { name = \"x\"; backends = (\n"
		"    { name = \"a\"; address = \"10.0.0.1\"; },\n"
		"    { name = \"b\"; address = \"10.0.0.2\"; id = 7; state = \"disabled\"; } ); "
		"},\n"
		"  { name = \"y\"; backends = (\n"
		"    { name = \"a\"; address = \"10.0.0.1\"; },\n"
		"    { name = \"c\"; address = \"2001:db8::1\"; id = 65535; } ); } );\n";
	_cleanup_(helper_hints_fini) struct helper_hints hints = {0};
	_cleanup_(closep) int map = new_hints();
	struct diag diag = {0};
	(void)state;

	load_text_write("hints.conf", text);
	fixture_check(helper_hints_load(&hints, "hints.conf", &diag), &diag);
	assert_int_equal(hints.n, 3);
	assert_int_equal(helper_hints_write(&hints, map, -1), 0);
	assert_int_equal(count_hints(map), 3);
	assert_hint(map, 34444, "10.0.0.1", false);
	assert_hint(map, 7, "10.0.0.2", false);
	assert_hint(map, 65535, "2001:db8::1", false);
}

static void a_bad_config_leaves_the_list(void **state)
{
	_cleanup_(helper_hints_fini) struct helper_hints hints =
		list((const char *const[]){"10.0.0.1"}, 1);
	struct diag diag = {0};
	(void)state;

	load_text_write("hints.conf", "pools = 5;\n");
	assert_int_equal(helper_hints_load(&hints, "hints.conf", &diag), -EINVAL);
	assert_true(diag.n > 0);
	diag_fini(&diag);
	assert_int_equal(helper_hints_load(&hints, "missing.conf", &diag), -EIO);
	assert_int_equal(diag.n, 1);
	diag_fini(&diag);
	assert_int_equal(hints.n, 1);
}

static void who_left_is_known_for_an_hour(void **state)
{
	static const char *const first[] = {"10.0.0.1=1", "10.0.0.2=2", "10.0.0.3=3"};
	static const char *const second[] = {"10.0.0.1=1", "10.0.0.9=2"};
	_cleanup_(closep) int one = write_list(first, N(first), -1);
	_cleanup_(closep) int two = write_list(second, N(second), one);
	_cleanup_(closep) int three = write_list(second, N(second), two);
	_cleanup_(closep) int back = -1, late = -1;
	struct helper_hint hint, again;
	struct timespec now;
	uint32_t key = 3;
	(void)state;

	assert_int_equal(count_hints(two), 3);
	assert_hint(two, 1, "10.0.0.1", false);
	assert_hint(two, 2, "10.0.0.9", false); /* the number is another's now */
	assert_hint(two, 3, "10.0.0.3", true);
	/* the hour began when it left */
	assert_int_equal(bpf_map_lookup_elem(two, &key, &hint), 0);
	assert_int_equal(bpf_map_lookup_elem(three, &key, &again), 0);
	assert_int_equal(hint.gone_s, again.gone_s);
	back = write_list(first, N(first), three);
	assert_hint(back, 3, "10.0.0.3", false);
	/* as if it had left an hour ago */
	clock_gettime(CLOCK_BOOTTIME, &now);
	hint.gone_s = now.tv_sec > 3600 ? (uint64_t)now.tv_sec - 3600 : 0;
	if (!hint.gone_s) {
		print_message("this machine has been up for less than an hour\n");
		skip();
	}
	assert_int_equal(bpf_map_update_elem(three, &key, &hint, BPF_ANY), 0);
	late = write_list(second, N(second), three);
	assert_int_equal(count_hints(late), 2);
}

static void the_map_has_the_given_addresses_and_no_others(void **state)
{
	static const char *const steps[][4] = {
		{"10.0.0.1", "10.0.0.2", "2001:db8::1"},
		{"10.0.0.2"},
		{"2001:db8::2", "10.0.0.2", "10.0.0.3", "10.0.0.4"},
		{NULL},
	};
	_cleanup_(closep) int map = new_map(sizeof(struct sluice_addr), sizeof(uint32_t));
	(void)state;

	for (size_t i = 0; i < N(steps); i++) {
		struct sluice_addr addresses[4], key;
		uint32_t value;
		size_t n = 0;

		for (; n < 4 && steps[i][n]; n++)
			assert_int_equal(addr_parse(&addresses[n], steps[i][n]), 0);
		assert_int_equal(helper_self_set(map, addresses, n), 0);
		assert_int_equal(count(map, &key), n);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(bpf_map_lookup_elem(map, &addresses[k], &value), 0);
	}
}

static void the_host_has_the_addresses_of_all_interfaces(void **state)
{
	static const char *const expected[] = {"127.0.0.1", "198.18.1.11", "2001:db8::1",
					       "198.18.0.80"};
	_cleanup_(closep) int map = new_map(sizeof(struct sluice_addr), sizeof(uint32_t));
	struct sluice_addr address;
	uint32_t value;
	(void)state;

	netns_enter();
	netns_run("echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6\n"
		  "ip link add v0 type veth peer name v1\n"
		  "ip addr add 198.18.1.11/24 dev v0\n"
		  "ip addr add 198.18.0.80/32 dev lo\n"
		  "ip addr add 2001:db8::1/128 dev lo");
	assert_int_equal(helper_self_refresh(map, -1), 0);
	for (size_t i = 0; i < N(expected); i++) {
		assert_int_equal(addr_parse(&address, expected[i]), 0);
		assert_int_equal(bpf_map_lookup_elem(map, &address, &value), 0);
	}
	netns_run("ip addr del 198.18.1.11/24 dev v0");
	assert_int_equal(helper_self_refresh(map, -1), 0);
	assert_int_equal(addr_parse(&address, "198.18.1.11"), 0);
	assert_int_not_equal(bpf_map_lookup_elem(map, &address, &value), 0);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(backends_of_a_config_are_read),
		cmocka_unit_test(a_bad_config_leaves_the_list),
		cmocka_unit_test(who_left_is_known_for_an_hour),
		cmocka_unit_test(the_map_has_the_given_addresses_and_no_others),
		cmocka_unit_test(the_host_has_the_addresses_of_all_interfaces),
	};
	int failed;

	netns_init(tests, N(tests));
	failed = cmocka_run_group_tests_name("daemon/helper_maps", tests, load_text_enter,
					     load_text_leave);
	netns_fini();
	return failed;
}
