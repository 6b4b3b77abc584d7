/* SPDX-License-Identifier: MIT */
/*
 * Rings by themselves: how long one takes to build, how even it is, and how many of its slots
 * change hands when a member comes, goes, fails or gets another weight.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/figures.h"
#include "config/cleanup.h"
#include "daemon/ring.h"

#define WEIGHT 100u
#define RUNS 25
#define RUNS_QUICK 5
#define CHANGED_MAX 16 /* members that are changed one after the other, for a mean */

static const char usage[] =
	"usage: ring-bench [-j] [--quick] [--size SLOTS]\n"
	"\n"
	"Builds rings of 10 to 4,000 backends: time, balance, slots moved by changes.\n"
	"\n"
	"  -j            one JSON document\n"
	"  --quick       fewer runs\n"
	"  --size SLOTS  a prime (65537)\n";

static const size_t members_list[] = {10, 20, 50, 100, 200, 500, 1000, 2000, 4000};

/* What happens to one member. */
enum change {
	CHANGE_ADD,
	CHANGE_REMOVE,
	CHANGE_DRAIN, /* it stays declared, without weight */
	CHANGE_FAIL,  /* the ring stays, its slots go to their next rank */
	CHANGE_HALVE, /* its weight */
	CHANGE_DOUBLE,
	CHANGE_MAX,
};

static const char *const change_names[CHANGE_MAX] = {
	[CHANGE_ADD] = "add",   [CHANGE_REMOVE] = "remove", [CHANGE_DRAIN] = "drain",
	[CHANGE_FAIL] = "fail", [CHANGE_HALVE] = "halve",   [CHANGE_DOUBLE] = "double",
};

/* Of one number of members. Shares are of all slots. */
struct result {
	size_t n;
	struct figures one_rank_ms;
	struct figures all_ranks_ms;
	double balance; /* slots of the member with most, by the mean */
	double moved[CHANGE_MAX];
	double least[CHANGE_MAX]; /* what has to move, by weights */
};

/* An address and a weight for member @i. */
static struct ring_member member(size_t i)
{
	struct ring_member m = {.weight = WEIGHT};

	m.address.w[2] = htobe32(0xffff);
	m.address.w[3] = htobe32(0x0a000001u + (uint32_t)i);
	return m;
}

static int build(struct ring **out, uint32_t size, unsigned int ranks,
		 const struct ring_member *members, size_t n)
{
	return ring_build(out, MODEL_MAGLEV_V2, size, ranks, members, n);
}

static int time_build(struct figures *out, uint32_t size, unsigned int ranks,
		      const struct ring_member *members, size_t n, int runs)
{
	double ms[RUNS], calibrations[RUNS];
	struct ring *ring;
	int err = 0;

	figures_urgent(true);
	for (int i = 0; i < runs && !err; i++) {
		uint64_t begin = figures_now_ns();

		err = build(&ring, size, ranks, members, n);
		ms[i] = (double)(figures_now_ns() - begin) / 1e6;
		calibrations[i] = figures_calibrate_ns();
		if (!err)
			ring_free(ring);
	}
	figures_urgent(false);
	if (!err)
		*out = figures_of(ms, figures_keep_calm(ms, calibrations, (size_t)runs));
	return err;
}

static double find_balance(const struct ring *ring, size_t n)
{
	_cleanup_(freep) uint32_t *slots = calloc(n, sizeof(*slots));
	uint32_t most = 0;

	if (!slots)
		return NAN;
	for (uint32_t slot = 0; slot < ring->size; slot++)
		slots[ring->owner[0][slot]]++;
	for (size_t i = 0; i < n; i++)
		most = slots[i] > most ? slots[i] : most;
	return most * (double)n / ring->size;
}

/* Who has the slot when member @down (SIZE_MAX: none) is down. */
static size_t owner(const struct ring *ring, uint32_t slot, size_t down)
{
	return ring->owner[0][slot] == down ? ring->owner[1][slot] : ring->owner[0][slot];
}

/*
 * The share of slots that change hands between two rings. Members have the same index in both,
 * except that those of @b behind @gone count one less.
 */
static double share_moved(const struct ring *a, const struct ring *b, size_t gone, size_t down)
{
	uint32_t moved = 0;

	for (uint32_t slot = 0; slot < a->size; slot++) {
		size_t now = owner(b, slot, down);

		moved += a->owner[0][slot] != now + (now >= gone);
	}
	return (double)moved / a->size;
}

/*
 * The members after the change of member @i; @members has room for one more. Returns how many they
 * are.
 */
static size_t apply(enum change change, struct ring_member *members, size_t n, size_t i)
{
	switch (change) {
	case CHANGE_ADD:
		members[n] = member(100000 + i);
		return n + 1;
	case CHANGE_REMOVE:
		memmove(&members[i], &members[i + 1], (n - i - 1) * sizeof(*members));
		return n - 1;
	case CHANGE_DRAIN:
		members[i].weight = 0;
		return n;
	case CHANGE_HALVE:
		members[i].weight /= 2;
		return n;
	case CHANGE_DOUBLE:
		members[i].weight *= 2;
		return n;
	default:
		return n;
	}
}

