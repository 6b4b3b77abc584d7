/* SPDX-License-Identifier: MIT */
/*
 * The helper's kernel program, loaded, with its maps; and both pinned, as PIN_DIR/program and
 * PIN_DIR/MAP. What is attached to ports is pinned there by daemon/attach.c.
 */
#ifndef SLUICE_DAEMON_HELPER_PROGRAM_H
#define SLUICE_DAEMON_HELPER_PROGRAM_H

#include <stdbool.h>

#include "config/addr.h"
#include "config/diag.h"
#include "daemon/attach.h"
#include "xdp/helper.h"

#define HELPER_PROGRAM_NAME "sluice_helper"

enum helper_map {
	HELPER_MAP_COUNTERS,
	HELPER_MAP_HINTS,
	HELPER_MAP_SELF,
	HELPER_MAP_FROM,
	HELPER_MAP_BUCKET,
	HELPER_MAP_MAX,
};

struct helper_bpf;

/* All zero is a valid, empty one. */
struct helper_program {
	struct helper_bpf *skel;
};

/*
 * Loads the program with @settings; features that depend on the kernel are left out, with a log
 * line, where it has not what they need. Counting goes on in the map @counters if that is one of
 * ours (-1: there is none); the other maps are new and empty. 0 with @out for
 * helper_program_fini(), or -errno with a message in @diag.
 */
int helper_program_load(struct helper_program *out, const struct helper_settings *settings,
			int counters, struct diag *diag);

/* Writes the prefixes that tunnels are taken from. 0 or -errno. */
int helper_program_set_from(const struct helper_program *program, const struct addr_prefix *from,
			    size_t n);

/* The descriptor, which stays the program's. */
int helper_program_map(const struct helper_program *program, enum helper_map map);

/* For attach.c; refers to @program. */
struct attach_program helper_program_attachable(struct helper_program *program);

/* Closes it with its maps; all zero afterwards. What is pinned or attached lives on. */
void helper_program_fini(struct helper_program *program);

/*
 * Pins under temporary names: what can fail. Then _commit() moves the pins to their places, so that
 * there is always one, or _abandon() removes them. 0 or -errno.
 */
int helper_pins_prepare(const char *pin_dir, const struct helper_program *program);
int helper_pins_commit(const char *pin_dir);
void helper_pins_abandon(const char *pin_dir);

/* A pinned map, for the caller to close; -1: there is none. */
int helper_pins_open(const char *pin_dir, enum helper_map map);

/* Removes all pins of program and maps, and the directory if it is empty then. 0 or -errno. */
int helper_pins_remove(const char *pin_dir);

#endif
