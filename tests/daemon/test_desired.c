/* SPDX-License-Identifier: MIT */
/*
 * Config, the operator's wishes and next hops in; records, flags, targets and rings out; who owns a slot while
 * its VIP moves.
 */
#include "daemon/desired.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/fixture.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct lab {
	struct model *model;
	struct wishes wishes;
	struct generations generations;
	struct ring_cache rings;
	struct desired *desired;
} lab;

static int setup(void **state)
{
	(void)state;
	lab = (struct lab){0};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	desired_free(lab.desired);
	model_free(lab.model);
	wishes_fini(&lab.wishes);
	generations_fini(&lab.generations);
	ring_cache_fini(&lab.rings);
	return 0;
}

static void build(const struct desired_port *ports, desired_nexthop_fn *nexthop, const void *ctx)
{
	static const struct desired_port unknown[4];
	const struct desired_input input = {
		.model = lab.model,
		.wishes = &lab.wishes,
		.generations = &lab.generations,
		.ports = ports ? ports : unknown,
		.nexthop = nexthop,
		.nexthop_ctx = ctx,
		.rings = &lab.rings,
	};

	desired_free(TAKE(lab.desired));
	assert_int_equal(desired_build(&lab.desired, &input), 0);
}

/* How many slots of a VIP's ring the backend owns. */
static unsigned int slots_of(size_t vip, size_t backend)
{
	const struct desired_owners *o = &lab.desired->vips[vip].owners;
	unsigned int n = 0;

	for (uint32_t i = 0; i < o->ring->size; i++)
		n += o->ring->owner[0][i] == backend - o->first;
	return n;
}

/* -------------------------------------------------------------------------- states and weights */

static void wishes_go_before_the_config(void **state)
{
	static const struct {
		const char *config;
		int wished_state; /* -1: none */
		unsigned int wished_weight;
		enum model_state state;
		unsigned int weight;
		bool in_ring;
	} cases[] = {
		{"", -1, 0, MODEL_STATE_ACTIVE, 100, true},
		{"weight = 7;", -1, 0, MODEL_STATE_ACTIVE, 7, true},
		{"state = \"draining\";", -1, 0, MODEL_STATE_DRAINING, 100, false},
		{"state = \"disabled\";", -1, 0, MODEL_STATE_DISABLED, 100, false},
		{"", MODEL_STATE_DRAINING, 0, MODEL_STATE_DRAINING, 100, false},
		{"", MODEL_STATE_DISABLED, 0, MODEL_STATE_DISABLED, 100, false},
		{"state = \"draining\";", MODEL_STATE_ACTIVE, 0, MODEL_STATE_ACTIVE, 100, true},
		{"", -1, 50, MODEL_STATE_ACTIVE, 50, true},
		{"weight = 7;", -1, 50, MODEL_STATE_ACTIVE, 50, true},
		{"weight = 7;", MODEL_STATE_DRAINING, 50, MODEL_STATE_DRAINING, 50, false},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		const struct desired_backend *b;
		char text[512];

		setup(NULL);
		snprintf(text, sizeof(text),
			 "interfaces = ( { name = \"eth0\"; } );\n"
			 "pools = ( { name = \"web\"; backends = (\n"
			 "  { name = \"a\"; address = \"10.0.0.1\"; %s },\n"
			 "  { name = \"b\"; address = \"10.0.0.2\"; } ); } );\n"
			 "vips = ( { name = \"www\"; address = \"192.0.2.1\"; port = 80;\n"
			 "  protocol = \"tcp\"; pool = \"web\"; ring_size = 4093; } );\n",
			 cases[i].config);
		lab.model = fixture_model(text);
		if (cases[i].wished_state >= 0) {
			enum model_state wish = (enum model_state)cases[i].wished_state;

			assert_int_equal(wishes_set_state(&lab.wishes, "web", "a", &wish, 1), 0);
		}
		if (cases[i].wished_weight)
			assert_int_equal(wishes_set_weight(&lab.wishes, "web", "a",
							   cases[i].wished_weight),
					 0);
		assert_int_equal(wishes_set_weight(&lab.wishes, "api", "b", 1), 0);
		build(NULL, NULL, NULL);
		b = &lab.desired->backends[0];
		assert_int_equal(b->state, cases[i].state);
		assert_int_equal(b->state_wished, cases[i].wished_state >= 0);
		assert_int_equal(b->weight, cases[i].weight);
		assert_int_equal(b->weight_wished, cases[i].wished_weight != 0);
		assert_int_equal(slots_of(0, 0) > 0, cases[i].in_ring);
		assert_int_equal(slots_of(0, 0) + slots_of(0, 1), 4093);
		assert_int_equal(lab.desired->backends[1].weight, 100);
		teardown(NULL);
	}
}

