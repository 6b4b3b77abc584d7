/* SPDX-License-Identifier: MIT */
/*
 * Everything is kept in one order (members by address, VIPs by name), so the same declarations give
 * the same generations whatever the order in which they were written.
 */
#include "daemon/generations.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"

/* ------------------------------------------------------------------------------ one generation */

void generation_fini(struct generation *g)
{
	free(g->members);
	*g = (struct generation){0};
}

void generation_vip_fini(struct generation_vip *v)
{
	free(v->vip);
	free(v->pool);
	generation_fini(&v->now);
	generation_fini(&v->old);
}

void generations_fini(struct generations *generations)
{
	for (size_t i = 0; i < generations->n; i++)
		generation_vip_fini(&generations->vips[i]);
	free(generations->vips);
	*generations = (struct generations){0};
}

static char *put_name(char **at, const char *name)
{
	char *place = *at;

	*at = stpcpy(place, name) + 1;
	return place;
}

int generation_copy(struct generation *out, const struct generation *from)
{
	size_t bytes = from->n_members * sizeof(*from->members);
	struct generation_member *members;
	char *names;

	for (size_t i = 0; i < from->n_members; i++)
		bytes += strlen(from->members[i].pool) + strlen(from->members[i].backend) + 2;
	members = malloc(bytes + 1);
	if (!members)
		return -ENOMEM;
	names = (char *)&members[from->n_members];
	for (size_t i = 0; i < from->n_members; i++) {
		members[i] = from->members[i];
		members[i].pool = put_name(&names, from->members[i].pool);
		members[i].backend = put_name(&names, from->members[i].backend);
	}
	*out = *from;
	out->members = members;
	return 0;
}

/* The first from @i on that owns slots: those without weight were members in between only. */
static size_t next_owner(const struct generation *g, size_t i)
{
	while (i < g->n_members && !g->members[i].weight)
		i++;
	return i;
}

bool generation_equal(const struct generation *a, const struct generation *b)
{
	size_t i = next_owner(a, 0), j = next_owner(b, 0);

	if (a->maglev != b->maglev || a->ring_size != b->ring_size)
		return false;
	while (i < a->n_members && j < b->n_members) {
		if (!addr_equal(&a->members[i].address, &b->members[j].address) ||
		    a->members[i].weight != b->members[j].weight)
			return false;
		i = next_owner(a, i + 1);
		j = next_owner(b, j + 1);
	}
	return i == a->n_members && j == b->n_members;
}

/* Has a member of @before left, on the way to @now? */
static bool some_left(const struct generation *before, const struct generation *now)
{
	size_t found = 0;

	for (size_t b = 0, n = 0; b < before->n_members && n < now->n_members;) {
		int order = addr_compare(&before->members[b].address, &now->members[n].address);

		found += order == 0;
		b += order <= 0;
		n += order >= 0;
	}
	return found < before->n_members;
}

/* ------------------------------------------------------------------------- what is declared */

/* A backend with the state and weight in force. */
struct declared {
	struct generation_member member; /* names are borrowed */
	unsigned int weight_before;
	enum model_state state;
};

/* The model's backends, pool by pool, by address in each. */
struct declarations {
	const struct model *model;
	struct declared *backends;
	size_t *first; /* of each pool */
};

static void declarations_fini(struct declarations *d)
{
	free(d->backends);
	free(d->first);
}

static int compare_declared(const void *a, const void *b)
{
	return addr_compare(&((const struct declared *)a)->member.address,
			    &((const struct declared *)b)->member.address);
}

static struct declared declared_backend(const struct model_pool *pool,
					const struct model_backend *backend,
					const struct wishes *wishes)
{
	const struct wish *wish = wishes_find(wishes, pool->name, backend->name);

	return (struct declared){
		.member = {.pool = pool->name,
			   .backend = backend->name,
			   .address = backend->address,
			   .weight = wish_weight(wish, backend),
			   .hint = backend->hint},
		.weight_before = backend->weight_before,
		.state = wish_state(wish, backend),
	};
}

