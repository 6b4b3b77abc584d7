/* SPDX-License-Identifier: MIT */
/*
 * A world without a kernel in which flows either live or are broken: balancers that run the
 * daemon's code and the program's, a router before them, backends behind them. Time is simulated.
 */
#ifndef SLUICE_BENCH_FLOW_MODEL_H
#define SLUICE_BENCH_FLOW_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/desired.h"
#include "daemon/plan.h"

#define FM_BACKENDS 48      /* addresses that there are */
#define FM_BALANCERS 4      /* at once */
#define FM_FLOW_LINES 16384 /* 131,072 entries, the default */
#define FM_IDS 128
#define FM_SETTLE_S 300
#define FM_NOBODY UINT32_MAX

enum fm_policy {
	FM_SLUICE,
	FM_MAGLEV, /* the ring as it is now, no memory */
	FM_LRU,    /* every flow in a table of this balancer, as large as sluice's */
	FM_POLICIES,
};

/* A random number generator (splitmix64) whose sequence a seed repeats. */
struct fm_random {
	uint64_t state;
};

uint64_t fm_random(struct fm_random *random);
/* 0 .. n - 1 */
uint32_t fm_below(struct fm_random *random, uint32_t n);
/* Exponentially distributed. */
double fm_wait(struct fm_random *random, double mean);

/* ---------------------------------------------------------------------------------- the program */

/* One balancer's maps, and what else its program reads. */
struct fm_maps {
	struct sluice_backend *backends; /* FM_IDS of them */
	struct slots slots;
	uint32_t n_slots;
	struct sluice_flow_line *flows; /* FM_FLOW_LINES of them */
	struct sluice_vip vip;
	struct sluice_settings settings;
};

struct fm_packet {
	uint32_t client;
	uint16_t port;
	bool syn;
	bool fin;
};

struct fm_verdict {
	uint32_t id;   /* of the backend; 0: none */
	uint16_t hint; /* host byte order; 0: none */
	uint32_t slot;
};

/* select_backend() of xdp/select.h with @maps, at @now seconds. */
struct fm_verdict fm_program_select(const struct fm_maps *maps, const struct fm_packet *packet,
				    double now);

/* --------------------------------------------------------------------------------- the balancer */

/* What the config of all balancers says, one version of it. */
struct fm_version {
	struct model model;
	struct model_interface interface;
	struct model_pool pool;
	struct model_vip vip;
	struct model_backend backends[FM_BACKENDS];
	uint16_t index[FM_BACKENDS]; /* of model's backends: which address */
	char what[160];              /* how it came about */
};

struct fm_declared {
	bool there;
	enum model_state state;
	unsigned int weight;
	unsigned int weight_before; /* 0: the same */
};

/* Makes the version that @declared (FM_BACKENDS of them) says. NULL without memory. */
struct fm_version *fm_version_new(const struct fm_declared *declared, uint32_t ring_size,
				  unsigned int age_s);

/* The address of backend @index, and the index of an address. */
struct sluice_addr fm_address(uint32_t index);
uint32_t fm_index(const struct sluice_addr *address);

struct fm_change {
	double time;
	uint32_t word;
};
#define FM_CHANGES 16 /* of a slot, the last ones */

struct fm_lru;

struct fm_balancer {
	struct fm_maps maps;
	struct sluice_name *names;
	struct sluice_target *targets;
	struct sluice_state state;
	struct rows rows[MAP_MAX];
	struct ring_cache rings;
	struct generations generations;
	struct desired *desired;
	struct plan *plan;
	const struct fm_version *version;
	size_t n_version;                        /* its number */
	struct fm_change (*changes)[FM_CHANGES]; /* of each slot, newest first */
	double born;
	double settled; /* when a move last ended; < 0: none did */
	bool early;     /* before its limit */
	struct fm_lru *lru;
};

/* A balancer that knows nothing. NULL without memory. */
struct fm_balancer *fm_balancer_new(uint32_t ring_size, uint64_t secret, double now);

/* generations -> desired -> plan -> maps, as the engine does it. */
int fm_balancer_apply(struct fm_balancer *b, const struct fm_version *version, double now);

/* The daemon goes and comes back: what is pinned stays. 0 or -errno. */
int fm_balancer_restart(struct fm_balancer *b, double now);

/* Ends the move when it is due, as the engine's timer does. 0 or -errno. */
int fm_balancer_tick(struct fm_balancer *b, double now);

/* The backend (an index) of an id; FM_NOBODY. */
uint32_t fm_balancer_backend(const struct fm_balancer *b, uint32_t id);

/* Where a packet goes by @policy. */
struct fm_verdict fm_balancer_select(struct fm_balancer *b, enum fm_policy policy,
				     const struct fm_packet *packet, double now);

void fm_balancer_free(struct fm_balancer *b);

/* -------------------------------------------------------------------------------------- the LRU */

