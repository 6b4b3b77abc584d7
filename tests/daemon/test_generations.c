/* SPDX-License-Identifier: MIT */
/*
 * Sequences of declarations and what each leaves behind, in a short notation. A pool is a line of
 * words: "a" is an active backend of weight 100, "b+" a filling, "c-" a draining, "d!" a disabled
 * one, "e:50" has a weight, "e:50/100" had another one before, "v1" and "4093" are ring parameters
 * other than the usual. An entry is
 * "NOW", or while it moves "NOW <- OLD, SINCE SOONEST LIMIT", with "leave TIME" while somebody is to
 * leave, and "back" where now is again what the move began from; "a*" in OLD is gone.
 */
#include "daemon/generations.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/tempdir.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT_MAX 2048

/* --------------------------------------------------------------------------------- the notation */

/* Letter @c of the pool, at 10.0.@net.@c. */
static struct model_backend backend_of(const char *word, const char *prefix, uint8_t net)
{
	const uint8_t bytes[4] = {10, 0, net, (uint8_t)word[0]};
	const char *weight = strchr(word, ':'), *before = strchr(word, '/');
	struct model_backend b = {
		.weight = weight ? (unsigned int)atoi(weight + 1) : 100,
		.weight_before = before ? (unsigned int)atoi(before + 1) : 0,
		.address = addr_from_bytes(AF_INET, bytes),
	};
	char name[16];

	snprintf(name, sizeof(name), "%s%c", prefix, word[0]);
	b.name = strdup(name);
	assert_non_null(b.name);
	b.state = strchr(word, '+')   ? MODEL_STATE_FILLING
		  : strchr(word, '-') ? MODEL_STATE_DRAINING
		  : strchr(word, '!') ? MODEL_STATE_DISABLED
				      : MODEL_STATE_ACTIVE;
	return b;
}

/* A model that can grow. */
static struct model *new_model(void)
{
	struct model *model = calloc(1, sizeof(*model));

	assert_non_null(model);
	model->settle_s = 300;
	model->pools = calloc(8, sizeof(*model->pools));
	model->vips = calloc(8, sizeof(*model->vips));
	assert_true(model->pools && model->vips);
	return model;
}

/* Adds a pool and a VIP on it. @prefix: of the backends' names; @net: of their addresses. */
static void add_vip(struct model *model, const char *name, const char *pool_name,
		    const char *prefix, uint8_t net, const char *text)
{
	struct model_pool *pool = &model->pools[model->n_pools++];
	struct model_vip *vip = &model->vips[model->n_vips++];
	char words[TEXT_MAX], *state = NULL;

	pool->name = strdup(pool_name);
	pool->backends = calloc(32, sizeof(*pool->backends));
	vip->name = strdup(name);
	assert_true(pool->name && pool->backends && vip->name);
	vip->pool = pool;
	vip->maglev = MODEL_MAGLEV_V2;
	vip->ring_size = 65537;
	snprintf(words, sizeof(words), "%s", text);
	for (char *w = strtok_r(words, " ", &state); w; w = strtok_r(NULL, " ", &state)) {
		if (strcmp(w, "v1") == 0)
			vip->maglev = MODEL_MAGLEV_V1;
		else if (w[0] >= '0' && w[0] <= '9')
			vip->ring_size = (uint32_t)atoi(w);
		else
			pool->backends[pool->n_backends++] = backend_of(w, prefix, net);
	}
}

static struct model *model_of(const char *text)
{
	struct model *model = new_model();

	add_vip(model, "www", "web", "", 0, text);
	return model;
}

