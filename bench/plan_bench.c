/* SPDX-License-Identifier: MIT */
/*
 * From an edited config to the last slot written: a cold start of many VIPs, a reload that changes
 * one backend, one that changes nothing, and one backend that goes and comes back.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/balancer.h"
#include "bench/figures.h"
#include "bench/options.h"
#include "config/cleanup.h"
#include "config/model.h"
#include "daemon/log.h"

#define ROUNDS 5
#define ROUNDS_QUICK 1

static const char usage[] = "usage: plan-bench [-j] [--quick] [VIPS POOLS BACKENDS]\n"
			    "\n"
			    "How long changes take, from the config's text to the kernel's maps, "
			    "for VIPS that share POOLS of\n"
			    "BACKENDS each.\n"
			    "\n"
			    "  -j       one JSON document\n"
			    "  --quick  one round, fewer VIPs\n";

/* What is measured. */
enum step {
	STEP_COLD,    /* all from nothing */
	STEP_RELOAD,  /* the text with another weight of one backend */
	STEP_NOTHING, /* the same text again */
	STEP_DOWN,    /* one backend down, as by its health */
	STEP_UP,      /* and up again */
	STEP_MAX,
};

static const char *const step_names[STEP_MAX] = {
	[STEP_COLD] = "cold_start",     [STEP_RELOAD] = "reload_one_backend",
	[STEP_NOTHING] = "reload_same", [STEP_DOWN] = "backend_down",
	[STEP_UP] = "backend_up",
};

struct setup {
	unsigned int vips;
	unsigned int backends; /* of each pool */
	unsigned int pools;
	unsigned int rounds;
};

static const struct setup setups[] = {
	{.vips = 1, .pools = 1, .backends = 100},
	{.vips = 10, .pools = 1, .backends = 100},
	{.vips = 1000, .pools = 1, .backends = 100},
	{.vips = 1000, .pools = 100, .backends = 100},
};
enum {
	SETUPS = sizeof(setups) / sizeof(*setups)
};
#define QUICK_VIPS 50 /* at most */
#define QUICK_POOLS 10

struct result {
	struct setup setup;
	struct balancer_times times[STEP_MAX][ROUNDS];
	uint64_t memory;
};

/* -------------------------------------------------------------------------------------- configs */

static void write_pool(FILE *f, const struct setup *s, unsigned int pool, unsigned int weight)
{
	fprintf(f, "  { name = \"p%u\"; check = { type = \"tcp\"; }; backends = (", pool);
	for (unsigned int i = 0; i < s->backends; i++) {
		unsigned int host = pool * s->backends + i;

		fprintf(f, "%s\n    { name = \"b%u\"; address = \"10.%u.%u.%u\"; weight = %u; }",
			i ? "," : "", i, host >> 14, host >> 7 & 127, 1 + (host & 127),
			!pool && !i ? weight : 100);
	}
	fprintf(f, " ); }");
}

/* Backend 0 of pool 0 has the given weight. For the caller to free; NULL: no memory. */
static char *make_config(const struct setup *s, unsigned int weight)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f,
		"interfaces = ( { name = \"bench0\"; gateway_mac = \"02:00:00:00:00:03\"; } );\n");
	if (s->vips > MODEL_LIMIT_VIPS || s->pools * s->backends > MODEL_LIMIT_BACKENDS)
		fprintf(f, "limits = { vips = %u; backends = %u; };\n", s->vips,
			s->pools * s->backends);
	fprintf(f, "pools = (\n");
	for (unsigned int pool = 0; pool < s->pools; pool++) {
		write_pool(f, s, pool, weight);
		fprintf(f, "%s\n", pool + 1 < s->pools ? "," : " );");
	}
	fprintf(f, "vips = (\n");
	for (unsigned int i = 0; i < s->vips; i++)
		fprintf(f,
			"  { name = \"v%u\"; address = \"198.18.%u.%u\"; port = 80; protocol = "
			"\"tcp\"; "
			"pool = \"p%u\"; }%s\n",
			i, i >> 7, 1 + (i & 127), i % s->pools, i + 1 < s->vips ? "," : " );");
	return fclose(f) ? NULL : text;
}

/* ------------------------------------------------------------------------------------ measuring */

static int measure_round(struct result *r, unsigned int round, const char *text, const char *edited,
			 struct diag *diag)
{
	_cleanup_(balancer_freep) struct balancer *b = NULL;
	int err = balancer_new(&b);

	if (!err)
		err = balancer_load(b, text, &r->times[STEP_COLD][round], diag);
	if (!err)
		err = balancer_load(b, edited, &r->times[STEP_RELOAD][round], diag);
	if (!err)
		err = balancer_load(b, edited, &r->times[STEP_NOTHING][round], diag);
	if (!err)
		err = balancer_turn(b, "p0", "b0", false, &r->times[STEP_DOWN][round], diag);
	if (!err)
		err = balancer_turn(b, "p0", "b0", true, &r->times[STEP_UP][round], diag);
	if (!err)
		r->memory = balancer_memory(b);
	return err;
}

