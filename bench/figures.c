/* SPDX-License-Identifier: MIT */
/*
 * Medians and quartiles rather than means: what disturbs a measurement only ever makes it longer.
 */
#include "bench/figures.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/cleanup.h"

static int compare(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* Between the two values that are nearest. */
static double quantile(const double *sorted, size_t n, double share)
{
	double at = share * (double)(n - 1);
	size_t below = (size_t)at;

	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct figures figures_of(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return (struct figures){
		.median = quantile(values, n, 0.5),
		.low = quantile(values, n, 0.25),
		.high = quantile(values, n, 0.75),
		.n = n,
	};
}

struct figures figures_of_copy(const double *values, size_t n)
{
	_cleanup_(freep) double *copy = n ? malloc(n * sizeof(*copy)) : NULL;

	if (!copy)
		return (struct figures){0};
	memcpy(copy, values, n * sizeof(*copy));
	return figures_of(copy, n);
}

uint64_t figures_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Eight chains of their own: a modern core works on as many at a time as it can. */
static void work(void)
{
	unsigned long a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;

	for (int i = 0; i < 20000; i++) {
		a += a << 1;
		b += b << 1;
		c += c << 1;
		d += d << 1;
		e += e << 1;
		f += f << 1;
		g += g << 1;
		h += h << 1;
		__asm__ volatile(""
				 : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g),
				   "+r"(h));
	}
}

double figures_calibrate_ns(void)
{
	double best = 0;

	/* The shortest of a few: an interrupt is not a neighbour. */
	for (int i = 0; i < 8; i++) {
		uint64_t begin = figures_now_ns();
		double took;

		work();
		took = (double)(figures_now_ns() - begin);
		if (!i || took < best)
			best = took;
	}
	return best;
}

size_t figures_keep_calm(double *values, const double *calibrations, size_t n)
{
	double calm = calibrations[0];
	size_t kept = 0;

	for (size_t i = 1; i < n; i++)
		calm = calibrations[i] < calm ? calibrations[i] : calm;
	for (size_t i = 0; i < n; i++)
		if (calibrations[i] <= FIGURES_BUSY * calm)
			values[kept++] = values[i];
	return kept;
}

int figures_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

void figures_urgent(bool urgent)
{
	struct sched_param param = {.sched_priority = urgent};

	sched_setscheduler(0, urgent ? SCHED_FIFO : SCHED_OTHER, &param);
}

int figures_last_cpu(void)
{
	cpu_set_t set;
	int last = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			last = i;
	return last;
}
