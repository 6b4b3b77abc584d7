/* SPDX-License-Identifier: MIT */
/*
 * The asking end of the control socket: connect, send a request, read the answer. Blocking, with
 * a time limit. Every failure is told in words that name the socket and the way out.
 */
#ifndef SLUICE_CONTROL_CLIENT_H
#define SLUICE_CONTROL_CLIENT_H

#include <jansson.h>

#include "config/diag.h"
#include "control/proto.h"

#define CLIENT_TIMEOUT_MS 10000

struct client;

/*
 * Connects to the daemon's socket at @path. @timeout_ms: how long to wait each time for the
 * daemon to take or send something. 0 with @out to be freed by client_free(); or -errno with a
 * message: -ENOENT, -ECONNREFUSED: no daemon; -EACCES: not allowed; ...
 */
int client_open(struct client **out, const char *path, unsigned int timeout_ms, struct diag *diag);

/*
 * Sends @request (see proto_request()). 0, or -errno with a message. -EPIPE: the daemon closed
 * the connection; it may have said why, so read its answer before giving up.
 */
int client_send(struct client *client, const json_t *request, struct diag *diag);

/*
 * Reads one message: a reply or an event. 0 with its type and document (to be dropped with
 * json_decref()); or -errno with messages: -EREMOTEIO: the daemon answered with an error, whose
 * lines they are; -ETIMEDOUT; -ECONNRESET: closed without an answer; -EPROTO: no proper message.
 */
int client_receive(struct client *client, enum proto_type *type, json_t **document,
		   struct diag *diag);

/*
 * Sends @command with @args (taken over; NULL: none) and waits for its reply. 0 with the reply's
 * document, or -errno as above with messages.
 */
int client_ask(struct client *client, json_t **document, const char *command, json_t *args,
	       struct diag *diag);

/* Closes the connection; accepts NULL. */
void client_free(struct client *client);
void client_freep(struct client **client);

#endif