static void append(char *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void append(char *out, const char *fmt, ...)
{
	size_t used = strlen(out);
	va_list args;

	va_start(args, fmt);
	assert_in_range(vsnprintf(out + used, TEXT_MAX - used, fmt, args), 0, TEXT_MAX - used - 1);
	va_end(args);
}

/* Members by the last letter of their addresses, so that names can be looked at apart. */
static void append_generation(char *out, const struct generation *g)
{
	const char *space = "";

	if (g->maglev == MODEL_MAGLEV_V1) {
		append(out, "v1");
		space = " ";
	}
	if (g->ring_size != 65537) {
		append(out, "%s%u", space, g->ring_size);
		space = " ";
	}
	for (size_t i = 0; i < g->n_members; i++) {
		append(out, "%s%c", space, ((const char *)&g->members[i].address)[15]);
		if (g->members[i].weight != 100)
			append(out, ":%u", g->members[i].weight);
		if (generation_member_out(&g->members[i]))
			append(out, "*");
		space = " ";
	}
}

static const char *text_of(const struct generation_vip *v, char out[TEXT_MAX])
{
	out[0] = '\0';
	append_generation(out, &v->now);
	if (v->moving) {
		append(out, " <- ");
		append_generation(out, &v->old);
		append(out, ", %lld %lld %lld", (long long)v->since, (long long)v->soonest,
		       (long long)v->limit);
	} else {
		assert_int_equal(v->old.n_members, 0);
		assert_int_equal(v->soonest, 0);
		assert_int_equal(v->limit, 0);
		assert_int_equal(v->leave, INT64_MAX);
	}
	if (v->leave != INT64_MAX)
		append(out, " leave %lld", (long long)v->leave);
	if (v->back)
		append(out, " back");
	return out;
}

static void assert_vip(const struct generations *g, const char *vip, const char *expected)
{
	const struct generation_vip *v = generations_find(g, vip, NULL);
	char text[TEXT_MAX];

	assert_non_null(v);
	assert_string_equal(text_of(v, text), expected);
}

static void append_members(char *out, const struct generation *g)
{
	for (size_t i = 0; i < g->n_members; i++)
		append(out, " %s/%s#%u", g->members[i].pool, g->members[i].backend,
		       g->members[i].hint);
}

/* Everything, to compare. */
static void all_text(const struct generations *g, char out[TEXT_MAX])
{
	char text[TEXT_MAX];

	out[0] = '\0';
	for (size_t i = 0; i < g->n; i++) {
		const struct generation_vip *v = &g->vips[i];

		append(out, "%s of %s: %s (%lld, epoch %u)", v->pool, v->vip, text_of(v, text),
		       (long long)v->since, v->epoch);
		append_members(out, &v->now);
		append_members(out, &v->old);
		append(out, "\n");
	}
}

/* Replaces @g by what follows from it; what it was has not changed meanwhile. */
static void next(struct generations *g, const struct model *model, const struct wishes *wishes,
		 int64_t now)
{
	static const struct wishes none;
	char before[TEXT_MAX], after[TEXT_MAX];
	struct generations out;

	all_text(g, before);
	assert_int_equal(generations_next(&out, g, model, wishes ? wishes : &none, now), 0);
	all_text(g, after);
	assert_string_equal(before, after);
	generations_fini(g);
	*g = out;
}

static void declare(struct generations *g, const char *text, int64_t now)
{
	_cleanup_(model_freep) struct model *model = model_of(text);

	next(g, model, NULL, now);
}

/* ------------------------------------------------------------------------------------ sequences */

/* Without @declared: what is past its limit settles. "!": www settles. */
struct step {
	int64_t now;
	const char *declared;
	const char *expected;
};

struct sequence {
	const char *what;
	struct step steps[10];
};

static void run(const struct sequence *s)
{
	_cleanup_(generations_fini) struct generations g = {0};

	for (const struct step *step = s->steps; step->expected; step++) {
		char text[TEXT_MAX];

		if (step->declared && strcmp(step->declared, "!") != 0)
			declare(&g, step->declared, step->now);
		else
			generations_settle(&g, step->declared ? "www" : NULL, step->now);
		assert_int_equal(g.n, 1);
		text_of(&g.vips[0], text);
		if (strcmp(text, step->expected) != 0)
			fail_msg("%s, step %td: \"%s\" instead of \"%s\"", s->what, step - s->steps,
				 text, step->expected);
	}
}

static void run_all(const struct sequence *sequences, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run(&sequences[i]);
}

static void single_changes_keep_what_was_before(void **state)
{
	static const struct sequence sequences[] = {
		{"drain",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"}}},
		{"disable: its flows are given up at once",
		 {{100, "a b c", "a b c"},
		  {200, "a! b c", "b c <- a* b c, 200 500 3800 leave 500"}}},
		{"remove",
		 {{100, "a b c", "a b c"}, {200, "b c", "b c <- a b c, 200 500 3800 leave 500"}}},
		{"fill", {{100, "a b", "a b"}, {200, "a b c+", "a b c <- a b, 200 500 3800"}}},
		{"add", {{100, "a b", "a b"}, {200, "a b c", "a b c <- a b, 200 500 3800"}}},
		{"activate a drained one",
		 {{100, "a b", "a b"},
		  {200, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {3800, NULL, "b"},
		  {3900, "a b", "a b <- b, 3900 4200 7500"}}},
		{"weight", {{100, "a b", "a b"}, {200, "a:50 b", "a:50 b <- a b, 200 500 3800"}}},
		{"weight and drain",
		 {{100, "a b", "a b"}, {200, "a:50 b-", "a:50 <- a b, 200 500 3800 leave 500"}}},
		{"replace",
		 {{100, "a b", "a b"}, {200, "b c+", "b c <- a b, 200 500 3800 leave 500"}}},
		{"replace by a lower address",
		 {{100, "b c", "b c"}, {200, "a b", "a b <- b c, 200 500 3800 leave 500"}}},
		{"maglev", {{100, "a b", "a b"}, {200, "v1 a b", "v1 a b <- a b, 200 500 3800"}}},
		{"ring size", {{100, "4093 a", "4093 a"}, {200, "a", "a <- 4093 a, 200 500 3800"}}},
		{"all leave",
		 {{100, "a b", "a b"}, {200, "a- b!", " <- a b*, 200 500 3800 leave 500"}}},
		{"from none", {{100, "a!", ""}, {200, "a", "a <- , 200 500 3800"}}},
	};

	(void)state;
	run_all(sequences, N(sequences));
}

static void what_makes_no_other_ring_moves_nothing(void **state)
{
	static const struct sequence sequences[] = {
		{"the same again", {{100, "a b", "a b"}, {200, "a b", "a b"}}},
		{"filled",
		 {{100, "a+ b+", "a b <- , 100 400 3700"}, {200, "a b", "a b <- , 100 400 3700"}}},
		{"weight of a disabled one", {{100, "a b!", "a"}, {200, "a b!:7", "a"}}},
		{"order", {{100, "a b c", "a b c"}, {200, "c a b", "a b c"}}},
		{"past the limit, not settled",
		 {{100, "a b:1", "a b:1"},
		  {200, "a b", "a b <- a b:1, 200 500 3800"},
		  {3900, "a b", "a b <- a b:1, 200 500 3800"}}},
	};

	(void)state;
	run_all(sequences, N(sequences));
}

static void those_who_left_are_gone_when_their_time_is_over(void **state)
{
	static const struct sequence sequences[] = {
		{"drained: the move goes on without them",
		 {{100, "a b", "a b"},
		  {200, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {499, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {500, "a- b", "b <- a* b, 200 500 3800"},
		  {501, "a- b", "b <- a* b, 200 500 3800"},
		  {3800, NULL, "b"}}},
		{"drained, then removed",
		 {{100, "a b", "a b"},
		  {200, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {300, "b", "b <- a b, 200 500 3800 leave 500"},
		  {3800, "b", "b <- a* b, 200 500 3800"}}},
		{"drained, then disabled, then removed: it does not serve again",
		 {{100, "a b", "a b"},
		  {200, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {300, "a! b", "b <- a* b, 200 500 3800 leave 500"},
		  {400, "b", "b <- a* b, 200 500 3800 leave 500"}}},
		{"disabled, then removed while another leaves",
		 {{100, "a b c", "a b c"},
		  {200, "a! b c", "b c <- a* b c, 200 500 3800 leave 500"},
		  {300, "b- c", "c <- a* b c, 300 600 3900 leave 600"}}},
		{"the next one has its own time",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {500, "a- b- c", "c <- a b c, 500 800 4100 leave 800"},
		  {800, "a- b- c", "c <- a* b* c, 500 800 4100"}}},
		{"one that is gone stays so when another leaves",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {500, "a- b c", "b c <- a* b c, 200 500 3800"},
		  {600, "a- b- c", "c <- a* b c, 600 900 4200 leave 900"}}},
		{"back after it was gone, then away again: it has its time",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {500, "a- b c", "b c <- a* b c, 200 500 3800"},
		  {600, "a b:50 c", "a b:50 c <- a b c, 600 900 4200"},
		  {700, "a- b:50 c", "b:50 c <- a b c, 700 1000 4300 leave 1000"}}},
		{"one that was a member in between only",
		 {{100, "a b", "a b"},
		  {200, "a b c", "a b c <- a b, 200 500 3800"},
		  {300, "a b d", "a b d <- a b c:0, 300 600 3900 leave 600"},
		  {600, "a b d", "a b d <- a b c:0*, 300 600 3900"}}},
		{"back where the move began from: nobody is left to leave",
		 {{100, "a b", "a b"},
		  {200, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {300, "a b", "a b <- b, 300 600 3900 leave 500 back"},
		  {500, "a b", "a b <- b, 300 600 3900 back"}}},
		{"back, with one that came in between",
		 {{100, "a b", "a b"},
		  {200, "a c", "a c <- a b, 200 500 3800 leave 500"},
		  {300, "a b", "a b <- a c, 300 600 3900 leave 600 back"},
		  {600, "a b", "a b <- a c*, 300 600 3900 back"}}},
		{"by declaration",
		 {{100, "a b-", "a <- a b, 100 400 3700 leave 400"},
		  {400, "a b-", "a <- a b*, 100 400 3700"}}},
	};

	(void)state;
	run_all(sequences, N(sequences));
}

static void changes_before_the_settling_keep_the_first_old_generation(void **state)
{
	static const struct sequence sequences[] = {
		{"ramp of weights",
		 {{100, "a b:1", "a b:1"},
		  {200, "a b:10", "a b:10 <- a b:1, 200 500 3800"},
		  {300, "a b:50", "a b:50 <- a b:1, 300 600 3900"},
		  {3899, "a b", "a b <- a b:1, 3899 4199 7499"}}},
		{"drain one, then the next",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {300, "a- b- c", "c <- a b c, 300 600 3900 leave 600"}}},
		{"drain, then fill: the drain keeps its time to leave",
		 {{100, "a b", "a b"},
		  {200, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {300, "a- b c+", "b c <- a b, 300 600 3900 leave 500"},
		  {499, "a- b c", "b c <- a b, 300 600 3900 leave 500"}}},
		{"fill, then drain",
		 {{100, "a b", "a b"},
		  {200, "a b c+", "a b c <- a b, 200 500 3800"},
		  {300, "a- b c+", "b c <- a b, 300 600 3900 leave 600"}}},
		{"a filling one leaves again, another has come",
		 {{100, "a b", "a b"},
		  {200, "a b c+", "a b c <- a b, 200 500 3800"},
		  {300, "a b c- d+", "a b d <- a b c:0, 300 600 3900 leave 600"}}},
		{"one that came in between stays until all has settled",
		 {{100, "a b", "a b"},
		  {200, "a b c", "a b c <- a b, 200 500 3800"},
		  {300, "a b", "a b <- a b c, 300 600 3900 leave 600 back"},
		  {400, "a b d", "a b d <- a b c:0, 400 700 4000 leave 600"},
		  {500, "a d", "a d <- a b c:0, 500 800 4100 leave 800"}}},
		{"none before",
		 {{100, "a+", "a <- , 100 400 3700"}, {200, "a+ b+", "a b <- a, 200 500 3800"}}},
	};

	(void)state;
	run_all(sequences, N(sequences));
}

static void change_that_is_taken_back_keeps_the_generation_between(void **state)
{
	static const struct sequence sequences[] = {
		{"drain, activate",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {300, "a b c", "a b c <- b c, 300 600 3900 leave 500 back"},
		  {400, "a b c", "a b c <- b c, 300 600 3900 leave 500 back"},
		  {3900, NULL, "a b c"}}},
		{"drain, activate, drain: as after the first",
		 {{100, "a b", "a b"},
		  {200, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {300, "a b", "a b <- b, 300 600 3900 leave 500 back"},
		  {400, "a- b", "b <- a b, 400 700 4000 leave 700"}}},
		{"drain, activate, drain another: old is what there was for long",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {300, "a b c", "a b c <- b c, 300 600 3900 leave 500 back"},
		  {400, "a b- c", "a c <- a b c, 400 700 4000 leave 700"}}},
		{"back over two steps",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {300, "a- b- c", "c <- a b c, 300 600 3900 leave 600"},
		  {400, "a b c", "a b c <- c, 400 700 4000 leave 600 back"}}},
	};

	(void)state;
	run_all(sequences, N(sequences));
}

static void change_after_the_settling_begins_anew(void **state)
{
	static const struct sequence sequences[] = {
		{"settled in between",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {3799, NULL, "b c <- a b c, 200 500 3800 leave 500"},
		  {3800, NULL, "b c"},
		  {3900, "a- b- c", "c <- b c, 3900 4200 7500 leave 4200"}}},
		{"settled early",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {201, "!", "b c"},
		  {202, "a- b- c", "c <- b c, 202 502 3802 leave 502"}}},
		{"past the limit, but nobody settled it",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {3800, "a- b- c", "c <- b c, 3800 4100 7400 leave 4100"}}},
		{"taken back past the limit",
		 {{100, "a b c", "a b c"},
		  {200, "a- b c", "b c <- a b c, 200 500 3800 leave 500"},
		  {3800, "a b c", "a b c <- b c, 3800 4100 7400"}}},
		{"settled while it was back",
		 {{100, "a b", "a b"},
		  {200, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {300, "a b", "a b <- b, 300 600 3900 leave 500 back"},
		  {301, "!", "a b"},
		  {302, "a b c", "a b c <- a b, 302 602 3902"}}},
	};

	(void)state;
	run_all(sequences, N(sequences));
}

static void first_generation_comes_from_the_declared_states(void **state)
{
	static const struct sequence sequences[] = {
		{"active", {{100, "a b:7", "a b:7"}}},
		{"draining", {{100, "a b-:7", "a <- a b:7, 100 400 3700 leave 400"}}},
		{"filling", {{100, "a b+:7", "a b:7 <- a, 100 400 3700"}}},
		{"both", {{100, "a b- c+", "a c <- a b, 100 400 3700 leave 400"}}},
		{"disabled", {{100, "a b!", "a"}}},
		{"weights", {{100, "a:50/100 b c:7/7", "a:50 b c:7 <- a b c:7, 100 400 3700"}}},
		{"weight and state",
		 {{100, "a:50/100 b-:2/3 c+:5/9", "a:50 c:5 <- a b:3, 100 400 3700 leave 400"}}},
		{"weights that are known already",
		 {{100, "a b", "a b"},
		  {200, "a:50/70 b", "a:50 b <- a b, 200 500 3800"},
		  {300, "a:50 b", "a:50 b <- a b, 200 500 3800"}}},
		{"none", {{100, "", ""}}},
		{"parameters",
		 {{100, "v1 4093 a b-", "v1 4093 a <- v1 4093 a b, 100 400 3700 leave 400"}}},
	};

	(void)state;
	run_all(sequences, N(sequences));
}

static void times_are_those_of_the_config_and_at_least_an_hour(void **state)
{
	static const struct {
		unsigned int settle_s, flow_age_s;
		const char *then;
		const char *expected;
	} cases[] = {
		{1, 0, "a", "a <- a b, 200 203 3800 leave 201"},
		{1, 0, "a b c", "a b c <- a b, 200 203 3800"},
		{4, 0, "a b c", "a b c <- a b, 200 204 3800"},
		{3600, 0, "a b c", "a b c <- a b, 200 3800 3800"},
		{3601, 0, "a b c", "a b c <- a b, 200 3801 3801"},
		{86400, 0, "a b:1", "a b:1 <- a b, 200 86600 86600"},
		{86400, 0, "b", "b <- a b, 200 86600 86600 leave 86600"},
		/* A flow that is not idle shows itself within its age. */
		{300, 297, "a b c", "a b c <- a b, 200 500 3800"},
		{300, 298, "a b c", "a b c <- a b, 200 501 3800"},
		{300, 298, "b", "b <- a b, 200 501 3800 leave 500"},
		{1, 3600, "a b c", "a b c <- a b, 200 3800 3800"},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		_cleanup_(model_freep) struct model *model = model_of(cases[i].then);
		_cleanup_(generations_fini) struct generations g = {0};

		model->settle_s = cases[i].settle_s;
		model->flow_age_s = cases[i].flow_age_s;
		declare(&g, "a b", 100);
		next(&g, model, NULL, 200);
		assert_vip(&g, "www", cases[i].expected);
	}
}

/* What the flow table says of a VIP's flows is true for one move only. */
static void epochs_count_the_moves_that_ended(void **state)
{
	static const struct {
		int64_t now;
		const char *declared; /* as in a sequence */
		uint8_t epoch;
	} steps[] = {
		{100, "a b", 0},    {200, "a b c", 0}, {300, "a b c d", 0},
		{400, "a b", 0},    {500, "a b", 0},   {600, "!", 1},
		{601, "!", 1},                      /* nothing moves */
		{700, "b", 1},      {1000, "b", 1}, /* a is gone, the move goes on */
		{4299, NULL, 1},    {4300, NULL, 2},   {5000, "a b", 2},
		{8600, "a b c", 3}, /* nobody had settled the one before */
	};
	_cleanup_(generations_fini) struct generations g = {0};

	(void)state;
	for (size_t i = 0; i < N(steps); i++) {
		if (steps[i].declared && strcmp(steps[i].declared, "!") != 0)
			declare(&g, steps[i].declared, steps[i].now);
		else
			generations_settle(&g, steps[i].declared ? "www" : NULL, steps[i].now);
		if (g.vips[0].epoch != steps[i].epoch)
			fail_msg("step %zu: %u", i, g.vips[0].epoch);
	}
	for (int i = 0; i < 256; i++) {
		declare(&g, i % 2 ? "a b" : "a", 9000 + i);
		assert_true(g.vips[0].moving);
		assert_true(generations_settle(&g, "www", 9000 + i));
		assert_false(g.vips[0].moving);
		assert_int_equal(g.vips[0].epoch, (uint8_t)(4 + i));
	}
	assert_false(generations_settle(&g, "www", 9999)); /* nothing moves */
	assert_int_equal(g.vips[0].epoch, 3);
}

/* ----------------------------------------------------------------------- wishes, names, several */

static void operator_s_states_and_weights_count_before_the_config_s(void **state)
{
	static const struct {
		const char *config;
		enum model_state state;
		unsigned int weight;
		const char *expected;
	} cases[] = {
		{"a b", MODEL_STATE_DRAINING, 0, "a <- a b, 100 400 3700 leave 400"},
		{"a b", MODEL_STATE_DISABLED, 0, "a"},
		{"a b", MODEL_STATE_FILLING, 0, "a b <- a, 100 400 3700"},
		{"a b-", MODEL_STATE_ACTIVE, 0, "a b"},
		{"a b", MODEL_STATE_MAX, 5, "a b:5"},
		{"a b:9", MODEL_STATE_DRAINING, 5, "a <- a b:5, 100 400 3700 leave 400"},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		_cleanup_(model_freep) struct model *model = model_of(cases[i].config);
		_cleanup_(generations_fini) struct generations g = {0};
		_cleanup_(wishes_fini) struct wishes wishes = {0};

		if (cases[i].state != MODEL_STATE_MAX)
			assert_int_equal(wishes_set_state(&wishes, "web", "b", &cases[i].state, 1),
					 0);
		assert_int_equal(wishes_set_weight(&wishes, "web", "b", cases[i].weight), 0);
		assert_int_equal(wishes_set_weight(&wishes, "other", "b", 77), 0);
		next(&g, model, &wishes, 100);
		assert_vip(&g, "www", cases[i].expected);
	}
}

static void wish_is_a_change_like_the_config_s(void **state)
{
	static const enum model_state draining = MODEL_STATE_DRAINING;
	_cleanup_(model_freep) struct model *model = model_of("a b c");
	_cleanup_(generations_fini) struct generations g = {0};
	_cleanup_(wishes_fini) struct wishes wishes = {0};

	(void)state;
	next(&g, model, &wishes, 100);
	assert_int_equal(wishes_set_state(&wishes, "web", "a", &draining, 200), 0);
	next(&g, model, &wishes, 200);
	assert_vip(&g, "www", "b c <- a b c, 200 500 3800 leave 500");
	/* The config says so, too. */
	wishes_fini(&wishes);
	declare(&g, "a- b c", 300);
	assert_vip(&g, "www", "b c <- a b c, 200 500 3800 leave 500");
}

static void assert_names(const struct generation *g, const char *expected)
{
	char text[TEXT_MAX] = "";

	for (size_t i = 0; i < g->n_members; i++)
		append(text, "%s%s/%s", i ? " " : "", g->members[i].pool, g->members[i].backend);
	assert_string_equal(text, expected);
}

static void address_says_who_a_backend_is_and_names_follow(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};
	_cleanup_(model_freep) struct model *renamed = new_model();
	_cleanup_(model_freep) struct model *moved = new_model();

	(void)state;
	declare(&g, "a b c", 100);
	declare(&g, "a- b", 200);
	assert_names(&g.vips[0].now, "web/b");
	assert_names(&g.vips[0].old, "web/a web/b web/c");

	add_vip(renamed, "www", "site", "s-", 0, "a- b");
	next(&g, renamed, NULL, 300);
	assert_vip(&g, "www", "b <- a b c, 200 500 3800 leave 500");
	assert_names(&g.vips[0].now, "site/s-b");
	assert_names(&g.vips[0].old, "site/s-a site/s-b web/c");

	/* The same names at other addresses are others. */
	add_vip(moved, "www", "site", "s-", 1, "b");
	next(&g, moved, NULL, 400);
	assert_vip(&g, "www", "b <- a b c, 400 700 4000 leave 700");
	assert_names(&g.vips[0].old, "site/s-a site/s-b web/c");
	assert_true(addr_compare(&g.vips[0].now.members[0].address,
				 &g.vips[0].old.members[1].address) != 0);
}

