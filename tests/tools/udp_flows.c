/* SPDX-License-Identifier: MIT */
/*
 * UDP flows that talk for a while, and servers that say who they are: labs count with it what a change
 * moves to another server.
 *
 *	udp_flows serve ADDRESS PORT HEX    answers each datagram with these bytes; runs until killed
 *	udp_flows hold ADDRESS PORT N PAUSE_MS
 *		N flows, each of a port of its own: a datagram every PAUSE_MS, and its answer. Prints
 *		"round R" when each has had its Rth answer. Ends at SIGTERM or SIGINT with one line:
 *		"flows N answers A moved M lost L", and status 0 if M is 0. Moved are those that another server
 *		answered than the first time. Lost are datagrams without an answer within LOST_S.
 *	udp_flows quic ADDRESS PORT N PAUSE_MS
 *		the same as QUIC's packets look: first one with an id that the client made up, then with the
 *		server's answer as the id, and each from another port.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_BYTES 20 /* as long as an id in QUIC may be */
#define NAME_MIN_BYTES 8
#define DATAGRAM 64
#define EVENTS 256
#define LOST_S 2
#define ROOM (4 << 20) /* bytes, for what a server has not read yet */

struct name {
	unsigned char bytes[NAME_MAX_BYTES];
	size_t size; /* 0: not known */
};

struct flow {
	int fd;
	struct name server;
	bool waiting; /* for an answer */
	bool moved;
	double sent_at;
	unsigned long answers;
};

struct load {
	struct flow *list;
	size_t n;
	struct addrinfo *to;
	bool quic;
	double pause_s;
	int epoll;
	unsigned long answers, lost, round;
};

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct addrinfo *look_up(const char *address, const char *port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_DGRAM};
	struct addrinfo *info;
	int err = getaddrinfo(address, port, &hints, &info);

	if (err) {
		fprintf(stderr, "%s port %s: %s\n", address, port, gai_strerror(err));
		exit(2);
	}
	return info;
}

static int open_socket(const struct addrinfo *info)
{
	int fd = socket(info->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

/* ---------------------------------------------------------------------------------------- server */

static struct name read_name(const char *hex)
{
	struct name name = {.size = strlen(hex) / 2};

	if (name.size < NAME_MIN_BYTES || name.size > NAME_MAX_BYTES) {
		fprintf(stderr, "udp_flows: \"%s\": %d to %d bytes\n", hex, NAME_MIN_BYTES,
			NAME_MAX_BYTES);
		exit(2);
	}
	for (size_t i = 0; i < name.size; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &name.bytes[i]) != 1) {
			fprintf(stderr, "udp_flows: \"%s\" is not hex\n", hex);
			exit(2);
		}
	return name;
}

static void serve(const char *address, const char *port, const char *hex)
{
	struct addrinfo *info = look_up(address, port);
	const struct name name = read_name(hex);
	int fd = open_socket(info), room = ROOM;
	char buffer[DATAGRAM];

	/* All flows may ask at once. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, info->ai_addr, info->ai_addrlen))
		fail(address);
	freeaddrinfo(info);
	for (;;) {
		struct sockaddr_storage from;
		socklen_t from_size = sizeof(from);

		/* Errors are those of earlier answers: the client is gone. */
		if (recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &from_size) >=
		    0)
			(void)!sendto(fd, name.bytes, name.size, 0, (struct sockaddr *)&from,
				      from_size);
	}
}

/* ---------------------------------------------------------------------------------------- client */

/* From a port that is its own. */
static void open_flow(struct load *load, struct flow *flow)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = flow};

	flow->fd = open_socket(load->to);
	if (connect(flow->fd, load->to->ai_addr, load->to->ai_addrlen) ||
	    epoll_ctl(load->epoll, EPOLL_CTL_ADD, flow->fd, &event))
		fail("connect");
}

