/* SPDX-License-Identifier: MIT */
/*
 * UDP datagrams of any size and their echo, each from a port of its own: labs see with it whether
 * datagrams in pieces come through whole.
 *
 *	datagrams serve ADDRESS PORT            echo server; runs until killed
 *	datagrams send ADDRESS PORT SIZE N      sends N datagrams of SIZE bytes, one after the other, and
 *		waits for the echo of each. Ends with one line: "sent N echoed E wrong W refused R lost L",
 *		and status 0 if all were echoed. Wrong are those whose echo is not what was sent, refused
 *		those that an ICMP error answered.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define DATAGRAM_MAX 65535
#define WAIT_S 10 /* for an echo, until it is lost */

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

/* A socket of the family of @address, bound or connected to it by @attach. */
static int attached(const char *address, const char *port,
		    int (*attach)(int, const struct sockaddr *, socklen_t))
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_DGRAM};
	struct timeval wait = {.tv_sec = WAIT_S};
	struct addrinfo *info;
	int fd, err = getaddrinfo(address, port, &hints, &info);

	if (err) {
		fprintf(stderr, "%s port %s: %s\n", address, port, gai_strerror(err));
		exit(2);
	}
	fd = socket(info->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || attach(fd, info->ai_addr, info->ai_addrlen))
		fail(address);
	if (attach == connect && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)))
		fail("SO_RCVTIMEO");
	freeaddrinfo(info);
	return fd;
}

static void serve(const char *address, const char *port)
{
	static char buffer[DATAGRAM_MAX];
	int fd = attached(address, port, bind);

	for (;;) {
		struct sockaddr_storage from;
		socklen_t from_size = sizeof(from);
		ssize_t n = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from,
				     &from_size);

		/* Errors are those of earlier echoes: the client is gone. */
		if (n >= 0)
			(void)!sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from,
				      from_size);
	}
}

struct count {
	unsigned int echoed;
	unsigned int wrong;
	unsigned int refused;
	unsigned int lost;
};

static void send_one(struct count *count, const char *address, const char *port, const char *data,
		     size_t size)
{
	static char echo[DATAGRAM_MAX];
	int fd = attached(address, port, connect);
	ssize_t n;

	if (send(fd, data, size, 0) != (ssize_t)size)
		fail("send");
	n = recv(fd, echo, sizeof(echo), 0);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		count->lost++;
	else if (n < 0) {
		fprintf(stderr, "%s port %s: %s\n", address, port, strerror(errno));
		count->refused++;
	} else if ((size_t)n != size || memcmp(data, echo, size) != 0)
		count->wrong++;
	else
		count->echoed++;
	close(fd);
}

static int send_all(const char *address, const char *port, size_t size, unsigned int n)
{
	static char data[DATAGRAM_MAX];
	struct count count = {0};

	if (size > sizeof(data)) {
		fprintf(stderr, "a datagram has at most %d bytes\n", DATAGRAM_MAX);
		return 2;
	}
	for (unsigned int i = 0; i < n; i++) {
		/* No two have the same bytes, and no two places in one, over the usual distances. */
		for (size_t k = 0; k < size; k++)
			data[k] = (char)(i + k + k / 256 * 7);
		send_one(&count, address, port, data, size);
	}
	printf("sent %u echoed %u wrong %u refused %u lost %u\n", n, count.echoed, count.wrong,
	       count.refused, count.lost);
	return count.echoed == n ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "serve") == 0) {
		serve(argv[2], argv[3]);
		return 0;
	}
	if (argc == 6 && strcmp(argv[1], "send") == 0)
		return send_all(argv[2], argv[3], strtoul(argv[4], NULL, 10),
				(unsigned int)strtoul(argv[5], NULL, 10));
	fprintf(stderr, "usage: datagrams serve ADDRESS PORT | send ADDRESS PORT SIZE N\n");
	return 2;
}
