/* SPDX-License-Identifier: MIT */
/*
 * Order matters at both ends: the program is attached before the device is up, and the rule that
 * refuses is there before the one that leads to the device, so that at no time a marked packet
 * leaves without its tunnel, which would reach another backend and look like an answer of this one.
 *
 * Addresses of the host come and go (with IPv6 they are not ready at once), and managers of
 * networks remove rules that they do not know. Either is told by the kernel; then rules and routes
 * are set again. Setting what is there changes nothing, so that our own changes do not come back
 * for ever.
 */
#include "daemon/probe_path.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "config/addr.h"
#include "config/cleanup.h"
#include "daemon/local_address.h"
#include "daemon/log.h"
#include "daemon/probe_device.h"
#include "daemon/probe_route.h"
#include "xdp/probe.skel.h"

#define FILTER_HANDLE 1
#define FILTER_PRIORITY 1

/* One for each address family. */
struct side {
	int family;
	bool missing; /* the kernel does not have it */
	bool has_peer, has_source;
	struct sluice_addr peer;   /* some backend */
	struct sluice_addr source; /* of probes */
};

struct probe_path {
	struct probe_bpf *skel;
	struct probe_device device;
	struct side sides[2];
	unsigned int *ports;
	size_t n_ports;
	struct mnl_socket *notices; /* NULL: changes are not followed */
	sd_event_source *notice_source;
};

static void path_freep(struct probe_path **path)
{
	probe_path_free(*path);
}

/* -------------------------------------------------------------------------------- rules, routes */

static int route_side(struct probe_path *path, struct side *side)
{
	struct sluice_addr source;
	int found, err;

	if (side->missing)
		return 0;
	err = probe_route_set_rules(path->device.slot, side->family);
	if (err == -EAFNOSUPPORT || err == -EOPNOTSUPP) {
		side->missing = true;
		return 0;
	}
	if (err)
		return err;
	found = local_address_choose(side->family, side->has_peer ? &side->peer : NULL, path->ports,
				     path->n_ports, &source);
	if (found < 0)
		return found;
	err = probe_route_set(path->device.slot, side->family, path->device.ifindex,
			      found ? &source : NULL);
	if (err)
		return err;
	side->has_source = found;
	if (found)
		side->source = source;
	return 0;
}

static int route_all(struct probe_path *path)
{
	int err = route_side(path, &path->sides[0]);
	int err6 = route_side(path, &path->sides[1]);

	return err ? err : err6;
}

/* -------------------------------------------------------------------------------------- changes */

static int on_notice(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct probe_path *path = ctx;
	char ignored[8192];
	int err;

	(void)source;
	(void)revents;
	/* What it says does not matter, nor whether some was lost. */
	while (recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		;
	err = route_all(path);
	if (err)
		log_warning("routes of checks by tunnel: %s", strerror(-err));
	return 0;
}

static int follow(struct probe_path *path, sd_event *event)
{
	static const int groups[] = {RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_RULE,
				     RTNLGRP_IPV6_RULE};
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (!nl)
		return -errno;
	path->notices = nl;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(nl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return sd_event_add_io(event, &path->notice_source, mnl_socket_get_fd(nl), EPOLLIN,
			       on_notice, path);
}

/* ------------------------------------------------------------------------------------------ new */

static int load(struct probe_path *path)
{
	path->skel = probe_bpf__open();
	if (!path->skel)
		return -errno;
	path->skel->rodata->probe_mark = probe_path_mark(path, 0);
	return probe_bpf__load(path->skel);
}

static int attach(struct probe_path *path)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)path->device.ifindex,
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY,
		    .prog_fd = bpf_program__fd(path->skel->progs.sluice_probe));
	int err = bpf_tc_hook_create(&hook);

	return err ? err : bpf_tc_attach(&hook, &opts);
}

static int set_up(struct probe_path *path, sd_event *event, struct diag *diag)
{
	const char *what = "loading the program for checks by tunnel";
	int err = load(path);

	if (!err) {
		what = "attaching the program for checks by tunnel (the kernel needs sch_ingress "
		       "and cls_bpf)";
		err = attach(path);
	}
	if (!err) {
		what = "routes of checks by tunnel";
		err = probe_device_up(&path->device);
	}
	if (!err && event)
		err = follow(path, event);
	if (!err)
		err = route_all(path);
	if (err)
		diag_add(diag, NULL, 0, "device %s: %s: %s", path->device.name, what,
			 strerror(-err));
	return err;
}

