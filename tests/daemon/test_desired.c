/* SPDX-License-Identifier: MIT */
/*
 * Config, the operator's wishes, next hops and health in; records, flags, targets and rings out; who
 * owns a slot while its VIP moves.
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
	desired_health_fn *health;
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
		.health = lab.health,
		.health_ctx = &lab,
		.rings = &lab.rings,
	};

	desired_free(TAKE(lab.desired));
	assert_int_equal(desired_build(&lab.desired, &input), 0);
}

/* How many slots of a VIP's ring the backend owns. */
static unsigned int slots_of(size_t vip, size_t backend)
{
	const struct owners *o = &lab.desired->vips[vip].owners;
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

	if (backend == OWNERS_NOBODY)
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
		struct owners_slot s = owners_of(&lab.desired->vips[0].owners, i);

		cur[i] = owner_of(s.cur);
		other[i] = owner_of(s.other);
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

/* Those who left are there for their time, also while the move of the others goes on. */
static void a_removed_backend_is_gone_when_its_time_is_over(void **state)
{
	const struct owners *o;

	(void)state;
	load_web(A ", " B, WEB);
	follow(1);
	load_web(A, WEB);
	follow(2);
	build(NULL, NULL, NULL);
	assert_int_equal(lab.desired->n_backends, 3);
	follow(302);
	build(NULL, NULL, NULL);
	assert_int_equal(lab.desired->n_backends, 2);
	o = &lab.desired->vips[0].owners;
	assert_non_null(o->old);
	assert_int_equal(o->n_old, 2);
	assert_int_equal(o->old_members[0], 0);
	assert_true(o->old_serves[0]);
	assert_int_equal(o->old_members[1], OWNERS_NOBODY);
	assert_false(o->old_serves[1]);
}

static void a_drained_backend_serves_no_more_when_its_time_is_over(void **state)
{
	const struct owners *o;

	(void)state;
	load_web(A ", " B, WEB);
	follow(1);
	load_web(A ", " B_IS(DRAINING), WEB);
	follow(2);
	build(NULL, NULL, NULL);
	assert_true(lab.desired->vips[0].owners.old_serves[1]);
	follow(302);
	build(NULL, NULL, NULL);
	o = &lab.desired->vips[0].owners;
	assert_int_equal(o->old_members[1], 1);
	assert_false(o->old_serves[1]);
	/* It is not sent away: flows that are known are still its own. */
	assert_true(lab.desired->backends[1].record.flags & SLUICE_BACKEND_SERVING);
}

static void a_backend_that_was_disabled_does_not_serve_again(void **state)
{
	(void)state;
	load_web(A ", " B, WEB);
	follow(1);
	load_web(A ", " B_IS(DISABLED), WEB);
	follow(2);
	build(NULL, NULL, NULL);
	assert_false(lab.desired->vips[0].owners.old_serves[1]);
	assert_int_equal(lab.desired->backends[1].record.flags & SLUICE_BACKEND_SERVING, 0);
	load_web(A, WEB);
	follow(3);
	build(NULL, NULL, NULL);
	assert_int_equal(lab.desired->n_backends, 2);
	assert_false(lab.desired->vips[0].owners.old_serves[1]);
}

static void a_leaving_backend_has_the_number_that_it_had(void **state)
{
	(void)state;
	load_web(A ", " B, WEB);
	lab.model->pools[0].backends[1].hint = 4660;
	follow(1);
	load_web(A, WEB);
	follow(2);
	build(NULL, NULL, NULL);
	assert_true(lab.desired->backends[2].leaving);
	assert_int_equal(lab.desired->backends[2].record.hint, htons(4660));
}

/* A file of before has no numbers: the one of the address, as those had it. */
static void a_leaving_backend_without_a_number_has_its_address_s(void **state)
{
	uint16_t hint;

	(void)state;
	load_web(A ", " B, WEB);
	follow(1);
	build(NULL, NULL, NULL);
	hint = lab.desired->backends[1].record.hint;
	load_web(A, WEB);
	follow(2);
	lab.generations.vips[0].old.members[1].hint = 0;
	build(NULL, NULL, NULL);
	assert_int_equal(lab.desired->backends[2].record.hint, hint);
}

static void unknown_flows_are_the_owner_s_when_a_change_is_taken_back(void **state)
{
	const struct owners *o;

	(void)state;
	load_web(A ", " B, WEB);
	follow(1);
	load_web(A ", " B_IS(DRAINING), WEB);
	follow(2);
	build(NULL, NULL, NULL);
	assert_false(lab.desired->vips[0].owners.back);
	load_web(A ", " B, WEB);
	follow(3);
	build(NULL, NULL, NULL);
	o = &lab.desired->vips[0].owners;
	assert_true(o->back);
	for (uint32_t i = 0; i < 4093; i++) {
		struct owners_slot s = owners_of(o, i);

		assert_int_equal(s.keep, s.cur == 1);
		assert_int_equal(s.other, 0);
	}
}

static void a_settled_move_is_an_epoch_in_the_flags(void **state)
{
	static const struct {
		const char *vip;
		uint32_t flags; /* beside the epoch */
		uint32_t epoch;
	} cases[] = {
		{WEB, 0, 7},
		{WEB "hint = \"always\";", SLUICE_VIP_HINT_ALWAYS, 7},
		{WEB "track = \"never\";", SLUICE_VIP_NO_TRACK, 7},
		/* Where every flow is remembered, each stays so. */
		{WEB "track = \"always\";", SLUICE_VIP_TRACK, 0},
		{WEB "tcp_server_id = true;", SLUICE_VIP_TCP_ID | SLUICE_VIP_TRACK, 0},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		setup(NULL);
		load_web(A ", " B, cases[i].vip);
		follow(1);
		build(NULL, NULL, NULL);
		assert_int_equal(lab.desired->vips[0].flags, cases[i].flags);
		lab.generations.vips[0].epoch = 6;
		load_web(A ", " B_IS(HEAVY), cases[i].vip);
		follow(2);
		build(NULL, NULL, NULL);
		assert_int_equal(lab.desired->vips[0].flags,
				 cases[i].flags | (cases[i].epoch ? 6u << 24 : 0));
		generations_settle(&lab.generations, "www", 3);
		build(NULL, NULL, NULL);
		assert_int_equal(lab.desired->vips[0].flags, cases[i].flags | cases[i].epoch << 24);
		teardown(NULL);
	}
}

static const struct owners *target_owners(void)
{
	assert_int_equal(lab.desired->n_targets, 1);
	return &lab.desired->targets[0].owners;
}

#define API "pool = \"api\"; ring_size = 4093; "
#define TO_WEB API "sources = ( { prefix = \"10.0.0.0/8\"; pool = \"web\"; } );"

/* Clients that sources send to web, while the VIP itself is on api. */
static void a_ring_of_a_pool_in_sources_moves_by_itself(void **state)
{
	struct owners_slot s;
	unsigned int moved = 0;

	(void)state;
	load_web(A ", " B, TO_WEB);
	follow(1);
	build(NULL, NULL, NULL);
	assert_null(target_owners()->old);
	load_web(A, TO_WEB);
	follow(2);
	build(NULL, NULL, NULL);
	assert_null(lab.desired->vips[0].owners.old);
	assert_non_null(target_owners()->old);
	assert_int_equal(lab.desired->n_backends, 3);
	assert_true(lab.desired->backends[2].leaving);
	assert_string_equal(lab.desired->backends[2].backend->name, "b");
	for (uint32_t i = 0; i < 4093; i++) {
		s = owners_of(target_owners(), i);
		assert_int_equal(s.cur, 0);
		assert_true(s.other == 0 || s.other == 2);
		assert_int_equal(s.track, s.other == 2);
		moved += s.moved;
	}
	assert_in_range(moved, 2000, 2093);
	generations_settle(&lab.generations, "www", 3);
	build(NULL, NULL, NULL);
	assert_null(target_owners()->old);
	assert_int_equal(lab.desired->n_backends, 2);
}

/* ---------------------------------------------------------------------------------------- health */

/* "www a" of these are down for the VIP, "www b~" only just up; "!": only just down, "`": briefly, "?": new. */
static const char *const *ailments;

static struct desired_health health(const void *ctx, const struct model_vip *vip,
				    const struct model_pool *pool,
				    const struct model_backend *backend)
{
	struct desired_health found = {.up = true};

	assert_ptr_equal(ctx, &lab);
	assert_int_not_equal(pool->check.type, MODEL_CHECK_NONE);
	for (size_t i = 0; ailments[i]; i++) {
		const char *name = strchr(ailments[i], ' ') + 1;

		if (strncmp(ailments[i], vip->name, strlen(vip->name)) != 0 ||
		    name[0] != backend->name[0])
			continue;
		found.up = strchr(name, '~');
		found.recent = strpbrk(name, "~!`");
		found.brief = strchr(name, '`');
		found.unproven = strchr(name, '?');
	}
	return found;
}

/*
 * Backends of a pool with a check, behind www and api; clients of that one go to "plain", without a
 * check, and to "far", with one.
 */
static void load_judged(const char *backends, const char *vip)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "interfaces = ( { name = \"eth0\"; } );\n"
		 "pools = ( { name = \"web\"; backends = ( %s ); },\n"
		 "  { name = \"plain\"; backends = ( { name = \"d\"; address = \"10.0.0.4\"; } ); "
		 "},\n"
		 "  { name = \"far\"; backends = ( { name = \"e\"; address = \"10.0.0.5\"; },\n"
		 "    { name = \"f\"; address = \"10.0.0.6\"; } ); } );\n"
		 "vips = ( { name = \"www\"; address = \"192.0.2.1\"; port = 80;\n"
		 "  protocol = \"tcp\"; pool = \"web\"; ring_size = 4093; %s },\n"
		 "  { name = \"api\"; address = \"192.0.2.1\"; port = 81; protocol = \"tcp\";\n"
		 "  pool = \"web\"; ring_size = 4093;\n"
		 "  sources = ( { prefix = \"10.0.0.0/9\"; pool = \"plain\"; },\n"
		 "    { prefix = \"10.128.0.0/9\"; pool = \"far\"; } ); } );\n",
		 backends, vip);
	model_free(TAKE(lab.model));
	lab.model = fixture_model(text);
	lab.model->pools[0].panic = lab.model->pools[2].panic = 0;
	lab.model->pools[0].check.type = MODEL_CHECK_TCP;
	lab.model->pools[2].check.type = MODEL_CHECK_TCP;
	lab.health = health;
}

