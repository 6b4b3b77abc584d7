/* SPDX-License-Identifier: MIT */
/*
 * The control socket with real connections and a real event loop, both in this thread: the test
 * lets the loop turn until the peer it plays has what it waits for. Peers of other users are
 * forked. What the server logs is caught here instead of daemon/log.c.
 */
#include "daemon/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <grp.h>
#include <signal.h>

#include "config/cleanup.h"
#include "control/client.h"
#include "control/proto.h"
#include "daemon/log.h"
#include "tests/lib/tempdir.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define BYTES(s) (s), sizeof(s) - 1
#define GROUP 4242 /* of the socket; nobody else's */
#define USER 1000
#define SOCKET_MAX 64
#define HANG_S 60 /* a test that waits so long, waits for something that will not come */

struct fixture {
	sd_event *event;
	struct server *server;
	struct model_control config;
	struct tempdir dir;
	char socket[SOCKET_MAX];
	struct server_peer peer; /* of the last request */
	unsigned int asked;      /* requests that reached the handler */
};

static char logged[512]; /* the last line of the log */
static unsigned int logged_lines;

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list args;

	assert_int_equal(level, LOG_LEVEL_WARNING);
	va_start(args, fmt);
	vsnprintf(logged, sizeof(logged), fmt, args);
	va_end(args);
	logged_lines++;
}

/* Publishes @n events of at least @size bytes, as an order that changes something does. */
static void publish(const struct fixture *f, size_t n, size_t size)
{
	char *text = malloc(size + 1);
	json_t *event;

	memset(text, 'x', size);
	text[size] = '\0';
	event = json_pack("{s:s}", "text", text);
	while (n--)
		server_publish(f->server, event);
	json_decref(event);
	free(text);
}

/*
 * Answers by the command: "refuse" is refused, "mute" refused without words, "large" gets args.size
 * letters; others get their request back: "watch" and events from then on, "order" after two events,
 * "flood" after more than a watcher may be behind.
 */
static json_t *handle(void *ctx, struct server_peer *peer, const json_t *request, struct diag *diag)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	struct fixture *f = ctx;
	json_t *reply;
	size_t size;
	char *text;

	f->asked++;
	f->peer = *peer;
	if (command && !strcmp(command, "refuse")) {
		diag_add(diag, "sluice.conf", 12, "weight 70000 is outside 1..65535");
		diag_add(diag, NULL, 0, "nothing was changed");
		return NULL;
	}
	if (command && !strcmp(command, "mute"))
		return NULL;
	peer->watches |= command && !strcmp(command, "watch");
	if (command && !strcmp(command, "order"))
		publish(f, 2, 1);
	if (command && !strcmp(command, "flood"))
		publish(f, 6, 1 << 20);
	if (!command || strcmp(command, "large") != 0)
		return json_pack("{s:O}", "asked", request);
	size = json_integer_value(json_object_get(json_object_get(request, "args"), "size"));
	text = malloc(size);
	memset(text, 'x', size);
	reply = json_pack("{s:s%}", "text", text, size);
	free(text);
	return reply;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	alarm(HANG_S);
	logged[0] = '\0';
	logged_lines = 0;
	if (!f || tempdir_init(&f->dir))
		return -1;
	snprintf(f->socket, sizeof(f->socket), "%s/control.sock", f->dir.path);
	f->config = (struct model_control){.socket = f->socket, .group_id = -1};
	*state = f;
	return sd_event_new(&f->event) < 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	server_free(f->server);
	sd_event_unref(f->event);
	tempdir_fini(&f->dir);
	free(f);
	alarm(0);
	return 0;
}

static void start(struct fixture *f)
{
	struct diag diag = {0};

	assert_int_equal(server_new(&f->server, f->event, &f->config, handle, f, &diag), 0);
	assert_int_equal(diag.n, 0);
}

/* Lets the loop turn until nothing is left to do. */
static void settle(struct fixture *f)
{
	while (sd_event_run(f->event, 0) > 0)
		;
}

/* ----------------------------------------------------------------------------- playing the peer */

