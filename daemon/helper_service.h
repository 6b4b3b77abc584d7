/* SPDX-License-Identifier: MIT */
/*
 * sluice-helper at work: the program onto the ports, and what it needs to know kept up to date.
 */
#ifndef SLUICE_DAEMON_HELPER_SERVICE_H
#define SLUICE_DAEMON_HELPER_SERVICE_H

#include "daemon/helper_options.h"

/*
 * Puts the program onto the ports, in the place of an earlier one without a gap, and runs until
 * SIGTERM or SIGINT; SIGHUP does all that a start does anew. What is pinned goes on afterwards. 0,
 * or -errno with a message in @diag.
 */
int helper_service_run(const struct helper_options *options, struct diag *diag);

/*
 * Takes down all that is pinned in @pin_dir; nothing there is no error. 0, or -errno with a
 * message.
 */
int helper_service_detach(const char *pin_dir, struct diag *diag);

#endif