static void the_ring_follows_the_weights(void **state)
{
	(void)state;
	lab.model = fixture_model("interfaces = ( { name = \"eth0\"; } );\n"
				  "pools = ( { name = \"web\"; backends = (\n"
				  "  { name = \"a\"; address = \"10.0.0.1\"; weight = 300; },\n"
				  "  { name = \"b\"; address = \"10.0.0.2\"; } ); } );\n"
				  "vips = ( { name = \"www\"; address = \"192.0.2.1\"; port = 80;\n"
				  "  protocol = \"tcp\"; pool = \"web\"; ring_size = 4093; } );\n");
	build(NULL, NULL, NULL);
	assert_in_range(slots_of(0, 0), 4093 * 3 / 4 - 40, 4093 * 3 / 4 + 40);
	assert_int_equal(wishes_set_weight(&lab.wishes, "web", "b", 300), 0);
	build(NULL, NULL, NULL);
	assert_in_range(slots_of(0, 0), 4093 / 2 - 40, 4093 / 2 + 40);
}

/* ------------------------------------------------------------------------------- ways to backends */

#define MAC1 "\x02\x00\x00\x00\x00\x01"
#define MAC2 "\x02\x00\x00\x00\x00\x02"
#define HOP_MAC "\x02\x00\x00\x00\x00\xaa"
#define DEVICE_MAC "\x02\x00\x00\x00\x00\xdd"
#define NO_MAC "\0\0\0\0\0\0"

/* Interface 1 has ifindex 11 and MTU 1400, interface 2 has 12 and 9000. */
static const struct way_case {
	const char *gateways[2]; /* as text; NULL: none */
	enum link_state state;   /* LINK_STATE_MAX: nothing is known */
	unsigned int ifindex;
	unsigned int mtu;
	enum desired_way way;
	uint32_t record_ifindex;
	uint16_t record_mtu;
	const char *dmac; /* NULL: there is no next hop */
	const char *smac;
} way_cases[] = {
	/* The kernel's word. */
	{{NULL}, LINK_READY, 11, 1500, DESIRED_WAY_READY, 11, 1500, HOP_MAC, DEVICE_MAC},
	{{NULL}, LINK_READY, 77, 1480, DESIRED_WAY_READY, 77, 1480, HOP_MAC, DEVICE_MAC},
	{{NULL}, LINK_READY, 11, 0, DESIRED_WAY_READY, 11, 0, HOP_MAC, DEVICE_MAC},
	{{NULL}, LINK_READY, 11, 65535, DESIRED_WAY_READY, 11, 65535, HOP_MAC, DEVICE_MAC},
	{{NULL}, LINK_READY, 11, 65536, DESIRED_WAY_READY, 11, 65535, HOP_MAC, DEVICE_MAC},
	{{NULL}, LINK_RESOLVING, 11, 1500, DESIRED_WAY_RESOLVING, 11, 1500, NULL, DEVICE_MAC},
	{{NULL}, LINK_NO_ROUTE, 0, 0, DESIRED_WAY_NO_ROUTE, 0, 0, NULL, NO_MAC},
	{{NULL}, LINK_STATE_MAX, 0, 0, DESIRED_WAY_NO_ROUTE, 0, 0, NULL, NO_MAC},
	{{NULL}, LINK_LOCAL, 0, 0, DESIRED_WAY_LOCAL, 0, 0, NULL, NO_MAC},
	/* A gateway_mac goes before it, on the port that packets leave by. */
	{{"02:00:00:00:00:01"},
	 LINK_READY,
	 11,
	 1500,
	 DESIRED_WAY_STATIC,
	 11,
	 1500,
	 MAC1,
	 DEVICE_MAC},
	{{"02:00:00:00:00:01"},
	 LINK_RESOLVING,
	 11,
	 1500,
	 DESIRED_WAY_STATIC,
	 11,
	 1500,
	 MAC1,
	 DEVICE_MAC},
	{{"02:00:00:00:00:01"},
	 LINK_READY,
	 12,
	 1500,
	 DESIRED_WAY_READY,
	 12,
	 1500,
	 HOP_MAC,
	 DEVICE_MAC},
	{{"02:00:00:00:00:01"},
	 LINK_RESOLVING,
	 12,
	 1500,
	 DESIRED_WAY_RESOLVING,
	 12,
	 1500,
	 NULL,
	 DEVICE_MAC},
	{{"02:00:00:00:00:01", "02:00:00:00:00:02"},
	 LINK_READY,
	 12,
	 1500,
	 DESIRED_WAY_STATIC,
	 12,
	 1500,
	 MAC2,
	 DEVICE_MAC},
	{{NULL, "02:00:00:00:00:02"},
	 LINK_READY,
	 12,
	 1500,
	 DESIRED_WAY_STATIC,
	 12,
	 1500,
	 MAC2,
	 DEVICE_MAC},
	{{"02:00:00:00:00:01"},
	 LINK_READY,
	 77,
	 1500,
	 DESIRED_WAY_READY,
	 77,
	 1500,
	 HOP_MAC,
	 DEVICE_MAC},
	/* Without a route: out by the port that it came in by, to the first gateway_mac. */
	{{"02:00:00:00:00:01", "02:00:00:00:00:02"},
	 LINK_NO_ROUTE,
	 0,
	 0,
	 DESIRED_WAY_STATIC,
	 0,
	 1400,
	 MAC1,
	 NO_MAC},
	{{NULL, "02:00:00:00:00:02"},
	 LINK_NO_ROUTE,
	 0,
	 0,
	 DESIRED_WAY_STATIC,
	 0,
	 9000,
	 MAC2,
	 NO_MAC},
	{{"02:00:00:00:00:01"}, LINK_STATE_MAX, 0, 0, DESIRED_WAY_STATIC, 0, 1400, MAC1, NO_MAC},
	/* Nothing goes to ourselves. */
	{{"02:00:00:00:00:01"}, LINK_LOCAL, 0, 0, DESIRED_WAY_LOCAL, 0, 0, NULL, NO_MAC},
};