static void vips_come_go_and_change_apart(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};
	_cleanup_(model_freep) struct model *two = new_model();
	_cleanup_(model_freep) struct model *changed = new_model();
	_cleanup_(model_freep) struct model *renamed = new_model();
	_cleanup_(model_freep) struct model *empty = new_model();

	(void)state;
	add_vip(two, "www", "web", "", 0, "a b");
	add_vip(two, "mail", "post", "", 1, "c d");
	next(&g, two, NULL, 100);
	assert_int_equal(g.n, 2);
	assert_null(generations_find(&g, "ftp", NULL));

	add_vip(changed, "mail", "post", "", 1, "c d-");
	add_vip(changed, "www", "web", "", 0, "a b");
	add_vip(changed, "ftp", "files", "", 2, "e f+");
	next(&g, changed, NULL, 200);
	assert_int_equal(g.n, 3);
	assert_vip(&g, "ftp", "e f <- e, 200 500 3800");
	assert_vip(&g, "mail", "c <- c d, 200 500 3800 leave 500");
	assert_vip(&g, "www", "a b");
	assert_int_equal(generations_find(&g, "www", NULL)->since, 100);

	/* By another name it is a new one, which knows nothing of d. */
	add_vip(renamed, "smtp", "post", "", 1, "c");
	next(&g, renamed, NULL, 300);
	assert_int_equal(g.n, 1);
	assert_vip(&g, "smtp", "c");

	next(&g, empty, NULL, 400);
	assert_int_equal(g.n, 0);
	assert_null(generations_find(&g, "smtp", NULL));
	next(&g, two, NULL, 500);
	assert_vip(&g, "mail", "c d");
}

