/* SPDX-License-Identifier: MIT */
/*
 * Entries written by hand into the map, as xdp/flows.h would.
 */
#include "daemon/flow_table.h"

#include <bpf/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/fixture.h"

#define LINES 8u
#define AGE 1000u     /* ticks */
#define TCP_AGE 5000u /* ticks */

static struct datapath *dp;

static int setup(void **state)
{
	const struct datapath_options options = {
		.size = {.vips = 2, .backends = 2, .ring_slots = 16, .sources = 1, .fragments = 1},
		.settings = {.abi = SLUICE_ABI,
			     .features = SLUICE_FEATURE_FLOWS,
			     .flow_lines = LINES,
			     .flow_age = AGE,
			     .tcp_age = TCP_AGE},
	};
	struct diag diag = {0};

	(void)state;
	fixture_need_bpf();
	fixture_check(datapath_open(&dp, &options, &diag), &diag);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	datapath_free(TAKE(dp));
	return 0;
}

static struct sluice_flow_line read_line(uint32_t line)
{
	struct sluice_flow_line found;

	assert_int_equal(bpf_map_lookup_elem(program_map_fd(datapath_program(dp), MAP_FLOWS), &line,
					     &found),
			 0);
	return found;
}

/* An entry last used @ago ticks ago. */
static void put(uint32_t line, unsigned int way, uint32_t backend, uint32_t slot, uint64_t flags,
		uint32_t ago)
{
	struct sluice_flow_line content = read_line(line);
	struct timespec now;
	uint64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	content.entry[way] = (uint64_t)0x2bcd << 48 | (uint64_t)(slot & 0xffff) << 32 |
			     (uint64_t)backend << 16 | flags |
			     (uint16_t)((ns >> SLUICE_TICK_SHIFT) - ago);
	assert_int_equal(bpf_map_update_elem(program_map_fd(datapath_program(dp), MAP_FLOWS), &line,
					     &content, BPF_ANY),
			 0);
}

struct seen {
	struct flow_entry entries[16];
	size_t n;
	size_t stop; /* after so many */
};

static bool note(void *ctx, const struct flow_entry *entry)
{
	struct seen *seen = ctx;

	assert_true(seen->n < 16);
	seen->entries[seen->n++] = *entry;
	return seen->n != seen->stop;
}

static struct seen walk(size_t stop)
{
	struct seen seen = {.stop = stop};

	flow_table_each(dp, note, &seen);
	return seen;
}

static void an_empty_table_has_no_flows(void **state)
{
	(void)state;
	assert_int_equal(walk(0).n, 0);
	assert_int_equal(flow_table_size(dp), LINES * SLUICE_FLOW_WAYS);
	assert_int_equal(flow_table_purge(dp, 0), 0);
}

static void each_entry_says_backend_slot_and_kind(void **state)
{
	struct seen seen;

	(void)state;
	put(0, 0, 1, 7, 0, 0);
	put(0, 5, 32767, 65536, 0, 0); /* slot 65536: its low 16 bits */
	put(3, 6, 2, 65535, 0, 0);
	put(LINES - 1, 7, 2, 12, SLUICE_FLOW_CLOSED, 0);
	seen = walk(0);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.entries[0].backend, 1);
	assert_int_equal(seen.entries[0].slot, 7);
	assert_true(seen.entries[0].established);
	assert_int_equal(seen.entries[1].backend, 32767);
	assert_int_equal(seen.entries[1].slot, 0);
	assert_true(seen.entries[1].established);
	assert_int_equal(seen.entries[2].backend, 2);
	assert_int_equal(seen.entries[2].slot, 65535);
	assert_false(seen.entries[2].established);
	assert_int_equal(seen.entries[3].backend, 2);
	assert_int_equal(seen.entries[3].slot, 12);
	assert_false(seen.entries[3].established);
	assert_int_equal(walk(2).n, 2);
}

static void age_is_longer_for_tcp_that_is_established_and_open(void **state)
{
	static const struct sluice_settings settings = {.flow_age = 7, .tcp_age = 9};
	const uint64_t udp = 0x2bcd000100020003, tcp = udp | SLUICE_FLOW_TCP;

	(void)state;
	assert_int_equal(flow_table_age(&settings, tcp, true), 9);
	assert_int_equal(flow_table_age(&settings, tcp, false), 7);
	assert_int_equal(flow_table_age(&settings, tcp | SLUICE_FLOW_CLOSED, true), 7);
	assert_int_equal(flow_table_age(&settings, tcp | SLUICE_FLOW_CLOSED, false), 7);
	assert_int_equal(flow_table_age(&settings, udp, true), 7);
	assert_int_equal(flow_table_age(&settings, udp, false), 7);
}

