/* SPDX-License-Identifier: MIT */
/*
 * Plans between worlds that live in arrays. A world as desired is one line of text, a plan another
 * one, so a case reads: after these, that is wanted, and these are the steps.
 *
 * Desired: pools, a bar, VIPs. "web=a1,b2@5,c3! | 80:web:13" is a pool "web" with the backends a
 * (10.0.0.1), b (10.0.0.2, which is reached by device 5) and c (10.0.0.3, draining), and a VIP on
 * port 80/tcp ("80u": udp) with that pool and a ring of 13 slots, which takes 16.
 *
 * Steps: "+dev5" and "-dev5"; "new1:web/a" and "set1:web/a", backend id 1, with a fresh id or not;
 * "-1"; "ring@16" a ring at slot 16, with "!" when it is live; "newvip80#1@16" and "vip80#1@16",
 * VIP id 1 with its ring at slot 16; "-vip80".
 */
#include "daemon/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/fixture.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define POOLS_MAX 3
#define BACKENDS_MAX 6
#define VIPS_MAX 6
#define IDS_MAX 64
#define SLOTS_MAX 4096
#define DEVICES_MAX 8

/* --------------------------------------------------------------------------------- what is wanted */

struct wanted {
	struct model model;
	struct model_interface interface;
	struct model_pool pools[POOLS_MAX];
	struct model_backend backends[POOLS_MAX][BACKENDS_MAX];
	struct model_vip vips[VIPS_MAX];
	char names[POOLS_MAX * (BACKENDS_MAX + 1) + VIPS_MAX][16];
	size_t n_names;
	unsigned int device[256]; /* by the last byte of a backend's address */
};

static struct sluice_addr address(unsigned int last)
{
	struct in_addr addr = {.s_addr = htonl(0x0a000000 | last)};

	return addr_from_bytes(AF_INET, &addr);
}

static char *keep_name(struct wanted *w, const char *name)
{
	char *kept = w->names[w->n_names++];

	assert_true(w->n_names <= N(w->names) && strlen(name) < sizeof(w->names[0]));
	return strcpy(kept, name);
}

/* "a1@5!" */
static void parse_backend(struct wanted *w, struct model_pool *pool, const char *text)
{
	struct model_backend *backend = &pool->backends[pool->n_backends++];
	unsigned int last, device = 0;
	char name[2];

	assert_true(pool->n_backends <= BACKENDS_MAX);
	assert_true(sscanf(text, "%1[a-z]%u@%u", name, &last, &device) >= 2);
	w->device[last] = device;
	*backend = (struct model_backend){
		.name = keep_name(w, name),
		.address = address(last),
		.weight = 100,
		.state = strchr(text, '!') ? MODEL_STATE_DRAINING : MODEL_STATE_ACTIVE,
	};
}

/* "web=a1,b2" */
static void parse_pool(struct wanted *w, char *text)
{
	struct model_pool *pool = &w->pools[w->model.n_pools];
	char *save = NULL, *backends = strchr(text, '=');

	assert_non_null(backends);
	assert_true(w->model.n_pools < POOLS_MAX);
	*backends++ = '\0';
	*pool = (struct model_pool){
		.name = keep_name(w, text),
		.backends = w->backends[w->model.n_pools++],
	};
	for (char *b = strtok_r(backends, ",", &save); b; b = strtok_r(NULL, ",", &save))
		parse_backend(w, pool, b);
}

/* "80u:web:13" */
static void parse_vip(struct wanted *w, const char *text)
{
	struct model_vip *vip = &w->vips[w->model.n_vips++];
	char pool[16];
	unsigned int port, size;
	char proto[2] = "t";

	assert_true(w->model.n_vips <= VIPS_MAX);
	assert_true(sscanf(text, "%u:%15[a-z]:%u", &port, pool, &size) == 3 ||
		    sscanf(text, "%u%1[u]:%15[a-z]:%u", &port, proto, pool, &size) == 4);
	*vip = (struct model_vip){
		.name = keep_name(w, text),
		.address = address(200),
		.port = (uint16_t)port,
		.protocol = *proto == 'u' ? IPPROTO_UDP : IPPROTO_TCP,
		.pool = model_find_pool(&w->model, pool),
		.maglev = MODEL_MAGLEV_V2,
		.ring_size = size,
	};
	assert_non_null(vip->pool);
}