/* 0 or -ENOMEM; for declarations_fini() in either case. */
static int declare(struct declarations *d, const struct model *model, const struct wishes *wishes)
{
	size_t n = 0;

	d->model = model;
	d->backends = calloc(model_count_backends(model) + 1, sizeof(*d->backends));
	d->first = calloc(model->n_pools + 1, sizeof(*d->first));
	if (!d->backends || !d->first)
		return -ENOMEM;
	for (size_t p = 0; p < model->n_pools; p++) {
		const struct model_pool *pool = &model->pools[p];

		d->first[p] = n;
		for (size_t i = 0; i < pool->n_backends; i++)
			d->backends[n++] = declared_backend(pool, &pool->backends[i], wishes);
		qsort(&d->backends[d->first[p]], pool->n_backends, sizeof(*d->backends),
		      compare_declared);
	}
	return 0;
}

static const struct declared *first_of(const struct declarations *d, const struct model_pool *pool)
{
	return &d->backends[d->first[pool - d->model->pools]];
}

static bool had_flows_before(enum model_state state)
{
	return state == MODEL_STATE_ACTIVE || state == MODEL_STATE_DRAINING;
}

/* What an entry is of. */
struct origin {
	const struct model_vip *vip;
	const struct model_pool *pool;
	const char *pool_name; /* in the entry */
};

/*
 * The generation of the backends in a state that @is_member says yes to; @before: with the weights
 * that they had. 0 or -ENOMEM.
 */
static int select_members(struct generation *out, const struct declarations *d,
			  const struct origin *o, bool (*is_member)(enum model_state state),
			  bool before)
{
	const struct declared *backends = first_of(d, o->pool);
	_cleanup_(freep) struct generation_member *members =
		calloc(o->pool->n_backends + 1, sizeof(*members));
	struct generation g = {
		.maglev = o->vip->maglev,
		.ring_size = o->vip->ring_size,
		.members = members,
	};

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < o->pool->n_backends; i++) {
		struct generation_member *member = &members[g.n_members];

		if (!is_member(backends[i].state))
			continue;
		*member = backends[i].member;
		if (before && backends[i].weight_before)
			member->weight = backends[i].weight_before;
		g.n_members++;
	}
	return generation_copy(out, &g);
}

static int compare_members(const void *a, const void *b)
{
	return addr_compare(&((const struct generation_member *)a)->address,
			    &((const struct generation_member *)b)->address);
}

static bool has_member(const struct generation *g, const struct generation_member *member)
{
	return g->n_members &&
	       bsearch(member, g->members, g->n_members, sizeof(*g->members), compare_members);
}

/*
 * Adds to @g, which has room, the members of @from that neither it nor @now has, without weight:
 * they own no slot of it, but have flows that began in between.
 */
static void add_passed(struct generation *g, const struct generation *from,
		       const struct generation *now)
{
	size_t n = g->n_members;

	for (size_t i = 0; i < from->n_members; i++) {
		struct generation sorted = {.members = g->members, .n_members = n};

		if (has_member(&sorted, &from->members[i]) || has_member(now, &from->members[i]))
			continue;
		g->members[g->n_members] = from->members[i];
		g->members[g->n_members++].weight = 0;
	}
	if (g->n_members > n)
		qsort(g->members, g->n_members, sizeof(*g->members), compare_members);
}

/* The backend of the pool at the member's address, or NULL. */
static const struct declared *find_declared(const struct declarations *d,
					    const struct model_pool *pool,
					    const struct generation_member *member)
{
	struct declared key = {.member = *member};

	return bsearch(&key, first_of(d, pool), pool->n_backends, sizeof(key), compare_declared);
}

/*
 * A copy of @from, and of those that were members since and are no more, in which the backends that
 * the VIP still has go by their present names. @before: NULL, or the move that goes on.
 */