static int dial(const struct fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	strcpy(addr.sun_path, f->socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void send_bytes(int fd, const void *bytes, size_t size)
{
	assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

static void send_request(int fd, const char *command, json_t *args)
{
	json_t *request = proto_request(command, args);
	struct diag diag = {0};
	char *bytes;
	size_t size;

	assert_int_equal(proto_pack(&bytes, &size, PROTO_REQUEST, request, &diag), 0);
	send_bytes(fd, bytes, size);
	free(bytes);
	json_decref(request);
}

/* Reads up to @size bytes while the loop turns; fewer: the server closed the connection. */
static size_t receive(struct fixture *f, int fd, char *bytes, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = recv(fd, bytes + got, size - got, MSG_DONTWAIT);

		if (n > 0)
			got += n;
		else if (!n || errno == ECONNRESET)
			break;
		else
			sd_event_run(f->event, 10000);
	}
	return got;
}

/* Reads one message while the loop turns. Its document, or NULL: the connection is closed. */
static json_t *receive_message(struct fixture *f, int fd, enum proto_type *type)
{
	char head[PROTO_HEADER_SIZE];
	struct proto_header header;
	struct diag diag = {0};
	json_t *document = NULL;
	char *bytes;

	if (!receive(f, fd, head, sizeof(head)))
		return NULL;
	assert_int_equal(proto_read_header(&header, head, sizeof(head), &diag), 0);
	bytes = malloc(header.length);
	assert_int_equal(receive(f, fd, bytes, header.length), header.length);
	assert_int_equal(proto_read_payload(&document, bytes, header.length, &diag), 0);
	free(bytes);
	*type = header.type;
	return document;
}

static bool is_closed(struct fixture *f, int fd)
{
	char byte;

	return receive(f, fd, &byte, 1) == 0;
}

/* The next message is an error with this text. */
static void expect_error(struct fixture *f, int fd, const char *text)
{
	enum proto_type type = PROTO_REQUEST;
	json_t *document = receive_message(f, fd, &type);

	assert_int_equal(type, PROTO_ERROR);
	assert_string_equal(json_string_value(json_object_get(document, "error")), text);
	json_decref(document);
}

/* The next message is the reply to @command. */
static void expect_reply(struct fixture *f, int fd, const char *command)
{
	enum proto_type type = PROTO_REQUEST;
	json_t *document = receive_message(f, fd, &type);
	const json_t *asked = json_object_get(document, "asked");

	assert_int_equal(type, PROTO_REPLY);
	assert_string_equal(json_string_value(json_object_get(asked, "command")), command);
	json_decref(document);
}

/* A new connection is served. */
static void expect_service(struct fixture *f)
{
	int fd = dial(f);

	send_request(fd, "ping", NULL);
	expect_reply(f, fd, "ping");
	close(fd);
}

/* -------------------------------------------------------------------------------------- serving */

static void requests_are_answered_in_order(void **state)
{
	static const char *const commands[] = {"status", "vips", "backends"};
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = dial(f);
	for (size_t i = 0; i < COUNT(commands); i++)
		send_request(fd, commands[i], NULL);
	for (size_t i = 0; i < COUNT(commands); i++)
		expect_reply(f, fd, commands[i]);
	assert_int_equal(f->peer.uid, geteuid());
	assert_int_equal(f->peer.pid, getpid());
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_true(is_closed(f, fd));
	assert_int_equal(logged_lines, 0);
	close(fd);
}

static void request_may_come_byte_by_byte(void **state)
{
	static const char message[] = "SLUC\0\1\0\1\0\0\0\x12{\"command\":\"ping\"}";
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = dial(f);
	for (size_t i = 0; i < sizeof(message) - 1; i++) {
		send_bytes(fd, &message[i], 1);
		settle(f);
		assert_int_equal(f->asked, i == sizeof(message) - 2);
	}
	expect_reply(f, fd, "ping");
	close(fd);
}

static void refusal_carries_every_message_and_keeps_the_connection(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = dial(f);
	send_request(fd, "refuse", NULL);
	expect_error(f, fd,
		     "sluice.conf:12: weight 70000 is outside 1..65535\nnothing was changed");
	send_request(fd, "mute", NULL);
	expect_error(f, fd, "refused, without a reason");
	send_request(fd, "large", json_pack("{s:i}", "size", PROTO_REPLY_MAX));
	expect_error(f, fd, "a reply of 67108875 bytes is too long, at most 67108864 are allowed");
	send_request(fd, "ping", NULL);
	expect_reply(f, fd, "ping");
	close(fd);
}

static void bad_message_ends_its_connection_only(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *text;
	} cases[] = {
		{BYTES("GET / HTTP/1.1\r\n"),
		 "not a message of sluice: byte 1 is 0x47, not the 0x53 of \"SLUC\""},
		{BYTES("SLUX"),
		 "not a message of sluice: byte 4 is 0x58, not the 0x43 of \"SLUC\""},
		{BYTES("SLUC\0\2\0\1\0\0\0\2{}"), "the other side speaks version 2, this is "
						  "version 1: sluicectl and sluiced must be "
						  "of one release"},
		{BYTES("SLUC\0\1\0\7\0\0\0\2{}"),
		 "message type 7 is unknown: 1 (request) to 4 (event) are allowed"},
		{BYTES("SLUC\0\1\0\2\0\0\0\2{}"),
		 "sent a message of type reply where a request was expected"},
		{BYTES("SLUC\0\1\0\1\0\1\0\1{"),
		 "a request of 65537 bytes is too long, at most 65536 are allowed"},
		{BYTES("SLUC\0\1\0\1\0\0\0\2[]"), "the payload is JSON, but not an object"},
		{BYTES("SLUC\0\1\0\1\0\0\0\0"),
		 "the payload is not JSON: unexpected token near end of file (at byte 0)"},
	};
	struct fixture *f = *state;
	int other;

	start(f);
	other = dial(f);
	send_request(other, "ping", NULL);
	expect_reply(f, other, "ping");
	for (size_t i = 0; i < COUNT(cases); i++) {
		int fd = dial(f);

		send_bytes(fd, cases[i].bytes, cases[i].size);
		expect_error(f, fd, cases[i].text);
		assert_true(is_closed(f, fd));
		close(fd);
		assert_int_equal(logged_lines, i + 1);
		assert_non_null(strstr(logged, cases[i].text));
	}
	send_request(other, "ping", NULL);
	expect_reply(f, other, "ping");
	close(other);
	assert_int_equal(f->asked, 2);
}

static void connection_closed_in_mid_message_is_logged(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = dial(f);
	send_bytes(fd, BYTES("SLUC\0\1\0\1\0\0\0\x12{\"comm"));
	close(fd);
	settle(f);
	assert_non_null(strstr(logged, "6 of the payload's 18 bytes came"));
	close(dial(f)); /* one that says nothing is no news */
	settle(f);
	assert_int_equal(logged_lines, 1);
}

/* Each byte of a message in turn gets each of its bits flipped. */
static void no_changed_byte_stops_the_service(void **state)
{
	char message[] = "SLUC\0\1\0\1\0\0\0\x12{\"command\":\"ping\"}";
	struct fixture *f = *state;

	start(f);
	for (size_t i = 0; i < (sizeof(message) - 1) * 8; i++) {
		int fd = dial(f);
		char answer[1024];

		message[i / 8] ^= 1 << i % 8;
		send_bytes(fd, message, sizeof(message) - 1);
		message[i / 8] ^= 1 << i % 8;
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		/* Whatever was said, it is answered or not, and closed. */
		assert_in_range(receive(f, fd, answer, sizeof(answer)), 0, sizeof(answer) - 1);
		close(fd);
	}
	expect_service(f);
}

static void reader_that_does_not_read_delays_nobody(void **state)
{
	enum {
		SIZE = 4 << 20,
		REQUESTS = 8
	};
	struct fixture *f = *state;
	enum proto_type type;
	int fd;

	start(f);
	fd = dial(f);
	for (int i = 0; i < REQUESTS; i++)
		send_request(fd, "large", json_pack("{s:i}", "size", SIZE));
	settle(f);
	assert_int_equal(f->asked, 1); /* the others wait until its answer is out */
	expect_service(f);
	settle(f);
	assert_int_equal(f->asked, 2);
	for (int i = 0; i < REQUESTS; i++) {
		json_t *document = receive_message(f, fd, &type);

		assert_int_equal(json_string_length(json_object_get(document, "text")), SIZE);
		json_decref(document);
	}
	assert_int_equal(f->asked, REQUESTS + 1);
	close(fd);
}

static void expect_event(struct fixture *f, int fd)
{
	enum proto_type type = PROTO_REQUEST;
	json_t *document = receive_message(f, fd, &type);

	assert_int_equal(type, PROTO_EVENT);
	assert_non_null(json_object_get(document, "text"));
	json_decref(document);
}

/* Who watches may go on to ask, also for what makes events. */
static void watcher_that_orders_gets_its_events_and_its_answer(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = dial(f);
	send_request(fd, "watch", NULL);
	expect_reply(f, fd, "watch");
	send_request(fd, "order", NULL);
	expect_event(f, fd);
	expect_event(f, fd);
	expect_reply(f, fd, "order");
	close(fd);
}

static void watcher_that_does_not_keep_up_is_disconnected(void **state)
{
	struct fixture *f = *state;
	int fd, own;

	start(f);
	fd = dial(f);
	send_request(fd, "watch", NULL);
	expect_reply(f, fd, "watch");
	own = dial(f);
	send_request(own, "watch", NULL);
	expect_reply(f, own, "watch");
	send_request(own, "flood", NULL);
	settle(f);
	assert_int_equal(logged_lines, 2);
	assert_non_null(strstr(logged, "does not keep up with the events"));
	assert_true(is_closed(f, own));
	assert_true(is_closed(f, fd));
	close(own);
	close(fd);
	expect_service(f);
}

static void reader_that_goes_away_is_forgotten(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	fd = dial(f);
	send_request(fd, "large", json_pack("{s:i}", "size", 4 << 20));
	settle(f);
	close(fd);
	settle(f);
	expect_service(f);
}

static void stalled_peer_is_disconnected_and_an_idle_one_is_not(void **state)
{
	struct fixture *f = *state;
	int idle, half, deaf;

	start(f);
	server_set_stall_ms(f->server, 20);
	idle = dial(f);
	send_request(idle, "ping", NULL);
	expect_reply(f, idle, "ping");
	half = dial(f);
	send_bytes(half, BYTES("SLUC\0\1"));
	assert_true(is_closed(f, half));
	assert_non_null(strstr(logged, "nothing came in mid-message for 20 ms"));

	deaf = dial(f);
	send_request(deaf, "large", json_pack("{s:i}", "size", 4 << 20));
	while (logged_lines < 2)
		sd_event_run(f->event, UINT64_MAX);
	assert_non_null(strstr(logged, "it took nothing of its answer for 20 ms"));

	send_request(idle, "ping", NULL);
	expect_reply(f, idle, "ping");
	close(idle);
	close(half);
	close(deaf);
}

static void connections_are_limited(void **state)
{
	struct fixture *f = *state;
	int fds[SERVER_CONNECTIONS_MAX + 1];

	start(f);
	for (size_t i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
		fds[i] = dial(f);
		send_request(fds[i], "ping", NULL);
		expect_reply(f, fds[i], "ping");
	}
	fds[SERVER_CONNECTIONS_MAX] = dial(f);
	expect_error(f, fds[SERVER_CONNECTIONS_MAX],
		     "there are 64 control connections already: try later");
	assert_true(is_closed(f, fds[SERVER_CONNECTIONS_MAX]));
	close(fds[0]);
	settle(f);
	expect_service(f);
	for (size_t i = 1; i <= SERVER_CONNECTIONS_MAX; i++)
		close(fds[i]);
}

static void free_disconnects(void **state)
{
	struct fixture *f = *state;
	int fd, waiting;

	start(f);
	fd = dial(f);
	send_request(fd, "large", json_pack("{s:i}", "size", 4 << 20));
	settle(f);
	waiting = dial(f);
	server_free(f->server);
	f->server = NULL;
	assert_true(is_closed(f, waiting));
	assert_int_equal(access(f->socket, F_OK), -1);
	close(fd);
	close(waiting);
}

/* ----------------------------------------------------------------------------------- who may ask */

struct asker {
	uid_t daemon_uid; /* whom the daemon runs as */
	bool group;       /* the socket has a group */
	uid_t uid;
	gid_t gid;
	gid_t supplementary; /* or 0 */
	const char *answer;  /* the error, or NULL: is served */
};

/* In a child: asks as @a. Leaves the first message, or "" for a reply, in @out. */
static void ask_as(const struct fixture *f, const struct asker *a, int out)
{
	struct client *client = NULL;
	struct diag diag = {0};
	json_t *document;
	const char *text = "";

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setgroups(a->supplementary != 0, &a->supplementary) || setgid(a->gid) || setuid(a->uid))
		_exit(1);
	if (client_open(&client, f->socket, CLIENT_TIMEOUT_MS, &diag) ||
	    client_ask(client, &document, "ping", NULL, &diag))
		text = diag.n ? diag.entries[0].text : "no message";
	if (write(out, text, strlen(text) + 1) < 0)
		_exit(1);
	_exit(0);
}

