/* SPDX-License-Identifier: MIT */
/*
 * Client prefixes of a VIP: allow, deny and sources, the latter also from a file of their own with
 * one source a line, since there may be millions. A prefix is looked for among those before it by
 * hash, so that the time goes with their number.
 */
#include "config/load_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/cleanup.h"
#include "config/take.h"

#define LINE_MAX_BYTES 511 /* of a sources_file */
#define FILE_ERRORS_MAX 20 /* shown of one sources_file */
#define WORDS_MAX 5        /* one more than a line may have */

/* Where a prefix stands: at a setting, or in the file that a setting names. */
struct spot {
	const config_setting_t *s;
	struct source_place place; /* file NULL: where @s stands */
	size_t n_errors;
};

#define complain(k, spot, ...) \
	do { \
		if (!(spot)->place.file || (spot)->n_errors++ < FILE_ERRORS_MAX) \
			keys_error_at(k, (spot)->s, (spot)->place, __VA_ARGS__); \
	} while (0)

/* ------------------------------------------------------------------------------------- prefixes */

/* false: there is no room for one more, which was said. */
static bool check_room(struct keys *k, struct spot *spot)
{
	struct load *ld = k->ctx;
	unsigned int limit = ld->model->limits.sources;

	if (ld->n_clients < limit)
		return true;
	if (!ld->clients_full)
		complain(k, spot,
			 "the limit of client prefixes is %u in all; limits = { sources = N; } "
			 "raises it",
			 limit);
	ld->clients_full = true;
	return false;
}

/* As keyset_add(); there is room for its place. */
static int number_prefix(struct placed_prefixes *set, const struct addr_prefix *prefix,
			 size_t *number)
{
	struct source_place *places =
		keyset_room(set->places, set->prefixes.n, sizeof(*set->places));

	if (!places)
		return -ENOMEM;
	set->places = places;
	return keyset_add(&set->prefixes, prefix, number);
}

/* Puts the prefix into the set, unless it is there or there are too many. true: it is new. */
static bool put_prefix(struct keys *k, struct spot *spot, struct placed_prefixes *set,
		       const struct addr_prefix *prefix)
{
	struct load *ld = k->ctx;
	char text[PREFIX_TEXT_MAX];
	size_t number;
	int added;

	if (!check_room(k, spot))
		return false;
	added = number_prefix(set, prefix, &number);
	if (added < 0)
		k->err = added;
	if (added == 0)
		complain(k, spot, "prefix %s is there already, see %s:%u",
			 addr_prefix_print(prefix, text), set->places[number].file,
			 set->places[number].line);
	if (added <= 0)
		return false;
	set->places[number] = spot->place.file ? spot->place : keys_place(k, spot->s);
	ld->n_clients++;
	return true;
}

/* --------------------------------------------------------------------------------------- access */

static void add_access(struct keys *k, struct spot *spot, const struct addr_prefix *prefix,
		       struct addr_prefix **list, size_t *n)
{
	struct load *ld = k->ctx;
	struct addr_prefix *bigger = keyset_room(*list, *n, sizeof(**list));

	if (!bigger) {
		k->err = -ENOMEM;
		return;
	}
	*list = bigger;
	if (put_prefix(k, spot, &ld->clients.access, prefix))
		bigger[(*n)++] = *prefix;
}

static void take_access(struct keys *k, const config_setting_t *s, struct addr_prefix **list,
			size_t *n)
{
	for (size_t i = 0; i < (size_t)config_setting_length(s); i++) {
		struct spot spot = {.s = keys_element(k, s, i, KEY_STRING)};
		struct addr_prefix prefix;
		char fault[TAKE_FAULT_MAX];

		if (!spot.s)
			continue;
		if (take_prefix(config_setting_get_string(spot.s), &prefix, fault))
			add_access(k, &spot, &prefix, list, n);
		else
			keys_error(k, spot.s, "%s %s", keys_name(spot.s), fault);
	}
}

void clients_allow(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;

	take_access(k, s, &vip->allow, &vip->n_allow);
}

void clients_deny(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;

	take_access(k, s, &vip->deny, &vip->n_deny);
}

/* -------------------------------------------------------------------------------------- sources */

