/* SPDX-License-Identifier: MIT */
/*
 * health.json: what is known of each stream. Its order is that of the streams. "before" (how many
 * seconds it was the other one before) is there only where it was seen to turn, "agent" and
 * "weight" where an agent asked for them:
 *
 * {"version": 1, "backends": [
 *   {"address": "198.18.1.13", "target": "198.18.0.80", "port": 80, "check": "1f00b5a38c6e2d94",
 *    "up": true, "since": 1790000000, "before": 12, "reason": "tcp connected", "agent": "drain",
 *    "weight": 50}
 * ]}
 */
#include "daemon/health_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/state_file.h"

#define WEIGHT_MAX 100000 /* no agent asks for more */
#define HOW_DIGITS 16

static const char *const wish_names[] = {
	[PROBE_WISH_NONE] = NULL,
	[PROBE_WISH_READY] = "ready",
	[PROBE_WISH_DRAIN] = "drain",
	[PROBE_WISH_MAINT] = "maint",
};

#define N_WISHES (int)(sizeof(wish_names) / sizeof(wish_names[0]))

/* -------------------------------------------------------------------------------------- reading */

/* An entry of the file as jansson unpacks it; all is borrowed. */
struct entry {
	const char *address;
	const char *target;
	json_int_t port;
	const char *how;
	int up;
	json_int_t since;
	json_int_t before;
	const char *reason;
	const char *agent;
	json_int_t weight;
};

/* NULL, or what is wrong with the key of the entry. */
static const char *read_key(struct stream_key *key, const struct entry *e)
{
	if (addr_parse(&key->backend, e->address) != 0)
		return "\"address\" is not an address";
	if (addr_parse(&key->target, e->target) != 0)
		return "\"target\" is not an address";
	if (e->port < 0 || e->port > UINT16_MAX)
		return "\"port\" is outside 0..65535";
	if (strlen(e->how) != HOW_DIGITS || strspn(e->how, "0123456789abcdef") != HOW_DIGITS)
		return "\"check\" is not 16 hex digits";
	key->port = (uint32_t)e->port;
	key->how = strtoull(e->how, NULL, 16);
	return NULL;
}

/* NULL, or what is wrong with the state of the entry. */
static const char *read_state(struct stream_state *state, const struct entry *e)
{
	int wish = PROBE_WISH_NONE;

	if (e->since < 0)
		return "\"since\" is negative";
	if (e->before < 0)
		return "\"before\" is negative";
	if (e->weight < 0 || e->weight > WEIGHT_MAX)
		return "\"weight\" is outside 0..100000";
	if (strlen(e->reason) >= sizeof(state->reason))
		return "\"reason\" is too long";
	while (e->agent && (!wish_names[wish] || strcmp(wish_names[wish], e->agent) != 0)) {
		if (++wish == N_WISHES)
			return "unknown \"agent\"";
	}
	state->judge = (struct judge){.up = e->up, .known = true};
	state->since = e->since;
	state->before_s = e->before;
	strcpy(state->reason, e->reason);
	state->wish = (enum probe_wish)wish;
	state->weight_percent = (unsigned int)e->weight;
	return NULL;
}

/* Appends @memory. 1, 0: its key is there already, or -ENOMEM. */
static int remember(struct stream_memories *memories, const struct stream_memory *memory)
{
	size_t n = memories->exact.n, number;
	struct stream_memory *list = keyset_room(memories->list, n, sizeof(*list));
	size_t *first = keyset_room(memories->first_alike, memories->alike.n, sizeof(*first));
	struct stream_key alike = memory->key;
	int added;

	if (list)
		memories->list = list;
	if (first)
		memories->first_alike = first;
	if (!list || !first)
		return -ENOMEM;
	added = keyset_add(&memories->exact, &memory->key, &number);
	if (added <= 0)
		return added;
	list[n] = *memory;
	alike.how = 0;
	added = keyset_add(&memories->alike, &alike, &number);
	if (added > 0)
		first[number] = n;
	return added < 0 ? added : 1;
}

