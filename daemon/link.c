/* SPDX-License-Identifier: MIT */
/*
 * Three sorted tables (link_table.c) hold what the kernel said: the followed addresses with their
 * routes, the neighbours that these routes lead to, and the devices, with those below VLAN devices.
 * What may be out of date carries a mark, and a pass asks the kernel for all that is marked: many
 * requests in one send, many replies in one receive. A second socket hears of changes. Such a
 * notice only sets marks and brings no data into the tables, so it does not matter whether it is
 * older or newer than a reply. Marks are collected for a moment; then one pass asks, compares, and
 * tells once.
 *
 * The same pass makes the kernel resolve neighbours, as our own packets never touch its neighbour
 * table: an entry is "used" by request. Every half minute everything is asked anew, since some
 * changes have no notice (a learned path MTU, a redirect, the end of either).
 */
#include "daemon/link.h"

#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "config/cleanup.h"
#include "daemon/link_attr.h"
#include "daemon/link_impl.h"
#include "daemon/link_table.h"
#include "daemon/log.h"

#define BATCH 32        /* requests in one send; their replies fit the default socket buffer */
#define REQUEST_MAX 128 /* bytes of one request */
#define DATAGRAM_MAX (32u * 1024) /* the kernel fills up to this when it is offered */
#define NOTICE_BUFFER (4 * 1024 * 1024)
#define NOTICE_ROUNDS 64 /* receives until others in the event loop get their turn */

#define NEVER UINT64_MAX
#define MS 1000ull
#define SEC (1000 * MS)
#define COALESCE_US (10 * MS)
#define AGAIN_US (100 * MS) /* the kernel was met in the middle of a change */
#define RETRY_US (1 * SEC)  /* the kernel did not answer; also the longest calm */
#define REFRESH_US (30 * SEC)
#define CALM \
	4 /* after a pass, marks wait this many times its duration: at most a fifth of our time */
#define USE_WAIT_MIN_S 1u
#define USE_WAIT_MAX_S 30u

#define NUD_RESOLVED (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