static int keep_old(struct generation *out, const struct declarations *d, const struct origin *o,
		    const struct generation *from, const struct generation_vip *before,
		    const struct generation *now)
{
	size_t room = from->n_members;
	_cleanup_(freep) struct generation_member *members = NULL;
	struct generation g = *from;

	if (before)
		room += before->old.n_members + before->now.n_members;
	members = calloc(room + 1, sizeof(*members));
	if (!members)
		return -ENOMEM;
	if (from->n_members)
		memcpy(members, from->members, from->n_members * sizeof(*members));
	g.members = members;
	if (before) {
		add_passed(&g, &before->old, now);
		add_passed(&g, &before->now, now);
	}
	for (size_t i = 0; i < g.n_members; i++) {
		const struct declared *same = find_declared(d, o->pool, &members[i]);

		/* One that is back, or leaves only now, has its time before it. */
		if (has_member(now, &members[i]) ||
		    (before && has_member(&before->now, &members[i])))
			members[i].gone = false;
		if (!same)
			continue;
		members[i].pool = same->member.pool;
		members[i].backend = same->member.backend;
		members[i].hint = same->member.hint;
		members[i].disabled = same->state == MODEL_STATE_DISABLED;
	}
	return generation_copy(out, &g);
}

/* ----------------------------------------------------------------------------------- the next */

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/*
 * A move begins at @now. Those who left are given their time; flows say when it is over, once each
 * that is not idle has shown itself to the flow table.
 */
static void begin_move(struct generation_vip *v, const struct model *model, bool left, int64_t now)
{
	v->moving = true;
	v->since = now;
	v->limit = now + later(model->settle_s, GENERATIONS_SETTLE_S);
	v->soonest = now + later(model->settle_s, model->flow_age_s + GENERATIONS_TICKS_S);
	if (v->soonest > v->limit)
		v->soonest = v->limit;
	v->leave = left ? now + model->settle_s : INT64_MAX;
}

/* Those of the old generation that are not in the new one, and own slots or not, are gone. */
static void dismiss(struct generation_vip *v)
{
	for (size_t i = 0; i < v->old.n_members; i++)
		if (!has_member(&v->now, &v->old.members[i]))
			v->old.members[i].gone = true;
	v->leave = INT64_MAX;
}

/* A VIP that was not there before. */
static int first_vip(struct generation_vip *v, const struct declarations *d, const struct origin *o,
		     int64_t now)
{
	int err = select_members(&v->old, d, o, had_flows_before, true);

	if (err)
		return err;
	v->since = now;
	v->leave = INT64_MAX;
	if (generation_equal(&v->old, &v->now))
		generation_fini(&v->old);
	else
		begin_move(v, d->model, some_left(&v->old, &v->now), now);
	return 0;
}

static int unchanged_vip(struct generation_vip *v, const struct declarations *d,
			 const struct origin *o, const struct generation_vip *before)
{
	v->moving = before->moving;
	v->back = before->back;
	v->since = before->since;
	v->leave = before->leave;
	v->soonest = before->soonest;
	v->limit = before->limit;
	return before->moving ? keep_old(&v->old, d, o, &before->old, NULL, &v->now) : 0;
}

/* Do the slots of @now have owners in @old? Else nothing that began under it can be kept. */
static bool tells_owners(const struct generation *old, const struct generation *now)
{
	return next_owner(old, 0) < old->n_members && old->ring_size == now->ring_size;
}

/* When the later of two groups leaves. */
static int64_t leave_of_both(int64_t a, int64_t b)
{
	return a == INT64_MAX ? b : b == INT64_MAX ? a : later(a, b);
}

