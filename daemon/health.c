/* SPDX-License-Identifier: MIT */
/*
 * What follows from a result: a judgement and, when that changes something, one line of log, one
 * event, one count, and after a moment one call for all changes of that moment. What has to be done
 * at some time (probes, steps of slow starts, the call, writing the states) is done by one timer.
 */
#include "daemon/health.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "config/cleanup.h"
#include "daemon/health_impl.h"
#include "daemon/log.h"

#define SECOND_US UINT64_C(1000000)
#define TIMER_ACCURACY_US 1000u
#define SAY_MAX 8u /* own errors that are logged in */
#define SAY_US (10 * SECOND_US)

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* --------------------------------------------------------------------------------------- saying */

static const char *state_word(const struct judge *judge)
{
	return !judge->known ? "unknown" : judge->up ? "up" : "down";
}

/* Users of one VIP follow each other. */
static unsigned int count_vips(const struct stream *stream)
{
	unsigned int n = 0;

	for (size_t i = 0; i < stream->n_users; i++)
		n += !i || stream->users[i - 1].vip != stream->users[i].vip;
	return n;
}

/* `backend web-3 (198.18.1.13) of VIP www and 2 more` */
static const char *subject(const struct stream *stream, char *text, size_t size)
{
	const struct stream_user *user = &stream->users[0];
	unsigned int n_vips = count_vips(stream);
	char address[ADDR_TEXT_MAX], more[32] = "";

	if (n_vips > 1)
		snprintf(more, sizeof(more), " and %u more", n_vips - 1);
	snprintf(text, size, "backend %s (%s) of VIP %s%s", user->backend->name,
		 addr_print(&stream->key.backend, address), user->vip->name, more);
	return text;
}

/* Logs a change, hands it on, and counts it. The text after the subject is @fmt. */
static void __attribute__((format(printf, 6, 7)))
say_change(struct stream *stream, enum log_level level, const char *from, const char *to,
	   const struct probe_report *report, const char *fmt, ...)
{
	struct health *h = stream->health;
	const struct stream_user *user = &stream->users[0];
	char who[256], what[256], text[sizeof(who) + sizeof(what) + 4];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	snprintf(text, sizeof(text), "%s: %s", subject(stream, who, sizeof(who)), what);
	log_line(level, "%s", text);
	stream->n_changes++;
	if (!h->watch)
		return;
	h->watch(h->watch_ctx, &(struct health_event){.text = text,
						      .backend = user->backend->name,
						      .pool = user->pool->name,
						      .vip = user->vip->name,
						      .n_vips = count_vips(stream),
						      .from = from,
						      .to = to,
						      .reason = report->reason,
						      .duration_us = report->duration_us});
}

/*
 * That a probe could not be made, and that it could again: one line each, and not for thousands at
 * a time.
 */
static void say_own_error(struct stream *stream, const struct probe_report *report)
{
	struct health *h = stream->health;
	bool own_error = report->result == JUDGE_UNKNOWN;
	uint64_t now_us = health_now_us();
	char who[256];

	if (own_error == stream->own_error)
		return;
	stream->own_error = own_error;
	if (now_us >= h->quiet_us) {
		h->quiet_us = now_us + SAY_US;
		h->n_said = 0;
	}
	h->n_said++;
	subject(stream, who, sizeof(who));
	if (h->n_said > SAY_MAX)
		return;
	if (own_error)
		log_warning("%s: cannot be probed, stays %s, %s%s", who,
			    state_word(&stream->state.judge), report->reason,
			    h->n_said == SAY_MAX ? "; \"sluicectl health\" shows what else there is"
						 : "");
	else
		log_info("%s: can be probed again", who);
}

/* -------------------------------------------------------------------------------------- results */

/* The states differ from those of the file. */
static void note_unsaved(struct health *health)
{
	health->unsaved = true;
	if (health->save_us == HEALTH_NEVER)
		health->save_us = health_now_us() + health->save_wait_us;
}

/* Something that health_of() says is another one now. */
static void note_change(struct health *h)
{
	uint64_t at = health_now_us() + HEALTH_BURST_US;

	if (h->changed_us == HEALTH_NEVER) {
		h->first_us = at - HEALTH_BURST_US;
		h->changed_us = at < h->calm_us ? h->calm_us : at;
	}
	note_unsaved(h);
}

