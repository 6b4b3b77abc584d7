/* SPDX-License-Identifier: MIT */
/*
 * What other balancers keep: every flow in a table of bounded size, the one used longest ago is
 * given up for a new one. Exact, where kernels approximate.
 */
#include <stdlib.h>

#include "bench/flow_model.h"

struct entry {
	uint64_t key;
	uint32_t id;
	uint32_t next_in_bucket; /* indexes; 0: none */
	uint32_t older;
	uint32_t younger;
};

struct fm_lru {
	struct entry *entries; /* 0 is the list's head: older is the youngest */
	uint32_t *buckets;
	uint32_t n;
	uint32_t room;
};

static uint32_t *bucket_of(struct fm_lru *lru, uint64_t key)
{
	struct fm_random mix = {.state = key};

	return &lru->buckets[fm_random(&mix) % lru->room];
}

struct fm_lru *fm_lru_new(size_t room)
{
	struct fm_lru *lru = calloc(1, sizeof(*lru));

	if (!lru)
		return NULL;
	lru->room = (uint32_t)room;
	lru->entries = calloc(room + 1, sizeof(*lru->entries));
	lru->buckets = calloc(room, sizeof(*lru->buckets));
	if (lru->entries && lru->buckets)
		return lru;
	fm_lru_free(lru);
	return NULL;
}

static void unlink_entry(struct fm_lru *lru, uint32_t at)
{
	struct entry *e = &lru->entries[at];

	lru->entries[e->older].younger = e->younger;
	lru->entries[e->younger].older = e->older;
}

static void make_young(struct fm_lru *lru, uint32_t at)
{
	struct entry *head = &lru->entries[0], *e = &lru->entries[at];

	e->younger = 0;
	e->older = head->older;
	lru->entries[head->older].younger = at;
	head->older = at;
}

static uint32_t find(struct fm_lru *lru, uint64_t key)
{
	uint32_t at = *bucket_of(lru, key);

	while (at && lru->entries[at].key != key)
		at = lru->entries[at].next_in_bucket;
	return at;
}

uint32_t fm_lru_find(struct fm_lru *lru, uint64_t key)
{
	uint32_t at = find(lru, key);

	if (!at)
		return 0;
	unlink_entry(lru, at);
	make_young(lru, at);
	return lru->entries[at].id;
}

/* Frees the oldest entry's place. */
static uint32_t give_up(struct fm_lru *lru)
{
	uint32_t at = lru->entries[0].younger;
	uint32_t *link = bucket_of(lru, lru->entries[at].key);

	while (*link != at)
		link = &lru->entries[*link].next_in_bucket;
	*link = lru->entries[at].next_in_bucket;
	unlink_entry(lru, at);
	return at;
}

void fm_lru_store(struct fm_lru *lru, uint64_t key, uint32_t id)
{
	uint32_t at = find(lru, key), *bucket;

	if (at) {
		lru->entries[at].id = id;
		return;
	}
	at = lru->n < lru->room ? ++lru->n : give_up(lru);
	bucket = bucket_of(lru, key);
	lru->entries[at] = (struct entry){.key = key, .id = id, .next_in_bucket = *bucket};
	*bucket = at;
	make_young(lru, at);
}

void fm_lru_free(struct fm_lru *lru)
{
	if (!lru)
		return;
	free(lru->entries);
	free(lru->buckets);
	free(lru);
}
