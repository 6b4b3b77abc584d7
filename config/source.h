/* SPDX-License-Identifier: MIT */
/*
 * The text of a config file with the files that it includes put in their places, ready for
 * config_read_string(), and where each of its lines came from.
 */
#ifndef SLUICE_CONFIG_SOURCE_H
#define SLUICE_CONFIG_SOURCE_H

#include <stddef.h>

#include "config/diag.h"

#define SOURCE_BYTES_MAX (64u << 20) /* of the text, and of each file */
#define SOURCE_FILES_MAX 256         /* files of one config */

/* Where something stands. @file belongs to the source that it was asked of. */
struct source_place {
	const char *file;
	unsigned int line;
};

struct source {
	char *text;   /* ends with a NUL, has none before */
	char **files; /* files[0]: the path given; the rest: included or added */
	size_t n_files;
	struct source_place *lines; /* lines[i]: where line i + 1 of the text came from */
	size_t n_lines;
};

/*
 * Reads @path and what it includes. 0 with @out to be freed by source_fini(); -ENOMEM; or with
 * messages in @diag: -EIO: @path cannot be read; -EINVAL: an included file cannot be read, or
 * the text has something that libconfig would misread: a number that does not fit, a comment or a
 * string without an end, a NUL byte, as it is or as \x00. @out is untouched on failure.
 */
int source_read(struct source *out, const char *path, struct diag *diag);

/* Where line @line (from 1) of the text came from; the file alone (line 0) for any other @line. */
struct source_place source_find(const struct source *source, unsigned int line);

/*
 * The path @path, @len bytes, of a file that @from, a file's path, names: relative to the directory
 * of @from unless absolute. The caller frees it. NULL: no memory.
 */
char *source_join(const char *from, const char *path, size_t len);

/*
 * Takes over @path, also on failure, and adds it to the files: it lives as long as the source.
 * Returns it, or NULL: no memory.
 */
const char *source_add_file(struct source *source, char *path);

/* Frees what it holds; accepts all zero. */
void source_fini(struct source *source);

#endif
