/* SPDX-License-Identifier: MIT */
/*
 * The state in force, and how it changes: start, reload, an operator's wish and a moved next hop
 * all go through one transaction, model -> desired -> plan -> apply. An error leaves everything as
 * it was.
 */
#ifndef SLUICE_DAEMON_ENGINE_H
#define SLUICE_DAEMON_ENGINE_H

#include <systemd/sd-event.h>
#include <time.h>

#include "config/diag.h"
#include "daemon/changes.h"
#include "daemon/datapath.h"
#include "daemon/health.h"
#include "daemon/probe_tunnels.h"

struct engine;

/* What is in force; everything belongs to the engine and is valid until its next change. */
struct engine_view {
	const struct model *model;
	const struct wishes *wishes;
	const struct generations *generations;
	const struct desired *desired;
	const uint32_t *backend_ids; /* of desired->backends */
	const uint32_t *vip_ids;     /* of desired->vips */
	const struct datapath *datapath;
	const struct health *health;
	const struct probe_tunnels *tunnels;
	time_t started;
	time_t loaded; /* when the config was last read */
};

/*
 * Brings up what @model asks for, which the engine takes over on success. 0 with @out to be freed
 * by engine_free(); or -errno with a message in @diag: nothing has changed then.
 */
int engine_new(struct engine **out, sd_event *event, struct model *model, struct diag *diag);

/* What a change did. */
struct engine_result {
	uint64_t slots;     /* slots written */
	changes_fn *change; /* called for each change in words, or NULL */
	void *ctx;
};

/*
 * Reads the config file anew and brings it into force. Backends that it has no more keep their
 * flows for settle_s, or, with @at_once, lose them. 0, or -errno with messages; then all is as
 * before.
 */
int engine_reload(struct engine *engine, bool at_once, struct engine_result *result,
		  struct diag *diag);

/*
 * News for people and programs: @text, and where it is about a backend's health, @health; else
 * NULL.
 */
typedef void engine_event_fn(void *ctx, const char *text, const struct health_event *health);

/* @fn is told of all that changes from now on. */
void engine_watch(struct engine *engine, engine_event_fn *fn, void *ctx);

/* What the operator can ask for. */
enum engine_order {
	ENGINE_DRAIN,    /* state draining */
	ENGINE_DISABLE,  /* state disabled */
	ENGINE_ACTIVATE, /* state active: takes back drain and disable */
	ENGINE_WEIGHT,   /* another weight; 0: the config's */
};

/*
 * Carries out an order for the backends named @backend, in @pool (NULL: in all pools that have
 * one). 0, or -errno with a message (-ENOENT: no such backend); then all is as before.
 */
int engine_order(struct engine *engine, enum engine_order order, const char *backend,
		 const char *pool, unsigned int weight, struct engine_result *result,
		 struct diag *diag);

/*
 * Ends the move of the VIP named @vip (NULL: of all): its old generation is forgotten now. 0, or
 * -errno with a message (-ENOENT: no such VIP).
 */
int engine_settle(struct engine *engine, const char *vip, struct engine_result *result,
		  struct diag *diag);

/* Forgets flows: of the backend with this id, or (0) all. Returns how many there were. */
size_t engine_purge_flows(struct engine *engine, uint32_t backend_id);

struct engine_view engine_view(const struct engine *engine);

/* Closes everything; what is pinned goes on. Accepts NULL. */
void engine_free(struct engine *engine);

#endif
