/* SPDX-License-Identifier: MIT */
/*
 * What datapath.c (life of program and maps) and apply.c (their content) share; for no one else.
 */
#ifndef SLUICE_DAEMON_DATAPATH_IMPL_H
#define SLUICE_DAEMON_DATAPATH_IMPL_H

#include "daemon/datapath.h"

struct sluice_bpf;

/* A map's values in our address space. */
struct datapath_memory {
	void *data;
	size_t bytes;
};

/* A loaded program and its maps. */
struct datapath_set {
	struct sluice_bpf *skel;
	struct datapath_memory mapped[DATAPATH_MAP_MAX]; /* rings, backends, names */
};

struct datapath {
	struct datapath_options options;
	char *pin_dir; /* what options.pin_dir points to */
	struct datapath_set set;
	int lock_fd; /* on pin_dir */
	bool cold;   /* nothing was pinned before this start, which is not complete yet */
	struct datapath_port *ports;
	size_t n_ports;
};

#endif
