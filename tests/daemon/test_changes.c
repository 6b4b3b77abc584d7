/* SPDX-License-Identifier: MIT */
/*
 * Two desired states, and the lines between them.
 */
#include "daemon/changes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/fixture.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* One side: a config, the operator's wishes on it ("pool/backend=state,weight"), a way for all. */
struct side {
	const char *config; /* NULL: nothing at all */
	const char *wish;
	enum desired_way way;
};

struct built {
	struct model *model;
	struct wishes wishes;
	struct desired *desired;
};

static struct ring_cache rings;

static bool nexthop(const void *ctx, const struct sluice_addr *addr, struct link_nexthop *out)
{
	static const enum link_state states[] = {
		[DESIRED_WAY_NO_ROUTE] = LINK_NO_ROUTE,
		[DESIRED_WAY_RESOLVING] = LINK_RESOLVING,
		[DESIRED_WAY_READY] = LINK_READY,
		[DESIRED_WAY_LOCAL] = LINK_LOCAL,
	};

	(void)addr;
	*out = (struct link_nexthop){.state = states[*(const enum desired_way *)ctx]};
	return true;
}

static void set_wish(struct wishes *wishes, const char *text)
{
	char pool[16], name[16], word[16];
	enum model_state state;
	unsigned int weight;

	if (!text)
		return;
	assert_int_equal(sscanf(text, "%15[^/]/%15[^=]=%15[^,],%u", pool, name, word, &weight), 4);
	if (model_state_parse(&state, word) == 0)
		assert_int_equal(wishes_set_state(wishes, pool, name, &state, 1), 0);
	if (weight)
		assert_int_equal(wishes_set_weight(wishes, pool, name, weight), 0);
}

static void build(struct built *b, const struct side *side, const struct generations *generations)
{
	static const struct desired_port port;
	struct desired_input input = {
		.wishes = &b->wishes,
		.generations = generations,
		.ports = &port,
		.nexthop = nexthop,
		.nexthop_ctx = &side->way,
		.rings = &rings,
	};
	char text[1024];

	*b = (struct built){0};
	if (!side->config)
		return;
	snprintf(text, sizeof(text), "interfaces = ( { name = \"eth0\"; } );\n%s", side->config);
	b->model = fixture_model(text);
	input.model = b->model;
	set_wish(&b->wishes, side->wish);
	assert_int_equal(desired_build(&b->desired, &input), 0);
}

static void built_fini(struct built *b)
{
	desired_free(b->desired);
	wishes_fini(&b->wishes);
	model_free(b->model);
}

static void print_line(void *ctx, const char *text)
{
	fprintf(ctx, "%s\n", text);
}

#define BACKEND(name, last, more) "{ name = \"" name "\"; address = \"10.0.0." #last "\"; " more "}"
#define POOL(name, backends) "{ name = \"" name "\"; backends = ( " backends " ); }"
#define VIP(name, address, port, protocol, pool, more) \
	"{ name = \"" name "\"; address = \"" address "\"; port = " #port \
	"; protocol = \"" protocol "\"; pool = \"" pool "\"; ring_size = 4093; " more "}"
#define WWW(pool, more) VIP("www", "192.0.2.1", 80, "tcp", pool, more)
#define CONFIG(pools, vips) "pools = ( " pools " );\nvips = ( " vips " );\n"
#define TWO BACKEND("a", 1, "") ", " BACKEND("b", 2, "")
#define TWO_POOLS POOL("web", TWO) ", " POOL("api", BACKEND("a", 3, ""))

