/* SPDX-License-Identifier: MIT */
/*
 * Rows of every map's sizes: sorted, found, compared.
 */
#include "daemon/rows.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "daemon/maps.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Rows with a letter as key and one as value: "a1c3". */
static void fill(struct rows *rows, const char *text)
{
	rows_init(rows, 1, 1);
	for (; *text; text += 2)
		assert_int_equal(rows_add(rows, &text[0], &text[1]), 0);
}

static void assert_rows(const struct rows *rows, const char *expected)
{
	assert_int_equal(rows->n, strlen(expected) / 2);
	if (rows->n)
		assert_memory_equal(rows->data, expected, strlen(expected));
}

static void rows_are_sorted_and_the_first_of_a_key_stays(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"a1", "a1"},
		{"b1a2", "a2b1"},
		{"a1a1", "a1"},
		{"a1b2c3", "a1b2c3"},
		{"c3b2a1", "a1b2c3"},
		{"b1a1b1a1b1", "a1b1"},
		{"a1b1b1b1c1", "a1b1c1"},
		{"\xff"
		 "1\x01"
		 "2",
		 "\x01"
		 "2\xff"
		 "1"},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		_cleanup_(rows_fini) struct rows rows;

		fill(&rows, cases[i][0]);
		rows_sort(&rows);
		assert_rows(&rows, cases[i][1]);
	}
}

/* Whoever wrote a key first is right, however many there are. */
static void the_first_row_of_a_key_stays_among_many(void **state)
{
	_cleanup_(rows_fini) struct rows rows;
	uint32_t n = 1000;

	(void)state;
	rows_init(&rows, sizeof(uint32_t), sizeof(uint32_t));
	for (uint32_t round = 0; round < 5; round++)
		for (uint32_t i = 0; i < n; i++) {
			uint32_t key = i * 7919 % n;

			assert_int_equal(rows_add(&rows, &key, &round), 0);
		}
	rows_sort(&rows);
	assert_int_equal(rows.n, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(*(const uint32_t *)rows_value(&rows, i), 0);
}

static void rows_are_found_by_their_key(void **state)
{
	(void)state;
	for (size_t n = 0; n < 20; n++) {
		_cleanup_(rows_fini) struct rows rows;

		rows_init(&rows, sizeof(uint32_t), sizeof(uint64_t));
		for (uint32_t i = 0; i < n; i++) {
			uint32_t key = 2 * i + 1;
			uint64_t value = 1000 + key;

			assert_int_equal(rows_add(&rows, &key, &value), 0);
		}
		rows_sort(&rows);
		assert_int_equal(rows.n, n);
		for (uint32_t key = 0; key < 2 * n + 2; key++) {
			const void *found = rows_find(&rows, &key);
			uint64_t value;

			assert_int_equal(found != NULL, key % 2 && key < 2 * n);
			if (!found)
				continue;
			memcpy(&value, found, sizeof(value));
			assert_int_equal(value, 1000 + key);
		}
	}
}

static void keys_and_values_have_the_sizes_of_their_map(void **state)
{
	static const unsigned char bytes[256];

	(void)state;
	for (int i = 0; i < MAP_MAX; i++) {
		const struct map_description *d = &map_descriptions[i];
		_cleanup_(rows_fini) struct rows rows;
		unsigned char key[64] = {0};

		if (d->kind != MAP_ROWS)
			continue;
		assert_true(d->key_size <= sizeof(key) && d->value_size <= sizeof(bytes));
		rows_init(&rows, d->key_size, d->value_size);
		for (int k = 3; k > 0; k--) {
			key[d->key_size - 1] = (unsigned char)k;
			assert_int_equal(rows_add(&rows, key, bytes), 0);
		}
		rows_sort(&rows);
		for (size_t k = 0; k < 3; k++) {
			const unsigned char *found = rows_key(&rows, k);

			assert_int_equal(found[d->key_size - 1], k + 1);
			assert_ptr_equal(rows_value(&rows, k), found + d->key_size);
			assert_memory_equal(rows_value(&rows, k), bytes, d->value_size);
		}
	}
}

static int print(void *ctx, const void *key, const void *from, const void *to)
{
	fprintf(ctx, "%c%c%c ", *(const char *)key, from ? *(const char *)from : '-',
		to ? *(const char *)to : '-');
	return 0;
}

/* Per row that differs: key, old and new value. */
static const char *const diffs[][3] = {
	{"", "", ""},
	{"", "a1b2", "a-1 b-2 "},
	{"a1b2", "", "a1- b2- "},
	{"a1b2", "a1b2", ""},
	{"a1b2c3", "a1b9c3", "b29 "},
	{"a1c3", "b2", "a1- b-2 c3- "},
	{"b2", "a1c3", "a-1 b2- c-3 "},
	{"a1b2c3", "b2c4d5", "a1- c34 d-5 "},
	{"z1", "a1z1", "a-1 "},
	{"a1z1", "a1", "z1- "},
};

static void rows_that_differ_are_told_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(diffs); i++) {
		_cleanup_(rows_fini) struct rows from;
		_cleanup_(rows_fini) struct rows to;
		_cleanup_(freep) char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		fill(&from, diffs[i][0]);
		fill(&to, diffs[i][1]);
		assert_int_equal(rows_diff(&from, &to, print, out), 0);
		fclose(out);
		assert_string_equal(text, diffs[i][2]);
	}
}

static int stop_at_b(void *ctx, const void *key, const void *from, const void *to)
{
	(void)from;
	(void)to;
	++*(int *)ctx;
	return *(const char *)key == 'b' ? -EIO : 0;
}

static void an_error_ends_the_comparison(void **state)
{
	_cleanup_(rows_fini) struct rows from;
	_cleanup_(rows_fini) struct rows to;
	int told = 0;

	(void)state;
	fill(&from, "a1b1c1");
	fill(&to, "d1");
	assert_int_equal(rows_diff(&from, &to, stop_at_b, &told), -EIO);
	assert_int_equal(told, 2);
}

static void freed_rows_are_empty_and_can_be_used_again(void **state)
{
	struct rows rows;

	(void)state;
	fill(&rows, "a1");
	rows_fini(&rows);
	assert_int_equal(rows.n, 0);
	assert_null(rows_find(&rows, "a"));
	assert_int_equal(rows_add(&rows, "b", "2"), 0);
	assert_rows(&rows, "b2");
	rows_fini(&rows);
	rows_fini(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_sorted_and_the_first_of_a_key_stays),
		cmocka_unit_test(the_first_row_of_a_key_stays_among_many),
		cmocka_unit_test(rows_are_found_by_their_key),
		cmocka_unit_test(keys_and_values_have_the_sizes_of_their_map),
		cmocka_unit_test(rows_that_differ_are_told_in_order),
		cmocka_unit_test(an_error_ends_the_comparison),
		cmocka_unit_test(freed_rows_are_empty_and_can_be_used_again),
	};

	return cmocka_run_group_tests_name("daemon/rows", tests, NULL, NULL);
}
