/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The outer header: is the frame a tunnel that ends here, from whom, and what does it hint at? IPIP
 * of any two families, and GUE variant 1, whose payload is the inner packet itself.
 */
#ifndef SLUICE_XDP_HELPER_OUTER_H
#define SLUICE_XDP_HELPER_OUTER_H

#include "xdp/headers.h"
#include "xdp/helper_maps.h"

#define OUTER_HINT6 4 /* word of 16 bits of an IPv6 source that is the hint */

/*
 * The tunnel. Of the struct packet beside it, l3 is the outer header's place, the rest is the inner
 * packet's.
 */
struct tunnel {
	struct sluice_addr src;
	struct sluice_addr dst;
	__u32 l4;    /* offset behind the outer IP header */
	__u32 inner; /* offset of the inner IP header */
	__be16 hint; /* 0: none */
	__be16 type; /* Ethernet type of the inner packet */
	__u8 family; /* of the outer header, 4 or 6 */
	__u8 proto;  /* outer header's: IPPROTO_IPIP, IPPROTO_IPV6, or IPPROTO_UDP for GUE */
	__u8 tos;
	__u8 fragment;
};

static __always_inline int outer_ipv4(struct packet *pkt, struct tunnel *t)
{
	struct iphdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return helper_end(HELPER_OUT_MALFORMED, XDP_PASS);
	t->family = 4;
	t->proto = ip->protocol;
	t->tos = ip->tos;
	t->src.w[2] = t->dst.w[2] = bpf_htonl(0xffff);
	t->src.w[3] = ip->saddr;
	t->dst.w[3] = ip->daddr;
	t->l4 = pkt->l3 + ip->ihl * 4;
	t->fragment = !!(ip->frag_off & bpf_htons(IP_MF | IP_OFFSET));
	/* The ID of a datagram that is not to be fragmented has no meaning but ours. */
	if (ip->frag_off & bpf_htons(IP_DF))
		t->hint = ip->id;
	return STAGE_NEXT;
}

static __always_inline int outer_ipv6(struct packet *pkt, struct tunnel *t)
{
	struct ipv6hdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

	if (!ip || ip->version != 6)
		return helper_end(HELPER_OUT_MALFORMED, XDP_PASS);
	t->family = 6;
	t->proto = ip->nexthdr;
	t->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	__builtin_memcpy(&t->src, &ip->saddr, sizeof(t->src));
	__builtin_memcpy(&t->dst, &ip->daddr, sizeof(t->dst));
	t->l4 = pkt->l3 + sizeof(*ip);
	t->hint = ip->saddr.in6_u.u6_addr16[OUTER_HINT6];
	return STAGE_NEXT;
}

static __always_inline int outer_is_gue_port(__be16 port)
{
#pragma unroll
	for (int i = 0; i < HELPER_GUE_PORTS; i++)
		if (port && port == settings.gue_port[i])
			return 1;
	return 0;
}

/* Is it IPIP, or UDP to a port of GUE? Sets where the inner packet begins. */
static __always_inline int outer_is_tunnel(struct packet *pkt, struct tunnel *t)
{
	struct udphdr *udp;

	t->inner = t->l4;
	if (t->proto == IPPROTO_IPIP || t->proto == IPPROTO_IPV6)
		return 1;
	/* Where the ports are, a fragment that is not the first has something else. */
	if (t->proto != IPPROTO_UDP || t->fragment)
		return 0;
	udp = packet_at(pkt, t->l4, sizeof(*udp));
	t->inner += sizeof(*udp);
	return udp && outer_is_gue_port(udp->dest);
}

/* Finds the inner packet's family. 0: there is no inner packet. */
static __always_inline int outer_find_inner(struct packet *pkt, struct tunnel *t)
{
	__u8 *first = packet_at(pkt, t->inner, sizeof(*first));

	if (!first)
		return 0;
	pkt->family = *first >> 4;
	if (pkt->family == 4 && t->proto != IPPROTO_IPV6) {
		t->type = bpf_htons(ETH_P_IP);
		return packet_at(pkt, t->inner, sizeof(struct iphdr)) != NULL;
	}
	if (pkt->family == 6 && t->proto != IPPROTO_IPIP) {
		t->type = bpf_htons(ETH_P_IPV6);
		return packet_at(pkt, t->inner, sizeof(struct ipv6hdr)) != NULL;
	}
	return 0;
}

/* Is it one of the balancers that are named, if any are? */
static __always_inline int outer_is_wanted(const struct tunnel *t)
{
	struct helper_from key = {.prefixlen = 128, .addr = t->src};

	if (!FEATURE(FROM))
		return 1;
	if (t->family == 6)
		key.addr.w[2] &= bpf_htonl(0xffff);
	return bpf_map_lookup_elem(&helper_from, &key) != NULL;
}

/* Frame -> @t. STAGE_NEXT: a whole tunnelled packet for this host. */
static __always_inline int outer_parse(struct packet *pkt, struct tunnel *t)
{
	__be16 type = parse_ethernet(pkt);
	int action;

	if (type == bpf_htons(ETH_P_IP))
		action = outer_ipv4(pkt, t);
	else if (type == bpf_htons(ETH_P_IPV6))
		action = outer_ipv6(pkt, t);
	else
		return helper_end(HELPER_OUT_PASSED, XDP_PASS);
	if (action != STAGE_NEXT)
		return action;
	if (!outer_is_tunnel(pkt, t))
		return helper_end(HELPER_OUT_PASSED, XDP_PASS);
	if (!bpf_map_lookup_elem(&helper_self, &t->dst))
		return helper_end(HELPER_OUT_NOT_SELF, XDP_PASS);
	if (!outer_is_wanted(t))
		return helper_end(HELPER_OUT_DENIED, XDP_DROP);
	if (t->fragment)
		return helper_end(HELPER_OUT_FRAGMENT, XDP_PASS);
	if (!outer_find_inner(pkt, t))
		return helper_end(HELPER_OUT_MALFORMED, XDP_PASS);
	return STAGE_NEXT;
}

#endif
