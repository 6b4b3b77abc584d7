/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the programs of live.bpf.c and user space agree on.
 */
#ifndef SLUICE_BENCH_LIVE_H
#define SLUICE_BENCH_LIVE_H

#include <linux/types.h>

#define LIVE_CPUS_MAX 256

/* Of one CPU, in a cache line of its own. */
struct live_cpu {
	__u64 random; /* state of the generator */
	__u64 sent;
	__u64 returned;
	__u64 pad[5];
};

#endif
