/* SPDX-License-Identifier: MIT */
/*
 * A datagram is sent and one is awaited. The socket is connected, so it takes only what comes from
 * the address and port that were asked, and hears of their ICMP errors.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "daemon/probe_kind.h"

#define DOING "udp"
#define REPLY_MAX 65536 /* no datagram is larger */
#define SHOWN 8         /* bytes of a wrong reply in the reason */

struct udp {
	struct probe probe;
	struct probe_watch watch;
};

static struct udp *udp_of(struct probe *probe)
{
	return (struct udp *)probe;
}

static void judge(struct probe *probe, const uint8_t *reply, size_t size)
{
	const struct model_check *check = probe->target.check;
	char hex[2 * SHOWN + 1] = "";

	if (size >= check->expect_size &&
	    (!check->expect_size || !memcmp(reply, check->expect, check->expect_size))) {
		probe_end(probe, JUDGE_SUCCESS, "udp reply of %zu bytes", size);
		return;
	}
	for (size_t i = 0; i < size && i < SHOWN; i++)
		sprintf(hex + 2 * i, "%02x", reply[i]);
	probe_end(probe, JUDGE_FAILURE, "udp reply is not as expected: %zu bytes%s%s%s", size,
		  size ? ", they begin with " : "", hex, size > SHOWN ? "..." : "");
}

static void on_ready(struct probe_watch *watch, uint32_t events)
{
	struct udp *udp = (struct udp *)((char *)watch - offsetof(struct udp, watch));
	static uint8_t reply[REPLY_MAX];
	ssize_t n = recv(watch->fd, reply, sizeof(reply), 0);

	(void)events;
	if (n >= 0)
		judge(&udp->probe, reply, n);
	else if (errno != EAGAIN && errno != EINTR)
		probe_end_errno(&udp->probe, DOING, errno, true);
}

static int start(struct probe *probe)
{
	const struct model_check *check = probe->target.check;
	struct udp *udp = udp_of(probe);
	int err;

	udp->watch = (struct probe_watch){.fd = probe_socket(&probe->target, SOCK_DGRAM),
					  .ready = on_ready};
	if (udp->watch.fd < 0)
		return udp->watch.fd;
	err = probe_connect(udp->watch.fd, &probe->target);
	if (!err && send(udp->watch.fd, check->payload, check->payload_size, 0) < 0)
		err = -errno;
	if (err)
		return probe_begin_errno(probe, DOING, err);
	return probe_watch(probe->probes, &udp->watch, EPOLLIN);
}

static void late(struct probe *probe)
{
	probe_end_silent(probe, DOING, " waiting for a reply");
}

static void stop(struct probe *probe)
{
	probe_unwatch_close(probe->probes, &udp_of(probe)->watch);
}

const struct probe_kind probe_udp = {
	.size = sizeof(struct udp),
	.start = start,
	.late = late,
	.stop = stop,
};
