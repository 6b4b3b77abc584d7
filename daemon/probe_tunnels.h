/* SPDX-License-Identifier: MIT */
/*
 * Keeps the tunnels of probes those of the data path: a tunnel's number is its backend's id in the
 * maps, and its next hop the one that clients' packets take.
 */
#ifndef SLUICE_DAEMON_PROBE_TUNNELS_H
#define SLUICE_DAEMON_PROBE_TUNNELS_H

#include "daemon/desired.h"
#include "daemon/plan.h"
#include "daemon/probe_path.h"
#include "daemon/tunnel_sizes.h"

/* All zero is an empty, valid one. */
struct probe_tunnels {
	struct probe_path *path;    /* NULL: no check goes through a tunnel */
	struct sluice_backend *set; /* by number: what it leads to; encap NONE: nowhere */
	bool *ready; /* by number: its next hop is known, or was once: else probes would only get lost */
	uint32_t n;
	struct tunnel_sizes *sizes; /* there with the path */
};

/* Does some VIP of @model have a check that goes through tunnels? */
bool probe_tunnels_needed(const struct model *model);

/*
 * Opens the path when @model needs one and there is none; it leads to @ports. Refuses VIPs that
 * cannot be probed from here. 0, or -errno with messages.
 */
int probe_tunnels_prepare(struct probe_tunnels *tunnels, sd_event *event, const struct model *model,
			  const unsigned int *ports, size_t n_ports, struct diag *diag);

/* The tunnels are those of @desired from now on. @backend_ids: of desired->backends. */
void probe_tunnels_follow(struct probe_tunnels *tunnels, const struct desired *desired,
			  const uint32_t *backend_ids);

/*
 * The mark for probes of the backend with this id; 0: there is no tunnel to it, or no way into it
 * yet.
 */
uint32_t probe_tunnels_mark(const struct probe_tunnels *tunnels, uint32_t id);

/*
 * Bytes of the largest packet that the tunnel to the backend with this id was found to carry, at
 * most *@full, which clients may send. false: not known.
 */
bool probe_tunnels_size(const struct probe_tunnels *tunnels, uint32_t id, unsigned int *carried,
			unsigned int *full);

/* Closes everything; empty afterwards. */
void probe_tunnels_fini(struct probe_tunnels *tunnels);

#endif
