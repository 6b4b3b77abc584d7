/* SPDX-License-Identifier: MIT */
/*
 * The maps of xdp/maps.h in the memory of this process, for the host build of the program. There is
 * one set of them, as there is one program. Rows are searched one by one: tests have few.
 */
#ifndef SLUICE_TESTS_HOST_MAPS_H
#define SLUICE_TESTS_HOST_MAPS_H

#include <linux/bpf.h>

#include "daemon/maps.h"
#include "daemon/rows.h"
#include "daemon/slots.h"

/* A map as the program declares it. */
struct host_symbol {
	const void *symbol; /* how the program names it */
	enum bpf_map_type type;
	size_t key_size;
	size_t value_size;
};

/* All of the program's; defined by tests/host/program.c. */
extern const struct host_symbol host_symbols[MAP_MAX];

/* Makes all maps, empty, for @entries each. 0 or -ENOMEM; a set that was there is closed first. */
int host_maps_open(const uint32_t entries[MAP_MAX]);
void host_maps_close(void);

/* Empties those that the program writes: flows, fragments, limiters, counters. */
void host_maps_forget(void);

/* The values of an array, one after the other. */
void *host_map_memory(enum map_id map);

/* Those of the two maps of slots. */
struct slots host_slots(void);

uint32_t host_map_entries(enum map_id map);

/* Writes a row, or deletes it if @value is NULL. 0, -E2BIG: no room, -ENOENT: not there. */
int host_map_write(enum map_id map, const void *key, const void *value);

/* Appends the map's rows to @out and sorts them. 0 or -ENOMEM. */
int host_map_rows(enum map_id map, struct rows *out);

#endif
