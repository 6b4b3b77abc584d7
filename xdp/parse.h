/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frame -> struct packet. Nothing is dropped here: what is not understood is not ours, and goes to
 * the host untouched.
 */
#ifndef SLUICE_XDP_PARSE_H
#define SLUICE_XDP_PARSE_H

#include "xdp/headers.h"
#include "xdp/stats.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>

#define PARSE_L4_MAX 512 /* offset of the L4 header */

/* The verifier of Linux 6.1 takes a number whose bytes were swapped for unbounded. */
static __always_inline __u32 parse_bounded(__u32 size)
{
	asm volatile("" : "+r"(size));
	return size & 0x1ffff;
}

/* Has the frame at least the IP packet's bytes? */
static __always_inline int parse_is_whole(const struct packet *pkt)
{
	__u32 end = parse_bounded(pkt->l3 + pkt->ip_len);

	if (packet_data(pkt) + end <= packet_end(pkt))
		return 1;
	return FEATURE(FRAGS) && end <= bpf_xdp_get_buff_len(pkt->ctx);
}

/* -------------------------------------------------------------------- what an ICMP error quotes */

/*
 * The quoted packet went from the VIP to the client, so turned round it is the flow: its source is
 * our destination. @l4: offset of the quoted ports.
 */
static __always_inline int parse_quoted_l4(struct packet *pkt, __u32 l4, __u8 proto)
{
	struct parse_ports *ports;

	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return stats_end(pkt, SLUICE_OUT_NOT_L4, XDP_PASS);
	ports = packet_inside(pkt, l4, sizeof(*ports));
	if (!ports)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	pkt->dst.proto = proto;
	pkt->dst.port = ports->source;
	pkt->sport = ports->dest;
	pkt->kind = PACKET_ERROR;
	return STAGE_NEXT;
}

static __always_inline int parse_quoted_ipv4(struct packet *pkt, __u32 l3)
{
	struct iphdr *ip = packet_inside(pkt, l3, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	/* An error is for whoever sent the quoted packet; pieces without ports name no flow. */
	if (ip->saddr != pkt->dst.addr.w[3] || ip->frag_off & bpf_htons(IP_OFFSET))
		return stats_end(pkt, SLUICE_OUT_NOT_L4, XDP_PASS);
	pkt->src.w[3] = ip->daddr;
	return parse_quoted_l4(pkt, l3 + ip->ihl * 4, ip->protocol);
}

static __always_inline int parse_quoted_ipv6(struct packet *pkt, __u32 l3)
{
	struct ipv6hdr *ip = packet_inside(pkt, l3, sizeof(*ip));
	struct sluice_addr source;
	__u16 fragment = 0;
	__be32 id;
	__u8 proto;

	if (!ip || ip->version != 6)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	__builtin_memcpy(&source, &ip->saddr, sizeof(source));
	if (source.w[0] != pkt->dst.addr.w[0] || source.w[1] != pkt->dst.addr.w[1] ||
	    source.w[2] != pkt->dst.addr.w[2] || source.w[3] != pkt->dst.addr.w[3])
		return stats_end(pkt, SLUICE_OUT_NOT_L4, XDP_PASS);
	__builtin_memcpy(&pkt->src, &ip->daddr, sizeof(pkt->src));
	proto = ip->nexthdr;
	l3 = parse_extensions(pkt, l3 + sizeof(*ip), &proto, &fragment, &id);
	if (!l3)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	if (fragment & ~7)
		return stats_end(pkt, SLUICE_OUT_NOT_L4, XDP_PASS);
	return parse_quoted_l4(pkt, l3, proto);
}

/* ------------------------------------------------------------------------------------------- L4 */

static __always_inline int parse_icmp(struct packet *pkt)
{
	struct icmphdr *icmp = packet_inside(pkt, pkt->l4, sizeof(*icmp));

	if (!icmp)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	pkt->dst.proto = IPPROTO_ICMP;
	switch (icmp->type) {
	case ICMP_ECHO:
		pkt->kind = PACKET_ECHO;
		return STAGE_NEXT;
	case ICMP_DEST_UNREACH:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		return parse_quoted_ipv4(pkt, pkt->l4 + sizeof(*icmp));
	default:
		return stats_end(pkt, SLUICE_OUT_NOT_L4, XDP_PASS);
	}
}

static __always_inline int parse_icmp6(struct packet *pkt)
{
	struct icmp6hdr *icmp = packet_inside(pkt, pkt->l4, sizeof(*icmp));

	if (!icmp)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	pkt->dst.proto = IPPROTO_ICMP;
	switch (icmp->icmp6_type) {
	case ICMPV6_ECHO_REQUEST:
		pkt->kind = PACKET_ECHO;
		return STAGE_NEXT;
	case ICMPV6_DEST_UNREACH:
	case ICMPV6_PKT_TOOBIG:
	case ICMPV6_TIME_EXCEED:
	case ICMPV6_PARAMPROB:
		return parse_quoted_ipv6(pkt, pkt->l4 + sizeof(*icmp));
	default:
		return stats_end(pkt, SLUICE_OUT_NOT_L4, XDP_PASS);
	}
}

static __always_inline int parse_l4(struct packet *pkt)
{
	struct parse_ports *ports;
	__u8 *flags;

	if (pkt->proto == IPPROTO_TCP) {
		flags = packet_inside(pkt, pkt->l4 + 13, 7);
		if (!flags)
			return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
		pkt->tcp_flags = *flags;
	} else if (pkt->proto == IPPROTO_UDP) {
		if (!packet_inside(pkt, pkt->l4, sizeof(struct udphdr)))
			return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	} else {
		return stats_end(pkt, SLUICE_OUT_NOT_L4, XDP_PASS);
	}
	ports = packet_inside(pkt, pkt->l4, sizeof(*ports));
	if (!ports)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	pkt->dst.proto = pkt->proto;
	pkt->sport = ports->source;
	pkt->dst.port = ports->dest;
	return STAGE_NEXT;
}

/* ------------------------------------------------------------------------------------------- L3 */

static __always_inline int parse_ipv4(struct packet *pkt)
{
	struct iphdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));
	__u32 header;
	__u16 fragment;

	if (!ip)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	header = ip->ihl * 4;
	pkt->ip_len = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || pkt->ip_len < header ||
	    !parse_is_whole(pkt))
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	fragment = bpf_ntohs(ip->frag_off);
	pkt->family = 4;
	pkt->tos = ip->tos;
	pkt->proto = ip->protocol;
	pkt->dont_fragment = !!(fragment & IP_DF);
	pkt->fragment_id = ip->id;
	pkt->src.w[0] = pkt->src.w[1] = 0;
	pkt->dst.addr.w[0] = pkt->dst.addr.w[1] = 0;
	pkt->src.w[2] = pkt->dst.addr.w[2] = bpf_htonl(0xffff);
	pkt->src.w[3] = ip->saddr;
	pkt->dst.addr.w[3] = ip->daddr;
	pkt->l4 = pkt->l3 + header;
	if (fragment & IP_OFFSET) {
		pkt->kind = PACKET_FRAGMENT;
		pkt->dst.proto = IPPROTO_ICMP;
		return STAGE_NEXT;
	}
	pkt->first_fragment = !!(fragment & IP_MF);
	return pkt->proto == IPPROTO_ICMP ? parse_icmp(pkt) : parse_l4(pkt);
}

