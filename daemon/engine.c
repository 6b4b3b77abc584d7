/* SPDX-License-Identifier: MIT */
/*
 * The engine's life and the orders it takes: each makes a candidate, a model and wishes as they are
 * to be, and has the transaction bring it into force.
 */
#include "daemon/engine.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "config/load.h"
#include "daemon/engine_impl.h"
#include "daemon/flow_table.h"
#include "daemon/log.h"

/* ---------------------------------------------------------------------------------- start, stop */

static void log_ports(const struct engine *e)
{
	size_t n;
	const struct datapath_port *ports = datapath_ports(e->datapath, &n);

	for (size_t i = 0; i < n; i++)
		log_info("interface %s: %s XDP, %s", ports[i].name, model_mode_name(ports[i].mode),
			 ports[i].dispatcher ? "shared through libxdp's dispatcher"
					     : "alone (the dispatcher is not available here)");
}

/* When at the latest each check of @model has said something. */
static int64_t grace_of(const struct model *model, int64_t now)
{
	unsigned int longest_ms = 0;

	for (size_t i = 0; i < model->n_pools; i++) {
		const struct model_check *check = &model->pools[i].check;

		if (check->type != MODEL_CHECK_NONE &&
		    check->fast_interval_ms + check->timeout_ms > longest_ms)
			longest_ms = check->fast_interval_ms + check->timeout_ms;
	}
	return longest_ms ? now + longest_ms / 1000 + 2 : 0;
}

/* Of a backend of the model in force; of others there is no tunnel yet. */
static uint32_t mark(void *ctx, const struct model_pool *pool, const struct model_backend *backend)
{
	const struct engine *e = ctx;
	const struct model_pool *pools = e->model ? e->model->pools : NULL;
	size_t at = (size_t)(backend - pool->backends);

	if (!pools || pool < pools || pool >= pools + e->model->n_pools)
		return 0;
	for (const struct model_pool *p = pools; p < pool; p++)
		at += p->n_backends;
	return probe_tunnels_mark(&e->tunnels, e->plan->backend_ids[at]);
}

static int start(struct engine *e, sd_event *event, struct model *model, struct diag *diag)
{
	struct engine_candidate c = {.model = model, .wishes = &e->wishes};
	struct datapath_options options = {
		.pin_dir = model->pin_dir,
		.size = desired_size(model),
		.settings = desired_settings(model),
	};
	int err = wishes_load(&e->wishes, model->state_dir, diag);

	e->event = event;
	engine_start_clock(e);
	e->grace = grace_of(model, time(NULL));
	if (!err)
		err = health_new(&e->health, event, model->state_dir, engine_refresh, mark, e,
				 diag);
	if (!err)
		err = generations_load(&e->generations, model->state_dir, diag);
	if (err)
		return err;
	err = engine_add_timers(e, event);
	if (err) {
		diag_add(diag, NULL, 0, "making a timer: %s", strerror(-err));
		return err;
	}
	err = link_new(&e->link, event, engine_refresh, e);
	if (err) {
		diag_add(diag, NULL, 0, "opening rtnetlink: %s", strerror(-err));
		return err;
	}
	err = datapath_open(&e->datapath, &options, diag);
	return err ? err : engine_bring_model(e, &c, NULL, diag);
}

int engine_new(struct engine **out, sd_event *event, struct model *model, struct diag *diag)
{
	struct engine *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->started = e->loaded = time(NULL);
	err = start(e, event, model, diag);
	if (err) {
		engine_free(e);
		return err;
	}
	log_ports(e);
	*out = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	sd_event_source_disable_unref(e->settle_timer);
	sd_event_source_disable_unref(e->sweep_timer);
	health_free(e->health);
	probe_tunnels_fini(&e->tunnels);
	datapath_free(e->datapath);
	link_free(e->link);
	desired_free(e->desired);
	plan_free(e->plan);
	wishes_fini(&e->wishes);
	generations_fini(&e->generations);
	ring_cache_fini(&e->rings);
	model_free(e->model);
	free(e);
}

/* --------------------------------------------------------------------------------------- reload */

/* Things that a running daemon cannot change. */
static int check_fixed(const struct model *now, const struct model *next, struct diag *diag)
{
	static const char again[] = "takes a restart; the rest was not changed either";
	size_t before = diag->n;

	if (strcmp(now->pin_dir, next->pin_dir) != 0)
		diag_add(diag, next->file, 0, "a new pin_dir %s", again);
	if (strcmp(now->state_dir, next->state_dir) != 0)
		diag_add(diag, next->file, 0, "a new state_dir %s", again);
	if (strcmp(now->control.socket, next->control.socket) != 0 ||
	    now->control.group_id != next->control.group_id)
		diag_add(diag, next->file, 0, "another control socket or group %s", again);
	if (now->hash_seed != next->hash_seed)
		diag_add(diag, next->file, 0, "a new hash_seed %s", again);
	return diag->n > before ? -EINVAL : 0;
}