static void limits_are_each_vip_s_own(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};
	_cleanup_(model_freep) struct model *model = new_model();
	_cleanup_(model_freep) struct model *more = new_model();

	(void)state;
	assert_int_equal(generations_next_limit(&g), INT64_MAX);
	assert_int_equal(generations_next_leave(&g), INT64_MAX);
	assert_false(generations_settle(&g, NULL, INT64_MAX));
	add_vip(model, "a", "a", "", 0, "a b");
	add_vip(model, "b", "b", "", 1, "a b-");
	add_vip(model, "c", "c", "", 2, "a b");
	next(&g, model, NULL, 100);
	add_vip(more, "a", "a", "", 0, "a b c+");
	add_vip(more, "b", "b", "", 1, "a b-");
	add_vip(more, "c", "c", "", 2, "a b");
	next(&g, more, NULL, 200);
	assert_int_equal(generations_moving(&g), 2);
	assert_int_equal(generations_next_leave(&g), 400);
	assert_int_equal(generations_next_limit(&g), 400);
	next(&g, more, NULL, 400);
	assert_vip(&g, "b", "a <- a b*, 100 400 3700");
	assert_int_equal(generations_next_leave(&g), INT64_MAX);
	assert_int_equal(generations_next_limit(&g), 3700);
	assert_false(generations_settle(&g, NULL, 3699));
	assert_true(generations_settle(&g, NULL, 3700));
	assert_false(generations_settle(&g, NULL, 3700));
	assert_vip(&g, "b", "a");
	assert_vip(&g, "a", "a b c <- a b, 200 500 3800");
	assert_int_equal(generations_next_limit(&g), 3800);
	assert_false(generations_settle(&g, "b", 3700));
	assert_false(generations_settle(&g, "c", 3700));
	assert_false(generations_settle(&g, "nobody", 3700));
	assert_true(generations_settle(&g, "a", 3700));
	assert_vip(&g, "a", "a b c");
	assert_int_equal(generations_next_limit(&g), INT64_MAX);
	assert_int_equal(generations_moving(&g), 0);
}

static void the_next_to_leave_is_the_soonest_of_all(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};
	_cleanup_(model_freep) struct model *first = new_model();
	_cleanup_(model_freep) struct model *second = new_model();

	(void)state;
	add_vip(first, "a", "a", "", 0, "a b");
	add_vip(first, "b", "b", "", 1, "a b-");
	next(&g, first, NULL, 100);
	assert_int_equal(generations_next_leave(&g), 400);
	add_vip(second, "a", "a", "", 0, "a b-");
	add_vip(second, "b", "b", "", 1, "a b-");
	next(&g, second, NULL, 200);
	assert_int_equal(generations_next_leave(&g), 400);
	next(&g, second, NULL, 400);
	assert_vip(&g, "a", "a <- a b, 200 500 3800 leave 500");
	assert_int_equal(generations_next_leave(&g), 500);
	assert_true(generations_settle(&g, "a", 401));
	assert_int_equal(generations_next_leave(&g), INT64_MAX);
}

/* Letter @c of the pool at network @net: has it left, with time to go? */
static bool leaves(const struct generations *g, const char *pool, uint8_t net, char c)
{
	const uint8_t bytes[4] = {10, 0, net, (uint8_t)c};
	const struct sluice_addr address = addr_from_bytes(AF_INET, bytes);

	return generations_leaving(g, pool, &address);
}

static void removed_ones_can_be_dismissed_at_once(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};
	_cleanup_(model_freep) struct model *first = new_model();
	_cleanup_(model_freep) struct model *second = new_model();

	(void)state;
	add_vip(first, "a", "a", "", 0, "a b c");
	add_vip(first, "b", "b", "", 1, "a b c");
	add_vip(first, "c", "c", "", 2, "a b");
	add_vip(first, "d", "d", "", 3, "a b");
	next(&g, first, NULL, 100);
	add_vip(second, "a", "a", "", 0, "a- b c");
	add_vip(second, "b", "b", "", 1, "b d:7");
	add_vip(second, "c", "c", "", 2, "a b");
	add_vip(second, "d", "d", "", 3, "a b c");
	next(&g, second, NULL, 200);
	assert_true(leaves(&g, "a", 0, 'a') && leaves(&g, "b", 1, 'c'));
	generations_dismiss(&g, second);
	/* Who is still declared, and drains, keeps its time. */
	assert_vip(&g, "a", "b c <- a b c, 200 500 3800 leave 500");
	assert_vip(&g, "b", "b d:7 <- a* b c*, 200 500 3800 leave 500");
	assert_vip(&g, "c", "a b");
	assert_vip(&g, "d", "a b c <- a b, 200 500 3800");
	assert_true(leaves(&g, "a", 0, 'a'));
	assert_false(leaves(&g, "a", 0, 'b') || leaves(&g, "b", 0, 'a'));
	assert_false(leaves(&g, "b", 1, 'a') || leaves(&g, "b", 1, 'c'));
	/* What follows leaves it so. */
	next(&g, second, NULL, 201);
	assert_vip(&g, "b", "b d:7 <- a* b c*, 200 500 3800 leave 500");
	next(&g, second, NULL, 500);
	assert_false(leaves(&g, "a", 0, 'a'));
}

