/* SPDX-License-Identifier: MIT */
/*
 * The device that probes into tunnels are routed to. It exists as long as its descriptor, so a
 * daemon that crashes takes it along, with its program and the routes to it. Its number tells the
 * daemons of one host apart.
 */
#ifndef SLUICE_DAEMON_PROBE_DEVICE_H
#define SLUICE_DAEMON_PROBE_DEVICE_H

#include <net/if.h>
#include <stdbool.h>

#include "config/diag.h"

struct probe_device {
	int fd;
	unsigned int ifindex;
	unsigned int slot; /* 0 .. 255: no other device of this network namespace has it */
	char name[IF_NAMESIZE];
};

/*
 * Makes one in the process's network namespace, down. 0 with @out for probe_device_close(); or
 * -errno with a message.
 */
int probe_device_open(struct probe_device *out, struct diag *diag);

/*
 * Up, ready for routes: takes packets of nearly any size, of one segment each, and asks for no
 * neighbours. 0 or -errno.
 */
int probe_device_up(const struct probe_device *device);

/* Does the device of this slot exist? */
bool probe_device_exists(unsigned int slot);

/* The device is gone. Accepts one with an fd of -1. */
void probe_device_close(struct probe_device *device);

#endif
