/* SPDX-License-Identifier: MIT */
/*
 * A balancer: the daemon's transaction (daemon/engine.c, daemon/apply.c) with arrays in the place
 * of maps. What moves, what is tracked and what a slot's word says comes from the daemon's own
 * code.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/flow_model.h"
#include "config/cleanup.h"
#include "config/hint.h"
#include "daemon/flow_table.h"
#include "daemon/layout.h"
#include "daemon/settle.h"

#define TARGETS 4
#define ROWS_ROOM 256
#define SETTLE_LOOK_S 5 /* as the engine */

static const struct wishes no_wishes;

/* ---------------------------------------------------------------------------------- versions */

struct sluice_addr fm_address(uint32_t index)
{
	struct in_addr addr = {.s_addr = htonl(0x0a010001 + index)};

	return addr_from_bytes(AF_INET, &addr);
}

uint32_t fm_index(const struct sluice_addr *address)
{
	return ntohl(address->w[3]) - 0x0a010001;
}

static char *backend_name(uint32_t index)
{
	static char names[FM_BACKENDS][8];

	snprintf(names[index], sizeof(names[index]), "b%u", index);
	return names[index];
}

struct fm_version *fm_version_new(const struct fm_declared *declared, uint32_t ring_size,
				  unsigned int age_s)
{
	struct fm_version *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	for (uint32_t i = 0; i < FM_BACKENDS; i++) {
		struct model_backend *b = &v->backends[v->pool.n_backends];

		if (!declared[i].there)
			continue;
		v->index[v->pool.n_backends++] = (uint16_t)i;
		*b = (struct model_backend){
			.name = backend_name(i),
			.address = fm_address(i),
			.weight = declared[i].weight,
			.weight_before = declared[i].weight_before,
			.state = declared[i].state,
		};
		b->hint = hint_number(&b->address);
	}
	v->interface.name = (char *)"eth0";
	v->pool.name = (char *)"web";
	v->pool.backends = v->backends;
	v->vip = (struct model_vip){
		.name = (char *)"web",
		.prefix = {.addr = fm_address(65536), .len = 128},
		.port = 80,
		.protocol = IPPROTO_TCP,
		.pool = &v->pool,
		.maglev = MODEL_MAGLEV_V2,
		.ring_size = ring_size,
	};
	v->model = (struct model){
		.interfaces = &v->interface,
		.n_interfaces = 1,
		.limits = {.vips = 4, .backends = FM_IDS - 1, .flows = FM_FLOW_LINES * 8},
		.flow_age_s = MODEL_FLOW_AGE_S,
		.tcp_age_s = age_s,
		.settle_s = FM_SETTLE_S,
		.pools = &v->pool,
		.n_pools = 1,
		.vips = &v->vip,
		.n_vips = 1,
	};
	return v;
}

/* -------------------------------------------------------------------------- new, applied, freed */

void fm_balancer_free(struct fm_balancer *b)
{
	if (!b)
		return;
	plan_free(b->plan);
	desired_free(b->desired);
	generations_fini(&b->generations);
	ring_cache_fini(&b->rings);
	for (int i = 0; i < MAP_MAX; i++)
		rows_fini(&b->rows[i]);
	fm_lru_free(b->lru);
	free(b->maps.backends);
	free(b->maps.slots.rings);
	free(b->maps.slots.others);
	free(b->maps.flows);
	free(b->names);
	free(b->targets);
	free(b->changes);
	free(b);
}

struct fm_balancer *fm_balancer_new(uint32_t ring_size, uint64_t secret, double now)
{
	struct fm_balancer *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	for (int i = 0; i < MAP_MAX; i++)
		rows_init(&b->rows[i], map_descriptions[i].key_size,
			  map_descriptions[i].value_size);
	b->maps.n_slots = layout_ring_area(ring_size);
	b->maps.slots.rings = calloc(b->maps.n_slots, sizeof(*b->maps.slots.rings));
	b->maps.slots.others = calloc(b->maps.n_slots, sizeof(*b->maps.slots.others));
	b->maps.backends = calloc(FM_IDS, sizeof(*b->maps.backends));
	b->maps.flows = calloc(FM_FLOW_LINES, sizeof(*b->maps.flows));
	b->names = calloc(FM_IDS, sizeof(*b->names));
	b->targets = calloc(TARGETS, sizeof(*b->targets));
	b->changes = calloc(b->maps.n_slots, sizeof(*b->changes));
	b->lru = fm_lru_new((size_t)FM_FLOW_LINES * SLUICE_FLOW_WAYS);
	b->maps.settings.secret[0] = secret;
	b->maps.settings.secret[1] = ~secret;
	b->state.abi = SLUICE_ABI;
	b->born = now;
	b->settled = -1;
	if (b->maps.slots.rings && b->maps.slots.others && b->maps.backends && b->maps.flows &&
	    b->names && b->targets && b->changes && b->lru)
		return b;
	fm_balancer_free(b);
	return NULL;
}

