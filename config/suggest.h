/* SPDX-License-Identifier: MIT */
/*
 * "did you mean": the known word that a mistyped one resembles. Offer every known word, then read
 * @best:
 *
 *	struct suggest s = {.word = "adress"};
 *	suggest_offer(&s, "name");
 *	suggest_offer(&s, "address");
 */
#ifndef SLUICE_CONFIG_SUGGEST_H
#define SLUICE_CONFIG_SUGGEST_H

struct suggest {
	const char *word;
	const char *best; /* the nearest so far, the first of equals; NULL: none is near enough */
	unsigned int distance; /* edits from @word to @best */
};

/*
 * Offers a known word. An edit is one character too many, missing, wrong, or swapped with its
 * neighbour; near enough is one edit for each three characters of @word, at most 3.
 * @known must live as long as @best is read.
 */
void suggest_offer(struct suggest *s, const char *known);

/* The end of a message, printed with "%s%s%s": `; did you mean "address"?`, or nothing. */
#define SUGGEST_TEXT(s) \
	(s).best ? "; did you mean \"" : "", (s).best ? (s).best : "", (s).best ? "\"?" : ""

#endif
