/* SPDX-License-Identifier: MIT */
/*
 * What datapath.c (life of the program and its pins) and apply.c (content of the maps) share; for
 * no one else.
 */
#ifndef SLUICE_DAEMON_DATAPATH_IMPL_H
#define SLUICE_DAEMON_DATAPATH_IMPL_H

#include "daemon/datapath.h"

struct datapath {
	struct datapath_options options;
	char *pin_dir; /* what options.pin_dir points to */
	struct program program;
	int lock_fd; /* on pin_dir */
	bool cold;   /* nothing was pinned before this start, which is not complete yet */
	struct datapath_port *ports;
	size_t n_ports;
};

#endif
