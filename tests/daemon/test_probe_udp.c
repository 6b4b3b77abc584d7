/* SPDX-License-Identifier: MIT */
/*
 * UDP and DNS probes with servers that answer well, badly, or not.
 */
#include <arpa/nameser.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/hostile.h"
#include "tests/lib/netns.h"
#include "tests/lib/probing.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define HOST "127.0.0.1"

enum port {
	ECHOES = 7100,
	SILENT,
	SAYS,
	ANSWERS,
	ANSWERS_SERVFAIL,
	ANSWERS_NXDOMAIN,
	ANSWERS_14,
	OTHER_ID,
	OTHER_NAME,
	NOBODY_LISTENS,
};

static const struct hostile_service services[] = {
	{.port = ECHOES, .does = HOSTILE_UDP_ECHO},
	{.port = SILENT, .does = HOSTILE_UDP_SILENT},
	{.port = SAYS, .does = HOSTILE_UDP_SAY, .text = "garbage\n\x01\xff"},
	{.port = ANSWERS, .does = HOSTILE_DNS},
	{.port = ANSWERS_SERVFAIL, .does = HOSTILE_DNS, .number = ns_r_servfail},
	{.port = ANSWERS_NXDOMAIN, .does = HOSTILE_DNS, .number = ns_r_nxdomain},
	{.port = ANSWERS_14, .does = HOSTILE_DNS, .number = 14},
	{.port = OTHER_ID, .does = HOSTILE_DNS_ID},
	{.port = OTHER_NAME, .does = HOSTILE_DNS_NAME},
};

static pid_t server;

/* A row without a timeout is patient. */
struct row {
	enum port port;
	struct model_check check;
	enum judge_result result;
	const char *reason;
};

static void run_rows(struct probing *p, enum model_check_type type, const struct row *rows,
		     size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct model_check check = rows[i].check;

		check.type = type;
		if (!check.timeout_ms)
			check.timeout_ms = PROBING_PATIENT_MS;
		probing_finds(p, &check, HOST, rows[i].port, rows[i].result, rows[i].reason);
	}
}

#define SENDS(s) .payload = (uint8_t *)(s), .payload_size = sizeof(s) - 1
#define EXPECTS(s) .expect = (uint8_t *)(s), .expect_size = sizeof(s) - 1
#define SHORT .timeout_ms = PROBING_SHORT_MS

static void udp_replies_are_looked_at(void **state)
{
	static const struct row rows[] = {
		{ECHOES, {SENDS("ping")}, JUDGE_SUCCESS, "udp reply of 4 bytes"},
		{ECHOES, {SENDS("")}, JUDGE_SUCCESS, "udp reply of 0 bytes"},
		{ECHOES, {SENDS("ping"), EXPECTS("pi")}, JUDGE_SUCCESS, "udp reply of 4 bytes"},
		{ECHOES, {SENDS("pi\0ng"), EXPECTS("pi\0ng")}, JUDGE_SUCCESS, "udp reply of 5"},
		{ECHOES,
		 {SENDS("ping"), EXPECTS("pong")},
		 JUDGE_FAILURE,
		 "udp reply is not as expected: 4 bytes, they begin with 70696e67"},
		{ECHOES,
		 {SENDS("pi"), EXPECTS("ping")},
		 JUDGE_FAILURE,
		 "udp reply is not as expected: 2 bytes"},
		{ECHOES,
		 {SENDS(""), EXPECTS("ping")},
		 JUDGE_FAILURE,
		 "udp reply is not as expected: 0 bytes"},
		{SAYS, {SENDS("ping")}, JUDGE_SUCCESS, "udp reply of 10 bytes"},
		{SAYS,
		 {SENDS("ping"), EXPECTS("pong")},
		 JUDGE_FAILURE,
		 "udp reply is not as expected: 10 bytes, they begin with 676172626167650a..."},
		{SILENT, {SENDS("ping"), SHORT}, JUDGE_FAILURE, "udp timed out after "},
		{NOBODY_LISTENS, {SENDS("ping")}, JUDGE_FAILURE, "udp: connection refused"},
	};

	run_rows(*state, MODEL_CHECK_UDP, rows, COUNT(rows));
}

