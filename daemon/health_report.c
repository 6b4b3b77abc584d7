/* SPDX-License-Identifier: MIT */
/*
 * The document of "sluicectl health": the streams as they stand, each for all backends of VIPs that
 * it speaks for. Its keys are listed in control/print.h.
 */
#include "daemon/health_impl.h"

#include <stdlib.h>
#include <string.h>

#include "config/cleanup.h"

static const char *const result_names[] = {
	[JUDGE_SUCCESS] = "success",
	[JUDGE_FAILURE] = "failure",
	[JUDGE_UNKNOWN] = "unknown",
};

static const char *const agent_names[] = {
	[PROBE_WISH_NONE] = "ready",
	[PROBE_WISH_READY] = "ready",
	[PROBE_WISH_DRAIN] = "drain",
	[PROBE_WISH_MAINT] = "maint",
};

static const char *const state_names[] = {"down", "up", "unknown"};

static int state_of(const struct stream *stream)
{
	return stream->state.judge.known ? stream->state.judge.up : 2;
}

/* Each VIP once; users of one VIP follow each other. NULL: no memory. */
static json_t *vips_json(const struct stream *stream)
{
	_cleanup_(json_decrefp) json_t *list = json_array();

	for (size_t i = 0; i < stream->n_users && list; i++) {
		const struct model_vip *vip = stream->users[i].vip;

		if ((!i || stream->users[i - 1].vip != vip) &&
		    json_array_append_new(list, json_string(vip->name)) != 0)
			return NULL;
	}
	return TAKE(list);
}

/* The latest first. NULL: no memory. */
static json_t *last_json(const struct stream *stream)
{
	_cleanup_(json_decrefp) json_t *list = json_array();

	for (uint64_t i = 0; i < HEALTH_LAST && i < stream->n_probes && list; i++) {
		const struct stream_result *last =
			&stream->last[(stream->n_probes - 1 - i) % HEALTH_LAST];

		if (json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "result",
							  result_names[last->result], "duration_us",
							  (json_int_t)last->duration_us, "at",
							  (json_int_t)last->at)) != 0)
			return NULL;
	}
	return TAKE(list);
}

static unsigned int weight_percent(const struct health *health, const struct stream_user *user)
{
	return health_of(health, user->vip, user->pool, user->backend).weight_percent;
}

/* What is asked, of whom. NULL: no memory. */
static json_t *target_json(const struct stream *stream, const struct stream_user *user)
{
	char address[ADDR_TEXT_MAX], target[ADDR_TEXT_MAX];

	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:I}", "backend", user->backend->name,
			 "pool", user->pool->name, "address",
			 addr_print(&stream->key.backend, address), "vips", vips_json(stream),
			 "check", model_check_names[stream->check->type], "via",
			 model_via_names[stream->check->via], "target",
			 addr_print(&stream->key.target, target), "port",
			 (json_int_t)stream->key.port);
}

/* What came of it. NULL: no memory. */
static json_t *state_json(const struct stream *stream, unsigned int percent)
{
	const struct stream_state *state = &stream->state;
	const struct judge *judge = &state->judge;

	return json_pack("{s:s, s:I, s:s, s:I, s:I, s:I, s:s, s:o, s:I, s:I, s:I, s:I, s:I}",
			 "state", state_names[state_of(stream)], "since", (json_int_t)state->since,
			 "reason", state->reason, "count", (json_int_t)judge->count, "of",
			 (json_int_t)(judge->up ? stream->check->fall : stream->check->rise),
			 "weight_percent", (json_int_t)percent, "agent", agent_names[state->wish],
			 "last", last_json(stream), "probes", (json_int_t)stream->n_probes,
			 "successes", (json_int_t)stream->n_results[JUDGE_SUCCESS], "failures",
			 (json_int_t)stream->n_results[JUDGE_FAILURE], "unknown",
			 (json_int_t)stream->n_results[JUDGE_UNKNOWN], "changes",
			 (json_int_t)stream->n_changes);
}

/* NULL: no memory. */
static json_t *stream_json(const struct health *health, const struct stream *stream,
			   const struct stream_user *user)
{
	_cleanup_(json_decrefp) json_t *json = target_json(stream, user);
	_cleanup_(json_decrefp) json_t *state = state_json(stream, weight_percent(health, user));
	uint64_t now_us = health_now_us();
	uint64_t next_us = stream->due_us > now_us ? stream->due_us - now_us : 0;
	json_t *next = stream->probe ? json_null() : json_integer((json_int_t)next_us / 1000);

	if (!json || !state || json_object_update(json, state) != 0 ||
	    json_object_set_new(json, "next_ms", next) != 0 ||
	    json_object_set_new(json, "running", json_boolean(stream->probe)) != 0)
		return NULL;
	return TAKE(json);
}

/* The first user with this backend name, or at all; NULL: it stands for none of that name. */
static const struct stream_user *find_user(const struct stream *stream, const char *backend)
{
	for (size_t i = 0; i < stream->n_users; i++) {
		if (!backend || strcmp(stream->users[i].backend->name, backend) == 0)
			return &stream->users[i];
	}
	return NULL;
}

json_t *health_report(const struct health *health, const char *backend)
{
	_cleanup_(json_decrefp) json_t *list = json_array();
	json_int_t counts[3] = {0};

	for (size_t i = 0; i < health->set.keys.n && list; i++) {
		const struct stream *stream = health->set.list[i];
		const struct stream_user *user = find_user(stream, backend);

		if (!user)
			continue;
		counts[state_of(stream)]++;
		if (json_array_append_new(list, stream_json(health, stream, user)) != 0)
			return NULL;
	}
	return json_pack("{s:O, s:I, s:I, s:I}", "streams", list, "up", counts[1], "down",
			 counts[0], "unknown", counts[2]);
}
