/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The usual packet, straight through: no tag, no option or extension, no fragment, TCP or UDP, for a VIP
 * without options whose slot is settled, to a backend behind a tunnel. All in one function, and its struct
 * packet is never in memory: the compiler keeps the few fields that are used in registers.
 *
 * Each step returns STAGE_NEXT as soon as the packet is not a usual one. Nothing is counted or written
 * before that is clear, so the packet then takes all stages from the beginning, with the same result.
 */
#ifndef SLUICE_XDP_USUAL_H
#define SLUICE_XDP_USUAL_H

#include "xdp/encap.h"
#include "xdp/select.h"
#include "xdp/vip.h"

/* ----------------------------------------------------------------------------------------- parse */

/* The ports at @tcp; @l4_len bytes from there on belong to the packet. 0: not usual. */
static __always_inline int usual_ports(struct packet *pkt, const struct tcphdr *tcp, __u32 l4_len)
{
	/* A tunnel that ends here may look usual: GUE is UDP. */
	if (pkt->proto != IPPROTO_TCP && (pkt->proto != IPPROTO_UDP || FEATURE(DECAP)))
		return 0;
	pkt->sport = tcp->source;
	pkt->dst.port = tcp->dest;
	pkt->dst.proto = pkt->proto;
	return l4_len >= sizeof(*tcp) && l4_len <= (__u64)(packet_end(pkt) - (const void *)tcp);
}

