/* SPDX-License-Identifier: MIT */
/*
 * A search tree of the C library; a mark and its key are one piece of memory.
 */
#include "config/marks.h"

#include <errno.h>
#include <search.h>
#include <string.h>

#include "config/cleanup.h"

static int compare_marks(const void *a, const void *b)
{
	return strcmp(((const struct mark *)a)->key, ((const struct mark *)b)->key);
}

const struct mark *marks_add(struct keys *k, struct marks *marks, const char *key,
			     const config_setting_t *setting, const void *object)
{
	size_t size = strlen(key) + 1;
	_cleanup_(freep) struct mark *mark = malloc(sizeof(*mark) + size);
	const struct mark *const *found;

	if (!mark) {
		k->err = -ENOMEM;
		return NULL;
	}
	*mark = (struct mark){
		.setting = setting, .object = object, .key = memcpy(mark + 1, key, size)};
	found = tsearch(mark, &marks->tree, compare_marks);
	if (!found) {
		k->err = -ENOMEM;
		return NULL;
	}
	if (*found != mark)
		return *found;
	mark = NULL;
	return NULL;
}

const struct mark *marks_find(const struct marks *marks, const char *key)
{
	const struct mark wanted = {.key = key};
	const struct mark *const *found = tfind(&wanted, &marks->tree, compare_marks);

	return found ? *found : NULL;
}

void marks_fini(struct marks *marks)
{
	tdestroy(marks->tree, free);
	marks->tree = NULL;
}
