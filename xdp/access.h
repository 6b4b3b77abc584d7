/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Client prefixes: who is let in, and who has a way of its own.
 */
#ifndef SLUICE_XDP_ACCESS_H
#define SLUICE_XDP_ACCESS_H

#include "xdp/stats.h"

static __always_inline struct sluice_source_key access_key(const struct packet *pkt)
{
	return (struct sluice_source_key){
		.prefixlen = SLUICE_SOURCE_FIXED + 128,
		.vip = pkt->vip_id,
		.addr = pkt->src,
	};
}

static __always_inline int access_check(struct packet *pkt)
{
	struct sluice_source_key key;
	__u32 *rule;

	if (!FEATURE(ACCESS) || !(pkt->vip_flags & SLUICE_VIP_ACCESS))
		return STAGE_NEXT;
	key = access_key(pkt);
	rule = bpf_map_lookup_elem(&access, &key);
	if (rule ? *rule == SLUICE_ACCESS_DENY : pkt->vip_flags & SLUICE_VIP_DENY)
		return stats_end(pkt, SLUICE_OUT_DENIED, XDP_DROP);
	return STAGE_NEXT;
}

/* The client's target: a backend is selected, or the ring is another one. */
static __always_inline void access_route(struct packet *pkt)
{
	struct sluice_source_key key;
	struct sluice_target *target;
	__u32 *index;

	if (!FEATURE(SOURCES) || !(pkt->vip_flags & SLUICE_VIP_SOURCES))
		return;
	key = access_key(pkt);
	index = bpf_map_lookup_elem(&sources, &key);
	if (!index)
		return;
	target = bpf_map_lookup_elem(&targets, index);
	if (!target || target->vip != pkt->vip_id)
		return;
	stats_event(pkt, SLUICE_EVENT_SOURCE_USED);
	if (target->ring.size)
		pkt->ring = target->ring;
	else
		pkt->backend_id = target->backend;
}

#endif
