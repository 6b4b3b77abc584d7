/* SPDX-License-Identifier: MIT */
/*
 * Two halves. The first makes the socket: under a lock it looks who is at the path, makes a socket
 * of its own beside it, ready and with its owner and mode set, and renames it into place. So the
 * path never leads to a half-made socket, and a stale one is replaced in one step.
 *
 * The second serves. A connection is in one of two moods: it reads one message, exactly to its
 * end, or it writes the answer to that. What the peer sends meanwhile waits in the kernel, which
 * makes the peer wait in turn. Each event does one read or one write, so all get their turn.
 */
#include "daemon/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "config/cleanup.h"
#include "control/proto.h"
#include "daemon/log.h"

/* At most so many accept() in so long, which also bounds the loop when it keeps failing. */
#define ACCEPT_BURST 100
#define ACCEPT_INTERVAL_US 100000

struct conn {
	LIST_ENTRY(conn) link;
	struct server *server;
	int fd;
	struct server_peer peer;
	sd_event_source *io;
	sd_event_source *timer; /* on while the peer is expected to send or to take something */
	char *in;               /* the message being read: room for @in_want bytes */
	size_t in_got;
	size_t in_want; /* the header's size, then the message's */
	bool have_header;
	char *out; /* the answer being written, or NULL */
	size_t out_size;
	size_t out_sent;
	bool last;      /* close when the answer is out */
	bool answering; /* the handler is at its request, and may publish meanwhile */
	bool behind;    /* and it was found not to keep up */
};

struct server {
	sd_event *event;
	sd_event_source *io;
	server_handler *handler;
	void *ctx;
	unsigned int stall_ms;
	char *path;
	char *group; /* or NULL */
	long group_id;
	int fd;
	int lock_fd;
	dev_t dev;          /* of the socket that we made, ... */
	ino_t ino;          /* ... 0: none yet */
	bool accept_failed; /* and that was logged */
	unsigned int n_conns;
	LIST_HEAD(conn_list, conn) conns;
};

/* -------------------------------------------------------------------------- making the socket */

/* Removes @path if it is a socket. 0 also if nothing is there; -ENOTSOCK. */
static int remove_socket(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

/* Makes the directory of @path if it is missing; its own directory must be there. */
static int make_directory(const char *path, struct diag *diag)
{
	_cleanup_(freep) char *dir = NULL;
	const char *slash = strrchr(path, '/');
	int err;

	if (!slash || slash == path)
		return 0;
	dir = strndup(path, slash - path);
	if (!dir)
		return -ENOMEM;
	/* Whatever the umask: the group's members must get through. */
	if (!mkdir(dir, 0755) && !chmod(dir, 0755))
		return 0;
	err = errno;
	if (err == EEXIST)
		return 0;
	diag_add(diag, dir, 0, "cannot make the control socket's directory: %s", strerror(err));
	return -err;
}

/* What became of the question who listens at a path. */
enum listener {
	LISTENER_NONE,
	LISTENER_STALE, /* a socket that nobody listens on */
	LISTENER_ALIVE, /* @pid has it */
};

/* Asks who listens at @addr. 0, or -errno with a message. */
static int find_listener(enum listener *out, pid_t *pid, const struct sockaddr_un *addr,
			 struct diag *diag)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);
	struct stat st;
	int err;

	if (fd < 0) {
		err = errno;
		diag_add(diag, NULL, 0, "cannot make a socket: %s", strerror(err));
		return -err;
	}
	if (lstat(addr->sun_path, &st)) {
		err = errno;
		*out = LISTENER_NONE;
		if (err == ENOENT)
			return 0;
		diag_add(diag, addr->sun_path, 0, "cannot look at it: %s", strerror(err));
		return -err;
	}
	if (!S_ISSOCK(st.st_mode)) {
		diag_add(diag, addr->sun_path, 0,
			 "is not a socket: move it away, or name another path in control.socket");
		return -ENOTSOCK;
	}
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED) {
		*out = LISTENER_STALE;
		return 0;
	}
	/* Connected, or a daemon too busy to accept (EAGAIN), or something else that lives. */
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	*pid = cred.pid;
	*out = LISTENER_ALIVE;
	return 0;
}

