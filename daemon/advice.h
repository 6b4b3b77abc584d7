/* SPDX-License-Identifier: MIT */
/*
 * What checks say, as the rest of the daemon takes it: whether a VIP may use a backend, since when,
 * and what agents and slow starts ask for as if it were wished. An operator's wish goes before.
 */
#ifndef SLUICE_DAEMON_ADVICE_H
#define SLUICE_DAEMON_ADVICE_H

#include "daemon/desired.h"
#include "daemon/health.h"

/* When it is asked. Times in seconds since the epoch. */
struct advice {
	const struct health *health;
	unsigned int settle_s;
	int64_t now;
	int64_t grace; /* until then, those there from the start count as up if not known */
};

/*
 * @wishes and what the checks of @model's pools ask for. 0 with @out for wishes_fini(), or -ENOMEM.
 */
int advice_wishes(struct wishes *out, const struct advice *advice, const struct wishes *wishes,
		  const struct model *model);

/* The health of a backend for the desired state: a desired_health_fn with a struct advice. */
struct desired_health advice_health(const void *advice, const struct model_vip *vip,
				    const struct model_pool *pool,
				    const struct model_backend *backend);

/*
 * When some backend of @model stops to be recent, or the grace ends: the desired state is another
 * one from then on. Seconds since the epoch; INT64_MAX: never.
 */
int64_t advice_next(const struct advice *advice, const struct model *model);

#endif
