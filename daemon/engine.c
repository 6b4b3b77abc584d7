/* SPDX-License-Identifier: MIT */
/*
 * A transaction has a candidate: model and wishes as they are to be. From it and what is observed
 * comes a desired state, from that and what the maps hold a plan; when the plan is carried out,
 * the candidate becomes the state in force. Up to that point nothing of the engine has changed.
 */
#include "daemon/engine.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "config/load.h"
#include "daemon/advice.h"
#include "daemon/flow_table.h"
#include "daemon/log.h"
#include "daemon/settle.h"

struct engine {
	struct model *model;
	struct wishes wishes;
	struct generations generations;
	struct health *health;
	struct probe_tunnels tunnels;
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
struct candidate {
	struct model *model;
	const struct wishes *wishes;
	generations_settles_fn *settles; /* which moves end; NULL: none */
	void *ctx;
	bool dismisses; /* backends that the model has no more lose their flows */
};

/* ------------------------------------------------------------------------------------ the parts */

static bool nexthop(const void *ctx, const struct sluice_addr *addr, struct link_nexthop *out)
{
	return link_nexthop(ctx, addr, out);
}

static size_t list_addresses(const struct model *model, const struct generations *generations,
			     struct sluice_addr *out)
{
	size_t n = 0;

	for (size_t p = 0; p < model->n_pools; p++)
		for (size_t i = 0; i < model->pools[p].n_backends; i++)
			out[n++] = model->pools[p].backends[i].address;
	for (size_t v = 0; v < generations->n; v++) {
		const struct generation *old = &generations->vips[v].old;

		for (size_t i = 0; generations->vips[v].moving && i < old->n_members; i++)
			if (!generation_member_out(&old->members[i]))
				out[n++] = old->members[i].address;
	}
	return n;
}

/* Follows the ways to all backends, those that leave too. 0, or -errno with a message. */
static int follow(struct engine *e, const struct model *model,
		  const struct generations *generations, struct diag *diag)
{
	size_t room = model_count_backends(model) + 1;
	_cleanup_(freep) struct sluice_addr *addrs = NULL;
	int err = -ENOMEM;

	for (size_t v = 0; v < generations->n; v++)
		room += generations->vips[v].old.n_members;
	addrs = calloc(room, sizeof(*addrs));
	if (addrs)
		err = link_follow(e->link, addrs, list_addresses(model, generations, addrs));
	if (err)
		diag_add(diag, NULL, 0, "asking the kernel for the ways to the backends: %s",
			 strerror(-err));
	return err;
}

/* The ports in the order of the model's interfaces. */
static struct desired_port *list_ports(const struct engine *e, const struct model *model)
{
	struct desired_port *list = calloc(model->n_interfaces + 1, sizeof(*list));
	const struct datapath_port *ports;
	size_t n;

	if (!list)
		return NULL;
	ports = datapath_ports(e->datapath, &n);
	for (size_t i = 0; i < model->n_interfaces; i++)
		for (size_t j = 0; j < n; j++)
			if (strcmp(ports[j].name, model->interfaces[i].name) == 0)
				list[i] = (struct desired_port){
					.ifindex = ports[j].ifindex,
					.mtu = ports[j].mtu,
				};
	return list;
}

static struct advice advice_now(const struct engine *e, const struct model *model)
{
	return (struct advice){
		.health = e->health,
		.settle_s = model->settle_s,
		.now = time(NULL),
		.grace = e->grace,
	};
}

static int make_desired(struct engine *e, const struct candidate *c, const struct wishes *wishes,
			const struct generations *generations, struct desired **out)
{
	_cleanup_(freep) struct desired_port *ports = list_ports(e, c->model);
	struct advice advice = advice_now(e, c->model);
	struct desired_input input = {
		.model = c->model,
		.wishes = wishes,
		.generations = generations,
		.ports = ports,
		.nexthop = nexthop,
		.nexthop_ctx = e->link,
		.health = advice_health,
		.health_ctx = &advice,
		.rings = &e->rings,
	};

	return ports ? desired_build(out, &input) : -ENOMEM;
}

/* One attempt to bring @desired into the maps as they are. -ENOSPC: the rings need more room. */
static int plan_and_apply(struct engine *e, const struct desired *desired, struct plan **out,
			  struct diag *diag)
{
	_cleanup_(running_fini) struct running running = {0};
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int err = datapath_running(e->datapath, &running);

