/* SPDX-License-Identifier: MIT */
/*
 * What a planned change costs: the same flows and the same change for each policy, and how many of
 * the flows that lived before it were broken.
 */
#include "bench/flow_model.h"

#include <stdio.h>
#include <string.h>

#include "config/cleanup.h"

#define BACKENDS 20
#define BEFORE_S 600 /* until the flows are as they always are */
#define AFTER_S 1200 /* four times the settle time */
#define FLOOD 200000 /* first packets a second */

enum trouble {
	CALM,
	FAILOVER, /* to a balancer that knows what is declared, 20 s after the change */
	FLOODED,  /* for the first minute */
	TROUBLES,
};

static void drain(struct fm_declared *d, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++)
		d[i].state = MODEL_STATE_DRAINING;
}

static void fill(struct fm_declared *d, uint32_t n)
{
	for (uint32_t i = BACKENDS; i < BACKENDS + n; i++)
		d[i] = (struct fm_declared){true, MODEL_STATE_FILLING, 100, 0};
}

static void drain_one(struct fm_declared *d)
{
	drain(d, 3, 1);
}

static void fill_one(struct fm_declared *d)
{
	fill(d, 1);
}

static void drain_and_fill(struct fm_declared *d)
{
	drain(d, 3, 1);
	fill(d, 1);
}

static void reweigh(struct fm_declared *d)
{
	d[3] = (struct fm_declared){true, MODEL_STATE_ACTIVE, 50, 100};
	d[7] = (struct fm_declared){true, MODEL_STATE_ACTIVE, 200, 100};
}

static void swap_half(struct fm_declared *d)
{
	drain(d, 0, BACKENDS / 2);
	fill(d, BACKENDS / 2);
}

static const struct {
	const char *name;
	void (*change)(struct fm_declared *declared);
} scenarios[] = {
	{"drain 1 of 20", drain_one},       {"add 1 to 20", fill_one},
	{"drain 1, add 1", drain_and_fill}, {"halve one weight, double another", reweigh},
	{"swap 10 of 20", swap_half},
};

static const char *const trouble_names[TROUBLES] = {"", ", failover", ", SYN flood"};

static const struct {
	enum fm_policy policy;
	bool helper;
} columns[] = {{FM_MAGLEV, false}, {FM_LRU, false}, {FM_SLUICE, false}, {FM_SLUICE, true}};
#define COLUMNS (sizeof(columns) / sizeof(*columns))

static int fail_over(struct fm_world *w)
{
	fm_world_leave(w, 0);
	return fm_world_join(w);
}

static int after(struct fm_world *w, enum trouble trouble)
{
	double start = w->now;
	int err = 0;

	for (int s = 1; s <= 60 && !err; s++) {
		if (trouble == FLOODED)
			fm_world_flood(w, FLOOD);
		err = fm_world_run(w, start + s);
		if (!err && trouble == FAILOVER && s == 20)
			err = fail_over(w);
	}
	return err ? err : fm_world_run(w, start + AFTER_S);
}

/* One cell: percent of the flows that lived when the change came. */
static int measure(size_t scenario, enum trouble trouble, size_t column, uint64_t seed,
		   uint32_t n_flows, double *percent)
{
	_cleanup_(fm_world_fini) struct fm_world w = {
		.seed = seed,
		.policy = columns[column].policy,
		.helper = columns[column].helper,
		.quiet = true,
		.age_s = MODEL_TCP_AGE_S,
		.ring_size = MODEL_RING_SIZE_DEFAULT,
	};
	int err = fm_world_init(&w, BACKENDS, 1, n_flows);

	if (!err)
		err = fm_world_run(&w, BEFORE_S);
	if (err)
		return err;
	fm_world_mark(&w);
	scenarios[scenario].change(w.declared);
	err = fm_world_declare(&w, scenarios[scenario].name, 0);
	if (!err)
		err = after(&w, trouble);
	*percent = 100.0 * (double)w.counted_broken / (double)w.counted;
	return err;
}

/* The mean of the cell over the seeds from @seed on. */
static int print_cell(size_t scenario, enum trouble trouble, size_t column,
		      const struct fm_table *table)
{
	double sum = 0, percent = 0;

	for (uint32_t i = 0; i < table->n_seeds; i++) {
		int err = measure(scenario, trouble, column, table->seed + i, table->n_flows,
				  &percent);

		if (err)
			return err;
		sum += percent;
	}
	printf(" %.2f %% |", sum / table->n_seeds);
	return 0;
}

int fm_table_print(const struct fm_table *table)
{
	printf("| change | plain Maglev | LRU of this balancer | sluice | sluice with helper |\n"
	       "|---|---:|---:|---:|---:|\n");
	for (size_t s = 0; s < sizeof(scenarios) / sizeof(*scenarios); s++)
		for (enum trouble t = CALM; t < TROUBLES; t++) {
			printf("| %s%s |", scenarios[s].name, trouble_names[t]);
			for (size_t c = 0; c < COLUMNS; c++) {
				int err = print_cell(s, t, c, table);

				if (err)
					return err;
			}
			printf("\n");
		}
	return 0;
}
