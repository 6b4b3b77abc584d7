/* SPDX-License-Identifier: MIT */
/*
 * sluicectl as it is called: the program itself, run against a daemon that the test plays. What it
 * asked, what it printed, how it ended.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "control/proto.h"
#include "tests/lib/tempdir.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define ARGS_MAX 8
#define TEXT_MAX 4096

struct fixture {
	char program[PATH_MAX];
	struct tempdir dir;
	char path[64]; /* of the daemon's socket */
	int fd;        /* the daemon, listening */
};

/* What one run of sluicectl did. */
struct result {
	char request[TEXT_MAX]; /* the payload that the daemon got; empty: it was not asked */
	char out[TEXT_MAX];
	char err[TEXT_MAX];
	int status;
};

/* The tests lie in tests/control, below the directory with the programs. */
static int find_program(char *out)
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 16);

	if (n < 0)
		return -1;
	out[n] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(out, '/') = '\0';
	strcat(out, "/sluicectl");
	return access(out, X_OK);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (!f || find_program(f->program) || tempdir_init(&f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/sock", f->dir.path);
	strcpy(addr.sun_path, f->path);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(f->fd, 4))
		return -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	tempdir_fini(&f->dir);
	free(f);
	return 0;
}

/* Answers the connection that waits at @listener, and keeps the request's payload. */
static void play_daemon(int listener, enum proto_type type, const char *reply, char *request)
{
	_cleanup_(json_decrefp) json_t *document = json_loads(reply, 0, NULL);
	_cleanup_(freep) char *bytes = NULL;
	_cleanup_(closep) int fd = accept(listener, NULL, NULL);
	char message[TEXT_MAX];
	struct diag diag = {0};
	size_t size = 0;
	ssize_t n;

	assert_int_equal(proto_pack(&bytes, &size, type, document, &diag), 0);
	/* A request is sent at once, so it is read at once. */
	n = read(fd, message, sizeof(message) - 1);
	assert_true(n > PROTO_HEADER_SIZE);
	memcpy(request, message + PROTO_HEADER_SIZE, n - PROTO_HEADER_SIZE);
	assert_int_equal(write(fd, bytes, size), size);
}

static void read_file(int fd, char *text)
{
	ssize_t n = pread(fd, text, TEXT_MAX - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
}

/* Runs sluicectl with @args; if it asks, it gets @reply of @type. */
static void run(struct result *r, const struct fixture *f, const char *const *args,
		enum proto_type type, const char *reply)
{
	_cleanup_(closep) int out = memfd_create("out", MFD_CLOEXEC);
	_cleanup_(closep) int err = memfd_create("err", MFD_CLOEXEC);
	_cleanup_(closep) int ended = -1;
	const char *argv[ARGS_MAX + 4] = {"sluicectl", "-s", f->path};
	struct pollfd events[2];
	pid_t pid;

	for (size_t i = 0; i < ARGS_MAX && args[i]; i++)
		argv[3 + i] = args[i];
	memset(r, 0, sizeof(*r));
	pid = fork();
	if (!pid) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		execv(f->program, (char **)argv);
		_exit(127);
	}
	ended = syscall(SYS_pidfd_open, pid, 0);
	assert_true(ended >= 0);
	events[0] = (struct pollfd){.fd = f->fd, .events = POLLIN};
	events[1] = (struct pollfd){.fd = ended, .events = POLLIN};
	assert_true(poll(events, 2, -1) > 0);
	if (events[0].revents)
		play_daemon(f->fd, type, reply, r->request);
	assert_int_equal(waitpid(pid, &r->status, 0), pid);
	assert_true(WIFEXITED(r->status));
	r->status = WEXITSTATUS(r->status);
	read_file(out, r->out);
	read_file(err, r->err);
}

#define CHANGED \
	"{\"backends\":[{\"pool\":\"web\",\"name\":\"web-1\",\"state\":\"draining\"," \
	"\"weight\":100}],\"slots_written\":12}"
