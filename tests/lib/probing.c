/* SPDX-License-Identifier: MIT */
#include "tests/lib/probing.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/lib/netns.h"

#define HANG_S 60 /* what takes so long never comes */
#define MANY 1000
#define AT_A_TIME 50

struct answer {
	bool done;
	struct probe_report report;
	unsigned int *open; /* or NULL */
};

int probing_setup(void **state)
{
	struct probing *p = calloc(1, sizeof(*p));

	netns_enter();
	signal(SIGPIPE, SIG_IGN);
	assert_non_null(p);
	assert_return_code(sd_event_new(&p->event), 0);
	assert_return_code(probes_new(&p->probes, p->event), 0);
	*state = p;
	return 0;
}

int probing_teardown(void **state)
{
	struct probing *p = *state;

	probes_free(p->probes);
	sd_event_unref(p->event);
	free(p);
	return 0;
}

struct probe_target probing_target(const struct model_check *check, const char *address,
				   uint16_t port)
{
	struct probe_target target = {.port = port, .check = check};

	assert_int_equal(addr_parse(&target.address, address), 0);
	target.backend = target.address;
	return target;
}

static void on_done(void *ctx, const struct probe_report *report)
{
	struct answer *answer = ctx;

	assert_false(answer->done);
	answer->done = true;
	answer->report = *report;
	if (answer->open)
		--*answer->open;
}

static void turn(struct probing *p)
{
	int n = sd_event_run(p->event, HANG_S * 1000000ull);

	assert_true(n >= 0);
	if (!n)
		fail_msg("nothing happened for %u s", HANG_S);
}

struct probe_report probing_ask(struct probing *p, const struct model_check *check,
				const char *address, uint16_t port)
{
	struct probe_target target = probing_target(check, address, port);
	struct answer answer = {0};
	struct probe *probe;
	int err = probe_start(&probe, p->probes, &target, on_done, &answer);

	assert_false(answer.done); /* never from within probe_start() */
	if (err)
		probe_own_error(&answer.report, err);
	while (!err && !answer.done)
		turn(p);
	return answer.report;
}

void probing_expect(const struct probe_report *report, enum judge_result result, const char *reason)
{
	if (report->result != result || strncmp(report->reason, reason, strlen(reason)) != 0)
		fail_msg("found %u \"%s\", expected %u \"%s...\"", report->result, report->reason,
			 result, reason);
}

void probing_finds(struct probing *p, const struct model_check *check, const char *address,
		   uint16_t port, enum judge_result result, const char *reason)
{
	struct probe_report report = probing_ask(p, check, address, port);

	probing_expect(&report, result, reason);
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Waits until only as many as @fds are open, so that killed children may die. */
static void expect_fds(struct probing *p, unsigned int fds)
{
	for (unsigned int i = 0; i < HANG_S * 10 && count_fds() != fds; i++)
		sd_event_run(p->event, 100000);
	assert_int_equal(count_fds(), fds);
}

void probing_leaks_nothing(struct probing *p, const struct model_check *check, const char *address,
			   uint16_t port)
{
	static struct answer answers[MANY];
	static struct probe *running[MANY];
	struct probe_target target = probing_target(check, address, port);
	unsigned int open = 0, fds;

	probing_ask(p, check, address, port); /* libraries may keep a descriptor from then on */
	while (sd_event_run(p->event, 200000) > 0)
		; /* a killed child may die */
	fds = count_fds();
	for (unsigned int i = 0; i < MANY; i++) {
		answers[i] = (struct answer){.open = &open};
		assert_int_equal(probe_start(&running[i], p->probes, &target, on_done, &answers[i]),
				 0);
		open++;
		while (open > AT_A_TIME)
			turn(p);
		/* One that has just begun, and one that may have had some events. */
		if (i % 3 == 0 || i % 7 == 0) {
			unsigned int j = i % 3 ? i / 7 * 7 : i;

			if (answers[j].done)
				continue;
			probe_cancel(running[j]);
			answers[j].done = true;
			open--;
		}
	}
	while (open)
		turn(p);
	expect_fds(p, fds);
	assert_true(waitpid(-1, NULL, WNOHANG | __WALL) <= 0);
}