/* Datagrams as received, and their senders. */
struct inbox {
	struct mmsghdr head[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_nl from[BATCH];
	char *bytes; /* BATCH x DATAGRAM_MAX */
};

struct link {
	struct mnl_socket *requests;
	struct mnl_socket *notices; /* NULL: nothing is followed */
	sd_event_source *notice_source;
	sd_event_source *timer;
	link_changed_fn *changed;
	void *ctx;
	struct link_table table;
	struct inbox inbox;
	uint32_t seq;        /* of the first request of a batch */
	uint64_t pass_us;    /* when the marks are worked on; NEVER: there are none */
	uint64_t calm_us;    /* not before, for the sake of others in the event loop */
	uint64_t refresh_us; /* when everything is asked anew */
	bool news;           /* `changed` is owed */
	bool failing;        /* said that the kernel does not answer */
	bool said_eperm;
	bool said_full;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SEC + (uint64_t)ts.tv_nsec / 1000;
}

/* -------------------------------------------------------------------------- netlink, in batches */

/*
 * Receives what is there, without waiting. The number of datagrams, at least 1; -EAGAIN: there are
 * none; -ENOBUFS: some were lost; or another -errno.
 */
static int inbox_read(struct inbox *inbox, const struct mnl_socket *socket)
{
	int n;

	for (size_t i = 0; i < BATCH; i++) {
		inbox->iov[i] = (struct iovec){inbox->bytes + i * DATAGRAM_MAX, DATAGRAM_MAX};
		inbox->head[i].msg_hdr = (struct msghdr){
			.msg_name = &inbox->from[i],
			.msg_namelen = sizeof(inbox->from[i]),
			.msg_iov = &inbox->iov[i],
			.msg_iovlen = 1,
		};
	}
	do {
		n = recvmmsg(mnl_socket_get_fd(socket), inbox->head, BATCH, MSG_DONTWAIT, NULL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* The first message of datagram @i with its whole length in @len; NULL: not from the kernel. */
static const struct nlmsghdr *inbox_first(const struct inbox *inbox, int i, int *len)
{
	*len = (int)inbox->head[i].msg_len;
	return inbox->from[i].nl_pid ? NULL : inbox->iov[i].iov_base;
}

/* One kind of request, made for those items of an array that want it. */
struct question {
	size_t size; /* of an item */
	bool (*wants)(const void *item);
	void (*put)(struct nlmsghdr *request, const void *item);
	/* The answer: a message, or NULL with an error or 0. Negative: the pass fails. */
	int (*take)(struct link *link, void *item, const struct nlmsghdr *reply, int err);
};

/* Sends one request for each of @items that is not NULL; item i has the number link->seq + i. */
static int batch_send(struct link *link, const struct question *question, void *const *items,
		      size_t n)
{
	_Alignas(struct nlmsghdr) char buffer[BATCH * REQUEST_MAX];
	size_t len = 0;
	ssize_t sent;

	for (size_t i = 0; i < n; i++) {
		struct nlmsghdr *request;

		if (!items[i])
			continue;
		request = mnl_nlmsg_put_header(buffer + len);
		request->nlmsg_flags = NLM_F_REQUEST;
		request->nlmsg_seq = link->seq + (uint32_t)i;
		question->put(request, items[i]);
		len += MNL_ALIGN(request->nlmsg_len);
	}
	do {
		sent = mnl_socket_sendto(link->requests, buffer, len);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Hands out the answers in datagram @d; answered items become NULL. */
static int batch_take(struct link *link, int d, const struct question *question, void **items,
		      size_t n, size_t *open)
{
	const struct nlmsghdr *reply;
	int len;

	for (reply = inbox_first(&link->inbox, d, &len); reply && mnl_nlmsg_ok(reply, len);
	     reply = mnl_nlmsg_next(reply, &len)) {
		size_t i = reply->nlmsg_seq - link->seq;
		bool plain = reply->nlmsg_type != NLMSG_ERROR;
		const struct nlmsgerr *error = mnl_nlmsg_get_payload(reply);
		int err;

		if (i >= n || !items[i])
			continue;
		if (!plain && mnl_nlmsg_get_payload_len(reply) < sizeof(*error))
			return -EPROTO;
		err = question->take(link, items[i], plain ? reply : NULL,
				     plain ? 0 : error->error);
		if (err)
			return err;
		items[i] = NULL;
		(*open)--;
	}
	return 0;
}

/*
 * Asks for @items, at most BATCH. The kernel answers within the send, so nothing is waited for; an
 * answer that is not there did not fit the socket's buffer, and is asked for again.
 */
static int batch_ask(struct link *link, const struct question *question, void **items, size_t n)
{
	size_t open = n, before;

	do {
		int err;

		link->seq += BATCH; /* late answers to earlier requests match none of these */
		err = batch_send(link, question, items, n);
		if (err)
			return err;
		before = open;
		while (open) {
			int got = inbox_read(&link->inbox, link->requests);

			if (got == -EAGAIN)
				break;
			if (got < 0 && got != -ENOBUFS)
				return got;
			for (int d = 0; d < got; d++) {
				err = batch_take(link, d, question, items, n, &open);
				if (err)
					return err;
			}
		}
	} while (open && open < before);
	return open ? -ENOBUFS : 0;
}

/* Asks @question for those of @n items at @base that want it. 0; -errno: the rest is unasked. */
static int ask(struct link *link, const struct question *question, void *base, size_t n)
{
	void *items[BATCH];
	size_t used = 0;
	int err;

	for (size_t i = 0; i < n; i++) {
		void *item = (char *)base + i * question->size;

		if (question->wants(item))
			items[used++] = item;
		if (!used || (used < BATCH && i + 1 < n))
			continue;
		err = batch_ask(link, question, items, used);
		if (err)
			return err;
		used = 0;
	}
	return 0;
}

/* The kernel could not answer, which says nothing about what was asked. */
static bool no_answer(int err)
{
	return err == -ENOMEM || err == -ENOBUFS || err == -EAGAIN || err == -EBUSY;
}

/* -------------------------------------------------------------------------------------- routes */

static bool route_wants(const void *item)
{
	return ((const struct link_way *)item)->ask;
}

static void route_put(struct nlmsghdr *request, const void *item)
{
	const struct link_way *way = item;
	int family = link_addr_family(&way->addr);
	struct rtmsg *rtm;

	request->nlmsg_type = RTM_GETROUTE;
	rtm = mnl_nlmsg_put_extra_header(request, sizeof(*rtm));
	rtm->rtm_family = (unsigned char)family;
	rtm->rtm_dst_len = (unsigned char)(link_addr_size(family) * 8);
	link_attr_put_addr(request, RTA_DST, &way->addr);
}

/* An IPv6 gateway of an IPv4 route. */
static bool via_addr(struct sluice_addr *out, const struct nlattr *attr)
{
	const struct rtvia *via;

	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(*via) + 16)
		return false;
	via = mnl_attr_get_payload(attr);
	if (via->rtvia_family != AF_INET6)
		return false;
	*out = addr_from_bytes(AF_INET6, via->rtvia_addr);
	return true;
}

static uint32_t metrics_mtu(const struct nlattr *metrics)
{
	const struct nlattr *tb[RTAX_MAX + 1];

	link_attrs_inside(tb, RTAX_MAX, metrics);
	return link_attr_u32(tb[RTAX_MTU]);
}

static struct link_route route_parse(const struct nlmsghdr *reply, const struct sluice_addr *addr)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(reply);
	struct link_route route = {.kind = LINK_ROUTE_NONE};
	const struct nlattr *tb[RTA_MAX + 1];

	if (reply->nlmsg_type != RTM_NEWROUTE || !link_has_payload(reply, sizeof(*rtm)))
		return route;
	link_attrs(tb, RTA_MAX, reply, sizeof(*rtm));
	if (rtm->rtm_type == RTN_LOCAL)
		route.kind = LINK_ROUTE_LOCAL;
	/* A route that encapsulates (MPLS, SRv6, ...) is a way for the kernel's packets only. */
	if (rtm->rtm_type != RTN_UNICAST || tb[RTA_ENCAP_TYPE] || !link_attr_u32(tb[RTA_OIF]))
		return route;
	route.kind = LINK_ROUTE_UNICAST;
	route.ifindex = link_attr_u32(tb[RTA_OIF]);
	route.mtu = metrics_mtu(tb[RTA_METRICS]);
	if (!link_attr_addr(&route.via, rtm->rtm_family, tb[RTA_GATEWAY]) &&
	    !via_addr(&route.via, tb[RTA_VIA]))
		route.via = *addr;
	return route;
}

/* An error is the answer of a route that refuses (blackhole: EINVAL, ...), or of none. */
static int route_take(struct link *link, void *item, const struct nlmsghdr *reply, int err)
{
	struct link_way *way = item;

	(void)link;
	if (no_answer(err))
		return err;
	way->ask = false;
	way->route = reply ? route_parse(reply, &way->addr)
			   : (struct link_route){.kind = LINK_ROUTE_NONE};
	return 0;
}

static const struct question route_question = {sizeof(struct link_way), route_wants, route_put,
					       route_take};

/* ------------------------------------------------------------------------------------- devices */

static bool device_wants(const void *item)
{
	return ((const struct link_device *)item)->ask;
}

static void device_put(struct nlmsghdr *request, const void *item)
{
	const struct link_device *device = item;
	struct ifinfomsg *ifi;

	request->nlmsg_type = RTM_GETLINK;
	ifi = mnl_nlmsg_put_extra_header(request, sizeof(*ifi));
	ifi->ifi_index = (int)device->ifindex;
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

static void parse_vlan(struct link_device *device, const struct nlattr *const *tb)
{
	const struct nlattr *info[IFLA_INFO_MAX + 1], *vlan[IFLA_VLAN_MAX + 1];
	char kind[IF_NAMESIZE];

	link_attrs_inside(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO]);
	link_attr_text(kind, sizeof(kind), info[IFLA_INFO_KIND]);
	if (strcmp(kind, "vlan") || tb[IFLA_LINK_NETNSID])
		return;
	link_attrs_inside(vlan, IFLA_VLAN_MAX, info[IFLA_INFO_DATA]);
	device->below = link_attr_u32(tb[IFLA_LINK]);
	device->vlan = link_attr_u16(vlan[IFLA_VLAN_ID]);
	device->vlan_type = be16toh(link_attr_u16(vlan[IFLA_VLAN_PROTOCOL]));
}

void link_device_parse(struct link_device *device, const struct nlmsghdr *reply)
{
	const struct nlattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *ifi;

	*device = (struct link_device){.ifindex = device->ifindex, .said = device->said};
	if (!reply || reply->nlmsg_type != RTM_NEWLINK || !link_has_payload(reply, sizeof(*ifi)))
		return;
	ifi = mnl_nlmsg_get_payload(reply);
	link_attrs(tb, IFLA_MAX, reply, sizeof(*ifi));
	device->up = ifi->ifi_flags & IFF_UP;
	device->mtu = link_attr_u32(tb[IFLA_MTU]);
	device->ethernet = link_attr_mac(device->mac, tb[IFLA_ADDRESS]) &&
			   ifi->ifi_type == ARPHRD_ETHER && !(ifi->ifi_flags & IFF_NOARP);
	link_attr_text(device->name, sizeof(device->name), tb[IFLA_IFNAME]);
	parse_vlan(device, tb);
}

static int device_take(struct link *link, void *item, const struct nlmsghdr *reply, int err)
{
	(void)link;
	if (no_answer(err))
		return err;
	link_device_parse(item, reply);
	return 0;
}

static const struct question device_question = {sizeof(struct link_device), device_wants,
						device_put, device_take};

int link_device_bottom(const struct link_device *devices, size_t n, unsigned int ifindex,
		       struct link_nexthop *out)
{
	const struct link_device *device = link_device_find(devices, n, ifindex);
	uint16_t tags[LINK_TAGS_MAX] = {0}; /* inner first */
	uint16_t outer_type = 0;
	size_t used = 0;

	while (device && device->up && device->below) {
		/* The tag next to the packet is always written as 802.1Q, and 0 stands for none. */
		if (used == LINK_TAGS_MAX || !device->vlan ||
		    (!used && device->vlan_type != ETH_P_8021Q))
			return -EOPNOTSUPP;
		outer_type = device->vlan_type;
		tags[used++] = device->vlan;
		device = link_device_find(devices, n, device->below);
	}
	if (!device || !device->up)
		return -ENODEV;
	out->ifindex = device->ifindex;
	out->vlan = tags[0];
	out->s_vlan = tags[1];
	out->s_vlan_is_q = tags[1] && outer_type == ETH_P_8021Q;
	return 0;
}

/* Asks for the marked devices that routes lead to, then for those below them. */
static int devices_ask(struct link *link, struct link_table *table, const struct link_table *known)
{
	for (size_t depth = 0; depth <= LINK_TAGS_MAX; depth++) {
		int err = link_table_join_devices(table, depth ? table : known);

		if (!err)
			err = ask(link, &device_question, table->devices, table->n_devices);
		if (err)
			return err;
	}
	return 0;
}

/* ---------------------------------------------------------------------------------- neighbours */

static bool neighbour_wants(const void *item)
{
	return ((const struct link_neighbour *)item)->ask;
}

static struct ndmsg *neighbour_put_key(struct nlmsghdr *request,
				       const struct link_neighbour *neighbour)
{
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(request, sizeof(*ndm));

	ndm->ndm_family = (unsigned char)link_addr_family(&neighbour->addr);
	ndm->ndm_ifindex = (int)neighbour->ifindex;
	link_attr_put_addr(request, NDA_DST, &neighbour->addr);
	return ndm;
}

static void neighbour_put(struct nlmsghdr *request, const void *item)
{
	request->nlmsg_type = RTM_GETNEIGH;
	neighbour_put_key(request, item);
}

/* A neighbour that is lost is to be used at once; one that was never there keeps its back-off. */
static int neighbour_take(struct link *link, void *item, const struct nlmsghdr *reply, int err)
{
	struct link_neighbour *neighbour = item;
	const struct nlattr *tb[NDA_MAX + 1];
	bool was_resolved = neighbour->resolved;
	const struct ndmsg *ndm;

	(void)link;
	if (no_answer(err))
		return err;
	neighbour->ask = false;
	neighbour->exists =
		reply && reply->nlmsg_type == RTM_NEWNEIGH && link_has_payload(reply, sizeof(*ndm));
	neighbour->resolved = false;
	neighbour->nud = NUD_NONE;
	if (neighbour->exists) {
		ndm = mnl_nlmsg_get_payload(reply);
		link_attrs(tb, NDA_MAX, reply, sizeof(*ndm));
		neighbour->nud = ndm->ndm_state;
		neighbour->resolved = (ndm->ndm_state & NUD_RESOLVED) &&
				      link_attr_mac(neighbour->mac, tb[NDA_LLADDR]);
	}
	if (was_resolved && !neighbour->resolved) {
		neighbour->wait_s = 0;
		neighbour->next_us = 0;
	}
	return 0;
}

static const struct question neighbour_question = {sizeof(struct link_neighbour), neighbour_wants,
						   neighbour_put, neighbour_take};

static bool use_wants(const void *item)
{
	return ((const struct link_neighbour *)item)->use;
}

/*
 * NTF_USE: as if a packet had been sent there. It takes "permanent" away from an entry, so it is
 * only for those just seen to be something else; an entry that was not there must be new.
 */
static void use_put(struct nlmsghdr *request, const void *item)
{
	const struct link_neighbour *neighbour = item;

	request->nlmsg_type = RTM_NEWNEIGH;
	request->nlmsg_flags |= NLM_F_ACK | NLM_F_CREATE;
	if (!neighbour->exists)
		request->nlmsg_flags |= NLM_F_EXCL;
	neighbour_put_key(request, neighbour)->ndm_flags = NTF_USE;
}

/* That it cannot be used is no failure of the pass: others may make the kernel resolve it. */
static int use_take(struct link *link, void *item, const struct nlmsghdr *reply, int err)
{
	struct link_neighbour *neighbour = item;

	(void)reply;
	neighbour->use = false;
	if (err == -EPERM && !link->said_eperm) {
		link->said_eperm = true;
		log_warning("next hops: the kernel may not be asked to resolve neighbours, give "
			    "sluiced CAP_NET_ADMIN");
	}
	if (err == -ENOBUFS && !link->said_full) {
		link->said_full = true;
		log_warning("next hops: the kernel's neighbour table is full, raise "
			    "net.ipv4.neigh.default.gc_thresh3 and its like for ipv6");
	}
	return 0;
}

static const struct question use_question = {sizeof(struct link_neighbour), use_wants, use_put,
					     use_take};

/* When a neighbour is to be used next, or NEVER: it is known well enough, or cannot be. */
static uint64_t neighbour_due(const struct link_table *table,
			      const struct link_neighbour *neighbour)
{
	const struct link_device *device = link_table_device(table, neighbour->ifindex);

	if (!device || !device->up || !device->ethernet)
		return NEVER;
	if (neighbour->resolved && !(neighbour->nud & NUD_STALE))
		return NEVER;
	return neighbour->next_us;
}

/* Seconds until the next use of one that is used now. */
static unsigned int use_wait(const struct link_neighbour *neighbour)
{
	if (neighbour->resolved || neighbour->wait_s * 2 > USE_WAIT_MAX_S)
		return USE_WAIT_MAX_S;
	return neighbour->wait_s ? neighbour->wait_s * 2 : USE_WAIT_MIN_S;
}

/* Asks for the marked neighbours and those whose time has come, then uses the latter. */
static int neighbours_ask(struct link *link, struct link_table *table)
{
	uint64_t now = now_us();
	int err;

	for (size_t i = 0; i < table->n_neighbours; i++) {
		if (neighbour_due(table, &table->neighbours[i]) <= now)
			table->neighbours[i].ask = true;
	}
	err = ask(link, &neighbour_question, table->neighbours, table->n_neighbours);
	if (err)
		return err;
	for (size_t i = 0; i < table->n_neighbours; i++) {
		struct link_neighbour *n = &table->neighbours[i];

		n->use = neighbour_due(table, n) <= now;
		if (!n->use)
			continue;
		n->wait_s = use_wait(n);
		n->next_us = now + n->wait_s * SEC;
	}
	return ask(link, &use_question, table->neighbours, table->n_neighbours);
}

/* ---------------------------------------------------------------------------------- the pass */

/* Asks for all that is marked. On failure the rest keeps its marks. */
static int table_ask(struct link *link, struct link_table *table, const struct link_table *known)
{
	int err;

	err = ask(link, &route_question, table->ways, table->n_ways);
	if (err)
		return err;
	err = devices_ask(link, table, known);
	if (err)
		return err;
	err = link_table_join_neighbours(table, known);
	if (err)
		return err;
	return neighbours_ask(link, table);
}

/* Fills in by what the way leaves. false: no frame can. A reason to act is said once. */
static bool way_leave(const struct link_table *table, struct link_device *device,
		      struct link_nexthop *out)
{
	int err = link_device_bottom(table->devices, table->n_devices, device->ifindex, out);

	if (err == -EOPNOTSUPP && !device->said)
		log_warning("next hops: device %s: routes over it are not used, as frames get at "
			    "most two VLAN tags, the inner one of 802.1Q, and none with id 0; lead "
			    "routes to backends over another device",
			    device->name);
	device->said = err == -EOPNOTSUPP;
	return !err;
}

static struct link_nexthop way_nexthop(const struct link_table *table, const struct link_way *way)
{
	struct link_nexthop nexthop = {.state = LINK_NO_ROUTE};
	const struct link_route *route = &way->route;
	const struct link_neighbour *neighbour;
	struct link_device *device;

	if (route->kind == LINK_ROUTE_LOCAL)
		nexthop.state = LINK_LOCAL;
	if (route->kind != LINK_ROUTE_UNICAST)
		return nexthop;
	device = link_table_device(table, route->ifindex);
	if (!device || !device->up || !device->ethernet || !way_leave(table, device, &nexthop))
		return nexthop;
	nexthop.state = LINK_RESOLVING;
	nexthop.mtu =
		route->mtu && (!device->mtu || route->mtu < device->mtu) ? route->mtu : device->mtu;
	memcpy(nexthop.device_mac, device->mac, sizeof(device->mac));
	neighbour = link_table_neighbour(table, route->ifindex, &route->via);
	if (!neighbour || !neighbour->resolved)
		return nexthop;
	nexthop.state = LINK_READY;
	memcpy(nexthop.mac, neighbour->mac, sizeof(neighbour->mac));
	return nexthop;
}

static bool nexthop_equal(const struct link_nexthop *a, const struct link_nexthop *b)
{
	return a->state == b->state && a->ifindex == b->ifindex && a->mtu == b->mtu &&
	       a->vlan == b->vlan && a->s_vlan == b->s_vlan && a->s_vlan_is_q == b->s_vlan_is_q &&
	       !memcmp(a->mac, b->mac, sizeof(a->mac)) &&
	       !memcmp(a->device_mac, b->device_mac, sizeof(a->device_mac));
}

/*
 * Sets all next hops from what the kernel said. true: one that was told before is now different.
 *
 * A device that goes down loses its routes a little later, and IPv4 sends no notice of that. Until
 * then such a route stays marked.
 */
static bool table_publish(struct link_table *table)
{
	bool differs = false;

	table->unsettled = false;
	for (size_t i = 0; i < table->n_ways; i++) {
		struct link_way *way = &table->ways[i];
		struct link_nexthop nexthop = way_nexthop(table, way);
		const struct link_device *device = link_table_device(table, way->route.ifindex);

		if (!way->fresh && !nexthop_equal(&way->nexthop, &nexthop))
			differs = true;
		way->nexthop = nexthop;
		way->fresh = false;
		if (way->route.kind == LINK_ROUTE_UNICAST && (!device || !device->up)) {
			way->ask = true;
			table->unsettled = true;
		}
	}
	return differs;
}

/* ---------------------------------------------------------------------------------- the timer */

/* Sets the timer to whatever comes first, but not into the time of calm. */
static void link_schedule(struct link *link)
{
	uint64_t at = link->pass_us < link->refresh_us ? link->pass_us : link->refresh_us;

	if (!link->timer)
		return;
	for (size_t i = 0; i < link->table.n_neighbours; i++) {
		uint64_t due = neighbour_due(&link->table, &link->table.neighbours[i]);

		if (due < at)
			at = due;
	}
	sd_event_source_set_time(link->timer, at < link->calm_us ? link->calm_us : at);
	sd_event_source_set_enabled(link->timer, SD_EVENT_ONESHOT);
}

/* Lets a pass begin at @at, unless an earlier one is due. */
static void link_pass_at(struct link *link, uint64_t at)
{
	if (at >= link->pass_us)
		return;
	link->pass_us = at;
	link_schedule(link);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct link *link = ctx;
	uint64_t start = now_us(), end, calm;
	int err;

	(void)source;
	(void)usec;
	link->pass_us = NEVER;
	if (start >= link->refresh_us) {
		link_table_mark_all(&link->table);
		link->refresh_us = start + REFRESH_US;
	}
	err = table_ask(link, &link->table, &link->table);
	if (err && !link->failing)
		log_warning("next hops: the kernel does not answer, %s; trying again",
			    strerror(-err));
	link->failing = err;
	if (!err && table_publish(&link->table))
		link->news = true;
	end = now_us();
	calm = err ? RETRY_US : CALM * (end - start);
	link->calm_us = end + (calm < RETRY_US ? calm : RETRY_US);
	if (err)
		link->pass_us = link->calm_us;
	else if (link->table.unsettled)
		link->pass_us = end + AGAIN_US;
	link_schedule(link);

	if (link->news && !err) {
		link->news = false;
		link->changed(link->ctx);
	}
	return 0;
}

/* ------------------------------------------------------------------------------------- notices */

static bool notice_neighbour(struct link *link, const struct nlmsghdr *nlh)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[NDA_MAX + 1];
	struct link_neighbour *neighbour;
	struct sluice_addr addr;

	if (!link_has_payload(nlh, sizeof(*ndm)) ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6))
		return false;
	link_attrs(tb, NDA_MAX, nlh, sizeof(*ndm));
	if (!link_attr_addr(&addr, ndm->ndm_family, tb[NDA_DST]))
		return false;
	neighbour = link_table_neighbour(&link->table, (unsigned int)ndm->ndm_ifindex, &addr);
	if (!neighbour)
		return false;
	neighbour->ask = true;
	return true;
}

static bool notice_route(struct link *link, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_MAX + 1];
	struct sluice_addr base;

	if (!link_has_payload(nlh, sizeof(*rtm)) ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6))
		return false;
	/*
	 * With an address of this host go the IPv4 routes that have it as source, of which older
	 * kernels send no notice.
	 */
	if (rtm->rtm_table == RT_TABLE_LOCAL) {
		link_table_mark_all(&link->table);
		return true;
	}
	link_attrs(tb, RTA_MAX, nlh, sizeof(*rtm));
	if (!link_attr_addr(&base, rtm->rtm_family, tb[RTA_DST]))
		base = addr_from_bytes(rtm->rtm_family, (const char[16]){0});
	return link_table_mark_prefix(&link->table, &base,
				      rtm->rtm_dst_len + (rtm->rtm_family == AF_INET ? 96u : 0u));
}

