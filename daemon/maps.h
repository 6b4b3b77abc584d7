/* SPDX-License-Identifier: MIT */
/*
 * The kernel maps by number, for plan and datapath: which there are, and what kind each is.
 */
#ifndef SLUICE_DAEMON_MAPS_H
#define SLUICE_DAEMON_MAPS_H

#include <stddef.h>
#include <stdint.h>

#include "xdp/abi.h"

enum map_kind {
	MAP_ROWS,   /* keys and values, written row by row */
	MAP_MEMORY, /* an array that we have in our address space */
	MAP_KERNEL, /* the program writes it; the daemon at most reads */
};

/* X(NAME, name in xdp/maps.h, kind, key, value) */
#define MAPS(X) \
	X(VIPS, "vips", MAP_ROWS, struct sluice_vip_key, struct sluice_vip) \
	X(VIP_LINES, "vip_lines", MAP_MEMORY, __u32, struct sluice_vip_line) \
	X(PREFIXES, "prefixes", MAP_ROWS, struct sluice_prefix_key, struct sluice_vip) \
	X(RINGS, "rings", MAP_MEMORY, __u32, struct sluice_ring_line) \
	X(OTHERS, "others", MAP_MEMORY, __u32, struct sluice_ring_line) \
	X(BACKENDS, "backends", MAP_MEMORY, __u32, struct sluice_backend) \
	X(NAMES, "names", MAP_MEMORY, __u32, struct sluice_name) \
	X(TARGETS, "targets", MAP_MEMORY, __u32, struct sluice_target) \
	X(STATE, "state", MAP_MEMORY, __u32, struct sluice_state) \
	X(DEVICES, "devices", MAP_ROWS, __u32, __u32) \
	X(SERVER_IDS, "server_ids", MAP_ROWS, __u32, __u32) \
	X(SOURCES, "sources", MAP_ROWS, struct sluice_source_key, __u32) \
	X(ACCESS, "access", MAP_ROWS, struct sluice_source_key, __u32) \
	X(DECAP, "decap", MAP_ROWS, struct sluice_addr, __u32) \
	X(FLOWS, "flows", MAP_MEMORY, __u32, struct sluice_flow_line) \
	X(FRAGMENTS, "fragments", MAP_KERNEL, struct sluice_fragment_key, struct sluice_fragment) \
	X(LIMITERS, "limiters", MAP_KERNEL, __u32, struct sluice_bucket) \
	X(SCRATCH, "scratch", MAP_KERNEL, __u32, struct sluice_scratch) \
	X(COUNTERS, "counters", MAP_KERNEL, __u32, struct sluice_counters) \
	X(BACKEND_COUNTERS, "backend_counters", MAP_KERNEL, __u32, struct sluice_backend_counters)

enum map_id {
#define MAPS_ENUM(NAME, name, kind, key, value) MAP_##NAME,
	MAPS(MAPS_ENUM)
#undef MAPS_ENUM
	MAP_MAX
};

struct map_description {
	const char *name;
	enum map_kind kind;
	size_t key_size;
	size_t value_size;
};

extern const struct map_description map_descriptions[MAP_MAX];

/* How much the maps can hold. */
struct maps_size {
	uint32_t vips;
	uint32_t backends;
	uint32_t ring_slots; /* of all rings together */
	uint32_t sources;    /* rows of `sources`, and of `access` */
	uint32_t fragments;
};

#endif
