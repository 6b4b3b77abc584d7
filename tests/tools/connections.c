/* SPDX-License-Identifier: MIT */
/*
 * Many TCP connections that talk for a while, and a server for them: labs count with it what a change
 * does to connections that are open.
 *
 *	connections serve PORT              echo server on every address; runs until killed
 *	connections hold ADDRESS PORT N [PAUSE_MS]
 *		opens N connections and keeps each talking: a message of 16 bytes every PAUSE_MS (200), and
 *		its echo. Prints "open N" when all are open, and "round R" when each has had its Rth
 *		echo, or is broken. Ends at SIGTERM or SIGINT with one line:
 *		"connections N messages M reset R closed C stalled S", and status 0 if R, C and S are 0.
 *		Stalled are those whose last message had no echo within STALL_S.
 *	connections churn ADDRESS PORT N [PAUSE_MS]
 *		N at a time: each is opened, sends a message, reads its echo and closes, and after
 *		PAUSE_MS comes the next. Ends at SIGTERM or SIGINT with one line: "came N failed F", and
 *		status 0 if F is 0. Failed are those that were refused or broken, or took longer than STALL_S.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
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

#define MESSAGE 16
#define EVENTS 256
#define STALL_S 10
#define OPEN_S 30

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void watch(int epoll, int fd, void *ptr)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = ptr};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		fail("epoll_ctl");
}

/* ---------------------------------------------------------------------------------------- server */

static int listen_on(unsigned int port)
{
	struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 4096))
		fail("listen");
	return fd;
}

/* The descriptor itself is the event's data. */
static void echo(int fd)
{
	char buffer[4096];
	ssize_t n = read(fd, buffer, sizeof(buffer));

	if (n <= 0 || write(fd, buffer, (size_t)n) != n)
		close(fd);
}

static void serve(unsigned int port)
{
	int listener = listen_on(port), epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS];

	watch(epoll, listener, (void *)(intptr_t)listener);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = (int)(intptr_t)events[i].data.ptr;

			if (fd != listener) {
				echo(fd);
				continue;
			}
			fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0)
				watch(epoll, fd, (void *)(intptr_t)fd);
		}
	}
}

/* ---------------------------------------------------------------------------------------- client */

struct connection {
	int fd;       /* -1: gone */
	size_t got;   /* bytes of the echo so far */
	bool waiting; /* for an echo */
	unsigned long echoes;
	double sent_at; /* of the last message */
};

struct load {
	struct connection *list;
	size_t n;
	double pause_s;
	unsigned long messages, reset, closed;
	unsigned long round; /* echoes that each has had */
};

static struct sockaddr_storage parse_address(const char *text, unsigned int port, socklen_t *size)
{
	struct sockaddr_storage addr = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		*size = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		*size = sizeof(*v6);
	} else {
		fprintf(stderr, "connections: \"%s\" is not an address\n", text);
		exit(2);
	}
	return addr;
}

static void open_all(struct load *load, const struct sockaddr_storage *addr, socklen_t size)
{
	int one = 1;

	for (size_t i = 0; i < load->n; i++) {
		int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)addr, size))
			fail("connect");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		fcntl(fd, F_SETFL, O_NONBLOCK);
		load->list[i] = (struct connection){.fd = fd};
	}
}

static void lose(struct load *load, struct connection *c, bool reset)
{
	if (reset)
		load->reset++;
	else
		load->closed++;
	close(c->fd);
	c->fd = -1;
}

static void send_message(struct load *load, struct connection *c, double now)
{
	static const char message[MESSAGE] = "0123456789abcde";

	if (write(c->fd, message, MESSAGE) != MESSAGE) {
		lose(load, c, true);
		return;
	}
	c->waiting = true;
	c->got = 0;
	c->sent_at = now;
}

static void read_echo(struct load *load, struct connection *c)
{
	char buffer[MESSAGE];
	ssize_t n;

	if (c->fd < 0)
		return;
	n = read(c->fd, buffer, sizeof(buffer));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lose(load, c, n < 0);
		return;
	}
	c->got += (size_t)n;
	if (c->got < MESSAGE)
		return;
	c->waiting = false;
	c->echoes++;
	load->messages++;
}

static int report(const struct load *load)
{
	unsigned long stalled = 0;
	double now = now_s();

	for (size_t i = 0; i < load->n; i++)
		stalled += load->list[i].fd >= 0 && load->list[i].waiting &&
			   now - load->list[i].sent_at > STALL_S;
	printf("connections %zu messages %lu reset %lu closed %lu stalled %lu\n", load->n,
	       load->messages, load->reset, load->closed, stalled);
	return load->reset || load->closed || stalled ? 1 : 0;
}

/* Waits for the echoes that are on their way. */
static void drain(struct load *load, int epoll)
{
	struct epoll_event events[EVENTS];
	double end = now_s() + STALL_S;
	size_t waiting = 1;

	while (waiting && now_s() < end) {
		int n = epoll_wait(epoll, events, EVENTS, 100);

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr)
				read_echo(load, events[i].data.ptr);
		waiting = 0;
		for (size_t i = 0; i < load->n; i++)
			waiting += load->list[i].fd >= 0 && load->list[i].waiting;
	}
}

/* When all are broken, each round is over. */
static void tell_round(struct load *load)
{
	unsigned long round = load->round + 1;

	for (size_t i = 0; i < load->n; i++)
		if (load->list[i].fd >= 0 && load->list[i].echoes < round)
			return;
	load->round = round;
	printf("round %lu\n", round);
	fflush(stdout);
}

