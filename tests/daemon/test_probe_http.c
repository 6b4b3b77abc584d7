/* SPDX-License-Identifier: MIT */
/*
 * HTTP and HTTPS probes: servers that answer well, badly, too much, slowly or not; what the server gets
 * to see; certificates. nginx and openssl's s_server are run for what needs TLS or HTTP/2.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/hostile.h"
#include "tests/lib/netns.h"
#include "tests/lib/probing.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define HOST "127.0.0.1"
#define PATIENT .timeout_ms = PROBING_PATIENT_MS
#define SHORT .timeout_ms = PROBING_SHORT_MS
#define OPENS_S 30 /* until a server is there */

enum port {
	SHOWS = 7300, /* what it got */
	SAYS_204,
	SAYS_302,
	SAYS_503,
	SAYS_SECRET,
	CHUNKED,
	SAYS_100,
	HANGS,
	RESETS,
	CLOSES,
	DRIPS_HEADER,
	DRIPS_BODY,
	ENDLESS_HEADERS,
	ENDLESS_BODY,
	ENDLESS_LINE,
	GARBAGE,
	ZERO_NINE,
	CUT_HEADER,
	CUT_BODY,
	NOBODY_LISTENS,
	NGINX,
	NGINX_H2,
	NGINX_TLS,
	NGINX_TLS_H1,
	S_SERVER_EXPIRED,
};