static uint64_t next_step_us(const struct stream *stream, uint64_t now_us);

/* A stream of which nothing was known at the daemon's start did not come up just now. */
static void note_rise(struct stream *stream, bool was_known)
{
	struct health *h = stream->health;

	stream->up_us = 0;
	if (!stream->state.judge.up || !(was_known || stream->late))
		return;
	stream->up_us = health_now_us();
	h->step_us = earlier(h->step_us, next_step_us(stream, stream->up_us));
}

/* Reasons of timeouts have their duration. */
static void say_turn(struct stream *stream, const struct judge *before,
		     const struct probe_report *report)
{
	const struct stream_state *state = &stream->state;
	const char *from = state_word(before), *to = state_word(&state->judge);
	unsigned int of = state->judge.up ? stream->check->rise : stream->check->fall;
	enum log_level level = state->judge.up ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING;
	char after[48] = "";

	if (!before->known)
		of = 1;
	if (!before->known && state->judge.up && !stream->late)
		level = LOG_LEVEL_DEBUG;
	if (!strstr(report->reason, " ms"))
		snprintf(after, sizeof(after), " after %llu ms",
			 (unsigned long long)report->duration_us / 1000);
	say_change(stream, level, from, to, report, "%s -> %s, %s%s (%u of %u)", from, to,
		   report->reason, after, of, of);
}

static const char *wish_word(enum probe_wish wish)
{
	return wish == PROBE_WISH_DRAIN ? "drain" : wish == PROBE_WISH_MAINT ? "maint" : "ready";
}

static void take_weight(struct stream *stream, const struct probe_report *report)
{
	unsigned int before = stream->state.weight_percent ? stream->state.weight_percent : 100;
	unsigned int now = report->weight_percent;
	char from[16], to[16];

	stream->state.weight_percent = now;
	if (now == before)
		return;
	snprintf(from, sizeof(from), "%u %%", before);
	snprintf(to, sizeof(to), "%u %%", now);
	say_change(stream, LOG_LEVEL_INFO, from, to, report, "weight %s -> %s by its agent, %s",
		   from, to, report->reason);
	note_change(stream->health);
}

static void take_wish(struct stream *stream, const struct probe_report *report)
{
	const char *from = wish_word(stream->state.wish), *to = wish_word(report->wish);

	stream->state.wish = report->wish;
	if (strcmp(from, to) == 0)
		return;
	say_change(stream, LOG_LEVEL_INFO, from, to, report, "%s -> %s by its agent, %s", from, to,
		   report->reason);
	note_change(stream->health);
}

static void keep_result(struct stream *stream, const struct probe_report *report, int64_t now)
{
	stream->last[stream->n_probes % HEALTH_LAST] = (struct stream_result){
		.result = report->result, .duration_us = report->duration_us, .at = now};
	stream->n_probes++;
	stream->n_results[report->result]++;
}

/* How long a state lasted that began at @since; at least 1. */
static int64_t lasted_s(int64_t since, int64_t now)
{
	if (!since)
		return INT64_MAX;
	return now > since ? now - since : 1;
}

void health_take(struct stream *stream, const struct probe_report *report)
{
	struct stream_state *state = &stream->state;
	struct judge before = state->judge;
	int64_t now = time(NULL);

	if (state->since > now)
		state->since = now; /* the clock was set back */
	keep_result(stream, report, now);
	say_own_error(stream, report);
	snprintf(state->reason, sizeof(state->reason), "%s", report->reason);
	if (judge_take(&state->judge, stream->check, report->result)) {
		state->before_s = before.known ? lasted_s(state->since, now) : 0;
		state->since = now;
		note_rise(stream, before.known);
		say_turn(stream, &before, report);
		note_change(stream->health);
	}
	/* what an agent asked for stays until it asks for something else */
	if (report->wish != PROBE_WISH_NONE)
		take_wish(stream, report);
	if (report->weight_percent)
		take_weight(stream, report);
}

/* ---------------------------------------------------------------------------------- slow starts */

/*
 * The percentage of its weight that @stream has now by a slow start of @slow_start_s: a fifth at
 * once, and one more with each quarter of the time.
 */
