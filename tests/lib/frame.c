/* SPDX-License-Identifier: MIT */
/*
 * A packet is built from its innermost layer outwards: each layer is put in front of what is
 * there already, so that lengths and checksums are known when they are needed.
 */
#include "tests/lib/frame.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define WORDS_MAX 24
#define LAYERS_MAX 12
#define TAGS_MAX 3

/* One layer's text, split at blanks. */
struct layer {
	char *word[WORDS_MAX];
	size_t n;
};

/* What is built so far: the last @size bytes of @room, and the protocol number of its first header. */
struct stack {
	unsigned char room[FRAME_MAX];
	size_t size;
	int proto;
};

static unsigned char *push(struct stack *s, size_t size)
{
	assert_true(s->size + size <= sizeof(s->room));
	s->size += size;
	memset(s->room + sizeof(s->room) - s->size, 0, size);
	return s->room + sizeof(s->room) - s->size;
}

static unsigned char *top(struct stack *s)
{
	return s->room + sizeof(s->room) - s->size;
}

static void put16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

/* The value behind @prefix in one of the layer's words, or NULL. */
static const char *find_word(const struct layer *l, const char *prefix)
{
	size_t n = strlen(prefix);

	for (size_t i = 1; i < l->n; i++)
		if (strncmp(l->word[i], prefix, n) == 0)
			return l->word[i] + n;
	return NULL;
}

/* The same for a number right behind the prefix ("ttl64", not "ttlx"). */
static long number(const struct layer *l, const char *prefix, int base, long fallback)
{
	size_t n = strlen(prefix);

	for (size_t i = 1; i < l->n; i++) {
		char *end;
		long value;

		if (strncmp(l->word[i], prefix, n) != 0 || !l->word[i][n])
			continue;
		value = strtol(l->word[i] + n, &end, base);
		if (!*end)
			return value;
	}
	return fallback;
}

static bool has_word(const struct layer *l, const char *word)
{
	const char *rest = find_word(l, word);

	return rest && !*rest;
}

static size_t put_hex(unsigned char *out, size_t room, const char *hex)
{
	size_t n = strlen(hex) / 2;

	assert_true(n <= room);
	for (size_t i = 0; i < n; i++) {
		unsigned int byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (unsigned char)byte;
	}
	return n;
}

static uint32_t sum_bytes(uint32_t sum, const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	return sum;
}

static unsigned int fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* ------------------------------------------------------------------------------------ the layers */

/*
 * Checksums over a pseudo header are filled in by the IP layer in front: where the checksum of
 * the first header lies, or -1.
 */
static int checksum_at(int proto, const unsigned char *l4)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return l4[6] == 0xff && l4[7] == 0xff ? -1 : 6; /* ffff marks "sum0" */
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return -1;
	}
}

static void fill_checksum(struct stack *s, const unsigned char *pseudo, size_t size)
{
	unsigned char *l4 = top(s);
	int at = checksum_at(s->proto, l4);
	unsigned int sum;

	if (s->proto == IPPROTO_UDP && at < 0)
		put16(l4 + 6, 0);
	if (at < 0 || s->size < (size_t)at + 2)
		return;
	put16(l4 + at, 0);
	sum = fold(sum_bytes(sum_bytes((uint32_t)(s->size + (size_t)s->proto), pseudo, size), l4,
			     s->size));
	put16(l4 + at, s->proto == IPPROTO_UDP && !sum ? 0xffff : sum);
}

static void addresses(const struct layer *l, int family, unsigned char *source, unsigned char *dest)
{
	char *arrow = strchr(l->word[1], '>');

	assert_non_null(arrow);
	*arrow = '\0';
	assert_int_equal(inet_pton(family, l->word[1], source), 1);
	assert_int_equal(inet_pton(family, arrow + 1, dest), 1);
	*arrow = '>';
}

