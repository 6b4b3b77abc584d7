/* SPDX-License-Identifier: MIT */
/*
 * Ids stay with their owners: a backend keeps its id while its pool has its address, a VIP while
 * its addresses, port and protocol stay, a ring its place while its size does. So a plan for a
 * small change is small, and counters go on counting.
 *
 * First everything desired gets its number and place; then the rows that the maps should hold are
 * written down; then what differs becomes steps, phase by phase.
 */
#include "daemon/plan.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/layout.h"

/* One plan in the making. */
struct planner {
	struct plan *plan;
	struct running *running;
	const struct desired *desired;
	struct diag *diag;
	struct sluice_ring *vip_rings; /* of desired->vips: where each lies */
	struct layout_areas areas;
	struct plan_words words;
};

/* A place for one more element of an array; NULL without memory. */
static void *grow(void *array, size_t *n, size_t size)
{
	/* Doubles whenever the count is a power of two. */
	if ((*n & (*n - 1)) == 0)
		array = reallocarray(array, *n ? *n * 2 : 1, size);
	if (array)
		++*n;
	return array;
}

/* Appends the newest element of its kind as a step. */
static int add_step(struct plan *plan, enum plan_kind kind, size_t n)
{
	struct plan_step *steps = grow(plan->steps, &plan->n_steps, sizeof(*steps));

	if (!steps)
		return -ENOMEM;
	plan->steps = steps;
	steps[plan->n_steps - 1] = (struct plan_step){kind, (uint32_t)n - 1};
	return 0;
}

/* ------------------------------------------------------------------------------------- backends */

/* A running backend, for searching: what makes it the same backend. */
struct owner {
	const char *pool;
	const struct sluice_addr *addr;
	uint32_t id;
};

static int compare_owners(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;
	int order = addr_compare(x->addr, y->addr);

	return order ? order : strcmp(x->pool, y->pool);
}

/* The ids in use, sorted for bsearch(). NULL without memory. */
static struct owner *list_owners(const struct running *running, size_t *n)
{
	struct owner *owners = calloc((size_t)running->n_ids + 1, sizeof(*owners));

	if (!owners)
		return NULL;
	*n = 0;
	for (uint32_t id = 1; id < running->n_ids; id++)
		if (running->backends[id].encap != SLUICE_ENCAP_NONE)
			owners[(*n)++] = (struct owner){
				.pool = running->names[id].pool,
				.addr = &running->backends[id].addr,
				.id = id,
			};
	qsort(owners, *n, sizeof(*owners), compare_owners);
	return owners;
}

/* Gives every desired backend an id: its own if it runs, else a free one. */
static int number_backends(struct planner *p)
{
	_cleanup_(layout_ids_fini) struct layout_ids ids = {0};
	size_t n = 0;
	_cleanup_(freep) struct owner *owners = list_owners(p->running, &n);
	int err = owners ? layout_ids_init(&ids, p->running->n_ids) : -ENOMEM;

	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		layout_ids_use(&ids, owners[i].id);
	for (size_t i = 0; i < p->desired->n_backends; i++) {
		const struct desired_backend *b = &p->desired->backends[i];
		struct owner key = {.pool = b->pool->name, .addr = &b->record.addr};
		struct owner *found = bsearch(&key, owners, n, sizeof(*owners), compare_owners);

		p->plan->backend_ids[i] = found ? found->id : layout_ids_take(&ids);
		if (!p->plan->backend_ids[i]) {
			diag_add(p->diag, NULL, 0,
				 "backend \"%s\" of pool \"%s\": the limit of backends is %u "
				 "(those that leave count until they are gone); raise "
				 "limits.backends",
				 b->backend->name, b->pool->name, p->running->n_ids - 1);
			return -E2BIG;
		}
	}
	return 0;
}

static int add_backend(struct plan *plan, const struct plan_backend *backend)
{
	struct plan_backend *list = grow(plan->backends, &plan->n_backends, sizeof(*list));

	if (!list)
		return -ENOMEM;
	plan->backends = list;
	list[plan->n_backends - 1] = *backend;
	return add_step(plan, PLAN_BACKEND, plan->n_backends);
}

