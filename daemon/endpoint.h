/* SPDX-License-Identifier: MIT */
/*
 * The 64-bit hash by which Katran orders backends and derives their walks over a ring. It covers
 * the address alone: no port, no weight, no VIP.
 */
#ifndef SLUICE_DAEMON_ENDPOINT_H
#define SLUICE_DAEMON_ENDPOINT_H

#include <stdint.h>

#include "xdp/abi.h"

/*
 * What folly::IPAddress::hash() gives on a 64-bit Linux host. IPv4 (::ffff:a.b.c.d): FNV-1 (32
 * bit, each byte sign-extended) mixed with AF_INET by CityHash's 128-to-64 mixer; IPv6: SpookyHash
 * V2 (128 bit, seeds 0), its halves mixed, then mixed with AF_INET6.
 */
uint64_t endpoint_hash(const struct sluice_addr *address);

#endif
