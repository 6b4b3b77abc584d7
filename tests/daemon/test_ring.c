/* SPDX-License-Identifier: MIT */
/*
 * Rank 0 against Katran's own rings (tests/vectors/rings.tsv) and against its algorithm in its
 * plainest form; the higher ranks by what they promise: distinct owners, weights, independence of
 * the members' order, and an even spread of what a lost member leaves.
 */
#include "daemon/ring.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "daemon/endpoint.h"

#define VECTORS "tests/vectors/rings.tsv"
#define SIZE 65537u

static void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* ---------------------------------------------------------------------------------- SHA-256 */

/* The first 32 bits behind the point of the @power-th root of @n (2 or 3; the root is below 8). */
static uint32_t root_fraction(unsigned int n, int power)
{
	unsigned __int128 target = (unsigned __int128)n << 32 * power;
	uint64_t root = 0;

	for (uint64_t bit = UINT64_C(1) << 36; bit > 0; bit >>= 1) {
		unsigned __int128 x = root | bit;

		if ((power == 2 ? x * x : x * x * x) <= target)
			root |= bit;
	}
	return root;
}

static unsigned int next_prime(unsigned int n)
{
	for (unsigned int d = 2; d < ++n; d = 2) {
		while (n % d != 0)
			d++;
		if (d == n)
			break;
	}
	return n;
}

static uint32_t rotate(uint32_t x, unsigned int bits)
{
	return x >> bits | x << (32 - bits);
}

