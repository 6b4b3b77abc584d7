/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internet checksums (RFC 1071): sums are of 16-bit words as they lie in memory, in ones'
 * complement.
 */
#ifndef SLUICE_XDP_CHECKSUM_H
#define SLUICE_XDP_CHECKSUM_H

#include <linux/ip.h>
#include <linux/types.h>

/* The sum in 16 bits. */
static __always_inline __u16 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/*
 * The same, of a sum that is less than 2^36: of 32-bit words, say, which may be added as they are.
 */
static __always_inline __u16 checksum_fold64(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* The sum of @words 32-bit words, not folded; at most 2^15 words. */
static __always_inline __u32 checksum_words(const __be32 *word, int words)
{
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < words; i++)
		sum += (word[i] & 0xffff) + (word[i] >> 16);
	return sum;
}

/* Of an IPv4 header without options whose checksum field is zero. */
static __always_inline __sum16 checksum_ipv4(const struct iphdr *ip)
{
	return (__sum16)~checksum_fold(checksum_words((const __be32 *)ip, sizeof(*ip) / 4));
}

/* @sum after a 16-bit word that it covers changed from @from to @to (RFC 1624, equation 3). */
static __always_inline __sum16 checksum_replace(__sum16 sum, __be16 from, __be16 to)
{
	return (__sum16)~checksum_fold((__u16)~sum + (__u16)~from + to);
}

#endif