static int set_backends(struct planner *p)
{
	for (size_t i = 0; i < p->desired->n_backends; i++) {
		const struct desired_backend *b = &p->desired->backends[i];
		uint32_t id = p->plan->backend_ids[i];
		const struct sluice_backend *now = &p->running->backends[id];
		struct plan_backend step = {.id = id, .backend = b->record};
		int err;

		step.fresh = now->encap == SLUICE_ENCAP_NONE;
		step.backend.generation = now->generation + (step.fresh ? 1 : 0);
		strncpy(step.name.pool, b->pool->name, sizeof(step.name.pool) - 1);
		strncpy(step.name.backend, b->backend->name, sizeof(step.name.backend) - 1);
		if (memcmp(&step.backend, now, sizeof(*now)) == 0 &&
		    memcmp(&step.name, &p->running->names[id], sizeof(step.name)) == 0)
			continue;
		err = add_backend(p->plan, &step);
		if (err)
			return err;
	}
	return 0;
}

/* Clears the ids that run and are not desired; the generation stays for the next owner. */
static int clear_backends(struct planner *p)
{
	_cleanup_(freep) bool *kept = calloc((size_t)p->running->n_ids + 1, sizeof(bool));

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < p->desired->n_backends; i++)
		kept[p->plan->backend_ids[i]] = true;
	for (uint32_t id = 1; id < p->running->n_ids; id++) {
		struct plan_backend step = {.id = id};
		int err;

		if (kept[id] || p->running->backends[id].encap == SLUICE_ENCAP_NONE)
			continue;
		step.backend.generation = p->running->backends[id].generation;
		err = add_backend(p->plan, &step);
		if (err)
			return err;
	}
	return 0;
}

/* ---------------------------------------------------------------------------- VIPs, their rings */

static struct sluice_vip_key host_key(const struct model_vip *vip, uint8_t proto, uint16_t port)
{
	return (struct sluice_vip_key){
		.addr = vip->prefix.addr,
		.port = htobe16(port),
		.proto = proto,
	};
}

static struct sluice_prefix_key prefix_key(const struct model_vip *vip, uint8_t proto,
					   uint16_t port)
{
	return (struct sluice_prefix_key){
		.prefixlen = SLUICE_PREFIX_FIXED + vip->prefix.len,
		.addr = vip->prefix.addr,
		.port = htobe16(port),
		.proto = proto,
	};
}

/* Is its place in the maps of slots? It is not when a pin of theirs was lost. */
static bool ring_is_in_map(const struct running *running, const struct sluice_ring *ring)
{
	return ring->size > 1 && ring->base % SLUICE_LINE_SLOTS == 0 &&
	       (uint64_t)ring->base + layout_ring_area(ring->size) <= running->n_slots;
}

/* Are its id and its ring's place in the maps? */
static bool is_in_maps(const struct running *running, const struct sluice_vip *vip)
{
	return vip->id && vip->id <= running->max_vips && ring_is_in_map(running, &vip->ring);
}

/* The VIP's value of now; NULL: none, or one that is of no use. */
static const struct sluice_vip *running_vip(const struct running *running,
					    const struct model_vip *vip)
{
	struct sluice_vip_key host = host_key(vip, vip->protocol, vip->port);
	struct sluice_prefix_key prefix = prefix_key(vip, vip->protocol, vip->port);
	const struct sluice_vip *now = model_vip_is_host(vip)
					       ? rows_find(&running->rows[MAP_VIPS], &host)
					       : rows_find(&running->rows[MAP_PREFIXES], &prefix);

	return now && is_in_maps(running, now) ? now : NULL;
}