	if (err) {
		diag_add(diag, NULL, 0, "reading the maps: %s", strerror(-err));
		return err;
	}
	err = plan_build(&plan, &running, desired, diag);
	if (!err)
		err = datapath_apply(e->datapath, plan, diag);
	if (err)
		return err;
	plan_strip(plan);
	*out = TAKE(plan);
	return 0;
}

static int make_fit(struct engine *e, const struct maps_size *size,
		    const struct sluice_settings *settings, struct diag *diag)
{
	if (datapath_fits(e->datapath, size, settings))
		return 0;
	return datapath_change(e->datapath, size, settings, diag);
}

/* Makes it fit, then writes; where the rings find no gap, once more with room for all at the end. */
static int write_maps(struct engine *e, const struct candidate *c, const struct desired *desired,
		      struct plan **out, struct diag *diag)
{
	struct sluice_settings settings = desired_settings(c->model);
	struct maps_size size = desired_size(c->model);
	int err = make_fit(e, &size, &settings, diag);

	if (!err)
		err = plan_and_apply(e, desired, out, diag);
	if (err != -ENOSPC)
		return err;
	size.ring_slots +=
		program_map_entries(datapath_program(e->datapath), MAP_RINGS) * SLUICE_LINE_SLOTS;
	err = make_fit(e, &size, &settings, diag);
	if (!err)
		err = plan_and_apply(e, desired, out, diag);
	if (err == -ENOSPC)
		diag_add(diag, NULL, 0, "no room for the rings in %u slots", size.ring_slots);
	return err;
}

/* -------------------------------------------------------------------------------- the transaction */

#define SETTLE_LOOK_S 5 /* how often is looked whether a move may end early */

static int on_settle_timer(sd_event_source *source, uint64_t usec, void *ctx);

/*
 * Wakes up when the next move ends or what health did has settled, and now and then while a move may
 * end early.
 */
static void arm_settle_timer(struct engine *e)
{
	int64_t limit = generations_next_limit(&e->generations), now = time(NULL), wait;
	struct advice advice;
	uint64_t usec;

	if (!e->settle_timer)
		return;
	if (limit != INT64_MAX && limit > now + SETTLE_LOOK_S)
		limit = now + SETTLE_LOOK_S;
	if (e->model) {
		advice = advice_now(e, e->model);
		e->health_settles = advice_next(&advice, e->model);
		if (e->health_settles < limit)
			limit = e->health_settles;
	}
	sd_event_source_set_enabled(e->settle_timer,
				    limit == INT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
	if (limit == INT64_MAX)
		return;
	wait = limit - now;
	if (wait < 1)
		wait = 1;
	sd_event_now(sd_event_source_get_event(e->settle_timer), CLOCK_MONOTONIC, &usec);
	sd_event_source_set_time(e->settle_timer, usec + (uint64_t)wait * 1000000u);
}

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
 * message; at start it is only logged, since the packets go on as they did.
 */
static int note_generations(struct engine *e, const struct model *model,
			    const struct generations *next, struct diag *diag)
{
	_cleanup_(diag_fini) struct diag unsaved = {0};

	if (same_moves(&e->generations, next))
		return 0;
	if (e->model)
		return generations_save(next, model->state_dir, diag);
	if (generations_save(next, model->state_dir, &unsaved))
		log_diag(LOG_LEVEL_WARNING, &unsaved);
	return 0;
}

/* The plan was carried out: the candidate is in force. */
static void adopt(struct engine *e, const struct candidate *c, struct generations *generations,
		  struct desired *desired, struct plan *plan, struct engine_result *result)
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
	probe_tunnels_follow(&e->tunnels, e->desired, e->plan->backend_ids);
	arm_settle_timer(e);
}

/* After a failed attempt to bring @next into force: ways, program and files for the state in force. */
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
	if (follow(e, e->model, &e->generations, &diag) || make_fit(e, &size, &settings, &diag) ||
	    diag.n ||
	    (!same_moves(&e->generations, next) &&
	     generations_save(&e->generations, e->model->state_dir, &diag)))
		log_diag(LOG_LEVEL_ERROR, &diag);
}

