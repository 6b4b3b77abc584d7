/* SPDX-License-Identifier: MIT */
/*
 * The number that stands for a backend in hints, where the config gives none.
 */
#ifndef SLUICE_CONFIG_HINT_H
#define SLUICE_CONFIG_HINT_H

#include <stdint.h>

#include "xdp/abi.h"

#define HINT_MIN 1u
#define HINT_MAX 65535u

/*
 * HINT_MIN .. HINT_MAX, host byte order: the same for an address on all hosts and in all releases,
 * as balancers and backends must agree. The address's last two bytes as a number, plus a hash of
 * the 14 before them (64-bit FNV-1a, draft-eastlake-fnv, through MurmurHash3's finalizer), modulo
 * 65535, plus 1. So addresses of one /16, or /112 of IPv6, never clash, but its first with its last
 * one.
 */
uint16_t hint_number(const struct sluice_addr *address);

#endif