static void who_is_leaving_can_be_asked(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};

	(void)state;
	assert_false(leaves(&g, "web", 0, 'a'));
	declare(&g, "a b", 100);
	assert_false(leaves(&g, "web", 0, 'a'));
	declare(&g, "a- b", 200);
	assert_true(leaves(&g, "web", 0, 'a'));
	assert_false(leaves(&g, "api", 0, 'a'));
	assert_false(leaves(&g, "web", 0, 'b'));
	assert_false(leaves(&g, "web", 0, 'c'));
	declare(&g, "a- b c", 300);
	assert_true(leaves(&g, "web", 0, 'a'));
	declare(&g, "a- b c-", 400);
	assert_true(leaves(&g, "web", 0, 'c'));
	declare(&g, "a! b c-", 401);
	assert_false(leaves(&g, "web", 0, 'a'));
	assert_true(leaves(&g, "web", 0, 'c'));
	declare(&g, "b c-", 700);
	assert_vip(&g, "www", "b <- a* b c:0*, 400 700 4000");
	assert_false(leaves(&g, "web", 0, 'c'));
}

static void who_is_back_is_not_leaving(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};

	(void)state;
	declare(&g, "a b c", 100);
	declare(&g, "a- b c", 200);
	declare(&g, "a b:7 c", 300);
	assert_vip(&g, "www", "a b:7 c <- a b c, 300 600 3900 leave 500");
	assert_false(leaves(&g, "web", 0, 'a'));
}

/* --------------------------------------------------------------------------- pools in `sources` */

/* Clients of VIP @vip go to the pool of VIP @to, or to its first backend. */
static void add_target(struct model *model, size_t vip, size_t to, bool backend)
{
	struct model_vip *v = &model->vips[vip];
	const struct model_pool *pool = &model->pools[to];

	v->targets = reallocarray(v->targets, v->n_targets + 1, sizeof(*v->targets));
	assert_non_null(v->targets);
	v->targets[v->n_targets++] =
		(struct model_target){pool, backend ? &pool->backends[0] : NULL};
}

static void assert_ring(const struct generations *g, const char *vip, const char *pool,
			const char *expected)
{
	const struct generation_vip *v = generations_find(g, vip, pool);
	char text[TEXT_MAX];

	assert_non_null(v);
	assert_string_equal(v->vip, vip);
	assert_string_equal(v->pool, pool ? pool : "");
	assert_string_equal(text_of(v, text), expected);
}

/* www on web, with targets in api and in web itself; api on api. */
static struct model *model_with_sources(const char *web, const char *api)
{
	struct model *model = new_model();

	add_vip(model, "www", "web", "", 0, web);
	add_vip(model, "api", "api", "", 1, api);
	add_target(model, 0, 1, false);
	add_target(model, 0, 1, true);
	add_target(model, 0, 0, false);
	return model;
}

/* One that was disabled for a while has the rest of its time when it only drains again. */
static void disabled_ones_that_drain_again_serve_until_their_time_is_over(void **state)
{
	static const struct sequence sequences[] = {
		{"disabled in between",
		 {{100, "a b", "a b"},
		  {200, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {210, "a! b", "b <- a* b, 200 500 3800 leave 500"},
		  {220, "a- b", "b <- a b, 200 500 3800 leave 500"},
		  {500, "a- b", "b <- a* b, 200 500 3800"},
		  {510, "a! b", "b <- a* b, 200 500 3800"},
		  {520, "a- b", "b <- a* b, 200 500 3800"}}},
		{"disabled, then removed",
		 {{100, "a b", "a b"},
		  {200, "a! b", "b <- a* b, 200 500 3800 leave 500"},
		  {210, "b", "b <- a* b, 200 500 3800 leave 500"}}},
	};

	(void)state;
	run_all(sequences, N(sequences));
}

static void epoch_waits_for_the_last_ring_of_the_vip(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};
	_cleanup_(model_freep) struct model *first = model_with_sources("a b", "a b");
	_cleanup_(model_freep) struct model *second = model_with_sources("a", "a b");
	_cleanup_(model_freep) struct model *third = model_with_sources("a", "a");

	(void)state;
	next(&g, first, NULL, 100);
	next(&g, second, NULL, 200);
	next(&g, third, NULL, 300);
	assert_true(generations_find(&g, "www", NULL)->moving);
	assert_true(generations_find(&g, "www", "api")->moving);
	assert_true(generations_settle(&g, NULL, 3800));
	assert_false(generations_find(&g, "www", NULL)->moving);
	assert_true(generations_find(&g, "www", "api")->moving);
	assert_int_equal(generations_find(&g, "www", NULL)->epoch, 0);
	assert_true(generations_settle(&g, NULL, 3900));
	assert_int_equal(generations_find(&g, "www", NULL)->epoch, 1);
}

static void rings_of_pools_in_sources_have_generations_of_their_own(void **state)
{
	_cleanup_(model_freep) struct model *first = model_with_sources("a b", "c d");
	_cleanup_(model_freep) struct model *second = model_with_sources("a b", "c d-");
	_cleanup_(model_freep) struct model *third = model_with_sources("a b e", "c d-");
	_cleanup_(model_freep) struct model *plain = new_model();
	_cleanup_(generations_fini) struct generations g = {0};

	(void)state;
	next(&g, first, NULL, 100);
	assert_int_equal(g.n, 4); /* a target that is one backend has no ring */
	assert_ring(&g, "www", NULL, "a b");
	assert_ring(&g, "www", "api", "c d");
	assert_ring(&g, "www", "web", "a b");
	assert_ring(&g, "api", NULL, "c d");
	assert_null(generations_find(&g, "api", "api"));
	assert_null(generations_find(&g, "www", "db"));
	next(&g, second, NULL, 200);
	assert_ring(&g, "www", NULL, "a b");
	assert_ring(&g, "www", "api", "c <- c d, 200 500 3800 leave 500");
	assert_ring(&g, "www", "web", "a b");
	assert_ring(&g, "api", NULL, "c <- c d, 200 500 3800 leave 500");
	next(&g, third, NULL, 500);
	assert_ring(&g, "www", NULL, "a b e <- a b, 500 800 4100");
	assert_ring(&g, "www", "api", "c <- c d*, 200 500 3800");
	assert_ring(&g, "www", "web", "a b e <- a b, 500 800 4100");
	/* Those of a VIP settle together where it is named, else each at its limit. */
	assert_true(generations_settle(&g, NULL, 3800));
	assert_ring(&g, "www", "api", "c");
	assert_int_equal(generations_find(&g, "www", NULL)->epoch, 0);
	assert_true(generations_settle(&g, "www", 3801));
	assert_ring(&g, "www", NULL, "a b e");
	assert_ring(&g, "www", "web", "a b e");
	add_vip(plain, "www", "web", "", 0, "a b e");
	next(&g, plain, NULL, 3900);
	assert_int_equal(g.n, 1);
	assert_int_equal(g.vips[0].epoch, 1);
	/* A pool that is named only now has no past but its states'. */
	next(&g, second, NULL, 4000);
	assert_ring(&g, "www", "api", "c <- c d, 4000 4300 7600 leave 4300");
}

/* ---------------------------------------------------------------------------------- any order */

/* Both rings of www. */
static void rings_text(const struct generations *g, char out[TEXT_MAX])
{
	const struct generation_vip *v = generations_find(g, "www", NULL);

	assert_non_null(v);
	out[0] = '\0';
	append_generation(out, &v->now);
	append(out, " <- ");
	append_generation(out, &v->old);
}

