/* SPDX-License-Identifier: MIT */
/*
 * ns per packet of sluice's XDP program and of the baselines: cells (a scenario through a program)
 * are sampled in rounds, one after the other, so that what changes on the machine meets all of
 * them.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cell.h"
#include "bench/options.h"
#include "config/cleanup.h"
#include "daemon/log.h"

#define SCENARIOS_MAX 64
#define LRU_ENTRIES (1u << 22)
#define LRU_ENTRIES_QUICK (1u << 20)
#define ROUNDS 9
#define ROUNDS_QUICK 2
#define BLOCKS 512
#define BLOCKS_QUICK 96
#define EXTRA 3 /* so many times as many rounds as wanted, for those with few calm samples */

static const char usage[] =
	"usage: xdp-bench [-j] [OPTION...] [SCENARIO...]\n"
	"\n"
	"Measures ns per packet of the XDP program, and of baselines that do the same work.\n"
	"\n"
	"  -j                   one JSON document\n"
	"  --quick              few rounds: less than 20 s\n"
	"  --rounds N           calm samples of each program and scenario (9)\n"
	"  --cpu N              where to run (the last one)\n"
	"  --programs LIST      only these of sluice,floor,lru,lru-limited,object\n"
	"  --lru-entries N      flows that the LRU baseline can hold (4194304; quick: 1048576)\n"
	"  --object FILE[:PROG] another XDP program, from an object file\n"
	"  --id N               another XDP program, already loaded (see bpftool prog)\n"
	"  --list               names of scenarios and what they mean\n"
	"\n"
	"A SCENARIO is a name or words: v4|v6, ack|syn|udp, flows=N, random|sequential|fresh,\n"
	"vips=1|2|4|8|16, tracked=PERCENT, size=N, gue, pass, full; or "
	"helper=pass|socket|redirect,\n"
	"through the helper's program; as in \"v6,syn,flows=100k\". "
	"None: all that "
	"have a name.\n";