static void build_ill(const char *const *ill)
{
	ailments = ill;
	build(NULL, NULL, NULL);
}

#define ILL(...) ((const char *const[]){__VA_ARGS__, NULL})

/* How many slots lead to the backend, as things stand. */
static unsigned int led_to(const struct owners *o, uint32_t backend)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < o->ring->size; i++)
		n += owners_of(o, i).cur == backend;
	return n;
}

static bool serves(size_t backend)
{
	const struct desired_backend *b = &lab.desired->backends[backend];

	assert_int_equal(b->up, !!(b->record.flags & SLUICE_BACKEND_SERVING));
	return b->up;
}

static void each_vip_has_its_own_view_of_a_backend(void **state)
{
	const struct owners *www, *api;

	(void)state;
	load_judged(A ", " B ", " C, "");
	build_ill(ILL("www a"));
	www = &lab.desired->vips[0].owners;
	api = &lab.desired->vips[1].owners;
	assert_int_equal(www->standing[0], 0);
	assert_int_equal(www->standing[1], OWNERS_UP);
	assert_int_equal(api->standing[0], OWNERS_UP);
	assert_ptr_equal(www->ring, api->ring); /* as if all were up */
	assert_int_equal(www->ring->ranks, RING_RANKS);
	assert_int_equal(led_to(www, 0), 0);
	assert_in_range(led_to(api, 0), 1300, 1400);
	for (uint32_t i = 0; i < 4093; i++)
		assert_int_equal(owners_of(www, i).cur,
				 www->ring->owner[www->ring->owner[0][i] == 0][i]);
	/* One VIP may send it flows. */
	assert_true(serves(0));
	assert_true(lab.desired->backends[0].judged);
	assert_false(www->panic);
}

