/* SPDX-License-Identifier: MIT */
/*
 * What arrives at stderr, which is a file for the time of each test. The clock is the test's: it
 * can be put forward.
 */
#include "daemon/log.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cleanup.h"

static time_t seconds_ahead;

/* Stands before libc's in the program. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	long err = syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += seconds_ahead;
	return err;
}

static int real_stderr = -1;
static char captured[65536];

static void capture_begin(void)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	real_stderr = dup(STDERR_FILENO);
	assert_true(real_stderr >= 0);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	fclose(file);
}

/* What was written since capture_begin(). */
static const char *capture_end(void)
{
	ssize_t n = pread(STDERR_FILENO, captured, sizeof(captured) - 1, 0);

	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	assert_true(n >= 0);
	captured[n] = '\0';
	return captured;
}

static unsigned int count_of(const char *text, const char *part)
{
	unsigned int n = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		n++;
	}
	return n;
}

static int no_journal(void **state)
{
	(void)state;
	return unsetenv("JOURNAL_STREAM");
}

static void levels_are_words_on_a_terminal(void **state)
{
	(void)state;
	capture_begin();
	log_init(LOG_LEVEL_DEBUG);
	log_error("levels: %d", 1);
	log_warning("levels: %d", 2);
	log_info("levels: %d", 3);
	log_debug("levels: %d", 4);
	assert_string_equal(capture_end(),
			    "error: levels: 1\nwarning: levels: 2\nlevels: 3\nlevels: 4\n");
}

static void levels_are_priorities_in_the_journal(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	capture_begin();
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init(LOG_LEVEL_DEBUG);
	log_error("journal: %d", 1);
	log_warning("journal: %d", 2);
	log_info("journal: %d", 3);
	log_debug("journal: %d", 4);

	/* The same environment, but stderr is another file. */
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init(LOG_LEVEL_DEBUG);
	log_error("journal: %d", 5);
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_init(LOG_LEVEL_DEBUG);
	log_error("journal: %d", 6);
	assert_string_equal(capture_end(), "<3>journal: 1\n<4>journal: 2\n<6>journal: 3\n"
					   "<7>journal: 4\nerror: journal: 5\nerror: journal: 6\n");
}

static void lines_above_the_level_are_left_out(void **state)
{
	(void)state;
	capture_begin();
	log_init(LOG_LEVEL_WARNING);
	log_error("above: 1");
	log_warning("above: 2");
	log_info("above: 3");
	log_debug("above: 4");
	assert_string_equal(capture_end(), "error: above: 1\nwarning: above: 2\n");
}

static void line_stays_one_line(void **state)
{
	char expected[4096] = "", text[4096];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	capture_begin();
	log_init(LOG_LEVEL_INFO);
	log_info("quoted \"%s\"", "a\nerror: b\tc\x1b[0m\x7f");
	log_info("%s", text);
	snprintf(expected, sizeof(expected), "quoted \"a error: b c [0m \"\n%.2044s...\n", text);
	assert_string_equal(capture_end(), expected);
}

static void errno_is_kept(void **state)
{
	int kept;

	(void)state;
	capture_begin();
	log_init(LOG_LEVEL_INFO);
	close(STDERR_FILENO);
	errno = ENOSPC;
	log_info("errno: nobody reads this");
	kept = errno;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	assert_int_equal(kept, ENOSPC);
}

static void messages_of_a_diag_are_lines(void **state)
{
	struct diag_entry entries[] = {{"a.conf", 3, "first"}, {"a.conf", 0, "second"}};
	const struct diag diag = {entries, 2};

	(void)state;
	capture_begin();
	log_init(LOG_LEVEL_INFO);
	log_diag(LOG_LEVEL_ERROR, &diag);
	assert_string_equal(capture_end(), "error: a.conf:3: first\nerror: a.conf: second\n");
}

