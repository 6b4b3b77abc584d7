/* SPDX-License-Identifier: MIT */
/*
 * What is configured, what is counted, and what an order changed. Tables leave out what only tools
 * need (ids, MAC addresses); -j has everything.
 */
#include "control/print.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "control/outcome.h"
#include "control/print_parts.h"

static bool is_text(const json_t *object, const char *key, const char *text)
{
	return !strcmp(text_at(object, key), text);
}

/*
 * Writes @n with at most three digits and the suffix of the highest power of @base that it
 * reaches, rounded half up. @suffixes: one for each power from 0 on.
 */
static void print_scaled(char *text, size_t size, json_int_t n, unsigned int base,
			 const char *const *suffixes)
{
	unsigned long long v = n, unit = 1, tenths, whole;
	unsigned int power = 0;

	if (n < 0) {
		snprintf(text, size, "-");
		return;
	}
	for (whole = v; whole >= base; whole = v / unit + (v % unit >= unit - unit / 2)) {
		unit *= base;
		power++;
	}
	tenths = v / unit * 10 + (v % unit * 10 + unit / 2) / unit;
	if (power && tenths < 1000)
		snprintf(text, size, "%llu.%llu%s", tenths / 10, tenths % 10, suffixes[power]);
	else
		snprintf(text, size, "%llu%s", whole, suffixes[power]);
}

const char *print_count(char text[PRINT_COUNT_MAX], json_int_t n)
{
	static const char *const suffixes[] = {"", "k", "M", "G", "T", "P", "E"};

	print_scaled(text, PRINT_COUNT_MAX, n, 1000, suffixes);
	return text;
}

const char *print_bytes(char text[PRINT_BYTES_MAX], json_int_t n)
{
	static const char *const suffixes[] = {" B",   " KiB", " MiB", " GiB",
					       " TiB", " PiB", " EiB"};

	print_scaled(text, PRINT_BYTES_MAX, n, 1024, suffixes);
	return text;
}

static void add_count(struct table *t, const json_t *object, const char *key)
{
	char text[PRINT_COUNT_MAX];

	table_add(t, "%s", print_count(text, number_at(object, key)));
}

static void add_bytes(struct table *t, const json_t *object, const char *key)
{
	char text[PRINT_BYTES_MAX];

	table_add(t, "%s", print_bytes(text, number_at(object, key)));
}

/* "1 backend", "2 backends", "- backends". */
static const char *counted(char text[PRINT_CELL_MAX], const json_t *object, const char *key,
			   const char *one, const char *more)
{
	json_int_t n = number_at(object, key);

	if (n < 0)
		snprintf(text, PRINT_CELL_MAX, "- %s", more);
	else
		snprintf(text, PRINT_CELL_MAX, "%" JSON_INTEGER_FORMAT " %s", n,
			 n == 1 ? one : more);
	return text;
}

int print_json(FILE *out, const json_t *document, bool all)
{
	_cleanup_(freep) char *text = json_dumps(document, JSON_INDENT(2));

	(void)all;
	if (!text)
		return -ENOMEM;
	fprintf(out, "%s\n", text);
	return 0;
}

int print_json_line(FILE *out, const json_t *document, bool all)
{
	_cleanup_(freep) char *text = json_dumps(document, JSON_COMPACT);

	(void)all;
	if (!text)
		return -ENOMEM;
	fprintf(out, "%s\n", text);
	return 0;
}

/* ------------------------------------------------------------------------------------- status */

/* "45 s", "3 min", "2 h 5 min", "7 d 3 h". */
static const char *duration(char text[PRINT_CELL_MAX], json_int_t s)
{
	long long n = s;

	if (n < 0)
		snprintf(text, PRINT_CELL_MAX, "-");
	else if (n < 60)
		snprintf(text, PRINT_CELL_MAX, "%lld s", n);
	else if (n < 3600)
		snprintf(text, PRINT_CELL_MAX, "%lld min", n / 60);
	else if (n < 86400)
		snprintf(text, PRINT_CELL_MAX, "%lld h %lld min", n / 3600, n / 60 % 60);
	else
		snprintf(text, PRINT_CELL_MAX, "%lld d %lld h", n / 86400, n / 3600 % 24);
	return text;
}

