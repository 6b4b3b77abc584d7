/* SPDX-License-Identifier: MIT */
/*
 * Ids stay with their owners: a backend keeps its id while its pool has its address, a VIP while
 * its address, port and protocol stay, a ring its place while its size does. So a plan for a
 * small change is small, and counters go on counting.
 */
#include "daemon/plan.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"

/* Who has which id now, and which ids are free. */
struct ids {
	bool *used;
	uint32_t n;    /* ids 1 .. n - 1 */
	uint32_t next; /* no free id below */
};

static void ids_fini(struct ids *ids)
{
	free(ids->used);
}

static int ids_init(struct ids *ids, uint32_t n)
{
	*ids = (struct ids){.used = calloc((size_t)n + 1, sizeof(bool)), .n = n, .next = 1};
	return ids->used ? 0 : -ENOMEM;
}

/* A free id, now used; 0: none is free. */
static uint32_t ids_take(struct ids *ids)
{
	while (ids->next < ids->n && ids->used[ids->next])
		ids->next++;
	if (ids->next >= ids->n)
		return 0;
	ids->used[ids->next] = true;
	return ids->next++;
}

/* Appends an empty step of @kind. Returns NULL without memory. */
static struct plan_step *add_step(struct plan *plan, enum plan_kind kind)
{
	struct plan_step *step;

	/* Doubles whenever the count is a power of two. */
	if ((plan->n_steps & (plan->n_steps - 1)) == 0) {
		size_t room = plan->n_steps ? plan->n_steps * 2 : 1;
		struct plan_step *steps = reallocarray(plan->steps, room, sizeof(*steps));

		if (!steps)
			return NULL;
		plan->steps = steps;
	}
	step = &plan->steps[plan->n_steps++];
	*step = (struct plan_step){.kind = kind};
	return step;
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
static int assign_backends(struct plan *plan, const struct running *running,
			   const struct desired *desired, struct ids *ids, struct diag *diag)
{
	size_t n = 0;
	_cleanup_(freep)
	struct owner *owners = list_owners(running, &n);

	if (!owners)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ids->used[owners[i].id] = true;
	for (size_t i = 0; i < desired->n_backends; i++) {
		const struct desired_backend *b = &desired->backends[i];
		struct owner key = {.pool = b->pool->name, .addr = &b->record.addr};
		struct owner *found = bsearch(&key, owners, n, sizeof(*owners), compare_owners);

		plan->backend_ids[i] = found ? found->id : ids_take(ids);
		if (!plan->backend_ids[i]) {
			diag_add(diag, NULL, 0,
				 "backend \"%s\" of pool \"%s\": no room for more than %u backends "
				 "(those that leave count until they are gone); raise "
				 "limits.backends",
				 b->backend->name, b->pool->name, running->n_ids - 1);
			return -E2BIG;
		}
	}
	return 0;
}

static int set_backends(struct plan *plan, const struct running *running,
			const struct desired *desired)
{
	for (size_t i = 0; i < desired->n_backends; i++) {
		const struct desired_backend *b = &desired->backends[i];
		uint32_t id = plan->backend_ids[i];
		const struct sluice_backend *now = &running->backends[id];
		struct sluice_backend record = b->record;
		struct sluice_name name = {0};
		struct plan_step *step;
		bool fresh = now->encap == SLUICE_ENCAP_NONE;

		record.generation = now->generation + (fresh ? 1 : 0);
		strncpy(name.pool, b->pool->name, sizeof(name.pool) - 1);
		strncpy(name.backend, b->backend->name, sizeof(name.backend) - 1);
		if (memcmp(&record, now, sizeof(record)) == 0 &&
		    memcmp(&name, &running->names[id], sizeof(name)) == 0)
			continue;
		step = add_step(plan, PLAN_BACKEND_SET);
		if (!step)
			return -ENOMEM;
		step->fresh = fresh;
		step->id = id;
		step->backend = record;
		step->name = name;
	}
	return 0;
}

/* Clears the ids that run and are not desired; the generation stays for the next owner. */
static int clear_backends(struct plan *plan, const struct running *running,
			  const struct desired *desired)
{
	_cleanup_(freep)
	bool *kept = calloc((size_t)running->n_ids + 1, sizeof(bool));

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < desired->n_backends; i++)
		kept[plan->backend_ids[i]] = true;
	for (uint32_t id = 1; id < running->n_ids; id++) {
		struct plan_step *step;

		if (kept[id] || running->backends[id].encap == SLUICE_ENCAP_NONE)
			continue;
		step = add_step(plan, PLAN_BACKEND_CLEAR);
		if (!step)
			return -ENOMEM;
		step->id = id;
		step->backend.generation = running->backends[id].generation;
	}
	return 0;
}