/*
 * The target by its words: in the VIP's pool without a @pool, the whole of it without a @backend.
 */
static bool find_target(struct keys *k, struct spot *spot, const char *pool, const char *backend,
			struct model_target *target)
{
	const struct load *ld = k->ctx;
	struct suggest near = {.word = pool};

	*target = (struct model_target){.pool = pool ? load_find_pool(k, &near) : ld->vip->pool};
	if (!target->pool && pool)
		complain(k, spot, "pool \"%s\" does not exist%s%s%s", pool, SUGGEST_TEXT(near));
	if (!target->pool || !backend)
		return target->pool;
	near = (struct suggest){.word = backend};
	target->backend = load_find_backend(k, target->pool, &near);
	if (!target->backend)
		complain(k, spot, "backend \"%s\" does not exist in pool \"%s\"%s%s%s", backend,
			 target->pool->name, SUGGEST_TEXT(near));
	return target->backend;
}

/* The index of @target among the VIP's targets. 0 or -ENOMEM. */
static int number_target(struct load *ld, const struct model_target *target, uint32_t *index)
{
	struct model_vip *vip = ld->vip;
	struct model_target *targets =
		keyset_room(vip->targets, vip->n_targets, sizeof(*vip->targets));
	size_t number;
	int added;

	if (!targets)
		return -ENOMEM;
	vip->targets = targets;
	added = keyset_add(&ld->clients.targets, target, &number);
	if (added < 0)
		return added;
	if (added)
		targets[vip->n_targets++] = *target;
	*index = (uint32_t)number;
	return 0;
}

static void add_source(struct keys *k, struct spot *spot, const struct addr_prefix *prefix,
		       const struct model_target *target)
{
	struct load *ld = k->ctx;
	struct model_vip *vip = ld->vip;
	struct model_source *sources =
		keyset_room(vip->sources, vip->n_sources, sizeof(*vip->sources));
	uint32_t index;

	if (!sources) {
		k->err = -ENOMEM;
		return;
	}
	vip->sources = sources;
	if (!put_prefix(k, spot, &ld->clients.sources, prefix))
		return;
	if (number_target(ld, target, &index))
		k->err = -ENOMEM;
	else
		sources[vip->n_sources++] =
			(struct model_source){.prefix = *prefix, .target = index};
}

/* One group of the list. */
struct source_row {
	struct addr_prefix prefix;
	bool has_prefix;
	const char *pool;
	const char *backend;
};

static void source_prefix(struct keys *k, const config_setting_t *s, void *object)
{
	struct source_row *row = object;
	char fault[TAKE_FAULT_MAX];

	row->has_prefix = take_prefix(config_setting_get_string(s), &row->prefix, fault);
	if (!row->has_prefix)
		keys_error(k, s, "prefix %s", fault);
}

static void source_pool(struct keys *k, const config_setting_t *s, void *object)
{
	struct source_row *row = object;

	(void)k;
	row->pool = config_setting_get_string(s);
}

static void source_backend(struct keys *k, const config_setting_t *s, void *object)
{
	struct source_row *row = object;

	(void)k;
	row->backend = config_setting_get_string(s);
}

static void source_finish(struct keys *k, const config_setting_t *s, void *object)
{
	const struct source_row *row = object;
	bool pool = config_setting_get_member(s, "pool");
	bool backend = config_setting_get_member(s, "backend");
	struct spot spot = {.s = s};
	struct model_target target;

	if (!pool && !backend)
		keys_error(k, s, "pool or backend is missing");
	if ((!row->pool && !row->backend) || pool != !!row->pool || backend != !!row->backend)
		return;
	if (find_target(k, &spot, row->pool, row->backend, &target) && row->has_prefix)
		add_source(k, &spot, &row->prefix, &target);
}

static const struct key source_keys[] = {
	{"prefix", KEY_STRING, true, source_prefix},
	{"pool", KEY_STRING, false, source_pool},
	{"backend", KEY_STRING, false, source_backend},
};

static const struct key_group source_group = {
	.what = "source",
	GROUP_KEYS(source_keys),
	.finish = source_finish,
};

