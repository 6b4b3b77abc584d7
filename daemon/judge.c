/* SPDX-License-Identifier: MIT */
/*
 * Results that agree with the state set the count back; those that do not are counted, and enough
 * of them in a row turn it.
 */
#include "daemon/judge.h"

bool judge_take(struct judge *judge, const struct model_check *check, enum judge_result result)
{
	bool good = result == JUDGE_SUCCESS;

	if (result == JUDGE_UNKNOWN)
		return false;
	if (!judge->known) {
		*judge = (struct judge){.up = good, .known = true};
		return true;
	}
	if (good == judge->up) {
		judge->count = 0;
		return false;
	}
	judge->count++;
	if (judge->count < (good ? check->rise : check->fall))
		return false;
	judge->up = good;
	judge->count = 0;
	return true;
}

unsigned int judge_interval_ms(const struct judge *judge, const struct model_check *check)
{
	if (!judge->known || judge->count)
		return check->fast_interval_ms;
	return judge->up ? check->interval_ms : check->down_interval_ms;
}