/* What a child that asks as @a is told; the loop turns meanwhile. */
static void answer_for(struct fixture *f, const struct asker *a, char *text, size_t size)
{
	int ends[2], status;
	struct pollfd told;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (!pid)
		ask_as(f, a, ends[1]);
	close(ends[1]);
	assert_int_equal(seteuid(a->daemon_uid), 0);
	told = (struct pollfd){.fd = ends[0], .events = POLLIN};
	while (!poll(&told, 1, 0))
		sd_event_run(f->event, 10000);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(read(ends[0], text, size) > 0);
	close(ends[0]);
}

static void only_root_the_daemons_user_and_the_group_may_ask(void **state)
{
	static const char no_group[] = "user 1000 is not root";
	static const char not_in_group[] = "user 1000 is neither root nor in group \"sluice\"";
	static const struct asker askers[] = {
		{0, true, 0, 0, 0, NULL},
		{0, true, USER, GROUP, 0, NULL},
		{0, true, USER, USER, GROUP, NULL},
		{0, true, USER, USER, 0, not_in_group},
		{0, true, USER, USER, GROUP + 1, not_in_group},
		{0, true, USER, 0, 0, not_in_group},
		{0, false, 0, 0, 0, NULL},
		{0, false, USER, USER, 0, no_group},
		{0, false, USER, 0, 0, no_group},
		{USER, false, USER, USER, 0, NULL},
		{USER, false, 0, 0, 0, NULL},
		{USER + 1, false, USER, USER, 0, no_group},
	};
	struct fixture *f = *state;

	if (geteuid() != 0) {
		print_message("needs root: asks as other users\n");
		skip();
	}
	for (size_t i = 0; i < COUNT(askers); i++) {
		char text[256];

		f->config.group = askers[i].group ? "sluice" : NULL;
		f->config.group_id = askers[i].group ? GROUP : -1;
		start(f);
		/* The mode would keep them out already; here the server is asked. */
		assert_int_equal(chmod(f->socket, 0666), 0);
		f->asked = 0;
		logged_lines = 0;
		answer_for(f, &askers[i], text, sizeof(text));
		assert_string_equal(text, askers[i].answer ? askers[i].answer : "");
		assert_int_equal(f->asked, !askers[i].answer);
		assert_int_equal(logged_lines, !!askers[i].answer);
		server_free(f->server);
		f->server = NULL;
	}
}

