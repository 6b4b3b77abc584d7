/* SPDX-License-Identifier: MIT */
/*
 * What the checks found: a line a stream, and below it the last results where one backend was asked
 * for; and news, as they come.
 */
#include "control/print.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "control/print_parts.h"

#define RESULTS_OF 4 /* streams; where there are more, their results are left out */

/* "tcp 198.18.0.80:80 in the tunnel" */
static void add_target(struct table *t, const json_t *stream)
{
	const char *target = text_at(stream, "target");
	bool v6 = strchr(target, ':');

	table_add(t, "%s %s%s%s:%" JSON_INTEGER_FORMAT "%s", text_at(stream, "check"),
		  v6 ? "[" : "", target, v6 ? "]" : "", number_at(stream, "port"),
		  strcmp(text_at(stream, "via"), "tunnel") == 0 ? " in tunnel" : "");
}

/* "down, 1 of 2" while results speak against it. */
static void add_state(struct table *t, const json_t *stream)
{
	json_int_t count = number_at(stream, "count");

	if (count > 0)
		table_add(t, "%s, %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " against",
			  text_at(stream, "state"), count, number_at(stream, "of"));
	else
		table_add(t, "%s", text_at(stream, "state"));
}

static void add_since(struct table *t, const json_t *stream)
{
	json_int_t since = number_at(stream, "since");
	char text[PRINT_CELL_MAX];

	table_add(t, "%s", moment(text, since ? since : -1));
}

static void add_next(struct table *t, const json_t *stream)
{
	json_int_t next_ms = number_at(stream, "next_ms");

	if (json_is_true(json_object_get(stream, "running")))
		table_add(t, "now");
	else if (next_ms < 0)
		table_add(t, "-");
	else
		table_add(t, "%.1f s", (double)next_ms / 1000);
}

static int print_table(FILE *out, const json_t *streams)
{
	static const struct table_column columns[] = {{"BACKEND", false}, {"CHECK", false},
						      {"STATE", false},   {"SINCE", false},
						      {"NEXT", true},     {"LAST RESULT", false}};
	_cleanup_(table_freep) struct table *t = table_new(COLUMNS(columns));
	const json_t *stream;
	size_t i;

	if (!t)
		return -ENOMEM;
	json_array_foreach (streams, i, stream) {
		table_add(t, "%s", text_at(stream, "backend"));
		add_target(t, stream);
		add_state(t, stream);
		add_since(t, stream);
		add_next(t, stream);
		table_add(t, "%s", text_at(stream, "reason"));
	}
	return table_print(t, out, 0);
}

static void print_results(FILE *out, const json_t *stream)
{
	const json_t *result;
	size_t i;

	fprintf(out,
		"\n%s, %s:%" JSON_INTEGER_FORMAT ", the latest first:", text_at(stream, "backend"),
		text_at(stream, "target"), number_at(stream, "port"));
	json_array_foreach (json_object_get(stream, "last"), i, result)
		fprintf(out, "%s %s %.1f ms", i ? "," : "", text_at(result, "result"),
			(double)number_at(result, "duration_us") / 1000);
	fputs("\n", out);
}

int print_health(FILE *out, const json_t *document, bool all)
{
	const json_t *streams = json_object_get(document, "streams"), *stream;
	int err;
	size_t i;

	(void)all;
	if (!json_array_size(streams)) {
		fputs("no checks\n", out);
		return 0;
	}
	err = print_table(out, streams);
	if (err || json_array_size(streams) > RESULTS_OF)
		return err;
	json_array_foreach (streams, i, stream)
		print_results(out, stream);
	return 0;
}

int print_event(FILE *out, const json_t *document, bool all)
{
	char text[PRINT_CELL_MAX];

	(void)all;
	fprintf(out, "%s  %s\n", moment(text, number_at(document, "time")),
		text_at(document, "text"));
	return 0;
}
