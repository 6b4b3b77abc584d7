/* SPDX-License-Identifier: MIT */
/*
 * Messages to the person who wrote the input: collected, each with file:line, and shown all
 * together, so that one run finds every error of a file.
 */
#ifndef SLUICE_CONFIG_DIAG_H
#define SLUICE_CONFIG_DIAG_H

#include <stddef.h>

/* One message: "FILE:LINE: text", or "FILE: text" with line 0, or "text" without a file. */
struct diag_entry {
	char *file;
	unsigned int line;
	char *text;
};

/* The messages in the order in which they came; all zero is an empty, valid one. */
struct diag {
	struct diag_entry *entries;
	size_t n;
};

/*
 * Adds a message. @file may be NULL; it is copied. A message that finds no memory is replaced by
 * a note that there are more, so that a diag with an error never looks empty.
 */
void diag_add(struct diag *diag, const char *file, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The message as one line without newline, in a buffer that the caller frees; NULL: no memory. */
char *diag_entry_text(const struct diag_entry *entry);

/* All messages, each ended by a newline, in a buffer that the caller frees; NULL: no memory. */
char *diag_text(const struct diag *diag);

/* Frees the messages; @diag is empty afterwards. Accepts an empty one. */
void diag_fini(struct diag *diag);

#endif