int engine_reload(struct engine *e, bool at_once, struct engine_result *result, struct diag *diag)
{
	_cleanup_(model_freep) struct model *model = NULL;
	struct engine_candidate c = {.wishes = &e->wishes, .dismisses = at_once};
	int err = load_file(&model, e->model->file, diag);

	if (!err)
		err = check_fixed(e->model, model, diag);
	if (err)
		return err;
	c.model = model;
	err = engine_bring_model(e, &c, result, diag);
	if (err)
		return err;
	TAKE(model);
	e->loaded = time(NULL);
	return 0;
}

/* ---------------------------------------------------------------------------- operator's orders */

static const enum model_state order_state[] = {
	[ENGINE_DRAIN] = MODEL_STATE_DRAINING,
	[ENGINE_DISABLE] = MODEL_STATE_DISABLED,
	[ENGINE_ACTIVATE] = MODEL_STATE_ACTIVE,
};

/* A wish that asks for what the config says is none. */
static int add_wish(struct wishes *wishes, const struct model_pool *pool,
		    const struct model_backend *backend, enum engine_order order,
		    unsigned int weight)
{
	if (order == ENGINE_WEIGHT)
		return wishes_set_weight(wishes, pool->name, backend->name,
					 weight == backend->weight ? 0 : weight);
	return wishes_set_state(wishes, pool->name, backend->name,
				order_state[order] == backend->state ? NULL : &order_state[order],
				time(NULL));
}

/* Adds the wish for every backend that is meant. */
static int add_wishes(struct wishes *wishes, const struct model *model, enum engine_order order,
		      const char *backend, const char *pool, unsigned int weight, struct diag *diag)
{
	size_t found = 0;

	for (size_t p = 0; p < model->n_pools; p++) {
		const struct model_backend *b = model_find_backend(&model->pools[p], backend);
		int err;

		if (!b || (pool && strcmp(pool, model->pools[p].name) != 0))
			continue;
		found++;
		err = add_wish(wishes, &model->pools[p], b, order, weight);
		if (err)
			return err;
	}
	if (found)
		return 0;
	if (pool && !model_find_pool(model, pool))
		diag_add(diag, NULL, 0, "there is no pool \"%s\"", pool);
	else if (pool)
		diag_add(diag, NULL, 0, "pool \"%s\" has no backend \"%s\"", pool, backend);
	else
		diag_add(diag, NULL, 0,
			 "there is no backend \"%s\" (\"sluicectl backends\" lists them)", backend);
	return -ENOENT;
}

int engine_order(struct engine *e, enum engine_order order, const char *backend, const char *pool,
		 unsigned int weight, struct engine_result *result, struct diag *diag)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};
	struct engine_candidate c = {.model = e->model, .wishes = &wishes};
	int err = wishes_copy(&wishes, &e->wishes);

	if (!err)
		err = add_wishes(&wishes, e->model, order, backend, pool, weight, diag);
	if (!err)
		err = wishes_save(&wishes, e->model->state_dir, diag);
	if (err)
		return err;
	err = engine_bring(e, &c, result, diag);
	if (err) {
		wishes_save(&e->wishes, e->model->state_dir, diag);
		return err;
	}
	wishes_fini(&e->wishes);
	e->wishes = wishes;
	wishes = (struct wishes){0};
	return 0;
}

static void on_health_event(void *ctx, const struct health_event *event)
{
	const struct engine *e = ctx;

	e->watch(e->watch_ctx, event->text, event);
}

void engine_watch(struct engine *e, engine_event_fn *fn, void *ctx)
{
	e->watch = fn;
	e->watch_ctx = ctx;
	health_watch(e->health, on_health_event, e);
}

size_t engine_purge_flows(struct engine *e, uint32_t backend_id)
{
	return flow_table_purge(e->datapath, backend_id);
}

struct engine_view engine_view(const struct engine *e)
{
	return (struct engine_view){
		.model = e->model,
		.wishes = &e->wishes,
		.generations = &e->generations,
		.desired = e->desired,
		.backend_ids = e->plan->backend_ids,
		.vip_ids = e->plan->vip_ids,
		.datapath = e->datapath,
		.health = e->health,
		.tunnels = &e->tunnels,
		.started = e->started,
		.loaded = e->loaded,
	};
}
