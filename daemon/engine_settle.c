/* SPDX-License-Identifier: MIT */
/*
 * What time does to the state in force: moves settle, what health did comes to rest, backends that
 * left lose their flows, and old entries of the flow table are swept.
 */
#include "daemon/engine_impl.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/flow_table.h"
#include "daemon/log.h"
#include "daemon/settle.h"

#define SETTLE_LOOK_S 5 /* how often is looked whether a move may end early */
#define CLOCK_SLACK_S 2 /* by which the clock may seem to be set */

/* How far the clock is ahead of the time since boot, which nobody sets. */
static int64_t clock_ahead(void)
{
	struct timespec booted;

	clock_gettime(CLOCK_BOOTTIME, &booted);
	return time(NULL) - booted.tv_sec;
}

void engine_start_clock(struct engine *e)
{
	e->clock_ahead = clock_ahead();
}

void engine_follow_clock(struct engine *e)
{
	int64_t ahead = clock_ahead(), by = ahead - e->clock_ahead;

	if (by >= -CLOCK_SLACK_S && by <= CLOCK_SLACK_S)
		return;
	e->clock_ahead = ahead;
	generations_shift(&e->generations, by);
	e->unwritten = true;
	log_info("the clock was set by %lld s", (long long)by);
}

/*
 * Wakes up when the next move ends or what health did has settled, and now and then while a move
 * may end early.
 */
void engine_arm_timer(struct engine *e)
{
	int64_t limit = generations_next_limit(&e->generations), now = time(NULL), wait;
	struct advice advice;
	uint64_t usec;

	if (!e->settle_timer)
		return;
	if (limit != INT64_MAX && limit > now + SETTLE_LOOK_S)
		limit = now + SETTLE_LOOK_S;
	if (e->model) {
		/* What ended since the state in force was made is not in it. */
		advice = engine_advice(e, e->model);
		advice.now = e->looked;
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

/*
 * A look at the flow table for one ring after the other; rings with the same owners share the
 * answer.
 */
struct look {
	const struct engine *engine;
	const struct owners *last;
	bool needed;                     /* by a live flow: the old generation of `last` */
	const struct desired_vip **vips; /* by name; NULL: not yet */
};

static bool stop_at_need(void *ctx, const struct flow_entry *entry)
{
	const struct settle *settle = ctx;

	return !settle_needs_old(settle, entry->slot, entry->backend);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(const struct desired_vip *const *)a)->vip->name,
		      (*(const struct desired_vip *const *)b)->vip->name);
}

/* The VIPs by name, made when they are first looked for. false: no memory. */
static bool sort_vips(struct look *look)
{
	const struct desired *d = look->engine->desired;

	if (look->vips)
		return true;
	look->vips = calloc(d->n_vips + 1, sizeof(*look->vips));
	if (!look->vips)
		return false;
	for (size_t i = 0; i < d->n_vips; i++)
		look->vips[i] = &d->vips[i];
	qsort(look->vips, d->n_vips, sizeof(*look->vips), compare_names);
	return true;
}

static const struct owners *find_owners(const struct look *look, const struct generation_vip *g)
{
	const struct desired *d = look->engine->desired;
	const struct model_vip named = {.name = g->vip};
	const struct desired_vip wanted = {.vip = &named}, *key = &wanted;
	const struct desired_vip *const *v =
		bsearch(&key, look->vips, d->n_vips, sizeof(*look->vips), compare_names);

	if (!v)
		return NULL;
	if (!*g->pool)
		return &(*v)->owners;
	for (size_t i = (*v)->first_target; i < (*v)->first_target + (*v)->vip->n_targets; i++) {
		const struct desired_target *t = &d->targets[i];

		if (t->owners.ring && strcmp(t->target->pool->name, g->pool) == 0)
			return &t->owners;
	}
	return NULL;
}

static bool needs_old(struct look *look, const struct generation_vip *g)
{
	const struct engine *e = look->engine;
	const struct owners *owners;
	_cleanup_(settle_fini) struct settle settle = {0};

	/* Without memory it is looked again later. */
	if (!sort_vips(look))
		return true;
	owners = find_owners(look, g);
	if (!owners)
		return false;
	if (look->last && owners_equal(look->last, owners))
		return look->needed;
	/* When it ends known flows are forgotten: also those that moved for a backend's health. */
	if (owners_recent(owners))
		return true;
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
	struct engine_candidate c = {
		.model = e->model,
		.wishes = &e->wishes,
		.settles = is_due,
		.ctx = &look,
		.unasked = true,
	};
	bool due = false, left;

	(void)source;
	(void)usec;
	engine_follow_clock(e);
	left = generations_next_leave(&e->generations) <= time(NULL);
	for (size_t i = 0; i < e->generations.n && !due; i++)
		due = e->generations.vips[i].moving && is_due(&look, &e->generations.vips[i]);
	if ((due || left || e->health_settles <= time(NULL)) && engine_bring(e, &c, NULL, &diag))
		log_diag(LOG_LEVEL_ERROR, &diag);
	else if (due)
		log_info("rings: a change has settled");
	free(look.vips);
	if (left)
		log_info("rings: the time of backends that left is over");
	engine_arm_timer(e);
	return 0;
}

int engine_settle(struct engine *e, const char *vip, struct engine_result *result,
		  struct diag *diag)
{
	struct engine_candidate c = {
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
	return engine_bring(e, &c, result, diag);
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
int engine_add_timers(struct engine *e, sd_event *event)
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
