/* SPDX-License-Identifier: MIT */
/*
 * Plans between worlds that live in arrays. A world as desired is one line of text, a plan another
 * one, so a case reads: after these, that is wanted, and these are the steps.
 *
 * Desired: pools, a bar, VIPs, a bar, decap addresses. "web=a1,b2@5,c3!,d4#7 | 80:web:13 | 9e" is a
 * pool "web" with the backends a (10.0.0.1), b (10.0.0.2, which is reached by device 5), c (10.0.0.3,
 * draining; "+": filling, "-": disabled) and d (10.0.0.4, with the server id 7), a VIP on port 80/tcp
 * ("80u": udp) of 10.0.0.200 ("80x7": of 10.0.0.7; "80p16": of 10.0.0.0/16) with that pool and a ring
 * of 13 slots, which takes 32, and the decap address 10.0.0.9 ("e": egress). Behind a VIP, each with
 * a comma: "s4=api" or "s4=api.d", clients of 10.1.4.0/24 go to the pool api, or to its backend d
 * ("?": its first, or else the pool); "a4", "d4": they are allowed, denied.
 *
 * Steps: "+dev5" and "-dev5"; "new1:web/a" and "set1:web/a", backend id 1, with a fresh id or not;
 * "-1"; "ring@32" a ring at slot 32, with "!" when it is live; "target1:api@32" and "target1:api/d>2",
 * target 1 with its ring or backend id; "-target1"; "sid7>4" and "-sid7", server id 7 of backend id
 * 4; "src1.4>1" and "-src1.4", clients of 10.1.4.0/24 of VIP id 1 go to target 1; "allow1.4", "deny1.4"
 * and "-acc1.4"; "newvip80#1@32" and "vip80#1@32", VIP id 1 with its ring at slot 32; "-vip80";
 * "echo#1" and "-echo", what stands for the VIP's address ("echox7", "echop16" as above); "decap9",
 * "egress9" and "-decap9".
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
#include "config/hint.h"
#include "daemon/layout.h"
#include "tests/lib/fixture.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define POOLS_MAX 3
#define BACKENDS_MAX 6
#define VIPS_MAX 6
#define EXTRAS_MAX 4 /* of a kind, of a VIP */
#define IDS_MAX 64
#define TARGETS_MAX 64
#define SLOTS_MAX 8192

/* --------------------------------------------------------------------------------- what is wanted */

struct wanted_vip {
	struct addr_prefix allow[EXTRAS_MAX], deny[EXTRAS_MAX];
	struct model_target targets[EXTRAS_MAX];
	struct model_source sources[EXTRAS_MAX];
};

struct wanted {
	struct model model;
	struct model_interface interface;
	struct model_pool pools[POOLS_MAX];
	struct model_backend backends[POOLS_MAX][BACKENDS_MAX];
	uint32_t server_ids[POOLS_MAX][BACKENDS_MAX];
	struct model_vip vips[VIPS_MAX];
	struct wanted_vip extras[VIPS_MAX];
	struct model_decap decap[EXTRAS_MAX];
	char names[POOLS_MAX * (BACKENDS_MAX + 1) + VIPS_MAX][48];
	size_t n_names;
	unsigned int device[256]; /* by the last byte of a backend's address */
};

static struct sluice_addr address(unsigned int rest)
{
	struct in_addr addr = {.s_addr = htonl(0x0a000000 | rest)};

	return addr_from_bytes(AF_INET, &addr);
}

static char *keep_name(struct wanted *w, const char *name)
{
	char *kept = w->names[w->n_names++];

	assert_true(w->n_names <= N(w->names) && strlen(name) < sizeof(w->names[0]));
	return strcpy(kept, name);
}

static enum model_state state_of(const char *text)
{
	return strchr(text, '!')   ? MODEL_STATE_DRAINING
	       : strchr(text, '+') ? MODEL_STATE_FILLING
	       : strchr(text, '-') ? MODEL_STATE_DISABLED
				   : MODEL_STATE_ACTIVE;
}