/* Marks what a notice concerns. false: nothing. */
static bool notice_take(struct link *link, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);

	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return notice_neighbour(link, nlh);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return notice_route(link, nlh);
	case RTM_NEWLINK:
	case RTM_DELLINK:
		/* Other families are about ports of a bridge and the like. */
		if (!link_has_payload(nlh, sizeof(*ifi)) || ifi->ifi_family != AF_UNSPEC)
			return false;
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		break;
	default:
		return false;
	}
	link_table_mark_all(&link->table);
	return true;
}

/* Takes all notices of datagram @d. */
static bool notices_take(struct link *link, int d)
{
	const struct nlmsghdr *nlh;
	bool marked = false;
	int len;

	if (link->inbox.head[d].msg_hdr.msg_flags & MSG_TRUNC) {
		link_table_mark_all(&link->table);
		return true;
	}
	for (nlh = inbox_first(&link->inbox, d, &len); nlh && mnl_nlmsg_ok(nlh, len);
	     nlh = mnl_nlmsg_next(nlh, &len)) {
		if (notice_take(link, nlh))
			marked = true;
	}
	return marked;
}

static int on_notice(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct link *link = ctx;
	bool marked = false;
	int got = 0;

	(void)source;
	(void)fd;
	(void)revents;
	for (int round = 0; round < NOTICE_ROUNDS && got != -EAGAIN; round++) {
		got = inbox_read(&link->inbox, link->notices);
		if (got == -ENOBUFS) { /* some are lost, and may have been about anything */
			link_table_mark_all(&link->table);
			marked = true;
		} else if (got < 0 && got != -EAGAIN) {
			log_error("next hops: changes are no longer heard of, %s; asking every "
				  "%llu s instead",
				  strerror(-got), REFRESH_US / SEC);
			return got; /* sd-event does not call again */
		}
		for (int d = 0; d < got; d++) {
			if (notices_take(link, d))
				marked = true;
		}
	}
	if (marked)
		link_pass_at(link, now_us() + COALESCE_US);
	return 0;
}