static int say_in_use(const char *path, pid_t pid, struct diag *diag)
{
	char who[32] = "another process";

	if (pid > 0)
		snprintf(who, sizeof(who), "process %d", pid);
	diag_add(diag, path, 0,
		 "%s has this control socket: stop it, or give this daemon a control.socket, "
		 "pin_dir and state_dir of its own",
		 who);
	return -EADDRINUSE;
}

/* Takes the lock that makes us the only one to touch the path. 0, or -errno with a message. */
static int take_lock(struct server *s, const struct sockaddr_un *addr, struct diag *diag)
{
	_cleanup_(freep) char *path = NULL;
	enum listener listener;
	pid_t pid = 0;
	int err;

	if (asprintf(&path, "%s.lock", s->path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->lock_fd < 0) {
		err = errno;
		diag_add(diag, path, 0, "cannot open the control socket's lock: %s", strerror(err));
		return -err;
	}
	if (!flock(s->lock_fd, LOCK_EX | LOCK_NB))
		return 0;
	err = errno;
	if (err != EWOULDBLOCK) {
		diag_add(diag, path, 0, "cannot lock it: %s", strerror(err));
		return -err;
	}
	err = find_listener(&listener, &pid, addr, diag);
	return err ? err : say_in_use(s->path, pid, diag);
}

/* Makes the socket at @addr, listening, with owner and mode. 0 or -errno; may leave the file. */
static int make_socket(struct server *s, const struct sockaddr_un *addr)
{
	struct stat st;

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0 || bind(s->fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return -errno;
	if (s->group_id >= 0 && lchown(addr->sun_path, -1, s->group_id))
		return -errno;
	if (chmod(addr->sun_path, s->group_id >= 0 ? 0660 : 0600) || listen(s->fd, SOMAXCONN) ||
	    lstat(addr->sun_path, &st))
		return -errno;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

/* Makes the socket beside its path and moves it there. 0, or -errno with a message. */
static int place_socket(struct server *s, struct diag *diag)
{
	_cleanup_(freep) char *path = NULL;
	struct sockaddr_un addr;
	int err;

	if (asprintf(&path, "%s.new", s->path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	err = proto_address(&addr, path, diag);
	if (err)
		return err;
	/* We hold the lock: what is there was left by a daemon that died in mid-start. */
	err = remove_socket(path);
	if (err) {
		diag_add(diag, path, 0, "is in the way of a new control socket: %s",
			 strerror(-err));
		return err;
	}
	err = make_socket(s, &addr);
	if (!err && rename(path, s->path))
		err = -errno;
	if (!err)
		return 0;
	s->ino = 0;
	remove_socket(path);
	if (err == -EPERM && s->group_id >= 0)
		diag_add(diag, s->path, 0, "cannot give the control socket to group \"%s\": %s",
			 s->group, strerror(-err));
	else
		diag_add(diag, s->path, 0, "cannot make the control socket: %s", strerror(-err));
	return err;
}

/* Listens on s->path. 0, or -errno with a message. */
static int server_listen(struct server *s, struct diag *diag)
{
	struct sockaddr_un addr;
	enum listener listener;
	pid_t pid = 0;
	int err;

	err = proto_address(&addr, s->path, diag);
	if (!err)
		err = make_directory(s->path, diag);
	if (!err)
		err = take_lock(s, &addr, diag);
	if (!err)
		err = find_listener(&listener, &pid, &addr, diag);
	if (err)
		return err;
	if (listener == LISTENER_ALIVE)
		return say_in_use(s->path, pid, diag);
	return place_socket(s, diag);
}

/* -------------------------------------------------------------------------------- who is there */

/* Whether @fd's peer has @group among its supplementary groups. */
static bool peer_in_group(int fd, gid_t group)
{
	_cleanup_(freep) gid_t *groups = NULL;
	socklen_t len = 0;

	/* The first call only asks for the length. */
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) || errno != ERANGE)
		return false;
	groups = malloc(len);
	if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (size_t i = 0; i < len / sizeof(*groups); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

/* Whether the peer may ask. If not, @diag says who may. */
static bool peer_allowed(const struct server *s, int fd, const struct ucred *cred,
			 struct diag *diag)
{
	if (cred->uid == 0 || cred->uid == geteuid())
		return true;
	if (s->group_id < 0) {
		diag_add(diag, NULL, 0, "user %u is not root", cred->uid);
		return false;
	}
	if (cred->gid == (gid_t)s->group_id || peer_in_group(fd, s->group_id))
		return true;
	diag_add(diag, NULL, 0, "user %u is neither root nor in group \"%s\"", cred->uid, s->group);
	return false;
}

/* ------------------------------------------------------------------------------- a connection */

static void conn_free(struct conn *c)
{
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	LIST_REMOVE(c, link);
	c->server->n_conns--;
	close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

/* Logs why @c is closed: the messages of @diag, perhaps none. */
static void conn_warn(const struct conn *c, const struct diag *diag)
{
	for (size_t i = 0; i < diag->n; i++)
		log_warning("control: user %u (process %d): disconnected, %s", c->peer.uid,
			    c->peer.pid, diag->entries[i].text);
}

/* Packs an error that says what @diag says. 0 or -errno. */
static int pack_error(char **out, size_t *size, const struct diag *diag)
{
	_cleanup_(freep) char *text = diag_text(diag);
	_cleanup_(json_decrefp) json_t *document = NULL;
	_cleanup_(diag_fini) struct diag unsent = {0};
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return -ENOMEM;
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	document = proto_error(text);
	if (!document)
		return -ENOMEM;
	return proto_pack(out, size, PROTO_ERROR, document, &unsent);
}

/* Puts a message behind what is being written. 0 or -ENOMEM. */
static int conn_append(struct conn *c, const char *bytes, size_t size)
{
	size_t waiting = c->out ? c->out_size - c->out_sent : 0;
	char *out = malloc(waiting + size);

	if (!out)
		return -ENOMEM;
	if (waiting)
		memcpy(out, c->out + c->out_sent, waiting);
	memcpy(out + waiting, bytes, size);
	free(c->out);
	c->out = out;
	c->out_size = waiting + size;
	c->out_sent = 0;
	return 0;
}

/* Makes an error the connection's answer. 0 or -errno. */
static int conn_answer_error(struct conn *c, const struct diag *diag)
{
	_cleanup_(freep) char *bytes = NULL;
	size_t size;
	int err = pack_error(&bytes, &size, diag);

	return err ? err : conn_append(c, bytes, size);
}

/* The message was bad: says so to the peer and to the log, and closes once that is out. */
static int conn_answer_bad(struct conn *c, const struct diag *diag)
{
	conn_warn(c, diag);
	c->last = true;
	return conn_answer_error(c, diag);
}

/* Hands the request in c->in to the handler and makes its result the answer. 0 or -errno. */
static int conn_answer(struct conn *c)
{
	_cleanup_(json_decrefp) json_t *request = NULL;
	_cleanup_(json_decrefp) json_t *reply = NULL;
	_cleanup_(diag_fini) struct diag diag = {0};
	_cleanup_(freep) char *bytes = NULL;
	size_t size;
	int err;

	err = proto_read_payload(&request, c->in + PROTO_HEADER_SIZE, c->in_got - PROTO_HEADER_SIZE,
				 &diag);
	if (err)
		return conn_answer_bad(c, &diag);
	c->answering = true;
	reply = c->server->handler(c->server->ctx, &c->peer, request, &diag);
	c->answering = false;
	if (c->behind)
		return -ENOBUFS;
	if (reply) {
		diag_fini(&diag);
		err = proto_pack(&bytes, &size, PROTO_REPLY, reply, &diag);
		if (!err)
			err = conn_append(c, bytes, size);
		if (!err || err == -ENOMEM)
			return err;
	}
	if (!diag.n)
		diag_add(&diag, NULL, 0, "refused, without a reason");
	return conn_answer_error(c, &diag);
}

/* The header is in: finds how long the message is, or what is wrong. 0 or -errno. */
static int conn_header(struct conn *c)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct proto_header header;
	char *more;
	int err;

	err = proto_read_header(&header, c->in, c->in_got, &diag);
	if (err == -EAGAIN)
		return 0;
	if (!err && header.type != PROTO_REQUEST) {
		diag_add(&diag, NULL, 0, "sent a message of type %s where a request was expected",
			 proto_type_name(header.type));
		err = -EPROTO;
	}
	if (err)
		return conn_answer_bad(c, &diag);
	more = realloc(c->in, PROTO_HEADER_SIZE + header.length);
	if (!more)
		return -ENOMEM;
	c->in = more;
	c->in_want = PROTO_HEADER_SIZE + header.length;
	c->have_header = true;
	return 0;
}

/* Reads on in the message. 0, or -errno: the connection is at its end. */
static int conn_read(struct conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_got, c->in_want - c->in_got, 0);
	int err;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n) {
		_cleanup_(diag_fini) struct diag diag = {0};

		if (c->in_got)
			proto_truncated(&diag, c->in, c->in_got);
		conn_warn(c, &diag);
		return -ECONNRESET;
	}
	c->in_got += n;
	err = c->have_header ? 0 : conn_header(c);
	if (err || !c->have_header || c->in_got < c->in_want)
		return err;
	err = conn_answer(c);
	c->have_header = false;
	c->in_got = 0;
	c->in_want = PROTO_HEADER_SIZE;
	return err;
}

/* Writes on in the answer. 0, or -errno: the connection is at its end. */
static int conn_write(struct conn *c)
{
	ssize_t n = send(c->fd, c->out + c->out_sent, c->out_size - c->out_sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->out_sent += n;
	if (c->out_sent < c->out_size)
		return 0;
	free(TAKE(c->out));
	c->out_sent = 0;
	return c->last ? -ECONNRESET : 0;
}

/* Waits for what comes next, and for how long. 0 or -errno. */
static int conn_wait(struct conn *c)
{
	bool busy = c->in_got || c->out;
	int err;

	err = sd_event_source_set_io_events(c->io, c->out ? EPOLLOUT : EPOLLIN);
	if (!err && busy)
		err = sd_event_source_set_time_relative(c->timer, c->server->stall_ms * 1000ull);
	if (!err)
		err = sd_event_source_set_enabled(c->timer, busy ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	return err < 0 ? err : 0;
}

static int on_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct conn *c = userdata;
	int err;

	(void)source;
	(void)fd;
	(void)revents;
	err = c->out ? 0 : conn_read(c);
	if (!err && c->out)
		err = conn_write(c);
	if (!err)
		err = conn_wait(c);
	if (err)
		conn_free(c);
	return 0;
}

static int on_stall(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct conn *c = userdata;
	_cleanup_(diag_fini) struct diag diag = {0};

	(void)source;
	(void)usec;
	diag_add(&diag, NULL, 0, "%s for %u ms",
		 c->out ? "it took nothing of its answer" : "nothing came in mid-message",
		 c->server->stall_ms);
	conn_warn(c, &diag);
	conn_free(c);
	return 0;
}

/* Serves @fd (taken over on success). 0 or -errno. */
static int conn_new(struct server *s, int fd, const struct ucred *cred)
{
	struct conn *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	*c = (struct conn){.server = s,
			   .fd = fd,
			   .peer = {.uid = cred->uid, .pid = cred->pid},
			   .in_want = PROTO_HEADER_SIZE};
	c->in = malloc(PROTO_HEADER_SIZE);
	err = c->in ? 0 : -ENOMEM;
	if (!err)
		err = sd_event_add_io(s->event, &c->io, fd, EPOLLIN, on_ready, c);
	if (err >= 0)
		err = sd_event_add_time_relative(s->event, &c->timer, CLOCK_MONOTONIC, 0, 0,
						 on_stall, c);
	/* What came in time but was not read yet counts: it is looked at before the timer. */
	if (err >= 0)
		err = sd_event_source_set_priority(c->timer, SD_EVENT_PRIORITY_NORMAL + 1);
	if (err >= 0)
		err = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	if (err < 0) {
		sd_event_source_disable_unref(c->io);
		sd_event_source_disable_unref(c->timer);
		free(c->in);
		free(c);
		return err;
	}
	LIST_INSERT_HEAD(&s->conns, c, link);
	s->n_conns++;
	return 0;
}

/* --------------------------------------------------------------------------------- the server */

/* Tells the peer at @fd what @diag says. It is closed at once: a new socket has room for it. */
static void turn_away(int fd, const struct ucred *cred, const struct diag *diag)
{
	_cleanup_(freep) char *bytes = NULL;
	size_t size;

	log_warning("control: user %u (process %d): turned away, %s", cred->uid, cred->pid,
		    diag->entries[0].text);
	if (!pack_error(&bytes, &size, diag))
		send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Takes in the peer at @fd, which is taken over. */
static void welcome(struct server *s, int fd)
{
	_cleanup_(closep) int own_fd = fd;
	_cleanup_(diag_fini) struct diag diag = {0};
	struct ucred cred;
	socklen_t len = sizeof(cred);
	bool allowed;
	int err;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return;
	allowed = peer_allowed(s, fd, &cred, &diag);
	if (allowed && s->n_conns < SERVER_CONNECTIONS_MAX) {
		err = conn_new(s, fd, &cred);
		if (!err) {
			TAKE_FD(own_fd);
			return;
		}
		diag_add(&diag, NULL, 0, "cannot serve the connection: %s", strerror(-err));
	} else if (allowed) {
		diag_add(&diag, NULL, 0, "there are %d control connections already: try later",
			 SERVER_CONNECTIONS_MAX);
	}
	turn_away(fd, &cred, &diag);
}

static int on_connect(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct server *s = userdata;
	int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)source;
	(void)revents;
	if (peer >= 0) {
		s->accept_failed = false;
		welcome(s, peer);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED &&
		   !s->accept_failed) {
		s->accept_failed = true;
		log_warning("control: %s: cannot accept connections: %s", s->path, strerror(errno));
	}
	return 0;
}

static void server_freep(struct server **server)
{
	server_free(*server);
}

int server_new(struct server **out, sd_event *event, const struct model_control *config,
	       server_handler *handler, void *ctx, struct diag *diag)
{
	_cleanup_(server_freep) struct server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->fd = -1;
	s->lock_fd = -1;
	s->event = sd_event_ref(event);
	s->handler = handler;
	s->ctx = ctx;
	s->stall_ms = SERVER_STALL_MS;
	s->group_id = config->group ? config->group_id : -1;
	s->group = config->group ? strdup(config->group) : NULL;
	s->path = strdup(config->socket);
	err = s->path && (s->group || !config->group) ? server_listen(s, diag) : -ENOMEM;
	if (err)
		return err;
	err = sd_event_add_io(event, &s->io, s->fd, EPOLLIN, on_connect, s);
	if (err >= 0)
		err = sd_event_source_set_ratelimit(s->io, ACCEPT_INTERVAL_US, ACCEPT_BURST);
	if (err < 0) {
		diag_add(diag, s->path, 0, "cannot wait for connections: %s", strerror(-err));
		return err;
	}
	*out = TAKE(s);
	return 0;
}

void server_set_stall_ms(struct server *server, unsigned int ms)
{
	server->stall_ms = ms;
}

/* Sends a packed event to @c. 0, or -errno: the connection is at its end. */
static int conn_publish(struct conn *c, const char *bytes, size_t size)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	bool writing = c->out;
	bool behind = writing && c->out_size - c->out_sent + size > SERVER_BACKLOG_MAX;
	int err = behind ? -ENOBUFS : conn_append(c, bytes, size);

	if (err) {
		diag_add(&diag, NULL, 0, "it does not keep up with the events");
		conn_warn(c, &diag);
		return err;
	}
	return writing ? 0 : conn_wait(c);
}

void server_publish(struct server *server, const json_t *event)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	_cleanup_(freep) char *bytes = NULL;
	struct conn *c, *next;
	size_t size;

	for (c = LIST_FIRST(&server->conns); c; c = next) {
		next = LIST_NEXT(c, link);
		if (!c->peer.watches || c->behind)
			continue;
		if (!bytes && proto_pack(&bytes, &size, PROTO_EVENT, event, &diag)) {
			log_warning("control: an event cannot be sent: %s",
				    diag.n ? diag.entries[0].text : strerror(ENOMEM));
			return;
		}
		if (!conn_publish(c, bytes, size))
			continue;
		/* Who is being answered is still needed. */
		if (c->answering)
			c->behind = true;
		else
			conn_free(c);
	}
}

void server_free(struct server *server)
{
	struct stat st;

	if (!server)
		return;
	while (!LIST_EMPTY(&server->conns))
		conn_free(LIST_FIRST(&server->conns));
	sd_event_source_disable_unref(server->io);
	if (server->ino && !lstat(server->path, &st) && st.st_dev == server->dev &&
	    st.st_ino == server->ino)
		unlink(server->path);
	closep(&server->fd);
	closep(&server->lock_fd); /* last: the next daemon may come now */
	sd_event_unref(server->event);
	free(server->path);
	free(server->group);
	free(server);
}
