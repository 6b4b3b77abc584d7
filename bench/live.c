/* SPDX-License-Identifier: MIT */
/*
 * Sends frames of many flows out of a device, as fast as a number of cores can, and counts those
 * that come back. Made for one end of a veth pair whose other end has a balancer; bench/pktgen.sh
 * makes the pair and calls this where the kernel has no pktgen. Prints one line: "sent=N returned=N
 * ns=N".
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/driver.h"
#include "bench/figures.h"
#include "bench/live.h"
#include "bench/live.skel.h"
#include "bench/options.h"
#include "bench/scenario.h"
#include "config/addr.h"
#include "config/cleanup.h"
#include "daemon/log.h"

#define COUNT_MAX 1000000000u
#define BATCH 64

static const char usage[] = "usage: xdp-live -i DEVICE -m MAC [-n FRAMES] [-c CORES] [SCENARIO]\n"
			    "\n"
			    "Sends FRAMES (1000000) on each of the first CORES (1) out of DEVICE "
			    "to MAC, and counts what comes\n"
			    "back. SCENARIO: as for xdp-bench (udp,flows=1k). Use it on one end of "
			    "a veth pair in a network\n"
			    "namespace of its own.\n";

struct live {
	const char *device;
	unsigned char mac[6];
	unsigned long count; /* by core */
	unsigned int cores;
	struct scenario scenario;
	struct live_bpf *skel;
	unsigned int ifindex;
	unsigned char frame[SCENARIO_FRAME_MAX];
};

/* A core's part of the work. */
struct sender {
	const struct live *live;
	int cpu;
	int err;
	pthread_t thread;
};

static void *send_frames(void *arg)
{
	struct sender *sender = arg;
	const struct live *live = sender->live;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = live->frame,
		    .data_size_in = live->scenario.size, .repeat = (int)live->count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

	sender->err = figures_pin(sender->cpu);
	if (!sender->err &&
	    bpf_prog_test_run_opts(bpf_program__fd(live->skel->progs.live_send), &opts))
		sender->err = -errno;
	return NULL;
}

static int send_all(struct live *live)
{
	_cleanup_(freep) struct sender *senders = calloc(live->cores, sizeof(*senders));
	unsigned int started = 0;
	int err = senders ? 0 : -ENOMEM;

	for (; started < live->cores && !err; started += !err) {
		senders[started] = (struct sender){.live = live, .cpu = (int)started};
		err = -pthread_create(&senders[started].thread, NULL, send_frames,
				      &senders[started]);
	}
	for (unsigned int i = 0; i < started; i++) {
		pthread_join(senders[i].thread, NULL);
		err = err ? err : senders[i].err;
	}
	return err;
}

static int load(struct live *live)
{
	struct driver_settings settings = {
		.size = live->scenario.size,
		.family = live->scenario.family,
		.vips_mask = live->scenario.vips - 1,
	};

	live->skel = live_bpf__open();
	if (!live->skel)
		return -errno;
	scenario_frame(&live->scenario, live->frame);
	memcpy(live->frame, live->mac, sizeof(live->mac));
	for (int i = 0; i < DRIVER_WORDS; i++)
		memcpy(&settings.word[i], live->frame + driver_offset[i], sizeof(*settings.word));
	memcpy((void *)&live->skel->rodata->settings, &settings, sizeof(settings));
	live->skel->rodata->flows = live->scenario.flows;
	live->skel->rodata->ifindex = live->ifindex;
	for (unsigned int i = 0; i < LIVE_CPUS_MAX; i++)
		live->skel->bss->cpus[i].random = i;
	return live_bpf__load(live->skel);
}

/* Frames on their way have come back when the count stands still. */
static uint64_t wait_returned(const struct live *live)
{
	uint64_t before, now = 0;

	do {
		before = now;
		usleep(20000);
		now = 0;
		for (unsigned int i = 0; i < LIVE_CPUS_MAX; i++)
			now += live->skel->bss->cpus[i].returned;
	} while (now != before);
	return now;
}

static int run(struct live *live)
{
	uint64_t begin, ns, returned, sent = 0;
	int sink = bpf_program__fd(live->skel->progs.live_sink);
	int err = bpf_xdp_attach((int)live->ifindex, sink,
				 XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);

	if (err)
		return err;
	begin = figures_now_ns();
	err = send_all(live);
	ns = figures_now_ns() - begin;
	returned = wait_returned(live);
	for (unsigned int i = 0; i < LIVE_CPUS_MAX; i++)
		sent += live->skel->bss->cpus[i].sent;
	if (!err)
		printf("sent=%llu returned=%llu ns=%llu\n", (unsigned long long)sent,
		       (unsigned long long)returned, (unsigned long long)ns);
	bpf_xdp_detach((int)live->ifindex, XDP_FLAGS_DRV_MODE, NULL);
	return err;
}

/* -------------------------------------------------------------------------------------- options */

static void fail_usage(void)
{
	fputs(usage, stderr);
	exit(2);
}

static void read_options(struct live *live, int argc, char **argv)
{
	bool has_mac = false;
	int option;

	while ((option = getopt(argc, argv, "i:m:n:c:h")) != -1) {
		switch (option) {
		case 'i':
			live->device = optarg;
			break;
		case 'm':
			has_mac = addr_mac_parse(live->mac, optarg) == 0;
			break;
		case 'n':
			live->count = options_number(optarg, 1, COUNT_MAX, usage);
			break;
		case 'c':
			live->cores = options_number(optarg, 1, LIVE_CPUS_MAX, usage);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fail_usage();
		}
	}
	if (!live->device || !has_mac || argc - optind > 1)
		fail_usage();
}

int main(int argc, char **argv)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct live live = {.count = 1000000, .cores = 1};
	int err;

	log_init(LOG_LEVEL_WARNING);
	read_options(&live, argc, argv);
	err = scenario_parse(&live.scenario, optind < argc ? argv[optind] : "udp,flows=1k", &diag);
	if (err) {
		log_diag(LOG_LEVEL_ERROR, &diag);
		return 2;
	}
	live.ifindex = if_nametoindex(live.device);
	err = live.ifindex ? load(&live) : -errno;
	if (!err)
		err = run(&live);
	if (err)
		log_error("%s: %s", live.device, strerror(-err));
	live_bpf__destroy(live.skel);
	return err ? 1 : 0;
}