static bool nexthop(const void *ctx, const struct sluice_addr *addr, struct link_nexthop *out)
{
	const struct way_case *c = ctx;
	char text[ADDR_TEXT_MAX];

	assert_string_equal(addr_print(addr, text), "10.0.0.1");
	if (c->state == LINK_STATE_MAX)
		return false;
	*out = (struct link_nexthop){
		.state = c->state,
		.ifindex = c->ifindex,
		.mtu = c->mtu,
	};
	if (c->state == LINK_READY)
		memcpy(out->mac, HOP_MAC, 6);
	if (c->ifindex)
		memcpy(out->device_mac, DEVICE_MAC, 6);
	return true;
}

static void gateway_text(char *text, size_t size, const char *gateway)
{
	snprintf(text, size, gateway ? "gateway_mac = \"%s\";" : "%s", gateway ? gateway : "");
}

static void ways_come_from_the_kernel_or_a_gateway(void **state)
{
	static const struct desired_port ports[] = {{11, 1400}, {12, 9000}};

	(void)state;
	for (size_t i = 0; i < N(way_cases); i++) {
		const struct way_case *c = &way_cases[i];
		struct sluice_backend expected = {
			.encap = c->state == LINK_LOCAL ? SLUICE_ENCAP_LOCAL : SLUICE_ENCAP_IP4,
			.ifindex = c->record_ifindex,
			.mtu = c->record_mtu,
			.flags = SLUICE_BACKEND_SERVING | (c->dmac ? SLUICE_BACKEND_NEXTHOP : 0),
		};
		char text[512], first[64], second[64];

		setup(NULL);
		gateway_text(first, sizeof(first), c->gateways[0]);
		gateway_text(second, sizeof(second), c->gateways[1]);
		snprintf(text, sizeof(text),
			 "interfaces = ( { name = \"eth0\"; %s }, { name = \"eth1\"; %s } );\n"
			 "pools = ( { name = \"web\"; backends = (\n"
			 "  { name = \"a\"; address = \"10.0.0.1\"; } ); } );\n",
			 first, second);
		lab.model = fixture_model(text);
		build(ports, nexthop, c);
		assert_int_equal(addr_parse(&expected.addr, "10.0.0.1"), 0);
		expected.hint = htons(lab.model->pools[0].backends[0].hint);
		assert_int_not_equal(expected.hint, 0);
		if (c->dmac)
			memcpy(expected.dmac, c->dmac, 6);
		memcpy(expected.smac, c->smac, 6);
		if (lab.desired->backends[0].way != c->way ||
		    memcmp(&lab.desired->backends[0].record, &expected, sizeof(expected)) != 0)
			print_message("case %zu\n", i);
		assert_string_equal(desired_way_name(lab.desired->backends[0].way),
				    desired_way_name(c->way));
		assert_memory_equal(&lab.desired->backends[0].record, &expected, sizeof(expected));
		teardown(NULL);
	}
}

static bool tagged_nexthop(const void *ctx, const struct sluice_addr *addr,
			   struct link_nexthop *out)
{
	(void)ctx;
	(void)addr;
	*out = (struct link_nexthop){.state = LINK_READY, .ifindex = 11, .vlan = 7, .s_vlan = 99};
	return true;
}

static void tags_of_the_way_are_in_the_record(void **state)
{
	(void)state;
	lab.model = fixture_model("interfaces = ( { name = \"eth0\"; } );\n"
				  "pools = ( { name = \"web\"; backends = (\n"
				  "  { name = \"a\"; address = \"10.0.0.1\"; } ); } );\n");
	build(NULL, tagged_nexthop, NULL);
	assert_int_equal(lab.desired->backends[0].record.vlan, htons(7));
	assert_int_equal(lab.desired->backends[0].record.s_vlan, htons(99));
}

static void ways_have_names(void **state)
{
	static const char *const names[DESIRED_WAY_MAX] = {
		[DESIRED_WAY_NO_ROUTE] = "no_route", [DESIRED_WAY_RESOLVING] = "resolving",
		[DESIRED_WAY_READY] = "ready",       [DESIRED_WAY_LOCAL] = "local",
		[DESIRED_WAY_STATIC] = "static",
	};

	(void)state;
	for (int i = 0; i < DESIRED_WAY_MAX; i++)
		assert_string_equal(desired_way_name(i), names[i]);
}

/* ----------------------------------------------------------------------------- VIPs and their rings */

