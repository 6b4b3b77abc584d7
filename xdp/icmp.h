/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP that the balancer sends on its own: echo replies for VIPs, and "too big" for packets that
 * do not fit the tunnel. Both leave by the way the packet came, from the VIP's address.
 */
#ifndef SLUICE_XDP_ICMP_H
#define SLUICE_XDP_ICMP_H

#include "xdp/checksum.h"
#include "xdp/l2.h"
#include "xdp/limit.h"
#include "xdp/stats.h"
#include "xdp/vip.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>

#define ICMP_TTL 64

/* ----------------------------------------------------------------------------------------- echo */

static __always_inline int icmp_answer4(struct packet *pkt)
{
	struct iphdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));
	struct icmphdr *icmp = packet_at(pkt, pkt->l4, sizeof(*icmp));
	__be32 dst;
	__be16 old;

	if (!ip || !icmp)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	/* Swapped addresses leave the header's sum as it is; the TTL shares a word with the protocol. */
	old = bpf_htons(ip->ttl << 8 | ip->protocol);
	ip->ttl = ICMP_TTL;
	ip->check = checksum_replace(ip->check, old, bpf_htons(ICMP_TTL << 8 | ip->protocol));
	dst = ip->daddr;
	ip->daddr = ip->saddr;
	ip->saddr = dst;
	icmp->type = ICMP_ECHOREPLY;
	icmp->checksum = checksum_replace(icmp->checksum, bpf_htons(ICMP_ECHO << 8), 0);
	/* The message may be all zeros now, which sum up to +0: only -0 is right for them. */
	if (!icmp->checksum)
		icmp->checksum = (__sum16)0xffff;
	return STAGE_NEXT;
}

static __always_inline int icmp_answer6(struct packet *pkt)
{
	struct ipv6hdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));
	struct icmp6hdr *icmp = packet_at(pkt, pkt->l4, sizeof(*icmp));
	struct in6_addr dst;

	if (!ip || !icmp)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	ip->hop_limit = ICMP_TTL;
	dst = ip->daddr;
	ip->daddr = ip->saddr;
	ip->saddr = dst;
	icmp->icmp6_type = ICMPV6_ECHO_REPLY;
	icmp->icmp6_cksum = checksum_replace(icmp->icmp6_cksum, bpf_htons(ICMPV6_ECHO_REQUEST << 8),
					     bpf_htons(ICMPV6_ECHO_REPLY << 8));
	return STAGE_NEXT;
}

/* An echo request: answered when it is for a VIP, else the host's. */
static __noinline int icmp_echo(struct packet *pkt)
{
	struct sluice_vip *vip;
	struct ethhdr *eth;
	int action;

	if (!pkt)
		return XDP_PASS;
	vip = vip_by_address(pkt);
	if (!vip)
		return stats_end(pkt, SLUICE_OUT_NOT_VIP, XDP_PASS);
	pkt->vip_id = vip->id;
	if (!limit_take(SLUICE_LIMIT_ECHO, settings.echo_rate))
		return stats_end(pkt, SLUICE_OUT_ECHO_LIMITED, XDP_DROP);
	action = pkt->family == 4 ? icmp_answer4(pkt) : icmp_answer6(pkt);
	if (action != STAGE_NEXT)
		return action;
	eth = packet_at(pkt, 0, sizeof(*eth));
	if (eth)
		l2_swap_macs(eth);
	return stats_end(pkt, SLUICE_OUT_ECHO, XDP_TX);
}

/* -------------------------------------------------------------------------------------- too big */

/* How much of the packet is quoted, from its IP header on: as much as Katran does. */
#define ICMP_QUOTE4 84
#define ICMP_QUOTE6 248

struct icmp_error4 {
	struct iphdr ip;
	struct icmphdr icmp;
};

struct icmp_error6 {
	struct ipv6hdr ip;
	struct icmp6hdr icmp;
};

/* Sum of the @size bytes of the quote at @at, a multiple of 4; 0 when it is not there. */
static __always_inline __u32 icmp_quote_sum(const struct packet *pkt, __u32 at, __u32 size)
{
	__be32 *quote = packet_at(pkt, at, size);

	return quote ? checksum_fold((__u32)bpf_csum_diff(NULL, 0, quote, size, 0)) : 0;
}

