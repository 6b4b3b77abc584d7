/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow table: which backend a flow went to, where that may be another one than its slot says.
 * Set-associative: a flow's line is one cache line of eight entries, one word each, read and
 * written at once (see xdp/abi.h). A full line gives up an entry of the same kind: one that the
 * client has closed, else the oldest.
 */
#ifndef SLUICE_XDP_FLOWS_H
#define SLUICE_XDP_FLOWS_H

#include "xdp/backend.h"
#include "xdp/hash.h"

/*
 * The flow's key: its line from the high bits; its tag, the low 32 bits, has the flow's slot in it,
 * so that the daemon can tell which slots still have live flows.
 */
static __always_inline __u64 flows_hash(const struct packet *pkt)
{
	__u64 low = (__u64)pkt->src.w[3] << 32 | (__u32)pkt->dst.port << 16 | pkt->sport;
	__u64 hash = hash_mix64(low ^ settings.secret[0]);

	if (pkt->family == 6) {
		hash = hash_mix64(hash ^ ((__u64)pkt->src.w[0] << 32 | pkt->src.w[1]));
		hash = hash_mix64(hash ^ pkt->src.w[2]);
	}
	hash = hash_mix64(hash ^ settings.secret[1] ^ pkt->vip_id ^
			  (__u64)(pkt->vip_flags >> SLUICE_VIP_EPOCH_SHIFT) << 32);
	hash = (hash & ~0x8000ffffull) | (__u16)pkt->slot;
	return pkt->dst.proto == IPPROTO_TCP ? hash | SLUICE_FLOW_TCP >> 32 : hash;
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

/* 1 if the word is zero, else 0; without a branch, which the verifier would follow both ways. */
static __always_inline __u64 flows_is_zero(__u32 word)
{
	return ((__u64)word - 1) >> 63;
}

/*
 * Writes into the entry of the same flow, else a free one, a closed one, the oldest, of ways [from,
 * to).
 */
static __always_inline void flows_write(struct sluice_flow_line *line, int from, int to, __u64 hash,
					__u32 backend, __u32 now)
{
	__s64 best = 0;

#pragma unroll
	for (int i = from; i < to; i++) {
		__u64 entry = *(volatile __u64 *)&line->entry[i];
		__u64 rank = (__u16)(now - SLUICE_FLOW_TIME(entry));
		__s64 less;

		rank |= (entry & SLUICE_FLOW_CLOSED) >> 15;
		rank |= flows_is_zero(SLUICE_FLOW_BACKEND(entry)) << 17;
		rank |= flows_is_zero(SLUICE_FLOW_TAG(entry) ^ (__u32)hash) << 18;
		/*
		 * The highest rank wins, in the low bits its way from the end: of equal ones the
		 * first.
		 */
		less = best - (__s64)(rank << 3 | (SLUICE_FLOW_WAYS - 1 - i));
		best -= less & less >> 63;
		/*
		 * One way after the other: all at once need more registers than there are, and much
		 * stack.
		 */
		asm volatile("" : "+r"(best));
	}
	line->entry[~best & (SLUICE_FLOW_WAYS - 1)] = flows_entry(hash, backend, now);
}

/* Remembers the flow, as established or as a handshake. @now: backend_now(). */
static __always_inline void flows_store(__u64 hash, __u32 backend, __u32 now, int handshake)
{
	struct sluice_flow_line *line = flows_line(hash);

	if (!line)
		return;
	if (handshake)
		flows_write(line, SLUICE_FLOW_ESTABLISHED, SLUICE_FLOW_WAYS, hash, backend, now);
	else
		flows_write(line, 0, SLUICE_FLOW_ESTABLISHED, hash, backend, now);
}

/*
 * The flow's entry among ways [from, to), not older than @age; SLUICE_FLOW_WAYS: none. Searched
 * without branches: the processor would guess them wrong as often as not, and throw away what it
 * did while it waited for the line.
 */
static __always_inline int flows_way(struct sluice_flow_line *line, int from, int to, __u64 hash,
				     __u32 now, __u32 age)
{
	__u64 way = SLUICE_FLOW_WAYS, entry;

#pragma unroll
	for (int i = from; i < to; i++) {
		__u64 differs = SLUICE_FLOW_TAG(*(volatile __u64 *)&line->entry[i]) ^ (__u32)hash;

		/* All bits of the mask are set where nothing differs. */
		way ^= (way ^ i) & (__u64)((__s64)(differs - 1) >> 63);
		asm volatile("" : "+r"(way));
	}
	if (way >= SLUICE_FLOW_WAYS)
		return SLUICE_FLOW_WAYS;
	entry = *(volatile __u64 *)&line->entry[way];
	if (!SLUICE_FLOW_BACKEND(entry) || (__u16)(now - SLUICE_FLOW_TIME(entry)) > age)
		return SLUICE_FLOW_WAYS;
	return (int)way;
}

/* The same among the handshakes. */
static __always_inline int flows_handshake(struct sluice_flow_line *line, __u64 hash, __u32 now)
{
	return flows_way(line, SLUICE_FLOW_ESTABLISHED, SLUICE_FLOW_WAYS, hash, now,
			 settings.flow_age);
}

#define FLOWS_SYN 1 /* the packet begins a flow */
#define FLOWS_END 2 /* the client closes */

/*
 * The backend that the flow went to, 0: not known. An established entry is made young again; a
 * handshake becomes established with the second packet. A first packet finds established entries
 * only: a forged one must not move a living flow. Of those that the client has closed, or that are
 * silent, it finds none, since it begins another flow of the same tuple. @flags: FLOWS_*. A
 * function that the verifier looks at once.
 */
__noinline __u32 flows_find(__u64 hash, __u32 now, __u32 flags)
{
	struct sluice_flow_line *line = flows_line(hash);
	int way, fresh;
	__u64 entry;

	if (!line)
		return 0;
	way = flows_way(line, 0, SLUICE_FLOW_ESTABLISHED, hash, now,
			hash & SLUICE_FLOW_TCP >> 32 ? settings.tcp_age : settings.flow_age);
	if (way < SLUICE_FLOW_ESTABLISHED) {
		entry = line->entry[way & (SLUICE_FLOW_WAYS - 1)];
		if ((entry & SLUICE_FLOW_CLOSED ||
		     (__u16)(now - SLUICE_FLOW_TIME(entry)) > settings.flow_age) &&
		    (flags & FLOWS_SYN || flows_handshake(line, hash, now) < SLUICE_FLOW_WAYS))
			way = SLUICE_FLOW_WAYS;
	}
	if (way < SLUICE_FLOW_ESTABLISHED) {
		__u64 used = (entry & ~0xffffull) | (__u16)now;

		if (flags & FLOWS_END)
			used |= SLUICE_FLOW_CLOSED;
		/* What is over stays over: the last packets of a flow come in any order. */
		if (used != entry)
			line->entry[way & (SLUICE_FLOW_WAYS - 1)] = used;
		return SLUICE_FLOW_BACKEND(entry);
	}
	fresh = flags & FLOWS_SYN ? SLUICE_FLOW_WAYS : flows_handshake(line, hash, now);
	if (fresh >= SLUICE_FLOW_WAYS)
		return 0;
	entry = line->entry[fresh & (SLUICE_FLOW_WAYS - 1)];
	flows_write(line, 0, SLUICE_FLOW_ESTABLISHED, hash, SLUICE_FLOW_BACKEND(entry), now);
	line->entry[fresh & (SLUICE_FLOW_WAYS - 1)] = 0;
	return SLUICE_FLOW_BACKEND(entry);
}

#endif
