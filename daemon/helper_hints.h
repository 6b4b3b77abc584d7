/* SPDX-License-Identifier: MIT */
/*
 * Which backend a number in hints stands for: from a config, or from the command line, into the
 * helper's map.
 */
#ifndef SLUICE_DAEMON_HELPER_HINTS_H
#define SLUICE_DAEMON_HELPER_HINTS_H

#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"
#include "config/diag.h"

struct helper_backend {
	uint16_t number; /* HINT_MIN .. HINT_MAX */
	struct sluice_addr address;
};

/* Each number once. All zero is an empty, valid list. */
struct helper_hints {
	struct helper_backend *list;
	size_t n;
};

/*
 * Adds the backend in @text, "ADDRESS" or "ADDRESS=NUMBER"; without a number it has
 * hint_number()'s. 0,
 * -ENOMEM, or -EINVAL with a message in @diag: not that, or the number is another address's.
 */
int helper_hints_add(struct helper_hints *hints, const char *text, struct diag *diag);

/* The backends of all pools of the config file @path into @out. 0, or as load_file(). */
int helper_hints_load(struct helper_hints *out, const char *path, struct diag *diag);

/*
 * Writes the list into the empty map @to. A number of the map @from (-1: none) that is on the list
 * no more stays known for an hour: packets of flows of a backend that leaves may still come. 0 or
 * -errno.
 */
int helper_hints_write(const struct helper_hints *hints, int to, int from);

void helper_hints_fini(struct helper_hints *hints);

#endif
