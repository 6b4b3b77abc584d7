/* SPDX-License-Identifier: MIT */
/*
 * May a change settle? Not while a live flow is with a backend that its slot would not lead to.
 * Pure.
 */
#ifndef SLUICE_DAEMON_SETTLE_H
#define SLUICE_DAEMON_SETTLE_H

#include "daemon/desired.h"

/* A question about one ring, to be asked of each live entry of the flow table. */
struct settle {
	const struct owners *owners;
	const uint32_t *backend_ids; /* of desired->backends */
	bool *owner;                 /* by id: its flows may need the old generation */
	uint32_t n_ids;
};

/* 0 with @out for settle_fini(), or -ENOMEM. All else is borrowed. */
int settle_init(struct settle *out, const struct desired *desired, const struct owners *owners,
		const uint32_t *backend_ids);

/*
 * Does a flow of @slot that is with the backend of this id need the old generation? An entry does
 * not say whose VIP it is: one that is with a backend of this ring counts, which can only delay.
 */
bool settle_needs_old(const struct settle *settle, uint32_t slot, uint32_t id);

void settle_fini(struct settle *settle);

#endif
