/* SPDX-License-Identifier: MIT */
/*
 * generations.json. Its order is that of struct generations, so the same generations make the same
 * file. "old" to "back" are there only for a VIP that moves:
 *
 *	{"version": 1, "vips": [
 *	  {"vip": "www", "since": 1790000000,
 *	   "now": {"maglev": "v2", "ring_size": 65537, "members": [
 *	     {"pool": "web", "backend": "web-1", "address": "198.18.1.11", "weight": 100,
 *	      "hint": 7}]},
 *	   "old": {...}, "soonest": 1790000300, "limit": 1790003600, "back": false}
 *	]}
 *
 * "pool" is there only for the ring of a pool that sources name, "epoch" once a move has settled,
 * "leave" only where somebody left, and a member's "gone" and "disabled" where they hold.
 */
#include "daemon/generations.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/ring.h"
#include "daemon/state_file.h"

static const char *const maglev_names[] = {
	[MODEL_MAGLEV_V1] = "v1",
	[MODEL_MAGLEV_V2] = "v2",
};

/* ------------------------------------------------------------------------------------- reading */

static bool is_name(const char *text)
{
	return *text && strlen(text) <= MODEL_NAME_MAX;
}

/* Appends a member whose names are borrowed from @json. NULL, or what is wrong with it. */
static const char *read_member(struct generation *g, json_t *json, json_error_t *error)
{
	static const char *const known[] = {"pool", "backend", "address",  "weight",
					    "hint", "gone",    "disabled", NULL};
	struct generation_member *m = &g->members[g->n_members];
	json_int_t weight, hint = 0;
	const char *address;
	int gone = 0, disabled = 0;

	if (json_unpack_ex(json, error, 0, "{s:s, s:s, s:s, s:I, s?I, s?b, s?b}", "pool", &m->pool,
			   "backend", &m->backend, "address", &address, "weight", &weight, "hint",
			   &hint, "gone", &gone, "disabled", &disabled) != 0)
		return error->text;
	if (state_file_unknown(json, known))
		return "a field that is not known";
	if (!is_name(m->pool) || !is_name(m->backend))
		return "a name is empty or too long";
	if (addr_parse(&m->address, address) != 0 || addr_use(&m->address) != ADDR_UNICAST)
		return "\"address\" is not the address of one host";
	if (weight < 0 || weight > MODEL_WEIGHT_MAX)
		return "\"weight\" is outside 0..65535";
	if (g->n_members && addr_compare(&m[-1].address, &m->address) >= 0)
		return "not in the order of the addresses";
	if (hint < 0 || hint > UINT16_MAX)
		return "\"hint\" is outside 0..65535";
	m->weight = (unsigned int)weight;
	m->hint = (uint16_t)hint;
	m->gone = gone;
	m->disabled = disabled;
	g->n_members++;
	return NULL;
}

/* NULL, or what is wrong with a generation's own fields. */
static const char *read_parameters(struct generation *g, json_t *json, json_t **members,
				   json_error_t *error)
{
	static const char *const known[] = {"maglev", "ring_size", "members", NULL};
	json_int_t ring_size;
	const char *maglev;

	if (json_unpack_ex(json, error, 0, "{s:s, s:I, s:o}", "maglev", &maglev, "ring_size",
			   &ring_size, "members", members) != 0)
		return error->text;
	if (state_file_unknown(json, known))
		return "a field that is not known";
	if (strcmp(maglev, maglev_names[MODEL_MAGLEV_V1]) == 0)
		g->maglev = MODEL_MAGLEV_V1;
	else if (strcmp(maglev, maglev_names[MODEL_MAGLEV_V2]) == 0)
		g->maglev = MODEL_MAGLEV_V2;
	else
		return "unknown \"maglev\"";
	if (ring_size < 0 || ring_size > RING_SIZE_MAX || !ring_size_valid((uint32_t)ring_size))
		return "\"ring_size\" is no size of a ring";
	if (!json_is_array(*members) || json_array_size(*members) >= RING_NONE)
		return "\"members\" is not a list, or too long";
	g->ring_size = (uint32_t)ring_size;
	return NULL;
}