static void a_backend_that_no_vip_sees_up_does_not_serve(void **state)
{
	(void)state;
	load_judged(A ", " B ", " C, "");
	build_ill(ILL("www a", "api a", "api b", "www c"));
	assert_false(serves(0));
	assert_true(serves(1));
	assert_true(serves(2));
	build_ill(ILL("www a", "www b", "www c", "api a", "api b", "api c"));
	assert_false(serves(0) || serves(1) || serves(2));
	assert_int_equal(led_to(&lab.desired->vips[0].owners, OWNERS_NOBODY), 4093);
	build_ill(ILL(NULL));
	assert_true(serves(0) && serves(1) && serves(2));
}

static void a_disabled_backend_does_not_serve_though_it_is_up(void **state)
{
	(void)state;
	load_judged(A_IS(DISABLED) ", " B ", " C, "");
	build_ill(ILL(NULL));
	assert_true(lab.desired->backends[0].up);
	assert_int_equal(lab.desired->backends[0].record.flags & SLUICE_BACKEND_SERVING, 0);
}

static void pools_without_a_check_stay_up(void **state)
{
	(void)state;
	load_judged(A ", " B ", " C, "");
	build_ill(ILL("api d")); /* nobody asks */
	assert_false(lab.desired->backends[3].judged);
	assert_true(serves(3));
	assert_null(lab.desired->targets[0].owners.standing);
	assert_int_equal(led_to(&lab.desired->targets[0].owners, 3), 4093);
	/* Without a judge all are up. */
	lab.health = NULL;
	build_ill(ILL("www a", "api a"));
	assert_false(lab.desired->backends[0].judged);
	assert_true(serves(0));
	assert_null(lab.desired->vips[0].owners.standing);
}

