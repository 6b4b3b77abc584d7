/* SPDX-License-Identifier: MIT */
/*
 * The way of probes into tunnels. A probe's socket has a mark that stands for one backend's tunnel; a
 * tc program at the egress of the ports puts the outer header of that backend around each packet with
 * such a mark, as the XDP program does it for clients' packets, and sends it by the same way.
 */
#ifndef SLUICE_DAEMON_PROBE_PATH_H
#define SLUICE_DAEMON_PROBE_PATH_H

#include <stddef.h>
#include <stdint.h>

#include "config/diag.h"
#include "xdp/abi.h"

/* Marks are this and the number of a tunnel; the rest of the 32 bits belongs to others. */
#define PROBE_PATH_MARK 0x5c000000u
#define PROBE_PATH_MASK 0xff000000u
#define PROBE_PATH_TUNNELS 0x10000u /* numbers 1 .. this - 1 */

struct probe_path;

/* Loads the program, attached nowhere yet. 0 with @out for probe_path_free(); or -errno with a message. */
int probe_path_new(struct probe_path **out, struct diag *diag);

/*
 * Attaches to the egress of these devices, and detaches from all others. What a crashed daemon left
 * behind there is replaced. 0, or -errno with a message that names the device.
 */
int probe_path_attach(struct probe_path *path, const unsigned int *ifindexes, size_t n,
		      struct diag *diag);

/* Tunnel @number is the one to @backend: address, encapsulation, next hop. 0 or -errno. */
int probe_path_set(struct probe_path *path, uint32_t number, const struct sluice_backend *backend);

/* Tunnel @number is none any more: packets with its mark are dropped. */
void probe_path_clear(struct probe_path *path, uint32_t number);

/* The mark of a socket whose packets go into tunnel @number. Pure. */
static inline uint32_t probe_path_mark(uint32_t number)
{
	return PROBE_PATH_MARK | number;
}

/* Detaches from everywhere and frees it; accepts NULL. */
void probe_path_free(struct probe_path *path);

#endif
