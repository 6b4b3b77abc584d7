/* SPDX-License-Identifier: MIT */
/*
 * The transaction. The checks of the candidate's model begin, the ways to its backends are
 * followed, what is to be known after a restart is written down, then the maps; when all that
 * stands, the candidate is adopted as the state in force. Up to that point nothing of the engine
 * has changed, and what has changed around it is restored.
 */
#include "daemon/engine_impl.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/flow_table.h"
#include "daemon/log.h"

struct change_log {
	const struct engine *engine;
	const struct engine_result *result;
};

static void log_change(void *ctx, const char *text)
{
	const struct change_log *log = ctx;

	log_info("%s", text);
	if (log->engine->watch)
		log->engine->watch(log->engine->watch_ctx, text, NULL);
	if (log->result && log->result->change)
		log->result->change(log->result->ctx, text);
}

static bool same_members(const struct generation *a, const struct generation *b)
{
	if (a->n_members != b->n_members || !generation_equal(a, b))
		return false;
	for (size_t i = 0; i < a->n_members; i++)
		if (a->members[i].gone != b->members[i].gone ||
		    a->members[i].disabled != b->members[i].disabled ||
		    !addr_equal(&a->members[i].address, &b->members[i].address))
			return false;
	return true;
}

/* Is there nothing new for a restart to know? */
static bool same_moves(const struct generations *a, const struct generations *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct generation_vip *x = &a->vips[i], *y = &b->vips[i];

		if (strcmp(x->vip, y->vip) != 0 || strcmp(x->pool, y->pool) != 0 ||
		    x->moving != y->moving || x->since != y->since || x->leave != y->leave ||
		    !same_members(&x->now, &y->now) || !same_members(&x->old, &y->old))
			return false;
	}
	return true;
}

/*
 * Writes down what is about to be in force, before packets meet it: a daemon that dies in between, and
 * comes back with another config, must know whose the flows are that began meanwhile. 0, or -errno with a
 * message. At start it is only logged, since the packets go on as they did, and where nobody asks: a
 * backend that is down must not wait for room on a disk.
 */
static int note_generations(struct engine *e, const struct engine_candidate *c,
			    const struct generations *next, struct diag *diag)
{
	_cleanup_(diag_fini) struct diag unsaved = {0};
	bool same = same_moves(&e->generations, next);
	bool must = e->model && !c->unasked && !same;
	int err;

	if (same && !e->unwritten)
		return 0;
	err = generations_save(next, c->model->state_dir, must ? diag : &unsaved);
	if (err && must)
		return err;
	if (err && !e->unwritten)
		log_diag(LOG_LEVEL_WARNING, &unsaved);
	e->unwritten = err;
	return 0;
}

/* Flows of UDP find another backend than one that their VIP sees down. */
static void forget_astray(struct engine *e)
{
	for (size_t i = 0; i < e->desired->n_backends; i++)
		if (e->desired->backends[i].astray)
			flow_table_purge_udp(e->datapath, e->plan->backend_ids[i]);
}

/* The plan was carried out: the candidate is in force. */
static void adopt(struct engine *e, const struct engine_candidate *c,
		  struct generations *generations, struct desired *desired, struct plan *plan,
		  struct engine_result *result)
{
	struct change_log log = {.engine = e, .result = result};

	changes_list(e->desired, desired, log_change, &log);
	if (result)
		result->slots = plan->slots;
	if (plan->slots)
		log_debug("rings: %llu slots written", (unsigned long long)plan->slots);
	desired_free(e->desired);
	plan_free(e->plan);
	e->desired = desired;
	e->plan = plan;
	generations_fini(&e->generations);
	e->generations = *generations;
	*generations = (struct generations){0};
	if (e->model != c->model) {
		model_free(e->model);
		e->model = c->model;
	}
	ring_cache_sweep(&e->rings);
	forget_astray(e);
	probe_tunnels_follow(&e->tunnels, e->desired, e->plan->backend_ids);
	engine_arm_timer(e);
}

/*
 * After a failed attempt to bring @next into force: ways, program and files for the state in force.
 */
