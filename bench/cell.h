/* SPDX-License-Identifier: MIT */
/*
 * One scenario through one program: samples of its cost.
 */
#ifndef SLUICE_BENCH_CELL_H
#define SLUICE_BENCH_CELL_H

#include "bench/figures.h"
#include "bench/target.h"

#define CELL_ROUNDS_MAX 64

/* One run of some thousand packets; figures are ns per packet. */
struct cell_sample {
	double ns;          /* of the program alone */
	double driver_ns;   /* of the driver, which was subtracted */
	double calibration; /* the longer loop, before or after it, ns; 0: there is no sample */
};

struct cell {
	const struct scenario *scenario;
	enum target_kind kind;
	int action;   /* that the program must answer with; -1: any */
	int answered; /* what it last answered with */
	double known; /* lru: share of packets whose flow was known in the last sample; else -1 */
	struct driver_bpf *driver;
	struct cell_sample samples[CELL_ROUNDS_MAX]; /* by round */
};

/*
 * 0 with the driver loaded, to be freed by cell_close(); or -errno with a message. @number: another
 * one for each cell, so that what is fresh to one is fresh to all.
 */
int cell_open(struct cell *cell, struct targets *targets, const struct scenario *scenario,
	      enum target_kind kind, unsigned int number, struct diag *diag);

/*
 * Brings tables of flows into their state and sends each flow once, then @blocks blocks, and takes
 * the sample of @round from the second half of them. 0, or -errno with a message: the program does
 * not do what it should, or we were interrupted.
 */
int cell_sample(struct cell *cell, struct targets *targets, unsigned int round, unsigned int blocks,
		struct diag *diag);

/*
 * Was the sample disturbed by a neighbour on the core? @calm: the shortest calibration of all
 * samples; the driver's own cost tells as well.
 */
bool cell_is_busy(const struct cell *cell, unsigned int round, double calm);

/*
 * The samples that were not disturbed, or, if there is none, all. @n_calm: how many there are of
 * the former.
 */
struct figures cell_figures(const struct cell *cell, double calm, size_t *n_calm);

/* The driver's own cost. */
struct figures cell_driver_figures(const struct cell *cell);

/*
 * How many times as long @b takes as @a: the median over the rounds in which both were calm, else
 * over all rounds; 0: there is none.
 */
double cell_ratio(const struct cell *a, const struct cell *b, double calm);

void cell_close(struct cell *cell);

#endif
