/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Destination -> VIP. From here on the packet is ours.
 */
#ifndef SLUICE_XDP_VIP_H
#define SLUICE_XDP_VIP_H

#include "xdp/stats.h"

static __always_inline int vip_lookup(struct packet *pkt)
{
	struct sluice_vip *vip = bpf_map_lookup_elem(&vips, &pkt->dst);

	if (!vip)
		return stats_end(pkt, SLUICE_OUT_NOT_VIP, XDP_PASS);
	pkt->vip_id = vip->id;
	pkt->vip_flags = vip->flags;
	pkt->ring = vip->ring;
	pkt->ring_size = vip->ring_size;
	pkt->ring_inv = vip->ring_inv;
	return STAGE_NEXT;
}

#endif
