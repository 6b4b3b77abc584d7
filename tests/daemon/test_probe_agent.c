/* SPDX-License-Identifier: MIT */
/*
 * Agents that say their line at once, in pieces, without end, or not. What lines mean is in
 * test_agent_words.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/hostile.h"
#include "tests/lib/netns.h"
#include "tests/lib/probing.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define HOST "127.0.0.1"

enum port {
	LINE = 7200,
	CUT,
	UNPRINTABLE,
	HANGS,
	CLOSES,
	DRIPS,
	STAYS,
	STAYS_TOO,
	FLOODS,
	NOBODY_LISTENS,
};

static const struct hostile_service services[] = {
	{.port = LINE, .does = HOSTILE_SAY, .text = "drain 75%\ndown\n"},
	{.port = CUT, .does = HOSTILE_SAY, .text = "down # no newline"},
	{.port = UNPRINTABLE, .does = HOSTILE_SAY, .text = "down # \x1b[31m\xc3\xa4\tx\r\n"},
	{.port = HANGS, .does = HOSTILE_HANG},
	{.port = CLOSES, .does = HOSTILE_CLOSE},
	{.port = DRIPS, .does = HOSTILE_DRIP, .text = "75"},
	{.port = STAYS, .does = HOSTILE_DRIP, .text = "up 75%\n"},
	{.port = STAYS_TOO, .does = HOSTILE_DRIP, .text = "up 75%\r"},
	{.port = FLOODS, .does = HOSTILE_FLOOD, .text = "75% "},
};

static const struct row {
	enum port port;
	unsigned int timeout_ms;
	enum judge_result result;
	const char *reason;
} rows[] = {
	{CUT, PROBING_PATIENT_MS, JUDGE_FAILURE, "agent says down: no newline"},
	{UNPRINTABLE, PROBING_PATIENT_MS, JUDGE_FAILURE, "agent says down: ?[31m?? x"},
	{HANGS, PROBING_SHORT_MS, JUDGE_FAILURE, "agent timed out after "},
	{CLOSES, PROBING_PATIENT_MS, JUDGE_FAILURE, "agent closed the connection without a word"},
	{DRIPS, PROBING_SHORT_MS, JUDGE_FAILURE, "agent timed out after "},
	{FLOODS, PROBING_PATIENT_MS, JUDGE_FAILURE, "agent's line is longer than 512 bytes"},
	/* The line ends, the connection does not. */
	{STAYS, PROBING_PATIENT_MS, JUDGE_SUCCESS, "agent says up 75%"},
	{STAYS_TOO, PROBING_PATIENT_MS, JUDGE_SUCCESS, "agent says up 75%"},
	{NOBODY_LISTENS, PROBING_PATIENT_MS, JUDGE_FAILURE, "agent: connection refused"},
};

static pid_t server;

static void the_line_is_the_report(void **state)
{
	static const struct model_check check = {.type = MODEL_CHECK_AGENT,
						 .timeout_ms = PROBING_PATIENT_MS};
	struct probe_report report = probing_ask(*state, &check, HOST, LINE);

	probing_expect(&report, JUDGE_SUCCESS, "agent says drain 75%");
	assert_int_equal(report.wish, PROBE_WISH_DRAIN);
	assert_int_equal(report.weight_percent, 75);
	assert_true(report.duration_us > 0);
}

static void agents_of_all_kinds(void **state)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct model_check check = {.type = MODEL_CHECK_AGENT,
						  .timeout_ms = rows[i].timeout_ms};

		probing_finds(*state, &check, HOST, rows[i].port, rows[i].result, rows[i].reason);
	}
}

static void nothing_is_left_behind(void **state)
{
	static const struct model_check check = {.type = MODEL_CHECK_AGENT,
						 .timeout_ms = PROBING_PATIENT_MS};
	static const struct model_check late = {.type = MODEL_CHECK_AGENT,
						.timeout_ms = PROBING_SHORT_MS};

	probing_leaks_nothing(*state, &check, HOST, LINE);
	probing_leaks_nothing(*state, &check, HOST, CLOSES);
	probing_leaks_nothing(*state, &check, HOST, FLOODS);
	probing_leaks_nothing(*state, &late, HOST, HANGS);
}

static int setup(void **state)
{
	int err = probing_setup(state);

	server = hostile_start(HOST, services, COUNT(services));
	return err;
}

static int teardown(void **state)
{
	hostile_stop(server);
	return probing_teardown(state);
}

#define PROBE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		PROBE_TEST(the_line_is_the_report),
		PROBE_TEST(agents_of_all_kinds),
		PROBE_TEST(nothing_is_left_behind),
	};

	netns_init(tests, COUNT(tests));
	return cmocka_run_group_tests_name("daemon/probe_agent", tests, NULL, netns_group_fini);
}
