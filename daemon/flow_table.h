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
	bool closed;         /* by the client */
	unsigned int idle_s; /* since its last packet */
};

/* Called for each live entry; false stops. */
typedef bool flow_fn(void *ctx, const struct flow_entry *entry);

/* How long a silent flow with this entry is known, in ticks. Pure. */
uint32_t flow_table_age(const struct sluice_settings *settings, uint64_t entry, bool established);

/* Walks the live entries: those that are young enough. true: to the end. */
bool flow_table_each(const struct datapath *dp, flow_fn *fn, void *ctx);

/* Forgets the flows of @backend (id); 0: all. Returns how many there were. */
size_t flow_table_purge(struct datapath *dp, uint32_t backend);

/* Forgets those that are not TCP. Returns how many there were. */
size_t flow_table_purge_udp(struct datapath *dp, uint32_t backend);

/*
 * Clears the entries that are too old. Time in an entry wraps after 19 hours, when an old one would
 * seem young: to be called every hour or so. Returns how many there were.
 */
size_t flow_table_sweep(struct datapath *dp);

/* Entries that there is room for. */
size_t flow_table_size(const struct datapath *dp);

#endif