/* Calls @fn for every VIP that runs, not for what stands for an address. */
static int each_running_vip(const struct running *running,
			    int (*fn)(void *ctx, const struct sluice_vip *vip), void *ctx)
{
	static const enum map_id maps[] = {MAP_VIPS, MAP_PREFIXES};
	int err = 0;

	for (size_t m = 0; m < 2; m++) {
		const struct rows *rows = &running->rows[maps[m]];

		for (size_t i = 0; i < rows->n && !err; i++) {
			const struct sluice_vip *vip = rows_value(rows, i);

			if (is_in_maps(running, vip))
				err = fn(ctx, vip);
		}
	}
	return err;
}

static int use_vip_id(void *ctx, const struct sluice_vip *vip)
{
	layout_ids_use(ctx, vip->id);
	return 0;
}

static int use_vip_area(void *ctx, const struct sluice_vip *vip)
{
	return layout_areas_use(ctx, &vip->ring);
}

/* Gives every desired VIP an id: its own if it runs, else a free one. */
static int number_vips(struct planner *p)
{
	_cleanup_(layout_ids_fini) struct layout_ids ids = {0};
	int err = layout_ids_init(&ids, p->running->max_vips + 1);

	if (err)
		return err;
	each_running_vip(p->running, use_vip_id, &ids);
	for (size_t i = 0; i < p->desired->n_vips; i++) {
		const struct model_vip *vip = p->desired->vips[i].vip;
		const struct sluice_vip *now = running_vip(p->running, vip);

		p->plan->vip_ids[i] = now ? now->id : layout_ids_take(&ids);
		if (!p->plan->vip_ids[i]) {
			diag_add(p->diag, NULL, 0,
				 "vip \"%s\": the limit of VIPs is %u (those that leave count "
				 "until they are gone); raise limits.vips",
				 vip->name, p->running->max_vips);
			return -E2BIG;
		}
	}
	return 0;
}

/* The ring's place: that of @now if it has the size, else a new one. */
static int place_ring(struct planner *p, const struct ring *ring, const struct sluice_ring *now,
		      struct sluice_ring *out)
{
	*out = (struct sluice_ring){
		.size = ring->size,
		.inv = (uint32_t)((UINT64_C(1) << 32) / ring->size),
	};
	if (now && now->size == ring->size) {
		out->base = now->base;
		return 0;
	}
	return layout_areas_take(&p->areas, ring->size, &out->base);
}

static uint32_t id_of(const struct plan *plan, uint32_t backend)
{
	return backend == OWNERS_NOBODY ? 0 : plan->backend_ids[backend];
}

const uint32_t *plan_words_get(struct plan_words *w, const struct plan *plan,
			       const struct plan_ring *ring)
{
	const struct owners *owners = ring->owners;

	if (w->of && owners_equal(w->of, owners))
		return w->words;
	if (w->room < owners->ring->size) {
		uint32_t *words = reallocarray(w->words, owners->ring->size, sizeof(*words));

		if (!words)
			return NULL;
		w->words = words;
		w->room = owners->ring->size;
	}
	for (uint32_t i = 0; i < owners->ring->size; i++) {
		struct owners_slot s = owners_of(owners, i);

		w->words[i] = SLUICE_SLOT(id_of(plan, s.cur),
					  id_of(plan, s.other == OWNERS_NOBODY ? s.cur : s.other),
					  s.track) |
			      (s.keep ? SLUICE_SLOT_KEEP : 0);
	}
	w->of = owners;
	return w->words;
}

void plan_words_fini(struct plan_words *w)
{
	free(w->words);
	*w = (struct plan_words){0};
}

static uint32_t count_changed(const struct plan_ring *ring, const uint32_t *words,
			      const struct slots *running)
{
	uint32_t changed = 0;

	for (uint32_t i = 0; i < ring->owners->ring->size; i++) {
		uint32_t before = slots_get(running, ring->base + i);

		changed += before != plan_word(ring, words[i], before);
	}
	return changed;
}