static void pools_in_sources_are_judged_too(void **state)
{
	const struct owners *far;

	(void)state;
	load_judged(A ", " B ", " C, "");
	build_ill(ILL("api e"));
	far = &lab.desired->targets[1].owners;
	assert_int_equal(far->first, 4);
	assert_int_equal(far->standing[0], 0);
	assert_int_equal(led_to(far, 5), 4093);
	assert_true(lab.desired->backends[4].judged);
	assert_false(serves(4));
	assert_true(serves(5));
}

static void what_happened_lately_is_in_the_standing(void **state)
{
	const struct owners *www;

	(void)state;
	load_judged(A ", " B ", " C, "");
	build_ill(ILL("www a~", "www b!", "www c~`"));
	www = &lab.desired->vips[0].owners;
	assert_int_equal(www->standing[0], OWNERS_UP | OWNERS_RECENT);
	assert_int_equal(www->standing[1], OWNERS_RECENT);
	assert_int_equal(www->standing[2], OWNERS_UP | OWNERS_RECENT | OWNERS_BRIEF);
	assert_int_equal(lab.desired->vips[1].owners.standing[0], OWNERS_UP);
}

/* Below `panic` percent of the weight. Weights: a 100, b 100, c 300. */
static void too_few_that_are_up_are_a_panic(void **state)
{
	static const struct {
		const char *a; /* more of a */
		unsigned int panic;
		const char *down; /* of these letters */
		const char *used; /* only because of it */
	} cases[] = {
		{"", 0, "abc", ""},
		{"", 1, "abc", "abc"},
		{"", 50, "a", ""},
		{"", 50, "c", "c"},
		{"", 40, "c", ""}, /* just enough */
		{"", 41, "c", "c"},
		{"", 20, "bc", ""},
		{"", 21, "bc", "bc"},
		{"", 100, "a", "a"},
		{"", 100, "", ""},
		/* One that drains counts for nothing, but keeps its flows. */
		{DRAINING, 26, "ac", "ac"},
		{DRAINING, 25, "ac", ""},
		/* One that is out is not used. */
		{DISABLED, 26, "ac", "c"},
		{FILLING, 21, "bc", "bc"},
		{FILLING, 20, "bc", ""},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		const char *ill[4] = {NULL};
		static const char *const down[] = {"www a", "www b", "www c"};
		const struct owners *www;
		char text[256];
		size_t n = 0;

		setup(NULL);
		snprintf(text, sizeof(text),
			 "{ name = \"a\"; address = \"10.0.0.1\"; %s }, " B ", " C_IS(HEAVY),
			 cases[i].a);
		load_judged(text, "");
		lab.model->pools[0].panic = cases[i].panic;
		for (const char *d = cases[i].down; *d; d++)
			ill[n++] = down[*d - 'a'];
		build_ill(ill);
		www = &lab.desired->vips[0].owners;
		for (int m = 0; m < 3; m++) {
			bool is_down = strchr(cases[i].down, 'a' + m);
			bool used = strchr(cases[i].used, 'a' + m);
			unsigned int expected = used      ? OWNERS_UP | OWNERS_PANIC
						: is_down ? 0
							  : OWNERS_UP;

			if (www->standing[m] != expected)
				fail_msg("case %zu: %c is %x", i, 'a' + m, www->standing[m]);
		}
		assert_int_equal(www->panic, *cases[i].used != '\0');
		assert_false(lab.desired->vips[1].owners.panic);
		teardown(NULL);
	}
}

