/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting. Best effort: a counter that is not there decides nothing.
 */
#ifndef SLUICE_XDP_STATS_H
#define SLUICE_XDP_STATS_H

#include "xdp/maps.h"

/* The counters of the VIP with this id; 0: of no VIP. */
static __always_inline struct sluice_counters *stats_of(__u32 vip)
{
	return bpf_map_lookup_elem(&counters, &vip);
}

/*
 * The packet leaves with @action because of @outcome: every exit of the program goes through here.
 * What would be left to the host is sent on instead when its tunnel says so.
 */
static __always_inline int stats_end(struct packet *pkt, enum sluice_outcome outcome, int action)
{
	struct sluice_counters *c;

	if (FEATURE(DECAP) && pkt->egress && action == XDP_PASS && outcome != SLUICE_OUT_LOCAL) {
		pkt->turn_back = 1;
		outcome = SLUICE_OUT_EGRESS;
		action = XDP_TX;
	}
	c = stats_of(pkt->vip_id);
	if (c) {
		c->outcome[outcome]++;
		if (outcome == SLUICE_OUT_FORWARDED)
			c->bytes += pkt->ip_len;
	}
	if (FEATURE(TRACE)) {
		trace.outcome = outcome;
		trace.vip = pkt->vip_id;
		trace.backend = pkt->backend_id;
		trace.slot = pkt->slot;
	}
	return action;
}

/* Something happened on the way. */
static __always_inline void stats_event(struct packet *pkt, enum sluice_event event)
{
	struct sluice_counters *c = stats_of(pkt->vip_id);

	if (c)
		c->event[event]++;
}

/* One more packet for the selected backend. */
static __always_inline void stats_backend(struct packet *pkt)
{
	__u32 backend = pkt->backend_id;
	struct sluice_backend_counters *c = bpf_map_lookup_elem(&backend_counters, &backend);

	if (c) {
		c->packets++;
		c->bytes += pkt->ip_len;
	}
}

#endif
