/* SPDX-License-Identifier: MIT */
/*
 * Files into one text: what goes where, which line came from which file, and what is refused.
 * Each test writes its files into a directory of its own.
 */
#include "config/source.h"

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

#define MAIN "main.conf"

static struct tempdir dir;

static int enter_dir(void **state)
{
	(void)state;
	return tempdir_init(&dir) || chdir(dir.path) || mkdir("sub", 0755) || mkfifo("fifo", 0600);
}

static int leave_dir(void **state)
{
	(void)state;
	tempdir_fini(&dir);
	return 0;
}

static void write_bytes(const char *path, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void write_text(const char *path, const char *text)
{
	write_bytes(path, text, strlen(text));
}

/* The text with each line's place before it: what the reader of messages will see. */
static char *listing(const struct source *source)
{
	char *out = NULL, *rest = source->text, *line;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	for (unsigned int i = 1; (line = strsep(&rest, "\n")); i++) {
		struct source_place place = source_find(source, i);

		fprintf(f, "%s:%u|%s\n", place.file, place.line, line);
	}
	fclose(f);
	return out;
}

static void assert_reads(const char *text, const char *expected)
{
	struct source source;
	struct diag diag = {0};
	char *got;

	write_text(MAIN, text);
	assert_int_equal(source_read(&source, MAIN, &diag), 0);
	assert_int_equal(diag.n, 0);
	assert_string_equal(source.files[0], MAIN);
	got = listing(&source);
	assert_string_equal(got, expected);
	free(got);
	source_fini(&source);
	assert_null(source.text);
}

/* Reads @path: @err, and the messages, after those that were there already. */
static void assert_refuses_path(const char *path, int err, const char *messages)
{
	static const struct source sentinel = {.n_files = 77};
	struct source source = sentinel;
	struct diag diag = {0};
	char *got;

	assert_int_equal(source_read(&source, path, &diag), err);
	assert_memory_equal(&source, &sentinel, sizeof(source));
	got = diag_text(&diag);
	assert_string_equal(got, messages);
	free(got);
	diag_fini(&diag);
}

static void assert_refuses(const char *text, const char *messages)
{
	write_text(MAIN, text);
	assert_refuses_path(MAIN, -EINVAL, messages);
}

static void copies_a_file_as_it_is(void **state)
{
	static const char *const texts[] = {
		"",
		"a = 1;",
		"a = \"x\\\"y\\\\\"; # \"not a string\n",
		"/* \" @include \"nope\"\n@include \"nope\"\n */ b = 2; // 99999999999\n",
		"s = \"99999999999 /* # //\"\n;",
		"s = \"\n@include \\\"nope\\\"\n\";",
		"name-5000000000_5000000000* = 1.5e5000000000; f = .5000000000;",
		"f = 5000000000.5; g = 5000000000e1; h = -5000000000.;",
		"x @include \"nope\"\n@includes \"nope\"\n@include\"nope\"\n@include nope\n",
		"\t# @include \"nope\"\r\n\r\n",
	};
	struct source source;
	struct diag diag = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_text(MAIN, texts[i]);
		assert_int_equal(source_read(&source, MAIN, &diag), 0);
		assert_string_equal(source.text, texts[i]);
		source_fini(&source);
	}
}

