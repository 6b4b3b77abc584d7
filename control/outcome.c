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

#define EVENT_NAME(NAME, name, text) [SLUICE_EVENT_##NAME] = name,
#define EVENT_TEXT(NAME, name, text) [SLUICE_EVENT_##NAME] = text,

static const char *const event_names[] = {SLUICE_EVENTS(EVENT_NAME)};
static const char *const event_texts[] = {SLUICE_EVENTS(EVENT_TEXT)};

_Static_assert(sizeof(event_names) / sizeof(event_names[0]) == SLUICE_EVENT_MAX, "one name each");
_Static_assert(sizeof(event_texts) / sizeof(event_texts[0]) == SLUICE_EVENT_MAX, "one text each");

const char *event_name(enum sluice_event event)
{
	return (unsigned int)event < SLUICE_EVENT_MAX ? event_names[event] : "unknown";
}

const char *event_text(enum sluice_event event)
{
	return (unsigned int)event < SLUICE_EVENT_MAX ? event_texts[event] : "";
}

int event_find(enum sluice_event *out, const char *name)
{
	for (size_t i = 0; i < SLUICE_EVENT_MAX; i++) {
		if (!strcmp(event_names[i], name)) {
			*out = i;
			return 0;
		}
	}
	return -ENOENT;
}
