/* SPDX-License-Identifier: MIT */
/*
 * Addresses, prefixes and MAC addresses: text <-> struct. An IPv4 address is held as
 * ::ffff:a.b.c.d (see xdp/abi.h), so one type serves both families; text in the mapped form is
 * the IPv4 address.
 */
#ifndef SLUICE_CONFIG_ADDR_H
#define SLUICE_CONFIG_ADDR_H

#include <stdbool.h>
#include <stddef.h>

#include "xdp/abi.h"

#define ADDR_TEXT_MAX 46   /* an address as text, with the NUL */
#define PREFIX_TEXT_MAX 50 /* a prefix as text, with the NUL */
#define MAC_TEXT_MAX 18    /* a MAC address as text, with the NUL */

/* A prefix; @len counts bits of the 128-bit form: 96 + n for IPv4. Bits beyond @len are zero. */
struct addr_prefix {
	struct sluice_addr addr;
	unsigned int len;
};

/* Reads "198.18.0.1" or "2001:db8::1". 0, or -EINVAL with @out untouched. */
int addr_parse(struct sluice_addr *out, const char *text);

/* Writes @addr to @text, at least ADDR_TEXT_MAX bytes, in its shortest form; returns @text. */
const char *addr_print(const struct sluice_addr *addr, char *text);

/* The address of @family (AF_INET, AF_INET6) whose 4 or 16 bytes in network order are at @bytes. */
struct sluice_addr addr_from_bytes(int family, const void *bytes);

bool addr_is_v4(const struct sluice_addr *addr);
bool addr_equal(const struct sluice_addr *a, const struct sluice_addr *b);

/* < 0, 0, > 0: by the 16 bytes, so all of IPv4 is together. */
int addr_compare(const struct sluice_addr *a, const struct sluice_addr *b);

/* What an address is good for. */
enum addr_use {
	ADDR_UNICAST,     /* one host */
	ADDR_UNSPECIFIED, /* 0.0.0.0/8, :: */
	ADDR_LOOPBACK,    /* 127.0.0.0/8, ::1 */
	ADDR_MULTICAST,   /* 224.0.0.0/4, ff00::/8 */
	ADDR_BROADCAST,   /* 255.255.255.255 */
	ADDR_USE_MAX,
};

enum addr_use addr_use(const struct sluice_addr *addr);

/*
 * Reads "10.0.0.0/8", "2001:db8::/32" or a bare address (all bits). 0; -EINVAL: not a prefix;
 * -ERANGE: bits are set beyond the prefix length. @out is untouched on failure.
 */
int addr_prefix_parse(struct addr_prefix *out, const char *text);

/*
 * Reads the same texts, and clears the bits beyond the length: "10.1.2.3/8" is read as
 * 10.0.0.0/8. 0, or -EINVAL with @out untouched.
 */
int addr_prefix_around(struct addr_prefix *out, const char *text);

bool addr_prefix_contains(const struct addr_prefix *prefix, const struct sluice_addr *addr);

/*
 * A prefix of IPv6, such as ::/0, that has all of IPv4 in it, since that lies at ::ffff:0:0/96 in
 * the form held here.
 */
bool addr_prefix_has_ipv4(const struct addr_prefix *prefix);

/*
 * Writes @prefix to @text, at least PREFIX_TEXT_MAX bytes ("/32" and "/128" are left off); returns
 * @text.
 */
const char *addr_prefix_print(const struct addr_prefix *prefix, char *text);

/* Reads "00:11:22:aa:bb:cc" (six pairs of hex digits). 0, or -EINVAL with @mac untouched. */
int addr_mac_parse(unsigned char mac[6], const char *text);

/* Writes @mac to @text, at least MAC_TEXT_MAX bytes; returns @text. */
const char *addr_mac_print(const unsigned char mac[6], char *text);

#endif