static void order_of_changes_does_not_matter(void **state)
{
	/* Words of the pool before and after each of three changes. */
	static const char *const before[] = {"a", "b", ""}, *const after[] = {"a-", "b:50", "d+"};
	static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					{1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	(void)state;
	for (size_t i = 0; i < N(orders); i++) {
		_cleanup_(generations_fini) struct generations g = {0};
		bool done[3] = {false};
		char text[TEXT_MAX];

		declare(&g, "a b c", 100);
		for (int step = 0; step < 3; step++) {
			done[orders[i][step]] = true;
			snprintf(text, sizeof(text), "c %s %s %s", (done[0] ? after : before)[0],
				 (done[1] ? after : before)[1], (done[2] ? after : before)[2]);
			declare(&g, text, 200 + step);
		}
		rings_text(&g, text);
		assert_string_equal(text, "b:50 c d <- a b c");
	}
}

static void balancer_that_starts_now_agrees_with_one_that_saw_the_changes(void **state)
{
	static const char *const paths[][4] = {
		{"a b c", "a- b c", "a- b c d+", NULL},
		{"a b c", "a b c d+", "a- b c d+", NULL},
		{"a b c", "a- b c d+", NULL},
		{"d! c b a", "a b c d+", "c a- d+ b", NULL},
	};
	_cleanup_(generations_fini) struct generations fresh = {0};
	char expected[TEXT_MAX], text[TEXT_MAX];

	(void)state;
	declare(&fresh, "d+ c b a-", 1000);
	rings_text(&fresh, expected);
	assert_string_equal(expected, "b c d <- a b c");
	for (size_t i = 0; i < N(paths); i++) {
		_cleanup_(generations_fini) struct generations g = {0};

		for (int step = 0; paths[i][step]; step++)
			declare(&g, paths[i][step], 100 + step);
		rings_text(&g, text);
		assert_string_equal(text, expected);
	}
}

/* -------------------------------------------------------------------------------------- on disk */

static struct tempdir dir;
static char state_dir[64];
static char file[96];

static int make_dir(void **state)
{
	(void)state;
	if (tempdir_init(&dir) != 0)
		return -1;
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir.path);
	snprintf(file, sizeof(file), "%s/generations.json", state_dir);
	return mkdir(state_dir, 0750);
}

static int remove_dir(void **state)
{
	(void)state;
	tempdir_fini(&dir);
	return 0;
}

static void save(const struct generations *g)
{
	_cleanup_(diag_fini) struct diag diag = {0};

	assert_int_equal(generations_save(g, state_dir, &diag), 0);
	assert_int_equal(diag.n, 0);
}

static void load(struct generations *out)
{
	_cleanup_(diag_fini) struct diag diag = {0};

	assert_int_equal(generations_load(out, state_dir, &diag), 0);
	assert_int_equal(diag.n, 0);
}

static char *file_text(void)
{
	char *text = calloc(1, 65536);
	FILE *f = fopen(file, "r");

	assert_true(text && f);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* What is saved and loaded is the same, names too, and would be saved as the same file. */
static void assert_comes_back(const struct generations *g)
{
	_cleanup_(generations_fini) struct generations loaded = {.n = 0};
	_cleanup_(freep) char *first = NULL, *second = NULL;
	char saved[TEXT_MAX], back[TEXT_MAX];

	save(g);
	first = file_text();
	load(&loaded);
	all_text(g, saved);
	all_text(&loaded, back);
	assert_string_equal(saved, back);
	save(&loaded);
	second = file_text();
	assert_string_equal(first, second);
}

/*
 * One at rest, one that moves, one that is back, one with other parameters and IPv6, one with a member
 * that is gone and an epoch; and the ring of a pool in sources.
 */
static void fill(struct generations *g)
{
	static const char *const steps[] = {"b c", "b- c", "b c"};

	for (size_t i = 0; i < N(steps); i++) {
		_cleanup_(model_freep) struct model *model = new_model();

		add_vip(model, "www", "web", "w", 0, "c b a");
		add_vip(model, "tls", "web-2", "x", 1, i ? "a:7 b- c+" : "a b");
		add_vip(model, "dns", "dns", "", 2, steps[i]);
		add_vip(model, "six", "six", "", 3, i ? "v1 4093 a:65535" : "a:1");
		add_vip(model, "out", "out", "", 4, i ? "a! b" : "a b");
		add_target(model, 0, 1, false);
		for (size_t b = 0; b < 3; b++)
			model->pools[0].backends[b].hint = (uint16_t)(65535 - b);
		model->pools[4].backends[0].hint = 7;
		assert_int_equal(addr_parse(&model->pools[3].backends[0].address, "2001:db8::a"),
				 0);
		next(g, model, NULL, (INT64_C(1) << 40) + (int64_t)i);
	}
	generations_find(g, "out", NULL)->epoch = 255;
}

static void saved_generations_come_back(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0}, loaded = {0};
	const struct generations none = {0};

	(void)state;
	fill(&g);
	assert_true(generations_find(&g, "dns", NULL)->back);
	assert_comes_back(&g);
	load(&loaded);
	assert_names(&generations_find(&loaded, "tls", NULL)->old, "web-2/xa web-2/xb");
	assert_names(&generations_find(&loaded, "six", NULL)->now, "six/a");
	assert_ring(&loaded, "www", "web-2",
		    "a:7 c <- a b, 1099511627777 1099511628077 1099511631377 leave "
		    "1099511628077");
	assert_vip(&loaded, "out",
		   "b <- a* b, 1099511627777 1099511628077 1099511631377 leave 1099511628077");
	assert_int_equal(generations_find(&loaded, "out", NULL)->epoch, 255);
	assert_int_equal(generations_find(&loaded, "out", NULL)->old.members[0].hint, 7);
	assert_int_equal(generations_find(&loaded, "www", NULL)->now.members[0].hint, 65533);
	generations_fini(&loaded);

	save(&none);
	loaded.n = 42;
	load(&loaded);
	assert_int_equal(loaded.n, 0);
}

static void missing_file_is_an_empty_list(void **state)
{
	struct generations g = {.n = 42};

	(void)state;
	load(&g);
	assert_int_equal(g.n, 0);
	assert_null(g.vips);
}

static void move_goes_on_after_a_restart(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0}, loaded = {0};

	(void)state;
	declare(&g, "a b c", 100);
	declare(&g, "a- b c", 200);
	save(&g);
	load(&loaded);
	/* The config has changed meanwhile. */
	declare(&loaded, "a- b c d+", 300);
	assert_vip(&loaded, "www", "b c d <- a b c, 300 600 3900 leave 500");
}

static void same_declarations_make_the_same_file(void **state)
{
	static const char *const orders[] = {"a b-:7 c+ d!", "d! c+ b-:7 a", "c+ a d! b-:7"};
	_cleanup_(freep) char *expected = NULL;

	(void)state;
	for (size_t i = 0; i < N(orders); i++) {
		_cleanup_(generations_fini) struct generations g = {0};
		_cleanup_(model_freep) struct model *model = new_model();
		_cleanup_(freep) char *text = NULL;

		add_vip(model, i ? "www" : "mail", i ? "web" : "post", "", i ? 0 : 1, orders[i]);
		add_vip(model, i ? "mail" : "www", i ? "post" : "web", "", i ? 1 : 0, orders[0]);
		next(&g, model, NULL, 100);
		save(&g);
		text = file_text();
		if (expected)
			assert_string_equal(text, expected);
		else
			expected = TAKE(text);
	}
}

/* ------------------------------------------------------------------------------------- garbage */

/* Loading fails with @err, a message that has @words, file and way out, and @out untouched. */
static void assert_refused(int err, const char *words)
{
	struct generation_vip *const untouched = (struct generation_vip *)&err;
	struct generations out = {.vips = untouched, .n = 42};
	_cleanup_(diag_fini) struct diag diag = {0};
	_cleanup_(freep) char *text = NULL;

	assert_int_equal(generations_load(&out, state_dir, &diag), err);
	assert_ptr_equal(out.vips, untouched);
	assert_int_equal(out.n, 42);
	assert_int_equal(diag.n, 1);
	text = diag_entry_text(&diag.entries[0]);
	assert_non_null(text);
	if (!strstr(text, words) || strncmp(text, file, strlen(file)) != 0 ||
	    !strstr(text, "move it away to start from what the config declares"))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}

