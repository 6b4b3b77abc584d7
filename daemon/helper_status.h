/* SPDX-License-Identifier: MIT */
/*
 * What a helper has pinned says about itself and its packets, whether or not sluice-helper runs.
 */
#ifndef SLUICE_DAEMON_HELPER_STATUS_H
#define SLUICE_DAEMON_HELPER_STATUS_H

#include <stdbool.h>
#include <stdio.h>

#include "config/diag.h"
#include "xdp/helper.h"

/* The counters in the map, summed over the CPUs. 0 or -errno. */
int helper_status_counters(int map_fd, struct helper_counters *out);

/*
 * Writes the status of the helper that is pinned in @pin_dir to @out: as a table, or as one JSON
 * document {"version", "pin_dir", "running", "ports": [name], "hints": number of known backends,
 * "outcomes": {name: packets}, "kept": {reason: packets with a hint}}. 0; or -errno with a message
 * in @diag, -ENOENT: nothing is pinned there.
 */
int helper_status_print(FILE *out, const char *pin_dir, bool json, struct diag *diag);

#endif