static void add_status(struct table *t, const json_t *doc)
{
	json_int_t unresolved = number_at(doc, "unresolved_backends");
	json_int_t changes = number_at(doc, "operator_changes");
	json_int_t down = number_at(doc, "down_backends");
	json_int_t moving = number_at(doc, "moving_vips");
	const json_t *vip;
	char cell[PRINT_CELL_MAX];
	size_t i;

	table_add(t, "sluiced");
	table_add(t, "%s, up %s", text_at(doc, "version"),
		  duration(cell, number_at(doc, "uptime_s")));
	table_add(t, "process");
	add_number(t, doc, "pid");
	table_add(t, "config");
	table_add(t, "%s", text_at(doc, "config"));
	table_add(t, "loaded");
	table_add(t, "%s", moment(cell, number_at(doc, "loaded_at")));
	table_add(t, "pinned in");
	table_add(t, "%s", text_at(doc, "pin_dir"));
	table_add(t, "state in");
	table_add(t, "%s", text_at(doc, "state_dir"));
	table_add(t, "map memory");
	add_bytes(t, doc, "memory_bytes");
	table_add(t, "VIPs");
	add_number(t, doc, "vips");
	table_add(t, "backends");
	add_number(t, doc, "backends");
	if (unresolved > 0) {
		table_add(t, "%s", "");
		table_add(t, "%" JSON_INTEGER_FORMAT " without a usable next hop", unresolved);
	}
	if (changes > 0) {
		table_add(t, "%s", "");
		table_add(t, "%" JSON_INTEGER_FORMAT " changed by the operator", changes);
	}
	if (down > 0) {
		table_add(t, "%s", "");
		table_add(t, "%" JSON_INTEGER_FORMAT " down, by their checks", down);
	}
	if (moving > 0) {
		table_add(t, "moving");
		table_add(t, "%" JSON_INTEGER_FORMAT " VIPs, until their flows have settled",
			  moving);
	}
	json_array_foreach (json_object_get(doc, "panic_vips"), i, vip) {
		table_add(t, "%s", i ? "" : "panic");
		table_add(t, "VIP %s: too few backends are up, so those down are used, too",
			  json_string_value(vip));
	}
}

int print_status(FILE *out, const json_t *document, bool all)
{
	static const struct table_column facts_columns[] = {{"", false}, {"", false}};
	static const struct table_column ports_columns[] = {{"INTERFACE", false},
							    {"INDEX", true},
							    {"MODE", false},
							    {"ATTACHED", false},
							    {"PROGRAM", true}};
	_cleanup_(table_freep) struct table *facts = table_new(COLUMNS(facts_columns));
	_cleanup_(table_freep) struct table *ports = table_new(COLUMNS(ports_columns));
	const json_t *interface;
	size_t i;
	int err;

	(void)all;
	if (!facts || !ports)
		return -ENOMEM;
	add_status(facts, document);
	json_array_foreach (json_object_get(document, "interfaces"), i, interface) {
		table_add(ports, "%s", text_at(interface, "name"));
		add_number(ports, interface, "ifindex");
		table_add(ports, "%s", text_at(interface, "mode"));
		table_add(ports, "%s", text_at(interface, "attach"));
		add_number(ports, interface, "program_id");
	}
	err = table_print(facts, out, 0);
	if (err || !json_array_size(json_object_get(document, "interfaces")))
		return err;
	fputc('\n', out);
	return table_print(ports, out, 0);
}

/* --------------------------------------------------------------------------- VIPs and backends */

/* "198.18.0.80:80/tcp", "[2001:db8::80]:80/tcp"; port 0, every port, is "*". */
static void add_service(struct table *t, const json_t *vip)
{
	const char *address = text_at(vip, "address");
	bool v6 = strchr(address, ':');
	json_int_t port = number_at(vip, "port");
	char text[24] = "-";

	if (port > 0)
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, port);
	else if (!port)
		snprintf(text, sizeof(text), "*");
	table_add(t, "%s%s%s:%s/%s", v6 ? "[" : "", address, v6 ? "]" : "", text,
		  text_at(vip, "protocol"));
}

/* Two numbers as "A/B". */
static void add_fraction(struct table *t, json_int_t a, json_int_t b)
{
	if (a < 0 || b < 0)
		table_add(t, "-");
	else
		table_add(t, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT, a, b);
}