static void puts_included_files_in_their_place(void **state)
{
	(void)state;
	write_text("one", "one = 1;\n");
	write_text("two", "\ntwo = 2; # no newline at the end");
	write_text("empty", "");
	write_text("sub/outer", "outer;\n@include \"inner\"\nend;");
	write_text("sub/inner", "inner;\n@include \"../one\"");
	assert_reads("a\n@include \"one\"\nb\n",
		     "main.conf:1|a\none:1|one = 1;\nmain.conf:2|\nmain.conf:3|b\nmain.conf:4|\n");
	assert_reads("\t @include \t\"two\" ; c\nd",
		     "two:1|\ntwo:2|two = 2; # no newline at the end\nmain.conf:1| ; c\n"
		     "main.conf:2|d\n");
	assert_reads("@include \"empty\"", "main.conf:1|\n");
	assert_reads("@include \"one\" @include \"two\"\ne",
		     "one:1|one = 1;\ntwo:1|\ntwo:2|two = 2; # no newline at the end\n"
		     "main.conf:1|\nmain.conf:2|e\n");
	assert_reads("@include \"sub/outer\"\n",
		     "sub/outer:1|outer;\nsub/inner:1|inner;\nsub/../one:1|one = 1;\n"
		     "sub/outer:2|\nsub/outer:3|end;\nmain.conf:1|\nmain.conf:2|\n");
	assert_reads("/* x */@include \"nope\"", "main.conf:1|/* x */@include \"nope\"\n");
}

static void finds_an_included_file_by_its_absolute_path(void **state)
{
	char text[128], expected[256];

	(void)state;
	write_text("one", "one = 1;\n");
	snprintf(text, sizeof(text), "@include \"%s/one\"\n", dir.path);
	snprintf(expected, sizeof(expected), "%s/one:1|one = 1;\nmain.conf:1|\nmain.conf:2|\n",
		 dir.path);
	assert_reads(text, expected);
}

static void counts_lines_inside_comments_and_strings(void **state)
{
	(void)state;
	assert_reads("/*\n*/ a\n\"x\ny\" b\nc",
		     "main.conf:1|/*\nmain.conf:2|*/ a\nmain.conf:3|\"x\n"
		     "main.conf:4|y\" b\nmain.conf:5|c\n");
}

static void knows_no_line_outside_the_text(void **state)
{
	struct source source;
	struct diag diag = {0};

	(void)state;
	write_text(MAIN, "a\n");
	assert_int_equal(source_read(&source, MAIN, &diag), 0);
	for (unsigned int line = 0; line < 6; line += 3) {
		struct source_place place = source_find(&source, line);

		assert_string_equal(place.file, MAIN);
		assert_int_equal(place.line, 0);
	}
	source_fini(&source);
}

static void refuses_numbers_that_libconfig_would_wrap(void **state)
{
	(void)state;
	assert_refuses("a = 2147483648;\nb = -2147483648;\nc = +4294967376;\nd = 0x100000000;\n",
		       "main.conf:1: the number 2147483648 needs an L at its end: 2147483648L\n"
		       "main.conf:2: the number -2147483648 needs an L at its end: -2147483648L\n"
		       "main.conf:3: the number +4294967376 needs an L at its end: +4294967376L\n"
		       "main.conf:4: the number 0x100000000 needs an L at its end: 0x100000000L\n");
	assert_refuses("a = 9223372036854775808L;\nb = 99999999999999999999999;\n"
		       "c = 0x8000000000000000L;\nd=[1,9223372036854775808];",
		       "main.conf:1: the number 9223372036854775808L is too large\n"
		       "main.conf:2: the number 99999999999999999999999 is too large\n"
		       "main.conf:3: the number 0x8000000000000000L is too large\n"
		       "main.conf:4: the number 9223372036854775808 is too large\n");
	assert_reads(
		"a=2147483647;b=-2147483647;c=0xffffffff;d=9223372036854775807L;e=5000000000LL;",
		"main.conf:1|a=2147483647;b=-2147483647;c=0xffffffff;d=9223372036854775807L;"
		"e=5000000000LL;\n");
}

static void names_the_start_of_what_has_no_end(void **state)
{
	(void)state;
	write_text("open", "x\n/* here");
	assert_refuses("a\nb = \"x\n\\\"\n",
		       "main.conf:2: the string that begins here has no end '\"'\n");
	assert_refuses("\"\\", "main.conf:1: the string that begins here has no end '\"'\n");
	assert_refuses("a\n\n/*/\nb",
		       "main.conf:3: the comment that begins here has no end \"*/\"\n");
	assert_refuses("@include \"open\"\n*/ b = 1;",
		       "open:2: the comment that begins here has no end \"*/\"\n");
}