static void wanted_init(struct wanted *w)
{
	*w = (struct wanted){.interface = {.name = "eth0"}};
	w->model.interfaces = &w->interface;
	w->model.n_interfaces = 1;
	w->model.pools = w->pools;
	w->model.vips = w->vips;
}

static void parse(struct wanted *w, const char *text)
{
	char copy[256], *save = NULL;
	bool vips = false;

	wanted_init(w);
	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (strcmp(word, "|") == 0)
			vips = true;
		else if (vips)
			parse_vip(w, word);
		else
			parse_pool(w, word);
	}
}

static bool nexthop(const void *ctx, const struct sluice_addr *addr, struct link_nexthop *out)
{
	const struct wanted *w = ctx;
	unsigned int last = ntohl(addr->w[3]) & 0xff;

	*out = (struct link_nexthop){
		.state = LINK_READY,
		.ifindex = w->device[last],
		.mtu = 1500,
		.mac = {2, 0, 0, 0, 0, (uint8_t)last},
	};
	return true;
}

/* ------------------------------------------------------------------------------------- the world */

static struct world {
	struct sluice_backend backends[IDS_MAX];
	struct sluice_name names[IDS_MAX];
	struct running_vip vips[2 * VIPS_MAX]; /* before the old ones are gone */
	uint32_t slots[SLOTS_MAX];
	uint32_t devices[DEVICES_MAX];
	struct running running;
	struct ring_cache rings;
	struct wanted wanted; /* what `desired` refers to */
	struct desired *desired;
	struct plan *plan;
	struct diag diag;
} world;

static int setup(void **state)
{
	(void)state;
	world = (struct world){.running = {.n_ids = 8,
					   .max_vips = 4,
					   .n_slots = 256,
					   .max_devices = 4,
					   .backends = world.backends,
					   .names = world.names,
					   .vips = world.vips,
					   .slots = world.slots,
					   .devices = world.devices}};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	plan_free(TAKE(world.plan));
	desired_free(TAKE(world.desired));
	ring_cache_fini(&world.rings);
	diag_fini(&world.diag);
	return 0;
}

/* Plans for what is in world.wanted. */
static int make_plan(void)
{
	const struct wishes none = {0};
	const struct desired_port port = {.ifindex = 1, .mtu = 1500};
	const struct desired_input input = {
		.model = &world.wanted.model,
		.wishes = &none,
		.ports = &port,
		.nexthop = nexthop,
		.nexthop_ctx = &world.wanted,
		.rings = &world.rings,
	};

	plan_free(TAKE(world.plan));
	desired_free(TAKE(world.desired));
	assert_int_equal(desired_build(&world.desired, &input), 0);
	return plan_build(&world.plan, &world.running, world.desired, &world.diag);
}

static int try_plan(const char *text)
{
	parse(&world.wanted, text);
	return make_plan();
}

static struct running_vip *find_vip(const struct sluice_vip_key *key)
{
	for (size_t i = 0; i < world.running.n_vips; i++)
		if (memcmp(&world.vips[i].key, key, sizeof(*key)) == 0)
			return &world.vips[i];
	return NULL;
}

static void apply_device(uint32_t ifindex, bool add)
{
	size_t n = 0;

	for (size_t i = 0; i < world.running.n_devices; i++) {
		if (world.devices[i] != ifindex)
			world.devices[n++] = world.devices[i];
		else
			assert_false(add);
	}
	assert_int_equal(n == world.running.n_devices, add);
	if (add)
		world.devices[n++] = ifindex;
	assert_true(n <= world.running.max_devices);
	world.running.n_devices = n;
}