/* --------------------------------------------------------------------------------------- devices */

static bool has_device(const struct running *running, uint32_t ifindex)
{
	for (size_t i = 0; i < running->n_devices; i++)
		if (running->devices[i] == ifindex)
			return true;
	return false;
}

static bool wants_device(const struct desired *desired, uint32_t ifindex)
{
	for (size_t i = 0; i < desired->n_backends; i++)
		if (desired->backends[i].record.ifindex == ifindex)
			return true;
	return false;
}

static bool adds_device(const struct plan *plan, uint32_t ifindex)
{
	for (size_t i = 0; i < plan->n_steps; i++)
		if (plan->steps[i].kind == PLAN_DEVICE_ADD && plan->steps[i].id == ifindex)
			return true;
	return false;
}

static int add_devices(struct plan *plan, const struct running *running,
		       const struct desired *desired, struct diag *diag)
{
	uint32_t last = 0;

	for (size_t i = 0; i < desired->n_backends; i++) {
		uint32_t ifindex = desired->backends[i].record.ifindex;
		struct plan_step *step;

		if (!ifindex || ifindex == last || has_device(running, ifindex) ||
		    adds_device(plan, ifindex))
			continue;
		last = ifindex;
		if (running->n_devices + plan->n_steps >= running->max_devices) {
			diag_add(diag, NULL, 0, "backends are reached by more than %u devices",
				 running->max_devices);
			return -E2BIG;
		}
		step = add_step(plan, PLAN_DEVICE_ADD);
		if (!step)
			return -ENOMEM;
		step->id = ifindex;
	}
	return 0;
}

static int delete_devices(struct plan *plan, const struct running *running,
			  const struct desired *desired)
{
	for (size_t i = 0; i < running->n_devices; i++) {
		struct plan_step *step;

		if (wants_device(desired, running->devices[i]))
			continue;
		step = add_step(plan, PLAN_DEVICE_DELETE);
		if (!step)
			return -ENOMEM;
		step->id = running->devices[i];
	}
	return 0;
}

/* ------------------------------------------------------------------------------- VIPs and rings */

/* A stretch of `rings` that is in use. */
struct area {
	uint32_t base;
	uint32_t size;
};

struct areas {
	struct area *list; /* sorted by base */
	size_t n;
};

static void areas_fini(struct areas *areas)
{
	free(areas->list);
}

static int compare_areas(const void *a, const void *b)
{
	uint32_t x = ((const struct area *)a)->base, y = ((const struct area *)b)->base;

	return x < y ? -1 : x > y;
}

/* The areas of the running VIPs, with room for @more. */
static int areas_init(struct areas *areas, const struct running *running, size_t more)
{
	areas->n = running->n_vips;
	areas->list = calloc(areas->n + more + 1, sizeof(*areas->list));
	if (!areas->list)
		return -ENOMEM;
	for (size_t i = 0; i < areas->n; i++)
		areas->list[i] = (struct area){
			.base = running->vips[i].value.ring,
			.size = plan_ring_area(running->vips[i].value.ring_size),
		};
	qsort(areas->list, areas->n, sizeof(*areas->list), compare_areas);
	return 0;
}