static const struct hostile_service services[] = {
	{.port = SHOWS, .does = HOSTILE_ECHO},
	{.port = SAYS_204, .does = HOSTILE_SAY, .text = "HTTP/1.1 204 No Content\r\n\r\n"},
	{.port = SAYS_302,
	 .does = HOSTILE_SAY,
	 .text = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:7306/\r\n\r\n"},
	{.port = SAYS_503, .does = HOSTILE_SAY, .text = "HTTP/1.0 503 Busy\r\n\r\nnot now"},
	{.port = SAYS_SECRET,
	 .does = HOSTILE_SAY,
	 .text = "HTTP/1.1 200 OK\r\nX: outside\r\nContent-Length: 12\r\n\r\nall is well\n"},
	{.port = CHUNKED,
	 .does = HOSTILE_SAY,
	 .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "4\r\nall \r\n7\r\nis well\r\n0\r\nX-Trailer: 1\r\n\r\n"},
	{.port = SAYS_100,
	 .does = HOSTILE_SAY,
	 .text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nall is well"},
	{.port = HANGS, .does = HOSTILE_HANG},
	{.port = RESETS, .does = HOSTILE_RESET},
	{.port = CLOSES, .does = HOSTILE_CLOSE},
	{.port = DRIPS_HEADER, .does = HOSTILE_DRIP, .text = "HTTP/1.1 200 OK\r\nX: "},
	{.port = DRIPS_BODY,
	 .does = HOSTILE_DRIP,
	 .text = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"},
	{.port = ENDLESS_HEADERS, .does = HOSTILE_HEADERS},
	{.port = ENDLESS_BODY, .does = HOSTILE_BODY, .text = "all is well "},
	{.port = ENDLESS_LINE, .does = HOSTILE_FLOOD, .text = "HTTP/1.1 200 OK "},
	{.port = GARBAGE, .does = HOSTILE_SAY, .text = "\x01\xff\x02garbage\r\n\r\n"},
	{.port = ZERO_NINE, .does = HOSTILE_FLOOD, .text = "<html>\n"},
	{.port = CUT_HEADER, .does = HOSTILE_SAY, .text = "HTTP/1.1 200 OK\r\nX: y"},
	{.port = CUT_BODY,
	 .does = HOSTILE_SAY,
	 .text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"},
};

static struct model_status_range usual = {200, 399};
static pid_t hostile;

static int setup(void **state)
{
	int err = probing_setup(state);

	hostile = hostile_start(HOST, services, COUNT(services));
	return err;
}

static int teardown(void **state)
{
	hostile_stop(hostile);
	return probing_teardown(state);
}

/* @check with what the config's defaults would be. */
static struct model_check complete(struct model_check check)
{
	if (!check.type)
		check.type = MODEL_CHECK_HTTP;
	if (!check.method)
		check.method = (char *)"GET";
	if (!check.path)
		check.path = (char *)"/";
	if (!check.statuses) {
		check.statuses = &usual;
		check.n_statuses = 1;
	}
	return check;
}

struct row {
	enum port port;
	struct model_check check;
	enum judge_result result;
	const char *reason;
};

static void run_rows(struct probing *p, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct model_check check = complete(rows[i].check);

		probing_finds(p, &check, HOST, rows[i].port, rows[i].result, rows[i].reason);
	}
}

static void status_and_body_decide(void **state)
{
	static struct model_status_range only_503 = {503, 503};
	static struct model_status_range two[] = {{200, 200}, {204, 204}};
	static const struct row rows[] = {
		{SAYS_204, {PATIENT}, JUDGE_SUCCESS, "http status 204"},
		{SAYS_204, {PATIENT, .statuses = two, .n_statuses = 2}, JUDGE_SUCCESS, "http"},
		/* No redirect is followed: that one leads to who hangs. */
		{SAYS_302, {PATIENT}, JUDGE_SUCCESS, "http status 302"},
		{SAYS_302,
		 {PATIENT, .statuses = two, .n_statuses = 2},
		 JUDGE_FAILURE,
		 "http status 302"},
		{SAYS_503, {PATIENT}, JUDGE_FAILURE, "http status 503"},
		{SAYS_503,
		 {PATIENT, .statuses = &only_503, .n_statuses = 1},
		 JUDGE_SUCCESS,
		 "http status 503"},
		{SAYS_SECRET, {PATIENT, .body = (char *)"all (is|was)"}, JUDGE_SUCCESS, "http st"},
		{SAYS_SECRET,
		 {PATIENT, .body = (char *)"outside"},
		 JUDGE_FAILURE,
		 "http status 200, body does not match"},
		{SAYS_204, {PATIENT, .body = (char *)"x"}, JUDGE_FAILURE, "http status 204, body"},
		{SAYS_204, {PATIENT, .body = (char *)"^$"}, JUDGE_SUCCESS, "http status 204"},
		{SAYS_100, {PATIENT, .body = (char *)"^all is well$"}, JUDGE_SUCCESS, "http st"},
		{CHUNKED, {PATIENT, .body = (char *)"all is well"}, JUDGE_SUCCESS, "http"},
		{SAYS_SECRET,
		 {PATIENT, .body = (char *)"("},
		 JUDGE_UNKNOWN,
		 "http: this host cannot use the check's body"},
	};

	run_rows(*state, rows, COUNT(rows));
}

static void bad_servers_are_failures(void **state)
{
	static const struct row rows[] = {
		{NOBODY_LISTENS, {PATIENT}, JUDGE_FAILURE, "http connect: connection refused"},
		{RESETS, {PATIENT}, JUDGE_FAILURE, "http: connection reset by the backend"},
		{CLOSES, {PATIENT}, JUDGE_FAILURE, "http: "},
		{CUT_HEADER, {PATIENT}, JUDGE_FAILURE, "http: the answer is cut short"},
		{GARBAGE, {PATIENT}, JUDGE_FAILURE, "http: the answer is not HTTP"},
		{ZERO_NINE, {PATIENT}, JUDGE_FAILURE, "http: the answer is not HTTP"},
		{CUT_BODY, {PATIENT}, JUDGE_FAILURE, "http: the answer is cut short"},
		{ENDLESS_HEADERS,
		 {PATIENT},
		 JUDGE_FAILURE,
		 "http: the headers are larger than 65536 bytes"},
		{ENDLESS_LINE, {PATIENT}, JUDGE_FAILURE, "http: the answer has too long a line"},
		{ENDLESS_BODY, {PATIENT}, JUDGE_SUCCESS, "http status 200"},
		{ENDLESS_BODY, {PATIENT, .body = (char *)"^all is"}, JUDGE_SUCCESS, "http status"},
		{ENDLESS_BODY,
		 {PATIENT, .body = (char *)"nothing"},
		 JUDGE_FAILURE,
		 "http status 200, body does not match in its first 65536 bytes"},
	};

	run_rows(*state, rows, COUNT(rows));
}

/* Fails unless it times out and the reason ends so. */
static void expect_late(struct probing *p, enum model_check_type type, enum port port,
			const char *waiting)
{
	struct model_check check = complete((struct model_check){.type = type, SHORT});
	struct probe_report report = probing_ask(p, &check, HOST, port);
	size_t n = strlen(report.reason);

	probing_expect(&report, JUDGE_FAILURE, "http timed out after ");
	if (n < strlen(waiting) || strcmp(report.reason + n - strlen(waiting), waiting) != 0)
		fail_msg("\"%s\" does not end with \"%s\"", report.reason, waiting);
}

static void a_timeout_says_what_was_awaited(void **state)
{
	expect_late(*state, MODEL_CHECK_HTTP, HANGS, " ms waiting for the answer");
	expect_late(*state, MODEL_CHECK_HTTP, DRIPS_HEADER, " ms in the midst of the answer");
	expect_late(*state, MODEL_CHECK_HTTP, DRIPS_BODY, " ms in the midst of the answer");
	expect_late(*state, MODEL_CHECK_HTTPS, HANGS, " ms in the TLS handshake");
}

/* The server shows the request, and the body's expression looks into it. */
static void the_server_sees_the_request_as_it_was_asked_for(void **state)
{
	static char *headers[] = {(char *)"X-One: 1", (char *)"User-Agent: mine"};
	static const struct row rows[] = {
		{SHOWS, {PATIENT, .body = (char *)"^GET / HTTP/1.1\r\n"}, JUDGE_SUCCESS, "http"},
		{SHOWS, {PATIENT, .body = (char *)"Host: 127.0.0.1:7300\r\n"}, JUDGE_SUCCESS, ""},
		{SHOWS, {PATIENT, .body = (char *)"User-Agent: sluice\r\n"}, JUDGE_SUCCESS, ""},
		{SHOWS, {PATIENT, .body = (char *)"Connection: close\r\n"}, JUDGE_SUCCESS, ""},
		{SHOWS,
		 {PATIENT, .host = (char *)"www.nowhere.invalid", .path = (char *)"/a/../b?c=d",
		  .body = (char *)"^GET /a/\\.\\./b\\?c=d HTTP.*Host: www.nowhere.invalid\r\n"},
		 JUDGE_SUCCESS,
		 ""},
		{SHOWS,
		 {PATIENT, .host = (char *)"www.nowhere.invalid:8080",
		  .body = (char *)"Host: www.nowhere.invalid:8080\r\n"},
		 JUDGE_SUCCESS,
		 ""},
		{SHOWS,
		 {PATIENT, .method = (char *)"OPTIONS", .body = (char *)"^OPTIONS / "},
		 JUDGE_SUCCESS,
		 ""},
		{SHOWS,
		 {PATIENT, .method = (char *)"POST", .body = (char *)"^POST / .*Content-Length: 0"},
		 JUDGE_SUCCESS,
		 ""},
		/* No body comes. */
		{SHOWS, {PATIENT, .method = (char *)"HEAD"}, JUDGE_SUCCESS, "http status 200"},
		{SHOWS,
		 {PATIENT, .headers = headers, .n_headers = 2, .body = (char *)"X-One: 1\r\n"},
		 JUDGE_SUCCESS,
		 ""},
		{SHOWS,
		 {PATIENT, .headers = headers, .n_headers = 2, .body = (char *)"Agent: sluice"},
		 JUDGE_FAILURE,
		 ""},
	};

	run_rows(*state, rows, COUNT(rows));
}

static void proxies_of_the_environment_are_not_used(void **state)
{
	static const struct row rows[] = {{SAYS_204, {PATIENT}, JUDGE_SUCCESS, "http status 204"}};

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	run_rows(*state, rows, COUNT(rows));
}

static int forget_proxies(void **state)
{
	unsetenv("http_proxy");
	return teardown(state);
}

static void an_ipv6_address_is_reached(void **state)
{
	static const struct hostile_service shows = {.port = SHOWS, .does = HOSTILE_ECHO};
	struct model_check check =
		complete((struct model_check){PATIENT, .body = (char *)"Host: \\[::1\\]:7300\r\n"});
	pid_t pid;

	netns_run("echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6 && "
		  "(ip -6 addr add ::1/128 dev lo 2>/dev/null || :)");
	pid = hostile_start("::1", &shows, 1);
	probing_finds(*state, &check, "::1", SHOWS, JUDGE_SUCCESS, "http status 200");
	hostile_stop(pid);
}

static void errors_of_this_host_are_told_apart(void **state)
{
	struct model_check check = complete((struct model_check){PATIENT});
	struct rlimit limit, none = {.rlim_cur = 0};

	probing_finds(*state, &check, "10.77.0.1", 80, JUDGE_UNKNOWN,
		      "http connect: this host: no route");
	getrlimit(RLIMIT_NOFILE, &limit);
	none.rlim_max = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &none);
	probing_finds(*state, &check, HOST, SAYS_204, JUDGE_UNKNOWN,
		      "http connect: this host: no descriptor is free");
	setrlimit(RLIMIT_NOFILE, &limit);
	check.path = (char *)"/with space";
	probing_finds(*state, &check, HOST, SAYS_204, JUDGE_UNKNOWN, "http: this host: URL");
}

static void remember(void *ctx, const struct probe_report *report)
{
	*(struct probe_report *)ctx = *report;
}

/* Packets with the mark find no route. */
static void the_socket_has_the_mark(void **state)
{
	struct model_check check = complete((struct model_check){PATIENT});
	struct probe_target target = probing_target(&check, HOST, SAYS_204);
	struct probe_report report = {0};
	struct probing *p = *state;
	struct probe *probe;

	netns_run("ip rule add pref 0 fwmark 0x5c000001 unreachable && "
		  "{ ip rule add pref 1 lookup local && ip rule del pref 0 lookup local || :; }");
	probing_finds(p, &check, HOST, SAYS_204, JUDGE_SUCCESS, "http status 204");
	target.mark = 0x5c000001;
	assert_int_equal(probe_start(&probe, p->probes, &target, remember, &report), 0);
	while (!*report.reason)
		assert_true(sd_event_run(p->event, UINT64_MAX) > 0);
	assert_int_not_equal(report.result, JUDGE_SUCCESS);
}

struct crowd {
	unsigned int open;
};

static void count_out(void *ctx, const struct probe_report *report)
{
	struct crowd *crowd = ctx;

	(void)report;
	crowd->open--;
}

/* A good server is found good while hundreds of others keep their probes. */
static void bad_servers_delay_nobody_else(void **state)
{
	static const enum port keepers[] = {HANGS, DRIPS_HEADER, DRIPS_BODY};
	struct model_check check = complete((struct model_check){PATIENT});
	struct probe *probes[COUNT(keepers) * 100];
	struct crowd crowd = {.open = COUNT(probes)};
	struct probing *p = *state;

	for (size_t i = 0; i < COUNT(probes); i++) {
		struct probe_target target =
			probing_target(&check, HOST, keepers[i % COUNT(keepers)]);

		assert_int_equal(probe_start(&probes[i], p->probes, &target, count_out, &crowd), 0);
	}
	for (unsigned int i = 0; i < 20; i++) {
		probing_finds(p, &check, HOST, ENDLESS_HEADERS, JUDGE_FAILURE, "http: the headers");
		probing_finds(p, &check, HOST, SAYS_204, JUDGE_SUCCESS, "http status 204");
	}
	assert_int_equal(crowd.open, COUNT(probes));
	for (size_t i = 0; i < COUNT(probes); i++)
		probe_cancel(probes[i]);
}

/* --------------------------------------------------------------------------- real servers, TLS */

static pid_t spawn(char *const argv[])
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int fd = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void wait_for(struct probing *p, enum port port)
{
	const struct model_check check = {.type = MODEL_CHECK_TCP, PATIENT};

	for (unsigned int i = 0; i < OPENS_S * 20; i++) {
		if (probing_ask(p, &check, HOST, port).result == JUDGE_SUCCESS)
			return;
		usleep(50000);
	}
	fail_msg("nobody listens on port %u", port);
}

static pid_t start_nginx(struct probing *p)
{
	char path[128];
	char *argv[] = {(char *)"nginx", (char *)"-e", (char *)"stderr", (char *)"-c", path, NULL};
	const char *dir = netns_dir();
	FILE *f;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/nginx.conf", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f,
		"daemon off; master_process off; pid %s/pid; error_log %s/error.log info;\n"
		"events {} http { access_log off; server {\n"
		"listen 127.0.0.1:%u; listen 127.0.0.1:%u http2;\n"
		"listen 127.0.0.1:%u ssl http2; listen 127.0.0.1:%u ssl;\n"
		"ssl_certificate %s/good.pem; ssl_certificate_key %s/good.key;\n"
		"location / { return 200 \"$server_protocol $ssl_server_name\\n\"; } } }\n",
		dir, dir, NGINX, NGINX_H2, NGINX_TLS, NGINX_TLS_H1, dir, dir);
	fclose(f);
	pid = spawn(argv);
	wait_for(p, NGINX);
	return pid;
}

static void make_certificate(const char *name, int days)
{
	netns_run("cd %s && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
		  "-nodes -keyout %s.key -out %s.csr -subj /CN=www.example.com "
		  "-addext subjectAltName=DNS:www.example.com,IP:127.0.0.1 2>openssl.log && "
		  "openssl x509 -req -in %s.csr -signkey %s.key -days %d -copy_extensions copy "
		  "-out %s.pem 2>>openssl.log",
		  netns_dir(), name, name, name, name, days, name);
}

#define HTTPS .type = MODEL_CHECK_HTTPS, PATIENT
#define NAMED .host = (char *)"www.example.com"

static void http2_is_spoken(void **state)
{
	static const struct row rows[] = {
		{NGINX, {PATIENT, .body = (char *)"HTTP/1.1"}, JUDGE_SUCCESS, "http status 200"},
		{NGINX_H2, {PATIENT, .http2 = true, .body = (char *)"^HTTP/2"}, JUDGE_SUCCESS, ""},
		{NGINX, {PATIENT, .http2 = true}, JUDGE_FAILURE, "http"},
		{NGINX_TLS,
		 {HTTPS, .http2 = true, .body = (char *)"HTTP/2"},
		 JUDGE_SUCCESS,
		 "http status 200"},
		{NGINX_TLS, {HTTPS, .body = (char *)"HTTP/1.1"}, JUDGE_SUCCESS, "http status 200"},
		{NGINX_TLS_H1,
		 {HTTPS, .http2 = true},
		 JUDGE_FAILURE,
		 "http status 200, but the backend does not speak HTTP/2"},
	};
	pid_t pid;

	make_certificate("good", 2);
	pid = start_nginx(*state);
	run_rows(*state, rows, COUNT(rows));
	stop(pid);
	/* Nothing that an operator would read about. */
	netns_run("! grep -vE '\\[(notice|info)\\]' %s/error.log", netns_dir());
}

static void certificates_are_verified_if_that_is_asked_for(void **state)
{
	char good[64], other[64];
	const struct row rows[] = {
		{NGINX_TLS, {HTTPS}, JUDGE_SUCCESS, "http status 200"},
		{NGINX_TLS, {HTTPS, NAMED, .body = (char *)" www.example.com"}, JUDGE_SUCCESS, ""},
		{NGINX_TLS,
		 {HTTPS, NAMED, .verify = true},
		 JUDGE_FAILURE,
		 "tls: self-signed certificate"},
		{NGINX_TLS,
		 {HTTPS, NAMED, .verify = true, .ca_file = good},
		 JUDGE_SUCCESS,
		 "http status 200"},
		/* The address is verified where there is no name. */
		{NGINX_TLS, {HTTPS, .verify = true, .ca_file = good}, JUDGE_SUCCESS, "http"},
		{NGINX_TLS,
		 {HTTPS, .verify = true, .ca_file = good, .host = (char *)"other.example.com"},
		 JUDGE_FAILURE,
		 "tls: no alternative certificate subject name matches"},
		{NGINX_TLS,
		 {HTTPS, NAMED, .verify = true, .ca_file = other},
		 JUDGE_FAILURE,
		 "tls: self-signed certificate"},
		/* One file after the other, and again: none counts for another. */
		{NGINX_TLS, {HTTPS, NAMED, .verify = true, .ca_file = good}, JUDGE_SUCCESS, ""},
		{NGINX_TLS, {HTTPS, NAMED, .verify = true}, JUDGE_FAILURE, "tls: "},
		{NGINX_TLS,
		 {HTTPS, .verify = true, .ca_file = (char *)"/nowhere/ca.pem"},
		 JUDGE_UNKNOWN,
		 "tls: this host cannot read certificates from /nowhere/ca.pem"},
		{NGINX, {HTTPS}, JUDGE_FAILURE, "tls: wrong version number"},
		{CLOSES, {HTTPS}, JUDGE_FAILURE, "tls: "},
		{RESETS, {HTTPS}, JUDGE_FAILURE, "tls: connection reset by the backend"},
		{GARBAGE, {HTTPS}, JUDGE_FAILURE, "tls: "},
		{NOBODY_LISTENS, {HTTPS}, JUDGE_FAILURE, "http connect: connection refused"},
	};
	pid_t pid;

	snprintf(good, sizeof(good), "%s/good.pem", netns_dir());
	snprintf(other, sizeof(other), "%s/other.pem", netns_dir());
	make_certificate("good", 2);
	make_certificate("other", 2);
	pid = start_nginx(*state);
	run_rows(*state, rows, COUNT(rows));
	stop(pid);
}

static void an_expired_certificate_is_a_failure(void **state)
{
	char port[8], key[64], certificate[64];
	char *argv[] = {(char *)"openssl",
			(char *)"s_server",
			(char *)"-www",
			(char *)"-quiet",
			(char *)"-accept",
			port,
			(char *)"-key",
			key,
			(char *)"-cert",
			certificate,
			NULL};
	const struct row rows[] = {
		{S_SERVER_EXPIRED,
		 {HTTPS, NAMED, .verify = true, .ca_file = certificate},
		 JUDGE_FAILURE,
		 "tls: certificate has expired"},
		{S_SERVER_EXPIRED, {HTTPS, NAMED}, JUDGE_SUCCESS, "http status 200"},
	};
	pid_t pid;

	snprintf(port, sizeof(port), "%u", S_SERVER_EXPIRED);
	snprintf(key, sizeof(key), "%s/expired.key", netns_dir());
	snprintf(certificate, sizeof(certificate), "%s/expired.pem", netns_dir());
	make_certificate("expired", -1);
	pid = spawn(argv);
	wait_for(*state, S_SERVER_EXPIRED);
	run_rows(*state, rows, COUNT(rows));
	stop(pid);
}

static void nothing_is_left_behind(void **state)
{
	struct model_check check = complete((struct model_check){PATIENT, .body = (char *)"x"});
	struct model_check late = complete((struct model_check){SHORT});
	struct model_check https = complete((struct model_check){HTTPS});
	pid_t pid;

	probing_leaks_nothing(*state, &check, HOST, SAYS_SECRET);
	probing_leaks_nothing(*state, &check, HOST, NOBODY_LISTENS);
	probing_leaks_nothing(*state, &check, HOST, ENDLESS_HEADERS);
	probing_leaks_nothing(*state, &late, HOST, HANGS);
	make_certificate("good", 2);
	pid = start_nginx(*state);
	probing_leaks_nothing(*state, &https, HOST, NGINX_TLS);
	check.http2 = true;
	probing_leaks_nothing(*state, &check, HOST, NGINX_H2);
	stop(pid);
}

#define PROBE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		PROBE_TEST(status_and_body_decide),
		PROBE_TEST(bad_servers_are_failures),
		PROBE_TEST(a_timeout_says_what_was_awaited),
		PROBE_TEST(the_server_sees_the_request_as_it_was_asked_for),
		cmocka_unit_test_setup_teardown(proxies_of_the_environment_are_not_used, setup,
						forget_proxies),
		PROBE_TEST(bad_servers_delay_nobody_else),
		PROBE_TEST(an_ipv6_address_is_reached),
		PROBE_TEST(errors_of_this_host_are_told_apart),
		PROBE_TEST(the_socket_has_the_mark),
		PROBE_TEST(http2_is_spoken),
		PROBE_TEST(certificates_are_verified_if_that_is_asked_for),
		PROBE_TEST(an_expired_certificate_is_a_failure),
		PROBE_TEST(nothing_is_left_behind),
	};

	netns_init(tests, COUNT(tests));
	return cmocka_run_group_tests_name("daemon/probe_http", tests, NULL, netns_group_fini);
}