static const char two_pools[] =
	"interfaces = ( { name = \"eth0\"; } );\n"
	"pools = (\n"
	"  { name = \"web\"; backends = ( { name = \"a\"; address = \"10.0.0.1\"; },\n"
	"                                { name = \"b\"; address = \"10.0.0.2\"; } ); },\n"
	"  { name = \"none\"; },\n"
	"  { name = \"api\"; backends = ( { name = \"c\"; address = \"10.0.0.1\"; },\n"
	"                                { name = \"d\"; address = \"10.0.0.2\"; } ); },\n"
	"  { name = \"six\"; backends = ( { name = \"e\"; address = \"2001:db8::1\"; } ); } );\n"
	"vips = (\n"
	"  { name = \"one\"; address = \"192.0.2.1\"; port = 80; protocol = \"tcp\";\n"
	"    pool = \"web\"; ring_size = 4093; },\n"
	"  { name = \"two\"; address = \"192.0.2.1\"; port = 443; protocol = \"udp\";\n"
	"    pool = \"web\"; ring_size = 4093; },\n"
	"  { name = \"three\"; address = \"192.0.2.1\"; port = 81; protocol = \"tcp\";\n"
	"    pool = \"api\"; ring_size = 4093; },\n"
	"  { name = \"v1\"; address = \"192.0.2.1\"; port = 82; protocol = \"tcp\";\n"
	"    pool = \"web\"; ring_size = 4093; maglev = \"v1\"; },\n"
	"  { name = \"larger\"; address = \"192.0.2.1\"; port = 83; protocol = \"tcp\";\n"
	"    pool = \"web\"; ring_size = 16381; },\n"
	"  { name = \"empty\"; address = \"192.0.2.1\"; port = 84; protocol = \"tcp\";\n"
	"    pool = \"none\"; ring_size = 4093; },\n"
	"  { name = \"six\"; address = \"2001:db8::80\"; port = 80; protocol = \"tcp\";\n"
	"    pool = \"six\"; ring_size = 4093; } );\n";

static void vips_have_their_pool(void **state)
{
	static const size_t first[] = {0, 0, 2, 0, 0, 2, 4};
	static const bool answers[] = {true, false, false, false, false, false, true};

	(void)state;
	lab.model = fixture_model(two_pools);
	build(NULL, NULL, NULL);
	assert_int_equal(lab.desired->n_backends, 5);
	assert_string_equal(lab.desired->backends[2].backend->name, "c");
	assert_string_equal(lab.desired->backends[2].pool->name, "api");
	assert_int_equal(lab.desired->backends[2].record.encap, SLUICE_ENCAP_IP4);
	assert_int_equal(lab.desired->backends[4].record.encap, SLUICE_ENCAP_IP6);
	assert_int_equal(lab.desired->n_vips, N(first));
	for (size_t i = 0; i < N(first); i++) {
		const struct desired_vip *v = &lab.desired->vips[i];

		assert_ptr_equal(v->vip, &lab.model->vips[i]);
		assert_int_equal(v->owners.first, first[i]);
		assert_int_equal(v->owners.ring->size, lab.model->vips[i].ring_size);
		assert_int_equal(v->answers, answers[i]);
		assert_int_equal(v->flags, i == 1 ? SLUICE_VIP_TRACK : 0); /* UDP */
	}
	for (uint32_t i = 0; i < 4093; i++)
		assert_int_equal(lab.desired->vips[5].owners.ring->owner[0][i], RING_NONE);
}

static const struct ring *ring(size_t vip)
{
	return lab.desired->vips[vip].owners.ring;
}

static void equal_rings_are_one(void **state)
{
	(void)state;
	lab.model = fixture_model(two_pools);
	build(NULL, NULL, NULL);
	assert_ptr_equal(ring(0), ring(1));
	assert_ptr_equal(ring(0), ring(2)); /* another pool of the same members */
	assert_ptr_not_equal(ring(0), ring(3));
	assert_ptr_not_equal(ring(0), ring(4));
	assert_ptr_not_equal(ring(0), ring(5));
	assert_int_equal(lab.rings.n, 5);
}

static void rings_that_do_not_change_are_not_built_anew(void **state)
{
	static const enum model_state draining = MODEL_STATE_DRAINING;
	const struct ring *web;

	(void)state;
	lab.model = fixture_model(two_pools);
	build(NULL, NULL, NULL);
	web = ring(0);
	assert_int_equal(wishes_set_state(&lab.wishes, "web", "a", &draining, 1), 0);
	ring_cache_begin(&lab.rings);
	build(NULL, NULL, NULL);
	assert_ptr_not_equal(ring(0), web);
	assert_ptr_equal(ring(2), web);
	ring_cache_sweep(&lab.rings);
	assert_int_equal(lab.rings.n, 6); /* v1's and the larger one are others now */
	assert_ptr_equal(ring(2), web);
	assert_int_equal(slots_of(2, 2) + slots_of(2, 3), 4093);

	assert_int_equal(wishes_set_state(&lab.wishes, "web", "a", NULL, 1), 0);
	ring_cache_begin(&lab.rings);
	build(NULL, NULL, NULL);
	ring_cache_sweep(&lab.rings);
	assert_ptr_equal(ring(0), web);
	assert_int_equal(lab.rings.n, 5);
}