/* ------------------------------------------------------------------------------- what is public */

/* A socket that does not block, member of the groups up to a 0. */
static int socket_new(struct mnl_socket **out, int buffer, const int *groups)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int on = 1, err, fd;

	if (!socket)
		return -errno;
	fd = mnl_socket_get_fd(socket);
	if (buffer && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof(on)) ||
	    mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID))
		goto fail;
	for (; *groups; groups++) {
		int group = *groups;

		if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
			goto fail;
	}
	*out = socket;
	return 0;
fail:
	err = -errno;
	mnl_socket_close(socket);
	return err;
}

static void link_freep(struct link **link)
{
	link_free(*link);
}

static int link_watch(struct link *link, sd_event *event)
{
	static const int groups[] = {
		RTNLGRP_LINK,      RTNLGRP_NEIGH,     RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
		RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP,    0,
	};
	int err;

	err = socket_new(&link->notices, NOTICE_BUFFER, groups);
	if (err)
		return err;
	err = sd_event_add_io(event, &link->notice_source, mnl_socket_get_fd(link->notices),
			      EPOLLIN, on_notice, link);
	if (err < 0)
		return err;
	err = sd_event_add_time(event, &link->timer, CLOCK_MONOTONIC, link->refresh_us, MS,
				on_timer, link);
	return err < 0 ? err : 0;
}