/* Entries of all ages; the slots of those that are young enough are odd. A tick is 2^30 ns. */
static void put_old_and_young(void)
{
	put(0, 0, 1, 1, 0, AGE - 2);
	put(0, 1, 1, 2, 0, AGE + 1);
	put(0, 2, 1, 3, SLUICE_FLOW_TCP, AGE + 1);
	put(0, 3, 1, 5, SLUICE_FLOW_TCP, TCP_AGE - 2);
	put(0, 4, 1, 4, SLUICE_FLOW_TCP, TCP_AGE + 1);
	put(0, 5, 1, 6, SLUICE_FLOW_TCP | SLUICE_FLOW_CLOSED, AGE + 1);
	put(0, 6, 1, 7, SLUICE_FLOW_TCP, AGE - 2); /* handshakes */
	put(0, 7, 1, 8, SLUICE_FLOW_TCP, AGE + 1);
	put(LINES - 1, 0, 1, 9, SLUICE_FLOW_TCP | SLUICE_FLOW_CLOSED, AGE - 2);
	put(LINES - 1, 1, 1, 10, 0, 60000);
}

static void assert_only_the_young_are_there(void)
{
	static const uint16_t slots[] = {1, 3, 5, 7, 9};
	struct seen seen = walk(0);

	assert_int_equal(seen.n, sizeof(slots) / sizeof(*slots));
	for (size_t i = 0; i < seen.n; i++)
		assert_int_equal(seen.entries[i].slot, slots[i]);
}

static void each_kind_of_flow_is_left_out_at_its_age(void **state)
{
	(void)state;
	put_old_and_young();
	assert_only_the_young_are_there();
}

static void a_sweep_clears_what_is_too_old(void **state)
{
	struct sluice_flow_line first, last;

	(void)state;
	assert_int_equal(flow_table_sweep(dp), 0);
	put_old_and_young();
	first = read_line(0);
	last = read_line(LINES - 1);
	assert_int_equal(flow_table_sweep(dp), 5);
	first.entry[1] = first.entry[4] = first.entry[5] = first.entry[7] = 0;
	last.entry[1] = 0;
	for (int i = 0; i < SLUICE_FLOW_WAYS; i++) {
		assert_int_equal(read_line(0).entry[i], first.entry[i]);
		assert_int_equal(read_line(LINES - 1).entry[i], last.entry[i]);
		assert_int_equal(read_line(1).entry[i], 0);
	}
	assert_only_the_young_are_there();
	assert_int_equal(flow_table_sweep(dp), 0);
	assert_int_equal(flow_table_purge(dp, 0), 5);
}

/* A tick is 2^30 ns: the tests have a tick of time. */
static void flows_that_are_silent_for_too_long_are_left_out(void **state)
{
	struct seen seen;

	(void)state;
	put(0, 0, 1, 0, 0, AGE - 2);
	put(0, 1, 1, 1, 0, AGE + 1);
	put(0, 2, 1, 2, 0, 100);
	put(0, 3, 1, 3, 0, 60000);
	seen = walk(0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.entries[0].slot, 0);
	assert_int_equal(seen.entries[1].slot, 2);
	assert_in_range(seen.entries[1].idle_s, 107, 109); /* 100 ticks */
}

static void a_purge_forgets_one_backends_flows_or_all(void **state)
{
	struct seen seen;

	(void)state;
	put(0, 0, 1, 0, 0, 0);
	put(1, 1, 2, 1, 0, 0);
	put(2, 7, 1, 2, SLUICE_FLOW_CLOSED, 0);
	put(3, 2, 1, 3, 0, AGE + 1); /* also those that are too old */
	assert_int_equal(flow_table_purge(dp, 3), 0);
	assert_int_equal(flow_table_purge(dp, 1), 3);
	seen = walk(0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.entries[0].backend, 2);
	assert_int_equal(read_line(0).entry[0], 0);
	assert_int_equal(read_line(2).entry[7], 0);
	put(0, 0, 1, 0, 0, 0);
	assert_int_equal(flow_table_purge(dp, 0), 2);
	assert_int_equal(walk(0).n, 0);
}

static void a_purge_of_udp_leaves_tcp(void **state)
{
	(void)state;
	put(0, 0, 1, 7, SLUICE_FLOW_TCP, 0);
	put(0, 1, 1, 7, 0, 0);
	put(1, 0, 2, 7, 0, 0);
	assert_int_equal(flow_table_purge_udp(dp, 1), 1);
	assert_int_equal(walk(0).n, 2);
	assert_int_equal(flow_table_purge_udp(dp, 1), 0);
	assert_int_equal(flow_table_purge_udp(dp, 2), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_table_has_no_flows),
		TEST(each_entry_says_backend_slot_and_kind),
		cmocka_unit_test(age_is_longer_for_tcp_that_is_established_and_open),
		TEST(flows_that_are_silent_for_too_long_are_left_out),
		TEST(each_kind_of_flow_is_left_out_at_its_age),
		TEST(a_sweep_clears_what_is_too_old),
		TEST(a_purge_forgets_one_backends_flows_or_all),
		TEST(a_purge_of_udp_leaves_tcp),
	};

	return cmocka_run_group_tests_name("daemon/flow_table", tests, NULL, NULL);
}