/* The first gap of @size slots below @limit, taken. 0 or -ENOSPC. */
static int areas_take(struct areas *areas, uint32_t size, uint32_t limit, uint32_t *base)
{
	uint64_t end = 0;
	size_t at;

	for (at = 0; at < areas->n; at++) {
		if (areas->list[at].base >= end + size)
			break;
		end = (uint64_t)areas->list[at].base + areas->list[at].size;
	}
	if (end + size > limit)
		return -ENOSPC;
	memmove(&areas->list[at + 1], &areas->list[at], (areas->n - at) * sizeof(*areas->list));
	areas->list[at] = (struct area){.base = (uint32_t)end, .size = size};
	areas->n++;
	*base = (uint32_t)end;
	return 0;
}

static int compare_vips(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct sluice_vip_key));
}

/* The running VIPs sorted by key, for bsearch(). NULL without memory. */
static struct running_vip *list_vips(const struct running *running)
{
	struct running_vip *list = calloc(running->n_vips + 1, sizeof(*list));

	if (!list)
		return NULL;
	if (running->n_vips)
		memcpy(list, running->vips, running->n_vips * sizeof(*list));
	qsort(list, running->n_vips, sizeof(*list), compare_vips);
	return list;
}

uint32_t plan_slot(const struct plan *plan, const struct plan_ring *ring, uint32_t slot)
{
	uint16_t owner = ring->ring->owner[0][slot];
	uint32_t id = owner == RING_NONE ? 0 : plan->backend_ids[ring->first + owner];

	return SLUICE_SLOT(id, id, false);
}

static uint64_t count_changed(const struct plan *plan, const struct running *running,
			      const struct plan_ring *ring)
{
	uint64_t changed = 0;

	for (uint32_t i = 0; i < ring->ring->size; i++)
		changed += running->slots[ring->base + i] != plan_slot(plan, ring, i);
	return changed;
}

/* What is being laid out, for the steps of all VIPs. */
struct layout {
	const struct running *running;
	struct running_vip *sorted;
	struct ids ids;
	struct areas areas;
};

/*
 * An id and a place that the maps have. Others are found when the pin of a map was lost, and are
 * as good as none.
 */
static bool has_id(const struct running *running, const struct sluice_vip *value)
{
	return value->id && value->id <= running->max_vips;
}

static bool has_place(const struct running *running, const struct sluice_vip *value)
{
	return (uint64_t)value->ring + plan_ring_area(value->ring_size) <= running->n_slots;
}

/* The value that @v should have: its id and place of before, else new ones. */
static int place_vip(struct layout *l, const struct desired_vip *v, const struct running_vip *now,
		     struct sluice_vip *value)
{
	*value = (struct sluice_vip){
		.id = now && has_id(l->running, &now->value) ? now->value.id : ids_take(&l->ids),
		.ring_size = v->ring->size,
		.ring_inv = (uint32_t)((UINT64_C(1) << 32) / v->ring->size),
		.flags = v->flags,
	};
	if (!value->id)
		return -E2BIG;
	if (now && now->value.ring_size == v->ring->size && has_place(l->running, &now->value)) {
		value->ring = now->value.ring;
		return 0;
	}
	return areas_take(&l->areas, plan_ring_area(v->ring->size), l->running->n_slots,
			  &value->ring);
}

/* Steps for one VIP: its ring's slots, then its entry. */
static int add_vip(struct plan *plan, struct layout *l, const struct desired *desired, size_t i)
{
	const struct desired_vip *v = &desired->vips[i];
	const struct running_vip *now =
		bsearch(&v->key, l->sorted, l->running->n_vips, sizeof(*now), compare_vips);
	struct plan_ring ring = {.ring = v->ring, .first = v->first};
	struct sluice_vip value;
	struct plan_step *step;
	uint64_t changed;
	int err;

	err = place_vip(l, v, now, &value);
	if (err)
		return err;
	plan->vip_ids[i] = value.id;
	ring.base = value.ring;
	ring.live = now && now->value.ring == value.ring;
	changed = count_changed(plan, l->running, &ring);
	if (changed) {
		plan->slots += changed;
		step = add_step(plan, PLAN_RING_WRITE);
		if (!step)
			return -ENOMEM;
		step->ring = ring;
	}
	if (now && memcmp(&now->value, &value, sizeof(value)) == 0)
		return 0;
	step = add_step(plan, PLAN_VIP_SET);
	if (!step)
		return -ENOMEM;
	step->fresh = !now;
	step->key = v->key;
	step->vip = value;
	return 0;
}

