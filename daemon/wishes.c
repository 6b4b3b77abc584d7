/* SPDX-License-Identifier: MIT */
/*
 * The file is small and written by us alone, so reading it is strict: what this program would not
 * have written is refused, and never half understood. A drained backend that silently takes
 * traffic again would be worse than a daemon that asks what to do. The format:
 *
 *	{"version": 1, "wishes": [
 *	  {"pool": "web", "backend": "web-3", "state": "draining", "since": 1790000000, "weight": 50}
 *	]}
 *
 * "state" and "since" come together; they or "weight" may be missing.
 */
#include "daemon/wishes.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/cleanup.h"

#define WISHES_VERSION 1
#define WISHES_FILE "wishes.json"
#define WAY_OUT "move it away to start without the operator's states"

static void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

static void wish_fini(struct wish *wish)
{
	free(wish->pool);
	free(wish->backend);
}

void wishes_fini(struct wishes *wishes)
{
	for (size_t i = 0; i < wishes->n; i++)
		wish_fini(&wishes->list[i]);
	free(wishes->list);
	*wishes = (struct wishes){0};
}

/* ------------------------------------------------------------------------------------ the list */

static struct wish *find(const struct wishes *wishes, const char *pool, const char *backend)
{
	for (size_t i = 0; i < wishes->n; i++) {
		struct wish *wish = &wishes->list[i];

		if (strcmp(wish->pool, pool) == 0 && strcmp(wish->backend, backend) == 0)
			return wish;
	}
	return NULL;
}

const struct wish *wishes_find(const struct wishes *wishes, const char *pool, const char *backend)
{
	return find(wishes, pool, backend);
}

/* Appends a wish that asks for nothing yet. NULL: no memory, and nothing has changed. */
static struct wish *add(struct wishes *wishes, const char *pool, const char *backend)
{
	struct wish *list = reallocarray(wishes->list, wishes->n + 1, sizeof(*list));
	struct wish *wish;

	if (!list)
		return NULL;
	wishes->list = list;
	wish = &list[wishes->n];
	*wish = (struct wish){.pool = strdup(pool), .backend = strdup(backend)};
	if (!wish->pool || !wish->backend) {
		wish_fini(wish);
		return NULL;
	}
	wishes->n++;
	return wish;
}

static void remove_if_void(struct wishes *wishes, struct wish *wish)
{
	size_t after = wishes->list + wishes->n - (wish + 1);

	if (wish->has_state || wish->weight > 0)
		return;
	wish_fini(wish);
	memmove(wish, wish + 1, after * sizeof(*wish));
	wishes->n--;
}

int wishes_copy(struct wishes *out, const struct wishes *from)
{
	_cleanup_(wishes_fini)
	struct wishes copy = {0};

	for (size_t i = 0; i < from->n; i++) {
		const struct wish *wish = &from->list[i];
		struct wish *added = add(&copy, wish->pool, wish->backend);

		if (!added)
			return -ENOMEM;
		added->has_state = wish->has_state;
		added->state = wish->state;
		added->since = wish->since;
		added->weight = wish->weight;
	}
	*out = copy;
	copy = (struct wishes){0};
	return 0;
}

int wishes_set_state(struct wishes *wishes, const char *pool, const char *backend,
		     const enum model_state *state, int64_t now)
{
	struct wish *wish = find(wishes, pool, backend);

	if (!wish && !state)
		return 0;
	if (!wish)
		wish = add(wishes, pool, backend);
	if (!wish)
		return -ENOMEM;
	wish->has_state = state;
	wish->state = state ? *state : MODEL_STATE_ACTIVE;
	wish->since = state ? now : 0;
	remove_if_void(wishes, wish);
	return 0;
}

int wishes_set_weight(struct wishes *wishes, const char *pool, const char *backend,
		      unsigned int weight)
{
	struct wish *wish = find(wishes, pool, backend);

	if (!wish && weight == 0)
		return 0;
	if (!wish)
		wish = add(wishes, pool, backend);
	if (!wish)
		return -ENOMEM;
	wish->weight = weight;
	remove_if_void(wishes, wish);
	return 0;
}

/* ------------------------------------------------------------------------------------- reading */

