/* SPDX-License-Identifier: MIT */
/*
 * The flow table as the program keeps it: who is in it, and which slots still need their old owner.
 * Entries are read while the program writes them, one word each.
 */
#ifndef SLUICE_DAEMON_FLOW_TABLE_H
#define SLUICE_DAEMON_FLOW_TABLE_H

#include "daemon/datapath.h"

/* What an entry says. */
struct flow_entry {
	uint32_t backend;    /* id */
	uint16_t slot;       /* low 16 bits of the flow's slot in its VIP's ring */
	bool established;    /* else a handshake */
	unsigned int idle_s; /* since its last packet */
};

/* Called for each live entry; false stops. */
typedef bool flow_fn(void *ctx, const struct flow_entry *entry);

/* Walks the live entries: those of the last flow_age. */
void flow_table_each(const struct datapath *dp, flow_fn *fn, void *ctx);

/* Forgets the flows of @backend (id); 0: all. Returns how many there were. */
size_t flow_table_purge(struct datapath *dp, uint32_t backend);

/* Entries that there is room for. */
size_t flow_table_size(const struct datapath *dp);

#endif