static unsigned int slow_percent(const struct stream *stream, unsigned int slow_start_s,
				 uint64_t now_us)
{
	uint64_t step_us = slow_start_s * SECOND_US / HEALTH_SLOW_STEPS;
	uint64_t steps;

	if (!stream->up_us || !slow_start_s)
		return 100;
	steps = (now_us - stream->up_us) / step_us;
	return steps >= HEALTH_SLOW_STEPS
		       ? 100
		       : 100 * (unsigned int)(steps + 1) / (HEALTH_SLOW_STEPS + 1);
}

/* When the weight of @stream changes for one of its pools; HEALTH_NEVER: it is as it will be. */
static uint64_t next_step_us(const struct stream *stream, uint64_t now_us)
{
	uint64_t next_us = HEALTH_NEVER;

	for (size_t i = 0; i < stream->n_users && stream->up_us; i++) {
		uint64_t step_us =
			stream->users[i].pool->slow_start_s * SECOND_US / HEALTH_SLOW_STEPS;
		uint64_t steps = step_us ? (now_us - stream->up_us) / step_us : HEALTH_SLOW_STEPS;
		uint64_t at = stream->up_us + (steps + 1) * step_us;

		if (steps < HEALTH_SLOW_STEPS && at < next_us)
			next_us = at;
	}
	return next_us;
}

static void find_step(struct health *h, uint64_t now_us)
{
	h->step_us = HEALTH_NEVER;
	for (size_t i = 0; i < h->set.keys.n; i++)
		h->step_us = earlier(h->step_us, next_step_us(h->set.list[i], now_us));
}

struct health_view health_of(const struct health *health, const struct model_vip *vip,
			     const struct model_pool *pool, const struct model_backend *backend)
{
	struct health_view view = {.weight_percent = 100, .reason = ""};
	const struct stream *stream;
	struct stream_key key;
	unsigned int percent;
	size_t number;

	view.checked = stream_key(&key, &health->set, vip, pool, backend);
	if (!view.checked) {
		view.up = view.known = true;
		return view;
	}
	if (!keyset_find(&health->set.keys, &key, &number))
		return view;
	stream = health->set.list[number];
	view.up = stream->state.judge.up;
	view.known = stream->state.judge.known;
	view.late = stream->late;
	view.reason = stream->state.reason;
	view.since = stream->state.since;
	view.before_s = stream->state.before_s;
	view.drain = stream->state.wish == PROBE_WISH_DRAIN;
	view.maint = stream->state.wish == PROBE_WISH_MAINT;
	percent = slow_percent(stream, pool->slow_start_s, health_now_us());
	if (stream->state.weight_percent)
		percent = percent * stream->state.weight_percent / 100;
	view.weight_percent = percent ? percent : 1;
	return view;
}

/* ---------------------------------------------------------------------------------------- turns */

/* A call that takes long is not made again at once: half of the time belongs to probes. */
static void call_changed(struct health *h)
{
	uint64_t start_us = health_now_us(), end_us;

	h->changed_us = HEALTH_NEVER;
	h->changed(h->ctx);
	end_us = health_now_us();
	log_debug("health: in force %llu us after the first change, %llu of them to bring it there",
		  (unsigned long long)(end_us - h->first_us),
		  (unsigned long long)(end_us - start_us));
	h->calm_us = end_us + (end_us - start_us);
	if (h->changed_us != HEALTH_NEVER && h->changed_us < h->calm_us)
		h->changed_us = h->calm_us;
}

static void say_saved(struct health *h, int err, const struct diag *diag)
{
	if (err != h->save_err)
		log_diag(LOG_LEVEL_WARNING, diag);
	h->save_err = err;
}

/* Writing takes time that is missing for probes: a twentieth of it all at most. */
static void end_saving(struct health *h)
{
	uint64_t wait_us = 20 * h->saving_us;

	h->save_wait_us = wait_us > HEALTH_SAVE_US ? wait_us : HEALTH_SAVE_US;
	h->save_us = HEALTH_NEVER;
	if (h->unsaved)
		note_unsaved(h);
}

/*
 * Thousands of states take long, and a disk any time: some of them in each turn, without waiting
 * for it.
 */
