/* SPDX-License-Identifier: MIT */
/*
 * A socket for each request: nothing is left over from an earlier one.
 */
#include "daemon/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "config/cleanup.h"

#define ANSWER_MAX (32u * 1024)
#define SEQ 1u

static void closep_socket(struct mnl_socket **nl)
{
	if (*nl)
		mnl_socket_close(*nl);
}

struct nlmsghdr *netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message;

	memset(request, 0, sizeof(*request));
	message = mnl_nlmsg_put_header(request->bytes);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	return message;
}

int netlink_ask(struct nlmsghdr *message, mnl_cb_t fn, void *ctx)
{
	_cleanup_(closep_socket) struct mnl_socket *nl =
		mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	_cleanup_(freep) char *answer = malloc(ANSWER_MAX);
	bool dump = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	int status = 1;

	if (!nl || !answer)
		return nl ? -ENOMEM : -errno;
	/* An answer that is data is followed by the acknowledgement that ends it. */
	if (!dump)
		message->nlmsg_flags |= NLM_F_ACK;
	message->nlmsg_seq = SEQ;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, message, message->nlmsg_len) < 0)
		return -errno;
	while (status > 0) {
		ssize_t n = mnl_socket_recvfrom(nl, answer, ANSWER_MAX);

		if (n < 0)
			return -errno;
		status = mnl_cb_run(answer, (size_t)n, SEQ, mnl_socket_get_portid(nl), fn, ctx);
	}
	return status < 0 ? -errno : 0;
}