static __always_inline void icmp_write4(struct packet *pkt, struct icmp_error4 *error, __u32 mtu)
{
	struct iphdr *quoted = packet_at(pkt, pkt->l3 + sizeof(*error), sizeof(*quoted));
	__u32 quote = icmp_quote_sum(pkt, pkt->l3 + sizeof(*error), ICMP_QUOTE4);

	if (!quoted)
		return;
	__builtin_memset(error, 0, sizeof(*error));
	error->ip.version = 4;
	error->ip.ihl = sizeof(error->ip) / 4;
	error->ip.tot_len = bpf_htons(sizeof(*error) + ICMP_QUOTE4);
	error->ip.ttl = ICMP_TTL;
	error->ip.protocol = IPPROTO_ICMP;
	error->ip.saddr = quoted->daddr;
	error->ip.daddr = quoted->saddr;
	error->ip.check = checksum_ipv4(&error->ip);
	error->icmp.type = ICMP_DEST_UNREACH;
	error->icmp.code = ICMP_FRAG_NEEDED;
	error->icmp.un.frag.mtu = bpf_htons(mtu);
	quote += checksum_words((__be32 *)&error->icmp, sizeof(error->icmp) / 4);
	error->icmp.checksum = (__sum16)~checksum_fold(quote);
}

static __always_inline void icmp_write6(struct packet *pkt, struct icmp_error6 *error, __u32 mtu)
{
	struct ipv6hdr *quoted = packet_at(pkt, pkt->l3 + sizeof(*error), sizeof(*quoted));
	__u32 sum = icmp_quote_sum(pkt, pkt->l3 + sizeof(*error), ICMP_QUOTE6);

	if (!quoted)
		return;
	__builtin_memset(error, 0, sizeof(*error));
	error->ip.version = 6;
	error->ip.payload_len = bpf_htons(sizeof(error->icmp) + ICMP_QUOTE6);
	error->ip.nexthdr = IPPROTO_ICMPV6;
	error->ip.hop_limit = ICMP_TTL;
	error->ip.saddr = quoted->daddr;
	error->ip.daddr = quoted->saddr;
	error->icmp.icmp6_type = ICMPV6_PKT_TOOBIG;
	error->icmp.icmp6_mtu = bpf_htonl(mtu);
	sum += checksum_words((__be32 *)&error->icmp, sizeof(error->icmp) / 4);
	sum += checksum_words((__be32 *)&error->ip.saddr, 8); /* both addresses */
	sum += error->ip.payload_len + bpf_htons(IPPROTO_ICMPV6);
	error->icmp.icmp6_cksum = (__sum16)~checksum_fold(sum);
}

/*
 * Makes room for @header bytes before the IP packet and keeps @quote bytes of it; the Ethernet header
 * with its tags moves to the front, its addresses swapped. STAGE_NEXT or an action.
 */
static __always_inline int icmp_make_room(struct packet *pkt, __u32 header, __u32 quote)
{
	__u32 size = packet_end(pkt) - packet_data(pkt);
	__u8 l2[ETH_HLEN + 8];
	void *at;

	if (FEATURE(FRAGS))
		size = bpf_xdp_get_buff_len(pkt->ctx);
	if (pkt->l3 < ETH_HLEN || pkt->l3 > sizeof(l2))
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	at = packet_at(pkt, 0, sizeof(l2));
	if (!at)
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	__builtin_memcpy(l2, at, sizeof(l2));
	if (bpf_xdp_adjust_tail(pkt->ctx, (int)(pkt->l3 + quote) - (int)size) ||
	    bpf_xdp_adjust_head(pkt->ctx, -(int)header))
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	/* A driver may have put what is to be quoted into another buffer. */
	at = packet_at(pkt, 0, sizeof(l2));
	if (!at || !packet_at(pkt, pkt->l3 + header, quote))
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	/* What is copied too much is overwritten by the header that follows. */
	__builtin_memcpy(at, l2, sizeof(l2));
	l2_swap_macs(at);
	return STAGE_NEXT;
}

/* The client learns what fits: @mtu bytes of an IP packet. The flow's own packet, not an error. */
static __noinline int icmp_too_big(struct packet *pkt, __u32 mtu)
{
	int action;

	if (!pkt)
		return XDP_DROP;
	if (!pkt->dont_fragment || pkt->kind == PACKET_ERROR)
		return stats_end(pkt, SLUICE_OUT_TOO_BIG_NO_DF, XDP_DROP);
	if (!limit_take(SLUICE_LIMIT_TOO_BIG, settings.error_rate))
		return stats_end(pkt, SLUICE_OUT_TOO_BIG_LIMITED, XDP_DROP);
	if (pkt->family == 4) {
		struct icmp_error4 *error;

		action = icmp_make_room(pkt, sizeof(*error), ICMP_QUOTE4);
		if (action != STAGE_NEXT)
			return action;
		error = packet_at(pkt, pkt->l3, sizeof(*error));
		if (error)
			icmp_write4(pkt, error, mtu);
	} else {
		struct icmp_error6 *error;

		action = icmp_make_room(pkt, sizeof(*error), ICMP_QUOTE6);
		if (action != STAGE_NEXT)
			return action;
		error = packet_at(pkt, pkt->l3, sizeof(*error));
		if (error)
			icmp_write6(pkt, error, mtu);
	}
	return stats_end(pkt, SLUICE_OUT_TOO_BIG, XDP_TX);
}

#endif
