/* SPDX-License-Identifier: MIT */
/*
 * Namespaces have no numbers of their own: each gives its own number (nsid) to another one that it
 * has to do with, by rtnetlink.
 */
#include "daemon/helper_netns.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "config/cleanup.h"

#define NETNS_DIR "/run/netns"
#define NO_ID (-1)

int helper_netns_open(int *out, const char *name, struct diag *diag)
{
	char path[PATH_MAX];
	int fd, err;

	snprintf(path, sizeof(path), strchr(name, '/') ? "%s" : NETNS_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		*out = fd;
		return 0;
	}
	err = -errno;
	diag_add(diag, NULL, 0,
		 "network namespace \"%s\": %s: %s (\"ip netns\" lists those with a name)", name,
		 path, strerror(-err));
	return err;
}

static void socket_closep(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

static int read_id(const struct nlmsghdr *reply, void *ctx)
{
	const struct nlattr *attr;
	int *id = ctx;

	mnl_attr_for_each(attr, reply,
			  sizeof(struct rtgenmsg)) if (mnl_attr_get_type(attr) == NETNSA_NSID) *id =
		(int)mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

/* RTM_GETNSID sets @id; RTM_NEWNSID lets the kernel choose one. 0 or -errno. */
static int ask(struct mnl_socket *socket, unsigned int seq, uint16_t type, int fd, int *id)
{
	char buffer[256 + sizeof(struct nlmsghdr)];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtgenmsg *message;
	ssize_t n;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	request->nlmsg_seq = seq;
	message = mnl_nlmsg_put_extra_header(request, sizeof(*message));
	message->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(request, NETNSA_FD, (uint32_t)fd);
	if (type == RTM_NEWNSID)
		mnl_attr_put_u32(request, NETNSA_NSID, (uint32_t)NO_ID);
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (n < 0)
			return -errno;
		n = mnl_cb_run(buffer, (size_t)n, seq, mnl_socket_get_portid(socket), read_id, id);
		if (n < 0)
			return -errno;
	} while (n > MNL_CB_STOP);
	return 0;
}

static int find_id(int fd, int *id)
{
	_cleanup_(socket_closep) struct mnl_socket *socket =
		mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID))
		return -errno;
	*id = NO_ID;
	err = ask(socket, 1, RTM_GETNSID, fd, id);
	if (err || *id != NO_ID)
		return err;
	err = ask(socket, 2, RTM_NEWNSID, fd, id);
	if (!err)
		err = ask(socket, 3, RTM_GETNSID, fd, id);
	return !err && *id == NO_ID ? -ENOENT : err;
}

int helper_netns_id(int fd, int *id, struct diag *diag)
{
	int found, err = find_id(fd, &found);

	if (err) {
		diag_add(diag, NULL, 0, "network namespace: the kernel gives it no id: %s",
			 strerror(-err));
		return err;
	}
	*id = found;
	return 0;
}

int helper_netns_call(int fd, int (*fn)(void *ctx), void *ctx)
{
	_cleanup_(closep) int own = -1;
	int result;

	if (fd < 0)
		return fn(ctx);
	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0 || setns(fd, CLONE_NEWNET))
		return -errno;
	result = fn(ctx);
	/* Our own is open and was ours. If not even that, nothing may go on in the wrong place. */
	if (setns(own, CLONE_NEWNET))
		abort();
	return result;
}
