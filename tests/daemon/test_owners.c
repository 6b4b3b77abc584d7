/* SPDX-License-Identifier: MIT */
/*
 * One slot in a line of letters. Members of the ring are a, b and c, those of the ring before the
 * change also x and y, which are members of it only. "abc" is who owns the slot at each rank ("-":
 * nobody). A standing is a word for each member: "u" up, "r" recent, "p" panic, "b" brief, "-" none of
 * these. Of the old members "!" serves no more, "*" is gone. What comes out: cur, other, and of "mtk"
 * moved, track, keep.
 */
#include "daemon/owners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define FIRST 5 /* backend of member a */
#define X 20    /* backend x */

static const struct slot_case {
	const char *ring;
	const char *standing; /* NULL: all are up */
	const char *old;      /* NULL: nothing moves */
	const char *marks;    /* of old members */
	const char *how;      /* "h" hint always, "b" back */
	const char *expected;
} slot_cases[] = {
	/* By rank. */
	{"a", NULL, NULL, "", "", "a a"},
	{"abc", NULL, NULL, "", "", "a a"},
	{"c", NULL, NULL, "", "", "c c"},
	{"-", NULL, NULL, "", "", "- -"},
	{"abc", "u u u", NULL, "", "", "a a"},
	{"cba", "u u u", NULL, "", "", "c c"},
	/* By health that has settled. */
	{"abc", "- u u", NULL, "", "", "b b"},
	{"abc", "- - u", NULL, "", "", "c c"},
	{"abc", "u - -", NULL, "", "", "a a"},
	{"abc", "- - -", NULL, "", "", "- -"},
	{"a--", "- u u", NULL, "", "", "- -"},
	{"---", "u u u", NULL, "", "", "- -"},
	{"a", "- u u", NULL, "", "", "- -"},
	/* One that came up: flows that are not known may be with the next one who is up. */
	{"abc", "ur u u", NULL, "", "", "a b t"},
	{"abc", "ur - u", NULL, "", "", "a c t"},
	{"abc", "ur ur u", NULL, "", "", "a b t"},
	{"abc", "- ur u", NULL, "", "", "b c t"},
	{"abc", "ur - -", NULL, "", "", "a a"},
	{"a--", "ur u u", NULL, "", "", "a a"},
	{"abc", "urb u u", NULL, "", "", "a b tk"},
	{"abc", "urb - -", NULL, "", "", "a a"},
	/* One that went down: who begins at the next one must be found when it is back. */
	{"abc", "r u u", NULL, "", "", "b b t"},
	{"abc", "rb u u", NULL, "", "", "b b t"},
	{"abc", "r - u", NULL, "", "", "c c t"},
	{"abc", "- r u", NULL, "", "", "c c t"},
	{"abc", "r ur u", NULL, "", "", "b c t"},
	{"abc", "r r r", NULL, "", "", "- - t"},
	/* Of those behind, health does not matter. */
	{"abc", "u ur u", NULL, "", "", "a a"},
	{"abc", "u r r", NULL, "", "", "a a"},
	/* One that is used only in panic: who is really up is more likely the one. */
	{"abc", "up u u", NULL, "", "", "a b t"},
	{"abc", "up up u", NULL, "", "", "a c t"},
	{"abc", "up up up", NULL, "", "", "a a"},
	{"abc", "u up up", NULL, "", "", "a a"},
	{"abc", "urpb u u", NULL, "", "", "a b tk"},
	{"abc", "ur up u", NULL, "", "", "a c t"},
	/* hint = "always": the next one who is up. */
	{"abc", NULL, NULL, "", "h", "a b"},
	{"abc", "u u u", NULL, "", "h", "a b"},
	{"abc", "u - u", NULL, "", "h", "a c"},
	{"abc", "- u u", NULL, "", "h", "b c"},
	{"abc", "- u -", NULL, "", "h", "b b"},
	{"abc", "u up u", NULL, "", "h", "a b"},
	{"abc", "- - -", NULL, "", "h", "- -"},
	{"abc", "urb u u", NULL, "", "h", "a b tk"},
	{"a", NULL, NULL, "", "h", "a a"},
	{"a--", NULL, NULL, "", "h", "a a"},
	/* While a change settles. */
	{"a", NULL, "a", "", "", "a a"},
	{"b", NULL, "a", "", "", "b a mt"},
	{"b", NULL, "x", "", "", "b x mt"},
	{"b", NULL, "-", "", "", "b b"},
	{"-", NULL, "a", "", "", "- a mt"},
	{"b", NULL, "a", "", "b", "b a mtk"},
	{"a", NULL, "a", "", "b", "a a"},
	/* The old owner is disabled, or its time is over: the one after it was the owner then. */
	{"b", NULL, "a", "a!", "", "b b mt"},
	{"b", NULL, "x", "x!", "", "b b mt"},
	{"b", NULL, "x", "x*", "", "b b mt"},
	{"b", NULL, "xa", "x!", "", "b a mt"},
	{"b", NULL, "xya", "x! y*", "", "b a mt"},
	{"b", NULL, "xb", "x!", "", "b b mt"},
	{"b", NULL, "-a", "", "", "b a mt"},
	{"b", NULL, "x", "x*", "b", "b b mtk"},
	{"b", NULL, "bx", "x!", "", "b b"},
	/* Both: what moved says more than health, but not where nothing moved. */
	{"ab", "- u u", "a", "a!", "", "b b mt"},
	{"bc", "ur u u", "a", "", "", "b a mt"},
	{"bc", "u ur u", "a", "", "", "b a mt"},
	{"bc", NULL, "a", "", "h", "b a mt"},
	{"ab", "ur u u", "a", "", "", "a b t"},
	{"ab", "urb u u", "a", "", "", "a b tk"},
	{"ab", "r u u", "b", "", "", "b b t"},
	{"ab", NULL, "a", "", "h", "a b"},
	{"ab", "u u u", "ab", "", "", "a a"},
};