#define MEMBER(address) \
	"{\"pool\": \"web\", \"backend\": \"a\", \"address\": \"" address "\", \"weight\": 100}"
#define RING(maglev, size, members) \
	"{\"maglev\": \"" maglev "\", \"ring_size\": " size ", \"members\": " members "}"
#define NOW RING("v2", "65537", "[" MEMBER("10.0.0.1") "]")
#define OLD RING("v2", "65537", "[" MEMBER("10.0.0.2") "]")
#define VIP(name, rest) "{\"vip\": \"" name "\", \"since\": 5" rest "}"
#define FILE_WITH(vip) "{\"version\": 1, \"vips\": [" vip "]}"
#define WITH_NOW(now) FILE_WITH(VIP("www", ", \"now\": " now))
#define WITH_MEMBERS(members) WITH_NOW(RING("v2", "65537", members))
#define WITH_MEMBER(fields) WITH_MEMBERS("[{" fields "}]")
#define WEB_A "\"pool\": \"web\", \"backend\": \"a\", \"address\": \"10.0.0.1\", \"weight\": 1"
#define MOVE ", \"old\": " OLD ", \"soonest\": 6, \"limit\": 7, \"back\": true"
#define MOVES(rest) FILE_WITH(VIP("www", ", \"now\": " NOW rest))
#define TEN "0123456789"
#define NAME_OF_64 TEN TEN TEN TEN TEN TEN "0123"

static void file_that_sluice_would_not_write_is_refused(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{"garbage", ":1: "},
		{"[]", "Expected object"},
		{"{\"version\": 2, \"vips\": {\"new\": true}}", "version 2"},
		{"{\"version\": 1}", "\"vips\" is not a list"},
		{"{\"version\": 1, \"vips\": [], \"colour\": 1}", "unknown field \"colour\""},
		{FILE_WITH("1"), "vip 1: Expected object, got integer"},
		{FILE_WITH("{}"), "vip 1: "},
		{FILE_WITH(VIP("www", "")), "now"},
		{FILE_WITH(VIP("", ", \"now\": " NOW)), "name"},
		{FILE_WITH(VIP(NAME_OF_64, ", \"now\": " NOW)), "name"},
		{FILE_WITH(VIP("www", ", \"now\": " NOW ", \"colour\": 1")),
		 "vip 1: unknown field \"colour\""},
		{FILE_WITH("{\"vip\": \"www\", \"since\": -1, \"now\": " NOW "}"), "negative"},
		{FILE_WITH("{\"vip\": \"www\", \"since\": \"now\", \"now\": " NOW "}"),
		 "got string"},
		{FILE_WITH(VIP("b", ", \"now\": " NOW) "," VIP("a", ", \"now\": " NOW)),
		 "vip 2: not in the order"},
		{FILE_WITH(VIP("a", ", \"now\": " NOW) "," VIP("a", ", \"now\": " NOW)),
		 "vip 2: not in the order"},
		{WITH_NOW("[]"), "\"now\": Expected object, got array"},
		{WITH_NOW("{}"), "\"now\": "},
		{WITH_NOW(RING("v3", "65537", "[]")), "unknown \"maglev\""},
		{WITH_NOW(RING("v2", "65536", "[]")), "no size of a ring"},
		{WITH_NOW(RING("v2", "-4294963203", "[]")), "no size of a ring"},
		{WITH_NOW(RING("v2", "0", "[]")), "no size of a ring"},
		{WITH_NOW(RING("v2", "33554467", "[]")), "no size of a ring"},
		{WITH_NOW(RING("v2", "4294971389", "[]")), "no size of a ring"},
		{WITH_NOW(RING("v2", "4093", "{}")), "not a list"},
		{WITH_NOW(RING("v2", "4093, \"colour\": 1", "[]")), "not known"},
		{WITH_MEMBERS("[" MEMBER("10.0.0.1") ", 1]"), "\"now\": member 2: Expected object"},
		{WITH_MEMBERS("[" MEMBER("10.0.0.2") "," MEMBER("10.0.0.1") "]"),
		 "\"now\": member 2: not in the order"},
		{WITH_MEMBERS("[" MEMBER("10.0.0.1") "," MEMBER("::ffff:10.0.0.1") "]"),
		 "\"now\": member 2: not in the order"},
		{WITH_MEMBERS("[" MEMBER("10.0.0") "]"), "not the address of one host"},
		{WITH_MEMBERS("[" MEMBER("224.0.0.1") "]"), "not the address of one host"},
		{WITH_MEMBER("\"pool\": \"web\", \"backend\": \"a\", \"weight\": 1"), "address"},
		{WITH_MEMBER("\"pool\": \"\", \"backend\": \"a\", \"address\": \"10.0.0.1\", "
			     "\"weight\": 1"),
		 "name"},
		{WITH_MEMBER("\"pool\": \"web\", \"backend\": \"" NAME_OF_64
			     "\", \"address\": \"10.0.0.1\", \"weight\": 1"),
		 "name"},
		{WITH_MEMBER("\"pool\": \"web\", \"backend\": \"a\", \"address\": \"10.0.0.1\", "
			     "\"weight\": -1"),
		 "outside 0..65535"},
		{WITH_MEMBER("\"pool\": \"web\", \"backend\": \"a\", \"address\": \"10.0.0.1\", "
			     "\"weight\": 4294967297"),
		 "outside 0..65535"},
		{WITH_MEMBER("\"pool\": \"web\", \"backend\": \"a\", \"address\": \"10.0.0.1\", "
			     "\"weight\": 1, \"state\": \"active\""),
		 "not known"},
		{MOVES(", \"old\": " OLD), "together"},
		{MOVES(", \"old\": " OLD ", \"soonest\": 6, \"limit\": 7"), "together"},
		{MOVES(", \"old\": " OLD ", \"soonest\": 6, \"back\": true"), "together"},
		{MOVES(", \"old\": " OLD ", \"limit\": 7, \"back\": true"), "together"},
		{MOVES(", \"back\": true"), "together"},
		{MOVES(", \"old\": null, \"soonest\": 6, \"limit\": 7, \"back\": true"),
		 "\"old\": Expected object, got null"},
		{MOVES(", \"old\": " OLD ", \"soonest\": 4, \"limit\": 7, \"back\": true"),
		 "do not follow"},
		{MOVES(", \"old\": " OLD ", \"soonest\": 8, \"limit\": 7, \"back\": true"),
		 "do not follow"},
		{MOVES(", \"old\": " OLD ", \"soonest\": 6, \"limit\": 7, \"back\": 1"),
		 "got integer"},
		{MOVES(", \"old\": " NOW ", \"soonest\": 6, \"limit\": 7, \"back\": false"),
		 "the same"},
		{MOVES(", \"epoch\": -1"), "\"epoch\" is outside 0..255"},
		{MOVES(", \"epoch\": 256"), "\"epoch\" is outside 0..255"},
		{MOVES(", \"epoch\": \"1\""), "got string"},
		{MOVES(", \"pool\": \"" NAME_OF_64 "\""), "name"},
		{MOVES(", \"pool\": 1"), "got integer"},
		{FILE_WITH(VIP("a", ", \"pool\": \"x\", \"now\": " NOW) "," VIP("a",
										", \"now\": " NOW)),
		 "vip 2: not in the order"},
		{FILE_WITH(VIP("a", ", \"pool\": \"x\", \"now\": " NOW) "," VIP(
			 "a", ", \"pool\": \"x\", \"now\": " NOW)),
		 "vip 2: not in the order"},
		{MOVES(", \"leave\": 6"), "\"leave\" without \"old\""},
		{MOVES(MOVE ", \"leave\": 4"), "do not follow"},
		{MOVES(MOVE ", \"leave\": \"never\""), "got string"},
		{WITH_MEMBER(WEB_A ", \"hint\": -1"), "\"hint\" is outside 0..65535"},
		{WITH_MEMBER(WEB_A ", \"hint\": 65536"), "\"hint\" is outside 0..65535"},
		{WITH_MEMBER(WEB_A ", \"hint\": 4294967297"), "\"hint\" is outside 0..65535"},
		{WITH_MEMBER(WEB_A ", \"gone\": 1"), "got integer"},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		write_file(cases[i].text);
		assert_refused(-EINVAL, cases[i].words);
	}
}

