/* SPDX-License-Identifier: MIT */
/*
 * sluice without a device: its own way from a config text to filled maps, each step timed, and the
 * program that packets can be sent through. Nothing is pinned; nothing outlives the process.
 */
#ifndef SLUICE_BENCH_BALANCER_H
#define SLUICE_BENCH_BALANCER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/diag.h"

struct balancer;

/* How long each step took, ns. */
struct balancer_times {
	uint64_t load;    /* text -> model */
	uint64_t program; /* program and maps, where they had to be made */
	uint64_t desired; /* model -> generations -> desired, rings included */
	uint64_t plan;    /* maps read, and compared with desired */
	uint64_t apply;   /* written */
	uint64_t total;
	uint64_t slots; /* how many slots were written */
};

/* An empty one. 0 with @out to be freed by balancer_free(), or -ENOMEM. */
int balancer_new(struct balancer **out);

/*
 * Brings the config @text into force, the first or another one. @times may be NULL. 0; or -errno
 * with a message and the old one still in force.
 */
int balancer_load(struct balancer *balancer, const char *text, struct balancer_times *times,
		  struct diag *diag);

/*
 * Brings into force that a backend is down, or up again: as a health check's verdict does, the
 * rings stay. As balancer_load(), which counts all as up again.
 */
int balancer_turn(struct balancer *balancer, const char *pool, const char *backend, bool up,
		  struct balancer_times *times, struct diag *diag);

/*
 * Makes @percent of each ring's slots look as if they moved: spread evenly, each with another
 * backend beside its own. Done behind the daemon's back, where a change of the config would say by
 * itself how many move. 0 or -errno.
 */
int balancer_track(struct balancer *balancer, unsigned int percent);

/* Descriptor of the program; the balancer's. */
int balancer_program(const struct balancer *balancer);

/* Bytes of the maps, as the kernel counts them. */
uint64_t balancer_memory(const struct balancer *balancer);

/* Frees it with its program and maps; accepts NULL. */
void balancer_free(struct balancer *balancer);
void balancer_freep(struct balancer **balancer);

#endif
