/* SPDX-License-Identifier: MIT */
/*
 * A walk goes by the table's rows, not by the file's lines, so that a name is known before the
 * values that it goes with, and pools before the VIPs that use them. Errors are kept with their
 * line and sorted at the end.
 */
#include "config/keys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config/cleanup.h"
#include "config/suggest.h"

/* What libconfig's types are called, and the type of key that they are good for. */
static const struct {
	const char *text;
	enum key_type type;
} kinds[] = {
	[CONFIG_TYPE_NONE] = {"nothing", KEY_TYPE_MAX},
	[CONFIG_TYPE_GROUP] = {"a group { ... }", KEY_GROUP},
	[CONFIG_TYPE_INT] = {"a whole number", KEY_NUMBER},
	[CONFIG_TYPE_INT64] = {"a whole number", KEY_NUMBER},
	[CONFIG_TYPE_FLOAT] = {"a number with a fraction", KEY_TYPE_MAX},
	[CONFIG_TYPE_STRING] = {"a string \"...\"", KEY_STRING},
	[CONFIG_TYPE_BOOL] = {"true or false", KEY_BOOL},
	[CONFIG_TYPE_ARRAY] = {"an array [ ... ]", KEY_ELEMENTS},
	[CONFIG_TYPE_LIST] = {"a list ( ... )", KEY_LIST},
};

static const char *const type_texts[KEY_TYPE_MAX] = {
	[KEY_NUMBER] = "a whole number", [KEY_STRING] = "a string \"...\"",
	[KEY_BOOL] = "true or false",    [KEY_GROUP] = "a group { ... }",
	[KEY_LIST] = "a list ( ... )",   [KEY_ELEMENTS] = "an array [ ... ] or a list ( ... )",
};

bool keys_is(const config_setting_t *s, enum key_type type)
{
	enum key_type is = kinds[config_setting_type(s)].type;

	return is == type || (type == KEY_ELEMENTS && is == KEY_LIST);
}

const char *keys_kind(const config_setting_t *s)
{
	return kinds[config_setting_type(s)].text;
}

const char *keys_name(const config_setting_t *s)
{
	const char *name = config_setting_name(s);

	return name ? name : config_setting_name(config_setting_parent(s));
}

static void add_error(struct keys *k, const config_setting_t *s, struct source_place place,
		      const char *fmt, va_list args)
{
	struct keys_message *errors;
	_cleanup_(freep) char *text = NULL;
	char *message;

	if (vasprintf(&text, fmt, args) < 0) {
		text = NULL;
		k->err = -ENOMEM;
		return;
	}
	errors = reallocarray(k->errors, k->n_errors + 1, sizeof(*errors));
	if (!errors) {
		k->err = -ENOMEM;
		return;
	}
	k->errors = errors;
	if (asprintf(&message, "%s%s%s", k->subject, *k->subject ? ": " : "", text) < 0) {
		k->err = -ENOMEM;
		return;
	}
	errors[k->n_errors++] = (struct keys_message){
		.at = config_setting_source_line(s), .place = place, .text = message};
}

void keys_error(struct keys *k, const config_setting_t *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_error(k, s, (struct source_place){0}, fmt, args);
	va_end(args);
}

void keys_error_at(struct keys *k, const config_setting_t *s, struct source_place place,
		   const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_error(k, s, place, fmt, args);
	va_end(args);
}

struct source_place keys_place(const struct keys *k, const config_setting_t *s)
{
	return source_find(k->source, config_setting_source_line(s));
}

static const struct key *find_key(const struct key_group *group, const char *name)
{
	for (size_t i = 0; i < group->n_keys; i++) {
		if (!strcmp(group->keys[i].name, name))
			return &group->keys[i];
	}
	return NULL;
}

static void refuse_unknown_keys(struct keys *k, const config_setting_t *s,
				const struct key_group *group)
{
	for (int i = 0; i < config_setting_length(s); i++) {
		const config_setting_t *member = config_setting_get_elem(s, (unsigned int)i);
		struct suggest near = {.word = config_setting_name(member)};

		if (find_key(group, near.word))
			continue;
		for (size_t j = 0; j < group->n_keys; j++)
			suggest_offer(&near, group->keys[j].name);
		keys_error(k, member, "unknown key \"%s\"%s%s%s%s%s", near.word,
			   group->what ? " in " : "", group->what ? group->what : "",
			   SUGGEST_TEXT(near));
	}
}

/* `backend "web-3"`; `backend` without a name; kinds without: `control`, `pool "a": check`. */
static void write_subject(char *subject, size_t size, const char *outer, const config_setting_t *s,
			  const struct key_group *group)
{
	const char *name = NULL;

	if (!group->what)
		snprintf(subject, size, "%s", outer);
	else if (config_setting_lookup_string(s, "name", &name))
		snprintf(subject, size, "%s \"%.63s\"", group->what, name);
	else if (!*outer || find_key(group, "name"))
		snprintf(subject, size, "%s", group->what);
	else
		snprintf(subject, size, "%s: %s", outer, group->what);
}

