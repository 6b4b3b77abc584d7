/* SPDX-License-Identifier: MIT */
/*
 * Free numbers and free places: ids that nobody has, and stretches of the map `rings` that no ring
 * uses. Pure.
 */
#ifndef SLUICE_DAEMON_LAYOUT_H
#define SLUICE_DAEMON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xdp/abi.h"

/* Ids 1 .. n - 1, each used or free. */
struct layout_ids {
	bool *used;
	uint32_t n;
	uint32_t next; /* no free id below */
};

/* All free. 0 or -ENOMEM. */
int layout_ids_init(struct layout_ids *ids, uint32_t n);

/* Marks @id, which may be out of range, as used. */
void layout_ids_use(struct layout_ids *ids, uint32_t id);

/* The lowest free id, now used; 0: none is free. */
uint32_t layout_ids_take(struct layout_ids *ids);

void layout_ids_fini(struct layout_ids *ids);

/* A stretch of `rings` that is in use, in slots. */
struct layout_area {
	uint32_t base;
	uint32_t size;
};

struct layout_areas {
	struct layout_area *list; /* sorted by base once layout_areas_sort() was called */
	size_t n;
	uint32_t limit; /* slots of the map */
};

/* Slots that a ring of @size takes in the map: whole lines. */
static inline uint32_t layout_ring_area(uint32_t size)
{
	return (size + SLUICE_LINE_SLOTS - 1) / SLUICE_LINE_SLOTS * SLUICE_LINE_SLOTS;
}

/* Marks the ring's place as used. 0 or -ENOMEM. */
int layout_areas_use(struct layout_areas *areas, const struct sluice_ring *ring);

void layout_areas_sort(struct layout_areas *areas);

/* A place for a ring of @size slots in sorted areas, the first that fits. 0, -ENOMEM or -ENOSPC. */
int layout_areas_take(struct layout_areas *areas, uint32_t size, uint32_t *base);

void layout_areas_fini(struct layout_areas *areas);

#endif
