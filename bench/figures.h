/* SPDX-License-Identifier: MIT */
/*
 * Clocks and order statistics, for all benchmarks.
 */
#ifndef SLUICE_BENCH_FIGURES_H
#define SLUICE_BENCH_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The middle of some values, and the values below which a quarter and three quarters of them lie.
 */
struct figures {
	double median;
	double low;
	double high;
	size_t n;
};

/* Sorts @values, which must not be empty, and looks. */
struct figures figures_of(double *values, size_t n);

/* The same of values that need not be kept in order; all zero without any. No memory: all zero. */
struct figures figures_of_copy(const double *values, size_t n);

/* Monotonic clock. */
uint64_t figures_now_ns(void);

/*
 * How long a fixed piece of work takes, ns: work that keeps all of the core's arithmetic units
 * busy, so that a neighbour on the same core shows. Takes less than a millisecond.
 */
double figures_calibrate_ns(void);

/* Above this much more than the calm figure, somebody else was at work. */
#define FIGURES_BUSY 1.15

/*
 * Keeps those of @n values that were taken while the core was calm, as the calibration taken with
 * each tells, at the front of @values; returns how many they are (one at least).
 */
size_t figures_keep_calm(double *values, const double *calibrations, size_t n);

/* Pins the process to @cpu. 0 or -errno. */
int figures_pin(int cpu);

/*
 * Nobody else gets the CPU while it is @urgent, except what is more urgent still. Best effort, and
 * not for long: the rest of the machine waits.
 */
void figures_urgent(bool urgent);

/* The last CPU that the process may use. */
int figures_last_cpu(void);

#endif