static void take_key(struct keys *k, const config_setting_t *s, const struct key *key, void *object)
{
	const config_setting_t *value = config_setting_get_member(s, key->name);

	if (value && keys_is(value, key->type))
		key->set(k, value, object);
	else if (value)
		keys_error(k, value, "%s must be %s, not %s", key->name, type_texts[key->type],
			   keys_kind(value));
	else if (key->required)
		keys_error(k, s, "%s is missing", key->name);
}

void keys_group(struct keys *k, const config_setting_t *s, const struct key_group *group,
		void *object)
{
	const char *outer = k->subject;
	char subject[160];

	write_subject(subject, sizeof(subject), outer, s, group);
	k->subject = "";
	refuse_unknown_keys(k, s, group);
	k->subject = subject;
	if (group->init)
		group->init(k, s, object);
	for (size_t i = 0; i < group->n_keys; i++)
		take_key(k, s, &group->keys[i], object);
	if (group->finish)
		group->finish(k, s, object);
	k->subject = outer;
}

const config_setting_t *keys_element(struct keys *k, const config_setting_t *s, size_t i,
				     enum key_type type)
{
	const config_setting_t *element = config_setting_get_elem(s, (unsigned int)i);

	if (keys_is(element, type))
		return element;
	keys_error(k, element, "%s: element %zu must be %s, not %s", config_setting_name(s), i + 1,
		   type_texts[type], keys_kind(element));
	return NULL;
}

void *keys_list(struct keys *k, const config_setting_t *s, const struct key_group *group,
		size_t size, size_t *n)
{
	size_t length = (size_t)config_setting_length(s);
	char *objects = length ? calloc(length, size) : NULL;

	*n = objects ? length : 0;
	if (length && !objects)
		k->err = -ENOMEM;
	for (size_t i = 0; i < *n; i++) {
		const config_setting_t *element = keys_element(k, s, i, KEY_GROUP);

		if (element)
			keys_group(k, element, group, objects + i * size);
	}
	return objects;
}

/* libconfig holds hexadecimal numbers of 32 bits in an int: those have no sign. */
long long keys_value(const config_setting_t *s)
{
	if (config_setting_type(s) == CONFIG_TYPE_INT &&
	    config_setting_get_format(s) == CONFIG_FORMAT_HEX)
		return (uint32_t)config_setting_get_int(s);
	return config_setting_get_int64(s);
}

bool keys_number(struct keys *k, const config_setting_t *s, long long min, long long max,
		 long long *out)
{
	long long value = keys_value(s);

	if (value < min || value > max) {
		keys_error(k, s, "%s %lld is outside %lld..%lld", keys_name(s), value, min, max);
		return false;
	}
	*out = value;
	return true;
}

void keys_string(struct keys *k, const config_setting_t *s, char **out)
{
	char *copy = strdup(config_setting_get_string(s));

	if (!copy) {
		k->err = -ENOMEM;
		return;
	}
	free(*out);
	*out = copy;
}

int keys_word(struct keys *k, const config_setting_t *s, const char *const *words, size_t n)
{
	const char *word = config_setting_get_string(s);
	char allowed[256];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (!strcmp(words[i], word))
			return (int)i;
		if (len < sizeof(allowed))
			len += (size_t)snprintf(allowed + len, sizeof(allowed) - len, "%s\"%s\"",
						i ? ", " : "", words[i]);
	}
	keys_error(k, s, "%s \"%s\" is not known; known: %s", config_setting_name(s), word,
		   allowed);
	return -1;
}

/* Errors of one line stay in the order in which they were found. */
static int compare_messages(const void *a, const void *b)
{
	const struct keys_message *x = *(const struct keys_message *const *)a;
	const struct keys_message *y = *(const struct keys_message *const *)b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x < y ? -1 : x > y;
}

void keys_report(struct keys *k, struct diag *diag)
{
	size_t n = k->n_errors;
	_cleanup_(freep) const struct keys_message **sorted = calloc(n + 1, sizeof(*sorted));

	for (size_t i = 0; i < n && sorted; i++)
		sorted[i] = &k->errors[i];
	if (sorted)
		qsort(sorted, n, sizeof(*sorted), compare_messages);
	for (size_t i = 0; i < n; i++) {
		const struct keys_message *m = sorted ? sorted[i] : &k->errors[i];
		struct source_place place = m->place;

		if (!place.file)
			place = source_find(k->source, m->at);
		for (char *c = m->text; *c; c++) {
			if ((unsigned char)*c < ' ' || *c == 0x7f)
				*c = '?';
		}
		diag_add(diag, place.file, place.line, "%s", m->text);
	}
	keys_fini(k);
}

void keys_fini(struct keys *k)
{
	for (size_t i = 0; i < k->n_errors; i++)
		free(k->errors[i].text);
	free(k->errors);
	k->errors = NULL;
	k->n_errors = 0;
}
