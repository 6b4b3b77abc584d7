/* SPDX-License-Identifier: MIT */
/*
 * Running against desired: what to write to the maps, and in which order. Pure: it reads what it
 * is given and writes nothing; daemon/apply.c carries the steps out.
 *
 * Order: what others refer to is written before them, and goes after them: devices and backends,
 * rings, targets, then the rows that packets are looked up in; deletions in reverse.
 */
#ifndef SLUICE_DAEMON_PLAN_H
#define SLUICE_DAEMON_PLAN_H

#include <stdbool.h>

#include "config/diag.h"
#include "daemon/desired.h"
#include "daemon/maps.h"
#include "daemon/rows.h"
#include "daemon/slots.h"

/* What the maps hold. Arrays belong to whoever made the snapshot. */
struct running {
	const struct sluice_backend *backends; /* by id */
	const struct sluice_name *names;       /* by id */
	uint32_t n_ids;                        /* ids 1 .. n_ids - 1 exist */
	const struct sluice_target *targets;   /* by index; 0 is no target */
	uint32_t n_targets;
	struct slots slots;
	uint32_t n_slots; /* a multiple of SLUICE_LINE_SLOTS */
	const struct sluice_state *state;
	struct rows rows[MAP_MAX];     /* of the maps of kind MAP_ROWS, sorted */
	uint32_t max_entries[MAP_MAX]; /* of the maps of kind MAP_ROWS */
	uint32_t max_vips;             /* VIP ids 1 .. max_vips exist */
	/*
	 * Fills in rows[map] of the large maps (sources, access) when they are needed: 0 or -errno.
	 * NULL: they are there.
	 */
	int (*read_rows)(struct running *running, enum map_id map);
	const void *ctx; /* of read_rows */
};

enum plan_kind {
	PLAN_ROW,     /* of plan->rows */
	PLAN_BACKEND, /* of plan->backends */
	PLAN_RING,    /* of plan->rings */
	PLAN_TARGET,  /* of plan->targets */
};

struct plan_step {
	enum plan_kind kind;
	uint32_t index; /* into the array of its kind */
};

/* A row to write. Key and values lie in the running or in the plan's own rows. */
struct plan_row {
	enum map_id map;
	const void *key;
	const void *from; /* NULL: it is not there yet */
	const void *to;   /* NULL: delete it */
	uint32_t fresh;   /* a VIP id that is new here: its counters start at zero; else 0 */
};

struct plan_backend {
	uint32_t id;
	bool fresh; /* the id is new here: its counters start at zero, no flow is its own */
	struct sluice_backend backend; /* encap NONE: the id becomes free */
	struct sluice_name name;
};

/* A ring to be written: which slots differ is found while writing. */
struct plan_ring {
	const struct owners *owners;
	uint32_t base;    /* slot where the ring begins */
	uint32_t changed; /* so many slots differ */
	bool live;        /* packets use it already */
};

struct plan_target {
	uint32_t index;
	struct sluice_target target; /* vip 0: it becomes free */
};

struct plan {
	struct plan_step *steps;
	size_t n_steps;
	struct plan_row *rows;
	size_t n_rows;
	struct plan_backend *backends;
	size_t n_backends;
	struct plan_ring *rings;
	size_t n_rings;
	struct plan_target *targets;
	size_t n_targets;
	const struct desired *desired; /* what it was made for */
	uint64_t slots;                /* how many slots will be written */
	uint64_t digest[2];            /* for the state map: of sources and access */
	uint32_t *backend_ids;         /* of desired->backends */
	uint32_t *vip_ids;             /* of desired->vips */
	uint32_t *target_indexes;      /* of desired->targets */
	struct rows wanted[MAP_MAX];   /* what the rows to write point into */
};

/*
 * The words of a ring, before what it holds is looked at; kept for the next ring with the same
 * owners: many VIPs share a pool. All zero is an empty, valid one.
 */
struct plan_words {
	const struct owners *of;
	uint32_t *words;
	size_t room;
};

/* The words for @ring, valid until the next call; NULL without memory. */
const uint32_t *plan_words_get(struct plan_words *words, const struct plan *plan,
			       const struct plan_ring *ring);
void plan_words_fini(struct plan_words *words);

/*
 * What to write where @before is, and plan_words_get() says @word. A slot is tracked while its VIP
 * moves, from when it first has another owner than it had: flows that began in between must be
 * found. That holds also where the one it had serves no more, since a later change may move the
 * slot again.
 */
static inline uint32_t plan_word(const struct plan_ring *ring, uint32_t word, uint32_t before)
{
	return ring->live && ring->owners->old ? word | (before & SLUICE_SLOT_TRACK) : word;
}

/*
 * 0 with @out to be freed by plan_free(), before @running; a plan without steps means that nothing
 * is to be done. -ENOMEM; -ENOSPC: `rings` has no room for a ring (the map must grow); -E2BIG: more
 * than a map has room for, with a message in @diag; or what running->read_rows() returned.
 */
int plan_build(struct plan **out, struct running *running, const struct desired *desired,
	       struct diag *diag);

/* Forgets all but the ids, once the plan was carried out. */
void plan_strip(struct plan *plan);

/* Frees it; accepts NULL. */
void plan_free(struct plan *plan);
void plan_freep(struct plan **plan);

#endif