/* 0, -ENOMEM, or -EINVAL with a message. */
static int take_entry(void *ctx, json_t *json, const struct state_entry *at)
{
	static const char *const known[] = {"address", "target", "port",  "check",  "up", "since",
					    "before",  "reason", "agent", "weight", NULL};
	const char *unknown = state_file_unknown(json, known), *fault;
	struct stream_memory memory = {0};
	struct entry e = {0};
	json_error_t error;
	int added;

	if (unknown)
		return state_file_fault(at, "unknown field \"%s\"", unknown);
	if (json_unpack_ex(json, &error, 0, "{s:s, s:s, s:I, s:s, s:b, s:I, s?I, s:s, s?s, s?I}",
			   "address", &e.address, "target", &e.target, "port", &e.port, "check",
			   &e.how, "up", &e.up, "since", &e.since, "before", &e.before, "reason",
			   &e.reason, "agent", &e.agent, "weight", &e.weight) != 0)
		return state_file_fault(at, "%s", error.text);
	fault = read_key(&memory.key, &e);
	if (!fault)
		fault = read_state(&memory.state, &e);
	if (fault)
		return state_file_fault(at, "%s", fault);
	added = remember(ctx, &memory);
	if (!added)
		return state_file_fault(at, "it is there twice");
	return added < 0 ? added : 0;
}

static const struct state_file health_file = {
	.name = "health.json",
	.version = 1,
	.list = "backends",
	.entry = "backend",
	.way_out = "move it away to start without: backends are then down until they answer",
	.lossy = true,
	.take = take_entry,
};

int health_load(struct stream_memories *out, const char *state_dir, struct diag *diag)
{
	_cleanup_(stream_memories_fini) struct stream_memories memories = {
		.exact.key_size = sizeof(struct stream_key),
		.alike.key_size = sizeof(struct stream_key),
	};
	int err = state_file_read(&health_file, state_dir, &memories, diag);

	if (err)
		return err;
	*out = memories;
	memories = (struct stream_memories){0};
	return 0;
}

const struct stream_state *health_remembered(const struct stream_memories *memories,
					     const struct stream_key *key)
{
	struct stream_key alike = *key;
	size_t number;

	if (keyset_find(&memories->exact, key, &number))
		return &memories->list[number].state;
	alike.how = 0;
	if (keyset_find(&memories->alike, &alike, &number))
		return &memories->list[memories->first_alike[number]].state;
	return NULL;
}

void stream_memories_fini(struct stream_memories *memories)
{
	keyset_fini(&memories->exact);
	keyset_fini(&memories->alike);
	free(memories->list);
	free(memories->first_alike);
	*memories = (struct stream_memories){0};
}

/* -------------------------------------------------------------------------------------- writing */

/* NULL: no memory. */
static json_t *stream_json(const struct stream *stream)
{
	const struct stream_state *state = &stream->state;
	char address[ADDR_TEXT_MAX], target[ADDR_TEXT_MAX], how[HOW_DIGITS + 1];
	_cleanup_(json_decrefp) json_t *json = NULL;

	snprintf(how, sizeof(how), "%016" PRIx64, stream->key.how);
	json = json_pack("{s:s, s:s, s:I, s:s, s:b, s:I, s:s}", "address",
			 addr_print(&stream->key.backend, address), "target",
			 addr_print(&stream->key.target, target), "port",
			 (json_int_t)stream->key.port, "check", how, "up", state->judge.up, "since",
			 (json_int_t)state->since, "reason", state->reason);
	if (json && state->before_s &&
	    json_object_set_new(json, "before", json_integer(state->before_s)) != 0)
		return NULL;
	if (json && state->wish &&
	    json_object_set_new(json, "agent", json_string(wish_names[state->wish])) != 0)
		return NULL;
	if (json && state->weight_percent &&
	    json_object_set_new(json, "weight", json_integer(state->weight_percent)) != 0)
		return NULL;
	return TAKE(json);
}

int health_save_begin(struct health *health, struct diag *diag)
{
	health->n_saved = 0;
	return state_writer_new(&health->writer, &health_file, health->state_dir, diag);
}

bool health_save_some(struct health *health, size_t n)
{
	const struct stream_set *set = &health->set;

	for (; n && health->n_saved < set->keys.n; n--) {
		const struct stream *stream = set->list[health->n_saved++];

		if (stream->state.judge.known)
			state_writer_add(health->writer, stream_json(stream));
	}
	return health->n_saved == set->keys.n;
}

int health_save_end(struct health *health, bool sync, struct diag *diag)
{
	return state_writer_end(TAKE(health->writer), sync, diag);
}

void health_save_stop(struct health *health)
{
	state_writer_free(TAKE(health->writer));
}
