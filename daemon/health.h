/* SPDX-License-Identifier: MIT */
/*
 * The health of all backends: which probes there are, when each is made, and what the backends are
 * by the results. One stream of probes for each distinct target and parameters, however many VIPs
 * use it.
 */
#ifndef SLUICE_DAEMON_HEALTH_H
#define SLUICE_DAEMON_HEALTH_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "config/diag.h"
#include "config/model.h"
#include "daemon/wishes.h"

struct health;

/* Some backend is other than before. Called from the event loop, once for a burst of results. */
typedef void health_changed_fn(void *ctx);

/* The mark for probes into the tunnel to @backend of @pool; 0: there is none (yet). */
typedef uint32_t health_mark_fn(void *ctx, const struct model_pool *pool,
				const struct model_backend *backend);

/* What changed for a stream of probes. All is borrowed for the call. */
struct health_event {
	const char *text;     /* the whole of it, as it is logged: one line */
	const char *backend;  /* name */
	const char *pool;     /* name */
	const char *vip;      /* name of the first VIP that it is probed for */
	unsigned int n_vips;  /* for so many */
	const char *from;     /* "up", "down", "unknown"; of an agent's word: what it said before */
	const char *to;       /* likewise, but for "unknown" */
	const char *reason;   /* of the last result */
	uint64_t duration_us; /* of the last probe */
};

typedef void health_event_fn(void *ctx, const struct health_event *event);

/* What is known of one backend of one VIP. */
struct health_view {
	bool checked; /* there is a check; else up */
	bool up;
	bool known;
	bool late;          /* it came, unknown, when the daemon was there already */
	const char *reason; /* of the last result; "" if there is none. The health's */
	int64_t since;      /* of up or down, seconds since the epoch; 0: not known */
	int64_t before_s;   /* how long it was the other one before, at least 1; 0: not known */
	unsigned int weight_percent; /* slow start and agent, >= 1, also > 100; usually 100 */
	bool drain;                  /* an agent asks for it */
	bool maint;                  /* an agent asks for it */
};

/*
 * @event, @changed, @mark and @ctx are borrowed. The last known states are read from
 * @state_dir/health.json (a missing file: none). 0 with @out for health_free(); or -errno with a
 * message.
 */
int health_new(struct health **out, sd_event *event, const char *state_dir,
	       health_changed_fn *changed, health_mark_fn *mark, void *ctx, struct diag *diag);

/*
 * From now on @fn is told of each change; NULL: nobody is. May be called from the event loop only.
 */
void health_watch(struct health *health, health_event_fn *fn, void *ctx);

/*
 * Makes the streams those of @model, which must live until the next call: streams that are there
 * already go on with their state. Backends that are disabled, by the config or by a wish (@wishes
 * may be NULL, and is not kept), are not probed. Those that are new begin down, not known, but for
 * what was known of the same backend of the same VIP: before the restart, by another check, or that
 * it served without any. 0 or -ENOMEM, and then all is as before. Does not call changed(): who
 * calls this knows.
 */
int health_follow(struct health *health, const struct model *model, const struct wishes *wishes);

/*
 * @backend of @pool as the VIP sees it; of VIP and pools of the model that is followed. One that is
 * not probed, since it is disabled, is down and not known.
 */
struct health_view health_of(const struct health *health, const struct model_vip *vip,
			     const struct model_pool *pool, const struct model_backend *backend);

/*
 * The document of "sluicectl health": each stream with its target, path, last results with
 * durations, state since, next probe, the VIPs it stands for. @backend: only that name's, or NULL.
 * NULL: no memory.
 */
json_t *health_report(const struct health *health, const char *backend);

/* Writes the states to STATE_DIR/health.json; stops all probes. Accepts NULL. */
void health_free(struct health *health);

#endif