/* The format is a promise: a daemon that was updated reads what the older one wrote. */
static void file_of_version_1_is_read(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};

	(void)state;
	write_file(FILE_WITH(VIP("a", ", \"now\": " RING("v1", "4093", "[]")) "," VIP(
		"www", ", \"now\": " NOW ", \"old\": " OLD
		       ", \"soonest\": 6, \"limit\": 7, \"back\": true")));
	load(&g);
	assert_vip(&g, "a", "v1 4093");
	assert_vip(&g, "www", "\x01 <- \x02, 5 6 7 back");
	assert_ring(&g, "www", NULL, "\x01 <- \x02, 5 6 7 back");
	for (size_t i = 0; i < g.n; i++)
		assert_int_equal(g.vips[i].epoch, 0);
	assert_int_equal(g.vips[1].now.members[0].hint, 0);
}

static void file_with_all_fields_is_read(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};
	const struct generation_vip *v;

	(void)state;
	write_file(FILE_WITH(VIP("www", ", \"now\": " NOW ", \"epoch\": 255") "," VIP(
		"www",
		", \"pool\": \"api\", \"epoch\": 0, \"leave\": 6, \"now\": " NOW
		", \"old\": " RING("v2", "65537",
				   "[{" WEB_A ", \"hint\": 65535, \"disabled\": true, \"gone\": "
				   "true}]") ", \"soonest\": 6, \"limit\": 7, "
					     "\"back\": false")));
	load(&g);
	assert_ring(&g, "www", NULL, "\x01");
	assert_ring(&g, "www", "api", "\x01 <- \x01:1*, 5 6 7 leave 6");
	v = generations_find(&g, "www", "api");
	assert_int_equal(v->old.members[0].hint, 65535);
	assert_true(v->old.members[0].gone && v->old.members[0].disabled);
	assert_int_equal(generations_find(&g, "www", NULL)->epoch, 255);
	assert_comes_back(&g);
}

static void any_truncation_is_refused(void **state)
{
	_cleanup_(generations_fini) struct generations g = {0};
	_cleanup_(freep) char *text = NULL;

	(void)state;
	declare(&g, "a b", 100);
	declare(&g, "a! b", 200);
	save(&g);
	text = file_text();
	for (size_t size = strlen(text); size-- > 0;) {
		text[size] = '\0';
		write_file(text);
		assert_refused(-EINVAL, ": ");
	}
}

static void file_that_cannot_be_written_is_reported(void **state)
{
	const struct generations none = {0};
	_cleanup_(diag_fini) struct diag diag = {0};

	(void)state;
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(generations_save(&none, state_dir, &diag), -EISDIR);
	assert_int_equal(diag.n, 1);
	assert_string_equal(diag.entries[0].file, file);
	assert_refused(-EIO, "cannot be read");
}

/* --------------------------------------------------------------------------------- random walks */

static unsigned int pick(unsigned int *seed, unsigned int n)
{
	return (unsigned int)rand_r(seed) % n;
}

static void random_pool(unsigned int *seed, char out[TEXT_MAX])
{
	static const char *const states[] = {"", "", "+", "-", "!"};

	out[0] = '\0';
	for (char c = 'a'; c < 'e'; c++)
		if (pick(seed, 5))
			append(out, " %c%s%s", c, states[pick(seed, N(states))],
			       pick(seed, 3) ? "" : ":50");
}

/* Who is gone, and who is not, of a VIP that moves. */
static void check_members(const struct generation_vip *v, const struct model_pool *pool)
{
	for (size_t i = 0; i < v->now.n_members; i++)
		assert_false(v->now.members[i].gone);
	for (size_t i = 0; i < v->old.n_members; i++) {
		const struct generation_member *m = &v->old.members[i];
		bool stays = false, disabled = false;

		for (size_t k = 0; k < v->now.n_members; k++)
			stays |= addr_equal(&v->now.members[k].address, &m->address);
		for (size_t k = 0; k < pool->n_backends; k++)
			if (addr_equal(&pool->backends[k].address, &m->address))
				disabled = pool->backends[k].state == MODEL_STATE_DISABLED;
		if (stays)
			assert_false(generation_member_out(m));
		else if (disabled || v->leave == INT64_MAX)
			assert_true(generation_member_out(m));
	}
}

static void random_changes_keep_what_always_holds(void **state)
{
	unsigned int seed = 20260726;
	int64_t now = 1000;

	(void)state;
	for (int walk = 0; walk < 40; walk++) {
		_cleanup_(generations_fini) struct generations g = {0};
		struct generation_vip before = {0}; /* its times only */
		uint8_t ended = 0;

		for (int step = 0; step < 25; step++) {
			char pool[TEXT_MAX];
			_cleanup_(model_freep) struct model *model = NULL;
			const struct generation_vip *v;

			now += pick(&seed, 4) ? pick(&seed, 200) : pick(&seed, 4000);
			ended += generations_settle(&g, pick(&seed, 8) ? NULL : "www", now);
			v = generations_find(&g, "www", NULL);
			before = v ? *v : before;
			random_pool(&seed, pool);
			model = model_of(pool);
			next(&g, model, NULL, now);
			v = generations_find(&g, "www", NULL);
			assert_non_null(v);
			assert_true(v->since <= now);
			if (v->moving) {
				assert_false(generation_equal(&v->old, &v->now));
				assert_in_range(v->soonest, v->since, v->limit);
				assert_in_range(v->limit, now + 1, now + 3600);
				check_members(v, &model->pools[0]);
			}
			assert_true(v->leave > now);
			assert_int_equal(v->epoch, ended);
			if (before.moving) {
				assert_true(v->moving);
				assert_true(v->limit >= before.limit);
				assert_true(v->soonest >= before.soonest);
			}
		}
		assert_comes_back(&g);
	}
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_changes_keep_what_was_before),
		cmocka_unit_test(what_makes_no_other_ring_moves_nothing),
		cmocka_unit_test(changes_before_the_settling_keep_the_first_old_generation),
		cmocka_unit_test(change_that_is_taken_back_keeps_the_generation_between),
		cmocka_unit_test(change_after_the_settling_begins_anew),
		cmocka_unit_test(first_generation_comes_from_the_declared_states),
		cmocka_unit_test(those_who_left_are_gone_when_their_time_is_over),
		cmocka_unit_test(times_are_those_of_the_config_and_at_least_an_hour),
		cmocka_unit_test(epochs_count_the_moves_that_ended),
		cmocka_unit_test(operator_s_states_and_weights_count_before_the_config_s),
		cmocka_unit_test(wish_is_a_change_like_the_config_s),
		cmocka_unit_test(address_says_who_a_backend_is_and_names_follow),
		cmocka_unit_test(vips_come_go_and_change_apart),
		cmocka_unit_test(limits_are_each_vip_s_own),
		cmocka_unit_test(the_next_to_leave_is_the_soonest_of_all),
		cmocka_unit_test(removed_ones_can_be_dismissed_at_once),
		cmocka_unit_test(epoch_waits_for_the_last_ring_of_the_vip),
		cmocka_unit_test(disabled_ones_that_drain_again_serve_until_their_time_is_over),
		cmocka_unit_test(who_is_leaving_can_be_asked),
		cmocka_unit_test(who_is_back_is_not_leaving),
		cmocka_unit_test(rings_of_pools_in_sources_have_generations_of_their_own),
		cmocka_unit_test(order_of_changes_does_not_matter),
		cmocka_unit_test(balancer_that_starts_now_agrees_with_one_that_saw_the_changes),
		ON_DISK(saved_generations_come_back),
		ON_DISK(missing_file_is_an_empty_list),
		ON_DISK(move_goes_on_after_a_restart),
		ON_DISK(same_declarations_make_the_same_file),
		ON_DISK(file_that_sluice_would_not_write_is_refused),
		ON_DISK(file_of_version_1_is_read),
		ON_DISK(file_with_all_fields_is_read),
		ON_DISK(any_truncation_is_refused),
		ON_DISK(file_that_cannot_be_written_is_reported),
		ON_DISK(random_changes_keep_what_always_holds),
	};

	return cmocka_run_group_tests_name("daemon/generations", tests, NULL, NULL);
}
