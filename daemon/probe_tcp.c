/* SPDX-License-Identifier: MIT */
/*
 * A connection is made, and reset. The kernel is asked to be slow with the last packet of the
 * handshake (no "quick" ACK), so that the reset goes out in its place: the backend's kernel has
 * said that somebody listens and has room, and then forgets it. Its server never sees a connection,
 * so there is nothing to accept, nor to complain about in its log; and neither side keeps a
 * TIME_WAIT. An orderly close would leave one here for a minute, 300,000 of them at 5,000 probes a
 * second.
 *
 * Only when this process is kept from running for a tenth of a second in between, the ACK does go
 * out, and the server sees a connection that is reset.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>

#include "daemon/probe_kind.h"

#define DOING "tcp connect"

struct tcp {
	struct probe probe;
	struct probe_watch watch;
};

static struct tcp *tcp_of(struct probe *probe)
{
	return (struct tcp *)probe;
}

static void succeed(struct probe *probe)
{
	probe_end(probe, JUDGE_SUCCESS, "tcp connected");
}

static void on_ready(struct probe_watch *watch, uint32_t events)
{
	struct tcp *tcp = (struct tcp *)((char *)watch - offsetof(struct tcp, watch));
	int err = 0;

	/* A connection without an error needs no further question. */
	if (events & (EPOLLERR | EPOLLHUP))
		err = probe_socket_error(watch->fd);
	if (err)
		probe_end_errno(&tcp->probe, DOING, err, true);
	else
		succeed(&tcp->probe);
}

static int start(struct probe *probe)
{
	static const int no = 0;
	struct tcp *tcp = tcp_of(probe);
	int err;

	tcp->watch = (struct probe_watch){.fd = probe_socket(&probe->target, SOCK_STREAM),
					  .ready = on_ready};
	if (tcp->watch.fd < 0)
		return tcp->watch.fd;
	setsockopt(tcp->watch.fd, IPPROTO_TCP, TCP_QUICKACK, &no, sizeof(no));
	probe_close_by_reset(tcp->watch.fd);
	err = probe_connect(tcp->watch.fd, &probe->target);
	if (err == -EINPROGRESS)
		return probe_watch(probe->probes, &tcp->watch, EPOLLOUT);
	if (err)
		return probe_begin_errno(probe, DOING, err);
	succeed(probe);
	return 0;
}

static void late(struct probe *probe)
{
	probe_end_silent(probe, DOING, "");
}

static void stop(struct probe *probe)
{
	probe_unwatch_close(probe->probes, &tcp_of(probe)->watch);
}

const struct probe_kind probe_tcp = {
	.size = sizeof(struct tcp),
	.start = start,
	.late = late,
	.stop = stop,
};
