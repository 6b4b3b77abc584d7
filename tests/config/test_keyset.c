/* SPDX-License-Identifier: MIT */
/*
 * Numbering keys: in the order in which they come, whatever their size, also many.
 */
#include "config/keyset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void numbers_keys_in_their_order(void **state)
{
	static const uint32_t keys[] = {7, 0, 7, UINT32_MAX, 0, 8, 7};
	static const size_t numbers[] = {0, 1, 0, 2, 1, 3, 0};
	static const int added[] = {1, 1, 0, 1, 0, 1, 0};
	struct keyset set = {.key_size = sizeof(keys[0])};
	size_t number;

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(keyset_add(&set, &keys[i], &number), added[i]);
		assert_int_equal(number, numbers[i]);
	}
	assert_int_equal(set.n, 4);
	keyset_fini(&set);
	assert_int_equal(set.n, 0);
	assert_int_equal(keyset_add(&set, &keys[3], &number), 1);
	assert_int_equal(number, 0);
	keyset_fini(&set);
}

struct wide {
	uint32_t word[5];
};

/* They differ in one word each, and then in a bit of it. */
static struct wide wide_key(size_t i)
{
	struct wide key = {0};

	key.word[i % 5] = 1 + (uint32_t)(i / 5);
	return key;
}

static void finds_many_keys_again(void **state)
{
	const size_t n = 50000;
	struct keyset set = {.key_size = sizeof(struct wide)};
	size_t number;

	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			struct wide key = wide_key(i);

			assert_int_equal(keyset_add(&set, &key, &number), pass == 0);
			assert_int_equal(number, i);
		}
	}
	assert_int_equal(set.n, n);
	for (size_t i = 0; i < 2 * n; i++) {
		struct wide key = wide_key(i);

		assert_int_equal(keyset_find(&set, &key, &number), i < n);
		assert_true(i >= n || number == i);
	}
	keyset_fini(&set);
}

static void finds_nothing_in_an_empty_set(void **state)
{
	struct keyset set = {.key_size = sizeof(struct wide)}, zero = {0};
	struct wide key = wide_key(1);
	size_t number = 7;

	(void)state;
	assert_false(keyset_find(&set, &key, &number));
	assert_false(keyset_find(&zero, &key, &number));
	assert_int_equal(number, 7);
}

static void makes_room_in_the_array_of_a_set(void **state)
{
	size_t *array = NULL;

	(void)state;
	for (size_t n = 0; n < 1000; n++) {
		array = keyset_room(array, n, sizeof(*array));
		assert_non_null(array);
		array[n] = n;
	}
	for (size_t n = 0; n < 1000; n++)
		assert_int_equal(array[n], n);
	free(array);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_keys_in_their_order),
		cmocka_unit_test(finds_many_keys_again),
		cmocka_unit_test(finds_nothing_in_an_empty_set),
		cmocka_unit_test(makes_room_in_the_array_of_a_set),
	};

	return cmocka_run_group_tests_name("config/keyset", tests, NULL, NULL);
}
