/* SPDX-License-Identifier: MIT */
/*
 * Addresses, prefixes and MAC addresses: what is read, what is refused, what is printed.
 */
#include "config/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Stands in outputs that must stay untouched. */
static const struct sluice_addr sentinel = {{1, 2, 3, 4}};

static void prints_addresses_in_their_shortest_form(void **state)
{
	static const struct {
		const char *text, *printed;
		bool v4;
	} rows[] = {
		{"198.18.0.1", "198.18.0.1", true},
		{"0.0.0.0", "0.0.0.0", true},
		{"255.255.255.255", "255.255.255.255", true},
		{"::ffff:10.1.2.3", "10.1.2.3", true},
		{"::ffff:a01:203", "10.1.2.3", true},
		{"2001:db8::1", "2001:db8::1", false},
		{"2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1", false},
		{"2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1", false},
		{"::", "::", false},
		{"::1", "::1", false},
		{"::fffe:10.1.2.3", "::fffe:a01:203", false},
		{"1:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		 "1:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
	};
	struct sluice_addr addr;
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_parse(&addr, rows[i].text), 0);
		assert_ptr_equal(addr_print(&addr, text), text);
		assert_string_equal(text, rows[i].printed);
		assert_int_equal(addr_is_v4(&addr), rows[i].v4);
	}
}

static void refuses_what_is_no_address(void **state)
{
	static const char *const rows[] = {
		"",
		" ",
		"198.18.0",
		"198.18.0.256",
		"198.18.0.1 ",
		"1.2.3.4.5",
		"198.18.0.0/24",
		"fe80::1%lo",
		"2001:db8",
		"2001:db8::1::",
		":::",
		"[::1]",
		"localhost",
		"12345::",
		"0x7f.1",
	};
	struct sluice_addr addr = sentinel;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_parse(&addr, rows[i]), -EINVAL);
		assert_memory_equal(&addr, &sentinel, sizeof(addr));
	}
}

static void holds_ipv4_in_the_mapped_form(void **state)
{
	static const unsigned char bytes[16] = {0, 0, 0,    0,    0,  0, 0, 0,
						0, 0, 0xff, 0xff, 10, 1, 2, 3};
	struct sluice_addr addr, built = addr_from_bytes(AF_INET, bytes + 12);

	(void)state;
	assert_int_equal(addr_parse(&addr, "10.1.2.3"), 0);
	assert_memory_equal(&addr, bytes, 16);
	assert_memory_equal(&built, bytes, 16);
	built = addr_from_bytes(AF_INET6, bytes);
	assert_memory_equal(&built, bytes, 16);
}

static void orders_addresses_by_their_bytes(void **state)
{
	static const char *const ascending[] = {"::",       "::1",        "9.255.0.0", "10.0.0.1",
						"10.0.1.0", "2001:db8::", "ff02::1"};
	struct sluice_addr a, b;

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		for (size_t j = 0; j < 7; j++) {
			int order;

			assert_int_equal(addr_parse(&a, ascending[i]), 0);
			assert_int_equal(addr_parse(&b, ascending[j]), 0);
			order = addr_compare(&a, &b);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(addr_equal(&a, &b), i == j);
		}
	}
}

