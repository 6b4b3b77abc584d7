/* SPDX-License-Identifier: MIT */
/*
 * A move in words: what made a ring another one, and until when its old owners count.
 */
#ifndef SLUICE_DAEMON_REPORT_MOVE_H
#define SLUICE_DAEMON_REPORT_MOVE_H

#include <jansson.h>

#include "daemon/generations.h"

/*
 * Adds "since", "settles_by", "left_until" (where somebody left and is given time) and "why" (a
 * list of lines) to @document, the one of a ring; nothing when @v does not move. What finds no
 * memory is missing.
 */
void report_move(json_t *document, const struct generation_vip *v);

#endif
