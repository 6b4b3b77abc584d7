/* SPDX-License-Identifier: MIT */
/*
 * Packets of several sizes to the host itself, over lo, whose MTU is the path's. Tunnels are in
 * tests/e2e/probe-path.sh.
 */
#include "daemon/probe_mtu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "config/addr.h"
#include "config/cleanup.h"
#include "tests/lib/netns.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define VIP4 "198.18.0.80"
#define VIP6 "2001:db8::80"

static struct {
	sd_event *event;
	struct probe_mtu_report report;
	unsigned int reports;
} lab;

static bool has_ipv6(void)
{
	return access("/proc/net/if_inet6", F_OK) == 0;
}

static int setup(void **state)
{
	(void)state;
	netns_enter();
	netns_run("ip addr add " VIP4 "/32 dev lo");
	if (has_ipv6())
		netns_run("echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6\n"
			  "ip addr add " VIP6 "/128 dev lo nodad");
	memset(&lab, 0, sizeof(lab));
	assert_true(sd_event_new(&lab.event) >= 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab.event = sd_event_unref(lab.event);
	return 0;
}

static void on_report(void *ctx, const struct probe_mtu_report *report)
{
	assert_ptr_equal(ctx, &lab);
	lab.report = *report;
	lab.reports++;
}

static struct probe_mtu_target target(const char *vip, unsigned int full)
{
	struct probe_mtu_target t = {.port = 80, .full = full};

	assert_int_equal(addr_parse(&t.address, vip), 0);
	return t;
}

/* What is found to be carried of @full bytes. */
static unsigned int carried(const char *vip, unsigned int full)
{
	struct probe_mtu_target t = target(vip, full);
	struct probe_mtu *probe;

	lab.reports = 0;
	assert_int_equal(probe_mtu_start(&probe, lab.event, &t, on_report, &lab), 0);
	assert_int_equal(lab.reports, 0);
	while (!lab.reports)
		assert_true(sd_event_run(lab.event, UINT64_MAX) >= 0);
	assert_int_equal(lab.reports, 1);
	assert_int_equal(lab.report.full, full);
	return lab.report.carried;
}

static void a_path_of_full_size_carries_all(void **state)
{
	static const unsigned int sizes[] = {61, 1280, 1500, 9000, 16384};
	(void)state;

	for (size_t i = 0; i < N(sizes); i++) {
		assert_int_equal(carried(VIP4, sizes[i]), sizes[i]);
		if (has_ipv6())
			assert_int_equal(carried(VIP6, sizes[i]), sizes[i]);
	}
}

static void a_service_that_accepts_counts_and_is_left_alone(void **state)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(80)};
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)state;

	assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(carried(VIP4, 1500), 1500);
	netns_run("test -z \"$(ss -Htn)\"");
	assert_int_equal(accept(fd, NULL, NULL), -1);
}

static void a_narrow_path_is_measured(void **state)
{
	static const struct {
		unsigned int mtu, carried;
	} cases[] = {{1480, 1480}, {1450, 1440}, {1280, 1280}};
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		netns_run("ip link set lo mtu %u", cases[i].mtu);
		assert_int_equal(carried(VIP4, 1500), cases[i].carried);
		if (has_ipv6())
			assert_int_equal(carried(VIP6, 1500), cases[i].carried);
	}
}

static void nobody_answers_nothing_is_carried(void **state)
{
	(void)state;
	netns_run("ip link add port type veth peer name wire\n"
		  "ip link set port up; ip link set wire up\n"
		  "ip addr add 10.0.0.1/24 dev port\n"
		  "ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev port");
	assert_int_equal(carried("10.0.0.2", 1500), 0);
}

static void what_cannot_begin_is_an_error(void **state)
{
	static const struct {
		const char *vip;
		unsigned int full;
		int err;
	} cases[] = {
		{VIP4, 0, -EINVAL},
		{VIP4, 40, -EINVAL},
		{VIP6, 60, -EINVAL},
		{VIP4, 16385, -EINVAL},
		{"10.0.0.2", 1500, -ENETUNREACH},
	};
	struct probe_mtu *probe = NULL;
	(void)state;

	for (size_t i = 0; i < N(cases); i++) {
		struct probe_mtu_target t = target(cases[i].vip, cases[i].full);

		assert_int_equal(probe_mtu_start(&probe, lab.event, &t, on_report, &lab),
				 cases[i].err);
		assert_null(probe);
	}
}

static void one_that_is_cancelled_says_nothing(void **state)
{
	struct probe_mtu_target t = target(VIP4, 1500);
	struct probe_mtu *probe;
	(void)state;

	assert_int_equal(probe_mtu_start(&probe, lab.event, &t, on_report, &lab), 0);
	probe_mtu_cancel(probe);
	assert_true(sd_event_run(lab.event, 0) >= 0);
	assert_int_equal(probe_mtu_start(&probe, lab.event, &t, on_report, &lab), 0);
	assert_true(sd_event_run(lab.event, UINT64_MAX) >= 0);
	probe_mtu_cancel(probe);
	probe_mtu_cancel(NULL);
	assert_int_equal(sd_event_run(lab.event, 0), 0);
	assert_int_equal(lab.reports, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		TEST(a_path_of_full_size_carries_all),
		TEST(a_service_that_accepts_counts_and_is_left_alone),
		TEST(a_narrow_path_is_measured),
		TEST(nobody_answers_nothing_is_carried),
		TEST(what_cannot_begin_is_an_error),
		TEST(one_that_is_cancelled_says_nothing),
	};
	int failed;

	netns_init(tests, N(tests));
	failed = cmocka_run_group_tests_name("daemon/probe_mtu", tests, NULL, NULL);
	netns_fini();
	return failed;
}
