/* SPDX-License-Identifier: MIT */
/*
 * A capture through the program, without any device: what would happen to each of its frames.
 */
#ifndef SLUICE_DAEMON_REPLAY_H
#define SLUICE_DAEMON_REPLAY_H

#include <stdio.h>

#include "config/diag.h"
#include "config/model.h"

/*
 * Fills maps of its own from @model (the next hop is gateway_mac, interfaces need not exist),
 * sends each frame of @in_path once through the program, writes what it transmits to @out_path
 * in order, and prints a line for each frame to @report: "N VERDICT OUTCOME vip=NAME backend=NAME".
 * A frame that the kernel does not take (shorter than an Ethernet header, or too long) has the
 * verdict "-" and the outcome "not_run".
 *
 * 0; or -errno with messages in @diag (also -EINVAL when there were frames that were not run).
 * @out_path is created only when config, program and @in_path are good.
 */
int replay_run(struct model *model, const char *in_path, const char *out_path, FILE *report,
	       struct diag *diag);

#endif
