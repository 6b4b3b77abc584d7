/* SPDX-License-Identifier: MIT */
/*
 * Programs that end well, badly, or not.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/netns.h"
#include "tests/lib/probing.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define HOST "10.0.0.7"
#define PORT 80
#define HANG_S 60

/* What a shell script is found to be. */
static struct probe_report run(struct probing *p, const char *script, unsigned int timeout_ms)
{
	char *argv[] = {"/bin/sh", "-c", (char *)script, NULL};
	const struct model_check check = {
		.type = MODEL_CHECK_EXEC, .argv = argv, .timeout_ms = timeout_ms};

	return probing_ask(p, &check, HOST, PORT);
}

static void expect_run(struct probing *p, const char *script, enum judge_result result,
		       const char *reason)
{
	struct probe_report report = run(p, script, PROBING_PATIENT_MS);

	probing_expect(&report, result, reason);
}

static void the_exit_code_decides(void **state)
{
	static const struct row {
		const char *script;
		enum judge_result result;
		const char *reason;
	} rows[] = {
		{"exit 0", JUDGE_SUCCESS, "exec exit code 0"},
		{"exit 1", JUDGE_FAILURE, "exec exit code 1"},
		{"exit 255", JUDGE_FAILURE, "exec exit code 255"},
		{"echo all is well; echo more", JUDGE_SUCCESS, "exec exit code 0: all is well"},
		{"echo disk full >&2; exit 3", JUDGE_FAILURE, "exec exit code 3: disk full"},
		{"printf 'a\\tb\\033c'; exit 3", JUDGE_FAILURE, "exec exit code 3: a b?c"},
		{"kill -TERM $$", JUDGE_FAILURE, "exec ended by signal 15"},
		{"echo last words; kill -KILL $$", JUDGE_FAILURE,
		 "exec ended by signal 9: last words"},
		/* Closed output is no end, and so much output is not too much. */
		{"exec >&- 2>&-; sleep 0.1", JUDGE_SUCCESS, "exec exit code 0"},
		{"echo first; head -c 500000 /dev/zero", JUDGE_SUCCESS, "exec exit code 0: first"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		expect_run(*state, rows[i].script, rows[i].result, rows[i].reason);
}

static void the_program_knows_whom_to_ask(void **state)
{
	expect_run(*state,
		   "echo $SLUICE_BACKEND $SLUICE_ADDRESS $SLUICE_PORT $(env | grep -vE "
		   "'^(SLUICE_|PATH=|PWD=|_=|SHLVL=|OLDPWD=)')",
		   JUDGE_SUCCESS, "exec exit code 0: 10.0.0.7 10.0.0.7 80");
}

/* It has nothing of ours: ids, descriptors, signals, limits, directory. */
static void the_program_has_nothing_of_ours(void **state)
{
	sigset_t set, before;
	struct rlimit limit;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	getrlimit(RLIMIT_NOFILE, &limit);
	expect_run(*state, "echo $(id -u) $(id -g) $(id -G)", JUDGE_SUCCESS,
		   "exec exit code 0: 65534 65534 65534");
	/* The last one is ls's own. */
	expect_run(*state, "echo $(ls /proc/self/fd) $(pwd) $(ulimit -n)", JUDGE_SUCCESS,
		   limit.rlim_cur >= 1024 ? "exec exit code 0: 0 1 2 3 / 1024"
					  : "exec exit code 0: 0 1 2 3 /");
	expect_run(*state,
		   "grep -E '^(SigBlk|SigIgn|NoNewPrivs)' /proc/self/status | sort | xargs echo",
		   JUDGE_SUCCESS,
		   "exec exit code 0: NoNewPrivs: 1 SigBlk: 0000000000000000 SigIgn: "
		   "0000000000000000");
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Waits until @pid is no more, or a zombie of somebody else's. */
static void expect_dead(int pid)
{
	char path[64], word = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (unsigned int i = 0; i < HANG_S * 100; i++) {
		FILE *f = fopen(path, "r");

		if (!f)
			return;
		if (fscanf(f, "%*d (%*[^)]) %c", &word) != 1)
			word = 0;
		fclose(f);
		if (word == 'Z' || word == 'X')
			return;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	fail_msg("process %d is still there: %c", pid, word);
}

static int pid_in(const struct probe_report *report, const char *after)
{
	const char *at = strstr(report->reason, after);
	int pid;

	if (!at || sscanf(at + strlen(after), "%d", &pid) != 1)
		fail_msg("no pid in \"%s\"", report->reason);
	return pid;
}

static void a_program_that_hangs_is_killed_with_its_children(void **state)
{
	struct probe_report report = run(*state, "sleep 1000 & echo $!; wait", 1000);

	probing_expect(&report, JUDGE_FAILURE, "exec timed out after ");
	expect_dead(pid_in(&report, ", and was killed: "));
	report = run(*state, "trap '' TERM; sleep 1000 & sleep 1000", PROBING_SHORT_MS);
	probing_expect(&report, JUDGE_FAILURE, "exec timed out after ");
	assert_non_null(strstr(report.reason, " ms, and was killed"));
}

static void what_a_program_leaves_behind_is_killed(void **state)
{
	struct probe_report report =
		run(*state, "sleep 1000 & echo $!; exit 0", PROBING_PATIENT_MS);

	probing_expect(&report, JUDGE_SUCCESS, "exec exit code 0: ");
	expect_dead(pid_in(&report, "exit code 0: "));
}

static void endless_output_is_a_failure(void **state)
{
	expect_run(*state, "exec yes", JUDGE_FAILURE, "exec wrote more than 1048576 bytes");
}

static void a_program_that_cannot_be_run_is_of_this_host(void **state)
{
	char *missing[] = {"/nowhere/check", NULL}, *text[] = {"/etc/passwd", NULL},
	     *directory[] = {"/etc", NULL};
	struct model_check check = {.type = MODEL_CHECK_EXEC, .timeout_ms = PROBING_PATIENT_MS};

	check.argv = missing;
	probing_finds(*state, &check, HOST, PORT, JUDGE_UNKNOWN,
		      "exec: this host: user nobody cannot run /nowhere/check: No such file");
	check.argv = text;
	probing_finds(*state, &check, HOST, PORT, JUDGE_UNKNOWN,
		      "exec: this host: user nobody cannot run /etc/passwd: Permission denied");
	check.argv = directory;
	probing_finds(*state, &check, HOST, PORT, JUDGE_UNKNOWN,
		      "exec: this host: user nobody cannot run /etc: Permission denied");
}

static void nothing_is_left_behind(void **state)
{
	char *quick[] = {"/bin/true", NULL}, *endless[] = {"/bin/sleep", "1000", NULL};
	struct model_check check = {.type = MODEL_CHECK_EXEC, .timeout_ms = PROBING_PATIENT_MS};

	check.argv = quick;
	probing_leaks_nothing(*state, &check, HOST, PORT);
	check.argv = endless;
	check.timeout_ms = 20;
	probing_leaks_nothing(*state, &check, HOST, PORT);
}

#define PROBE_TEST(f) cmocka_unit_test_setup_teardown(f, probing_setup, probing_teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		PROBE_TEST(the_exit_code_decides),
		PROBE_TEST(the_program_knows_whom_to_ask),
		PROBE_TEST(the_program_has_nothing_of_ours),
		PROBE_TEST(a_program_that_hangs_is_killed_with_its_children),
		PROBE_TEST(what_a_program_leaves_behind_is_killed),
		PROBE_TEST(endless_output_is_a_failure),
		PROBE_TEST(a_program_that_cannot_be_run_is_of_this_host),
		PROBE_TEST(nothing_is_left_behind),
	};

	netns_init(tests, COUNT(tests));
	return cmocka_run_group_tests_name("daemon/probe_exec", tests, NULL, netns_group_fini);
}
