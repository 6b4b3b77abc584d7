/* SPDX-License-Identifier: MIT */
/*
 * Time in an entry is 16 bits of ticks of the monotonic clock; the program forgets what is older
 * than the ages in its settings, and so do we: established TCP connections have one of their own,
 * until the client closes.
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

uint32_t flow_table_age(const struct sluice_settings *settings, uint64_t entry, bool established)
{
	bool open = established && entry & SLUICE_FLOW_TCP && !(entry & SLUICE_FLOW_CLOSED);

	return open ? settings->tcp_age : settings->flow_age;
}

bool flow_table_each(const struct datapath *dp, flow_fn *fn, void *ctx)
{
	const struct sluice_settings *settings = program_settings(&dp->program);
	uint32_t n;
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
			.closed = entry & SLUICE_FLOW_CLOSED,
			.idle_s =
				(unsigned int)(((uint64_t)idle << SLUICE_TICK_SHIFT) / 1000000000u),
		};

		if (e.backend && idle <= flow_table_age(settings, entry, e.established) &&
		    !fn(ctx, &e))
			return false;
	}
	return true;
}

size_t flow_table_sweep(struct datapath *dp)
{
	const struct sluice_settings *settings = program_settings(&dp->program);
	uint32_t n;
	struct sluice_flow_line *lines = lines_of(dp, &n);
	uint16_t now = now_ticks();
	size_t swept = 0;

	for (uint32_t i = 0; i < n * SLUICE_FLOW_WAYS; i++) {
		__u64 *at = &lines[i / SLUICE_FLOW_WAYS].entry[i % SLUICE_FLOW_WAYS];
		__u64 entry = __atomic_load_n(at, __ATOMIC_RELAXED);
		bool established = i % SLUICE_FLOW_WAYS < SLUICE_FLOW_ESTABLISHED;

		if (SLUICE_FLOW_BACKEND(entry) &&
		    (uint16_t)(now - SLUICE_FLOW_TIME(entry)) >
			    flow_table_age(settings, entry, established))
			swept += __atomic_compare_exchange_n(at, &entry, 0, false, __ATOMIC_RELAXED,
							     __ATOMIC_RELAXED);
	}
	return swept;
}

/* @backend 0: of all; @udp: only those that are not TCP. */
static size_t purge(struct datapath *dp, uint32_t backend, bool udp)
{
	uint32_t n;
	struct sluice_flow_line *lines = lines_of(dp, &n);
	size_t purged = 0;

	for (uint32_t i = 0; i < n * SLUICE_FLOW_WAYS; i++) {
		__u64 *at = &lines[i / SLUICE_FLOW_WAYS].entry[i % SLUICE_FLOW_WAYS];
		uint64_t entry = __atomic_load_n(at, __ATOMIC_RELAXED);
		uint32_t id = SLUICE_FLOW_BACKEND(entry);

		if (!id || (backend && id != backend) || (udp && entry & SLUICE_FLOW_TCP))
			continue;
		__atomic_store_n(at, 0, __ATOMIC_RELEASE);
		purged++;
	}
	return purged;
}

size_t flow_table_purge(struct datapath *dp, uint32_t backend)
{
	return purge(dp, backend, false);
}

size_t flow_table_purge_udp(struct datapath *dp, uint32_t backend)
{
	return purge(dp, backend, true);
}

size_t flow_table_size(const struct datapath *dp)
{
	uint32_t n;

	lines_of(dp, &n);
	return (size_t)n * SLUICE_FLOW_WAYS;
}
