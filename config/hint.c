/* SPDX-License-Identifier: MIT */
/*
 * Backends mostly are neighbours. A hash of the whole address would make two of 300 clash as likely
 * as not; this way a clash takes two networks.
 */
#include "config/hint.h"

#include <stddef.h>

#define NETWORK_BYTES 14
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

	for (size_t i = 0; i < NETWORK_BYTES; i++)
		h = (h ^ bytes[i]) * FNV_PRIME;
	h = finalize(h) % HINT_MAX + (bytes[NETWORK_BYTES] << 8 | bytes[NETWORK_BYTES + 1]);
	return (uint16_t)(HINT_MIN + h % HINT_MAX);
}
