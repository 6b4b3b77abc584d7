/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frame -> struct packet. Nothing is dropped here: what is not understood is not ours, and goes to
 * the host untouched.
 */
#ifndef SLUICE_XDP_PARSE_H
#define SLUICE_XDP_PARSE_H

#include "xdp/stats.h"

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#define IP_FRAGMENT 0x3fff /* offset, or more fragments */

/* Ports of TCP and UDP, which begin alike. */
struct l4_ports {
	__be16 source;
	__be16 dest;
};

static __always_inline int parse_l4(struct packet *pkt, void *l4, void *end)
{
	struct l4_ports *ports = l4;
	__u32 size;

	switch (pkt->dst.proto) {
	case IPPROTO_TCP:
		size = sizeof(struct tcphdr);
		break;
	case IPPROTO_UDP:
		size = sizeof(struct udphdr);
		break;
	default:
		return stats_end(pkt, SLUICE_OUT_NOT_L4, XDP_PASS);
	}
	if (l4 + size > end)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	pkt->sport = ports->source;
	pkt->dst.port = ports->dest;
	return STAGE_NEXT;
}

static __always_inline int parse_ipv4(struct packet *pkt, void *l3, void *end)
{
	struct iphdr *ip = l3;
	__u32 header;

	if ((void *)(ip + 1) > end)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	header = ip->ihl * 4;
	pkt->ip_len = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || header < sizeof(*ip) || pkt->ip_len < header ||
	    l3 + pkt->ip_len > end)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	pkt->dst.proto = ip->protocol;
	if (ip->frag_off & bpf_htons(IP_FRAGMENT))
		return stats_end(pkt, SLUICE_OUT_FRAGMENT, XDP_PASS);
	pkt->tos = ip->tos;
	pkt->src.w[2] = pkt->dst.addr.w[2] = bpf_htonl(0xffff);
	pkt->src.w[3] = ip->saddr;
	pkt->dst.addr.w[3] = ip->daddr;
	return parse_l4(pkt, l3 + header, end);
}

static __always_inline int parse(struct packet *pkt)
{
	struct ethhdr *eth = packet_data(pkt);
	void *end = packet_end(pkt);

	if ((void *)(eth + 1) > end)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	__builtin_memcpy(pkt->own_mac, eth->h_dest, ETH_ALEN);
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return parse_ipv4(pkt, eth + 1, end);
	return stats_end(pkt, SLUICE_OUT_NOT_IP, XDP_PASS);
}

#endif
