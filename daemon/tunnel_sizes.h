/* SPDX-License-Identifier: MIT */
/*
 * How large a client's packet each tunnel carries: asked soon after a tunnel is there or leads
 * elsewhere, and rarely after. One that loses what clients may send is worth a warning, not more:
 * small requests work.
 */
#ifndef SLUICE_DAEMON_TUNNEL_SIZES_H
#define SLUICE_DAEMON_TUNNEL_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "daemon/probe_mtu.h"

struct tunnel_sizes;

/* One that is to be asked. */
struct tunnel_sizes_target {
	uint32_t id;                 /* of its backend in the maps */
	const char *backend, *pool;  /* names, borrowed until the next tunnel_sizes_follow() */
	struct sluice_backend leads; /* where to: asked anew when that changes */
	struct probe_mtu_target how;
};

/* @event is borrowed. 0 with @out for tunnel_sizes_free(), or -errno. */
int tunnel_sizes_new(struct tunnel_sizes **out, sd_event *event);

/*
 * From now on those of @list are asked, which is copied; no id is there twice. 0, or -ENOMEM:
 * nobody is asked any more.
 */
int tunnel_sizes_follow(struct tunnel_sizes *sizes, const struct tunnel_sizes_target *list,
			size_t n);

/*
 * What is known of the tunnel to the backend @id: bytes of the largest packet that it carries, at
 * most *@full, which clients may send. false: nothing.
 */
bool tunnel_sizes_of(const struct tunnel_sizes *sizes, uint32_t id, unsigned int *carried,
		     unsigned int *full);

/* Asks those that are due; its timer does so. */
void tunnel_sizes_turn(struct tunnel_sizes *sizes);

/* Accepts NULL. */
void tunnel_sizes_free(struct tunnel_sizes *sizes);

#endif
