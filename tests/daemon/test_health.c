/* SPDX-License-Identifier: MIT */
/*
 * Which probes are made, when, and what follows from their results. Probes and the clock are the test's
 * own: the functions of probe.h and clock_gettime() here stand before the others in the program. A probe
 * is answered by what the test says of its backend.
 */
#include "daemon/health.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "daemon/health_impl.h"
#include "tests/lib/load_text.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define MS UINT64_C(1000)
#define SECOND (1000 * MS)

/* --------------------------------------------------------------------------------------- the clock */

static uint64_t clock_us = 1000 * SECOND;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = (time_t)(clock_us / SECOND);
	ts->tv_nsec = (long)(clock_us % SECOND * 1000);
	return 0;
}

/* -------------------------------------------------------------------------------------- the probes */

struct probe {
	struct probe_target target;
	probe_done_fn *done;
	void *ctx;
	struct probe *next;
};

struct probes {
	struct probe *open;
	size_t n_open, n_started, n_cancelled, n_this_turn, most_in_a_turn;
	int start_err;
	void (*started)(const struct probe_target *target);
};

static struct probes fake;

int probes_new(struct probes **out, sd_event *event)
{
	(void)event;
	*out = &fake;
	return 0;
}

void probes_free(struct probes *probes)
{
	if (probes)
		assert_int_equal(probes->n_open, 0);
}

int probe_start(struct probe **out, struct probes *probes, const struct probe_target *target,
		probe_done_fn *done, void *ctx)
{
	struct probe *probe;

	probes->n_started++;
	if (++probes->n_this_turn > probes->most_in_a_turn)
		probes->most_in_a_turn = probes->n_this_turn;
	if (probes->started)
		probes->started(target);
	if (probes->start_err)
		return probes->start_err;
	probe = calloc(1, sizeof(*probe));
	assert_non_null(probe);
	*probe = (struct probe){*target, done, ctx, probes->open};
	probes->open = probe;
	probes->n_open++;
	*out = probe;
	return 0;
}

static void remove_probe(struct probe *probe)
{
	struct probe **at = &fake.open;

	while (*at != probe)
		at = &(*at)->next;
	*at = probe->next;
	fake.n_open--;
	free(probe);
}

void probe_own_error(struct probe_report *report, int err)
{
	report->result = JUDGE_UNKNOWN;
	snprintf(report->reason, sizeof(report->reason), "this host: %s", strerror(-err));
}

void probe_cancel(struct probe *probe)
{
	if (!probe)
		return;
	remove_probe(probe);
	fake.n_cancelled++;
}

/* What backends answer, by the last byte of their address; at first all are well. */
static struct probe_report answers[256];

static void answer(uint8_t last, enum judge_result result, const char *reason)
{
	answers[last] = (struct probe_report){.result = result, .duration_us = 1500};
	snprintf(answers[last].reason, sizeof(answers[last].reason), "%s", reason);
}

static void answer_open_probes(void)
{
	while (fake.open) {
		uint8_t last = ((const uint8_t *)&fake.open->target.backend)[15];
		probe_done_fn *done = fake.open->done;
		void *ctx = fake.open->ctx;

		remove_probe(fake.open);
		done(ctx, &answers[last]);
	}
}

/* The one probe of the backend with this last byte, if it is under way. */
static void answer_open_probe(uint8_t last)
{
	for (struct probe *p = fake.open; p; p = p->next) {
		if (((const uint8_t *)&p->target.backend)[15] == last) {
			probe_done_fn *done = p->done;
			void *ctx = p->ctx;

			remove_probe(p);
			done(ctx, &answers[last]);
			return;
		}
	}
}

/* ---------------------------------------------------------------------------------------- the rest */

static sd_event *event;
static struct health *health;
static struct model *model;
static unsigned int n_changed, n_events;
static struct health_event last_event;
static char event_text[512];
static uint32_t mark_given = 7;
static bool answering = true; /* probes end in the turn in which they began */

static void on_changed(void *ctx)
{
	assert_ptr_equal(ctx, &clock_us);
	n_changed++;
}

static uint32_t on_mark(void *ctx, const struct model_pool *pool,
			const struct model_backend *backend)
{
	assert_ptr_equal(ctx, &clock_us);
	assert_ptr_equal(backend, &pool->backends[backend - pool->backends]);
	return mark_given;
}

static void on_event(void *ctx, const struct health_event *e)
{
	assert_ptr_equal(ctx, &n_events);
	n_events++;
	last_event = *e;
	snprintf(event_text, sizeof(event_text), "%s", e->text);
}

static void open_health(void)
{
	struct diag diag = {0};

	assert_int_equal(health_new(&health, event, "state", on_changed, on_mark, &clock_us, &diag),
			 0);
	assert_int_equal(diag.n, 0);
	health_watch(health, on_event, &n_events);
}

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	for (int i = 0; i < 256; i++)
		answer((uint8_t)i, JUDGE_SUCCESS, "fine");
	n_changed = n_events = 0;
	mark_given = 7;
	answering = true;
	model = NULL;
	if (sd_event_new(&event) < 0)
		return -1;
	open_health();
	return 0;
}

static void close_health(void)
{
	health_free(health);
	health = NULL;
	model_free(model);
	model = NULL;
}

static int teardown(void **state)
{
	(void)state;
	close_health();
	sd_event_unref(event);
	unlink("state/health.json");
	rmdir("state");
	return 0;
}

/* The streams become those of the text. */
static void follow_with(const char *text, const struct wishes *wishes)
{
	struct model *next = assert_loads(text);

	assert_int_equal(health_follow(health, next, wishes), 0);
	model_free(model);
	model = next;
}

static void follow(const char *text)
{
	follow_with(text, NULL);
}

/* All that is due within @us is done, when it is due. */
static void run(uint64_t us)
{
	uint64_t end_us = clock_us + us;

	while (health->timer_us <= end_us) {
		if (health->timer_us > clock_us)
			clock_us = health->timer_us;
		fake.n_this_turn = 0;
		health_turn(health);
		if (answering)
			answer_open_probes();
	}
	if (clock_us < end_us)
		clock_us = end_us;
}

static struct health_view view_of(const char *vip, const char *pool, const char *backend)
{
	const struct model_pool *p = model_find_pool(model, pool);

	return health_of(health, model_find_vip(model, vip), p, model_find_backend(p, backend));
}

/* "unknown", "up" or "down" */
static const char *word_of(const char *vip, const char *backend)
{
	struct health_view view = view_of(vip, "web", backend);

	assert_true(view.checked);
	return !view.known ? "unknown" : view.up ? "up" : "down";
}

#define A "{ name = 'a'; address = '10.0.0.1'; }"
#define B "{ name = 'b'; address = '10.0.0.2'; }"
#define C "{ name = 'c'; address = '10.0.0.3'; }"
#define POOL_WITH(name, check, backends, rest) \
	"{ name = '" name "'; " rest " check = { " check " }; backends = ( " backends " ); }"