static const struct change_case {
	struct side from;
	struct side to;
	const char *lines;
} change_cases[] = {
	{{.config = NULL}, {.config = CONFIG("", "")}, ""},
	{{.config = CONFIG(TWO_POOLS, WWW("web", ""))},
	 {.config = CONFIG(TWO_POOLS, WWW("web", ""))},
	 ""},
	/* In the order of pools, backends, VIPs by name, whatever the order in the file. */
	{{.config = NULL},
	 {.config = CONFIG(POOL("web", BACKEND("b", 2, "") ", " BACKEND("a", 1, "")) ", " POOL(
				   "api", BACKEND("a", 3, "")),
			   WWW("web", "") ", " VIP("dns", "192.0.2.1", 53, "udp", "api", ""))},
	 "backend a of pool api: added\n"
	 "backend a of pool web: added\n"
	 "backend b of pool web: added\n"
	 "vip dns: added\n"
	 "vip www: added\n"},
	{{.config = CONFIG(TWO_POOLS, WWW("web", ""))},
	 {.config = CONFIG("", "")},
	 "backend a of pool api: removed\n"
	 "backend a of pool web: removed\n"
	 "backend b of pool web: removed\n"
	 "vip www: removed\n"},
	{{.config = CONFIG(POOL("web", TWO), "")},
	 {.config = CONFIG(POOL("web", BACKEND("b", 2, "") ", " BACKEND("c", 1, "")), "")},
	 "backend a of pool web: removed\n"
	 "backend c of pool web: added\n"},
	{{.config = CONFIG(POOL("web", TWO), "")},
	 {.config = CONFIG(POOL("web", BACKEND("b", 2, "") ", " BACKEND("a", 9, "")), "")},
	 "backend a of pool web: address 10.0.0.1 -> 10.0.0.9\n"},
	/* States and weights, and whose they are. */
	{{.config = CONFIG(POOL("web", TWO), "")},
	 {.config = CONFIG(POOL("web", BACKEND("a", 1, "state = \"draining\"; ") ", " BACKEND(
					       "b", 2, "weight = 50; ")),
			   "")},
	 "backend a of pool web: active -> draining, by the config\n"
	 "backend b of pool web: weight 100 -> 50, by the config\n"},
	{{.config = CONFIG(POOL("web", TWO), "")},
	 {.config = CONFIG(POOL("web", TWO), ""), .wish = "web/b=disabled,7"},
	 "backend b of pool web: active -> disabled, by the operator\n"
	 "backend b of pool web: weight 100 -> 7, by the operator\n"},
	{{.config = CONFIG(POOL("web", TWO), ""), .wish = "web/b=disabled,7"},
	 {.config = CONFIG(POOL("web", TWO), "")},
	 "backend b of pool web: disabled -> active, by the config\n"
	 "backend b of pool web: weight 7 -> 100, by the config\n"},
	{{.config = CONFIG(POOL("web", TWO), ""), .wish = "web/b=draining,0"},
	 {.config = CONFIG(POOL("web",
				BACKEND("a", 1, "") ", " BACKEND("b", 2, "state = \"draining\"; ")),
			   "")},
	 ""},
	/* Ways. */
	{{.config = CONFIG(POOL("web", BACKEND("a", 1, "")), ""), .way = DESIRED_WAY_RESOLVING},
	 {.config = CONFIG(POOL("web", BACKEND("a", 1, "")), ""), .way = DESIRED_WAY_READY},
	 "backend a of pool web: next hop resolving -> ready\n"},
	{{.config = CONFIG(POOL("web", BACKEND("a", 1, "")), ""), .way = DESIRED_WAY_LOCAL},
	 {.config = CONFIG(POOL("web", BACKEND("a", 9, "weight = 1; state = \"disabled\"; ")), ""),
	  .way = DESIRED_WAY_NO_ROUTE},
	 "backend a of pool web: address 10.0.0.1 -> 10.0.0.9\n"
	 "backend a of pool web: active -> disabled, by the config\n"
	 "backend a of pool web: weight 100 -> 1, by the config\n"
	 "backend a of pool web: next hop local -> no_route\n"},
	/* VIPs. */
	{{.config = CONFIG(POOL("web", TWO), WWW("web", ""))},
	 {.config = CONFIG(POOL("web", TWO), VIP("www", "192.0.2.2", 80, "tcp", "web", ""))},
	 "vip www: address, port or protocol changed\n"},
	{{.config = CONFIG(POOL("web", TWO), WWW("web", ""))},
	 {.config = CONFIG(POOL("web", TWO), VIP("www", "192.0.2.1", 81, "tcp", "web", ""))},
	 "vip www: address, port or protocol changed\n"},
	{{.config = CONFIG(POOL("web", TWO), WWW("web", ""))},
	 {.config = CONFIG(POOL("web", TWO), VIP("www", "192.0.2.1", 80, "udp", "web", ""))},
	 "vip www: address, port or protocol changed\n"},
	{{.config = CONFIG(POOL("web", TWO), WWW("web", ""))},
	 {.config = CONFIG(POOL("web", TWO), VIP("new", "192.0.2.1", 80, "tcp", "web", ""))},
	 "vip new: added\n"
	 "vip www: removed\n"},
	{{.config = CONFIG(TWO_POOLS, WWW("web", ""))},
	 {.config = CONFIG(TWO_POOLS, WWW("api", ""))},
	 "vip www: pool web -> api\n"},
	{{.config = CONFIG(POOL("web", TWO), WWW("web", ""))},
	 {.config = CONFIG(POOL("web", TWO), WWW("web", "maglev = \"v1\"; "))},
	 "vip www: ring v2 of 4093 slots -> v1 of 4093\n"},
	{{.config = CONFIG(
		  POOL("web", TWO),
		  "{ name = \"www\"; address = \"192.0.2.1\"; port = 80; protocol = \"tcp\"; "
		  "pool = \"web\"; ring_size = 16381; }")},
	 {.config = CONFIG(POOL("web", TWO), WWW("web", ""))},
	 "vip www: ring v2 of 16381 slots -> v2 of 4093\n"},
	{{.config = CONFIG(POOL("web", TWO), WWW("web", ""))},
	 {.config = CONFIG(POOL("web", TWO), WWW("web", "tcp_server_id = true; "))},
	 "vip www: hash, ids, track, hint or failover changed\n"},
	{{.config = CONFIG(POOL("web", TWO), WWW("web", "deny = [ \"10.0.0.0/8\" ]; "))},
	 {.config = CONFIG(POOL("web", TWO), WWW("web", "deny = [ \"10.0.0.0/9\" ]; "))},
	 "vip www: clients in allow or deny changed\n"},
	{{.config = CONFIG(POOL("web", TWO),
			   WWW("web",
			       "sources = ( { prefix = \"10.0.0.0/8\"; backend = \"a\"; } ); "))},
	 {.config = CONFIG(POOL("web", TWO),
			   WWW("web",
			       "sources = ( { prefix = \"10.0.0.0/8\"; backend = \"b\"; } ); "))},
	 "vip www: clients in sources changed\n"},
};

