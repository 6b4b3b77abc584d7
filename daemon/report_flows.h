/* SPDX-License-Identifier: MIT */
/*
 * The flows that the balancer knows.
 */
#ifndef SLUICE_DAEMON_REPORT_FLOWS_H
#define SLUICE_DAEMON_REPORT_FLOWS_H

#include <jansson.h>

#include "daemon/engine.h"

/*
 * The flow table: how full, and how many flows each backend has. @vip: only its pool's backends, or
 * NULL. A new document (keys: control/print.h) for the caller; NULL: no memory.
 */
json_t *report_flows(const struct engine_view *view, const char *vip);

/* Live flows of each of view->desired's backends; the caller frees. NULL: no memory. */
uint32_t *report_count_flows(const struct engine_view *view);

#endif
