/* SPDX-License-Identifier: MIT */
/*
 * What may be there only once in a config, or is looked up by name, with the place of the first.
 */
#ifndef SLUICE_CONFIG_MARKS_H
#define SLUICE_CONFIG_MARKS_H

#include <libconfig.h>

#include "config/keys.h"

struct mark {
	const config_setting_t *setting;
	const void *object; /* the interface, pool, backend or VIP */
	const char *key;    /* lies behind this struct */
};

/* Marks by their key; all zero is an empty one. */
struct marks {
	void *tree;
};

/*
 * Marks @key, which is copied, as being there: NULL, or the mark that was there before, which
 * stays. Without memory NULL, and k->err says so.
 */
const struct mark *marks_add(struct keys *k, struct marks *marks, const char *key,
			     const config_setting_t *setting, const void *object);

/* The mark of @key, or NULL. */
const struct mark *marks_find(const struct marks *marks, const char *key);

/* Frees the marks; @marks is empty afterwards. */
void marks_fini(struct marks *marks);

#endif