#define CHANGED_TABLE \
	"BACKEND  POOL  STATE     WEIGHT\n" \
	"web-1    web   draining     100\n" \
	"12 ring slots written\n"

static void commands_ask_and_print(void **state)
{
	static const struct {
		const char *args[ARGS_MAX];
		const char *request;
		const char *reply;
		const char *out;
	} cases[] = {
		{{"vips"}, "{\"command\":\"vips\",\"args\":{}}", "{}", "no VIPs\n"},
		{{"backends"}, "{\"command\":\"backends\",\"args\":{}}", "{}", "no backends\n"},
		{{"counters"},
		 "{\"command\":\"counters\",\"args\":{}}",
		 "{\"total\":{\"no_backend\":0}}",
		 "total: nothing counted\n"},
		{{"counters", "-v"},
		 "{\"command\":\"counters\",\"args\":{}}",
		 "{\"total\":{\"no_backend\":0}}",
		 "total\n  no_backend  0  the VIP has no backend for it: dropped\n"},
		{{"-j", "status"},
		 "{\"command\":\"status\",\"args\":{}}",
		 "{\"version\":\"9\",\"pid\":7}",
		 "{\n  \"version\": \"9\",\n  \"pid\": 7\n}\n"},
		{{"status", "-j"}, "{\"command\":\"status\",\"args\":{}}", "{}", "{}\n"},
		{{"reload"},
		 "{\"command\":\"reload\",\"args\":{}}",
		 "{\"vips\":1,\"backends\":2,\"slots_written\":3,\"changes\":[]}",
		 "nothing changed\n1 VIP, 2 backends, 3 ring slots written\n"},
		{{"drain", "web-1"},
		 "{\"command\":\"drain\",\"args\":{\"backend\":\"web-1\"}}",
		 CHANGED,
		 CHANGED_TABLE},
		{{"activate", "web-1", "--pool", "web"},
		 "{\"command\":\"activate\",\"args\":{\"backend\":\"web-1\",\"pool\":\"web\"}}",
		 CHANGED,
		 CHANGED_TABLE},
		{{"--pool=web", "disable", "web-1"},
		 "{\"command\":\"disable\",\"args\":{\"backend\":\"web-1\",\"pool\":\"web\"}}",
		 CHANGED,
		 CHANGED_TABLE},
		{{"enable", "-p", "web", "web-1"},
		 "{\"command\":\"enable\",\"args\":{\"backend\":\"web-1\",\"pool\":\"web\"}}",
		 CHANGED,
		 CHANGED_TABLE},
		{{"weight", "web-1", "65535", "--pool", "web"},
		 "{\"command\":\"weight\",\"args\":{\"backend\":\"web-1\",\"pool\":\"web\","
		 "\"weight\":65535}}",
		 CHANGED,
		 CHANGED_TABLE},
		{{"weight", "web-1", "config"},
		 "{\"command\":\"weight\",\"args\":{\"backend\":\"web-1\",\"weight\":0}}",
		 CHANGED,
		 CHANGED_TABLE},
	};
	const struct fixture *f = *state;
	struct result r;

	for (size_t i = 0; i < COUNT(cases); i++) {
		run(&r, f, cases[i].args, PROTO_REPLY, cases[i].reply);
		assert_string_equal(r.request, cases[i].request);
		assert_string_equal(r.out, cases[i].out);
		assert_string_equal(r.err, "");
		assert_int_equal(r.status, 0);
	}
}

static void refusal_goes_to_stderr_with_status_1(void **state)
{
	static const char *const args[] = {"-j", "drain", "web-9", NULL};
	struct result r;

	run(&r, *state, args, PROTO_ERROR,
	    "{\"error\":\"no backend \\\"web-9\\\"\\nin any pool\"}");
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, "sluicectl: no backend \"web-9\"\nsluicectl: in any pool\n");
	assert_int_equal(r.status, 1);
}