static int link_open(struct link *link, sd_event *event)
{
	int err;

	link->inbox.bytes = malloc(BATCH * DATAGRAM_MAX);
	if (!link->inbox.bytes)
		return -ENOMEM;
	err = socket_new(&link->requests, 0, (const int[]){0});
	if (err || !event)
		return err;
	return link_watch(link, event);
}

int link_new(struct link **out, sd_event *event, link_changed_fn *changed, void *ctx)
{
	_cleanup_(link_freep) struct link *link = calloc(1, sizeof(*link));
	int err;

	if (!link)
		return -ENOMEM;
	link->changed = changed;
	link->ctx = ctx;
	link->pass_us = NEVER;
	link->refresh_us = now_us() + REFRESH_US;
	err = link_open(link, event);
	if (err)
		return err;
	*out = TAKE(link);
	return 0;
}

int link_follow(struct link *link, const struct sluice_addr *addrs, size_t n)
{
	_cleanup_(link_table_fini) struct link_table next = {0};
	struct link_table old = link->table;
	int err;

	err = link_table_set_ways(&next, &link->table, addrs, n);
	if (err)
		return err;
	err = table_ask(link, &next, &link->table);
	if (err)
		return err;
	/* Asked on this occasion: what was marked among those kept. That is told from the loop. */
	if (table_publish(&next))
		link->news = true;
	link->table = next;
	next = old; /* freed on the way out */
	if (link->news)
		link_pass_at(link, now_us() + COALESCE_US);
	if (link->table.unsettled)
		link_pass_at(link, now_us() + AGAIN_US);
	link_schedule(link);
	return 0;
}

bool link_nexthop(const struct link *link, const struct sluice_addr *addr, struct link_nexthop *out)
{
	const struct link_way *way = link_table_way(&link->table, addr);

	if (!way)
		return false;
	*out = way->nexthop;
	return true;
}

const char *link_state_name(enum link_state state)
{
	static const char *const names[] = {
		[LINK_NO_ROUTE] = "no_route",
		[LINK_RESOLVING] = "resolving",
		[LINK_READY] = "ready",
		[LINK_LOCAL] = "local",
	};

	_Static_assert(sizeof(names) / sizeof(names[0]) == LINK_STATE_MAX, "a name each");
	return names[state];
}

void link_free(struct link *link)
{
	if (!link)
		return;
	sd_event_source_disable_unref(link->timer);
	sd_event_source_disable_unref(link->notice_source);
	if (link->notices)
		mnl_socket_close(link->notices);
	if (link->requests)
		mnl_socket_close(link->requests);
	link_table_fini(&link->table);
	free(link->inbox.bytes);
	free(link);
}