/* A step for the ring, if a slot of it differs. */
static int add_ring(struct planner *p, const struct plan_ring *ring)
{
	const uint32_t *words = plan_words_get(&p->words, p->plan, ring);
	struct plan *plan = p->plan;
	struct plan_ring *list;
	uint32_t changed;

	if (!words)
		return -ENOMEM;
	changed = count_changed(ring, words, &p->running->slots);
	if (!changed)
		return 0;
	plan->slots += changed;
	list = grow(plan->rings, &plan->n_rings, sizeof(*list));
	if (!list)
		return -ENOMEM;
	plan->rings = list;
	list[plan->n_rings - 1] = *ring;
	list[plan->n_rings - 1].changed = changed;
	return add_step(plan, PLAN_RING, plan->n_rings);
}

static int place_vip_rings(struct planner *p)
{
	int err = 0;

	for (size_t i = 0; i < p->desired->n_vips && !err; i++) {
		const struct desired_vip *v = &p->desired->vips[i];
		const struct sluice_vip *now = running_vip(p->running, v->vip);

		err = place_ring(p, v->owners.ring, now ? &now->ring : NULL, &p->vip_rings[i]);
	}
	return err;
}

static int compare_pools(const void *a, const void *b)
{
	const struct desired_vip *x = *(const struct desired_vip *const *)a;
	const struct desired_vip *y = *(const struct desired_vip *const *)b;

	if (x->owners.first != y->owners.first)
		return x->owners.first < y->owners.first ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* The VIPs, those of one pool together: their rings have the same words. NULL without memory. */
static const struct desired_vip **vips_by_pool(const struct desired *desired)
{
	const struct desired_vip **list = calloc(desired->n_vips + 1, sizeof(*list));

	for (size_t i = 0; list && i < desired->n_vips; i++)
		list[i] = &desired->vips[i];
	if (list)
		qsort(list, desired->n_vips, sizeof(*list), compare_pools);
	return list;
}

static int set_vip_rings(struct planner *p)
{
	_cleanup_(freep) const struct desired_vip **vips = vips_by_pool(p->desired);
	int err = vips ? place_vip_rings(p) : -ENOMEM;

	for (size_t i = 0; i < p->desired->n_vips && !err; i++) {
		const struct desired_vip *v = vips[i];
		const struct sluice_vip *now = running_vip(p->running, v->vip);
		struct plan_ring ring = {
			.owners = &v->owners,
			.base = p->vip_rings[v - p->desired->vips].base,
		};

		ring.live = now && now->ring.base == ring.base;
		err = add_ring(p, &ring);
	}
	return err;
}

/* -------------------------------------------------------------------------------------- targets */

/* The target of now with the same VIP, pool and backend: its index, or 0. */
static uint32_t find_target(const struct running *running, const struct sluice_target *wanted)
{
	for (uint32_t i = 1; i < running->n_targets; i++) {
		const struct sluice_target *now = &running->targets[i];

		if (now->vip == wanted->vip && strcmp(now->pool, wanted->pool) == 0 &&
		    strcmp(now->name, wanted->name) == 0)
			return i;
	}
	return 0;
}

static struct sluice_target name_target(const struct planner *p, const struct desired_target *t)
{
	struct sluice_target target = {.vip = p->plan->vip_ids[t->vip]};

	strncpy(target.pool, t->target->pool->name, sizeof(target.pool) - 1);
	if (t->target->backend)
		strncpy(target.name, t->target->backend->name, sizeof(target.name) - 1);
	return target;
}

static int number_targets(struct planner *p)
{
	_cleanup_(layout_ids_fini) struct layout_ids ids = {0};
	int err = layout_ids_init(&ids, p->running->n_targets);

	if (err)
		return err;
	for (uint32_t i = 1; i < p->running->n_targets; i++)
		if (p->running->targets[i].vip)
			layout_ids_use(&ids, i);
	for (size_t i = 0; i < p->desired->n_targets; i++) {
		const struct desired_target *t = &p->desired->targets[i];
		struct sluice_target wanted = name_target(p, t);
		uint32_t index = find_target(p->running, &wanted);

		p->plan->target_indexes[i] = index ? index : layout_ids_take(&ids);
		if (!p->plan->target_indexes[i]) {
			diag_add(p->diag, NULL, 0,
				 "vip \"%s\": sources lead to more than %u pools and backends",
				 p->desired->vips[t->vip].vip->name, p->running->n_targets - 1);
			return -E2BIG;
		}
	}
	return 0;
}

static int add_target(struct plan *plan, uint32_t index, const struct sluice_target *target)
{
	struct plan_target *list = grow(plan->targets, &plan->n_targets, sizeof(*list));

	if (!list)
		return -ENOMEM;
	plan->targets = list;
	list[plan->n_targets - 1] = (struct plan_target){index, *target};
	return add_step(plan, PLAN_TARGET, plan->n_targets);
}

/* The target's ring, then the target. */
static int set_target(struct planner *p, size_t i)
{
	const struct desired_target *t = &p->desired->targets[i];
	uint32_t index = p->plan->target_indexes[i];
	const struct sluice_target *now = &p->running->targets[index];
	bool runs = now->vip && ring_is_in_map(p->running, &now->ring);
	struct sluice_target target = name_target(p, t);
	struct plan_ring ring = {.owners = &t->owners};
	int err;

	if (t->owners.ring) {
		err = place_ring(p, t->owners.ring, runs ? &now->ring : NULL, &target.ring);
		if (err)
			return err;
		ring.base = target.ring.base;
		ring.live = runs && now->ring.base == ring.base;
		err = add_ring(p, &ring);
		if (err)
			return err;
	} else {
		target.backend = p->plan->backend_ids[t->owners.first];
	}
	if (memcmp(now, &target, sizeof(target)) == 0)
		return 0;
	return add_target(p->plan, index, &target);
}

static int set_targets(struct planner *p)
{
	int err = 0;

	for (size_t i = 0; i < p->desired->n_targets && !err; i++)
		err = set_target(p, i);
	return err;
}

static int clear_targets(struct planner *p)
{
	static const struct sluice_target none;
	_cleanup_(freep) bool *kept = calloc((size_t)p->running->n_targets + 1, sizeof(bool));
	int err = kept ? 0 : -ENOMEM;

	for (size_t i = 0; i < p->desired->n_targets && !err; i++)
		kept[p->plan->target_indexes[i]] = true;
	for (uint32_t i = 1; i < p->running->n_targets && !err; i++)
		if (p->running->targets[i].vip && !kept[i])
			err = add_target(p->plan, i, &none);
	return err;
}

/* ------------------------------------------------------------------------------ the rows wanted */

static int want(struct planner *p, enum map_id map, const void *key, const void *value)
{
	return rows_add(&p->plan->wanted[map], key, value);
}

static int want_vip(struct planner *p, size_t i)
{
	const struct desired_vip *v = &p->desired->vips[i];
	struct sluice_vip_key host = host_key(v->vip, v->vip->protocol, v->vip->port);
	struct sluice_prefix_key prefix = prefix_key(v->vip, v->vip->protocol, v->vip->port);
	struct sluice_vip value = {
		.id = p->plan->vip_ids[i],
		.ring = p->vip_rings[i],
		.flags = v->flags,
		.addr_bits = (uint8_t)v->vip->prefix.len,
		.server_bytes = (uint8_t)v->vip->quic_server_id_bytes,
	};
	bool is_host = model_vip_is_host(v->vip);
	int err =
		is_host ? want(p, MAP_VIPS, &host, &value) : want(p, MAP_PREFIXES, &prefix, &value);

	if (err || !v->answers)
		return err;
	value = (struct sluice_vip){.id = value.id, .addr_bits = value.addr_bits};
	host = host_key(v->vip, IPPROTO_ICMP, 0);
	prefix = prefix_key(v->vip, IPPROTO_ICMP, 0);
	return is_host ? want(p, MAP_VIPS, &host, &value) : want(p, MAP_PREFIXES, &prefix, &value);
}

static int want_devices(struct planner *p)
{
	uint32_t last = 0;
	int err = 0;

	for (size_t i = 0; i < p->desired->n_backends && !err; i++) {
		uint32_t ifindex = p->desired->backends[i].record.ifindex;

		if (ifindex && ifindex != last)
			err = want(p, MAP_DEVICES, &ifindex, &ifindex);
		last = ifindex;
	}
	return err;
}

static int want_server_ids(struct planner *p)
{
	int err = 0;

	for (size_t i = 0; i < p->desired->n_backends && !err; i++) {
		const struct model_backend *b = p->desired->backends[i].backend;

		for (size_t s = 0; s < b->n_server_ids && !err; s++)
			err = want(p, MAP_SERVER_IDS, &b->server_ids[s], &p->plan->backend_ids[i]);
	}
	return err;
}

static int want_decap(struct planner *p)
{
	const struct model *model = p->desired->model;
	int err = 0;

	for (size_t i = 0; i < model->n_decap && !err; i++) {
		uint32_t mode = model->decap[i].egress ? SLUICE_DECAP_EGRESS : SLUICE_DECAP_PASS;

		err = want(p, MAP_DECAP, &model->decap[i].address, &mode);
	}
	return err;
}

static struct sluice_source_key source_key(uint32_t vip, const struct addr_prefix *prefix)
{
	return (struct sluice_source_key){
		.prefixlen = SLUICE_SOURCE_FIXED + prefix->len,
		.vip = vip,
		.addr = prefix->addr,
	};
}

static int want_access_list(struct planner *p, uint32_t vip, const struct addr_prefix *list,
			    size_t n, uint32_t rule)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		struct sluice_source_key key = source_key(vip, &list[i]);

		err = want(p, MAP_ACCESS, &key, &rule);
	}
	return err;
}

