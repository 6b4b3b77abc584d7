/* SPDX-License-Identifier: MIT */
/*
 * Both questions go through all addresses. A choice has a rank, the lower the better: 0 is the one
 * that the route to the peer names, then come the ports in their order, other devices, and lo.
 */
#include "daemon/local_address.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/netlink.h"

#define LO_IFINDEX 1u

struct local {
	unsigned int ifindex;
	uint8_t scope;
	uint32_t flags; /* IFA_F_* */
	struct sluice_addr addr;
};

/* false: the message is about something else. */
static bool parse_address(const struct nlmsghdr *message, struct local *out)
{
	const struct ifaddrmsg *head = mnl_nlmsg_get_payload(message);
	size_t size = head->ifa_family == AF_INET ? 4 : 16;
	const void *bytes = NULL;
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWADDR ||
	    (head->ifa_family != AF_INET && head->ifa_family != AF_INET6))
		return false;
	*out = (struct local){
		.ifindex = head->ifa_index, .scope = head->ifa_scope, .flags = head->ifa_flags};
	mnl_attr_for_each(attr, message, sizeof(*head))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == IFA_FLAGS && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			out->flags = mnl_attr_get_u32(attr);
		/*
		 * IFA_ADDRESS is the other end's on links of two; IFA_LOCAL is ours, where it is
		 * given.
		 */
		if ((type == IFA_LOCAL || (type == IFA_ADDRESS && !bytes)) &&
		    mnl_attr_get_payload_len(attr) == size)
			bytes = mnl_attr_get_payload(attr);
	}
	if (bytes)
		out->addr = addr_from_bytes(head->ifa_family, bytes);
	return bytes;
}

static int ask_addresses(int family, mnl_cb_t fn, void *ctx)
{
	struct netlink_request request;
	struct nlmsghdr *message = netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));

	head->ifa_family = (unsigned char)family;
	return netlink_ask(message, fn, ctx);
}

/* ----------------------------------------------------------------------------------------- find */

struct search {
	const struct sluice_addr *addr;
	unsigned int ifindex; /* where it is; 0: not found */
};

static int look_at(const struct nlmsghdr *message, void *ctx)
{
	struct search *search = ctx;
	struct local local;

	if (parse_address(message, &local) && addr_equal(&local.addr, search->addr))
		search->ifindex = local.ifindex;
	return MNL_CB_OK;
}

int local_address_find(const struct sluice_addr *addr, char ifname[IF_NAMESIZE])
{
	struct search search = {.addr = addr};
	int err = ask_addresses(addr_is_v4(addr) ? AF_INET : AF_INET6, look_at, &search);

	if (err || !search.ifindex)
		return err;
	/* A device that went away meanwhile took the address along. */
	return if_indextoname(search.ifindex, ifname) ? 1 : 0;
}

/* --------------------------------------------------------------------------------------- choose */

struct choice {
	int family; /* a kernel without it tells addresses of the other one */
	const unsigned int *ifindexes;
	size_t n;
	struct sluice_addr routed; /* by the route to the peer; all zero: no */
	struct sluice_addr best;
	size_t rank; /* of `best`; SIZE_MAX: there is none */
};

static size_t rank_of(const struct choice *choice, const struct local *local)
{
	if (addr_equal(&local->addr, &choice->routed))
		return 0;
	for (size_t i = 0; i < choice->n; i++)
		if (choice->ifindexes[i] == local->ifindex)
			return 1 + i;
	return 1 + choice->n + (local->ifindex == LO_IFINDEX);
}

static int weigh(const struct nlmsghdr *message, void *ctx)
{
	struct choice *choice = ctx;
	struct local local;
	size_t rank;

	if (!parse_address(message, &local) || local.scope != RT_SCOPE_UNIVERSE ||
	    addr_is_v4(&local.addr) != (choice->family == AF_INET) ||
	    local.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED))
		return MNL_CB_OK;
	rank = rank_of(choice, &local);
	if (rank < choice->rank) {
		choice->rank = rank;
		choice->best = local.addr;
	}
	return MNL_CB_OK;
}

static int take_source(const struct nlmsghdr *message, void *ctx)
{
	const struct rtmsg *head = mnl_nlmsg_get_payload(message);
	struct sluice_addr *out = ctx;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(*head))
	{
		if (mnl_attr_get_type(attr) == RTA_PREFSRC &&
		    mnl_attr_get_payload_len(attr) == (head->rtm_family == AF_INET ? 4 : 16))
			*out = addr_from_bytes(head->rtm_family, mnl_attr_get_payload(attr));
	}
	return MNL_CB_OK;
}

/* Without a route to @peer there is none. */
static struct sluice_addr source_towards(int family, const struct sluice_addr *peer)
{
	struct netlink_request request;
	struct nlmsghdr *message = netlink_begin(&request, RTM_GETROUTE, 0);
	struct rtmsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	struct sluice_addr source = {0};

	head->rtm_family = (unsigned char)family;
	head->rtm_dst_len = family == AF_INET ? 32 : 128;
	if (family == AF_INET)
		mnl_attr_put(message, RTA_DST, 4, &peer->w[3]);
	else
		mnl_attr_put(message, RTA_DST, 16, peer);
	if (netlink_ask(message, take_source, &source))
		return (struct sluice_addr){0};
	return source;
}

int local_address_choose(int family, const struct sluice_addr *peer, const unsigned int *ifindexes,
			 size_t n, struct sluice_addr *out)
{
	struct choice choice = {.family = family, .ifindexes = ifindexes, .n = n, .rank = SIZE_MAX};
	int err;

	if (peer && addr_is_v4(peer) == (family == AF_INET))
		choice.routed = source_towards(family, peer);
	err = ask_addresses(family, weigh, &choice);
	if (err || choice.rank == SIZE_MAX)
		return err;
	*out = choice.best;
	return 1;
}