static double least_moved(enum change change, double n)
{
	switch (change) {
	case CHANGE_ADD:
		return 1 / (n + 1);
	case CHANGE_HALVE:
		return 1 / n - 0.5 / (n - 0.5);
	case CHANGE_DOUBLE:
		return 2 / (n + 1) - 1 / n;
	default:
		return 1 / n;
	}
}

static int measure_change(double *share, enum change change, const struct ring *before,
			  const struct ring_member *members, size_t n)
{
	size_t tries = n < CHANGED_MAX ? n : CHANGED_MAX;
	_cleanup_(freep) struct ring_member *changed = calloc(n + 1, sizeof(*changed));
	double sum = 0;

	if (!changed)
		return -ENOMEM;
	for (size_t try = 0; try < tries; try++) {
		_cleanup_(ring_freep) struct ring *after = NULL;
		size_t i = try * n / tries, n_after;
		int err;

		memcpy(changed, members, n * sizeof(*changed));
		n_after = apply(change, changed, n, i);
		err = build(&after, before->size, 2, changed, n_after);
		if (err)
			return err;
		sum += share_moved(before, after, change == CHANGE_REMOVE ? i : SIZE_MAX,
				   change == CHANGE_FAIL ? i : SIZE_MAX);
	}
	*share = sum / (double)tries;
	return 0;
}

static int measure(struct result *r, size_t n, uint32_t size, int runs)
{
	_cleanup_(freep) struct ring_member *members = calloc(n, sizeof(*members));
	_cleanup_(ring_freep) struct ring *ring = NULL;
	int err;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		members[i] = member(i);
	r->n = n;
	err = build(&ring, size, 2, members, n);
	if (!err)
		err = time_build(&r->one_rank_ms, size, 1, members, n, runs);
	if (!err)
		err = time_build(&r->all_ranks_ms, size, RING_RANKS, members, n, runs);
	if (!err)
		r->balance = find_balance(ring, n);
	for (enum change c = 0; c < CHANGE_MAX && !err; c++) {
		err = measure_change(&r->moved[c], c, ring, members, n);
		r->least[c] = least_moved(c, (double)n);
	}
	return err;
}

/* ------------------------------------------------------------------------------------ reporting */

static json_t *figures_json(const struct figures *f)
{
	return json_pack("{s:f, s:f, s:f}", "median", f->median, "low", f->low, "high", f->high);
}

static void print_json(const struct result *results, size_t n, uint32_t size)
{
	json_t *list = json_array(), *json;

	for (size_t i = 0; i < n; i++) {
		const struct result *r = &results[i];
		json_t *moved = json_object();

		for (enum change c = 0; c < CHANGE_MAX; c++)
			json_object_set_new(moved, change_names[c],
					    json_pack("{s:f, s:f}", "share", r->moved[c], "least",
						      r->least[c]));
		json_array_append_new(list,
				      json_pack("{s:i, s:o, s:o, s:f, s:o}", "backends", (int)r->n,
						"one_rank_ms", figures_json(&r->one_rank_ms),
						"all_ranks_ms", figures_json(&r->all_ranks_ms),
						"balance", r->balance, "moved", moved));
	}
	json = json_pack("{s:i, s:i, s:o}", "slots", (int)size, "ranks", RING_RANKS, "rings", list);
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void print_table(const struct result *results, size_t n, uint32_t size)
{
	printf("%u slots; balance: most by mean; then %% of slots moved, and least possible\n",
	       size);
	printf("%8s %10s %10s %8s", "backends", "1 rank ms", "3 ranks ms", "balance");
	for (enum change c = 0; c < CHANGE_MAX; c++)
		printf(" %15s", change_names[c]);
	putchar('\n');
	for (size_t i = 0; i < n; i++) {
		const struct result *r = &results[i];

		printf("%8zu %10.2f %10.2f %8.3f", r->n, r->one_rank_ms.median,
		       r->all_ranks_ms.median, r->balance);
		for (enum change c = 0; c < CHANGE_MAX; c++)
			printf(" %7.3f/%7.3f", r->moved[c] * 100, r->least[c] * 100);
		putchar('\n');
	}
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"quick", no_argument, NULL, 'q'},
		{"size", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	enum {
		N = sizeof(members_list) / sizeof(*members_list)
	};
	static struct result results[N];
	bool json = false;
	uint32_t size = MODEL_RING_SIZE_DEFAULT;
	int runs = RUNS, option;

	while ((option = getopt_long(argc, argv, "jh", long_options, NULL)) != -1) {
		if (option == 'j') {
			json = true;
		} else if (option == 'q') {
			runs = RUNS_QUICK;
		} else if (option == 's') {
			size = (uint32_t)strtoul(optarg, NULL, 10);
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	figures_pin(figures_last_cpu());
	for (size_t i = 0; i < N; i++) {
		int err = measure(&results[i], members_list[i], size, runs);

		if (err) {
			fprintf(stderr, "a ring of %u slots over %zu backends: %s\n", size,
				members_list[i],
				err == -EINVAL ? "the number of slots must be prime"
					       : strerror(-err));
			return 1;
		}
	}
	if (json)
		print_json(results, N, size);
	else
		print_table(results, N, size);
	return 0;
}
