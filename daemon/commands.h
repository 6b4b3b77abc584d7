/* SPDX-License-Identifier: MIT */
/*
 * The commands of the control socket: a request's words -> the engine -> a document.
 */
#ifndef SLUICE_DAEMON_COMMANDS_H
#define SLUICE_DAEMON_COMMANDS_H

#include "daemon/engine.h"
#include "daemon/server.h"

/* A server_handler whose context is a struct engine. */
json_t *commands_handle(void *engine, struct server_peer *peer, const json_t *request,
			struct diag *diag);

#endif
