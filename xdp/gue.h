/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Generic UDP encapsulation, variant 1: a UDP header and then the inner packet itself.
 *
 * The UDP checksum covers the whole inner packet. It is had without reading it: a valid L4 checksum
 * makes the sum of the L4 segment the inverse of its pseudo header's, and a valid IPv4 header sums
 * to nothing. Where that does not hold (fragments, UDP without a checksum) an outer IPv4 packet
 * does without, and for an outer IPv6 packet, which must have one, the packet is read. Kernels
 * before 5.18, which have no helper for what lies in several buffers, read 16 KiB at most: more
 * comes to them only in generic mode, and leaves without a checksum, as RFC 6935 allows for
 * tunnels.
 */
#ifndef SLUICE_XDP_GUE_H
#define SLUICE_XDP_GUE_H

#include "xdp/checksum.h"
#include "xdp/packet.h"

#define GUE_NO_SUM (~0ull) /* no sum is known; all others are small, though not folded */

#define GUE_CHUNK 256 /* a multiple of 4, at most 512 */
#define GUE_CHUNKS 64 /* longer packets have no sum */

/*
 * The UDP source port spreads flows: two bytes of the client mixed with its port, as Katran does.
 */
static __always_inline __be16 gue_source_port(const struct packet *pkt, int outer)
{
	__be32 client = pkt->src.w[3];

	if (pkt->family == 6)
		return (__be16)client ^ pkt->sport;
	client >>= 16;
	return (__be16)client ^ (outer == 4 ? bpf_ntohs(pkt->sport) : pkt->sport);
}

/* The last eight bytes of the outer IPv6 source; its first two are where the hint goes. */
static __always_inline __u64 gue_source6_low(const struct packet *pkt,
					     const struct sluice_backend *to)
{
	__u64 low = ((const __u64 *)&to->source)[1];

	return pkt->hint ? (low & ~0xffffull) | pkt->hint : low;
}

/* What the tunnel's two ends add to the checksum's pseudo header. */
static __always_inline __u64 gue_ends_sum(const struct packet *pkt, const struct sluice_backend *to,
					  int outer)
{
	const __be32 *source = to->source.w, *dest = to->addr.w;
	__u64 low;

	if (outer == 4)
		return (__u64)source[3] + dest[3];
	low = gue_source6_low(pkt, to);
	return (__u64)source[0] + source[1] + (__u32)low + (low >> 32) + dest[0] + dest[1] +
	       dest[2] + dest[3];
}

/*
 * The UDP header, written at once. Its checksum covers the pseudo header, the UDP header and the
 * payload; without a sum of the payload it stays zero.
 */
static __always_inline void gue_write_udp(const struct packet *pkt, const struct sluice_backend *to,
					  struct udphdr *udp, int outer, __u64 payload_sum)
{
	__u64 source = gue_source_port(pkt, outer);
	__u64 size = bpf_htons(pkt->ip_len + sizeof(*udp));
	__u64 check = 0;

	if (payload_sum != GUE_NO_SUM) {
		check = gue_ends_sum(pkt, to, outer) + bpf_htons(IPPROTO_UDP) + size + source +
			to->port + size + payload_sum;
		check = (__u16)~checksum_fold64(check);
		if (!check)
			check = 0xffff;
	}
	*(__u64 *)udp = source | (__u64)to->port << 16 | size << 32 | check << 48;
}

/*
 * The sum of the @size bytes at @at of the frame, folded, added to @sum; GUE_NO_SUM when they are
 * not in the frame's first buffer, or when there was no sum before. @size is constant.
 */
