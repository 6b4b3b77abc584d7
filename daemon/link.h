/* SPDX-License-Identifier: MIT */
/*
 * The way to each backend, from the kernel's routes and neighbours (rtnetlink by libmnl): asked
 * once, then followed as routes, neighbours and devices change. Uses the network namespace that
 * the process is in.
 */
#ifndef SLUICE_DAEMON_LINK_H
#define SLUICE_DAEMON_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config/addr.h"

struct link;

enum link_state {
	LINK_NO_ROUTE,  /* the kernel has no route, or one that leads nowhere (blackhole, ...) */
	LINK_RESOLVING, /* the neighbour's MAC address is not known yet, or no longer */
	LINK_READY,     /* all fields are valid */
	LINK_LOCAL,     /* the address is one of this host */
};

/* The next hop towards one address. */
struct link_nexthop {
	enum link_state state;
	unsigned int ifindex; /* device it leaves by; 0 without a route */
	unsigned int mtu;     /* bytes of an IP packet on that device (or of the route, if lower); 0: not known */
	uint8_t mac[6];       /* of the next hop; valid when READY */
	uint8_t device_mac[6]; /* of the device; valid when READY */
};

/* Some next hop is other than before. Called from the event loop, once for a burst of changes. */
typedef void link_changed_fn(void *ctx);

/*
 * Opens the sockets and watches them on @event (which may be NULL: nothing is followed then).
 * 0 with @out to be freed by link_free(); or -errno.
 */
int link_new(struct link **out, sd_event *event, link_changed_fn *changed, void *ctx);

/*
 * Replaces the set of followed addresses by @addrs (sorted or not, duplicates allowed) and asks
 * the kernel for those that are new. Neighbours that are not resolved are asked for (the kernel
 * sends ARP or neighbour solicitations by itself). Does not call `changed`. 0 or -errno.
 */
int link_follow(struct link *link, const struct sluice_addr *addrs, size_t n);

/* What is known of the way to @addr, one of the followed. false: it is not followed. */
bool link_nexthop(const struct link *link, const struct sluice_addr *addr,
		  struct link_nexthop *out);

/* The word for a state: "no_route", "resolving", "ready", "local". */
const char *link_state_name(enum link_state state);

/* Closes everything; accepts NULL. */
void link_free(struct link *link);

#endif