static void apply_vip(const struct plan_step *step)
{
	struct running_vip *vip = find_vip(&step->key);

	if (step->kind == PLAN_VIP_DELETE) {
		assert_non_null(vip);
		*vip = world.vips[--world.running.n_vips];
		return;
	}
	assert_int_equal(step->fresh, !vip);
	if (!vip)
		vip = &world.vips[world.running.n_vips++];
	assert_true(world.running.n_vips <= world.running.max_vips);
	*vip = (struct running_vip){.key = step->key, .value = step->vip};
}

static void apply_step(const struct plan_step *step)
{
	switch (step->kind) {
	case PLAN_DEVICE_ADD:
	case PLAN_DEVICE_DELETE:
		apply_device(step->id, step->kind == PLAN_DEVICE_ADD);
		break;
	case PLAN_BACKEND_SET:
	case PLAN_BACKEND_CLEAR:
		assert_in_range(step->id, 1, world.running.n_ids - 1);
		world.backends[step->id] = step->backend;
		world.names[step->id] = step->name;
		break;
	case PLAN_RING_WRITE:
		assert_true(step->ring.base + step->ring.ring->size <= world.running.n_slots);
		for (uint32_t i = 0; i < step->ring.ring->size; i++)
			world.slots[step->ring.base + i] = plan_slot(world.plan, &step->ring, i);
		break;
	case PLAN_VIP_SET:
	case PLAN_VIP_DELETE:
		apply_vip(step);
		break;
	}
}

/* At each moment a packet of a VIP finds a backend that exists, on a device that is there. */
static void check_moment(void)
{
	for (size_t v = 0; v < world.running.n_vips; v++) {
		const struct sluice_vip *vip = &world.vips[v].value;

		for (uint32_t i = 0; i < vip->ring_size; i++) {
			uint32_t id = SLUICE_SLOT_CUR(world.slots[vip->ring + i]);
			uint32_t device = world.backends[id].ifindex;
			bool found = !device;

			if (!id)
				continue;
			assert_int_equal(world.backends[id].encap, SLUICE_ENCAP_IPIP);
			for (size_t d = 0; d < world.running.n_devices; d++)
				found = found || world.devices[d] == device;
			assert_true(found);
		}
	}
}

static void apply(void)
{
	for (size_t i = 0; i < world.plan->n_steps; i++) {
		apply_step(&world.plan->steps[i]);
		check_moment();
	}
}

/* ----------------------------------------------------------------------------------------- words */

static const char *vip_text(const struct sluice_vip_key *key)
{
	static char text[16];

	snprintf(text, sizeof(text), "%u%s", ntohs(key->port),
		 key->proto == IPPROTO_UDP ? "u" : "");
	return text;
}

static void print_step(FILE *out, const struct plan_step *s)
{
	switch (s->kind) {
	case PLAN_DEVICE_ADD:
		fprintf(out, "+dev%u ", s->id);
		break;
	case PLAN_BACKEND_SET:
		fprintf(out, "%s%u:%s/%s ", s->fresh ? "new" : "set", s->id, s->name.pool,
			s->name.backend);
		break;
	case PLAN_RING_WRITE:
		fprintf(out, "ring@%u%s ", s->ring.base, s->ring.live ? "!" : "");
		break;
	case PLAN_VIP_SET:
		fprintf(out, "%svip%s#%u@%u ", s->fresh ? "new" : "", vip_text(&s->key), s->vip.id,
			s->vip.ring);
		break;
	case PLAN_VIP_DELETE:
		fprintf(out, "-vip%s ", vip_text(&s->key));
		break;
	case PLAN_BACKEND_CLEAR:
		fprintf(out, "-%u ", s->id);
		break;
	case PLAN_DEVICE_DELETE:
		fprintf(out, "-dev%u ", s->id);
		break;
	}
}

