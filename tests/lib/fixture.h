/* SPDX-License-Identifier: MIT */
/*
 * A config text -> the loaded program with filled maps, for packet tests; all of it fails the
 * running test on an error, and says what the code said.
 */
#ifndef SLUICE_TESTS_LIB_FIXTURE_H
#define SLUICE_TESTS_LIB_FIXTURE_H

#include "config/model.h"
#include "daemon/dryrun.h"
#include "tests/lib/frame.h"

/* The model of a config text. */
struct model *fixture_model(const char *text);

/* A program for it. */
struct dryrun *fixture_dryrun(struct model *model);

/* Sends @in; @out gets the frame as it left. */
struct dryrun_result fixture_send(struct dryrun *dryrun, const struct frame *in, struct frame *out);

/* Prints the messages and fails, unless @err is 0. */
void fixture_check(int err, struct diag *diag);

/* Prints why and skips the running test unless this process may load BPF programs. */
void fixture_need_bpf(void);

#endif
