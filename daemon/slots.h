/* SPDX-License-Identifier: MIT */
/*
 * The slots of all rings, as the maps `rings` and `others` hold them: two columns. To all but the
 * program a slot is one word, SLUICE_SLOT() of xdp/abi.h.
 */
#ifndef SLUICE_DAEMON_SLOTS_H
#define SLUICE_DAEMON_SLOTS_H

#include <stdint.h>

#include "xdp/abi.h"

/* Both columns, or copies of them; they are somebody else's. */
struct slots {
	uint16_t *rings;
	uint16_t *others;
};

/* The word of slot @at, counted from the maps' beginning. */
static inline uint32_t slots_get(const struct slots *slots, uint32_t at)
{
	return slots->rings[at] | (uint32_t)slots->others[at] << 16;
}

/*
 * Writes the word while packets use the slot. They look at the other owner only where the slot is
 * tracked: it is there before, and goes after.
 */
static inline void slots_set(const struct slots *slots, uint32_t at, uint32_t word)
{
	uint16_t ring = (uint16_t)word, other = (uint16_t)(word >> 16);

	if (word & SLUICE_SLOT_TRACK)
		__atomic_store_n(&slots->others[at], other, __ATOMIC_RELEASE);
	__atomic_store_n(&slots->rings[at], ring, __ATOMIC_RELEASE);
	if (!(word & SLUICE_SLOT_TRACK))
		__atomic_store_n(&slots->others[at], other, __ATOMIC_RELEASE);
}

#endif
