/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Generic UDP encapsulation, variant 1: a UDP header and then the inner packet itself.
 *
 * The UDP checksum covers the whole inner packet. It is had without reading it: a valid L4
 * checksum makes the sum of the L4 segment the inverse of its pseudo header's, and a valid IPv4
 * header sums to nothing. Where that does not hold (fragments, UDP without a checksum) an outer
 * IPv4 packet does without, and for an outer IPv6 packet, which must have one, the packet is read.
 * Kernels before 5.18, which have no helper for what lies in several buffers, read 16 KiB at most: more
 * comes to them only in generic mode, and leaves without a checksum, as RFC 6935 allows for tunnels.
 */
#ifndef SLUICE_XDP_GUE_H
#define SLUICE_XDP_GUE_H

#include "xdp/checksum.h"
#include "xdp/maps.h"

#define GUE_NO_SUM 0xffffffffu /* no sum is known: a folded one has 16 bits */

#define GUE_CHUNK 256 /* a multiple of 4, at most 512 */
#define GUE_CHUNKS 64 /* longer packets have no sum */

#define GUE_LOAD sizeof(struct sluice_scratch) /* at most 512 */
#define GUE_LOADS (65575 / GUE_LOAD)           /* of the longest IPv6 packet, before the last */

/* The UDP source port spreads flows: two bytes of the client mixed with its port, as Katran does. */
static __always_inline __be16 gue_source_port(const struct packet *pkt, int outer)
{
	__be32 client = pkt->src.w[3];

	if (pkt->family == 6)
		return (__be16)client ^ pkt->sport;
	client >>= 16;
	return (__be16)client ^ (outer == 4 ? bpf_ntohs(pkt->sport) : pkt->sport);
}

static __always_inline void gue_write_udp(const struct packet *pkt, const struct sluice_backend *to,
					  struct udphdr *udp, int outer)
{
	udp->source = gue_source_port(pkt, outer);
	udp->dest = to->port;
	udp->len = bpf_htons(pkt->ip_len + sizeof(*udp));
	udp->check = 0;
}

/*
 * Over the pseudo header (@words words of addresses), the UDP header and the payload. Without a sum of
 * the payload the field stays zero.
 */
static __always_inline void gue_checksum(struct udphdr *udp, const __be32 *addrs, int words,
					 __u32 payload_sum)
{
	__u32 sum = payload_sum;

	if (sum == GUE_NO_SUM)
		return;
	sum += checksum_words(addrs, words) + udp->len + bpf_htons(IPPROTO_UDP);
	sum += checksum_words((const __be32 *)udp, sizeof(*udp) / 4);
	udp->check = (__sum16)~checksum_fold(sum);
	if (!udp->check)
		udp->check = (__sum16)0xffff;
}

/*
 * The sum of the @size bytes at @at of the frame, folded, added to @sum; GUE_NO_SUM when they are not
 * in the frame's first buffer, or when there was no sum before. @size is constant.
 */
static __always_inline __u32 gue_add(struct xdp_md *ctx, __u32 at, __u32 size, __u32 sum)
{
	void *data = (void *)(long)ctx->data + (at & 0x7fff);
	__be32 last = 0;

	asm volatile("" : "+r"(data));
	if (sum == GUE_NO_SUM || data + size > (void *)(long)ctx->data_end)
		return GUE_NO_SUM;
	if (size >= 4)
		return checksum_fold((__u32)bpf_csum_diff(NULL, 0, data, size, sum));
	last = size == 2 ? *(__be16 *)data : *(__u8 *)data;
	return checksum_fold(sum + last);
}

/*
 * The sum of the @size bytes at @at of the frame, byte for byte. A function that the verifier looks at
 * once, for any arguments.
 */
__noinline __u32 gue_read_sum(struct xdp_md *ctx, __u32 at, __u32 size)
{
	__u32 sum = 0;

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

/*
 * The same for any packet, in however many buffers, by way of a copy; @size is not 0. Kernels without the
 * helper look at this function, too: FEATURE() hides it from them here, not where it is called.
 */
__noinline __u64 gue_load_sum(struct xdp_md *ctx, __u32 at, __u32 size)
{
	__u32 last = (size - 1) % GUE_LOAD + 1, zero = 0, sum = 0;
	struct sluice_scratch *copy;

	if (!FEATURE(FRAGS))
		return GUE_NO_SUM;
	copy = bpf_map_lookup_elem(&scratch, &zero);
	if (!copy)
		return GUE_NO_SUM;
	for (__u32 i = 0; i < GUE_LOADS && (i + 1) * GUE_LOAD < size; i++) {
		if (bpf_xdp_load_bytes(ctx, at + i * GUE_LOAD, copy, GUE_LOAD))
			return GUE_NO_SUM;
		sum = checksum_fold((__u32)bpf_csum_diff(NULL, 0, copy->w, GUE_LOAD, sum));
	}
	__builtin_memset(copy, 0, GUE_LOAD);
	if (bpf_xdp_load_bytes(ctx, at + size - last, copy, last))
		return GUE_NO_SUM;
	return checksum_fold((__u32)bpf_csum_diff(NULL, 0, copy->w, GUE_LOAD, sum));
}

/* The same by the cheaper of the two ways that can do it. */
static __always_inline __u64 gue_whole_sum(const struct packet *pkt)
{
	__u64 sum = gue_read_sum(pkt->ctx, pkt->l3, pkt->ip_len);

	return sum == GUE_NO_SUM ? gue_load_sum(pkt->ctx, pkt->l3, pkt->ip_len) : sum;
}

/* Does the packet's own L4 checksum say what its bytes sum up to? UDP's may leave out the last ones. */
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

/* The sum of the whole IP packet, folded; GUE_NO_SUM: leave the outer checksum zero. */
static __always_inline __u32 gue_payload_sum(struct packet *pkt, int must)
{
	__u32 pseudo;

	if (!gue_has_l4_sum(pkt) || pkt->extensions)
		return must || pkt->family == 6 ? gue_whole_sum(pkt) : GUE_NO_SUM;
	/* An ICMP message has no pseudo header: it sums to nothing. */
	if (pkt->family == 4 && pkt->proto == IPPROTO_ICMP)
		return 0;
	if (pkt->family == 4) {
		struct iphdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

		if (!ip)
			return GUE_NO_SUM;
		pseudo = checksum_words(&ip->saddr, 2);
		pseudo += bpf_htons(pkt->ip_len - ip->ihl * 4) + bpf_htons(pkt->proto);
		return (__u16)~checksum_fold(pseudo);
	} else {
		/* What the header adds beside the addresses; the addresses cancel out. */
		struct ipv6hdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));
		__u32 sum;

		if (!ip)
			return GUE_NO_SUM;
		pseudo = ip->payload_len + bpf_htons(pkt->proto);
		sum = checksum_words((__be32 *)ip, 2);
		return checksum_fold(sum + (__u16)~checksum_fold(pseudo));
	}
}

#endif