static void knows_what_an_address_is_good_for(void **state)
{
	static const struct {
		const char *text;
		enum addr_use use;
	} rows[] = {
		{"198.18.0.1", ADDR_UNICAST},
		{"1.0.0.0", ADDR_UNICAST},
		{"126.255.255.255", ADDR_UNICAST},
		{"128.0.0.1", ADDR_UNICAST},
		{"223.255.255.255", ADDR_UNICAST},
		{"240.0.0.1", ADDR_UNICAST},
		{"0.0.0.0", ADDR_UNSPECIFIED},
		{"0.255.255.255", ADDR_UNSPECIFIED},
		{"127.0.0.1", ADDR_LOOPBACK},
		{"127.255.255.255", ADDR_LOOPBACK},
		{"224.0.0.0", ADDR_MULTICAST},
		{"239.255.255.255", ADDR_MULTICAST},
		{"255.255.255.255", ADDR_BROADCAST},
		{"255.255.255.254", ADDR_UNICAST},
		{"::", ADDR_UNSPECIFIED},
		{"::1", ADDR_LOOPBACK},
		{"::2", ADDR_UNICAST},
		{"2001:db8::1", ADDR_UNICAST},
		{"2001:db8::", ADDR_UNICAST},
		{"ff00::", ADDR_MULTICAST},
		{"feff::1", ADDR_UNICAST},
	};
	struct sluice_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_parse(&addr, rows[i].text), 0);
		assert_int_equal(addr_use(&addr), rows[i].use);
	}
}

static void reads_and_prints_prefixes(void **state)
{
	static const struct {
		const char *text;
		int err;
		unsigned int len;
		const char *printed;
	} rows[] = {
		{"10.0.0.0/8", 0, 104, "10.0.0.0/8"},
		{"0.0.0.0/0", 0, 96, "0.0.0.0/0"},
		{"10.1.2.3", 0, 128, "10.1.2.3"},
		{"10.1.2.3/32", 0, 128, "10.1.2.3"},
		{"10.1.2.2/31", 0, 127, "10.1.2.2/31"},
		{"::ffff:10.0.0.0/104", 0, 104, "10.0.0.0/8"},
		{"::/0", 0, 0, "::/0"},
		{"2001:db8::/32", 0, 32, "2001:db8::/32"},
		{"2001:db8::/128", 0, 128, "2001:db8::"},
		{"2001:db8::1", 0, 128, "2001:db8::1"},
		{"8000::/1", 0, 1, "8000::/1"},
		{"10.0.0.1/8", -ERANGE, 0, NULL},
		{"10.1.2.3/31", -ERANGE, 0, NULL},
		{"1.0.0.0/0", -ERANGE, 0, NULL},
		{"2001:db8::1/127", -ERANGE, 0, NULL},
		{"::ffff:10.0.0.0/8", -ERANGE, 0, NULL},
		{"10.0.0.0/33", -EINVAL, 0, NULL},
		{"::/129", -EINVAL, 0, NULL},
		{"10.0.0.0/", -EINVAL, 0, NULL},
		{"10.0.0.0/-1", -EINVAL, 0, NULL},
		{"10.0.0.0/ 8", -EINVAL, 0, NULL},
		{"10.0.0.0/08", -EINVAL, 0, NULL},
		{"10.0.0.0/8/8", -EINVAL, 0, NULL},
		{"10.0.0.0/8x", -EINVAL, 0, NULL},
		{"::/4294967296", -EINVAL, 0, NULL},
		{"10.0.0/8", -EINVAL, 0, NULL},
		{"/8", -EINVAL, 0, NULL},
		{"", -EINVAL, 0, NULL},
		{"00000000000000000000000000000000000000000000000::/0", -EINVAL, 0, NULL},
	};
	char text[PREFIX_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addr_prefix prefix = {.addr = sentinel, .len = 77};

		assert_int_equal(addr_prefix_parse(&prefix, rows[i].text), rows[i].err);
		if (rows[i].err) {
			assert_memory_equal(&prefix.addr, &sentinel, sizeof(sentinel));
			assert_int_equal(prefix.len, 77);
			continue;
		}
		assert_int_equal(prefix.len, rows[i].len);
		assert_ptr_equal(addr_prefix_print(&prefix, text), text);
		assert_string_equal(text, rows[i].printed);
	}
}