static void assert_steps(const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (size_t i = 0; i < world.plan->n_steps; i++)
		print_step(out, &world.plan->steps[i]);
	fclose(out);
	if (size)
		text[size - 1] = '\0';
	assert_string_equal(text, expected);
	free(text);
}

/* Plans and applies. */
static void become(const char *text)
{
	fixture_check(try_plan(text), &world.diag);
	apply();
}

/* ----------------------------------------------------------------------------------------- tests */

static const struct step_case {
	const char *before[3];
	const char *wanted;
	const char *steps;
} step_cases[] = {
	/* From nothing: in the order in which things need each other. */
	{{""}, "", ""},
	{{""}, "web=a1", "new1:web/a"},
	{{""}, "web= | 80:web:13", "newvip80#1@0"},
	{{""},
	 "web=a1@5,b2@6,c3@5 api=d4 | 80:web:13 80u:api:13",
	 "+dev5 +dev6 new1:web/a new2:web/b new3:web/c new4:api/d "
	 "ring@0 newvip80#1@0 ring@16 newvip80u#2@16"},
	/* Nothing to do. */
	{{"web=a1@5,b2 | 80:web:13"}, "web=a1@5,b2 | 80:web:13", ""},
	{{"web=a1 api=b2 | 80:web:13 81:api:13"}, "api=b2 web=a1 | 81:api:13 80:web:13", ""},
	/* To nothing: in reverse. */
	{{"web=a1@5,b2 | 80:web:13 81:web:13"}, "", "-vip80 -vip81 -1 -2 -dev5"},
	/* A backend more, a backend less. */
	{{"web=a1 | 80:web:13"}, "web=a1,b2 | 80:web:13", "new2:web/b ring@0!"},
	{{"web=a1 | 80:web:13"}, "web=b2,a1 | 80:web:13", "new2:web/b ring@0!"},
	{{"web=a1,b2 | 80:web:13"}, "web=b2 | 80:web:13", "ring@0! -1"},
	{{"web=a1,b2 | 80:web:13 81:web:31"},
	 "web=b2 | 80:web:13 81:web:31",
	 "ring@0! ring@16! -1"},
	/* Another one in its place: the id that is leaving is not given away yet. */
	{{"web=a1,b2 | 80:web:13"}, "web=a1,c3 | 80:web:13", "new3:web/c ring@0! -2"},
	{{"web=a1,b2 | 80:web:13", "web=a1 | 80:web:13"},
	 "web=a1,c3 | 80:web:13",
	 "new2:web/c ring@0!"},
	/* Who is who: pool and address, not the name. */
	{{"web=a1,b2 | 80:web:13"}, "web=x1,b2 | 80:web:13", "set1:web/x"},
	{{"web=a1,b2 | 80:web:13"}, "web=b1,a2 | 80:web:13", "set1:web/b set2:web/a"},
	{{"web=a1 | 80:web:13"}, "api=a1 | 80:api:13", "new2:api/a ring@0! -1"},
	{{"web=a1 api=a1 | 80:web:13"}, "web=a1 api=a1 | 80:api:13", "ring@0!"},
	{{"web=a1 | 80:web:13"}, "web=a2 | 80:web:13", "new2:web/a ring@0! -1"},
	/* Draining leaves the ring, and stays a backend. */
	{{"web=a1,b2 | 80:web:13"}, "web=a1!,b2 | 80:web:13", "ring@0!"},
	/* Devices. */
	{{"web=a1,b2"}, "web=a1@5,b2@5", "+dev5 set1:web/a set2:web/b"},
	{{"web=a1@5,b2@5"}, "web=a1@5,b2@6", "+dev6 set2:web/b"},
	{{"web=a1@5,b2@6"}, "web=a1@6,b2@6", "set1:web/a -dev5"},
	/* VIPs. */
	{{"web=a1 | 80:web:13"}, "web=a1 | 80:web:13 81:web:13", "ring@16 newvip81#2@16"},
	{{"web=a1 | 80:web:13 81:web:13"}, "web=a1 | 81:web:13", "-vip80"},
	{{"web=a1 | 80:web:13"}, "web=a1 | 80u:web:13", "ring@16 newvip80u#2@16 -vip80"},
	/* Another pool for a VIP: its ring stays where it is. */
	{{"web=a1 api=b2 | 80:web:13"}, "web=a1 api=b2 | 80:api:13", "ring@0!"},
	/* Another size: written to another place, then the VIP moves. */
	{{"web=a1 | 80:web:13"}, "web=a1 | 80:web:17", "ring@16 vip80#1@16"},
	{{"web=a1 | 80:web:13 81:web:13"}, "web=a1 | 80:web:11 81:web:13", "ring@32 vip80#1@32"},
	/* A gap is used again: by what fits; its old content is not written twice. */
	{{"web=a1 | 80:web:13 81:web:13", "web=a1 | 81:web:13"},
	 "web=a1 | 81:web:13 82:web:13",
	 "newvip82#1@0"},
	{{"web=a1,b2 | 80:web:13 81:web:13", "web=a1,b2 | 81:web:13"},
	 "web=a1 | 81:web:13 82:web:13",
	 "ring@16! ring@0 newvip82#1@0 -2"},
	{{"web=a1 | 80:web:13 81:web:13", "web=a1 | 81:web:13"},
	 "web=a1 | 81:web:13 82:web:17",
	 "ring@32 newvip82#1@32"},
	{{"web=a1 | 80:web:31 81:web:13", "web=a1 | 81:web:13"},
	 "web=a1 | 81:web:13 82:web:13 83:web:13",
	 "newvip82#1@0 newvip83#3@16"},
};

