/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The work that every balancer has, for both baselines: what the packet is, and the outer header. Written to be
 * fast: Ethernet without tags, no IPv4 options, no IPv6 extensions, no fragments; all else is passed.
 */
#ifndef SLUICE_BENCH_BASELINE_PACKET_H
#define SLUICE_BENCH_BASELINE_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench/baseline/abi.h"

#define FRAGMENT_BITS 0x3fff /* more, and the offset */
#define TCP_SYN 0x02
#define OUTER_TTL 64
#define OUTER4_PREFIX 0xac10     /* outer sources are 172.16.x.y */
#define OUTER6_PREFIX 0x01000000 /* ... and 100::x:y */

/* struct ethhdr is packed: the compiler would go through it byte by byte. */
struct ethernet {
	__be16 dst[3];
	__be16 src[3];
	__be16 type;
};

/* What is known of a packet. */
struct packet {
	struct baseline_flow flow;
	__u32 ip_len; /* bytes from the IP header on */
	__u8 family;
	__u8 tos;
	__u8 syn;
};

static __always_inline int parse_ports(struct xdp_md *ctx, struct packet *pkt, __u32 l4)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp = data + l4;
	struct udphdr *udp = data + l4;

	if (pkt->flow.proto == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > end)
			return 0;
		pkt->syn = tcp->syn;
		pkt->flow.sport = tcp->source;
		pkt->flow.dport = tcp->dest;
		return 1;
	}
	if (pkt->flow.proto != IPPROTO_UDP || (void *)(udp + 1) > end)
		return 0;
	pkt->flow.sport = udp->source;
	pkt->flow.dport = udp->dest;
	return 1;
}

static __always_inline int parse_ipv4(struct xdp_md *ctx, struct packet *pkt)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + ETH_HLEN;

	if ((void *)(ip + 1) > end || *(__u8 *)ip != 0x45 ||
	    ip->frag_off & bpf_htons(FRAGMENT_BITS))
		return 0;
	pkt->family = 4;
	pkt->ip_len = bpf_ntohs(ip->tot_len);
	pkt->tos = ip->tos;
	pkt->flow.src[0] = ip->saddr;
	pkt->flow.dst[0] = ip->daddr;
	pkt->flow.proto = ip->protocol;
	return parse_ports(ctx, pkt, ETH_HLEN + sizeof(*ip));
}

static __always_inline int parse_ipv6(struct xdp_md *ctx, struct packet *pkt)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = data + ETH_HLEN;

	if ((void *)(ip + 1) > end)
		return 0;
	pkt->family = 6;
	pkt->ip_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	pkt->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	__builtin_memcpy(pkt->flow.src, &ip->saddr, sizeof(pkt->flow.src));
	__builtin_memcpy(pkt->flow.dst, &ip->daddr, sizeof(pkt->flow.dst));
	pkt->flow.proto = ip->nexthdr;
	return parse_ports(ctx, pkt, ETH_HLEN + sizeof(*ip));
}

/* 0: it is not for us. */
static __always_inline int parse(struct xdp_md *ctx, struct packet *pkt)
{
	struct ethernet *eth = (void *)(long)ctx->data;
	__u64 frame = (void *)(long)ctx->data_end - (void *)eth;
	int known = 0;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return 0;
	if (eth->type == bpf_htons(ETH_P_IP))
		known = parse_ipv4(ctx, pkt);
	else if (eth->type == bpf_htons(ETH_P_IPV6))
		known = parse_ipv6(ctx, pkt);
	return known && ETH_HLEN + (__u64)pkt->ip_len <= frame;
}

/* The outer header's sum: of the words that are the same for all packets, then of the others. */
static __always_inline __sum16 outer4_checksum(const struct iphdr *ip)
{
	__u32 sum = 0x4500 + (OUTER_TTL << 8 | IPPROTO_IPIP) + OUTER4_PREFIX;

	sum = bpf_htons((sum & 0xffff) + (sum >> 16));
	sum += (__u32)ip->tos << 8;
	sum += ip->tot_len + (ip->saddr >> 16) + (ip->daddr & 0xffff) + (ip->daddr >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16) ~(sum + (sum >> 16));
}

static __always_inline void write_outer4(const struct packet *pkt, struct iphdr *ip, __be32 backend)
{
	__u16 mixed = (__u16)(pkt->flow.src[0] >> 16) ^ bpf_ntohs(pkt->flow.sport);

	*(__u8 *)ip = 0x45;
	ip->tos = pkt->tos;
	ip->tot_len = bpf_htons(pkt->ip_len + sizeof(*ip));
	ip->id = 0;
	ip->frag_off = 0;
	ip->ttl = OUTER_TTL;
	ip->protocol = IPPROTO_IPIP;
	ip->saddr = (__u32)mixed << 16 | bpf_htons(OUTER4_PREFIX);
	ip->daddr = backend;
	ip->check = outer4_checksum(ip);
}

static __always_inline void write_outer6(const struct packet *pkt, struct ipv6hdr *ip,
					 const __be32 *backend)
{
	__be32 *word = (__be32 *)ip;

	word[0] = bpf_htonl(6u << 28 | (__u32)pkt->tos << 20);
	word[1] = bpf_htons(pkt->ip_len) | (__u32)IPPROTO_IPV6 << 16 | (__u32)OUTER_TTL << 24;
	word[2] = bpf_htonl(OUTER6_PREFIX);
	word[3] = 0;
	word[4] = 0;
	word[5] = pkt->flow.src[3] ^ pkt->flow.sport;
	word[6] = backend[0];
	word[7] = backend[1];
	word[8] = backend[2];
	word[9] = backend[3];
}

/* @old: the frame's header at its old place. */
static __always_inline void write_ethernet(struct ethernet *eth, const struct ethernet *old,
					   const struct baseline_backend *to, __be16 type)
{
	__be16 mac[3] = {old->dst[0], old->dst[1], old->dst[2]};

	eth->dst[0] = to->mac[0];
	eth->dst[1] = to->mac[1];
	eth->dst[2] = to->mac[2];
	eth->src[0] = mac[0];
	eth->src[1] = mac[1];
	eth->src[2] = mac[2];
	eth->type = type;
}

/* Puts the outer header before the packet, IP in IP of its own family. */
static __always_inline int encap(struct xdp_md *ctx, const struct packet *pkt,
				 const struct baseline_backend *to)
{
	__u32 header = pkt->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct ethernet *eth;
	void *end;

	if (bpf_xdp_adjust_head(ctx, -(int)header))
		return XDP_DROP;
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (pkt->family == 4) {
		struct iphdr *ip = (void *)(eth + 1);

		if ((void *)ip + sizeof(*ip) + ETH_HLEN > end)
			return XDP_DROP;
		write_ethernet(eth, (void *)eth + sizeof(*ip), to, bpf_htons(ETH_P_IP));
		write_outer4(pkt, ip, to->addr[0]);
	} else {
		struct ipv6hdr *ip = (void *)(eth + 1);

		if ((void *)ip + sizeof(*ip) + ETH_HLEN > end)
			return XDP_DROP;
		write_ethernet(eth, (void *)eth + sizeof(*ip), to, bpf_htons(ETH_P_IPV6));
		write_outer6(pkt, ip, to->addr);
	}
	return XDP_TX;
}

/* One more packet in entry @index of a per-CPU array. */
static __always_inline void count(void *map, __u32 index, __u32 bytes)
{
	struct baseline_count *c = bpf_map_lookup_elem(map, &index);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
}

#endif
