/* SPDX-License-Identifier: MIT */
/*
 * One loop over all sockets. What a connection is to get next is asked of its service each time it can
 * be written to, so endless answers need no memory.
 */
#include "tests/lib/hostile.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FDS_MAX 4096
#define DRIP_MS 50
#define REQUEST_MAX 4096
#define FLOOD_SIZE 16384

/* Beside each descriptor. */
struct peer {
	const struct hostile_service *service;
	bool listens; /* or is a UDP socket */
	bool said;    /* what is said once */
	size_t n;
	char request[REQUEST_MAX];
};

static struct {
	struct pollfd fds[FDS_MAX];
	struct peer *peers[FDS_MAX];
	size_t n;
} table;

static void add(int fd, const struct hostile_service *service, bool listens)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (table.n == FDS_MAX || !peer)
		_exit(1);
	peer->service = service;
	peer->listens = listens;
	table.fds[table.n] = (struct pollfd){.fd = fd, .events = POLLIN};
	table.peers[table.n++] = peer;
}

static void drop(size_t i)
{
	close(table.fds[i].fd);
	free(table.peers[i]);
	table.n--;
	table.fds[i] = table.fds[table.n];
	table.peers[i] = table.peers[table.n];
}

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		return; /* the peer went away, as it may */
}

/* ---------------------------------------------------------------------------------------- UDP */

static void answer_datagram(int fd, const struct hostile_service *service)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	uint8_t bytes[2048];
	ssize_t n = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size);
	const void *reply = bytes;
	unsigned int times = 1;

	if (n < 12 && service->does >= HOSTILE_DNS)
		return;
	switch (service->does) {
	case HOSTILE_UDP_ECHO:
		break;
	case HOSTILE_UDP_SAY:
		reply = service->text;
		n = strlen(service->text);
		times = 20;
		break;
	case HOSTILE_DNS_ID:
		bytes[0] ^= 1;
		bytes[2] |= 0x80;
		break;
	case HOSTILE_DNS_NAME:
		bytes[13] ^= 1;
		bytes[2] |= 0x80;
		break;
	case HOSTILE_DNS:
		bytes[2] |= 0x80;
		bytes[3] |= service->number;
		/* Some servers change capitals. */
		bytes[13] ^= 0x20;
		break;
	default:
		return;
	}
	while (times--)
		sendto(fd, reply, n, 0, (struct sockaddr *)&from, size);
}

/* ---------------------------------------------------------------------------------------- TCP */

static void flood(int fd, const char *text)
{
	char block[FLOOD_SIZE];
	size_t len = strlen(text), n;

	for (n = 0; n + len <= sizeof(block); n += len)
		memcpy(block + n, text, len);
	send(fd, block, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* It has been accepted. false: it is over. */
static bool greet(int fd, const struct hostile_service *service, struct pollfd *pollfd)
{
	switch (service->does) {
	case HOSTILE_CLOSE:
		return false;
	case HOSTILE_SAY:
		say(fd, service->text);
		shutdown(fd, SHUT_WR);
		break;
	case HOSTILE_DRIP:
		say(fd, service->text);
		break;
	case HOSTILE_HEADERS:
	case HOSTILE_BODY:
		say(fd, "HTTP/1.1 200 OK\r\n");
		if (service->does == HOSTILE_BODY)
			say(fd, "\r\n");
		pollfd->events |= POLLOUT;
		break;
	case HOSTILE_FLOOD:
		pollfd->events |= POLLOUT;
		break;
	default:
		break;
	}
	return true;
}

/* Something was received: @n bytes, 0 for the end, < 0 for an error. false: it is over. */
static bool hear(int fd, struct peer *peer, ssize_t n)
{
	static const struct linger reset = {.l_onoff = 1};

	if (n <= 0)
		return false;
	if (peer->service->does == HOSTILE_RESET) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		return false;
	}
	peer->n += n;
	if (peer->service->does == HOSTILE_ECHO && !peer->said &&
	    memmem(peer->request, peer->n, "\r\n\r\n", 4)) {
		peer->said = true;
		say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
		send(fd, peer->request, peer->n, MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
	}
	return true;
}

/* false: it is over. */
static bool serve(size_t i)
{
	int fd = table.fds[i].fd;
	struct peer *peer = table.peers[i];
	const struct hostile_service *service = peer->service;

	if (table.fds[i].revents & POLLOUT)
		flood(fd, service->does == HOSTILE_HEADERS ? "X-Header: and no end\r\n"
							   : service->text);
	if (table.fds[i].revents & (POLLIN | POLLHUP | POLLERR)) {
		if (peer->n == REQUEST_MAX)
			peer->n = 0;
		return hear(fd, peer,
			    recv(fd, peer->request + peer->n, REQUEST_MAX - peer->n, MSG_DONTWAIT));
	}
	return true;
}

static void serve_listener(size_t i)
{
	const struct hostile_service *service = table.peers[i]->service;
	int fd = table.fds[i].fd;

	if (service->does >= HOSTILE_UDP_SILENT) {
		answer_datagram(fd, service);
		return;
	}
	fd = accept(fd, NULL, NULL);
	if (fd < 0)
		return;
	add(fd, service, false);
	if (!greet(fd, service, &table.fds[table.n - 1]))
		drop(table.n - 1);
}

static void __attribute__((noreturn)) loop(void)
{
	for (;;) {
		poll(table.fds, table.n, DRIP_MS);
		/* Backwards: who is dropped is replaced by one that had its turn. */
		for (size_t i = table.n; i-- > 0;) {
			if (table.peers[i]->listens) {
				if (table.fds[i].revents)
					serve_listener(i);
				continue;
			}
			if (table.peers[i]->service->does == HOSTILE_DRIP)
				send(table.fds[i].fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
			if (!serve(i))
				drop(i);
		}
	}
}

/* ------------------------------------------------------------------------------------ starting */

static int open_service(const char *address, const struct hostile_service *service)
{
	bool udp = service->does >= HOSTILE_UDP_SILENT;
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = udp ? SOCK_DGRAM : SOCK_STREAM},
			*info;
	char port[8];
	int fd, one = 1;

	snprintf(port, sizeof(port), "%u", service->port);
	assert_int_equal(getaddrinfo(address, port, &hints, &info), 0);
	fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, info->ai_addr, info->ai_addrlen), 0);
	if (!udp)
		assert_int_equal(listen(fd, 4096), 0);
	freeaddrinfo(info);
	return fd;
}

pid_t hostile_start(const char *address, const struct hostile_service *services, size_t n)
{
	int fds[64];
	pid_t pid;

	assert_true(n <= sizeof(fds) / sizeof(*fds));
	for (size_t i = 0; i < n; i++)
		fds[i] = open_service(address, &services[i]);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		for (size_t i = 0; i < n; i++)
			add(fds[i], &services[i], true);
		loop();
	}
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	return pid;
}

void hostile_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
