/* SPDX-License-Identifier: MIT */
/*
 * What a backend's agent says, in the words of HAProxy's agent-check. Pure.
 */
#ifndef SLUICE_DAEMON_AGENT_WORDS_H
#define SLUICE_DAEMON_AGENT_WORDS_H

#include "daemon/probe.h"

/*
 * Reads a line such as "75%", "up", "drain" or "down 50% # disk full" into @report: result, reason,
 * wish and weight_percent; its duration stays. What follows a "#" is for people. Case does not
 * count; words are apart by spaces, tabs and commas; of words that contradict each other the last
 * one counts. "maxconn:N" is passed over. A line with any other word, or without one, is a failure.
 */
void agent_words_read(struct probe_report *report, const char *line);

#endif
