/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Destination -> VIP: the exact one, else the address with any port, else the longest prefix. From
 * here on the packet is ours.
 */
#ifndef SLUICE_XDP_VIP_H
#define SLUICE_XDP_VIP_H

#include "xdp/stats.h"

/* A prefix VIP for @port (0: any), or NULL. */
static __always_inline struct sluice_vip *vip_by_prefix(const struct packet *pkt, __be16 port)
{
	struct sluice_prefix_key key = {
		.prefixlen = SLUICE_PREFIX_FIXED + 128,
		.port = port,
		.proto = pkt->dst.proto,
		.addr = pkt->dst.addr,
	};

	return bpf_map_lookup_elem(&prefixes, &key);
}

/* The longest of the prefixes; of two equal ones, the one that names the port. */
static __always_inline struct sluice_vip *vip_by_longest_prefix(const struct packet *pkt)
{
	struct sluice_vip *exact = vip_by_prefix(pkt, pkt->dst.port);
	struct sluice_vip *any = vip_by_prefix(pkt, 0);

	if (!exact || (any && any->addr_bits > exact->addr_bits))
		return any;
	return exact;
}

/* Is the line another key's? Port and protocol are its fifth word, the address the others. */
static __always_inline __u32 vip_differs(const struct sluice_vip_key *key,
					 const struct sluice_vip_line *line)
{
	const __u32 *word = (const __u32 *)&line->key;

	return (key->addr.w[0] ^ word[0]) | (key->addr.w[1] ^ word[1]) |
	       (key->addr.w[2] ^ word[2]) | (key->addr.w[3] ^ word[3]) |
	       (((__u32)key->proto << 16 | key->port) ^ word[4]);
}

/* The line that the key belongs in. */
static __always_inline struct sluice_vip_line *vip_line(const struct sluice_vip_key *key)
{
	__u32 place = sluice_vip_place(key, settings.vip_bits);

	return bpf_map_lookup_elem(&vip_lines, &place);
}

/* The VIP of exactly this key, or NULL. */
static __always_inline struct sluice_vip *vip_exact(const struct sluice_vip_key *key)
{
	struct sluice_vip_line *line = vip_line(key);

	if (!line || line->state & SLUICE_LINE_SHARED)
		return bpf_map_lookup_elem(&vips, key);
	if (!(line->state & SLUICE_LINE_HOLDS) || vip_differs(key, line))
		return NULL;
	return &line->vip;
}

static __always_inline struct sluice_vip *vip_find(struct packet *pkt)
{
	struct sluice_vip *vip = vip_exact(&pkt->dst);

	if (!vip && FEATURE(ANY_PORT)) {
		struct sluice_vip_key any = pkt->dst;

		any.port = 0;
		vip = vip_exact(&any);
	}
	if (!vip && FEATURE(PREFIXES))
		vip = vip_by_longest_prefix(pkt);
	return vip;
}

static __always_inline int vip_lookup(struct packet *pkt)
{
	struct sluice_vip *vip = vip_find(pkt);

	if (!vip)
		return stats_end(pkt, SLUICE_OUT_NOT_VIP, XDP_PASS);
	pkt->vip_id = vip->id;
	pkt->vip_flags = vip->flags;
	pkt->ring = vip->ring;
	pkt->server_bytes = vip->server_bytes;
	return STAGE_NEXT;
}

/* Is the destination address one of a VIP, whatever its port? */
static __always_inline struct sluice_vip *vip_by_address(const struct packet *pkt)
{
	struct sluice_vip_key key = {.addr = pkt->dst.addr, .proto = IPPROTO_ICMP};
	struct sluice_prefix_key prefix = {
		.prefixlen = SLUICE_PREFIX_FIXED + 128,
		.proto = IPPROTO_ICMP,
		.addr = pkt->dst.addr,
	};
	struct sluice_vip *vip = vip_exact(&key);

	if (!vip && FEATURE(PREFIXES))
		vip = bpf_map_lookup_elem(&prefixes, &prefix);
	return vip;
}

#endif
