/* SPDX-License-Identifier: MIT */
/*
 * A per-CPU value is one record of u64 counters for each possible CPU, one after the other.
 */
#include "daemon/stats.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "config/cleanup.h"

_Static_assert(sizeof(struct sluice_counters) % sizeof(uint64_t) == 0, "summed as words");
_Static_assert(sizeof(struct sluice_backend_counters) % sizeof(uint64_t) == 0, "summed as words");

static void sum_words(const struct datapath *dp, enum map_id map, uint32_t id, uint64_t *sum,
		      size_t words)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_(freep) uint64_t *values = calloc((size_t)cpus * words, sizeof(*values));
	int fd = program_map_fd(datapath_program(dp), map);

	memset(sum, 0, words * sizeof(*sum));
	if (!values || bpf_map_lookup_elem(fd, &id, values))
		return;
	for (int cpu = 0; cpu < cpus; cpu++)
		for (size_t i = 0; i < words; i++)
			sum[i] += values[(size_t)cpu * words + i];
}

struct sluice_counters stats_vip(const struct datapath *dp, uint32_t id)
{
	struct sluice_counters sum;

	sum_words(dp, MAP_COUNTERS, id, (uint64_t *)&sum, sizeof(sum) / sizeof(uint64_t));
	return sum;
}

struct sluice_backend_counters stats_backend(const struct datapath *dp, uint32_t id)
{
	struct sluice_backend_counters sum;

	sum_words(dp, MAP_BACKEND_COUNTERS, id, (uint64_t *)&sum, sizeof(sum) / sizeof(uint64_t));
	return sum;
}

void stats_add(struct sluice_counters *sum, const struct sluice_counters *more)
{
	sum->bytes += more->bytes;
	for (int i = 0; i < SLUICE_OUT_MAX; i++)
		sum->outcome[i] += more->outcome[i];
	for (int i = 0; i < SLUICE_EVENT_MAX; i++)
		sum->event[i] += more->event[i];
}
