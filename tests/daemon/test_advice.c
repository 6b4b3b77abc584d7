/* SPDX-License-Identifier: MIT */
/*
 * What checks say becomes what the desired state takes: used or not, and whether that is so recent that
 * flows of before must be looked after. The function health_of() here stands before the other in the
 * program.
 */
#include "daemon/advice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define GRACE 1000 /* ends then */
#define SETTLE 300

static struct health_view view;

struct health_view health_of(const struct health *health, const struct model_vip *vip,
			     const struct model_pool *pool, const struct model_backend *backend)
{
	(void)health;
	(void)vip;
	(void)pool;
	(void)backend;
	return view;
}

static struct desired_health at(int64_t now)
{
	struct advice advice = {.settle_s = SETTLE, .now = now, .grace = GRACE};

	return advice_health(&advice, NULL, NULL, NULL);
}

static void takes_unknown_ones_for_up_only_at_the_start(void **state)
{
	static const struct {
		struct health_view view;
		int64_t now;
		bool up;
	} rows[] = {
		{{.checked = true}, GRACE - 1, true},
		{{.checked = true}, GRACE, false},
		{{.checked = true, .late = true}, GRACE - 1, false},
		{{.checked = true, .known = true}, GRACE - 1, false},
		{{.checked = true, .known = true, .up = true}, GRACE + 9, true},
		{{.known = true, .up = true}, GRACE + 9, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		view = rows[i].view;
		assert_int_equal(at(rows[i].now).up, rows[i].up);
	}
}

static void looks_after_flows_of_what_turned(void **state)
{
	static const struct {
		struct health_view view;
		int64_t now;
		bool recent, brief;
	} rows[] = {
		/* in the first moments: known for the first time, turned, new */
		{{.known = true, .since = GRACE - 1}, GRACE, false, false},
		{{.known = true, .since = GRACE - 1, .before_s = 1}, GRACE, true, true},
		{{.known = true, .since = GRACE - 1, .late = true}, GRACE, true, false},
		/* before a restart */
		{{.known = true, .since = GRACE - 200, .before_s = 400}, GRACE, true, false},
		{{.known = true, .since = GRACE - 200}, GRACE, false, false},
		/* later, and until it has settled */
		{{.known = true, .since = GRACE + 1}, GRACE + 2, true, false},
		{{.known = true, .since = GRACE + 1, .before_s = 299}, GRACE + 300, true, true},
		{{.known = true, .since = GRACE + 1, .before_s = 299}, GRACE + 301, false, false},
		{{.since = GRACE + 1}, GRACE + 2, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		view = rows[i].view;
		assert_int_equal(at(rows[i].now).recent, rows[i].recent);
		assert_int_equal(at(rows[i].now).brief, rows[i].brief);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_unknown_ones_for_up_only_at_the_start),
		cmocka_unit_test(looks_after_flows_of_what_turned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