/* The candidate's wishes, with those of its checks. 0 or -ENOMEM. */
static int make_wishes(struct engine *e, const struct candidate *c, struct wishes *out)
{
	struct advice advice = advice_now(e, c->model);
	bool same = c->model == e->model && c->wishes == &e->wishes;
	int err = same ? 0 : health_follow(e->health, c->model, c->wishes);

	return err ? err : advice_wishes(out, &advice, c->wishes, c->model);
}

/* The generations for the candidate, without the moves that end. */
static int make_generations(struct engine *e, const struct candidate *c,
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
static int bring_into_force(struct engine *e, const struct candidate *c,
			    struct engine_result *result, struct diag *diag)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};
	_cleanup_(generations_fini) struct generations next = {0};
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int err = make_wishes(e, c, &wishes);

	ring_cache_begin(&e->rings);
	if (!err)
		err = make_generations(e, c, &wishes, &next);
	if (!err)
		err = follow(e, c->model, &next, diag);
	if (!err)
		err = make_desired(e, c, &wishes, &next, &desired);
	if (!err)
		err = note_generations(e, c->model, &next, diag);
	if (!err)
		err = write_maps(e, c, desired, &plan, diag);
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
static int bring_model(struct engine *e, const struct candidate *c, struct engine_result *result,
		       struct diag *diag)
{
	int err = datapath_attach(e->datapath, c->model->interfaces, c->model->n_interfaces, diag);

	if (!err)
		err = prepare_tunnels(e, c->model, diag);
	if (!err)
		err = bring_into_force(e, c, result, diag);
	if (err) {
		datapath_attach_undo(e->datapath);
		return err;
	}
	datapath_detach_others(e->datapath, c->model->interfaces, c->model->n_interfaces);
	return 0;
}

/* A next hop or a backend's health is another one: the same model and wishes, another desired state. */
static void refresh(void *ctx)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct engine *e = ctx;
	struct candidate c = {.model = e->model, .wishes = &e->wishes};

	if (e->model && bring_into_force(e, &c, NULL, &diag))
		log_diag(LOG_LEVEL_ERROR, &diag);
}

/* ------------------------------------------------------------------------------------------ settling */

/* A look at the flow table for one ring after the other; rings with the same owners share the answer. */
struct look {
	const struct engine *engine;
	const struct owners *last;
	bool needed; /* by a live flow: the old generation of `last` */
};

static bool stop_at_need(void *ctx, const struct flow_entry *entry)
{
	const struct settle *settle = ctx;

	return !settle_needs_old(settle, entry->slot, entry->backend);
}

static const struct owners *find_owners(const struct engine *e, const struct generation_vip *g)
{
	for (size_t i = 0; i < e->desired->n_vips && !*g->pool; i++)
		if (strcmp(e->desired->vips[i].vip->name, g->vip) == 0)
			return &e->desired->vips[i].owners;
	for (size_t i = 0; i < e->desired->n_targets; i++) {
		const struct desired_target *t = &e->desired->targets[i];

		if (t->owners.ring && strcmp(t->target->pool->name, g->pool) == 0 &&
		    strcmp(e->desired->vips[t->vip].vip->name, g->vip) == 0)
			return &t->owners;
	}
	return NULL;
}

static bool needs_old(struct look *look, const struct generation_vip *g)
{
	const struct engine *e = look->engine;
	const struct owners *owners = find_owners(e, g);
	_cleanup_(settle_fini) struct settle settle = {0};

	if (!owners)
		return false;
	if (look->last && owners_equal(look->last, owners))
		return look->needed;
	/* When it ends known flows are forgotten: also those that moved for a backend's health. */
	if (owners_recent(owners))
		return true;
	/* Without memory it is looked again later. */
	if (settle_init(&settle, e->desired, owners, e->plan->backend_ids))
		return true;
	look->needed = !flow_table_each(e->datapath, stop_at_need, &settle);
	look->last = owners;
	return look->needed;
}

/* Is its time over, or does no live flow need it any more, where it may end early? */
static bool is_due(void *ctx, const struct generation_vip *g)
{
	int64_t now = time(NULL);

	return now >= g->limit || (now >= g->soonest && !needs_old(ctx, g));
}

static bool is_named(void *ctx, const struct generation_vip *vip)
{
	return !ctx || strcmp(ctx, vip->vip) == 0;
}

