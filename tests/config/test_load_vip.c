/* SPDX-License-Identifier: MIT */
/*
 * VIPs: prefixes, ports, and the keys that say how packets find their backend.
 */
#include "config/load.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/lib/load_text.h"

#define ONE(rest) ETH0 WEB "vips = ( {\nname = 'a'; pool = 'web'; " rest " } );\n"
#define ADDRESS(text) ONE("port = 80; protocol = 'tcp'; address = '" text "';")
#define TCP(rest) ONE("address = '198.18.0.1'; port = 80; protocol = 'tcp'; " rest)
#define UDP(rest) ONE("address = '198.18.0.1'; port = 80; protocol = 'udp'; " rest)
#define VIP_A "sluice.conf:4: vip 'a': "
#define NO_PREFIX " is neither an IPv4 nor an IPv6 address or prefix\n"
#define NO_HOST ", which no host can have as its own\n"

static void refuses_bad_prefixes(void **state)
{
	static const struct row rows[] = {
		{ADDRESS("10.0.0.256"), VIP_A "address '10.0.0.256'" NO_PREFIX},
		{ADDRESS("10.0.0.0/33"), VIP_A "address '10.0.0.0/33'" NO_PREFIX},
		{ADDRESS("2001:db8::/129"), VIP_A "address '2001:db8::/129'" NO_PREFIX},
		{ADDRESS("10.0.0.0/"), VIP_A "address '10.0.0.0/'" NO_PREFIX},
		{ADDRESS(""), VIP_A "address ''" NO_PREFIX},
		{ADDRESS("10.1.2.3/16"), VIP_A
		 "address 10.1.2.3/16 has bits set beyond its length; the prefix is 10.1.0.0/16\n"},
		{ADDRESS("2001:db8:1::ffff:1/97"), VIP_A
		 "address 2001:db8:1::ffff:1/97 has bits set beyond its length; the prefix is "
		 "2001:db8:1::8000:0/97\n"},
		{ADDRESS("::ffff:10.1.2.3/112"),
		 VIP_A "address ::ffff:10.1.2.3/112 has bits set beyond its length; the prefix is "
		       "10.1.0.0/16\n"},
		{ADDRESS("127.0.0.0/8"), VIP_A "address 127.0.0.0/8 is loopback" NO_HOST},
		{ADDRESS("ff00::/8"), VIP_A "address ff00::/8 is multicast" NO_HOST},
		{ADDRESS("0.0.0.0/0"), VIP_A "address 0.0.0.0/0 is unspecified" NO_HOST},
		{ADDRESS("::/0"), VIP_A "address ::/0 is unspecified" NO_HOST},
		{ADDRESS("::8000:0:0/81"), VIP_A "address ::8000:0:0/81 has all of IPv4 in it\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

#define B(rest) ",\n{ name = 'b'; pool = 'web'; " rest " }"

static void refuses_a_prefix_twice(void **state)
{
	static const struct row rows[] = {
		{ETH0 WEB VIPS("{ name = 'a'; pool = 'web'; address = '2001:db8::/64'; port = 0; "
			       "protocol = 'udp'; }" B("address = '2001:db8:0::/64'; port = 0; "
						       "protocol = 'udp';")),
		 "sluice.conf:4: vip 'b': 2001:db8::/64 port 0 udp is vip 'a' already, see "
		 "sluice.conf:3\n"},
		{ETH0 WEB VIPS(VIP("") B("address = '::ffff:198.18.0.80'; port = 80; protocol = "
					 "'tcp';")),
		 "sluice.conf:4: vip 'b': 198.18.0.80 port 80 tcp is vip 'www' already, see "
		 "sluice.conf:3\n"},
		{ETH0 WEB VIPS(VIP("") B("address = '198.18.0.80/32'; port = 80; protocol = "
					 "'tcp';")),
		 "sluice.conf:4: vip 'b': 198.18.0.80 port 80 tcp is vip 'www' already, see "
		 "sluice.conf:3\n"},
		/* no port is not port 0 */
		{ETH0 WEB VIPS(VIP("") B("address = '198.18.0.80'; port = 0; protocol = "
					 "'tcp';") ",\n{ name = 'c'; pool = 'web'; address "
						   "= '198.18.0.80'; "
						   "protocol = 'tcp'; }"),
		 "sluice.conf:5: vip 'c': port is missing\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
	model_free(assert_loads(
		ETH0 WEB VIPS(VIP("") B("address = '198.18.0.80'; port = 0; protocol = "
					"'tcp';") ", { name = 'c'; pool = 'web'; address = "
						  "'198.18.0.80/31'; "
						  "port = 80; protocol = 'tcp'; }")));
}

static void takes_prefixes_of_both_families(void **state)
{
	static const struct {
		const char *text;
		const char *printed;
		unsigned int len;
	} rows[] = {
		{ADDRESS("198.18.0.1"), "198.18.0.1", 128},
		{ADDRESS("198.18.0.1/32"), "198.18.0.1", 128},
		{ADDRESS("10.1.0.0/16"), "10.1.0.0/16", 112},
		{ADDRESS("::ffff:10.1.0.0/112"), "10.1.0.0/16", 112},
		{ADDRESS("::ffff:198.18.0.1"), "198.18.0.1", 128},
		{ADDRESS("2001:db8:1::/96"), "2001:db8:1::/96", 96},
		{ADDRESS("2001:db8::80"), "2001:db8::80", 128},
	};
	char text[PREFIX_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct model *model = assert_loads(rows[i].text);
		const struct model_vip *vip = &model->vips[0];

		assert_string_equal(model_vip_address(vip, text), rows[i].printed);
		assert_int_equal(vip->prefix.len, rows[i].len);
		assert_int_equal(model_vip_is_host(vip), rows[i].len == 128);
		model_free(model);
	}
}

/* A prefix may have its backends in it. */
static void refuses_to_go_round_in_circles(void **state)
{
	static const char *const good =
		ETH0 WEB VIPS("{ name = 'a'; pool = 'web'; address = '10.0.0.0/8'; port = 1; "
			      "protocol = 'tcp'; }");
	static const struct row rows[] = {
		{ETH0 "pools = ( { name = 'web'; }, { name = 'other'; backends = (\n"
		      "{ name = 'x'; address = '198.18.0.80'; }, { name = 'y'; address = "
		      "'10.0.0.2'; } ); } );\n" VIPS(VIP("sources = ( { prefix = '10.0.0.0/8'; "
							 "pool = 'other'; backend = 'y'; },\n"
							 "{ prefix = '11.0.0.0/8'; pool = 'other'; "
							 "backend = 'x'; } );")),
		 "sluice.conf:4: vip 'www': its address is also that of backend 'x' of pool "
		 "'other', see sluice.conf:3; packets would go round in circles\n"},
		{ETH0 "pools = ( { name = 'web'; }, { name = 'other'; backends = (\n"
		      "{ name = 'x'; address = '198.18.0.80'; } ); } );\n" VIPS(
			      VIP("sources = ( { prefix = '10.0.0.0/8'; pool = 'other'; } );")),
		 "sluice.conf:4: vip 'www': its address is also that of backend 'x' of pool "
		 "'other', see sluice.conf:3; packets would go round in circles\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
	model_free(assert_loads(good));
}

static void refuses_bad_values(void **state)
{
	static const struct row rows[] = {
		{TCP("hash = 'ip';"),
		 VIP_A "hash 'ip' is not known; known: 'tuple', 'no_source_port', "
		       "'destination_port', 'with_destination_port'\n"},
		{UDP("quic = 'none';"),
		 VIP_A "quic 'none' is not known; known: 'katran', 'quic-lb'\n"},
		{TCP("track = 'on';"),
		 VIP_A "track 'on' is not known; known: 'moving', 'always', 'never'\n"},
		{TCP("hint = 'on';"),
		 VIP_A "hint 'on' is not known; known: 'moving', 'always', 'off'\n"},
		{TCP("failover = true;"),
		 VIP_A "failover must be a string '...', not true or false\n"},
		{UDP("failover = 'ranks';"),
		 VIP_A "failover 'ranks' is not known; known: 'rank', 'rebuild'\n"},
		{UDP("quic = true;"), VIP_A "quic must be a string '...', not true or false\n"},
		{UDP("quic = 'quic-lb'; quic_server_id_bytes = 5;"),
		 VIP_A "quic_server_id_bytes 5 is outside 1..4\n"},
		{UDP("quic = 'quic-lb'; quic_server_id_bytes = 0;"),
		 VIP_A "quic_server_id_bytes 0 is outside 1..4\n"},
		{TCP("tcp_server_id = 1;"),
		 VIP_A "tcp_server_id must be true or false, not a whole number\n"},
		{UDP("udp_stable = 0;"),
		 VIP_A "udp_stable must be true or false, not a whole number\n"},
		{UDP("udp_stable = 'true';"),
		 VIP_A "udp_stable must be true or false, not a string '...'\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void knows_which_keys_go_together(void **state)
{
	static const struct row rows[] = {
		{TCP("quic = 'katran';"), VIP_A "quic needs protocol = 'udp'\n"},
		{TCP("udp_stable = true;"), VIP_A "udp_stable needs protocol = 'udp'\n"},
		{UDP("tcp_server_id = true;"), VIP_A "tcp_server_id needs protocol = 'tcp'\n"},
		{UDP("quic = 'quic-lb'; udp_stable = true;"),
		 VIP_A "udp_stable and quic exclude each other\n"},
		{UDP("quic_server_id_bytes = 3;"),
		 VIP_A "quic_server_id_bytes needs quic = 'quic-lb'\n"},
		{UDP("quic_server_id_bytes = 3; quic = 'katran';"),
		 VIP_A "quic_server_id_bytes needs quic = 'quic-lb'\n"},
		/* one error is enough */
		{UDP("quic_server_id_bytes = 3; quic = 'lb';"),
		 VIP_A "quic 'lb' is not known; known: 'katran', 'quic-lb'\n"},
		{ONE("address = '198.18.0.1'; port = 80; quic = 'katran'; tcp_server_id = true;"),
		 "sluice.conf:3: vip 'a': protocol is missing\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

struct expected {
	enum model_hash hash;
	enum model_quic quic;
	unsigned int bytes;
	bool tcp_server_id;
	bool udp_stable;
	enum model_track track;
	enum model_hint hint;
	enum model_failover failover;
};

static void takes_every_choice(void **state)
{
	static const struct {
		const char *text;
		struct expected expected;
	} rows[] = {
		{TCP(""), {.track = MODEL_TRACK_MOVING}},
		{UDP(""), {.track = MODEL_TRACK_ALWAYS}},
		{TCP("hash = 'tuple'; track = 'always';"), {.track = MODEL_TRACK_ALWAYS}},
		{TCP("hash = 'no_source_port'; track = 'never';"),
		 {.hash = MODEL_HASH_NO_SOURCE_PORT, .track = MODEL_TRACK_NEVER}},
		{UDP("hash = 'destination_port'; track = 'moving';"),
		 {.hash = MODEL_HASH_DESTINATION_PORT, .track = MODEL_TRACK_MOVING}},
		{UDP("hash = 'with_destination_port'; track = 'never';"),
		 {.hash = MODEL_HASH_WITH_DESTINATION_PORT, .track = MODEL_TRACK_NEVER}},
		{TCP("hint = 'moving'; failover = 'rank';"), {.track = MODEL_TRACK_MOVING}},
		{TCP("hint = 'always'; failover = 'rebuild';"),
		 {.hint = MODEL_HINT_ALWAYS, .failover = MODEL_FAILOVER_REBUILD}},
		{UDP("hint = 'off';"), {.track = MODEL_TRACK_ALWAYS, .hint = MODEL_HINT_OFF}},
		{UDP("quic = 'katran';"), {.quic = MODEL_QUIC_KATRAN, .track = MODEL_TRACK_ALWAYS}},
		{UDP("quic = 'quic-lb';"),
		 {.quic = MODEL_QUIC_LB, .bytes = 3, .track = MODEL_TRACK_ALWAYS}},
		{UDP("quic = 'quic-lb'; quic_server_id_bytes = 1;"),
		 {.quic = MODEL_QUIC_LB, .bytes = 1, .track = MODEL_TRACK_ALWAYS}},
		{UDP("quic = 'quic-lb'; quic_server_id_bytes = 4; udp_stable = false; "
		     "tcp_server_id = false;"),
		 {.quic = MODEL_QUIC_LB, .bytes = 4, .track = MODEL_TRACK_ALWAYS}},
		{UDP("udp_stable = true;"), {.udp_stable = true, .track = MODEL_TRACK_ALWAYS}},
		{TCP("tcp_server_id = true; udp_stable = false;"),
		 {.tcp_server_id = true, .track = MODEL_TRACK_MOVING}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct model *model = assert_loads(rows[i].text);
		const struct model_vip *vip = &model->vips[0];
		const struct expected *expected = &rows[i].expected;

		assert_int_equal(vip->hash, expected->hash);
		assert_int_equal(vip->quic, expected->quic);
		assert_int_equal(vip->quic_server_id_bytes, expected->bytes);
		assert_int_equal(vip->tcp_server_id, expected->tcp_server_id);
		assert_int_equal(vip->udp_stable, expected->udp_stable);
		assert_int_equal(vip->track, expected->track);
		assert_int_equal(vip->hint, expected->hint);
		assert_int_equal(vip->failover, expected->failover);
		model_free(model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_bad_prefixes),
		cmocka_unit_test(refuses_a_prefix_twice),
		cmocka_unit_test(takes_prefixes_of_both_families),
		cmocka_unit_test(refuses_to_go_round_in_circles),
		cmocka_unit_test(refuses_bad_values),
		cmocka_unit_test(knows_which_keys_go_together),
		cmocka_unit_test(takes_every_choice),
	};

	return cmocka_run_group_tests_name("config/load_vip", tests, load_text_enter,
					   load_text_leave);
}
