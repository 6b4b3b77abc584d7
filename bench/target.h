/* SPDX-License-Identifier: MIT */
/*
 * The programs under test: sluice itself, with maps that its own daemon code filled; the baselines;
 * or any other XDP program.
 */
#ifndef SLUICE_BENCH_TARGET_H
#define SLUICE_BENCH_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/scenario.h"

enum target_kind {
	TARGET_SLUICE,
	TARGET_FLOOR,       /* bench/baseline/floor.bpf.c */
	TARGET_LRU,         /* bench/baseline/lru.bpf.c; remembers every flow */
	TARGET_LRU_LIMITED, /* ... at most TARGET_NEW_FLOWS new ones a second */
	TARGET_OBJECT,      /* somebody else's */
	TARGET_MAX,
};

#define TARGET_NEW_FLOWS 125000u /* Katran's default, per CPU */

struct targets_options {
	int cpu;              /* where packets will be sent */
	uint32_t lru_entries; /* flows that the LRU map holds */
	const char *object;   /* FILE or FILE:PROGRAM, or NULL */
	uint32_t object_id;   /* id of a loaded program; 0: none */
};

struct targets;

/*
 * Loads what all scenarios share. 0 with @out to be freed by targets_free(), or -errno with a
 * message.
 */
int targets_new(struct targets **out, const struct targets_options *options, struct diag *diag);

/* Does it make sense to send it this scenario? */
bool targets_serve(const struct targets *targets, enum target_kind kind,
		   const struct scenario *scenario);

/*
 * The program for a scenario: a descriptor, which stays the targets', and the XDP action that it
 * must answer with (-1: any). 0, or -errno with a message.
 */
int targets_program(struct targets *targets, enum target_kind kind, const struct scenario *scenario,
		    int *program, int *action, struct diag *diag);

/*
 * Before a sample: gives the LRU programs the table that the scenario is for, a full one or a new
 * one. *@fill becomes how many fresh flows have to be sent now, so that a table is full that is to
 * be full, and the limit of new flows is reached. 0 or -errno.
 */
int targets_prepare(struct targets *targets, enum target_kind kind, const struct scenario *scenario,
		    uint64_t *fill);

/* How many of @flows to send before a sample: all, or so many that no table can hold more. */
uint64_t targets_flows(const struct targets *targets, uint64_t flows);

/*
 * Packets that the LRU baseline looked at, and those of them whose flow it did not know; of all
 * time.
 */
void targets_lru_counts(const struct targets *targets, enum target_kind kind, uint64_t *packets,
			uint64_t *unknown);

/* "sluice", "floor", "lru", "lru-limited", "object". */
const char *target_name(enum target_kind kind);

/* Frees it with its programs; accepts NULL. */
void targets_free(struct targets *targets);
void targets_freep(struct targets **targets);

#endif