static void build_ipv4(struct stack *s, const struct layer *l)
{
	size_t header = (size_t)number(l, "ihl", 10, 5) * 4;
	long offset = number(l, "off", 10, 0);
	unsigned char source[4], dest[4], pseudo[8], *ip;

	addresses(l, AF_INET, source, dest);
	memcpy(pseudo, source, 4);
	memcpy(pseudo + 4, dest, 4);
	if (!offset)
		fill_checksum(s, pseudo, sizeof(pseudo));
	ip = push(s, header);
	ip[0] = (unsigned char)(0x40 | header / 4);
	ip[1] = (unsigned char)number(l, "tos", 16, 0);
	put16(ip + 2, (unsigned int)number(l, "len", 10, (long)s->size));
	put16(ip + 4, (unsigned int)number(l, "id", 10, 0));
	put16(ip + 6, (has_word(l, "df") ? 0x4000u : 0) | (has_word(l, "MF") ? 0x2000u : 0) |
			      (unsigned int)offset / 8);
	ip[8] = (unsigned char)number(l, "ttl", 10, 64);
	ip[9] = (unsigned char)number(l, "proto", 10, s->proto);
	memcpy(ip + 12, source, 4);
	memcpy(ip + 16, dest, 4);
	put16(ip + 10, fold(sum_bytes(0, ip, header)) ^ (has_word(l, "badsum") ? 0x5555 : 0));
	s->proto = IPPROTO_IPIP;
}

/* An extension header of 8 bytes. */
static void push_extension(struct stack *s, int proto)
{
	unsigned char *header = push(s, 8);

	header[0] = (unsigned char)s->proto;
	if (proto == IPPROTO_HOPOPTS || proto == IPPROTO_DSTOPTS) {
		header[2] = 1; /* PadN */
		header[3] = 4;
	}
	s->proto = proto;
}

static void push_fragment(struct stack *s, const char *text)
{
	unsigned int offset, more, id;
	unsigned char *header = push(s, 8);

	assert_int_equal(sscanf(text, "%u,%u,%u", &offset, &more, &id), 3);
	header[0] = (unsigned char)s->proto;
	put16(header + 2, offset | more);
	put32(header + 4, id);
	s->proto = IPPROTO_FRAGMENT;
}

static void build_ipv6(struct stack *s, const struct layer *l)
{
	const char *fragment = find_word(l, "frag:");
	unsigned char addrs[32], *ip;
	unsigned int tc = (unsigned int)number(l, "tc", 16, 0);

	addresses(l, AF_INET6, addrs, addrs + 16);
	if (!fragment || fragment[0] == '0')
		fill_checksum(s, addrs, sizeof(addrs));
	if (fragment)
		push_fragment(s, fragment);
	if (has_word(l, "dstopt"))
		push_extension(s, IPPROTO_DSTOPTS);
	if (has_word(l, "route"))
		push_extension(s, IPPROTO_ROUTING);
	if (has_word(l, "hbh"))
		push_extension(s, IPPROTO_HOPOPTS);
	ip = push(s, 40);
	ip[0] = (unsigned char)(0x60 | tc >> 4);
	ip[1] = (unsigned char)(tc << 4);
	put16(ip + 4, (unsigned int)number(l, "len", 10, (long)s->size - 40));
	ip[6] = (unsigned char)number(l, "nh", 10, s->proto);
	ip[7] = (unsigned char)number(l, "hl", 10, 64);
	memcpy(ip + 8, addrs, sizeof(addrs));
	s->proto = IPPROTO_IPV6;
}

static void ports(const struct layer *l, unsigned char *header)
{
	unsigned int source, dest;

	assert_int_equal(sscanf(l->word[1], "%u>%u", &source, &dest), 2);
	put16(header, source);
	put16(header + 2, dest);
}

static unsigned char tcp_flags(const char *letters)
{
	static const char order[] = "FSRPAU";
	unsigned char flags = 0;

	for (; *letters; letters++) {
		const char *at = strchr(order, *letters);

		assert_non_null(at);
		flags |= (unsigned char)(1u << (at - order));
	}
	return flags;
}

