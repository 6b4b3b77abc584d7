/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The balancer's program, compiled for the host: its maps and helpers are those of this directory,
 * by way of tests/host/bpf/bpf_helpers.h.
 */
#include "tests/host/program.h"

#define access access_map /* the C library has a function of this name */
#include "xdp/sluice.bpf.c"

/* What __uint() and __type() wrote down. */
#define SYMBOL(map) \
	{ \
		&map, sizeof(*map.type) / sizeof(int), sizeof(*map.key), sizeof(*map.value) \
	}

const struct host_symbol host_symbols[MAP_MAX] = {
	[MAP_VIPS] = SYMBOL(vips),
	[MAP_VIP_LINES] = SYMBOL(vip_lines),
	[MAP_PREFIXES] = SYMBOL(prefixes),
	[MAP_RINGS] = SYMBOL(rings),
	[MAP_OTHERS] = SYMBOL(others),
	[MAP_BACKENDS] = SYMBOL(backends),
	[MAP_NAMES] = SYMBOL(names),
	[MAP_TARGETS] = SYMBOL(targets),
	[MAP_STATE] = SYMBOL(state),
	[MAP_DEVICES] = SYMBOL(devices),
	[MAP_SERVER_IDS] = SYMBOL(server_ids),
	[MAP_SOURCES] = SYMBOL(sources),
	[MAP_ACCESS] = SYMBOL(access),
	[MAP_DECAP] = SYMBOL(decap),
	[MAP_FLOWS] = SYMBOL(flows),
	[MAP_FRAGMENTS] = SYMBOL(fragments),
	[MAP_LIMITERS] = SYMBOL(limiters),
	[MAP_SCRATCH] = SYMBOL(scratch),
	[MAP_COUNTERS] = SYMBOL(counters),
	[MAP_BACKEND_COUNTERS] = SYMBOL(backend_counters),
};

_Static_assert(MAP_MAX == 20, "a symbol for each map");
