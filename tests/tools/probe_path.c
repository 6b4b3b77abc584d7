/* SPDX-License-Identifier: MIT */
/*
 * One probe into one tunnel, without a daemon: labs see with it what comes of it.
 *
 *	probe_path get DEVICE MAC ENCAP BACKEND VIP PORT [BYTES]
 *		an HTTP request with a header of BYTES more; prints the answer's last line
 *	probe_path mtu DEVICE MAC ENCAP BACKEND VIP PORT [BYTES]
 *		prints "carried N of BYTES" (1500)
 *	probe_path count DEVICE MAC ENCAP BACKEND VIP PORT
 *		as get; prints what was counted, too
 *
 * DEVICE is the port, MAC the next hop's; ENCAP is ip4, ip6, gue4 or gue6 (port 6080, from the address
 * that probes come from). Status 0; or 1 when there was no answer, with the reason.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "config/addr.h"
#include "config/cleanup.h"
#include "daemon/log.h"
#include "daemon/probe_mtu.h"
#include "daemon/probe_path.h"

#define NUMBER 1u
#define GUE_PORT 6080
#define WAIT_S 2

static const char *const encaps[] = {
	[SLUICE_ENCAP_IP4] = "ip4",
	[SLUICE_ENCAP_IP6] = "ip6",
	[SLUICE_ENCAP_GUE4] = "gue4",
	[SLUICE_ENCAP_GUE6] = "gue6",
};

static void fail(const char *what, int err)
{
	printf("%s: %s\n", what, strerror(err));
	exit(1);
}

static unsigned int device_mtu(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request))
		fail(name, errno);
	close(fd);
	return (unsigned int)request.ifr_mtu;
}

static struct probe_path *open_path(char **argv)
{
	struct sluice_backend backend = {.flags = SLUICE_BACKEND_NEXTHOP, .port = htons(GUE_PORT)};
	unsigned int ifindex = if_nametoindex(argv[0]);
	struct probe_path *path;
	struct diag diag = {0};
	int err;

	if (probe_path_new(&path, NULL, &diag)) {
		printf("%s", diag_text(&diag));
		exit(2);
	}
	for (uint8_t i = 1; i < sizeof(encaps) / sizeof(encaps[0]); i++)
		if (strcmp(argv[2], encaps[i]) == 0)
			backend.encap = i;
	if (addr_mac_parse(backend.dmac, argv[1]) || addr_parse(&backend.addr, argv[3]))
		fail(argv[3], EINVAL);
	backend.mtu = (uint16_t)device_mtu(argv[0]);
	err = probe_path_use_ports(path, &ifindex, 1);
	if (err)
		fail(argv[0], -err);
	probe_path_source(path, addr_is_v4(&backend.addr) ? AF_INET : AF_INET6, &backend.source);
	err = probe_path_set(path, NUMBER, &backend);
	if (err)
		fail(argv[3], -err);
	return path;
}

/* ----------------------------------------------------------------------------------------- get */

static int dial(const struct probe_path *path, const struct sluice_addr *vip, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct timeval wait = {.tv_sec = WAIT_S};
	uint32_t mark = probe_path_mark(path, NUMBER);
	int fd = socket(addr_is_v4(vip) ? AF_INET : AF_INET6, SOCK_STREAM, 0);

	memcpy(&v4.sin_addr, &vip->w[3], 4);
	memcpy(&v6.sin6_addr, vip, 16);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)))
		fail("socket", errno);
	if (connect(fd, addr_is_v4(vip) ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		    addr_is_v4(vip) ? sizeof(v4) : sizeof(v6))) {
		printf("connect: %s\n", errno == EINPROGRESS ? "no answer" : strerror(errno));
		return -1;
	}
	return fd;
}

static int get(const struct probe_path *path, const struct sluice_addr *vip, uint16_t port,
	       size_t bytes)
{
	_cleanup_(closep) int fd = dial(path, vip, port);
	_cleanup_(freep) char *request = malloc(bytes + 64);
	char answer[1024], *line;
	size_t size, got = 0;
	ssize_t n;

	if (fd < 0 || !request)
		return 1;
	size = (size_t)sprintf(request, "GET / HTTP/1.0\r\nX: ");
	memset(request + size, 'x', bytes);
	size += bytes;
	size += (size_t)sprintf(request + size, "\r\n\r\n");
	if (write(fd, request, size) != (ssize_t)size)
		fail("write", errno);
	while (got < sizeof(answer) - 1 &&
	       (n = read(fd, answer + got, sizeof(answer) - 1 - got)) > 0)
		got += (size_t)n;
	answer[got] = '\0';
	line = strstr(answer, "\r\n\r\n");
	printf("%s", line ? line + 4 : "no answer\n");
	return !line;
}

static void print_counters(const struct probe_path *path)
{
	static const char *const names[] = {
#define NAME(NAME, name, text) name,
		PROBE_OUTCOMES(NAME)
#undef NAME
	};
	struct probe_counters counters;
	int err = probe_path_counters(path, &counters);

	if (err)
		fail("counters", -err);
	for (size_t i = 0; i < PROBE_OUT_MAX; i++)
		if (counters.outcome[i])
			printf("%s %llu\n", names[i], (unsigned long long)counters.outcome[i]);
}

/* ----------------------------------------------------------------------------------------- mtu */

static void on_report(void *ctx, const struct probe_mtu_report *report)
{
	printf("carried %u of %u\n", report->carried, report->full);
	sd_event_exit(ctx, report->carried ? 0 : 1);
}

static int find_mtu(const struct probe_path *path, const struct sluice_addr *vip, uint16_t port,
		    unsigned int bytes)
{
	struct probe_mtu_target target = {.address = *vip,
					  .port = port,
					  .mark = probe_path_mark(path, NUMBER),
					  .full = bytes ? bytes : 1500};
	struct probe_mtu *probe;
	sd_event *event;
	int err, status;

	if (sd_event_new(&event) < 0)
		fail("event loop", ENOMEM);
	err = probe_mtu_start(&probe, event, &target, on_report, event);
	if (err)
		fail("mtu", -err);
	status = sd_event_loop(event);
	sd_event_unref(event);
	return status;
}

int main(int argc, char **argv)
{
	struct probe_path *path;
	struct sluice_addr vip;
	unsigned int bytes;
	uint16_t port;
	int status;

	if (argc < 8 || addr_parse(&vip, argv[6])) {
		fprintf(stderr, "usage: probe_path get|mtu|count DEVICE MAC ENCAP BACKEND VIP PORT "
				"[BYTES]\n");
		return 2;
	}
	log_init(LOG_LEVEL_WARNING);
	setvbuf(stdout, NULL, _IOLBF, 0);
	port = (uint16_t)atoi(argv[7]);
	bytes = argc > 8 ? (unsigned int)atoi(argv[8]) : 0;
	path = open_path(argv + 2);
	if (strcmp(argv[1], "mtu") == 0)
		status = find_mtu(path, &vip, port, bytes);
	else
		status = get(path, &vip, port, bytes);
	if (strcmp(argv[1], "count") == 0)
		print_counters(path);
	probe_path_free(path);
	return status;
}
