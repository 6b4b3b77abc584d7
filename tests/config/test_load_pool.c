/* SPDX-License-Identifier: MIT */
/*
 * Pools: numbers in hints, server ids and tunnels.
 */
#include "config/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/lib/load_text.h"

#define ID_RANGE " is outside 1..2147483647\n"

static void refuses_bad_server_ids(void **state)
{
	static const struct row rows[] = {
		{ETH0 BACKEND("server_ids = 7;"),
		 "sluice.conf:2: backend 'web-3': server_ids must be an array [ ... ] or a list "
		 "( ... ), not a whole number\n"},
		{ETH0 BACKEND("server_ids = [ 'a' ];"),
		 "sluice.conf:2: backend 'web-3': server_ids: element 1 must be a whole number, "
		 "not a string '...'\n"},
		{ETH0 BACKEND("server_ids = ( 1,\n1.5, true, ( 2 ) );"),
		 "sluice.conf:3: backend 'web-3': server_ids: element 2 must be a whole number, "
		 "not a number with a fraction\n"
		 "sluice.conf:3: backend 'web-3': server_ids: element 3 must be a whole number, "
		 "not true or false\n"
		 "sluice.conf:3: backend 'web-3': server_ids: element 4 must be a whole number, "
		 "not a list ( ... )\n"},
		{ETH0 BACKEND("server_ids = [ 0, 1, -1 ];"),
		 "sluice.conf:2: backend 'web-3': server_ids 0" ID_RANGE
		 "sluice.conf:2: backend 'web-3': server_ids -1" ID_RANGE},
		{ETH0 BACKEND("server_ids = ( 2147483647, 2147483648L );"),
		 "sluice.conf:2: backend 'web-3': server_ids 2147483648" ID_RANGE},
		/* one id, two addresses: in a pool, in two pools */
		{ETH0 BACKENDS("{ name = 'a'; address = '10.0.0.1';\nserver_ids = [ 5, 1022 ]; },\n"
			       "{ server_ids = [ 1022, 6 ]; name = 'b'; address = '10.0.0.2'; }"),
		 "sluice.conf:4: backend 'b': server id 1022 is also that of backend 'a', see "
		 "sluice.conf:3\n"},
		{ETH0 "pools = (\n"
		      "{ name = 'x'; backends = ( { name = 'a'; address = '10.0.0.1'; "
		      "server_ids = [ 1 ]; } ); },\n"
		      "{ name = 'y'; backends = ( { name = 'a'; address = '10.0.0.1'; "
		      "server_ids = [ 1 ]; },\n"
		      "{ name = 'c'; address = '2001:db8::1'; server_ids = [ 1 ]; } ); } );\n",
		 "sluice.conf:5: backend 'c': server id 1 is also that of backend 'a', see "
		 "sluice.conf:3\n"},
		/* without an address there is nothing to compare */
		{ETH0 BACKENDS("{ name = 'a'; address = '10.0.0.1'; server_ids = [ 5 ]; },\n"
			       "{ name = 'b'; address = 'x'; server_ids = [ 5, 0 ]; }"),
		 "sluice.conf:3: backend 'b': address 'x' is neither an IPv4 nor an IPv6 address\n"
		 "sluice.conf:3: backend 'b': server_ids 0" ID_RANGE},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void keeps_a_server_id_once_for_an_address(void **state)
{
	struct model *model = assert_loads(
		ETH0 "pools = ( { name = 'x'; backends = ( { name = 'a'; address = '10.0.0.1'; "
		     "server_ids = [ 1022, 2147483647, 1022 ]; },"
		     "{ name = 'b'; address = '10.0.0.2'; } ); },"
		     "{ name = 'y'; backends = ( { name = 'c'; address = '::ffff:10.0.0.1'; "
		     "server_ids = ( 1022, 0x3, 2147483647L, 4 ); },"
		     "{ name = 'b'; address = '10.0.0.2'; server_ids = []; } ); } );\n");
	const struct model_backend *a = &model->pools[0].backends[0];
	const struct model_backend *c = &model->pools[1].backends[0];

	(void)state;
	assert_int_equal(a->n_server_ids, 2);
	assert_int_equal(a->server_ids[0], 1022);
	assert_int_equal(a->server_ids[1], 2147483647);
	assert_int_equal(c->n_server_ids, 2);
	assert_int_equal(c->server_ids[0], 3);
	assert_int_equal(c->server_ids[1], 4);
	assert_int_equal(model->pools[0].backends[1].n_server_ids, 0);
	assert_int_equal(model->pools[1].backends[1].n_server_ids, 0);
	model_free(model);
}

/* 10.1.244.204 and 10.0.0.1 have the same number, 34444. */
static void refuses_bad_ids(void **state)
{
	static const struct row rows[] = {
		{ETH0 BACKEND("id = 0;"),
		 "sluice.conf:2: backend 'web-3': id 0 is outside 1..65535\n"},
		{ETH0 BACKEND("id = 65536;"),
		 "sluice.conf:2: backend 'web-3': id 65536 is outside 1..65535\n"},
		{ETH0 BACKEND("id = '7';"),
		 "sluice.conf:2: backend 'web-3': id must be a whole number, not a string '...'\n"},
		/* both given */
		{ETH0 BACKENDS("{ name = 'a'; address = '10.0.0.1';\nid = 7; },\n"
			       "{ id = 7; name = 'b'; address = '10.0.0.2'; }"),
		 "sluice.conf:4: backend 'b': id 7 of address 10.0.0.2 is also that of backend 'a' "
		 "of address 10.0.0.1, see sluice.conf:3; give one of them another id, 1..65535\n"},
		/* both derived */
		{ETH0 BACKENDS("{ name = 'a'; address = '10.0.0.1'; },\n"
			       "{ name = 'b'; address = '10.1.244.204'; }"),
		 "sluice.conf:3: backend 'b': id 34444, derived from its address, of address "
		 "10.1.244.204 is also that of backend 'a' of address 10.0.0.1, see sluice.conf:2; "
		 "give one of them another id, 1..65535\n"},
		/* in two pools */
		{ETH0 "pools = (\n"
		      "{ name = 'x'; backends = ( { name = 'a'; address = '10.0.0.1'; } ); },\n"
		      "{ name = 'y'; backends = ( { name = 'a'; address = '2001:db8::1'; id = "
		      "34444; } ); } );\n",
		 "sluice.conf:4: backend 'a': id 34444 of address 2001:db8::1 is also that of "
		 "backend 'a' of address 10.0.0.1, see sluice.conf:3; give one of them another id, "
		 "1..65535\n"},
		/* one address, two numbers */
		{ETH0 "pools = (\n"
		      "{ name = 'x'; backends = ( { name = 'a'; address = '10.0.0.1'; } ); },\n"
		      "{ name = 'y'; backends = ( { name = 'b'; address = '10.0.0.1'; id = 7; } "
		      "); },\n"
		      "{ name = 'z'; backends = ( { name = 'c'; address = '10.0.0.2'; id = 8; } "
		      "); },\n"
		      "{ name = 'u'; backends = ( { name = 'd'; address = '10.0.0.2'; } ); } );\n",
		 "sluice.conf:4: backend 'b': id 7, but as backend 'a' its address 10.0.0.1 has id "
		 "34444, see sluice.conf:3; give both the same id\n"
		 "sluice.conf:6: backend 'd': id 34445, derived from its address, but as backend "
		 "'c' its address 10.0.0.2 has id 8, see sluice.conf:5; give both the same id\n"},
		/* without a good address or id there is nothing to compare */
		{ETH0 BACKENDS("{ name = 'a'; address = '10.0.0.1'; id = 7; },\n"
			       "{ name = 'b'; address = 'x'; id = 7; },\n"
			       "{ name = 'c'; address = '10.1.244.204'; id = -1; }"),
		 "sluice.conf:3: backend 'b': address 'x' is neither an IPv4 nor an IPv6 address\n"
		 "sluice.conf:4: backend 'c': id -1 is outside 1..65535\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void gives_each_address_a_number(void **state)
{
	struct model *model = assert_loads(
		ETH0 "pools = ( { name = 'x'; backends = ( { name = 'a'; address = '10.0.0.1'; },"
		     "{ name = 'b'; address = '10.1.244.204'; id = 65535; } ); },"
		     "{ name = 'y'; backends = ( { name = 'c'; address = '::ffff:10.0.0.1'; },"
		     "{ name = 'd'; address = '10.1.244.204'; id = 0xffff; },"
		     "{ name = 'e'; address = '2001:db8::1'; id = 1; } ); } );\n");

	(void)state;
	assert_int_equal(model->pools[0].backends[0].hint, 34444);
	assert_int_equal(model->pools[0].backends[1].hint, 65535);
	assert_int_equal(model->pools[1].backends[0].hint, 34444);
	assert_int_equal(model->pools[1].backends[1].hint, 65535);
	assert_int_equal(model->pools[1].backends[2].hint, 1);
	model_free(model);
}

#define TUNNEL(keys) "pools = ( { name = 'web';\ntunnel = { " keys " }; } );\n"
#define MIXED_BACKENDS \
	"backends = ( { name = 'four'; address = '10.0.0.1'; },\n" \
	"{ name = 'six'; address = '2001:db8::6'; }, { name = 'last'; address = '10.0.0.2'; } );"
#define TUNNEL_OF_WEB "sluice.conf:3: pool 'web': tunnel: "

static void refuses_bad_tunnels(void **state)
{
	static const struct row rows[] = {
		{ETH0 "pools = ( { name = 'web'; tunnel = 'gue'; } );\n",
		 "sluice.conf:2: pool 'web': tunnel must be a group { ... }, not a string '...'\n"},
		{ETH0 TUNNEL(""), TUNNEL_OF_WEB "type is missing\n"},
		{ETH0 TUNNEL("type = 'vxlan'; port = 0;"),
		 TUNNEL_OF_WEB "type 'vxlan' is not known; known: 'ipip', 'gue'\n" TUNNEL_OF_WEB
			       "port 0 is outside 1..65535\n"},
		{ETH0 TUNNEL("type = 'gue'; port = 65536; ports = 1;"),
		 "sluice.conf:3: unknown key 'ports' in tunnel; did you mean "
		 "'port'?\n" TUNNEL_OF_WEB "port 65536 is outside 1..65535\n"},
		{ETH0 TUNNEL("type = 'ipip'; port = 6080;\nsource = '10.0.0.9';\n"
			     "source6 = '2001:db8::9';"),
		 TUNNEL_OF_WEB "port needs type = 'gue'\n"
			       "sluice.conf:4: pool 'web': tunnel: source needs type = 'gue'\n"
			       "sluice.conf:5: pool 'web': tunnel: source6 needs type = 'gue'\n"},
		{ETH0 TUNNEL("type = 'gue'; source = '2001:db8::9'; source6 = '10.0.0.9';"),
		 TUNNEL_OF_WEB "source 2001:db8::9 is not an IPv4 address; those of IPv6 are for "
			       "source6\n" TUNNEL_OF_WEB
			       "source6 10.0.0.9 is not an IPv6 address; those of IPv4 are for "
			       "source\n"},
		{ETH0 TUNNEL("type = 'gue'; source = 'eth0'; source6 = 'ff02::1';"), TUNNEL_OF_WEB
		 "source 'eth0' is neither an IPv4 nor an IPv6 address\n" TUNNEL_OF_WEB
		 "source6 ff02::1 is multicast, which no host can have as its own\n"},
		/* the backends decide which source there must be */
		{ETH0 "pools = ( { tunnel = { type = 'gue'; };\n" MIXED_BACKENDS
		      " name = 'web'; } );\n",
		 "sluice.conf:2: pool 'web': tunnel: source is missing, our address in tunnels to "
		 "IPv4 backends such as 'four'\n"
		 "sluice.conf:2: pool 'web': tunnel: source6 is missing, our address in tunnels to "
		 "IPv6 backends such as 'six'\n"},
		{ETH0
		 "pools = ( { tunnel = { type = 'gue'; source = '10.0.0.9'; };\n" MIXED_BACKENDS
		 " name = 'web'; } );\n",
		 "sluice.conf:2: pool 'web': tunnel: source6 is missing, our address in tunnels to "
		 "IPv6 backends such as 'six'\n"},
		{ETH0 "pools = ( { tunnel = { type = 'gue'; source = 'x'; };\n"
		      "backends = ( { name = 'four'; address = '10.0.0.1'; } ); name = 'web'; } "
		      ");\n",
		 "sluice.conf:2: pool 'web': tunnel: source 'x' is neither an IPv4 nor an IPv6 "
		 "address\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void assert_address(const struct sluice_addr *addr, const char *expected)
{
	char text[ADDR_TEXT_MAX];

	assert_string_equal(addr_print(addr, text), expected);
}

static void takes_tunnels(void **state)
{
	struct model *model = assert_loads(
		ETH0 "pools = ( { name = 'plain'; " MIXED_BACKENDS " },"
		     "{ name = 'ipip'; tunnel = { type = 'ipip'; }; " MIXED_BACKENDS " },"
		     "{ name = 'gue'; tunnel = { type = 'gue'; port = 9886; source = '10.0.13.37'; "
		     "source6 = 'fc00:2307::1337'; }; " MIXED_BACKENDS " },"
		     "{ name = 'four'; tunnel = { type = 'gue'; source = '10.0.13.37'; };"
		     "backends = ( { name = 'a'; address = '10.0.0.1'; } ); },"
		     "{ name = 'none'; tunnel = { type = 'gue'; }; } );\n");
	const struct model_tunnel *gue = &model->pools[2].tunnel, *four = &model->pools[3].tunnel;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct model_tunnel *tunnel = &model->pools[i].tunnel;

		assert_int_equal(tunnel->type, MODEL_TUNNEL_IPIP);
		assert_int_equal(tunnel->port, 0);
		assert_false(tunnel->has_source || tunnel->has_source6);
	}
	assert_int_equal(gue->type, MODEL_TUNNEL_GUE);
	assert_int_equal(gue->port, 9886);
	assert_true(gue->has_source && gue->has_source6);
	assert_address(&gue->source, "10.0.13.37");
	assert_address(&gue->source6, "fc00:2307::1337");
	assert_int_equal(four->port, 6080);
	assert_true(four->has_source);
	assert_false(four->has_source6);
	assert_int_equal(model->pools[4].tunnel.type, MODEL_TUNNEL_GUE);
	model_free(model);
}

static void mixes_families_in_a_pool(void **state)
{
	struct model *model =
		assert_loads(ETH0 "pools = ( { name = 'web'; " MIXED_BACKENDS " } );\n");

	(void)state;
	assert_address(&model->pools[0].backends[0].address, "10.0.0.1");
	assert_address(&model->pools[0].backends[1].address, "2001:db8::6");
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_bad_ids),
		cmocka_unit_test(gives_each_address_a_number),
		cmocka_unit_test(refuses_bad_server_ids),
		cmocka_unit_test(keeps_a_server_id_once_for_an_address),
		cmocka_unit_test(refuses_bad_tunnels),
		cmocka_unit_test(takes_tunnels),
		cmocka_unit_test(mixes_families_in_a_pool),
	};

	return cmocka_run_group_tests_name("config/load_pool", tests, load_text_enter,
					   load_text_leave);
}