static void missing_daemon_is_status_1(void **state)
{
	static const char *const args[] = {"status", NULL};
	struct fixture *f = *state;
	char expected[160];
	struct result r;

	unlink(f->path);
	run(&r, f, args, PROTO_REPLY, "{}");
	snprintf(expected, sizeof(expected),
		 "sluicectl: %s: no such socket: is sluiced running? (-s names another socket)\n",
		 f->path);
	assert_string_equal(r.err, expected);
	assert_int_equal(r.status, 1);
}

static void wrong_usage_asks_nothing_and_is_status_2(void **state)
{
	static const struct {
		const char *args[ARGS_MAX];
		const char *err; /* stderr holds this */
	} cases[] = {
		{{NULL}, "usage: sluicectl [-j] [-s SOCKET] COMMAND"},
		{{"drian", "web-1"}, "unknown command \"drian\", did you mean \"drain\"?\n"},
		{{"frobnicate"}, "unknown command \"frobnicate\" (sluicectl help lists them)\n"},
		{{"drain"},
		 "usage: sluicectl [-j] [-s SOCKET] drain BACKEND [--pool P] [--wait]\n"},
		{{"drain", "web-1", "web-2"}, "usage: sluicectl [-j] [-s SOCKET] drain BACKEND"},
		{{"status", "now"}, "usage: sluicectl [-j] [-s SOCKET] status\n"},
		{{"status", "--pool", "web"}, "usage: sluicectl [-j] [-s SOCKET] status\n"},
		{{"drain", "web-1", "-v"}, "usage: sluicectl [-j] [-s SOCKET] drain BACKEND"},
		{{"weight", "web-1"}, "weight BACKEND N|config [--pool P]\n"},
		{{"weight", "web-1", "0"}, "weight \"0\": 1..65535 or \"config\" is allowed\n"},
		{{"weight", "web-1", "65536"}, "weight \"65536\": 1..65535 or"},
		{{"weight", "web-1", "99999999999999999999"},
		 "1..65535 or \"config\" is allowed\n"},
		{{"weight", "web-1", "10%"}, "weight \"10%\": 1..65535 or"},
		{{"weight", "web-1", ""}, "weight \"\": 1..65535 or"},
		{{"--frob"}, "unrecognized option '--frob'\n"},
		{{"drain", "web-1", "--pool"}, "option '--pool' requires an argument\n"},
	};
	struct result r;

	for (size_t i = 0; i < COUNT(cases); i++) {
		run(&r, *state, cases[i].args, PROTO_REPLY, "{}");
		assert_string_equal(r.request, "");
		assert_string_equal(r.out, "");
		assert_non_null(strstr(r.err, cases[i].err));
		assert_int_equal(r.status, 2);
	}
}

static void help_names_every_command(void **state)
{
	static const char *const help[] = {"help", "--help", "-h"};
	static const char *const words[] = {"status",   "vips",    "backends", "counters", "drain",
					    "activate", "disable", "enable",   "weight",   "reload",
					    "--pool",   "--json",  "--socket"};
	struct result r;

	for (size_t i = 0; i < COUNT(help); i++) {
		run(&r, *state, (const char *const[]){help[i], NULL}, PROTO_REPLY, "{}");
		assert_string_equal(r.request, "");
		for (size_t j = 0; j < COUNT(words); j++)
			assert_non_null(strstr(r.out, words[j]));
		assert_int_equal(r.status, 0);
	}
	run(&r, *state, (const char *const[]){"--version", NULL}, PROTO_REPLY, "{}");
	assert_string_equal(r.out, "sluicectl " SLUICE_VERSION "\n");
	assert_int_equal(r.status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(commands_ask_and_print, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refusal_goes_to_stderr_with_status_1, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(missing_daemon_is_status_1, set_up, tear_down),
		cmocka_unit_test_setup_teardown(wrong_usage_asks_nothing_and_is_status_2, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(help_names_every_command, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("control/sluicectl", tests, NULL, NULL);
}