static int want_access(struct planner *p)
{
	int err = 0;

	for (size_t i = 0; i < p->desired->n_vips && !err; i++) {
		const struct model_vip *vip = p->desired->vips[i].vip;

		err = want_access_list(p, p->plan->vip_ids[i], vip->deny, vip->n_deny,
				       SLUICE_ACCESS_DENY);
		if (!err)
			err = want_access_list(p, p->plan->vip_ids[i], vip->allow, vip->n_allow,
					       SLUICE_ACCESS_ALLOW);
	}
	return err;
}

static int want_sources(struct planner *p)
{
	int err = 0;

	for (size_t i = 0; i < p->desired->n_vips && !err; i++) {
		const struct desired_vip *v = &p->desired->vips[i];

		for (size_t s = 0; s < v->vip->n_sources && !err; s++) {
			const struct model_source *source = &v->vip->sources[s];
			struct sluice_source_key key =
				source_key(p->plan->vip_ids[i], &source->prefix);

			err = want(p, MAP_SOURCES, &key,
				   &p->plan->target_indexes[v->first_target + source->target]);
		}
	}
	return err;
}

/* ------------------------------------------------------------------------- the rows that differ */

struct row_diff {
	struct planner *p;
	enum map_id map;
	bool deletions; /* only these, or only the others */
};

