/* SPDX-License-Identifier: MIT */
/*
 * Both generations are in the order of the addresses, and are walked together.
 */
#include "daemon/report_move.h"

#include <stdarg.h>
#include <stdio.h>

static void __attribute__((format(printf, 2, 3))) say(json_t *lines, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	json_array_append_new(lines, json_string(text));
}

/* One that is in the old generation only. */
static void tell_left(json_t *lines, const struct generation_member *m)
{
	say(lines, "%s %s%s", m->backend, m->weight ? "left" : "was a member in between",
	    m->disabled ? ", and is disabled"
	    : m->gone   ? ", and its time is over"
			: "");
}

static void tell_both(json_t *lines, const struct generation_member *old,
		      const struct generation_member *now)
{
	if (!old->weight)
		say(lines, "%s was away in between", now->backend);
	else if (old->weight != now->weight)
		say(lines, "%s has weight %u, not %u", now->backend, now->weight, old->weight);
}

static void tell_members(json_t *lines, const struct generation *old, const struct generation *now)
{
	for (size_t o = 0, n = 0; o < old->n_members || n < now->n_members;) {
		int order = o == old->n_members   ? 1
			    : n == now->n_members ? -1
						  : addr_compare(&old->members[o].address,
								 &now->members[n].address);

		if (order < 0)
			tell_left(lines, &old->members[o]);
		else if (order > 0)
			say(lines, "%s is new", now->members[n].backend);
		else
			tell_both(lines, &old->members[o], &now->members[n]);
		o += order <= 0;
		n += order >= 0;
	}
}

void report_move(json_t *document, const struct generation_vip *v)
{
	json_t *why;

	if (!v->moving)
		return;
	why = json_array();
	json_object_set_new(document, "since", json_integer(v->since));
	json_object_set_new(document, "settles_by", json_integer(v->limit));
	if (v->leave != INT64_MAX)
		json_object_set_new(document, "left_until", json_integer(v->leave));
	if (v->back)
		say(why, "a change was taken back; compared with what it had made:");
	if (v->old.maglev != v->now.maglev)
		say(why, "maglev is v%d, not v%d", v->now.maglev, v->old.maglev);
	if (v->old.ring_size != v->now.ring_size)
		say(why, "the ring has %u slots, not %u: old flows' owners are not known",
		    v->now.ring_size, v->old.ring_size);
	tell_members(why, &v->old, &v->now);
	json_object_set_new(document, "why", why);
}
