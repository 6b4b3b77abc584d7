/* SPDX-License-Identifier: MIT */
/*
 * Both are small arrays searched from the front: a plan asks a few times, and ids stay low.
 */
#include "daemon/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int layout_ids_init(struct layout_ids *ids, uint32_t n)
{
	*ids = (struct layout_ids){.used = calloc((size_t)n + 1, sizeof(bool)), .n = n, .next = 1};
	return ids->used ? 0 : -ENOMEM;
}

void layout_ids_use(struct layout_ids *ids, uint32_t id)
{
	if (id < ids->n)
		ids->used[id] = true;
}

uint32_t layout_ids_take(struct layout_ids *ids)
{
	while (ids->next < ids->n && ids->used[ids->next])
		ids->next++;
	if (ids->next >= ids->n)
		return 0;
	ids->used[ids->next] = true;
	return ids->next++;
}

void layout_ids_fini(struct layout_ids *ids)
{
	free(ids->used);
	ids->used = NULL;
}

static int insert(struct layout_areas *areas, size_t at, struct layout_area area)
{
	struct layout_area *list = reallocarray(areas->list, areas->n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	areas->list = list;
	memmove(&list[at + 1], &list[at], (areas->n - at) * sizeof(*list));
	list[at] = area;
	areas->n++;
	return 0;
}

int layout_areas_use(struct layout_areas *areas, const struct sluice_ring *ring)
{
	return insert(areas, areas->n,
		      (struct layout_area){ring->base, layout_ring_area(ring->size)});
}

static int compare(const void *a, const void *b)
{
	uint32_t x = ((const struct layout_area *)a)->base;
	uint32_t y = ((const struct layout_area *)b)->base;

	return x < y ? -1 : x > y;
}

void layout_areas_sort(struct layout_areas *areas)
{
	if (areas->n)
		qsort(areas->list, areas->n, sizeof(*areas->list), compare);
}

int layout_areas_take(struct layout_areas *areas, uint32_t size, uint32_t *base)
{
	uint32_t area = layout_ring_area(size);
	uint64_t end = 0;
	size_t at;
	int err;

	for (at = 0; at < areas->n; at++) {
		if (areas->list[at].base >= end + area)
			break;
		end = (uint64_t)areas->list[at].base + areas->list[at].size;
	}
	if (end + area > areas->limit)
		return -ENOSPC;
	err = insert(areas, at, (struct layout_area){(uint32_t)end, area});
	if (!err)
		*base = (uint32_t)end;
	return err;
}

void layout_areas_fini(struct layout_areas *areas)
{
	free(areas->list);
	areas->list = NULL;
	areas->n = 0;
}
