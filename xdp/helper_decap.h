/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The outer header is taken off, so that the kernel needs no tunnel device. What routers on the way
 * said by it, congestion, goes over to the inner header (RFC 6040).
 */
#ifndef SLUICE_XDP_HELPER_DECAP_H
#define SLUICE_XDP_HELPER_DECAP_H

#include "xdp/checksum.h"
#include "xdp/helper_outer.h"
#include "xdp/l2.h"

#define ECN_MASK 3
#define ECN_CE 3 /* congestion experienced */

static __always_inline void decap_congestion4(struct iphdr *ip)
{
	__u8 old = ip->tos;

	/* An inner packet that knows nothing of ECN stays so. */
	if (!(old & ECN_MASK))
		return;
	ip->tos |= ECN_CE;
	/* The ToS is the low byte of the header's first word. */
	ip->check = checksum_replace(ip->check, bpf_htons(old), bpf_htons(ip->tos));
}

static __always_inline void decap_congestion6(struct ipv6hdr *ip)
{
	/* The two bits are 5 and 4 of the second byte. */
	if (ip->flow_lbl[0] & ECN_MASK << 4)
		ip->flow_lbl[0] |= ECN_CE << 4;
}

static __always_inline void decap_congestion(struct packet *pkt, const struct tunnel *t)
{
	struct iphdr *ip;
	struct ipv6hdr *ip6;

	if ((t->tos & ECN_MASK) != ECN_CE)
		return;
	ip = packet_at(pkt, t->inner, sizeof(*ip));
	ip6 = packet_at(pkt, t->inner, sizeof(*ip6));
	if (pkt->family == 4 && ip)
		decap_congestion4(ip);
	else if (pkt->family == 6 && ip6)
		decap_congestion6(ip6);
}

static __always_inline int decap(struct packet *pkt, const struct tunnel *t)
{
	if (!FEATURE(DECAP))
		return helper_end(HELPER_OUT_TUNNELLED, XDP_PASS);
	decap_congestion(pkt, t);
	if (!l2_move(pkt, t->inner, t->type))
		return helper_end(HELPER_OUT_MALFORMED, XDP_PASS);
	return helper_end(HELPER_OUT_DECAPSULATED, XDP_PASS);
}

#endif
