/* SPDX-License-Identifier: MIT */
/*
 * Finished rings, kept while something uses them: a change of one pool does not build the rings
 * of all others anew, and VIPs that ask for the same ring share it.
 */
#ifndef SLUICE_DAEMON_RING_CACHE_H
#define SLUICE_DAEMON_RING_CACHE_H

#include <stdbool.h>

#include "daemon/ring.h"

/* All zero is an empty, valid cache. */
struct ring_cache {
	struct ring_cache_entry **entries;
	size_t n;
};

/* A member's index in the ring is its index in @members. */
struct ring_spec {
	enum model_maglev maglev;
	uint32_t size;
	unsigned int ranks;
	const struct ring_member *members;
	size_t n;
};

/*
 * The ring for @spec, built if it is not there; the members' order counts as part of the spec.
 * The ring belongs to the cache and lives until a ring_cache_sweep() that finds it unused.
 * 0, or what ring_build() returns.
 */
int ring_cache_get(struct ring_cache *cache, const struct ring_spec *spec, const struct ring **out);

/* Begins a round of use: rings not asked for until ring_cache_sweep() count as unused. */
void ring_cache_begin(struct ring_cache *cache);

/* Frees the rings that were not asked for since ring_cache_begin(). */
void ring_cache_sweep(struct ring_cache *cache);

/* Frees all; empty afterwards. */
void ring_cache_fini(struct ring_cache *cache);

#endif
