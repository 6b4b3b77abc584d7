/* SPDX-License-Identifier: MIT */
/*
 * What every backend answers is a TCP SYN, with SYN and ACK or with RST; and a SYN may carry data
 * (RFC 9293, 3.10.7.4), though nobody reads it. So a SYN filled up to the size that is asked for,
 * and an answer to it, show that packets of that size get there, whatever service there is.
 *
 * Each size has a source port of its own, that a socket keeps from others, so answers tell which
 * they are for. Every packet is sent three times, in case one gets lost. A connection that was
 * opened is reset through the tunnel.
 */
#include "daemon/probe_mtu.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "config/addr.h"
#include "config/cleanup.h"

#define TRIES 3
#define TRY_US 300000u
#define ACCURACY_US 10000u
#define FULL_MAX 16384u /* what a frame may have at the kernel's hook */

/* Between small and full, when full is not answered. */
static const unsigned int between[] = {9000, 8000, 6000, 4000, 3000, 2000, 1500, 1492,
				       1480, 1472, 1460, 1452, 1440, 1420, 1400, 1360,
				       1320, 1280, 1240, 1200, 1000, 800,  576,  400};

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define SIZES_MAX (2 + N(between))

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct size {
	unsigned int bytes; /* of the IP packet */
	int fd;             /* has the port */
	uint16_t port;      /* network byte order */
	uint32_t seq;       /* host byte order */
	bool answered;
};

struct probe_mtu {
	struct probe_mtu_target target;
	probe_mtu_done_fn *done;
	void *ctx;
	int fd; /* raw, connected to the VIP */
	bool v4;
	socklen_t length; /* of addresses */
	union address source;
	sd_event_source *io, *timer;
	struct size sizes[SIZES_MAX];
	size_t n, first; /* those from `first` on are being tried */
	unsigned int tries;
	unsigned char segment[FULL_MAX];
};

static void probe_freep(struct probe_mtu **probe)
{
	probe_mtu_cancel(*probe);
}

void probe_mtu_cancel(struct probe_mtu *probe)
{
	if (!probe)
		return;
	sd_event_source_disable_unref(probe->io);
	sd_event_source_disable_unref(probe->timer);
	for (size_t i = 0; i < probe->n; i++)
		closep(&probe->sizes[i].fd);
	closep(&probe->fd);
	free(probe);
}

/* ----------------------------------------------------------------------------------------- send */

static unsigned int header_bytes(const struct probe_mtu *probe)
{
	return (probe->v4 ? 20u : 40u) + sizeof(struct tcphdr);
}

