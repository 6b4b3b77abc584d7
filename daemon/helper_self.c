/* SPDX-License-Identifier: MIT */
/*
 * Addresses are read whole whenever one changes: that is rare, and their number small.
 */
#include "daemon/helper_self.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "config/cleanup.h"
#include "daemon/helper_netns.h"

struct addresses {
	struct sluice_addr *list;
	size_t n;
};

static void addresses_fini(struct addresses *addresses)
{
	free(addresses->list);
}

static int append(struct addresses *addresses, const struct sockaddr *address)
{
	struct sluice_addr *list = reallocarray(addresses->list, addresses->n + 1, sizeof(*list));
	const void *bytes = address->sa_family == AF_INET
				    ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
				    : &((const struct sockaddr_in6 *)address)->sin6_addr;

	if (!list)
		return -ENOMEM;
	addresses->list = list;
	list[addresses->n++] = addr_from_bytes(address->sa_family, bytes);
	return 0;
}

/* Adds those of the network namespace that we are in. */
static int collect(void *ctx)
{
	struct ifaddrs *all;
	int err = 0;

	if (getifaddrs(&all))
		return -errno;
	for (const struct ifaddrs *i = all; i && !err; i = i->ifa_next)
		if (i->ifa_addr &&
		    (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6))
			err = append(ctx, i->ifa_addr);
	freeifaddrs(all);
	return err;
}

static bool contains(const struct sluice_addr *list, size_t n, const struct sluice_addr *address)
{
	for (size_t i = 0; i < n; i++)
		if (addr_equal(&list[i], address))
			return true;
	return false;
}

/*
 * The next key is asked for before this one goes: from one that is gone the walk would begin anew.
 */
static int delete_others(int map_fd, const struct sluice_addr *list, size_t n)
{
	struct sluice_addr key, next;
	bool more = bpf_map_get_next_key(map_fd, NULL, &key) == 0;

	while (more) {
		more = bpf_map_get_next_key(map_fd, &key, &next) == 0;
		if (!contains(list, n, &key) && bpf_map_delete_elem(map_fd, &key) &&
		    errno != ENOENT)
			return -errno;
		key = next;
	}
	return 0;
}

int helper_self_set(int map_fd, const struct sluice_addr *list, size_t n)
{
	static const uint32_t yes = 1;

	for (size_t i = 0; i < n; i++)
		if (bpf_map_update_elem(map_fd, &list[i], &yes, BPF_ANY))
			return -errno;
	return delete_others(map_fd, list, n);
}

int helper_self_refresh(int map_fd, int netns_fd)
{
	_cleanup_(addresses_fini) struct addresses addresses = {0};
	int err = collect(&addresses);

	if (!err && netns_fd >= 0)
		err = helper_netns_call(netns_fd, collect, &addresses);
	return err ? err : helper_self_set(map_fd, addresses.list, addresses.n);
}

/* -------------------------------------------------------------------------------------- notices */

struct watch {
	void (*changed)(void *ctx);
	void *ctx;
};

/* What exactly changed does not matter, nor that notices were lost (ENOBUFS). */
static int on_notice(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	const struct watch *watch = ctx;
	char buffer[4096];

	(void)source;
	(void)revents;
	while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		;
	watch->changed(watch->ctx);
	return 0;
}

static int open_notices(void *ctx)
{
	struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int *out = ctx;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	*out = TAKE_FD(fd);
	return 0;
}

int helper_self_watch(sd_event_source **out, sd_event *event, int netns_fd,
		      void (*changed)(void *ctx), void *ctx)
{
	_cleanup_(freep) struct watch *watch = malloc(sizeof(*watch));
	_cleanup_(sd_event_source_unrefp) sd_event_source *source = NULL;
	_cleanup_(closep) int fd = -1;
	int err = watch ? helper_netns_call(netns_fd, open_notices, &fd) : -ENOMEM;

	if (err)
		return err;
	*watch = (struct watch){.changed = changed, .ctx = ctx};
	err = sd_event_add_io(event, &source, fd, EPOLLIN, on_notice, watch);
	if (err < 0)
		return err;
	/* Both go with the source. */
	sd_event_source_set_destroy_callback(source, free);
	(void)TAKE(watch);
	sd_event_source_set_io_fd_own(source, true);
	(void)TAKE_FD(fd);
	*out = TAKE(source);
	return 0;
}
