/* SPDX-License-Identifier: MIT */
/*
 * Weighted Maglev rings, populated bit for bit as Katran populates them, and the ranks below the
 * first: who owns a slot when its first owner is down. Pure: no I/O, no state.
 */
#ifndef SLUICE_DAEMON_RING_H
#define SLUICE_DAEMON_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/model.h"

#define RING_RANKS 3
#define RING_SIZE_MAX (1u << 24) /* slots */
#define RING_NONE UINT16_MAX     /* no member: the ring has fewer members than ranks, or none */

/* One member of a ring, as declared. Weight 0 takes part in nothing. */
struct ring_member {
	struct sluice_addr address;
	uint32_t weight;
};

/* A finished ring. Immutable. */
struct ring {
	uint32_t size;               /* slots */
	unsigned int ranks;          /* as asked for, 1 .. RING_RANKS */
	uint16_t *owner[RING_RANKS]; /* [rank][slot]: index into the members given, or RING_NONE */
};

/* Is it a size for a ring: a prime of at most RING_SIZE_MAX? */
bool ring_size_valid(uint32_t size);

/*
 * A member's walk over a ring of @size slots: first slot (@offset) and step (@skip, 1 .. size - 1).
 * First half of MurmurHash3 x64_128 of (endpoint hash, constant): 42 with seed 0 gives the offset,
 * 2718281828 with seed 2307 the skip, as in Katran.
 */
void ring_permutation(uint64_t hash, uint32_t size, uint32_t *offset, uint32_t *skip);

/*
 * Builds the ring of @members (n may be 0: every slot RING_NONE). @size is prime. Rank 0 is
 * Maglev as Katran does it; rank k is a further pass with the same members, weights and walks, each
 * walk from its start, in which a member passes by the slots that it owns at a lower rank. With at
 * most k members of weight > 0, rank k is all RING_NONE; else every slot has an owner at rank k.
 * The order of @members does not matter to who owns what.
 *
 * @ranks: how many ranks to fill, 1 .. RING_RANKS. 0 with @out to be freed by ring_free();
 * -ENOMEM; or -EINVAL: a size that is not prime or above RING_SIZE_MAX, a number of ranks out of
 * bounds, or n >= RING_NONE.
 */
int ring_build(struct ring **out, enum model_maglev maglev, uint32_t size, unsigned int ranks,
	       const struct ring_member *members, size_t n);

/* Frees a ring; accepts NULL. */
void ring_free(struct ring *ring);
void ring_freep(struct ring **ring);

#endif