static void build_tcp(struct stack *s, const struct layer *l)
{
	const char *options = find_word(l, "opt:");
	size_t size = 20 + (options ? (strlen(options) / 2 + 3) / 4 * 4 : 0);
	unsigned char *tcp = push(s, size);

	ports(l, tcp);
	put32(tcp + 4, 1);
	tcp[12] = (unsigned char)(size / 4 << 4);
	tcp[13] = l->n > 2 && strncmp(l->word[2], "opt:", 4) != 0 ? tcp_flags(l->word[2]) : 0x10;
	put16(tcp + 14, 8192);
	if (options)
		put_hex(tcp + 20, size - 20, options);
	s->proto = IPPROTO_TCP;
}

static void build_udp(struct stack *s, const struct layer *l)
{
	unsigned char *udp = push(s, 8);

	ports(l, udp);
	put16(udp + 4, (unsigned int)s->size);
	if (has_word(l, "sum0"))
		put16(udp + 6, 0xffff);
	s->proto = IPPROTO_UDP;
}

static void build_icmp(struct stack *s, const struct layer *l, int proto)
{
	unsigned int type, code;
	unsigned char *icmp = push(s, 8);

	assert_int_equal(sscanf(l->word[1], "%u/%u", &type, &code), 2);
	icmp[0] = (unsigned char)type;
	icmp[1] = (unsigned char)code;
	put32(icmp + 4, (uint32_t)number(l, "mtu", 10, 0));
	if (proto == IPPROTO_ICMP)
		put16(icmp + 2, fold(sum_bytes(0, icmp, s->size)));
	s->proto = proto;
}

static void build_bytes(struct stack *s, const char *hex)
{
	unsigned char bytes[2048];
	size_t n = put_hex(bytes, sizeof(bytes), hex);

	memcpy(push(s, n), bytes, n);
}

static void build_pad(struct stack *s, size_t n)
{
	unsigned char *at = push(s, n);

	for (size_t i = 0; i < n; i++)
		at[i] = (unsigned char)('a' + i % 26);
}

static void build_cut(struct stack *s, size_t n)
{
	unsigned char kept[FRAME_MAX];

	assert_true(n <= s->size);
	memcpy(kept, top(s), n);
	s->size = 0;
	memcpy(push(s, n), kept, n);
}

static void build_layer(struct stack *s, const struct layer *l)
{
	const char *kind = l->word[0];

	if (strcmp(kind, "4") == 0)
		build_ipv4(s, l);
	else if (strcmp(kind, "6") == 0)
		build_ipv6(s, l);
	else if (strcmp(kind, "tcp") == 0)
		build_tcp(s, l);
	else if (strcmp(kind, "udp") == 0)
		build_udp(s, l);
	else if (strcmp(kind, "icmp") == 0)
		build_icmp(s, l, IPPROTO_ICMP);
	else if (strcmp(kind, "icmp6") == 0)
		build_icmp(s, l, IPPROTO_ICMPV6);
	else if (strcmp(kind, "quic") == 0 || strcmp(kind, "data") == 0)
		build_bytes(s, l->word[1]);
	else if (strcmp(kind, "pad") == 0)
		build_pad(s, strtoul(l->word[1], NULL, 10));
	else if (strcmp(kind, "cut") == 0)
		build_cut(s, strtoul(l->word[1], NULL, 10));
	else
		fail_msg("frame: unknown layer \"%s\"", kind);
}

/* --------------------------------------------------------------------------------------- the whole */

static size_t split(char *text, struct layer *layers)
{
	size_t n = 0;
	char *word, *save = NULL;

	memset(layers, 0, LAYERS_MAX * sizeof(*layers));
	for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (strcmp(word, "/") == 0) {
			n++;
			continue;
		}
		assert_true(n < LAYERS_MAX && layers[n].n < WORDS_MAX);
		layers[n].word[layers[n].n++] = word;
	}
	return n + 1;
}

