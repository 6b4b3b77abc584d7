/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the driver program and user space agree on.
 */
#ifndef SLUICE_BENCH_DRIVER_H
#define SLUICE_BENCH_DRIVER_H

#include <linux/types.h>

#define DRIVER_BLOCK 1024       /* packets that go to one target at a time */
#define DRIVER_BLOCKS_MAX 65536 /* whose times are kept */

/*
 * The frame's first bytes, as words that overlap where fields would straddle two of them: a load of
 * a field that was written by two stores stalls the processor, and no network card makes it so.
 */
#define DRIVER_WORDS 8
#define DRIVER_WORDS_V4 5 /* up to the ports */
static const unsigned int driver_offset[DRIVER_WORDS] = {0, 6, 14, 22, 30, 38, 46, 54};

/* Which flow comes next. */
enum driver_order {
	DRIVER_SEQUENTIAL, /* one after the other, then from the start */
	DRIVER_RANDOM,
	DRIVER_FRESH, /* each flow once in all: never seen before */
	DRIVER_ORDER_MAX,
};

/* Read-only data of the driver, set before it is loaded. */
struct driver_settings {
	__u64 word[DRIVER_WORDS]; /* of the frame of flow 0 */
	__u32 size;               /* bytes of the frame */
	__u32 family;             /* 4 or 6; 0: the frame is always that of flow 0 */
	__u32 vips_mask;          /* number of VIPs, a power of two, less one */
	__u32 pad;
};

/* Set and read by user space between the runs. */
struct driver_state {
	__u64 flows;
	__u64 next;   /* flow, in sequence */
	__u64 fresh;  /* the next one that nobody saw */
	__u64 random; /* state of the generator */
	__u64 begun;  /* ns: the block */
	__u64 packet;
	__u32 order;   /* enum driver_order */
	__u32 timed;   /* blocks go to the target and to the trivial program in turn */
	__u32 block;   /* number of the block, from 1; odd ones go to the target */
	__u32 trivial; /* this one goes to the trivial program */
};

/* Indexes of the map `targets`. */
#define DRIVER_TARGET 0
#define DRIVER_TRIVIAL 1

#endif
