/* SPDX-License-Identifier: MIT */
/*
 * A file is judged from the outside in: can it be read, is it JSON, is it of our version, has it
 * the fields that we write; then each entry, which its kind knows. The first fault ends it.
 */
#include "daemon/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/cleanup.h"
#include "daemon/log.h"

/* Where an entry stands. */
struct state_entry {
	const struct state_file *file;
	const char *path;
	size_t number; /* from 1 */
	struct diag *diag;
};

static void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* ------------------------------------------------------------------------------------- reading */

int state_file_fault(const struct state_entry *at, const char *fmt, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	if (n < 0)
		text = NULL;
	diag_add(at->diag, at->path, 0, "%s %zu: %s; %s", at->file->entry, at->number,
		 text ? text : "not understood", at->file->way_out);
	return -EINVAL;
}

const char *state_file_unknown(json_t *object, const char *const *known)
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

/* The entries, borrowed from @root; NULL with a message: it is not a file of this kind. */
static json_t *open_document(const struct state_file *file, json_t *root, const char *path,
			     struct diag *diag)
{
	const char *const known[] = {"version", file->list, NULL};
	json_t *list = json_object_get(root, file->list);
	json_int_t version;
	json_error_t error;

	/* The version first: what else a newer file holds is not for us to judge. */
	if (json_unpack_ex(root, &error, 0, "{s:I}", "version", &version) != 0) {
		diag_add(diag, path, 0, "%s; %s", error.text, file->way_out);
	} else if (version != file->version) {
		diag_add(diag, path, 0,
			 "version %lld, but this sluiced knows only %d; run the sluiced that wrote "
			 "it, or %s",
			 (long long)version, file->version, file->way_out);
	} else if (state_file_unknown(root, known)) {
		diag_add(diag, path, 0, "unknown field \"%s\"; %s", state_file_unknown(root, known),
			 file->way_out);
	} else if (!json_is_array(list)) {
		diag_add(diag, path, 0, "\"%s\" is not a list; %s", file->list, file->way_out);
	} else {
		return list;
	}
	return NULL;
}

/* 0 with the document in @root, which stays NULL for a missing file. */
static int read_json(const struct state_file *kind, const char *path, json_t **root,
		     struct diag *diag)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	_cleanup_(json_decrefp) json_t *json = NULL;
	json_error_t error;

	if (!file && errno == ENOENT)
		return 0;
	if (file)
		json = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
	if (!file || ferror(file)) {
		diag_add(diag, path, 0, "cannot be read: %s; make it readable, or %s",
			 strerror(file ? EIO : errno), kind->way_out);
		return -EIO;
	}
	if (!json && json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	if (!json && kind->lossy) {
		log_warning("%s: %s; taken as missing, as after a power failure", path, error.text);
		return 0;
	}
	if (!json) {
		diag_add(diag, path, error.line > 0 ? error.line : 0, "%s; %s", error.text,
			 kind->way_out);
		return -EINVAL;
	}
	*root = TAKE(json);
	return 0;
}

int state_file_read(const struct state_file *file, const char *state_dir, void *ctx,
		    struct diag *diag)
{
	_cleanup_(json_decrefp) json_t *root = NULL;
	_cleanup_(freep) char *path = NULL;
	json_t *list, *json;
	size_t i;
	int err;

