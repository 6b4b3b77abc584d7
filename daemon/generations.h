/* SPDX-License-Identifier: MIT */
/*
 * What each VIP's ring is declared to be, and what it was before, until flows have settled. A VIP's
 * generation is its ring's parameters with the members that take new flows and their weights. When
 * it becomes another one, the old one is kept beside it: flows that began under it belong to its
 * owners. Until that change has settled, further changes keep the old generation that it began
 * from.
 *
 * Pure, but for reading and writing STATE_DIR/generations.json (generations_file.c), which carries
 * this over a restart.
 */
#ifndef SLUICE_DAEMON_GENERATIONS_H
#define SLUICE_DAEMON_GENERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diag.h"
#include "config/model.h"
#include "daemon/wishes.h"

/*
 * A change settles when no live flow needs the old generation, but not before settle_s, or after so
 * long (settle_s, if that is longer). Backends that left are given settle_s.
 */
#define GENERATIONS_SETTLE_S 3600
#define GENERATIONS_TICKS_S 3 /* by which the flow table's clock, and ours, may be behind */

/* A member of a ring. Its address says which one it is; the names may change. */
struct generation_member {
	char *pool;
	char *backend; /* its name */
	struct sluice_addr address;
	unsigned int weight; /* 0, in an old one: it owns no slot, but was a member since */
	uint16_t hint;       /* its number in hints, host byte order; 0: derived from the address */
	bool gone;           /* in an old one: its time is over */
	bool disabled;       /* in an old one: as it was last declared */
};

/* One of an old generation that serves no more. */
static inline bool generation_member_out(const struct generation_member *member)
{
	return member->gone || member->disabled;
}

/* All zero is one without members. */
struct generation {
	enum model_maglev maglev;
	uint32_t ring_size;
	struct generation_member *members; /* by address, none twice; one block with their names */
	size_t n_members;
};

/*
 * A ring that clients of a VIP are sent to: the VIP's own, or the one of a pool in its `sources`.
 */
struct generation_vip {
	char *vip;  /* name */
	char *pool; /* name of the pool that `sources` name; "": the VIP's own ring */
	struct generation now;
	/*
	 * The generation that the move began from; only while moving. When now is that one again:
	 * the one between, since what began under the first finds its owners in now.
	 */
	struct generation old;
	uint8_t epoch;   /* of a VIP's own ring: how often all its rings have settled, modulo 2^8 */
	bool moving;     /* the change from old to now has not settled */
	bool back;       /* now is what the move began from, old the one between */
	int64_t since;   /* when now came about, seconds since the epoch */
	int64_t leave;   /* when those who left are gone; INT64_MAX: nobody left, or they are */
	int64_t soonest; /* from then on it may settle, when no live flow needs old */
	int64_t limit;   /* when it settles at the latest */
};

/* All zero is an empty, valid one. */
struct generations {
	struct generation_vip *vips; /* by VIP, then by pool */
	size_t n;
};

/*
 * A copy that owns its members and their names; @from may borrow them. 0 with @out for
 * generation_fini(), or -ENOMEM.
 */
int generation_copy(struct generation *out, const struct generation *from);

/* Do both make the same ring? Names do not matter to it. */
bool generation_equal(const struct generation *a, const struct generation *b);

/* Frees what it owns; empty afterwards. */
void generation_fini(struct generation *generation);

/* Frees what it owns. */
void generation_vip_fini(struct generation_vip *vip);

/*
 * The generations for @model and @wishes, following from @before. @now: seconds since the epoch. A
 * VIP that was not there before moves from what the states declare: active and draining members
 * were there, filling ones were not. In a move that has not settled, times only grow. Those who
 * left and whose time is over are gone. @before is not changed. 0 with @out for generations_fini(),
 * or -ENOMEM.
 */
int generations_next(struct generations *out, const struct generations *before,
		     const struct model *model, const struct wishes *wishes, int64_t now);

/* Backends that @model has no more are gone at once, not when their time is over. */
void generations_dismiss(struct generations *generations, const struct model *model);

/* Has the backend left some ring, and is its time there not over? */
bool generations_leaving(const struct generations *generations, const char *pool,
			 const struct sluice_addr *address);

/* Says which moves end. */
typedef bool generations_settles_fn(void *ctx, const struct generation_vip *v);

/* Ends the moves that @settles says yes to. true: some ended. */
bool generations_settle_those(struct generations *generations, generations_settles_fn *settles,
			      void *ctx);

/*
 * Ends the moves of the VIP named @vip, or all that are at their limit (@vip NULL). true: some
 * ended.
 */
bool generations_settle(struct generations *generations, const char *vip, int64_t now);

/*
 * The clock was set by so many seconds, back if negative: all moves go on as long as they would
 * have.
 */
void generations_shift(struct generations *generations, int64_t by);

/*
 * When the next one reaches its limit or loses those who left, seconds since the epoch; INT64_MAX:
 * never.
 */
int64_t generations_next_limit(const struct generations *generations);

/* How many rings' last change has not settled. */
size_t generations_moving(const struct generations *generations);

/* When somebody who left is gone next, seconds since the epoch; INT64_MAX: never. */
int64_t generations_next_leave(const struct generations *generations);

/* The entry of the VIP named @vip, of its ring for @pool (NULL: its own), or NULL. */
struct generation_vip *generations_find(const struct generations *generations, const char *vip,
					const char *pool);

/*
 * Reads or writes STATE_DIR/generations.json, as wishes_load() and wishes_save() do: a missing file
 * is an empty list.
 */
int generations_load(struct generations *out, const char *state_dir, struct diag *diag);
int generations_save(const struct generations *generations, const char *state_dir,
		     struct diag *diag);

/* Frees all; empty afterwards. */
void generations_fini(struct generations *generations);

#endif
