/* SPDX-License-Identifier: MIT */
/*
 * A short list, searched from the front: there are as many entries as there are different
 * pools, and a comparison ends at the first byte that differs.
 */
#include "daemon/ring_cache.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"

struct ring_cache_entry {
	struct ring_spec spec; /* its members are a copy */
	struct ring *ring;
	bool used;
};

static void entry_free(struct ring_cache_entry *entry)
{
	if (!entry)
		return;
	ring_free(entry->ring);
	free((void *)entry->spec.members);
	free(entry);
}

static void entry_freep(struct ring_cache_entry **entry)
{
	entry_free(*entry);
}

static bool spec_equal(const struct ring_spec *a, const struct ring_spec *b)
{
	return a->maglev == b->maglev && a->size == b->size && a->ranks == b->ranks &&
	       a->n == b->n &&
	       (!a->n || memcmp(a->members, b->members, a->n * sizeof(*a->members)) == 0);
}

int ring_cache_get(struct ring_cache *cache, const struct ring_spec *spec, const struct ring **out)
{
	_cleanup_(entry_freep) struct ring_cache_entry *entry = NULL;
	struct ring_cache_entry **grown;
	struct ring_member *members;
	int err;

	for (size_t i = 0; i < cache->n; i++) {
		if (!spec_equal(&cache->entries[i]->spec, spec))
			continue;
		cache->entries[i]->used = true;
		*out = cache->entries[i]->ring;
		return 0;
	}
	entry = calloc(1, sizeof(*entry));
	members = calloc(spec->n + 1, sizeof(*members));
	if (!entry || !members) {
		free(members);
		return -ENOMEM;
	}
	if (spec->n)
		memcpy(members, spec->members, spec->n * sizeof(*members));
	entry->spec = *spec;
	entry->spec.members = members;
	entry->used = true;
	err = ring_build(&entry->ring, spec->maglev, spec->size, spec->ranks, members, spec->n);
	if (err)
		return err;
	grown = reallocarray(cache->entries, cache->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	cache->entries = grown;
	*out = entry->ring;
	cache->entries[cache->n++] = TAKE(entry);
	return 0;
}

void ring_cache_begin(struct ring_cache *cache)
{
	for (size_t i = 0; i < cache->n; i++)
		cache->entries[i]->used = false;
}

void ring_cache_sweep(struct ring_cache *cache)
{
	size_t kept = 0;

	for (size_t i = 0; i < cache->n; i++) {
		if (cache->entries[i]->used)
			cache->entries[kept++] = cache->entries[i];
		else
			entry_free(cache->entries[i]);
	}
	cache->n = kept;
}

void ring_cache_fini(struct ring_cache *cache)
{
	ring_cache_begin(cache);
	ring_cache_sweep(cache);
	free(cache->entries);
	*cache = (struct ring_cache){0};
}
