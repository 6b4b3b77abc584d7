/* SPDX-License-Identifier: MIT */
/*
 * The host's own addresses, into the helper's map: tunnels to them end here, and a hint that names
 * one leads nowhere else.
 */
#ifndef SLUICE_DAEMON_HELPER_SELF_H
#define SLUICE_DAEMON_HELPER_SELF_H

#include <systemd/sd-event.h>

#include "config/addr.h"

/*
 * Makes the map hold the addresses of all interfaces, of our network namespace and of the one at
 * @netns_fd (-1: none other). Nothing is gone for a moment that stays. 0 or -errno.
 */
int helper_self_refresh(int map_fd, int netns_fd);

/* Makes it hold these. */
int helper_self_set(int map_fd, const struct sluice_addr *list, size_t n);

/*
 * Calls @changed whenever an address comes or goes in the namespace at @netns_fd (-1: ours); it may
 * have been no real change. 0 with a source in @out that ends it when it is unreferenced, or
 * -errno.
 */
int helper_self_watch(sd_event_source **out, sd_event *event, int netns_fd,
		      void (*changed)(void *ctx), void *ctx);

#endif
