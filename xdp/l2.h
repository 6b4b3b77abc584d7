/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Ethernet header of a packet that goes back, or that loses its outer header.
 */
#ifndef SLUICE_XDP_L2_H
#define SLUICE_XDP_L2_H

#include "xdp/packet.h"

/* Back to where it came from. */
static __always_inline void l2_swap_macs(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

/*
 * Moves the Ethernet header with its tags, all before pkt->l3, to right before the packet at
 * @inner, of Ethernet type @type. What was between is gone. 0: no.
 */
static __always_inline int l2_move(struct packet *pkt, __u32 inner, __be16 type)
{
	__u8 l2[ETH_HLEN + 8];
	void *at = packet_at(pkt, 0, sizeof(l2));
	__be16 *word;

	if (!at || pkt->l3 < ETH_HLEN || pkt->l3 > sizeof(l2) || inner <= pkt->l3)
		return 0;
	__builtin_memcpy(l2, at, sizeof(l2));
	if (bpf_xdp_adjust_head(pkt->ctx, (int)(inner - pkt->l3)))
		return 0;
		/* Word by word up to l3: what is behind is the inner packet. */
#pragma unroll
	for (__u32 i = 0; i < sizeof(l2); i += sizeof(*word)) {
		word = packet_at(pkt, i, sizeof(*word));
		if (word && i < pkt->l3)
			*word = *(__be16 *)&l2[i];
	}
	word = packet_at(pkt, pkt->l3 - sizeof(*word), sizeof(*word));
	if (!word)
		return 0;
	*word = type;
	return 1;
}

#endif