static __always_inline int usual_ipv4(struct packet *pkt)
{
	struct iphdr *ip = packet_data(pkt) + ETH_HLEN;

	if ((void *)ip + sizeof(*ip) + sizeof(struct tcphdr) > packet_end(pkt) ||
	    *(__u8 *)ip != 0x45 || ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return 0;
	pkt->family = 4;
	pkt->proto = ip->protocol;
	pkt->ip_len = bpf_ntohs(ip->tot_len);
	pkt->tos = ip->tos;
	pkt->src.w[2] = pkt->dst.addr.w[2] = bpf_htonl(0xffff);
	pkt->src.w[3] = ip->saddr;
	pkt->dst.addr.w[3] = ip->daddr;
	return usual_ports(pkt, (void *)(ip + 1), pkt->ip_len - sizeof(*ip));
}

static __always_inline int usual_ipv6(struct packet *pkt)
{
	struct ipv6hdr *ip = packet_data(pkt) + ETH_HLEN;
	__u32 l4_len;

	if ((void *)ip + sizeof(*ip) + sizeof(struct tcphdr) > packet_end(pkt) || ip->version != 6)
		return 0;
	__builtin_memcpy(&pkt->src, &ip->saddr, sizeof(pkt->src));
	__builtin_memcpy(&pkt->dst.addr, &ip->daddr, sizeof(pkt->dst.addr));
	/* What maps would take for IPv4 is among these. */
	if (!pkt->dst.addr.w[0])
		return 0;
	l4_len = bpf_ntohs(ip->payload_len);
	pkt->family = 6;
	pkt->proto = ip->nexthdr;
	pkt->ip_len = l4_len + sizeof(*ip);
	pkt->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	return usual_ports(pkt, (void *)(ip + 1), l4_len);
}

/* ------------------------------------------------------------------------------- VIP and backend */

/* STAGE_NEXT with a VIP's id, or without one when the VIP is not a usual one; or it is for none. */
static __always_inline int usual_vip(struct packet *pkt)
{
	struct sluice_vip_line *line = vip_line(&pkt->dst);

	if (!line || line->state & SLUICE_LINE_SHARED)
		return STAGE_NEXT;
	if (!line->state || vip_differs(&pkt->dst, line)) {
		if (FEATURE(ANY_PORT) || FEATURE(PREFIXES))
			return STAGE_NEXT;
		return stats_end(pkt, SLUICE_OUT_NOT_VIP, XDP_PASS);
	}
	if (line->vip.flags)
		return STAGE_NEXT;
	pkt->vip_id = line->vip.id;
	pkt->ring = line->vip.ring;
	return STAGE_NEXT;
}

/* The backend of a settled slot, if its tunnel can be entered without a word to the client; or NULL. */
static __always_inline struct sluice_backend *usual_backend(struct packet *pkt)
{
	__u32 word = select_slot(pkt);
	struct sluice_backend *to;

	if (word & SLUICE_SLOT_TRACK)
		return NULL;
	pkt->backend_id = SLUICE_SLOT_CUR(word);
	to = backend_get(pkt->backend_id);
	if (!to || !(to->flags & SLUICE_BACKEND_NEXTHOP) || to->vlan)
		return NULL;
	return to;
}

/* ----------------------------------------------------------------------------------- the way out */

/* The Ethernet header before @size new bytes; what it was is still behind them. */
static __always_inline void usual_ethernet(const struct packet *pkt, struct packet_ethernet *eth,
					   const struct sluice_backend *to, __u32 size, __be16 type)
{
	const struct packet_ethernet *old = (void *)eth + size;

	if (encap_turns_back(pkt, to)) {
		*(__u32 *)eth->src = *(__u32 *)old->dst;
		eth->src[2] = old->dst[2];
	} else {
		packet_copy_mac(eth->src, to->smac);
	}
	*(__u32 *)eth->dst = *(__u32 *)to->dmac;
	eth->dst[2] = *(__u16 *)&to->dmac[4];
	eth->type = type;
}

/* Room for @size bytes of outer headers: the frame then, with the packet's own header whole; or NULL. */
static __always_inline struct packet_ethernet *usual_room(struct packet *pkt, __u32 size)
{
	__u32 own = pkt->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	void *data;

	if (bpf_xdp_adjust_head(pkt->ctx, -(int)size))
		return NULL;
	data = packet_data(pkt);
	return data + ETH_HLEN + size + own <= packet_end(pkt) ? data : NULL;
}

/* What the outer UDP checksum needs, of the packet at @ip. */
static __always_inline __u64 usual_sum(const struct packet *pkt, const void *ip)
{
	return pkt->family == 4 ? gue_sum4(ip, pkt->ip_len - sizeof(struct iphdr), IPPROTO_TCP)
				: gue_sum6(ip, IPPROTO_TCP);
}

/* Outer IPv4, and UDP if @gue. */
static __always_inline int usual_encap4(struct packet *pkt, const struct sluice_backend *to,
					int gue)
{
	__u32 size = gue ? sizeof(struct encap_header4) : sizeof(struct iphdr);
	struct encap_header4 *outer;
	struct packet_ethernet *eth;

	if (!encap_fits(pkt, to, size))
		return STAGE_NEXT;
	eth = usual_room(pkt, size);
	if (!eth)
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	usual_ethernet(pkt, eth, to, size, bpf_htons(ETH_P_IP));
	outer = (void *)(eth + 1);
	encap_ip4(pkt, to, &outer->ip, gue);
	if (gue)
		gue_write_udp(pkt, to, &outer->udp, 4, usual_sum(pkt, outer + 1));
	return encap_transmit(pkt, to->ifindex);
}

/* Outer IPv6, and UDP if @gue. */
static __always_inline int usual_encap6(struct packet *pkt, const struct sluice_backend *to,
					int gue)
{
	__u32 size = gue ? sizeof(struct encap_header6) : sizeof(struct ipv6hdr);
	struct encap_header6 *outer;
	struct packet_ethernet *eth;

	if (!encap_fits(pkt, to, size))
		return STAGE_NEXT;
	eth = usual_room(pkt, size);
	if (!eth)
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	usual_ethernet(pkt, eth, to, size, bpf_htons(ETH_P_IPV6));
	outer = (void *)(eth + 1);
	encap_ip6(pkt, to, &outer->ip, gue);
	if (gue)
		gue_write_udp(pkt, to, &outer->udp, 6, usual_sum(pkt, outer + 1));
	return encap_transmit(pkt, to->ifindex);
}

static __always_inline int usual_balance(struct packet *pkt)
{
	struct sluice_backend *to;
	int action = usual_vip(pkt);

	if (action != STAGE_NEXT || !pkt->vip_id)
		return action;
	to = usual_backend(pkt);
	if (!to)
		return STAGE_NEXT;
	if (to->encap == SLUICE_ENCAP_IP4)
		return usual_encap4(pkt, to, 0);
	if (to->encap == SLUICE_ENCAP_IP6)
		return usual_encap6(pkt, to, 0);
	/* Not all of UDP has a checksum that the outer one can be made of. */
	if (!FEATURE(GUE) || pkt->proto != IPPROTO_TCP)
		return STAGE_NEXT;
	if (to->encap == SLUICE_ENCAP_GUE4)
		return usual_encap4(pkt, to, 1);
	return to->encap == SLUICE_ENCAP_GUE6 ? usual_encap6(pkt, to, 1) : STAGE_NEXT;
}

static __noinline int usual(struct xdp_md *ctx)
{
	struct packet pkt = {.ctx = ctx};
	struct packet_ethernet *eth = packet_data(&pkt);

	if ((void *)(eth + 1) > packet_end(&pkt))
		return STAGE_NEXT;
	if (eth->type == bpf_htons(ETH_P_IP) && usual_ipv4(&pkt))
		return usual_balance(&pkt);
	if (FEATURE(IPV6) && eth->type == bpf_htons(ETH_P_IPV6) && usual_ipv6(&pkt))
		return usual_balance(&pkt);
	return STAGE_NEXT;
}

#endif