static void steps_are_those_that_are_needed(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(step_cases); i++) {
		const struct step_case *c = &step_cases[i];

		setup(NULL);
		for (size_t b = 0; b < N(c->before) && c->before[b]; b++)
			become(c->before[b]);
		fixture_check(try_plan(c->wanted), &world.diag);
		assert_steps(c->steps);
		apply();
		fixture_check(try_plan(c->wanted), &world.diag);
		assert_steps("");
		teardown(NULL);
	}
}

/* What is written where, in full, once. */
static void values_are_written_in_full(void **state)
{
	const struct sluice_vip_key key = {
		.addr = address(200), .port = htons(80), .proto = IPPROTO_TCP};
	const struct sluice_vip vip = {
		.id = 1, .ring = 0, .ring_size = 13, .ring_inv = (uint32_t)(0x100000000 / 13)};
	const struct sluice_backend backend = {
		.addr = address(1),
		.dmac = {2, 0, 0, 0, 0, 1},
		.ifindex = 5,
		.mtu = 1500,
		.encap = SLUICE_ENCAP_IPIP,
		.flags = SLUICE_BACKEND_NEXTHOP,
		.generation = 1,
	};
	const struct sluice_name name = {.pool = "web", .backend = "a"};
	const struct sluice_backend gone = {.generation = 1};
	const struct sluice_name nameless = {0};
	unsigned int owned[3] = {0};

	(void)state;
	become("web=a1@5,b2 | 80:web:13");
	assert_int_equal(world.plan->backend_ids[0], 1);
	assert_int_equal(world.plan->backend_ids[1], 2);
	assert_int_equal(world.plan->vip_ids[0], 1);
	assert_int_equal(world.plan->slots, 13);
	assert_memory_equal(&world.vips[0].key, &key, sizeof(key));
	assert_memory_equal(&world.vips[0].value, &vip, sizeof(vip));
	assert_memory_equal(&world.backends[1], &backend, sizeof(backend));
	assert_memory_equal(&world.names[1], &name, sizeof(name));
	for (int i = 0; i < 13; i++) {
		uint32_t id = world.plan->backend_ids[world.desired->vips[0].ring->owner[0][i]];

		assert_int_equal(world.slots[i], SLUICE_SLOT(id, id, false));
		owned[id]++;
	}
	assert_true(owned[1] >= 6 && owned[2] >= 6);
	assert_int_equal(world.slots[13], 0);
	world.desired->vips[0].flags = 5;
	plan_free(TAKE(world.plan));
	fixture_check(plan_build(&world.plan, &world.running, world.desired, &world.diag),
		      &world.diag);
	assert_steps("vip80#1@0");
	assert_int_equal(world.plan->steps[0].vip.flags, 5);
	become("web=b2 | 80:web:13");
	assert_int_equal(world.plan->slots, owned[1]);
	assert_memory_equal(&world.backends[1], &gone, sizeof(gone));
	assert_memory_equal(&world.names[1], &nameless, sizeof(nameless));
}

