/* SPDX-License-Identifier: MIT */
/*
 * sluice-helper, on a backend: attaches the decapsulating program to the ports that balancers'
 * packets come in by, and keeps it there until it is told to stop.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "config/cleanup.h"
#include "daemon/log.h"
#include "xdp/helper.h"
#include "xdp/helper.skel.h"

#define PORTS_MAX 16

static const char usage_text[] = "usage: sluice-helper -i INTERFACE [-i INTERFACE ...] [-v]\n"
				 "       sluice-helper --version | --help\n"
				 "Takes the balancers' IP-in-IP header off packets that come in by "
				 "INTERFACE. Runs until it\n"
				 "gets SIGTERM or SIGINT; prints its counters then.\n";

struct helper {
	const char *ports[PORTS_MAX];
	size_t n_ports;
	bool verbose;
	struct helper_bpf *skel;
	int links[PORTS_MAX];
};

/* In the driver if it can, else in the stack. 0 or -errno, which was logged. */
static int attach_port(struct helper *h, size_t i)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	unsigned int ifindex = if_nametoindex(h->ports[i]);
	int program = bpf_program__fd(h->skel->progs.sluice_helper);

	if (!ifindex) {
		log_error("interface \"%s\" does not exist on this host (\"ip link\" lists them)",
			  h->ports[i]);
		return -ENODEV;
	}
	h->links[i] = bpf_link_create(program, (int)ifindex, BPF_XDP, &opts);
	if (h->links[i] < 0 && errno != EBUSY && errno != EPERM) {
		opts.flags = XDP_FLAGS_SKB_MODE;
		h->links[i] = bpf_link_create(program, (int)ifindex, BPF_XDP, &opts);
	}
	if (h->links[i] < 0) {
		int err = errno;

		log_error("interface \"%s\": cannot attach: %s%s", h->ports[i], strerror(err),
			  err == EBUSY ? "; another XDP program is there (ip link set dev DEVICE "
					 "xdp off takes it off)"
				       : "");
		return -err;
	}
	log_info("interface %s: decapsulates, %s XDP", h->ports[i],
		 opts.flags == XDP_FLAGS_DRV_MODE ? "native" : "generic");
	return 0;
}

static int start(struct helper *h)
{
	h->skel = helper_bpf__open_and_load();
	if (!h->skel) {
		int err = errno;

		log_error("loading the program: %s%s", strerror(err),
			  err == EPERM ? "; sluice-helper needs root, or CAP_BPF and CAP_NET_ADMIN"
				       : "");
		return -err;
	}
	for (size_t i = 0; i < h->n_ports; i++) {
		int err = attach_port(h, i);

		if (err)
			return err;
	}
	return 0;
}

static void print_counters(const struct helper *h)
{
	static const char *const names[] = {
#define HELPER_OUTCOME_NAME(NAME, name, text) name,
		HELPER_OUTCOMES(HELPER_OUTCOME_NAME)
#undef HELPER_OUTCOME_NAME
	};
	int cpus = libbpf_num_possible_cpus();
	_cleanup_(freep)
	uint64_t *values = calloc((size_t)cpus, sizeof(*values));

	for (uint32_t i = 0; values && i < HELPER_OUT_MAX; i++) {
		uint64_t sum = 0;

		if (bpf_map_lookup_elem(bpf_map__fd(h->skel->maps.helper_counters), &i, values))
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			sum += values[cpu];
		log_info("%s: %llu packets", names[i], (unsigned long long)sum);
	}
}

static void wait_for_stop(void)
{
	sigset_t set;
	int signal_number;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sd_notify(0, "READY=1");
	sigwait(&set, &signal_number);
}

static bool parse_arguments(struct helper *h, int argc, char **argv)
{
	static const struct option options[] = {
		{"interface", required_argument, NULL, 'i'},
		{"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "i:vh", options, NULL)) != -1) {
		switch (c) {
		case 'i':
			if (h->n_ports == PORTS_MAX)
				return false;
			h->ports[h->n_ports++] = optarg;
			break;
		case 'v':
			h->verbose = true;
			break;
		case 'V':
			printf("sluice-helper %s\n", SLUICE_VERSION);
			exit(0);
		case 'h':
			fputs(usage_text, stdout);
			exit(0);
		default:
			return false;
		}
	}
	return h->n_ports > 0 && optind == argc;
}

int main(int argc, char **argv)
{
	struct helper h = {.links = {[0 ... PORTS_MAX - 1] = -1}};
	int err;

	if (!parse_arguments(&h, argc, argv)) {
		fputs(usage_text, stderr);
		return 2;
	}
	log_init(h.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	err = start(&h);
	if (!err) {
		wait_for_stop();
		print_counters(&h);
	}
	for (size_t i = 0; i < h.n_ports; i++)
		closep(&h.links[i]);
	helper_bpf__destroy(h.skel);
	return err ? 1 : 0;
}
