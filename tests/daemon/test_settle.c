/* SPDX-License-Identifier: MIT */
/*
 * A ring of four slots, before and after a change: whose flows hold up its settling. Backends in the
 * order of the desired state: a and b take flows, c drains, d is disabled, all of the ring's pool; x
 * and y have left, of another pool is z. Ids are not in that order.
 */
#include "daemon/settle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

enum {
	A,
	B,
	C,
	D,
	X,
	Y,
	Z,
	BACKENDS
};

static const uint32_t ids[BACKENDS] = {
	[A] = 3, [B] = 1, [C] = 9, [D] = 4, [X] = 6, [Y] = 2, [Z] = 12};

static struct lab {
	struct desired_backend backends[BACKENDS];
	struct desired desired;
	uint16_t now[4], before[4];
	struct ring ring, old;
	uint32_t old_members[4];
	bool old_serves[4];
	uint8_t standing[4];
	struct owners owners;
} lab;

static int setup(void **state)
{
	static const enum model_state states[BACKENDS] = {
		[A] = MODEL_STATE_ACTIVE,   [B] = MODEL_STATE_FILLING,  [C] = MODEL_STATE_DRAINING,
		[D] = MODEL_STATE_DISABLED, [X] = MODEL_STATE_DRAINING, [Y] = MODEL_STATE_DRAINING,
		[Z] = MODEL_STATE_ACTIVE,
	};

	(void)state;
	lab = (struct lab){
		.desired = {.backends = lab.backends, .n_backends = BACKENDS},
		/* Members of the pool: a, b, c, d; of the old generation: a, c, d, x. */
		.now = {0, 1, 0, RING_NONE},
		.before = {0, 0, 3, 1},
		.ring = {.size = 4, .ranks = 1, .owner = {lab.now}},
		.old = {.size = 4, .ranks = 1, .owner = {lab.before}},
		.old_members = {A, C, D, X},
		.old_serves = {true, true, false, true},
		.owners = {.ring = &lab.ring,
			   .first = A,
			   .n = 4,
			   .old = &lab.old,
			   .n_old = 4,
			   .old_members = lab.old_members,
			   .old_serves = lab.old_serves},
	};
	for (size_t i = 0; i < BACKENDS; i++)
		lab.backends[i].state = states[i];
	return 0;
}

static bool needs(uint32_t slot, uint32_t id)
{
	struct settle settle;
	bool needed;

	assert_int_equal(settle_init(&settle, &lab.desired, &lab.owners, ids), 0);
	needed = settle_needs_old(&settle, slot, id);
	settle_fini(&settle);
	assert_null(settle.owner);
	return needed;
}

static void flows_that_their_slot_would_not_lead_to_need_the_old_generation(void **state)
{
	static const struct {
		uint32_t slot;
		int backend;
		bool needs;
	} cases[] = {
		/* Slot 0 is a's, slot 1 b's. */
		{0, A, false},
		{1, B, false},
		{1, A, true},
		{0, B, true}, /* a guess, or from before */
		/* Draining, but of the old generation: it serves. */
		{0, C, true},
		{3, C, true},
		/* Flows of who serves no more end. */
		{0, D, false},
		/* One that has left, and has its time. */
		{2, X, true},
		{0, X, true},
		/* One that left another ring, one of another pool. */
		{0, Y, false},
		{0, Z, false},
		/* Nobody owns slot 3 now. */
		{3, A, true},
		{3, B, true},
		{3, Z, false},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		if (needs(cases[i].slot, ids[cases[i].backend]) != cases[i].needs)
			fail_msg("case %zu", i);
}

static void what_is_no_flow_of_the_ring_does_not_count(void **state)
{
	(void)state;
	assert_false(needs(4, ids[B]));
	assert_false(needs(65535, ids[B]));
	assert_false(needs(0, 0));
	assert_false(needs(0, 5)); /* nobody's id */
	assert_false(needs(0, 13));
	assert_false(needs(0, SLUICE_BACKEND_IDS - 1));
}

static void who_is_gone_holds_nothing_up(void **state)
{
	(void)state;
	assert_true(needs(2, ids[X]));
	lab.old_serves[3] = false;
	assert_false(needs(2, ids[X]));
	lab.old_members[3] = OWNERS_NOBODY;
	assert_false(needs(2, ids[X]));
	assert_true(needs(0, ids[C]));
	lab.old_serves[1] = false;
	assert_false(needs(0, ids[C]));
}

/* Where the owner is down the next one gets the slot, and flows of the owner wait for it. */
static void the_owner_is_who_is_up(void **state)
{
	static uint16_t second[4] = {1, 0, 1, RING_NONE};

	(void)state;
	lab.ring.ranks = 2;
	lab.ring.owner[1] = second;
	lab.owners.standing = lab.standing;
	lab.standing[1] = OWNERS_UP;
	assert_false(needs(0, ids[B]));
	assert_true(needs(0, ids[A]));
	lab.standing[0] = OWNERS_UP;
	assert_true(needs(0, ids[B]));
	assert_false(needs(0, ids[A]));
}

static void without_a_change_members_of_the_ring_count(void **state)
{
	(void)state;
	lab.owners.old = NULL;
	lab.owners.n_old = 0;
	assert_false(needs(0, ids[A]));
	assert_true(needs(0, ids[B]));
	assert_false(needs(0, ids[C]));
	assert_false(needs(2, ids[X]));
}

#define TEST(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flows_that_their_slot_would_not_lead_to_need_the_old_generation),
		TEST(what_is_no_flow_of_the_ring_does_not_count),
		TEST(who_is_gone_holds_nothing_up),
		TEST(the_owner_is_who_is_up),
		TEST(without_a_change_members_of_the_ring_count),
	};

	return cmocka_run_group_tests_name("daemon/settle", tests, NULL, NULL);
}