static void clears_the_bits_beyond_a_prefix(void **state)
{
	static const char *const rows[][2] = {
		{"10.1.2.3/8", "10.0.0.0/8"},
		{"10.255.255.255/9", "10.128.0.0/9"},
		{"10.1.2.3", "10.1.2.3"},
		{"255.255.255.255/0", "0.0.0.0/0"},
		{"::ffff:10.1.2.3/104", "10.0.0.0/8"},
		{"2001:db8:ffff::1/33", "2001:db8:8000::/33"},
		{"ffff::/0", "::/0"},
	};
	struct addr_prefix prefix;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_prefix_around(&prefix, rows[i][0]), 0);
		assert_string_equal(addr_prefix_print(&prefix, text), rows[i][1]);
		assert_int_equal(addr_prefix_parse(&prefix, text), 0);
	}
	assert_int_equal(addr_prefix_around(&prefix, "10.0.0.0/33"), -EINVAL);
	assert_string_equal(addr_prefix_print(&prefix, text), "::/0");
}

static void tells_what_a_prefix_contains(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool contains;
	} rows[] = {
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.0/9", "10.128.0.0", false},
		{"10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "10.0.0.0", false},
		{"0.0.0.0/0", "255.255.255.255", true},
		{"0.0.0.0/0", "::1", false},
		{"::/0", "10.0.0.1", true},
		{"2001:db8::/33", "2001:db8:7fff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
	};
	struct addr_prefix prefix;
	struct sluice_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(addr_prefix_parse(&prefix, rows[i].prefix), 0);
		assert_int_equal(addr_parse(&addr, rows[i].addr), 0);
		assert_int_equal(addr_prefix_contains(&prefix, &addr), rows[i].contains);
	}
}

static void knows_the_prefixes_that_have_ipv4_in_them(void **state)
{
	static const char *const with[] = {"::/0", "::/8", "::/80", "::8000:0:0/81",
					   "::fffe:0:0/95"};
	static const char *const without[] = {"0.0.0.0/0", "10.0.0.0/8", "::/96",
					      "::/81",     "2000::/3",   "8000::/1"};
	struct addr_prefix prefix;

	(void)state;
	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
		assert_int_equal(addr_prefix_parse(&prefix, with[i]), 0);
		assert_true(addr_prefix_has_ipv4(&prefix));
	}
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		assert_int_equal(addr_prefix_parse(&prefix, without[i]), 0);
		assert_false(addr_prefix_has_ipv4(&prefix));
	}
}

static void reads_and_prints_mac_addresses(void **state)
{
	static const char *const bad[] = {
		"",
		"00:11:22:aa:bb",
		"00:11:22:aa:bb:cc:dd",
		"00-11-22-aa-bb-cc",
		"0:11:22:aa:bb:cc",
		"00:11:22:aa:bb:cg",
		"00:11:22:aa:bb:c ",
		"00:11:22:aa:bb:cc\n",
		"0011:22:aa:bb:cc:",
	};
	static const unsigned char expected[6] = {0x00, 0x11, 0x22, 0xaa, 0xbb, 0xcf};
	unsigned char mac[6];
	char text[MAC_TEXT_MAX];

	(void)state;
	assert_int_equal(addr_mac_parse(mac, "00:11:22:aA:Bb:CF"), 0);
	assert_memory_equal(mac, expected, 6);
	assert_ptr_equal(addr_mac_print(mac, text), text);
	assert_string_equal(text, "00:11:22:aa:bb:cf");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(addr_mac_parse(mac, bad[i]), -EINVAL);
		assert_memory_equal(mac, expected, 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_addresses_in_their_shortest_form),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(holds_ipv4_in_the_mapped_form),
		cmocka_unit_test(orders_addresses_by_their_bytes),
		cmocka_unit_test(knows_what_an_address_is_good_for),
		cmocka_unit_test(reads_and_prints_prefixes),
		cmocka_unit_test(clears_the_bits_beyond_a_prefix),
		cmocka_unit_test(tells_what_a_prefix_contains),
		cmocka_unit_test(knows_the_prefixes_that_have_ipv4_in_them),
		cmocka_unit_test(reads_and_prints_mac_addresses),
	};

	return cmocka_run_group_tests_name("config/addr", tests, NULL, NULL);
}
