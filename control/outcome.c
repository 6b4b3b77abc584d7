/* SPDX-License-Identifier: MIT */
/*
 * xdp/abi.h lists the outcomes once, with their names and texts. Here the list becomes two tables
 * indexed by the enum; there is no second list to keep in step.
 */
#include "control/outcome.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define OUTCOME_NAME(NAME, name, text) [SLUICE_OUT_##NAME] = name,
#define OUTCOME_TEXT(NAME, name, text) [SLUICE_OUT_##NAME] = text,

static const char *const names[] = {SLUICE_OUTCOMES(OUTCOME_NAME)};
static const char *const texts[] = {SLUICE_OUTCOMES(OUTCOME_TEXT)};

_Static_assert(sizeof(names) / sizeof(names[0]) == SLUICE_OUT_MAX, "one name for each outcome");
_Static_assert(sizeof(texts) / sizeof(texts[0]) == SLUICE_OUT_MAX, "one text for each outcome");

const char *outcome_name(enum sluice_outcome outcome)
{
	return (unsigned int)outcome < SLUICE_OUT_MAX ? names[outcome] : "unknown";
}

const char *outcome_text(enum sluice_outcome outcome)
{
	return (unsigned int)outcome < SLUICE_OUT_MAX ? texts[outcome] : "";
}

int outcome_find(enum sluice_outcome *out, const char *name)
{
	for (size_t i = 0; i < SLUICE_OUT_MAX; i++) {
		if (!strcmp(names[i], name)) {
			*out = i;
			return 0;
		}
	}
	return -ENOENT;
}
