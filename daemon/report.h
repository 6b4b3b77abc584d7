/* SPDX-License-Identifier: MIT */
/*
 * The state in force as documents; their keys are listed in control/print.h. Each function
 * returns a new document for the caller, or NULL without memory.
 */
#ifndef SLUICE_DAEMON_REPORT_H
#define SLUICE_DAEMON_REPORT_H

#include <jansson.h>

#include "daemon/engine.h"

json_t *report_status(const struct engine_view *view);
json_t *report_vips(const struct engine_view *view);
json_t *report_backends(const struct engine_view *view);
json_t *report_counters(const struct engine_view *view);

/* An event for those who watch; @health NULL: a change of another kind. */
json_t *report_event(const char *text, const struct health_event *health);

/* The backends named @backend (in @pool, if not NULL), as after an order. */
json_t *report_ordered(const struct engine_view *view, const char *backend, const char *pool,
		       uint64_t slots);

#endif
