/* SPDX-License-Identifier: MIT */
/*
 * Three reasons make a slot have another owner than the one it shows: a change of the ring, a
 * backend that came back and finds flows that began elsewhere meanwhile, and a balancer that sees
 * another health than we do.
 */
#include "daemon/owners.h"

#include <stdlib.h>
#include <string.h>

static uint8_t standing_of(const struct owners *o, uint16_t member)
{
	return o->standing ? o->standing[member] : OWNERS_UP;
}

/*
 * The first rank from @rank on whose owner has OWNERS_UP, and none of @without; ring->ranks: none.
 */
static unsigned int next_up(const struct owners *o, uint32_t slot, unsigned int rank,
			    uint8_t without)
{
	for (; rank < o->ring->ranks; rank++) {
		uint16_t member = o->ring->owner[rank][slot];

		if (member != RING_NONE &&
		    (standing_of(o, member) & (OWNERS_UP | without)) == OWNERS_UP)
			break;
	}
	return rank;
}

static uint32_t owner_at(const struct owners *o, uint32_t slot, unsigned int rank)
{
	return rank < o->ring->ranks ? (uint32_t)(o->first + o->ring->owner[rank][slot])
				     : OWNERS_NOBODY;
}

/* What the ring before the change says. */
static void look_back(const struct owners *o, uint32_t slot, struct owners_slot *s)
{
	for (unsigned int rank = 0; rank < o->old->ranks; rank++) {
		uint16_t member = o->old->owner[rank][slot];

		if (member == RING_NONE)
			continue;
		s->moved |= o->old_members[member] != s->cur;
		if (!o->old_serves[member])
			continue;
		s->other = o->old_members[member];
		break;
	}
	s->track = s->moved;
	s->keep = s->moved && o->back;
}

/* What health did: the owner of @rank is up, and what of those before it? */
static void look_around(const struct owners *o, uint32_t slot, unsigned int rank,
			struct owners_slot *s)
{
	uint8_t standing =
		rank < o->ring->ranks ? standing_of(o, o->ring->owner[rank][slot]) : OWNERS_UP;
	uint8_t before = 0;

	for (unsigned int r = 0; r < rank; r++)
		if (o->ring->owner[r][slot] != RING_NONE)
			before |= standing_of(o, o->ring->owner[r][slot]);
	/* While it was away flows began at the next one, who may be the better one still. */
	if (standing & (OWNERS_RECENT | OWNERS_PANIC)) {
		s->other = owner_at(o, slot, next_up(o, slot, rank + 1, OWNERS_PANIC));
		s->track = s->other != OWNERS_NOBODY;
		s->keep = s->track && standing & OWNERS_BRIEF;
	} else {
		s->track = before & OWNERS_RECENT;
		s->keep = s->track && o->hint_always;
		if (o->hint_always)
			s->other = owner_at(o, slot, next_up(o, slot, rank + 1, 0));
	}
	if (s->other == OWNERS_NOBODY)
		s->other = s->cur;
}

struct owners_slot owners_of(const struct owners *o, uint32_t slot)
{
	unsigned int rank = next_up(o, slot, 0, 0);
	struct owners_slot s = {.cur = owner_at(o, slot, rank)};

	s.other = s.cur;
	if (o->old)
		look_back(o, slot, &s);
	if (!s.moved && (o->standing || o->hint_always))
		look_around(o, slot, rank, &s);
	return s;
}

bool owners_recent(const struct owners *o)
{
	for (size_t i = 0; o->standing && i < o->n; i++)
		if (o->standing[i] & OWNERS_RECENT)
			return true;
	return false;
}

static bool same_bytes(const void *a, const void *b, size_t n)
{
	return a == b || (a && b && memcmp(a, b, n) == 0);
}

bool owners_equal(const struct owners *a, const struct owners *b)
{
	return a->ring == b->ring && a->first == b->first && a->n == b->n && a->old == b->old &&
	       a->n_old == b->n_old && a->back == b->back && a->hint_always == b->hint_always &&
	       same_bytes(a->standing, b->standing, a->n * sizeof(*a->standing)) &&
	       same_bytes(a->old_members, b->old_members, a->n_old * sizeof(*a->old_members)) &&
	       same_bytes(a->old_serves, b->old_serves, a->n_old * sizeof(*a->old_serves));
}

void owners_fini(struct owners *o)
{
	free(o->standing);
	free(o->old_members);
	free(o->old_serves);
	*o = (struct owners){0};
}
