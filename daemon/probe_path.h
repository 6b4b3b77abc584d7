/* SPDX-License-Identifier: MIT */
/*
 * The way of probes into tunnels. A probe's socket has a mark that stands for one backend's tunnel.
 * Marked packets are routed to a device of the daemon's own, whatever other routes and neighbours
 * there are; a tc program at its egress puts the outer header of the backend around each, as the
 * XDP program does it for clients' packets, and sends it by the same way. Answers come back without
 * a tunnel, as to any client.
 *
 * Everything is in the network namespace that the process is in. A daemon that crashes leaves at
 * most routing rules for its marks behind; the next one removes them.
 */
#ifndef SLUICE_DAEMON_PROBE_PATH_H
#define SLUICE_DAEMON_PROBE_PATH_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config/diag.h"
#include "xdp/abi.h"
#include "xdp/probe.h"

#define PROBE_PATH_TUNNELS 0xffffu /* numbers 1 .. this */

struct probe_path;

/*
 * Makes the device, loads the program, attaches it. What crashed daemons left behind is removed.
 * @event (borrowed; NULL: no) is used to follow changes of the host's addresses and rules. 0 with
 * @out for probe_path_free(); or -errno with a message.
 */
int probe_path_new(struct probe_path **out, sd_event *event, struct diag *diag);

/*
 * The ports that lead to the backends: backends without an ifindex are sent to by the first one,
 * and the source address of probes is looked for there. Ports may be gone again. 0 or -errno.
 */
int probe_path_use_ports(struct probe_path *path, const unsigned int *ifindexes, size_t n);

/*
 * Tunnel @number is the one to @backend: address, encapsulation, next hop; to be called again when
 * that changes. 0; -ENODEV: the port, or our own device, is gone; or another -errno. Nothing has
 * changed then.
 */
int probe_path_set(struct probe_path *path, uint32_t number, const struct sluice_backend *backend);

/* Tunnel @number is none any more: packets with its mark are dropped. */
void probe_path_clear(struct probe_path *path, uint32_t number);

/* The mark of a socket (SO_MARK) whose packets go into tunnel @number. */
uint32_t probe_path_mark(const struct probe_path *path, uint32_t number);

/*
 * The source address of probes for VIPs of @family (AF_INET, AF_INET6). false: this host has no
 * address of that family, and connect() says ENETUNREACH or EADDRNOTAVAIL.
 */
bool probe_path_source(const struct probe_path *path, int family, struct sluice_addr *out);

/*
 * Can VIP @addr be probed by tunnel? Not when it is on a device of this host: the kernel keeps
 * packets to it, and drops answers from it. 1: yes; 0: no, with the device in @ifname; or -errno.
 */
int probe_path_can_reach(const struct sluice_addr *addr, char ifname[IF_NAMESIZE]);

/* What became of packets so far. 0 or -errno. */
int probe_path_counters(const struct probe_path *path, struct probe_counters *out);

/* Removes what daemons left behind that are no more; for one that has no checks by tunnel. */
void probe_path_sweep(void);

/* Removes all of it; accepts NULL. */
void probe_path_free(struct probe_path *path);

#endif
