/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The outer header and the way out: the packet leaves through the tunnel to its backend. Outer
 * addresses are Katran's, so that networks spread and filter both alike.
 */
#ifndef SLUICE_XDP_ENCAP_H
#define SLUICE_XDP_ENCAP_H

#include "xdp/backend.h"
#include "xdp/gue.h"
#include "xdp/icmp.h"

#define OUTER_TTL 64
#define OUTER4_PREFIX 0xac10     /* outer sources are 172.16.x.y */
#define ENCAP_HINT6 4            /* word of 16 bits of the outer source that is the hint */
#define OUTER6_PREFIX 0x01000000 /* ... and 100::x:y */

/* All that can stand before the packet. */
struct encap_header4 {
	struct iphdr ip;
	struct udphdr udp;
};

struct encap_header6 {
	struct ipv6hdr ip;
	struct udphdr udp;
};

/* Bytes that the tunnel adds. */
static __always_inline __u32 encap_overhead(__u8 encap)
{
	switch (encap) {
	case SLUICE_ENCAP_IP4:
		return sizeof(struct iphdr);
	case SLUICE_ENCAP_IP6:
		return sizeof(struct ipv6hdr);
	case SLUICE_ENCAP_GUE4:
		return sizeof(struct encap_header4);
	default:
		return sizeof(struct encap_header6);
	}
}

static __always_inline __u8 encap_inner_proto(const struct packet *pkt)
{
	return pkt->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/*
 * The client's last two bytes mixed with its port: 172.16.(c ^ port low).(d ^ port high). bpf_ntohs
 * swaps the port's bytes, so that in the packet its low byte meets c.
 */
static __always_inline __be32 encap_source4(const struct packet *pkt)
{
	__u32 mixed = (pkt->src.w[3] >> 16) ^ bpf_ntohs(pkt->sport);

	return mixed << 16 | bpf_htons(OUTER4_PREFIX);
}

/*
 * Written in words that were summed up before: a header that is written in bytes and read back in words
 * stalls the CPU for longer than all of this takes.
 */
static __always_inline void encap_ip4(const struct packet *pkt, const struct sluice_backend *to,
				      struct iphdr *ip, int gue)
{
	__u32 *word = (__u32 *)ip;
	__u32 size = pkt->ip_len + sizeof(*ip) + (gue ? sizeof(struct udphdr) : 0);
	__u32 proto = gue ? IPPROTO_UDP : encap_inner_proto(pkt);
	__u32 first = bpf_htons(0x4500) | pkt->tos << 8;
	__u32 length = bpf_htons(size);
	/* A datagram that is not to be fragmented has an ID without meaning (RFC 6864): the hint. */
	__u32 fragment = pkt->hint ? bpf_htons(IP_DF) : 0;
	__u32 life = bpf_htons(OUTER_TTL << 8) | proto << 8;
	__be32 source = gue ? to->source.w[3] : encap_source4(pkt);
	__be32 dest = to->addr.w[3];
	__u32 sum = first + length + pkt->hint + fragment + life;

	sum += (source & 0xffff) + (source >> 16) + (dest & 0xffff) + (dest >> 16);
	word[0] = first | length << 16;
	word[1] = pkt->hint | fragment << 16;
	word[2] = life | (__u32)(__u16)~checksum_fold(sum) << 16;
	word[3] = source;
	word[4] = dest;
}

static __always_inline void encap_ip6(const struct packet *pkt, const struct sluice_backend *to,
				      struct ipv6hdr *ip, int gue)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 6;
	ip->priority = pkt->tos >> 4;
	ip->flow_lbl[0] = pkt->tos << 4;
	ip->payload_len = bpf_htons(pkt->ip_len + (gue ? sizeof(struct udphdr) : 0));
	ip->nexthdr = gue ? IPPROTO_UDP : encap_inner_proto(pkt);
	ip->hop_limit = OUTER_TTL;
	if (gue) {
		__builtin_memcpy(&ip->saddr, &to->source, sizeof(ip->saddr));
	} else {
		/* The client's last four bytes, the first two of them mixed with its port. */
		ip->saddr.in6_u.u6_addr32[0] = bpf_htonl(OUTER6_PREFIX);
		ip->saddr.in6_u.u6_addr32[3] = pkt->src.w[3] ^ pkt->sport;
	}
	if (pkt->hint)
		ip->saddr.in6_u.u6_addr16[ENCAP_HINT6] = pkt->hint;
	__builtin_memcpy(&ip->daddr, &to->addr, sizeof(ip->daddr));
}

