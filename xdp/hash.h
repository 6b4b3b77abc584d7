/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flow hash: Bob Jenkins' lookup3 (public domain) as Katran uses it, so that both send a flow
 * to the same slot. Words are taken as they lie in the packet, read by a little-endian machine.
 */
#ifndef SLUICE_XDP_HASH_H
#define SLUICE_XDP_HASH_H

#include <linux/types.h>

#define HASH_GOLDEN 0xdeadbeefu

static __always_inline __u32 hash_rotate(__u32 word, int bits)
{
	return word << bits | word >> (32 - bits);
}

/* lookup3's final(): mixes three words, the result is the third. */
static __always_inline __u32 hash_final(__u32 a, __u32 b, __u32 c)
{
	c = (c ^ b) - hash_rotate(b, 14);
	a = (a ^ c) - hash_rotate(c, 11);
	b = (b ^ a) - hash_rotate(a, 25);
	c = (c ^ b) - hash_rotate(b, 16);
	a = (a ^ c) - hash_rotate(c, 4);
	b = (b ^ a) - hash_rotate(a, 14);
	return (c ^ b) - hash_rotate(b, 24);
}

/* lookup3 of two words: x an address word, y the two ports. */
static __always_inline __u32 hash_2words(__u32 x, __u32 y, __u32 seed)
{
	__u32 k = seed + HASH_GOLDEN + 8;

	return hash_final(x + k, y + k, k);
}

/* lookup3 of the 16 bytes of an IPv6 address. */
static __always_inline __u32 hash_4words(const __u32 w[4], __u32 seed)
{
	__u32 a, b, c;

	a = b = c = HASH_GOLDEN + 16 + seed;
	a += w[0];
	b += w[1];
	c += w[2];
	/* lookup3's mix() */
	a = (a - c) ^ hash_rotate(c, 4);
	c += b;
	b = (b - a) ^ hash_rotate(a, 6);
	a += c;
	c = (c - b) ^ hash_rotate(b, 8);
	b += a;
	a = (a - c) ^ hash_rotate(c, 16);
	c += b;
	b = (b - a) ^ hash_rotate(a, 19);
	a += c;
	c = (c - b) ^ hash_rotate(b, 4);
	b += a;
	a += w[3];
	return hash_final(a, b, c);
}

/*
 * MurmurHash3's finaliser (public domain): every bit of the word reaches every bit of the result.
 */
static __always_inline __u64 hash_mix64(__u64 word)
{
	word = (word ^ word >> 33) * 0xff51afd7ed558ccdull;
	word = (word ^ word >> 33) * 0xc4ceb9fe1a85ec53ull;
	return word ^ word >> 33;
}

#endif