static int on_settle_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct engine *e = ctx;
	struct look look = {.engine = e};
	struct candidate c = {
		.model = e->model,
		.wishes = &e->wishes,
		.settles = is_due,
		.ctx = &look,
	};
	bool due = false, left = generations_next_leave(&e->generations) <= time(NULL);

	(void)source;
	(void)usec;
	for (size_t i = 0; i < e->generations.n && !due; i++)
		due = e->generations.vips[i].moving && is_due(&look, &e->generations.vips[i]);
	if ((due || left || e->health_settles <= time(NULL)) &&
	    bring_into_force(e, &c, NULL, &diag))
		log_diag(LOG_LEVEL_ERROR, &diag);
	else if (due)
		log_info("rings: a change has settled");
	if (left)
		log_info("rings: the time of backends that left is over");
	arm_settle_timer(e);
	return 0;
}

int engine_settle(struct engine *e, const char *vip, struct engine_result *result,
		  struct diag *diag)
{
	struct candidate c = {
		.model = e->model,
		.wishes = &e->wishes,
		.settles = is_named,
		.ctx = (void *)vip,
	};

	if (vip && !model_find_vip(e->model, vip)) {
		diag_add(diag, NULL, 0, "there is no VIP \"%s\" (\"sluicectl vips\" lists them)",
			 vip);
		return -ENOENT;
	}
	return bring_into_force(e, &c, result, diag);
}

#define SWEEP_USEC (UINT64_C(3600) * 1000000)

/* What the flow table forgot must be gone before its time wraps. */
static int on_sweep_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct engine *e = ctx;
	size_t swept = flow_table_sweep(e->datapath);

	if (swept)
		log_debug("flow table: %zu old entries cleared", swept);
	sd_event_source_set_time(source, usec + SWEEP_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* 0 or -errno. */
static int add_timers(struct engine *e, sd_event *event)
{
	int err = sd_event_add_time(event, &e->settle_timer, CLOCK_MONOTONIC, 0, 0, on_settle_timer,
				    e);

	if (err >= 0)
		err = sd_event_source_set_enabled(e->settle_timer, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_add_time_relative(event, &e->sweep_timer, CLOCK_MONOTONIC,
						 SWEEP_USEC, 0, on_sweep_timer, e);
	return err < 0 ? err : 0;
}

/* ------------------------------------------------------------------------------------- start, stop */

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
	struct candidate c = {.model = model, .wishes = &e->wishes};
	struct datapath_options options = {
		.pin_dir = model->pin_dir,
		.size = desired_size(model),
		.settings = desired_settings(model),
	};
	int err = wishes_load(&e->wishes, model->state_dir, diag);

	e->event = event;
	e->grace = grace_of(model, time(NULL));
	if (!err)
		err = health_new(&e->health, event, model->state_dir, refresh, mark, e, diag);
	if (!err)
		err = generations_load(&e->generations, model->state_dir, diag);
	if (err)
		return err;
	err = add_timers(e, event);
	if (err) {
		diag_add(diag, NULL, 0, "making a timer: %s", strerror(-err));
		return err;
	}
	err = link_new(&e->link, event, refresh, e);
	if (err) {
		diag_add(diag, NULL, 0, "opening rtnetlink: %s", strerror(-err));
		return err;
	}
	err = datapath_open(&e->datapath, &options, diag);
	return err ? err : bring_model(e, &c, NULL, diag);
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

/* ----------------------------------------------------------------------------------------- reload */

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
	struct candidate c = {.wishes = &e->wishes, .dismisses = at_once};
	int err = load_file(&model, e->model->file, diag);

	if (!err)
		err = check_fixed(e->model, model, diag);
	if (err)
		return err;
	c.model = model;
	err = bring_model(e, &c, result, diag);
	if (err)
		return err;
	TAKE(model);
	e->loaded = time(NULL);
	return 0;
}

/* ------------------------------------------------------------------------------- operator's orders */

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
	struct candidate c = {.model = e->model, .wishes = &wishes};
	int err = wishes_copy(&wishes, &e->wishes);

	if (!err)
		err = add_wishes(&wishes, e->model, order, backend, pool, weight, diag);
	if (!err)
		err = wishes_save(&wishes, e->model->state_dir, diag);
	if (err)
		return err;
	err = bring_into_force(e, &c, result, diag);
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