static void socket_has_mode_and_group(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	if (geteuid() != 0) {
		print_message("needs root: gives the socket to a group\n");
		skip();
	}
	umask(0077);
	start(f);
	assert_int_equal(stat(f->socket, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	server_free(f->server);
	f->config.group = "sluice";
	f->config.group_id = GROUP;
	start(f);
	umask(0022);
	assert_int_equal(stat(f->socket, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	assert_int_equal(st.st_gid, GROUP);
}

/* ----------------------------------------------------------------------------------- starting */

/* Starting fails so, changes nothing at the path, and the message holds @text. */
static void expect_no_start(struct fixture *f, int err, const char *text)
{
	struct server *server = NULL;
	struct diag diag = {0};
	struct stat before = {0}, after = {0};

	lstat(f->socket, &before);
	assert_int_equal(server_new(&server, f->event, &f->config, handle, f, &diag), err);
	lstat(f->socket, &after);
	assert_null(server);
	assert_int_equal(diag.n, 1);
	assert_non_null(strstr(diag.entries[0].text, text));
	assert_int_equal(after.st_ino, before.st_ino);
	diag_fini(&diag);
}

static void second_daemon_is_refused_and_the_first_goes_on(void **state)
{
	struct fixture *f = *state;
	char expected[64];

	start(f);
	snprintf(expected, sizeof(expected), "process %d has this control socket", getpid());
	expect_no_start(f, -EADDRINUSE, expected);
	expect_service(f);
}

/* A listening socket at the path, made by somebody without a lock. */
static int listen_there(const struct fixture *f, int type)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, f->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 0), 0);
	return fd;
}

static void living_socket_without_lock_is_respected(void **state)
{
	struct fixture *f = *state;
	int fds[8];
	int fd = listen_there(f, SOCK_STREAM);

	/* also when it is too busy to accept */
	for (size_t i = 0; i < COUNT(fds); i++) {
		struct sockaddr_un addr = {.sun_family = AF_UNIX};

		expect_no_start(f, -EADDRINUSE, "has this control socket");
		strcpy(addr.sun_path, f->socket);
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(fds[i], (struct sockaddr *)&addr, sizeof(addr)))
			assert_int_equal(errno, EAGAIN);
	}
	for (size_t i = 0; i < COUNT(fds); i++)
		close(fds[i]);
	close(fd);
	unlink(f->socket);

	fd = listen_there(f, SOCK_DGRAM);
	expect_no_start(f, -EADDRINUSE, "another process has this control socket");
	close(fd);
}

