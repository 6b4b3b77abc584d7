/* SPDX-License-Identifier: MIT */
/*
 * The helper's program, as on a backend: one address, one other backend that hints may name, a
 * listener, and one connection to it.
 */
#ifndef SLUICE_BENCH_HELPER_TARGET_H
#define SLUICE_BENCH_HELPER_TARGET_H

#include "config/diag.h"

/* Of the tunnelled packets; see scenario_frame(). */
#define HELPER_TARGET_SELF "198.18.1.1"
#define HELPER_TARGET_OTHER "198.18.1.2"
#define HELPER_TARGET_HINT 0x1234 /* the other one's number */
#define HELPER_TARGET_SERVER "127.0.0.1"
#define HELPER_TARGET_CLIENT "127.0.0.2"
#define HELPER_TARGET_KNOWN_PORT 1024   /* of the client's connection */
#define HELPER_TARGET_UNKNOWN_PORT 1025 /* it has none from there */

struct helper_target;

/*
 * Loads it, and moves this process into a network namespace of its own, where the sockets are. 0
 * with @out for helper_target_free(), or -errno with a message.
 */
int helper_target_new(struct helper_target **out, struct diag *diag);

/* Descriptor of the program; the target's. */
int helper_target_program(struct helper_target *target);

/* Frees it with its program and sockets; accepts NULL. */
void helper_target_free(struct helper_target *target);
void helper_target_freep(struct helper_target **target);

#endif
