/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VIP -> backend, in this order: the id in the packet, the flow table, the client's target, the
 * flow's slot in the ring.
 */
#ifndef SLUICE_XDP_SELECT_H
#define SLUICE_XDP_SELECT_H

#include "xdp/access.h"
#include "xdp/flows.h"
#include "xdp/ids.h"

/* What the VIP's options leave of the tuple: also what the flow table and the outer header see. */
static __always_inline void select_adjust(struct packet *pkt)
{
	if (pkt->vip_flags & SLUICE_VIP_ANY_PORT &&
	    !(pkt->vip_flags & (SLUICE_VIP_DEST_PORT | SLUICE_VIP_WITH_DEST_PORT)))
		pkt->dst.port = 0;
	if (pkt->vip_flags & SLUICE_VIP_NO_SOURCE_PORT)
		pkt->sport = 0;
}

/* The packet's 32-bit flow hash: Katran's, of client address and both ports. */
static __always_inline __u32 select_hash(struct packet *pkt)
{
	__u32 ports = (__u32)pkt->dst.port << 16 | pkt->sport;
	__u32 client;

	if (pkt->vip_flags & SLUICE_VIP_DEST_PORT) {
		/* The client counts for nothing; the outer header does not show it either. */
		ports = (__u32)pkt->dst.port << 16 | pkt->dst.port;
		pkt->src = (struct sluice_addr){0};
	}
	client = pkt->src.w[3];
	if (pkt->family == 6)
		client = hash_4words(pkt->src.w, settings.hash_seed6);
	return hash_2words(client, ports, settings.hash_seed);
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

static __always_inline void select_by_ring(struct packet *pkt)
{
	struct sluice_ring_line *line;
	__u32 at, index;

	pkt->slot = select_modulo(select_hash(pkt), pkt->ring.size, pkt->ring.inv);
	at = pkt->ring.base + pkt->slot;
	index = at / SLUICE_LINE_SLOTS;
	line = bpf_map_lookup_elem(&rings, &index);
	if (line)
		pkt->backend_id = SLUICE_SLOT_CUR(line->slot[at % SLUICE_LINE_SLOTS]);
}

/* The flow's backend of before, if the VIP remembers flows and the backend still serves. */
static __always_inline void select_by_flow(struct packet *pkt, __u64 hash, __u32 now)
{
	__u32 backend;

	if (pkt->tcp_flags & TCP_SYN_FLAG)
		return;
	backend = flows_find(hash, now);
	if (!backend || !backend_serves(backend))
		return;
	stats_event(pkt, SLUICE_EVENT_FLOW_HIT);
	pkt->backend_id = backend;
	/* Where the ring hides the client from the outer header, so does a remembered flow. */
	if (pkt->vip_flags & SLUICE_VIP_DEST_PORT)
		pkt->src = (struct sluice_addr){0};
}

static __always_inline int select_backend(struct packet *pkt)
{
	int remembers = FEATURE(FLOWS) && pkt->vip_flags & SLUICE_VIP_TRACK;
	__u64 hash = 0;
	__u32 now = 0;

	select_adjust(pkt);
	ids_route(pkt);
	if (remembers) {
		hash = flows_hash(pkt);
		now = backend_now();
		if (!pkt->backend_id)
			select_by_flow(pkt, hash, now);
	}
	if (!pkt->backend_id)
		access_route(pkt);
	if (!pkt->backend_id)
		select_by_ring(pkt);
	if (!pkt->backend_id)
		return stats_end(pkt, SLUICE_OUT_NO_BACKEND, XDP_DROP);
	if (remembers && pkt->kind == PACKET_FLOW)
		flows_store(hash, pkt->backend_id, now);
	return STAGE_NEXT;
}

#endif
