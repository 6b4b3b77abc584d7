/* SPDX-License-Identifier: MIT */
/*
 * Numbers distinct keys in the order in which they come: the number of a key is its index in
 * whatever array goes with the set. For millions of small keys of one size.
 */
#ifndef SLUICE_CONFIG_KEYSET_H
#define SLUICE_CONFIG_KEYSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero but for @key_size is an empty one. */
struct keyset {
	size_t key_size; /* bytes, a multiple of 4; every byte counts */
	size_t n;        /* how many keys: their numbers are 0 .. n - 1 */
	size_t room;     /* for so many keys there is memory */
	char *keys;      /* one after the other */
	uint32_t *slots; /* 2 * room: number + 1, at the first free slot from the key's hash on */
};

/* The number of @key into @number. 1: it is new; 0: it was there; -ENOMEM: nothing changed. */
int keyset_add(struct keyset *set, const void *key, size_t *number);

/* Is @key there? Its number into @number. */
bool keyset_find(const struct keyset *set, const void *key, size_t *number);

/*
 * For the array that goes with a set: @array of @n elements of @size bytes with room for one more,
 * at least, as it grows by this function only. NULL: no memory, @array stays.
 */
void *keyset_room(void *array, size_t n, size_t size);

/* Frees the keys; @set is empty afterwards. */
void keyset_fini(struct keyset *set);

#endif