struct bench {
	struct targets_options options;
	bool json;
	bool quick;
	bool left_out[TARGET_MAX];
	unsigned int rounds;
	struct scenario scenarios[SCENARIOS_MAX];
	size_t n_scenarios;
	struct targets *targets;
	struct cell *cells; /* scenario by scenario */
	size_t n_cells;
	double calm; /* ns: the shortest calibration */
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

/* -------------------------------------------------------------------------------------- options */

enum {
	OPT_QUICK = 256,
	OPT_ROUNDS,
	OPT_CPU,
	OPT_PROGRAMS,
	OPT_LRU,
	OPT_OBJECT,
	OPT_ID,
	OPT_LIST
};

static const struct option long_options[] = {
	{"quick", no_argument, NULL, OPT_QUICK},
	{"rounds", required_argument, NULL, OPT_ROUNDS},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"programs", required_argument, NULL, OPT_PROGRAMS},
	{"lru-entries", required_argument, NULL, OPT_LRU},
	{"object", required_argument, NULL, OPT_OBJECT},
	{"id", required_argument, NULL, OPT_ID},
	{"list", no_argument, NULL, OPT_LIST},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static void list(void)
{
	for (const struct scenario_row *row = scenario_list; row->name; row++)
		printf("%-24s %s\n", row->name, row->words);
}

static void choose_programs(struct bench *b, char *names)
{
	for (enum target_kind kind = 0; kind < TARGET_MAX; kind++)
		b->left_out[kind] = true;
	for (char *name = strsep(&names, ","); name; name = strsep(&names, ",")) {
		enum target_kind kind = 0;

		while (kind < TARGET_MAX && strcmp(name, target_name(kind)) != 0)
			kind++;
		if (kind == TARGET_MAX) {
			fprintf(stderr, "\"%s\" is not a program\n%s", name, usage);
			exit(2);
		}
		b->left_out[kind] = false;
	}
}

static void read_options(struct bench *b, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "jh", long_options, NULL)) != -1) {
		switch (option) {
		case 'j':
			b->json = true;
			break;
		case OPT_QUICK:
			b->quick = true;
			break;
		case OPT_ROUNDS:
			b->rounds = options_number(optarg, 1, CELL_ROUNDS_MAX / EXTRA, usage);
			break;
		case OPT_CPU:
			b->options.cpu = (int)options_number(optarg, 0, 1023, usage);
			break;
		case OPT_PROGRAMS:
			choose_programs(b, optarg);
			break;
		case OPT_LRU:
			b->options.lru_entries = options_number(optarg, 1, 1u << 28, usage);
			break;
		case OPT_OBJECT:
			b->options.object = optarg;
			break;
		case OPT_ID:
			b->options.object_id = options_number(optarg, 1, UINT32_MAX, usage);
			break;
		case OPT_LIST:
			list();
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
}

static int add_scenario(struct bench *b, const char *text, struct diag *diag)
{
	int err;

	if (b->n_scenarios == SCENARIOS_MAX) {
		diag_add(diag, NULL, 0, "more than %d scenarios", SCENARIOS_MAX);
		return -E2BIG;
	}
	err = scenario_parse(&b->scenarios[b->n_scenarios], text, diag);
	if (!err)
		b->n_scenarios++;
	return err;
}

static int read_scenarios(struct bench *b, char **names, struct diag *diag)
{
	int err = 0;

	for (char **name = names; *name && !err; name++)
		err = add_scenario(b, *name, diag);
	for (const struct scenario_row *row = scenario_list; !*names && row->name && !err; row++)
		err = add_scenario(b, row->name, diag);
	return err;
}

/* ------------------------------------------------------------------------------------ measuring */

static int open_cells(struct bench *b, struct diag *diag)
{
	int err = 0;

	b->cells = calloc(b->n_scenarios * TARGET_MAX, sizeof(*b->cells));
	if (!b->cells)
		return -ENOMEM;
	for (size_t i = 0; i < b->n_scenarios; i++) {
		for (enum target_kind kind = 0; kind < TARGET_MAX && !err; kind++) {
			if (b->left_out[kind] || !targets_serve(b->targets, kind, &b->scenarios[i]))
				continue;
			err = cell_open(&b->cells[b->n_cells], b->targets, &b->scenarios[i], kind,
					(unsigned int)b->n_cells, diag);
			b->n_cells += !err;
		}
	}
	return err;
}

static size_t calm_samples(const struct bench *b, const struct cell *cell)
{
	size_t n = 0;

	for (unsigned int i = 0; i < CELL_ROUNDS_MAX; i++)
		n += cell->samples[i].calibration && !cell_is_busy(cell, i, b->calm);
	return n;
}

/* One more sample of each cell of the scenario if one of them has too few. */
static int sample_scenario(struct bench *b, struct cell *cells, size_t n, unsigned int round,
			   struct diag *diag)
{
	unsigned int blocks = b->quick ? BLOCKS_QUICK : BLOCKS;
	bool wanted = false;
	int err = 0;

	for (size_t i = 0; i < n; i++)
		wanted |= calm_samples(b, &cells[i]) < b->rounds;
	for (size_t i = 0; wanted && i < n && !err; i++) {
		err = stopped ? -EINTR : cell_sample(&cells[i], b->targets, round, blocks, diag);
		if (!err && cells[i].samples[round].calibration < b->calm)
			b->calm = cells[i].samples[round].calibration;
	}
	return err;
}

static int sample_all(struct bench *b, struct diag *diag)
{
	unsigned int rounds = b->quick ? b->rounds : EXTRA * b->rounds;
	int err = 0;

	b->calm = figures_calibrate_ns();
	for (unsigned int round = 0; round < rounds && !err; round++) {
		for (size_t i = 0, n; i < b->n_cells && !err; i += n) {
			for (n = 1;
			     i + n < b->n_cells && b->cells[i + n].scenario == b->cells[i].scenario;
			     n++)
				;
			err = sample_scenario(b, &b->cells[i], n, round, diag);
		}
	}
	return err;
}

/* ------------------------------------------------------------------------------------ reporting */

static const struct cell *find_cell(const struct bench *b, const struct scenario *scenario,
				    enum target_kind kind)
{
	for (size_t i = 0; i < b->n_cells; i++)
		if (b->cells[i].scenario == scenario && b->cells[i].kind == kind)
			return &b->cells[i];
	return NULL;
}

static double ratio(const struct bench *b, const struct scenario *scenario, enum target_kind of,
		    enum target_kind to)
{
	const struct cell *x = find_cell(b, scenario, to), *y = find_cell(b, scenario, of);

	return x && y ? cell_ratio(x, y, b->calm) : 0;
}

static json_t *rounded(double value)
{
	return json_real((double)(long)(value * 100 + (value < 0 ? -0.5 : 0.5)) / 100);
}

static json_t *cell_json(const struct bench *b, const struct cell *cell)
{
	static const char *const actions[] = {"ABORTED", "DROP", "PASS", "TX", "REDIRECT"};
	size_t calm;
	struct figures figures = cell_figures(cell, b->calm, &calm);
	struct figures driver = cell_driver_figures(cell);
	json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:i, s:i, s:s}", "ns",
				 rounded(figures.median), "low", rounded(figures.low), "high",
				 rounded(figures.high), "driver_ns", rounded(driver.median),
				 "samples", (int)driver.n, "calm_samples", (int)calm, "action",
				 (unsigned int)cell->answered < 5 ? actions[cell->answered] : "?");

	if (cell->known >= 0)
		json_object_set_new(json, "known_flows", rounded(cell->known));
	return json;
}

static void set_ratio(json_t *json, const char *name, double value)
{
	if (value > 0)
		json_object_set_new(json, name, rounded(value));
}

static const char *tunnel_name(const struct scenario *s)
{
	return s->pass || s->helper ? "none" : s->gue ? "gue" : "ip";
}

