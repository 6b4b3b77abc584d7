/* SPDX-License-Identifier: MIT */
/*
 * The edit distance of two words by dynamic programming over three rows ("optimal string
 * alignment": Levenshtein's distance plus swaps of neighbours).
 */
#include "config/suggest.h"

#include <string.h>

#define WORD_MAX 63 /* longer words are never near */
#define EDITS_MAX 3

static unsigned int min(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Neither word is longer than WORD_MAX. */
static unsigned int edits(const char *a, const char *b)
{
	unsigned int rows[3][WORD_MAX + 1];
	size_t len = strlen(b);

	for (size_t j = 0; j <= len; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= strlen(a); i++) {
		unsigned int *row = rows[i % 3];
		const unsigned int *above = rows[(i - 1) % 3];
		const unsigned int *above2 = rows[(i + 1) % 3];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= len; j++) {
			row[j] = min(above[j - 1] + (a[i - 1] != b[j - 1]),
				     min(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min(row[j], above2[j - 2] + 1);
		}
	}
	return rows[strlen(a) % 3][len];
}

void suggest_offer(struct suggest *s, const char *known)
{
	size_t len = strlen(s->word);
	unsigned int allowed = min((unsigned int)len / 3, EDITS_MAX);
	unsigned int distance;

	if (len > WORD_MAX || strlen(known) > WORD_MAX)
		return;
	distance = edits(s->word, known);
	if (distance <= allowed && (!s->best || distance < s->distance)) {
		s->best = known;
		s->distance = distance;
	}
}
