/* SPDX-License-Identifier: MIT */
/*
 * Groups of a config file by tables: a row for each key says its name, its type, whether it must
 * be there, and which function takes its value. What holds for every key is done here: unknown
 * keys (with the key that was probably meant), wrong types, missing keys, messages that begin
 * with the file, the line and the thing.
 */
#ifndef SLUICE_CONFIG_KEYS_H
#define SLUICE_CONFIG_KEYS_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/diag.h"
#include "config/source.h"

/* An error, found in any order. */
struct keys_message {
	unsigned int at;           /* line of the source's text that it goes by in the report */
	struct source_place place; /* where it is; file NULL: where @at came from */
	char *text;
};

/* One walk over a config. */
struct keys {
	const struct source *source; /* whose text was parsed */
	struct keys_message *errors; /* hand over with keys_report() */
	size_t n_errors;
	int err;             /* -ENOMEM: something is missing in what was built */
	const char *subject; /* what messages are about: "backend \"web-3\""; "" at the top */
	void *ctx;           /* the caller's */
};

enum key_type {
	KEY_NUMBER, /* whole */
	KEY_STRING,
	KEY_BOOL,
	KEY_GROUP,
	KEY_LIST,     /* of groups, or whatever its setter takes */
	KEY_ELEMENTS, /* a list or an array */
	KEY_TYPE_MAX,
};

struct key {
	const char *name;
	enum key_type type;
	bool required;
	/* Takes the value @s, which has the type, into @object; reports what is wrong with it. */
	void (*set)(struct keys *k, const config_setting_t *s, void *object);
};

/*
 * A kind of group. Setters are called in the order of the rows, whatever the order in the file. A
 * group with a key "name" is called by it in messages.
 */
struct key_group {
	const char *what; /* "backend"; NULL: the top */
	const struct key *keys;
	size_t n_keys;
	/* Fills in defaults, before the setters; may be NULL. */
	void (*init)(struct keys *k, const config_setting_t *s, void *object);
	/* Checks across keys, after the setters, also after errors; may be NULL. */
	void (*finish)(struct keys *k, const config_setting_t *s, void *object);
};

/* Reads the group @s into @object. */
void keys_group(struct keys *k, const config_setting_t *s, const struct key_group *group,
		void *object);

/*
 * Reads the list of groups @s into a new array of objects of @size bytes, which do not move any
 * more; an element with errors has its object, too. @n: how many. NULL: none, or no memory.
 */
void *keys_list(struct keys *k, const config_setting_t *s, const struct key_group *group,
		size_t size, size_t *n);

/* Element @i, from 0, of the list or array @s; reports one that is not of @type: NULL. */
const config_setting_t *keys_element(struct keys *k, const config_setting_t *s, size_t i,
				     enum key_type type);

/* Is @s of @type? */
bool keys_is(const config_setting_t *s, enum key_type type);

/* What @s is, in words: "a whole number". */
const char *keys_kind(const config_setting_t *s);

/* The key whose value @s is, or is an element of. */
const char *keys_name(const config_setting_t *s);

/* Reports an error of @s. The message: "SUBJECT: text". */
void keys_error(struct keys *k, const config_setting_t *s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Reports an error of a file that @s names: at @place, whose file must live until keys_report().
 * It comes where errors of @s come.
 */
void keys_error_at(struct keys *k, const config_setting_t *s, struct source_place place,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Where @s stands. */
struct source_place keys_place(const struct keys *k, const config_setting_t *s);

/* Values, for setters. An error is reported, and the output untouched. */

/* A whole number as it is. */
long long keys_value(const config_setting_t *s);

/* A whole number of @min .. @max; true: it is in @out. */
bool keys_number(struct keys *k, const config_setting_t *s, long long min, long long max,
		 long long *out);

/* A copy of the string; replaces (and frees) *@out. */
void keys_string(struct keys *k, const config_setting_t *s, char **out);

/* A word out of @words: its index, or -1. */
int keys_word(struct keys *k, const config_setting_t *s, const char *const *words, size_t n);

/*
 * Hands all errors to @diag in the order of the lines, and forgets them. Control characters, which
 * come from the file, become '?'.
 */
void keys_report(struct keys *k, struct diag *diag);

/* Forgets all errors. */
void keys_fini(struct keys *k);

#endif