/* "a1@5!#7" */
static void parse_backend(struct wanted *w, struct model_pool *pool, const char *text)
{
	size_t n = pool->n_backends++;
	struct model_backend *backend = &pool->backends[n];
	const char *device = strchr(text, '@'), *id = strchr(text, '#'),
		   *weight = strchr(text, '*');
	uint32_t *server_id = &w->server_ids[pool - w->pools][n];
	unsigned int last;
	char name[2];

	assert_true(pool->n_backends <= BACKENDS_MAX);
	assert_int_equal(sscanf(text, "%1[a-z]%u", name, &last), 2);
	w->device[last] = device ? (unsigned int)atoi(device + 1) : 0;
	*server_id = id ? (uint32_t)atoi(id + 1) : 0;
	*backend = (struct model_backend){
		.name = keep_name(w, name),
		.address = address(last),
		.weight = weight ? (unsigned int)atoi(weight + 1) : 100,
		.state = state_of(text),
		.server_ids = server_id,
		.n_server_ids = id ? 1 : 0,
	};
	backend->hint = hint_number(&backend->address);
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

static uint64_t digest(uint64_t digest, const char *text)
{
	while (*text)
		digest = (digest ^ (unsigned char)*text++) * UINT64_C(0x100000001b3);
	return digest;
}

static uint32_t find_target(struct model_vip *vip, const struct model_pool *pool,
			    const struct model_backend *backend)
{
	size_t i = 0;

	while (i < vip->n_targets &&
	       (vip->targets[i].pool != pool || vip->targets[i].backend != backend))
		i++;
	assert_true(i < EXTRAS_MAX);
	vip->targets[i] = (struct model_target){pool, backend};
	if (i == vip->n_targets)
		vip->n_targets++;
	return (uint32_t)i;
}

/* "s4=api.d", "a4", "d4" */
static void parse_extra(struct wanted *w, struct model_vip *vip, const char *text)
{
	unsigned int net = (unsigned int)atoi(text + 1);
	struct addr_prefix prefix = {.addr = address(1 << 16 | net << 8), .len = 120};
	const struct model_backend *backend = NULL;
	const struct model_pool *pool;
	char pool_name[16], name[2] = "";

	assert_true(vip->n_allow < EXTRAS_MAX && vip->n_deny < EXTRAS_MAX);
	if (*text != 's') {
		vip->access_digest = digest(vip->access_digest, text);
		if (*text == 'a')
			vip->allow[vip->n_allow++] = prefix;
		else
			vip->deny[vip->n_deny++] = prefix;
		return;
	}
	assert_true(sscanf(text, "s%*u=%15[a-z].%1[a-z?]", pool_name, name) >= 1);
	pool = model_find_pool(&w->model, pool_name);
	assert_non_null(pool);
	if (*name == '?' && pool->n_backends)
		backend = &pool->backends[0];
	else if (*name != '?' && *name)
		backend = model_find_backend(pool, name);
	assert_true(backend || !*name || *name == '?');
	assert_true(vip->n_sources < EXTRAS_MAX);
	vip->sources_digest = digest(vip->sources_digest, text);
	vip->sources_digest = digest(vip->sources_digest, backend ? backend->name : "");
	vip->sources[vip->n_sources++] =
		(struct model_source){prefix, find_target(vip, pool, backend)};
}

/* "200", "x7" or "p16" */
static struct addr_prefix vip_address(const char *text)
{
	unsigned int number = *text == 'x' || *text == 'p' ? (unsigned int)atoi(text + 1) : 0;

	if (*text == 'p')
		return (struct addr_prefix){address(0), 96 + number};
	return (struct addr_prefix){address(*text == 'x' ? number : 200), 128};
}

/* "80up16:web:13,s4=api" */
static void parse_vip(struct wanted *w, char *text)
{
	struct wanted_vip *extras = &w->extras[w->model.n_vips];
	struct model_vip *vip = &w->vips[w->model.n_vips++];
	char *extra = strchrnul(text, ','), *save = NULL, *end;
	char pool[16];
	unsigned int size;

	assert_true(w->model.n_vips <= VIPS_MAX);
	if (*extra)
		*extra++ = '\0';
	*vip = (struct model_vip){
		.name = keep_name(w, text),
		.port = (uint16_t)strtoul(text, &end, 10),
		.protocol = IPPROTO_TCP,
		.maglev = MODEL_MAGLEV_V2,
		.allow = extras->allow,
		.deny = extras->deny,
		.targets = extras->targets,
		.sources = extras->sources,
	};
	if (*end == 'u') {
		vip->protocol = IPPROTO_UDP;
		end++;
	}
	vip->prefix = vip_address(end);
	assert_int_equal(sscanf(strchr(end, ':'), ":%15[a-z]:%u", pool, &size), 2);
	vip->pool = model_find_pool(&w->model, pool);
	vip->ring_size = size;
	assert_non_null(vip->pool);
	for (char *e = strtok_r(extra, ",", &save); e; e = strtok_r(NULL, ",", &save))
		parse_extra(w, vip, e);
}

static void parse_decap(struct wanted *w, const char *text)
{
	assert_true(w->model.n_decap < EXTRAS_MAX);
	w->decap[w->model.n_decap++] = (struct model_decap){
		.address = address((unsigned int)atoi(text)),
		.egress = strchr(text, 'e'),
	};
}

static void wanted_init(struct wanted *w)
{
	unsigned int device[N(w->device)];

	/* The way to a backend stays when it is not wanted any more. */
	memcpy(device, w->device, sizeof(device));
	*w = (struct wanted){.interface = {.name = "eth0"}};
	memcpy(w->device, device, sizeof(device));
	w->model.interfaces = &w->interface;
	w->model.n_interfaces = 1;
	w->model.pools = w->pools;
	w->model.vips = w->vips;
	w->model.decap = w->decap;
	w->model.settle_s = 300;
}

static void parse(struct wanted *w, const char *text)
{
	char copy[1024], *save = NULL;
	int part = 0;

	wanted_init(w);
	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (strcmp(word, "|") == 0)
			part++;
		else if (part == 0)
			parse_pool(w, word);
		else if (part == 1)
			parse_vip(w, word);
		else
			parse_decap(w, word);
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
	struct sluice_target targets[TARGETS_MAX];
	uint32_t slots[SLOTS_MAX];      /* as words */
	uint16_t columns[2][SLOTS_MAX]; /* the maps */
	struct sluice_state state;
	struct rows maps[MAP_MAX]; /* what the maps of rows hold */
	unsigned int reads[MAP_MAX];
	struct running running;
	struct ring_cache rings;
	struct wanted wanted; /* what `desired` refers to */
	bool all_read;        /* the large maps are there from the start */
	bool moves;           /* generations count */
	struct generations generations;
	int64_t now;
	struct desired *desired;
	struct plan *plan;
	struct diag diag;
} world;

static int read_rows(struct running *running, enum map_id map)
{
	world.reads[map]++;
	assert_int_equal(running->rows[map].n, 0);
	for (size_t i = 0; i < world.maps[map].n; i++)
		assert_int_equal(rows_add(&running->rows[map], rows_key(&world.maps[map], i),
					  rows_value(&world.maps[map], i)),
				 0);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	world = (struct world){.running = {.n_ids = 8,
					   .max_vips = 4,
					   .n_slots = 512,
					   .n_targets = 8,
					   .backends = world.backends,
					   .names = world.names,
					   .targets = world.targets,
					   .slots = {world.columns[0], world.columns[1]},
					   .state = &world.state,
					   .read_rows = read_rows},
			       .state = {.abi = SLUICE_ABI}};
	for (int i = 0; i < MAP_MAX; i++) {
		rows_init(&world.maps[i], map_descriptions[i].key_size,
			  map_descriptions[i].value_size);
		world.running.rows[i] = world.maps[i];
		world.running.max_entries[i] = 100;
	}
	return 0;
}

static void forget_plan(void)
{
	plan_free(TAKE(world.plan));
	desired_free(TAKE(world.desired));
	for (int i = 0; i < MAP_MAX; i++)
		rows_fini(&world.running.rows[i]);
}

static int teardown(void **state)
{
	(void)state;
	forget_plan();
	generations_fini(&world.generations);
	ring_cache_fini(&world.rings);
	for (int i = 0; i < MAP_MAX; i++)
		rows_fini(&world.maps[i]);
	diag_fini(&world.diag);
	return 0;
}

static void follow_generations(void)
{
	const struct wishes none = {0};
	struct generations next;

	assert_int_equal(generations_next(&next, &world.generations, &world.wanted.model, &none,
					  world.now),
			 0);
	generations_fini(&world.generations);
	world.generations = next;
}

static bool is_large(enum map_id map)
{
	return map == MAP_SOURCES || map == MAP_ACCESS;
}

/* Plans for what is in world.wanted. */
static int make_plan(void)
{
	const struct wishes none = {0};
	const struct desired_port port = {.ifindex = 1, .mtu = 1500};
	const struct desired_input input = {
		.model = &world.wanted.model,
		.wishes = &none,
		.generations = world.moves ? &world.generations : NULL,
		.ports = &port,
		.nexthop = nexthop,
		.nexthop_ctx = &world.wanted,
		.rings = &world.rings,
	};

	forget_plan();
	if (world.moves)
		follow_generations();
	for (int i = 0; i < MAP_MAX; i++)
		if (map_descriptions[i].kind == MAP_ROWS && (world.all_read || !is_large(i)))
			read_rows(&world.running, i);
	memset(world.reads, 0, sizeof(world.reads));
	assert_int_equal(desired_build(&world.desired, &input), 0);
	for (uint32_t i = 0; i < SLOTS_MAX; i++)
		slots_set(&world.running.slots, i, world.slots[i]);
	return plan_build(&world.plan, &world.running, world.desired, &world.diag);
}

static int try_plan(const char *text)
{
	parse(&world.wanted, text);
	return make_plan();
}

static void delete_row(struct rows *rows, const void *key)
{
	size_t size = rows->key_size + rows->value_size;
	unsigned char *at = rows->data;

	while (memcmp(at, key, rows->key_size) != 0)
		at += size;
	memmove(at, at + size, (size_t)(rows->data + rows->n * size - at) - size);
	rows->n--;
}

static void apply_row(const struct plan_row *row)
{
	struct rows *rows = &world.maps[row->map];
	const void *now = rows_find(rows, row->key);

	assert_int_equal(!now, !row->from);
	if (now) {
		assert_memory_equal(now, row->from, rows->value_size);
		delete_row(rows, row->key);
	}
	if (row->to)
		assert_int_equal(rows_add(rows, row->key, row->to), 0);
	rows_sort(rows);
	assert_true(rows->n <= world.running.max_entries[row->map]);
}

static void apply_step(const struct plan_step *step)
{
	const struct plan_backend *backend;
	const struct plan_target *target;
	_cleanup_(plan_words_fini) struct plan_words cache = {0};
	const struct plan_ring *ring;
	const uint32_t *words;

	switch (step->kind) {
	case PLAN_ROW:
		apply_row(&world.plan->rows[step->index]);
		break;
	case PLAN_BACKEND:
		backend = &world.plan->backends[step->index];
		assert_in_range(backend->id, 1, world.running.n_ids - 1);
		world.backends[backend->id] = backend->backend;
		world.names[backend->id] = backend->name;
		break;
	case PLAN_RING:
		ring = &world.plan->rings[step->index];
		words = plan_words_get(&cache, world.plan, ring);
		assert_non_null(words);
		assert_true(ring->base + ring->owners->ring->size <= world.running.n_slots);
		for (uint32_t i = 0; i < ring->owners->ring->size; i++)
			world.slots[ring->base + i] =
				plan_word(ring, words[i], world.slots[ring->base + i]);
		break;
	case PLAN_TARGET:
		target = &world.plan->targets[step->index];
		assert_in_range(target->index, 1, world.running.n_targets - 1);
		world.targets[target->index] = target->target;
		break;
	}
}

/* -------------------------------------------------------------------------------- at each moment */

/* A backend that exists, on a device that is there. */
static void check_backend(uint32_t id)
{
	uint32_t device = world.backends[id].ifindex;

	assert_true(id < world.running.n_ids);
	assert_int_not_equal(world.backends[id].encap, SLUICE_ENCAP_NONE);
	assert_true(!device || rows_find(&world.maps[MAP_DEVICES], &device));
}

static void check_ring(const struct sluice_ring *ring)
{
	static bool checked[IDS_MAX];

	memset(checked, 0, sizeof(checked));
	checked[0] = true;
	assert_int_equal(ring->base % SLUICE_LINE_SLOTS, 0);
	assert_true(ring->base + layout_ring_area(ring->size) <= world.running.n_slots);
	for (uint32_t i = 0; i < ring->size; i++) {
		uint32_t word = world.slots[ring->base + i];
		uint32_t ids[2] = {SLUICE_SLOT_CUR(word), SLUICE_SLOT_OTHER(word)};

		for (int k = 0; k < 2; k++)
			if (ids[k] >= IDS_MAX || !checked[ids[k]]) {
				check_backend(ids[k]);
				checked[ids[k]] = true;
			}
	}
}

static void check_target(uint32_t index, uint32_t vip)
{
	const struct sluice_target *target = &world.targets[index];

	assert_in_range(index, 1, world.running.n_targets - 1);
	assert_int_equal(target->vip, vip);
	assert_int_equal(!target->ring.size, !!target->backend);
	if (target->ring.size)
		check_ring(&target->ring);
	else
		check_backend(target->backend);
}

/* Whatever a packet finds, what that refers to is there. */
static void check_moment(void)
{
	for (size_t m = 0; m < 2; m++) {
		const struct rows *vips = &world.maps[m ? MAP_PREFIXES : MAP_VIPS];

		for (size_t i = 0; i < vips->n; i++) {
			const struct sluice_vip *vip = rows_value(vips, i);

			assert_in_range(vip->id, 1, world.running.max_vips);
			if (vip->ring.size)
				check_ring(&vip->ring);
		}
	}
	for (uint32_t i = 1; i < world.running.n_targets; i++)
		if (world.targets[i].vip)
			check_target(i, world.targets[i].vip);
	for (size_t i = 0; i < world.maps[MAP_SOURCES].n; i++) {
		const struct sluice_source_key *key = rows_key(&world.maps[MAP_SOURCES], i);

		check_target(*(const uint32_t *)rows_value(&world.maps[MAP_SOURCES], i), key->vip);
	}
	for (size_t i = 0; i < world.maps[MAP_SERVER_IDS].n; i++)
		check_backend(*(const uint32_t *)rows_value(&world.maps[MAP_SERVER_IDS], i));
}

static void apply(void)
{
	for (size_t i = 0; i < world.plan->n_steps; i++) {
		apply_step(&world.plan->steps[i]);
		check_moment();
	}
	memcpy(world.state.digest, world.plan->digest, sizeof(world.state.digest));
}

/* ----------------------------------------------------------------------------------------- words */

/* "x7", "p16", or nothing, as behind a port. */
static const char *address_text(const struct sluice_addr *addr, unsigned int bits)
{
	static char text[16];
	unsigned int last = ntohl(addr->w[3]) & 0xff;

	if (bits < 128)
		snprintf(text, sizeof(text), "p%u", bits - 96);
	else if (last == 200)
		*text = '\0';
	else
		snprintf(text, sizeof(text), "x%u", last);
	return text;
}

static void print_vip(FILE *out, const struct plan_row *row)
{
	const struct sluice_prefix_key *prefix = row->key;
	const struct sluice_vip_key *host = row->key;
	const struct sluice_vip *vip = row->to;
	bool is_host = row->map == MAP_VIPS;
	const char *where = is_host ? address_text(&host->addr, 128)
				    : address_text(&prefix->addr, prefix->prefixlen - 32);
	uint8_t proto = is_host ? host->proto : prefix->proto;

	fprintf(out, "%s", !vip ? "-" : vip->ring.size && row->fresh == vip->id ? "new" : "");
	if (proto == IPPROTO_ICMP)
		fprintf(out, "echo%s", where);
	else
		fprintf(out, "vip%u%s%s", ntohs(is_host ? host->port : prefix->port),
			proto == IPPROTO_UDP ? "u" : "", where);
	if (vip)
		fprintf(out, "#%u", vip->id);
	if (vip && vip->ring.size)
		fprintf(out, "@%u", vip->ring.base);
}

static void print_client(FILE *out, const struct plan_row *row)
{
	const struct sluice_source_key *key = row->key;
	const uint32_t *value = row->to;
	const char *word = row->map == MAP_SOURCES        ? "src"
			   : !value                       ? "acc"
			   : *value == SLUICE_ACCESS_DENY ? "deny"
							  : "allow";

	assert_int_equal(key->prefixlen, SLUICE_SOURCE_FIXED + 120);
	fprintf(out, "%s%s%u.%u", value ? "" : "-", word, key->vip,
		ntohl(key->addr.w[3]) >> 8 & 0xff);
	if (value && row->map == MAP_SOURCES)
		fprintf(out, ">%u", *value);
}

static void print_row(FILE *out, const struct plan_row *row)
{
	const uint32_t *key = row->key, *value = row->to;
	const struct sluice_addr *addr = row->key;

	if (row->map == MAP_VIPS || row->map == MAP_PREFIXES)
		print_vip(out, row);
	else if (row->map == MAP_SOURCES || row->map == MAP_ACCESS)
		print_client(out, row);
	else if (row->map == MAP_DEVICES)
		fprintf(out, "%cdev%u", value ? '+' : '-', *key);
	else if (row->map == MAP_DECAP)
		fprintf(out, "%s%s%u", value ? "" : "-",
			value && *value == SLUICE_DECAP_EGRESS ? "egress" : "decap",
			ntohl(addr->w[3]) & 0xff);
	else if (value)
		fprintf(out, "sid%u>%u", *key, *value);
	else
		fprintf(out, "-sid%u", *key);
}

static void print_target(FILE *out, const struct plan_target *t)
{
	if (!t->target.vip)
		fprintf(out, "-target%u", t->index);
	else if (t->target.ring.size)
		fprintf(out, "target%u:%s@%u", t->index, t->target.pool, t->target.ring.base);
	else
		fprintf(out, "target%u:%s/%s>%u", t->index, t->target.pool, t->target.name,
			t->target.backend);
}

static void print_step(FILE *out, const struct plan_step *s)
{
	const struct plan_backend *backend;
	const struct plan_ring *ring;

	switch (s->kind) {
	case PLAN_ROW:
		print_row(out, &world.plan->rows[s->index]);
		break;
	case PLAN_BACKEND:
		backend = &world.plan->backends[s->index];
		if (backend->backend.encap == SLUICE_ENCAP_NONE)
			fprintf(out, "-%u", backend->id);
		else
			fprintf(out, "%s%u:%s/%s", backend->fresh ? "new" : "set", backend->id,
				backend->name.pool, backend->name.backend);
		break;
	case PLAN_RING:
		ring = &world.plan->rings[s->index];
		fprintf(out, "ring@%u%s", ring->base, ring->live ? "!" : "");
		break;
	case PLAN_TARGET:
		print_target(out, &world.plan->targets[s->index]);
		break;
	}
	fputc(' ', out);
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
	{{""}, "web= | 80:web:13", "echo#1 newvip80#1@0"},
	{{""},
	 "web=a1@5,b2@6,c3@5 api=d4 | 80:web:13 80u:api:13",
	 "+dev5 +dev6 new1:web/a new2:web/b new3:web/c new4:api/d "
	 "ring@0 ring@32 echo#1 newvip80#1@0 newvip80u#2@32"},
	/* Nothing to do. */
	{{"web=a1@5,b2 | 80:web:13"}, "web=a1@5,b2 | 80:web:13", ""},
	{{"web=a1 api=b2 | 80:web:13 81:api:13"}, "api=b2 web=a1 | 80:web:13 81:api:13", ""},
	{{"web=a1 api=b2 | 80:web:13 81:api:13"}, "api=b2 web=a1 | 81:api:13 80:web:13", "echo#2"},
	/* To nothing: in reverse. */
	{{"web=a1@5,b2 | 80:web:13 81:web:13"}, "", "-echo -vip80 -vip81 -1 -2 -dev5"},
	/* A backend more, a backend less. */
	{{"web=a1 | 80:web:13"}, "web=a1,b2 | 80:web:13", "new2:web/b ring@0!"},
	{{"web=a1 | 80:web:13"}, "web=b2,a1 | 80:web:13", "new2:web/b ring@0!"},
	{{"web=a1,b2 | 80:web:13"}, "web=b2 | 80:web:13", "ring@0! -1"},
	{{"web=a1,b2 | 80:web:13 81:web:61"},
	 "web=b2 | 80:web:13 81:web:61",
	 "ring@0! ring@32! -1"},
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
	{{"web=a1 | 80:web:13"}, "web=a1 | 80:web:13 81:web:13", "ring@32 newvip81#2@32"},
	{{"web=a1 | 80:web:13 81:web:13"}, "web=a1 | 81:web:13", "echo#2 -vip80"},
	{{"web=a1 | 80:web:13"}, "web=a1 | 80u:web:13", "ring@32 echo#2 newvip80u#2@32 -vip80"},
	/* Another pool for a VIP: its ring stays where it is. */
	{{"web=a1 api=b2 | 80:web:13"}, "web=a1 api=b2 | 80:api:13", "ring@0!"},
	/* Another size: written to another place, then the VIP moves. */
	{{"web=a1 | 80:web:13"}, "web=a1 | 80:web:37", "ring@32 vip80#1@32"},
	{{"web=a1 | 80:web:13 81:web:13"}, "web=a1 | 80:web:11 81:web:13", "ring@64 vip80#1@64"},
	/* A gap is used again: by what fits; its old content is not written twice. */
	{{"web=a1 | 80:web:13 81:web:13", "web=a1 | 81:web:13"},
	 "web=a1 | 81:web:13 82:web:13",
	 "newvip82#1@0"},
	{{"web=a1,b2 | 80:web:13 81:web:13", "web=a1,b2 | 81:web:13"},
	 "web=a1 | 81:web:13 82:web:13",
	 "ring@32! ring@0 newvip82#1@0 -2"},
	{{"web=a1 | 80:web:13 81:web:13", "web=a1 | 81:web:13"},
	 "web=a1 | 81:web:13 82:web:37",
	 "ring@64 newvip82#1@64"},
	{{"web=a1 | 80:web:61 81:web:13", "web=a1 | 81:web:13"},
	 "web=a1 | 81:web:13 82:web:13 83:web:13",
	 "newvip82#1@0 newvip83#3@32"},
	/* Prefixes, and what stands for addresses: once for each. */
	{{""}, "web=a1 | 80p16:web:13", "new1:web/a ring@0 echop16#1 newvip80p16#1@0"},
	{{""},
	 "web=a1 | 80:web:13 80x7:web:13 80p16:web:13 81p24:web:13",
	 "new1:web/a ring@0 ring@32 ring@64 ring@96 echop16#3 newvip80p16#3@64 echop24#4 "
	 "newvip81p24#4@96 echox7#2 newvip80x7#2@32 echo#1 newvip80#1@0"},
	{{"web=a1 | 80p16:web:13"},
	 "web=a1 | 80p24:web:13",
	 "ring@32 echop24#2 newvip80p24#2@32 -echop16 -vip80p16"},
	{{"web=a1 | 80p16:web:13"},
	 "web=a1 | 80:web:13",
	 "ring@32 echo#2 newvip80#2@32 -echop16 -vip80p16"},
	{{"web=a1 | 80p16:web:13 81p16:web:13"}, "web=a1 | 81p16:web:13", "echop16#2 -vip80p16"},
	/* Server ids. */
	{{""}, "web=a1#7,b2#9", "new1:web/a new2:web/b sid7>1 sid9>2"},
	{{"web=a1#7,b2#9"}, "web=a1#9,b2#7", "sid7>2 sid9>1"},
	{{"web=a1#7,b2"}, "web=b2#7", "sid7>2 -1"},
	{{"web=a1#7 api=a1#7"}, "web= api=a1#7", "sid7>2 -1"},
	{{"web=a1#7"}, "web=a1", "-sid7"},
	/* Clients with a way of their own: target before source, and away after it. */
	{{""},
	 "web=a1 api=d4 | 80:web:13,s1=api.d",
	 "new1:web/a new2:api/d ring@0 target1:api/d>2 src1.1>1 echo#1 newvip80#1@0"},
	{{""},
	 "web=a1 api=d4 | 80:web:13,s1=api,s2=api,s3=web.a",
	 "new1:web/a new2:api/d ring@0 ring@32 target1:api@32 target2:web/a>1 src1.1>1 src1.2>1 "
	 "src1.3>2 echo#1 newvip80#1@0"},
	{{"web=a1 api=d4 | 80:web:13,s1=api"},
	 "web=a1 api=d4 | 80:web:13,s2=api",
	 "src1.2>1 -src1.1"},
	{{"web=a1 api=d4 | 80:web:13,s1=api"},
	 "web=a1 api=d4,e5 | 80:web:13,s1=api",
	 "new3:api/e ring@32!"},
	{{"web=a1 api=d4 | 80:web:13,s1=api"},
	 "web=a1 api=d4 | 80:web:37,s1=api",
	 "ring@64 ring@128 target1:api@128 vip80#1@64"},
	{{"web=a1 api=d4 | 80:web:13,s1=api"},
	 "web=a1 api=d4 | 80:web:13,s1=api.d",
	 "target2:api/d>2 src1.1>2 -target1"},
	{{"web=a1 api=d4 | 80:web:13,s1=api.d"},
	 "web=a1 api=d5 | 80:web:13,s1=api.d",
	 "new3:api/d target1:api/d>3 -2"},
	{{"web=a1 api=d4 | 80:web:13,s1=api.d"},
	 "web=a1 | 80:web:13",
	 "vip80#1@0 -src1.1 -target1 -2"},
	{{"web=a1 api=d4 | 80:web:13,s1=api"}, "", "-echo -vip80 -src1.1 -target1 -1 -2"},
	/* Targets keep their index, and a free one is taken. */
	{{"web=a1,b2,c3 | 80:web:13,s1=web.a,s2=web.b"},
	 "web=a1,b2,c3 | 80:web:13,s2=web.b,s1=web.c",
	 "target3:web/c>3 src1.1>3 -target1"},
	{{"web=a1,b2,c3 | 80:web:13,s1=web.a,s2=web.b", "web=a1,b2,c3 | 80:web:13,s2=web.b"},
	 "web=a1,b2,c3 | 80:web:13,s2=web.b,s3=web.c",
	 "target1:web/c>3 src1.3>1"},
	{{"web=a1 | 80:web:13,s1=web.a 81:web:13,s1=web.a"},
	 "web=a1 | 81:web:13,s1=web.a 80:web:13,s1=web.a",
	 "echo#2"},
	/* Clients that are allowed or denied. */
	{{""},
	 "web=a1 | 80:web:13,a1,d2",
	 "new1:web/a ring@0 allow1.1 deny1.2 echo#1 newvip80#1@0"},
	{{"web=a1 | 80:web:13,a1,d2"},
	 "web=a1 | 80:web:13,d1,d3",
	 "deny1.1 deny1.3 vip80#1@0 -acc1.2"},
	{{"web=a1 | 80:web:13,a1 81:web:13"}, "web=a1 | 81:web:13", "echo#2 -vip80 -acc1.1"},
	/* Decap addresses. */
	{{""}, " | | 8 9e", "decap8 egress9"},
	{{" | | 8 9e"}, " | | 9 7", "decap7 decap9 -decap8"},
	/* All of it: each before what refers to it. */
	{{""},
	 "web=a1@5#7 api=d4@6 | 80:web:13,s1=api,a2 80p16:web:13 | 9",
	 "+dev5 +dev6 new1:web/a new2:api/d ring@0 ring@32 ring@64 target1:api@64 sid7>1 allow1.2 "
	 "src1.1>1 echop16#2 newvip80p16#2@32 echo#1 newvip80#1@0 decap9"},
	{{"web=a1@5#7 api=d4@6 | 80:web:13,s1=api,a2 80p16:web:13 | 9"},
	 "",
	 "-decap9 -echo -vip80 -echop16 -vip80p16 -src1.1 -acc1.2 -sid7 -target1 -1 -2 -dev5 "
	 "-dev6"},
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

static const struct sluice_vip *vip_of(enum map_id map, const struct model_vip *vip, uint8_t proto)
{
	const struct sluice_vip_key host = {
		.addr = vip->prefix.addr,
		.port = htons(proto == IPPROTO_ICMP ? 0 : vip->port),
		.proto = proto,
	};
	const struct sluice_prefix_key prefix = {
		.prefixlen = SLUICE_PREFIX_FIXED + vip->prefix.len,
		.port = host.port,
		.proto = proto,
		.addr = host.addr,
	};

	return map == MAP_VIPS ? rows_find(&world.maps[map], &host)
			       : rows_find(&world.maps[map], &prefix);
}

/* What is written where, in full, once. */
static void values_are_written_in_full(void **state)
{
	const struct sluice_vip vip = {
		.id = 1,
		.ring = {.base = 0, .size = 13, .inv = (uint32_t)(0x100000000 / 13)},
		.addr_bits = 128,
	};
	const struct sluice_vip echo = {.id = 1, .addr_bits = 128};
	const struct sluice_addr first = address(1);
	const struct sluice_backend backend = {
		.addr = first,
		.dmac = {2, 0, 0, 0, 0, 1},
		.ifindex = 5,
		.mtu = 1500,
		.encap = SLUICE_ENCAP_IP4,
		.flags = SLUICE_BACKEND_NEXTHOP | SLUICE_BACKEND_SERVING,
		.generation = 1,
		.hint = htons(hint_number(&first)),
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
	assert_memory_equal(vip_of(MAP_VIPS, &world.wanted.vips[0], IPPROTO_TCP), &vip,
			    sizeof(vip));
	assert_memory_equal(vip_of(MAP_VIPS, &world.wanted.vips[0], IPPROTO_ICMP), &echo,
			    sizeof(echo));
	assert_memory_equal(&world.backends[1], &backend, sizeof(backend));
	assert_memory_equal(&world.names[1], &name, sizeof(name));
	for (int i = 0; i < 13; i++) {
		uint32_t id =
			world.plan->backend_ids[world.desired->vips[0].owners.ring->owner[0][i]];

		assert_int_equal(world.slots[i], SLUICE_SLOT(id, id, false));
		owned[id]++;
	}
	assert_true(owned[1] >= 6 && owned[2] >= 6);
	assert_int_equal(world.slots[13], 0);
	become("web=b2 | 80:web:13");
	assert_int_equal(world.plan->slots, owned[1]);
	assert_memory_equal(&world.backends[1], &gone, sizeof(gone));
	assert_memory_equal(&world.names[1], &nameless, sizeof(nameless));
}

static void values_of_prefixes_and_targets_are_written_in_full(void **state)
{
	const struct sluice_target pool = {
		.ring = {.base = 32, .size = 13, .inv = (uint32_t)(0x100000000 / 13)},
		.vip = 1,
		.pool = "api",
	};
	const struct sluice_target backend = {
		.backend = 1,
		.vip = 1,
		.pool = "web",
		.name = "a",
	};
	const struct sluice_vip *vip;

	(void)state;
	become("web=a1 api=b2 | 443up16:web:13,s1=api,s2=web.a,d3");
	vip = vip_of(MAP_PREFIXES, &world.wanted.vips[0], IPPROTO_UDP);
	assert_non_null(vip);
	assert_int_equal(vip->addr_bits, 112);
	assert_int_equal(vip->flags, SLUICE_VIP_SOURCES | SLUICE_VIP_ACCESS);
	assert_int_equal(vip->server_bytes, 0);
	assert_int_equal(vip_of(MAP_PREFIXES, &world.wanted.vips[0], IPPROTO_ICMP)->addr_bits, 112);
	assert_memory_equal(&world.targets[1], &pool, sizeof(pool));
	assert_memory_equal(&world.targets[2], &backend, sizeof(backend));
	for (int i = 0; i < 13; i++)
		assert_int_equal(world.slots[32 + i], SLUICE_SLOT(2, 2, false));
	world.wanted.vips[0].quic = MODEL_QUIC_LB;
	world.wanted.vips[0].quic_server_id_bytes = 3;
	fixture_check(make_plan(), &world.diag);
	assert_steps("vip443up16#1@0");
	apply();
	vip = vip_of(MAP_PREFIXES, &world.wanted.vips[0], IPPROTO_UDP);
	assert_int_equal(vip->server_bytes, 3);
	assert_true(vip->flags & SLUICE_VIP_QUIC_LB);
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
		assert_true(world.plan->backends[0].fresh);
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
		uint32_t base;
		const char *steps;
	} cases[] = {
		{1, 512 - 32, "ring@480!"}, /* the last place */
		{1, 512 - 12, "ring@0 vip80#1@0"},
		{1, 0xfffffff0, "ring@0 vip80#1@0"},
		{5, 0, "vip80#1@0"},
		{0, 0, "vip80#1@0"},
		{0xffffffff, 0, "vip80#1@0"},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		struct sluice_vip *vip;

		setup(NULL);
		become("web=a1 | 80:web:13");
		if (cases[i].base)
			memset(world.slots, 0, sizeof(world.slots));
		vip = (struct sluice_vip *)vip_of(MAP_VIPS, &world.wanted.vips[0], IPPROTO_TCP);
		vip->id = cases[i].id;
		vip->ring.base = cases[i].base;
		fixture_check(try_plan("web=a1 | 80:web:13"), &world.diag);
		assert_steps(cases[i].steps);
		teardown(NULL);
	}
}

/* The same for targets. */
static void targets_that_point_outside_are_put_right(void **state)
{
	static const struct {
		uint32_t base;
		const char *steps;
	} cases[] = {
		{512 - 32, "ring@480!"},
		{512 - 12, "ring@32 target1:api@32"},
		{0xfffffff0, "ring@32 target1:api@32"},
		{20, "ring@32 target1:api@32"},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		setup(NULL);
		become("web=a1 api=b2 | 80:web:13,s1=api");
		memset(&world.slots[32], 0, sizeof(world.slots) - 32 * sizeof(*world.slots));
		world.targets[1].ring.base = cases[i].base;
		fixture_check(try_plan("web=a1 api=b2 | 80:web:13,s1=api"), &world.diag);
		assert_steps(cases[i].steps);
		teardown(NULL);
	}
}

#define NO_ROOM(what, more) \
	"the limit of " what " (those that leave count until they are gone)" more

static const struct limit_case {
	const char *before;
	const char *wanted;
	int err;
	const char *message; /* NULL: none */
} limit_cases[] = {
	{"", "web=a1,b2,c3", 0, NULL},
	{"", "web=a1,b2,c3 api=d4", -E2BIG,
	 "backend \"d\" of pool \"api\": the limit of backends is 3 (those that leave count "
	 "until they are gone); raise limits.backends"},
	{"web=a1,b2,c3", "web=a1,b2,d4", -E2BIG,
	 "backend \"d\" of pool \"web\": the limit of backends is 3 (those that leave count "
	 "until they are gone); raise limits.backends"},
	{"", "web= | 80:web:13 81:web:13", 0, NULL},
	{"", "web= | 80:web:13 81:web:13 82:web:13", -E2BIG,
	 "vip \"82:web:13\": the limit of VIPs is 2 (those that leave count until they are "
	 "gone); raise limits.vips"},
	{"web= | 80:web:13 81:web:13", "web= | 80:web:13 82:web:13", -E2BIG,
	 "vip \"82:web:13\": the limit of VIPs is 2 (those that leave count until they are "
	 "gone); raise limits.vips"},
	{"", "web= | 80:web:61", 0, NULL},
	{"", "web= | 80:web:67", -ENOSPC, NULL},
	{"", "web= | 80:web:13 81:web:61", -ENOSPC, NULL},
	{"web= | 80:web:61", "web= | 80:web:13", -ENOSPC, NULL},
	{"web= | 80:web:61", "web= | 81:web:61", -ENOSPC, NULL},
	{"", "web=a1@5,b2@6,c3@5", 0, NULL},
	{"", "web=a1@5,b2@6,c3@7", -E2BIG, NO_ROOM("devices to backends is 2", "")},
	{"web=a1@5,b2@6", "web=a1@5,b2@7", -E2BIG, NO_ROOM("devices to backends is 2", "")},
	{"", "web=a1#1,b2#2,c3#1", 0, NULL},
	{"", "web=a1#1,b2#2,c3#3", -E2BIG, NO_ROOM("server ids is 2", "; raise limits.backends")},
	{"web=a1#1,b2#2", "web=a1#1,b2#3", -E2BIG,
	 NO_ROOM("server ids is 2", "; raise limits.backends")},
	{"", "web=a1 | 80:web:13,s1=web,s2=web", 0, NULL},
	{"", "web=a1 | 80:web:13,s1=web,s2=web,s3=web", -E2BIG,
	 NO_ROOM("client prefixes in sources is 2", "; raise limits.sources")},
	{"web=a1 | 80:web:13,s1=web,s2=web", "web=a1 | 80:web:13,s1=web,s3=web", -E2BIG,
	 NO_ROOM("client prefixes in sources is 2", "; raise limits.sources")},
	{"", "web=a1 | 80:web:13,a1,d2", 0, NULL},
	{"", "web=a1 | 80:web:13,a1,d2,a3", -E2BIG,
	 NO_ROOM("client prefixes in allow and deny is 2", "; raise limits.sources")},
	{"web=a1 | 80:web:13,a1,d2", "web=a1 | 80:web:13,a1,d3", -E2BIG,
	 NO_ROOM("client prefixes in allow and deny is 2", "; raise limits.sources")},
	{"", " | | 1 2", 0, NULL},
	{"", " | | 1 2 3", -E2BIG, NO_ROOM("decap addresses is 2", "")},
	{" | | 1 2", " | | 1 3", -E2BIG, NO_ROOM("decap addresses is 2", "")},
	{"", "web=a1,b2,c3 | 80:web:13,s1=web.a,s2=web.b", 0, NULL},
	{"", "web=a1,b2,c3 | 80:web:13,s1=web.a 81:web:13,s1=web.b,s2=web.c", -E2BIG,
	 "vip \"81:web:13\": sources lead to more than 2 pools and backends"},
	{"web=a1,b2,c3 | 80:web:13,s1=web.a,s2=web.b", "web=a1,b2,c3 | 80:web:13,s1=web.c", -E2BIG,
	 "vip \"80:web:13\": sources lead to more than 2 pools and backends"},
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
		world.running.n_targets = 3;
		for (int m = 0; m < MAP_MAX; m++)
			world.running.max_entries[m] = m == MAP_VIPS || m == MAP_PREFIXES ? 4 : 2;
		become(c->before);
		assert_int_equal(try_plan(c->wanted), c->err);
		assert_int_equal(!world.plan, !!c->err);
		assert_int_equal(world.diag.n, c->message ? 1 : 0);
		if (c->message)
			assert_string_equal(world.diag.entries[0].text, c->message);
		teardown(NULL);
	}
}

/* ------------------------------------------------------------------------------- the large maps */

static void large_maps_are_read_only_when_they_are_to_be_other(void **state)
{
	static const char one[] = "web=a1,b2 | 80:web:13,s1=web.a,s2=web.b 81:web:13,a1,d2";
	static const struct {
		const char *wanted;
		const char *steps;
		bool sources, access; /* are read */
	} cases[] = {
		{one, "", false, false},
		/* Other things change. */
		{"web=b2,a1,c3 | 80:web:13,s1=web.a,s2=web.b 81:web:13,a1,d2 | 9",
		 "new3:web/c ring@0! ring@32! decap9", false, false},
		{one, "ring@0! ring@32! -decap9 -3", false, false},
		{"web=a1,b2 | 80:web:13,s1=web.a,s3=web.b 81:web:13,a1,d2", "src1.3>2 -src1.2",
		 true, false},
		{"web=a1,b2 | 80:web:13,s1=web.a,s3=web.b 81:web:13,a1,a2", "allow2.2", false,
		 true},
		{"web=a1,b2 | 80:web:13,s1=web.a,s3=web.b", "-vip81 -acc2.1 -acc2.2", false, true},
		{"web=a1,b2 | 80:web:13,s1=web.a,s3=web.b", "", false, false},
		{"web=a1,b2 | 80:web:13", "vip80#1@0 -src1.1 -src1.3 -target1 -target2", true,
		 false},
	};

	(void)state;
	become(one);
	for (size_t i = 0; i < N(cases); i++) {
		fixture_check(try_plan(cases[i].wanted), &world.diag);
		assert_steps(cases[i].steps);
		assert_int_equal(world.reads[MAP_SOURCES], cases[i].sources);
		assert_int_equal(world.reads[MAP_ACCESS], cases[i].access);
		assert_int_equal(world.plan->wanted[MAP_SOURCES].n > 0,
				 cases[i].sources && world.wanted.vips[0].n_sources);
		assert_int_equal(world.plan->wanted[MAP_ACCESS].n > 0,
				 cases[i].access && world.wanted.model.n_vips == 2);
		apply();
	}
}

/* A daemon that died while it wrote them has left 0. */
static void contents_that_no_digest_speaks_for_are_read(void **state)
{
	static const char one[] = "web=a1 | 80:web:13,s1=web.a,d2";
	const uint32_t wrong = 7;
	struct sluice_source_key key = {.prefixlen = SLUICE_SOURCE_FIXED + 120,
					.vip = 9,
					.addr = address(1 << 16 | 4 << 8)};

	(void)state;
	become(one);
	assert_int_equal(rows_add(&world.maps[MAP_SOURCES], &key, &wrong), 0);
	rows_sort(&world.maps[MAP_SOURCES]);
	fixture_check(try_plan(one), &world.diag);
	assert_steps("");
	world.state.digest[0] = 0;
	fixture_check(try_plan(one), &world.diag);
	assert_int_equal(world.reads[MAP_SOURCES], 1);
	assert_int_equal(world.reads[MAP_ACCESS], 0);
	assert_steps("-src9.4");
}

/* The clients are the same, but lead to what is elsewhere now. */
static void clients_follow_targets_whose_pin_was_lost(void **state)
{
	static const char both[] = "web=a1,b2 | 80:web:13,s1=web.a,s2=web.b";
	static const char second[] = "web=a1,b2 | 80:web:13,s2=web.b";

	(void)state;
	become(both);
	become(second);
	memset(world.targets, 0, sizeof(world.targets));
	fixture_check(try_plan(second), &world.diag);
	assert_steps("target1:web/b>2 src1.2>1");
}

static int refuse_to_read(struct running *running, enum map_id map)
{
	(void)running;
	(void)map;
	return -EIO;
}

static void an_error_of_reading_ends_the_plan(void **state)
{
	(void)state;
	world.running.read_rows = refuse_to_read;
	assert_int_equal(try_plan("web=a1 | 80:web:13,s1=web.a"), -EIO);
	assert_null(world.plan);
}

/* Without a way to read them later, the rows are there from the start. */
static void rows_that_are_there_are_compared_or_left_alone(void **state)
{
	static const char one[] = "web=a1 | 80:web:13,s1=web.a,d2";

	(void)state;
	become(one);
	world.running.read_rows = NULL;
	world.all_read = true;
	fixture_check(try_plan(one), &world.diag);
	assert_steps("");
	world.state.digest[0] = world.state.digest[1] = 0;
	fixture_check(try_plan(one), &world.diag);
	assert_steps("");
}

/* ------------------------------------------------------------------------------------- while a VIP moves */

/* What the slots of the ring at 0 say: how many have each of the words. */
static unsigned int count_words(uint32_t word)
{
	unsigned int n = 0;

	for (int i = 0; i < 61; i++)
		n += world.slots[i] == word;
	return n;
}

static void settle(void)
{
	generations_settle(&world.generations, "80:web:61", world.now);
	fixture_check(make_plan(), &world.diag);
	apply();
}

static void drained_slots_name_their_old_owner_until_they_settle(void **state)
{
	unsigned int a, b;

	(void)state;
	world.moves = true;
	become("web=a1,b2 | 80:web:61");
	a = count_words(SLUICE_SLOT(1, 1, false));
	b = count_words(SLUICE_SLOT(2, 2, false));
	assert_int_equal(a + b, 61);
	become("web=a1!,b2 | 80:web:61");
	assert_steps("ring@0!");
	assert_int_equal(count_words(SLUICE_SLOT(2, 1, true)), a);
	assert_int_equal(count_words(SLUICE_SLOT(2, 2, false)), b);
	assert_int_equal(world.plan->slots, a);
	assert_int_equal(vip_of(MAP_VIPS, &world.wanted.vips[0], IPPROTO_TCP)->flags, 0);
	settle();
	assert_steps("ring@0! vip80#1@0");
	assert_int_equal(count_words(SLUICE_SLOT(2, 2, false)), 61);
	assert_int_equal(vip_of(MAP_VIPS, &world.wanted.vips[0], IPPROTO_TCP)->flags,
			 1u << SLUICE_VIP_EPOCH_SHIFT);
}

static void a_change_taken_back_moves_what_began_in_between(void **state)
{
	unsigned int a;

	(void)state;
	world.moves = true;
	become("web=a1,b2 | 80:web:61");
	a = count_words(SLUICE_SLOT(1, 1, false));
	become("web=a1!,b2 | 80:web:61");
	become("web=a1,b2 | 80:web:61");
	/* What is not known began before all this. */
	assert_int_equal(count_words(SLUICE_SLOT(1, 2, true) | SLUICE_SLOT_KEEP), a);
	fixture_check(make_plan(), &world.diag);
	assert_steps("");
	settle();
	assert_int_equal(count_words(SLUICE_SLOT(1, 1, false)), a);
	assert_int_equal(count_words(SLUICE_SLOT(2, 2, false)), 61 - a);
}

/* Who takes over from one that is gone gets flows at once, and may have to give up the slot again. */
static void slots_of_a_disabled_backend_are_tracked(void **state)
{
	unsigned int a;

	(void)state;
	world.moves = true;
	become("web=a1,b2 | 80:web:61");
	a = count_words(SLUICE_SLOT(1, 1, false));
	become("web=a1-,b2 | 80:web:61");
	assert_int_equal(count_words(SLUICE_SLOT(2, 2, true)), a);
	assert_int_equal(count_words(SLUICE_SLOT(2, 2, false)), 61 - a);
	become("web=a1-,b2!,c3 | 80:web:61");
	assert_int_equal(count_words(SLUICE_SLOT(3, 3, true)), a);
	assert_int_equal(count_words(SLUICE_SLOT(3, 2, true)), 61 - a);
	settle();
	assert_int_equal(count_words(SLUICE_SLOT(3, 3, false)), 61);
}

/* It is no owner of the old generation, but has flows from when it was one. */
static void a_backend_that_came_in_between_keeps_id_and_record(void **state)
{
	(void)state;
	world.moves = true;
	become("web=a1,b2 | 80:web:61");
	become("web=a1,b2,c3 | 80:web:61");
	become("web=a1,b2 | 80:web:61");
	become("web=a1,b2,d4 | 80:web:61");
	assert_true(world.backends[3].flags & SLUICE_BACKEND_SERVING);
	assert_int_equal(world.backends[3].addr.w[3], address(3).w[3]);
	settle();
	assert_int_equal(world.backends[3].encap, SLUICE_ENCAP_NONE);
}

/* Flows that began in between are remembered: they must be found as long as the VIP moves. */
static void a_slot_that_moved_back_stays_tracked_until_it_settles(void **state)
{
	unsigned int moved = 0, tracked = 0;
	uint32_t between[61];

	(void)state;
	world.moves = true;
	become("web=a1,b2,c3 | 80:web:61");
	become("web=a1!,b2,c3 | 80:web:61");
	become("web=a1!,b2,c3,d4 | 80:web:61");
	memcpy(between, world.slots, sizeof(between));
	become("web=a1!,b2,c3 | 80:web:61");
	for (int i = 0; i < 61; i++) {
		uint32_t cur = SLUICE_SLOT_CUR(world.slots[i]);

		if (cur != SLUICE_SLOT_OTHER(world.slots[i]))
			continue;
		assert_int_equal(world.slots[i] & SLUICE_SLOT_TRACK,
				 SLUICE_SLOT_CUR(between[i]) != cur ? SLUICE_SLOT_TRACK : 0);
		moved += SLUICE_SLOT_CUR(between[i]) != cur;
	}
	assert_true(moved > 0);
	fixture_check(make_plan(), &world.diag);
	assert_steps("");
	settle();
	for (int i = 0; i < 61; i++)
		tracked += (world.slots[i] & SLUICE_SLOT_TRACK) != 0;
	assert_int_equal(tracked, 0);
}

static void a_removed_backend_keeps_id_and_record_until_it_settles(void **state)
{
	struct sluice_backend record;
	unsigned int a;

	(void)state;
	world.moves = true;
	become("web=a1@5#7,b2 | 80:web:61");
	a = count_words(SLUICE_SLOT(1, 1, false));
	record = world.backends[1];
	become("web=b2 | 80:web:61");
	assert_steps("ring@0! -sid7");
	assert_int_equal(count_words(SLUICE_SLOT(2, 1, true)), a);
	assert_string_equal(world.names[1].backend, "a");
	assert_int_equal(world.backends[1].flags, SLUICE_BACKEND_SERVING | SLUICE_BACKEND_NEXTHOP);
	assert_memory_equal(&world.backends[1].addr, &record.addr, sizeof(record.addr));
	assert_int_equal(world.backends[1].generation, record.generation);
	become("web=b2,c3 | 80:web:61");
	assert_int_equal(world.plan->backend_ids[1], 3);
	assert_int_not_equal(world.backends[1].encap, SLUICE_ENCAP_NONE);
	settle();
	assert_steps("ring@0! vip80#1@0 -1 -dev5");
	assert_int_equal(world.backends[1].encap, SLUICE_ENCAP_NONE);
	become("web=b2,c3,d4 | 80:web:61");
	assert_int_equal(world.plan->backend_ids[2], 1);
	assert_int_equal(world.backends[1].generation, record.generation + 1);
}

/* Once its time is over; the move of those that stay goes on. */
static void a_backend_that_left_frees_its_id_before_the_move_settles(void **state)
{
	unsigned int a;

	(void)state;
	world.moves = true;
	become("web=a1,b2,c3 | 80:web:61");
	a = count_words(SLUICE_SLOT(1, 1, false));
	become("web=b2,c3*300 | 80:web:61");
	assert_true(count_words(SLUICE_SLOT(2, 1, true)) + count_words(SLUICE_SLOT(3, 1, true)) >
		    0);
	assert_true(count_words(SLUICE_SLOT(3, 2, true)) > 0);
	world.now += 299;
	fixture_check(make_plan(), &world.diag);
	assert_steps("");
	world.now++;
	fixture_check(make_plan(), &world.diag);
	assert_steps("ring@0! -1");
	apply();
	/* Those that it had are remembered: they may move once more. */
	assert_int_equal(count_words(SLUICE_SLOT(2, 1, true)), 0);
	assert_int_equal(count_words(SLUICE_SLOT(3, 1, true)), 0);
	assert_true(count_words(SLUICE_SLOT(2, 2, true)) + count_words(SLUICE_SLOT(3, 3, true)) >=
		    a);
	assert_true(count_words(SLUICE_SLOT(3, 2, true)) > 0);
	assert_true(world.generations.vips[0].moving);
}

/* The words of the ring that clients of 10.1.1.0/24 have. */
static unsigned int count_target_words(uint32_t word)
{
	const struct sluice_target *target = &world.targets[world.plan->target_indexes[0]];
	unsigned int n = 0;

	assert_int_equal(target->ring.size, 61);
	for (uint32_t i = 0; i < 61; i++)
		n += world.slots[target->ring.base + i] == word;
	return n;
}

static void rings_of_pools_in_sources_move_like_the_vip_s(void **state)
{
	unsigned int a, b;

	(void)state;
	world.moves = true;
	become("web=a1 api=b2@5,c3 | 80:web:61,s1=api");
	a = count_words(SLUICE_SLOT(1, 1, false));
	assert_int_equal(a, 61);
	b = count_target_words(SLUICE_SLOT(2, 2, false));
	become("web=a1 api=b2@5!,c3 | 80:web:61,s1=api");
	assert_steps("ring@64!");
	assert_int_equal(count_target_words(SLUICE_SLOT(3, 2, true)), b);
	assert_int_equal(count_target_words(SLUICE_SLOT(3, 3, false)), 61 - b);
	assert_int_equal(count_words(SLUICE_SLOT(1, 1, false)), a);
	/* Removed, it stays as long as its flows may. */
	become("web=a1 api=c3 | 80:web:61,s1=api");
	assert_steps("");
	assert_string_equal(world.names[2].backend, "b");
	assert_true(world.backends[2].flags & SLUICE_BACKEND_SERVING);
	settle();
	assert_int_equal(count_target_words(SLUICE_SLOT(3, 3, false)), 61);
	assert_int_equal(world.backends[2].encap, SLUICE_ENCAP_NONE);
	assert_int_equal(count_words(SLUICE_SLOT(1, 1, false)), a);
	fixture_check(make_plan(), &world.diag);
	assert_steps("");
}

static void assert_words(struct plan_words *shared, const struct owners *owners)
{
	_cleanup_(plan_words_fini) struct plan_words own = {0};
	const struct plan_ring ring = {.owners = owners};
	const uint32_t *expected = plan_words_get(&own, world.plan, &ring);
	const uint32_t *got = plan_words_get(shared, world.plan, &ring);

	assert_true(got && expected);
	assert_memory_equal(got, expected, owners->ring->size * sizeof(*got));
}

/* VIPs whose slots have the same owners need their words once; any others get their own. */
static void words_are_shared_by_rings_with_the_same_owners(void **state)
{
	_cleanup_(plan_words_fini) struct plan_words words = {0};
	const struct desired_vip *vips;

	(void)state;
	world.moves = true;
	world.running.n_slots = SLOTS_MAX;
	world.running.max_vips = VIPS_MAX;
	become("web=a1,b2 api=a1,b2 | 80:web:13 81:web:13 82:api:13 83:web:61 84:web:13,s1=api");
	vips = world.desired->vips;
	assert_ptr_equal(vips[0].owners.ring, vips[2].owners.ring);
	assert_words(&words, &vips[0].owners);
	assert_words(&words, &vips[2].owners); /* the same ring, other backends */
	become("web=a1!,b2 api=a1,b2 | 80:web:13 81:web:13 82:api:13 83:web:61 84:web:13,s1=api");
	vips = world.desired->vips;
	plan_words_fini(&words);
	assert_words(&words, &vips[0].owners);
	assert_ptr_equal(words.of, &vips[0].owners);
	assert_words(&words, &vips[1].owners);
	assert_ptr_equal(words.of, &vips[0].owners); /* not made anew */
	assert_words(&words, &vips[2].owners);       /* another pool */
	assert_ptr_equal(words.of, &vips[2].owners);
	assert_words(&words, &world.desired->targets[0].owners);
	assert_ptr_equal(words.of, &vips[2].owners);
	assert_words(&words, &vips[3].owners); /* a larger one */
	assert_words(&words, &vips[4].owners); /* a smaller one */
	assert_ptr_equal(words.of, &vips[4].owners);
	assert_words(&words, &vips[0].owners);
	assert_ptr_equal(words.of, &vips[4].owners);
}

/* A balancer that has just booted, and one that has seen the change: from declared states. */
static void declared_states_alone_make_the_words(void **state)
{
	static const char one[] = "web=a1,b2!,c3+,d4*300 | 80:web:61";
	uint32_t slots[61];

	(void)state;
	world.moves = true;
	become(one);
	memcpy(slots, world.slots, sizeof(slots));
	teardown(NULL);
	setup(NULL);
	world.moves = true;
	world.now = 1000;
	become(one);
	assert_memory_equal(world.slots, slots, sizeof(slots));
	assert_true(count_words(SLUICE_SLOT(1, 2, true)) + count_words(SLUICE_SLOT(3, 2, true)) +
			    count_words(SLUICE_SLOT(4, 2, true)) >
		    5);
	teardown(NULL);
	setup(NULL);
	world.moves = true;
	become("web=a1,b2,d4*300 | 80:web:61");
	become("web=a1,b2!,d4*300 | 80:web:61");
	become("web=a1,b2!,d4*300,c3+ | 80:web:61");
	for (int i = 0; i < 61; i++) {
		static const uint32_t here[] = {0, 1, 2, 4, 3}; /* ids there -> here */

		assert_int_equal(here[SLUICE_SLOT_CUR(world.slots[i])], SLUICE_SLOT_CUR(slots[i]));
		assert_int_equal(here[SLUICE_SLOT_OTHER(world.slots[i])],
				 SLUICE_SLOT_OTHER(slots[i]));
	}
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

static void random_backends(FILE *out, size_t pool)
{
	static const char *const states[] = {"", "", "", "", "!", "+", "-", "*300"};

	for (unsigned int i = 1; i <= BACKENDS_MAX; i++) {
		unsigned int last = (unsigned int)pool * 20 + i;

		if (!below(3))
			continue;
		fprintf(out, "%c%u@%u%s", 'a' + (char)below(26), last, below(4),
			states[below(N(states))]);
		if (!below(4))
			fprintf(out, "#%u", below(9));
		fputc(',', out);
	}
}

static void random_extras(FILE *out, const char *const *pools)
{
	uint32_t first = below(3);

	for (uint32_t i = 0; i < below(EXTRAS_MAX); i++)
		fprintf(out, ",s%u=%s%s", first + i, pools[below(POOLS_MAX)], below(2) ? ".?" : "");
	for (uint32_t i = 0; i < below(EXTRAS_MAX); i++)
		fprintf(out, ",%c%u", below(2) ? 'a' : 'd', first + i);
}

static void random_wanted(char *text, size_t size)
{
	static const char *const pools[POOLS_MAX] = {"web", "api", "dns"};
	static const char *const addresses[] = {"", "x7", "p16", "p24"};
	static const unsigned int sizes[] = {11, 13, 31, 61};
	FILE *out = fmemopen(text, size, "w");
	uint32_t n_vips = below(VIPS_MAX + 1), first = below(3), n_decap = below(EXTRAS_MAX + 1);

	assert_non_null(out);
	for (size_t p = 0; p < POOLS_MAX; p++) {
		fprintf(out, "%s=", pools[p]);
		random_backends(out, p);
		fputc(' ', out);
	}
	fputs("|", out);
	for (uint32_t i = 0; i < n_vips; i++) {
		fprintf(out, " %u%s%s:%s:%u", 80 + first + i / 2, i % 2 ? "u" : "",
			addresses[below(N(addresses))], pools[below(POOLS_MAX)],
			sizes[below(N(sizes))]);
		if (below(2))
			random_extras(out, pools);
	}
	fputs(" |", out);
	for (uint32_t i = 0; i < n_decap; i++)
		fprintf(out, " %u%s", first + i, below(2) ? "e" : "");
	fclose(out);
}

/* Who has which number. */
struct numbers {
	struct sluice_backend backends[IDS_MAX];
	struct sluice_name names[IDS_MAX];
	struct sluice_target targets[TARGETS_MAX];
	struct rows vips[2];
};

static void numbers_fini(struct numbers *o)
{
	rows_fini(&o->vips[0]);
	rows_fini(&o->vips[1]);
}

static const enum map_id vip_maps[] = {MAP_VIPS, MAP_PREFIXES};

static void note_numbers(struct numbers *o)
{
	memcpy(o->backends, world.backends, sizeof(o->backends));
	memcpy(o->names, world.names, sizeof(o->names));
	memcpy(o->targets, world.targets, sizeof(o->targets));
	for (size_t m = 0; m < 2; m++) {
		const struct rows *rows = &world.maps[vip_maps[m]];

		rows_init(&o->vips[m], rows->key_size, rows->value_size);
		for (size_t i = 0; i < rows->n; i++)
			rows_add(&o->vips[m], rows_key(rows, i), rows_value(rows, i));
	}
}

static bool same_owner(const struct numbers *before, uint32_t id)
{
	return before->backends[id].encap != SLUICE_ENCAP_NONE &&
	       addr_equal(&before->backends[id].addr, &world.backends[id].addr) &&
	       strcmp(before->names[id].pool, world.names[id].pool) == 0;
}

/* Ids have stayed with their owners, or have a higher generation. */
static void check_backend_ids(const struct numbers *before)
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
}

static void check_other_ids(const struct numbers *before)
{
	for (size_t m = 0; m < 2; m++)
		for (size_t i = 0; i < before->vips[m].n; i++) {
			const struct sluice_vip *old = rows_value(&before->vips[m], i);
			const struct sluice_vip *now =
				rows_find(&world.maps[vip_maps[m]], rows_key(&before->vips[m], i));

			if (now && now->ring.size)
				assert_int_equal(now->id, old->id);
		}
	for (uint32_t i = 1; i < world.running.n_targets; i++) {
		const struct sluice_target *old = &before->targets[i], *now = &world.targets[i];

		if (!old->vip || !now->vip)
			continue;
		assert_int_equal(now->vip, old->vip);
		assert_string_equal(now->pool, old->pool);
		assert_string_equal(now->name, old->name);
	}
}

/* The ring's words are those of its owners. */
static void check_words(const struct sluice_ring *ring, const struct owners *owners)
{
	assert_int_equal(ring->size, owners->ring->size);
	for (uint32_t s = 0; s < ring->size; s++) {
		uint32_t word = world.slots[ring->base + s];
		struct owners_slot of = owners_of(owners, s);
		uint32_t cur = of.cur, other = of.other;

		assert_int_equal(SLUICE_SLOT_CUR(word),
				 cur == OWNERS_NOBODY ? 0 : world.plan->backend_ids[cur]);
		assert_int_equal(SLUICE_SLOT_OTHER(word),
				 other == OWNERS_NOBODY ? 0 : world.plan->backend_ids[other]);
		assert_int_equal(of.keep, !!(word & SLUICE_SLOT_KEEP));
		assert_true(!of.track || word & SLUICE_SLOT_TRACK);
		if (owners->old)
			assert_true(cur == other || word & SLUICE_SLOT_TRACK);
		else
			assert_false(word & SLUICE_SLOT_TRACK);
	}
}

/* The world is what is desired: no more, no less. */
static void check_world(void)
{
	size_t used = 0, targets = 0, vips = 0, addresses = 0;

	for (uint32_t id = 1; id < world.running.n_ids; id++)
		used += world.backends[id].encap != SLUICE_ENCAP_NONE;
	assert_int_equal(used, world.desired->n_backends);
	for (uint32_t i = 1; i < world.running.n_targets; i++)
		targets += world.targets[i].vip != 0;
	assert_int_equal(targets, world.desired->n_targets);
	for (size_t i = 0; i < world.desired->n_vips; i++) {
		const struct desired_vip *v = &world.desired->vips[i];
		enum map_id map = model_vip_is_host(v->vip) ? MAP_VIPS : MAP_PREFIXES;
		const struct sluice_vip *vip = vip_of(map, v->vip, v->vip->protocol);

		assert_non_null(vip);
		assert_int_equal(vip->id, world.plan->vip_ids[i]);
		assert_int_equal(vip->flags, v->flags);
		check_words(&vip->ring, &v->owners);
		assert_non_null(vip_of(map, v->vip, IPPROTO_ICMP));
		addresses += v->answers;
		vips++;
	}
	assert_int_equal(world.maps[MAP_VIPS].n + world.maps[MAP_PREFIXES].n, vips + addresses);
	for (size_t i = 0; i < world.desired->n_targets; i++) {
		const struct desired_target *t = &world.desired->targets[i];
		const struct sluice_target *target = &world.targets[world.plan->target_indexes[i]];

		if (t->owners.ring)
			check_words(&target->ring, &t->owners);
		else
			assert_int_equal(target->backend, world.plan->backend_ids[t->owners.first]);
	}
}

/* Every client's row is there, with where it leads. */
static void check_clients(void)
{
	size_t n_sources = 0, n_access = 0;

	for (size_t i = 0; i < world.desired->n_vips; i++) {
		const struct desired_vip *v = &world.desired->vips[i];

		n_access += v->vip->n_allow + v->vip->n_deny;
		for (size_t s = 0; s < v->vip->n_sources; s++) {
			const struct model_source *source = &v->vip->sources[s];
			const struct sluice_source_key key = {
				.prefixlen = SLUICE_SOURCE_FIXED + source->prefix.len,
				.vip = world.plan->vip_ids[i],
				.addr = source->prefix.addr,
			};
			const uint32_t *target = rows_find(&world.maps[MAP_SOURCES], &key);

			assert_non_null(target);
			assert_int_equal(
				*target,
				world.plan->target_indexes[v->first_target + source->target]);
			n_sources++;
		}
	}
	assert_int_equal(world.maps[MAP_SOURCES].n, n_sources);
	assert_int_equal(world.maps[MAP_ACCESS].n, n_access);
	assert_int_equal(world.maps[MAP_DECAP].n, world.wanted.model.n_decap);
}

/* Rings have places of their own. */
static void check_areas(void)
{
	struct sluice_ring rings[2 * VIPS_MAX + TARGETS_MAX];
	size_t n = 0;

	for (size_t m = 0; m < 2; m++)
		for (size_t i = 0; i < world.maps[vip_maps[m]].n; i++) {
			const struct sluice_vip *vip = rows_value(&world.maps[vip_maps[m]], i);

			if (vip->ring.size)
				rings[n++] = vip->ring;
		}
	for (uint32_t i = 1; i < world.running.n_targets; i++)
		if (world.targets[i].vip && world.targets[i].ring.size)
			rings[n++] = world.targets[i].ring;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			assert_true(
				rings[i].base + layout_ring_area(rings[i].size) <= rings[j].base ||
				rings[j].base + layout_ring_area(rings[j].size) <= rings[i].base);
}

static void change_at_random(void)
{
	_cleanup_(numbers_fini) struct numbers before;
	char text[1024];

	note_numbers(&before);
	if (!below(3))
		for (size_t i = 0; i < world.generations.n; i++)
			generations_settle(&world.generations, world.generations.vips[i].vip,
					   world.now);
	if (!below(10))
		world.state.digest[below(2)] = 0;
	world.now += below(400);
	random_wanted(text, sizeof(text));
	ring_cache_begin(&world.rings);
	fixture_check(try_plan(text), &world.diag);
	ring_cache_sweep(&world.rings);
	apply();
	check_world();
	check_clients();
	check_areas();
	check_backend_ids(&before);
	check_other_ids(&before);
	fixture_check(make_plan(), &world.diag);
	assert_steps("");
}

static void any_sequence_of_changes_comes_out_right(void **state)
{
	const char *given = getenv("SLUICE_TEST_SEED");

	(void)state;
	seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2 + 1;
	print_message("SLUICE_TEST_SEED=%llu\n", (unsigned long long)seed);
	world.running.n_ids = 40;
	world.running.n_targets = TARGETS_MAX;
	world.running.max_vips = 2 * VIPS_MAX;
	world.running.n_slots = SLOTS_MAX;
	world.moves = true;
	for (int round = 0; round < 3000; round++)
		change_at_random();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_those_that_are_needed),
		TEST(values_are_written_in_full),
		TEST(values_of_prefixes_and_targets_are_written_in_full),
		TEST(a_recycled_id_has_a_higher_generation),
		TEST(a_ring_without_backends_sends_nowhere),
		cmocka_unit_test(vips_that_point_outside_are_put_right),
		cmocka_unit_test(targets_that_point_outside_are_put_right),
		cmocka_unit_test(what_has_no_room_is_refused),
		TEST(large_maps_are_read_only_when_they_are_to_be_other),
		TEST(contents_that_no_digest_speaks_for_are_read),
		TEST(clients_follow_targets_whose_pin_was_lost),
		TEST(an_error_of_reading_ends_the_plan),
		TEST(rows_that_are_there_are_compared_or_left_alone),
		TEST(drained_slots_name_their_old_owner_until_they_settle),
		TEST(a_change_taken_back_moves_what_began_in_between),
		TEST(slots_of_a_disabled_backend_are_tracked),
		TEST(a_backend_that_came_in_between_keeps_id_and_record),
		TEST(a_slot_that_moved_back_stays_tracked_until_it_settles),
		TEST(a_removed_backend_keeps_id_and_record_until_it_settles),
		TEST(a_backend_that_left_frees_its_id_before_the_move_settles),
		TEST(rings_of_pools_in_sources_move_like_the_vip_s),
		TEST(words_are_shared_by_rings_with_the_same_owners),
		TEST(declared_states_alone_make_the_words),
		TEST(any_sequence_of_changes_comes_out_right),
	};

	return cmocka_run_group_tests_name("daemon/plan", tests, NULL, NULL);
}