static void a_ring_lives_until_the_sweep_that_finds_it_unused(void **state)
{
	static const struct ring_member members[] = {{.weight = 1}, {.weight = 2}};
	const struct ring_spec one = {MODEL_MAGLEV_V2, 13, 1, members, 2};
	struct ring_spec other = one;
	const struct ring *a, *b;

	(void)state;
	assert_int_equal(ring_cache_get(&lab.rings, &one, &a), 0);
	for (int i = 0; i < 4; i++) {
		other = one;
		if (i == 0)
			other.maglev = MODEL_MAGLEV_V1;
		else if (i == 1)
			other.ranks = 2;
		else if (i == 2)
			other.n = 1;
		else
			other.members = &members[1], other.n = 1;
		assert_int_equal(ring_cache_get(&lab.rings, &other, &b), 0);
		assert_ptr_not_equal(a, b);
		assert_int_equal(lab.rings.n, i + 2);
	}
	other.size = 14;
	b = NULL;
	assert_int_equal(ring_cache_get(&lab.rings, &other, &b), -EINVAL);
	assert_null(b);
	assert_int_equal(lab.rings.n, 5);
	ring_cache_sweep(&lab.rings);
	assert_int_equal(lab.rings.n, 5);
	ring_cache_begin(&lab.rings);
	assert_int_equal(ring_cache_get(&lab.rings, &one, &b), 0);
	assert_ptr_equal(a, b);
	ring_cache_sweep(&lab.rings);
	assert_int_equal(lab.rings.n, 1);
	assert_int_equal(a->size, 13);
}

/* ------------------------------------------------------------------------------- while a VIP moves */

#define A "{ name = \"a\"; address = \"10.0.0.1\"; }"
#define B "{ name = \"b\"; address = \"10.0.0.2\"; }"
#define C "{ name = \"c\"; address = \"10.0.0.3\"; }"
#define A_IS(more) "{ name = \"a\"; address = \"10.0.0.1\"; " more " }"
#define B_IS(more) "{ name = \"b\"; address = \"10.0.0.2\"; " more " }"
#define C_IS(more) "{ name = \"c\"; address = \"10.0.0.3\"; " more " }"
#define DRAINING "state = \"draining\";"
#define FILLING "state = \"filling\";"
#define DISABLED "state = \"disabled\";"
#define HEAVY "weight = 300;"

static void load_web(const char *backends, const char *vip)
{
	char text[768];

	snprintf(text, sizeof(text),
		 "interfaces = ( { name = \"eth0\"; } );\n"
		 "pools = ( { name = \"web\"; backends = ( %s ); },\n"
		 "  { name = \"api\"; backends = ( " C " ); } );\n"
		 "vips = ( { name = \"www\"; address = \"192.0.2.1\"; port = 80;\n"
		 "  protocol = \"tcp\"; %s } );\n",
		 backends, vip);
	model_free(TAKE(lab.model));
	lab.model = fixture_model(text);
}

/* The generations for the model that is loaded. */
static void follow(int64_t now)
{
	struct generations next;

	assert_int_equal(generations_next(&next, &lab.generations, lab.model, &lab.wishes, now), 0);
	desired_free(TAKE(lab.desired));
	generations_fini(&lab.generations);
	lab.generations = next;
}

struct owner {
	char pool[8];
	char name[8];
};

static struct owner owner_of(uint32_t backend)
{
	struct owner owner = {.name = "nobody"};

	if (backend == DESIRED_NOBODY)
		return owner;
	assert_true(backend < lab.desired->n_backends);
	strcpy(owner.pool, lab.desired->backends[backend].pool->name);
	strcpy(owner.name, lab.desired->backends[backend].backend->name);
	return owner;
}

/* Both owners of every slot, as the desired state has them. */
static void read_owners(struct owner cur[4093], struct owner other[4093])
{
	for (uint32_t i = 0; i < 4093; i++) {
		uint32_t c, o;

		desired_slot(lab.desired, &lab.desired->vips[0].owners, i, &c, &o);
		cur[i] = owner_of(c);
		other[i] = owner_of(o);
	}
}

#define WEB "pool = \"web\"; ring_size = 4093;"

