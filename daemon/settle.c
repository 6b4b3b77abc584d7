/* SPDX-License-Identifier: MIT */
/*
 * Members of the new generation count, and those of the old one that still serve: the flows of
 * the others end with them.
 */
#include "daemon/settle.h"

#include <errno.h>
#include <stdlib.h>

int settle_init(struct settle *out, const struct desired *desired, const struct owners *o,
		const uint32_t *backend_ids)
{
	struct settle s = {.owners = o, .backend_ids = backend_ids};

	for (size_t i = 0; i < desired->n_backends; i++)
		if (backend_ids[i] >= s.n_ids)
			s.n_ids = backend_ids[i] + 1;
	s.owner = calloc((size_t)s.n_ids + 1, sizeof(*s.owner));
	if (!s.owner)
		return -ENOMEM;
	for (size_t i = 0; i < o->n; i++)
		if (model_state_takes_flows(desired->backends[o->first + i].state))
			s.owner[backend_ids[o->first + i]] = true;
	for (size_t i = 0; i < o->n_old; i++)
		if (o->old_serves[i])
			s.owner[backend_ids[o->old_members[i]]] = true;
	*out = s;
	return 0;
}

bool settle_needs_old(const struct settle *s, uint32_t slot, uint32_t id)
{
	uint32_t cur;

	if (slot >= s->owners->ring->size || id >= s->n_ids || !s->owner[id])
		return false;
	cur = owners_of(s->owners, slot).cur;
	return cur == OWNERS_NOBODY || s->backend_ids[cur] != id;
}

void settle_fini(struct settle *s)
{
	free(s->owner);
	*s = (struct settle){0};
}
