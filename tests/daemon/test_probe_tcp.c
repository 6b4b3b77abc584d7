/* SPDX-License-Identifier: MIT */
/*
 * TCP probes, and what is common to all kinds of probes: timeouts, cancelling, errors of this host,
 * marks.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/hostile.h"
#include "tests/lib/netns.h"
#include "tests/lib/probing.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define PORT 7000
#define NOBODY_LISTENS 7999
#define SILENT "10.9.0.2" /* behind a cable that leads nowhere */

static const struct model_check tcp = {.type = MODEL_CHECK_TCP, .timeout_ms = PROBING_PATIENT_MS};
static const struct model_check tcp_short = {.type = MODEL_CHECK_TCP,
					     .timeout_ms = PROBING_SHORT_MS};

/* A listener of our own at ::ffff:0:0/96 or ::. */
static int listener(void)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), no = 0;

	assert_true(fd >= 0);
	assert_return_code(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)), errno);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, 16), errno);
	return fd;
}

static void add_silent(void)
{
	netns_run("ip link add v1 type veth peer name v2 && ip addr add 10.9.0.1/24 dev v1 && "
		  "ip link set v1 up && ip link set v2 up && "
		  "ip neigh add " SILENT " lladdr 02:00:00:00:00:99 dev v1");
}

static void a_listener_is_found_in_either_family(void **state)
{
	_cleanup_(closep) int fd = listener();

	netns_run("echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6 && "
		  "(ip -6 addr add ::1/128 dev lo 2>/dev/null || :)");
	probing_finds(*state, &tcp, "127.0.0.1", PORT, JUDGE_SUCCESS, "tcp connected");
	probing_finds(*state, &tcp, "::1", PORT, JUDGE_SUCCESS, "tcp connected");
}

