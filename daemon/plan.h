/* SPDX-License-Identifier: MIT */
/*
 * Running against desired: what to write to the maps, and in which order. Pure: it reads what it
 * is given and writes nothing; daemon/datapath.c carries the steps out.
 *
 * Order: devices and backends that packets may be sent to come first, then the rings that name
 * them, then the VIPs that name the rings; what goes away goes in reverse.
 */
#ifndef SLUICE_DAEMON_PLAN_H
#define SLUICE_DAEMON_PLAN_H

#include <stdbool.h>

#include "config/diag.h"
#include "daemon/desired.h"

struct running_vip {
	struct sluice_vip_key key;
	struct sluice_vip value;
};

/* What the maps hold. Arrays belong to whoever made the snapshot. */
struct running {
	const struct sluice_backend *backends; /* by id */
	const struct sluice_name *names;       /* by id */
	uint32_t n_ids;                        /* ids 1 .. n_ids - 1 exist */
	const struct running_vip *vips;
	size_t n_vips;
	uint32_t max_vips; /* VIP ids 1 .. max_vips exist */
	const uint32_t *slots;
	uint32_t n_slots;        /* a multiple of SLUICE_LINE_SLOTS */
	const uint32_t *devices; /* ifindexes */
	size_t n_devices;
	uint32_t max_devices;
};

enum plan_kind {
	PLAN_DEVICE_ADD,
	PLAN_BACKEND_SET,
	PLAN_RING_WRITE,
	PLAN_VIP_SET,
	PLAN_VIP_DELETE,
	PLAN_BACKEND_CLEAR,
	PLAN_DEVICE_DELETE,
};

/* A ring to be written: which slots differ is found while writing. */
struct plan_ring {
	const struct ring *ring;
	size_t first;  /* desired index of owner 0 */
	uint32_t base; /* slot where the ring begins */
	bool live;     /* packets use it already */
};

struct plan_step {
	enum plan_kind kind;
	bool fresh;  /* BACKEND_SET, VIP_SET: the id is new here, its counters start at zero */
	uint32_t id; /* backend id, or ifindex */
	struct sluice_backend backend;
	struct sluice_name name;
	struct sluice_vip_key key;
	struct sluice_vip vip;
	struct plan_ring ring;
};

struct plan {
	struct plan_step *steps;
	size_t n_steps;
	uint32_t *backend_ids; /* of desired->backends */
	uint32_t *vip_ids;     /* of desired->vips */
	uint64_t slots;        /* how many slots will be written */
};

/* Slots that a ring of @size takes in the map: whole lines. */
static inline uint32_t plan_ring_area(uint32_t size)
{
	return (size + SLUICE_LINE_SLOTS - 1) / SLUICE_LINE_SLOTS * SLUICE_LINE_SLOTS;
}

/* The word to write for @slot of @ring. */
uint32_t plan_slot(const struct plan *plan, const struct plan_ring *ring, uint32_t slot);

/*
 * 0 with @out to be freed by plan_free(); an empty plan means that nothing is to be done.
 * -ENOMEM; -ENOSPC: `rings` has no room for a ring (the map must grow); -E2BIG: more VIPs,
 * backends or devices than the maps have room for, with a message in @diag.
 */
int plan_build(struct plan **out, const struct running *running, const struct desired *desired,
	       struct diag *diag);

/* Frees it; accepts NULL. */
void plan_free(struct plan *plan);
void plan_freep(struct plan **plan);

#endif