static void refuses_includes_that_cannot_be_read(void **state)
{
	(void)state;
	assert_refuses("a\n@include \"nope\"\n@include \"sub\"\n@include \"\"\n",
		       "main.conf:2: cannot include \"nope\": No such file or directory\n"
		       "main.conf:3: cannot include \"sub\": Is a directory\n"
		       "main.conf:4: cannot include \"\": No such file or directory\n");
	assert_refuses("@include \"no end\nb\n@include \"a\\\"b\"\n",
		       "main.conf:1: @include needs a path in quotes, without \"\\\"\n"
		       "main.conf:3: @include needs a path in quotes, without \"\\\"\n"
		       "main.conf:3: the string that begins here has no end '\"'\n");
	assert_refuses("@include \"" MAIN "\"\n",
		       "main.conf:1: more than 256 files; does one include itself?\n");
}

static void does_not_wait_for_a_fifo_that_nobody_writes(void **state)
{
	(void)state;
	assert_reads("@include \"fifo\"\n", "main.conf:1|\nmain.conf:2|\n");
}

static void says_why_the_file_cannot_be_read(void **state)
{
	(void)state;
	assert_refuses_path("nope.conf", -EIO, "nope.conf: No such file or directory\n");
	assert_refuses_path("sub", -EIO, "sub: Is a directory\n");
	assert_refuses_path("sub/", -EIO, "sub/: Is a directory\n");
	assert_refuses_path("", -EIO, ": No such file or directory\n");
	assert_refuses_path("/dev/zero", -EIO, "/dev/zero: File too large\n");
	assert_refuses_path("/proc/self/mem", -EIO, "/proc/self/mem: Input/output error\n");
}

static void says_that_a_file_may_not_be_read(void **state)
{
	(void)state;
	if (geteuid() == 0) {
		/* Any other user will do; the directory is open to all, the file is not. */
		assert_int_equal(seteuid(65534), 0);
		assert_refuses_path("/etc/shadow", -EIO, "/etc/shadow: Permission denied\n");
		assert_int_equal(seteuid(0), 0);
		return;
	}
	write_text("secret", "x");
	assert_int_equal(chmod("secret", 0), 0);
	assert_refuses_path("secret", -EIO, "secret: Permission denied\n");
}

static void refuses_bytes_that_are_no_text(void **state)
{
	(void)state;
	write_bytes(MAIN, "a = 1;\0b", 8);
	assert_refuses_path(MAIN, -EINVAL,
			    "main.conf:1: the file has a NUL byte: it is not text\n");
}

static void limits_the_whole_text(void **state)
{
	size_t n = SOURCE_BYTES_MAX / 2 + 1;
	char *half = malloc(n);

	(void)state;
	assert_non_null(half);
	memset(half, '\n', n);
	half[0] = '#';
	write_bytes("half", half, n);
	free(half);
	assert_refuses("@include \"half\"\n@include \"half\"\n",
		       "main.conf: more than 67108864 bytes\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_a_file_as_it_is),
		cmocka_unit_test(puts_included_files_in_their_place),
		cmocka_unit_test(finds_an_included_file_by_its_absolute_path),
		cmocka_unit_test(counts_lines_inside_comments_and_strings),
		cmocka_unit_test(knows_no_line_outside_the_text),
		cmocka_unit_test(refuses_numbers_that_libconfig_would_wrap),
		cmocka_unit_test(names_the_start_of_what_has_no_end),
		cmocka_unit_test(refuses_includes_that_cannot_be_read),
		cmocka_unit_test(does_not_wait_for_a_fifo_that_nobody_writes),
		cmocka_unit_test(says_why_the_file_cannot_be_read),
		cmocka_unit_test(says_that_a_file_may_not_be_read),
		cmocka_unit_test(refuses_bytes_that_are_no_text),
		cmocka_unit_test(limits_the_whole_text),
	};

	return cmocka_run_group_tests_name("config/source", tests, enter_dir, leave_dir);
}
