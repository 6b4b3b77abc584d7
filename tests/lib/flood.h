/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the flood's program and tests/tools/flood.c agree on.
 */
#ifndef SLUICE_TESTS_LIB_FLOOD_H
#define SLUICE_TESTS_LIB_FLOOD_H

#include <linux/types.h>

#define FLOOD_SOURCES (1u << 24) /* 10.0.0.0/8 */
#define FLOOD_HEAD 16            /* bytes of a frame that the balancer writes over */

struct flood_settings {
	__u64 head[FLOOD_HEAD / 8];
	__u32 ifindex; /* where the frames leave */
	__u32 pad;
};

struct flood_counts {
	__u64 sent;
	__u64 forwarded; /* that came back in a tunnel */
};

#endif
