/* SPDX-License-Identifier: MIT */
/*
 * The client against a daemon that the test plays itself: one thread, since a socket's buffers
 * hold what the other end has not read yet.
 */
#include "control/client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/tempdir.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define BYTES(s) (s), sizeof(s) - 1
#define ADM 4 /* a group that every Debian has and root is not in */
#define NOBODY 65534

struct fixture {
	struct tempdir dir;
	char path[64]; /* of the daemon's socket */
	int fd;        /* the daemon, listening */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (!f || tempdir_init(&f->dir))
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

static void reply_arrives_and_request_was_sent(void **state)
{
	static const char expected[] =
		"SLUC\0\1\0\1\0\0\0\x2e{\"command\":\"drain\",\"args\":{\"backend\":\"web-1\"}}";
	struct fixture *f = *state;
	_cleanup_(client_freep) struct client *client = NULL;
	_cleanup_(json_decrefp) json_t *document = NULL;
	_cleanup_(diag_fini) struct diag diag = {0};
	_cleanup_(closep) int fd = -1;
	char request[256];

	assert_int_equal(client_open(&client, f->path, CLIENT_TIMEOUT_MS, &diag), 0);
	fd = accept(f->fd, NULL, NULL);
	assert_int_equal(write(fd, BYTES("SLUC\0\1\0\2\0\0\0\x09{\"pid\":7}")), 21);
	assert_int_equal(client_ask(client, &document, "drain",
				    json_pack("{s:s}", "backend", "web-1"), &diag),
			 0);
	assert_int_equal(json_integer_value(json_object_get(document, "pid")), 7);
	assert_int_equal(diag.n, 0);
	assert_int_equal(read(fd, request, sizeof(request)), sizeof(expected) - 1);
	assert_memory_equal(request, expected, sizeof(expected) - 1);
}

/* What the daemon sends before it closes, and what the client makes of it. */
static void answers_that_are_none_are_told_apart(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		int err;
		const char *text; /* all messages */
	} cases[] = {
		{BYTES("SLUC\0\1\0\3\0\0\0\x19{\"error\":\"no\\nway\\n out\"}"), -EREMOTEIO,
		 "no\nway\n out\n"},
		{BYTES("SLUC\0\1\0\3\0\0\0\2{}"), -EREMOTEIO,
		 "sluiced refuses, without a reason\n"},
		{BYTES(""), -ECONNRESET,
		 "SOCKET: sluiced closed the connection without an answer: its log says why\n"},
		{BYTES("SLUC\0\1\0"), -EPROTO,
		 "the connection was closed in mid-message: 7 of the header's 12 bytes came\n"},
		{BYTES("SLUC\0\1\0\2\0\0\0\5{}"), -EPROTO,
		 "the connection was closed in mid-message: 2 of the payload's 5 bytes came\n"},
		{BYTES("SLUC\0\2\0\2\0\0\0\2{}"), -EPROTO,
		 "the other side speaks version 2, this is version 1: sluicectl and sluiced must "
		 "be "
		 "of one release\n"},
		{BYTES("SLUC\0\1\0\2\0\0\0\2[]"), -EPROTO,
		 "the payload is JSON, but not an object\n"},
		{BYTES("SLUC\0\1\0\1\0\0\0\2{}"), -EPROTO,
		 "SOCKET: sent a request where a reply was expected\n"},
		{BYTES("SLUC\0\1\0\4\0\0\0\2{}"), -EPROTO,
		 "SOCKET: sent an event where a reply was expected\n"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		_cleanup_(client_freep) struct client *client = NULL;
		_cleanup_(diag_fini) struct diag diag = {0};
		_cleanup_(freep) char *text = NULL;
		_cleanup_(closep) int fd = -1;
		json_t *document = NULL;
		const char *expected = cases[i].text;
		const char *got;

		assert_int_equal(client_open(&client, f->path, CLIENT_TIMEOUT_MS, &diag), 0);
		fd = accept(f->fd, NULL, NULL);
		assert_int_equal(write(fd, cases[i].bytes, cases[i].size), cases[i].size);
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		assert_int_equal(client_ask(client, &document, "status", NULL, &diag),
				 cases[i].err);
		assert_null(document);
		text = diag_text(&diag);
		got = text;
		if (!strncmp(expected, "SOCKET", 6)) {
			assert_memory_equal(got, f->path, strlen(f->path));
			got += strlen(f->path);
			expected += 6;
		}
		assert_string_equal(got, expected);
	}
}

/* A daemon that turns a connection away answers before it was asked. */
static void refusal_before_the_request_is_read(void **state)
{
	struct fixture *f = *state;
	_cleanup_(client_freep) struct client *client = NULL;
	_cleanup_(diag_fini) struct diag diag = {0};
	json_t *document = NULL;
	int fd;

	assert_int_equal(client_open(&client, f->path, CLIENT_TIMEOUT_MS, &diag), 0);
	fd = accept(f->fd, NULL, NULL);
	assert_int_equal(write(fd, BYTES("SLUC\0\1\0\3\0\0\0\x10{\"error\":\"busy\"}")), 28);
	close(fd);
	assert_int_equal(client_ask(client, &document, "status", NULL, &diag), -EREMOTEIO);
	assert_int_equal(diag.n, 1);
	assert_string_equal(diag.entries[0].text, "busy");
}

static void silent_daemon_times_out(void **state)
{
	struct fixture *f = *state;
	_cleanup_(client_freep) struct client *client = NULL;
	_cleanup_(diag_fini) struct diag diag = {0};
	json_t *document = NULL;

	assert_int_equal(client_open(&client, f->path, 10, &diag), 0);
	assert_int_equal(client_ask(client, &document, "status", NULL, &diag), -ETIMEDOUT);
	assert_int_equal(diag.n, 1);
	assert_string_equal(diag.entries[0].text,
			    "sluiced did not answer within 10 ms: does it hang?");
}

static void check_open(const char *path, int err, const char *text)
{
	struct client *client = NULL;
	_cleanup_(diag_fini) struct diag diag = {0};

	assert_int_equal(client_open(&client, path, CLIENT_TIMEOUT_MS, &diag), err);
	assert_null(client);
	assert_int_equal(diag.n, 1);
	assert_string_equal(diag.entries[0].file, path);
	assert_string_equal(diag.entries[0].text, text);
}

static void missing_daemon_is_told_with_the_way_out(void **state)
{
	struct fixture *f = *state;
	char path[80];

	snprintf(path, sizeof(path), "%s/none", f->dir.path);
	check_open(path, -ENOENT, "no such socket: is sluiced running? (-s names another socket)");
	check_open(f->dir.path, -ECONNREFUSED,
		   "is not a socket: -s names the daemon's control socket");
	close(f->fd);
	check_open(f->path, -ECONNREFUSED, "nobody listens on it: is sluiced running?");
	f->fd = -1;
}

/* Tries to open @path as another user. Restores the user before anything can fail. */
static int open_as_nobody(const char *path, struct diag *diag)
{
	struct client *client = NULL;
	int err, back;

	if (seteuid(NOBODY))
		return -errno;
	err = client_open(&client, path, CLIENT_TIMEOUT_MS, diag);
	back = seteuid(0);
	client_free(client);
	return back ? -errno : err;
}

static void forbidden_socket_names_its_group(void **state)
{
	static const struct {
		gid_t group;
		mode_t mode;
		const char *text;
	} cases[] = {
		{ADM, 0660,
		 "permission denied: be root or a member of the socket's group, \"adm\""},
		{ADM, 0600, "permission denied: be root or a member of the socket's group"},
		{0, 0600, "permission denied: be root or a member of the socket's group"},
	};
	struct fixture *f = *state;

	if (geteuid() != 0) {
		print_message("needs root: asks as another user\n");
		skip();
	}
	for (size_t i = 0; i < COUNT(cases); i++) {
		_cleanup_(diag_fini) struct diag diag = {0};

		assert_int_equal(chown(f->path, 0, cases[i].group), 0);
		assert_int_equal(chmod(f->path, cases[i].mode), 0);
		assert_int_equal(open_as_nobody(f->path, &diag), -EACCES);
		assert_int_equal(diag.n, 1);
		assert_string_equal(diag.entries[0].text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reply_arrives_and_request_was_sent, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(answers_that_are_none_are_told_apart, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(refusal_before_the_request_is_read, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(silent_daemon_times_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(missing_daemon_is_told_with_the_way_out, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(forbidden_socket_names_its_group, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("control/client", tests, NULL, NULL);
}
