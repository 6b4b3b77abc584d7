/* SPDX-License-Identifier: MIT */
/*
 * Time in an entry is 16 bits of ticks of the monotonic clock; the program forgets what is older than
 * the age in its settings, and so do we.
 */
#include <time.h>

#include "daemon/datapath_impl.h"
#include "daemon/flow_table.h"

/* The clock that the program reads, in ticks. */
static uint16_t now_ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint16_t)(((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) >>
			  SLUICE_TICK_SHIFT);
}

static struct sluice_flow_line *lines_of(const struct datapath *dp, uint32_t *n)
{
	*n = program_map_entries(&dp->program, MAP_FLOWS);
	return dp->program.mapped[MAP_FLOWS].data;
}

void flow_table_each(const struct datapath *dp, flow_fn *fn, void *ctx)
{
	uint32_t age = program_settings(&dp->program)->flow_age, n;
	struct sluice_flow_line *lines = lines_of(dp, &n);
	uint16_t now = now_ticks();

	for (uint32_t i = 0; i < n * SLUICE_FLOW_WAYS; i++) {
		__u64 *at = &lines[i / SLUICE_FLOW_WAYS].entry[i % SLUICE_FLOW_WAYS];
		uint64_t entry = __atomic_load_n(at, __ATOMIC_RELAXED);
		uint16_t idle = (uint16_t)(now - SLUICE_FLOW_TIME(entry));
		struct flow_entry e = {
			.backend = SLUICE_FLOW_BACKEND(entry),
			.slot = SLUICE_FLOW_SLOT(entry),
			.established = i % SLUICE_FLOW_WAYS < SLUICE_FLOW_ESTABLISHED,
			.idle_s =
				(unsigned int)(((uint64_t)idle << SLUICE_TICK_SHIFT) / 1000000000u),
		};

		if (e.backend && idle <= age && !fn(ctx, &e))
			return;
	}
}

size_t flow_table_purge(struct datapath *dp, uint32_t backend)
{
	uint32_t n;
	struct sluice_flow_line *lines = lines_of(dp, &n);
	size_t purged = 0;

	for (uint32_t i = 0; i < n * SLUICE_FLOW_WAYS; i++) {
		__u64 *at = &lines[i / SLUICE_FLOW_WAYS].entry[i % SLUICE_FLOW_WAYS];
		uint32_t id = SLUICE_FLOW_BACKEND(__atomic_load_n(at, __ATOMIC_RELAXED));

		if (!id || (backend && id != backend))
			continue;
		__atomic_store_n(at, 0, __ATOMIC_RELEASE);
		purged++;
	}
	return purged;
}

size_t flow_table_size(const struct datapath *dp)
{
	uint32_t n;

	lines_of(dp, &n);
	return (size_t)n * SLUICE_FLOW_WAYS;
}
