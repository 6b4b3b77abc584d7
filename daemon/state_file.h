/* SPDX-License-Identifier: MIT */
/*
 * Lists that outlive the daemon: one JSON file each in STATE_DIR, small and written by us alone. So
 * reading is strict (what this program would not have written is refused, never half understood),
 * and a file is written whole or not at all. The format:
 *
 *	{"version": 1, "LIST": [ENTRY, ...]}
 */
#ifndef SLUICE_DAEMON_STATE_FILE_H
#define SLUICE_DAEMON_STATE_FILE_H

#include <jansson.h>
#include <stdbool.h>

#include "config/diag.h"

struct state_entry;

/* A kind of file. */
struct state_file {
	const char *name; /* in STATE_DIR: "wishes.json" */
	int version;
	const char *list;    /* the field that holds the entries: "wishes" */
	const char *entry;   /* what messages call an entry: "wish" */
	const char *way_out; /* what to do about a file that is refused; ends its message */
	bool lossy; /* it is written without waiting for the disk: one that is no JSON counts as missing */
	/*
	 * Takes the entry @json into the caller's @ctx. 0, -ENOMEM, or what state_file_fault()
	 * returned for @at.
	 */
	int (*take)(void *ctx, json_t *json, const struct state_entry *at);
};

/*
 * Reads STATE_DIR/name and hands its entries to file->take() in their order; a missing file has
 * none. 0, -ENOMEM, or -EINVAL / -EIO with a message that names the file and the way out; @ctx may
 * then hold some entries.
 */
int state_file_read(const struct state_file *file, const char *state_dir, void *ctx,
		    struct diag *diag);

struct state_writer;

/*
 * Begins to write the file anew, entry by entry; until state_writer_end() the old one is there. A
 * missing STATE_DIR is made. 0 with @out for state_writer_end() or state_writer_free(); or -errno
 * with a message.
 */
int state_writer_new(struct state_writer **out, const struct state_file *file,
		     const char *state_dir, struct diag *diag);

/* Adds @entry, which is taken; NULL: there was no memory for it. Errors show at the end. */
void state_writer_add(struct state_writer *writer, json_t *entry);

/*
 * The file is the new one; frees @writer. With @sync it is on the disk when this returns, which may
 * take long; without, a power failure may leave an empty file. 0, or -errno with a message: then it
 * is the old one.
 */
int state_writer_end(struct state_writer *writer, bool sync, struct diag *diag);

/* Gives up; the old file stays. Accepts NULL. */
void state_writer_free(struct state_writer *writer);

/*
 * Writes the file with the entries @list (borrowed; NULL: there was no memory for it). It is
 * whole on the disk, or the old one is still there (temporary file, fsync, rename). 0, or -errno
 * with a message. A missing STATE_DIR is made.
 */
int state_file_write(const struct state_file *file, const char *state_dir, json_t *list,
		     struct diag *diag);

/*
 * Reports what is wrong with an entry. The message: "PATH: ENTRY NUMBER: text; WAY OUT". -EINVAL.
 */
int state_file_fault(const struct state_entry *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The first field of @object that is not one of @known (NULL ends it); NULL: there is none. */
const char *state_file_unknown(json_t *object, const char *const *known);

#endif
