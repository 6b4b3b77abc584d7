/* SPDX-License-Identifier: MIT */
/*
 * Which tunnels are asked for their size, when, and what is said of it. The probes and the clock are the
 * test's own: the functions of probe_mtu.h and clock_gettime() here stand before the others in the
 * program.
 */
#include "daemon/tunnel_sizes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND UINT64_C(1000000)

static int64_t ahead_us; /* of the real clock */

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int err = (int)syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += (time_t)(ahead_us / (int64_t)SECOND);
	return err;
}

struct probe_mtu {
	uint32_t mark;
	unsigned int full;
	probe_mtu_done_fn *done;
	void *ctx;
};

static struct probe_mtu *open_probes[64];
static size_t n_open, n_started;

int probe_mtu_start(struct probe_mtu **out, sd_event *event, const struct probe_mtu_target *target,
		    probe_mtu_done_fn *done, void *ctx)
{
	struct probe_mtu *probe = calloc(1, sizeof(*probe));

	(void)event;
	assert_non_null(probe);
	*probe = (struct probe_mtu){target->mark, target->full, done, ctx};
	assert_true(n_open < N(open_probes));
	open_probes[n_open++] = probe;
	n_started++;
	*out = probe;
	return 0;
}

void probe_mtu_cancel(struct probe_mtu *probe)
{
	for (size_t i = 0; i < n_open; i++) {
		if (open_probes[i] == probe) {
			open_probes[i] = open_probes[--n_open];
			free(probe);
			return;
		}
	}
	assert_null(probe);
}

/* The probe that began last ends. */
static void answer(unsigned int carried)
{
	struct probe_mtu *probe = open_probes[--n_open];
	struct probe_mtu_report report = {probe->full, carried};

	probe->done(probe->ctx, &report);
	free(probe);
}

static sd_event *event;
static struct tunnel_sizes *sizes;

static struct tunnel_sizes_target target(uint32_t id)
{
	return (struct tunnel_sizes_target){
		.id = id,
		.backend = "web",
		.pool = "pool",
		.leads = {.encap = SLUICE_ENCAP_IP4, .mtu = 1600},
		.how = {.port = 80, .mark = id, .full = 1500},
	};
}

static void follow(const uint32_t *ids, size_t n, uint16_t mtu)
{
	struct tunnel_sizes_target list[64];

	for (size_t i = 0; i < n; i++) {
		list[i] = target(ids[i]);
		list[i].leads.mtu = mtu;
	}
	assert_int_equal(tunnel_sizes_follow(sizes, list, n), 0);
}

/* What is due after @s more seconds begins. */
static void pass(unsigned int s)
{
	ahead_us += (int64_t)(s * SECOND);
	tunnel_sizes_turn(sizes);
}

static int setup(void **state)
{
	(void)state;
	n_started = 0;
	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(tunnel_sizes_new(&sizes, event), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tunnel_sizes_free(sizes);
	assert_int_equal(n_open, 0);
	sd_event_unref(event);
	return 0;
}

static void asks_soon_and_then_rarely(void **state)
{
	static const uint32_t ids[] = {3};
	unsigned int carried = 0, full = 0;

	(void)state;
	follow(ids, 1, 1600);
	pass(1);
	assert_int_equal(n_started, 0);
	pass(4);
	assert_int_equal(n_started, 1);
	assert_false(tunnel_sizes_of(sizes, 3, &carried, &full));
	answer(1480);
	assert_true(tunnel_sizes_of(sizes, 3, &carried, &full));
	assert_int_equal(carried, 1480);
	assert_int_equal(full, 1500);
	follow(ids, 1, 1600); /* nothing new */
	pass(3500);
	assert_int_equal(n_started, 1);
	pass(1000);
	assert_int_equal(n_started, 2);
	answer(0); /* it is silent: what was known stays, and it is asked again sooner */
	assert_true(tunnel_sizes_of(sizes, 3, &carried, &full));
	pass(80);
	assert_int_equal(n_started, 3);
}

static void asks_anew_when_a_tunnel_leads_elsewhere(void **state)
{
	static const uint32_t ids[] = {3};
	unsigned int carried, full;

	(void)state;
	follow(ids, 1, 1600);
	pass(5);
	answer(1500);
	follow(ids, 1, 1700);
	assert_false(tunnel_sizes_of(sizes, 3, &carried, &full));
	pass(5);
	assert_int_equal(n_started, 2);
	follow(ids, 1, 1800); /* while it is being asked */
	assert_int_equal(n_open, 0);
	pass(5);
	assert_int_equal(n_started, 3);
	follow(ids, 0, 0);
	assert_int_equal(n_open, 0);
	pass(9000);
	assert_int_equal(n_started, 3);
}

static void asks_few_at_a_time(void **state)
{
	uint32_t ids[64];

	(void)state;
	for (uint32_t i = 0; i < N(ids); i++)
		ids[i] = 5 * i + 1;
	follow(ids, N(ids), 1600);
	pass(5);
	assert_int_equal(n_open, 4);
	for (size_t i = 0; i < N(ids); i++) {
		answer(1500);
		pass(0);
		assert_true(n_open <= 4);
	}
	assert_int_equal(n_started, N(ids));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asks_soon_and_then_rarely, setup, teardown),
		cmocka_unit_test_setup_teardown(asks_anew_when_a_tunnel_leads_elsewhere, setup,
						teardown),
		cmocka_unit_test_setup_teardown(asks_few_at_a_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