static void sha256_block(uint32_t state[8], const uint32_t k[64], const uint8_t block[64])
{
	uint32_t v[8], w[64];

	for (int i = 0; i < 16; i++) {
		memcpy(&w[i], block + 4 * i, 4);
		w[i] = be32toh(w[i]);
	}
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] +
		       (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
	memcpy(v, state, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
			      ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
		uint32_t t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
			      ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(*v));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

/* Writes the digest as hex to @text. The constants are the roots of the first primes (FIPS 180-4). */
static void sha256_text(const void *data, size_t n, char text[65])
{
	uint32_t state[8], k[64];
	uint8_t tail[128] = {0};
	size_t rest = n % 64, padded = rest < 56 ? 64 : 128;
	uint64_t bits = htobe64((uint64_t)n * 8);

	for (unsigned int i = 0, prime = 2; i < 64; i++, prime = next_prime(prime)) {
		k[i] = root_fraction(prime, 3);
		if (i < 8)
			state[i] = root_fraction(prime, 2);
	}
	memcpy(tail, (const uint8_t *)data + n - rest, rest);
	tail[rest] = 0x80;
	memcpy(tail + padded - 8, &bits, 8);
	for (size_t at = 0; at + 64 <= n; at += 64)
		sha256_block(state, k, (const uint8_t *)data + at);
	for (size_t at = 0; at < padded; at += 64)
		sha256_block(state, k, tail + at);
	for (int i = 0; i < 8; i++)
		sprintf(text + 8 * i, "%08x", state[i]);
}

static void sha256_of_the_tests_is_right(void **state)
{
	char text[65];

	(void)state;
	sha256_text("abc", 3, text);
	assert_string_equal(text,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* ------------------------------------------------------------------------------------- helpers */

/* A fixed sequence of numbers (xorshift64*). */
static uint32_t random_next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 0x2545f4914f6cdd1dull >> 32;
}

static struct sluice_addr address_v4(uint32_t host)
{
	return (struct sluice_addr){{0, 0, htonl(0xffff), htonl(host)}};
}

/* 10.0.0.1 and following, each tenth 2001:db8::N, with weights from a @kind. */
enum weights {
	EQUAL,
	ONE_TO_TEN,
	ANY,           /* 1 .. 65535 */
	HEAVY_FIRST,   /* 65535, then 1 */
	TWO_HEAVY,     /* 65535, 65535, then 1 */
	POWERS_OF_TWO, /* 1 .. 32768 */
};

static void members_fill(struct ring_member *members, size_t n, enum weights kind)
{
	uint64_t seed = 4711;

	for (size_t i = 0; i < n; i++) {
		uint32_t any = random_next(&seed) % 65535 + 1;

		members[i].address = address_v4(0x0a000001 + i);
		if (i % 10 == 9)
			members[i].address = (struct sluice_addr){
				{htonl(0x20010db8), 0, 0, htonl(i)},
			};
		members[i].weight = kind == EQUAL                     ? 100
				    : kind == ONE_TO_TEN              ? 100 * (1 + i % 10)
				    : kind == ANY                     ? any
				    : kind == POWERS_OF_TWO           ? 1u << i % 16
				    : i < (kind == TWO_HEAVY ? 2 : 1) ? 65535
								      : 1;
	}
}

static struct ring *build(enum model_maglev maglev, uint32_t size, unsigned int ranks,
			  const struct ring_member *members, size_t n)
{
	struct ring *ring = NULL;

	assert_int_equal(ring_build(&ring, maglev, size, ranks, members, n), 0);
	assert_non_null(ring);
	assert_int_equal(ring->size, size);
	assert_int_equal(ring->ranks, ranks);
	return ring;
}

static void count(uint32_t *counts, const struct ring *ring, unsigned int rank)
{
	memset(counts, 0, (RING_NONE + 1) * sizeof(*counts));
	for (uint32_t slot = 0; slot < ring->size; slot++)
		counts[ring->owner[rank][slot]]++;
}

/* ------------------------------------------------------------------------------ Katran's vectors */

static void address_parse(struct sluice_addr *out, const char *text)
{
	*out = address_v4(0);
	if (strchr(text, ':'))
		assert_int_equal(inet_pton(AF_INET6, text, out), 1);
	else
		assert_int_equal(inet_pton(AF_INET, text, &out->w[3]), 1);
}

/* Calls @row with the fields of each row of the vectors that begins with @kind; all must be read. */
static void each_row(const char *kind, int n_fields, int n_rows, void (*row)(char **fields))
{
	_cleanup_(fclosep) FILE *file = fopen(VECTORS, "re");
	char line[1024], *fields[8], *next;
	int rows = 0;

	if (!file) {
		fail_msg("%s: %s (tests run from the top of the checkout)", VECTORS,
			 strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		int n = 0;

		line[strcspn(line, "\n")] = '\0';
		next = line;
		while (n < 8 && next)
			fields[n++] = strsep(&next, "\t");
		if (strcmp(fields[0], kind) != 0)
			continue;
		assert_int_equal(n, n_fields);
		row(fields);
		rows++;
	}
	assert_int_equal(rows, n_rows);
}

static void endpoint_row(char **fields)
{
	struct sluice_addr address;
	uint32_t offset, skip;
	char text[64];

	address_parse(&address, fields[1]);
	ring_permutation(endpoint_hash(&address), SIZE, &offset, &skip);
	snprintf(text, sizeof(text), "%016llx %u %u", (unsigned long long)endpoint_hash(&address),
		 offset, skip);
	fields[3][-1] = fields[4][-1] = ' ';
	assert_string_equal(text, fields[2]);
}

static void endpoint_hash_and_walk_are_katrans(void **state)
{
	(void)state;
	each_row("ep", 5, 16, endpoint_row);
}

static size_t members_parse(struct ring_member *members, size_t max, char *text)
{
	char *item;
	size_t n = 0;

	while ((item = strsep(&text, ","))) {
		char *weight = strchr(item, '=');

		assert_true(n < max && weight);
		*weight = '\0';
		address_parse(&members[n].address, item);
		members[n++].weight = strtoul(weight + 1, NULL, 10);
	}
	return n;
}

/* Fields: "ring", version, slots, members, SHA-256, counts, first 16 slots. */
static void ring_row(char **fields)
{
	static uint32_t slots[SIZE], counts[RING_NONE + 1];
	_cleanup_(ring_freep) struct ring *ring = NULL;
	struct ring_member members[16];
	uint32_t size = strtoul(fields[2], NULL, 10);
	char digest[65], text[256] = "", first[256] = "";
	size_t n = members_parse(members, 16, fields[3]);

	assert_true(size <= SIZE);
	ring = build(atoi(fields[1]), size, 1, members, n);
	count(counts, ring, 0);
	for (size_t i = 0; i < n; i++)
		sprintf(text + strlen(text), "%s%u", i ? "," : "", counts[i]);
	assert_string_equal(text, fields[5]);
	for (size_t i = 0; i < 16; i++)
		sprintf(first + strlen(first), "%s%u", i ? "," : "", ring->owner[0][i]);
	assert_string_equal(first, fields[6]);
	for (uint32_t slot = 0; slot < size; slot++)
		slots[slot] = htole32(ring->owner[0][slot]);
	sha256_text(slots, size * sizeof(*slots), digest);
	assert_string_equal(digest, fields[4]);
}

static void rings_are_katrans(void **state)
{
	(void)state;
	each_row("ring", 7, 13, ring_row);
}

/* ---------------------------------------------------------------- Katran's algorithm, plainly */

struct plain {
	uint64_t hash;
	uint32_t weight, offset, skip, next, account;
	uint16_t index;
};

static int plain_compare(const void *left, const void *right)
{
	const struct plain *a = left, *b = right;

	return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static void plain_turn(uint16_t *owner, uint32_t size, struct plain *p)
{
	uint32_t slot;

	do {
		slot = (p->offset + p->next * p->skip) % size;
		p->next++;
	} while (owner[slot] != RING_NONE);
	owner[slot] = p->index;
}

static void plain_build(uint16_t *owner, enum model_maglev maglev, uint32_t size,
			const struct ring_member *members, size_t n)
{
	_cleanup_(freep) struct plain *plain = calloc(n, sizeof(*plain));
	uint32_t max = 0, left = size;

	assert_non_null(plain);
	for (size_t i = 0; i < n; i++) {
		plain[i].hash = endpoint_hash(&members[i].address);
		plain[i].weight = members[i].weight;
		plain[i].index = i;
		ring_permutation(plain[i].hash, size, &plain[i].offset, &plain[i].skip);
		max = members[i].weight > max ? members[i].weight : max;
	}
	qsort(plain, n, sizeof(*plain), plain_compare);
	memset(owner, 0xff, size * sizeof(*owner));
	for (bool first = true; left > 0; first = false) {
		for (size_t i = 0; i < n && left > 0; i++) {
			struct plain *p = &plain[i];
			uint32_t turns = 1;

			if (maglev == MODEL_MAGLEV_V1 && first) {
				turns = p->weight;
			} else if (maglev == MODEL_MAGLEV_V2) {
				p->account += p->weight;
				turns = p->account >= max;
				p->account -= turns ? max : 0;
			}
			for (; turns > 0 && left > 0; turns--, left--)
				plain_turn(owner, size, p);
		}
	}
}

static void first_rank_is_plain_maglev(void **state)
{
	static const struct {
		enum model_maglev maglev;
		uint32_t size;
		size_t n;
		enum weights weights;
	} cases[] = {
		{MODEL_MAGLEV_V1, 251, 7, EQUAL},
		{MODEL_MAGLEV_V1, 4093, 30, ANY},
		{MODEL_MAGLEV_V1, 16381, 100, ONE_TO_TEN},
		{MODEL_MAGLEV_V1, SIZE, 100, EQUAL},
		{MODEL_MAGLEV_V1, SIZE, 3, HEAVY_FIRST},
		{MODEL_MAGLEV_V1, SIZE, 40, POWERS_OF_TWO},
		{MODEL_MAGLEV_V2, 2, 3, EQUAL},
		{MODEL_MAGLEV_V2, 251, 7, ONE_TO_TEN},
		{MODEL_MAGLEV_V2, 251, 1000, ANY},
		{MODEL_MAGLEV_V2, 4093, 30, ANY},
		{MODEL_MAGLEV_V2, 16381, 100, ONE_TO_TEN},
		{MODEL_MAGLEV_V2, SIZE, 100, EQUAL},
		{MODEL_MAGLEV_V2, SIZE, 100, ANY},
		{MODEL_MAGLEV_V2, SIZE, 2, HEAVY_FIRST},
		{MODEL_MAGLEV_V2, SIZE, 40, TWO_HEAVY},
		{MODEL_MAGLEV_V2, SIZE, 40, POWERS_OF_TWO},
		/* Large enough for sums of a walk to pass 2^32 often. */
		{MODEL_MAGLEV_V1, 1000003, 5, EQUAL},
		{MODEL_MAGLEV_V2, 1000003, 2, HEAVY_FIRST},
		{MODEL_MAGLEV_V2, 1000003, 5, ANY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(freep) uint16_t *owner = malloc(cases[i].size * sizeof(*owner));
		_cleanup_(ring_freep) struct ring *ring = NULL;
		struct ring_member members[1000];

		assert_non_null(owner);
		members_fill(members, cases[i].n, cases[i].weights);
		plain_build(owner, cases[i].maglev, cases[i].size, members, cases[i].n);
		ring = build(cases[i].maglev, cases[i].size, 1, members, cases[i].n);
		if (memcmp(ring->owner[0], owner, cases[i].size * sizeof(*owner)) != 0)
			fail_msg("case %zu: not the ring of the plain algorithm", i);
	}
}

/* With a skip of 65536 the 32-bit sum of a walk over 65537 slots misses one slot for ever. */
static void walk_that_misses_a_slot_ends_all_the_same(void **state)
{
	_cleanup_(ring_freep) struct ring *ring = NULL;
	struct ring_member members[2] = {{.weight = 1}, {.weight = 1}};
	uint32_t offset, skip = 0;
	unsigned int found = 0;

	(void)state;
	for (uint32_t host = 0x0a000000; found < 2 && host < 0x0b000000; host++) {
		members[found].address = address_v4(host);
		ring_permutation(endpoint_hash(&members[found].address), SIZE, &offset, &skip);
		found += skip == SIZE - 1;
	}
	assert_int_equal(found, 2);
	ring = build(MODEL_MAGLEV_V2, SIZE, RING_RANKS, members, 1);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_int_equal(ring->owner[0][slot], 0);
	ring_free(TAKE(ring));

	ring = build(MODEL_MAGLEV_V1, SIZE, RING_RANKS, members, 2);
	for (uint32_t slot = 0; slot < SIZE; slot++)
		assert_int_equal(ring->owner[0][slot] + ring->owner[1][slot], 1);
}

/* ------------------------------------------------------------------------------- higher ranks */

/*
 * How far a rank's share of a member may be from its weight's, in slots; < 0: not by weights,
 * since some member's lower ranks leave it less than its share.
 */
static const struct ranks_case {
	const char *name;
	enum model_maglev maglev;
	uint32_t size;
	size_t n;
	enum weights weights;
	double tolerance;
} ranks_cases[] = {
	{"3 equal", MODEL_MAGLEV_V2, SIZE, 3, EQUAL, 3},
	{"3 equal, v1", MODEL_MAGLEV_V1, SIZE, 3, EQUAL, 3},
	{"100 equal", MODEL_MAGLEV_V2, SIZE, 100, EQUAL, 1},
	{"100 equal, v1", MODEL_MAGLEV_V1, SIZE, 100, EQUAL, 2},
	{"20 of 100 .. 1000", MODEL_MAGLEV_V2, SIZE, 20, ONE_TO_TEN, 2},
	{"100 of any weight", MODEL_MAGLEV_V2, SIZE, 100, ANY, 2},
	{"60 of any weight, small ring", MODEL_MAGLEV_V2, 4093, 60, ANY, 2},
	{"4000 equal", MODEL_MAGLEV_V2, SIZE, 4000, EQUAL, 1},
	{"4000 of any weight", MODEL_MAGLEV_V2, SIZE, 4000, ANY, 2},
	{"4000 in a ring of 251", MODEL_MAGLEV_V2, 251, 4000, EQUAL, 1},
	{"3 in a ring of 2", MODEL_MAGLEV_V2, 2, 3, EQUAL, 2},
	{"65535 to 1 to 1", MODEL_MAGLEV_V2, SIZE, 3, HEAVY_FIRST, -1},
	{"65535 to 1 to 1, v1", MODEL_MAGLEV_V1, SIZE, 3, HEAVY_FIRST, -1},
	{"two of 65535, two of 1", MODEL_MAGLEV_V2, SIZE, 4, TWO_HEAVY, -1},
	{"two of 65535, two of 1, v1", MODEL_MAGLEV_V1, SIZE, 4, TWO_HEAVY, -1},
	{"65535 to 3999 times 1", MODEL_MAGLEV_V2, SIZE, 4000, HEAVY_FIRST, -1},
	{"65535 to 3999 times 1, v1", MODEL_MAGLEV_V1, SIZE, 4000, HEAVY_FIRST, -1},
	{"4000 powers of two, v1", MODEL_MAGLEV_V1, SIZE, 4000, POWERS_OF_TWO, -1},
	{"65535 to 65533 times 1", MODEL_MAGLEV_V2, SIZE, RING_NONE - 1, HEAVY_FIRST, -1},
};

static struct ring_member many[RING_NONE - 1];
static uint32_t many_counts[RING_NONE + 1];

static void each_slot_has_a_different_owner_at_each_rank(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ranks_cases) / sizeof(ranks_cases[0]); i++) {
		const struct ranks_case *c = &ranks_cases[i];
		_cleanup_(ring_freep) struct ring *ring = NULL;

		members_fill(many, c->n, c->weights);
		ring = build(c->maglev, c->size, RING_RANKS, many, c->n);
		for (uint32_t slot = 0; slot < c->size; slot++) {
			uint16_t a = ring->owner[0][slot], b = ring->owner[1][slot];
			uint16_t d = ring->owner[2][slot];

			if (a >= c->n || b >= c->n || d >= c->n || a == b || a == d || b == d)
				fail_msg("%s: slot %u has %u, %u, %u", c->name, slot, a, b, d);
		}
	}
}

static void each_rank_follows_the_weights(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ranks_cases) / sizeof(ranks_cases[0]); i++) {
		const struct ranks_case *c = &ranks_cases[i];
		_cleanup_(ring_freep) struct ring *ring = NULL;
		double sum = 0;

		if (c->tolerance < 0)
			continue;
		members_fill(many, c->n, c->weights);
		for (size_t m = 0; m < c->n; m++)
			sum += many[m].weight;
		ring = build(c->maglev, c->size, RING_RANKS, many, c->n);
		for (unsigned int rank = 0; rank < RING_RANKS; rank++) {
			count(many_counts, ring, rank);
			for (size_t m = 0; m < c->n; m++) {
				double off = many_counts[m] - many[m].weight / sum * c->size;

				if (off > c->tolerance || off < -c->tolerance)
					fail_msg("%s: rank %u of member %zu is off by %.1f slots",
						 c->name, rank, m, off);
			}
		}
	}
}

/* What a heavy member cannot take, since it owns it already, goes to the others by their weights. */
static void weights_hold_among_those_that_can_still_take(void **state)
{
	_cleanup_(ring_freep) struct ring *ring = NULL;
	struct ring_member members[3];
	uint32_t heavy;

	(void)state;
	members_fill(members, 3, HEAVY_FIRST);
	members[1].weight = 10;
	members[2].weight = 30;
	ring = build(MODEL_MAGLEV_V2, SIZE, 2, members, 3);
	count(many_counts, ring, 0);
	heavy = many_counts[0];
	assert_in_range(heavy, 65495, 65499);
	count(many_counts, ring, 1);
	assert_int_equal(many_counts[0], SIZE - heavy);
	assert_in_range(many_counts[1], heavy / 4 - 20, heavy / 4 + 20);
	assert_in_range(many_counts[2], heavy / 4 * 3 - 20, heavy / 4 * 3 + 20);
}

static void order_of_members_does_not_matter(void **state)
{
	static const enum model_maglev versions[] = {MODEL_MAGLEV_V1, MODEL_MAGLEV_V2};
	struct ring_member members[50], shuffled[50];
	uint16_t from[50] = {0};
	uint64_t seed = 1;

	(void)state;
	members_fill(members, 50, ONE_TO_TEN);
	for (int version = 0; version < 2; version++) {
		_cleanup_(ring_freep) struct ring *ring = NULL, *other = NULL;

		for (uint16_t i = 0; i < 50; i++) {
			uint16_t at = random_next(&seed) % (i + 1);

			from[i] = from[at];
			from[at] = i;
		}
		for (int i = 0; i < 50; i++)
			shuffled[i] = members[from[i]];
		ring = build(versions[version], 4093, RING_RANKS, members, 50);
		other = build(versions[version], 4093, RING_RANKS, shuffled, 50);
		for (unsigned int rank = 0; rank < RING_RANKS; rank++) {
			for (uint32_t slot = 0; slot < 4093; slot++)
				assert_int_equal(ring->owner[rank][slot],
						 from[other->owner[rank][slot]]);
		}
	}
}

struct hashed {
	uint64_t hash;
	struct sluice_addr address;
};

static int hashed_compare(const void *left, const void *right)
{
	const struct hashed *a = left, *b = right;

	return a->hash < b->hash ? -1 : a->hash > b->hash;
}

/* 32 bits of FNV-1 are few: among 262,144 addresses some have the same hash, so the same walk. */
static void order_of_members_with_the_same_hash_does_not_matter(void **state)
{
	const size_t n = 1 << 18;
	_cleanup_(freep) struct hashed *hashed = calloc(n, sizeof(*hashed));
	_cleanup_(ring_freep) struct ring *ring = NULL, *other = NULL;
	struct ring_member members[2] = {{.weight = 1}, {.weight = 1}}, swapped[2];
	size_t same = 1;

	(void)state;
	assert_non_null(hashed);
	for (size_t i = 0; i < n; i++) {
		hashed[i].address = address_v4(0x0a000000 + i);
		hashed[i].hash = endpoint_hash(&hashed[i].address);
	}
	qsort(hashed, n, sizeof(*hashed), hashed_compare);
	while (same < n && hashed[same].hash != hashed[same - 1].hash)
		same++;
	assert_in_range(same, 1, n - 1);

	members[0].address = swapped[1].address = hashed[same - 1].address;
	members[1].address = swapped[0].address = hashed[same].address;
	swapped[0].weight = swapped[1].weight = 1;
	ring = build(MODEL_MAGLEV_V2, SIZE, 2, members, 2);
	other = build(MODEL_MAGLEV_V2, SIZE, 2, swapped, 2);
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		assert_int_equal(ring->owner[0][slot], 1 - other->owner[0][slot]);
		assert_int_equal(ring->owner[1][slot], 1 - ring->owner[0][slot]);
	}
}