/* A long header, an Initial of version 1, with an id of chance; or a short one with the server's. */
static void put_quic(unsigned char *out, const struct flow *flow)
{
	if (flow->server.size) {
		out[0] = 0x40;
		memcpy(out + 1, flow->server.bytes, flow->server.size);
		return;
	}
	out[0] = 0xc0;
	out[4] = 1;
	out[5] = NAME_MIN_BYTES;
	for (int i = 0; i < NAME_MIN_BYTES; i++)
		out[6 + i] = (unsigned char)random();
}

static void ask(struct load *load, struct flow *flow, double now)
{
	unsigned char datagram[DATAGRAM] = {0};

	if (load->quic && flow->server.size) {
		close(flow->fd);
		open_flow(load, flow);
	}
	if (load->quic)
		put_quic(datagram, flow);
	/* Errors are of the one before, which an ICMP error answered: it is lost. */
	(void)!send(flow->fd, datagram, sizeof(datagram), 0);
	flow->waiting = true;
	flow->sent_at = now;
}

static void hear(struct load *load, struct flow *flow)
{
	struct name name;
	ssize_t n = recv(flow->fd, name.bytes, sizeof(name.bytes), MSG_DONTWAIT);

	if (n <= 0)
		return;
	name.size = (size_t)n;
	if (!flow->server.size)
		flow->server = name;
	else if (flow->server.size != name.size ||
		 memcmp(flow->server.bytes, name.bytes, name.size) != 0)
		flow->moved = true;
	flow->waiting = false;
	flow->answers++;
	load->answers++;
}

static void tell_round(struct load *load)
{
	for (size_t i = 0; i < load->n; i++)
		if (load->list[i].answers <= load->round)
			return;
	printf("round %lu\n", ++load->round);
	fflush(stdout);
}

static void ask_all(struct load *load, double now)
{
	for (size_t i = 0; i < load->n; i++) {
		struct flow *flow = &load->list[i];

		if (flow->waiting && now - flow->sent_at > LOST_S) {
			load->lost++;
			flow->waiting = false;
		}
		if (!flow->waiting && now - flow->sent_at >= load->pause_s)
			ask(load, flow, now);
	}
}

static void talk(struct load *load)
{
	struct epoll_event events[EVENTS];
	bool stop = false;

	while (!stop) {
		int n;

		ask_all(load, now_s());
		n = epoll_wait(load->epoll, events, EVENTS, 10);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				hear(load, events[i].data.ptr);
			else
				stop = true;
		}
		tell_round(load);
	}
}

static void watch_signals(int epoll)
{
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, signalfd(-1, &set, SFD_CLOEXEC), &event))
		fail("signalfd");
}

static int hold(char **argv, bool quic)
{
	struct load load = {
		.to = look_up(argv[2], argv[3]),
		.n = strtoul(argv[4], NULL, 10),
		.pause_s = (double)strtoul(argv[5], NULL, 10) / 1000,
		.quic = quic,
		.epoll = epoll_create1(EPOLL_CLOEXEC),
	};
	unsigned long moved = 0;

	load.list = calloc(load.n + 1, sizeof(*load.list));
	if (!load.list || load.epoll < 0)
		fail("hold");
	watch_signals(load.epoll);
	for (size_t i = 0; i < load.n; i++)
		open_flow(&load, &load.list[i]);
	talk(&load);
	for (size_t i = 0; i < load.n; i++)
		moved += load.list[i].moved;
	printf("flows %zu answers %lu moved %lu lost %lu\n", load.n, load.answers, moved,
	       load.lost);
	free(load.list);
	freeaddrinfo(load.to);
	return moved ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	const char *command = argc > 1 ? argv[1] : "";

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (argc == 5 && strcmp(command, "serve") == 0)
		serve(argv[2], argv[3], argv[4]);
	if (argc == 6 && strcmp(command, "hold") == 0)
		return hold(argv, false);
	if (argc == 6 && strcmp(command, "quic") == 0)
		return hold(argv, true);
	fprintf(stderr,
		"usage: udp_flows serve ADDRESS PORT HEX | hold|quic ADDRESS PORT N PAUSE_MS\n");
	return 2;
}