static void the_server_sees_no_connection_and_no_time_wait_is_left(void **state)
{
	_cleanup_(closep) int fd = listener();

	for (unsigned int i = 0; i < 100; i++)
		probing_finds(*state, &tcp, "127.0.0.1", PORT, JUDGE_SUCCESS, "tcp connected");
	assert_int_equal(accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	netns_run("! grep -E '^ *[0-9]+: [^ ]+ [^ ]+ 06 ' /proc/net/tcp /proc/net/tcp6");
}

static void nobody_listening_is_a_failure(void **state)
{
	probing_finds(*state, &tcp, "127.0.0.1", NOBODY_LISTENS, JUDGE_FAILURE,
		      "tcp connect: connection refused");
}

static void silence_is_a_failure_after_the_timeout(void **state)
{
	struct probe_report report;
	unsigned int ms;

	add_silent();
	report = probing_ask(*state, &tcp_short, SILENT, PORT);
	probing_expect(&report, JUDGE_FAILURE, "tcp connect timed out after ");
	assert_int_equal(sscanf(report.reason, "tcp connect timed out after %u ms", &ms), 1);
	assert_true(ms >= PROBING_SHORT_MS);
	assert_true(report.duration_us >= PROBING_SHORT_MS * 1000);
}

static void a_host_that_does_not_answer_its_neighbours_is_a_failure(void **state)
{
	netns_run("ip link add v1 type veth peer name v2 && ip addr add 10.8.0.1/24 dev v1 && "
		  "ip link set v1 up && ip link set v2 up && "
		  "echo 1 >/proc/sys/net/ipv4/neigh/v1/mcast_solicit && "
		  "echo 100 >/proc/sys/net/ipv4/neigh/v1/retrans_time_ms");
	probing_finds(*state, &tcp, "10.8.0.2", PORT, JUDGE_FAILURE,
		      "tcp connect: host unreachable");
}

static void no_route_is_of_this_host(void **state)
{
	struct probe_target target = probing_target(&tcp, "10.77.0.1", PORT);
	struct probing *p = *state;
	struct probe *probe = NULL;

	assert_int_equal(probe_start(&probe, p->probes, &target, NULL, NULL), -ENETUNREACH);
	assert_null(probe);
	probing_finds(*state, &tcp, "10.77.0.1", PORT, JUDGE_UNKNOWN,
		      "this host: no route: add one");
}

static void no_descriptor_is_of_this_host(void **state)
{
	struct rlimit limit, none = {.rlim_cur = 0};

	getrlimit(RLIMIT_NOFILE, &limit);
	none.rlim_max = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &none);
	probing_finds(*state, &tcp, "127.0.0.1", PORT, JUDGE_UNKNOWN,
		      "this host: no descriptor is free: raise LimitNOFILE");
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void no_local_port_is_of_this_host(void **state)
{
	int fds[2] = {-1, -1};

	add_silent();
	netns_run("echo '40000 40001' >/proc/sys/net/ipv4/ip_local_port_range");
	for (size_t i = 0; i < COUNT(fds); i++) {
		struct sockaddr_in address = {.sin_family = AF_INET};

		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_return_code(bind(fds[i], (struct sockaddr *)&address, sizeof(address)),
				   errno);
	}
	probing_finds(*state, &tcp, SILENT, PORT, JUDGE_UNKNOWN,
		      "this host: no local port or address is free");
	for (size_t i = 0; i < COUNT(fds); i++)
		close(fds[i]);
}

static void what_a_router_says_is_a_failure(void **state)
{
	netns_run("ip link add v1 type veth peer name v2 && ip addr add 10.8.0.1/24 dev v1 && "
		  "ip link set v1 up && ip route add 10.66.0.0/16 via 10.8.0.2 && "
		  "touch %s/router && unshare --net=%s/router true && "
		  "ip link set v2 netns %s/router && nsenter --net=%s/router sh -ec '"
		  "ip link set lo up; ip link set v2 up; ip addr add 10.8.0.2/24 dev v2; "
		  "echo 1 >/proc/sys/net/ipv4/ip_forward'",
		  netns_dir(), netns_dir(), netns_dir(), netns_dir());
	probing_finds(*state, &tcp, "10.66.0.1", PORT, JUDGE_FAILURE,
		      "tcp connect: a router has no route to it");
	netns_run("umount %s/router && rm %s/router", netns_dir(), netns_dir());
}

/* Packets with the mark go elsewhere, by a rule: so it shows whether the socket has it. */
static void the_socket_has_the_mark(void **state)
{
	_cleanup_(closep) int fd = listener();
	struct probe_target target = probing_target(&tcp, "127.0.0.1", PORT);
	struct probing *p = *state;
	struct probe *probe = NULL;

	netns_run("ip rule add pref 0 fwmark 0x5c000001 unreachable && "
		  "{ ip rule add pref 1 lookup local && ip rule del pref 0 lookup local || :; }");
	assert_int_equal(probe_start(&probe, p->probes, &target, NULL, NULL), 0);
	probe_cancel(probe);
	target.mark = 0x5c000001;
	assert_int_not_equal(probe_start(&probe, p->probes, &target, NULL, NULL), 0);
}

/* ------------------------------------------------------------------------- common to all kinds */

struct timed {
	unsigned int *open;
	unsigned int timeout_ms;
};

static void note(void *ctx, const struct probe_report *report)
{
	struct timed *timed = ctx;

	probing_expect(report, JUDGE_FAILURE, "tcp connect timed out");
	assert_true(report->duration_us >= timed->timeout_ms * 1000);
	--*timed->open;
}

/* The longest one, which is not waited for, comes first. */
static void timeouts_of_any_length_are_kept(void **state)
{
	static const unsigned int timeouts_ms[] = {PROBING_PATIENT_MS, 300, 100, 200, 100, 300};
	struct model_check checks[COUNT(timeouts_ms)];
	struct timed timed[COUNT(timeouts_ms)];
	struct probe *probes[COUNT(timeouts_ms)];
	unsigned int open = COUNT(timeouts_ms);
	struct probing *p = *state;

	add_silent();
	for (size_t i = 0; i < COUNT(timeouts_ms); i++) {
		struct probe_target target = probing_target(&checks[i], SILENT, PORT);

		checks[i] = tcp;
		checks[i].timeout_ms = timeouts_ms[i];
		timed[i] = (struct timed){.open = &open, .timeout_ms = timeouts_ms[i]};
		assert_int_equal(probe_start(&probes[i], p->probes, &target, note, &timed[i]), 0);
	}
	while (open > 1)
		assert_true(sd_event_run(p->event, UINT64_MAX) > 0);
	assert_int_equal(open, 1);
	probe_cancel(probes[0]);
}

struct pair {
	struct probe *probes[2];
	unsigned int reports;
};

/* Whoever ends first cancels the other one. */
static void cancel_other(void *ctx, const struct probe_report *report)
{
	struct pair *pair = ctx;

	(void)report;
	pair->reports++;
	probe_cancel(pair->probes[0]);
}

static void an_owner_may_cancel_others_when_it_is_told(void **state)
{
	struct probing *p = *state;
	struct pair pair = {0};
	struct probe *probe;

	/* Refused at once: both have ended before any is told of. */
	for (unsigned int round = 0; round < 2; round++) {
		struct probe_target target = probing_target(&tcp, "127.0.0.1", NOBODY_LISTENS);

		assert_int_equal(probe_start(&probe, p->probes, &target, cancel_other, &pair), 0);
		assert_int_equal(
			probe_start(&pair.probes[0], p->probes, &target, cancel_other, &pair), 0);
		while (pair.reports == round)
			assert_true(sd_event_run(p->event, UINT64_MAX) > 0);
		assert_int_equal(sd_event_run(p->event, 0), 0);
		assert_int_equal(pair.reports, round + 1);
	}
}

struct repeat {
	struct probing *p;
	struct probe_target target;
	unsigned int left;
};

static void again(void *ctx, const struct probe_report *report)
{
	struct repeat *repeat = ctx;
	struct probe *probe;

	probing_expect(report, JUDGE_FAILURE, "tcp connect: connection refused");
	if (--repeat->left)
		assert_int_equal(
			probe_start(&probe, repeat->p->probes, &repeat->target, again, repeat), 0);
}

static void an_owner_may_start_the_next_one_when_it_is_told(void **state)
{
	struct repeat repeat = {.p = *state,
				.target = probing_target(&tcp, "127.0.0.1", NOBODY_LISTENS),
				.left = 10};
	struct probe *probe;

	assert_int_equal(probe_start(&probe, repeat.p->probes, &repeat.target, again, &repeat), 0);
	while (repeat.left)
		assert_true(sd_event_run(repeat.p->event, UINT64_MAX) > 0);
}

static void no_check_is_refused(void **state)
{
	static const struct model_check none = {.type = MODEL_CHECK_NONE, .timeout_ms = 1000};

	probing_finds(*state, &none, "127.0.0.1", PORT, JUDGE_UNKNOWN,
		      "this host: there is no probe of this kind");
}

static void nothing_is_left_behind(void **state)
{
	_cleanup_(closep) int fd = listener();

	add_silent();
	probing_leaks_nothing(*state, &tcp, "127.0.0.1", PORT);
	probing_leaks_nothing(*state, &tcp, "127.0.0.1", NOBODY_LISTENS);
	probing_leaks_nothing(*state, &tcp_short, SILENT, PORT);
}

#define PROBE_TEST(f) cmocka_unit_test_setup_teardown(f, probing_setup, probing_teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		PROBE_TEST(a_listener_is_found_in_either_family),
		PROBE_TEST(the_server_sees_no_connection_and_no_time_wait_is_left),
		PROBE_TEST(nobody_listening_is_a_failure),
		PROBE_TEST(silence_is_a_failure_after_the_timeout),
		PROBE_TEST(a_host_that_does_not_answer_its_neighbours_is_a_failure),
		PROBE_TEST(no_route_is_of_this_host),
		PROBE_TEST(no_descriptor_is_of_this_host),
		PROBE_TEST(no_local_port_is_of_this_host),
		PROBE_TEST(what_a_router_says_is_a_failure),
		PROBE_TEST(the_socket_has_the_mark),
		PROBE_TEST(timeouts_of_any_length_are_kept),
		PROBE_TEST(an_owner_may_cancel_others_when_it_is_told),
		PROBE_TEST(an_owner_may_start_the_next_one_when_it_is_told),
		PROBE_TEST(no_check_is_refused),
		PROBE_TEST(nothing_is_left_behind),
	};

	netns_init(tests, COUNT(tests));
	return cmocka_run_group_tests_name("daemon/probe_tcp", tests, NULL, netns_group_fini);
}
