/* SPDX-License-Identifier: MIT */
/*
 * One probe: asks a backend once, by one of the kinds of check, and reports what it found. Nothing
 * here blocks: all waits are on the event loop. When to probe, and what a result means for the
 * backend, is for others to say (health.h, judge.h).
 */
#ifndef SLUICE_DAEMON_PROBE_H
#define SLUICE_DAEMON_PROBE_H

#include <systemd/sd-event.h>

#include "config/model.h"
#include "daemon/judge.h"

#define PROBE_REASON_MAX 160 /* bytes, with the zero */
#define PROBE_WEIGHT_MAX 1000u

/* What is asked, and by which way. */
struct probe_target {
	struct sluice_addr address;      /* of the VIP (tunnel), or the backend's own (direct) */
	uint16_t port;                   /* host byte order */
	struct sluice_addr backend;      /* exec: in its environment; else for messages */
	uint32_t mark;                   /* of the socket: which tunnel it goes into; 0: none */
	const struct model_check *check; /* borrowed; lives longer than the probe */
};

/* What an agent asked for besides. */
enum probe_wish {
	PROBE_WISH_NONE,
	PROBE_WISH_READY, /* in rotation */
	PROBE_WISH_DRAIN,
	PROBE_WISH_MAINT,
};

struct probe_report {
	enum judge_result result;
	char reason[PROBE_REASON_MAX]; /* one line of ASCII, also of a success: "http status 200" */
	uint64_t duration_us;
	enum probe_wish wish;
	unsigned int
		weight_percent; /* of the configured one, as an agent asks, 1 .. PROBE_WEIGHT_MAX; 0: it does
				   not say ("0%" is a wish to drain) */
};

/* Called once for each probe, never from within probe_start(). The probe is gone then. */
typedef void probe_done_fn(void *ctx, const struct probe_report *report);

/* What all probes share: the event loop, the HTTP library's state. */
struct probes;
struct probe;

/*
 * @event is borrowed. SIGPIPE must be ignored. Raises this process's limit of descriptors as far as
 * it may. 0 with @out to be freed by probes_free(); or -errno.
 */
int probes_new(struct probes **out, sd_event *event);

/*
 * Begins a probe, with check->timeout_ms from now. @target is copied, but for its check. 0 with
 * @out, which is valid until @done was called or probe_cancel(); or -errno without a call of @done:
 * this host could not begin it (-EMFILE, -ENETUNREACH, ...), which says nothing about the backend.
 */
int probe_start(struct probe **out, struct probes *probes, const struct probe_target *target,
		probe_done_fn *done, void *ctx);

/*
 * What -errno @err of probe_start() is as a report: unknown, with the reason and the way out.
 */
void probe_own_error(struct probe_report *report, int err);

/* Ends a probe without a report; accepts NULL. Not from within its own @done. */
void probe_cancel(struct probe *probe);

/* Only when no probe is running. Accepts NULL. */
void probes_free(struct probes *probes);

#endif