static void each_change_is_one_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(change_cases); i++) {
		_cleanup_(built_fini) struct built from = {0};
		_cleanup_(built_fini) struct built to = {0};
		char *lines = NULL;
		size_t size;
		FILE *out = open_memstream(&lines, &size);

		assert_non_null(out);
		build(&from, &change_cases[i].from, NULL);
		build(&to, &change_cases[i].to, NULL);
		changes_list(from.desired, to.desired, print_line, out);
		fclose(out);
		assert_string_equal(lines, change_cases[i].lines);
		free(lines);
	}
	ring_cache_fini(&rings);
}

/* One that left is told of when it is taken out, not once more when its flows have settled. */
static void a_backend_that_is_leaving_counts_as_gone(void **state)
{
	static const struct side two = {.config = CONFIG(POOL("web", TWO), WWW("web", ""))};
	static const struct side one = {
		.config = CONFIG(POOL("web", BACKEND("a", 9, "")), WWW("web", ""))};
	_cleanup_(generations_fini) struct generations before = {0};
	_cleanup_(generations_fini) struct generations moving = {0};
	_cleanup_(built_fini) struct built from = {0};
	_cleanup_(built_fini) struct built to = {0};
	char *lines = NULL;
	size_t size;
	FILE *out = open_memstream(&lines, &size);

	(void)state;
	assert_non_null(out);
	build(&from, &two, NULL);
	build(&to, &one, NULL);
	assert_int_equal(generations_next(&before, &moving, from.model, &from.wishes, 1), 0);
	assert_int_equal(generations_next(&moving, &before, to.model, &to.wishes, 2), 0);
	built_fini(&to);
	build(&to, &one, &moving);
	assert_int_equal(to.desired->n_backends, 3);
	changes_list(from.desired, to.desired, print_line, out);
	fprintf(out, "settled\n");
	built_fini(&from);
	build(&from, &one, NULL);
	changes_list(to.desired, from.desired, print_line, out);
	fclose(out);
	assert_string_equal(
		lines,
		"backend a of pool web: address 10.0.0.1 -> 10.0.0.9\n"
		"backend b of pool web: removed; the flows that it has stay for 300 s at most\n"
		"settled\n");
	free(lines);
	ring_cache_fini(&rings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_change_is_one_line),
		cmocka_unit_test(a_backend_that_is_leaving_counts_as_gone),
	};

	return cmocka_run_group_tests_name("daemon/changes", tests, NULL, NULL);
}
