/* SPDX-License-Identifier: MIT */
/*
 * Free ids and free places, from what is in use.
 */
#include "daemon/layout.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/cleanup.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void the_lowest_free_id_is_taken(void **state)
{
	static const uint32_t used[] = {1, 2, 4, 9, 0xffffffff}; /* also those out of range */
	_cleanup_(layout_ids_fini) struct layout_ids ids = {0};

	(void)state;
	assert_int_equal(layout_ids_init(&ids, 7), 0);
	for (size_t i = 0; i < N(used); i++)
		layout_ids_use(&ids, used[i]);
	assert_int_equal(layout_ids_take(&ids), 3);
	assert_int_equal(layout_ids_take(&ids), 5);
	assert_int_equal(layout_ids_take(&ids), 6);
	assert_int_equal(layout_ids_take(&ids), 0);
	assert_int_equal(layout_ids_take(&ids), 0);
}

static void without_ids_none_is_taken(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 2; n++) {
		_cleanup_(layout_ids_fini) struct layout_ids ids = {0};

		assert_int_equal(layout_ids_init(&ids, n), 0);
		layout_ids_use(&ids, 0);
		assert_int_equal(layout_ids_take(&ids), 0);
	}
}

static void rings_take_whole_lines(void **state)
{
	(void)state;
	assert_int_equal(layout_ring_area(13), 32);
	assert_int_equal(layout_ring_area(32), 32);
	assert_int_equal(layout_ring_area(33), 64);
	assert_int_equal(layout_ring_area(65537), 65568);
}

static const struct area_case {
	struct {
		uint32_t base, size;
	} used[4]; /* size 0: no more */
	uint32_t limit, size;
	int err;
	uint32_t base;
} area_cases[] = {
	/* At the beginning, behind what is there, between, at the very end. */
	{{{0}}, 128, 29, 0, 0},
	{{{0, 29}}, 128, 29, 0, 32},
	{{{32, 29}}, 128, 29, 0, 0},
	{{{32, 29}}, 128, 37, 0, 64},
	{{{64, 29}, {0, 29}}, 128, 29, 0, 32},
	{{{96, 29}, {0, 29}}, 128, 37, 0, 32},
	{{{96, 29}, {0, 29}}, 192, 67, -ENOSPC, 0},
	{{{96, 29}, {0, 29}}, 224, 67, 0, 128},
	{{{0, 29}, {32, 37}, {96, 29}}, 160, 29, 0, 128},
	{{{0, 29}, {32, 37}, {96, 29}}, 159, 29, -ENOSPC, 0},
	/* No room. */
	{{{0}}, 0, 29, -ENOSPC, 0},
	{{{0}}, 32, 37, -ENOSPC, 0},
	{{{0, 127}}, 128, 2, -ENOSPC, 0},
	/* Numbers do not wrap. */
	{{{0xffffffc0, 29}}, 0xffffffe0, 29, 0, 0},
	{{{0, 0x7fffffe0}, {0x7fffffe0, 0x7fffffe0}}, 0xffffffff, 61, -ENOSPC, 0},
};

static void the_first_place_that_fits_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(area_cases); i++) {
		const struct area_case *c = &area_cases[i];
		_cleanup_(layout_areas_fini) struct layout_areas areas = {.limit = c->limit};
		uint32_t base = 4711;

		for (size_t u = 0; u < N(c->used) && c->used[u].size; u++) {
			const struct sluice_ring ring = {
				.base = c->used[u].base,
				.size = c->used[u].size,
			};

			assert_int_equal(layout_areas_use(&areas, &ring), 0);
		}
		layout_areas_sort(&areas);
		assert_int_equal(layout_areas_take(&areas, c->size, &base), c->err);
		assert_int_equal(base, c->err ? 4711 : c->base);
	}
}

static void what_was_taken_is_in_use(void **state)
{
	static const uint32_t expected[] = {0, 64, 96, 160};
	const struct sluice_ring middle = {.base = 32, .size = 29};
	const struct sluice_ring last = {.base = 128, .size = 29};
	_cleanup_(layout_areas_fini) struct layout_areas areas = {.limit = 192};
	uint32_t base;

	(void)state;
	assert_int_equal(layout_areas_use(&areas, &last), 0);
	assert_int_equal(layout_areas_use(&areas, &middle), 0);
	layout_areas_sort(&areas);
	for (size_t i = 0; i < N(expected); i++) {
		assert_int_equal(layout_areas_take(&areas, 29, &base), 0);
		assert_int_equal(base, expected[i]);
	}
	assert_int_equal(layout_areas_take(&areas, 29, &base), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_free_id_is_taken),
		cmocka_unit_test(without_ids_none_is_taken),
		cmocka_unit_test(rings_take_whole_lines),
		cmocka_unit_test(the_first_place_that_fits_is_taken),
		cmocka_unit_test(what_was_taken_is_in_use),
	};

	return cmocka_run_group_tests_name("daemon/layout", tests, NULL, NULL);
}