static const struct move_case {
	const char *before, *after; /* backends */
	const char *vip_before, *vip_after;
	bool moves;           /* some slot has two owners */
	const char *unserved; /* one whose flows are given up: other is cur */
} move_cases[] = {
	{A ", " B, A ", " B, WEB, WEB, false, ""},
	{A ", " B ", " C, A ", " B ", " C_IS(DRAINING), WEB, WEB, true, ""},
	{A ", " B, A ", " B ", " C_IS(FILLING), WEB, WEB, true, ""},
	{A ", " B, A ", " B ", " C, WEB, WEB, true, ""},
	{A ", " B, A ", " B_IS(DRAINING) ", " C_IS(FILLING), WEB, WEB, true, ""},
	{A ", " B, A ", " B_IS(HEAVY), WEB, WEB, true, ""},
	{A ", " B, B_IS(HEAVY) ", " A, WEB, WEB, true, ""},
	{A ", " B, A_IS(DRAINING) ", " B_IS(DRAINING), WEB, WEB, true, ""},
	{A ", " B ", " C, A ", " B, WEB, WEB, true, ""}, /* removed */
	{A ", " B, C, WEB, WEB, true, ""},
	{A ", " B ", " C, A ", " B ", " C_IS(DISABLED), WEB, WEB, true, "c"},
	{A ", " B, A_IS(DRAINING) ", " B_IS(DISABLED) ", " C, WEB, WEB, true, "b"},
	/* Another pool, another way to make a ring; one of another size has other slots. */
	{A ", " B, A ", " B, WEB, "pool = \"api\"; ring_size = 4093;", true, ""},
	{A ", " B_IS(HEAVY), A ", " B_IS(HEAVY), WEB, WEB " maglev = \"v1\";", true, ""},
	{A ", " B, A ", " C, "pool = \"web\"; ring_size = 16381;", WEB, false, "other size"},
};

static void assert_owners(const struct owner *got, const struct owner *expected, size_t slot)
{
	if (memcmp(got, expected, sizeof(*got)) != 0)
		fail_msg("slot %zu: %s of %s, not %s of %s", slot, got->name, got->pool,
			 expected->name, expected->pool);
}

static void slots_that_move_have_an_old_and_a_new_owner(void **state)
{
	static struct owner old[4093], now[4093], cur[4093], other[4093], ignored[4093];

	(void)state;
	for (size_t i = 0; i < N(move_cases); i++) {
		const struct move_case *c = &move_cases[i];
		bool comparable = strcmp(c->unserved, "other size") != 0, moves = false;

		setup(NULL);
		load_web(c->before, c->vip_before);
		build(NULL, NULL, NULL);
		if (comparable)
			read_owners(old, ignored);
		follow(1);
		load_web(c->after, c->vip_after);
		build(NULL, NULL, NULL); /* the generations are as before */
		follow(2);
		build(NULL, NULL, NULL);
		read_owners(cur, other);
		generations_settle(&lab.generations, "www", 3);
		build(NULL, NULL, NULL);
		read_owners(now, ignored);
		for (size_t slot = 0; slot < 4093; slot++) {
			bool kept = comparable && strcmp(old[slot].name, c->unserved) != 0;

			assert_owners(&cur[slot], &now[slot], slot);
			assert_owners(&ignored[slot], &now[slot], slot);
			assert_owners(&other[slot], kept ? &old[slot] : &now[slot], slot);
			moves |= memcmp(&cur[slot], &other[slot], sizeof(*cur)) != 0;
		}
		assert_int_equal(moves, c->moves);
		teardown(NULL);
	}
}

/* What a backend had stays with it until its flows have settled. */
static void a_removed_backend_leaves_when_its_flows_have_settled(void **state)
{
	struct sluice_backend record;

	(void)state;
	load_web(A ", " B, WEB);
	follow(1);
	build(NULL, NULL, NULL);
	record = lab.desired->backends[1].record;
	load_web(A, WEB);
	follow(2);
	build(NULL, NULL, NULL);
	assert_int_equal(lab.desired->n_backends, 3); /* b is the last */
	assert_true(lab.desired->backends[2].leaving);
	assert_int_equal(lab.desired->backends[2].state, MODEL_STATE_DRAINING);
	assert_string_equal(lab.desired->backends[2].pool->name, "web");
	assert_string_equal(lab.desired->backends[2].backend->name, "b");
	assert_memory_equal(&lab.desired->backends[2].record, &record, sizeof(record));
	generations_settle(&lab.generations, "www", 3);
	build(NULL, NULL, NULL);
	assert_int_equal(lab.desired->n_backends, 2);
	assert_false(lab.desired->backends[1].leaving);
}

/* ------------------------------------------------------------------------- flags, features, room */

