/* SPDX-License-Identifier: MIT */
/*
 * What link.c knows of the kernel: followed addresses with their routes, the neighbours these lead
 * to, and devices. Without I/O; for link.c, and for no one else.
 */
#ifndef SLUICE_DAEMON_LINK_TABLE_H
#define SLUICE_DAEMON_LINK_TABLE_H

#include "daemon/link.h"
#include "daemon/link_impl.h"

enum link_route_kind {
	LINK_ROUTE_NONE,
	LINK_ROUTE_LOCAL,
	LINK_ROUTE_UNICAST,
};

struct link_route {
	enum link_route_kind kind;
	unsigned int ifindex;   /* of a unicast route, as all below */
	struct sluice_addr via; /* the gateway, or the address itself */
	unsigned int mtu;       /* 0: the device's */
};

/* A followed address. */
struct link_way {
	struct sluice_addr addr;
	bool ask;   /* the route may be out of date */
	bool fresh; /* nobody has been told of it yet, so nobody misses a change */
	struct link_route route;
	struct link_nexthop nexthop; /* as told */
};

struct link_neighbour {
	unsigned int ifindex;
	struct sluice_addr addr;
	bool ask;      /* may be out of date */
	bool use;      /* is to be used by request now */
	bool exists;   /* the kernel has an entry */
	bool resolved; /* with a MAC address */
	uint16_t nud;  /* NUD_* */
	uint8_t mac[6];
	unsigned int wait_s; /* back-off between uses while unresolved; 0: not used yet */
	uint64_t next_us;    /* not used before */
};

struct link_table {
	struct link_way *ways;
	size_t n_ways;
	struct link_neighbour *neighbours;
	size_t n_neighbours;
	struct link_device *devices;
	size_t n_devices;
	bool unsettled; /* a route leads to a device that is down: soon it will not */
};

/* The item with this key; NULL: there is none. */
struct link_way *link_table_way(const struct link_table *table, const struct sluice_addr *addr);
struct link_neighbour *link_table_neighbour(const struct link_table *table, unsigned int ifindex,
					    const struct sluice_addr *addr);
struct link_device *link_table_device(const struct link_table *table, unsigned int ifindex);

/* The same among @n devices, sorted by ifindex. */
struct link_device *link_device_find(const struct link_device *devices, size_t n,
				     unsigned int ifindex);

/* An empty @table gets @addrs to follow; what @known holds of them is taken over. 0 or -ENOMEM. */
int link_table_set_ways(struct link_table *table, const struct link_table *known,
			const struct sluice_addr *addrs, size_t n);

/*
 * Makes the neighbours those that the routes lead to: new ones are marked, what @known (which may
 * be @table) holds of the others is taken over. 0 or -ENOMEM.
 */
int link_table_join_neighbours(struct link_table *table, const struct link_table *known);

/* The same for the devices, and for those below them as far as @known knows. */
int link_table_join_devices(struct link_table *table, const struct link_table *known);

/* Marks all: they may be out of date. */
void link_table_mark_all(struct link_table *table);

/* Marks the ways into a prefix (@len of 128 bits). Were there any? */
bool link_table_mark_prefix(struct link_table *table, const struct sluice_addr *base,
			    unsigned int len);

/* Frees what it holds; it is empty afterwards. */
void link_table_fini(struct link_table *table);

#endif