static __always_inline int parse_ipv6(struct packet *pkt)
{
	struct ipv6hdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));
	__u16 fragment = 0;
	__u32 l4;

	if (!ip || ip->version != 6)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	pkt->ip_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (!parse_is_whole(pkt))
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	pkt->family = 6;
	pkt->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	pkt->dont_fragment = 1;
	__builtin_memcpy(&pkt->src, &ip->saddr, sizeof(pkt->src));
	__builtin_memcpy(&pkt->dst.addr, &ip->daddr, sizeof(pkt->dst.addr));
	/* ::ffff:a.b.c.d is how maps name IPv4; on the wire it is nobody's address. */
	if (!pkt->dst.addr.w[0] && !pkt->dst.addr.w[1] && pkt->dst.addr.w[2] == bpf_htonl(0xffff))
		return stats_end(pkt, SLUICE_OUT_NOT_VIP, XDP_PASS);
	pkt->proto = ip->nexthdr;
	l4 = parse_extensions(pkt, pkt->l3 + sizeof(*ip), &pkt->proto, &fragment,
			      &pkt->fragment_id);
	if (!l4 || l4 > pkt->l3 + pkt->ip_len)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	if (l4 > PARSE_L4_MAX)
		return stats_end(pkt, SLUICE_OUT_NOT_L4, XDP_PASS);
	pkt->l4 = l4;
	pkt->extensions = l4 != pkt->l3 + sizeof(*ip);
	if (fragment & ~7) {
		pkt->kind = PACKET_FRAGMENT;
		pkt->dst.proto = IPPROTO_ICMP;
		return STAGE_NEXT;
	}
	pkt->first_fragment = fragment & 1;
	return pkt->proto == IPPROTO_ICMPV6 ? parse_icmp6(pkt) : parse_l4(pkt);
}

/* The IP packet at pkt->l3. */
static __always_inline int parse_ip(struct packet *pkt, __be16 type)
{
	if (type == bpf_htons(ETH_P_IP))
		return parse_ipv4(pkt);
	if (type == bpf_htons(ETH_P_IPV6) && FEATURE(IPV6))
		return parse_ipv6(pkt);
	return stats_end(pkt, SLUICE_OUT_NOT_IP, XDP_PASS);
}

#endif