static void keys_of_a_vip_become_its_flags(void **state)
{
	static const struct {
		const char *vip; /* TCP, but for "protocol" */
		uint32_t flags;
	} cases[] = {
		{"protocol = \"tcp\";", 0},
		{"protocol = \"udp\";", SLUICE_VIP_TRACK},
		{"protocol = \"udp\"; track = \"moving\";", 0},
		{"protocol = \"tcp\"; track = \"always\";", SLUICE_VIP_TRACK},
		{"protocol = \"tcp\"; track = \"never\";", SLUICE_VIP_NO_TRACK},
		{"protocol = \"tcp\"; hash = \"no_source_port\";", SLUICE_VIP_NO_SOURCE_PORT},
		{"protocol = \"tcp\"; hash = \"destination_port\";", SLUICE_VIP_DEST_PORT},
		{"protocol = \"udp\"; track = \"moving\"; quic = \"katran\";",
		 SLUICE_VIP_QUIC | SLUICE_VIP_TRACK},
		{"protocol = \"udp\"; track = \"never\"; quic = \"quic-lb\";",
		 SLUICE_VIP_QUIC_LB | SLUICE_VIP_NO_TRACK},
		{"protocol = \"tcp\"; tcp_server_id = true;", SLUICE_VIP_TCP_ID | SLUICE_VIP_TRACK},
		{"protocol = \"udp\"; udp_stable = true;", SLUICE_VIP_UDP_ID | SLUICE_VIP_TRACK},
		{"protocol = \"tcp\"; allow = [ \"10.0.0.0/8\" ];",
		 SLUICE_VIP_ACCESS | SLUICE_VIP_DENY},
		{"protocol = \"tcp\"; deny = [ \"10.0.0.0/8\" ];", SLUICE_VIP_ACCESS},
		{"protocol = \"tcp\"; sources = ( { prefix = \"10.0.0.0/8\"; pool = \"web\"; } );",
		 SLUICE_VIP_SOURCES},
		{"protocol = \"tcp\"; hint = \"always\";", SLUICE_VIP_HINT_ALWAYS},
		{"protocol = \"tcp\"; hint = \"off\";", SLUICE_VIP_NO_HINT},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		char text[768];

		setup(NULL);
		snprintf(text, sizeof(text),
			 "interfaces = ( { name = \"eth0\"; } );\n"
			 "pools = ( { name = \"web\"; backends = ( " A " ); } );\n"
			 "vips = ( { name = \"www\"; address = \"192.0.2.1\"; port = 443;\n"
			 "  ring_size = 4093; pool = \"web\"; %s } );\n",
			 cases[i].vip);
		lab.model = fixture_model(text);
		build(NULL, NULL, NULL);
		if (lab.desired->vips[0].flags != cases[i].flags)
			print_message("%s\n", cases[i].vip);
		assert_int_equal(lab.desired->vips[0].flags, cases[i].flags);
		teardown(NULL);
	}
}

#define QUIET "track = \"never\"; hint = \"off\";"

/* Only what a config uses is compiled in. */
static void what_a_config_uses_becomes_features(void **state)
{
	static const struct {
		const char *more; /* at the top */
		const char *pool;
		const char *vip;
		uint32_t features;
	} cases[] = {
		{"", "", "address = \"192.0.2.1\"; port = 80; " QUIET, 0},
		{"", "", "address = \"192.0.2.1\"; port = 80;",
		 SLUICE_FEATURE_FLOWS | SLUICE_FEATURE_HINTS},
		{"", "", "address = \"192.0.2.1\"; port = 80; track = \"never\";",
		 SLUICE_FEATURE_HINTS},
		{"", "", "address = \"192.0.2.1\"; port = 0; " QUIET, SLUICE_FEATURE_ANY_PORT},
		{"", "", "address = \"192.0.2.0/24\"; port = 80; " QUIET, SLUICE_FEATURE_PREFIXES},
		{"", "", "address = \"2001:db8::1\"; port = 80; " QUIET, SLUICE_FEATURE_IPV6},
		{"decap = ( \"10.9.9.9\" );", "", "address = \"192.0.2.1\"; port = 80; " QUIET,
		 SLUICE_FEATURE_DECAP | SLUICE_FEATURE_IPV6},
		{"", "tunnel = { type = \"gue\"; source = \"10.0.0.9\"; };",
		 "address = \"192.0.2.1\"; port = 80; " QUIET, SLUICE_FEATURE_GUE},
		{"", "", "address = \"192.0.2.1\"; port = 80; " QUIET " tcp_server_id = true;",
		 SLUICE_FEATURE_IDS},
		{"", "",
		 "address = \"192.0.2.1\"; port = 80; " QUIET " deny = [ \"10.0.0.0/8\" "
		 "];",
		 SLUICE_FEATURE_ACCESS},
		{"", "",
		 "address = \"192.0.2.1\"; port = 80; " QUIET
		 "sources = ( { prefix = \"10.0.0.0/8\"; pool = \"web\"; } );",
		 SLUICE_FEATURE_SOURCES},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		char text[768];

		setup(NULL);
		snprintf(text, sizeof(text),
			 "interfaces = ( { name = \"eth0\"; } );\n%s\n"
			 "pools = ( { name = \"web\"; backends = ( " A " ); %s } );\n"
			 "vips = ( { name = \"www\"; protocol = \"tcp\"; pool = \"web\"; %s } );\n",
			 cases[i].more, cases[i].pool, cases[i].vip);
		lab.model = fixture_model(text);
		assert_int_equal(desired_settings(lab.model).features, cases[i].features);
		teardown(NULL);
	}
}

static void gue_is_in_the_records_of_its_pool(void **state)
{
	const struct sluice_backend *four, *six;
	struct sluice_addr source, source6;

	(void)state;
	lab.model =
		fixture_model("interfaces = ( { name = \"eth0\"; } );\n"
			      "pools = ( { name = \"web\"; backends = ( " A ",\n"
			      "  { name = \"six\"; address = \"2001:db8::1\"; } );\n"
			      "  tunnel = { type = \"gue\"; port = 9886; source = \"10.0.0.9\";\n"
			      "    source6 = \"2001:db8::9\"; }; } );\n");
	build(NULL, NULL, NULL);
	four = &lab.desired->backends[0].record;
	six = &lab.desired->backends[1].record;
	assert_int_equal(addr_parse(&source, "10.0.0.9") | addr_parse(&source6, "2001:db8::9"), 0);
	assert_int_equal(four->encap, SLUICE_ENCAP_GUE4);
	assert_int_equal(six->encap, SLUICE_ENCAP_GUE6);
	assert_int_equal(four->port, htons(9886));
	assert_int_equal(six->port, htons(9886));
	assert_true(addr_equal(&four->source, &source));
	assert_true(addr_equal(&six->source, &source6));
}