/* The owner of @slot with the members in @down masked. */
static uint16_t masked(const struct ring *ring, uint32_t slot, const bool *down)
{
	for (unsigned int rank = 0; rank < ring->ranks; rank++) {
		if (ring->owner[rank][slot] != RING_NONE && !down[ring->owner[rank][slot]])
			return ring->owner[rank][slot];
	}
	return RING_NONE;
}

static void slots_of_a_masked_member_spread_over_the_others(void **state)
{
	_cleanup_(ring_freep) struct ring *ring = NULL;
	struct ring_member members[10];

	(void)state;
	members_fill(members, 10, EQUAL);
	ring = build(MODEL_MAGLEV_V2, SIZE, RING_RANKS, members, 10);
	for (int first = 0; first < 10; first++) {
		for (int second = 0; second < 10; second++) {
			bool down[10] = {false};
			uint32_t gained[10] = {0}, even;

			down[first] = down[second] = true;
			for (uint32_t slot = 0; slot < SIZE; slot++) {
				uint16_t before = ring->owner[0][slot];
				uint16_t after = masked(ring, slot, down);

				assert_in_range(after, 0, 9);
				if (!down[before])
					assert_int_equal(after, before);
				else
					gained[after]++;
			}
			even = first == second ? SIZE / 10 / 9 : 2 * SIZE / 10 / 8;
			for (int i = 0; i < 10; i++) {
				if (!down[i])
					assert_in_range(gained[i], even * 85 / 100,
							even * 115 / 100);
			}
		}
	}
}

