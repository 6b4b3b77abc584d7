/* SPDX-License-Identifier: MIT */
/*
 * What the printers share, and nobody else: print.c, print_rings.c and print_health.c. Documents
 * come from a daemon that may be older or newer, so nothing is taken for granted: what is missing
 * or of another type is "-".
 */
#ifndef SLUICE_CONTROL_PRINT_PARTS_H
#define SLUICE_CONTROL_PRINT_PARTS_H

#include <jansson.h>
#include <time.h>

#include "control/table.h"

#define COLUMNS(t) (t), sizeof(t) / sizeof((t)[0])

/* Room for any cell made of several values. */
#define PRINT_CELL_MAX 96

/* The string at @key, or "-". */
static inline const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

/* The number at @key, or -1 if there is none. */
static inline json_int_t number_at(const json_t *object, const char *key)
{
	const json_t *number = json_object_get(object, key);

	return json_is_integer(number) ? json_integer_value(number) : -1;
}

/* A number that names something or that the operator wrote, in full: an id, a weight. */
static inline void add_number(struct table *t, const json_t *object, const char *key)
{
	json_int_t n = number_at(object, key);

	if (n < 0)
		table_add(t, "-");
	else
		table_add(t, "%" JSON_INTEGER_FORMAT, n);
}

/* Seconds since the epoch as local time, or "-". */
static inline const char *moment(char text[PRINT_CELL_MAX], json_int_t s)
{
	time_t t = s;
	struct tm tm;

	if (s < 0 || !localtime_r(&t, &tm) || !strftime(text, PRINT_CELL_MAX, "%F %T", &tm))
		snprintf(text, PRINT_CELL_MAX, "-");
	return text;
}

#endif
