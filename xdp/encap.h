/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way out: the packet leaves through the tunnel to its backend.
 */
#ifndef SLUICE_XDP_ENCAP_H
#define SLUICE_XDP_ENCAP_H

#include "xdp/backend.h"
#include "xdp/gue_load.h"
#include "xdp/icmp.h"
#include "xdp/tunnel.h"

/* ---------------------------------------------------------------------------- the link below */

struct encap_tag {
	__be16 tci;
	__be16 type;
};

/* Tags of the frame that leaves, and how many. */
struct encap_tags {
	__be16 outer;
	__be16 inner;
	__be16 outer_type;
	__be16 inner_type;
	__u16 n;
};

/* Those of the next hop; without one of its own, those that the packet came with. */
static __always_inline struct encap_tags encap_tags(const struct packet *pkt,
						    const struct sluice_backend *to)
{
	struct encap_tags tags = {
		.outer_type = bpf_htons(ETH_P_8021Q),
		.inner_type = bpf_htons(ETH_P_8021Q),
	};

	if (!to->ifindex) {
		tags.outer = pkt->vlan[0];
		tags.inner = pkt->vlan[1];
		tags.outer_type = pkt->vlan_type[0];
		tags.inner_type = pkt->vlan_type[1];
		tags.n = pkt->n_vlan;
	} else if (to->s_vlan) {
		tags.outer = to->s_vlan;
		tags.inner = to->vlan;
		if (!(to->flags & SLUICE_BACKEND_S_VLAN_Q))
			tags.outer_type = bpf_htons(ETH_P_8021AD);
		tags.n = 2;
	} else {
		tags.outer = to->vlan;
		tags.n = !!to->vlan;
	}
	return tags;
}

/* Does the packet leave by the port that it came in by? */
static __always_inline int encap_turns_back(const struct packet *pkt,
					    const struct sluice_backend *to)
{
	return !to->ifindex || to->ifindex == pkt->ctx->ingress_ifindex;
}

/* The Ethernet header with its tags; @type is that of what follows. */
static __always_inline int encap_l2(struct packet *pkt, const struct sluice_backend *to,
				    struct encap_tags tags, __be16 type)
{
	struct packet_ethernet *eth = packet_at(pkt, 0, sizeof(*eth));
	struct encap_tag *tag;

	if (!eth)
		return 0;
	packet_copy_mac(eth->dst, to->dmac);
	if (encap_turns_back(pkt, to))
		packet_copy_mac(eth->src, pkt->own_mac);
	else
		packet_copy_mac(eth->src, to->smac);
	eth->type = type;
	if (!tags.n)
		return 1;
	eth->type = tags.outer_type;
	tag = packet_at(pkt, sizeof(*eth), sizeof(*tag));
	if (!tag)
		return 0;
	tag->tci = tags.outer;
	tag->type = type;
	if (tags.n < 2)
		return 1;
	tag->type = tags.inner_type;
	tag = packet_at(pkt, sizeof(*eth) + sizeof(*tag), sizeof(*tag));
	if (!tag)
		return 0;
	tag->tci = tags.inner;
	tag->type = type;
	return 1;
}

/* Out by the device it came in by, or by another one. */
static __always_inline int encap_transmit(struct packet *pkt, __u32 ifindex)
{
	if (!ifindex || ifindex == pkt->ctx->ingress_ifindex) {
		stats_backend(pkt);
		return stats_end(pkt, SLUICE_OUT_FORWARDED, XDP_TX);
	}
	if (bpf_redirect_map(&devices, ifindex, 0) != XDP_REDIRECT)
		return stats_end(pkt, SLUICE_OUT_NO_NEXTHOP, XDP_DROP);
	stats_backend(pkt);
	return stats_end(pkt, SLUICE_OUT_FORWARDED, XDP_REDIRECT);
}

/* ----------------------------------------------------------------------------------- the tunnel */

/* The sum of the packet for an outer UDP checksum, by the cheapest way that has it. */
static __always_inline __u64 encap_payload_sum(struct packet *pkt, int outer6)
{
	__u64 sum = gue_payload_sum(pkt, outer6);

	return sum == GUE_NO_SUM && gue_needs_sum(pkt, outer6)
		       ? gue_load_sum(pkt->ctx, pkt->l3, pkt->ip_len)
		       : sum;
}

/* With tags, of either family, in UDP. */
static __always_inline int encap_with(struct packet *pkt, const struct sluice_backend *to)
{
	struct encap_tags tags = encap_tags(pkt, to);
	__u32 l3 = ETH_HLEN + tags.n * sizeof(struct encap_tag);
	__u32 overhead = tunnel_overhead(to->encap);
	__u64 payload_sum = GUE_NO_SUM;

	if (!tunnel_fits(pkt, to, overhead))
		return icmp_too_big(pkt, to->mtu - overhead);
	if (FEATURE(GUE) && to->encap >= SLUICE_ENCAP_GUE4)
		payload_sum = encap_payload_sum(pkt, to->encap == SLUICE_ENCAP_GUE6);
	if (bpf_xdp_adjust_head(pkt->ctx, (int)pkt->l3 - (int)(l3 + overhead)))
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	if (!encap_l2(pkt, to, tags, tunnel_type(to->encap)) ||
	    !tunnel_write(pkt, to, l3, payload_sum, FEATURE(GUE)))
		return stats_end(pkt, SLUICE_OUT_NO_HEADROOM, XDP_DROP);
	return encap_transmit(pkt, to->ifindex);
}

/*
 * A function that the verifier looks at once, for any packet, instead of again for each way that a
 * packet can come here.
 */
__noinline int encap_any(struct xdp_md *ctx, struct packet *shared)
{
	struct sluice_backend *to;
	struct packet pkt;

	if (!shared)
		return XDP_DROP;
	pkt = *shared;
	pkt.ctx = ctx;
	to = backend_get(pkt.backend_id);
	return to ? encap_with(&pkt, to) : XDP_DROP;
}

static __always_inline int encap(struct packet *pkt)
{
	struct sluice_backend *to = backend_get(pkt->backend_id);

	if (!to || !to->encap)
		return stats_end(pkt, SLUICE_OUT_NO_BACKEND, XDP_DROP);
	if (to->encap == SLUICE_ENCAP_LOCAL) {
		stats_backend(pkt);
		return stats_end(pkt, SLUICE_OUT_LOCAL, XDP_PASS);
	}
	if (!(to->flags & SLUICE_BACKEND_NEXTHOP))
		return stats_end(pkt, SLUICE_OUT_NO_NEXTHOP, XDP_DROP);
	return encap_any(pkt->ctx, pkt);
}

#endif