static void a_recycled_id_has_a_higher_generation(void **state)
{
	(void)state;
	become("web=a1");
	assert_int_equal(world.backends[1].generation, 1);
	become("web=x1");
	assert_int_equal(world.backends[1].generation, 1);
	for (unsigned int generation = 2; generation < 5; generation++) {
		become("");
		fixture_check(try_plan(generation % 2 ? "web=a1" : "web=b2"), &world.diag);
		assert_int_equal(world.plan->n_steps, 1);
		assert_true(world.plan->steps[0].fresh);
		apply();
		assert_int_equal(world.backends[1].generation, generation);
	}
}

static void a_ring_without_backends_sends_nowhere(void **state)
{
	(void)state;
	become("web=a1 | 80:web:13");
	become("web=a1! | 80:web:13");
	for (int i = 0; i < 13; i++)
		assert_int_equal(world.slots[i], 0);
}

/* Whoever lost the pins of a map finds VIPs that refer to more than there is. */
static void vips_that_point_outside_are_put_right(void **state)
{
	static const struct {
		uint32_t id;
		uint32_t ring;
		const char *steps;
	} cases[] = {
		{1, 256 - 16, "ring@240!"}, /* the last place */
		{1, 256 - 12, "ring@0 vip80#1@0"},
		{1, 0xfffffff0, "ring@0 vip80#1@0"},
		{5, 0, "vip80#1@0"},
		{0, 0, "vip80#1@0"},
		{0xffffffff, 0, "vip80#1@0"},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		setup(NULL);
		become("web=a1 | 80:web:13");
		if (cases[i].ring)
			memset(world.slots, 0, sizeof(world.slots));
		world.vips[0].value.id = cases[i].id;
		world.vips[0].value.ring = cases[i].ring;
		fixture_check(try_plan("web=a1 | 80:web:13"), &world.diag);
		assert_steps(cases[i].steps);
		teardown(NULL);
	}
}

static const struct limit_case {
	const char *before;
	const char *wanted;
	int err;
	const char *message; /* NULL: none */
} limit_cases[] = {
	{"", "web=a1,b2,c3", 0, NULL},
	{"", "web=a1,b2,c3 api=d4", -E2BIG,
	 "backend \"d\" of pool \"api\": no room for more than 3 backends (those that leave count "
	 "until they are gone); raise limits.backends"},
	{"web=a1,b2,c3", "web=a1,b2,d4", -E2BIG,
	 "backend \"d\" of pool \"web\": no room for more than 3 backends (those that leave count "
	 "until they are gone); raise limits.backends"},
	{"", "web= | 80:web:13 81:web:13", 0, NULL},
	{"", "web= | 80:web:13 81:web:13 82:web:13", -E2BIG,
	 "vip \"82:web:13\": no room for more than 2 VIPs (those that leave count until they are "
	 "gone); raise limits.vips"},
	{"web= | 80:web:13 81:web:13", "web= | 80:web:13 82:web:13", -E2BIG,
	 "vip \"82:web:13\": no room for more than 2 VIPs (those that leave count until they are "
	 "gone); raise limits.vips"},
	{"", "web= | 80:web:61", 0, NULL},
	{"", "web= | 80:web:67", -ENOSPC, NULL},
	{"", "web= | 80:web:13 81:web:61", -ENOSPC, NULL},
	{"web= | 80:web:61", "web= | 80:web:13", -ENOSPC, NULL},
	{"web= | 80:web:61", "web= | 81:web:61", -ENOSPC, NULL},
	{"", "web=a1@5,b2@6,c3@5", 0, NULL},
	{"", "web=a1@5,b2@6,c3@7", -E2BIG, "backends are reached by more than 2 devices"},
	{"web=a1@5,b2@6", "web=a1@5,b2@7", -E2BIG, "backends are reached by more than 2 devices"},
};