int print_vips(FILE *out, const json_t *document, bool all)
{
	static const struct table_column columns[] = {
		{"VIP", false},  {"SERVICE", false}, {"POOL", false}, {"ACTIVE", true},
		{"RING", false}, {"PACKETS", true},  {"BYTES", true}, {"DROPPED", true},
	};
	_cleanup_(table_freep) struct table *t = table_new(COLUMNS(columns));
	const json_t *vips = json_object_get(document, "vips");
	const json_t *vip;
	size_t i;

	(void)all;
	if (!t)
		return -ENOMEM;
	json_array_foreach (vips, i, vip) {
		json_int_t size = number_at(vip, "ring_size");

		table_add(t, "%s", text_at(vip, "name"));
		add_service(t, vip);
		table_add(t, "%s", text_at(vip, "pool"));
		add_fraction(t, number_at(vip, "active"), number_at(vip, "backends"));
		if (size < 0)
			table_add(t, "%s", text_at(vip, "maglev"));
		else
			table_add(t, "%s/%" JSON_INTEGER_FORMAT, text_at(vip, "maglev"), size);
		add_count(t, vip, "packets");
		add_bytes(t, vip, "bytes");
		add_count(t, vip, "dropped");
	}
	if (!json_array_size(vips)) {
		fputs("no VIPs\n", out);
		return 0;
	}
	return table_print(t, out, 0);
}

/* The way to a backend, or what is wrong with it. */
static void add_nexthop(struct table *t, const json_t *nexthop)
{
	const char *state = text_at(nexthop, "state");
	const char *interface = text_at(nexthop, "interface");

	if (!strcmp(state, "ready"))
		table_add(t, "%s", interface);
	else if (!strcmp(state, "static"))
		table_add(t, "%s static", interface);
	else
		table_add(t, "%s", strcmp(state, "no_route") ? state : "no route");
}

/* Who a value comes from, if not from the config. */
static const char *by_mark(const json_t *backend, const char *key, bool *by_operator,
			   bool *by_check)
{
	if (is_text(backend, key, "operator")) {
		*by_operator = true;
		return "*";
	}
	if (is_text(backend, key, "check")) {
		*by_check = true;
		return "+";
	}
	return "";
}

/* Tunnels that were found to lose what clients send. */
static void print_narrow_tunnels(FILE *out, const json_t *backends)
{
	const json_t *backend;
	size_t i;

	json_array_foreach (backends, i, backend) {
		json_int_t carries = number_at(backend, "tunnel_carries");
		json_int_t full = number_at(backend, "tunnel_full");

		if (carries > 0 && carries < full)
			fprintf(out,
				"%s of %s: its tunnel carries packets of %" JSON_INTEGER_FORMAT
				" bytes at most, clients send %" JSON_INTEGER_FORMAT "\n",
				text_at(backend, "name"), text_at(backend, "pool"), carries, full);
	}
}

int print_backends(FILE *out, const json_t *document, bool all)
{
	static const struct table_column columns[] = {
		{"BACKEND", false}, {"POOL", false},     {"ADDRESS", false}, {"STATE", false},
		{"WEIGHT", true},   {"NEXT HOP", false}, {"PACKETS", true},  {"BYTES", true},
	};
	_cleanup_(table_freep) struct table *t = table_new(COLUMNS(columns));
	const json_t *backends = json_object_get(document, "backends");
	const json_t *backend;
	bool by_operator = false, by_check = false;
	size_t i;
	int err;

	(void)all;
	if (!t)
		return -ENOMEM;
	json_array_foreach (backends, i, backend) {
		const char *state = by_mark(backend, "state_by", &by_operator, &by_check);
		const char *weight = by_mark(backend, "weight_by", &by_operator, &by_check);
		json_int_t n = number_at(backend, "weight");
		char text[24] = "-";

		if (n >= 0)
			snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, n);
		table_add(t, "%s", text_at(backend, "name"));
		table_add(t, "%s", text_at(backend, "pool"));
		table_add(t, "%s", text_at(backend, "address"));
		table_add(t, "%s%s%s", is_text(backend, "health", "down") ? "down, " : "",
			  text_at(backend, "state"), state);
		table_add(t, "%s%s", text, weight);
		add_nexthop(t, json_object_get(backend, "nexthop"));
		add_count(t, backend, "packets");
		add_bytes(t, backend, "bytes");
	}
	if (!json_array_size(backends)) {
		fputs("no backends\n", out);
		return 0;
	}
	err = table_print(t, out, 0);
	if (err)
		return err;
	if (by_operator)
		fputs("* by the operator, not the config\n", out);
	if (by_check)
		fputs("+ by its check: slow start, or what its agent asks for\n", out);
	print_narrow_tunnels(out, backends);
	return 0;
}

