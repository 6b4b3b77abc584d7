/* SPDX-License-Identifier: MIT */
/*
 * The control socket: accepts connections, checks who is there, reads requests, and hands each to
 * one handler. Knows the framing (control/proto.h), not the commands.
 *
 * Allowed are root, the user the daemon runs as, and members of the configured group, as the kernel
 * tells them; others get an error and are disconnected. A connection may send many requests; they
 * are answered one by one, the next one is read when the answer is out. So a peer that does not
 * read costs one answer's memory and delays nobody else. One that watches is sent events besides,
 * each whole, after the answer to its request.
 */
#ifndef SLUICE_DAEMON_SERVER_H
#define SLUICE_DAEMON_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "config/diag.h"
#include "config/model.h"

#define SERVER_CONNECTIONS_MAX 64 /* a further one gets an error */
#define SERVER_STALL_MS 30000
#define SERVER_BACKLOG_MAX \
	(4u << 20) /* bytes that a watcher may be behind; then it is disconnected */

struct server;

/* Who asks. */
struct server_peer {
	uid_t uid;
	pid_t pid;
	bool watches; /* set by the handler: from the answer on it is sent what is published */
};

/*
 * Answers one request. @request is borrowed. Returns the reply's document (the server takes it
 * over), or NULL with at least one message in @diag: the request is refused with these words.
 * Must not free the server.
 */
typedef json_t *server_handler(void *ctx, struct server_peer *peer, const json_t *request,
			       struct diag *diag);

/*
 * Listens on config->socket (its directory is made if missing; a stale socket of a dead daemon is
 * replaced; with a group it belongs to it and has mode 0660, else 0600). Keeps copies of what it
 * needs of @config. 0 with @out to be freed by server_free(); or -errno, all but -ENOMEM with a
 * message in @diag: -EADDRINUSE: a living daemon has it; -ENOTSOCK: another kind of file is in the
 * way; ...
 *
 * For its life the server holds a lock on SOCKET.lock, a file that stays, so that of two daemons
 * that start at once one wins; SOCKET.new is used for a moment.
 */
int server_new(struct server **out, sd_event *event, const struct model_control *config,
	       server_handler *handler, void *ctx, struct diag *diag);

/*
 * How long a peer may send nothing in the middle of a message, or take nothing of its answer,
 * before it is disconnected. SERVER_STALL_MS unless told otherwise.
 */
void server_set_stall_ms(struct server *server, unsigned int ms);

/*
 * Sends @event (an object, borrowed) to all who watch. One that does not keep up is disconnected,
 * with a line in the log.
 */
void server_publish(struct server *server, const json_t *event);

/*
 * Closes all connections and removes the socket, unless it is no longer the one that the server
 * made; accepts NULL.
 */
void server_free(struct server *server);

#endif
