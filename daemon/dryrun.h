/* SPDX-License-Identifier: MIT */
/*
 * The program with maps of its own, filled from a model, on no device: what would happen to a
 * frame. Nothing is pinned, nothing outlives the process.
 */
#ifndef SLUICE_DAEMON_DRYRUN_H
#define SLUICE_DAEMON_DRYRUN_H

#include "daemon/datapath.h"

struct dryrun;

/*
 * Loads the program and fills its maps: the next hop of every backend is the interfaces'
 * gateway_mac (00:00:00:00:00:00, with a warning, if none has one), MTUs are those of the devices
 * that exist, else 1500. @model must outlive it. 0 with @out to be freed by dryrun_free(), or
 * -errno with a message in @diag.
 */
int dryrun_new(struct dryrun **out, struct model *model, struct diag *diag);

/* What became of a frame. */
struct dryrun_result {
	struct datapath_verdict verdict;
	const char *vip;     /* name, or "-" */
	const char *backend; /* name, or "-" */
};

/* As datapath_run(), with names. */
int dryrun_frame(struct dryrun *dryrun, const void *frame, size_t size, void *out, size_t *out_size,
		 struct dryrun_result *result);

/* The program and maps it uses; they belong to it. */
struct datapath *dryrun_datapath(struct dryrun *dryrun);

/* Frees it with its program and maps; accepts NULL. */
void dryrun_free(struct dryrun *dryrun);

#endif