/* ----------------------------------------------------------------------------------- the way out */

struct encap_tag {
	__be16 tci;
	__be16 type;
};

/* Tags of the frame that leaves, and how many. */
struct encap_tags {
	__be16 outer;
	__be16 inner;
	__be16 outer_type;
	__be16 inner_type;
	__u16 n;
};

/* Those of the next hop; without one of its own, those that the packet came with. */
static __always_inline struct encap_tags encap_tags(const struct packet *pkt,
						    const struct sluice_backend *to)
{
	struct encap_tags tags = {
		.outer_type = bpf_htons(ETH_P_8021Q),
		.inner_type = bpf_htons(ETH_P_8021Q),
	};

	if (!to->ifindex) {
		tags.outer = pkt->vlan[0];
		tags.inner = pkt->vlan[1];
		tags.outer_type = pkt->vlan_type[0];
		tags.inner_type = pkt->vlan_type[1];
		tags.n = pkt->n_vlan;
	} else if (to->s_vlan) {
		tags.outer = to->s_vlan;
		tags.inner = to->vlan;
		if (!(to->flags & SLUICE_BACKEND_S_VLAN_Q))
			tags.outer_type = bpf_htons(ETH_P_8021AD);
		tags.n = 2;
	} else {
		tags.outer = to->vlan;
		tags.n = !!to->vlan;
	}
	return tags;
}

/* Does the packet leave by the port that it came in by? */
static __always_inline int encap_turns_back(const struct packet *pkt,
					    const struct sluice_backend *to)
{
	return !to->ifindex || to->ifindex == pkt->ctx->ingress_ifindex;
}

/* The Ethernet header with its tags; @type is that of what follows. */
static __always_inline int encap_l2(struct packet *pkt, const struct sluice_backend *to,
				    struct encap_tags tags, __be16 type)
{
	struct packet_ethernet *eth = packet_at(pkt, 0, sizeof(*eth));
	struct encap_tag *tag;

	if (!eth)
		return 0;
	packet_copy_mac(eth->dst, to->dmac);
	if (encap_turns_back(pkt, to))
		packet_copy_mac(eth->src, pkt->own_mac);
	else
		packet_copy_mac(eth->src, to->smac);
	eth->type = type;
	if (!tags.n)
		return 1;
	eth->type = tags.outer_type;
	tag = packet_at(pkt, sizeof(*eth), sizeof(*tag));
	if (!tag)
		return 0;
	tag->tci = tags.outer;
	tag->type = type;
	if (tags.n < 2)
		return 1;
	tag->type = tags.inner_type;
	tag = packet_at(pkt, sizeof(*eth) + sizeof(*tag), sizeof(*tag));
	if (!tag)
		return 0;
	tag->tci = tags.inner;
	tag->type = type;
	return 1;
}

/* Out by the device it came in by, or by another one. */
static __always_inline int encap_transmit(struct packet *pkt, __u32 ifindex)
{
	if (!ifindex || ifindex == pkt->ctx->ingress_ifindex) {
		stats_backend(pkt);
		return stats_end(pkt, SLUICE_OUT_FORWARDED, XDP_TX);
	}
	if (bpf_redirect_map(&devices, ifindex, 0) != XDP_REDIRECT)
		return stats_end(pkt, SLUICE_OUT_NO_NEXTHOP, XDP_DROP);
	stats_backend(pkt);
	return stats_end(pkt, SLUICE_OUT_FORWARDED, XDP_REDIRECT);
}

/* ------------------------------------------------------------------------------------- the tunnel */

/* Writes the outer header at @l3. 0 when the frame has no room for it. */
static __always_inline int encap_l3(struct packet *pkt, const struct sluice_backend *to, __u32 l3,
				    __u32 payload_sum)
{
	struct encap_header4 *h4;
	struct encap_header6 *h6;

	switch (to->encap) {
	case SLUICE_ENCAP_IP4:
		h4 = packet_at(pkt, l3, sizeof(h4->ip));
		if (h4)
			encap_ip4(pkt, to, &h4->ip, 0);
		return !!h4;
	case SLUICE_ENCAP_IP6:
		h6 = packet_at(pkt, l3, sizeof(h6->ip));
		if (h6)
			encap_ip6(pkt, to, &h6->ip, 0);
		return !!h6;
	}
	if (!FEATURE(GUE))
		return 0;
	if (to->encap == SLUICE_ENCAP_GUE4) {
		h4 = packet_at(pkt, l3, sizeof(*h4));
		if (!h4)
			return 0;
		encap_ip4(pkt, to, &h4->ip, 1);
		gue_write_udp(pkt, to, &h4->udp, 4);
		gue_checksum(&h4->udp, &h4->ip.saddr, 2, payload_sum);
	} else {
		h6 = packet_at(pkt, l3, sizeof(*h6));
		if (!h6)
			return 0;
		encap_ip6(pkt, to, &h6->ip, 1);
		gue_write_udp(pkt, to, &h6->udp, 6);
		gue_checksum(&h6->udp, (__be32 *)&h6->ip.saddr, 8, payload_sum);
	}
	return 1;
}