#define V(name, address, port, pool, rest) \
	"{ name = '" name "'; address = '" address "'; port = " port "; protocol = 'tcp'; " \
	"pool = '" pool "'; " rest " }"
#define CONF(pools, vips) ETH0 "pools = ( " pools " ); vips = ( " vips " );\n"
#define WWW V("www", "198.18.0.80", "80", "web", "")
#define TCP "type = 'tcp';"
/* One VIP with backends by TCP. */
#define SIMPLE(backends) CONF(POOL_WITH("web", TCP, backends, ""), WWW)

/* ---------------------------------------------------------------------------------- which streams */

/* "BACKEND->TARGET:PORT/MARK" of each probe that began, in their order, a line each. */
static char targets[4096];

static void note_target(const struct probe_target *target)
{
	char backend[ADDR_TEXT_MAX], address[ADDR_TEXT_MAX];
	size_t len = strlen(targets);

	snprintf(targets + len, sizeof(targets) - len, "%s->%s:%u/%u\n",
		 addr_print(&target->backend, backend), addr_print(&target->address, address),
		 target->port, target->mark);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The first probes of all streams, sorted; without the newline of the last line. */
static const char *first_targets(void)
{
	static char sorted[4096];
	char *lines[64], *rest = NULL;
	size_t n = 0, len = 0;

	targets[0] = '\0';
	fake.started = note_target;
	answering = false;
	run(3 * SECOND);
	for (char *line = strtok_r(targets, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		lines[n++] = line;
	qsort(lines, n, sizeof(*lines), compare_lines);
	sorted[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(sorted + len, sizeof(sorted) - len, "%s%s", i ? "\n" : "",
					lines[i]);
	answering = true;
	answer_open_probes();
	return sorted;
}

#define GUE "tunnel = { type = 'gue'; source = '10.9.9.9'; };"
#define WWW2 V("www2", "198.18.0.81", "80", "web", "")
#define TLS V("tls", "198.18.0.80", "443", "web", "")
#define PREFIX V("prefix", "198.18.16.0/20", "80", "web", "")
#define UDP_VIP \
	"{ name = 'u'; address = '198.18.0.80'; port = 80; protocol = 'udp'; pool = 'web'; }"

static void makes_one_stream_for_what_is_the_same(void **state)
{
	static const struct {
		const char *text, *targets;
	} rows[] = {
		{SIMPLE(A ", " B), "10.0.0.1->198.18.0.80:80/7\n10.0.0.2->198.18.0.80:80/7"},
		/* a VIP and a port each, in the tunnel */
		{CONF(POOL_WITH("web", TCP, A, ""), WWW ", " WWW2 ", " TLS),
		 "10.0.0.1->198.18.0.80:443/7\n10.0.0.1->198.18.0.80:80/7\n"
		 "10.0.0.1->198.18.0.81:80/7"},
		/* the same for TCP and UDP */
		{CONF(POOL_WITH("web", TCP, A, ""), WWW ", " UDP_VIP),
		 "10.0.0.1->198.18.0.80:80/7"},
		{CONF(POOL_WITH("web", TCP "port = 8080;", A, ""), WWW ", " TLS),
		 "10.0.0.1->198.18.0.80:8080/7"},
		/* not in the tunnel: all VIPs with the port */
		{CONF(POOL_WITH("web", TCP "via = 'direct';", A, ""), WWW ", " WWW2 ", " TLS),
		 "10.0.0.1->10.0.0.1:443/0\n10.0.0.1->10.0.0.1:80/0"},
		{CONF(POOL_WITH("web", "type = 'agent'; port = 99;", A, ""),
		      WWW ", " WWW2 ", " TLS),
		 "10.0.0.1->10.0.0.1:99/0"},
		{CONF(POOL_WITH("web", TCP, A, ""), PREFIX), "10.0.0.1->198.18.16.0:80/7"},
		/* other pools: the same check, another one, another tunnel */
		{CONF(POOL_WITH("web", TCP, A, "") ", " POOL_WITH("w", TCP, A, ""),
		      V("www", "198.18.0.80", "80", "web",
			"sources = ( { prefix = '10.0.0.0/8'; pool = 'w'; } );")),
		 "10.0.0.1->198.18.0.80:80/7"},
		{CONF(POOL_WITH("web", TCP "fall = 2;", A, "") ", " POOL_WITH("w", TCP, A, ""),
		      V("www", "198.18.0.80", "80", "web",
			"sources = ( { prefix = '10.0.0.0/8'; pool = 'w'; } );")),
		 "10.0.0.1->198.18.0.80:80/7\n10.0.0.1->198.18.0.80:80/7"},
		{CONF(POOL_WITH("web", TCP, A, GUE) ", " POOL_WITH("w", TCP, A, ""),
		      V("www", "198.18.0.80", "80", "web",
			"sources = ( { prefix = '10.0.0.0/8'; pool = 'w'; } );")),
		 "10.0.0.1->198.18.0.80:80/7\n10.0.0.1->198.18.0.80:80/7"},
		{CONF(POOL_WITH("web", TCP "via = 'direct';", A,
				GUE) ", " POOL_WITH("w", TCP "via = 'direct';", A, ""),
		      V("www", "198.18.0.80", "80", "web",
			"sources = ( { prefix = '10.0.0.0/8'; pool = 'w'; } );")),
		 "10.0.0.1->10.0.0.1:80/0"},
		/* targets of sources: a pool, one backend of another */
		{CONF(POOL_WITH("web", TCP, A, "") ", " POOL_WITH("w", TCP, B ", " C, ""),
		      V("www", "198.18.0.80", "80", "web",
			"sources = ( { prefix = '10.0.0.0/8'; pool = 'w'; backend = 'c'; }, "
			"{ prefix = '10.1.0.0/16'; backend = 'a'; } );")),
		 "10.0.0.1->198.18.0.80:80/7\n10.0.0.3->198.18.0.80:80/7"},
		/* nothing to find out */
		{CONF(POOL_WITH("web", "type = 'none';", A, ""), WWW), ""},
		{SIMPLE("{ name = 'd'; address = '10.0.0.4'; state = 'disabled'; }, "
			"{ name = 'e'; address = '10.0.0.5'; state = 'draining'; }, "
			"{ name = 'f'; address = '10.0.0.6'; state = 'filling'; }"),
		 "10.0.0.5->198.18.0.80:80/7\n10.0.0.6->198.18.0.80:80/7"},
	};

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		follow(rows[i].text);
		assert_string_equal(first_targets(), rows[i].targets);
		close_health();
		open_health();
	}
}

/* Each parameter that makes a difference makes another stream. */
static void tells_checks_apart(void **state)
{
	static const char *const checks[] = {
		TCP,
		TCP "interval_ms = 1000;",
		TCP "timeout_ms = 999;",
		TCP "fast_interval_ms = 501;",
		TCP "down_interval_ms = 2001;",
		TCP "rise = 3;",
		TCP "fall = 2;",
		"type = 'http';",
		"type = 'http'; method = 'HEAD';",
		"type = 'http'; path = '/a';",
		"type = 'http'; host = 'a';",
		"type = 'http'; headers = [ 'A: c' ];",
		TCP "interval_ms = 1000; down_interval_ms = 2000;",
		"type = 'http'; headers = [ 'A: b' ];",
		"type = 'http'; headers = [ 'A: b', 'A: b' ];",
		"type = 'http'; status = '200';",
		"type = 'http'; body = 'ok';",
		"type = 'http'; http2 = true;",
		"type = 'https';",
		"type = 'https'; verify = false;",
		"type = 'https'; ca_file = '/etc/passwd';",
		"type = 'udp'; payload = 'a';",
		"type = 'udp'; payload = 'b';",
		"type = 'udp'; payload = 'a'; expect = 'b';",
		"type = 'udp'; payload = 'ab';",
		"type = 'dns'; query = 'a';",
		"type = 'dns'; query = 'b';",
		"type = 'dns'; query = 'a'; query_type = 'NS';",
		"type = 'exec'; command = [ '/bin/true' ];",
		"type = 'exec'; command = [ '/bin/true', 'a' ];",
	};
	static char text[16384];
	size_t len = (size_t)snprintf(text, sizeof(text), ETH0 "pools = ( ");

	(void)state;
	for (size_t i = 0; i < N(checks); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s{ name = 'p%zu'; backends = ( " A
					" ); check = { %s }; }",
					i ? ", " : "", i, checks[i]);
	len += (size_t)snprintf(text + len, sizeof(text) - len,
				" ); vips = ( " V("www", "198.18.0.80", "80", "p0",
						  "sources = ( "));
	len -= strlen(" }"); /* of the VIP: its sources come first */
	for (size_t i = 1; i < N(checks); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s{ prefix = '10.%zu.0.0/16'; pool = 'p%zu'; }",
					i > 1 ? ", " : "", i, i);
	snprintf(text + len, sizeof(text) - len, " ); } );\n");
	follow(text);
	assert_int_equal(health->set.keys.n, N(checks));
}

static void does_not_probe_what_the_operator_disabled(void **state)
{
	struct wish list[] = {
		{.pool = "web", .backend = "a", .has_state = true, .state = MODEL_STATE_DISABLED},
		{.pool = "web", .backend = "d", .has_state = true, .state = MODEL_STATE_ACTIVE},
		{.pool = "web", .backend = "b", .weight = 5},
	};
	struct wishes wishes = {list, N(list)};

	(void)state;
	follow_with(SIMPLE(A ", " B ", { name = 'd'; address = '10.0.0.4'; state = 'disabled'; }"),
		    &wishes);
	assert_string_equal(first_targets(),
			    "10.0.0.2->198.18.0.80:80/7\n10.0.0.4->198.18.0.80:80/7");
	assert_string_equal(word_of("www", "a"), "unknown");
	assert_false(view_of("www", "web", "a").up);
	assert_string_equal(view_of("www", "web", "a").reason, "");
	assert_string_equal(word_of("www", "b"), "up");
}

static void takes_backends_without_a_check_as_up(void **state)
{
	struct health_view view;

	(void)state;
	follow(CONF(POOL_WITH("web", "type = 'none';", A, ""), WWW));
	view = view_of("www", "web", "a");
	assert_true(view.up && view.known && !view.checked);
	assert_int_equal(view.weight_percent, 100);
	assert_string_equal(view.reason, "");
}

/* ------------------------------------------------------------------------------------------- when */

static uint64_t starts[65536];
static size_t n_starts;

static void note_start(const struct probe_target *target)
{
	(void)target;
	assert_true(n_starts < N(starts));
	starts[n_starts++] = clock_us;
}

/* The shortest and longest time between probes of the one backend within @us, from the second on. */
static void assert_intervals(uint64_t us, uint64_t least_ms, uint64_t most_ms)
{
	uint64_t least = UINT64_MAX, most = 0;

	n_starts = 0;
	fake.started = note_start;
	run(us);
	assert_true(n_starts >= 3);
	for (size_t i = 2; i < n_starts; i++) {
		uint64_t between = starts[i] - starts[i - 1];

		least = between < least ? between : least;
		most = between > most ? between : most;
	}
	assert_in_range(least, least_ms * MS, most_ms * MS);
	assert_in_range(most, least_ms * MS, most_ms * MS);
	assert_true(n_starts < 10 || most > least + (most_ms - least_ms) * MS / 4);
}

static void probes_in_its_intervals_with_jitter(void **state)
{
	(void)state;
	follow(CONF(POOL_WITH("web", TCP "down_interval_ms = 10000; fast_interval_ms = 200;", A,
			      ""),
		    WWW));
	answer(1, JUDGE_UNKNOWN, "this host");
	assert_intervals(10 * SECOND, 180, 220); /* nothing is known */
	answer(1, JUDGE_SUCCESS, "fine");
	assert_intervals(200 * SECOND, 1800, 2200);
	answer(1, JUDGE_FAILURE, "no");
	assert_intervals(10 * SECOND, 180, 10000);
	assert_string_equal(word_of("www", "a"), "down");
	assert_intervals(1000 * SECOND, 9000, 11000);
}

static void hurries_while_it_counts(void **state)
{
	uint64_t began;

	(void)state;
	follow(CONF(POOL_WITH("web", TCP "fall = 6;", A, ""), WWW));
	run(SECOND);
	assert_string_equal(word_of("www", "a"), "up");
	answer(1, JUDGE_FAILURE, "no");
	n_events = 0;
	began = clock_us;
	while (!n_events && clock_us - began < 60 * SECOND)
		run(10 * MS);
	/* one interval at most, and then five fast ones, with jitter */
	assert_in_range(clock_us - began, 5 * 450 * MS, (2200 + 5 * 550 + 10) * MS);
}

static void asks_new_ones_early(void **state)
{
	static const struct {
		const char *check;
		uint64_t within_ms;
	} rows[] = {
		{TCP, 500},
		{TCP "fast_interval_ms = 2000;", 2000},
		{TCP "interval_ms = 300; fast_interval_ms = 300;", 300},
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < N(rows); i++) {
		uint64_t latest = 0;

		snprintf(text, sizeof(text),
			 CONF("{ name = 'web'; check = { %s }; backends = ( " A ", " B ", " C
			      " ); }",
			      WWW),
			 rows[i].check);
		for (int times = 0; times < 40; times++) {
			uint64_t began = clock_us;

			n_starts = 0;
			fake.started = note_start;
			close_health();
			unlink("state/health.json");
			open_health();
			follow(text);
			run(rows[i].within_ms * MS);
			assert_true(n_starts >= 3);
			latest = starts[2] - began > latest ? starts[2] - began : latest;
		}
		assert_in_range(latest, rows[i].within_ms * MS / 2, rows[i].within_ms * MS);
	}
}

/* What is known is no hurry: the first probes after a restart come as any others. */
static void asks_known_ones_within_their_interval(void **state)
{
	uint64_t latest = 0, began;

	(void)state;
	follow(SIMPLE(A ", " B ", " C));
	run(SECOND);
	for (int times = 0; times < 40; times++) {
		n_starts = 0;
		fake.started = note_start;
		began = clock_us;
		close_health();
		open_health();
		follow(SIMPLE(A ", " B ", " C));
		run(2 * SECOND);
		assert_true(n_starts >= 3);
		latest = starts[2] - began > latest ? starts[2] - began : latest;
	}
	assert_in_range(latest, 1000 * MS, 2000 * MS);
}

#define MANY 10000

static const char *many_text(void)
{
	static char text[262144];
	size_t len = (size_t)snprintf(text, sizeof(text),
				      ETH0 "pools = ( { name = 'web'; check = "
					   "{ " TCP " }; backends = ( ");

	for (int i = 0; i < 1000; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s{ name = 'b%d'; address = '10.0.%d.%d'; id = %d; }",
					i ? ", " : "", i, i / 250, i % 250 + 1, i + 1);
	len += (size_t)snprintf(text + len, sizeof(text) - len, " ); } ); vips = ( ");
	for (int i = 0; i < MANY / 1000; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s{ name = 'v%d'; address = '198.18.0.80'; port = %d; "
					"protocol = 'tcp'; pool = 'web'; }",
					i ? ", " : "", i, i + 1);
	snprintf(text + len, sizeof(text) - len, " );\n");
	return text;
}

static void spreads_ten_thousand_streams(void **state)
{
	static unsigned int buckets[200]; /* of 10 ms, of the last interval */
	unsigned int most = 0;

	(void)state;
	follow(many_text());
	assert_int_equal(health->set.keys.n, MANY);
	run(60 * SECOND);
	fake.started = note_start;
	n_starts = 0;
	run(2 * SECOND);
	/* an interval's probes, spread over all of it: 50 in 10 ms on average */
	assert_in_range(n_starts, MANY * 9 / 10, MANY * 11 / 10);
	for (size_t i = 0; i < n_starts; i++) {
		unsigned int *bucket =
			&buckets[(starts[i] - (clock_us - 2 * SECOND)) / 10000 % 200];

		most = ++*bucket > most ? *bucket : most;
	}
	assert_in_range(most, 50, 110);
	/* those that a standstill made late together do not stay together */
	for (int times = 0; times < 5; times++) {
		clock_us += 500 * MS;
		run(1500 * MS);
	}
	memset(buckets, 0, sizeof(buckets));
	most = n_starts = 0;
	run(2 * SECOND);
	for (size_t i = 0; i < n_starts; i++) {
		unsigned int *bucket =
			&buckets[(starts[i] - (clock_us - 2 * SECOND)) / 10000 % 200];

		most = ++*bucket > most ? *bucket : most;
	}
	assert_in_range(most, 50, 150);
	/* a time of standing still is made up in small pieces */
	fake.most_in_a_turn = 0;
	clock_us += 5 * SECOND;
	run(SECOND);
	assert_in_range(fake.most_in_a_turn, 1, HEALTH_STARTS);
}

/* ----------------------------------------------------------------------------------- what follows */

static void says_each_change_once(void **state)
{
	static const struct {
		uint8_t result;
		uint64_t duration_us;
		const char *reason, *text, *from, *to;
	} rows[] = {
		{JUDGE_SUCCESS, 700, "tcp connected",
		 "backend a (10.0.0.1) of VIP www and 1 more: unknown -> up, tcp connected after 0 "
		 "ms "
		 "(1 of 1)",
		 "unknown", "up"},
		{JUDGE_FAILURE, 1003000, "tcp connect timed out after 1003 ms",
		 "backend a (10.0.0.1) of VIP www and 1 more: up -> down, tcp connect timed out "
		 "after "
		 "1003 ms (3 of 3)",
		 "up", "down"},
		{JUDGE_SUCCESS, 2000, "tcp connected",
		 "backend a (10.0.0.1) of VIP www and 1 more: down -> up, tcp connected after 2 ms "
		 "(2 "
		 "of 2)",
		 "down", "up"},
	};

	(void)state;
	follow(CONF(POOL_WITH("web", TCP, A, ""), WWW ", " UDP_VIP));
	for (size_t i = 0; i < N(rows); i++) {
		answer(1, rows[i].result, rows[i].reason);
		answers[1].duration_us = rows[i].duration_us;
		n_events = n_changed = 0;
		run(20 * SECOND);
		assert_int_equal(n_events, 1);
		assert_int_equal(n_changed, 1);
		assert_string_equal(event_text, rows[i].text);
		assert_string_equal(last_event.from, rows[i].from);
		assert_string_equal(last_event.to, rows[i].to);
		assert_string_equal(last_event.backend, "a");
		assert_string_equal(last_event.pool, "web");
		assert_string_equal(last_event.vip, "www");
		assert_int_equal(last_event.n_vips, 2);
		assert_int_equal(last_event.duration_us, rows[i].duration_us);
		assert_string_equal(word_of("www", "a"), rows[i].to);
		assert_string_equal(word_of("u", "a"), rows[i].to);
		assert_string_equal(view_of("www", "web", "a").reason, rows[i].reason);
		assert_in_range(view_of("www", "web", "a").since, time(NULL) - 5, time(NULL));
	}
	health_watch(health, NULL, NULL);
	answer(1, JUDGE_FAILURE, "no");
	run(20 * SECOND);
	assert_int_equal(n_events, 1);
}

static void calls_once_for_a_burst_and_soon(void **state)
{
	(void)state;
	follow(SIMPLE(A ", " B ", " C));
	run(20 * SECOND);
	n_changed = n_events = 0;
	answering = false;
	for (int i = 1; i <= 3; i++)
		answer((uint8_t)i, JUDGE_FAILURE, "no");
	while (n_events < 3) {
		run(4 * SECOND); /* all are under way */
		assert_int_equal(fake.n_open, 3);
		n_changed = 0;
		answer_open_probes();
	}
	assert_int_equal(n_changed, 0); /* not from within a result */
	run(5 * MS);
	assert_int_equal(n_changed, 1);
	run(SECOND);
	assert_int_equal(n_changed, 1);
}

static void does_not_wait_for_the_end_of_changes(void **state)
{
	(void)state;
	answering = false;
	follow(SIMPLE(A ", " B ", " C));
	run(SECOND); /* all are under way */
	for (uint8_t i = 1; i <= 3; i++) {
		answer_open_probe(i);
		run(1500);
	}
	assert_int_equal(n_events, 3);
	assert_int_equal(n_changed, 1);
	run(5 * MS);
	assert_int_equal(n_changed, 2);
}

/* A backend may be in several pools of a VIP. */
static void counts_vips_not_pools(void **state)
{
	(void)state;
	follow(CONF(POOL_WITH("web", TCP, A, "") ", " POOL_WITH("w", TCP, A, ""),
		    V("www", "198.18.0.80", "80", "web",
		      "sources = ( { prefix = '10.0.0.0/8'; pool = 'w'; }, { prefix = "
		      "'10.1.0.0/16'; backend = 'a'; } );")));
	run(SECOND);
	assert_string_equal(event_text,
			    "backend a (10.0.0.1) of VIP www: unknown -> up, fine after 1 "
			    "ms (1 of 1)");
	assert_int_equal(last_event.n_vips, 1);
	assert_int_equal(health->set.list[0]->n_users, 2);
}

static uint64_t slow_us;

static void on_slow_change(void *ctx)
{
	on_changed(ctx);
	clock_us += slow_us;
}

/* What takes long to put into force is not begun again at once: probes would starve. */
static void leaves_time_between_calls_that_take_long(void **state)
{
	(void)state;
	follow(SIMPLE(A ", " B));
	run(20 * SECOND);
	health->changed = on_slow_change;
	slow_us = 300 * MS;
	n_changed = 0;
	answering = false;
	answer(1, JUDGE_FAILURE, "no");
	answer(2, JUDGE_FAILURE, "no");
	while (!n_changed) {
		run(4 * SECOND);
		answer_open_probe(1);
		run(3 * MS);
	}
	/* the second one changes just after the first call */
	health->set.list[1]->state.judge.count = 2;
	answer_open_probes();
	assert_string_equal(word_of("www", "b"), "down");
	run(250 * MS);
	assert_int_equal(n_changed, 1);
	run(100 * MS);
	assert_int_equal(n_changed, 2);
}

/* --------------------------------------------------------------------------------- its own errors */

static int real_stderr = -1;

static void capture_begin(void)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	real_stderr = dup(STDERR_FILENO);
	assert_true(real_stderr >= 0);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	fclose(file);
}

static const char *capture_end(void)
{
	static char text[8192];
	ssize_t n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);

	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static void keeps_the_state_when_it_cannot_probe(void **state)
{
	char reason[PROBE_REASON_MAX];
	bool up;

	(void)state;
	follow(SIMPLE(A));
	run(20 * SECOND);
	n_events = n_changed = 0;
	capture_begin();
	fake.start_err = -EMFILE;
	run(20 * SECOND);
	up = view_of("www", "web", "a").up;
	strcpy(reason, view_of("www", "web", "a").reason);
	fake.start_err = 0;
	run(20 * SECOND);
	assert_string_equal(capture_end(),
			    "warning: backend a (10.0.0.1) of VIP www: cannot be probed, stays up, "
			    "this host: Too many open files\n"
			    "backend a (10.0.0.1) of VIP www: can be probed again\n");
	assert_true(up);
	assert_string_equal(reason, "this host: Too many open files");
	assert_int_equal(n_events, 0);
	assert_int_equal(n_changed, 0);
}

static void waits_for_the_tunnel_of_a_new_one(void **state)
{
	(void)state;
	mark_given = 0;
	follow(SIMPLE(A));
	run(20 * SECOND);
	assert_string_equal(word_of("www", "a"), "unknown");
	assert_string_equal(view_of("www", "web", "a").reason,
			    "this host: there is no tunnel to it yet, or no next hop");
	assert_int_equal(fake.n_started, 0);
	mark_given = 7;
	run(SECOND);
	assert_string_equal(word_of("www", "a"), "up");
}

/* Thousands that cannot be probed are not thousands of lines. */
static void says_few_lines_of_many_own_errors(void **state)
{
	char text[8192];
	size_t len = (size_t)snprintf(text, sizeof(text),
				      ETH0 "pools = ( { name = 'web'; check = "
					   "{ " TCP " }; backends = ( ");
	const char *lines;
	unsigned int n = 0;

	(void)state;
	for (int i = 1; i <= 50; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s{ name = 'b%d'; address = '10.0.0.%d'; }",
					i > 1 ? ", " : "", i, i);
	snprintf(text + len, sizeof(text) - len, " ); } ); vips = ( " WWW " );\n");
	capture_begin();
	fake.start_err = -EMFILE;
	follow(text);
	run(9 * SECOND);
	lines = capture_end();
	for (const char *c = lines; *c; c++)
		n += *c == '\n';
	assert_int_equal(n, 8);
	assert_non_null(strstr(lines, "\"sluicectl health\" shows what else there is"));
}

/* ------------------------------------------------------------------------------- weights and words */

#define SLOW CONF(POOL_WITH("web", TCP, A ", " B, "slow_start_s = 40;"), WWW)

static void gives_the_weight_back_in_steps(void **state)
{
	static const unsigned int percents[] = {20, 40, 60, 80, 100};
	unsigned int before;

	(void)state;
	follow(SLOW);
	run(SECOND);
	/* those that are there at the start have their weight */
	assert_int_equal(view_of("www", "web", "a").weight_percent, 100);
	answer(1, JUDGE_FAILURE, "no");
	run(20 * SECOND);
	answer(1, JUDGE_SUCCESS, "fine");
	n_events = 0;
	while (!n_events)
		run(10 * MS);
	run(10 * MS);
	n_changed = 0;
	for (size_t i = 0; i < N(percents); i++) {
		before = n_changed;
		assert_int_equal(view_of("www", "web", "a").weight_percent, percents[i]);
		run(9900 * MS);
		assert_int_equal(view_of("www", "web", "a").weight_percent, percents[i]);
		assert_int_equal(n_changed, before);
		run(100 * MS);
	}
	assert_int_equal(n_changed, 4);
	run(100 * SECOND);
	assert_int_equal(n_changed, 4);
	assert_int_equal(health->step_us, HEALTH_NEVER);
	assert_int_equal(view_of("www", "web", "b").weight_percent, 100);
}

static void ends_a_slow_start_when_it_goes_down(void **state)
{
	(void)state;
	follow(CONF(POOL_WITH("web", TCP, A, ""), WWW));
	follow(SLOW);
	run(2 * SECOND);
	assert_int_equal(view_of("www", "web", "b").weight_percent, 20);
	answer(2, JUDGE_FAILURE, "no");
	run(8 * SECOND);
	assert_string_equal(word_of("www", "b"), "down");
	assert_int_equal(view_of("www", "web", "b").weight_percent, 100);
	answer(2, JUDGE_SUCCESS, "fine");
	run(5 * SECOND);
	assert_int_equal(view_of("www", "web", "b").weight_percent, 20);
}

static void starts_new_ones_slowly(void **state)
{
	(void)state;
	follow(CONF(POOL_WITH("web", TCP, A, "slow_start_s = 40;"), WWW));
	run(SECOND);
	follow(SLOW);
	assert_string_equal(word_of("www", "b"), "unknown");
	run(SECOND);
	assert_string_equal(word_of("www", "b"), "up");
	assert_int_equal(view_of("www", "web", "a").weight_percent, 100);
	assert_int_equal(view_of("www", "web", "b").weight_percent, 20);
	run(41 * SECOND);
	assert_int_equal(view_of("www", "web", "b").weight_percent, 100);
}

#define AGENT CONF(POOL_WITH("web", "type = 'agent'; port = 99;", A, ""), WWW)

static void does_what_an_agent_asks_for(void **state)
{
	static const struct {
		enum probe_wish wish;
		unsigned int weight;
		unsigned int expected_weight;
		bool drain, maint;
		unsigned int n_events;
		const char *text;
	} rows[] = {
		{PROBE_WISH_NONE, 50, 50, false, false, 1,
		 "backend a (10.0.0.1) of VIP www: weight 100 % -> 50 % by its agent, said"},
		{PROBE_WISH_NONE, 0, 50, false, false, 0, NULL},
		{PROBE_WISH_DRAIN, 0, 50, true, false, 1,
		 "backend a (10.0.0.1) of VIP www: ready -> drain by its agent, said"},
		{PROBE_WISH_NONE, 0, 50, true, false, 0, NULL},
		{PROBE_WISH_MAINT, 0, 50, false, true, 1,
		 "backend a (10.0.0.1) of VIP www: drain -> maint by its agent, said"},
		{PROBE_WISH_READY, 200, 200, false, false, 2,
		 "backend a (10.0.0.1) of VIP www: weight 50 % -> 200 % by its agent, said"},
		{PROBE_WISH_READY, 200, 200, false, false, 0, NULL},
	};

	(void)state;
	follow(AGENT);
	run(SECOND);
	for (size_t i = 0; i < N(rows); i++) {
		struct health_view view;

		answer(1, JUDGE_SUCCESS, "said");
		answers[1].wish = rows[i].wish;
		answers[1].weight_percent = rows[i].weight;
		n_events = n_changed = 0;
		run(10 * SECOND);
		view = view_of("www", "web", "a");
		assert_true(view.up);
		assert_int_equal(view.weight_percent, rows[i].expected_weight);
		assert_int_equal(view.drain, rows[i].drain);
		assert_int_equal(view.maint, rows[i].maint);
		assert_int_equal(n_events, rows[i].n_events);
		assert_int_equal(n_changed, rows[i].n_events > 0);
		if (rows[i].text)
			assert_string_equal(event_text, rows[i].text);
	}
}

/* ------------------------------------------------------------------------------ reload and restart */

static void goes_on_over_a_reload(void **state)
{
	struct health_view before, after;
	size_t n;

	(void)state;
	follow(SIMPLE(A ", " B));
	answer(2, JUDGE_FAILURE, "no");
	run(20 * SECOND);
	before = view_of("www", "web", "b");
	answering = false;
	run(4 * SECOND);
	assert_int_equal(fake.n_open, 2);
	n = fake.n_started;
	follow(SIMPLE(A ", " B ", " C));
	/* a probe has the check of the model that goes */
	assert_int_equal(fake.n_cancelled, 2);
	assert_int_equal(fake.n_open, 0);
	answering = true;
	after = view_of("www", "web", "b");
	assert_string_equal(word_of("www", "a"), "up");
	assert_string_equal(word_of("www", "b"), "down");
	assert_string_equal(word_of("www", "c"), "unknown");
	assert_int_equal(after.since, before.since);
	assert_string_equal(after.reason, "no");
	assert_true(health->set.list[0]->n_probes > 5);
	run(3 * SECOND);
	assert_true(fake.n_started >= n + 3);
	assert_string_equal(word_of("www", "c"), "up");
	follow(SIMPLE(C));
	assert_int_equal(health->set.keys.n, 1);
	assert_string_equal(word_of("www", "c"), "up");
	follow(ETH0);
	assert_int_equal(health->set.keys.n, 0);
	run(10 * SECOND);
	assert_int_equal(health->timer_us, HEALTH_NEVER);
}

/* Those that wait keep their time, so that reloads in a row do not hinder probes. */
/* Whatever changes while a backend hangs, its probes get to their end. */
static void goes_on_when_the_model_is_the_same(void **state)
{
	(void)state;
	follow(SIMPLE(A ", " B));
	run(2 * SECOND);
	answering = false;
	run(4 * SECOND);
	assert_int_equal(fake.n_open, 2);
	assert_int_equal(health_follow(health, model, NULL), 0);
	assert_int_equal(fake.n_cancelled, 0);
	assert_int_equal(fake.n_open, 2);
	answering = true;
	answer_open_probes();
	assert_int_equal(health->set.heap.n, 2);
}

static void keeps_its_times_over_reloads(void **state)
{
	(void)state;
	follow(SIMPLE(A));
	run(20 * SECOND);
	fake.n_started = 0;
	for (int i = 0; i < 200; i++) {
		follow(SIMPLE(A));
		run(100 * MS);
	}
	assert_in_range(fake.n_started, 8, 12);
}

/* One that hangs is down in time, however often something else changes in the same model. */
static void waits_for_probes_over_changes(void **state)
{
	(void)state;
	follow(SIMPLE(A ", " B));
	run(20 * SECOND);
	answer(1, JUDGE_FAILURE, "hangs");
	answering = false;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(health_follow(health, model, NULL), 0);
		run(100 * MS);
		answer_open_probe(2);
		if (i % 10 == 9)
			answer_open_probe(1);
	}
	assert_int_equal(fake.n_cancelled, 0);
	assert_string_equal(word_of("www", "a"), "down");
	assert_string_equal(word_of("www", "b"), "up");
	answering = true;
	answer_open_probes();
}

static void keeps_what_it_knows_when_a_check_changes(void **state)
{
	static const char *const texts[] = {
		CONF(POOL_WITH("web", TCP "interval_ms = 1000;", B ", " A, ""), WWW),
		CONF(POOL_WITH("web", "type = 'http'; via = 'direct'; port = 8080;", A ", " B, ""),
		     WWW),
		CONF(POOL_WITH("other", TCP, C, "") ", " POOL_WITH("web", TCP, A ", " B, GUE),
		     V("v", "198.18.0.90", "80", "other", "") ", " WWW),
		CONF(POOL_WITH("web", TCP, A ", " B, ""), V("www", "198.18.0.99", "81", "web", "")),
	};

	(void)state;
	follow(SIMPLE(A ", " B));
	answer(2, JUDGE_FAILURE, "no");
	run(20 * SECOND);
	n_events = 0;
	for (size_t i = 0; i < N(texts); i++) {
		follow(texts[i]);
		assert_string_equal(word_of("www", "a"), "up");
		assert_string_equal(word_of("www", "b"), "down");
	}
	/* another VIP of the same backends has nothing to go by */
	follow(CONF(POOL_WITH("web", TCP, A ", " B, ""), V("new", "198.18.0.98", "80", "web", "")));
	assert_string_equal(word_of("new", "a"), "unknown");
	assert_int_equal(n_events, 0);
}

static void takes_what_served_without_a_check_as_up(void **state)
{
	(void)state;
	follow(CONF(POOL_WITH("web", "type = 'none';",
			      A ", { name = 'd'; address = '10.0.0.4'; state = 'disabled'; }", ""),
		    WWW));
	follow(SIMPLE(A ", " B ", { name = 'd'; address = '10.0.0.4'; }"));
	assert_string_equal(word_of("www", "a"), "up");
	assert_string_equal(word_of("www", "b"), "unknown");
	assert_string_equal(word_of("www", "d"), "unknown");
}

static void restart(const char *text)
{
	close_health();
	open_health();
	follow(text);
}

static void remembers_over_a_restart(void **state)
{
	int64_t since;

	(void)state;
	follow(SIMPLE(A ", " B));
	answer(2, JUDGE_FAILURE, "no \"x\"");
	run(20 * SECOND);
	since = view_of("www", "web", "b").since;
	restart(SIMPLE(A ", " B ", " C));
	assert_int_equal(view_of("www", "web", "a").before_s, 0);
	assert_int_equal(view_of("www", "web", "b").before_s, 0); /* it was never seen up */
	assert_string_equal(word_of("www", "a"), "up");
	assert_string_equal(word_of("www", "b"), "down");
	assert_string_equal(word_of("www", "c"), "unknown");
	restart(SIMPLE(A ", " B ", " C)); /* c has not answered */
	assert_string_equal(word_of("www", "c"), "unknown");
	assert_int_equal(view_of("www", "web", "b").since, since);
	assert_string_equal(view_of("www", "web", "b").reason, "no \"x\"");
	assert_int_equal(view_of("www", "web", "a").weight_percent, 100);
	/* by another check of the same target */
	restart(CONF(POOL_WITH("web", "type = 'http';", A ", " B, ""), WWW));
	assert_string_equal(word_of("www", "a"), "up");
	assert_string_equal(word_of("www", "b"), "down");
	/* not at another target */
	restart(CONF(POOL_WITH("web", TCP "port = 81;", A ", " B, ""), WWW));
	assert_string_equal(word_of("www", "a"), "unknown");
	/* what was remembered is for the first model only */
	follow(SIMPLE(C));
	assert_string_equal(word_of("www", "c"), "unknown");
}

static void remembers_what_an_agent_asked_for(void **state)
{
	struct health_view view;

	(void)state;
	follow(AGENT);
	answers[1].wish = PROBE_WISH_DRAIN;
	answers[1].weight_percent = 30;
	run(SECOND);
	restart(AGENT);
	view = view_of("www", "web", "a");
	assert_true(view.drain && view.up);
	assert_int_equal(view.weight_percent, 30);
}

/* What turned is recent still, and those that served meanwhile have to be looked after. */
static void remembers_that_one_turned(void **state)
{
	(void)state;
	follow(SIMPLE(A ", " B));
	run(20 * SECOND);
	answer(2, JUDGE_FAILURE, "no");
	run(20 * SECOND);
	assert_in_range(view_of("www", "web", "b").before_s, 1, 60);
	restart(SIMPLE(A ", " B));
	assert_int_equal(view_of("www", "web", "a").before_s, 0);
	assert_in_range(view_of("www", "web", "b").before_s, 1, 60);
}

/* As a power failure leaves it. */
static void notes_that_the_clock_was_set_back(void **state)
{
	(void)state;
	follow(SIMPLE(A));
	run(20 * SECOND);
	health->set.list[0]->state.since = time(NULL) + 86400;
	run(5 * SECOND);
	assert_true(view_of("www", "web", "a").since <= time(NULL));
}

static void takes_a_file_that_is_no_json_as_missing(void **state)
{
	static const char *const texts[] = {"", "{\"version\": 1, \"backends\": [\n  {\"addr"};

	(void)state;
	for (size_t i = 0; i < N(texts); i++) {
		follow(SIMPLE(A));
		run(20 * SECOND);
		close_health();
		load_text_write("state/health.json", texts[i]);
		open_health();
		follow(SIMPLE(A));
		assert_string_equal(word_of("www", "a"), "unknown");
	}
}

/* Many are written in slices, which changes and reloads may come in between. */
static void writes_many_in_slices(void **state)
{
	_cleanup_(json_decrefp) json_t *root = NULL;
	struct stat st;

	(void)state;
	follow(many_text());
	run(4 * SECOND);
	assert_int_equal(unlink("state/health.json"), 0);
	health->save_us = clock_us;
	health_turn(health);
	assert_non_null(health->writer);
	assert_int_equal(health->n_saved, HEALTH_SLICE);
	assert_int_equal(stat("state/health.json", &st), -1);
	follow(many_text()); /* begins anew */
	assert_null(health->writer);
	run(4 * SECOND);
	assert_null(health->writer);
	root = json_load_file("state/health.json", 0, NULL);
	assert_int_equal(json_array_size(json_object_get(root, "backends")), MANY);
}

/* A crash loses a second at most, and what does not change is not written again. */
static void writes_what_changed_soon_and_once(void **state)
{
	struct stat st;

	(void)state;
	follow(SIMPLE(A ", " B));
	run(2 * SECOND);
	assert_int_equal(stat("state/health.json", &st), 0);
	assert_int_equal(unlink("state/health.json"), 0);
	run(60 * SECOND);
	assert_int_equal(stat("state/health.json", &st), -1);
	answering = false;
	run(4 * SECOND); /* both are under way */
	n_events = 0;
	for (uint8_t i = 1; i <= 2; i++) {
		answer(i, JUDGE_FAILURE, "no");
		health->set.list[i - 1]->state.judge.count = 2;
		answer_open_probe(i);
		run(495 * MS);
	}
	assert_int_equal(n_events, 2);
	assert_int_equal(stat("state/health.json", &st), -1);
	run(10 * MS);
	assert_int_equal(stat("state/health.json", &st), 0);
}

#define ENTRY(changes) \
	"{'version': 1, 'backends': [{'address': '10.0.0.1', 'target': '198.18.0.80', " \
	"'since': 5, 'reason': 'x', " changes "}]}"
#define GOOD "'port': 80, 'check': '0123456789abcdef', 'up': true"
#define WAY_OUT "; move it away to start without: backends are then down until they answer\n"
#define FAULT(text) "state/health.json: backend 1: " text WAY_OUT

static void refuses_a_file_that_it_did_not_write(void **state)
{
	static const struct row rows[] = {
		{"{'version': 2, 'backends': []}",
		 "state/health.json: version 2, but this sluiced knows only 1; run the sluiced "
		 "that "
		 "wrote it, or move it away to start without: backends are then down until they "
		 "answer\n"},
		{"{'version': 1, 'backends': [7]}", FAULT("Expected object, got integer")},
		{ENTRY(GOOD ", 'x': 1"), FAULT("unknown field 'x'")},
		{ENTRY("'port': 80, 'check': '0123456789abcdef'"),
		 FAULT("Object item not found: up")},
		{ENTRY("'port': 65536, 'check': '0123456789abcdef', 'up': true"),
		 FAULT("'port' is outside 0..65535")},
		{ENTRY("'port': 80, 'check': '0123456789abcdeF', 'up': true"),
		 FAULT("'check' is not 16 hex digits")},
		{ENTRY(GOOD ", 'agent': 'gone'"), FAULT("unknown 'agent'")},
		{ENTRY(GOOD ", 'weight': -1"), FAULT("'weight' is outside 0..100000")},
		{"{'version': 1, 'backends': [{'address': 'x', 'target': '198.18.0.80', 'since': "
		 "5, "
		 "'reason': 'x', " GOOD "}]}",
		 FAULT("'address' is not an address")},
		{"{'version': 1, 'backends': [{'address': '10.0.0.1', 'target': 'y', 'since': 5, "
		 "'reason': 'x', " GOOD "}]}",
		 FAULT("'target' is not an address")},
		{"{'version': 1, 'backends': [{'address': '10.0.0.1', 'target': '10.0.0.1', "
		 "'since': "
		 "-5, 'reason': 'x', " GOOD "}]}",
		 FAULT("'since' is negative")},
		{"{'version': 1, 'backends': [{'address': '10.0.0.1', 'target': '10.0.0.1', "
		 "'since': "
		 "5, 'reason': 'x', " GOOD "}, {'address': '10.0.0.1', 'target': '10.0.0.1', "
		 "'since': 5, 'reason': 'x', " GOOD "}]}",
		 "state/health.json: backend 2: it is there twice" WAY_OUT},
	};

	(void)state;
	assert_int_equal(mkdir("state", 0700), 0);
	for (size_t i = 0; i < N(rows); i++) {
		struct health *untouched = (struct health *)&rows, *other = untouched;
		struct diag diag = {0};
		char expected[512], *text;

		load_text_write("state/health.json", rows[i].text);
		assert_int_equal(health_new(&other, event, "state", on_changed, on_mark, NULL,
					    &diag),
				 -EINVAL);
		snprintf(expected, sizeof(expected), "%s", rows[i].messages);
		for (char *c = expected; *c; c++)
			*c = *c == '\'' ? '"' : *c;
		text = diag_text(&diag);
		assert_string_equal(text, expected);
		assert_ptr_equal(other, untouched);
		free(text);
		diag_fini(&diag);
	}
	unlink("state/health.json");
}

/* ----------------------------------------------------------------------------------------- report */

static void assert_json(json_t *got, const char *expected)
{
	char *text = json_dumps(got, JSON_SORT_KEYS), copy[2048];

	snprintf(copy, sizeof(copy), "%s", expected);
	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	assert_non_null(text);
	assert_string_equal(text, copy);
	free(text);
	json_decref(got);
}

static void reports_all_of_a_stream(void **state)
{
	char expected[2048];
	json_t *report;
	int64_t now;

	(void)state;
	follow(CONF(POOL_WITH("web", TCP, A ", " B, ""), WWW ", " UDP_VIP));
	answer(2, JUDGE_UNKNOWN, "this host");
	run(20 * SECOND);
	answer(1, JUDGE_FAILURE, "no");
	while (health->set.list[0]->state.judge.count != 2)
		run(10 * MS);
	now = health->set.list[0]->last[0].at;
	for (size_t i = 0; i < HEALTH_LAST; i++)
		health->set.list[0]->last[i].at = 9;
	health->set.list[0]->state.since = 8;
	health->set.list[0]->n_results[JUDGE_SUCCESS] = 20;
	health->set.list[0]->due_us = clock_us + 123456;
	assert_true(now > 0);
	snprintf(
		expected, sizeof(expected),
		"{'down': 0, 'streams': [{'address': '10.0.0.1', 'agent': 'ready', 'backend': 'a', "
		"'changes': 1, 'check': 'tcp', 'count': 2, 'failures': 2, 'last': ["
		"{'at': 9, 'duration_us': 1500, 'result': 'failure'}, "
		"{'at': 9, 'duration_us': 1500, 'result': 'failure'}, "
		"{'at': 9, 'duration_us': 1500, 'result': 'success'}, "
		"{'at': 9, 'duration_us': 1500, 'result': 'success'}, "
		"{'at': 9, 'duration_us': 1500, 'result': 'success'}], "
		"'next_ms': 123, 'of': 3, 'pool': 'web', 'port': 80, 'probes': %d, 'reason': 'no', "
		"'running': false, 'since': 8, 'state': 'up', 'successes': 20, 'target': "
		"'198.18.0.80', 'unknown': 0, 'via': 'tunnel', 'vips': ['www', 'u'], "
		"'weight_percent': 100}], 'unknown': 0, 'up': 1}",
		(int)health->set.list[0]->n_probes);
	assert_json(health_report(health, "a"), expected);
	assert_json(health_report(health, "z"),
		    "{'down': 0, 'streams': [], 'unknown': 0, 'up': 0}");
	report = health_report(health, NULL);
	assert_int_equal(json_array_size(json_object_get(report, "streams")), 2);
	assert_int_equal(json_integer_value(json_object_get(report, "unknown")), 1);
	json_decref(report);
	answering = false;
	run(4 * SECOND);
	report = health_report(health, "b");
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(json_object_get(report, "streams"), 0), "state")),
		"unknown");
	assert_true(json_is_null(
		json_object_get(json_array_get(json_object_get(report, "streams"), 0), "next_ms")));
	json_decref(report);
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(makes_one_stream_for_what_is_the_same),
		UNIT(tells_checks_apart),
		UNIT(does_not_probe_what_the_operator_disabled),
		UNIT(takes_backends_without_a_check_as_up),
		UNIT(probes_in_its_intervals_with_jitter),
		UNIT(hurries_while_it_counts),
		UNIT(asks_new_ones_early),
		UNIT(asks_known_ones_within_their_interval),
		UNIT(spreads_ten_thousand_streams),
		UNIT(says_each_change_once),
		UNIT(calls_once_for_a_burst_and_soon),
		UNIT(does_not_wait_for_the_end_of_changes),
		UNIT(counts_vips_not_pools),
		UNIT(leaves_time_between_calls_that_take_long),
		UNIT(keeps_the_state_when_it_cannot_probe),
		UNIT(waits_for_the_tunnel_of_a_new_one),
		UNIT(says_few_lines_of_many_own_errors),
		UNIT(gives_the_weight_back_in_steps),
		UNIT(ends_a_slow_start_when_it_goes_down),
		UNIT(starts_new_ones_slowly),
		UNIT(does_what_an_agent_asks_for),
		UNIT(goes_on_over_a_reload),
		UNIT(goes_on_when_the_model_is_the_same),
		UNIT(keeps_its_times_over_reloads),
		UNIT(waits_for_probes_over_changes),
		UNIT(keeps_what_it_knows_when_a_check_changes),
		UNIT(takes_what_served_without_a_check_as_up),
		UNIT(remembers_over_a_restart),
		UNIT(remembers_what_an_agent_asked_for),
		UNIT(remembers_that_one_turned),
		UNIT(notes_that_the_clock_was_set_back),
		UNIT(takes_a_file_that_is_no_json_as_missing),
		UNIT(writes_many_in_slices),
		UNIT(writes_what_changed_soon_and_once),
		UNIT(refuses_a_file_that_it_did_not_write),
		UNIT(reports_all_of_a_stream),
	};

	return cmocka_run_group_tests_name("daemon/health", tests, load_text_enter,
					   load_text_leave);
}
