/* SPDX-License-Identifier: MIT */
/*
 * One rtnetlink request at a time, each waiting for the kernel's answer, which comes at once. For
 * what is asked rarely; daemon/link.c has a way of its own for much.
 */
#ifndef SLUICE_DAEMON_NETLINK_H
#define SLUICE_DAEMON_NETLINK_H

#include <libmnl/libmnl.h>

#define NETLINK_REQUEST_MAX 512 /* bytes of a request */

struct netlink_request {
	union {
		struct nlmsghdr head;
		char bytes[NETLINK_REQUEST_MAX];
	};
};

/* Begins a request in @request: its header; the caller puts what follows. */
struct nlmsghdr *netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags);

/*
 * Sends @message, and calls @fn (which may be NULL) for each message of the answer. Uses the
 * network namespace that the process is in. 0, or -errno as the kernel says.
 */
int netlink_ask(struct nlmsghdr *message, mnl_cb_t fn, void *ctx);

#endif