static int measure(struct result *r, const struct setup *setup, struct diag *diag)
{
	_cleanup_(freep) char *text = make_config(setup, 100);
	_cleanup_(freep) char *edited = make_config(setup, 200);
	int err = text && edited ? 0 : -ENOMEM;

	r->setup = *setup;
	for (unsigned int round = 0; round < setup->rounds && !err; round++)
		err = measure_round(r, round, text, edited, diag);
	return err;
}

/* ------------------------------------------------------------------------------------ reporting */

/* The parts of a change: name and where it is in struct balancer_times. */
static const struct part {
	const char *name;
	size_t offset;
} parts[] = {
	{"total_ms", offsetof(struct balancer_times, total)},
	{"load_ms", offsetof(struct balancer_times, load)},
	{"program_ms", offsetof(struct balancer_times, program)},
	{"desired_ms", offsetof(struct balancer_times, desired)},
	{"plan_ms", offsetof(struct balancer_times, plan)},
	{"apply_ms", offsetof(struct balancer_times, apply)},
};
enum {
	PARTS = sizeof(parts) / sizeof(*parts)
};

/* The round in which it was done soonest: whoever else uses the machine only makes it longer. */
static const struct balancer_times *best(const struct result *r, enum step step)
{
	const struct balancer_times *t = &r->times[step][0];

	for (unsigned int i = 1; i < r->setup.rounds; i++)
		if (r->times[step][i].total < t->total)
			t = &r->times[step][i];
	return t;
}

static double part_ms(const struct result *r, enum step step, const struct part *part)
{
	const char *times = (const char *)best(r, step);

	return (double)*(const uint64_t *)(times + part->offset) / 1e6;
}

static json_t *result_json(const struct result *r)
{
	json_t *steps = json_object();

	for (enum step step = 0; step < STEP_MAX; step++) {
		json_t *json = json_object();

		for (size_t i = 0; i < PARTS; i++)
			json_object_set_new(json, parts[i].name,
					    json_real(part_ms(r, step, &parts[i])));
		json_object_set_new(json, "slots_written",
				    json_integer((json_int_t)r->times[step][0].slots));
		json_object_set_new(steps, step_names[step], json);
	}
	return json_pack("{s:i, s:i, s:i, s:i, s:I, s:o}", "vips", (int)r->setup.vips, "backends",
			 (int)r->setup.backends, "pools", (int)r->setup.pools, "rounds",
			 (int)r->setup.rounds, "map_bytes", (json_int_t)r->memory, "steps", steps);
}

static void print_json(const struct result *results, size_t n)
{
	json_t *list = json_array(), *json = json_pack("{s:o}", "setups", list);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, result_json(&results[i]));
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void print_table(const struct result *r)
{
	printf("VIPs: %u, pools: %u, backends of each: %u, maps: %.1f MiB; ms\n", r->setup.vips,
	       r->setup.pools, r->setup.backends, (double)r->memory / (1 << 20));
	printf("%-20s", "");
	for (size_t i = 0; i < PARTS; i++)
		printf(" %10s", parts[i].name);
	printf(" %12s\n", "slots");
	for (enum step step = 0; step < STEP_MAX; step++) {
		printf("%-20s", step_names[step]);
		for (size_t i = 0; i < PARTS; i++)
			printf(" %10.2f", part_ms(r, step, &parts[i]));
		printf(" %12llu\n", (unsigned long long)r->times[step][0].slots);
	}
}

/* -------------------------------------------------------------------------------------- options */

struct options {
	bool json;
	bool quick;
	struct setup own; /* vips 0: those of the list */
};

static void read_options(struct options *o, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"quick", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "jh", long_options, NULL)) != -1) {
		if (option == 'j') {
			o->json = true;
		} else if (option == 'q') {
			o->quick = true;
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : 2);
		}
	}
	argv += optind;
	if (argc - optind == 3) {
		o->own.vips = options_number(argv[0], 1, 16384, usage);
		o->own.pools = options_number(argv[1], 1, 300, usage);
		o->own.backends = options_number(argv[2], 1, 4000, usage);
	} else if (argc != optind) {
		fputs(usage, stderr);
		exit(2);
	}
}

static struct setup choose(const struct options *o, size_t i)
{
	struct setup s = o->own.vips ? o->own : setups[i];

	s.rounds = o->quick ? ROUNDS_QUICK : ROUNDS;
	if (o->quick && !o->own.vips) {
		s.vips = s.vips > QUICK_VIPS ? QUICK_VIPS : s.vips;
		s.pools = s.pools > QUICK_POOLS ? QUICK_POOLS : s.pools;
	}
	return s;
}

int main(int argc, char **argv)
{
	static struct result results[SETUPS];
	_cleanup_(diag_fini) struct diag diag = {0};
	struct options options = {0};
	size_t n = 0;
	int err = 0;

	log_init(LOG_LEVEL_WARNING);
	read_options(&options, argc, argv);
	for (; n < (options.own.vips ? 1 : SETUPS) && !err; n++) {
		struct setup setup = choose(&options, n);

		err = measure(&results[n], &setup, &diag);
	}
	if (err) {
		log_diag(LOG_LEVEL_ERROR, &diag);
		if (!diag.n)
			log_error("plan-bench: %s", strerror(-err));
		return 1;
	}
	if (options.json)
		print_json(results, n);
	for (size_t i = 0; !options.json && i < n; i++)
		print_table(&results[i]);
	return 0;
}
