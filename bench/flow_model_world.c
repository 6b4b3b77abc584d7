/* SPDX-License-Identifier: MIT */
/*
 * Flows send packets at random moments, a router picks a balancer for each flow by its hash and the
 * number of balancers, and a backend resets what it does not know, unless its helper can send it
 * on. Each flow has random numbers of its own, so that two policies see the same flows.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/flow_model.h"
#include "config/hint.h"

#define HANDSHAKE_S 0.05

const char *const fm_loss_names[FM_LOSSES] = {
	[FM_LOSS_WRONG] = "wrong",     [FM_LOSS_IDLE] = "idle",
	[FM_LOSS_DRAINED] = "drained", [FM_LOSS_OUTLIVED] = "outlived",
	[FM_LOSS_UNSEEN] = "unseen",   [FM_LOSS_LATE] = "late",
	[FM_LOSS_SETTLED] = "settled", [FM_LOSS_UNNAMED] = "unnamed",
	[FM_LOSS_GUESSED] = "guessed",
};

uint64_t fm_random(struct fm_random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t fm_below(struct fm_random *random, uint32_t n)
{
	return (uint32_t)((fm_random(random) >> 32) * n >> 32);
}

double fm_wait(struct fm_random *random, double mean)
{
	return -log(1.0 - (double)(fm_random(random) >> 11) / 9007199254740992.0) * mean;
}

/* -------------------------------------------------------------------------------- flows by time */

static void sift(struct fm_world *w, uint32_t at)
{
	uint32_t flow = w->heap[at];

	for (uint32_t child = 2 * at + 1; child < w->n_flows; child = 2 * at + 1) {
		if (child + 1 < w->n_flows &&
		    w->flows[w->heap[child + 1]].next < w->flows[w->heap[child]].next)
			child++;
		if (w->flows[flow].next <= w->flows[w->heap[child]].next)
			break;
		w->heap[at] = w->heap[child];
		at = child;
	}
	w->heap[at] = flow;
}

/* How it will live, once it is opened. */
static void choose_life(struct fm_flow *f)
{
	static const struct {
		uint32_t of_100;
		double life_s;
		double gap_s;
	} kinds[] = {{50, 20, 2}, {25, 300, 5}, {15, 2000, 8}, {10, 2000, 120}};
	uint32_t pick = fm_below(&f->random, 100), i = 0;

	while (pick >= kinds[i].of_100)
		pick -= kinds[i++].of_100;
	/* One in ten comes back with the same ports. */
	f->reused = f->client && !fm_below(&f->random, 10);
	if (!f->reused) {
		f->client = (uint32_t)fm_random(&f->random);
		f->port = (uint16_t)fm_random(&f->random);
	}
	f->began = f->next;
	f->ends = f->next + fm_wait(&f->random, kinds[i].life_s);
	f->gap = kinds[i].gap_s;
	memset(f->through, 0, sizeof(f->through));
	memset(f->guessed, 0, sizeof(f->guessed));
}

/* ----------------------------------------------------------------------------------- the router */

static uint32_t flow_hash(const struct fm_flow *f)
{
	struct fm_random mix = {.state = (uint64_t)f->client << 16 | f->port};

	return (uint32_t)fm_random(&mix);
}

uint32_t fm_world_count(const struct fm_world *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FM_BALANCERS; i++)
		n += w->serial[i] != 0;
	return n;
}

static uint32_t route(const struct fm_world *w, uint32_t hash)
{
	uint32_t nth = hash % fm_world_count(w);

	for (uint32_t i = 0;; i++)
		if (w->serial[i] && nth-- == 0)
			return i;
}

/* ----------------------------------------------------------------------------------- why broken */

static bool is_member(const struct fm_version *version, uint32_t backend)
{
	for (size_t i = 0; i < version->pool.n_backends; i++)
		if (version->index[i] == backend)
			return model_state_takes_flows(version->backends[i].state);
	return false;
}

/* Was the slot tracked at some time since @since? */
static bool tracked_since(const struct fm_change *changes, double since)
{
	for (size_t i = 0; i < FM_CHANGES && changes[i].word; i++) {
		if (changes[i].word & SLUICE_SLOT_TRACK)
			return true;
		if (changes[i].time < since)
			return false;
	}
	return false;
}

/* When the slot last went from @id to another; 0: never, as far as is known. */
static double moved_from(const struct fm_change *changes, uint32_t id)
{
	double moved = 0;

	for (size_t i = 1; i < FM_CHANGES && changes[i].word; i++) {
		if (SLUICE_SLOT_CUR(changes[i].word) == id)
			return changes[i - 1].time;
		if (SLUICE_SLOT_OTHER(changes[i].word) == id)
			moved = changes[i].time;
	}
	return moved;
}