static void what_has_no_room_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(limit_cases); i++) {
		const struct limit_case *c = &limit_cases[i];

		setup(NULL);
		world.running.n_ids = 4;
		world.running.max_vips = 2;
		world.running.n_slots = 64;
		world.running.max_devices = 2;
		become(c->before);
		assert_int_equal(try_plan(c->wanted), c->err);
		assert_int_equal(!world.plan, !!c->err);
		assert_int_equal(world.diag.n, c->message ? 1 : 0);
		if (c->message)
			assert_string_equal(world.diag.entries[0].text, c->message);
		teardown(NULL);
	}
}

static void rings_take_whole_lines(void **state)
{
	(void)state;
	assert_int_equal(plan_ring_area(13), 16);
	assert_int_equal(plan_ring_area(16), 16);
	assert_int_equal(plan_ring_area(17), 32);
	assert_int_equal(plan_ring_area(65537), 65552);
}

/* --------------------------------------------------------------------------- sequences of changes */

static uint64_t seed;

/* xorshift64 */
static uint32_t below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

static void random_wanted(char *text, size_t size)
{
	static const char *const pools[POOLS_MAX] = {"web", "api", "dns"};
	static const unsigned int sizes[] = {11, 13, 31, 61};
	FILE *out = fmemopen(text, size, "w");
	uint32_t n_vips = below(VIPS_MAX + 1), first = below(3);

	assert_non_null(out);
	for (size_t p = 0; p < POOLS_MAX; p++) {
		fprintf(out, "%s=", pools[p]);
		for (unsigned int i = 1; i <= BACKENDS_MAX; i++) {
			unsigned int last = (unsigned int)p * 20 + i;

			if (below(3))
				fprintf(out, "%c%u@%u%s,", 'a' + (char)below(26), last, below(4),
					below(4) ? "" : "!");
		}
		fputc(' ', out);
	}
	fputs("|", out);
	for (uint32_t i = 0; i < n_vips; i++)
		fprintf(out, " %u%s:%s:%u", 80 + first + i / 2, i % 2 ? "u" : "",
			pools[below(POOLS_MAX)], sizes[below(N(sizes))]);
	fclose(out);
}

/* Who has which id. */
struct owners {
	struct sluice_backend backends[IDS_MAX];
	struct sluice_name names[IDS_MAX];
	struct running_vip vips[VIPS_MAX];
	size_t n_vips;
};

static bool same_owner(const struct owners *before, uint32_t id)
{
	return before->backends[id].encap != SLUICE_ENCAP_NONE &&
	       addr_equal(&before->backends[id].addr, &world.backends[id].addr) &&
	       strcmp(before->names[id].pool, world.names[id].pool) == 0;
}

/* Ids have stayed with their owners, or have a higher generation. */
static void check_ids(const struct owners *before)
{
	for (uint32_t id = 1; id < world.running.n_ids; id++) {
		const struct sluice_backend *old = &before->backends[id],
					    *now = &world.backends[id];

		if (now->encap == SLUICE_ENCAP_NONE || same_owner(before, id))
			assert_int_equal(now->generation, old->generation);
		else
			assert_int_equal(now->generation, old->generation + 1);
		for (uint32_t other = 1; other < world.running.n_ids; other++)
			if (other != id && now->encap != SLUICE_ENCAP_NONE &&
			    old->encap != SLUICE_ENCAP_NONE &&
			    strcmp(world.names[other].pool, before->names[id].pool) == 0)
				assert_false(addr_equal(&old->addr, &world.backends[other].addr));
	}
	for (size_t i = 0; i < before->n_vips; i++) {
		const struct running_vip *vip = find_vip(&before->vips[i].key);

		if (vip)
			assert_int_equal(vip->value.id, before->vips[i].value.id);
	}
}