static int changed_vip(struct generation_vip *v, const struct declarations *d,
		       const struct origin *o, const struct generation_vip *before, int64_t now)
{
	bool goes_on = before->moving && now < before->limit;
	bool keeps = goes_on && !before->back && tells_owners(&before->old, &v->now);
	const struct generation *start = keeps ? &before->old : &before->now;

	begin_move(v, d->model, some_left(&before->now, &v->now), now);
	if (goes_on) {
		v->soonest = later(v->soonest, before->soonest);
		v->limit = later(v->limit, before->limit);
		v->leave = leave_of_both(v->leave, before->leave);
	} else if (before->moving && !*v->pool) {
		v->epoch++;
	}
	v->back = generation_equal(start, &v->now);
	return keep_old(&v->old, d, o, v->back ? &before->now : start, goes_on ? before : NULL,
			&v->now);
}

/* 0 or -ENOMEM; @v for generation_vip_fini() in either case. */
static int next_vip(struct generation_vip *v, const struct declarations *d, const struct origin *o,
		    const struct generation_vip *before, int64_t now)
{
	int err;

	v->vip = strdup(o->vip->name);
	v->pool = strdup(o->pool_name);
	if (!v->vip || !v->pool)
		return -ENOMEM;
	err = select_members(&v->now, d, o, model_state_takes_flows, false);
	if (err)
		return err;
	if (before)
		v->epoch = before->epoch;
	if (!before)
		err = first_vip(v, d, o, now);
	else if (generation_equal(&v->now, &before->now))
		err = unchanged_vip(v, d, o, before);
	else
		err = changed_vip(v, d, o, before, now);
	if (!err && v->moving && now >= v->leave)
		dismiss(v);
	return err;
}

static int compare_vips(const void *a, const void *b)
{
	const struct generation_vip *x = a, *y = b;
	int order = strcmp(x->vip, y->vip);

	return order ? order : strcmp(x->pool, y->pool);
}

/* The VIP's own ring, and those of the pools that its sources name. */
static int next_rings(struct generations *next, const struct declarations *d,
		      const struct model_vip *vip, const struct generations *before, int64_t now)
{
	struct origin o = {.vip = vip, .pool = vip->pool, .pool_name = ""};
	int err = next_vip(&next->vips[next->n++], d, &o, generations_find(before, vip->name, NULL),
			   now);

	for (size_t t = 0; t < vip->n_targets && !err; t++) {
		const struct model_target *target = &vip->targets[t];

		if (target->backend)
			continue;
		o.pool = target->pool;
		o.pool_name = target->pool->name;
		err = next_vip(&next->vips[next->n++], d, &o,
			       generations_find(before, vip->name, o.pool_name), now);
	}
	return err;
}

int generations_next(struct generations *out, const struct generations *before,
		     const struct model *model, const struct wishes *wishes, int64_t now)
{
	_cleanup_(generations_fini) struct generations next = {0};
	_cleanup_(declarations_fini) struct declarations d = {0};
	int err = declare(&d, model, wishes);

	if (err)
		return err;
	next.vips = calloc(model->n_vips + model_count_targets(model) + 1, sizeof(*next.vips));
	if (!next.vips)
		return -ENOMEM;
	for (size_t i = 0; i < model->n_vips && !err; i++)
		err = next_rings(&next, &d, &model->vips[i], before, now);
	if (err)
		return err;
	qsort(next.vips, next.n, sizeof(*next.vips), compare_vips);
	*out = next;
	next = (struct generations){0};
	return 0;
}

/* -------------------------------------------------------------------------------------- moves */

struct generation_vip *generations_find(const struct generations *generations, const char *vip,
					const char *pool)
{
	struct generation_vip key = {.vip = (char *)vip, .pool = (char *)(pool ? pool : "")};

	if (generations->n == 0)
		return NULL;
	return bsearch(&key, generations->vips, generations->n, sizeof(key), compare_vips);
}

static void settle(struct generation_vip *v)
{
	generation_fini(&v->old);
	v->moving = false;
	v->back = false;
	v->leave = INT64_MAX;
	v->soonest = 0;
	v->limit = 0;
}

