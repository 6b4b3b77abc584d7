/* SPDX-License-Identifier: MIT */
/*
 * Config texts -> the exact messages, or the fields of the model: the top, and what holds for all
 * keys. test_load_pool.c, test_load_vip.c and test_load_client.c have the parts.
 */
#include "config/load.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/load_text.h"

static char *example; /* config/sluice.conf of the checkout, absolute */

static int enter_dir(void **state)
{
	example = realpath("config/sluice.conf", NULL);
	return load_text_enter(state);
}

static int leave_dir(void **state)
{
	free(example);
	return load_text_leave(state);
}

static void refuses_bad_syntax_with_its_line(void **state)
{
	static const struct row rows[] = {
		{"interfaces = ( { name = 'eth0' }\n\nvips = ;",
		 "sluice.conf:3: syntax error here or just before: is a ';' missing?\n"},
		{ETH0 "pools = ();\npools = ();\n", "sluice.conf:3: duplicate setting name\n"},
		{ETH0 "pools = [ 1, 'a' ];\n", "sluice.conf:2: mismatched element type in array\n"},
		{ETH0 "hash_seed = 4294967295;\n",
		 "sluice.conf:2: the number 4294967295 needs an L at its end: 4294967295L\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_unknown_keys_with_a_hint(void **state)
{
	static const struct row rows[] = {
		{ETH0 "vip = ();\n", "sluice.conf:2: unknown key 'vip'; did you mean 'vips'?\n"},
		{ETH0 "metrics = {};\n", "sluice.conf:2: unknown key 'metrics'\n"},
		{INTERFACE("\nmodes = 'auto';"),
		 "sluice.conf:2: unknown key 'modes' in interface; did you mean 'mode'?\n"},
		{ETH0 BACKEND("wieght = 1;"),
		 "sluice.conf:2: unknown key 'wieght' in backend; did you mean 'weight'?\n"},
		{ETH0 "pools = ( { name = 'a'; backend = (); } );\n",
		 "sluice.conf:2: unknown key 'backend' in pool; did you mean 'backends'?\n"},
		{ETH0 "pools = ( { name = 'a'; check = { type = 'none'; rize = 2; }; } );\n",
		 "sluice.conf:2: unknown key 'rize' in check; did you mean 'rise'?\n"},
		{ETH0 WEB VIPS(VIP("ringsize = 4093;")),
		 "sluice.conf:3: unknown key 'ringsize' in vip; did you mean 'ring_size'?\n"},
		{ETH0 "control = { sockt = '/s'; };\n",
		 "sluice.conf:2: unknown key 'sockt' in control; did you mean 'socket'?\n"},
		{ETH0 "limits = { pools = 1; flows = 1024; };\n",
		 "sluice.conf:2: unknown key 'pools' in limits\n"
		 "sluice.conf:2: unknown key 'flows' in limits\n"},
		{ETH0 "flows = { sizes = 1024; };\n",
		 "sluice.conf:2: unknown key 'sizes' in flows; did you mean 'size'?\n"},
		{ETH0 "icmp = { rate = 1; };\n", "sluice.conf:2: unknown key 'rate' in icmp\n"},
		{ETH0 "decap = ( { adress = '10.9.9.9'; } );\n",
		 "sluice.conf:2: unknown key 'adress' in decap; did you mean 'address'?\n"
		 "sluice.conf:2: decap: address is missing\n"},
		{ETH0 BACKENDS("{ name = 'a';\nadress = '10.0.0.1'; }"),
		 "sluice.conf:2: backend 'a': address is missing\n"
		 "sluice.conf:3: unknown key 'adress' in backend; did you mean 'address'?\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_wrong_types_and_says_the_right_one(void **state)
{
	static const struct row rows[] = {
		{ETH0 BACKEND("weight = 1.5;"),
		 "sluice.conf:2: backend 'web-3': weight must be a whole number, not a number with "
		 "a fraction\n"},
		{ETH0 BACKEND("weight = '100';"),
		 "sluice.conf:2: backend 'web-3': weight must be a whole number, not a string "
		 "'...'\n"},
		{ETH0 BACKEND("weight = true;"),
		 "sluice.conf:2: backend 'web-3': weight must be a whole number, not true or "
		 "false\n"},
		{ETH0 BACKEND("state = 1;"),
		 "sluice.conf:2: backend 'web-3': state must be a string '...', not a whole "
		 "number\n"},
		{ETH0 "pools = { name = 'web'; };\n",
		 "sluice.conf:2: pools must be a list ( ... ), not a group { ... }\n"},
		{ETH0 "pools = [ 'web' ];\n",
		 "sluice.conf:2: pools must be a list ( ... ), not an array [ ... ]\n"},
		{ETH0 "pools = ( { name = 'web'; },\n'a',\n( 1 ) );\n",
		 "sluice.conf:3: pools: element 2 must be a group { ... }, not a string '...'\n"
		 "sluice.conf:4: pools: element 3 must be a group { ... }, not a list ( ... )\n"},
		{ETH0 BACKENDS("5000000000L"),
		 "sluice.conf:2: pool 'web': backends: element 1 must be a group { ... }, not a "
		 "whole number\n"},
		{"interfaces = 'eth0';\n",
		 "sluice.conf:1: interfaces must be a list ( ... ), not a string '...'\n"},
		{ETH0 "limits = 7;\ncontrol = ();\npin_dir = 1;\nhash_seed = '1';\n",
		 "sluice.conf:2: limits must be a group { ... }, not a whole number\n"
		 "sluice.conf:3: control must be a group { ... }, not a list ( ... )\n"
		 "sluice.conf:4: pin_dir must be a string '...', not a whole number\n"
		 "sluice.conf:5: hash_seed must be a whole number, not a string '...'\n"},
		{ETH0 "flows = ();\nicmp = 7;\ndecap = '10.9.9.9';\n",
		 "sluice.conf:2: flows must be a group { ... }, not a list ( ... )\n"
		 "sluice.conf:3: icmp must be a group { ... }, not a whole number\n"
		 "sluice.conf:4: decap must be an array [ ... ] or a list ( ... ), not a string "
		 "'...'\n"},
		{ETH0 "pools = ( { name = 7; } );\n",
		 "sluice.conf:2: pool: name must be a string '...', not a whole number\n"},
		{ETH0 "pools = ( { name = 'a'; check = { type = 7; }; } );\n",
		 "sluice.conf:2: pool 'a': check: type must be a string '...', not a whole "
		 "number\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void asks_for_missing_keys(void **state)
{
	static const struct row rows[] = {
		{"",
		 "sluice.conf: no interfaces; name one: interfaces = ( { name = 'eth0'; } );\n"},
		{"\ninterfaces = ();\n",
		 "sluice.conf:2: no interfaces; name one: interfaces = ( { name = 'eth0'; } );\n"},
		{"interfaces = (\n{ } );\n", "sluice.conf:2: interface: name is missing\n"},
		{ETH0 "pools = ( { backends = ( {}, { address = '10.0.0.1'; } ); } );\n",
		 "sluice.conf:2: pool: name is missing\n"
		 "sluice.conf:2: backend: name is missing\n"
		 "sluice.conf:2: backend: address is missing\n"
		 "sluice.conf:2: backend: name is missing\n"},
		{ETH0 "pools = ( { name = 'web'; check = { }; } );\n",
		 "sluice.conf:2: pool 'web': check: type is missing\n"},
		{ETH0 "vips = ( { } );\n",
		 "sluice.conf:2: vip: name is missing\nsluice.conf:2: vip: address is missing\n"
		 "sluice.conf:2: vip: port is missing\nsluice.conf:2: vip: protocol is missing\n"
		 "sluice.conf:2: vip: pool is missing\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

#define OUTSIDE(what) "sluice.conf:2: " what " is outside "

static void keeps_numbers_in_their_ranges(void **state)
{
	static const struct row rows[] = {
		{ETH0 BACKEND("weight = 70000;"),
		 OUTSIDE("backend 'web-3': weight 70000") "1..65535\n"},
		{ETH0 BACKEND("weight = 65536;"),
		 OUTSIDE("backend 'web-3': weight 65536") "1..65535\n"},
		{ETH0 BACKEND("weight_before = 0;"),
		 OUTSIDE("backend 'web-3': weight_before 0") "1..65535\n"},
		{ETH0 BACKEND("weight = 0;"), OUTSIDE("backend 'web-3': weight 0") "1..65535\n"},
		{ETH0 BACKEND("weight = -1;"), OUTSIDE("backend 'web-3': weight -1") "1..65535\n"},
		{ETH0 BACKEND("weight = 4294967396L;"),
		 OUTSIDE("backend 'web-3': weight 4294967396") "1..65535\n"},
		{ETH0 BACKEND("weight = 0xffffffff;"),
		 OUTSIDE("backend 'web-3': weight 4294967295") "1..65535\n"},
		{ETH0 "limits = { vips = 0; backends = 0; };\n",
		 OUTSIDE("limits: vips 0") "1..65535\n" OUTSIDE("limits: backends 0") "1..32767\n"},
		{ETH0 "limits = { vips = 65536; backends = 32768; };\n",
		 OUTSIDE("limits: vips 65536") "1..65535\n" OUTSIDE(
			 "limits: backends 32768") "1..32767\n"},
		{ETH0 "limits = { sources = 0; fragments = 63; };\n",
		 OUTSIDE("limits: sources 0") "1..10000000\n" OUTSIDE(
			 "limits: fragments 63") "64..1048576\n"},
		{ETH0 "limits = { sources = 10000001; fragments = 1048577; };\n",
		 OUTSIDE("limits: sources 10000001") "1..10000000\n" OUTSIDE(
			 "limits: fragments 1048577") "64..1048576\n"},
		{ETH0 "flows = { size = 1023; age_s = 0; };\n",
		 OUTSIDE("flows: size 1023") "1024..67108864\n" OUTSIDE(
			 "flows: age_s 0") "1..3600\n"},
		{ETH0 "flows = { size = 67108865; age_s = 3601; };\n",
		 OUTSIDE("flows: size 67108865") "1024..67108864\n" OUTSIDE(
			 "flows: age_s 3601") "1..3600\n"},
		{ETH0 "flows = { tcp_age_s = 0; };\n", OUTSIDE("flows: tcp_age_s 0") "1..43200\n"},
		{ETH0 "flows = { tcp_age_s = 43201; };\n",
		 OUTSIDE("flows: tcp_age_s 43201") "1..43200\n"},
		{ETH0 "flows = { size = 1025; };\n",
		 "sluice.conf:2: flows: size 1025 is not a power of two; the next one is 2048\n"},
		{ETH0 "icmp = { echo_rate = -1; error_rate = -1; };\n",
		 OUTSIDE("icmp: echo_rate -1") "0..1000000\n" OUTSIDE(
			 "icmp: error_rate -1") "0..1000000\n"},
		{ETH0 "icmp = { echo_rate = 1000001; error_rate = 1000001; };\n",
		 OUTSIDE("icmp: echo_rate 1000001") "0..1000000\n" OUTSIDE(
			 "icmp: error_rate 1000001") "0..1000000\n"},
		{ETH0 "settle_s = 0;\n", OUTSIDE("settle_s 0") "1..86400\n"},
		{ETH0 "settle_s = 86401;\n", OUTSIDE("settle_s 86401") "1..86400\n"},
		{ETH0 "hash_seed = -1;\n", OUTSIDE("hash_seed -1") "0..4294967295\n"},
		{ETH0 "hash_seed = 4294967296L;\n",
		 OUTSIDE("hash_seed 4294967296") "0..4294967295\n"},
		{ETH0 WEB
		 "vips = ( { name = 'a'; address = '198.18.0.1'; port = -1; protocol = 'tcp';"
		 "pool = 'web'; }, { name = 'b'; address = '198.18.0.1'; port = 65536; "
		 "protocol = 'tcp'; pool = 'web'; } );",
		 "sluice.conf:3: vip 'a': port -1 is outside 0..65535\n"
		 "sluice.conf:3: vip 'b': port 65536 is outside 0..65535\n"},
		{ETH0 WEB VIPS(VIP("ring_size = 65536;")),
		 "sluice.conf:3: vip 'www': ring_size 65536 is none of 4093, 16381, 65537\n"},
		{ETH0 WEB VIPS(VIP("ring_size = -1;")),
		 "sluice.conf:3: vip 'www': ring_size -1 is none of 4093, 16381, 65537\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void knows_the_words_of_each_key(void **state)
{
	static const struct row rows[] = {
		{INTERFACE("mode = 'skb';"), "sluice.conf:1: interface 'eth0': mode 'skb' is not "
					     "known; known: 'auto', 'native', 'generic'\n"},
		{ETH0 BACKEND("state = 'Active';"),
		 "sluice.conf:2: backend 'web-3': state 'Active' is not known; known: 'active', "
		 "'filling', 'draining', 'disabled'\n"},
		{ETH0 WEB VIPS(VIP("maglev = 'v3';")),
		 "sluice.conf:3: vip 'www': maglev 'v3' is not known; known: 'v1', 'v2'\n"},
		{ETH0 WEB "vips = ( { name = 'a'; address = '198.18.0.1'; port = 1; protocol = "
			  "'sctp'; pool = 'web'; } );",
		 "sluice.conf:3: vip 'a': protocol 'sctp' is not known; known: 'tcp', 'udp'\n"},
		{ETH0 "pools = ( { name = 'a'; check = { type = ''; }; } );\n",
		 "sluice.conf:2: pool 'a': check: type '' is not known; known: 'none', 'tcp', "
		 "'http', "
		 "'https', 'udp', 'dns', 'exec', 'agent'\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

#define BAD_NAME ": a name has 1..63 printable ASCII characters, no space, quote or '/'\n"

static void refuses_bad_names(void **state)
{
	static const struct row rows[] = {
		{ETH0 "pools = ( { name = ''; } );", "sluice.conf:2: pool ''" BAD_NAME},
		{ETH0 "pools = ( { name = 'a b'; } );", "sluice.conf:2: pool 'a b'" BAD_NAME},
		{ETH0 "pools = ( { name = 'a/b'; } );", "sluice.conf:2: pool 'a/b'" BAD_NAME},
		{ETH0 "pools = ( { name = 'a\\'b'; } );", "sluice.conf:2: pool 'a'b'" BAD_NAME},
		{ETH0 "pools = ( { name = 'a`b'; } );", "sluice.conf:2: pool 'a`b'" BAD_NAME},
		{ETH0 "pools = ( { name = 'a\\tb'; } );", "sluice.conf:2: pool 'a?b'" BAD_NAME},
		{ETH0 "pools = ( { name = 'a\\x7fb'; } );", "sluice.conf:2: pool 'a?b'" BAD_NAME},
		{ETH0 "pools = ( { name = '\\x1b[31m\n'; } );",
		 "sluice.conf:2: pool '?[31m?'" BAD_NAME},
		{ETH0 "pools = ( { name = 'caf\xc3\xa9'; } );",
		 "sluice.conf:2: pool 'caf\xc3\xa9'" BAD_NAME},
		{ETH0 "pools = ( { name = '" NAME_63 "4'; } );",
		 "sluice.conf:2: pool '" NAME_63 "'" BAD_NAME},
		{ETH0 BACKENDS("{ name = 'a b'; address = '10.0.0.1'; }"),
		 "sluice.conf:2: backend 'a b'" BAD_NAME},
		{ETH0 WEB
		 "vips = ( { name = ' '; address = '198.18.0.1'; port = 1; protocol = 'tcp';"
		 "pool = 'web'; } );",
		 "sluice.conf:3: vip ' '" BAD_NAME},
		{"interfaces = ( { name = '123456789-123456'; }, { name = 'a/b'; } );",
		 "sluice.conf:1: interface '123456789-123456': a name has 1..15 printable ASCII "
		 "characters, no space, quote or '/'\n"
		 "sluice.conf:1: interface 'a/b': a name has 1..15 printable ASCII characters, no "
		 "space, quote or '/'\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_names_that_are_taken(void **state)
{
	static const struct row rows[] = {
		{"interfaces = ( { name = 'eth0'; },\n{ name = 'eth1'; },\n{ name = 'eth0'; } );",
		 "sluice.conf:3: interface 'eth0': the name is taken, see sluice.conf:1\n"},
		{ETH0 "pools = ( { name = 'a'; },\n{ name = 'a'; },\n{ name = 'a'; } );",
		 "sluice.conf:3: pool 'a': the name is taken, see sluice.conf:2\n"
		 "sluice.conf:4: pool 'a': the name is taken, see sluice.conf:2\n"},
		{ETH0 BACKENDS("{ name = 'a'; address = '10.0.0.1'; },\n"
			       "{ address = '10.0.0.2';\nname = 'a'; }"),
		 "sluice.conf:4: backend 'a': the name is taken, see sluice.conf:2\n"},
		{ETH0 WEB VIPS(VIP("") ",\n{ name = 'www'; address = '198.18.0.81'; port = 80; "
				       "protocol = 'tcp'; pool = 'web'; }"),
		 "sluice.conf:4: vip 'www': the name is taken, see sluice.conf:3\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

#define ADDRESS(text) BACKENDS("{ name = 'b'; address = '" text "'; }")
#define NO_HOST ", which no host can have as its own\n"

static void refuses_bad_addresses(void **state)
{
	static const struct row rows[] = {
		{ETH0 ADDRESS("10.0.0.256"), "sluice.conf:2: backend 'b': address '10.0.0.256' is "
					     "neither an IPv4 nor an IPv6 address\n"},
		{ETH0 ADDRESS("10.0.0.0/24"), "sluice.conf:2: backend 'b': address '10.0.0.0/24' "
					      "is neither an IPv4 nor an IPv6 address\n"},
		{ETH0 ADDRESS("224.0.0.1"),
		 "sluice.conf:2: backend 'b': address 224.0.0.1 is multicast" NO_HOST},
		{ETH0 ADDRESS("255.255.255.255"),
		 "sluice.conf:2: backend 'b': address 255.255.255.255 is broadcast" NO_HOST},
		{ETH0 ADDRESS("0.0.0.0"),
		 "sluice.conf:2: backend 'b': address 0.0.0.0 is unspecified" NO_HOST},
		{ETH0 ADDRESS("127.0.0.1"),
		 "sluice.conf:2: backend 'b': address 127.0.0.1 is loopback" NO_HOST},
		{ETH0 ADDRESS("ff02::1"),
		 "sluice.conf:2: backend 'b': address ff02::1 is multicast" NO_HOST},
		{ETH0 WEB "vips = ( { name = 'a'; port = 1; protocol = 'tcp'; pool = 'web';\n"
			  "address = '239.1.1.1'; } );",
		 "sluice.conf:4: vip 'a': address 239.1.1.1 is multicast" NO_HOST},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_an_address_twice_in_a_pool(void **state)
{
	static const struct row rows[] = {
		{ETH0 BACKENDS("{ name = 'a'; address = '10.0.0.1'; },\n{ name = 'b';\n"
			       "address = '::ffff:10.0.0.1'; }"),
		 "sluice.conf:4: backend 'b': address 10.0.0.1 is also that of backend 'a', see "
		 "sluice.conf:2\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_a_vip_twice(void **state)
{
	static const struct row rows[] = {
		{ETH0 WEB VIPS(VIP("") ",\n{ name = 'b'; address = '198.18.0.80'; port = 80; "
				       "protocol = 'udp'; pool = 'web'; },\n"
				       "{ name = 'c'; address = '198.18.0.80'; port = 80; "
				       "protocol = 'tcp'; pool = 'web'; }"),
		 "sluice.conf:5: vip 'c': 198.18.0.80 port 80 tcp is vip 'www' already, see "
		 "sluice.conf:3\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void checks_the_pool_of_a_vip(void **state)
{
	static const struct row rows[] = {
		{ETH0 "pools = ( { name = 'web-servers'; }, {} );\n" VIPS(
			 "{ name = 'a'; address = '198.18.0.1'; port = 1; protocol = 'tcp';\n"
			 "pool = 'web-server'; }"),
		 "sluice.conf:2: pool: name is missing\n"
		 "sluice.conf:4: vip 'a': pool 'web-server' does not exist; did you mean "
		 "'web-servers'?\n"},
		{ETH0 VIPS(VIP("")), "sluice.conf:2: vip 'www': pool 'web' does not exist\n"},
		{ETH0 BACKENDS("{ name = 'a'; address = '10.0.0.1'; },\n"
			       "{ name = 'b'; address = '198.18.0.80'; }") VIPS(VIP("")),
		 "sluice.conf:4: vip 'www': its address is also that of backend 'b' of pool 'web', "
		 "see sluice.conf:3; packets would go round in circles\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void stops_at_the_limits(void **state)
{
	static const struct row rows[] = {
		{ETH0 WEB "limits = { vips = 1; };\n" VIPS(VIP(
			 "") ",\n"
			     "{ name = 'b'; address = '198.18.0.1'; port = 1; protocol = 'tcp'; "
			     "pool = 'web'; },\n"
			     "{ name = 'c'; address = '198.18.0.1'; port = 2; protocol = 'tcp'; "
			     "pool = 'web'; }"),
		 "sluice.conf:5: the limit of vips is 1 in all; limits = { vips = N; } "
		 "raises it\n"},
		{ETH0 "limits = { backends = 3; };\npools = (\n"
		      "{ name = 'a'; backends = ( { name = '1'; address = '10.0.0.1'; },\n"
		      "{ name = '2'; address = '10.0.0.2'; } ); },\n"
		      "{ name = 'b'; backends = ( { name = '1'; address = '10.0.0.1'; },\n"
		      "{ name = '2'; address = '10.0.0.2'; } ); },\n"
		      "{ name = 'c'; backends = ( { name = '1'; address = '10.0.0.1'; } ); } );\n",
		 "sluice.conf:7: pool 'b': the limit of backends is 3 in all; limits = { backends "
		 "= N; "
		 "} raises it\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
	model_free(assert_loads(ETH0 WEB "limits = { vips = 1; backends = 1; };\n" VIPS(VIP(""))));
}

static void assert_address(const struct sluice_addr *addr, const char *expected)
{
	char text[ADDR_TEXT_MAX];

	assert_string_equal(addr_print(addr, text), expected);
}

#define DECAP(list) \
	ETH0 WEB VIPS(VIP("") ", { name = 'net'; address = '2001:db8:1::/48'; port = " \
			      "0; protocol = 'tcp'; pool = 'web'; }") "decap = " list ";\n"

static void checks_decap_addresses(void **state)
{
	static const struct row rows[] = {
		{DECAP("( 7, ( '10.9.9.9' ) )"),
		 "sluice.conf:4: decap: an element must be an address '...' or a group { ... }, "
		 "not a whole number\n"
		 "sluice.conf:4: decap: an element must be an address '...' or a group { ... }, "
		 "not a list ( ... )\n"},
		{DECAP("[ '10.9.9.0/24',\n'127.0.0.1' ]"),
		 "sluice.conf:4: decap '10.9.9.0/24' is neither an IPv4 nor an IPv6 address\n"
		 "sluice.conf:5: decap 127.0.0.1 is loopback, which no host can have as its own\n"},
		{DECAP("( { egress = 1; },\n{ address = 7; egress = 'true'; } )"),
		 "sluice.conf:4: decap: address is missing\n"
		 "sluice.conf:4: decap: egress must be true or false, not a whole number\n"
		 "sluice.conf:5: decap: address must be a string '...', not a whole number\n"
		 "sluice.conf:5: decap: egress must be true or false, not a string '...'\n"},
		{DECAP("( '10.9.9.9',\n{ address = '::ffff:10.9.9.9'; } )"),
		 "sluice.conf:5: decap: 10.9.9.9 is there already, see sluice.conf:4\n"},
		{DECAP("[ '198.18.0.80', '198.18.0.81',\n'2001:db8:1::5' ]"),
		 "sluice.conf:4: decap: 198.18.0.80 is an address of vip 'www', see "
		 "sluice.conf:3\n"
		 "sluice.conf:5: decap: 2001:db8:1::5 is an address of vip 'net', see "
		 "sluice.conf:3\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void takes_decap_addresses(void **state)
{
	struct model *model = assert_loads(DECAP("[ '10.9.9.9', '2001:db8::9' ]"));

	(void)state;
	assert_int_equal(model->n_decap, 2);
	assert_false(model->decap[0].egress || model->decap[1].egress);
	assert_address(&model->decap[0].address, "10.9.9.9");
	assert_address(&model->decap[1].address, "2001:db8::9");
	model_free(model);
	model = assert_loads(DECAP("( '10.9.9.9',\n{ address = '10.9.9.8'; egress = true; },\n"
				   "{ address = '10.9.9.7'; egress = false; } )"));
	assert_int_equal(model->n_decap, 3);
	assert_false(model->decap[0].egress || model->decap[2].egress);
	assert_true(model->decap[1].egress);
	assert_address(&model->decap[1].address, "10.9.9.8");
	assert_string_equal(model->decap[1].file, FILE_NAME);
	assert_int_equal(model->decap[1].line, 5);
	model_free(model);
	model = assert_loads(DECAP("()"));
	assert_int_equal(model->n_decap, 0);
	model_free(model);
}

static void checks_paths_and_groups(void **state)
{
	static const struct row rows[] = {
		{ETH0 "control = { socket = 'run/s'; };\npin_dir = '';\nstate_dir = 'a';\n",
		 "sluice.conf:2: control: socket 'run/s' is not an absolute path, which begins "
		 "with "
		 "'/'\n"
		 "sluice.conf:3: pin_dir '' is not an absolute path, which begins with '/'\n"
		 "sluice.conf:4: state_dir 'a' is not an absolute path, which begins with '/'\n"},
		{ETH0 "control = { group = 'no-such-group'; };\n",
		 "sluice.conf:2: control: group 'no-such-group' does not exist; groupadd --system "
		 "creates one\n"},
		{INTERFACE("gateway_mac = '00:11:22';"),
		 "sluice.conf:1: interface 'eth0': gateway_mac '00:11:22' is not of the form "
		 "00:11:22:aa:bb:cc\n"},
		{INTERFACE("gateway_mac = '01:00:5e:00:00:01';"),
		 "sluice.conf:1: interface 'eth0': gateway_mac 01:00:5e:00:00:01 is not the "
		 "address "
		 "of one station\n"},
		{INTERFACE("gateway_mac = '00:00:00:00:00:00';"),
		 "sluice.conf:1: interface 'eth0': gateway_mac 00:00:00:00:00:00 is not the "
		 "address "
		 "of one station\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

/* A path of @max bytes is taken, a longer one is not. */
static void assert_longest_path(const char *before, const char *after, size_t max,
				const char *message)
{
	char text[5000], path[4097] = "/", messages[5000];

	memset(path + 1, 'x', max - 1);
	snprintf(text, sizeof(text), ETH0 "%s'%s'%s", before, path, after);
	model_free(assert_loads(text));
	path[max] = 'x';
	snprintf(text, sizeof(text), ETH0 "%s'%s'%s", before, path, after);
	snprintf(messages, sizeof(messages), "sluice.conf:2: %s '%s' is longer than %zu bytes\n",
		 message, path, max);
	assert_refused(text, messages);
}

static void limits_paths_to_what_the_kernel_takes(void **state)
{
	(void)state;
	assert_longest_path("control = { socket = ", "; };\n", 107, "control: socket");
	assert_longest_path("pin_dir = ", ";\n", 3839, "pin_dir");
	assert_longest_path("state_dir = ", ";\n", 3839, "state_dir");
}

static void shows_all_errors_in_the_order_of_the_lines(void **state)
{
	(void)state;
	assert_refused(
		"vips = ( { name = 'a'; address = '10'; port = 1; protocol = 'tcp'; pool = "
		"'wbe'; } );\n"
		"pools = ( { name = 'web'; backends = (\n"
		"{ name = 'a'; weight = 0; address = 'x'; }\n"
		"); } );\n"
		"limits = { vips = 0; };\n"
		"nonsense = 1;\n"
		"interfaces = ();\n",
		"sluice.conf:1: vip 'a': address '10' is neither an IPv4 nor an IPv6 address or "
		"prefix\n"
		"sluice.conf:1: vip 'a': pool 'wbe' does not exist; did you mean 'web'?\n"
		"sluice.conf:3: backend 'a': address 'x' is neither an IPv4 nor an IPv6 "
		"address\n"
		"sluice.conf:3: backend 'a': weight 0 is outside 1..65535\n"
		"sluice.conf:5: limits: vips 0 is outside 1..65535\n"
		"sluice.conf:6: unknown key 'nonsense'\n"
		"sluice.conf:7: no interfaces; name one: interfaces = ( { name = 'eth0'; } "
		");\n");
}

static void names_the_included_file(void **state)
{
	(void)state;
	load_text_write("sub/pools.conf", "pools = (\n@include 'web.conf'\n);\n");
	load_text_write("sub/web.conf",
			"{ name = 'web';\nbackends = ( { name = 'a'; address = 'x'; } ); }");
	load_text_write("sub/broken.conf", "\na = = b;\n");
	assert_refused("@include 'sub/pools.conf'\n" ETH0 "nonsense = 1;\n",
		       "sub/web.conf:2: backend 'a': address 'x' is neither an IPv4 nor an IPv6 "
		       "address\n"
		       "sluice.conf:3: unknown key 'nonsense'\n");
	assert_refused(ETH0 "@include 'sub/broken.conf'\n",
		       "sub/broken.conf:2: syntax error here or just before: is a ';' missing?\n");
	assert_refused(ETH0 "@include 'nope.conf'\n@include 'sub'\n",
		       "sluice.conf:2: cannot include 'nope.conf': No such file or directory\n"
		       "sluice.conf:3: cannot include 'sub': Is a directory\n");
}

static void says_why_a_file_cannot_be_read(void **state)
{
	struct model *model = NULL;
	struct diag diag = {0};
	char *text;

	(void)state;
	assert_int_equal(load_file(&model, "nope.conf", &diag), -EIO);
	assert_int_equal(load_file(&model, "sub", &diag), -EIO);
	assert_null(model);
	text = diag_text(&diag);
	assert_string_equal(text, "nope.conf: No such file or directory\nsub: Is a directory\n");
	free(text);
	diag_fini(&diag);
}

static void fills_in_defaults(void **state)
{
	struct model *model = assert_loads(ETH0 BACKEND("") VIPS(VIP("")));
	const struct model_interface *interface = &model->interfaces[0];
	const struct model_backend *backend = &model->pools[0].backends[0];
	const struct model_vip *vip = &model->vips[0];

	(void)state;
	assert_string_equal(model->file, FILE_NAME);
	assert_string_equal(model->pin_dir, "/sys/fs/bpf/sluice");
	assert_string_equal(model->state_dir, "/var/lib/sluice");
	assert_string_equal(model->control.socket, "/run/sluice/control.sock");
	assert_null(model->control.group);
	assert_int_equal(model->control.group_id, -1);
	assert_int_equal(model->limits.vips, 512);
	assert_int_equal(model->limits.backends, 4096);
	assert_int_equal(model->limits.sources, 2000000);
	assert_int_equal(model->limits.flows, 131072);
	assert_int_equal(model->limits.fragments, 4096);
	assert_int_equal(model->flow_age_s, 30);
	assert_int_equal(model->tcp_age_s, 3600);
	assert_int_equal(model->echo_rate, 1000);
	assert_int_equal(model->error_rate, 1000);
	assert_int_equal(model->n_decap, 0);
	assert_int_equal(model->hash_seed, 0);
	assert_int_equal(model->settle_s, 300);
	assert_int_equal(model->n_interfaces, 1);
	assert_int_equal(interface->mode, MODEL_MODE_AUTO);
	assert_false(interface->has_gateway_mac);
	assert_int_equal(model->n_pools, 1);
	assert_int_equal(model->pools[0].check.type, MODEL_CHECK_NONE);
	assert_int_equal(model->pools[0].n_backends, 1);
	assert_int_equal(backend->weight, 100);
	assert_int_equal(backend->state, MODEL_STATE_ACTIVE);
	assert_false(backend->state_given);
	assert_int_equal(model->n_vips, 1);
	assert_int_equal(vip->maglev, MODEL_MAGLEV_V2);
	assert_int_equal(vip->ring_size, 65537);
	model_free(model);
}

/* The VIPs come first: they find pools that stand behind them. */
#define FULL \
	"vips = (\n" \
	"{ name = 'www'; address = '198.18.0.80'; port = 80; protocol = 'tcp'; pool = 'web';\n" \
	"  maglev = 'v1'; ring_size = 4093; },\n" \
	"{ name = 'dns'; address = '198.18.0.80'; port = 65535; protocol = 'udp'; pool = " \
	"'none';\n" \
	"  maglev = 'v2'; ring_size = 16381; } );\n" \
	"interfaces = ( { name = '123456789-12345'; mode = 'native';\n" \
	"                 gateway_mac = '02:11:22:AA:bb:cc'; },\n" \
	"               { name = 'eth1'; mode = 'generic'; }, { name = 'eth2'; mode = 'auto'; } " \
	");\n" \
	"control = { socket = '/run/s'; group = 'root'; };\n" \
	"pin_dir = '/sys/fs/bpf/two';\n" \
	"state_dir = '/var/lib/two';\n" \
	"limits = { vips = 65535; backends = 32767; sources = 10000000; fragments = 1048576; };" \
	"flows = { size = 67108864; age_s = 3600; tcp_age_s = 43200; }; icmp = { echo_rate = 0; " \
	"error_rate = " \
	"1000000; };\n" \
	"hash_seed = 0xfedcba98; settle_s = 86400;\n" \
	"pools = ( { name = 'none'; },\n" \
	"          { name = 'web'; check = { type = 'none'; }; backends = (\n" \
	"            { name = '" NAME_63 \
	"'; address = '10.0.0.1'; weight = 1; state = 'active'; },\n" \
	"            { name = 'b'; address = '10.0.0.2'; weight = 65535; state = 'draining'; },\n" \
	"            { name = 'c'; address = '240.0.0.3'; weight = 7L; state = 'disabled'; } ); " \
	"},\n" \
	"          { name = 'spare'; backends = ( { name = 'b'; address = '10.0.0.2';\n" \
	"                                           state = 'filling'; } ); } );\n"

static void assert_full_pools(const struct model *model)
{
	static const struct {
		const char *name, *address;
		unsigned int weight;
		enum model_state state;
		unsigned int line;
	} backends[] = {
		{NAME_63, "10.0.0.1", 1, MODEL_STATE_ACTIVE, 16},
		{"b", "10.0.0.2", 65535, MODEL_STATE_DRAINING, 17},
		{"c", "240.0.0.3", 7, MODEL_STATE_DISABLED, 18},
	};
	const struct model_pool *web = &model->pools[1];

	assert_int_equal(model->n_pools, 3);
	assert_string_equal(model->pools[0].name, "none");
	assert_int_equal(model->pools[0].n_backends, 0);
	assert_int_equal(model->pools[0].line, 14);
	assert_string_equal(model->pools[2].name, "spare");
	assert_int_equal(model->pools[2].n_backends, 1);
	assert_int_equal(model->pools[2].backends[0].state, MODEL_STATE_FILLING);
	assert_string_equal(web->name, "web");
	assert_string_equal(web->file, FILE_NAME);
	assert_int_equal(web->n_backends, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(web->backends[i].name, backends[i].name);
		assert_address(&web->backends[i].address, backends[i].address);
		assert_int_equal(web->backends[i].weight, backends[i].weight);
		assert_int_equal(web->backends[i].state, backends[i].state);
		assert_true(web->backends[i].state_given);
		assert_string_equal(web->backends[i].file, FILE_NAME);
		assert_int_equal(web->backends[i].line, backends[i].line);
	}
}

static void assert_full_vips(const struct model *model)
{
	const struct model_vip *www = &model->vips[0], *dns = &model->vips[1];

	assert_int_equal(model->n_vips, 2);
	assert_string_equal(www->name, "www");
	assert_address(&www->prefix.addr, "198.18.0.80");
	assert_int_equal(www->port, 80);
	assert_int_equal(www->protocol, IPPROTO_TCP);
	assert_ptr_equal(www->pool, &model->pools[1]);
	assert_int_equal(www->maglev, MODEL_MAGLEV_V1);
	assert_int_equal(www->ring_size, 4093);
	assert_string_equal(www->file, FILE_NAME);
	assert_int_equal(www->line, 2);
	assert_int_equal(dns->port, 65535);
	assert_int_equal(dns->protocol, IPPROTO_UDP);
	assert_ptr_equal(dns->pool, &model->pools[0]);
	assert_int_equal(dns->maglev, MODEL_MAGLEV_V2);
	assert_int_equal(dns->ring_size, 16381);
	assert_int_equal(dns->line, 4);
}

static void takes_every_key(void **state)
{
	static const uint8_t mac[6] = {0x02, 0x11, 0x22, 0xaa, 0xbb, 0xcc};
	struct model *model = assert_loads(FULL);

	(void)state;
	assert_full_pools(model);
	assert_full_vips(model);
	assert_int_equal(model->n_interfaces, 3);
	assert_string_equal(model->interfaces[0].name, "123456789-12345");
	assert_int_equal(model->interfaces[0].mode, MODEL_MODE_NATIVE);
	assert_true(model->interfaces[0].has_gateway_mac);
	assert_memory_equal(model->interfaces[0].gateway_mac, mac, 6);
	assert_string_equal(model->interfaces[0].file, FILE_NAME);
	assert_int_equal(model->interfaces[0].line, 6);
	assert_int_equal(model->interfaces[1].mode, MODEL_MODE_GENERIC);
	assert_false(model->interfaces[1].has_gateway_mac);
	assert_int_equal(model->interfaces[2].mode, MODEL_MODE_AUTO);
	assert_string_equal(model->control.socket, "/run/s");
	assert_string_equal(model->control.group, "root");
	assert_int_equal(model->control.group_id, 0);
	assert_string_equal(model->pin_dir, "/sys/fs/bpf/two");
	assert_string_equal(model->state_dir, "/var/lib/two");
	assert_int_equal(model->limits.vips, 65535);
	assert_int_equal(model->limits.backends, 32767);
	assert_int_equal(model->limits.sources, 10000000);
	assert_int_equal(model->limits.flows, 67108864);
	assert_int_equal(model->limits.fragments, 1048576);
	assert_int_equal(model->flow_age_s, 3600);
	assert_int_equal(model->tcp_age_s, 43200);
	assert_int_equal(model->echo_rate, 0);
	assert_int_equal(model->error_rate, 1000000);
	assert_true(model->hash_seed == 0xfedcba98);
	assert_int_equal(model->settle_s, 86400);
	model_free(model);
}

static void takes_a_whole_hash_seed_in_each_notation(void **state)
{
	static const struct {
		const char *text;
		uint32_t seed;
	} rows[] = {
		{ETH0 "hash_seed = 0;", 0},
		{ETH0 "hash_seed = 1;", 1},
		{ETH0 "hash_seed = 2147483647;", 2147483647},
		{ETH0 "hash_seed = 4294967295L;", 4294967295},
		{ETH0 "hash_seed = 0xffffffff;", 4294967295},
		{ETH0 "hash_seed = 0x80000000;", 2147483648},
		{ETH0 "hash_seed = 0x80000001L;", 2147483649},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct model *model = assert_loads(rows[i].text);

		assert_true(model->hash_seed == rows[i].seed);
		model_free(model);
	}
}

static void allows_what_only_looks_wrong(void **state)
{
	static const char *const texts[] = {
		ETH0,
		/* empty lists; a pool without backends; one that no VIP uses */
		ETH0 "pools = ();\nvips = ();\n",
		ETH0 "pools = ( { name = 'web'; backends = (); } );\n" VIPS(VIP("")),
		/* the same backend, and another VIP's address, in two pools */
		ETH0
		"pools = ( { name = 'web'; backends = ( { name = 'a'; address = '10.0.0.1'; } ); },"
		"{ name = 'two'; backends = ( { name = 'a'; address = '10.0.0.1'; },"
		"{ name = 'b'; address = '198.18.0.80'; } ); } );\n" VIPS(VIP("")),
		/* one name for an interface, a pool, a backend and a VIP */
		"interfaces = ( { name = 'www'; } );\npools = ( { name = 'web'; backends = ( { "
		"name = "
		"'www'; address = '10.0.0.1'; } ); }, { name = 'www'; } );\n" VIPS(VIP("")),
		/* the same address with another port, and with another protocol */
		ETH0 WEB VIPS(
			VIP("") ", { name = 'b'; address = '198.18.0.80'; port = 81; protocol = "
				"'tcp'; pool = 'web'; }, { name = 'c'; address = '198.18.0.80';"
				"port = 80; protocol = 'udp'; pool = 'web'; }"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		model_free(assert_loads(texts[i]));
}

static void keeps_the_places_of_included_parts(void **state)
{
	struct model *model;

	(void)state;
	load_text_write("sub/pools.conf", "\npools = ( { name = 'web'; } );\n");
	model = assert_loads(ETH0 "@include 'sub/pools.conf'\n" VIPS(VIP("")));
	assert_int_equal(model->n_files, 2);
	assert_string_equal(model->files[1], "sub/pools.conf");
	assert_string_equal(model->pools[0].file, "sub/pools.conf");
	assert_int_equal(model->pools[0].line, 2);
	assert_string_equal(model->vips[0].file, FILE_NAME);
	assert_int_equal(model->vips[0].line, 3);
	model_free(model);
}

static void leaves_earlier_messages_alone(void **state)
{
	struct model *model = NULL;
	struct diag diag = {0};
	char *text;

	(void)state;
	diag_add(&diag, "z.conf", 9, "earlier");
	load_text_write(FILE_NAME, ETH0 "a = 1;\n");
	assert_int_equal(load_file(&model, FILE_NAME, &diag), -EINVAL);
	text = diag_text(&diag);
	assert_string_equal(text, "z.conf:9: earlier\nsluice.conf:2: unknown key \"a\"\n");
	free(text);
	diag_fini(&diag);
}

static void loads_the_example(void **state)
{
	struct model *model = NULL;
	struct diag diag = {0};
	char *text;

	(void)state;
	if (!example)
		fail_msg("config/sluice.conf: run the tests from the top of the checkout");
	load_file(&model, example, &diag);
	text = diag_text(&diag);
	assert_string_equal(text, "");
	free(text);
	assert_non_null(model);
	assert_non_null(model_find_pool(model, "web"));
	assert_int_equal(model_find_pool(model, "web")->check.type, MODEL_CHECK_TCP);
	assert_non_null(model_find_vip(model, "www"));
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_bad_syntax_with_its_line),
		cmocka_unit_test(refuses_unknown_keys_with_a_hint),
		cmocka_unit_test(refuses_wrong_types_and_says_the_right_one),
		cmocka_unit_test(asks_for_missing_keys),
		cmocka_unit_test(keeps_numbers_in_their_ranges),
		cmocka_unit_test(knows_the_words_of_each_key),
		cmocka_unit_test(refuses_bad_names),
		cmocka_unit_test(refuses_names_that_are_taken),
		cmocka_unit_test(refuses_bad_addresses),
		cmocka_unit_test(refuses_an_address_twice_in_a_pool),
		cmocka_unit_test(refuses_a_vip_twice),
		cmocka_unit_test(checks_the_pool_of_a_vip),
		cmocka_unit_test(stops_at_the_limits),
		cmocka_unit_test(checks_decap_addresses),
		cmocka_unit_test(takes_decap_addresses),
		cmocka_unit_test(checks_paths_and_groups),
		cmocka_unit_test(limits_paths_to_what_the_kernel_takes),
		cmocka_unit_test(shows_all_errors_in_the_order_of_the_lines),
		cmocka_unit_test(names_the_included_file),
		cmocka_unit_test(says_why_a_file_cannot_be_read),
		cmocka_unit_test(fills_in_defaults),
		cmocka_unit_test(takes_every_key),
		cmocka_unit_test(takes_a_whole_hash_seed_in_each_notation),
		cmocka_unit_test(allows_what_only_looks_wrong),
		cmocka_unit_test(keeps_the_places_of_included_parts),
		cmocka_unit_test(leaves_earlier_messages_alone),
		cmocka_unit_test(loads_the_example),
	};

	return cmocka_run_group_tests_name("config/load", tests, enter_dir, leave_dir);
}