static uint32_t id_of(const struct fm_balancer *b, uint32_t backend)
{
	for (uint32_t id = 1; id < FM_IDS; id++)
		if (fm_balancer_backend(b, id) == backend)
			return id;
	return 0;
}

static enum fm_loss classify(const struct fm_world *w, const struct fm_flow *f, uint32_t at,
			     uint32_t slot)
{
	const struct fm_balancer *b = w->balancers[at];
	const struct fm_change *changes = b->changes[slot];
	/* A handshake is known for a while only; its other packets may have gone through others. */
	bool seen = f->through[at] == w->serial[at] &&
		    (f->last[at] > f->began || w->now - f->began <= MODEL_FLOW_AGE_S);
	bool idle = seen && w->now - f->last[at] > w->age_s;
	uint32_t word = slots_get(&b->maps.slots, b->maps.vip.ring.base + slot),
		 id = id_of(b, f->backend);
	bool named = id && (SLUICE_SLOT_CUR(word) == id || SLUICE_SLOT_OTHER(word) == id);
	double moved = moved_from(changes, id);

	if (named && w->helper)
		return f->guessed[at] == w->serial[at] ? FM_LOSS_GUESSED
		       : f->reused && !seen            ? FM_LOSS_UNNAMED
						       : FM_LOSS_WRONG;
	/* With the ports of a flow that was there just before it may have begun after that. */
	if (f->began <= w->expired[f->backend] ||
	    (!is_member(b->version, f->backend) &&
	     (w->now - w->left[f->backend] >= FM_SETTLE_S - 1 || f->began > w->left[f->backend])))
		return FM_LOSS_DRAINED;
	idle = idle && tracked_since(changes, f->last[at]);
	if (idle && !w->helper)
		return FM_LOSS_IDLE;
	if (!(word & SLUICE_SLOT_TRACK) && moved > 0 && b->settled - moved >= FM_SETTLE_S - 1)
		return FM_LOSS_OUTLIVED;
	if (seen && !idle)
		return FM_LOSS_WRONG;
	if (!w->helper)
		return FM_LOSS_UNSEEN;
	if (b->n_version + 1 < w->n_versions)
		return FM_LOSS_LATE;
	return word & SLUICE_SLOT_TRACK || moved <= 0 ? FM_LOSS_UNNAMED : FM_LOSS_SETTLED;
}

static void report(const struct fm_world *w, const struct fm_flow *f, uint32_t at, uint32_t slot,
		   enum fm_loss loss)
{
	const struct fm_balancer *b = w->balancers[at];

	printf("seed %llu: %s: at %.2f s a flow of backend b%u (since %.2f s, last packet %.2f s "
	       "ago) was broken by balancer %u\n",
	       (unsigned long long)w->seed, fm_loss_names[loss], w->now, f->backend, f->began,
	       f->through[at] == w->serial[at] ? w->now - f->last[at] : NAN, w->serial[at]);
	printf("  b%u is id %u there; slot %u was, newest first:\n", f->backend,
	       id_of(b, f->backend), slot);
	for (size_t i = 0; i < FM_CHANGES && b->changes[slot][i].word; i++) {
		uint32_t word = b->changes[slot][i].word;

		printf("  %10.2f s cur %u other %u%s\n", b->changes[slot][i].time,
		       SLUICE_SLOT_CUR(word), SLUICE_SLOT_OTHER(word),
		       word & SLUICE_SLOT_TRACK ? " track" : "");
	}
	printf("  the balancer has version %zu of %zu; the last ones:\n", b->n_version,
	       w->n_versions - 1);
	for (size_t i = w->n_versions > 5 ? w->n_versions - 5 : 0; i < w->n_versions; i++)
		printf("  %s\n", w->versions[i]->what);
}

/* -------------------------------------------------------------------------------------- packets */

/* Did the packet come to the flow's backend, in one way or the other? */
static bool arrives(const struct fm_world *w, const struct fm_flow *f, const struct fm_balancer *b,
		    struct fm_verdict v)
{
	struct sluice_addr own = fm_address(f->backend);

	if (fm_balancer_backend(b, v.id) == f->backend)
		return true;
	return w->helper && v.id && v.hint == hint_number(&own);
}

static void open_flow(struct fm_world *w, struct fm_flow *f)
{
	uint32_t backend, at;
	struct fm_verdict v;
	struct fm_packet packet = {.syn = true};

	choose_life(f);
	packet.client = f->client;
	packet.port = f->port;
	at = route(w, flow_hash(f));
	v = fm_balancer_select(w->balancers[at], w->policy, &packet, w->now);
	backend = fm_balancer_backend(w->balancers[at], v.id);
	w->opened++;
	f->stage = FM_OVER;
	if (backend != FM_NOBODY) {
		f->backend = (uint16_t)backend;
		f->stage = FM_OPENING;
		f->last[at] = w->now;
		f->through[at] = w->serial[at];
	}
	f->next = w->now + HANDSHAKE_S;
	if (f->ends < f->next)
		f->ends = f->next;
}

