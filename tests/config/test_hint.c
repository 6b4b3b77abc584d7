/* SPDX-License-Identifier: MIT */
/*
 * Numbers of backends in hints: fixed for ever, in range, and spread.
 */
#include "config/hint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/addr.h"

static uint16_t number_of(const char *text)
{
	struct sluice_addr address;

	assert_int_equal(addr_parse(&address, text), 0);
	return hint_number(&address);
}

/* Computed apart from this code, by the formula in the header. */
static void numbers_are_the_same_for_ever(void **state)
{
	static const struct {
		const char *address;
		unsigned int number;
	} cases[] = {
		{"198.18.1.11", 32014},     {"198.18.1.12", 32015}, {"10.0.0.1", 34444},
		{"::ffff:10.0.0.1", 34444}, {"2001:db8::1", 61490}, {"fc00:2307::1337", 29963},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(number_of(cases[i].address), cases[i].number);
}

/* One network never clashes with itself, but at its ends. */
static void neighbours_differ(void **state)
{
	static bool used[HINT_MAX + 1];
	char text[32];
	(void)state;

	for (unsigned int i = 0; i < 65535; i++) {
		uint16_t number;

		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		number = number_of(text);
		assert_int_not_equal(number, 0);
		assert_false(used[number]);
		used[number] = true;
	}
}

/* The same host in 1,000 networks of 65,535 numbers: about 8 meet by chance, 25 once in 10^5. */
static void networks_rarely_meet(void **state)
{
	static bool used[HINT_MAX + 1];
	unsigned int met = 0;
	char text[32];
	(void)state;

	for (unsigned int i = 0; i < 1000; i++) {
		uint16_t number;

		snprintf(text, sizeof(text), "10.%u.0.7", i % 256);
		if (i >= 256)
			snprintf(text, sizeof(text), "2001:db8:%x::7", i);
		number = number_of(text);
		met += used[number];
		used[number] = true;
	}
	assert_true(met < 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_the_same_for_ever),
		cmocka_unit_test(neighbours_differ),
		cmocka_unit_test(networks_rarely_meet),
	};

	return cmocka_run_group_tests_name("config/hint", tests, NULL, NULL);
}
