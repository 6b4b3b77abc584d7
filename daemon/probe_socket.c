/* SPDX-License-Identifier: MIT */
/*
 * Sockets of probes: of the right family, never blocking, and with the mark that leads their
 * packets into a tunnel.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/probe_kind.h"

/* Either family. */
union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t fill_address(union address *to, const struct probe_target *target)
{
	*to = (union address){0};
	if (addr_is_v4(&target->address)) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_port = htons(target->port);
		memcpy(&to->v4.sin_addr, &target->address.w[3], sizeof(to->v4.sin_addr));
		return sizeof(to->v4);
	}
	to->v6.sin6_family = AF_INET6;
	to->v6.sin6_port = htons(target->port);
	memcpy(&to->v6.sin6_addr, &target->address, sizeof(to->v6.sin6_addr));
	return sizeof(to->v6);
}

int probe_socket(const struct probe_target *target, int type)
{
	int family = addr_is_v4(&target->address) ? AF_INET : AF_INET6;
	_cleanup_(closep) int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (target->mark &&
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &target->mark, sizeof(target->mark)))
		return -errno;
	return TAKE_FD(fd);
}

int probe_connect(int fd, const struct probe_target *target)
{
	union address address;
	socklen_t size = fill_address(&address, target);

	return connect(fd, &address.any, size) ? -errno : 0;
}

void probe_close_by_reset(int fd)
{
	static const struct linger at_once = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

bool probe_is_connected(int fd)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);

	return !getpeername(fd, (struct sockaddr *)&peer, &size);
}

int probe_socket_error(int fd)
{
	socklen_t size = sizeof(int);
	int err = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) ? errno : err;
}

void probe_first_line(char *to, size_t size, const char *from, size_t n)
{
	size_t i;

	for (i = 0; i + 1 < size && i < n && from[i] && from[i] != '\n' && from[i] != '\r'; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : from[i] == '\t' ? ' ' : '?';
	to[i] = '\0';
}
