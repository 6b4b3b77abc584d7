/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tunnels that end here (from balancers elsewhere): the outer header is taken off, the inner packet
 * loses a hop and is balanced as if it had come alone.
 */
#ifndef SLUICE_XDP_DECAP_H
#define SLUICE_XDP_DECAP_H

#include "xdp/checksum.h"
#include "xdp/l2.h"
#include "xdp/parse.h"
#include "xdp/stats.h"

#define DECAP_GUE_PORT 6080
#define DECAP_GUE_PORT_META 9886

/* What decap_strip() found. */
struct decap_tunnel {
	__u32 mode;  /* SLUICE_DECAP_* */
	__u32 inner; /* offset of the inner IP header */
	__be16 type; /* Ethernet type of the inner packet */
};

/* Offset of the inner packet and its type, if this is a tunnel that we know; 0: it is not. */
static __always_inline int decap_find_inner(const struct packet *pkt, __u8 proto, __u32 l4,
					    struct decap_tunnel *t)
{
	struct udphdr *udp;
	__u8 *first;

	t->inner = l4;
	if (proto == IPPROTO_UDP) {
		udp = packet_at(pkt, l4, sizeof(*udp));
		if (!udp || (udp->dest != bpf_htons(DECAP_GUE_PORT) &&
			     udp->dest != bpf_htons(DECAP_GUE_PORT_META)))
			return 0;
		t->inner += sizeof(*udp);
	} else if (proto != IPPROTO_IPIP && proto != IPPROTO_IPV6) {
		return 0;
	}
	first = packet_at(pkt, t->inner, sizeof(struct iphdr));
	if (!first)
		return 0;
	if (*first >> 4 == 4 && proto != IPPROTO_IPV6) {
		t->type = bpf_htons(ETH_P_IP);
		return 1;
	}
	t->type = bpf_htons(ETH_P_IPV6);
	return *first >> 4 == 6 && proto != IPPROTO_IPIP;
}

/* Is the frame a tunnel that ends here? */
static __always_inline int decap_match(struct packet *pkt, __be16 type, struct decap_tunnel *t)
{
	struct sluice_addr dst = {0};
	__u32 *mode;
	__u32 l4;
	__u8 proto;

	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

		if (!ip || ip->ihl < 5 || ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
			return 0;
		dst.w[2] = bpf_htonl(0xffff);
		dst.w[3] = ip->daddr;
		proto = ip->protocol;
		l4 = pkt->l3 + ip->ihl * 4;
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

		if (!ip)
			return 0;
		__builtin_memcpy(&dst, &ip->daddr, sizeof(dst));
		proto = ip->nexthdr;
		l4 = pkt->l3 + sizeof(*ip);
	} else {
		return 0;
	}
	mode = bpf_map_lookup_elem(&decap, &dst);
	if (!mode || !decap_find_inner(pkt, proto, l4, t))
		return 0;
	t->mode = *mode;
	return 1;
}

/* One hop less for the inner packet. STAGE_NEXT, or it was its last. */
static __always_inline int decap_hop(struct packet *pkt, const struct decap_tunnel *t)
{
	__u8 left;

	if (t->type == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

		if (!ip)
			return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
		if (ip->ttl)
			ip->check =
				checksum_replace(ip->check, bpf_htons(ip->ttl << 8 | ip->protocol),
						 bpf_htons((ip->ttl - 1) << 8 | ip->protocol));
		left = ip->ttl ? --ip->ttl : 0;
	} else {
		struct ipv6hdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

		if (!ip)
			return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
		left = ip->hop_limit ? --ip->hop_limit : 0;
	}
	return left ? STAGE_NEXT : stats_end(pkt, SLUICE_OUT_TTL, XDP_DROP);
}

/*
 * Takes the tunnel off if one ends here; *@type becomes the inner packet's. STAGE_NEXT also when
 * there is none.
 */
static __noinline int decap_strip(struct packet *pkt, __be16 *type)
{
	struct decap_tunnel t = {0};

	if (!FEATURE(DECAP) || !decap_match(pkt, *type, &t))
		return STAGE_NEXT;
	if (!l2_move(pkt, t.inner, t.type))
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	stats_event(pkt, SLUICE_EVENT_DECAPSULATED);
	*type = t.type;
	pkt->egress = t.mode == SLUICE_DECAP_EGRESS;
	return decap_hop(pkt, &t);
}

/* Back to the router that it came from, which knows the way. */
static __always_inline void decap_turn_back(struct packet *pkt)
{
	struct ethhdr *eth = packet_at(pkt, 0, sizeof(*eth));

	if (FEATURE(DECAP) && pkt->turn_back && eth)
		l2_swap_macs(eth);
}

#endif