/* Does some ring of the VIP move? @own is its own one, and the first of them. */
static bool vip_moves(const struct generations *generations, const struct generation_vip *own)
{
	const struct generation_vip *end = &generations->vips[generations->n];

	for (const struct generation_vip *v = own; v < end && strcmp(v->vip, own->vip) == 0; v++)
		if (v->moving)
			return true;
	return false;
}

bool generations_settle_those(struct generations *generations, generations_settles_fn *settles,
			      void *ctx)
{
	bool some = false;

	for (size_t i = 0; i < generations->n; i++) {
		struct generation_vip *v = &generations->vips[i];
		struct generation_vip *own;

		if (!v->moving || !settles(ctx, v))
			continue;
		settle(v);
		some = true;
		/* The flows of all its rings are of one epoch. */
		own = generations_find(generations, v->vip, NULL);
		if (own && !vip_moves(generations, own))
			own->epoch++;
	}
	return some;
}

struct naming {
	const char *vip; /* NULL: by time */
	int64_t now;
};

static bool is_named_or_due(void *ctx, const struct generation_vip *v)
{
	const struct naming *naming = ctx;

	return naming->vip ? strcmp(v->vip, naming->vip) == 0 : naming->now >= v->limit;
}

bool generations_settle(struct generations *generations, const char *vip, int64_t now)
{
	struct naming naming = {vip, now};

	return generations_settle_those(generations, is_named_or_due, &naming);
}

static int64_t shifted(int64_t at, int64_t by)
{
	return at > -by ? at + by : 0;
}

void generations_shift(struct generations *generations, int64_t by)
{
	for (size_t i = 0; i < generations->n; i++) {
		struct generation_vip *v = &generations->vips[i];

		v->since = shifted(v->since, by);
		if (!v->moving)
			continue;
		if (v->leave != INT64_MAX)
			v->leave = shifted(v->leave, by);
		v->soonest = shifted(v->soonest, by);
		v->limit = shifted(v->limit, by);
	}
}

static bool is_in_model(const struct model *model, const struct generation_member *member)
{
	const struct model_pool *pool = model_find_pool(model, member->pool);

	for (size_t i = 0; pool && i < pool->n_backends; i++)
		if (addr_equal(&pool->backends[i].address, &member->address))
			return true;
	return false;
}

void generations_dismiss(struct generations *generations, const struct model *model)
{
	for (size_t i = 0; i < generations->n; i++) {
		struct generation *old = &generations->vips[i].old;

		for (size_t m = 0; generations->vips[i].moving && m < old->n_members; m++)
			old->members[m].gone |= !is_in_model(model, &old->members[m]);
	}
}

bool generations_leaving(const struct generations *generations, const char *pool,
			 const struct sluice_addr *address)
{
	const struct generation_member key = {.address = *address};

	for (size_t i = 0; i < generations->n; i++) {
		const struct generation_vip *v = &generations->vips[i];
		const struct generation_member *m;

		if (!v->moving || v->leave == INT64_MAX || !v->old.n_members)
			continue;
		m = bsearch(&key, v->old.members, v->old.n_members, sizeof(key), compare_members);
		if (m && !generation_member_out(m) && strcmp(m->pool, pool) == 0 &&
		    !has_member(&v->now, m))
			return true;
	}
	return false;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

size_t generations_moving(const struct generations *generations)
{
	size_t n = 0;

	for (size_t i = 0; i < generations->n; i++)
		n += generations->vips[i].moving;
	return n;
}

int64_t generations_next_leave(const struct generations *generations)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < generations->n; i++)
		if (generations->vips[i].moving)
			next = sooner(next, generations->vips[i].leave);
	return next;
}

int64_t generations_next_limit(const struct generations *generations)
{
	int64_t next = generations_next_leave(generations);

	for (size_t i = 0; i < generations->n; i++)
		if (generations->vips[i].moving)
			next = sooner(next, generations->vips[i].limit);
	return next;
}