static void stale_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	char left[SOCKET_MAX + 8];

	close(listen_there(f, SOCK_STREAM));
	/* and one that a daemon left that died in mid-start */
	snprintf(left, sizeof(left), "%s.new", f->socket);
	assert_int_equal(rename(f->socket, left), 0);
	close(listen_there(f, SOCK_STREAM));
	start(f);
	expect_service(f);
	assert_int_equal(access(left, F_OK), -1);
}

static void other_files_are_never_removed(void **state)
{
	static const char *const suffixes[] = {"", ".new"};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(suffixes); i++) {
		char path[SOCKET_MAX + 8], text[8] = "";
		int fd;

		snprintf(path, sizeof(path), "%s%s", f->socket, suffixes[i]);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		assert_int_equal(write(fd, "mine", 4), 4);
		expect_no_start(f, -ENOTSOCK, i ? "is in the way" : "is not a socket");
		assert_int_equal(pread(fd, text, sizeof(text), 0), 4);
		assert_int_equal(access(path, F_OK), 0);
		close(fd);
		assert_int_equal(unlink(path), 0);

		assert_int_equal(symlink("/etc/passwd", path), 0);
		expect_no_start(f, -ENOTSOCK, i ? "is in the way" : "is not a socket");
		assert_int_equal(unlink(path), 0);

		assert_int_equal(mkdir(path, 0755), 0);
		expect_no_start(f, -ENOTSOCK, i ? "is in the way" : "is not a socket");
		assert_int_equal(rmdir(path), 0);
	}
}