static __always_inline __u64 gue_add(PACKET_CTX *ctx, __u32 at, __u32 size, __u64 sum)
{
	void *data = (void *)(long)ctx->data + (at & 0x7fff);
	__be32 last = 0;

	asm volatile("" : "+r"(data));
	if (sum == GUE_NO_SUM || data + size > (void *)(long)ctx->data_end)
		return GUE_NO_SUM;
	if (size >= 4)
		return checksum_fold((__u32)bpf_csum_diff(NULL, 0, data, size, (__u32)sum));
	last = size == 2 ? *(__be16 *)data : *(__u8 *)data;
	return checksum_fold((__u32)sum + last);
}

/*
 * The sum of the @size bytes at @at of the frame, byte for byte. A function that the verifier looks
 * at once, for any arguments.
 */
__noinline __u64 gue_read_sum(PACKET_CTX *ctx, __u32 at, __u32 size)
{
	__u64 sum = 0;

	if (size >= GUE_CHUNK * GUE_CHUNKS)
		return GUE_NO_SUM;
	for (__u32 i = 0; i < GUE_CHUNKS; i++) {
		if ((i + 1) * GUE_CHUNK > size)
			break;
		sum = gue_add(ctx, at + i * GUE_CHUNK, GUE_CHUNK, sum);
	}
	/* The rest in powers of two, where each begins following from the size alone. */
#pragma unroll
	for (__u32 part = GUE_CHUNK / 2; part; part /= 2)
		if (size & part)
			sum = gue_add(ctx, at + (size & ~(2 * part - 1)), part, sum);
	return sum;
}

/* Must the outer checksum be there, if it can be had at all? @outer6: the outer header is IPv6. */
static __always_inline int gue_needs_sum(const struct packet *pkt, int outer6)
{
	return outer6 || pkt->family == 6;
}

/*
 * Does the packet's own L4 checksum say what its bytes sum up to? UDP's may leave out the last
 * ones.
 */
static __always_inline int gue_has_l4_sum(const struct packet *pkt)
{
	struct udphdr *udp;

	if (pkt->first_fragment || pkt->kind == PACKET_FRAGMENT)
		return 0;
	if (pkt->proto != IPPROTO_UDP)
		return 1;
	udp = packet_at(pkt, pkt->l4, sizeof(*udp));
	return udp && udp->check && (__u32)bpf_ntohs(udp->len) == pkt->ip_len - (pkt->l4 - pkt->l3);
}

/*
 * The sum of an IPv4 packet whose checksums are right: its header sums up to nothing, the rest to
 * the inverse of its pseudo header. @size: bytes behind the header.
 */
static __always_inline __u64 gue_sum4(const struct iphdr *ip, __u32 size, __u8 proto)
{
	return (__u64)(__u32)~ip->saddr + (__u32)~ip->daddr + (__u16)~bpf_htons(size) +
	       (__u16)~bpf_htons(proto);
}

/* The same of an IPv6 packet without extensions: the addresses cancel out. */
static __always_inline __u64 gue_sum6(const struct ipv6hdr *ip, __u8 proto)
{
	const __be32 *word = (const __be32 *)ip;

	return (__u64)word[0] + word[1] + (__u16)~ip->payload_len + (__u16)~bpf_htons(proto);
}

/* The sum of the whole IP packet; GUE_NO_SUM: leave the outer checksum zero. */
static __always_inline __u64 gue_payload_sum(struct packet *pkt, int outer6)
{
	if (!gue_has_l4_sum(pkt) || pkt->extensions)
		return gue_needs_sum(pkt, outer6) ? gue_read_sum(pkt->ctx, pkt->l3, pkt->ip_len)
						  : GUE_NO_SUM;
	/* An ICMP message has no pseudo header: it sums to nothing. */
	if (pkt->family == 4 && pkt->proto == IPPROTO_ICMP)
		return 0;
	if (pkt->family == 4) {
		struct iphdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

		return ip ? gue_sum4(ip, pkt->ip_len - ip->ihl * 4, pkt->proto) : GUE_NO_SUM;
	} else {
		struct ipv6hdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

		return ip ? gue_sum6(ip, pkt->proto) : GUE_NO_SUM;
	}
}

#endif
