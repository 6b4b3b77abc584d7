/* SPDX-License-Identifier: MIT */
/*
 * Our own dispatcher for libxdp (xdp/dispatcher.bpf.c says why), which libxdp looks for as a file.
 */
#ifndef SLUICE_DAEMON_DISPATCHER_H
#define SLUICE_DAEMON_DISPATCHER_H

/* While it is in use. All zero is a valid one that is not. */
struct dispatcher {
	char dir[64];
};

/*
 * From now on libxdp uses our dispatcher, until dispatcher_fini(). 0, or -errno: -EEXIST when the
 * environment (LIBXDP_OBJECT_PATH) names another one.
 */
int dispatcher_init(struct dispatcher *dispatcher);
void dispatcher_fini(struct dispatcher *dispatcher);

#endif