/* ----------------------------------------------------------------------------------- counters */

/* What the name of an outcome or an event means. */
static const char *counter_text(const char *name)
{
	enum sluice_outcome outcome;
	enum sluice_event event;

	if (!outcome_find(&outcome, name))
		return outcome_text(outcome);
	return event_find(&event, name) ? "" : event_text(event);
}

/* Rows for the counters that are not zero, or all. true: there were some. */
static bool add_counters(struct table *t, const json_t *counters, bool all)
{
	const char *name;
	json_t *value;
	bool some = false;

	json_object_foreach ((json_t *)counters, name, value) {
		if (!json_integer_value(value) && !all)
			continue;
		some = true;
		table_add(t, "%s", name);
		add_count(t, counters, name);
		table_add(t, "%s", counter_text(name));
	}
	return some;
}

/* Outcomes, and what happened beside, of @object under @heading. */
static int print_outcomes(FILE *out, const char *heading, const json_t *outcomes,
			  const json_t *events, bool all)
{
	static const struct table_column columns[] = {{"", false}, {"", true}, {"", false}};
	_cleanup_(table_freep) struct table *t = table_new(COLUMNS(columns));
	bool some;

	if (!t)
		return -ENOMEM;
	some = add_counters(t, outcomes, all);
	some |= add_counters(t, events, all);
	fprintf(out, "%s%s\n", heading, some ? "" : ": nothing counted");
	return table_print(t, out, 2);
}

int print_counters(FILE *out, const json_t *document, bool all)
{
	const json_t *vip;
	size_t i;
	int err;

	err = print_outcomes(out, "total", json_object_get(document, "total"),
			     json_object_get(document, "events"), all);
	json_array_foreach (json_object_get(document, "vips"), i, vip) {
		char heading[PRINT_CELL_MAX];

		if (err)
			return err;
		snprintf(heading, sizeof(heading), "vip %s", text_at(vip, "name"));
		err = print_outcomes(out, heading, json_object_get(vip, "counters"),
				     json_object_get(vip, "events"), all);
	}
	return err;
}

int print_changed(FILE *out, const json_t *document, bool all)
{
	static const struct table_column columns[] = {
		{"BACKEND", false}, {"POOL", false}, {"STATE", false}, {"WEIGHT", true}};
	_cleanup_(table_freep) struct table *t = table_new(COLUMNS(columns));
	const json_t *backend;
	char slots[PRINT_CELL_MAX];
	size_t i;
	int err;

	(void)all;
	if (!t)
		return -ENOMEM;
	json_array_foreach (json_object_get(document, "backends"), i, backend) {
		table_add(t, "%s", text_at(backend, "name"));
		table_add(t, "%s", text_at(backend, "pool"));
		table_add(t, "%s", text_at(backend, "state"));
		add_number(t, backend, "weight");
	}
	err = table_print(t, out, 0);
	if (err)
		return err;
	fprintf(out, "%s written\n",
		counted(slots, document, "slots_written", "ring slot", "ring slots"));
	return 0;
}

int print_reload(FILE *out, const json_t *document, bool all)
{
	const json_t *changes = json_object_get(document, "changes");
	char vips[PRINT_CELL_MAX], backends[PRINT_CELL_MAX], slots[PRINT_CELL_MAX];
	const json_t *change;
	size_t i;

	(void)all;
	json_array_foreach (changes, i, change) {
		const char *text = json_string_value(change);

		fprintf(out, "%s\n", text ? text : "-");
	}
	if (!json_array_size(changes))
		fputs("nothing changed\n", out);
	fprintf(out, "%s, %s, %s written\n", counted(vips, document, "vips", "VIP", "VIPs"),
		counted(backends, document, "backends", "backend", "backends"),
		counted(slots, document, "slots_written", "ring slot", "ring slots"));
	return 0;
}
