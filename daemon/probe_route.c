/* SPDX-License-Identifier: MIT */
/*
 * Two rules for each family: the slot's marks to the slot's table, and what finds nothing there is
 * refused. Rules are the one thing that outlives a daemon that crashes; they concern marks that
 * nobody sets then. They are recognised by their protocol and mark, and belong to nobody when the
 * slot has no device.
 */
#include "daemon/probe_route.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "config/cleanup.h"
#include "daemon/netlink.h"
#include "daemon/probe_device.h"
#include "xdp/probe.h"

#define PROTOCOL 92 /* who made a rule or route; nobody else's in iproute2's list */
#define RULE_FIRST 92u
#define RULE_LAST 93u

/* Of what TCP sends by the route: it fits the tunnel of any network that can carry IPv6. */
#define ROUTE_MTU 1280u

static const int families[] = {AF_INET, AF_INET6};

/* The marks of a slot, which are its table's number, too. */
static uint32_t slot_mark(unsigned int slot)
{
	return PROBE_MARK | slot << PROBE_MARK_SLOT_SHIFT;
}

static int change_rule(uint16_t type, uint16_t flags, unsigned int slot, int family, uint32_t place)
{
	struct netlink_request request;
	struct nlmsghdr *message = netlink_begin(&request, type, flags);
	struct fib_rule_hdr *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));

	head->family = (unsigned char)family;
	head->action = place == RULE_FIRST ? FR_ACT_TO_TBL : FR_ACT_UNREACHABLE;
	mnl_attr_put_u32(message, FRA_PRIORITY, place);
	mnl_attr_put_u32(message, FRA_FWMARK, slot_mark(slot));
	mnl_attr_put_u32(message, FRA_FWMASK, PROBE_MARK_MASK);
	mnl_attr_put_u8(message, FRA_PROTOCOL, PROTOCOL);
	if (place == RULE_FIRST)
		mnl_attr_put_u32(message, FRA_TABLE, slot_mark(slot));
	return netlink_ask(message, NULL, NULL);
}

int probe_route_set_rules(unsigned int slot, int family)
{
	/* The one that refuses comes first, so that no packet slips through between. */
	for (uint32_t place = RULE_LAST; place >= RULE_FIRST; place--) {
		int err = change_rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, slot, family, place);

		if (err && err != -EEXIST)
			return err;
	}
	return 0;
}

void probe_route_remove_rules(unsigned int slot)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		for (uint32_t place = RULE_FIRST; place <= RULE_LAST; place++)
			change_rule(RTM_DELRULE, 0, slot, families[i], place);
}

/* ---------------------------------------------------------------------------------------- route */

static void put_address(struct nlmsghdr *message, uint16_t type, const struct sluice_addr *addr)
{
	if (addr_is_v4(addr))
		mnl_attr_put(message, type, 4, &addr->w[3]);
	else
		mnl_attr_put(message, type, 16, addr);
}

int probe_route_set(unsigned int slot, int family, unsigned int ifindex,
		    const struct sluice_addr *source)
{
	struct netlink_request request;
	struct nlmsghdr *message = netlink_begin(&request, source ? RTM_NEWROUTE : RTM_DELROUTE,
						 source ? NLM_F_CREATE | NLM_F_REPLACE : 0);
	struct rtmsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	struct nlattr *metrics;
	int err;

	head->rtm_family = (unsigned char)family;
	head->rtm_table = RT_TABLE_UNSPEC;
	head->rtm_protocol = PROTOCOL;
	head->rtm_scope = source ? RT_SCOPE_LINK : RT_SCOPE_NOWHERE;
	head->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(message, RTA_TABLE, slot_mark(slot));
	mnl_attr_put_u32(message, RTA_OIF, ifindex);
	if (source) {
		put_address(message, RTA_PREFSRC, source);
		metrics = mnl_attr_nest_start(message, RTA_METRICS);
		mnl_attr_put_u32(message, RTAX_MTU, ROUTE_MTU);
		mnl_attr_nest_end(message, metrics);
	}
	err = netlink_ask(message, NULL, NULL);
	return !source && err == -ESRCH ? 0 : err;
}

/* ---------------------------------------------------------------------------------------- sweep */

/* Notes the slot of a rule of ours. */
static int note_slot(const struct nlmsghdr *message, void *ctx)
{
	uint32_t mark = 0, mask = 0;
	const struct nlattr *attr;
	bool *slots = ctx;
	uint8_t protocol = 0;

	mnl_attr_for_each(attr, message, sizeof(struct fib_rule_hdr))
	{
		switch (mnl_attr_get_type(attr)) {
		case FRA_FWMARK:
			mark = mnl_attr_get_u32(attr);
			break;
		case FRA_FWMASK:
			mask = mnl_attr_get_u32(attr);
			break;
		case FRA_PROTOCOL:
			protocol = mnl_attr_get_u8(attr);
			break;
		}
	}
	mark -= PROBE_MARK;
	if (protocol == PROTOCOL && mask == PROBE_MARK_MASK &&
	    mark >> PROBE_MARK_SLOT_SHIFT < PROBE_MARK_SLOTS)
		slots[mark >> PROBE_MARK_SLOT_SHIFT] = true;
	return MNL_CB_OK;
}

void probe_route_sweep(void)
{
	bool slots[PROBE_MARK_SLOTS] = {false};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		struct netlink_request request;
		struct nlmsghdr *message = netlink_begin(&request, RTM_GETRULE, NLM_F_DUMP);
		struct fib_rule_hdr *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));

		head->family = (unsigned char)families[i];
		netlink_ask(message, note_slot, slots);
	}
	for (unsigned int slot = 0; slot < PROBE_MARK_SLOTS; slot++)
		if (slots[slot] && !probe_device_exists(slot))
			probe_route_remove_rules(slot);
}
