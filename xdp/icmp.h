/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP that the balancer sends on its own: echo replies for VIPs, and "too big" for packets that
 * do not fit the tunnel. Both leave by the way the packet came, from the VIP's address.
 */
#ifndef SLUICE_XDP_ICMP_H
#define SLUICE_XDP_ICMP_H

#include "xdp/checksum.h"
#include "xdp/fragments.h"
#include "xdp/l2.h"
#include "xdp/limit.h"
#include "xdp/stats.h"
#include "xdp/vip.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>

#define ICMP_TTL 64

/* ----------------------------------------------------------------------------------------- echo */

/* Back to the sender. Swapped addresses leave all sums as they are. */
static __always_inline int icmp_turn4(struct packet *pkt)
{
	struct iphdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));
	__be32 dst;
	__be16 old;

	if (!ip)
		return 0;
	/* The TTL shares a word with the protocol. */
	old = bpf_htons(ip->ttl << 8 | ip->protocol);
	ip->ttl = ICMP_TTL;
	ip->check = checksum_replace(ip->check, old, bpf_htons(ICMP_TTL << 8 | ip->protocol));
	dst = ip->daddr;
	ip->daddr = ip->saddr;
	ip->saddr = dst;
	return 1;
}

static __always_inline int icmp_turn6(struct packet *pkt)
{
	struct ipv6hdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));
	struct in6_addr dst;

	if (!ip)
		return 0;
	ip->hop_limit = ICMP_TTL;
	dst = ip->daddr;
	ip->daddr = ip->saddr;
	ip->saddr = dst;
	return 1;
}

/* The request's message becomes the reply's. */
static __always_inline int icmp_answer4(struct packet *pkt)
{
	struct icmphdr *icmp = packet_at(pkt, pkt->l4, sizeof(*icmp));

	if (!icmp)
		return 0;
	icmp->type = ICMP_ECHOREPLY;
	icmp->checksum = checksum_replace(icmp->checksum, bpf_htons(ICMP_ECHO << 8), 0);
	/* The message may be all zeros now, which sum up to +0: only -0 is right for them. */
	if (!icmp->checksum)
		icmp->checksum = (__sum16)0xffff;
	return 1;
}

static __always_inline int icmp_answer6(struct packet *pkt)
{
	struct icmp6hdr *icmp = packet_at(pkt, pkt->l4, sizeof(*icmp));

	if (!icmp)
		return 0;
	icmp->icmp6_type = ICMPV6_ECHO_REPLY;
	icmp->icmp6_cksum = checksum_replace(icmp->icmp6_cksum, bpf_htons(ICMPV6_ECHO_REQUEST << 8),
					     bpf_htons(ICMPV6_ECHO_REPLY << 8));
	return 1;
}

/* The frame becomes the reply. 0: its headers are not at hand. */
static __always_inline int icmp_reply(struct packet *pkt)
{
	struct ethhdr *eth;

	if (pkt->family == 4 ? !icmp_turn4(pkt) : !icmp_turn6(pkt))
		return 0;
	/* Further pieces have no ICMP header; the sum in the first one covers them too. */
	if (pkt->kind == PACKET_ECHO &&
	    (pkt->family == 4 ? !icmp_answer4(pkt) : !icmp_answer6(pkt)))
		return 0;
	eth = packet_at(pkt, 0, sizeof(*eth));
	if (!eth)
		return 0;
	l2_swap_macs(eth);
	return 1;
}

/*
 * Finds the VIP that the echo request is for; a request in pieces is noted. STAGE_NEXT: it is
 * answered.
 */
static __always_inline int icmp_admit(struct packet *pkt)
{
	struct sluice_vip *vip = vip_by_address(pkt);
	struct sluice_fragment_key key;
	int taken;

	if (!vip)
		return stats_end(pkt, SLUICE_OUT_NOT_VIP, XDP_PASS);
	pkt->vip_id = vip->id;
	taken = limit_take(SLUICE_LIMIT_ECHO, settings.echo_rate);
	if (pkt->first_fragment) {
		key = fragments_key(pkt);
		fragments_note(pkt, &key, taken ? SLUICE_FRAGMENT_ECHO : 0);
	}
	return taken ? STAGE_NEXT : stats_end(pkt, SLUICE_OUT_ECHO_LIMITED, XDP_DROP);
}

/*
 * An echo request, or a piece of one: answered when it is for a VIP, else the host's. Each piece of
 * a request becomes the same piece of the reply.
 */
static __noinline int icmp_echo(struct packet *pkt)
{
	int action;

	if (!pkt)
		return XDP_PASS;
	action = icmp_admit(pkt);
	if (action != STAGE_NEXT)
		return action;
	if (!icmp_reply(pkt))
		return stats_end(pkt, SLUICE_OUT_MALFORMED, XDP_PASS);
	return stats_end(pkt, SLUICE_OUT_ECHO, XDP_TX);
}

/* -------------------------------------------------------------------------------------- too big */

/* How much of the packet is quoted, from its IP header on: as much as Katran does. */
#define ICMP_QUOTE4 84
#define ICMP_QUOTE6 248

#define IPV6_MTU_MIN 1280 /* RFC 8200 */

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
 * Makes room for @header bytes before the IP packet and keeps @quote bytes of it; the Ethernet
 * header with its tags moves to the front, its addresses swapped. STAGE_NEXT or an action.
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

/*
 * The client learns what fits: @mtu bytes of an IP packet. The flow's own packet, not an error.
 * Nobody sends less than 1280 bytes of IPv6 because of a message (RFC 8201): less is not told, and
 * what is as small already cannot be helped.
 */
static __noinline int icmp_too_big(struct packet *pkt, __u32 mtu)
{
	int action;

	if (!pkt)
		return XDP_DROP;
	if (!pkt->dont_fragment || pkt->kind == PACKET_ERROR)
		return stats_end(pkt, SLUICE_OUT_TOO_BIG_NO_DF, XDP_DROP);
	if (pkt->family == 6 && mtu < IPV6_MTU_MIN) {
		if (pkt->ip_len <= IPV6_MTU_MIN)
			return stats_end(pkt, SLUICE_OUT_TOO_NARROW, XDP_DROP);
		mtu = IPV6_MTU_MIN;
	}
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
