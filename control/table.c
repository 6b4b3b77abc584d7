/* SPDX-License-Identifier: MIT */
/*
 * The cells are kept as text until all are there, since only then the widths are known. A name is
 * never cut: a long one makes its column wide.
 */
#include "control/table.h"

#include <errno.h>
#include <stdarg.h>

#include "config/cleanup.h"

struct table {
	const struct table_column *columns;
	size_t n_columns;
	char **cells;
	size_t n_cells;
	bool failed; /* a cell is missing */
};

struct table *table_new(const struct table_column *columns, size_t n)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t) {
		t->columns = columns;
		t->n_columns = n;
	}
	return t;
}

/* The number of characters of UTF-8 @text. */
static int width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void table_add(struct table *table, const char *fmt, ...)
{
	char **cells = realloc(table->cells, (table->n_cells + 1) * sizeof(*cells));
	va_list args;

	if (!cells) {
		table->failed = true;
		return;
	}
	table->cells = cells;
	va_start(args, fmt);
	if (vasprintf(&cells[table->n_cells], fmt, args) >= 0)
		table->n_cells++;
	else
		table->failed = true;
	va_end(args);
}

/* The text of a column's heading (@row 0) or cell (@row 1 ...). */
static const char *at(const struct table *t, size_t row, size_t column)
{
	return row ? t->cells[(row - 1) * t->n_columns + column] : t->columns[column].heading;
}

static void print_row(const struct table *t, FILE *out, int indent, size_t row, const int *widths)
{
	int gap = indent; /* spaces owed before the next text */

	for (size_t i = 0; i < t->n_columns; i++) {
		const char *text = at(t, row, i);
		int pad = widths[i] - width(text);

		if (t->columns[i].right)
			gap += pad;
		if (*text) {
			fprintf(out, "%*s%s", gap, "", text);
			gap = 0;
		}
		if (!t->columns[i].right)
			gap += pad;
		gap += 2;
	}
	fputc('\n', out);
}

int table_print(const struct table *table, FILE *out, int indent)
{
	_cleanup_(freep) int *widths = calloc(table->n_columns, sizeof(*widths));
	size_t rows = table->n_cells / table->n_columns;
	bool headings = false;

	if (!widths || table->failed)
		return -ENOMEM;
	for (size_t i = 0; i < table->n_columns; i++) {
		for (size_t row = 0; row <= rows; row++) {
			int w = width(at(table, row, i));

			widths[i] = w > widths[i] ? w : widths[i];
		}
		headings = headings || *table->columns[i].heading;
	}
	for (size_t row = headings ? 0 : 1; row <= rows; row++)
		print_row(table, out, indent, row, widths);
	return 0;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

void table_freep(struct table **table)
{
	table_free(*table);
}
