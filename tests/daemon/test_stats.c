/* SPDX-License-Identifier: MIT */
/*
 * Counters as each CPU has them, and their sums.
 */
#include "daemon/stats.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/fixture.h"

static struct datapath *open_unpinned(void)
{
	const struct datapath_options options = {
		.size = {.vips = 2,
			 .backends = 2,
			 .ring_slots = SLUICE_LINE_SLOTS,
			 .sources = 1,
			 .fragments = 1},
		.settings = {.abi = SLUICE_ABI},
	};
	struct datapath *dp = NULL;
	struct diag diag = {0};

	fixture_check(datapath_open(&dp, &options, &diag), &diag);
	return dp;
}

static void datapath_freep(struct datapath **dp)
{
	datapath_free(*dp);
}

/* Word i of CPU c becomes (c + 1) * (i + 1). */
static void write_counters(const struct datapath *dp, enum map_id map, uint32_t id, size_t words)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	_cleanup_(freep) uint64_t *values = calloc(cpus * words, sizeof(*values));

	assert_non_null(values);
	for (size_t cpu = 0; cpu < cpus; cpu++)
		for (size_t i = 0; i < words; i++)
			values[cpu * words + i] = (cpu + 1) * (i + 1);
	assert_int_equal(bpf_map_update_elem(program_map_fd(datapath_program(dp), map), &id, values,
					     BPF_ANY),
			 0);
}

static void sums_are_over_all_cpus(void **state)
{
	_cleanup_(datapath_freep) struct datapath *dp = NULL;
	uint64_t cpus = (uint64_t)libbpf_num_possible_cpus(), sum = cpus * (cpus + 1) / 2;
	struct sluice_backend_counters backend;
	struct sluice_counters vip;

	(void)state;
	fixture_need_bpf();
	dp = open_unpinned();
	write_counters(dp, MAP_COUNTERS, 2, sizeof(vip) / sizeof(uint64_t));
	write_counters(dp, MAP_BACKEND_COUNTERS, 1, 2);
	vip = stats_vip(dp, 2);
	assert_int_equal(vip.bytes, sum);
	for (int i = 0; i < SLUICE_OUT_MAX; i++)
		assert_int_equal(vip.outcome[i], sum * (uint64_t)(i + 2));
	for (int i = 0; i < SLUICE_EVENT_MAX; i++)
		assert_int_equal(vip.event[i], sum * (uint64_t)(SLUICE_OUT_MAX + i + 2));
	backend = stats_backend(dp, 1);
	assert_int_equal(backend.packets, sum);
	assert_int_equal(backend.bytes, 2 * sum);
	assert_int_equal(stats_vip(dp, 1).bytes, 0);
	assert_int_equal(stats_backend(dp, 2).packets, 0);
}

static void what_cannot_be_read_is_zero(void **state)
{
	_cleanup_(datapath_freep) struct datapath *dp = NULL;
	struct sluice_backend_counters backend;
	struct sluice_counters vip;
	static const struct sluice_counters nothing;

	(void)state;
	fixture_need_bpf();
	dp = open_unpinned();
	vip = stats_vip(dp, 3);
	assert_memory_equal(&vip, &nothing, sizeof(vip));
	backend = stats_backend(dp, 3);
	assert_int_equal(backend.packets + backend.bytes, 0);
}

static void sums_are_added_counter_by_counter(void **state)
{
	struct sluice_counters sum = {.bytes = 1}, more = {.bytes = 10};

	(void)state;
	for (int i = 0; i < SLUICE_OUT_MAX; i++) {
		sum.outcome[i] = (uint64_t)i;
		more.outcome[i] = (uint64_t)i * 100;
	}
	for (int i = 0; i < SLUICE_EVENT_MAX; i++) {
		sum.event[i] = (uint64_t)i * 7;
		more.event[i] = (uint64_t)i * 1000;
	}
	stats_add(&sum, &more);
	assert_int_equal(sum.bytes, 11);
	for (int i = 0; i < SLUICE_OUT_MAX; i++)
		assert_int_equal(sum.outcome[i], i * 101);
	for (int i = 0; i < SLUICE_EVENT_MAX; i++)
		assert_int_equal(sum.event[i], i * 1007);
	assert_int_equal(more.bytes, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_over_all_cpus),
		cmocka_unit_test(what_cannot_be_read_is_zero),
		cmocka_unit_test(sums_are_added_counter_by_counter),
	};

	return cmocka_run_group_tests_name("daemon/stats", tests, NULL, NULL);
}
