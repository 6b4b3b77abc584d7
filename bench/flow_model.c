/* SPDX-License-Identifier: MIT */
/*
 * The promise put to the test: changes at random, and no flow is broken that should not be. One
 * world for each seed until the time is over.
 */
#include "bench/flow_model.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/cleanup.h"

static const char usage[] =
	"usage: flow-model [--seed N] [--seconds S | --runs N] [--balancers N] [--helper]\n"
	"                  [--flows N] [--policy sluice|maglev|lru] [--age S]\n"
	"       flow-model --table [--seed N] [--runs N] [--flows N]\n"
	"\n"
	"Random changes over simulated flows; says which flows were broken. Exit 1: some that "
	"should\n"
	"not be.\n"
	"\n"
	"  --seed N       the first world's seed (1); the next one's is one more\n"
	"  --seconds S    go on for so long (10), or\n"
	"  --runs N       for so many worlds\n"
	"  --balancers N  1 .. 3 (1); with more than one they also come and go\n"
	"  --[no-]helper  backends with or without sluice-helper (without)\n"
	"  --flows N      flows at a time (3000)\n"
	"  --policy P     sluice, or the same changes with another way to choose\n"
	"  --age S        flows.tcp_age_s (3600)\n"
	"  --orderly      one declared change at a time, each after the one before has settled\n"
	"  --table        losses of all policies by scenario, as Markdown, the mean of N runs\n";

#define WORLD_S 7200 /* simulated, of each world */
#define BACKENDS_LEAST 3

static const char *const policy_names[FM_POLICIES] = {"sluice", "maglev", "lru"};

struct options {
	uint64_t seed;
	double seconds;
	unsigned long runs; /* 0: as long as the time lasts */
	uint32_t balancers;
	bool helper;
	uint32_t flows;
	enum fm_policy policy;
	unsigned int age_s;
	bool table;
	bool orderly;
};

static bool takes_new(const struct fm_declared *d)
{
	return d->there && model_state_takes_flows(d->state);
}

static uint32_t count_members(const struct fm_world *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FM_BACKENDS; i++)
		n += takes_new(&w->declared[i]);
	return n;
}

/* A random backend that is there or not; FM_NOBODY. */
static uint32_t pick(struct fm_world *w, bool there)
{
	for (int i = 0; i < 100; i++) {
		uint32_t at = fm_below(&w->random, FM_BACKENDS);

		if (w->declared[at].there == there)
			return at;
	}
	return FM_NOBODY;
}

/* What a balancer that comes later can tell from the states: who was there before. */
static bool is_declared(uint32_t kind, const struct fm_declared *d)
{
	switch (kind) {
	case 1:
		return true;
	case 2:
		return d->state == MODEL_STATE_DRAINING || d->state == MODEL_STATE_DISABLED;
	case 3:
		return d->state == MODEL_STATE_ACTIVE;
	case 4:
		return d->state == MODEL_STATE_FILLING;
	case 5:
		return d->state != MODEL_STATE_FILLING;
	case 6:
		return d->state == MODEL_STATE_ACTIVE;
	default:
		return false;
	}
}

/*
 * Does a state still tell of a change that has settled? Filled ones are to be made active, drained
 * removed.
 */
static bool is_untidy(const struct fm_world *w)
{
	for (uint32_t i = 0; i < FM_BACKENDS; i++)
		if (w->declared[i].there && (w->declared[i].state == MODEL_STATE_FILLING ||
					     w->declared[i].state == MODEL_STATE_DRAINING))
			return true;
	return false;
}

/* Adds to @what what it does. */
static void change_one(struct fm_world *w, bool orderly, char *what, size_t room)
{
	static const char *const names[] = {"add",      "fill",    "remove", "drain",
					    "activate", "disable", "weigh"};
	uint32_t kind = fm_below(&w->random, 7), at = pick(w, kind > 1);
	size_t used = strlen(what);
	struct fm_declared *d = &w->declared[at == FM_NOBODY ? 0 : at];

	/* Those that take some away need some left. */
	if (at == FM_NOBODY ||
	    (orderly && (!is_declared(kind, d) || ((kind & 1 || kind == 6) && is_untidy(w)))) ||
	    ((kind == 2 || kind == 3 || kind == 5) && takes_new(d) &&
	     count_members(w) <= BACKENDS_LEAST))
		return;
	switch (kind) {
	case 0:
	case 1:
		*d = (struct fm_declared){true, kind ? MODEL_STATE_FILLING : MODEL_STATE_ACTIVE,
					  50 + fm_below(&w->random, 3) * 50, 0};
		break;
	case 2:
		d->there = false;
		break;
	case 6:
		d->weight_before = orderly ? d->weight : 0;
		d->weight = 50 + fm_below(&w->random, 4) * 50;
		break;
	default:
		d->state = kind == 3   ? MODEL_STATE_DRAINING
			   : kind == 4 ? MODEL_STATE_ACTIVE
				       : MODEL_STATE_DISABLED;
	}
	snprintf(what + used, room - used, " %s b%u", names[kind], at);
}

static int change(struct fm_world *w, const struct options *o)
{
	double spread = o->balancers > 1 && fm_below(&w->random, 2) ? 3 : 0;
	uint32_t n = fm_below(&w->random, 4) || o->orderly ? 1 : 1 + fm_below(&w->random, 6);
	char what[120] = "";

	if (o->orderly && fm_world_moves(w))
		return 0;
	for (uint32_t i = 0; i < FM_BACKENDS; i++)
		w->declared[i].weight_before = 0;
	for (uint32_t i = 0; i < n; i++)
		change_one(w, o->orderly, what, sizeof(what));
	return fm_world_declare(w, *what ? what : " reload", spread);
}

