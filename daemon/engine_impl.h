/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the engine share: engine.c has its life and the orders it takes,
 * engine_change.c the transaction, engine_maps.c the way of a candidate into the maps,
 * engine_settle.c what time does.
 */
#ifndef SLUICE_DAEMON_ENGINE_IMPL_H
#define SLUICE_DAEMON_ENGINE_IMPL_H

#include "daemon/advice.h"
#include "daemon/desired.h"
#include "daemon/engine.h"
#include "daemon/link.h"
#include "daemon/plan.h"

struct engine {
	struct model *model;
	struct wishes wishes;
	struct generations generations;
	struct health *health;
	struct probe_tunnels tunnels;
	bool unwritten;         /* the moves in force could not be written down */
	int64_t looked;         /* when health was last looked at */
	int64_t clock_ahead;    /* of the time since boot, in seconds */
	int64_t health_settles; /* when the next thing that health did has settled */
	int64_t grace;          /* until then, backends of which nothing is known count as up */
	struct desired *desired;
	struct plan *plan; /* the last one: its ids are in force */
	sd_event *event;   /* borrowed */
	sd_event_source *settle_timer;
	sd_event_source *sweep_timer;
	struct link *link;
	struct datapath *datapath;
	struct ring_cache rings;
	engine_event_fn *watch; /* or NULL */
	void *watch_ctx;
	time_t started;
	time_t loaded;
};

/* What is to be in force. */
struct engine_candidate {
	struct model *model;
	const struct wishes *wishes;
	generations_settles_fn *settles; /* which moves end; NULL: none */
	void *ctx;
	bool dismisses; /* backends that the model has no more lose their flows */
	bool unasked;   /* nobody asks for it: it cannot be refused */
};

/* ---------------------------------------------------------------------------- engine_change.c */

/*
 * The whole way for a model in force: wishes, generations, desired state, maps. 0, and the engine
 * owns the candidate's model; or -errno with a message and nothing changed. @result may be NULL.
 */
int engine_bring(struct engine *e, const struct engine_candidate *c, struct engine_result *result,
		 struct diag *diag);

/* The same for a new model: its ports and tunnels first. */
int engine_bring_model(struct engine *e, const struct engine_candidate *c,
		       struct engine_result *result, struct diag *diag);

/*
 * A next hop or a backend's health (@ctx: the engine) is another one: the same model and wishes,
 * another desired state.
 */
void engine_refresh(void *ctx);

/* ------------------------------------------------------------------------------ engine_maps.c */

/* What health has to say about @model, as of now. */
struct advice engine_advice(const struct engine *e, const struct model *model);

/* Follows the ways to all backends, those that leave too. 0, or -errno with a message. */
int engine_follow(struct engine *e, const struct model *model,
		  const struct generations *generations, struct diag *diag);

/* The desired state of a candidate with these wishes and generations. 0 or -errno. */
int engine_make_desired(struct engine *e, const struct engine_candidate *c,
			const struct wishes *wishes, const struct generations *generations,
			struct desired **out);

/* Another program and larger maps, where these do not do. 0, or -errno with a message. */
int engine_make_fit(struct engine *e, const struct maps_size *size,
		    const struct sluice_settings *settings, struct diag *diag);

/*
 * Brings @desired into the maps, larger ones where it takes them. 0 with @out, what was done; or
 * -errno, with a message unless it is -ENOMEM.
 */
int engine_write_maps(struct engine *e, const struct engine_candidate *c,
		      const struct desired *desired, struct plan **out, struct diag *diag);

/* ---------------------------------------------------------------------------- engine_settle.c */

/* Makes both timers: they end with the engine. 0 or -errno. */
int engine_add_timers(struct engine *e, sd_event *event);

/* At start, and before moves are looked at: when the clock was set, they go on as long as before. */
void engine_start_clock(struct engine *e);
void engine_follow_clock(struct engine *e);

/*
 * Wakes up when the next move ends or what health did has settled, and now and then while a move
 * may end early.
 */
void engine_arm_timer(struct engine *e);

#endif