/* Does the packet with its outer header fit the way out? */
static __always_inline int encap_fits(struct packet *pkt, const struct sluice_backend *to,
				      __u32 overhead)
{
	return !to->mtu || pkt->ip_len + overhead <= to->mtu;
}

/* The usual way: an untagged frame, IPv4 in IPv4. */
static __always_inline int encap_usual(struct packet *pkt, const struct sluice_backend *to)
{
	struct packet_ethernet *eth;
	struct iphdr *ip;

	if (!encap_fits(pkt, to, sizeof(*ip)))
		return icmp_too_big(pkt, to->mtu - sizeof(*ip));
	if (bpf_xdp_adjust_head(pkt->ctx, -(int)sizeof(*ip)))
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	eth = packet_data(pkt);
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > packet_end(pkt))
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	packet_copy_mac(eth->dst, to->dmac);
	if (encap_turns_back(pkt, to))
		packet_copy_mac(eth->src, pkt->own_mac);
	else
		packet_copy_mac(eth->src, to->smac);
	eth->type = bpf_htons(ETH_P_IP);
	encap_ip4(pkt, to, ip, 0);
	return encap_transmit(pkt, to->ifindex);
}

/* Any way: with tags, of either family, in UDP. */
static __always_inline int encap_with(struct packet *pkt, const struct sluice_backend *to)
{
	struct encap_tags tags = encap_tags(pkt, to);
	__u32 l3 = ETH_HLEN + tags.n * sizeof(struct encap_tag);
	__u32 overhead = encap_overhead(to->encap);
	__u32 payload_sum = GUE_NO_SUM;
	__be16 type;

	if (!encap_fits(pkt, to, overhead))
		return icmp_too_big(pkt, to->mtu - overhead);
	if (FEATURE(GUE) && to->encap >= SLUICE_ENCAP_GUE4)
		payload_sum = gue_payload_sum(pkt, to->encap == SLUICE_ENCAP_GUE6);
	if (bpf_xdp_adjust_head(pkt->ctx, (int)pkt->l3 - (int)(l3 + overhead)))
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	type = to->encap == SLUICE_ENCAP_IP4 || to->encap == SLUICE_ENCAP_GUE4
		       ? bpf_htons(ETH_P_IP)
		       : bpf_htons(ETH_P_IPV6);
	if (!encap_l2(pkt, to, tags, type) || !encap_l3(pkt, to, l3, payload_sum))
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	return encap_transmit(pkt, to->ifindex);
}

/*
 * A function that the verifier looks at once, for any packet, instead of again for each way that a
 * packet can come here.
 */
__noinline int encap_any(struct xdp_md *ctx, struct packet *shared)
{
	struct sluice_backend *to;
	struct packet pkt;

	if (!shared)
		return XDP_DROP;
	pkt = *shared;
	pkt.ctx = ctx;
	to = backend_get(pkt.backend_id);
	return to ? encap_with(&pkt, to) : XDP_DROP;
}

static __always_inline int encap(struct packet *pkt)
{
	struct sluice_backend *to = backend_get(pkt->backend_id);

	if (!to || !to->encap)
		return stats_end(pkt, SLUICE_OUT_NO_BACKEND, XDP_DROP);
	if (to->encap == SLUICE_ENCAP_LOCAL) {
		stats_backend(pkt);
		return stats_end(pkt, SLUICE_OUT_LOCAL, XDP_PASS);
	}
	if (!(to->flags & SLUICE_BACKEND_NEXTHOP))
		return stats_end(pkt, SLUICE_OUT_NO_NEXTHOP, XDP_DROP);
	if (to->encap == SLUICE_ENCAP_IP4 && pkt->l3 == ETH_HLEN && !to->vlan)
		return encap_usual(pkt, to);
	return encap_any(pkt->ctx, pkt);
}

#endif