static void break_flow(struct fm_world *w, struct fm_flow *f, uint32_t at, uint32_t slot)
{
	const struct fm_declared *d = &w->declared[f->backend];
	enum fm_loss loss;

	f->stage = FM_OVER;
	if ((d->there && d->state == MODEL_STATE_DISABLED) || f->began <= w->disabled[f->backend]) {
		w->ended++;
		return;
	}
	loss = classify(w, f, at, slot);
	w->losses[loss]++;
	w->counted_broken += f->counted && loss != FM_LOSS_DRAINED;
	if (loss == FM_LOSS_WRONG && !w->quiet)
		report(w, f, at, slot, loss);
}

static void send_packet(struct fm_world *w, struct fm_flow *f)
{
	struct fm_packet packet = {
		.client = f->client,
		.port = f->port,
		.fin = f->next >= f->ends,
	};
	uint32_t at = route(w, flow_hash(f));
	struct fm_verdict v = fm_balancer_select(w->balancers[at], w->policy, &packet, w->now);

	if (arrives(w, f, w->balancers[at], v)) {
		/* A balancer whose packets are sent on from elsewhere does not know the flow. */
		bool direct = fm_balancer_backend(w->balancers[at], v.id) == f->backend;

		f->stage = FM_OPEN;
		f->last[at] = w->now;
		f->through[at] = direct ? w->serial[at] : 0;
		f->guessed[at] = direct ? f->guessed[at] : w->serial[at];
	} else {
		break_flow(w, f, at, v.slot);
	}
}

static void step(struct fm_world *w, struct fm_flow *f)
{
	bool over = f->next >= f->ends;

	w->packets++;
	if (f->stage == FM_CLOSED) {
		open_flow(w, f);
		return;
	}
	if (f->stage != FM_OVER)
		send_packet(w, f);
	if (over) {
		f->stage = FM_CLOSED;
		f->counted = false;
		f->next = w->now + fm_wait(&f->random, 5);
		return;
	}
	f->next = fmin(f->ends, w->now + fm_wait(&f->random, f->gap));
}

/* ------------------------------------------------------------------------------------ balancers */

bool fm_world_moves(const struct fm_world *w)
{
	for (uint32_t i = 0; i < FM_BALANCERS; i++)
		if (w->serial[i] &&
		    (isfinite(w->learns[i]) ||
		     generations_find(&w->balancers[i]->generations, "web", NULL)->moving))
			return true;
	return false;
}

static int learn(struct fm_world *w, uint32_t at)
{
	struct fm_balancer *b = w->balancers[at];

	w->learns[at] = INFINITY;
	b->n_version = w->n_versions - 1;
	return fm_balancer_apply(b, w->versions[b->n_version], w->now);
}

int fm_world_join(struct fm_world *w)
{
	uint32_t at = 0;

	while (w->serial[at])
		at++;
	w->balancers[at] = fm_balancer_new(w->ring_size, fm_random(&w->random), w->now);
	if (!w->balancers[at])
		return -ENOMEM;
	w->serial[at] = ++w->serials;
	return learn(w, at);
}

void fm_world_leave(struct fm_world *w, uint32_t balancer)
{
	fm_balancer_free(w->balancers[balancer]);
	w->balancers[balancer] = NULL;
	w->serial[balancer] = 0;
	w->learns[balancer] = INFINITY;
}

static void end_disabled(struct fm_world *w)
{
	for (uint32_t i = 0; i < w->n_flows; i++) {
		struct fm_flow *f = &w->flows[i];
		const struct fm_declared *d = &w->declared[f->backend];

		if ((f->stage != FM_OPEN && f->stage != FM_OPENING) || !d->there ||
		    d->state != MODEL_STATE_DISABLED)
			continue;
		f->stage = FM_OVER;
		w->ended++;
	}
}

