/* SPDX-License-Identifier: MIT */
/*
 * FNV-1a reads the bytes in their order, so that byte orders of hosts do not matter; the finalizer
 * spreads neighbouring addresses, of which FNV-1a leaves the low bits close together.
 */
#include "config/hint.h"

#include <stddef.h>

#define FNV_OFFSET 0xcbf29ce484222325ull
#define FNV_PRIME 0x100000001b3ull

static uint64_t finalize(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 33;
}

uint16_t hint_number(const struct sluice_addr *address)
{
	const uint8_t *bytes = (const uint8_t *)address->w;
	uint64_t h = FNV_OFFSET;

	for (size_t i = 0; i < sizeof(address->w); i++)
		h = (h ^ bytes[i]) * FNV_PRIME;
	return (uint16_t)(HINT_MIN + finalize(h) % HINT_MAX);
}
