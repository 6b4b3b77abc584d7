/* SPDX-License-Identifier: MIT */
/*
 * Who owns the slots of a ring: now, by health, and before a change that has not settled. Backends
 * are numbers (indexes into desired->backends). Pure.
 */
#ifndef SLUICE_DAEMON_OWNERS_H
#define SLUICE_DAEMON_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/ring.h"

#define OWNERS_NOBODY UINT32_MAX

/* A member's standing in its ring. */
#define OWNERS_UP 0x1        /* takes flows */
#define OWNERS_RECENT 0x2    /* came up or went down, and that has not settled */
#define OWNERS_PANIC 0x4     /* takes flows only because too few others do */
#define OWNERS_UNPROVEN 0x10 /* new, and nothing is known of it yet: takes no flows */
#define OWNERS_BRIEF 0x8     /* RECENT, and away so shortly that all flows of meanwhile are known */

/* The rings are somebody else's, the arrays its own. */
struct owners {
	const struct ring *ring; /* NULL: the one backend `first` */
	size_t first;            /* owner m of ring is backend first + m */
	size_t n;                /* members of ring, those without weight too */
	uint8_t *standing;       /* OWNERS_* of each; NULL: all are up */
	bool hint_always;        /* settled slots name another owner, too */
	bool panic;              /* some member takes flows because of it */

	const struct ring *old; /* before the change; NULL: nothing moves */
	bool back; /* ring is what it was before old: flows that are not known began under ring */
	size_t n_old;
	uint32_t *old_members; /* owner m of old is this backend; OWNERS_NOBODY: it is gone */
	bool *old_serves;      /* ... and it still gets the packets of its flows */
};

/* Whose a slot is. */
struct owners_slot {
	uint32_t cur;   /* for new flows: the first rank that is up; OWNERS_NOBODY */
	uint32_t other; /* whose else an unknown flow may be, else cur */
	bool moved;     /* it had another owner before the change, be it one that serves no more */
	bool track;     /* flows must be remembered */
	bool keep;      /* an unknown flow is more likely cur's */
};

struct owners_slot owners_of(const struct owners *owners, uint32_t slot);

/* Is some member OWNERS_RECENT? */
bool owners_recent(const struct owners *owners);

/* Do both give all slots the same owners? May say no where they do. */
bool owners_equal(const struct owners *a, const struct owners *b);

/* Frees what it owns; empty afterwards. */
void owners_fini(struct owners *owners);

#endif
