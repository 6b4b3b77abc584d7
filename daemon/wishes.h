/* SPDX-License-Identifier: MIT */
/*
 * What the operator asked for at run time (states and weights of backends), kept in
 * STATE_DIR/wishes.json so that it survives reload, restart and reboot until taken back.
 */
#ifndef SLUICE_DAEMON_WISHES_H
#define SLUICE_DAEMON_WISHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diag.h"
#include "config/model.h"

struct wish {
	char *pool;
	char *backend;
	bool has_state;
	enum model_state state;
	int64_t since;       /* when the state was asked for, seconds since the epoch */
	unsigned int weight; /* 0: the config's */
	/* Not the operator but a check asks for it: see advice.h. Not in the file. */
	bool state_advised;
	bool weight_advised;
};

struct wishes {
	struct wish *list;
	size_t n;
};

/*
 * Reads STATE_DIR/wishes.json. A missing file is an empty list. 0, -ENOMEM, or -EINVAL / -EIO
 * with a message in @diag that names the file and the way out; @out is then untouched.
 */
int wishes_load(struct wishes *out, const char *state_dir, struct diag *diag);

/*
 * Writes the file whole or not at all (temporary file, fsync, rename). 0, or -errno with a message.
 */
int wishes_save(const struct wishes *wishes, const char *state_dir, struct diag *diag);

/* A copy to change, so that a refused change leaves the old one. 0 or -ENOMEM. */
int wishes_copy(struct wishes *out, const struct wishes *from);

/* The wish for a backend, or NULL. */
const struct wish *wishes_find(const struct wishes *wishes, const char *pool, const char *backend);

/* The backend's state or weight in force: that of @wish (which may be NULL), else the config's. */
enum model_state wish_state(const struct wish *wish, const struct model_backend *backend);
unsigned int wish_weight(const struct wish *wish, const struct model_backend *backend);

/*
 * Sets or (with @state NULL) takes back the wish for a state; @now in seconds since the epoch. An
 * entry without any wish left disappears. 0 or -ENOMEM.
 */
int wishes_set_state(struct wishes *wishes, const char *pool, const char *backend,
		     const enum model_state *state, int64_t now);

/* Sets or (with 0) takes back the wish for a weight. 0 or -ENOMEM. */
int wishes_set_weight(struct wishes *wishes, const char *pool, const char *backend,
		      unsigned int weight);

/*
 * What a check asks for: a state where the operator wishes none, and a weight (0: none) that is a
 * part of the operator's. 0 or -ENOMEM.
 */
int wishes_advise(struct wishes *wishes, const char *pool, const char *backend,
		  const enum model_state *state, unsigned int weight);

/* Frees the list; empty afterwards. */
void wishes_fini(struct wishes *wishes);

#endif
