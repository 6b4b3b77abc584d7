/* SPDX-License-Identifier: MIT */
/*
 * Frames made by hand, in the words of tests/lib/frame.h, for labs on kernels that lack the devices
 * that would make them.
 *
 *	frames build WORDS [OUTER]      prints the frame in hex; with OUTER the one that leaves the balancer
 *	frames send INTERFACE HEX       sends a frame
 *	frames listen INTERFACE         prints each frame that comes in, in hex, a line each, its VLAN tags
 *		in their places; first the line "listening". Runs until killed.
 */
#include "tests/lib/frame.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MACS 12 /* bytes before a frame's tags */

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static void print_hex(const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		printf("%02x", data[i]);
}

static void build(const char *words, const char *outer)
{
	static struct frame inner, out;

	frame_build(&inner, words);
	if (outer)
		frame_build_outer(&out, outer, &inner);
	else
		out = inner;
	print_hex(out.data, out.size);
	printf("\n");
}

static int open_port(const char *interface)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;

	addr.sll_ifindex = (int)if_nametoindex(interface);
	if (fd < 0 || !addr.sll_ifindex || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		fail(interface);
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)))
		fail("PACKET_AUXDATA");
	return fd;
}

static void send_hex(const char *interface, const char *hex)
{
	static unsigned char data[FRAME_MAX];
	size_t size = strlen(hex) / 2;
	int fd = open_port(interface);

	if (size > sizeof(data)) {
		fprintf(stderr, "a frame has at most %d bytes\n", FRAME_MAX);
		exit(2);
	}
	for (size_t i = 0; i < size; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &data[i]) != 1) {
			fprintf(stderr, "\"%s\" is not hex\n", hex);
			exit(2);
		}
	if (send(fd, data, size, 0) != (ssize_t)size)
		fail("send");
	close(fd);
}

/* The kernel takes the outermost tag off a frame, and tells it aside. */
static void print_tag(struct msghdr *message)
{
	struct tpacket_auxdata *aux;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		aux = (struct tpacket_auxdata *)CMSG_DATA(c);
		if (aux->tp_status & TP_STATUS_VLAN_VALID)
			printf("%04x%04x", aux->tp_vlan_tpid, aux->tp_vlan_tci);
	}
}

static void listen_on(const char *interface)
{
	static unsigned char data[FRAME_MAX];
	int fd = open_port(interface);

	setlinebuf(stdout);
	printf("listening\n");
	for (;;) {
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct iovec part = {data, sizeof(data)};
		struct sockaddr_ll from;
		struct msghdr message = {
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		ssize_t n = recvmsg(fd, &message, 0);

		if (n < 0)
			fail(interface);
		if (n < MACS || from.sll_pkttype == PACKET_OUTGOING)
			continue;
		print_hex(data, MACS);
		print_tag(&message);
		print_hex(data + MACS, (size_t)n - MACS);
		printf("\n");
	}
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	if (strcmp(command, "build") == 0 && (argc == 3 || argc == 4))
		build(argv[2], argv[3]);
	else if (strcmp(command, "send") == 0 && argc == 4)
		send_hex(argv[2], argv[3]);
	else if (strcmp(command, "listen") == 0 && argc == 3)
		listen_on(argv[2]);
	else {
		fprintf(stderr, "usage: frames build WORDS [OUTER] | send INTERFACE HEX"
				" | listen INTERFACE\n");
		return 2;
	}
	return 0;
}
