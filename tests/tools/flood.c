/* SPDX-License-Identifier: MIT */
/*
 * A SYN flood for labs, bounded in count and time, straight out of the device that leads to a balancer.
 *
 *	flood OBJECT DEVICE MAC ADDRESS PORT COUNT SECONDS
 *		sends COUNT first packets, each from another address of 10.0.0.0/8, to ADDRESS and PORT,
 *		out of DEVICE to MAC; for SECONDS at most. OBJECT is flood.bpf.o. What comes back
 *		by DEVICE in a tunnel ends there, from now on. Prints "flooding" when the first are out, and
 *		at the end "sent N forwarded F".
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/flood.h"

#define BURST 65536

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

static void read_mac(unsigned char mac[ETH_ALEN], const char *text)
{
	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5]) != ETH_ALEN) {
		fprintf(stderr, "flood: \"%s\" is no MAC address\n", text);
		exit(2);
	}
}

/* Checksums are left out: balancers do not look at them, and nobody else sees the frames. */
static struct frame make_frame(const char *mac, const char *address, const char *port)
{
	struct frame frame = {
		.eth = {.h_source = "\2\0\0\0\0\1", .h_proto = htons(ETH_P_IP)},
		.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP},
		.tcp = {.doff = 5, .syn = 1, .window = htons(64240)},
	};

	read_mac(frame.eth.h_dest, mac);
	frame.ip.tot_len = htons(sizeof(frame.ip) + sizeof(frame.tcp));
	frame.tcp.dest = htons((uint16_t)strtoul(port, NULL, 10));
	if (inet_pton(AF_INET, address, &frame.ip.daddr) != 1) {
		fprintf(stderr, "flood: \"%s\" is no IPv4 address\n", address);
		exit(2);
	}
	return frame;
}

static int program(struct bpf_object *object, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(object, name));
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_all(int send_fd, const struct frame *frame, unsigned long count, double seconds)
{
	double end = now_s() + seconds;

	for (unsigned long left = count; left && now_s() < end;) {
		unsigned long burst = left < BURST ? left : BURST;
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
			    .data_size_in = sizeof(*frame), .repeat = (int)burst,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);

		if (bpf_prog_test_run_opts(send_fd, &opts))
			fail("sending");
		if (left == count) {
			printf("flooding\n");
			fflush(stdout);
		}
		left -= burst;
	}
}

int main(int argc, char **argv)
{
	struct flood_settings settings = {0};
	struct flood_counts counts;
	struct bpf_object *object;
	struct frame frame;
	unsigned int device;
	__u32 key = 0;

	if (argc != 8) {
		fprintf(stderr, "usage: flood OBJECT DEVICE MAC ADDRESS PORT COUNT SECONDS\n");
		return 2;
	}
	frame = make_frame(argv[3], argv[4], argv[5]);
	device = if_nametoindex(argv[2]);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object || !device)
		fail(device ? argv[1] : argv[2]);
	memcpy(settings.head, &frame, sizeof(settings.head));
	settings.ifindex = device;
	if (bpf_map__set_initial_value(bpf_object__find_map_by_name(object, ".rodata"), &settings,
				       sizeof(settings)) ||
	    bpf_object__load(object) ||
	    bpf_xdp_attach((int)device, program(object, "flood_sink"), XDP_FLAGS_DRV_MODE, NULL))
		fail(argv[2]);
	send_all(program(object, "flood_send"), &frame, strtoul(argv[6], NULL, 10),
		 strtod(argv[7], NULL));
	if (bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object, ".bss"), &key, &counts))
		fail("counts");
	printf("sent %llu forwarded %llu\n", counts.sent, counts.forwarded);
	bpf_object__close(object);
	return 0;
}
