/* SPDX-License-Identifier: MIT */
/*
 * A plain blocking client: the kernel keeps the time (SO_RCVTIMEO, SO_SNDTIMEO), so there is no
 * loop here. A daemon that refuses a connection answers first and closes then, perhaps before the
 * request is out; so a request that cannot be sent does not hide the answer.
 */
#include "control/client.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "config/cleanup.h"

struct client {
	int fd;
	char *path;
	unsigned int timeout_ms;
};

/* Says why connect() failed with @err. */
static void explain_connect(const struct client *c, int err, struct diag *diag)
{
	struct stat st;
	bool seen = !stat(c->path, &st);
	const struct group *group = seen ? getgrgid(st.st_gid) : NULL;

	if (seen && !S_ISSOCK(st.st_mode))
		diag_add(diag, c->path, 0, "is not a socket: -s names the daemon's control socket");
	else if (err == ENOENT || err == ENOTDIR)
		diag_add(diag, c->path, 0,
			 "no such socket: is sluiced running? (-s names another socket)");
	else if (err == ECONNREFUSED)
		diag_add(diag, c->path, 0, "nobody listens on it: is sluiced running?");
	else if (err == EACCES && group && st.st_mode & S_IWGRP && st.st_gid != 0)
		diag_add(diag, c->path, 0,
			 "permission denied: be root or a member of the socket's group, \"%s\"",
			 group->gr_name);
	else if (err == EACCES)
		diag_add(diag, c->path, 0,
			 "permission denied: be root or a member of the socket's group");
	else if (err == EAGAIN)
		diag_add(diag, c->path, 0,
			 "sluiced accepted no connection for %u ms: does it hang?", c->timeout_ms);
	else
		diag_add(diag, c->path, 0, "cannot connect: %s", strerror(err));
}

/* Connects @c. 0 or -errno with a message. */
static int client_connect(struct client *c, struct diag *diag)
{
	struct timeval timeout = {c->timeout_ms / 1000, c->timeout_ms % 1000 * 1000};
	struct sockaddr_un addr;
	int err;

	err = proto_address(&addr, c->path, diag);
	if (err)
		return err;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout))) {
		err = errno;
		diag_add(diag, NULL, 0, "cannot make a socket: %s", strerror(err));
		return -err;
	}
	if (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = errno;
		explain_connect(c, err, diag);
		return err == EAGAIN ? -ETIMEDOUT : -err;
	}
	return 0;
}

int client_open(struct client **out, const char *path, unsigned int timeout_ms, struct diag *diag)
{
	_cleanup_(client_freep) struct client *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->fd = -1;
	c->timeout_ms = timeout_ms;
	c->path = strdup(path);
	err = c->path ? client_connect(c, diag) : -ENOMEM;
	if (err)
		return err;
	*out = TAKE(c);
	return 0;
}

int client_send(struct client *client, const json_t *request, struct diag *diag)
{
	_cleanup_(freep) char *bytes = NULL;
	size_t size, sent = 0;
	int err;

	err = proto_pack(&bytes, &size, PROTO_REQUEST, request, diag);
	if (err)
		return err;
	while (sent < size) {
		ssize_t n = send(client->fd, bytes + sent, size - sent, MSG_NOSIGNAL);

		if (n >= 0) {
			sent += n;
			continue;
		}
		err = errno;
		if (err == EINTR)
			continue;
		if (err == EAGAIN) {
			diag_add(diag, client->path, 0,
				 "sluiced did not take the request within %u ms: does it hang?",
				 client->timeout_ms);
			return -ETIMEDOUT;
		}
		diag_add(diag, client->path, 0, "cannot send the request: %s", strerror(err));
		return err == ECONNRESET ? -EPIPE : -err;
	}
	return 0;
}

/*
 * Fills @bytes from *@got up to @want bytes of one message, whose first byte is at @bytes. 0, or
 * -errno with a message.
 */
