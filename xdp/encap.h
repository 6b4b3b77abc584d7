/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The outer header and the way out: the packet leaves through the tunnel to its backend.
 */
#ifndef SLUICE_XDP_ENCAP_H
#define SLUICE_XDP_ENCAP_H

#include "xdp/stats.h"

#include <linux/in.h>
#include <linux/ip.h>

#define OUTER_TTL 64
#define OUTER4_PREFIX 0xac10 /* outer sources are 172.16.x.y, as Katran's */

/* Sum of the 16-bit words of an IPv4 header without options, folded and inverted. */
static __always_inline __sum16 encap_checksum(const struct iphdr *ip)
{
	const __u16 *word = (const __u16 *)ip;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < (int)(sizeof(*ip) / 2); i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}

/*
 * Source of the outer header: Katran's, the client's last two bytes mixed with its port, so that
 * networks spread flows of one client over their paths: 172.16.(c ^ port low).(d ^ port high).
 */
static __always_inline __be32 encap_source4(const struct packet *pkt)
{
	/* bpf_ntohs swaps the port's bytes, so that in the packet its low byte meets c. */
	__u32 mixed = (pkt->src.w[3] >> 16) ^ bpf_ntohs(pkt->sport);

	return mixed << 16 | bpf_htons(OUTER4_PREFIX);
}

static __always_inline void encap_ip4(const struct packet *pkt, const struct sluice_backend *to,
				      struct iphdr *ip)
{
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = pkt->tos;
	ip->tot_len = bpf_htons(pkt->ip_len + sizeof(*ip));
	ip->id = 0;
	ip->frag_off = 0;
	ip->ttl = OUTER_TTL;
	ip->protocol = IPPROTO_IPIP;
	ip->check = 0;
	ip->saddr = encap_source4(pkt);
	ip->daddr = to->addr.w[3];
	ip->check = encap_checksum(ip);
}

/* Out by the device it came in by, or by another one. */
static __always_inline int encap_transmit(struct packet *pkt, const struct sluice_backend *to,
					  struct ethhdr *eth)
{
	__u32 ifindex = to->ifindex;

	__builtin_memcpy(eth->h_dest, to->dmac, ETH_ALEN);
	if (!ifindex || ifindex == pkt->ctx->ingress_ifindex) {
		__builtin_memcpy(eth->h_source, pkt->own_mac, ETH_ALEN);
		stats_backend(pkt);
		return stats_end(pkt, SLUICE_OUT_FORWARDED, XDP_TX);
	}
	__builtin_memcpy(eth->h_source, to->smac, ETH_ALEN);
	if (bpf_redirect_map(&devices, ifindex, 0) != XDP_REDIRECT)
		return stats_end(pkt, SLUICE_OUT_NO_NEXTHOP, XDP_DROP);
	stats_backend(pkt);
	return stats_end(pkt, SLUICE_OUT_FORWARDED, XDP_REDIRECT);
}

static __always_inline int encap(struct packet *pkt)
{
	struct sluice_backend *to = bpf_map_lookup_elem(&backends, &pkt->backend_id);
	struct ethhdr *eth;
	struct iphdr *ip;

	if (!to || to->encap != SLUICE_ENCAP_IPIP)
		return stats_end(pkt, SLUICE_OUT_NO_BACKEND, XDP_DROP);
	if (!(to->flags & SLUICE_BACKEND_NEXTHOP))
		return stats_end(pkt, SLUICE_OUT_NO_NEXTHOP, XDP_DROP);
	if (to->mtu && pkt->ip_len + sizeof(*ip) > to->mtu)
		return stats_end(pkt, SLUICE_OUT_TOO_BIG, XDP_DROP);
	if (bpf_xdp_adjust_head(pkt->ctx, -(int)sizeof(*ip)))
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	eth = packet_data(pkt);
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > packet_end(pkt))
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	eth->h_proto = bpf_htons(ETH_P_IP);
	encap_ip4(pkt, to, ip);
	return encap_transmit(pkt, to, eth);
}

#endif