static json_t *scenario_json(const struct bench *b, const struct scenario *s)
{
	json_t *programs = json_object(), *ratios = json_object();

	for (enum target_kind kind = 0; kind < TARGET_MAX; kind++) {
		const struct cell *cell = find_cell(b, s, kind);

		if (cell)
			json_object_set_new(programs, target_name(kind), cell_json(b, cell));
	}
	set_ratio(ratios, "sluice_to_floor", ratio(b, s, TARGET_SLUICE, TARGET_FLOOR));
	set_ratio(ratios, "lru_to_sluice", ratio(b, s, TARGET_LRU, TARGET_SLUICE));
	set_ratio(ratios, "lru_limited_to_sluice", ratio(b, s, TARGET_LRU_LIMITED, TARGET_SLUICE));
	return json_pack(
		"{s:s, s:i, s:s, s:s, s:I, s:i, s:i, s:i, s:I, s:s, s:b, s:s, s:b, s:o, s:o}",
		"name", s->name, "family", (int)s->family, "packet",
		scenario_packet_name(s->packet), "order", scenario_order_name(s->order), "flows",
		(json_int_t)(s->order == DRIVER_FRESH ? 0 : s->flows), "vips", (int)s->vips,
		"bytes", (int)s->size, "tracked_percent", (int)s->tracked, "flow_table_bytes",
		(json_int_t)(s->tracked ? 8 * (uint64_t)scenario_flow_entries(s) : 0), "tunnel",
		tunnel_name(s), "for_vip", !s->pass && !s->helper, "helper",
		scenario_helper_name(s->helper), "full_tables", s->full, "programs", programs,
		"ratios", ratios);
}

static void print_json(const struct bench *b)
{
	json_t *scenarios = json_array();
	json_t *json;

	for (size_t i = 0; i < b->n_scenarios; i++)
		json_array_append_new(scenarios, scenario_json(b, &b->scenarios[i]));
	json = json_pack("{s:i, s:b, s:i, s:i, s:i, s:o, s:o}", "cpu", b->options.cpu, "quick",
			 b->quick, "rounds", (int)b->rounds, "lru_entries",
			 (int)b->options.lru_entries, "backends", SCENARIO_BACKENDS,
			 "calibration_ns", rounded(b->calm), "scenarios", scenarios);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void print_cell(const struct bench *b, const struct scenario *s, enum target_kind kind)
{
	const struct cell *cell = find_cell(b, s, kind);
	struct figures f;
	size_t calm;

	if (!cell) {
		printf(" %22s", "-");
		return;
	}
	f = cell_figures(cell, b->calm, &calm);
	printf(" %7.1f %c%5.1f..%-7.1f", f.median, calm ? ' ' : '*', f.low, f.high);
}

static void print_ratio(double value)
{
	if (value > 0)
		printf(" %7.2f", value);
	else
		printf(" %7s", "-");
}

static void print_table(const struct bench *b)
{
	bool object = find_cell(b, &b->scenarios[0], TARGET_OBJECT);

	printf("ns per packet: median and quartiles (*: no sample without a neighbour)\n");
	printf("%-24s %22s %22s %22s %22s%s %7s %7s\n", "scenario", "sluice", "floor", "lru",
	       "lru-limited", object ? "                 object" : "", "/floor", "lru/");
	for (size_t i = 0; i < b->n_scenarios; i++) {
		const struct scenario *s = &b->scenarios[i];

		printf("%-24s", s->name);
		for (enum target_kind kind = 0; kind < TARGET_MAX; kind++)
			if (kind != TARGET_OBJECT || object)
				print_cell(b, s, kind);
		print_ratio(ratio(b, s, TARGET_SLUICE, TARGET_FLOOR));
		print_ratio(ratio(b, s, TARGET_LRU, TARGET_SLUICE));
		putchar('\n');
	}
}

static int bench(struct bench *b, char **names, struct diag *diag)
{
	int err = read_scenarios(b, names, diag);

	if (err)
		return err;
	err = figures_pin(b->options.cpu);
	if (err) {
		diag_add(diag, NULL, 0, "CPU %d: %s", b->options.cpu, strerror(-err));
		return err;
	}
	err = targets_new(&b->targets, &b->options, diag);
	if (!err)
		err = open_cells(b, diag);
	if (!err)
		err = sample_all(b, diag);
	if (err)
		return err;
	if (b->json)
		print_json(b);
	else
		print_table(b);
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct bench b = {.options = {.cpu = figures_last_cpu()}};
	int err;

	log_init(LOG_LEVEL_WARNING);
	read_options(&b, argc, argv);
	if (!b.rounds)
		b.rounds = b.quick ? ROUNDS_QUICK : ROUNDS;
	if (!b.options.lru_entries)
		b.options.lru_entries = b.quick ? LRU_ENTRIES_QUICK : LRU_ENTRIES;
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	err = bench(&b, argv + optind, &diag);
	if (err) {
		log_diag(LOG_LEVEL_ERROR, &diag);
		if (!diag.n)
			log_error("xdp-bench: %s", strerror(-err));
	}
	for (size_t i = 0; i < b.n_cells; i++)
		cell_close(&b.cells[i]);
	free(b.cells);
	targets_free(b.targets);
	return err ? 1 : 0;
}
