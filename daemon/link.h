/* SPDX-License-Identifier: MIT */
/*
 * The way to each backend, from the kernel's routes and neighbours (rtnetlink by libmnl): asked
 * once, then followed as routes, neighbours and devices change. Uses the network namespace that
 * the process is in.
 */
#ifndef SLUICE_DAEMON_LINK_H
#define SLUICE_DAEMON_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config/addr.h"

struct link;

enum link_state {
	/*
	 * The kernel has no route, or one that leads nowhere (blackhole, ...), into another tunnel,
	 * to a device without Ethernet neighbours (loopback, tun, dummy, ...), or over VLAN devices
	 * with tags that the data path cannot write: three or more, or an innermost 802.1ad one.
	 */
	LINK_NO_ROUTE,
	LINK_RESOLVING, /* the neighbour's MAC address is not known yet, or no longer */
	LINK_READY,     /* all fields are valid */
	LINK_LOCAL,     /* the address is one of this host */
	LINK_STATE_MAX,
};

/* The next hop towards one address. All but @state is zero when it is NO_ROUTE or LOCAL. */
struct link_nexthop {
	enum link_state state;
	unsigned int ifindex; /* device that sends the frames: of VLAN devices, the one below */
	unsigned int mtu; /* of an IP packet: the route's, or its device's if lower; 0: not known */
	uint8_t mac[6];   /* of the next hop; zero until READY */
	uint8_t device_mac[6]; /* of the route's device, a VLAN device's too */
	uint16_t vlan;         /* id of the frame's tag, the inner one of two; 0: none */
	uint16_t s_vlan;       /* id of the outer tag of two; 0: none */
	bool s_vlan_is_q;      /* the outer tag is 802.1Q, too, not 802.1ad */
};

/*
 * Some next hop is other than before. Called from the event loop, once for a burst of changes. May
 * call link_follow(), or link_free() as the last thing it does with the link.
 */
typedef void link_changed_fn(void *ctx);

/*
 * Opens the sockets and watches them on @event (which may be NULL: nothing is followed then, and
 * @changed is not used). @event and @ctx are borrowed until link_free(). Needs no privilege, but
 * without CAP_NET_ADMIN the kernel is not made to resolve neighbours: only those that it knows by
 * itself become READY. 0 with @out to be freed by link_free(); or -errno.
 */
int link_new(struct link **out, sd_event *event, link_changed_fn *changed, void *ctx);

/*
 * Replaces the set of followed addresses by @addrs (sorted or not, duplicates allowed) and asks
 * the kernel for those that are new. Neighbours that are not resolved are asked for (the kernel
 * sends ARP or neighbour solicitations by itself). Does not call `changed`. 0; or -ENOMEM, or
 * another -errno when the kernel does not answer: the old set then stays.
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
