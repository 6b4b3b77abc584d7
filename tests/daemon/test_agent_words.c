/* SPDX-License-Identifier: MIT */
/*
 * What agents say, and what it is taken for.
 */
#include "daemon/agent_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

static const struct row {
	const char *line;
	enum judge_result result;
	enum probe_wish wish;
	unsigned int percent;
	const char *reason;
} rows[] = {
	{"up", JUDGE_SUCCESS, PROBE_WISH_NONE, 0, "agent says up"},
	{"75%", JUDGE_SUCCESS, PROBE_WISH_NONE, 75, "agent says 75%"},
	{"100%", JUDGE_SUCCESS, PROBE_WISH_NONE, 100, "agent says 100%"},
	{"1000%", JUDGE_SUCCESS, PROBE_WISH_NONE, 1000, "agent says 1000%"},
	{"0%", JUDGE_SUCCESS, PROBE_WISH_DRAIN, 0, "agent says 0%"},
	{"down", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says down"},
	{"fail", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says fail"},
	{"failed", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says failed"},
	{"stopped", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says stopped"},
	{"drain", JUDGE_SUCCESS, PROBE_WISH_DRAIN, 0, "agent says drain"},
	{"maint", JUDGE_SUCCESS, PROBE_WISH_MAINT, 0, "agent says maint"},
	{"ready", JUDGE_SUCCESS, PROBE_WISH_READY, 0, "agent says ready"},
	{"ready up 50%", JUDGE_SUCCESS, PROBE_WISH_READY, 50, "agent says ready up 50%"},
	{"UP,\t30%\r", JUDGE_SUCCESS, PROBE_WISH_NONE, 30, "agent says UP,\t30%"},
	{"  up  ", JUDGE_SUCCESS, PROBE_WISH_NONE, 0, "agent says up"},
	{"maxconn:30", JUDGE_SUCCESS, PROBE_WISH_NONE, 0, "agent says maxconn:30"},
	{"up maxconn:30,20%", JUDGE_SUCCESS, PROBE_WISH_NONE, 20, "agent says up maxconn:30,20%"},
	{"down # disk full", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says down: disk full"},
	{"down#disk full", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says down: disk full"},
	{"drain # up 50%", JUDGE_SUCCESS, PROBE_WISH_DRAIN, 0, "agent says drain: up 50%"},
	{"up #", JUDGE_SUCCESS, PROBE_WISH_NONE, 0, "agent says up"},
	{"up down", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says up down"},
	{"drain 50% ready", JUDGE_SUCCESS, PROBE_WISH_READY, 50, "agent says drain 50% ready"},
	{"", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says nothing"},
	{" , ", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says nothing"},
	{"# up", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says nothing"},
	{"1001%", JUDGE_FAILURE, PROBE_WISH_NONE, 0,
	 "agent says \"1001%\", which is no word of agent-check"},
	{"99999999999%", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says \"99999999999%\", which"},
	{"%", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says \"%\", which"},
	{"-5%", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says \"-5%\", which"},
	{"5", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says \"5\", which"},
	{"maxconn:", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says \"maxconn:\", which"},
	{"maxconn:x", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says \"maxconn:x\", which"},
	{"50% drain upp", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says \"upp\", which"},
	{"u", JUDGE_FAILURE, PROBE_WISH_NONE, 0, "agent says \"u\", which"},
};

static void words_mean_what_haproxy_means(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct probe_report report = {.result = JUDGE_UNKNOWN,
					      .wish = PROBE_WISH_MAINT,
					      .weight_percent = 7,
					      .duration_us = 5};
		const struct row *row = &rows[i];

		agent_words_read(&report, row->line);
		if (report.result != row->result || report.wish != row->wish ||
		    report.weight_percent != row->percent || report.duration_us != 5 ||
		    strncmp(report.reason, row->reason, strlen(row->reason)) != 0)
			fail_msg("\"%s\": result %u, wish %u, %u %%, \"%s\"", row->line,
				 report.result, report.wish, report.weight_percent, report.reason);
	}
}

static void a_long_line_is_cut_in_the_reason(void **state)
{
	struct probe_report report = {0};
	char line[2 * PROBE_REASON_MAX];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	memcpy(line, "up # ", 5);
	agent_words_read(&report, line);
	assert_int_equal(report.result, JUDGE_SUCCESS);
	assert_int_equal(strlen(report.reason), PROBE_REASON_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_mean_what_haproxy_means),
		cmocka_unit_test(a_long_line_is_cut_in_the_reason),
	};

	return cmocka_run_group_tests_name("daemon/agent_words", tests, NULL, NULL);
}
