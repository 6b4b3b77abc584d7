/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All maps and settings of the balancer's program: who writes, who reads. The daemon sets
 * max_entries and the settings before it loads the program.
 */
#ifndef SLUICE_XDP_MAPS_H
#define SLUICE_XDP_MAPS_H

#include "xdp/packet.h"

/* Written by the daemon before the load; the verifier treats it as constant. */
const volatile struct sluice_settings settings = {
	.abi = SLUICE_ABI,
	.hash_seed = SLUICE_HASH_SEED,
	.hash_seed6 = SLUICE_HASH_SEED6,
};

/* Does the config use it? Constant for the verifier, which drops what depends on it. */
#define FEATURE(name) (settings.features & SLUICE_FEATURE_##name)

/* Written by the program with SLUICE_FEATURE_TRACE, read by --replay. */
struct sluice_trace trace;

/* Address, port, protocol -> VIP. Daemon writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct sluice_vip_key);
	__type(value, struct sluice_vip);
} vips SEC(".maps");

/* The same, direct-mapped. Daemon writes through its mapping, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_vip_line);
} vip_lines SEC(".maps");

/* The same for VIPs that are prefixes. Daemon writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct sluice_prefix_key);
	__type(value, struct sluice_vip);
} prefixes SEC(".maps");

/*
 * The rings of all VIPs: low halves of slots. Daemon writes single ones through its mapping,
 * program reads.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_ring_line);
} rings SEC(".maps");

/* The high halves, at the same places. Likewise. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_ring_line);
} others SEC(".maps");

/* Backend id -> where to and how. Daemon writes through its mapping, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_backend);
} backends SEC(".maps");

/* Backend id -> pool and name. Daemon writes and reads (a later daemon's memory). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_name);
} names SEC(".maps");

/* Devices that packets may leave by, ifindex -> ifindex. Daemon writes, program redirects. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

/* Server id in a packet -> backend id. Daemon writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} server_ids SEC(".maps");

/* VIP, client prefix -> index into `targets`. Daemon writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct sluice_source_key);
	__type(value, __u32);
} sources SEC(".maps");

/* Where clients with a way of their own go. Daemon writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_target);
} targets SEC(".maps");

/* VIP, client prefix -> SLUICE_ACCESS_*. Daemon writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct sluice_source_key);
	__type(value, __u32);
} access SEC(".maps");

/* Outer destinations whose tunnels end here. Daemon writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct sluice_addr);
	__type(value, __u32);
} decap SEC(".maps");

/* Flows of VIPs that remember them. Program writes and reads, daemon reads and clears. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_flow_line);
} flows SEC(".maps");

/* Datagrams in pieces -> where the first piece went. Program writes and reads. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct sluice_fragment_key);
	__type(value, struct sluice_fragment);
} fragments SEC(".maps");

/* Token buckets of this CPU, by enum sluice_limiter. Program writes and reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLUICE_LIMIT_MAX);
	__type(key, __u32);
	__type(value, struct sluice_bucket);
} limiters SEC(".maps");

/* One entry. Program writes and reads, within one packet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_scratch);
} scratch SEC(".maps");

/* One entry. Daemon writes and reads (a later daemon's memory). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_state);
} state SEC(".maps");

/* VIP id (0: none) -> outcomes. Program adds, daemon sums over the CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_counters);
} counters SEC(".maps");

/* Backend id -> packets, bytes. Program adds, daemon sums over the CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_backend_counters);
} backend_counters SEC(".maps");

#endif
