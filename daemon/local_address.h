/* SPDX-License-Identifier: MIT */
/*
 * This host's own addresses, as the kernel says when asked.
 */
#ifndef SLUICE_DAEMON_LOCAL_ADDRESS_H
#define SLUICE_DAEMON_LOCAL_ADDRESS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/addr.h"

/*
 * Is @addr on a device of this host? 1, with the device's name in @ifname; 0; or -errno.
 */
int local_address_find(const struct sluice_addr *addr, char ifname[IF_NAMESIZE]);

/*
 * The address that this host is to be answered at: the one that the kernel itself would send to
 * @peer from, which may be NULL; else one on the first of @ifindexes that has one; else on any
 * other device. Only global addresses of @family (AF_INET, AF_INET6) that are in use count. 1 with
 * @out set; 0: there is none; or -errno.
 */
int local_address_choose(int family, const struct sluice_addr *peer, const unsigned int *ifindexes,
			 size_t n, struct sluice_addr *out);

#endif