int fm_world_declare(struct fm_world *w, const char *what, double spread)
{
	const struct fm_version *last = w->n_versions ? w->versions[w->n_versions - 1] : NULL;
	struct fm_version **list =
		reallocarray(w->versions, w->n_versions + 1, sizeof(*w->versions));
	struct fm_version *v = fm_version_new(w->declared, w->ring_size, w->age_s);

	if (list)
		w->versions = list;
	if (!list || !v) {
		free(v);
		return -ENOMEM;
	}
	snprintf(v->what, sizeof(v->what), "version %zu at %.2f s:%s", w->n_versions, w->now, what);
	w->versions[w->n_versions++] = v;
	for (uint32_t i = 0; i < FM_BACKENDS; i++)
		if (last && is_member(last, i) && !is_member(v, i))
			w->left[i] = w->now;
	for (uint32_t i = 0; i < FM_BACKENDS; i++) {
		if (w->declared[i].there && w->declared[i].state == MODEL_STATE_DISABLED)
			w->disabled[i] = w->now + spread;
		if (last && !is_member(last, i) && w->now - w->left[i] >= FM_SETTLE_S - 1)
			w->expired[i] = w->now;
	}
	for (uint32_t i = 0; i < FM_BALANCERS; i++)
		if (w->serial[i])
			w->learns[i] = w->now + fm_below(&w->random, 1000) / 1000.0 * spread;
	end_disabled(w);
	return 0;
}

/* What the balancers do by themselves, once a second or when one learns. */
static int balancers_turn(struct fm_world *w, bool second)
{
	int err = 0;

	for (uint32_t i = 0; i < FM_BALANCERS && !err; i++) {
		if (!w->serial[i])
			continue;
		if (w->learns[i] <= w->now)
			err = learn(w, i);
		if (!err && second)
			err = fm_balancer_tick(w->balancers[i], w->now);
	}
	return err;
}

static double next_learning(const struct fm_world *w)
{
	double next = INFINITY;

	for (uint32_t i = 0; i < FM_BALANCERS; i++)
		if (w->serial[i])
			next = fmin(next, w->learns[i]);
	return next;
}

int fm_world_run(struct fm_world *w, double until)
{
	int err = 0;

	while (!err) {
		struct fm_flow *f = &w->flows[w->heap[0]];
		double second = floor(w->now) + 1;
		double turn = fmin(second, fmax(next_learning(w), w->now));
		double next = fmin(f->next, turn);

		if (next > until) {
			w->now = until;
			break;
		}
		w->now = next;
		if (turn <= f->next) {
			err = balancers_turn(w, turn == second);
			continue;
		}
		step(w, f);
		sift(w, 0);
	}
	return err;
}

void fm_world_mark(struct fm_world *w)
{
	for (uint32_t i = 0; i < w->n_flows; i++) {
		w->flows[i].counted = w->flows[i].stage == FM_OPEN;
		w->counted += w->flows[i].counted;
	}
}

void fm_world_flood(struct fm_world *w, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t any = fm_random(&w->random);
		struct fm_packet packet = {
			.client = (uint32_t)any,
			.port = (uint16_t)(any >> 32),
			.syn = true,
		};

		fm_balancer_select(w->balancers[route(w, (uint32_t)(any >> 40))], w->policy,
				   &packet, w->now);
	}
}

/* ---------------------------------------------------------------------------------- its life */

int fm_world_init(struct fm_world *w, uint32_t n_backends, uint32_t n_balancers, uint32_t n_flows)
{
	int err;

	w->random.state = w->seed;
	w->n_flows = n_flows;
	w->flows = calloc(n_flows, sizeof(*w->flows));
	w->heap = calloc(n_flows, sizeof(*w->heap));
	if (!w->flows || !w->heap)
		return -ENOMEM;
	for (uint32_t i = 0; i < FM_BACKENDS; i++)
		w->declared[i] = (struct fm_declared){i < n_backends, MODEL_STATE_ACTIVE, 100, 0};
	for (uint32_t i = 0; i < FM_BACKENDS; i++)
		w->disabled[i] = w->expired[i] = -1;
	for (uint32_t i = 0; i < FM_BALANCERS; i++)
		w->learns[i] = INFINITY;
	err = fm_world_declare(w, " the first", 0);
	for (uint32_t i = 0; i < n_balancers && !err; i++)
		err = fm_world_join(w);
	for (uint32_t i = 0; i < n_flows; i++) {
		w->heap[i] = i;
		w->flows[i].random.state = w->seed << 32 ^ i;
		w->flows[i].random.state = fm_random(&w->flows[i].random);
		w->flows[i].next = fm_wait(&w->flows[i].random, 20);
	}
	for (uint32_t i = n_flows; i-- > 0;)
		sift(w, i);
	return err;
}

void fm_world_fini(struct fm_world *w)
{
	for (uint32_t i = 0; i < FM_BALANCERS; i++)
		fm_balancer_free(w->balancers[i]);
	for (size_t i = 0; i < w->n_versions; i++)
		free(w->versions[i]);
	free(w->versions);
	free(w->flows);
	free(w->heap);
	*w = (struct fm_world){0};
}
