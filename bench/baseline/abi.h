/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the baselines and user space agree on.
 */
#ifndef SLUICE_BENCH_BASELINE_ABI_H
#define SLUICE_BENCH_BASELINE_ABI_H

#include <linux/types.h>

#define BASELINE_RING_SLOTS 65537
#define BASELINE_VIPS_MAX 32
#define BASELINE_BACKENDS_MAX 128

/* A flow, the key of the LRU maps: addresses in network order, IPv4 in the first word. */
struct baseline_flow {
	__be32 src[4];
	__be32 dst[4];
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};

/* Where a flow went, the value of the LRU maps. */
struct baseline_place {
	__u32 backend;
	__u32 pad;
	__u64 time_ns; /* UDP: of its last packet */
};

struct baseline_vip_key {
	__be32 addr[4];
	__be16 port;
	__u8 proto;
	__u8 pad;
};

struct baseline_vip {
	__u32 number; /* from 0 */
	__u32 flags;
};

struct baseline_backend {
	__be32 addr[4];
	__be16 mac[3];
	__u16 pad;
};

struct baseline_count {
	__u64 packets;
	__u64 bytes;
};

/* Flows of this second, for the limit of new ones. */
struct baseline_rate {
	__u64 since_ns;
	__u64 flows;
};

/* Read-only data of the programs, set before they are loaded. */
struct baseline_settings {
	__u32 new_flows; /* lru: flows remembered in a second at most; 0: no limit */
	__u32 pad;
	struct baseline_backend backend; /* floor: where all packets go */
};

#endif
