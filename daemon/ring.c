/* SPDX-License-Identifier: MIT */
/*
 * A ring is built by passes, one for each rank. In a pass the members take turns, and in its turn
 * a member goes along its own walk to the first slot that it may take: one that is free at this
 * rank and that it does not own at a lower one. In which order the turns come is the only
 * difference between Katran's two algorithms, so a pass first writes down a schedule of turns and
 * then plays it.
 *
 * A slot that a walk has passed by stays closed to that member until the pass ends, so one round
 * over the ring is enough; a member that made it is out. It then owns all free slots at lower
 * ranks. A slot has at most `rank` such owners, so at most `rank` members are out while any slot
 * is free: with more members than that a pass always fills its rank, and it has to write a new
 * schedule, for those that remain, at most `rank` times.
 */
#include "daemon/ring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/addr.h"
#include "config/cleanup.h"
#include "daemon/endpoint.h"

/* Rounds over the ring that a walk of rank 0 may make; see walk_start(). */
#define WRAPPED_ROUNDS 64

/* A member of weight > 0 and where it is on its walk. */
struct walker {
	uint64_t hash;
	const struct ring_member *member;
	uint32_t index; /* in the members given */
	uint32_t offset;
	uint32_t skip;
	uint32_t slot;  /* to look at next */
	uint32_t sum;   /* the same before the modulo: offset + steps * skip, 32 bits */
	uint32_t steps; /* left; 0: the member is out */
};

/* What a ring is built with. */
struct builder {
	struct ring *ring;
	enum model_maglev maglev;
	struct walker *walkers; /* in Katran's order */
	size_t n;
	uint16_t *turns;  /* the schedule, indexes of walkers: room for size + n */
	uint32_t *places; /* scratch of schedule_v2(), by round: size + 1 */

	/* Of the pass that is under way. */
	uint16_t *owner;
	const uint16_t *lower[RING_RANKS - 1]; /* lower ranks; where there is none, @owner */
	uint32_t wrap;                         /* how far a walk jumps back when its sum wraps */
};

/* ------------------------------------------------------------------------------------- the walk */

