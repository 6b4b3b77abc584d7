/* SPDX-License-Identifier: MIT */
/*
 * The kernel's routing of marked packets: rules for the marks of one slot, and a table with one
 * route, to the slot's device. When that is missing, marked packets go nowhere, never by the way
 * that others go.
 */
#ifndef SLUICE_DAEMON_PROBE_ROUTE_H
#define SLUICE_DAEMON_PROBE_ROUTE_H

#include "config/addr.h"

/* Sets the rules of @family (AF_INET, AF_INET6) unless they are there. 0 or -errno. */
int probe_route_set_rules(unsigned int slot, int family);

/*
 * Routes all marked packets of @family to the device, with @source as the source address; NULL:
 * nowhere. 0 or -errno.
 */
int probe_route_set(unsigned int slot, int family, unsigned int ifindex,
		    const struct sluice_addr *source);

/* Removes the rules of the slot. The route ends with its device. */
void probe_route_remove_rules(unsigned int slot);

/* Removes all rules that daemons left behind which are no more. */
void probe_route_sweep(void);

#endif