/* Reads the generation in the field @field. 0, -ENOMEM, or -EINVAL with a message. */
static int read_generation(struct generation *out, json_t *json, const char *field,
			   const struct state_entry *at)
{
	_cleanup_(freep) struct generation_member *members = NULL;
	struct generation g = {0};
	json_t *list, *member;
	json_error_t error;
	const char *fault = read_parameters(&g, json, &list, &error);
	size_t i;

	if (fault)
		return state_file_fault(at, "\"%s\": %s", field, fault);
	members = calloc(json_array_size(list) + 1, sizeof(*members));
	if (!members)
		return -ENOMEM;
	g.members = members;
	json_array_foreach (list, i, member) {
		fault = read_member(&g, member, &error);
		if (fault)
			return state_file_fault(at, "\"%s\": member %zu: %s", field, i + 1, fault);
	}
	return generation_copy(out, &g);
}

/* An entry of the file as jansson unpacks it; all is borrowed. */
struct entry {
	const char *vip;
	const char *pool;
	json_int_t epoch;
	json_int_t leave;
	json_int_t since;
	json_t *now;
	json_t *old;
	json_int_t soonest;
	json_int_t limit;
	int back;
};

/* NULL, or what is wrong with the values of an entry whose types are right. */
static const char *entry_fault(const struct entry *e, const json_t *json,
			       const struct generations *so_far)
{
	const struct generation_vip *last = so_far->n ? &so_far->vips[so_far->n - 1] : NULL;
	int order = last ? strcmp(last->vip, e->vip) : -1;
	bool moves = e->old;

	if (!is_name(e->vip) || (*e->pool && !is_name(e->pool)))
		return "a name is empty or too long";
	if (order > 0 || (order == 0 && strcmp(last->pool, e->pool) >= 0))
		return "not in the order of the names";
	if (e->epoch < 0 || e->epoch > UINT8_MAX)
		return "\"epoch\" is outside 0..255";
	if (e->since < 0)
		return "\"since\" is negative";
	if (moves != !!json_object_get(json, "soonest") ||
	    moves != !!json_object_get(json, "limit") || moves != !!json_object_get(json, "back"))
		return "\"old\", \"soonest\", \"limit\" and \"back\" come together";
	if (!moves && json_object_get(json, "leave"))
		return "\"leave\" without \"old\"";
	if (moves && (e->soonest < e->since || e->limit < e->soonest || e->leave < e->since))
		return "\"since\", \"soonest\" and \"limit\" do not follow each other";
	return NULL;
}

/* 0, -ENOMEM, or -EINVAL with a message; @v for generation_vip_fini() in either case. */
static int read_vip(struct generation_vip *v, const struct entry *e, const struct state_entry *at)
{
	int err = read_generation(&v->now, e->now, "now", at);

	if (!err && e->old)
		err = read_generation(&v->old, e->old, "old", at);
	if (err)
		return err;
	if (e->old && generation_equal(&v->old, &v->now))
		return state_file_fault(at, "\"old\" is the same as \"now\"");
	v->vip = strdup(e->vip);
	v->pool = strdup(e->pool);
	v->epoch = (uint8_t)e->epoch;
	v->since = e->since;
	v->leave = e->leave;
	v->moving = e->old;
	v->back = e->back;
	v->soonest = e->soonest;
	v->limit = e->limit;
	return v->vip && v->pool ? 0 : -ENOMEM;
}

/* 0, -ENOMEM, or -EINVAL with a message. */
static int take_entry(void *ctx, json_t *json, const struct state_entry *at)
{
	static const char *const known[] = {"vip",     "pool",  "epoch", "since", "now", "old",
					    "soonest", "limit", "leave", "back",  NULL};
	const char *unknown = state_file_unknown(json, known), *fault;
	_cleanup_(generation_vip_fini) struct generation_vip v = {0};
	struct generations *generations = ctx;
	struct generation_vip *vips;
	struct entry e = {.pool = "", .leave = INT64_MAX};
	json_error_t error;
	int err;

	if (unknown)
		return state_file_fault(at, "unknown field \"%s\"", unknown);
	if (json_unpack_ex(json, &error, 0, "{s:s, s?s, s?I, s:I, s:o, s?o, s?I, s?I, s?I, s?b}",
			   "vip", &e.vip, "pool", &e.pool, "epoch", &e.epoch, "since", &e.since,
			   "now", &e.now, "old", &e.old, "soonest", &e.soonest, "limit", &e.limit,
			   "leave", &e.leave, "back", &e.back) != 0)
		return state_file_fault(at, "%s", error.text);
	fault = entry_fault(&e, json, generations);
	if (fault)
		return state_file_fault(at, "%s", fault);
	err = read_vip(&v, &e, at);
	if (err)
		return err;

	vips = reallocarray(generations->vips, generations->n + 1, sizeof(*vips));
	if (!vips)
		return -ENOMEM;
	generations->vips = vips;
	vips[generations->n++] = v;
	v = (struct generation_vip){0};
	return 0;
}

