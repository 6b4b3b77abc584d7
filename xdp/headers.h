/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading headers without a verdict: the Ethernet header with its tags, and the extension headers
 * of IPv6.
 */
#ifndef SLUICE_XDP_HEADERS_H
#define SLUICE_XDP_HEADERS_H

#include "xdp/packet.h"

#define PARSE_EXTENSIONS_MAX 6
#define PARSE_OFFSET_MAX \
	(PACKET_OFFSET_MAX - 63) /* of a quoted one: leaves room for what is read there */

struct parse_vlan {
	__be16 tci;
	__be16 type;
};

/* Ports of TCP and UDP, which begin alike. */
struct parse_ports {
	__be16 source;
	__be16 dest;
};

/* An IPv6 extension header's beginning. */
struct parse_extension {
	__u8 next;
	__u8 length;     /* units of 8 bytes behind the first 8; of the fragment header: reserved */
	__be16 fragment; /* of the fragment header: offset and "more" */
	__be32 id;       /* of the fragment header */
};

/* The Ethernet type behind the tags, with pkt->l3 behind it; 0: the frame ends before. */
static __always_inline __be16 parse_ethernet(struct packet *pkt)
{
	struct packet_ethernet *eth = packet_at(pkt, 0, sizeof(*eth));
	__be16 type;

	if (!eth)
		return 0;
	packet_copy_mac(pkt->own_mac, eth->dst);
	type = eth->type;
	pkt->l3 = sizeof(*eth);
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct parse_vlan *tag;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		tag = packet_at(pkt, pkt->l3, sizeof(*tag));
		if (!tag)
			return 0;
		pkt->vlan_type[i] = type;
		pkt->vlan[i] = tag->tci;
		pkt->n_vlan = i + 1;
		pkt->l3 += sizeof(*tag);
		type = tag->type;
	}
	return type;
}

/*
 * Walks the extension headers from @offset, whose kind is in *@proto, to the L4 header: its offset,
 * or 0 when the frame ends before. *@fragment gets the fragment header's offset and flag, host
 * order.
 */
static __always_inline __u32 parse_extensions(struct packet *pkt, __u32 offset, __u8 *proto,
					      __u16 *fragment, __be32 *id)
{
#pragma unroll
	for (int i = 0; i < PARSE_EXTENSIONS_MAX; i++) {
		struct parse_extension *e;

		if (*proto != IPPROTO_HOPOPTS && *proto != IPPROTO_DSTOPTS &&
		    *proto != IPPROTO_ROUTING && *proto != IPPROTO_FRAGMENT)
			return offset;
		e = packet_at(pkt, offset, sizeof(*e));
		if (!e)
			return 0;
		if (*proto == IPPROTO_FRAGMENT) {
			*fragment = bpf_ntohs(e->fragment);
			*id = e->id;
			*proto = e->next;
			offset += 8;
			if (*fragment & ~7)
				return offset;
		} else {
			*proto = e->next;
			offset += 8 + e->length * 8u;
		}
		if (offset > PARSE_OFFSET_MAX)
			return 0;
	}
	return offset;
}

#endif