static int set_vips(struct plan *plan, struct layout *l, const struct desired *desired,
		    struct diag *diag)
{
	for (size_t i = 0; i < l->running->n_vips; i++)
		if (has_id(l->running, &l->sorted[i].value))
			l->ids.used[l->sorted[i].value.id] = true;
	for (size_t i = 0; i < desired->n_vips; i++) {
		int err = add_vip(plan, l, desired, i);

		if (err == -E2BIG)
			diag_add(
				diag, NULL, 0,
				"vip \"%s\": no room for more than %u VIPs (those that leave count "
				"until they are gone); raise limits.vips",
				desired->vips[i].vip->name, l->running->max_vips);
		if (err)
			return err;
	}
	return 0;
}

static int delete_vips(struct plan *plan, const struct running *running,
		       const struct desired *desired)
{
	_cleanup_(freep)
	struct sluice_vip_key *keys = calloc(desired->n_vips + 1, sizeof(*keys));

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < desired->n_vips; i++)
		keys[i] = desired->vips[i].key;
	qsort(keys, desired->n_vips, sizeof(*keys), compare_vips);
	for (size_t i = 0; i < running->n_vips; i++) {
		struct plan_step *step;

		if (bsearch(&running->vips[i].key, keys, desired->n_vips, sizeof(*keys),
			    compare_vips))
			continue;
		step = add_step(plan, PLAN_VIP_DELETE);
		if (!step)
			return -ENOMEM;
		step->key = running->vips[i].key;
		step->vip = running->vips[i].value;
	}
	return 0;
}

static int plan_vips(struct plan *plan, const struct running *running,
		     const struct desired *desired, struct diag *diag)
{
	struct layout l = {.running = running};
	int err;

	l.sorted = list_vips(running);
	err = l.sorted ? ids_init(&l.ids, running->max_vips + 1) : -ENOMEM;
	if (!err)
		err = areas_init(&l.areas, running, desired->n_vips);
	if (!err)
		err = set_vips(plan, &l, desired, diag);
	areas_fini(&l.areas);
	ids_fini(&l.ids);
	free(l.sorted);
	return err;
}

/* ------------------------------------------------------------------------------------- the plan */

static int plan_all(struct plan *plan, const struct running *running, const struct desired *desired,
		    struct diag *diag)
{
	_cleanup_(ids_fini)
	struct ids ids;
	int err = ids_init(&ids, running->n_ids);

	if (!err)
		err = assign_backends(plan, running, desired, &ids, diag);
	if (!err)
		err = add_devices(plan, running, desired, diag);
	if (!err)
		err = set_backends(plan, running, desired);
	if (!err)
		err = plan_vips(plan, running, desired, diag);
	if (!err)
		err = delete_vips(plan, running, desired);
	if (!err)
		err = clear_backends(plan, running, desired);
	if (!err)
		err = delete_devices(plan, running, desired);
	return err;
}

int plan_build(struct plan **out, const struct running *running, const struct desired *desired,
	       struct diag *diag)
{
	_cleanup_(plan_freep)
	struct plan *plan = calloc(1, sizeof(*plan));
	int err;

	if (!plan)
		return -ENOMEM;
	plan->backend_ids = calloc(desired->n_backends + 1, sizeof(*plan->backend_ids));
	plan->vip_ids = calloc(desired->n_vips + 1, sizeof(*plan->vip_ids));
	if (!plan->backend_ids || !plan->vip_ids)
		return -ENOMEM;
	err = plan_all(plan, running, desired, diag);
	if (err)
		return err;
	*out = TAKE(plan);
	return 0;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	free(plan->steps);
	free(plan->backend_ids);
	free(plan->vip_ids);
	free(plan);
}

void plan_freep(struct plan **plan)
{
	plan_free(*plan);
}