/* One entry of the file as jansson unpacks it; strings are borrowed. */
struct entry {
	const char *pool;
	const char *backend;
	const char *state;
	json_int_t since;
	json_int_t weight;
};

/* NULL, or what is wrong with the values of an entry whose types are right. */
static const char *entry_fault(const struct entry *e, const json_t *json, enum model_state *state,
			       const struct wishes *so_far)
{
	bool weight = json_object_get(json, "weight");

	if (!*e->pool || strlen(e->pool) > MODEL_NAME_MAX || !*e->backend ||
	    strlen(e->backend) > MODEL_NAME_MAX)
		return "a name is empty or too long";
	if (!e->state != !json_object_get(json, "since"))
		return "\"state\" and \"since\" come together";
	if (e->state && model_state_parse(state, e->state) != 0)
		return "unknown state";
	if (e->since < 0)
		return "\"since\" is negative";
	if (weight && (e->weight < MODEL_WEIGHT_MIN || e->weight > MODEL_WEIGHT_MAX))
		return "\"weight\" is outside 1..65535";
	if (!e->state && !weight)
		return "neither \"state\" nor \"weight\"";
	if (find(so_far, e->pool, e->backend))
		return "a second entry for this backend";
	return NULL;
}

/* The first field of @object that is not one of @known (NULL ends it); NULL: there is none. */
static const char *unknown_field(json_t *object, const char *const *known)
{
	const char *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		const char *const *k = known;

		while (*k && strcmp(*k, key) != 0)
			k++;
		if (!*k)
			return key;
	}
	return NULL;
}

/* 0, -ENOMEM, or -EINVAL with a message. */
static int read_entry(struct wishes *wishes, json_t *json, size_t number, const char *path,
		      struct diag *diag)
{
	static const char *const known[] = {"pool", "backend", "state", "since", "weight", NULL};
	enum model_state state = MODEL_STATE_ACTIVE;
	const char *unknown = unknown_field(json, known), *fault = NULL;
	struct entry e = {0};
	json_error_t error;
	struct wish *wish;

	if (unknown) {
		diag_add(diag, path, 0, "wish %zu: unknown field \"%s\"; " WAY_OUT, number,
			 unknown);
		return -EINVAL;
	}
	if (json_unpack_ex(json, &error, 0, "{s:s, s:s, s?s, s?I, s?I}", "pool", &e.pool, "backend",
			   &e.backend, "state", &e.state, "since", &e.since, "weight",
			   &e.weight) != 0)
		fault = error.text;
	else
		fault = entry_fault(&e, json, &state, wishes);
	if (fault) {
		diag_add(diag, path, 0, "wish %zu: %s; " WAY_OUT, number, fault);
		return -EINVAL;
	}

	wish = add(wishes, e.pool, e.backend);
	if (!wish)
		return -ENOMEM;
	wish->has_state = e.state;
	wish->state = state;
	wish->since = e.since;
	wish->weight = e.weight;
	return 0;
}

/* 0, -ENOMEM, or -EINVAL with a message. */
static int read_document(struct wishes *out, json_t *root, const char *path, struct diag *diag)
{
	static const char *const known[] = {"version", "wishes", NULL};
	_cleanup_(wishes_fini)
	struct wishes wishes = {0};
	json_t *list = json_object_get(root, "wishes"), *entry;
	json_int_t version;
	json_error_t error;
	size_t i;
	int err;

	/* The version first: what else a newer file holds is not for us to judge. */
	if (json_unpack_ex(root, &error, 0, "{s:I}", "version", &version) != 0) {
		diag_add(diag, path, 0, "%s; " WAY_OUT, error.text);
		return -EINVAL;
	}
	if (version != WISHES_VERSION) {
		diag_add(diag, path, 0,
			 "version %lld, but this sluiced knows only %d; run the sluiced that wrote "
			 "it, "
			 "or " WAY_OUT,
			 (long long)version, WISHES_VERSION);
		return -EINVAL;
	}
	if (unknown_field(root, known)) {
		diag_add(diag, path, 0, "unknown field \"%s\"; " WAY_OUT,
			 unknown_field(root, known));
		return -EINVAL;
	}
	if (!json_is_array(list)) {
		diag_add(diag, path, 0, "\"wishes\" is not a list; " WAY_OUT);
		return -EINVAL;
	}
	json_array_foreach (list, i, entry) {
		err = read_entry(&wishes, entry, i + 1, path, diag);
		if (err)
			return err;
	}
	*out = wishes;
	wishes = (struct wishes){0};
	return 0;
}

