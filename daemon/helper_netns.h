/* SPDX-License-Identifier: MIT */
/*
 * Another network namespace, whose sockets the helper looks up.
 */
#ifndef SLUICE_DAEMON_HELPER_NETNS_H
#define SLUICE_DAEMON_HELPER_NETNS_H

#include "config/diag.h"

/*
 * Opens the namespace @name, as `ip netns` calls it, or a path (with a "/"). 0 with a descriptor in
 * @out, the caller's to close; or -errno with a message in @diag.
 */
int helper_netns_open(int *out, const char *name, struct diag *diag);

/*
 * The id by which our own namespace, and so a program on one of its devices, knows the one at @fd;
 * it gets one if it has none. 0, or -errno with a message in @diag.
 */
int helper_netns_id(int fd, int *id, struct diag *diag);

/* Calls @fn inside the namespace at @fd (-1: where we are). Its result, or -errno. */
int helper_netns_call(int fd, int (*fn)(void *ctx), void *ctx);

#endif