static void save_some(struct health *h)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	uint64_t start_us = health_now_us();
	bool last = true;
	int err = 0;

	if (!h->writer) {
		h->saving_us = 0;
		h->unsaved = false;
		err = health_save_begin(h, &diag);
	}
	if (!err)
		last = health_save_some(h, HEALTH_SLICE);
	if (!err && last)
		err = health_save_end(h, false, &diag);
	h->saving_us += health_now_us() - start_us;
	h->save_us = health_now_us() + HEALTH_SLICE_US;
	if (!last)
		return;
	say_saved(h, err, &diag);
	end_saving(h);
}

/* At the end it is worth to wait for the disk. */
static void save_all(struct health *h)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	int err;

	health_save_stop(h);
	err = health_save_begin(h, &diag);
	if (!err) {
		health_save_some(h, SIZE_MAX);
		err = health_save_end(h, true, &diag);
	}
	say_saved(h, err, &diag);
}

/* What is due in the past comes with the next turn of the loop, after what else has happened. */
void health_set_timer(struct health *health)
{
	uint64_t at = earlier(earlier(health->changed_us, health->save_us), health->step_us);

	at = earlier(at, schedule_next_us(&health->set.heap));
	if (at == health->timer_us)
		return;
	health->timer_us = at;
	if (at != HEALTH_NEVER)
		sd_event_source_set_time(health->timer, at);
	sd_event_source_set_enabled(health->timer,
				    at == HEALTH_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

void health_turn(struct health *health)
{
	uint64_t now_us = health_now_us();

	if (health->step_us <= now_us) {
		find_step(health, now_us);
		note_change(health);
	}
	if (health->changed_us <= now_us)
		call_changed(health);
	schedule_run(health, now_us);
	if (health->save_us <= now_us)
		save_some(health);
	health->timer_us = HEALTH_NEVER;
	health_set_timer(health);
}

void health_entered(struct health *health)
{
	find_step(health, health_now_us());
	if (health->writer) {
		health_save_stop(health);
		health->save_us = HEALTH_NEVER;
	}
	note_unsaved(health);
	health_set_timer(health);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)source;
	(void)usec;
	health_turn(ctx);
	return 0;
}

/* ------------------------------------------------------------------------------- life and death */

uint64_t health_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_US + (uint64_t)now.tv_nsec / 1000;
}

static void health_freep(struct health **health)
{
	if (!*health)
		return;
	health_save_stop(*health);
	stream_set_fini(&(*health)->set);
	stream_memories_fini(&(*health)->memories);
	probes_free((*health)->probes);
	sd_event_source_unref((*health)->timer);
	free((*health)->state_dir);
	free(*health);
}

static int start(struct health *h, sd_event *event)
{
	int err = probes_new(&h->probes, event);

	if (!err)
		err = sd_event_add_time(event, &h->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_US,
					on_timer, h);
	if (!err)
		err = sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
	return err < 0 ? err : 0;
}

int health_new(struct health **out, sd_event *event, const char *state_dir,
	       health_changed_fn *changed, health_mark_fn *mark, void *ctx, struct diag *diag)
{
	_cleanup_(health_freep) struct health *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	*h = (struct health){
		.state_dir = strdup(state_dir),
		.changed = changed,
		.mark = mark,
		.ctx = ctx,
		.changed_us = HEALTH_NEVER,
		.save_us = HEALTH_NEVER,
		.save_wait_us = HEALTH_SAVE_US,
		.step_us = HEALTH_NEVER,
		.timer_us = HEALTH_NEVER,
	};
	if (!h->state_dir)
		return -ENOMEM;
	if (getrandom(&h->random, sizeof(h->random), GRND_NONBLOCK) != sizeof(h->random))
		h->random = health_now_us();
	h->random |= 1; /* never zero */
	err = start(h, event);
	if (err) {
		diag_add(diag, NULL, 0, "health checks cannot start: %s", strerror(-err));
		return err;
	}
	err = health_load(&h->memories, state_dir, diag);
	if (err)
		return err;
	*out = TAKE(h);
	return 0;
}

void health_watch(struct health *health, health_event_fn *fn, void *ctx)
{
	health->watch = fn;
	health->watch_ctx = ctx;
}

void health_free(struct health *health)
{
	if (health && health->set.model)
		save_all(health);
	health_freep(&health);
}
