/* SPDX-License-Identifier: MIT */
/*
 * A map is an array of keys and one of values, the first n of which are in use; of arrays all are,
 * and they have no keys. An LRU hash that is full gives up the row that was used longest ago.
 */
#include "tests/host/maps.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/host/bpf/bpf_helpers.h"

struct host_map {
	const struct host_symbol *symbol;
	uint32_t max_entries;
	uint32_t n;
	unsigned char *keys;
	unsigned char *values;
	uint64_t *used; /* when each row was last used, by the count of uses */
};

static struct host_map maps[MAP_MAX];
static uint64_t uses;

static bool is_array(const struct host_map *map)
{
	return map->symbol->type == BPF_MAP_TYPE_ARRAY ||
	       map->symbol->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static void *key_at(const struct host_map *map, uint32_t row)
{
	return map->keys + row * map->symbol->key_size;
}

static void *value_at(const struct host_map *map, uint32_t row)
{
	return map->values + row * map->symbol->value_size;
}

void host_maps_close(void)
{
	for (int i = 0; i < MAP_MAX; i++) {
		free(maps[i].keys);
		free(maps[i].values);
		free(maps[i].used);
		maps[i] = (struct host_map){0};
	}
}

int host_maps_open(const uint32_t entries[MAP_MAX])
{
	host_maps_close();
	for (int i = 0; i < MAP_MAX; i++) {
		struct host_map *map = &maps[i];

		map->symbol = &host_symbols[i];
		map->max_entries = entries[i];
		map->keys = calloc(entries[i], map->symbol->key_size);
		map->values = calloc(entries[i], map->symbol->value_size);
		map->used = calloc(entries[i], sizeof(*map->used));
		if (!map->keys || !map->values || !map->used) {
			host_maps_close();
			return -ENOMEM;
		}
		map->n = is_array(map) ? entries[i] : 0;
	}
	return 0;
}

void host_maps_forget(void)
{
	for (int i = 0; i < MAP_MAX; i++) {
		struct host_map *map = &maps[i];

		if (map_descriptions[i].kind != MAP_KERNEL && i != MAP_FLOWS)
			continue;
		memset(map->values, 0, map->n * map->symbol->value_size);
		if (!is_array(map))
			map->n = 0;
	}
}

void *host_map_memory(enum map_id map)
{
	return maps[map].values;
}

struct slots host_slots(void)
{
	return (struct slots){host_map_memory(MAP_RINGS), host_map_memory(MAP_OTHERS)};
}

uint32_t host_map_entries(enum map_id map)
{
	return maps[map].max_entries;
}

/* ---------------------------------------------------------------------------------------- rows */

/* Do the first @bits of the two agree? */
static bool same_bits(const unsigned char *a, const unsigned char *b, uint32_t bits)
{
	uint32_t rest = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return !rest || !((a[bits / 8] ^ b[bits / 8]) >> (8 - rest));
}

/* The row of @key itself, or -1. */
static int64_t find_row(const struct host_map *map, const void *key)
{
	for (uint32_t i = 0; i < map->n; i++)
		if (memcmp(key_at(map, i), key, map->symbol->key_size) == 0)
			return i;
	return -1;
}

/* The row with the longest prefix of @key, or -1: keys begin with a length in bits. */
static int64_t find_longest(const struct host_map *map, const void *key)
{
	uint32_t best_bits = 0, wanted;
	int64_t best = -1;

	memcpy(&wanted, key, sizeof(wanted));
	for (uint32_t i = 0; i < map->n; i++) {
		const unsigned char *row = key_at(map, i);
		uint32_t bits;

		memcpy(&bits, row, sizeof(bits));
		if (bits > wanted || (best >= 0 && bits < best_bits) ||
		    !same_bits(row + sizeof(bits), (const unsigned char *)key + sizeof(bits), bits))
			continue;
		best = i;
		best_bits = bits;
	}
	return best;
}

/* The row to be given up for another. */
static uint32_t find_oldest(const struct host_map *map)
{
	uint32_t oldest = 0;

	for (uint32_t i = 1; i < map->n; i++)
		if (map->used[i] < map->used[oldest])
			oldest = i;
	return oldest;
}

static int write_row(struct host_map *map, const void *key, const void *value)
{
	int64_t row = find_row(map, key);

	if (row < 0 && map->n < map->max_entries)
		row = map->n++;
	else if (row < 0 && map->symbol->type == BPF_MAP_TYPE_LRU_HASH)
		row = find_oldest(map);
	if (row < 0)
		return -E2BIG;
	memcpy(key_at(map, (uint32_t)row), key, map->symbol->key_size);
	memcpy(value_at(map, (uint32_t)row), value, map->symbol->value_size);
	map->used[row] = ++uses;
	return 0;
}

static int delete_row(struct host_map *map, const void *key)
{
	int64_t row = find_row(map, key);

	if (row < 0)
		return -ENOENT;
	map->n--;
	memmove(key_at(map, (uint32_t)row), key_at(map, map->n), map->symbol->key_size);
	memmove(value_at(map, (uint32_t)row), value_at(map, map->n), map->symbol->value_size);
	return 0;
}

int host_map_write(enum map_id map, const void *key, const void *value)
{
	return value ? write_row(&maps[map], key, value) : delete_row(&maps[map], key);
}

int host_map_rows(enum map_id map, struct rows *out)
{
	int err = 0;

	for (uint32_t i = 0; i < maps[map].n && !err; i++)
		err = rows_add(out, key_at(&maps[map], i), value_at(&maps[map], i));
	rows_sort(out);
	return err;
}

/* -------------------------------------------------------------------------- what the program calls */

static struct host_map *map_of(const void *symbol)
{
	for (int i = 0; i < MAP_MAX; i++)
		if (host_symbols[i].symbol == symbol)
			return &maps[i];
	abort();
}

void *bpf_map_lookup_elem(const void *symbol, const void *key)
{
	struct host_map *map = map_of(symbol);
	int64_t row;
	uint32_t index;

	if (is_array(map)) {
		memcpy(&index, key, sizeof(index));
		return index < map->n ? value_at(map, index) : NULL;
	}
	row = map->symbol->type == BPF_MAP_TYPE_LPM_TRIE ? find_longest(map, key)
							 : find_row(map, key);
	if (row < 0)
		return NULL;
	map->used[row] = ++uses;
	return value_at(map, (uint32_t)row);
}

long bpf_map_update_elem(const void *symbol, const void *key, const void *value, __u64 flags)
{
	return flags == BPF_ANY ? write_row(map_of(symbol), key, value) : -EINVAL;
}

/* The action for a device that is not in the map is in the low bits of @flags. */
long bpf_redirect_map(const void *symbol, __u64 key, __u64 flags)
{
	uint32_t ifindex = (uint32_t)key;

	return find_row(map_of(symbol), &ifindex) < 0 ? (long)(flags & 3) : XDP_REDIRECT;
}