static int add_row(void *ctx, const void *key, const void *from, const void *to)
{
	struct row_diff *d = ctx;
	struct plan *plan = d->p->plan;
	struct plan_row *list;

	if (d->deletions == (to != NULL))
		return 0;
	list = grow(plan->rows, &plan->n_rows, sizeof(*list));
	if (!list)
		return -ENOMEM;
	plan->rows = list;
	list[plan->n_rows - 1] = (struct plan_row){
		.map = d->map,
		.key = key,
		.from = from,
		.to = to,
	};
	if ((d->map == MAP_VIPS || d->map == MAP_PREFIXES) && to && !from &&
	    ((const struct sluice_vip *)to)->ring.size)
		list[plan->n_rows - 1].fresh = ((const struct sluice_vip *)to)->id;
	return add_step(plan, PLAN_ROW, plan->n_rows);
}

static int diff_rows(struct planner *p, enum map_id map, bool deletions)
{
	struct row_diff diff = {.p = p, .map = map, .deletions = deletions};

	return rows_diff(&p->running->rows[map], &p->plan->wanted[map], add_row, &diff);
}

/* For each map: what an operator calls it, and the limit that makes it larger. */
static int check_room(struct planner *p, enum map_id map, const char *what, const char *limit)
{
	/* Those that go are deleted last. */
	size_t n = p->plan->wanted[map].n;
	const struct rows *now = &p->running->rows[map];

	for (size_t i = 0; i < now->n; i++)
		n += !rows_find(&p->plan->wanted[map], rows_key(now, i));
	if (n <= p->running->max_entries[map])
		return 0;
	diag_add(p->diag, NULL, 0,
		 "the limit of %s is %u (those that leave count until they are gone)%s%s", what,
		 p->running->max_entries[map], limit ? "; raise " : "", limit ? limit : "");
	return -E2BIG;
}