static void restore(struct engine *e, const struct generations *next)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct sluice_settings settings;
	struct maps_size size;

	if (!e->model)
		return;
	settings = desired_settings(e->model);
	size = desired_size(e->model);
	if (health_follow(e->health, e->model, &e->wishes))
		diag_add(&diag, NULL, 0, "checks: %s", strerror(ENOMEM));
	if (engine_follow(e, e->model, &e->generations, &diag) ||
	    engine_make_fit(e, &size, &settings, &diag) || diag.n ||
	    (!same_moves(&e->generations, next) &&
	     generations_save(&e->generations, e->model->state_dir, &diag)))
		log_diag(LOG_LEVEL_ERROR, &diag);
}

/* The candidate's wishes, with those of its checks. 0 or -ENOMEM. */
static int make_wishes(struct engine *e, const struct engine_candidate *c, struct wishes *out)
{
	struct advice advice = engine_advice(e, c->model);
	bool same = c->model == e->model && c->wishes == &e->wishes;
	int err = same ? 0 : health_follow(e->health, c->model, c->wishes);

	return err ? err : advice_wishes(out, &advice, c->wishes, c->model);
}

/* The generations for the candidate, without the moves that end. */
static int make_generations(struct engine *e, const struct engine_candidate *c,
			    const struct wishes *wishes, struct generations *out)
{
	int err = generations_next(out, &e->generations, c->model, wishes, time(NULL));

	if (!err && c->settles)
		generations_settle_those(out, c->settles, c->ctx);
	if (!err && c->dismisses)
		generations_dismiss(out, c->model);
	return err;
}

/*
 * The candidate's generations -> desired -> plan -> apply. 0, or -errno with a message and nothing
 * changed.
 */
int engine_bring(struct engine *e, const struct engine_candidate *c, struct engine_result *result,
		 struct diag *diag)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};
	_cleanup_(generations_fini) struct generations next = {0};
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int err = make_wishes(e, c, &wishes);

	engine_follow_clock(e);
	ring_cache_begin(&e->rings);
	if (!err)
		err = make_generations(e, c, &wishes, &next);
	if (!err)
		err = engine_follow(e, c->model, &next, diag);
	if (!err)
		err = engine_make_desired(e, c, &wishes, &next, &desired);
	if (!err)
		err = note_generations(e, c, &next, diag);
	if (!err)
		err = engine_write_maps(e, c, desired, &plan, diag);
	if (err) {
		restore(e, &next);
		if (!diag->n)
			diag_add(diag, NULL, 0, "%s", strerror(-err));
		return err;
	}
	adopt(e, c, &next, TAKE(desired), TAKE(plan), result);
	return 0;
}

/* Checks of @model have their way. 0, or -errno with a message. */
static int prepare_tunnels(struct engine *e, const struct model *model, struct diag *diag)
{
	_cleanup_(freep) unsigned int *ifindexes = NULL;
	size_t n;
	const struct datapath_port *ports = datapath_ports(e->datapath, &n);

	ifindexes = calloc(n + 1, sizeof(*ifindexes));
	if (!ifindexes)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ifindexes[i] = ports[i].ifindex;
	return probe_tunnels_prepare(&e->tunnels, e->event, model, ifindexes, n, diag);
}

/* The whole way for a new model: ports, then maps. */
int engine_bring_model(struct engine *e, const struct engine_candidate *c,
		       struct engine_result *result, struct diag *diag)
{
	int err = datapath_attach(e->datapath, c->model->interfaces, c->model->n_interfaces, diag);

	if (!err)
		err = prepare_tunnels(e, c->model, diag);
	if (!err)
		err = engine_bring(e, c, result, diag);
	if (err) {
		datapath_attach_undo(e->datapath);
		return err;
	}
	datapath_detach_others(e->datapath, c->model->interfaces, c->model->n_interfaces);
	return 0;
}

/*
 * A next hop or a backend's health is another one: the same model and wishes, another desired
 * state.
 */
void engine_refresh(void *ctx)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct engine *e = ctx;
	struct engine_candidate c = {.model = e->model, .wishes = &e->wishes, .unasked = true};

	if (e->model && engine_bring(e, &c, NULL, &diag))
		log_diag(LOG_LEVEL_ERROR, &diag);
}