static uint16_t member_of(char letter)
{
	return letter == '-'   ? RING_NONE
	       : letter >= 'x' ? (uint16_t)(letter - 'x' + 3)
			       : (uint16_t)(letter - 'a');
}

/* A ring of two slots whose second one has these owners: the first is nobody's. */
struct small_ring {
	struct ring ring;
	uint16_t owners[RING_RANKS][2];
};

static void fill_ring(struct small_ring *r, const char *letters)
{
	r->ring = (struct ring){.size = 2, .ranks = (unsigned int)strlen(letters)};
	for (unsigned int i = 0; i < r->ring.ranks; i++) {
		r->owners[i][0] = RING_NONE;
		r->owners[i][1] = member_of(letters[i]);
		r->ring.owner[i] = r->owners[i];
	}
}

static void fill_standing(uint8_t standing[3], const char *text)
{
	static const char letters[] = "urpb";
	static const uint8_t flags[] = {OWNERS_UP, OWNERS_RECENT, OWNERS_PANIC, OWNERS_BRIEF};

	memset(standing, 0, 3);
	for (int member = 0; *text; text++)
		if (*text == ' ')
			member++;
		else if (*text != '-')
			standing[member] |= flags[strchr(letters, *text) - letters];
}

/* What an old member is now: all serve that have no mark. */
static void fill_old(uint32_t members[5], bool serves[5], const char *marks)
{
	for (uint32_t i = 0; i < 5; i++) {
		members[i] = i < 3 ? FIRST + i : X + i - 3;
		serves[i] = true;
	}
	for (; *marks; marks++) {
		if (*marks == '!' || *marks == '*')
			serves[member_of(marks[-1])] = false;
		if (*marks == '*')
			members[member_of(marks[-1])] = OWNERS_NOBODY;
	}
}

static char letter_of(uint32_t backend)
{
	return backend == OWNERS_NOBODY ? '-'
	       : backend >= X           ? (char)('x' + backend - X)
					: (char)('a' + backend - FIRST);
}

