/* SPDX-License-Identifier: MIT */
/*
 * Counters: per-CPU values in the kernel -> sums. The only reader of counters. What cannot be read
 * counts as zero.
 */
#ifndef SLUICE_DAEMON_STATS_H
#define SLUICE_DAEMON_STATS_H

#include "daemon/datapath.h"

/* The sum over all CPUs for VIP @id; 0: packets that met no VIP. */
struct sluice_counters stats_vip(const struct datapath *dp, uint32_t id);

/* The sum over all CPUs for backend @id. */
struct sluice_backend_counters stats_backend(const struct datapath *dp, uint32_t id);

/* Adds @more to @sum, counter by counter. */
void stats_add(struct sluice_counters *sum, const struct sluice_counters *more);

#endif
