/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The usual packet, straight through: no tag, no option or extension, no fragment, TCP or UDP, for
 * a VIP without options whose slot is settled, to a backend behind a tunnel. All in one function,
 * and its struct packet is never in memory: the compiler keeps the few fields that are used in
 * registers.
 *
 * Each step returns STAGE_NEXT as soon as the packet is not a usual one. Nothing is counted or
 * written before that is clear, so the packet then takes all stages from the beginning, with the
 * same result.
 */
#ifndef SLUICE_XDP_USUAL_H
#define SLUICE_XDP_USUAL_H

#include "xdp/encap.h"
#include "xdp/select.h"
#include "xdp/vip.h"

/* ---------------------------------------------------------------------------------------- parse */

/* Bytes of an IP header without options or extensions. */
static __always_inline __u32 usual_header(const struct packet *pkt)
{
	return pkt->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* Is it @size bytes of TCP or UDP at @l4, all of them there? */
static __always_inline int usual_l4(const struct packet *pkt, const void *l4, __u32 size)
{
	/* A tunnel that ends here may look usual: GUE is UDP. */
	if (pkt->dst.proto != IPPROTO_TCP && (pkt->dst.proto != IPPROTO_UDP || FEATURE(DECAP)))
		return 0;
	return size >= sizeof(struct tcphdr) && size <= (__u64)(packet_end(pkt) - l4);
}

/* The destination of a usual packet whose IP header is at @l3; 0: it is another one. */
static __always_inline int usual_ipv4(struct packet *pkt, const void *l3)
{
	const struct iphdr *ip = l3;
	const struct tcphdr *tcp = (const void *)(ip + 1);

	if ((const void *)(tcp + 1) > packet_end(pkt) || *(const __u8 *)ip != 0x45 ||
	    ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return 0;
	pkt->family = 4;
	pkt->ip_len = bpf_ntohs(ip->tot_len);
	pkt->dst.addr.w[2] = bpf_htonl(0xffff);
	pkt->dst.addr.w[3] = ip->daddr;
	pkt->dst.port = tcp->dest;
	pkt->dst.proto = ip->protocol;
	return usual_l4(pkt, tcp, pkt->ip_len - sizeof(*ip));
}

static __always_inline int usual_ipv6(struct packet *pkt, const void *l3)
{
	const struct ipv6hdr *ip = l3;
	const struct tcphdr *tcp = (const void *)(ip + 1);
	__u32 size;

	if ((const void *)(tcp + 1) > packet_end(pkt) || ip->version != 6)
		return 0;
	size = bpf_ntohs(ip->payload_len);
	pkt->family = 6;
	pkt->ip_len = size + sizeof(*ip);
	__builtin_memcpy(&pkt->dst.addr, &ip->daddr, sizeof(pkt->dst.addr));
	pkt->dst.port = tcp->dest;
	pkt->dst.proto = ip->nexthdr;
	/* What maps would take for IPv4 is among those whose first word is zero. */
	return pkt->dst.addr.w[0] && usual_l4(pkt, tcp, size);
}

/*
 * The client, of the packet whose IP header is at @l3. Read when it is needed, and read again
 * behind a call: that costs less than to keep it.
 */
static __always_inline void usual_client(struct packet *pkt, const void *l3)
{
	const struct iphdr *ip4 = l3;
	const struct ipv6hdr *ip6 = l3;

	if (pkt->family == 4) {
		pkt->tos = ip4->tos;
		pkt->src.w[3] = ip4->saddr;
		pkt->sport = *(const __be16 *)(ip4 + 1);
	} else {
		pkt->tos = ip6->priority << 4 | ip6->flow_lbl[0] >> 4;
		__builtin_memcpy(&pkt->src, &ip6->saddr, sizeof(pkt->src));
		pkt->sport = *(const __be16 *)(ip6 + 1);
	}
}

/* ------------------------------------------------------------------------------ VIP and backend */

/* What a usual VIP may ask for. */
#define USUAL_FLAGS \
	(SLUICE_VIP_TRACK | SLUICE_VIP_NO_TRACK | SLUICE_VIP_HINT_ALWAYS | SLUICE_VIP_NO_HINT)

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
	pkt->vip_flags = line->vip.flags;
	if (pkt->vip_flags & SLUICE_VIP_OPTIONS & ~USUAL_FLAGS)
		return STAGE_NEXT;
	pkt->vip_id = line->vip.id;
	pkt->ring = line->vip.ring;
	return STAGE_NEXT;
}

/*
 * The owner of a slot that moves, or of a flow that is always remembered. What is to be written
 * down waits in @note. @l4: the TCP or UDP header.
 */
static __always_inline void usual_by_flow(struct packet *pkt, const void *l4, __u32 word,
					  struct select_note *note)
{
	if (select_has_other(pkt, word))
		word = select_other(pkt, word);
	if (select_is_tracked(pkt, word)) {
		pkt->tcp_flags = pkt->dst.proto == IPPROTO_TCP ? ((const __u8 *)l4)[13] : 0;
		select_by_flow(pkt, word, 0, note);
	}
	select_hint(pkt, word, note);
}

/* ---------------------------------------------------------------------------------- the way out */

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

/*
 * It is a usual packet: room for @size bytes of outer headers. The frame then, up to the packet's
 * own ports at least; or NULL.
 */
static __always_inline struct packet_ethernet *usual_room(struct packet *pkt, __u32 size,
							  const struct select_note *note)
{
	__u32 inner = ETH_HLEN + size;
	void *data;

	if (note->what)
		select_write(note->hash, pkt->backend_id, note->now, pkt->vip_id, note->what);
	if (bpf_xdp_adjust_head(pkt->ctx, -(int)size))
		return NULL;
	data = packet_data(pkt);
	if (data + inner + usual_header(pkt) + sizeof(struct parse_ports) > packet_end(pkt))
		return NULL;
	usual_client(pkt, data + inner);
	return data;
}

/* What the outer UDP checksum needs, of the packet at @ip. */
static __always_inline __u64 usual_sum(const struct packet *pkt, const void *ip)
{
	return pkt->family == 4 ? gue_sum4(ip, pkt->ip_len - sizeof(struct iphdr), IPPROTO_TCP)
				: gue_sum6(ip, IPPROTO_TCP);
}

/* Outer IPv4, and UDP if @gue. */
static __always_inline int usual_encap4(struct packet *pkt, const struct sluice_backend *to,
					const struct select_note *note, int gue)
{
	__u32 size = gue ? sizeof(struct tunnel_header4) : sizeof(struct iphdr);
	struct tunnel_header4 *outer;
	struct packet_ethernet *eth;

	if (!tunnel_fits(pkt, to, size))
		return STAGE_NEXT;
	eth = usual_room(pkt, size, note);
	if (!eth)
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	usual_ethernet(pkt, eth, to, size, bpf_htons(ETH_P_IP));
	outer = (void *)(eth + 1);
	tunnel_ip4(pkt, to, &outer->ip, gue);
	if (gue)
		gue_write_udp(pkt, to, &outer->udp, 4, usual_sum(pkt, outer + 1));
	return encap_transmit(pkt, to->ifindex);
}

/* Outer IPv6, and UDP if @gue. */
static __always_inline int usual_encap6(struct packet *pkt, const struct sluice_backend *to,
					const struct select_note *note, int gue)
{
	__u32 size = gue ? sizeof(struct tunnel_header6) : sizeof(struct ipv6hdr);
	struct tunnel_header6 *outer;
	struct packet_ethernet *eth;

	if (!tunnel_fits(pkt, to, size))
		return STAGE_NEXT;
	eth = usual_room(pkt, size, note);
	if (!eth)
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	usual_ethernet(pkt, eth, to, size, bpf_htons(ETH_P_IPV6));
	outer = (void *)(eth + 1);
	tunnel_ip6(pkt, to, &outer->ip, gue);
	if (gue)
		gue_write_udp(pkt, to, &outer->udp, 6, usual_sum(pkt, outer + 1));
	return encap_transmit(pkt, to->ifindex);
}

/* To the selected backend, if its tunnel can be entered just so. */
static __always_inline int usual_send(struct packet *pkt, const struct select_note *note)
{
	struct sluice_backend *to = backend_get(pkt->backend_id);

	if (!to || !(to->flags & SLUICE_BACKEND_NEXTHOP) || to->vlan)
		return STAGE_NEXT;
	if (to->encap == SLUICE_ENCAP_IP4)
		return usual_encap4(pkt, to, note, 0);
	if (to->encap == SLUICE_ENCAP_IP6)
		return usual_encap6(pkt, to, note, 0);
	/* Not all of UDP has a checksum that the outer one can be made of. */
	if (!FEATURE(GUE) || pkt->dst.proto != IPPROTO_TCP)
		return STAGE_NEXT;
	if (to->encap == SLUICE_ENCAP_GUE4)
		return usual_encap4(pkt, to, note, 1);
	return to->encap == SLUICE_ENCAP_GUE6 ? usual_encap6(pkt, to, note, 1) : STAGE_NEXT;
}

/* @l3: its IP header. */
static __always_inline int usual_balance(struct packet *pkt, const void *l3)
{
	struct select_note note = {0}, nothing = {0};
	__u32 client, hash, word;
	int action;

	usual_client(pkt, l3);
	/*
	 * Here, not later: the steps of an IPv6 client's hash wait for each other, and meanwhile
	 * the VIP can be looked up. The processor does not see far enough ahead to begin with the
	 * VIP by itself.
	 */
	client = select_client(pkt);
	asm volatile("" : "+r"(client));
	action = usual_vip(pkt);
	if (action != STAGE_NEXT || !pkt->vip_id)
		return action;
	hash = hash_2words(client, (__u32)pkt->dst.port << 16 | pkt->sport, settings.hash_seed);
	word = select_slot(pkt, hash);
	pkt->backend_id = SLUICE_SLOT_CUR(word);
	/* Code of its own for what is settled, without a note and a hint. */
	if (!select_has_other(pkt, word) && !(pkt->vip_flags & SLUICE_VIP_TRACK))
		return usual_send(pkt, &nothing);
	usual_by_flow(pkt, l3 + usual_header(pkt), word, &note);
	return usual_send(pkt, &note);
}

static __noinline int usual(struct xdp_md *ctx)
{
	struct packet pkt = {.ctx = ctx};
	struct packet_ethernet *eth = packet_data(&pkt);

	if ((void *)(eth + 1) > packet_end(&pkt))
		return STAGE_NEXT;
	if (eth->type == bpf_htons(ETH_P_IP) && usual_ipv4(&pkt, eth + 1))
		return usual_balance(&pkt, eth + 1);
	if (FEATURE(IPV6) && eth->type == bpf_htons(ETH_P_IPV6) && usual_ipv6(&pkt, eth + 1))
		return usual_balance(&pkt, eth + 1);
	return STAGE_NEXT;
}

#endif
