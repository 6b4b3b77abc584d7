/* SPDX-License-Identifier: MIT */
/*
 * A drained backend that silently takes traffic again would be worse than a daemon that asks what
 * to do: a file that is not quite right is refused. The format:
 *
 * {"version": 1, "wishes": [
 *   {"pool": "web", "backend": "web-3", "state": "draining", "since": 1790000000, "weight": 50}
 * ]}
 *
 * "state" and "since" come together; they or "weight" may be missing.
 */
#include "daemon/wishes.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/state_file.h"

static void wish_fini(struct wish *wish)
{
	free(wish->pool);
	free(wish->backend);
}

void wishes_fini(struct wishes *wishes)
{
	for (size_t i = 0; i < wishes->n; i++)
		wish_fini(&wishes->list[i]);
	free(wishes->list);
	*wishes = (struct wishes){0};
}

/* ------------------------------------------------------------------------------------ the list */

static struct wish *find(const struct wishes *wishes, const char *pool, const char *backend)
{
	for (size_t i = 0; i < wishes->n; i++) {
		struct wish *wish = &wishes->list[i];

		if (strcmp(wish->pool, pool) == 0 && strcmp(wish->backend, backend) == 0)
			return wish;
	}
	return NULL;
}

const struct wish *wishes_find(const struct wishes *wishes, const char *pool, const char *backend)
{
	return find(wishes, pool, backend);
}

enum model_state wish_state(const struct wish *wish, const struct model_backend *backend)
{
	return wish && wish->has_state ? wish->state : backend->state;
}

unsigned int wish_weight(const struct wish *wish, const struct model_backend *backend)
{
	return wish && wish->weight ? wish->weight : backend->weight;
}

/* Appends a wish that asks for nothing yet. NULL: no memory, and nothing has changed. */
static struct wish *add(struct wishes *wishes, const char *pool, const char *backend)
{
	struct wish *list = reallocarray(wishes->list, wishes->n + 1, sizeof(*list));
	struct wish *wish;

	if (!list)
		return NULL;
	wishes->list = list;
	wish = &list[wishes->n];
	*wish = (struct wish){.pool = strdup(pool), .backend = strdup(backend)};
	if (!wish->pool || !wish->backend) {
		wish_fini(wish);
		return NULL;
	}
	wishes->n++;
	return wish;
}

static void remove_if_void(struct wishes *wishes, struct wish *wish)
{
	size_t after = wishes->list + wishes->n - (wish + 1);

	if (wish->has_state || wish->weight > 0)
		return;
	wish_fini(wish);
	memmove(wish, wish + 1, after * sizeof(*wish));
	wishes->n--;
}

int wishes_copy(struct wishes *out, const struct wishes *from)
{
	_cleanup_(wishes_fini) struct wishes copy = {0};

	for (size_t i = 0; i < from->n; i++) {
		const struct wish *wish = &from->list[i];
		struct wish *added = add(&copy, wish->pool, wish->backend);

		if (!added)
			return -ENOMEM;
		added->has_state = wish->has_state;
		added->state = wish->state;
		added->since = wish->since;
		added->weight = wish->weight;
	}
	*out = copy;
	copy = (struct wishes){0};
	return 0;
}

int wishes_set_state(struct wishes *wishes, const char *pool, const char *backend,
		     const enum model_state *state, int64_t now)
{
	struct wish *wish = find(wishes, pool, backend);

	if (!wish && !state)
		return 0;
	if (!wish)
		wish = add(wishes, pool, backend);
	if (!wish)
		return -ENOMEM;
	wish->has_state = state;
	wish->state = state ? *state : MODEL_STATE_ACTIVE;
	wish->since = state ? now : 0;
	remove_if_void(wishes, wish);
	return 0;
}

int wishes_set_weight(struct wishes *wishes, const char *pool, const char *backend,
		      unsigned int weight)
{
	struct wish *wish = find(wishes, pool, backend);

	if (!wish && weight == 0)
		return 0;
	if (!wish)
		wish = add(wishes, pool, backend);
	if (!wish)
		return -ENOMEM;
	wish->weight = weight;
	remove_if_void(wishes, wish);
	return 0;
}

int wishes_advise(struct wishes *wishes, const char *pool, const char *backend,
		  const enum model_state *state, unsigned int weight)
{
	struct wish *wish = find(wishes, pool, backend);

	if (!state && !weight)
		return 0;
	if (!wish)
		wish = add(wishes, pool, backend);
	if (!wish)
		return -ENOMEM;
	if (state && !wish->has_state) {
		wish->has_state = wish->state_advised = true;
		wish->state = *state;
	}
	if (weight) {
		wish->weight = weight;
		wish->weight_advised = true;
	}
	remove_if_void(wishes, wish);
	return 0;
}

