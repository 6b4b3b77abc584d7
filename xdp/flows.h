/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow table: which backend a flow went to, for VIPs that remember. Set-associative: a flow's
 * line is one cache line of eight entries, one word each, read and written at once; a full line
 * gives up its oldest entry.
 */
#ifndef SLUICE_XDP_FLOWS_H
#define SLUICE_XDP_FLOWS_H

#include "xdp/backend.h"
#include "xdp/hash.h"

/* The flow's key: its line from the high bits, its tag from the low ones. */
static __always_inline __u64 flows_hash(const struct packet *pkt)
{
	__u64 low = (__u64)pkt->src.w[3] << 32 | (__u32)pkt->dst.port << 16 | pkt->sport;
	__u64 hash = hash_mix64(low ^ settings.secret[0]);

	if (pkt->family == 6) {
		hash = hash_mix64(hash ^ ((__u64)pkt->src.w[0] << 32 | pkt->src.w[1]));
		hash = hash_mix64(hash ^ pkt->src.w[2]);
	}
	return hash_mix64(hash ^ settings.secret[1] ^ pkt->vip_id);
}

static __always_inline struct sluice_flow_line *flows_line(__u64 hash)
{
	__u32 index = (__u32)(hash >> 32) & (settings.flow_lines - 1);

	return bpf_map_lookup_elem(&flows, &index);
}

static __always_inline __u64 flows_entry(__u64 hash, __u32 backend, __u32 now)
{
	return hash << 32 | (backend & 0x7fff) << 16 | (__u16)now;
}

/*
 * The backend that the flow went to, made young again; 0: not known. This and flows_store() are
 * functions that the verifier looks at once. @now: backend_now().
 */
__noinline __u32 flows_find(__u64 hash, __u32 now)
{
	struct sluice_flow_line *line = flows_line(hash);

	if (!line)
		return 0;
#pragma unroll
	for (int i = 0; i < SLUICE_FLOW_WAYS; i++) {
		__u64 entry = *(volatile __u64 *)&line->entry[i];
		__u32 backend = SLUICE_FLOW_BACKEND(entry);

		if (SLUICE_FLOW_TAG(entry) != (__u32)hash || !backend)
			continue;
		if ((__u16)(now - SLUICE_FLOW_TIME(entry)) > settings.flow_age)
			return 0;
		if (SLUICE_FLOW_TIME(entry) != (__u16)now)
			line->entry[i] = flows_entry(hash, backend, now);
		return backend;
	}
	return 0;
}

/* 1 if the word is zero, else 0; without a branch, which the verifier would follow both ways. */
static __always_inline __u64 flows_is_zero(__u32 word)
{
	return ((__u64)word - 1) >> 63;
}

/* Remembers the flow: in its own entry, else in a free one, else in the oldest. */
__noinline int flows_store(__u64 hash, __u32 backend, __u32 now)
{
	struct sluice_flow_line *line = flows_line(hash);
	__s64 best = 0;

	if (!line)
		return 0;
#pragma unroll
	for (int i = 0; i < SLUICE_FLOW_WAYS; i++) {
		__u64 entry = *(volatile __u64 *)&line->entry[i];
		__u64 rank = (__u16)(now - SLUICE_FLOW_TIME(entry));
		__s64 less;

		rank |= flows_is_zero(SLUICE_FLOW_BACKEND(entry)) << 16;
		rank |= flows_is_zero(SLUICE_FLOW_TAG(entry) ^ (__u32)hash) << 17;
		/* The highest rank wins, its way in the low bits. */
		less = best - (__s64)(rank << 3 | i);
		best -= less & less >> 63;
	}
	line->entry[best & (SLUICE_FLOW_WAYS - 1)] = flows_entry(hash, backend, now);
	return 0;
}

#endif
