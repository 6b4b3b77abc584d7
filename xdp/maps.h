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

/* Written by the program when settings.trace is set, read by --replay. */
struct sluice_trace trace;

/* Address, port, protocol -> VIP. Daemon writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct sluice_vip_key);
	__type(value, struct sluice_vip);
} vips SEC(".maps");

/* The rings of all VIPs. Daemon writes single slots through its mapping, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_ring_line);
} rings SEC(".maps");

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