static int receive_until(struct client *c, char *bytes, size_t *got, size_t want, struct diag *diag)
{
	while (*got < want) {
		ssize_t n = recv(c->fd, bytes + *got, want - *got, 0);
		int err = errno;

		if (n > 0) {
			*got += n;
		} else if ((!n || err == ECONNRESET) && *got) {
			proto_truncated(diag, bytes, *got);
			return -EPROTO;
		} else if (!n || err == ECONNRESET) {
			diag_add(diag, c->path, 0,
				 "sluiced closed the connection without an answer: its log says "
				 "why");
			return -ECONNRESET;
		} else if (err == EAGAIN) {
			diag_add(diag, c->path, 0,
				 "sluiced did not answer within %u ms: does it hang?",
				 c->timeout_ms);
			return -ETIMEDOUT;
		} else if (err != EINTR) {
			diag_add(diag, c->path, 0, "cannot read the answer: %s", strerror(err));
			return -err;
		}
	}
	return 0;
}

/* Each line of an error's text as a message. */
static void add_error_lines(const json_t *document, struct diag *diag)
{
	const char *text = json_string_value(json_object_get(document, "error"));

	if (!text || !*text)
		text = "sluiced refuses, without a reason";
	while (*text) {
		int n = strcspn(text, "\n");

		if (n)
			diag_add(diag, NULL, 0, "%.*s", n, text);
		text += n + (text[n] == '\n');
	}
}

int client_receive(struct client *client, enum proto_type *type, json_t **document,
		   struct diag *diag)
{
	_cleanup_(json_decrefp) json_t *json = NULL;
	_cleanup_(freep) char *bytes = malloc(PROTO_HEADER_SIZE);
	struct proto_header header;
	size_t got = 0;
	char *more;
	int err;

	if (!bytes)
		return -ENOMEM;
	err = receive_until(client, bytes, &got, PROTO_HEADER_SIZE, diag);
	if (!err)
		err = proto_read_header(&header, bytes, got, diag);
	if (err)
		return err;
	more = realloc(bytes, PROTO_HEADER_SIZE + (size_t)header.length);
	if (!more)
		return -ENOMEM;
	bytes = more;
	err = receive_until(client, bytes, &got, PROTO_HEADER_SIZE + (size_t)header.length, diag);
	if (!err)
		err = proto_read_payload(&json, bytes + PROTO_HEADER_SIZE, header.length, diag);
	if (err)
		return err;
	if (header.type == PROTO_ERROR) {
		add_error_lines(json, diag);
		return -EREMOTEIO;
	}
	if (header.type == PROTO_REQUEST) {
		diag_add(diag, client->path, 0, "sent a request where a reply was expected");
		return -EPROTO;
	}
	*type = header.type;
	*document = TAKE(json);
	return 0;
}

int client_ask(struct client *client, json_t **document, const char *command, json_t *args,
	       struct diag *diag)
{
	_cleanup_(json_decrefp) json_t *request = proto_request(command, args);
	_cleanup_(json_decrefp) json_t *json = NULL;
	_cleanup_(diag_fini) struct diag unsent = {0};
	enum proto_type type;
	int err, sent;

	if (!request)
		return -ENOMEM;
	sent = client_send(client, request, &unsent);
	if (sent && sent != -EPIPE) {
		for (size_t i = 0; i < unsent.n; i++)
			diag_add(diag, unsent.entries[i].file, 0, "%s", unsent.entries[i].text);
		return sent;
	}
	err = client_receive(client, &type, &json, diag);
	if (err)
		return err;
	if (type != PROTO_REPLY) {
		diag_add(diag, client->path, 0, "sent an %s where a reply was expected",
			 proto_type_name(type));
		return -EPROTO;
	}
	*document = TAKE(json);
	return 0;
}

void client_free(struct client *client)
{
	if (!client)
		return;
	closep(&client->fd);
	free(client->path);
	free(client);
}

void client_freep(struct client **client)
{
	client_free(*client);
}