/*
 * Sources and access can be a million rows: they are read and compared only when the digest of
 * what they should hold is another one. The digest is of the VIPs' own digests and their ids.
 */
static uint64_t mix(uint64_t digest, uint64_t word)
{
	digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return digest ^ digest >> 29;
}

static uint64_t digest_of(const struct planner *p, enum map_id map)
{
	uint64_t digest = 1;

	for (size_t i = 0; i < p->desired->n_vips; i++) {
		const struct desired_vip *v = &p->desired->vips[i];
		bool sources = map == MAP_SOURCES;

		if (!(sources ? v->vip->n_sources : v->vip->n_allow + v->vip->n_deny))
			continue;
		digest = mix(digest, p->plan->vip_ids[i]);
		digest = mix(digest, sources ? v->vip->sources_digest : v->vip->access_digest);
		for (size_t t = 0; sources && t < v->vip->n_targets; t++)
			digest = mix(digest, p->plan->target_indexes[v->first_target + t]);
	}
	return digest;
}

static int want_large(struct planner *p, enum map_id map, int (*fill)(struct planner *p))
{
	size_t which = map == MAP_ACCESS;
	int err = 0;

	p->plan->digest[which] = digest_of(p, map);
	if (p->running->read_rows) {
		if (p->running->state->digest[which] == p->plan->digest[which])
			return 0;
		err = p->running->read_rows(p->running, map);
	}
	return err ? err : fill(p);
}

static int want_rows(struct planner *p)
{
	int err = 0;

	for (int i = 0; i < MAP_MAX; i++)
		rows_init(&p->plan->wanted[i], map_descriptions[i].key_size,
			  map_descriptions[i].value_size);
	for (size_t i = 0; i < p->desired->n_vips && !err; i++)
		err = want_vip(p, i);
	if (!err)
		err = want_devices(p);
	if (!err)
		err = want_server_ids(p);
	if (!err)
		err = want_decap(p);
	if (!err)
		err = want_large(p, MAP_SOURCES, want_sources);
	if (!err)
		err = want_large(p, MAP_ACCESS, want_access);
	for (int i = 0; i < MAP_MAX; i++)
		rows_sort(&p->plan->wanted[i]);
	if (!err)
		err = check_room(p, MAP_DEVICES, "devices to backends", NULL);
	if (!err)
		err = check_room(p, MAP_SERVER_IDS, "server ids", "limits.backends");
	if (!err)
		err = check_room(p, MAP_SOURCES, "client prefixes in sources", "limits.sources");
	if (!err)
		err = check_room(p, MAP_ACCESS, "client prefixes in allow and deny",
				 "limits.sources");
	if (!err)
		err = check_room(p, MAP_DECAP, "decap addresses", NULL);
	return err;
}

/* ------------------------------------------------------------------------------------- the plan */

static int set_rows(struct planner *p)
{
	static const enum map_id order[] = {MAP_SERVER_IDS, MAP_ACCESS, MAP_SOURCES,
					    MAP_PREFIXES,   MAP_VIPS,   MAP_DECAP};
	int err = 0;

	for (size_t i = 0; i < sizeof(order) / sizeof(*order) && !err; i++)
		err = diff_rows(p, order[i], false);
	return err;
}

static int delete_rows(struct planner *p)
{
	static const enum map_id order[] = {MAP_DECAP,   MAP_VIPS,   MAP_PREFIXES,
					    MAP_SOURCES, MAP_ACCESS, MAP_SERVER_IDS};
	int err = 0;

	for (size_t i = 0; i < sizeof(order) / sizeof(*order) && !err; i++)
		err = diff_rows(p, order[i], true);
	return err;
}

