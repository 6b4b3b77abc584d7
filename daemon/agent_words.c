/* SPDX-License-Identifier: MIT */
/*
 * A table of words, percentages, and the reason after "#". Words about the server ("up", "down")
 * make the result, words about its use ("drain") the wish; an agent that says only how much it
 * wants, or what is to be done with it, lives.
 */
#include "daemon/agent_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define APART " \t,\r\n"

static const struct {
	const char *word;
	bool sets_result;
	enum judge_result result;
	enum probe_wish wish;
} words[] = {
	{"up", .sets_result = true, .result = JUDGE_SUCCESS},
	{"down", .sets_result = true, .result = JUDGE_FAILURE},
	{"fail", .sets_result = true, .result = JUDGE_FAILURE},
	{"failed", .sets_result = true, .result = JUDGE_FAILURE},
	{"stopped", .sets_result = true, .result = JUDGE_FAILURE},
	{"ready", .wish = PROBE_WISH_READY},
	{"drain", .wish = PROBE_WISH_DRAIN},
	{"maint", .wish = PROBE_WISH_MAINT},
};

/* "75%": 0 .. PROBE_WEIGHT_MAX; else -EINVAL. */
static int read_percent(const char *word, size_t n)
{
	unsigned int value = 0;

	if (n < 2 || word[n - 1] != '%')
		return -EINVAL;
	for (size_t i = 0; i + 1 < n; i++) {
		if (word[i] < '0' || word[i] > '9')
			return -EINVAL;
		value = value * 10 + (word[i] - '0');
		if (value > PROBE_WEIGHT_MAX)
			return -EINVAL;
	}
	return value;
}

static bool is_maxconn(const char *word, size_t n)
{
	static const char name[] = "maxconn:";
	size_t len = sizeof(name) - 1;

	return n > len && !strncasecmp(word, name, len) &&
	       strspn(word + len, "0123456789") >= n - len;
}

/* false: a word that is not known. */
static bool take_word(struct probe_report *report, const char *word, size_t n)
{
	int percent = read_percent(word, n);

	if (percent > 0) {
		report->weight_percent = percent;
		return true;
	}
	if (!percent) {
		report->weight_percent = 0;
		report->wish = PROBE_WISH_DRAIN;
		return true;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strlen(words[i].word) != n || strncasecmp(words[i].word, word, n))
			continue;
		if (words[i].sets_result)
			report->result = words[i].result;
		else
			report->wish = words[i].wish;
		return true;
	}
	return is_maxconn(word, n);
}

static void refuse(struct probe_report *report, const char *format, const char *text, size_t n)
{
	*report =
		(struct probe_report){.result = JUDGE_FAILURE, .duration_us = report->duration_us};
	snprintf(report->reason, sizeof(report->reason), format, (int)n, text);
}

void agent_words_read(struct probe_report *report, const char *line)
{
	size_t size = strcspn(line, "#"), said = 0; /* the words end there */
	const char *reason = line + size, *p = line + strspn(line, APART), *first = p;

	report->result = JUDGE_SUCCESS;
	report->wish = PROBE_WISH_NONE;
	report->weight_percent = 0;
	while (p < line + size) {
		size_t n = strcspn(p, APART "#");

		if (!take_word(report, p, n)) {
			refuse(report, "agent says \"%.*s\", which is no word of agent-check", p,
			       n);
			return;
		}
		said = p + n - first;
		p += n;
		p += strspn(p, APART);
	}
	if (!said) {
		refuse(report, "agent says nothing%.*s", "", 0);
		return;
	}
	reason += strspn(reason, "# \t");
	snprintf(report->reason, sizeof(report->reason), "agent says %.*s%s%s", (int)said, first,
		 *reason ? ": " : "", reason);
}