static void ranks_without_enough_members_are_empty(void **state)
{
	(void)state;
	for (size_t n = 0; n < 3; n++) {
		_cleanup_(ring_freep) struct ring *ring = NULL;
		struct ring_member members[3];

		members_fill(members, 3, HEAVY_FIRST);
		/* Those of weight 0 do not count. */
		for (size_t i = n; i < 3; i++)
			members[i].weight = 0;
		ring = build(MODEL_MAGLEV_V2, SIZE, RING_RANKS, members, 3);
		for (unsigned int rank = 0; rank < RING_RANKS; rank++) {
			count(many_counts, ring, rank);
			assert_int_equal(many_counts[RING_NONE], rank < n ? 0 : SIZE);
		}
	}
}

static void member_of_weight_0_takes_part_in_nothing(void **state)
{
	_cleanup_(ring_freep) struct ring *with = NULL, *without = NULL;
	struct ring_member members[10];

	(void)state;
	members_fill(members, 10, ONE_TO_TEN);
	members[9].weight = 0;
	with = build(MODEL_MAGLEV_V2, SIZE, RING_RANKS, members, 10);
	without = build(MODEL_MAGLEV_V2, SIZE, RING_RANKS, members, 9);
	for (unsigned int rank = 0; rank < RING_RANKS; rank++)
		assert_memory_equal(with->owner[rank], without->owner[rank],
				    SIZE * sizeof(uint16_t));
}