static void slots_have_owners(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(slot_cases); i++) {
		const struct slot_case *c = &slot_cases[i];
		struct small_ring ring, old;
		uint8_t standing[3];
		uint32_t members[5];
		bool serves[5];
		struct owners o = {
			.ring = &ring.ring,
			.first = FIRST,
			.n = 3,
			.hint_always = strchr(c->how, 'h'),
			.back = strchr(c->how, 'b'),
		};
		struct owners_slot s;
		char got[16];

		fill_ring(&ring, c->ring);
		if (c->standing) {
			fill_standing(standing, c->standing);
			o.standing = standing;
		}
		if (c->old) {
			fill_ring(&old, c->old);
			fill_old(members, serves, c->marks);
			o.old = &old.ring;
			o.n_old = 5;
			o.old_members = members;
			o.old_serves = serves;
		}
		s = owners_of(&o, 1);
		snprintf(got, sizeof(got), "%c %c %s%s%s", letter_of(s.cur), letter_of(s.other),
			 s.moved ? "m" : "", s.track ? "t" : "", s.keep ? "k" : "");
		if (got[4] == '\0')
			got[3] = '\0';
		if (strcmp(got, c->expected) != 0)
			fail_msg("case %zu, %s: \"%s\" instead of \"%s\"", i, c->ring, got,
				 c->expected);
		s = owners_of(&o, 0);
		assert_int_equal(s.cur, OWNERS_NOBODY);
		assert_int_equal(s.other, OWNERS_NOBODY);
	}
}

/* ------------------------------------------------------------------------------------ comparison */

/* Owners with all there is, the arrays their own. */
static struct owners new_owners(const struct ring *ring, const struct ring *old)
{
	struct owners o = {
		.ring = ring,
		.first = FIRST,
		.n = 3,
		.standing = calloc(3, sizeof(*o.standing)),
		.old = old,
		.n_old = 5,
		.old_members = calloc(5, sizeof(*o.old_members)),
		.old_serves = calloc(5, sizeof(*o.old_serves)),
	};

	assert_true(o.standing && o.old_members && o.old_serves);
	fill_standing(o.standing, "u ur -");
	fill_old(o.old_members, o.old_serves, "x! y*");
	return o;
}

static const struct ring one_ring, another_ring;

/* Changes one thing; false: there is no such change. */
static bool change(struct owners *o, int which)
{
	switch (which) {
	case 0:
		o->ring = &another_ring;
		return true;
	case 1:
		o->first++;
		return true;
	case 2:
		o->standing[2] = OWNERS_UP;
		return true;
	case 3:
		free(o->standing);
		o->standing = NULL;
		return true;
	case 4:
		o->hint_always = true;
		return true;
	case 5:
		o->old = NULL;
		return true;
	case 6:
		o->back = true;
		return true;
	case 7:
		o->old_members[4] = X + 1;
		return true;
	case 8:
		o->old_serves[4] = true;
		return true;
	case 9:
		o->n_old--;
		return true;
	case 10:
		o->n--;
		return true;
	default:
		return false;
	}
}

static void owners_with_another_answer_are_not_equal(void **state)
{
	struct owners a = new_owners(&one_ring, &another_ring);
	bool more = true;

	(void)state;
	assert_true(owners_equal(&a, &a));
	for (int which = 0; more; which++) {
		struct owners b = new_owners(&one_ring, &another_ring);

		assert_true(owners_equal(&a, &b));
		more = change(&b, which);
		assert_int_equal(owners_equal(&a, &b), !more);
		assert_int_equal(owners_equal(&b, &a), !more);
		owners_fini(&b);
	}
	owners_fini(&a);
	assert_null(a.standing);
}

/* Most rings have neither health nor a change. */
static void owners_without_arrays_are_compared_too(void **state)
{
	const struct owners a = {.ring = &one_ring, .n = 3}, b = a;

	(void)state;
	assert_true(owners_equal(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_have_owners),
		cmocka_unit_test(owners_with_another_answer_are_not_equal),
		cmocka_unit_test(owners_without_arrays_are_compared_too),
	};

	return cmocka_run_group_tests_name("daemon/owners", tests, NULL, NULL);
}