int wishes_load(struct wishes *out, const char *state_dir, struct diag *diag)
{
	_cleanup_(json_decrefp)
	json_t *root = NULL;
	_cleanup_(freep)
	char *path = NULL;
	_cleanup_(fclosep)
	FILE *file = NULL;
	json_error_t error;

	if (asprintf(&path, "%s/" WISHES_FILE, state_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	file = fopen(path, "re");
	if (!file && errno == ENOENT) {
		*out = (struct wishes){0};
		return 0;
	}
	if (file)
		root = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
	if (!file || ferror(file)) {
		diag_add(diag, path, 0, "cannot be read: %s; make it readable, or " WAY_OUT,
			 strerror(file ? EIO : errno));
		return -EIO;
	}
	if (!root && json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	if (!root) {
		diag_add(diag, path, error.line > 0 ? error.line : 0, "%s; " WAY_OUT, error.text);
		return -EINVAL;
	}
	return read_document(out, root, path, diag);
}

/* ------------------------------------------------------------------------------------- writing */

/* NULL: no memory. */
static json_t *wish_json(const struct wish *wish)
{
	_cleanup_(json_decrefp)
	json_t *json = json_pack("{s:s, s:s}", "pool", wish->pool, "backend", wish->backend);

	if (!json)
		return NULL;
	if (wish->has_state &&
	    (json_object_set_new(json, "state", json_string(model_state_name(wish->state))) != 0 ||
	     json_object_set_new(json, "since", json_integer(wish->since)) != 0))
		return NULL;
	if (wish->weight > 0 &&
	    json_object_set_new(json, "weight", json_integer(wish->weight)) != 0)
		return NULL;
	return TAKE(json);
}

/* The file's text, which the caller frees; NULL: no memory. */
static char *document_text(const struct wishes *wishes)
{
	_cleanup_(json_decrefp)
	json_t *list = json_array();
	_cleanup_(json_decrefp)
	json_t *root = NULL;

	for (size_t i = 0; i < wishes->n; i++) {
		if (json_array_append_new(list, wish_json(&wishes->list[i])) != 0)
			return NULL;
	}
	root = json_pack("{s:i, s:O}", "version", WISHES_VERSION, "wishes", list);
	return root ? json_dumps(root, JSON_INDENT(2)) : NULL;
}

/* Writes @text to a new file @path, down to the disk. 0 or -errno. */
static int write_file(const char *path, const char *text)
{
	_cleanup_(closep)
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	size_t left = strlen(text);

	if (fd < 0)
		return -errno;
	while (left > 0) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		left -= n;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

/* Brings a rename in @dir to the disk. 0 or -errno. */
static int sync_directory(const char *dir)
{
	_cleanup_(closep)
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

int wishes_save(const struct wishes *wishes, const char *state_dir, struct diag *diag)
{
	_cleanup_(freep)
	char *text = document_text(wishes);
	_cleanup_(freep)
	char *path = NULL, *temporary = NULL;
	int err = 0;

	if (asprintf(&path, "%s/" WISHES_FILE, state_dir) < 0)
		path = NULL;
	if (asprintf(&temporary, "%s/" WISHES_FILE ".new", state_dir) < 0)
		temporary = NULL;
	if (!text || !path || !temporary) {
		diag_add(diag, NULL, 0, "%s/" WISHES_FILE ": no memory to write it", state_dir);
		return -ENOMEM;
	}

	if (mkdir(state_dir, 0750) != 0 && errno != EEXIST)
		err = -errno;
	if (!err)
		err = write_file(temporary, text);
	if (!err && rename(temporary, path) != 0)
		err = -errno;
	if (err)
		unlink(temporary);
	else
		err = sync_directory(state_dir);
	if (err)
		diag_add(diag, path, 0,
			 "cannot be written: %s; make room or rights, or set state_dir to another "
			 "directory",
			 strerror(-err));
	return err;
}
