/* SPDX-License-Identifier: MIT */
/*
 * The program compiled for the host against the program that the kernel has verified and compiled:
 * filled from one model they hold the same, and the same frames, valid and mangled, leave them
 * equally, byte for byte, and are counted equally.
 *
 * SLUICE_SEED=N gives other frames, SLUICE_FRAMES=N more or fewer.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "control/outcome.h"
#include "daemon/stats.h"
#include "tests/host/host.h"
#include "tests/host/scene.h"
#include "tests/lib/fixture.h"
#include "tests/lib/netns.h"

#define FRAMES 20000
#define SEED 1

static struct model *model;
static struct dryrun *dryrun;
static uint32_t other_device;

static const struct program *loaded(void)
{
	return datapath_program(dryrun_datapath(dryrun));
}

static void *kernel_memory(enum map_id map)
{
	return loaded()->mapped[map].data;
}

/* The host's program with the settings and map sizes of the loaded one, filled. */
static void open_host(void)
{
	struct diag diag = {0};
	uint32_t entries[MAP_MAX];

	for (int i = 0; i < MAP_MAX; i++)
		entries[i] = program_map_entries(loaded(), i);
	assert_int_equal(host_open(program_settings(loaded()), entries), 0);
	fixture_check(host_fill(model, SCENE_MTU, &diag), &diag);
}

/* Puts into both what no config says. */
static void change_both(void)
{
	struct scene_maps maps = {
		.backends = kernel_memory(MAP_BACKENDS),
		.names = kernel_memory(MAP_NAMES),
		.n_backends = program_map_entries(loaded(), MAP_BACKENDS),
		.slots = {kernel_memory(MAP_RINGS), kernel_memory(MAP_OTHERS)},
		.n_slots = program_map_entries(loaded(), MAP_RINGS) * SLUICE_LINE_SLOTS,
	};

	assert_int_equal(bpf_map_update_elem(program_map_fd(loaded(), MAP_DEVICES), &other_device,
					     &other_device, BPF_ANY),
			 0);
	assert_int_equal(host_map_write(MAP_DEVICES, &other_device, &other_device), 0);
	scene_change(&maps, other_device);
	maps.backends = host_map_memory(MAP_BACKENDS);
	maps.names = host_map_memory(MAP_NAMES);
	maps.slots = host_slots();
	scene_change(&maps, other_device);
}

static int setup(void **state)
{
	struct diag diag = {0};
	(void)state;

	netns_enter();
	netns_run("ip link add other type veth peer name peer");
	other_device = if_nametoindex("other");
	fixture_check(scene_model(&model, &diag), &diag);
	dryrun = fixture_dryrun(model);
	open_host();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	host_close();
	dryrun_free(TAKE(dryrun));
	model_free(TAKE(model));
	return 0;
}

/* ------------------------------------------------------------------------------------ what they hold */

static int differs(void *ctx, const void *key, const void *from, const void *to)
{
	(void)key;
	print_message("map %s: a row is %s\n", map_descriptions[*(int *)ctx].name,
		      !from ? "only in the host's"
		      : !to ? "only in the kernel's"
			    : "another one");
	return -1;
}

static void maps_hold_the_same(void **state)
{
	struct running running;
	(void)state;

	assert_int_equal(datapath_running(dryrun_datapath(dryrun), &running), 0);
	for (int i = 0; i < MAP_MAX; i++) {
		const struct map_description *d = &map_descriptions[i];
		struct rows rows;

		if (d->kind == MAP_MEMORY && i != MAP_STATE)
			assert_memory_equal(kernel_memory(i), host_map_memory(i),
					    host_map_entries(i) * d->value_size);
		if (d->kind != MAP_ROWS)
			continue;
		if (i == MAP_SOURCES || i == MAP_ACCESS)
			assert_int_equal(running.read_rows(&running, i), 0);
		rows_init(&rows, d->key_size, d->value_size);
		assert_int_equal(host_map_rows(i, &rows), 0);
		assert_int_equal(rows_diff(&running.rows[i], &rows, differs, &i), 0);
		rows_fini(&rows);
	}
	running_fini(&running);
}

