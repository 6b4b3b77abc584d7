/* SPDX-License-Identifier: MIT */
/*
 * Who owns a ring's slots and what moves in it, and the flows that are known.
 */
#include "control/print.h"

#include <errno.h>

#include "config/cleanup.h"
#include "control/print_parts.h"

/* A share of one as percent with one decimal. */
static void add_share(struct table *t, const json_t *object)
{
	table_add(t, "%.1f %%", 100.0 * json_real_value(json_object_get(object, "share")));
}

int print_ring(FILE *out, const json_t *document, bool all)
{
	static const struct table_column columns[] = {
		{"OWNER", false}, {"POOL", false}, {"STATE", false}, {"WEIGHT", true},
		{"SLOTS", true},  {"SHARE", true}, {"OLD", true},
	};
	_cleanup_(table_freep) struct table *t = table_new(COLUMNS(columns));
	bool moving = json_is_true(json_object_get(document, "moving"));
	const json_t *owner, *line;
	char text[PRINT_CELL_MAX];
	size_t i;

	(void)all;
	if (!t)
		return -ENOMEM;
	json_array_foreach (json_object_get(document, "owners"), i, owner) {
		table_add(t, "%s", text_at(owner, "name"));
		table_add(t, "%s", text_at(owner, "pool"));
		table_add(t, "%s", text_at(owner, "state"));
		add_number(t, owner, "weight");
		add_number(t, owner, "slots");
		add_share(t, owner);
		add_number(t, owner, "old_slots");
	}
	fprintf(out, "vip %s: %" JSON_INTEGER_FORMAT " slots, digest %s\n",
		text_at(document, "vip"), number_at(document, "ring_size"),
		text_at(document, "digest"));
	if (moving)
		fprintf(out,
			"moving: %" JSON_INTEGER_FORMAT
			" slots also have an old owner, settles by %s\n",
			number_at(document, "moving_slots"),
			moment(text, number_at(document, "settles_by")));
	json_array_foreach (json_object_get(document, "why"), i, line)
		fprintf(out, "  %s\n", json_string_value(line));
	if (json_object_get(document, "left_until"))
		fprintf(out, "  who left keeps its flows until %s\n",
			moment(text, number_at(document, "left_until")));
	return table_print(t, out, 0);
}

int print_digest(FILE *out, const json_t *document, bool all)
{
	static const struct table_column columns[] = {{"VIP", false}, {"DIGEST", false}};
	_cleanup_(table_freep) struct table *t = table_new(COLUMNS(columns));
	const json_t *vip;
	size_t i;

	(void)all;
	if (!t)
		return -ENOMEM;
	json_array_foreach (json_object_get(document, "vips"), i, vip) {
		table_add(t, "%s", text_at(vip, "name"));
		table_add(t, "%s", text_at(vip, "digest"));
	}
	table_add(t, "all");
	table_add(t, "%s", text_at(document, "all"));
	return table_print(t, out, 0);
}

int print_flows(FILE *out, const json_t *document, bool all)
{
	static const struct table_column columns[] = {
		{"BACKEND", false}, {"POOL", false}, {"FLOWS", true}};
	_cleanup_(table_freep) struct table *t = table_new(COLUMNS(columns));
	const json_t *backend;
	size_t i;

	(void)all;
	if (!t)
		return -ENOMEM;
	if (json_object_get(document, "purged")) {
		fprintf(out, "%" JSON_INTEGER_FORMAT " flows forgotten\n",
			number_at(document, "purged"));
		return 0;
	}
	json_array_foreach (json_object_get(document, "backends"), i, backend) {
		table_add(t, "%s", text_at(backend, "name"));
		table_add(t, "%s", text_at(backend, "pool"));
		add_number(t, backend, "flows");
	}
	fprintf(out,
		"room for %" JSON_INTEGER_FORMAT ", known: %" JSON_INTEGER_FORMAT
		" established, %" JSON_INTEGER_FORMAT " handshakes\n",
		number_at(document, "size"), number_at(document, "established"),
		number_at(document, "handshakes"));
	return json_array_size(json_object_get(document, "backends")) ? table_print(t, out, 0) : 0;
}

int print_settle(FILE *out, const json_t *document, bool all)
{
	(void)all;
	fprintf(out, "settled, %" JSON_INTEGER_FORMAT " ring slots written\n",
		number_at(document, "slots_written"));
	return 0;
}
