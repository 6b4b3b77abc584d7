/* SPDX-License-Identifier: MIT */
/*
 * The rows of a keyed map, as wanted or as found: keys and values of fixed sizes, sorted by key,
 * compared with another set of rows. Pure.
 */
#ifndef SLUICE_DAEMON_ROWS_H
#define SLUICE_DAEMON_ROWS_H

#include <stdbool.h>
#include <stddef.h>

struct rows {
	size_t key_size;
	size_t value_size;
	unsigned char *data; /* n times key and value, one after the other */
	size_t n;
	size_t room;
};

/* An empty set for keys and values of these sizes. */
void rows_init(struct rows *rows, size_t key_size, size_t value_size);

/* Appends a row. 0 or -ENOMEM. */
int rows_add(struct rows *rows, const void *key, const void *value);

/* Sorts by key. A key that is there twice keeps its first row. */
void rows_sort(struct rows *rows);

/* Key and value of row @i. */
const void *rows_key(const struct rows *rows, size_t i);
const void *rows_value(const struct rows *rows, size_t i);

/* The value for @key in sorted rows, or NULL. */
const void *rows_find(const struct rows *rows, const void *key);

/*
 * Called for a row that differs: @from is NULL for one that comes, @to for one that goes. Returns
 * 0, or
 * -errno to stop.
 */
typedef int rows_diff_fn(void *ctx, const void *key, const void *from, const void *to);

/* Walks two sorted sets of the same sizes; returns 0, or what @fn stopped with. */
int rows_diff(const struct rows *from, const struct rows *to, rows_diff_fn *fn, void *ctx);

/* Frees the rows; empty afterwards. */
void rows_fini(struct rows *rows);

#endif