static bool nexthop(const void *ctx, const struct sluice_addr *addr, struct link_nexthop *out)
{
	(void)ctx;
	(void)addr;
	*out = (struct link_nexthop){.state = LINK_READY, .mtu = 1500, .mac = {2}};
	return true;
}

static int write_slots(struct fm_balancer *b, const struct plan *plan, const struct plan_ring *ring,
		       double now)
{
	_cleanup_(plan_words_fini) struct plan_words cache = {0};
	const uint32_t *words = plan_words_get(&cache, plan, ring);

	if (!words)
		return -ENOMEM;
	for (uint32_t i = 0; i < ring->owners->ring->size; i++) {
		uint32_t before = slots_get(&b->maps.slots, ring->base + i);
		uint32_t word = plan_word(ring, words[i], before);

		if (before == word)
			continue;
		slots_set(&b->maps.slots, ring->base + i, word);
		memmove(&b->changes[i][1], &b->changes[i][0],
			(FM_CHANGES - 1) * sizeof(struct fm_change));
		b->changes[i][0] = (struct fm_change){now, word};
	}
	return 0;
}

static void purge(struct fm_balancer *b, uint32_t id)
{
	for (size_t i = 0; i < FM_FLOW_LINES; i++)
		for (size_t way = 0; way < SLUICE_FLOW_WAYS; way++)
			if (SLUICE_FLOW_BACKEND(b->maps.flows[i].entry[way]) == id)
				b->maps.flows[i].entry[way] = 0;
}

static int write_row(struct rows *rows, const struct plan_row *row)
{
	size_t size = rows->key_size + rows->value_size;
	int err = 0;

	for (size_t i = 0; i < rows->n; i++) {
		unsigned char *at = rows->data + i * size;

		if (memcmp(at, row->key, rows->key_size) != 0)
			continue;
		memmove(at, at + size, (rows->n - i - 1) * size);
		rows->n--;
		break;
	}
	if (row->to)
		err = rows_add(rows, row->key, row->to);
	rows_sort(rows);
	return err;
}

static int do_step(struct fm_balancer *b, const struct plan *plan, const struct plan_step *step,
		   double now)
{
	const struct plan_backend *backend;

	switch (step->kind) {
	case PLAN_BACKEND:
		backend = &plan->backends[step->index];
		if (backend->fresh)
			purge(b, backend->id);
		b->maps.backends[backend->id] = backend->backend;
		b->names[backend->id] = backend->name;
		return 0;
	case PLAN_RING:
		return write_slots(b, plan, &plan->rings[step->index], now);
	case PLAN_TARGET:
		b->targets[plan->targets[step->index].index] = plan->targets[step->index].target;
		return 0;
	case PLAN_ROW:
		return write_row(&b->rows[plan->rows[step->index].map], &plan->rows[step->index]);
	}
	return -EINVAL;
}

static void running_done(struct running *running)
{
	for (int i = 0; i < MAP_MAX; i++)
		rows_fini(&running->rows[i]);
}

static int get_running(const struct fm_balancer *b, struct running *out)
{
	int err = 0;

	*out = (struct running){
		.backends = b->maps.backends,
		.names = b->names,
		.n_ids = FM_IDS,
		.targets = b->targets,
		.n_targets = TARGETS,
		.slots = b->maps.slots,
		.n_slots = b->maps.n_slots,
		.state = &b->state,
		.max_vips = 4,
	};
	for (int m = 0; m < MAP_MAX && !err; m++) {
		rows_init(&out->rows[m], b->rows[m].key_size, b->rows[m].value_size);
		out->max_entries[m] = ROWS_ROOM;
		for (size_t i = 0; i < b->rows[m].n && !err; i++)
			err = rows_add(&out->rows[m], rows_key(&b->rows[m], i),
				       rows_value(&b->rows[m], i));
	}
	return err;
}

static void find_vip(struct fm_balancer *b)
{
	const struct rows *rows = &b->rows[MAP_VIPS];

	for (size_t i = 0; i < rows->n; i++) {
		const struct sluice_vip_key *key = rows_key(rows, i);

		if (key->proto == IPPROTO_TCP)
			memcpy(&b->maps.vip, rows_value(rows, i), sizeof(b->maps.vip));
	}
}

/* @next becomes the balancer's when all went well. */
static int bring_into_force(struct fm_balancer *b, const struct fm_version *version,
			    struct generations *next, double now)
{
	const struct desired_port port = {.ifindex = 1, .mtu = 1500};
	struct desired_input input = {
		.model = &version->model,
		.wishes = &no_wishes,
		.generations = next,
		.ports = &port,
		.nexthop = nexthop,
		.rings = &b->rings,
	};
	_cleanup_(running_done) struct running running = {0};
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	_cleanup_(diag_fini) struct diag diag = {0};
	struct sluice_settings *settings = &b->maps.settings;
	uint64_t secret[2] = {settings->secret[0], settings->secret[1]};
	int err = get_running(b, &running);