/* The world is what is desired: no more, no less. */
static void check_world(void)
{
	size_t used = 0;

	for (uint32_t id = 1; id < world.running.n_ids; id++)
		used += world.backends[id].encap != SLUICE_ENCAP_NONE;
	assert_int_equal(used, world.desired->n_backends);
	assert_int_equal(world.running.n_vips, world.desired->n_vips);
	for (size_t i = 0; i < world.desired->n_vips; i++) {
		const struct desired_vip *v = &world.desired->vips[i];
		const struct running_vip *vip = find_vip(&v->key);

		assert_non_null(vip);
		assert_int_equal(vip->value.id, world.plan->vip_ids[i]);
		assert_int_equal(vip->value.ring_size, v->ring->size);
		for (uint32_t s = 0; s < v->ring->size; s++) {
			uint16_t owner = v->ring->owner[0][s];
			uint32_t id =
				owner == RING_NONE ? 0 : world.plan->backend_ids[v->first + owner];

			assert_int_equal(SLUICE_SLOT_CUR(world.slots[vip->value.ring + s]), id);
			if (id)
				assert_true(addr_equal(&world.backends[id].addr,
						       &world.desired->backends[v->first + owner]
								.backend->address));
		}
	}
}

static void check_areas(void)
{
	for (size_t i = 0; i < world.running.n_vips; i++) {
		const struct sluice_vip *a = &world.vips[i].value;

		assert_int_equal(a->ring % SLUICE_LINE_SLOTS, 0);
		for (size_t j = 0; j < i; j++) {
			const struct sluice_vip *b = &world.vips[j].value;

			assert_int_not_equal(a->id, b->id);
			assert_true(a->ring + plan_ring_area(a->ring_size) <= b->ring ||
				    b->ring + plan_ring_area(b->ring_size) <= a->ring);
		}
	}
}

static void any_sequence_of_changes_comes_out_right(void **state)
{
	const char *given = getenv("SLUICE_TEST_SEED");
	char text[512];

	(void)state;
	seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2 + 1;
	print_message("SLUICE_TEST_SEED=%llu\n", (unsigned long long)seed);
	world.running.n_ids = 40;
	world.running.max_vips = N(world.vips);
	world.running.n_slots = SLOTS_MAX;
	world.running.max_devices = DEVICES_MAX;
	for (int round = 0; round < 2000; round++) {
		struct owners before = {.n_vips = world.running.n_vips};

		memcpy(before.backends, world.backends, sizeof(before.backends));
		memcpy(before.names, world.names, sizeof(before.names));
		memcpy(before.vips, world.vips, sizeof(before.vips));
		random_wanted(text, sizeof(text));
		ring_cache_begin(&world.rings);
		fixture_check(try_plan(text), &world.diag);
		ring_cache_sweep(&world.rings);
		apply();
		check_world();
		check_areas();
		check_ids(&before);
		fixture_check(make_plan(), &world.diag);
		assert_steps("");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_those_that_are_needed),
		cmocka_unit_test_setup_teardown(values_are_written_in_full, setup, teardown),
		cmocka_unit_test_setup_teardown(a_recycled_id_has_a_higher_generation, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_ring_without_backends_sends_nowhere, setup,
						teardown),
		cmocka_unit_test(vips_that_point_outside_are_put_right),
		cmocka_unit_test(what_has_no_room_is_refused),
		cmocka_unit_test(rings_take_whole_lines),
		cmocka_unit_test_setup_teardown(any_sequence_of_changes_comes_out_right, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("daemon/plan", tests, NULL, NULL);
}