static void identical_lines_are_counted_instead_of_written(void **state)
{
	const char *text;

	(void)state;
	capture_begin();
	log_init(LOG_LEVEL_INFO);
	for (int i = 0; i < 40; i++) {
		log_warning("often: the same");
		log_info("often: the same");
	}
	for (int i = 0; i < 10; i++)
		log_info("often: ten times");
	/* Other lines take the places of those, which are accounted for then. */
	for (int i = 0; i < 20; i++)
		log_info("often: other %d", i);
	text = capture_end();
	assert_int_equal(count_of(text, "warning: often: the same\n"), 10);
	assert_int_equal(count_of(text, "often: the same\n"), 20);
	assert_int_equal(count_of(text, "warning: often: the same ... repeated 30 times\n"), 1);
	assert_int_equal(count_of(text, "often: the same ... repeated 30 times\n"), 2);
	assert_int_equal(count_of(text, "often: ten times\n"), 10);
	assert_int_equal(count_of(text, "often: other "), 20);
	assert_int_equal(count_of(text, "repeated"), 2);
}

static void identical_lines_are_written_again_after_ten_seconds(void **state)
{
	const char *text;

	(void)state;
	capture_begin();
	log_init(LOG_LEVEL_INFO);
	for (int i = 0; i < 13; i++)
		log_info("later: the same");
	seconds_ahead += 10;
	log_info("later: another");
	for (int i = 0; i < 11; i++)
		log_info("later: the same");
	seconds_ahead += 10;
	log_info("later: the same");
	text = capture_end();
	assert_int_equal(count_of(text, "later: the same\n"), 10 + 10 + 1);
	assert_non_null(strstr(text, "later: the same\nlater: the same ... repeated 3 times\n"
				     "later: another\nlater: the same\n"));
	assert_non_null(strstr(text, "later: the same ... repeated 1 times\nlater: the same\n"));
}

static void exit_tells_what_was_left_out(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	capture_begin();
	pid = fork();
	if (pid == 0) {
		log_init(LOG_LEVEL_INFO);
		for (int i = 0; i < 12; i++)
			log_info("exit: the same");
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_non_null(strstr(capture_end(), "exit: the same ... repeated 2 times\n"));
	assert_int_equal(status, 0);
}

static void libraries_speak_at_debug_level(void **state)
{
	const char *text;
	libbpf_print_fn_t hook;

	(void)state;
	capture_begin();
	log_init(LOG_LEVEL_INFO);
	assert_null(bpf_object__open_file("/nonexistent/object.o", NULL));
	assert_string_equal(capture_end(), "");

	capture_begin();
	log_init(LOG_LEVEL_DEBUG);
	assert_null(bpf_object__open_file("/nonexistent/object.o", NULL));
	text = capture_end();
	assert_non_null(strstr(text, "libbpf: "));
	assert_non_null(strstr(text, "/nonexistent/object.o"));
	assert_null(strstr(text, "\n\n"));
	hook = libbpf_set_print(NULL);
	libbpf_set_print(hook);
	assert_non_null(hook);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(levels_are_words_on_a_terminal, no_journal),
		cmocka_unit_test_teardown(levels_are_priorities_in_the_journal, no_journal),
		cmocka_unit_test_setup(lines_above_the_level_are_left_out, no_journal),
		cmocka_unit_test_setup(line_stays_one_line, no_journal),
		cmocka_unit_test_setup(errno_is_kept, no_journal),
		cmocka_unit_test_setup(messages_of_a_diag_are_lines, no_journal),
		cmocka_unit_test_setup(identical_lines_are_counted_instead_of_written, no_journal),
		cmocka_unit_test_setup(identical_lines_are_written_again_after_ten_seconds,
				       no_journal),
		cmocka_unit_test_setup(exit_tells_what_was_left_out, no_journal),
		cmocka_unit_test_setup(libraries_speak_at_debug_level, no_journal),
	};

	return cmocka_run_group_tests_name("daemon/log", tests, NULL, NULL);
}
