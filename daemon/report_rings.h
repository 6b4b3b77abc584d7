/* SPDX-License-Identifier: MIT */
/*
 * Rings and what moves in them, as documents; their keys are listed in control/print.h. Each
 * function returns a new document for the caller, or NULL without memory.
 */
#ifndef SLUICE_DAEMON_REPORT_RINGS_H
#define SLUICE_DAEMON_REPORT_RINGS_H

#include <jansson.h>

#include "daemon/engine.h"

/* The VIP named @name, which exists: owners, their shares, what moves and how long yet. */
json_t *report_ring(const struct engine_view *view, const char *name);

/*
 * A digest of each VIP's declared ring: equal on all balancers with the same declared state,
 * whatever came before. 64 bits over the parameters and the first rank's owners, slot by slot.
 */
json_t *report_digest(const struct engine_view *view);

#endif
