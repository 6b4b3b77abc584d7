/* SPDX-License-Identifier: MIT */
/*
 * A growing list of messages. Reporting must not fail: without memory for a message, a static
 * one stands in for it and for all that follow.
 */
#include "config/diag.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/cleanup.h"

static char no_memory[] = "there are more messages, but no memory for them";
static struct diag_entry only_entry = {.text = no_memory};

static void entry_fini(struct diag_entry *entry)
{
	free(entry->file);
	if (entry->text != no_memory)
		free(entry->text);
}

/* There is no room for one more entry: the note takes the last one's place, or is the only one. */
static void end_with_note(struct diag *diag)
{
	struct diag_entry *last = diag->n ? &diag->entries[diag->n - 1] : NULL;

	if (last) {
		entry_fini(last);
		*last = (struct diag_entry){.text = no_memory};
	} else {
		*diag = (struct diag){.entries = &only_entry, .n = 1};
	}
}

static bool is_full(const struct diag *diag)
{
	return diag->n && diag->entries[diag->n - 1].text == no_memory;
}

void diag_add(struct diag *diag, const char *file, unsigned int line, const char *fmt, ...)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(freep) char *name = NULL;
	struct diag_entry *entries;
	va_list args;
	int len;

	if (is_full(diag))
		return;
	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		text = NULL;
	name = file ? strdup(file) : NULL;
	entries = reallocarray(diag->entries, diag->n + 1, sizeof(*entries));
	if (!entries) {
		end_with_note(diag);
		return;
	}
	diag->entries = entries;
	if (text && (name || !file))
		entries[diag->n++] = (struct diag_entry){TAKE(name), line, TAKE(text)};
	else
		entries[diag->n++] = (struct diag_entry){.text = no_memory};
}

static void print_entry(FILE *out, const struct diag_entry *entry)
{
	if (entry->file && entry->line)
		fprintf(out, "%s:%u: ", entry->file, entry->line);
	else if (entry->file)
		fprintf(out, "%s: ", entry->file);
	fputs(entry->text, out);
}

char *diag_entry_text(const struct diag_entry *entry)
{
	_cleanup_(freep) char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	print_entry(out, entry);
	return fclose(out) ? NULL : TAKE(text);
}

char *diag_text(const struct diag *diag)
{
	_cleanup_(freep) char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (size_t i = 0; i < diag->n; i++) {
		print_entry(out, &diag->entries[i]);
		fputc('\n', out);
	}
	return fclose(out) ? NULL : TAKE(text);
}

void diag_fini(struct diag *diag)
{
	for (size_t i = 0; i < diag->n; i++)
		entry_fini(&diag->entries[i]);
	if (diag->entries != &only_entry)
		free(diag->entries);
	*diag = (struct diag){0};
}