/* Weights: a 100, b 100, c 300. */
static void new_ones_are_no_reason_for_a_panic(void **state)
{
	static const struct {
		const char *ill[4];
		unsigned int panic;
		const char *up, *used; /* of a, b and c; only because of a panic */
	} cases[] = {
		{{"www c?"}, 100, "ab", ""},
		{{"www a", "www c?"}, 50, "b", ""},
		{{"www a", "www c?"}, 51, "b", "a"},
		{{"www a", "www b", "www c?"}, 1, "", "abc"}, /* there is nobody else */
		{{"www a", "www b", "www c?"}, 0, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		const uint8_t *standing;

		setup(NULL);
		load_judged(A ", " B ", " C_IS(HEAVY), "");
		lab.model->pools[0].panic = cases[i].panic;
		build_ill(cases[i].ill);
		standing = lab.desired->vips[0].owners.standing;
		for (int m = 0; m < 3; m++) {
			bool used = strchr(cases[i].used, 'a' + m);
			bool up = used || strchr(cases[i].up, 'a' + m);

			if (!(standing[m] & OWNERS_UP) == up ||
			    !(standing[m] & OWNERS_PANIC) == used)
				fail_msg("case %zu: %c is %x", i, 'a' + m, standing[m]);
		}
		teardown(NULL);
	}
}

static void a_backend_used_in_panic_serves(void **state)
{
	(void)state;
	load_judged(A ", " B ", " C, "");
	lab.model->pools[0].panic = 50;
	build_ill(ILL("www a", "www b", "api a", "api b"));
	assert_true(serves(0) && serves(1) && serves(2));
	assert_false(lab.desired->backends[0].well); /* as people are told */
	assert_true(lab.desired->backends[2].well);
	assert_in_range(led_to(&lab.desired->vips[0].owners, 0), 1300, 1400);
}

/* As Katran does it: the ring is made of those that are up. */
static void a_ring_may_be_built_anew_without_those_that_are_down(void **state)
{
	const struct owners *www, *api;

	(void)state;
	load_judged(A ", " B ", " C, "failover = \"rebuild\";");
	build_ill(ILL(NULL));
	assert_int_equal(lab.desired->vips[0].owners.ring->ranks, 1);
	assert_in_range(slots_of(0, 0), 1300, 1400);
	build_ill(ILL("www a", "api a"));
	www = &lab.desired->vips[0].owners;
	api = &lab.desired->vips[1].owners;
	assert_int_equal(slots_of(0, 0), 0);
	assert_in_range(slots_of(0, 1), 2000, 2093);
	assert_int_equal(slots_of(0, 1) + slots_of(0, 2), 4093);
	assert_in_range(slots_of(1, 0), 1300, 1400); /* fails over by rank */
	assert_int_equal(led_to(www, 0) + led_to(api, 0), 0);
	assert_false(serves(0));
	/* In panic it is the whole ring again. */
	lab.model->pools[0].panic = 90;
	build_ill(ILL("www a"));
	assert_in_range(slots_of(0, 0), 1300, 1400);
}

static void old_owners_that_are_down_get_no_flows_back(void **state)
{
	unsigned int from_b = 0, from_a = 0;
	const struct owners *www, *api;

	(void)state;
	load_judged(A ", " B ", " C, "");
	follow(1);
	load_judged(A ", " B ", " C_IS(HEAVY), "");
	follow(2);
	build_ill(ILL("www b"));
	www = &lab.desired->vips[0].owners;
	api = &lab.desired->vips[1].owners;
	assert_true(www->old_serves[0] && !www->old_serves[1] && www->old_serves[2]);
	assert_true(api->old_serves[0] && api->old_serves[1] && api->old_serves[2]);
	for (uint32_t i = 0; i < 4093; i++) {
		struct owners_slot s = owners_of(www, i);

		assert_int_not_equal(s.cur, 1);
		assert_int_not_equal(s.other, 1);
		if (www->old->owner[0][i] == 1)
			from_b += s.track;
		from_a += s.other == 0 && s.cur == 2;
	}
	assert_true(from_b > 0 && from_a > 0);
}

/* Nobody asks how one is that is no longer in the config. */
static void backends_that_leave_a_judged_pool_serve(void **state)
{
	(void)state;
	load_judged(A ", " B ", " C, "");
	follow(1);
	load_judged(A ", " B, "");
	follow(2);
	build_ill(ILL("www c", "api c"));
	assert_int_equal(lab.desired->n_backends, 6);
	assert_true(lab.desired->backends[5].leaving);
	assert_true(serves(5));
	assert_true(lab.desired->vips[0].owners.old_serves[2]);
	assert_int_equal(lab.desired->vips[0].owners.old_members[2], 5);
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
	assert_int_equal(settings.tcp_age, 3600000000000 / (1 << SLUICE_TICK_SHIFT) + 1);
	lab.model->tcp_age_s = 61;
	assert_int_equal(desired_settings(lab.model).tcp_age,
			 61000000000 / (1 << SLUICE_TICK_SHIFT) + 1);
	lab.model->tcp_age_s = 59; /* at least as long as others */
	assert_int_equal(desired_settings(lab.model).tcp_age, settings.flow_age);
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
		TEST(a_removed_backend_is_gone_when_its_time_is_over),
		TEST(a_drained_backend_serves_no_more_when_its_time_is_over),
		TEST(a_backend_that_was_disabled_does_not_serve_again),
		TEST(a_leaving_backend_has_the_number_that_it_had),
		TEST(a_leaving_backend_without_a_number_has_its_address_s),
		TEST(unknown_flows_are_the_owner_s_when_a_change_is_taken_back),
		cmocka_unit_test(a_settled_move_is_an_epoch_in_the_flags),
		TEST(a_ring_of_a_pool_in_sources_moves_by_itself),
		TEST(each_vip_has_its_own_view_of_a_backend),
		TEST(a_backend_that_no_vip_sees_up_does_not_serve),
		TEST(a_disabled_backend_does_not_serve_though_it_is_up),
		TEST(pools_without_a_check_stay_up),
		TEST(pools_in_sources_are_judged_too),
		TEST(what_happened_lately_is_in_the_standing),
		cmocka_unit_test(too_few_that_are_up_are_a_panic),
		cmocka_unit_test(new_ones_are_no_reason_for_a_panic),
		TEST(a_backend_used_in_panic_serves),
		TEST(a_ring_may_be_built_anew_without_those_that_are_down),
		TEST(old_owners_that_are_down_get_no_flows_back),
		TEST(backends_that_leave_a_judged_pool_serve),
		cmocka_unit_test(keys_of_a_vip_become_its_flags),
		cmocka_unit_test(what_a_config_uses_becomes_features),
		TEST(gue_is_in_the_records_of_its_pool),
		TEST(settings_and_room_follow_the_config),
		TEST(clients_go_to_a_pools_ring_or_to_a_backend),
	};

	return cmocka_run_group_tests_name("daemon/desired", tests, NULL, NULL);
}
