/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second chance: a packet of a TCP flow that this host does not know goes on to the backend
 * that the hint names, without a hint, so that it can never go round in circles. It leaves by the
 * port it came in by, to where it came from: the router there knows the way to all backends.
 */
#ifndef SLUICE_XDP_HELPER_CHANCE_H
#define SLUICE_XDP_HELPER_CHANCE_H

#include "xdp/bucket.h"
#include "xdp/checksum.h"
#include "xdp/helper_socket.h"
#include "xdp/l2.h"

static __always_inline int chance_is_v4(const struct sluice_addr *addr)
{
	return !addr->w[0] && !addr->w[1] && addr->w[2] == bpf_htonl(0xffff);
}

static __always_inline int chance_take_token(void)
{
	__u32 key = 0;
	struct sluice_bucket *bucket = bpf_map_lookup_elem(&helper_bucket, &key);

	return bucket && bucket_take(bucket, settings.rate);
}

/* @sum after the @words words at @from, which it covers, became those at @to. */
static __always_inline __sum16 chance_replace(__sum16 sum, const __be32 *from, const __be32 *to,
					      int words)
{
	return checksum_replace(sum, checksum_fold(checksum_words(from, words)),
				checksum_fold(checksum_words(to, words)));
}

static __always_inline int chance_rewrite_ipv4(struct packet *pkt, const struct tunnel *t,
					       const struct sluice_addr *to)
{
	struct iphdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

	if (!ip)
		return 0;
	ip->check = checksum_replace(ip->check, t->hint, 0);
	ip->check = chance_replace(ip->check, &t->dst.w[3], &to->w[3], 1);
	ip->id = 0;
	ip->daddr = to->w[3];
	return 1;
}

static __always_inline int chance_rewrite_ipv6(struct packet *pkt, const struct sluice_addr *to)
{
	struct ipv6hdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

	if (!ip)
		return 0;
	ip->saddr.in6_u.u6_addr16[OUTER_HINT6] = 0;
	__builtin_memcpy(&ip->daddr, to, sizeof(ip->daddr));
	return 1;
}

/*
 * A UDP checksum covers the outer addresses, and with IPv6 the hint is in one. Zero: there is none.
 */
static __always_inline int chance_rewrite_udp(struct packet *pkt, const struct tunnel *t,
					      const struct sluice_addr *to)
{
	struct udphdr *udp = packet_at(pkt, t->l4, sizeof(*udp));

	if (!udp)
		return 0;
	if (!udp->check)
		return 1;
	udp->check = chance_replace(udp->check, t->dst.w, to->w, 4);
	if (t->family == 6)
		udp->check = checksum_replace(udp->check, t->hint, 0);
	if (!udp->check)
		udp->check = (__sum16)0xffff;
	return 1;
}

/* All that is read is there before anything is written: 0 leaves the frame as it is. */
static __always_inline int chance_send(struct packet *pkt, const struct tunnel *t,
				       const struct sluice_addr *to)
{
	struct ethhdr *eth = packet_at(pkt, 0, sizeof(*eth));

	if (!eth || (t->proto == IPPROTO_UDP && !chance_rewrite_udp(pkt, t, to)))
		return helper_end(HELPER_OUT_MALFORMED, XDP_PASS);
	if (t->family == 4)
		chance_rewrite_ipv4(pkt, t, to);
	else
		chance_rewrite_ipv6(pkt, to);
	l2_swap_macs(eth);
	return helper_end(HELPER_OUT_SENT_ON, XDP_TX);
}

static __always_inline int chance_give(struct packet *pkt, const struct tunnel *t)
{
	__u32 number = bpf_ntohs(t->hint);
	struct helper_hint *to;

	if (!inner_flow(pkt, t))
		return helper_keep(HELPER_KEPT_NOT_TCP);
	if (pkt->kind == PACKET_FLOW && pkt->tcp_flags & INNER_TCP_SYN)
		return helper_keep(HELPER_KEPT_NEW_FLOW);
	if (socket_knows(pkt, t))
		return STAGE_NEXT;
	to = bpf_map_lookup_elem(&helper_hints, &number);
	if (!to)
		return helper_keep(HELPER_KEPT_UNKNOWN);
	if (bpf_map_lookup_elem(&helper_self, &to->addr))
		return helper_keep(HELPER_KEPT_SELF);
	if (chance_is_v4(&to->addr) != (t->family == 4))
		return helper_keep(HELPER_KEPT_OTHER_FAMILY);
	if (!chance_take_token())
		return helper_keep(HELPER_KEPT_LIMITED);
	return chance_send(pkt, t, &to->addr);
}

/* STAGE_NEXT: the packet is kept. */
static __always_inline int chance(struct packet *pkt, const struct tunnel *t)
{
	return FEATURE(SOCKETS) && t->hint ? chance_give(pkt, t) : STAGE_NEXT;
}

#endif