static void directory_is_made_but_not_its_parents(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char dir[SOCKET_MAX];

	snprintf(dir, sizeof(dir), "%s/run", f->dir.path);
	snprintf(f->socket, sizeof(f->socket), "%s/run/control.sock", f->dir.path);
	umask(0077);
	start(f);
	umask(0022);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	expect_service(f);
	server_free(f->server);
	f->server = NULL;

	snprintf(f->socket, sizeof(f->socket), "%s/no/run/control.sock", f->dir.path);
	expect_no_start(f, -ENOENT, "cannot make the control socket's directory");
}

static void path_that_is_too_long_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[200];

	memset(path, 'x', sizeof(path));
	memcpy(path, f->socket, strlen(f->socket));
	/* SOCKET fits, SOCKET.new does not */
	path[106] = '\0';
	f->config.socket = path;
	expect_no_start(f, -ENAMETOOLONG, "a socket's path may have 107 bytes, this one has 110");
	path[106] = 'x';
	path[150] = '\0';
	expect_no_start(f, -ENAMETOOLONG, "a socket's path may have 107 bytes, this one has 150");
}

static void socket_of_somebody_else_stays(void **state)
{
	struct fixture *f = *state;
	int fd;

	start(f);
	assert_int_equal(unlink(f->socket), 0);
	fd = listen_there(f, SOCK_STREAM);
	server_free(f->server);
	f->server = NULL;
	assert_int_equal(access(f->socket, F_OK), 0);
	close(fd);
	unlink(f->socket);
	server_free(NULL);
}

