/* SPDX-License-Identifier: MIT */
/*
 * Rings, what moves in them, and the flows that the balancer knows, as documents; their keys are
 * listed in control/print.h. Each function returns a new document for the caller, or NULL without
 * memory.
 */
#ifndef SLUICE_DAEMON_REPORT_FLOWS_H
#define SLUICE_DAEMON_REPORT_FLOWS_H

#include <jansson.h>

#include "daemon/engine.h"

/* The VIP named @name, which exists: owners, their shares, what moves and how long yet. */
json_t *report_ring(const struct engine_view *view, const char *name);

/*
 * A digest of each VIP's declared ring: equal on all balancers with the same declared state, whatever
 * came before. 64 bits over the parameters and the first rank's owners, slot by slot.
 */
json_t *report_digest(const struct engine_view *view);

/* The flow table: how full, and how many flows each backend has. @vip: only its pool's backends, or NULL. */
json_t *report_flows(const struct engine_view *view, const char *vip);

/* Live flows of each of view->desired's backends; the caller frees. NULL: no memory. */
uint32_t *report_count_flows(const struct engine_view *view);

#endif