static void settings_and_room_follow_the_config(void **state)
{
	struct sluice_settings settings;
	struct maps_size size;

	(void)state;
	lab.model = fixture_model(
		"interfaces = ( { name = \"eth0\"; } );\n"
		"limits = { vips = 7; backends = 9; sources = 11; fragments = 64; };\n"
		"flows = { size = 4096; age_s = 60; };\n"
		"icmp = { echo_rate = 3; error_rate = 4; };\nhash_seed = 5;\n"
		"pools = ( { name = \"web\"; backends = ( " A " ); } );\n"
		"vips = ( { name = \"www\"; address = \"192.0.2.1\"; port = 80; protocol = "
		"\"tcp\";\n"
		"  pool = \"web\"; sources = ( { prefix = \"10.0.0.0/8\"; pool = \"web\"; },\n"
		"    { prefix = \"11.0.0.0/8\"; backend = \"a\"; } ); } );\n");
	settings = desired_settings(lab.model);
	assert_int_equal(settings.abi, SLUICE_ABI);
	assert_int_equal(settings.hash_seed, 5);
	assert_int_equal(settings.hash_seed6, 5);
	assert_int_equal(settings.echo_rate, 3);
	assert_int_equal(settings.error_rate, 4);
	assert_int_equal(settings.flow_lines, 512);
	assert_int_equal(settings.flow_age, 60000000000 / (1 << SLUICE_TICK_SHIFT) + 1);
	assert_int_equal(settings.secret[0] | settings.secret[1], 0);
	size = desired_size(lab.model);
	assert_int_equal(size.vips, 7);
	assert_int_equal(size.backends, 9);
	assert_int_equal(size.sources, 11);
	assert_int_equal(size.fragments, 64);
	assert_int_equal(size.ring_slots % SLUICE_LINE_SLOTS, 0);
	assert_true(size.ring_slots >= 2 * 65568); /* the VIP's ring and its target's */
}

/* ------------------------------------------------------------------------------ clients' targets */

static void clients_go_to_a_pools_ring_or_to_a_backend(void **state)
{
	const struct desired_target *t;

	(void)state;
	lab.model = fixture_model(
		"interfaces = ( { name = \"eth0\"; } );\n"
		"pools = ( { name = \"web\"; backends = ( " A " ); },\n"
		"  { name = \"api\"; backends = ( " B ", " C " ); } );\n"
		"vips = ( { name = \"one\"; address = \"192.0.2.1\"; port = 80; protocol = "
		"\"tcp\";\n"
		"    pool = \"web\"; ring_size = 4093; },\n"
		"  { name = \"two\"; address = \"192.0.2.1\"; port = 81; protocol = \"tcp\";\n"
		"    pool = \"web\"; ring_size = 4093;\n"
		"    sources = ( { prefix = \"10.0.0.0/8\"; pool = \"api\"; },\n"
		"      { prefix = \"11.0.0.0/8\"; pool = \"api\"; backend = \"c\"; },\n"
		"      { prefix = \"12.0.0.0/8\"; pool = \"api\"; } ); } );\n");
	build(NULL, NULL, NULL);
	assert_int_equal(lab.desired->n_targets, 2);
	assert_int_equal(lab.desired->vips[1].first_target, 0);
	t = lab.desired->targets;
	assert_int_equal(t[0].vip, 1);
	assert_int_equal(t[0].owners.first, 1);
	assert_int_equal(t[0].owners.ring->size, 4093);
	assert_int_equal(t[1].vip, 1);
	assert_null(t[1].owners.ring);
	assert_string_equal(lab.desired->backends[t[1].owners.first].backend->name, "c");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wishes_go_before_the_config),
		TEST(the_ring_follows_the_weights),
		cmocka_unit_test(ways_come_from_the_kernel_or_a_gateway),
		TEST(tags_of_the_way_are_in_the_record),
		cmocka_unit_test(ways_have_names),
		TEST(vips_have_their_pool),
		TEST(equal_rings_are_one),
		TEST(rings_that_do_not_change_are_not_built_anew),
		TEST(a_ring_lives_until_the_sweep_that_finds_it_unused),
		cmocka_unit_test(slots_that_move_have_an_old_and_a_new_owner),
		TEST(a_removed_backend_leaves_when_its_flows_have_settled),
		cmocka_unit_test(keys_of_a_vip_become_its_flags),
		cmocka_unit_test(what_a_config_uses_becomes_features),
		TEST(gue_is_in_the_records_of_its_pool),
		TEST(settings_and_room_follow_the_config),
		TEST(clients_go_to_a_pools_ring_or_to_a_backend),
	};

	return cmocka_run_group_tests_name("daemon/desired", tests, NULL, NULL);
}
