/* SPDX-License-Identifier: MIT */
/*
 * Katran names a backend by the hash that folly computes of its address, and everything about a
 * ring follows from that number. So this is folly's hash, oddities included: its FNV-1 xors
 * sign-extended bytes, and the families' numbers are Linux's. Numbers are read from the address's
 * bytes as little-endian, whatever the host is.
 */
#include "daemon/endpoint.h"

#include <endian.h>
#include <string.h>
#include <sys/socket.h>

#include "config/addr.h"

#define FNV1_START 2166136261u
#define FNV1_PRIME 16777619u
#define CITY_MUL 0x9ddfea08eb382d69ull
#define SPOOKY_CONST 0xdeadbeefdeadbeefull

static uint64_t rotate(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

/* CityHash's mixer of 128 bits to 64. */
static uint64_t city_mix(uint64_t upper, uint64_t lower)
{
	uint64_t x = (lower ^ upper) * CITY_MUL;
	uint64_t y;

	x ^= x >> 47;
	y = (upper ^ x) * CITY_MUL;
	y ^= y >> 47;
	return y * CITY_MUL;
}

static uint32_t fnv1_signed(const uint8_t *bytes, size_t n)
{
	uint32_t f = FNV1_START;

	for (size_t i = 0; i < n; i++) {
		f *= FNV1_PRIME;
		f ^= (uint32_t)(int8_t)bytes[i];
	}
	return f;
}

/* SpookyHash V2 of exactly 16 bytes with both seeds 0, its path for short messages. */
static void spooky_16(const uint8_t bytes[16], uint64_t *h1, uint64_t *h2)
{
	static const uint8_t mix[] = {50, 52, 30, 41, 54, 48, 38, 37, 62, 34, 5, 36};
	static const uint8_t end[] = {15, 52, 26, 51, 28, 9, 47, 54, 32, 25, 63};
	uint64_t lane[4] = {0, 0, SPOOKY_CONST, SPOOKY_CONST};
	uint64_t word[2];

	memcpy(word, bytes, sizeof(word));
	lane[2] += le64toh(word[0]);
	lane[3] += le64toh(word[1]);
	for (unsigned int i = 0; i < sizeof(mix); i++) {
		uint64_t *turned = &lane[(i + 2) % 4];

		*turned = rotate(*turned, mix[i]) + lane[(i + 3) % 4];
		lane[i % 4] ^= *turned;
	}

	lane[3] += 16ull << 56;
	lane[2] += SPOOKY_CONST;
	lane[3] += SPOOKY_CONST;
	for (unsigned int i = 0; i < sizeof(end); i++) {
		uint64_t *turned = &lane[(i + 2) % 4];
		uint64_t *next = &lane[(i + 3) % 4];

		*next ^= *turned;
		*turned = rotate(*turned, end[i]);
		*next += *turned;
	}
	*h1 = lane[0];
	*h2 = lane[1];
}

uint64_t endpoint_hash(const struct sluice_addr *address)
{
	uint64_t h1, h2;
	uint8_t bytes[16];

	memcpy(bytes, address->w, sizeof(bytes));
	if (addr_is_v4(address))
		return city_mix(AF_INET, fnv1_signed(bytes + 12, 4));
	spooky_16(bytes, &h1, &h2);
	return city_mix(AF_INET6, city_mix(h1, h2));
}
