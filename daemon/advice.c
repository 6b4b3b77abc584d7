/* SPDX-License-Identifier: MIT */
/*
 * One backend may be in many VIPs, and its agent or slow start seen by several streams: the most
 * careful of them counts.
 */
#include "daemon/advice.h"

#include <errno.h>

#include "config/cleanup.h"

/* Calls @fn for each VIP and pool that it may send clients to; stops at what is not 0. */
typedef int each_fn(void *ctx, const struct model_vip *vip, const struct model_pool *pool);

static int each_pool_of_vips(const struct model *model, each_fn *fn, void *ctx)
{
	int err = 0;

	for (size_t v = 0; v < model->n_vips && !err; v++) {
		const struct model_vip *vip = &model->vips[v];

		for (size_t i = 0; i <= vip->n_targets && !err; i++) {
			const struct model_pool *pool = model_vip_pool(vip, i);

			if (pool && (!i || pool != vip->pool))
				err = fn(ctx, vip, pool);
		}
	}
	return err;
}

/* --------------------------------------------------------------------------------------- wishes */

struct asking {
	const struct advice *advice;
	const struct wishes *wishes;
	struct wishes *out;
};

/* The state that an agent asks for, or NULL. Worse than what is there already. */
static const enum model_state *state_of(const struct health_view *view, const struct wish *so_far)
{
	static const enum model_state drain = MODEL_STATE_DRAINING, maint = MODEL_STATE_DISABLED;

	if (so_far && so_far->state_advised && so_far->state == MODEL_STATE_DISABLED)
		return NULL;
	return view->maint ? &maint : view->drain ? &drain : NULL;
}

static unsigned int part_of(unsigned int weight, unsigned int percent)
{
	uint64_t part = (uint64_t)weight * percent / 100;

	return part < MODEL_WEIGHT_MIN   ? MODEL_WEIGHT_MIN
	       : part > MODEL_WEIGHT_MAX ? MODEL_WEIGHT_MAX
					 : (unsigned int)part;
}

static int ask_backend(const struct asking *a, const struct model_vip *vip,
		       const struct model_pool *pool, const struct model_backend *backend)
{
	struct health_view view = health_of(a->advice->health, vip, pool, backend);
	const struct wish *wish = wishes_find(a->wishes, pool->name, backend->name);
	const struct wish *so_far = wishes_find(a->out, pool->name, backend->name);
	const enum model_state *state = state_of(&view, so_far);
	unsigned int weight = wish_weight(wish, backend);

	if (view.weight_percent == 100) {
		weight = 0;
	} else {
		weight = part_of(weight, view.weight_percent);
		if (so_far && so_far->weight_advised && so_far->weight < weight)
			weight = 0;
	}
	return wishes_advise(a->out, pool->name, backend->name, state, weight);
}

static int ask_pool(void *ctx, const struct model_vip *vip, const struct model_pool *pool)
{
	int err = 0;

	if (pool->check.type == MODEL_CHECK_NONE)
		return 0;
	for (size_t i = 0; i < pool->n_backends && !err; i++)
		err = ask_backend(ctx, vip, pool, &pool->backends[i]);
	return err;
}

int advice_wishes(struct wishes *out, const struct advice *advice, const struct wishes *wishes,
		  const struct model *model)
{
	_cleanup_(wishes_fini) struct wishes copy = {0};
	struct asking asking = {.advice = advice, .wishes = wishes, .out = &copy};
	int err = wishes_copy(&copy, wishes);

	if (!err)
		err = each_pool_of_vips(model, ask_pool, &asking);
	if (err)
		return err;
	*out = copy;
	copy = (struct wishes){0};
	return 0;
}

/* --------------------------------------------------------------------------------------- health */

static bool is_recent(const struct advice *a, const struct health_view *view)
{
	/*
	 * What became known in the daemon's first moments, and has not turned since, was so before.
	 */
	bool turned = view->before_s || view->late || view->since > a->grace;

	return view->known && turned && a->now - view->since < a->settle_s;
}

struct desired_health advice_health(const void *ctx, const struct model_vip *vip,
				    const struct model_pool *pool,
				    const struct model_backend *backend)
{
	const struct advice *a = ctx;
	struct health_view view = health_of(a->health, vip, pool, backend);
	bool recent = is_recent(a, &view);

	return (struct desired_health){
		.up = view.known ? view.up : !view.checked || (a->now < a->grace && !view.late),
		.recent = recent,
		.unproven = view.checked && view.late && !view.known,
		.brief = recent && view.before_s && view.before_s < a->settle_s,
	};
}

struct looking {
	const struct advice *advice;
	int64_t next;
};

static int look_at_pool(void *ctx, const struct model_vip *vip, const struct model_pool *pool)
{
	struct looking *l = ctx;

	if (pool->check.type == MODEL_CHECK_NONE)
		return 0;
	for (size_t i = 0; i < pool->n_backends; i++) {
		struct health_view view =
			health_of(l->advice->health, vip, pool, &pool->backends[i]);
		int64_t at = INT64_MAX;

		if (is_recent(l->advice, &view))
			at = view.since + l->advice->settle_s;
		else if (!view.known && l->advice->now < l->advice->grace)
			at = l->advice->grace;
		if (at < l->next)
			l->next = at;
	}
	return 0;
}

int64_t advice_next(const struct advice *advice, const struct model *model)
{
	struct looking looking = {.advice = advice, .next = INT64_MAX};

	each_pool_of_vips(model, look_at_pool, &looking);
	return looking.next;
}
