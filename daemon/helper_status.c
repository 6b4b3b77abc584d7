/* SPDX-License-Identifier: MIT */
/*
 * Everything comes from the pins; whether sluice-helper runs, from its lock on their directory.
 */
#include "daemon/helper_status.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/file.h>

#include "config/cleanup.h"
#include "daemon/attach.h"
#include "daemon/helper_program.h"

_Static_assert(sizeof(struct helper_counters) % sizeof(uint64_t) == 0, "summed as words");

#define TABLE_NAME(NAME, name, text) name,
#define TABLE_TEXT(NAME, name, text) text,

static const char *const outcome_names[] = {HELPER_OUTCOMES(TABLE_NAME)};
static const char *const outcome_texts[] = {HELPER_OUTCOMES(TABLE_TEXT)};
static const char *const reason_names[] = {HELPER_REASONS(TABLE_NAME)};
static const char *const reason_texts[] = {HELPER_REASONS(TABLE_TEXT)};

struct status {
	const char *pin_dir;
	bool running;
	json_t *ports; /* names */
	size_t hints;
	struct helper_counters counters;
};

int helper_status_counters(int map_fd, struct helper_counters *out)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_(freep) struct helper_counters *values =
		calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*values));
	uint32_t key = 0;

	if (cpus < 0 || !values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(map_fd, &key, values))
		return -errno;
	memset(out, 0, sizeof(*out));
	for (int cpu = 0; cpu < cpus; cpu++) {
		const uint64_t *word = (const uint64_t *)&values[cpu];

		for (size_t i = 0; i < sizeof(*out) / sizeof(*word); i++)
			((uint64_t *)out)[i] += word[i];
	}
	return 0;
}

/* -------------------------------------------------------------------------------------- collect */

static bool is_locked(const char *pin_dir)
{
	_cleanup_(closep) int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static void add_port(void *ctx, const char *ifname)
{
	json_t *ports = ctx;
	json_t *port;
	size_t i;

	json_array_foreach (ports, i, port)
		if (strcmp(json_string_value(port), ifname) == 0)
			return;
	json_array_append_new(ports, json_string(ifname));
}

static size_t count_keys(int map_fd)
{
	uint32_t key, *previous = NULL;
	size_t n = 0;

	for (; bpf_map_get_next_key(map_fd, previous, &key) == 0; n++)
		previous = &key;
	return n;
}

static int collect(struct status *s, const char *pin_dir)
{
	_cleanup_(closep) int counters = helper_pins_open(pin_dir, HELPER_MAP_COUNTERS);
	_cleanup_(closep) int hints = -1;

	if (counters < 0)
		return -errno;
	hints = helper_pins_open(pin_dir, HELPER_MAP_HINTS);
	s->pin_dir = pin_dir;
	s->running = is_locked(pin_dir);
	s->ports = json_array();
	s->hints = hints < 0 ? 0 : count_keys(hints);
	attach_each(pin_dir, add_port, s->ports);
	return s->ports ? helper_status_counters(counters, &s->counters) : -ENOMEM;
}

/* ---------------------------------------------------------------------------------------- print */

static json_t *counts(const char *const *names, const __u64 *values, size_t n)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(object, names[i], json_integer((json_int_t)values[i]));
	return object;
}

static int print_json(FILE *out, const struct status *s)
{
	json_t *document =
		json_pack("{s:s, s:s, s:b, s:O, s:I, s:o, s:o}", "version", SLUICE_VERSION,
			  "pin_dir", s->pin_dir, "running", s->running, "ports", s->ports, "hints",
			  (json_int_t)s->hints, "outcomes",
			  counts(outcome_names, s->counters.outcome, HELPER_OUT_MAX), "kept",
			  counts(reason_names, s->counters.kept, HELPER_KEPT_MAX));
	int err = document ? json_dumpf(document, out, JSON_INDENT(2)) : -1;

	json_decref(document);
	fputc('\n', out);
	return err ? -ENOMEM : 0;
}

static void print_counts(FILE *out, const char *title, const char *const *names,
			 const char *const *texts, const __u64 *values, size_t n)
{
	fprintf(out, "\n%-14s %12s\n", title, "PACKETS");
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%-14s %12llu  %s\n", names[i], values[i], texts[i]);
}

static void print_table(FILE *out, const struct status *s)
{
	json_t *port;
	size_t i;

	fprintf(out, "sluice-helper  %s\nports         ",
		s->running ? "runs" : "does not run; its program goes on");
	json_array_foreach (s->ports, i, port)
		fprintf(out, " %s", json_string_value(port));
	fprintf(out, "%s\nhints          %zu backends\n", i ? "" : " none", s->hints);
	print_counts(out, "OUTCOME", outcome_names, outcome_texts, s->counters.outcome,
		     HELPER_OUT_MAX);
	print_counts(out, "HINT, BUT KEPT", reason_names, reason_texts, s->counters.kept,
		     HELPER_KEPT_MAX);
}

int helper_status_print(FILE *out, const char *pin_dir, bool json, struct diag *diag)
{
	struct status s = {0};
	int err = collect(&s, pin_dir);

	if (err == -ENOENT)
		diag_add(diag, NULL, 0,
			 "nothing of a sluice-helper is pinned in \"%s\"; --pin-dir names another "
			 "place",
			 pin_dir);
	else if (err)
		diag_add(diag, NULL, 0, "reading what is pinned in \"%s\": %s", pin_dir,
			 strerror(-err));
	else if (json)
		err = print_json(out, &s);
	else
		print_table(out, &s);
	json_decref(s.ports);
	return err;
}