/* ------------------------------------------------------------------------------------- on disk */

/* One entry of the file as jansson unpacks it; strings are borrowed. */
struct entry {
	const char *pool;
	const char *backend;
	const char *state;
	json_int_t since;
	json_int_t weight;
};

/* NULL, or what is wrong with the values of an entry whose types are right. */
static const char *entry_fault(const struct entry *e, const json_t *json, enum model_state *state,
			       const struct wishes *so_far)
{
	bool weight = json_object_get(json, "weight");

	if (!*e->pool || strlen(e->pool) > MODEL_NAME_MAX || !*e->backend ||
	    strlen(e->backend) > MODEL_NAME_MAX)
		return "a name is empty or too long";
	if (!e->state != !json_object_get(json, "since"))
		return "\"state\" and \"since\" come together";
	if (e->state && model_state_parse(state, e->state) != 0)
		return "unknown state";
	if (e->since < 0)
		return "\"since\" is negative";
	if (weight && (e->weight < MODEL_WEIGHT_MIN || e->weight > MODEL_WEIGHT_MAX))
		return "\"weight\" is outside 1..65535";
	if (!e->state && !weight)
		return "neither \"state\" nor \"weight\"";
	if (find(so_far, e->pool, e->backend))
		return "a second entry for this backend";
	return NULL;
}

/* 0, -ENOMEM, or -EINVAL with a message. */
static int take_entry(void *ctx, json_t *json, const struct state_entry *at)
{
	static const char *const known[] = {"pool", "backend", "state", "since", "weight", NULL};
	enum model_state state = MODEL_STATE_ACTIVE;
	const char *unknown = state_file_unknown(json, known), *fault;
	struct wishes *wishes = ctx;
	struct entry e = {0};
	json_error_t error;
	struct wish *wish;

	if (unknown)
		return state_file_fault(at, "unknown field \"%s\"", unknown);
	if (json_unpack_ex(json, &error, 0, "{s:s, s:s, s?s, s?I, s?I}", "pool", &e.pool, "backend",
			   &e.backend, "state", &e.state, "since", &e.since, "weight",
			   &e.weight) != 0)
		return state_file_fault(at, "%s", error.text);
	fault = entry_fault(&e, json, &state, wishes);
	if (fault)
		return state_file_fault(at, "%s", fault);

	wish = add(wishes, e.pool, e.backend);
	if (!wish)
		return -ENOMEM;
	wish->has_state = e.state;
	wish->state = state;
	wish->since = e.since;
	wish->weight = e.weight;
	return 0;
}

static const struct state_file wishes_file = {
	.name = "wishes.json",
	.version = 1,
	.list = "wishes",
	.entry = "wish",
	.way_out = "move it away to start without the operator's states",
	.take = take_entry,
};

int wishes_load(struct wishes *out, const char *state_dir, struct diag *diag)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};
	int err = state_file_read(&wishes_file, state_dir, &wishes, diag);

	if (err)
		return err;
	*out = wishes;
	wishes = (struct wishes){0};
	return 0;
}

/* NULL: no memory. */
static json_t *wish_json(const struct wish *wish)
{
	_cleanup_(json_decrefp) json_t *json =
		json_pack("{s:s, s:s}", "pool", wish->pool, "backend", wish->backend);

	if (!json)
		return NULL;
	if (wish->has_state &&
	    (json_object_set_new(json, "state", json_string(model_state_name(wish->state))) != 0 ||
	     json_object_set_new(json, "since", json_integer(wish->since)) != 0))
		return NULL;
	if (wish->weight > 0 &&
	    json_object_set_new(json, "weight", json_integer(wish->weight)) != 0)
		return NULL;
	return TAKE(json);
}

/* NULL: no memory. */
static json_t *list_json(const struct wishes *wishes)
{
	_cleanup_(json_decrefp) json_t *list = json_array();

	for (size_t i = 0; i < wishes->n; i++)
		if (json_array_append_new(list, wish_json(&wishes->list[i])) != 0)
			return NULL;
	return TAKE(list);
}

int wishes_save(const struct wishes *wishes, const char *state_dir, struct diag *diag)
{
	_cleanup_(json_decrefp) json_t *list = list_json(wishes);

	return state_file_write(&wishes_file, state_dir, list, diag);
}
