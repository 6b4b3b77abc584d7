/* SPDX-License-Identifier: MIT */
/*
 * Which known word a mistyped one is taken for.
 */
#include "config/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const known[] = {"name",  "address", "weight", "state", "backends",
				    "check", "port",    "pool",   "pools", "ring_size"};

static void finds_the_word_that_was_meant(void **state)
{
	static const struct {
		const char *word, *best;
	} rows[] = {
		{"adress", "address"},      /* one missing */
		{"addresss", "address"},    /* one too many */
		{"addrezs", "address"},     /* one wrong */
		{"wieght", "weight"},       /* two swapped */
		{"Name", "name"},           /* the case */
		{"pol", "pool"},            /* three letters, one edit */
		{"pool", "pool"},           /* the word itself */
		{"poola", "pool"},          /* the first of equals */
		{"backnd", "backends"},     /* two edits in six */
		{"ringsizes", "ring_size"}, /* two edits in nine */
		{"rngsizes", NULL},         /* three edits need nine letters */
		{"id", NULL},               /* too short for an edit */
		{"prt", "port"},
		{"sate", "state"},
		{"ste", NULL},
		{"gateway", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct suggest s = {.word = rows[i].word};
		const char *best = rows[i].best ? rows[i].best : "(none)";

		for (size_t j = 0; j < sizeof(known) / sizeof(known[0]); j++)
			suggest_offer(&s, known[j]);
		assert_string_equal(s.best ? s.best : "(none)", best);
	}
}

static void takes_the_nearer_word_whatever_the_order(void **state)
{
	struct suggest s = {.word = "backends-2"};

	(void)state;
	suggest_offer(&s, "backend-22");
	suggest_offer(&s, "backends-3");
	suggest_offer(&s, "backend-333");
	assert_string_equal(s.best, "backends-3");
	assert_int_equal(s.distance, 1);
}

static void passes_over_words_that_are_too_long(void **state)
{
	char word[80], longer[80];
	struct suggest s = {.word = word};

	(void)state;
	memset(word, 'a', 64);
	memset(longer, 'a', 63);
	word[64] = longer[63] = '\0';
	suggest_offer(&s, longer);
	assert_null(s.best);
	word[63] = '\0';
	suggest_offer(&s, longer);
	assert_string_equal(s.best, longer);
	longer[63] = 'a';
	longer[64] = '\0';
	s.best = NULL;
	suggest_offer(&s, longer);
	assert_null(s.best);
}

static void prints_the_end_of_a_message(void **state)
{
	struct suggest s = {.word = "adress"};
	char text[64];

	(void)state;
	snprintf(text, sizeof(text), "unknown%s%s%s", SUGGEST_TEXT(s));
	assert_string_equal(text, "unknown");
	suggest_offer(&s, "address");
	snprintf(text, sizeof(text), "unknown%s%s%s", SUGGEST_TEXT(s));
	assert_string_equal(text, "unknown; did you mean \"address\"?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_word_that_was_meant),
		cmocka_unit_test(takes_the_nearer_word_whatever_the_order),
		cmocka_unit_test(passes_over_words_that_are_too_long),
		cmocka_unit_test(prints_the_end_of_a_message),
	};

	return cmocka_run_group_tests_name("config/suggest", tests, NULL, NULL);
}
