/* SPDX-License-Identifier: MIT */
/*
 * They are blocked for good: only the event loop sees them.
 */
#include "daemon/signals.h"

#include <signal.h>

int signals_watch(sd_event *event, sd_event_signal_handler_t reload, void *ctx)
{
	sigset_t set;
	int err;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	err = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
	if (err >= 0)
		err = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	if (err >= 0)
		err = sd_event_add_signal(event, NULL, SIGHUP, reload, ctx);
	return err < 0 ? err : 0;
}