int probe_path_new(struct probe_path **out, sd_event *event, struct diag *diag)
{
	_cleanup_(path_freep) struct probe_path *path = calloc(1, sizeof(*path));
	int err;

	if (!path) {
		diag_add(diag, NULL, 0, "no memory");
		return -ENOMEM;
	}
	path->device.fd = -1;
	path->sides[0].family = AF_INET;
	path->sides[1].family = AF_INET6;
	probe_path_sweep();
	err = probe_device_open(&path->device, diag);
	if (err)
		return err;
	err = set_up(path, event, diag);
	if (err)
		return err;
	*out = TAKE(path);
	return 0;
}

void probe_path_sweep(void)
{
	probe_route_sweep();
}

void probe_path_free(struct probe_path *path)
{
	if (!path)
		return;
	sd_event_source_disable_unref(path->notice_source);
	if (path->notices)
		mnl_socket_close(path->notices);
	/* The route goes with the device; what is sent until the rules go is refused. */
	if (path->device.fd >= 0) {
		probe_device_close(&path->device);
		probe_route_remove_rules(path->device.slot);
	}
	probe_bpf__destroy(path->skel);
	free(path->ports);
	free(path);
}

/* -------------------------------------------------------------------------------------- tunnels */

int probe_path_use_ports(struct probe_path *path, const unsigned int *ifindexes, size_t n)
{
	unsigned int *ports = malloc(n * sizeof(*ports) + 1);

	if (!ports)
		return -ENOMEM;
	if (n)
		memcpy(ports, ifindexes, n * sizeof(*ports));
	free(path->ports);
	path->ports = ports;
	path->n_ports = n;
	return route_all(path);
}

static int device_mac(unsigned int ifindex, unsigned char mac[6])
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};

	if (fd < 0)
		return -errno;
	if (!if_indextoname(ifindex, request.ifr_name) || ioctl(fd, SIOCGIFHWADDR, &request))
		return -ENODEV;
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	return 0;
}

/* The first backend of a family shows how the host itself would go to it. */
static int note_peer(struct probe_path *path, const struct sluice_addr *addr)
{
	struct side *side = &path->sides[addr_is_v4(addr) ? 0 : 1];

	if (side->has_peer)
		return 0;
	side->peer = *addr;
	side->has_peer = true;
	return route_side(path, side);
}

int probe_path_set(struct probe_path *path, uint32_t number, const struct sluice_backend *backend)
{
	static const unsigned char no_mac[6];
	struct sluice_backend record = *backend;
	int err;

	if (!number || number > PROBE_PATH_TUNNELS)
		return -EINVAL;
	/* Of clients' packets it means the port that they came in by. */
	if (!record.ifindex && path->n_ports)
		record.ifindex = path->ports[0];
	if (record.ifindex && memcmp(record.smac, no_mac, 6) == 0) {
		err = device_mac(record.ifindex, record.smac);
		if (err)
			return err;
	}
	err = note_peer(path, &record.addr);
	if (err)
		return err;
	if (bpf_map_update_elem(bpf_map__fd(path->skel->maps.probe_tunnels), &number, &record,
				BPF_ANY))
		return -errno;
	return 0;
}

void probe_path_clear(struct probe_path *path, uint32_t number)
{
	bpf_map_delete_elem(bpf_map__fd(path->skel->maps.probe_tunnels), &number);
}

uint32_t probe_path_mark(const struct probe_path *path, uint32_t number)
{
	return PROBE_MARK | path->device.slot << PROBE_MARK_SLOT_SHIFT | number;
}

/* -------------------------------------------------------------------------------------- reports */

bool probe_path_source(const struct probe_path *path, int family, struct sluice_addr *out)
{
	const struct side *side = &path->sides[family == AF_INET ? 0 : 1];

	if (!side->has_source)
		return false;
	*out = side->source;
	return true;
}

int probe_path_can_reach(const struct sluice_addr *addr, char ifname[IF_NAMESIZE])
{
	int found = local_address_find(addr, ifname);

	return found < 0 ? found : !found;
}

int probe_path_counters(const struct probe_path *path, struct probe_counters *out)
{
	int n = libbpf_num_possible_cpus();
	_cleanup_(freep) struct probe_counters *each =
		n > 0 ? calloc((size_t)n, sizeof(*each)) : NULL;
	uint32_t key = 0;

	if (!each)
		return n < 0 ? n : -ENOMEM;
	if (bpf_map_lookup_elem(bpf_map__fd(path->skel->maps.probe_counters), &key, each))
		return -errno;
	memset(out, 0, sizeof(*out));
	for (int cpu = 0; cpu < n; cpu++)
		for (size_t i = 0; i < PROBE_OUT_MAX; i++)
			out->outcome[i] += each[cpu].outcome[i];
	return 0;
}
