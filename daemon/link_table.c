/* SPDX-License-Identifier: MIT */
/*
 * Each table is sorted by its key, without doubles. A new set is made beside the known one, and
 * takes over what that has of the same keys.
 */
#include "daemon/link_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef int compare_fn(const void *a, const void *b);

static int way_compare(const void *a, const void *b)
{
	return addr_compare(&((const struct link_way *)a)->addr,
			    &((const struct link_way *)b)->addr);
}

static int neighbour_compare(const void *a, const void *b)
{
	const struct link_neighbour *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return addr_compare(&x->addr, &y->addr);
}

static int device_compare(const void *a, const void *b)
{
	const struct link_device *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

/* Sorts, drops duplicates, and returns how many are left. */
static size_t sort_unique(void *base, size_t n, size_t size, compare_fn *compare)
{
	char *item = base;
	size_t kept = 0;

	qsort(base, n, size, compare);
	for (size_t i = 0; i < n; i++) {
		if (kept && !compare(item + (kept - 1) * size, item + i * size))
			continue;
		if (kept != i)
			memcpy(item + kept * size, item + i * size, size);
		kept++;
	}
	return kept;
}

static void *find(const void *key, const void *base, size_t n, size_t size, compare_fn *compare)
{
	return n ? bsearch(key, base, n, size, compare) : NULL;
}

/* Replaces each item by its like in @known, where there is one. */
static void carry_over(void *base, size_t n, const void *known, size_t n_known, size_t size,
		       compare_fn *compare)
{
	for (size_t i = 0; i < n; i++) {
		void *item = (char *)base + i * size;
		const void *old = find(item, known, n_known, size, compare);

		if (old)
			memcpy(item, old, size);
	}
}

struct link_way *link_table_way(const struct link_table *table, const struct sluice_addr *addr)
{
	struct link_way key = {.addr = *addr};

	return find(&key, table->ways, table->n_ways, sizeof(key), way_compare);
}

struct link_neighbour *link_table_neighbour(const struct link_table *table, unsigned int ifindex,
					    const struct sluice_addr *addr)
{
	struct link_neighbour key = {.ifindex = ifindex, .addr = *addr};

	return find(&key, table->neighbours, table->n_neighbours, sizeof(key), neighbour_compare);
}

struct link_device *link_device_find(const struct link_device *devices, size_t n,
				     unsigned int ifindex)
{
	struct link_device key = {.ifindex = ifindex};

	return find(&key, devices, n, sizeof(key), device_compare);
}

struct link_device *link_table_device(const struct link_table *table, unsigned int ifindex)
{
	return link_device_find(table->devices, table->n_devices, ifindex);
}

void link_table_fini(struct link_table *table)
{
	free(table->ways);
	free(table->neighbours);
	free(table->devices);
	*table = (struct link_table){0};
}

int link_table_set_ways(struct link_table *table, const struct link_table *known,
			const struct sluice_addr *addrs, size_t n)
{
	table->ways = calloc(n + 1, sizeof(*table->ways));
	if (!table->ways)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		table->ways[i] = (struct link_way){.addr = addrs[i], .ask = true, .fresh = true};
	table->n_ways = sort_unique(table->ways, n, sizeof(*table->ways), way_compare);
	carry_over(table->ways, table->n_ways, known->ways, known->n_ways, sizeof(*table->ways),
		   way_compare);
	return 0;
}

int link_table_join_neighbours(struct link_table *table, const struct link_table *known)
{
	struct link_neighbour *neighbours = calloc(table->n_ways + 1, sizeof(*neighbours));
	size_t n = 0;

	if (!neighbours)
		return -ENOMEM;
	for (size_t i = 0; i < table->n_ways; i++) {
		const struct link_route *route = &table->ways[i].route;

		if (route->kind == LINK_ROUTE_UNICAST)
			neighbours[n++] = (struct link_neighbour){
				.ifindex = route->ifindex, .addr = route->via, .ask = true};
	}
	n = sort_unique(neighbours, n, sizeof(*neighbours), neighbour_compare);
	carry_over(neighbours, n, known->neighbours, known->n_neighbours, sizeof(*neighbours),
		   neighbour_compare);
	free(table->neighbours);
	table->neighbours = neighbours;
	table->n_neighbours = n;
	return 0;
}

int link_table_join_devices(struct link_table *table, const struct link_table *known)
{
	struct link_device *devices =
		calloc(table->n_ways * (1 + LINK_TAGS_MAX) + 1, sizeof(*devices));
	size_t n = 0;

	if (!devices)
		return -ENOMEM;
	for (size_t i = 0; i < table->n_ways; i++) {
		const struct link_route *route = &table->ways[i].route;
		unsigned int ifindex = route->kind == LINK_ROUTE_UNICAST ? route->ifindex : 0;

		for (size_t depth = 0; ifindex && depth <= LINK_TAGS_MAX; depth++) {
			const struct link_device *old = link_table_device(known, ifindex);

			devices[n++] = (struct link_device){.ifindex = ifindex, .ask = true};
			ifindex = old ? old->below : 0;
		}
	}
	n = sort_unique(devices, n, sizeof(*devices), device_compare);
	carry_over(devices, n, known->devices, known->n_devices, sizeof(*devices), device_compare);
	free(table->devices);
	table->devices = devices;
	table->n_devices = n;
	return 0;
}

void link_table_mark_all(struct link_table *table)
{
	for (size_t i = 0; i < table->n_ways; i++)
		table->ways[i].ask = true;
	for (size_t i = 0; i < table->n_neighbours; i++)
		table->neighbours[i].ask = true;
	for (size_t i = 0; i < table->n_devices; i++)
		table->devices[i].ask = true;
}

static bool in_prefix(const struct sluice_addr *addr, const struct sluice_addr *base,
		      unsigned int len)
{
	const uint8_t *a = (const uint8_t *)addr, *b = (const uint8_t *)base;
	unsigned int whole = len / 8, rest = len % 8;

	return !memcmp(a, b, whole) && (!rest || !((a[whole] ^ b[whole]) >> (8 - rest)));
}

/* They lie side by side. */
bool link_table_mark_prefix(struct link_table *table, const struct sluice_addr *base,
			    unsigned int len)
{
	size_t first = 0, end = table->n_ways;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (addr_compare(&table->ways[middle].addr, base) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	for (; end < table->n_ways && in_prefix(&table->ways[end].addr, base, len); end++)
		table->ways[end].ask = true;
	return end > first;
}
