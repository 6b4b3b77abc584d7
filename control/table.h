/* SPDX-License-Identifier: MIT */
/*
 * A table of text for people: columns as wide as their content, two spaces between them.
 */
#ifndef SLUICE_CONTROL_TABLE_H
#define SLUICE_CONTROL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table_column {
	const char *heading;
	bool right; /* flush right, for numbers */
};

struct table;

/* An empty table with @n columns; @columns is borrowed. NULL: no memory. */
struct table *table_new(const struct table_column *columns, size_t n);

/*
 * Adds the next cell, row by row. A cell that finds no memory makes table_print() fail.
 */
void table_add(struct table *table, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Prints the headings, unless every one is empty, and the rows, each line led by @indent spaces.
 * 0, or -ENOMEM with nothing printed. Whether @out took it, the caller asks @out.
 */
int table_print(const struct table *table, FILE *out, int indent);

/* Frees the table; accepts NULL. */
void table_free(struct table *table);
void table_freep(struct table **table);

#endif