static uint64_t rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t murmur_final(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

/* First half of MurmurHash3 x64_128 of the two words. */
static uint64_t murmur(uint64_t a, uint64_t b, uint64_t seed)
{
	const uint64_t c1 = 0x87c37b91114253d5ull, c2 = 0x4cf5ad432745937full;
	uint64_t h1 = seed, h2 = seed;

	h1 ^= rotate(a * c1, 31) * c2;
	h1 = (rotate(h1, 27) + h2) * 5 + 0x52dce729;
	h2 ^= rotate(b * c2, 33) * c1;
	h2 = (rotate(h2, 31) + h1) * 5 + 0x38495ab5;

	h1 ^= 2 * sizeof(uint64_t);
	h2 ^= 2 * sizeof(uint64_t);
	h1 += h2;
	h2 += h1;
	return murmur_final(h1) + murmur_final(h2);
}

void ring_permutation(uint64_t hash, uint32_t size, uint32_t *offset, uint32_t *skip)
{
	*offset = murmur(hash, 42, 0) % size;
	*skip = murmur(hash, 2718281828u, 2307) % (size - 1) + 1;
}

/*
 * Katran adds up a walk in 32 bits before the modulo, and rank 0 has to do the same. Where the sum
 * wraps, the walk jumps, so that one round may miss slots: at 65537 slots this takes a skip of
 * 65535 or 65536 and the last two of 65537 steps. Further rounds reach what was missed, except at
 * a skip that is a power of two or nearly so; there Katran would search for ever.
 */
static void walk_start(struct walker *w, uint32_t size, unsigned int rank)
{
	w->slot = w->offset;
	w->sum = w->offset;
	w->steps = rank == 0 ? size * WRAPPED_ROUNDS : size;
}

_Static_assert(RING_RANKS == 3, "walk_take() looks at two lower ranks");

/*
 * Takes the next slot along the walk that @w may take. false: there is none. This loop is what
 * building a ring costs; so it has no branches but those for leaving it and for the rare wrap.
 */
static bool walk_take(const struct builder *b, struct walker *w)
{
	const uint16_t *lower0 = b->lower[0], *lower1 = b->lower[1];
	uint16_t *owner = b->owner;
	uint32_t size = b->ring->size, skip = w->skip, index = w->index;
	uint32_t slot = w->slot, sum = w->sum, steps = w->steps;
	bool took = false;

	while (!took && steps > 0) {
		uint32_t here = slot, over;

		took = (owner[here] == RING_NONE) & (lower0[here] != index) &
		       (lower1[here] != index);
		if (took)
			owner[here] = index;
		steps--;
		slot += skip;
		over = slot - size;
		slot = over < slot ? over : slot; /* the smaller: below 0 it is huge */
		sum += skip;
		if (sum < skip)
			slot = slot >= b->wrap ? slot - b->wrap : slot + size - b->wrap;
	}
	w->slot = slot;
	w->sum = sum;
	w->steps = steps;
	return took;
}

/* -------------------------------------------------------------------------------- the schedules */

/*
 * V1. First round: as many turns in a row as the weight says; then one each. All schedules leave
 * out the members that are out, have at least @want turns, and return their number: 0 when all
 * members are out.
 */
static size_t schedule_v1(struct builder *b, uint32_t want)
{
	size_t n = 0, before;
	bool first = true;

	do {
		before = n;
		for (size_t i = 0; i < b->n && n < want; i++) {
			uint32_t turns = first ? b->walkers[i].member->weight : 1;

			if (b->walkers[i].steps == 0)
				continue;
			for (; turns > 0 && n < want; turns--)
				b->turns[n++] = i;
		}
		first = false;
	} while (n > before);
	return n;
}

/* The turns that all members get in @rounds rounds of V2. */
static uint64_t v2_turns(const struct builder *b, uint32_t rounds, uint32_t max)
{
	uint64_t turns = 0;

	for (size_t i = 0; i < b->n; i++) {
		if (b->walkers[i].steps > 0)
			turns += (uint64_t)rounds * b->walkers[i].member->weight / max;
	}
	return turns;
}

/* Counts a member's turns by round in b->places; with @place, writes them to where these point. */
static void v2_visit(struct builder *b, size_t i, uint32_t rounds, uint32_t max, bool place)
{
	uint32_t weight = b->walkers[i].member->weight;
	uint32_t whole = max / weight, part = max % weight;
	/* t * max / weight is round + rest / weight. */
	uint64_t round = whole, rest = part;

	while (round + (rest > 0) <= rounds) {
		uint32_t *begin = &b->places[round + (rest > 0) - 1];

		if (place)
			b->turns[(*begin)++] = i;
		else
			begin[1]++;
		round += whole;
		rest += part;
		if (rest >= weight) {
			rest -= weight;
			round++;
		}
	}
}

/*
 * V2. In each round each member's account grows by its weight; when it has reached the largest
 * weight, this is the price of a turn. So a member's t-th turn is in round t * max / weight,
 * rounded up, and the turns need only be sorted by round (stable, by counting): the work does not
 * grow with the ratio of the weights, as it would by going through the rounds.
 */
static size_t schedule_v2(struct builder *b, uint32_t want)
{
	uint32_t max = 0, fewer = 0, rounds = want;

	for (size_t i = 0; i < b->n; i++) {
		if (b->walkers[i].steps > 0 && b->walkers[i].member->weight > max)
			max = b->walkers[i].member->weight;
	}
	if (max == 0)
		return 0;

	/* The heaviest has a turn in each round, so @want rounds are enough; often fewer are. */
	while (rounds - fewer > 1) {
		uint32_t middle = fewer + (rounds - fewer) / 2;

		if (v2_turns(b, middle, max) >= want)
			rounds = middle;
		else
			fewer = middle;
	}

	memset(b->places, 0, (rounds + 1) * sizeof(*b->places));
	for (int place = 0; place < 2; place++) {
		for (size_t i = 0; i < b->n; i++) {
			if (b->walkers[i].steps > 0)
				v2_visit(b, i, rounds, max, place);
		}
		for (uint32_t round = 1; !place && round <= rounds; round++)
			b->places[round] += b->places[round - 1];
	}
	return b->places[rounds];
}

/* ---------------------------------------------------------------------------------- the passes */

static void pass(struct builder *b, unsigned int rank)
{
	struct ring *ring = b->ring;
	uint32_t left = ring->size;
	size_t turns;

	b->owner = ring->owner[rank];
	for (unsigned int lower = 0; lower < RING_RANKS - 1; lower++)
		b->lower[lower] = ring->owner[lower < rank ? lower : rank];
	b->wrap = rank == 0 ? (UINT64_C(1) << 32) % ring->size : 0;
	for (size_t i = 0; i < b->n; i++)
		walk_start(&b->walkers[i], ring->size, rank);

	do {
		turns = b->maglev == MODEL_MAGLEV_V1 ? schedule_v1(b, left) : schedule_v2(b, left);
		for (size_t t = 0; t < turns && left > 0; t++)
			left -= walk_take(b, &b->walkers[b->turns[t]]);
	} while (turns > 0 && left > 0);

	/* Slots that no walk reaches; see walk_start(). */
	for (uint32_t slot = 0; rank == 0 && b->n > 0 && left > 0 && slot < ring->size; slot++) {
		if (ring->owner[0][slot] == RING_NONE)
			ring->owner[0][slot] = b->walkers[0].index;
	}
}

/*
 * Katran's order: by hash. IPv4 addresses may share one (it has 32 bits in truth); for them the
 * rest keeps the result independent of the order given.
 */
static int walker_compare(const void *left, const void *right)
{
	const struct walker *a = left, *b = right;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	if (a->member->weight != b->member->weight)
		return a->member->weight < b->member->weight ? -1 : 1;
	return addr_compare(&a->member->address, &b->member->address);
}

static void add_walkers(struct builder *b, const struct ring_member *members, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct walker *w = &b->walkers[b->n];

		if (members[i].weight == 0)
			continue;
		w->hash = endpoint_hash(&members[i].address);
		w->member = &members[i];
		w->index = i;
		ring_permutation(w->hash, b->ring->size, &w->offset, &w->skip);
		b->n++;
	}
	qsort(b->walkers, b->n, sizeof(*b->walkers), walker_compare);
}