/* Puts the layers of @text in front of what is in @s; a last tcp or udp gets a payload. */
static void build(struct stack *s, const char *text)
{
	struct layer layers[LAYERS_MAX];
	char copy[4096];
	size_t n;

	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	n = split(copy, layers);
	if (!s->size && (strcmp(layers[n - 1].word[0], "tcp") == 0 ||
			 strcmp(layers[n - 1].word[0], "udp") == 0))
		memcpy(push(s, 11), "hello world", 11);
	while (n-- > 0)
		build_layer(s, &layers[n]);
}

static void finish(struct frame *out, struct stack *s, const char *dest, const char *source,
		   unsigned int type)
{
	unsigned char *eth = push(s, 14);

	memcpy(eth, dest, 6);
	memcpy(eth + 6, source, 6);
	put16(eth + 12, type);
	memcpy(out->data, top(s), s->size);
	out->size = s->size;
}

struct tag {
	unsigned int vid;
	unsigned int type;
};

/* Reads the tags that @text begins with, at most TAGS_MAX; what follows them. */
static const char *read_tags(const char *text, struct tag *tags, size_t *n)
{
	for (*n = 0; *n < TAGS_MAX; ++*n) {
		unsigned int vid;
		int used = 0;

		if (sscanf(text, "vlan %u / %n", &vid, &used) == 1)
			tags[*n] = (struct tag){vid, 0x8100};
		else if (sscanf(text, "qinq %u / %n", &vid, &used) == 1)
			tags[*n] = (struct tag){vid, 0x88a8};
		else
			break;
		text += used;
	}
	return text;
}

/* A tag in front of the packet; returns the type that the header before it has to name. */
static unsigned int push_tag(struct stack *s, const struct tag *tag, unsigned int type)
{
	unsigned char *at = push(s, 4);

	put16(at, tag->vid);
	put16(at + 2, type);
	return tag->type;
}

static unsigned int ether_type(const struct stack *s)
{
	return s->proto == IPPROTO_IPV6 ? 0x86dd : 0x0800;
}

void frame_build(struct frame *out, const char *text)
{
	static struct stack s;
	struct tag tags[TAGS_MAX];
	unsigned int type;
	size_t n;

	s.size = 0;
	s.proto = 0;
	text = read_tags(text, tags, &n);
	if (strcmp(text, "ARP") == 0) {
		put_hex(push(&s, 28), 28,
			"0001080006040001010000000000c0a80101000000000000c0a80102");
		type = 0x0806;
	} else {
		build(&s, text);
		type = ether_type(&s);
	}
	while (n-- > 0)
		type = push_tag(&s, &tags[n], type);
	finish(out, &s, FRAME_DEST, FRAME_SOURCE, type);
}

void frame_build_outer(struct frame *out, const char *outer, const struct frame *inner)
{
	static struct stack s;
	bool v6 = inner->data[12] == 0x86;

	s.size = 0;
	s.proto = v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	memcpy(push(&s, inner->size - 14), inner->data + 14, inner->size - 14);
	build(&s, outer);
	finish(out, &s, FRAME_GATEWAY, FRAME_DEST, ether_type(&s));
}

static void print_frame(const char *name, const struct frame *f)
{
	print_message("  %s, %zu bytes:", name, f->size);
	for (size_t i = 0; i < f->size && i < 160; i++)
		print_message("%s%02x", i % 32 ? (i % 4 ? "" : " ") : "\n    ", f->data[i]);
	print_message("\n");
}

void frame_assert_equal(const struct frame *got, const struct frame *expected, const char *what)
{
	if (got->size == expected->size && memcmp(got->data, expected->data, got->size) == 0)
		return;
	print_message("%s\n", what);
	print_frame("got", got);
	print_frame("expected", expected);
	fail_msg("%s: the frames differ", what);
}
