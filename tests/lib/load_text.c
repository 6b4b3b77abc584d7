/* SPDX-License-Identifier: MIT */
/*
 * A text becomes a file, and the file is loaded: so messages have a file's name, and includes work.
 */
#include "tests/lib/load_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/tempdir.h"

static struct tempdir dir;

int load_text_enter(void **state)
{
	(void)state;
	return tempdir_init(&dir) || chdir(dir.path) || mkdir("sub", 0755);
}

int load_text_leave(void **state)
{
	(void)state;
	tempdir_fini(&dir);
	return 0;
}

/* A copy with ' turned into ", and ` into '. */
static char *quoted(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	for (char *c = copy; *c; c++) {
		if (*c == '\'')
			*c = '"';
		else if (*c == '`')
			*c = '\'';
	}
	return copy;
}

void load_text_write(const char *path, const char *text)
{
	char *copy = quoted(text);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_not_equal(fputs(copy, f), EOF);
	assert_int_equal(fclose(f), 0);
	free(copy);
}

void assert_refused(const char *text, const char *messages)
{
	static struct model untouched;
	struct model *model = &untouched;
	struct diag diag = {0};
	char *expected = quoted(messages), *got;
	int err;

	load_text_write(FILE_NAME, text);
	err = load_file(&model, FILE_NAME, &diag);
	got = diag_text(&diag);
	if (strcmp(got, expected))
		print_message("text:\n%s\n", text);
	assert_string_equal(got, expected);
	assert_int_equal(err, -EINVAL);
	assert_ptr_equal(model, &untouched);
	free(got);
	free(expected);
	diag_fini(&diag);
}

struct model *assert_loads(const char *text)
{
	struct model *model = NULL;
	struct diag diag = {0};
	char *got;

	load_text_write(FILE_NAME, text);
	load_file(&model, FILE_NAME, &diag);
	got = diag_text(&diag);
	assert_string_equal(got, "");
	free(got);
	assert_non_null(model);
	return model;
}

void assert_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_refused(rows[i].text, rows[i].messages);
}