static void no_members_at_all_make_an_empty_ring(void **state)
{
	_cleanup_(ring_freep) struct ring *ring = build(MODEL_MAGLEV_V1, 251, 1, NULL, 0);

	(void)state;
	count(many_counts, ring, 0);
	assert_int_equal(many_counts[RING_NONE], 251);
	assert_null(ring->owner[1]);
}

static void lower_ranks_do_not_depend_on_how_many_are_built(void **state)
{
	_cleanup_(ring_freep) struct ring *one = NULL, *all = NULL;
	struct ring_member members[7];

	(void)state;
	members_fill(members, 7, ANY);
	one = build(MODEL_MAGLEV_V2, 251, 1, members, 7);
	all = build(MODEL_MAGLEV_V2, 251, RING_RANKS, members, 7);
	assert_memory_equal(one->owner[0], all->owner[0], 251 * sizeof(uint16_t));
}

static void what_cannot_be_a_ring_is_refused(void **state)
{
	static const struct {
		uint32_t size;
		unsigned int ranks;
		size_t n;
	} cases[] = {
		{0, 1, 1},
		{1, 1, 1},
		{65536, 1, 1},
		{RING_SIZE_MAX + 43, 1, 1}, /* the next prime */
		{UINT32_MAX, 1, 1},
		{251, 0, 1},
		{251, RING_RANKS + 1, 1},
		{251, 1, RING_NONE},
	};
	struct ring *const untouched = (struct ring *)&cases, *ring = untouched;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ring_build(&ring, MODEL_MAGLEV_V2, cases[i].size, cases[i].ranks,
					    many, cases[i].n),
				 -EINVAL);
		assert_ptr_equal(ring, untouched);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_of_the_tests_is_right),
		cmocka_unit_test(endpoint_hash_and_walk_are_katrans),
		cmocka_unit_test(rings_are_katrans),
		cmocka_unit_test(first_rank_is_plain_maglev),
		cmocka_unit_test(walk_that_misses_a_slot_ends_all_the_same),
		cmocka_unit_test(each_slot_has_a_different_owner_at_each_rank),
		cmocka_unit_test(each_rank_follows_the_weights),
		cmocka_unit_test(weights_hold_among_those_that_can_still_take),
		cmocka_unit_test(order_of_members_does_not_matter),
		cmocka_unit_test(order_of_members_with_the_same_hash_does_not_matter),
		cmocka_unit_test(slots_of_a_masked_member_spread_over_the_others),
		cmocka_unit_test(ranks_without_enough_members_are_empty),
		cmocka_unit_test(member_of_weight_0_takes_part_in_nothing),
		cmocka_unit_test(no_members_at_all_make_an_empty_ring),
		cmocka_unit_test(lower_ranks_do_not_depend_on_how_many_are_built),
		cmocka_unit_test(what_cannot_be_a_ring_is_refused),
	};

	return cmocka_run_group_tests_name("daemon/ring", tests, NULL, NULL);
}