/* A balancer restarts, or (where there are several) one comes, goes or is replaced. */
static int trouble(struct fm_world *w, const struct options *o)
{
	uint32_t n = fm_world_count(w), at = fm_below(&w->random, FM_BALANCERS);

	while (!w->serial[at])
		at = (at + 1) % FM_BALANCERS;
	if (o->balancers == 1 || fm_below(&w->random, 2))
		return fm_balancer_restart(w->balancers[at], w->now);
	if (n > 1 && fm_below(&w->random, 2)) {
		fm_world_leave(w, at);
		return 0;
	}
	return n < o->balancers ? fm_world_join(w) : 0;
}

static int run_world(struct fm_world *w, const struct options *o)
{
	static const double paces[] = {5, 40, 200, 800};
	double pace, next;
	int err = fm_world_init(w, 4 + (uint32_t)(o->seed % 17), o->balancers, o->flows);

	pace = paces[fm_below(&w->random, 4)];
	next = 60 + fm_wait(&w->random, pace);
	while (!err && next < WORLD_S) {
		err = fm_world_run(w, next);
		if (!err)
			err = fm_below(&w->random, 5) ? change(w, o) : trouble(w, o);
		next += fm_wait(&w->random, pace);
	}
	return err ? err : fm_world_run(w, WORLD_S);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* 0, 1: flows were broken that should not be, or -errno. */
static int run_worlds(struct options *o)
{
	double end = seconds_now() + o->seconds;
	uint64_t losses[FM_LOSSES] = {0}, opened = 0, packets = 0, ended = 0, changes = 0;
	unsigned long run = 0;

	do {
		_cleanup_(fm_world_fini) struct fm_world w = {
			.seed = o->seed,
			.policy = o->policy,
			.helper = o->helper,
			.quiet = o->policy != FM_SLUICE,
			.age_s = o->age_s,
			.ring_size = 4093,
		};
		int err = run_world(&w, o);

		if (err)
			return err;
		for (int i = 0; i < FM_LOSSES; i++)
			losses[i] += w.losses[i];
		opened += w.opened;
		packets += w.packets;
		ended += w.ended;
		changes += w.n_versions;
		o->seed++;
	} while (o->runs ? ++run < o->runs : (run++, seconds_now() < end));
	printf("%s, %u balancer%s, %s helper: %lu worlds up to seed %llu, %llu changes, %llu "
	       "flows, "
	       "%llu packets\n",
	       policy_names[o->policy], o->balancers, o->balancers > 1 ? "s" : "",
	       o->helper ? "with" : "without", run, (unsigned long long)o->seed - 1,
	       (unsigned long long)changes, (unsigned long long)opened,
	       (unsigned long long)packets);
	printf("ended with a disabled backend: %llu; broken:", (unsigned long long)ended);
	for (int i = 0; i < FM_LOSSES; i++)
		printf(" %s %llu", fm_loss_names[i], (unsigned long long)losses[i]);
	printf("\n");
	return o->policy == FM_SLUICE && losses[FM_LOSS_WRONG];
}

static bool parse_policy(const char *name, enum fm_policy *out)
{
	for (int i = 0; i < FM_POLICIES; i++)
		if (strcmp(name, policy_names[i]) == 0) {
			*out = (enum fm_policy)i;
			return true;
		}
	return false;
}

/* 0, or -EINVAL; ends the program where only help is asked for. */
static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{"seed", required_argument, NULL, 's'},
		{"seconds", required_argument, NULL, 't'},
		{"runs", required_argument, NULL, 'r'},
		{"balancers", required_argument, NULL, 'b'},
		{"helper", no_argument, NULL, 'h'},
		{"no-helper", no_argument, NULL, 'n'},
		{"flows", required_argument, NULL, 'f'},
		{"policy", required_argument, NULL, 'p'},
		{"age", required_argument, NULL, 'a'},
		{"table", no_argument, NULL, 'T'},
		{"orderly", no_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'H'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->seed = strtoull(optarg, NULL, 10);
			break;
		case 't':
			o->seconds = strtod(optarg, NULL);
			break;
		case 'r':
			o->runs = strtoul(optarg, NULL, 10);
			break;
		case 'b':
			o->balancers = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'h':
		case 'n':
			o->helper = c == 'h';
			break;
		case 'f':
			o->flows = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'a':
			o->age_s = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'o':
			o->orderly = true;
			break;
		case 'T':
			o->table = true;
			break;
		case 'H':
			fputs(usage, stdout);
			exit(0);
		case 'p':
			if (parse_policy(optarg, &o->policy))
				break;
			/* fall through */
		default:
			return -EINVAL;
		}
	}
	return optind < argc || o->balancers < 1 || o->balancers >= FM_BALANCERS || !o->flows
		       ? -EINVAL
		       : 0;
}

static int print_table(const struct options *o)
{
	const struct fm_table table = {
		.seed = o->seed,
		.n_seeds = o->runs ? (uint32_t)o->runs : 1,
		.n_flows = o->flows,
	};

	return fm_table_print(&table);
}

int main(int argc, char **argv)
{
	struct options o = {
		.seed = 1, .seconds = 10, .balancers = 1, .flows = 3000, .age_s = MODEL_TCP_AGE_S};
	int err = parse_options(&o, argc, argv);

	if (err) {
		fputs(usage, stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	err = o.table ? print_table(&o) : run_worlds(&o);
	if (err < 0)
		fprintf(stderr, "flow-model: %s\n", strerror(-err));
	return err ? 1 : 0;
}
