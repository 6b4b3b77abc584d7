/* SPDX-License-Identifier: MIT */
/*
 * How large a packet may be for a tunnel to carry it. Small probes say nothing about that, and a
 * path that loses large packets is one that works for some requests only.
 */
#ifndef SLUICE_DAEMON_PROBE_MTU_H
#define SLUICE_DAEMON_PROBE_MTU_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "xdp/abi.h"

struct probe_mtu;

struct probe_mtu_target {
	struct sluice_addr address; /* of the VIP */
	uint16_t port;              /* host byte order; for TCP, whether or not the service is */
	uint32_t mark;              /* which tunnel; 0: none */
	unsigned int full;          /* bytes of an IP packet that clients send: 1500 */
};

struct probe_mtu_report {
	unsigned int full; /* the target's */
	unsigned int
		carried; /* bytes of the largest packet that was answered, at most `full`; 0: none */
};

/* Called once, never from within probe_mtu_start(). The probe is gone then. */
typedef void probe_mtu_done_fn(void *ctx, const struct probe_mtu_report *report);

/*
 * Sends IP packets of that size, and a small one, into the tunnel. Should only the small one be
 * answered, several sizes in between follow. Takes at most 2 s. @target is copied, @event borrowed.
 * 0 with @out, valid until @done was called or probe_mtu_cancel(); or -errno: this host could not
 * begin it.
 */
int probe_mtu_start(struct probe_mtu **out, sd_event *event, const struct probe_mtu_target *target,
		    probe_mtu_done_fn *done, void *ctx);

/* Ends it without a report; accepts NULL. */
void probe_mtu_cancel(struct probe_mtu *probe);

#endif