static int talk(struct load *load, int signals)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS];
	bool stop = false;

	for (size_t i = 0; i < load->n; i++)
		watch(epoll, load->list[i].fd, &load->list[i]);
	watch(epoll, signals, NULL);
	while (!stop) {
		double now = now_s();
		int n;

		for (size_t i = 0; i < load->n; i++) {
			struct connection *c = &load->list[i];

			/* The first messages are spread over the pause. */
			if (c->fd >= 0 && !c->waiting && now - c->sent_at >= load->pause_s)
				send_message(load, c, now);
		}
		n = epoll_wait(epoll, events, EVENTS, 10);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				read_echo(load, events[i].data.ptr);
			else
				stop = true;
		}
		tell_round(load);
	}
	drain(load, epoll);
	return report(load);
}

/* A descriptor that is readable when the program is to end. */
static int end_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int hold(const char *address, unsigned int port, size_t n, unsigned int pause_ms)
{
	struct load load = {.n = n, .pause_s = pause_ms / 1000.0};
	struct sockaddr_storage addr;
	int signals = end_signals(), status;
	socklen_t size;

	addr = parse_address(address, port, &size);
	load.list = calloc(n + 1, sizeof(*load.list));
	if (!load.list)
		fail("calloc");
	alarm(OPEN_S);
	open_all(&load, &addr, size);
	alarm(0);
	printf("open %zu\n", n);
	fflush(stdout);
	status = talk(&load, signals);
	free(load.list);
	return status;
}

/* ----------------------------------------------------------------------------------------- churn */

/* One that comes and goes. Its socket is writable when it is open, readable when the echo is there. */
struct visit {
	int fd; /* -1: the next one comes at `next` */
	bool sent;
	double since, next;
};

struct churn {
	struct visit *list;
	size_t n;
	double pause_s;
	int epoll;
	unsigned long came, failed;
};

static void come(struct churn *churn, struct visit *v, const struct sockaddr_storage *addr,
		 socklen_t size, double now)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = v};

	*v = (struct visit){.since = now};
	v->fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (v->fd < 0)
		fail("socket");
	if (connect(v->fd, (const struct sockaddr *)addr, size) && errno != EINPROGRESS)
		fail("connect");
	if (epoll_ctl(churn->epoll, EPOLL_CTL_ADD, v->fd, &event))
		fail("epoll_ctl");
}

static void leave(struct churn *churn, struct visit *v, bool good, double now)
{
	close(v->fd);
	*v = (struct visit){.fd = -1, .next = now + churn->pause_s};
	churn->came++;
	churn->failed += !good;
}

static void proceed(struct churn *churn, struct visit *v, double now)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = v};
	char buffer[MESSAGE] = "0123456789abcde";

	if (v->sent) {
		leave(churn, v, read(v->fd, buffer, MESSAGE) == MESSAGE, now);
		return;
	}
	/* After a failed connect this gives its error. */
	if (write(v->fd, buffer, MESSAGE) != MESSAGE) {
		leave(churn, v, false, now);
		return;
	}
	v->sent = true;
	if (epoll_ctl(churn->epoll, EPOLL_CTL_MOD, v->fd, &event))
		fail("epoll_ctl");
}

/* Those under way when the end comes count neither way. */
static void come_and_go(struct churn *churn, const struct sockaddr_storage *addr, socklen_t size)
{
	struct epoll_event events[EVENTS];
	bool stop = false;

	while (!stop) {
		double now = now_s();
		int n;

		for (size_t i = 0; i < churn->n; i++) {
			struct visit *v = &churn->list[i];

			if (v->fd < 0 && now >= v->next)
				come(churn, v, addr, size, now);
			else if (v->fd >= 0 && now - v->since > STALL_S)
				leave(churn, v, false, now);
		}
		n = epoll_wait(churn->epoll, events, EVENTS, 10);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				proceed(churn, events[i].data.ptr, now_s());
			else
				stop = true;
		}
	}
}

static int churn(const char *address, unsigned int port, size_t n, unsigned int pause_ms)
{
	struct churn churn = {.n = n, .pause_s = pause_ms / 1000.0};
	struct sockaddr_storage addr;
	socklen_t size;

	addr = parse_address(address, port, &size);
	churn.list = calloc(n + 1, sizeof(*churn.list));
	churn.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!churn.list || churn.epoll < 0)
		fail("churn");
	for (size_t i = 0; i < n; i++)
		churn.list[i].fd = -1;
	watch(churn.epoll, end_signals(), NULL);
	come_and_go(&churn, &addr, size);
	printf("came %lu failed %lu\n", churn.came, churn.failed);
	free(churn.list);
	return churn.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	unsigned int pause_ms = argc == 6 ? (unsigned int)strtoul(argv[5], NULL, 10) : 200;

	allow_many_files();
	if (argc == 3 && strcmp(argv[1], "serve") == 0) {
		signal(SIGPIPE, SIG_IGN);
		serve((unsigned int)strtoul(argv[2], NULL, 10));
	}
	if ((argc == 5 || argc == 6) && strcmp(argv[1], "hold") == 0)
		return hold(argv[2], (unsigned int)strtoul(argv[3], NULL, 10),
			    strtoul(argv[4], NULL, 10), pause_ms);
	if ((argc == 5 || argc == 6) && strcmp(argv[1], "churn") == 0)
		return churn(argv[2], (unsigned int)strtoul(argv[3], NULL, 10),
			     strtoul(argv[4], NULL, 10), pause_ms);
	fprintf(stderr, "usage: connections serve PORT | hold|churn ADDRESS PORT N [PAUSE_MS]\n");
	return 2;
}
