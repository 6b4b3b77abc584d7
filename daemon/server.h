/* SPDX-License-Identifier: MIT */
/*
 * The control socket: accepts connections, checks who is there, reads requests, and hands each to
 * one handler. Knows the framing (control/proto.h), not the commands.
 */
#ifndef SLUICE_DAEMON_SERVER_H
#define SLUICE_DAEMON_SERVER_H

#include <jansson.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "config/diag.h"
#include "config/model.h"

struct server;

/* Who asks. */
struct server_peer {
	uid_t uid;
	pid_t pid;
};

/*
 * Answers one request. @request is borrowed. Returns the reply's document (the server takes it
 * over), or NULL with at least one message in @diag: the request is refused with these words.
 */
typedef json_t *server_handler(void *ctx, const struct server_peer *peer, const json_t *request,
			       struct diag *diag);

/*
 * Listens on config->socket (its directory is made if missing; a stale socket of a dead daemon is
 * replaced; mode 0660, group as configured). 0 with @out to be freed by server_free(); or -errno
 * with a message in @diag (-EADDRINUSE: a living daemon answers there).
 */
int server_new(struct server **out, sd_event *event, const struct model_control *config,
	       server_handler *handler, void *ctx, struct diag *diag);

/* Closes all connections and removes the socket; accepts NULL. */
void server_free(struct server *server);

#endif
