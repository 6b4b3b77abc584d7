/* SPDX-License-Identifier: MIT */
/*
 * Probes and an event loop for tests of daemon/probe_*.c.
 */
#ifndef SLUICE_TESTS_LIB_PROBING_H
#define SLUICE_TESTS_LIB_PROBING_H

#include <systemd/sd-event.h>

#include "daemon/probe.h"

#define PROBING_PATIENT_MS 20000 /* a timeout that is not met */
#define PROBING_SHORT_MS 300     /* one that is */

struct probing {
	sd_event *event;
	struct probes *probes;
};

/* Set-up and teardown of a test in its own network namespace; the state is a struct probing. */
int probing_setup(void **state);
int probing_teardown(void **state);

/* What comes to @address ("10.0.0.1") and @port. */
struct probe_target probing_target(const struct model_check *check, const char *address,
				   uint16_t port);

/* Makes one probe and waits for its report; what it could not begin is reported as such. */
struct probe_report probing_ask(struct probing *p, const struct model_check *check,
				const char *address, uint16_t port);

/* Fails the test unless it is this result and the reason begins with @reason. */
void probing_expect(const struct probe_report *report, enum judge_result result,
		    const char *reason);

/* The same, of a probe that is made now. */
void probing_finds(struct probing *p, const struct model_check *check, const char *address,
		   uint16_t port, enum judge_result result, const char *reason);

/*
 * Makes 1,000 probes, up to 50 at a time: some are cancelled, some after they ended. Fails the test if
 * descriptors or child processes are left.
 */
void probing_leaks_nothing(struct probing *p, const struct model_check *check, const char *address,
			   uint16_t port);

#endif
