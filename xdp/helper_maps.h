/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All maps and settings of the helper's program, and counting. sluice-helper sets max_entries and
 * the settings before it loads the program.
 */
#ifndef SLUICE_XDP_HELPER_MAPS_H
#define SLUICE_XDP_HELPER_MAPS_H

#include "xdp/helper.h"
#include "xdp/packet.h"

/* Written before the load; the verifier treats it as constant, and drops what depends on it. */
const volatile struct helper_settings settings = {.netns = -1};

#define FEATURE(name) (settings.features & HELPER_FEATURE_##name)

/* One entry. Program adds, sluice-helper sums over the CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct helper_counters);
} helper_counters SEC(".maps");

/* Number in hints -> backend. sluice-helper writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65535);
	__type(key, __u32);
	__type(value, struct helper_hint);
} helper_hints SEC(".maps");

/* The host's own addresses. sluice-helper writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct sluice_addr);
	__type(value, __u32);
} helper_self SEC(".maps");

/* Prefixes that tunnels are taken from. sluice-helper writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct helper_from);
	__type(value, __u32);
} helper_from SEC(".maps");

/* What may be sent on by this CPU. Program writes and reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sluice_bucket);
} helper_bucket SEC(".maps");

static __always_inline struct helper_counters *helper_counts(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&helper_counters, &key);
}

/* The packet leaves with @action because of @outcome: every exit goes through here. */
static __always_inline int helper_end(enum helper_outcome outcome, int action)
{
	struct helper_counters *counts = helper_counts();

	if (counts)
		counts->outcome[outcome]++;
	return action;
}

/* It has a hint and is kept because of @reason. */
static __always_inline int helper_keep(enum helper_reason reason)
{
	struct helper_counters *counts = helper_counts();

	if (counts)
		counts->kept[reason]++;
	return STAGE_NEXT;
}

#endif
