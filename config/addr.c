/* SPDX-License-Identifier: MIT */
/*
 * Text on one side, sixteen bytes in network order on the other. The family shows in the bytes
 * alone: the mapped prefix ::ffff:0:0/96 is IPv4, all else is IPv6.
 */
#include "config/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define V4_BITS 96 /* bits of the mapped form before those of the IPv4 address */

int addr_parse(struct sluice_addr *out, const char *text)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		*out = addr_from_bytes(AF_INET, bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*out = addr_from_bytes(AF_INET6, bytes);
	else
		return -EINVAL;
	return 0;
}

const char *addr_print(const struct sluice_addr *addr, char *text)
{
	if (addr_is_v4(addr))
		inet_ntop(AF_INET, &addr->w[3], text, ADDR_TEXT_MAX);
	else
		inet_ntop(AF_INET6, addr->w, text, ADDR_TEXT_MAX);
	return text;
}

struct sluice_addr addr_from_bytes(int family, const void *bytes)
{
	struct sluice_addr addr = {0};

	if (family == AF_INET) {
		addr.w[2] = htonl(0xffff);
		memcpy(&addr.w[3], bytes, 4);
	} else {
		memcpy(addr.w, bytes, 16);
	}
	return addr;
}

bool addr_is_v4(const struct sluice_addr *addr)
{
	return addr->w[0] == 0 && addr->w[1] == 0 && addr->w[2] == htonl(0xffff);
}

bool addr_equal(const struct sluice_addr *a, const struct sluice_addr *b)
{
	return addr_compare(a, b) == 0;
}

int addr_compare(const struct sluice_addr *a, const struct sluice_addr *b)
{
	return memcmp(a->w, b->w, sizeof(a->w));
}

enum addr_use addr_use(const struct sluice_addr *addr)
{
	uint32_t v4 = ntohl(addr->w[3]);

	if (addr_is_v4(addr)) {
		if (v4 == INADDR_BROADCAST)
			return ADDR_BROADCAST;
		if (v4 >> 28 == 0xe)
			return ADDR_MULTICAST;
		if (v4 >> 24 == 127)
			return ADDR_LOOPBACK;
		return v4 >> 24 == 0 ? ADDR_UNSPECIFIED : ADDR_UNICAST;
	}
	if (ntohl(addr->w[0]) >> 24 == 0xff)
		return ADDR_MULTICAST;
	if (addr->w[0] == 0 && addr->w[1] == 0 && addr->w[2] == 0 && v4 <= 1)
		return v4 == 1 ? ADDR_LOOPBACK : ADDR_UNSPECIFIED;
	return ADDR_UNICAST;
}

/* Reads a number of 1 to 3 digits without leading zeros, at most @max. It, or -1. */
static int parse_length(const char *text, int max)
{
	size_t digits = strspn(text, "0123456789");
	int len;

	if (digits < 1 || digits > 3 || text[digits] || (text[0] == '0' && digits > 1))
		return -1;
	len = atoi(text);
	return len <= max ? len : -1;
}

/* @addr with the bits beyond @len cleared. */
static struct sluice_addr first_bits(const struct sluice_addr *addr, unsigned int len)
{
	struct sluice_addr first = {0};

	memcpy(first.w, addr->w, len / 8);
	if (len % 8)
		((unsigned char *)first.w)[len / 8] = ((const unsigned char *)addr->w)[len / 8] &
						      (unsigned char)(0xff00 >> len % 8);
	return first;
}

/* As it is written, with whatever bits are beyond the length. */
static int read_prefix(struct addr_prefix *out, const char *text)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct addr_prefix prefix = {.len = 128};
	char addr[ADDR_TEXT_MAX];
	bool v4;
	int len;

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (addr_parse(&prefix.addr, addr))
		return -EINVAL;
	if (slash) {
		v4 = !strchr(addr, ':');
		len = parse_length(slash + 1, v4 ? 32 : 128);
		if (len < 0)
			return -EINVAL;
		prefix.len = (v4 ? V4_BITS : 0) + (unsigned int)len;
	}
	*out = prefix;
	return 0;
}

int addr_prefix_around(struct addr_prefix *out, const char *text)
{
	struct addr_prefix prefix;

	if (read_prefix(&prefix, text))
		return -EINVAL;
	out->addr = first_bits(&prefix.addr, prefix.len);
	out->len = prefix.len;
	return 0;
}

int addr_prefix_parse(struct addr_prefix *out, const char *text)
{
	struct addr_prefix prefix;

	if (read_prefix(&prefix, text))
		return -EINVAL;
	if (!addr_prefix_contains(&prefix, &prefix.addr))
		return -ERANGE;
	*out = prefix;
	return 0;
}

bool addr_prefix_contains(const struct addr_prefix *prefix, const struct sluice_addr *addr)
{
	struct sluice_addr first = first_bits(addr, prefix->len);

	return addr_equal(&first, &prefix->addr);
}

bool addr_prefix_has_ipv4(const struct addr_prefix *prefix)
{
	const struct sluice_addr v4 = {.w[2] = htonl(0xffff)};

	return prefix->len < V4_BITS && addr_prefix_contains(prefix, &v4);
}

const char *addr_prefix_print(const struct addr_prefix *prefix, char *text)
{
	size_t n;

	addr_print(&prefix->addr, text);
	if (prefix->len < 128) {
		n = strlen(text);
		snprintf(text + n, PREFIX_TEXT_MAX - n, "/%u",
			 prefix->len - (addr_is_v4(&prefix->addr) ? V4_BITS : 0));
	}
	return text;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int addr_mac_parse(unsigned char mac[6], const char *text)
{
	unsigned char bytes[6];

	if (strlen(text) != MAC_TEXT_MAX - 1)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]);
		int low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
		bytes[i] = (unsigned char)(high << 4 | low);
	}
	memcpy(mac, bytes, sizeof(bytes));
	return 0;
}

const char *addr_mac_print(const unsigned char mac[6], char *text)
{
	snprintf(text, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return text;
}