/* Of big-endian words of 16 bits, not folded. */
static uint32_t sum_bytes(uint32_t sum, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t checksum(const struct probe_mtu *probe, size_t size)
{
	uint32_t sum = IPPROTO_TCP + (uint32_t)size;

	if (probe->v4) {
		sum = sum_bytes(sum, &probe->source.v4.sin_addr, 4);
		sum = sum_bytes(sum, &probe->target.address.w[3], 4);
	} else {
		sum = sum_bytes(sum, &probe->source.v6.sin6_addr, 16);
		sum = sum_bytes(sum, &probe->target.address, 16);
	}
	sum = sum_bytes(sum, probe->segment, size);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htobe16((uint16_t)~sum);
}

/* One that does not get away is one that is not answered. */
static void send_segment(struct probe_mtu *probe, const struct size *from, uint32_t seq, bool reset)
{
	struct tcphdr *tcp = (struct tcphdr *)probe->segment;
	size_t size = sizeof(*tcp);

	if (!reset)
		size += from->bytes - header_bytes(probe);
	memset(probe->segment, 0, size);
	tcp->source = from->port;
	tcp->dest = htobe16(probe->target.port);
	tcp->seq = htobe32(seq);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->syn = !reset;
	tcp->rst = reset;
	tcp->window = htobe16(1024);
	tcp->check = checksum(probe, size);
	send(probe->fd, probe->segment, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_sizes(struct probe_mtu *probe)
{
	for (size_t i = probe->first; i < probe->n; i++)
		if (!probe->sizes[i].answered)
			send_segment(probe, &probe->sizes[i], probe->sizes[i].seq, false);
	probe->tries++;
}

/* Adds a size, with a port. 0 or -errno. */
static int add_size(struct probe_mtu *probe, unsigned int bytes)
{
	_cleanup_(closep) int fd =
		socket(probe->source.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct size *size = &probe->sizes[probe->n];
	union address address = probe->source;
	socklen_t length = sizeof(address);

	if (fd < 0)
		return -errno;
	if (bind(fd, &address.any, probe->length) || getsockname(fd, &address.any, &length))
		return -errno;
	*size = (struct size){.bytes = bytes, .fd = -1};
	size->port = probe->v4 ? address.v4.sin_port : address.v6.sin6_port;
	if (getrandom(&size->seq, sizeof(size->seq), 0) != sizeof(size->seq))
		return -EIO;
	size->fd = TAKE_FD(fd);
	probe->n++;
	return 0;
}

/* -------------------------------------------------------------------------------------- receive */

static void finish(struct probe_mtu *probe)
{
	struct probe_mtu_report report = {.full = probe->target.full};
	probe_mtu_done_fn *done = probe->done;
	void *ctx = probe->ctx;

	for (size_t i = 0; i < probe->n; i++)
		if (probe->sizes[i].answered && probe->sizes[i].bytes > report.carried)
			report.carried = probe->sizes[i].bytes;
	probe_mtu_cancel(probe);
	done(ctx, &report);
}

static void take_answer(struct probe_mtu *probe, const struct tcphdr *tcp)
{
	for (size_t i = probe->first; i < probe->n; i++) {
		struct size *size = &probe->sizes[i];
		uint32_t acked = be32toh(tcp->ack_seq) - size->seq;

		if (tcp->dest != size->port || tcp->source != htobe16(probe->target.port) ||
		    !tcp->ack || !acked || acked > size->bytes || !(tcp->syn || tcp->rst))
			continue;
		size->answered = true;
		if (!tcp->rst)
			send_segment(probe, size, be32toh(tcp->ack_seq), true);
	}
}

/* Is nothing left to wait for? */
static bool is_settled(const struct probe_mtu *probe)
{
	bool all = true;

	for (size_t i = probe->first; i < probe->n; i++)
		all &= probe->sizes[i].answered;
	return all || probe->sizes[0].answered;
}

static int on_answer(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct probe_mtu *probe = ctx;
	_Alignas(struct tcphdr) unsigned char bytes[256];
	ssize_t n;
	(void)source;
	(void)revents;

	for (;;) {
		size_t header = 0;

		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n < 0)
			break;
		/* Of IPv4 the packet is given, of IPv6 what is in it. */
		if (probe->v4 && n > 0)
			header = (bytes[0] & 0xfu) * 4;
		if ((size_t)n >= header + sizeof(struct tcphdr))
			take_answer(probe, (const struct tcphdr *)(bytes + header));
	}
	if (is_settled(probe))
		finish(probe);
	return 0;
}

/* Full was not answered. false: there is nothing more to try. */
static bool go_between(struct probe_mtu *probe)
{
	if (probe->first || !probe->sizes[1].answered)
		return false;
	probe->first = probe->n;
	probe->tries = 0;
	for (size_t i = 0; i < N(between); i++)
		if (between[i] < probe->target.full && between[i] > probe->sizes[1].bytes &&
		    add_size(probe, between[i]))
			break;
	return probe->n > probe->first;
}

static int on_time(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct probe_mtu *probe = ctx;
	(void)usec;

	if (probe->tries == TRIES && !go_between(probe)) {
		finish(probe);
		return 0;
	}
	send_sizes(probe);
	if (sd_event_source_set_time_relative(source, TRY_US) < 0 ||
	    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) < 0)
		finish(probe);
	return 0;
}

/* ---------------------------------------------------------------------------------------- start */

static int open_socket(struct probe_mtu *probe)
{
	const struct sluice_addr *to = &probe->target.address;
	union address address = {.any.sa_family = probe->v4 ? AF_INET : AF_INET6};
	/* Whole, whatever MTU the kernel has learned. */
	int whole = probe->v4 ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE;
	socklen_t length = sizeof(probe->source);

	if (probe->v4)
		memcpy(&address.v4.sin_addr, &to->w[3], 4);
	else
		memcpy(&address.v6.sin6_addr, to, 16);
	probe->length = probe->v4 ? sizeof(address.v4) : sizeof(address.v6);
	probe->fd =
		socket(address.any.sa_family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (probe->fd < 0 ||
	    setsockopt(probe->fd, SOL_SOCKET, SO_MARK, &probe->target.mark,
		       sizeof(probe->target.mark)) ||
	    setsockopt(probe->fd, probe->v4 ? IPPROTO_IP : IPPROTO_IPV6,
		       probe->v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &whole, sizeof(whole)) ||
	    connect(probe->fd, &address.any, probe->length) ||
	    getsockname(probe->fd, &probe->source.any, &length))
		return -errno;
	/* A raw socket has its protocol for a port. */
	if (probe->v4)
		probe->source.v4.sin_port = 0;
	else
		probe->source.v6.sin6_port = 0;
	return 0;
}

int probe_mtu_start(struct probe_mtu **out, sd_event *event, const struct probe_mtu_target *target,
		    probe_mtu_done_fn *done, void *ctx)
{
	_cleanup_(probe_freep) struct probe_mtu *probe = calloc(1, sizeof(*probe));
	int err;

	if (!probe)
		return -ENOMEM;
	probe->fd = -1;
	probe->target = *target;
	probe->done = done;
	probe->ctx = ctx;
	probe->v4 = addr_is_v4(&target->address);
	if (target->full <= header_bytes(probe) || target->full > FULL_MAX)
		return -EINVAL;
	err = open_socket(probe);
	if (!err)
		err = add_size(probe, target->full);
	if (!err)
		err = add_size(probe, header_bytes(probe));
	if (err)
		return err;
	err = sd_event_add_io(event, &probe->io, probe->fd, EPOLLIN, on_answer, probe);
	if (err < 0)
		return err;
	err = sd_event_add_time_relative(event, &probe->timer, CLOCK_MONOTONIC, 0, ACCURACY_US,
					 on_time, probe);
	if (err < 0)
		return err;
	*out = TAKE(probe);
	return 0;
}
