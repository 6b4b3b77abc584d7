/* SPDX-License-Identifier: MIT */
/*
 * Weighted Maglev rings, populated bit for bit as Katran populates them, and the ranks below the
 * first: who owns a slot when its first owner is down. Pure: no I/O, no state.
 */
#ifndef SLUICE_DAEMON_RING_H
#define SLUICE_DAEMON_RING_H

#include <stddef.h>
#include <stdint.h>

#include "config/model.h"

#define RING_RANKS 3
#define RING_NONE UINT16_MAX /* no member: the ring has fewer members than ranks, or none */

/* One member of a ring, as declared. Weight 0 takes part in nothing. */
struct ring_member {
	struct sluice_addr address;
	uint32_t weight;
};

/* A finished ring. Immutable. */
struct ring {
	uint32_t size;   /* slots */
	unsigned int ranks; /* filled ranks, 1 .. RING_RANKS */
	uint16_t *owner[RING_RANKS]; /* [rank][slot]: index into the members given, or RING_NONE */
};

/*
 * Katran's 64-bit hash of a backend's address: folly::IPAddress::hash(). IPv4: FNV-1 (32 bit, each
 * byte sign-extended) mixed with AF_INET by CityHash's Hash128to64; IPv6: SpookyHash V2 (128 bit,
 * seeds 0) mixed twice, with AF_INET6.
 */
uint64_t ring_endpoint_hash(const struct sluice_addr *address);

/*
 * A member's walk over a ring of @size slots: first slot (@offset) and step (@skip, 1 .. size - 1).
 * MurmurHash3 x64_128 of (endpoint hash, constant), first half, as in katran-compatible Maglev.
 */
void ring_permutation(uint64_t endpoint_hash, uint32_t size, uint32_t *offset, uint32_t *skip);

/*
 * Builds the ring of @members (n may be 0: every slot RING_NONE). @size is prime. Rank 0 is
 * Maglev; rank k is a further Maglev pass over the same walks that skips members which already
 * own the slot at a lower rank; with fewer members than ranks the higher ranks are RING_NONE.
 * The order of @members does not matter to who owns what.
 *
 * @ranks: how many ranks to fill, 1 .. RING_RANKS. 0 with @out to be freed by ring_free(); or
 * -ENOMEM; or -EINVAL: a size below 2 or n >= RING_NONE.
 */
int ring_build(struct ring **out, enum model_maglev maglev, uint32_t size, unsigned int ranks,
	       const struct ring_member *members, size_t n);

/* Frees a ring; accepts NULL. */
void ring_free(struct ring *ring);
void ring_freep(struct ring **ring);

#endif
