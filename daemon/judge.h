/* SPDX-License-Identifier: MIT */
/*
 * From results of probes to up or down: so many successes in a row, so many failures in a row.
 * Pure.
 */
#ifndef SLUICE_DAEMON_JUDGE_H
#define SLUICE_DAEMON_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/model.h"

/* What a probe found. */
enum judge_result {
	JUDGE_SUCCESS,
	JUDGE_FAILURE,
	JUDGE_UNKNOWN, /* it could not be found out, for a reason of this host's: says nothing */
};

/* All zero is one of which nothing is known: down until its first success. */
struct judge {
	bool up;
	bool known;         /* some result, or the state of before a restart, was taken */
	unsigned int count; /* results in a row that speak against the state */
};

/*
 * Takes a result. Of one that is not known yet one success is enough, as is one failure. true: up
 * is another one than before, or it is known only now.
 */
bool judge_take(struct judge *judge, const struct model_check *check, enum judge_result result);

/*
 * Milliseconds from this probe's start to the next one's: the interval; the fast one while results
 * are being counted or nothing is known; the down interval while it is down. Jitter is not in it.
 */
unsigned int judge_interval_ms(const struct judge *judge, const struct model_check *check);

#endif
