/* SPDX-License-Identifier: MIT */
/*
 * The map `vip_lines`: a direct-mapped copy of `vips` for the program's first look. `vips` is what
 * counts; a line that says SHARED sends the program there, so that lines can be rewritten under its
 * eyes.
 */
#ifndef SLUICE_DAEMON_VIP_LINES_H
#define SLUICE_DAEMON_VIP_LINES_H

#include <stdint.h>

#include "daemon/rows.h"
#include "xdp/abi.h"

/* Sends lookups of @key to `vips` until the next vip_lines_fill(): before its row changes. */
void vip_lines_defer(struct sluice_vip_line *lines, uint32_t bits,
		     const struct sluice_vip_key *key);

/*
 * Lays out the 2^bits lines for @rows, those of `vips`. 0 or -ENOMEM: lines then stay as they are.
 */
int vip_lines_fill(struct sluice_vip_line *lines, uint32_t bits, const struct rows *rows);

#endif