	ring_cache_begin(&b->rings);
	if (!err)
		err = desired_build(&desired, &input);
	if (!err)
		err = plan_build(&plan, &running, desired, &diag);
	for (size_t i = 0; !err && i < plan->n_steps; i++)
		err = do_step(b, plan, &plan->steps[i], now);
	if (err)
		return err;
	memcpy(b->state.digest, plan->digest, sizeof(b->state.digest));
	*settings = desired_settings(&version->model);
	memcpy(settings->secret, secret, sizeof(secret));
	find_vip(b);
	plan_strip(plan);
	desired_free(b->desired);
	plan_free(b->plan);
	b->desired = TAKE(desired);
	b->plan = TAKE(plan);
	b->version = version;
	generations_fini(&b->generations);
	b->generations = *next;
	*next = (struct generations){0};
	ring_cache_sweep(&b->rings);
	return 0;
}

int fm_balancer_apply(struct fm_balancer *b, const struct fm_version *version, double now)
{
	_cleanup_(generations_fini) struct generations next = {0};
	int err =
		generations_next(&next, &b->generations, &version->model, &no_wishes, (int64_t)now);

	return err ? err : bring_into_force(b, version, &next, now);
}

int fm_balancer_restart(struct fm_balancer *b, double now)
{
	const struct fm_version *version = b->version;

	plan_free(TAKE(b->plan));
	desired_free(TAKE(b->desired));
	ring_cache_fini(&b->rings);
	return fm_balancer_apply(b, version, now);
}

/* ------------------------------------------------------------------------------------- settling */

/* The engine's question: is a live flow with another backend than its slot's owner? */
static int needs_old(const struct fm_balancer *b, double now, bool *needs)
{
	_cleanup_(settle_fini) struct settle settle = {0};
	uint16_t ticks = (uint16_t)((uint64_t)(now * 1e9) >> SLUICE_TICK_SHIFT);
	int err =
		settle_init(&settle, b->desired, &b->desired->vips[0].owners, b->plan->backend_ids);

	*needs = false;
	for (uint32_t i = 0; !err && !*needs && i < FM_FLOW_LINES * SLUICE_FLOW_WAYS; i++) {
		uint32_t way = i % SLUICE_FLOW_WAYS;
		uint64_t entry = b->maps.flows[i / SLUICE_FLOW_WAYS].entry[way];
		uint32_t age =
			flow_table_age(&b->maps.settings, entry, way < SLUICE_FLOW_ESTABLISHED);

		*needs = SLUICE_FLOW_BACKEND(entry) &&
			 (uint16_t)(ticks - SLUICE_FLOW_TIME(entry)) <= age &&
			 settle_needs_old(&settle, SLUICE_FLOW_SLOT(entry),
					  SLUICE_FLOW_BACKEND(entry));
	}
	return err;
}

int fm_balancer_tick(struct fm_balancer *b, double now)
{
	_cleanup_(generations_fini) struct generations next = {0};
	const struct generation_vip *v = generations_find(&b->generations, "web", NULL);
	int64_t time = (int64_t)now;
	bool needs = false;
	int err = 0;

	if (!v || !v->moving || time % SETTLE_LOOK_S)
		return 0;
	if (time < v->leave && time < v->limit) {
		if (time < v->soonest)
			return 0;
		err = needs_old(b, now, &needs);
		if (err || needs)
			return err;
	}
	err = generations_next(&next, &b->generations, &b->version->model, &no_wishes, time);
	if (err)
		return err;
	if (time < v->leave || time >= v->limit) {
		generations_settle(&next, "web", time);
		b->settled = now;
		b->early = time < v->limit;
	}
	return bring_into_force(b, b->version, &next, now);
}

/* ------------------------------------------------------------------------------------ selecting */

uint32_t fm_balancer_backend(const struct fm_balancer *b, uint32_t id)
{
	return id && b->maps.backends[id].encap ? fm_index(&b->maps.backends[id].addr) : FM_NOBODY;
}

struct fm_verdict fm_balancer_select(struct fm_balancer *b, enum fm_policy policy,
				     const struct fm_packet *packet, double now)
{
	uint64_t key = (uint64_t)packet->client << 16 | packet->port;
	struct fm_verdict v;
	struct fm_maps maps;
	uint32_t known;

	if (policy == FM_SLUICE)
		return fm_program_select(&b->maps, packet, now);
	/* The same program without flow table and hints. */
	maps = b->maps;
	maps.settings.features = 0;
	v = fm_program_select(&maps, packet, now);
	if (policy == FM_MAGLEV)
		return v;
	known = packet->syn ? 0 : fm_lru_find(b->lru, key);
	if (known && b->maps.backends[known].encap &&
	    b->maps.backends[known].flags & SLUICE_BACKEND_SERVING)
		v.id = known;
	fm_lru_store(b->lru, key, v.id);
	return v;
}