/* --------------------------------------------------------------------------------- what they do */

static const char *action_name(int action)
{
	static const char *const names[] = {"ABORTED", "DROP", "PASS", "TX", "REDIRECT"};

	return action >= 0 && action < 5 ? names[action] : "?";
}

static void print_hex(const char *name, const struct frame *f)
{
	print_message("%s, %zu bytes: ", name, f->size);
	for (size_t i = 0; i < f->size; i++)
		print_message("%02x", f->data[i]);
	print_message("\n");
}

/* Sends @in through both. */
static void check_frame(const char *text, const struct frame *in, unsigned long *outcomes)
{
	static struct frame kernel, host;
	const struct host_frame frame = {.data = in->data, .size = in->size};
	struct dryrun_result k = fixture_send(dryrun, in, &kernel);
	struct host_result h;

	host.size = sizeof(host.data);
	h = host_send(&frame, host.data, &host.size);
	outcomes[h.trace.outcome]++;
	if (strcmp(k.verdict.name, action_name(h.action)) == 0 &&
	    memcmp(&k.verdict.trace, &h.trace, sizeof(h.trace)) == 0 && kernel.size == host.size &&
	    memcmp(kernel.data, host.data, host.size) == 0)
		return;
	print_message("made from: %s\n", text);
	print_hex("in", in);
	print_message("kernel: %s %s vip %u backend %u slot %u\n", k.verdict.name,
		      outcome_name(k.verdict.trace.outcome), k.verdict.trace.vip,
		      k.verdict.trace.backend, k.verdict.trace.slot);
	print_hex("kernel", &kernel);
	print_message("host:   %s %s vip %u backend %u slot %u\n", action_name(h.action),
		      outcome_name(h.trace.outcome), h.trace.vip, h.trace.backend, h.trace.slot);
	print_hex("host", &host);
	fail_msg("kernel and host differ");
}

static void check_counters(void)
{
	const struct sluice_counters *vips = host_map_memory(MAP_COUNTERS);
	const struct sluice_backend_counters *backends = host_map_memory(MAP_BACKEND_COUNTERS);

	for (uint32_t id = 0; id < host_map_entries(MAP_COUNTERS); id++) {
		struct sluice_counters kernel = stats_vip(dryrun_datapath(dryrun), id);

		assert_memory_equal(&kernel, &vips[id], sizeof(kernel));
	}
	for (uint32_t id = 0; id < host_map_entries(MAP_BACKEND_COUNTERS); id++) {
		struct sluice_backend_counters kernel = stats_backend(dryrun_datapath(dryrun), id);

		assert_memory_equal(&kernel, &backends[id], sizeof(kernel));
	}
}

static unsigned long from_environment(const char *name, unsigned long fallback)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 10) : fallback;
}

static void frames_leave_both_alike(void **state)
{
	static struct frame in;
	unsigned long outcomes[SLUICE_OUT_MAX] = {0};
	unsigned long seed = from_environment("SLUICE_SEED", SEED);
	unsigned long frames = from_environment("SLUICE_FRAMES", FRAMES);
	uint64_t random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	char text[SCENE_TEXT_MAX];
	(void)state;

	print_message("%lu frames, SLUICE_SEED=%lu\n", frames, seed);
	change_both();
	for (unsigned long i = 0; i < frames; i++) {
		scene_frame(&random, text, &in);
		check_frame(text, &in, outcomes);
	}
	check_counters();
	for (int i = 0; i < SLUICE_OUT_MAX; i++)
		print_message("%6lu %s\n", outcomes[i], outcome_name(i));
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(maps_hold_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(frames_leave_both_alike, setup, teardown),
	};
	int failed;

	netns_init(tests, sizeof(tests) / sizeof(tests[0]));
	failed = cmocka_run_group_tests_name("xdp/differential", tests, NULL, NULL);
	netns_fini();
	return failed;
}
