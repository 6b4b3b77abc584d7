/* SPDX-License-Identifier: MIT */
/*
 * What the parts of health share, and its test: health.c has the judgement and what follows from
 * it, health_streams.c which streams there are, health_schedule.c when each is probed,
 * health_file.c what outlives the daemon, health_report.c what people see.
 */
#ifndef SLUICE_DAEMON_HEALTH_IMPL_H
#define SLUICE_DAEMON_HEALTH_IMPL_H

#include "config/keyset.h"
#include "daemon/health.h"
#include "daemon/judge.h"
#include "daemon/probe.h"

#define HEALTH_LAST 5           /* results kept of each stream */
#define HEALTH_STARTS 64        /* probes begun in one turn of the event loop */
#define HEALTH_BURST_US 2000u   /* changes wait so long for others */
#define HEALTH_SAVE_US 1000000u /* and so long, at least, until they are written */
#define HEALTH_SLICE 64         /* states written in one turn of the event loop */
#define HEALTH_SLICE_US 2000u   /* and so long until the next of them are */
#define HEALTH_NEVER UINT64_MAX
#define HEALTH_SLOW_STEPS 4u /* weights of a slow start before the full one */

/* What makes two streams the same one. */
struct stream_key {
	struct sluice_addr backend; /* address */
	struct sluice_addr target;  /* address that is asked: the VIP's or the backend's */
	uint64_t how;               /* digest of the check and, for those inside it, the tunnel */
	uint32_t port;
	uint32_t pad; /* zero */
};

/* What outlives the daemon. */
struct stream_state {
	struct judge judge;
	int64_t since;    /* of up or down, seconds since the epoch; 0: not known */
	int64_t before_s; /* how long it was the other one before, at least 1; 0: not known */
	char reason[PROBE_REASON_MAX];
	enum probe_wish wish;
	unsigned int weight_percent; /* as an agent asks; 0: it did not say */
};

/* A backend of a VIP that a stream stands for; all of the model that is followed. */
struct stream_user {
	const struct model_vip *vip;
	const struct model_pool *pool;
	const struct model_backend *backend;
};

struct stream_result {
	enum judge_result result;
	uint64_t duration_us;
	int64_t at; /* its end, seconds since the epoch */
};

struct stream {
	struct health *health;
	struct stream_key key;
	const struct model_check *check;
	const struct stream_user *users; /* the first one speaks for all */
	size_t n_users;
	struct stream_state state;
	bool late; /* came, unknown, when others were there: its first success is a start, too */
	bool own_error;                         /* the last probe could not be made: said once */
	uint64_t up_us;                         /* when it came up, for slow starts; 0: long ago */
	struct stream_result last[HEALTH_LAST]; /* at [n_probes % HEALTH_LAST] comes the next */
	uint64_t n_probes;                      /* that have ended */
	uint64_t n_results[JUDGE_UNKNOWN + 1];
	uint64_t n_changes;
	struct probe *probe; /* under way */
	uint64_t start_us;   /* of the last probe */
	uint64_t due_us;     /* of the next one; while one is under way it is not in the heap */
	size_t place;        /* in the heap, from 1; 0: not there */
};

/* Streams by when they are due. */
struct stream_heap {
	struct stream **list; /* [1] is the first; room for all streams */
	size_t n;
};

/* All that follows from a model. */
struct stream_set {
	const struct model *model;
	uint64_t *digests;    /* by pool: stream_key.how */
	struct keyset keys;   /* struct stream_key */
	struct stream **list; /* numbered as the keys */
	struct stream_user *users;
	struct stream_heap heap;
};

/* A state of the file. */
struct stream_memory {
	struct stream_key key;
	struct stream_state state;
};

struct stream_memories {
	struct stream_memory *list;
	struct keyset exact; /* struct stream_key, numbered as the list */
	struct keyset alike; /* the same without .how */
	size_t *first_alike; /* numbered as those: the first in the list */
};

struct health {
	sd_event_source *timer;
	struct probes *probes;
	char *state_dir;
	health_changed_fn *changed;
	health_mark_fn *mark;
	void *ctx;
	health_event_fn *watch;
	void *watch_ctx;
	uint64_t random; /* state of the generator */
	struct stream_set set;
	struct stream_memories memories; /* until the first model */
	uint64_t changed_us;             /* when changed() is called */
	uint64_t first_us;               /* the first change that it is for */
	uint64_t calm_us;                /* not before this */
	uint64_t save_us;                /* when the states are written, or go on to be */
	uint64_t save_wait_us;       /* so long after a change; longer where writing takes long */
	struct state_writer *writer; /* while they are being written: */
	size_t n_saved;              /* so many streams are, */
	uint64_t saving_us;          /* it took so long, */
	bool unsaved;                /* and something changed meanwhile */
	uint64_t step_us;            /* the next step of a slow start */
	uint64_t timer_us;           /* what the timer is set to */
	int save_err;                /* of the last try: said once */
	uint64_t quiet_us;           /* own errors: until then, */
	unsigned int n_said;         /* so many lines were written */
};

/* health.c: by the clock of the timer, CLOCK_MONOTONIC. */
uint64_t health_now_us(void);

/* health.c: takes the result of @stream's probe. */
void health_take(struct stream *stream, const struct probe_report *report);

/* health.c: other streams than before are there. */
void health_entered(struct health *health);

/* health.c: does all that is due, and sets the timer for the rest. */
void health_turn(struct health *health);

/* health.c: sets the timer, since something may be due earlier than before. */
void health_set_timer(struct health *health);

/* health_streams.c: the key of a backend's stream. false: it has none, there being no check. */
bool stream_key(struct stream_key *out, const struct stream_set *set, const struct model_vip *vip,
		const struct model_pool *pool, const struct model_backend *backend);

/* health_streams.c: ends all probes and frees all; empty afterwards. */
void stream_set_fini(struct stream_set *set);

/* health_schedule.c: puts @stream into @heap, due at stream->due_us. */
void schedule_push(struct stream_heap *heap, struct stream *stream);

/* health_schedule.c: when the next probe is due. */
uint64_t schedule_next_us(const struct stream_heap *heap);

/* health_schedule.c: begins the probes that are due, HEALTH_STARTS at most. */
void schedule_run(struct health *health, uint64_t now_us);

/* health_schedule.c: sets stream->due_us for one that is new here, or whose probe was given up. */
void schedule_first(struct health *health, struct stream *stream, uint64_t now_us);

/* health_file.c: as state_file_read() does it. */
int health_load(struct stream_memories *out, const char *state_dir, struct diag *diag);

/* health_file.c: begins to write the states. 0, or -errno with a message. */
int health_save_begin(struct health *health, struct diag *diag);

/* health_file.c: writes those of @n more streams. true: that was the last one. */
bool health_save_some(struct health *health, size_t n);

/* health_file.c: as state_writer_end() does it. */
int health_save_end(struct health *health, bool sync, struct diag *diag);

/* health_file.c: gives up what was begun, if it was. */
void health_save_stop(struct health *health);

/*
 * health_file.c: the state that was written for @key, or for the same with another check; or NULL.
 */
const struct stream_state *health_remembered(const struct stream_memories *memories,
					     const struct stream_key *key);
void stream_memories_fini(struct stream_memories *memories);

#endif
