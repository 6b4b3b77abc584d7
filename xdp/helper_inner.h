/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inner packet: which TCP flow does it belong to? An ICMP error belongs to the flow that it
 * quotes.
 */
#ifndef SLUICE_XDP_HELPER_INNER_H
#define SLUICE_XDP_HELPER_INNER_H

#include "xdp/helper_outer.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>

#define INNER_ICMP_BYTES 8 /* of an ICMP error's header, of either family */
#define INNER_TCP_FLAGS 13 /* offset of a TCP header's flags */
#define INNER_TCP_SYN 0x02
#define INNER_TCP_ACK 0x10

/* What an IP header says. */
struct inner_ip {
	struct sluice_addr src;
	struct sluice_addr dst;
	__u32 l4; /* offset behind it and its extensions */
	__u8 proto;
};

static __always_inline int inner_read_ipv4(struct packet *pkt, __u32 l3, struct inner_ip *out)
{
	struct iphdr *ip = packet_at(pkt, l3, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return 0;
	out->src.w[0] = out->src.w[1] = out->dst.w[0] = out->dst.w[1] = 0;
	out->src.w[2] = out->dst.w[2] = bpf_htonl(0xffff);
	out->src.w[3] = ip->saddr;
	out->dst.w[3] = ip->daddr;
	out->l4 = l3 + ip->ihl * 4;
	out->proto = ip->protocol;
	return 1;
}

static __always_inline int inner_read_ipv6(struct packet *pkt, __u32 l3, struct inner_ip *out)
{
	struct ipv6hdr *ip = packet_at(pkt, l3, sizeof(*ip));
	__u16 fragment = 0;
	__be32 id;

	if (!ip || ip->version != 6)
		return 0;
	__builtin_memcpy(&out->src, &ip->saddr, sizeof(out->src));
	__builtin_memcpy(&out->dst, &ip->daddr, sizeof(out->dst));
	out->proto = ip->nexthdr;
	out->l4 = parse_extensions(pkt, l3 + sizeof(*ip), &out->proto, &fragment, &id);
	return out->l4 && !fragment;
}

/*
 * The IP header at @l3, of the inner packet's family. 0: it is not whole, or a fragment's. The
 * verifier looks at this once for the inner packet and once for a quoted one.
 */
static __noinline int inner_read(struct packet *pkt, __u32 l3, struct inner_ip *out)
{
	return pkt->family == 4 ? inner_read_ipv4(pkt, l3, out) : inner_read_ipv6(pkt, l3, out);
}

/* Does the ICMP message at @l4 quote a packet? */
static __always_inline int inner_is_error(const struct packet *pkt, __u32 l4)
{
	__u8 *type = packet_at(pkt, l4, sizeof(*type));

	if (!type)
		return 0;
	if (pkt->family == 4)
		return *type == ICMP_DEST_UNREACH || *type == ICMP_TIME_EXCEEDED ||
		       *type == ICMP_PARAMETERPROB;
	return *type == ICMPV6_DEST_UNREACH || *type == ICMPV6_PKT_TOOBIG ||
	       *type == ICMPV6_TIME_EXCEED || *type == ICMPV6_PARAMPROB;
}

static __always_inline int inner_same_address(const struct sluice_addr *a,
					      const struct sluice_addr *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1] && a->w[2] == b->w[2] && a->w[3] == b->w[3];
}

/* The quoted packet went from here to the client: turned round it is the flow. 0: it is not TCP. */
static __always_inline int inner_quoted(struct packet *pkt, const struct inner_ip *error)
{
	struct inner_ip quoted;
	struct parse_ports *ports;

	if (!inner_is_error(pkt, error->l4) ||
	    !inner_read(pkt, error->l4 + INNER_ICMP_BYTES, &quoted) ||
	    quoted.proto != IPPROTO_TCP || !inner_same_address(&quoted.src, &error->dst))
		return 0;
	ports = packet_at(pkt, quoted.l4, sizeof(*ports));
	if (!ports)
		return 0;
	pkt->kind = PACKET_ERROR;
	pkt->src = quoted.dst;
	pkt->sport = ports->dest;
	pkt->dst.addr = quoted.src;
	pkt->dst.port = ports->source;
	return 1;
}

static __always_inline int inner_tcp(struct packet *pkt, const struct inner_ip *ip)
{
	struct tcphdr *tcp = packet_at(pkt, ip->l4, sizeof(*tcp));

	if (!tcp)
		return 0;
	pkt->kind = PACKET_FLOW;
	pkt->tcp_flags = ((__u8 *)tcp)[INNER_TCP_FLAGS];
	pkt->src = ip->src;
	pkt->sport = tcp->source;
	pkt->dst.addr = ip->dst;
	pkt->dst.port = tcp->dest;
	pkt->l4 = ip->l4;
	return 1;
}

/* Sets the flow of @pkt, seen from the client. 0: it is not of a TCP flow. */
static __always_inline int inner_flow(struct packet *pkt, const struct tunnel *t)
{
	struct inner_ip ip;

	if (!inner_read(pkt, t->inner, &ip))
		return 0;
	if (ip.proto == IPPROTO_TCP)
		return inner_tcp(pkt, &ip);
	if (ip.proto == (pkt->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return inner_quoted(pkt, &ip);
	return 0;
}

#endif