static void a_payload_too_large_is_of_this_host(void **state)
{
	static uint8_t large[70000];
	const struct model_check check = {.type = MODEL_CHECK_UDP,
					  .timeout_ms = PROBING_PATIENT_MS,
					  .payload = large,
					  .payload_size = sizeof(large)};

	probing_finds(*state, &check, HOST, ECHOES, JUDGE_UNKNOWN, "this host: Message too long");
}

#define ASKS .query_name = "Www.example.com", .query_type = ns_t_a
#define ASKS_DOT .query_name = "www.example.com.", .query_type = ns_t_aaaa

static void dns_answers_are_looked_at(void **state)
{
	static const struct row rows[] = {
		{ANSWERS, {ASKS}, JUDGE_SUCCESS, "dns answer NOERROR, 0 records"},
		{ANSWERS, {ASKS_DOT}, JUDGE_SUCCESS, "dns answer NOERROR"},
		{ANSWERS_SERVFAIL, {ASKS}, JUDGE_FAILURE, "dns answer SERVFAIL"},
		{ANSWERS_NXDOMAIN, {ASKS}, JUDGE_FAILURE, "dns answer NXDOMAIN"},
		{ANSWERS_14, {ASKS}, JUDGE_FAILURE, "dns answer 14,"},
		{OTHER_ID, {ASKS, SHORT}, JUDGE_FAILURE, "dns timed out after "},
		{OTHER_NAME, {ASKS, SHORT}, JUDGE_FAILURE, "dns timed out after "},
		{SAYS,
		 {ASKS},
		 JUDGE_FAILURE,
		 "dns: 16 replies, and none of them answers the question"},
		/* The question is no answer. */
		{ECHOES, {ASKS, SHORT}, JUDGE_FAILURE, "dns timed out after "},
		{SILENT, {ASKS, SHORT}, JUDGE_FAILURE, "dns timed out after "},
		{NOBODY_LISTENS, {ASKS}, JUDGE_FAILURE, "dns: connection refused"},
	};
	struct probe_report report;

	run_rows(*state, MODEL_CHECK_DNS, rows, COUNT(rows));
	report = probing_ask(*state, &(struct model_check){.type = MODEL_CHECK_DNS, ASKS, SHORT},
			     HOST, OTHER_ID);
	assert_non_null(strstr(report.reason, " ms, and 1 replies did not answer the question"));
}

static void no_name_is_of_this_host(void **state)
{
	const struct model_check check = {
		.type = MODEL_CHECK_DNS, .query_name = "a..b", .timeout_ms = PROBING_PATIENT_MS};

	probing_finds(*state, &check, HOST, ANSWERS, JUDGE_UNKNOWN, "this host: Invalid argument");
}

static void nothing_is_left_behind(void **state)
{
	static const struct model_check udp = {
		.type = MODEL_CHECK_UDP, SENDS("ping"), .timeout_ms = PROBING_PATIENT_MS};
	static const struct model_check dns = {
		.type = MODEL_CHECK_DNS, ASKS, .timeout_ms = PROBING_PATIENT_MS};
	static const struct model_check late = {.type = MODEL_CHECK_UDP, SENDS("ping"), SHORT};

	probing_leaks_nothing(*state, &udp, HOST, ECHOES);
	probing_leaks_nothing(*state, &udp, HOST, NOBODY_LISTENS);
	probing_leaks_nothing(*state, &late, HOST, SILENT);
	probing_leaks_nothing(*state, &dns, HOST, ANSWERS);
	probing_leaks_nothing(*state, &dns, HOST, SAYS);
}

static int setup(void **state)
{
	int err = probing_setup(state);

	server = hostile_start(HOST, services, COUNT(services));
	return err;
}

static int teardown(void **state)
{
	hostile_stop(server);
	return probing_teardown(state);
}

#define PROBE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		PROBE_TEST(udp_replies_are_looked_at),
		PROBE_TEST(a_payload_too_large_is_of_this_host),
		PROBE_TEST(dns_answers_are_looked_at),
		PROBE_TEST(no_name_is_of_this_host),
		PROBE_TEST(nothing_is_left_behind),
	};

	netns_init(tests, COUNT(tests));
	return cmocka_run_group_tests_name("daemon/probe_udp", tests, NULL, netns_group_fini);
}
