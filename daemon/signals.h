/* SPDX-License-Identifier: MIT */
/*
 * The signals of a service: SIGTERM and SIGINT end its event loop, SIGHUP asks for a reload.
 */
#ifndef SLUICE_DAEMON_SIGNALS_H
#define SLUICE_DAEMON_SIGNALS_H

#include <systemd/sd-event.h>

/* Has them delivered to @event from now on, to @reload with @ctx the last one. 0 or -errno. */
int signals_watch(sd_event *event, sd_event_signal_handler_t reload, void *ctx);

#endif
