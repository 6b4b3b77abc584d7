/* SPDX-License-Identifier: MIT */
/*
 * What is told of a move, for pairs of generations.
 */
#include "daemon/report_move.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

/* Members a, b, ... by their weights; 0xffff: it is not there. */
#define NONE 0xffff
#define MEMBERS 4

static struct generation generation_of(const unsigned int weights[MEMBERS],
				       struct generation_member members[MEMBERS])
{
	static char *const names[MEMBERS] = {"a", "b", "c", "d"};
	struct generation g = {.maglev = MODEL_MAGLEV_V2, .ring_size = 65537, .members = members};

	for (uint8_t i = 0; i < MEMBERS; i++) {
		const uint8_t bytes[4] = {10, 0, 0, i};

		if (weights[i] == NONE)
			continue;
		members[g.n_members++] = (struct generation_member){
			.pool = "web",
			.backend = names[i],
			.address = addr_from_bytes(AF_INET, bytes),
			.weight = weights[i],
		};
	}
	return g;
}

static void moves_are_told_in_words(void **state)
{
	static const struct {
		unsigned int old[MEMBERS], now[MEMBERS];
		const char *why; /* each line ends with "; " */
	} cases[] = {
		{{100, 100, NONE, NONE}, {NONE, 100, NONE, NONE}, "a left; "},
		{{100, NONE, NONE, NONE}, {100, 50, NONE, 1}, "b is new; d is new; "},
		{{100, 7, NONE, NONE}, {100, 8, NONE, NONE}, "b has weight 8, not 7; "},
		{{NONE, 100, 0, NONE},
		 {100, 100, NONE, NONE},
		 "a is new; c was a member in between; "},
		{{0, 100, NONE, NONE}, {100, 100, NONE, NONE}, "a was away in between; "},
		{{NONE, NONE, NONE, NONE}, {1, NONE, NONE, NONE}, "a is new; "},
		{{1, 2, NONE, NONE}, {NONE, NONE, NONE, NONE}, "a left; b left; "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct generation_member old[MEMBERS], now[MEMBERS];
		struct generation_vip v = {
			.moving = true,
			.since = 5,
			.leave = INT64_MAX,
			.limit = 7,
			.old = generation_of(cases[i].old, old),
			.now = generation_of(cases[i].now, now),
		};
		json_t *doc = json_object(), *line;
		char text[256] = "";
		size_t at;

		report_move(doc, &v);
		json_array_foreach (json_object_get(doc, "why"), at, line) {
			strcat(text, json_string_value(line));
			strcat(text, "; ");
		}
		assert_string_equal(text, cases[i].why);
		assert_int_equal(json_integer_value(json_object_get(doc, "since")), 5);
		assert_int_equal(json_integer_value(json_object_get(doc, "settles_by")), 7);
		assert_null(json_object_get(doc, "left_until"));
		json_decref(doc);
	}
}

static void who_left_has_its_time_or_not(void **state)
{
	static const unsigned int both[MEMBERS] = {1, 2, 3, NONE},
				  none[MEMBERS] = {NONE, NONE, NONE, NONE};
	struct generation_member old[MEMBERS], now[MEMBERS];
	struct generation_vip v = {
		.moving = true,
		.back = true,
		.leave = 300,
		.old = generation_of(both, old),
		.now = generation_of(none, now),
	};
	json_t *doc = json_object(), *why;

	(void)state;
	old[0].gone = true;
	old[1].disabled = true;
	v.old.maglev = MODEL_MAGLEV_V1;
	v.old.ring_size = 4093;
	report_move(doc, &v);
	why = json_object_get(doc, "why");
	assert_int_equal(json_integer_value(json_object_get(doc, "left_until")), 300);
	assert_int_equal(json_array_size(why), 6);
	assert_string_equal(json_string_value(json_array_get(why, 1)), "maglev is v2, not v1");
	assert_string_equal(json_string_value(json_array_get(why, 3)),
			    "a left, and its time is over");
	assert_string_equal(json_string_value(json_array_get(why, 4)), "b left, and is disabled");
	assert_string_equal(json_string_value(json_array_get(why, 5)), "c left");
	json_decref(doc);
	doc = json_object();
	v.moving = false;
	report_move(doc, &v);
	assert_int_equal(json_object_size(doc), 0);
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_are_told_in_words),
		cmocka_unit_test(who_left_has_its_time_or_not),
	};

	return cmocka_run_group_tests_name("daemon/report_move", tests, NULL, NULL);
}
