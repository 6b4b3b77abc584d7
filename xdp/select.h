/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VIP -> backend: the flow's slot in the VIP's ring.
 */
#ifndef SLUICE_XDP_SELECT_H
#define SLUICE_XDP_SELECT_H

#include "xdp/hash.h"
#include "xdp/stats.h"

/* The packet's 32-bit flow hash: Katran's, of client address and both ports. */
static __always_inline __u32 select_hash(const struct packet *pkt)
{
	__u32 ports = (__u32)pkt->dst.port << 16 | pkt->sport;

	return hash_2words(pkt->src.w[3], ports, settings.hash_seed);
}

/*
 * hash mod size without a division: with inv = floor(2^32 / size) the estimate of the quotient
 * is exact or one too low.
 */
static __always_inline __u32 select_modulo(__u32 hash, __u32 size, __u32 inv)
{
	__u32 rest = hash - (__u32)((__u64)hash * inv >> 32) * size;

	return rest >= size ? rest - size : rest;
}

static __always_inline int select_backend(struct packet *pkt)
{
	struct sluice_ring_line *line;
	__u32 at, index;

	pkt->slot = select_modulo(select_hash(pkt), pkt->ring_size, pkt->ring_inv);
	at = pkt->ring + pkt->slot;
	index = at / SLUICE_LINE_SLOTS;
	line = bpf_map_lookup_elem(&rings, &index);
	if (line)
		pkt->backend_id = SLUICE_SLOT_CUR(line->slot[at % SLUICE_LINE_SLOTS]);
	if (!pkt->backend_id)
		return stats_end(pkt, SLUICE_OUT_NO_BACKEND, XDP_DROP);
	return STAGE_NEXT;
}

#endif
