/* SPDX-License-Identifier: MIT */
/*
 * The directory on a BPF file system where a daemon's maps and program are pinned, so that they
 * outlive it: PIN_DIR/MAP for each map, PIN_DIR/program. What is attached to ports is pinned there
 * by daemon/attach.c.
 */
#ifndef SLUICE_DAEMON_PINS_H
#define SLUICE_DAEMON_PINS_H

#include "daemon/program.h"

/*
 * Makes the directory, with those above it, and locks it for this process's life (or until
 * *@lock_fd is closed). 0; or -errno with a message in @diag: -EINVAL (not on a BPF file system),
 * -EBUSY (another daemon has it).
 */
int pins_enter(const char *pin_dir, int *lock_fd, struct diag *diag);

/* As pins_enter(), for a directory that may be missing: -ENOENT without a message then. */
int pins_enter_existing(const char *pin_dir, int *lock_fd, struct diag *diag);

/* The pinned maps, for the caller to close; -1 for those that are not there. */
void pins_open(const char *pin_dir, int fds[MAP_MAX]);

/* The pinned program, for the caller to close; -1: none. */
int pins_open_program(const char *pin_dir);

/*
 * Pins all of @program under temporary names: what can fail, before anything is switched. Then
 * pins_commit() moves them to their places (there is always a pin), or pins_abandon() removes them.
 * 0 or -errno.
 */
int pins_prepare(const char *pin_dir, const struct program *program);
int pins_commit(const char *pin_dir);
void pins_abandon(const char *pin_dir);

/* Removes all pins of maps and program, and the directory if it is empty then. 0 or -errno. */
int pins_remove(const char *pin_dir);

#endif