	if (asprintf(&path, "%s/%s", state_dir, file->name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	err = read_json(file, path, &root, diag);
	if (err || !root)
		return err;
	list = open_document(file, root, path, diag);
	if (!list)
		return -EINVAL;
	json_array_foreach (list, i, json) {
		struct state_entry at = {file, path, i + 1, diag};

		err = file->take(ctx, json, &at);
		if (err)
			return err;
	}
	return 0;
}

/* ------------------------------------------------------------------------------------- writing */

struct state_writer {
	char *dir;
	char *path, *temporary;
	FILE *out;
	size_t n; /* entries */
	int err;  /* the first one */
};

static void writer_freep(struct state_writer **writer)
{
	state_writer_free(*writer);
}

void state_writer_free(struct state_writer *w)
{
	if (!w)
		return;
	if (w->out) {
		fclose(w->out);
		unlink(w->temporary);
	}
	free(w->dir);
	free(w->path);
	free(w->temporary);
	free(w);
}

static int say_unwritten(const char *path, int err, struct diag *diag)
{
	if (err == -ENOMEM)
		diag_add(diag, path, 0, "no memory to write it");
	else
		diag_add(diag, path, 0,
			 "cannot be written: %s; make room or rights, or set state_dir to another "
			 "directory",
			 strerror(-err));
	return err;
}

/* 0 or -errno. */
static int open_temporary(struct state_writer *w, const struct state_file *file)
{
	int fd;

	if (mkdir(w->dir, 0750) != 0 && errno != EEXIST)
		return -errno;
	fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	w->out = fdopen(fd, "w");
	if (!w->out) {
		close(fd);
		unlink(w->temporary);
		return -ENOMEM;
	}
	fprintf(w->out, "{\"version\": %d, \"%s\": [", file->version, file->list);
	return 0;
}

int state_writer_new(struct state_writer **out, const struct state_file *file,
		     const char *state_dir, struct diag *diag)
{
	_cleanup_(writer_freep) struct state_writer *w = calloc(1, sizeof(*w));
	int err;

	if (!w || !(w->dir = strdup(state_dir)))
		return say_unwritten(state_dir, -ENOMEM, diag);
	if (asprintf(&w->path, "%s/%s", state_dir, file->name) < 0)
		w->path = NULL;
	if (asprintf(&w->temporary, "%s/%s.new", state_dir, file->name) < 0)
		w->temporary = NULL;
	if (!w->path || !w->temporary)
		return say_unwritten(state_dir, -ENOMEM, diag);
	err = open_temporary(w, file);
	if (err)
		return say_unwritten(w->path, err, diag);
	*out = TAKE(w);
	return 0;
}

void state_writer_add(struct state_writer *w, json_t *entry)
{
	_cleanup_(json_decrefp) json_t *owned = entry;
	_cleanup_(freep) char *text = entry ? json_dumps(entry, 0) : NULL;

	if (!text && !w->err)
		w->err = -ENOMEM;
	if (text)
		fprintf(w->out, "%s\n  %s", w->n++ ? "," : "", text);
}

/* Brings a rename in @dir to the disk. 0 or -errno. */
static int sync_directory(const char *dir)
{
	_cleanup_(closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

/* 0 or -errno. */
static int close_temporary(struct state_writer *w, bool sync)
{
	int err = w->err;

	fputs("\n]}", w->out);
	errno = EIO;
	if (!err && (fflush(w->out) != 0 || ferror(w->out)))
		err = -errno;
	if (!err && sync && fsync(fileno(w->out)) != 0)
		err = -errno;
	if (fclose(TAKE(w->out)) != 0 && !err)
		err = -errno;
	return err;
}

int state_writer_end(struct state_writer *writer, bool sync, struct diag *diag)
{
	_cleanup_(writer_freep) struct state_writer *w = writer;
	int err = close_temporary(w, sync);

	if (!err && rename(w->temporary, w->path) != 0)
		err = -errno;
	if (err)
		unlink(w->temporary);
	else if (sync)
		err = sync_directory(w->dir);
	return err ? say_unwritten(w->path, err, diag) : 0;
}

int state_file_write(const struct state_file *file, const char *state_dir, json_t *list,
		     struct diag *diag)
{
	struct state_writer *w;
	json_t *entry;
	size_t i;
	int err = state_writer_new(&w, file, state_dir, diag);

	if (err)
		return err;
	if (!list)
		w->err = -ENOMEM;
	json_array_foreach (list, i, entry)
		state_writer_add(w, json_incref(entry));
	return state_writer_end(w, true, diag);
}
