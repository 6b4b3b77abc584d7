/* SPDX-License-Identifier: MIT */
/*
 * A hash table with open addressing, never more than half full, of numbers; the keys lie apart, in
 * their order.
 */
#include "config/keyset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 16 /* keys, a power of two */

static size_t first_slot(const struct keyset *set, const void *key)
{
	uint64_t hash = 0;
	uint32_t word;

	for (size_t at = 0; at < set->key_size; at += sizeof(word)) {
		memcpy(&word, (const char *)key + at, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	return (size_t)hash & (2 * set->room - 1);
}

/* The slot that has @key, or the free one where it belongs. */
static uint32_t *find_slot(const struct keyset *set, const void *key)
{
	size_t at = first_slot(set, key);

	while (set->slots[at] &&
	       memcmp(set->keys + (set->slots[at] - 1) * set->key_size, key, set->key_size))
		at = (at + 1) & (2 * set->room - 1);
	return &set->slots[at];
}

static int grow(struct keyset *set)
{
	size_t room = set->room ? 2 * set->room : ROOM_MIN;
	char *keys = reallocarray(set->keys, room, set->key_size);
	uint32_t *slots;

	if (!keys)
		return -ENOMEM;
	set->keys = keys;
	slots = calloc(2 * room, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(set->slots);
	set->slots = slots;
	set->room = room;
	for (size_t i = 0; i < set->n; i++)
		*find_slot(set, keys + i * set->key_size) = (uint32_t)i + 1;
	return 0;
}

int keyset_add(struct keyset *set, const void *key, size_t *number)
{
	uint32_t *slot;
	int err;

	if (set->n == set->room) {
		err = grow(set);
		if (err)
			return err;
	}
	slot = find_slot(set, key);
	if (*slot) {
		*number = *slot - 1;
		return 0;
	}
	memcpy(set->keys + set->n * set->key_size, key, set->key_size);
	*number = set->n++;
	*slot = (uint32_t)set->n;
	return 1;
}

bool keyset_find(const struct keyset *set, const void *key, size_t *number)
{
	uint32_t slot = set->n ? *find_slot(set, key) : 0;

	if (slot)
		*number = slot - 1;
	return slot;
}

void *keyset_room(void *array, size_t n, size_t size)
{
	bool full = (n & (n - 1)) == 0;

	return full ? reallocarray(array, n ? 2 * n : 1, size) : array;
}

void keyset_fini(struct keyset *set)
{
	free(set->keys);
	free(set->slots);
	*set = (struct keyset){.key_size = set->key_size};
}