struct fm_lru *fm_lru_new(size_t room);
/* The flow's backend id, made young; 0: not known. */
uint32_t fm_lru_find(struct fm_lru *lru, uint64_t key);
void fm_lru_store(struct fm_lru *lru, uint64_t key, uint32_t id);
void fm_lru_free(struct fm_lru *lru);

/* ------------------------------------------------------------------------------------ the world */

enum fm_stage {
	FM_CLOSED,  /* to be opened at `next` */
	FM_OPENING, /* the SYN was sent */
	FM_OPEN,
	FM_OVER, /* broken or ended by intent: silent until its time is over */
};

struct fm_flow {
	uint32_t client;
	uint16_t port;
	uint16_t backend; /* the one that took its SYN */
	enum fm_stage stage;
	bool counted; /* lived when the change came */
	bool reused;  /* another flow had the same ports before */
	double began;
	double ends;
	double gap;                     /* mean time between its packets */
	double next;                    /* its next packet */
	double last[FM_BALANCERS];      /* its last packet through each */
	uint32_t through[FM_BALANCERS]; /* which balancer that was; 0: none */
	uint32_t guessed[FM_BALANCERS]; /* ... which sent it elsewhere, and the helper mended it */
	struct fm_random random;
};

/* Why a flow was broken: the first should not happen, the others are stated limits. */
enum fm_loss {
	FM_LOSS_WRONG,
	FM_LOSS_IDLE,     /* silent for longer than a TCP connection's age, in a slot that moved */
	FM_LOSS_DRAINED,  /* its backend left, and the settle time is over */
	FM_LOSS_OUTLIVED, /* its slot moved, and the settle time is over */
	FM_LOSS_UNSEEN,   /* came to a balancer that did not know it, and there is no helper */
	FM_LOSS_LATE,     /* ... that had not learnt of a change which the other one had made */
	FM_LOSS_SETTLED,  /* ... that had settled before the other one */
	FM_LOSS_UNNAMED,  /* ... whose slot names others: it moved twice, or was not declared */
	FM_LOSS_GUESSED, /* ... that once took it for an old flow, and still does after it settled */
	FM_LOSSES,
};

extern const char *const fm_loss_names[FM_LOSSES];

struct fm_world {
	uint64_t seed;
	struct fm_random random; /* of what happens; each flow has its own */
	enum fm_policy policy;
	bool helper;
	bool quiet;
	unsigned int age_s;
	uint32_t ring_size;
	double now;
	struct fm_balancer *balancers[FM_BALANCERS];
	uint32_t serial[FM_BALANCERS]; /* 0: there is none */
	double learns[FM_BALANCERS];   /* when it takes up the newest version */
	uint32_t serials;
	struct fm_declared declared[FM_BACKENDS];
	double left[FM_BACKENDS];     /* when it last took no new flows any more */
	double disabled[FM_BACKENDS]; /* flows that began by then ended with it */
	double expired[FM_BACKENDS];  /* ... lost it when it was removed after its time */
	struct fm_version **versions;
	size_t n_versions;
	struct fm_flow *flows;
	uint32_t n_flows;
	uint32_t *heap; /* of flows, by next */
	uint64_t packets;
	uint64_t opened;
	uint64_t losses[FM_LOSSES];
	uint64_t counted; /* flows that lived when the change came */
	uint64_t
		counted_broken; /* of those, without flows of backends that left and whose time was over */
	uint64_t ended;         /* by intent: with a disabled backend */
};

/*
 * @n_backends active ones, @n_balancers that know them, and flows that come in one by one. 0 or
 * -errno.
 */
int fm_world_init(struct fm_world *w, uint32_t n_backends, uint32_t n_balancers, uint32_t n_flows);
void fm_world_fini(struct fm_world *w);

/* Lets the flows run until @until. 0 or -errno. */
int fm_world_run(struct fm_world *w, double until);

/* What is declared becomes a version; each balancer learns of it within @spread seconds. */
int fm_world_declare(struct fm_world *w, const char *what, double spread);

/* A balancer more, which knows nothing but what is declared. 0 or -errno. */
int fm_world_join(struct fm_world *w);
void fm_world_leave(struct fm_world *w, uint32_t balancer);
uint32_t fm_world_count(const struct fm_world *w);

/* Is there a balancer whose last change has not settled, or who has not learnt of it? */
bool fm_world_moves(const struct fm_world *w);

/* Flows that live now are counted from now on. */
void fm_world_mark(struct fm_world *w);

/* @n first packets of clients that never come back. */
void fm_world_flood(struct fm_world *w, uint32_t n);

/* ------------------------------------------------------------------------------------ the table */

struct fm_table {
	uint64_t seed;
	uint32_t n_seeds; /* each cell is the mean over so many runs */
	uint32_t n_flows;
};

/* The losses of each policy by scenario, as lines of Markdown. 0 or -errno. */
int fm_table_print(const struct fm_table *table);

#endif