void clients_sources(struct keys *k, const config_setting_t *s, void *object)
{
	size_t n;

	(void)object;
	free(keys_list(k, s, &source_group, sizeof(struct source_row), &n));
}

/* --------------------------------------------------------------------------------- sources_file */

static void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* Opens a regular file, which does not make us wait. NULL: errno says why. */
static FILE *open_regular(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	FILE *file;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return NULL;
	}
	file = fdopen(fd, "r");
	if (file)
		TAKE_FD(fd);
	return file;
}

/*
 * Reads a line without its end into @line, LINE_MAX_BYTES + 1 bytes. false: there is none.
 * @whole: it had room there, and is text.
 */
static bool read_line(FILE *file, char *line, bool *whole)
{
	size_t n = 0;
	int c;

	*whole = true;
	while ((c = getc_unlocked(file)) != EOF && c != '\n') {
		if (n < LINE_MAX_BYTES && c)
			line[n++] = (char)c;
		else
			*whole = false;
	}
	line[n] = '\0';
	return c != EOF || n;
}

/* The words before a comment; at most WORDS_MAX. */
static size_t split(char *line, char **words)
{
	char *rest, *word = strtok_r(line, " \t\r", &rest);
	size_t n = 0;

	for (; word && word[0] != '#' && n < WORDS_MAX; word = strtok_r(NULL, " \t\r", &rest))
		words[n++] = word;
	return n;
}

static void take_line(struct keys *k, struct spot *spot, char *line)
{
	char *words[WORDS_MAX], fault[TAKE_FAULT_MAX];
	size_t n = split(line, words);
	struct addr_prefix prefix;
	struct model_target target;
	bool good, pool, backend;

	if (!n)
		return;
	pool = n == 3 && !strcmp(words[1], "pool");
	backend = (n == 3 || n == 4) && !strcmp(words[1], "backend");
	if (!pool && !backend) {
		complain(k, spot,
			 "not of the form \"PREFIX pool NAME\" or \"PREFIX backend NAME [POOL]\"");
		return;
	}
	good = take_prefix(words[0], &prefix, fault);
	if (!good)
		complain(k, spot, "prefix %s", fault);
	if (pool)
		good &= find_target(k, spot, words[2], NULL, &target);
	else
		good &= find_target(k, spot, n == 4 ? words[3] : NULL, words[2], &target);
	if (good)
		add_source(k, spot, &prefix, &target);
}

static void take_file(struct keys *k, struct spot *spot, FILE *file)
{
	const struct load *ld = k->ctx;
	char line[LINE_MAX_BYTES + 1];
	bool whole;

	while (!k->err && !ld->clients_full && read_line(file, line, &whole)) {
		spot->place.line++;
		if (whole)
			take_line(k, spot, line);
		else
			complain(k, spot, "the line has a NUL byte, or more than %d bytes",
				 LINE_MAX_BYTES);
	}
	spot->place.line = 0;
	if (ferror(file))
		keys_error_at(k, spot->s, spot->place, "%s", strerror(errno));
	if (spot->n_errors > FILE_ERRORS_MAX)
		keys_error_at(k, spot->s, spot->place, "and %zu more",
			      spot->n_errors - FILE_ERRORS_MAX);
}

void clients_sources_file(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	const char *path = config_setting_get_string(s);
	char *joined = source_join(keys_place(k, s).file, path, strlen(path));
	_cleanup_(fclosep) FILE *file = NULL;
	struct spot spot = {.s = s};

	(void)object;
	spot.place.file = joined ? source_add_file(ld->source, joined) : NULL;
	if (!spot.place.file) {
		k->err = -ENOMEM;
		return;
	}
	file = open_regular(spot.place.file);
	if (file)
		take_file(k, &spot, file);
	else
		keys_error(k, s, "sources_file \"%s\": %s", spot.place.file,
			   errno == EINVAL ? "not a regular file" : strerror(errno));
}

/* ------------------------------------------------------------------------------------ the whole */

static bool has_prefix(const struct keyset *prefixes, const struct addr_prefix *wanted)
{
	const struct addr_prefix *list = (const void *)prefixes->keys;

	for (size_t i = 0; i < prefixes->n; i++) {
		if (!memcmp(&list[i], wanted, sizeof(*wanted)))
			return true;
	}
	return false;
}

