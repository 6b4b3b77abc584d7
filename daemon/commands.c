/* SPDX-License-Identifier: MIT */
/*
 * One table: a command's name and what answers it.
 */
#include "daemon/commands.h"

#include <string.h>

#include "daemon/log.h"
#include "daemon/report.h"
#include "daemon/report_flows.h"
#include "daemon/report_rings.h"

struct command {
	const char *name;
	json_t *(*run)(const struct command *command, struct engine *engine, const json_t *args,
		       struct diag *diag);
	json_t *(*report)(const struct engine_view *view); /* of those that only look */
	enum engine_order order;                           /* of those that order */
	bool watches;                                      /* who asks is sent events from now on */
};

static json_t *run_report(const struct command *command, struct engine *engine, const json_t *args,
			  struct diag *diag)
{
	struct engine_view view = engine_view(engine);

	(void)args;
	(void)diag;
	/* The document is a copy of what it tells of the view. */
	/* cppcheck-suppress returnDanglingLifetime */
	return command->report(&view);
}

/* The text of argument @key into @out. A missing optional one is NULL. false: refused. */
static bool text_argument(const json_t *args, const char *key, bool required, const char **out,
			  struct diag *diag)
{
	const json_t *value = json_object_get(args, key);

	*out = json_string_value(value);
	if (value ? *out != NULL : !required)
		return true;
	diag_add(diag, NULL, 0, "argument \"%s\" %s", key,
		 value ? "must be a string" : "is missing");
	return false;
}

static bool weight_argument(const json_t *args, unsigned int *out, struct diag *diag)
{
	const json_t *value = json_object_get(args, "weight");

	if (json_is_integer(value) && json_integer_value(value) >= 0 &&
	    json_integer_value(value) <= (json_int_t)MODEL_WEIGHT_MAX) {
		*out = (unsigned int)json_integer_value(value);
		return true;
	}
	diag_add(diag, NULL, 0,
		 "argument \"weight\" must be a number in %u..%u, or 0: the config's",
		 MODEL_WEIGHT_MIN, MODEL_WEIGHT_MAX);
	return false;
}

static json_t *run_order(const struct command *command, struct engine *engine, const json_t *args,
			 struct diag *diag)
{
	struct engine_result result = {0};
	const char *backend, *pool;
	struct engine_view view;
	unsigned int weight = 0;

	if (!text_argument(args, "backend", true, &backend, diag) ||
	    !text_argument(args, "pool", false, &pool, diag) ||
	    (command->order == ENGINE_WEIGHT && !weight_argument(args, &weight, diag)))
		return NULL;
	if (engine_order(engine, command->order, backend, pool, weight, &result, diag))
		return NULL;
	view = engine_view(engine);
	return report_ordered(&view, backend, pool, result.slots);
}

/*
 * The VIP that argument "vip" names, in @out (NULL: it is not given, and need not be). false:
 * refused.
 */
static bool vip_argument(struct engine *engine, const json_t *args, bool required, const char **out,
			 struct diag *diag)
{
	struct engine_view view = engine_view(engine);

	if (!text_argument(args, "vip", required, out, diag))
		return false;
	if (!*out || model_find_vip(view.model, *out))
		return true;
	diag_add(diag, NULL, 0, "there is no VIP \"%s\" (\"sluicectl vips\" lists them)", *out);
	return false;
}

static json_t *run_ring(const struct command *command, struct engine *engine, const json_t *args,
			struct diag *diag)
{
	struct engine_view view = engine_view(engine);
	const char *vip;

	(void)command;
	return vip_argument(engine, args, true, &vip, diag) ? report_ring(&view, vip) : NULL;
}

static json_t *run_flows(const struct command *command, struct engine *engine, const json_t *args,
			 struct diag *diag)
{
	struct engine_view view = engine_view(engine);
	const char *vip;

