/* SPDX-License-Identifier: MIT */
/*
 * What is other between two desired states, in words: one line a change, for the log and for
 * whoever asked for it.
 */
#ifndef SLUICE_DAEMON_CHANGES_H
#define SLUICE_DAEMON_CHANGES_H

#include "daemon/desired.h"

/* @text: "backend web-3 of pool web: weight 100 -> 50"; valid during the call. */
typedef void changes_fn(void *ctx, const char *text);

/* Calls @fn for each change from @from (NULL: from nothing) to @to. Pure. */
void changes_list(const struct desired *from, const struct desired *to, changes_fn *fn, void *ctx);

#endif