/* Is there a prefix of IPv6 that IPv4 clients would match for want of another one? */
static bool catches_ipv4(const struct keyset *prefixes, const struct addr_prefix *v4)
{
	const struct addr_prefix *list = (const void *)prefixes->keys;

	for (size_t i = 0; i < prefixes->n; i++) {
		if (addr_prefix_has_ipv4(&list[i]))
			return !has_prefix(prefixes, v4);
	}
	return false;
}

/*
 * The kernel's tables hold both families together, so ::/0 has all of IPv4 in it. Who writes it
 * means IPv6: IPv4 clients that no prefix names are told apart by a prefix of theirs.
 */
static void keep_families_apart(struct keys *k, const config_setting_t *s)
{
	struct load *ld = k->ctx;
	struct model_vip *vip = ld->vip;
	const struct model_target own = {.pool = vip->pool};
	struct addr_prefix v4, all = {0};
	struct spot spot = {.s = s};

	addr_prefix_parse(&v4, "0.0.0.0/0");
	if (catches_ipv4(&ld->clients.sources.prefixes, &v4) && own.pool)
		add_source(k, &spot, &v4, &own);
	if (!catches_ipv4(&ld->clients.access.prefixes, &v4))
		return;
	if (vip->n_allow) {
		add_access(k, &spot, &v4, &vip->deny, &vip->n_deny);
		return;
	}
	/* All that is not denied is allowed: once one prefix is, the rest must be, too. */
	if (!has_prefix(&ld->clients.access.prefixes, &all))
		add_access(k, &spot, &all, &vip->allow, &vip->n_allow);
	add_access(k, &spot, &v4, &vip->allow, &vip->n_allow);
}

static void digest_word(uint64_t *digest, uint64_t word)
{
	*digest = (*digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	*digest ^= *digest >> 32;
}

static void digest_prefix(uint64_t *digest, const struct addr_prefix *prefix)
{
	digest_word(digest, (uint64_t)prefix->addr.w[0] << 32 | prefix->addr.w[1]);
	digest_word(digest, (uint64_t)prefix->addr.w[2] << 32 | prefix->addr.w[3]);
	digest_word(digest, prefix->len);
}

/* With the NUL, so that two texts are not mistaken for one. */
static void digest_text(uint64_t *digest, const char *text)
{
	do {
		digest_word(digest, (unsigned char)*text);
	} while (*text++);
}

static uint64_t access_digest(const struct model_vip *vip)
{
	uint64_t digest = 0;

	digest_word(&digest, vip->n_allow);
	for (size_t i = 0; i < vip->n_allow; i++)
		digest_prefix(&digest, &vip->allow[i]);
	for (size_t i = 0; i < vip->n_deny; i++)
		digest_prefix(&digest, &vip->deny[i]);
	return digest ? digest : 1;
}

static uint64_t sources_digest(const struct model_vip *vip)
{
	uint64_t digest = 0;

	digest_word(&digest, vip->n_targets);
	for (size_t i = 0; i < vip->n_targets; i++) {
		const struct model_target *target = &vip->targets[i];

		digest_text(&digest, target->pool->name);
		digest_text(&digest, target->backend ? target->backend->name : "");
	}
	for (size_t i = 0; i < vip->n_sources; i++) {
		digest_prefix(&digest, &vip->sources[i].prefix);
		digest_word(&digest, vip->sources[i].target);
	}
	return digest ? digest : 1;
}

void clients_finish(struct keys *k, const config_setting_t *s)
{
	struct load *ld = k->ctx;
	struct model_vip *vip = ld->vip;

	keep_families_apart(k, s);
	if (!k->err && vip->n_allow + vip->n_deny)
		vip->access_digest = access_digest(vip);
	if (!k->err && vip->n_sources)
		vip->sources_digest = sources_digest(vip);
	clients_fini(&ld->clients);
}

static void placed_fini(struct placed_prefixes *set)
{
	keyset_fini(&set->prefixes);
	free(set->places);
	set->places = NULL;
}

void clients_fini(struct clients *clients)
{
	placed_fini(&clients->access);
	placed_fini(&clients->sources);
	keyset_fini(&clients->targets);
}
