/* SPDX-License-Identifier: MIT */
/*
 * The machine of rise and fall. A row: how it begins, results in a row, and after each of them what it is.
 */
#include "daemon/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct judge new = {0};
static const struct judge up = {.up = true, .known = true};
static const struct judge down = {.known = true};

/* Results: '+' success, '-' failure, 'x' unknown. States: 'n' not known, 'U' up, 'D' down. */
struct row {
	const char *what;
	const struct judge *from;
	unsigned int rise, fall;
	const char *results;
	const char *states;
};

static void assert_row(const struct row *row)
{
	const struct model_check check = {.rise = row->rise, .fall = row->fall};
	struct judge judge = *row->from;

	for (size_t i = 0; row->results[i]; i++) {
		char c = row->results[i];
		enum judge_result result = c == '+'   ? JUDGE_SUCCESS
					   : c == '-' ? JUDGE_FAILURE
						      : JUDGE_UNKNOWN;
		struct judge before = judge;
		bool changed = judge_take(&judge, &check, result);
		char state = !judge.known ? 'n' : judge.up ? 'U' : 'D';

		if (state != row->states[i])
			fail_msg("%s: after %zu results it is %c", row->what, i + 1, state);
		if (changed != (before.up != judge.up || before.known != judge.known))
			fail_msg("%s: result %zu said %d", row->what, i + 1, changed);
	}
	assert_int_equal(strlen(row->results), strlen(row->states));
}

static void turns_by_results_in_a_row(void **state)
{
	static const struct row rows[] = {
		{"one success is enough for a new one", &new, 5, 5, "+", "U"},
		{"one failure is enough for a new one", &new, 5, 5, "-", "D"},
		{"a new one that failed rises as any other", &new, 2, 3, "-++", "DDU"},
		{"it falls by as many as are asked", &up, 2, 3, "---", "UUD"},
		{"it rises by as many as are asked", &down, 2, 3, "++", "DU"},
		{"a success between sets the count back", &up, 2, 3, "--+--+---", "UUUUUUUUD"},
		{"a failure between sets the count back", &down, 3, 3, "++-++-+++", "DDDDDDDDU"},
		{"one is enough where one is asked", &up, 1, 1, "-+-", "DUD"},
		{"unknown says nothing", &up, 2, 3, "xxxx", "UUUU"},
		{"unknown says nothing of one that is down", &down, 2, 3, "xxxx", "DDDD"},
		{"unknown says nothing of a new one", &new, 2, 3, "xx+", "nnU"},
		{"unknown does not set the count back", &up, 2, 3, "-x-xx-", "UUUUUD"},
		{"nor that of successes", &down, 2, 3, "+x+", "DDU"},
		{"the state of before a restart is kept", &up, 2, 3, "x--+", "UUUU"},
		{"also down, where one success is not enough", &down, 2, 3, "+-+", "DDD"},
		{"counts begin anew after each turn", &up, 2, 2, "--+-++--", "UDDDDUUD"},
		{"large numbers", &up, 1, 10, "---------+----------", "UUUUUUUUUUUUUUUUUUUD"},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++)
		assert_row(&rows[i]);
}

static void asks_again_by_what_it_is(void **state)
{
	static const struct {
		struct judge judge;
		unsigned int ms;
	} rows[] = {
		{{0}, 500},
		{{.known = true, .up = true}, 2000},
		{{.known = true, .up = true, .count = 1}, 500},
		{{.known = true}, 9000},
		{{.known = true, .count = 1}, 500},
	};
	const struct model_check check = {
		.interval_ms = 2000, .fast_interval_ms = 500, .down_interval_ms = 9000};

	(void)state;
	for (size_t i = 0; i < N(rows); i++)
		assert_int_equal(judge_interval_ms(&rows[i].judge, &check), rows[i].ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_by_results_in_a_row),
		cmocka_unit_test(asks_again_by_what_it_is),
	};

	return cmocka_run_group_tests_name("daemon/judge", tests, NULL, NULL);
}