static const struct state_file generations_file = {
	.name = "generations.json",
	.version = 1,
	.list = "vips",
	.entry = "vip",
	.way_out = "move it away to start from what the config declares (flows that a change moved "
		   "may break)",
	.take = take_entry,
};

int generations_load(struct generations *out, const char *state_dir, struct diag *diag)
{
	_cleanup_(generations_fini) struct generations generations = {0};
	int err = state_file_read(&generations_file, state_dir, &generations, diag);

	if (err)
		return err;
	*out = generations;
	generations = (struct generations){0};
	return 0;
}

/* ------------------------------------------------------------------------------------- writing */

/* NULL: no memory. */
static json_t *member_json(const struct generation_member *m)
{
	char address[ADDR_TEXT_MAX];
	_cleanup_(json_decrefp) json_t *json =
		json_pack("{s:s, s:s, s:s, s:I, s:I}", "pool", m->pool, "backend", m->backend,
			  "address", addr_print(&m->address, address), "weight",
			  (json_int_t)m->weight, "hint", (json_int_t)m->hint);

	if (json && m->gone && json_object_set_new(json, "gone", json_true()) != 0)
		return NULL;
	if (json && m->disabled && json_object_set_new(json, "disabled", json_true()) != 0)
		return NULL;
	return TAKE(json);
}

/* NULL: no memory. */
static json_t *generation_json(const struct generation *g)
{
	_cleanup_(json_decrefp) json_t *members = json_array();

	for (size_t i = 0; i < g->n_members; i++)
		if (json_array_append_new(members, member_json(&g->members[i])) != 0)
			return NULL;
	return json_pack("{s:s, s:I, s:O}", "maglev", maglev_names[g->maglev], "ring_size",
			 (json_int_t)g->ring_size, "members", members);
}

/* Sets those fields that are not always there. 0 or -1. */
static int add_optional(json_t *json, const struct generation_vip *v)
{
	int err = 0;

	if (*v->pool)
		err |= json_object_set_new(json, "pool", json_string(v->pool));
	if (v->epoch)
		err |= json_object_set_new(json, "epoch", json_integer(v->epoch));
	if (v->moving && v->leave != INT64_MAX)
		err |= json_object_set_new(json, "leave", json_integer(v->leave));
	return err;
}

/* NULL: no memory. */
static json_t *vip_json(const struct generation_vip *v)
{
	_cleanup_(json_decrefp) json_t *json =
		json_pack("{s:s, s:I, s:o}", "vip", v->vip, "since", (json_int_t)v->since, "now",
			  generation_json(&v->now));
	_cleanup_(json_decrefp) json_t *move = NULL;

	if (!json || add_optional(json, v))
		return NULL;
	if (!v->moving)
		return TAKE(json);
	move = json_pack("{s:o, s:I, s:I, s:b}", "old", generation_json(&v->old), "soonest",
			 (json_int_t)v->soonest, "limit", (json_int_t)v->limit, "back", v->back);
	return move && json_object_update(json, move) == 0 ? TAKE(json) : NULL;
}

/* NULL: no memory. */
static json_t *list_json(const struct generations *generations)
{
	_cleanup_(json_decrefp) json_t *list = json_array();

	for (size_t i = 0; i < generations->n; i++)
		if (json_array_append_new(list, vip_json(&generations->vips[i])) != 0)
			return NULL;
	return TAKE(list);
}

int generations_save(const struct generations *generations, const char *state_dir,
		     struct diag *diag)
{
	_cleanup_(json_decrefp) json_t *list = list_json(generations);

	return state_file_write(&generations_file, state_dir, list, diag);
}