bool ring_size_valid(uint32_t size)
{
	if (size < 2 || size > RING_SIZE_MAX)
		return false;
	for (uint32_t d = 2; d * d <= size; d++) {
		if (size % d == 0)
			return false;
	}
	return true;
}

static int ring_new(struct ring **out, uint32_t size, unsigned int ranks)
{
	_cleanup_(ring_freep) struct ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	ring->size = size;
	ring->ranks = ranks;
	for (unsigned int rank = 0; rank < ranks; rank++) {
		ring->owner[rank] = malloc(size * sizeof(*ring->owner[rank]));
		if (!ring->owner[rank])
			return -ENOMEM;
		for (uint32_t slot = 0; slot < size; slot++)
			ring->owner[rank][slot] = RING_NONE;
	}
	*out = TAKE(ring);
	return 0;
}

int ring_build(struct ring **out, enum model_maglev maglev, uint32_t size, unsigned int ranks,
	       const struct ring_member *members, size_t n)
{
	_cleanup_(ring_freep) struct ring *ring = NULL;
	_cleanup_(freep) struct walker *walkers = NULL;
	_cleanup_(freep) uint32_t *places = NULL;
	_cleanup_(freep) uint16_t *turns = NULL;
	struct builder b = {.maglev = maglev};
	int err;

	if (!ring_size_valid(size) || ranks < 1 || ranks > RING_RANKS || n >= RING_NONE)
		return -EINVAL;
	err = ring_new(&ring, size, ranks);
	if (err)
		return err;
	walkers = calloc(n + 1, sizeof(*walkers));
	places = malloc((size + 1) * sizeof(*places));
	turns = malloc((size + n) * sizeof(*turns));
	if (!walkers || !places || !turns)
		return -ENOMEM;

	b.ring = ring;
	b.walkers = walkers;
	b.places = places;
	b.turns = turns;
	add_walkers(&b, members, n);
	for (unsigned int rank = 0; rank < ranks; rank++)
		pass(&b, rank);
	*out = TAKE(ring);
	return 0;
}

void ring_free(struct ring *ring)
{
	if (!ring)
		return;
	for (unsigned int rank = 0; rank < RING_RANKS; rank++)
		free(ring->owner[rank]);
	free(ring);
}

void ring_freep(struct ring **ring)
{
	ring_free(*ring);
}
