/* SPDX-License-Identifier: MIT */
/*
 * One flat array: a million rows are one allocation, and sorting is the C library's.
 */
#include "daemon/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t row_size(const struct rows *rows)
{
	return rows->key_size + rows->value_size;
}

void rows_init(struct rows *rows, size_t key_size, size_t value_size)
{
	*rows = (struct rows){.key_size = key_size, .value_size = value_size};
}

int rows_add(struct rows *rows, const void *key, const void *value)
{
	unsigned char *at;

	if (rows->n == rows->room) {
		size_t room = rows->room ? rows->room * 2 : 16;
		unsigned char *data = reallocarray(rows->data, room, row_size(rows));

		if (!data)
			return -ENOMEM;
		rows->data = data;
		rows->room = room;
	}
	at = rows->data + rows->n++ * row_size(rows);
	memcpy(at, key, rows->key_size);
	memcpy(at + rows->key_size, value, rows->value_size);
	return 0;
}

const void *rows_key(const struct rows *rows, size_t i)
{
	return rows->data + i * row_size(rows);
}

const void *rows_value(const struct rows *rows, size_t i)
{
	return rows->data + i * row_size(rows) + rows->key_size;
}

static int compare(const void *a, const void *b, void *key_size)
{
	return memcmp(a, b, *(size_t *)key_size);
}

void rows_sort(struct rows *rows)
{
	size_t kept = 0;

	if (!rows->n)
		return;
	qsort_r(rows->data, rows->n, row_size(rows), compare, &rows->key_size);
	for (size_t i = 0; i < rows->n; i++) {
		unsigned char *to = rows->data + kept * row_size(rows);
		const void *row = rows_key(rows, i);

		if (kept && memcmp(rows_key(rows, kept - 1), row, rows->key_size) == 0)
			continue;
		if (to != row)
			memcpy(to, row, row_size(rows));
		kept++;
	}
	rows->n = kept;
}

const void *rows_find(const struct rows *rows, const void *key)
{
	size_t low = 0, high = rows->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(rows_key(rows, middle), key, rows->key_size);

		if (order == 0)
			return rows_value(rows, middle);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

int rows_diff(const struct rows *from, const struct rows *to, rows_diff_fn *fn, void *ctx)
{
	size_t i = 0, j = 0;
	int err = 0;

	while (!err && (i < from->n || j < to->n)) {
		int order = i == from->n ? 1
			    : j == to->n ? -1
					 : memcmp(rows_key(from, i), rows_key(to, j), to->key_size);

		if (order < 0)
			err = fn(ctx, rows_key(from, i), rows_value(from, i), NULL);
		else if (order > 0)
			err = fn(ctx, rows_key(to, j), NULL, rows_value(to, j));
		else if (memcmp(rows_value(from, i), rows_value(to, j), to->value_size) != 0)
			err = fn(ctx, rows_key(to, j), rows_value(from, i), rows_value(to, j));
		i += order <= 0;
		j += order >= 0;
	}
	return err;
}

void rows_fini(struct rows *rows)
{
	free(rows->data);
	rows_init(rows, rows->key_size, rows->value_size);
}
