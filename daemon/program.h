/* SPDX-License-Identifier: MIT */
/*
 * The kernel program, loaded, with its maps: those of an earlier one where they are large enough,
 * else new ones with the same content.
 */
#ifndef SLUICE_DAEMON_PROGRAM_H
#define SLUICE_DAEMON_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "config/diag.h"
#include "daemon/maps.h"
#include "daemon/rows.h"

struct bpf_object;
struct sluice_bpf;

/* A map's values in our address space. */
struct program_memory {
	void *data;
	size_t bytes;
};

/* All zero is a valid, empty one. */
struct program {
	struct sluice_bpf *skel;
	struct program_memory mapped[MAP_MAX]; /* of the maps of kind MAP_MEMORY */
};

/*
 * Loads the program with @settings (the secret is the old maps', else a new one; whether frames may
 * have several buffers is the kernel's to say). @old: descriptors of the maps to go on with, -1
 * where there is none; they stay the caller's. A map that is too small for @size gets a larger one
 * with the same content.
 *
 * 0 with @out to be freed by program_fini(); or -errno with a message in @diag, -EPROTO: an old map
 * has another layout.
 */
int program_load(struct program *out, const struct sluice_settings *settings,
		 const struct maps_size *size, const int old[MAP_MAX], struct diag *diag);

/* The settings it was loaded with. */
const struct sluice_settings *program_settings(const struct program *program);

/* Does all of @size fit the maps? */
bool program_fits(const struct program *program, const struct maps_size *size);

/* Descriptors, which stay the program's. */
int program_fd(const struct program *program);
int program_map_fd(const struct program *program, enum map_id map);

uint32_t program_map_entries(const struct program *program, enum map_id map);

/* Appends all rows of a map of kind MAP_ROWS to @out, and sorts it. 0 or -errno. */
int program_read_rows(const struct program *program, enum map_id map, struct rows *out);

/*
 * For the writer of `vips`: sends lookups of @key there until the lines are filled again, which
 * goes by what `vips` holds then. 0 or -errno: the lines stay right, some of them slower.
 */
void program_defer_vip(struct program *program, const struct sluice_vip_key *key);
int program_fill_vip_lines(struct program *program);

/* Id of the loaded program; 0: unknown. */
uint32_t program_id(const struct program *program);

/*
 * A second object of the same program, opened and not loaded, with the same settings and maps; for
 * libxdp, which loads in its own way. It belongs to the caller; NULL: no memory.
 */
struct bpf_object *program_open_again(const struct program *program);

/* Where the program notes what it decided, with SLUICE_FEATURE_TRACE. */
struct sluice_trace *program_trace(const struct program *program);

/* Closes it, with its maps; all zero afterwards. What is pinned or attached lives on. */
void program_fini(struct program *program);

#endif
