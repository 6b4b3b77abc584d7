/* SPDX-License-Identifier: MIT */
/*
 * What link.c makes of the kernel's words on devices, without I/O; for it and its tests, for no one
 * else.
 */
#ifndef SLUICE_DAEMON_LINK_IMPL_H
#define SLUICE_DAEMON_LINK_IMPL_H

#include <libmnl/libmnl.h>
#include <net/if.h>

#include "daemon/link.h"

#define LINK_TAGS_MAX 2 /* of a frame */

struct link_device {
	unsigned int ifindex;
	bool ask;  /* may be out of date */
	bool said; /* that it has tags that cannot be written */
	bool up;
	bool ethernet; /* has a MAC address, and neighbours with one */
	unsigned int mtu;
	uint8_t mac[6];
	char name[IF_NAMESIZE];
	unsigned int below; /* of a VLAN device: the one that gets its frames; 0: is none */
	uint16_t vlan;      /* the id it puts on them */
	uint16_t vlan_type; /* ETH_P_8021Q or ETH_P_8021AD */
};

/*
 * Sets all of @device but `ifindex` and `said` from an RTM_NEWLINK message; to zero from any other
 * one, or from NULL. A VLAN device whose device below is in another network namespace counts as an
 * ordinary one: in ours it is the one that sends.
 */
void link_device_parse(struct link_device *device, const struct nlmsghdr *reply);

/*
 * Goes from device @ifindex (one of @devices, sorted by ifindex) through VLAN devices down to the
 * one that sends frames. 0 with the latter in `ifindex`, and the tags in `vlan` and `s_vlan`, of
 * @out; -ENODEV: a device on the way is down or not among @devices; -EOPNOTSUPP: the data path
 * cannot write these tags, as it knows an 802.1Q tag, and an outer one.
 */
int link_device_bottom(const struct link_device *devices, size_t n, unsigned int ifindex,
		       struct link_nexthop *out);

#endif
