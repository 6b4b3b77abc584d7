/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The outer header of a tunnel to a backend, for clients' packets and for probes. Outer addresses
 * are Katran's, so that networks spread and filter both alike.
 */
#ifndef SLUICE_XDP_TUNNEL_H
#define SLUICE_XDP_TUNNEL_H

#include "xdp/gue.h"

#define OUTER_TTL 64
#define OUTER4_PREFIX 0xac10     /* outer sources are 172.16.x.y */
#define OUTER6_PREFIX 0x01000000 /* ... and 100::x:y */

/* All that can stand before the packet. */
struct tunnel_header4 {
	struct iphdr ip;
	struct udphdr udp;
};

struct tunnel_header6 {
	struct ipv6hdr ip;
	struct udphdr udp;
};

/* Bytes that the tunnel adds. */
static __always_inline __u32 tunnel_overhead(__u8 encap)
{
	switch (encap) {
	case SLUICE_ENCAP_IP4:
		return sizeof(struct iphdr);
	case SLUICE_ENCAP_IP6:
		return sizeof(struct ipv6hdr);
	case SLUICE_ENCAP_GUE4:
		return sizeof(struct tunnel_header4);
	default:
		return sizeof(struct tunnel_header6);
	}
}

/* Ethernet type of the outer header. */
static __always_inline __be16 tunnel_type(__u8 encap)
{
	return encap == SLUICE_ENCAP_IP4 || encap == SLUICE_ENCAP_GUE4 ? bpf_htons(ETH_P_IP)
								       : bpf_htons(ETH_P_IPV6);
}

static __always_inline __u8 tunnel_inner_proto(const struct packet *pkt)
{
	return pkt->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/*
 * The client's last two bytes mixed with its port: 172.16.(c ^ port low).(d ^ port high). bpf_ntohs
 * swaps the port's bytes, so that in the packet its low byte meets c.
 */
static __always_inline __be32 tunnel_source4(const struct packet *pkt)
{
	__u32 mixed = (pkt->src.w[3] >> 16) ^ bpf_ntohs(pkt->sport);

	return mixed << 16 | bpf_htons(OUTER4_PREFIX);
}

/*
 * Written in words that were summed up before: a header that is written in bytes and read back in
 * words stalls the CPU for longer than all of this takes.
 */
static __always_inline void tunnel_ip4(const struct packet *pkt, const struct sluice_backend *to,
				       struct iphdr *ip, int gue)
{
	__u32 *word = (__u32 *)ip;
	__u32 size = pkt->ip_len + sizeof(*ip) + (gue ? sizeof(struct udphdr) : 0);
	__u32 proto = gue ? IPPROTO_UDP : tunnel_inner_proto(pkt);
	__u32 first = bpf_htons(0x4500) | pkt->tos << 8;
	__u32 length = bpf_htons(size);
	__u32 life = bpf_htons(OUTER_TTL << 8) | proto << 8;
	__be32 source = gue ? to->source.w[3] : tunnel_source4(pkt);
	__be32 dest = to->addr.w[3];
	__u32 sum = first + length + life;
	__u32 id = 0;

	/*
	 * A datagram that is not to be fragmented has an ID without meaning (RFC 6864): the hint.
	 */
	if (pkt->hint) {
		id = pkt->hint | bpf_htons(IP_DF) << 16;
		sum += pkt->hint + bpf_htons(IP_DF);
	}
	sum += (source & 0xffff) + (source >> 16) + (dest & 0xffff) + (dest >> 16);
	*(__u64 *)word = (first | length << 16) | (__u64)id << 32;
	word[2] = life | (__u32)(__u16)~checksum_fold(sum) << 16;
	word[3] = source;
	word[4] = dest;
}

static __always_inline void tunnel_ip6(const struct packet *pkt, const struct sluice_backend *to,
				       struct ipv6hdr *ip, int gue)
{
	__u64 *word = (__u64 *)ip;
	const __u64 *dest = (const __u64 *)&to->addr;
	__u32 payload = pkt->ip_len + (gue ? sizeof(struct udphdr) : 0);
	__u64 proto = gue ? IPPROTO_UDP : tunnel_inner_proto(pkt);

	word[0] = bpf_htons(0x6000 | pkt->tos << 4) | (__u64)bpf_htons(payload) << 32 |
		  proto << 48 | (__u64)OUTER_TTL << 56;
	if (gue) {
		word[1] = *(const __u64 *)&to->source;
		word[2] = gue_source6_low(pkt, to);
	} else {
		/* The client's last four bytes, the first two of them mixed with its port. */
		word[1] = bpf_htonl(OUTER6_PREFIX);
		word[2] = (__u64)(pkt->src.w[3] ^ pkt->sport) << 32 | pkt->hint;
	}
	word[3] = dest[0];
	word[4] = dest[1];
}

/*
 * Writes the outer header at @l3; @gue: it may be one with UDP. 0 when the frame has no room for
 * it.
 */
static __always_inline int tunnel_write(struct packet *pkt, const struct sluice_backend *to,
					__u32 l3, __u64 payload_sum, int gue)
{
	struct tunnel_header4 *h4;
	struct tunnel_header6 *h6;

	switch (to->encap) {
	case SLUICE_ENCAP_IP4:
		h4 = packet_at(pkt, l3, sizeof(h4->ip));
		if (h4)
			tunnel_ip4(pkt, to, &h4->ip, 0);
		return !!h4;
	case SLUICE_ENCAP_IP6:
		h6 = packet_at(pkt, l3, sizeof(h6->ip));
		if (h6)
			tunnel_ip6(pkt, to, &h6->ip, 0);
		return !!h6;
	}
	if (!gue)
		return 0;
	if (to->encap == SLUICE_ENCAP_GUE4) {
		h4 = packet_at(pkt, l3, sizeof(*h4));
		if (!h4)
			return 0;
		tunnel_ip4(pkt, to, &h4->ip, 1);
		gue_write_udp(pkt, to, &h4->udp, 4, payload_sum);
	} else {
		h6 = packet_at(pkt, l3, sizeof(*h6));
		if (!h6)
			return 0;
		tunnel_ip6(pkt, to, &h6->ip, 1);
		gue_write_udp(pkt, to, &h6->udp, 6, payload_sum);
	}
	return 1;
}

/* Does the packet with its outer header fit the way out? */
static __always_inline int tunnel_fits(const struct packet *pkt, const struct sluice_backend *to,
				       __u32 overhead)
{
	return !to->mtu || pkt->ip_len + overhead <= to->mtu;
}

#endif
