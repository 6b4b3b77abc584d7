/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pieces of a datagram follow its first one, which alone has the ports. The first piece of
 * every datagram to a VIP's address is noted, also that it was not for a VIP.
 */
#ifndef SLUICE_XDP_FRAGMENTS_H
#define SLUICE_XDP_FRAGMENTS_H

#include "xdp/backend.h"
#include "xdp/stats.h"
#include "xdp/vip.h"

#define FRAGMENT_AGE 30 /* ticks: as long as hosts wait for the rest of a datagram */

/* Who sent it; of an ICMP error pkt->src is the client of the flow instead. */
static __always_inline void fragments_sender(const struct packet *pkt, struct sluice_addr *sender)
{
	struct iphdr *ip4;
	struct ipv6hdr *ip6;

	if (pkt->family == 4) {
		ip4 = packet_at(pkt, pkt->l3, sizeof(*ip4));
		if (ip4)
			sender->w[3] = ip4->saddr;
	} else {
		ip6 = packet_at(pkt, pkt->l3, sizeof(*ip6));
		if (ip6)
			__builtin_memcpy(sender, &ip6->saddr, sizeof(*sender));
	}
}

static __always_inline struct sluice_fragment_key fragments_key(const struct packet *pkt)
{
	struct sluice_fragment_key key = {
		.src = pkt->src,
		.dst = pkt->dst.addr,
		.id = pkt->fragment_id,
		/* IPv6 identifies a datagram without it (RFC 8200, 4.5). */
		.proto = pkt->family == 4 ? pkt->proto : 0,
	};

	if (pkt->kind == PACKET_ERROR)
		fragments_sender(pkt, &key.src);
	return key;
}

/*
 * Notes where the first piece goes: to @to, or nowhere of ours (0). Only for addresses of VIPs: the
 * host's datagrams must not push ours out.
 */
static __noinline int fragments_note(struct packet *pkt, struct sluice_fragment_key *key, __u32 to)
{
	struct sluice_backend *backend;
	struct sluice_fragment note = {
		.vip = pkt->vip_id,
		.backend = to,
		.client = pkt->src.w[3],
		.sport = pkt->sport,
		.time = backend_now(),
	};

	if (!pkt->vip_id && !vip_by_address(pkt))
		return 0;
	backend = backend_get(to);
	if (backend)
		note.generation = backend->generation;
	bpf_map_update_elem(&fragments, key, &note, BPF_ANY);
	return 0;
}

/*
 * Can the first piece have been ours? Of what else there is it went to the host, and is not noted.
 */
static __always_inline int fragments_of_known(const struct packet *pkt)
{
	switch (pkt->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return 1;
	case IPPROTO_ICMP:
		return pkt->family == 4;
	case IPPROTO_ICMPV6:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
		return pkt->family == 6;
	default:
		return 0;
	}
}

/*
 * A later piece: to where the first one went. STAGE_NEXT: that is known, pkt->kind tells echo
 * apart.
 */
static __noinline int fragments_follow(struct packet *pkt)
{
	struct sluice_fragment_key key = fragments_key(pkt);
	struct sluice_vip *vip = vip_by_address(pkt);
	struct sluice_fragment *note;
	struct sluice_backend *backend;

	if (!vip)
		return stats_end(pkt, SLUICE_OUT_NOT_VIP, XDP_PASS);
	if (!fragments_of_known(pkt))
		return stats_end(pkt, SLUICE_OUT_NOT_L4, XDP_PASS);
	note = bpf_map_lookup_elem(&fragments, &key);
	if (!note || (__u16)(backend_now() - note->time) > FRAGMENT_AGE) {
		pkt->vip_id = vip->id;
		return stats_end(pkt, SLUICE_OUT_FRAGMENT_LOST, XDP_DROP);
	}
	if (!note->vip)
		return stats_end(pkt, SLUICE_OUT_NOT_VIP, XDP_PASS);
	pkt->vip_id = note->vip;
	if (note->backend == SLUICE_FRAGMENT_ECHO) {
		pkt->kind = PACKET_ECHO_REST;
		stats_event(pkt, SLUICE_EVENT_FRAGMENT);
		return STAGE_NEXT;
	}
	backend = backend_get(note->backend);
	if (!note->backend || !backend || backend->generation != note->generation)
		return stats_end(pkt, SLUICE_OUT_FRAGMENT_LOST, XDP_DROP);
	pkt->backend_id = note->backend;
	pkt->src.w[3] = note->client;
	pkt->sport = note->sport;
	stats_event(pkt, SLUICE_EVENT_FRAGMENT);
	return STAGE_NEXT;
}

#endif