	(void)command;
	if (!vip_argument(engine, args, false, &vip, diag))
		return NULL;
	if (json_is_true(json_object_get(args, "purge")))
		return json_pack("{s:I}", "purged", (json_int_t)engine_purge_flows(engine, 0));
	return report_flows(&view, vip);
}

static json_t *run_settle(const struct command *command, struct engine *engine, const json_t *args,
			  struct diag *diag)
{
	struct engine_result result = {0};
	const char *vip;

	(void)command;
	if (!vip_argument(engine, args, false, &vip, diag) ||
	    engine_settle(engine, vip, &result, diag))
		return NULL;
	return json_pack("{s:I}", "slots_written", (json_int_t)result.slots);
}

static bool has_backend(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->n_pools; i++)
		if (model_find_backend(&model->pools[i], name))
			return true;
	return false;
}

static json_t *run_health(const struct command *command, struct engine *engine, const json_t *args,
			  struct diag *diag)
{
	struct engine_view view = engine_view(engine);
	const char *backend;

	(void)command;
	if (!text_argument(args, "backend", false, &backend, diag))
		return NULL;
	if (!backend || has_backend(view.model, backend))
		return health_report(view.health, backend);
	diag_add(diag, NULL, 0, "there is no backend \"%s\" (\"sluicectl backends\" lists them)",
		 backend);
	return NULL;
}

static json_t *report_watching(const struct engine_view *view)
{
	(void)view;
	return json_pack("{s:I}", "since", (json_int_t)time(NULL));
}

static void collect(void *ctx, const char *text)
{
	json_array_append_new(ctx, json_string(text));
}

static json_t *run_reload(const struct command *command, struct engine *engine, const json_t *args,
			  struct diag *diag)
{
	json_t *changes = json_array();
	struct engine_result result = {.change = collect, .ctx = changes};
	struct engine_view view;

	(void)command;
	if (engine_reload(engine, json_is_true(json_object_get(args, "now")), &result, diag)) {
		json_decref(changes);
		return NULL;
	}
	view = engine_view(engine);
	return json_pack("{s:I, s:I, s:I, s:o}", "vips", (json_int_t)view.desired->n_vips,
			 "backends", (json_int_t)view.desired->n_backends, "slots_written",
			 (json_int_t)result.slots, "changes", changes);
}

static const struct command commands[] = {
	{.name = "status", .run = run_report, .report = report_status},
	{.name = "vips", .run = run_report, .report = report_vips},
	{.name = "backends", .run = run_report, .report = report_backends},
	{.name = "counters", .run = run_report, .report = report_counters},
	{.name = "drain", .run = run_order, .order = ENGINE_DRAIN},
	{.name = "disable", .run = run_order, .order = ENGINE_DISABLE},
	{.name = "activate", .run = run_order, .order = ENGINE_ACTIVATE},
	{.name = "enable", .run = run_order, .order = ENGINE_ACTIVATE},
	{.name = "weight", .run = run_order, .order = ENGINE_WEIGHT},
	{.name = "reload", .run = run_reload},
	{.name = "digest", .run = run_report, .report = report_digest},
	{.name = "ring", .run = run_ring},
	{.name = "flows", .run = run_flows},
	{.name = "settle", .run = run_settle},
	{.name = "health", .run = run_health},
	{.name = "watch", .run = run_report, .report = report_watching, .watches = true},
};

json_t *commands_handle(void *engine, struct server_peer *peer, const json_t *request,
			struct diag *diag)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	const json_t *args = json_object_get(request, "args");
	json_t *reply;

	for (size_t i = 0; name && i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (commands[i].run != run_report)
			log_info("control: %s, asked for by user %u", name, peer->uid);
		peer->watches |= commands[i].watches;
		reply = commands[i].run(&commands[i], engine, args, diag);
		if (!reply && !diag->n)
			diag_add(diag, NULL, 0, "no memory");
		return reply;
	}
	diag_add(diag, NULL, 0,
		 "unknown command \"%s\": sluicectl and sluiced must be of one release",
		 name ? name : "");
	return NULL;
}
