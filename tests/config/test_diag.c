/* SPDX-License-Identifier: MIT */
/*
 * Messages: their form, their order, and that one which cannot be kept is not lost in silence.
 */
#include "config/diag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * A width that no printf can produce: the message fails as it does without memory. Volatile, lest
 * the compiler sees it, too.
 */
static const char *volatile impossible = "%2147483648d";
#define NOTE "there are more messages, but no memory for them"

static void assert_text(const struct diag *diag, const char *expected)
{
	char *text = diag_text(diag);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void says_file_and_line_where_there_are(void **state)
{
	struct diag diag = {0};
	char *text;

	(void)state;
	assert_text(&diag, "");
	diag_add(&diag, "sluice.conf", 12, "weight %d", 70000);
	diag_add(&diag, "sluice.conf", 0, "gone");
	diag_add(&diag, NULL, 3, "no file");
	assert_int_equal(diag.n, 3);
	assert_text(&diag, "sluice.conf:12: weight 70000\nsluice.conf: gone\nno file\n");
	text = diag_entry_text(&diag.entries[0]);
	assert_string_equal(text, "sluice.conf:12: weight 70000");
	free(text);
	diag_fini(&diag);
	assert_int_equal(diag.n, 0);
	assert_null(diag.entries);
	diag_fini(&diag);
}

static void copies_the_file_name(void **state)
{
	struct diag diag = {0};
	char file[] = "a.conf";

	(void)state;
	diag_add(&diag, file, 1, "x");
	file[0] = 'b';
	assert_text(&diag, "a.conf:1: x\n");
	diag_fini(&diag);
}

static void never_looks_empty_after_a_message_without_memory(void **state)
{
	struct diag diag = {0};

	(void)state;
	diag_add(&diag, "a.conf", 1, impossible, 1);
	assert_int_equal(diag.n, 1);
	diag_add(&diag, "a.conf", 2, "later");
	assert_text(&diag, NOTE "\n");
	diag_fini(&diag);
	assert_int_equal(diag.n, 0);
	diag_add(&diag, "a.conf", 3, "again");
	assert_text(&diag, "a.conf:3: again\n");
	diag_fini(&diag);
}

static void ends_with_a_note_when_memory_runs_out(void **state)
{
	struct diag diag = {0};

	(void)state;
	diag_add(&diag, "a.conf", 1, "first");
	diag_add(&diag, "a.conf", 2, "second");
	diag_add(&diag, "a.conf", 3, impossible, 1);
	diag_add(&diag, "a.conf", 4, "fourth");
	assert_text(&diag, "a.conf:1: first\na.conf:2: second\n" NOTE "\n");
	diag_fini(&diag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_file_and_line_where_there_are),
		cmocka_unit_test(copies_the_file_name),
		cmocka_unit_test(never_looks_empty_after_a_message_without_memory),
		cmocka_unit_test(ends_with_a_note_when_memory_runs_out),
	};

	return cmocka_run_group_tests_name("config/diag", tests, NULL, NULL);
}