static int number_all(struct planner *p)
{
	int err = number_backends(p);

	if (!err)
		err = number_vips(p);
	if (!err)
		err = number_targets(p);
	if (err)
		return err;
	p->areas.limit = p->running->n_slots;
	err = each_running_vip(p->running, use_vip_area, &p->areas);
	for (uint32_t i = 1; i < p->running->n_targets && !err; i++)
		if (p->running->targets[i].vip &&
		    ring_is_in_map(p->running, &p->running->targets[i].ring))
			err = layout_areas_use(&p->areas, &p->running->targets[i].ring);
	layout_areas_sort(&p->areas);
	return err;
}

static int plan_all(struct planner *p)
{
	static int (*const phases[])(struct planner * p) = {
		set_backends, set_vip_rings, set_targets,   want_rows,
		set_rows,     delete_rows,   clear_targets, clear_backends,
	};
	int err = number_all(p);

	for (size_t i = 0; i < sizeof(phases) / sizeof(*phases) && !err; i++)
		err = phases[i](p);
	return err;
}

/* Devices come first and go last, but are known only with the other rows. */
static int plan_devices(struct planner *p)
{
	size_t first = p->plan->n_steps;
	int err = diff_rows(p, MAP_DEVICES, false);
	size_t added = p->plan->n_steps - first;
	_cleanup_(freep) struct plan_step *steps = calloc(added + 1, sizeof(*steps));

	if (err || !steps)
		return err ? err : -ENOMEM;
	if (added) {
		memcpy(steps, &p->plan->steps[first], added * sizeof(*steps));
		memmove(&p->plan->steps[added], p->plan->steps, first * sizeof(*steps));
		memcpy(p->plan->steps, steps, added * sizeof(*steps));
	}
	return diff_rows(p, MAP_DEVICES, true);
}

static int allocate(struct planner *p)
{
	const struct desired *d = p->desired;

	p->plan = calloc(1, sizeof(*p->plan));
	if (!p->plan)
		return -ENOMEM;
	p->plan->desired = d;
	p->plan->backend_ids = calloc(d->n_backends + 1, sizeof(uint32_t));
	p->plan->vip_ids = calloc(d->n_vips + 1, sizeof(uint32_t));
	p->plan->target_indexes = calloc(d->n_targets + 1, sizeof(uint32_t));
	p->vip_rings = calloc(d->n_vips + 1, sizeof(*p->vip_rings));
	if (!p->plan->backend_ids || !p->plan->vip_ids || !p->plan->target_indexes || !p->vip_rings)
		return -ENOMEM;
	return 0;
}

int plan_build(struct plan **out, struct running *running, const struct desired *desired,
	       struct diag *diag)
{
	struct planner p = {.running = running, .desired = desired, .diag = diag};
	int err = allocate(&p);

	if (!err)
		err = plan_all(&p);
	if (!err)
		err = plan_devices(&p);
	layout_areas_fini(&p.areas);
	plan_words_fini(&p.words);
	free(p.vip_rings);
	if (err)
		plan_free(p.plan);
	else
		*out = p.plan;
	return err;
}

void plan_strip(struct plan *plan)
{
	free(plan->steps);
	free(plan->rows);
	free(plan->backends);
	free(plan->rings);
	free(plan->targets);
	plan->steps = NULL;
	plan->rows = NULL;
	plan->backends = NULL;
	plan->rings = NULL;
	plan->targets = NULL;
	plan->n_steps = plan->n_rows = plan->n_backends = plan->n_rings = plan->n_targets = 0;
	for (int i = 0; i < MAP_MAX; i++)
		rows_fini(&plan->wanted[i]);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	plan_strip(plan);
	free(plan->backend_ids);
	free(plan->vip_ids);
	free(plan->target_indexes);
	free(plan);
}

void plan_freep(struct plan **plan)
{
	plan_free(*plan);
}