/* In a child: starts when @go is closed, tells on @out whether it won, lives until @end is closed. */
static void race(struct fixture *f, int go, int out, int end)
{
	struct server *server = NULL;
	struct diag diag = {0};
	sd_event *event;
	char byte;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sd_event_new(&event) < 0)
		_exit(1);
	if (read(go, &byte, 1) != 0)
		_exit(1);
	err = server_new(&server, event, &f->config, handle, f, &diag);
	byte = !err ? 'w' : err == -EADDRINUSE ? 'l' : '?';
	if (write(out, &byte, 1) != 1 || read(end, &byte, 1) != 0)
		_exit(1);
	_exit(0);
}

/* One round of the race. How many won; -1: one failed otherwise. */
static int count_winners(struct fixture *f)
{
	enum {
		RACERS = 4
	};
	int go[2], out[2], end[2];
	pid_t pids[RACERS];
	int won = 0, status;
	bool failed = false;

	assert_int_equal(pipe2(go, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(end, O_CLOEXEC), 0);
	for (int i = 0; i < RACERS; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		close(go[1]);
		close(end[1]);
		race(f, go[0], out[1], end[0]);
	}
	close(out[1]);
	close(go[1]);
	for (int i = 0; i < RACERS; i++) {
		char byte = '?';

		failed = read(out[0], &byte, 1) != 1 || byte == '?' || failed;
		won += byte == 'w';
	}
	close(end[1]);
	for (int i = 0; i < RACERS; i++)
		failed = waitpid(pids[i], &status, 0) != pids[i] || status || failed;
	close(go[0]);
	close(out[0]);
	close(end[0]);
	return failed ? -1 : won;
}

static void of_daemons_that_start_at_once_one_wins(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 20; round++) {
		unlink(f->socket);
		close(listen_there(f, SOCK_STREAM)); /* a stale one, which all want to replace */
		assert_int_equal(count_winners(f), 1);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_are_answered_in_order),
		TEST(request_may_come_byte_by_byte),
		TEST(refusal_carries_every_message_and_keeps_the_connection),
		TEST(bad_message_ends_its_connection_only),
		TEST(connection_closed_in_mid_message_is_logged),
		TEST(no_changed_byte_stops_the_service),
		TEST(reader_that_does_not_read_delays_nobody),
		TEST(watcher_that_orders_gets_its_events_and_its_answer),
		TEST(watcher_that_does_not_keep_up_is_disconnected),
		TEST(reader_that_goes_away_is_forgotten),
		TEST(stalled_peer_is_disconnected_and_an_idle_one_is_not),
		TEST(connections_are_limited),
		TEST(free_disconnects),
		TEST(only_root_the_daemons_user_and_the_group_may_ask),
		TEST(socket_has_mode_and_group),
		TEST(second_daemon_is_refused_and_the_first_goes_on),
		TEST(living_socket_without_lock_is_respected),
		TEST(stale_socket_is_replaced),
		TEST(other_files_are_never_removed),
		TEST(directory_is_made_but_not_its_parents),
		TEST(path_that_is_too_long_is_refused),
		TEST(socket_of_somebody_else_stays),
		TEST(of_daemons_that_start_at_once_one_wins),
	};

	return cmocka_run_group_tests_name("daemon/server", tests, NULL, NULL);
}
