/* SPDX-License-Identifier: MIT */
/*
 * The words for outcomes (why a packet left the program): SLUICE_OUTCOMES of xdp/abi.h as tables.
 */
#ifndef SLUICE_CONTROL_OUTCOME_H
#define SLUICE_CONTROL_OUTCOME_H

#include "xdp/abi.h"

/* The name in documents and metrics: "forwarded", "no_backend"; "unknown" for any other number. */
const char *outcome_name(enum sluice_outcome outcome);

/* One line for people: what it means and what became of the packet; "" for any other number. */
const char *outcome_text(enum sluice_outcome outcome);

/* The outcome named @name into @out. 0, or -ENOENT with @out untouched. */
int outcome_find(enum sluice_outcome *out, const char *name);

/* The same for events, which happen to a packet on its way (SLUICE_EVENTS). */
const char *event_name(enum sluice_event event);
const char *event_text(enum sluice_event event);
int event_find(enum sluice_event *out, const char *name);

#endif
