/* SPDX-License-Identifier: MIT */
/*
 * Checks of pools: which keys each kind has, what they may say, and what is there without them.
 */
#include "config/load.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/load_text.h"

#define POOL(keys) ETH0 "pools = ( { name = 'web'; " keys " } );\n"
#define CHECK(keys) POOL("check = { " keys " };")
#define HTTP(keys) CHECK("type = 'http'; " keys)
#define UDP(keys) CHECK("type = 'udp'; " keys)
#define DNS(keys) CHECK("type = 'dns'; " keys)
#define EXEC(keys) CHECK("type = 'exec'; " keys)
#define OF_POOL "sluice.conf:2: pool 'web': "
#define OF OF_POOL "check: "

static void refuses_numbers_outside_their_ranges(void **state)
{
	static const struct {
		const char *key;
		long min, max;
	} ranges[] = {
		{"port", 1, 65535},
		{"interval_ms", 100, 3600000},
		{"timeout_ms", 10, 60000},
		{"fast_interval_ms", 100, 3600000},
		{"down_interval_ms", 100, 3600000},
		{"rise", 1, 100},
		{"fall", 1, 100},
	};
	char text[256], messages[256];

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		long values[] = {ranges[i].min - 1, ranges[i].max + 1};

		for (size_t j = 0; j < 2; j++) {
			snprintf(text, sizeof(text), CHECK("type = 'tcp'; %s = %ld;"),
				 ranges[i].key, values[j]);
			snprintf(messages, sizeof(messages), OF "%s %ld is outside %ld..%ld\n",
				 ranges[i].key, values[j], ranges[i].min, ranges[i].max);
			assert_refused(text, messages);
		}
	}
}

static void refuses_bad_pool_keys(void **state)
{
	static const struct row rows[] = {
		{POOL("slow_start_s = -1;"), OF_POOL "slow_start_s -1 is outside 0..3600\n"},
		{POOL("slow_start_s = 3601;"), OF_POOL "slow_start_s 3601 is outside 0..3600\n"},
		{POOL("panic = -1;"), OF_POOL "panic -1 is outside 0..100\n"},
		{POOL("panic = 101;"), OF_POOL "panic 101 is outside 0..100\n"},
		{POOL("slow_start = 1;"), "sluice.conf:2: unknown key 'slow_start' in pool; did "
					  "you mean 'slow_start_s'?\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_keys_of_other_kinds(void **state)
{
	static const struct row rows[] = {
		{CHECK("type = 'none'; rise = 2;"),
		 OF "rise needs type = 'tcp', 'http', 'https', 'udp', 'dns', 'exec' or 'agent', "
		    "not 'none'\n"},
		{CHECK("type = 'agent'; port = 1; via = 'tunnel';"),
		 OF "via needs type = 'tcp', 'http', 'https', 'udp' or 'dns', not 'agent'\n"},
		{CHECK("type = 'tcp'; path = '/';\nverify = true; payload = 'x'; query = 'x';\n"
		       "command = [ '/bin/true' ];"),
		 OF "path needs type = 'http' or 'https', not 'tcp'\n"
		    "sluice.conf:3: pool 'web': check: verify needs type = 'https', not 'tcp'\n"
		    "sluice.conf:3: pool 'web': check: payload needs type = 'udp', not 'tcp'\n"
		    "sluice.conf:3: pool 'web': check: query needs type = 'dns', not 'tcp'\n"
		    "sluice.conf:4: pool 'web': check: command needs type = 'exec', not 'tcp'\n"},
		{HTTP("ca_file = '/dev/null'; expect = 'x';"),
		 OF "ca_file '/dev/null': not a file\n" OF
		    "ca_file needs type = 'https', not 'http'\n" OF
		    "expect needs type = 'udp', not 'http'\n"},
		{CHECK("type = 'tcp'; intervall_ms = 1000;"),
		 "sluice.conf:2: unknown key 'intervall_ms' in check; did you mean "
		 "'interval_ms'?\n"},
		/* whose keys they are is not known without a type */
		{CHECK("path = '/'; query = 'x';"), OF "type is missing\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_what_is_missing(void **state)
{
	static const struct row rows[] = {
		{UDP(""), OF "payload is missing, what is sent; payload_hex is the same as hex\n"},
		{DNS(""), OF "query is missing, the name to ask for, such as 'example.com'\n"},
		{EXEC(""), OF "command is missing, a list with the program`s absolute path and "
			      "arguments\n"},
		{CHECK("type = 'agent';"),
		 OF "port is missing, that of the agent on the backend\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_times_that_do_not_fit(void **state)
{
	static const struct row rows[] = {
		{CHECK("type = 'tcp'; timeout_ms = 2001;"),
		 OF "timeout_ms 2001 is longer than interval_ms 2000, and probes of one backend do "
		    "not overlap\n"},
		{CHECK("type = 'tcp'; interval_ms = 300; fast_interval_ms = 301;"),
		 OF "fast_interval_ms 301 is longer than interval_ms 300\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

#define BAD_PATH(text) \
	OF "path '" text "' must begin with '/' and have up to 2048 printable ASCII characters, " \
	   "no space and no '#'; write others as %XX\n"
#define BAD_HOST(text) \
	OF "host '" text "' is neither a name of letters, digits, '.', '-' and '_' nor an " \
	   "address; the port is a key of its own\n"
#define BAD_HEADER(text) \
	OF "header '" text "' is not of the form 'Name: value' in up to 2048 printable ASCII " \
	   "characters\n"
#define BAD_METHOD(text) OF "method '" text "' is not a word of 1..16 letters such as 'HEAD'\n"

/* No key may end a line of the request early: control characters show as '?'. */
static void refuses_bad_requests(void **state)
{
	static const struct row rows[] = {
		{HTTP("method = '';"), BAD_METHOD("")},
		{HTTP("method = 'GET /';"), BAD_METHOD("GET /")},
		{HTTP("method = 'GET\\r\\n';"), BAD_METHOD("GET??")},
		{HTTP("method = 'ABCDEFGHIJKLMNOPQ';"), BAD_METHOD("ABCDEFGHIJKLMNOPQ")},
		{HTTP("method = 'connect';"),
		 OF "method CONNECT is for proxies; use 'GET' or 'HEAD'\n"},
		{HTTP("path = '';"), BAD_PATH("")},
		{HTTP("path = 'health';"), BAD_PATH("health")},
		{HTTP("path = '/a b';"), BAD_PATH("/a b")},
		{HTTP("path = '/a#b';"), BAD_PATH("/a#b")},
		{HTTP("path = '/\\r\\nX: y';"), BAD_PATH("/??X: y")},
		{HTTP("path = '/\\x7f';"), BAD_PATH("/?")},
		{HTTP("host = '';"), BAD_HOST("")},
		{HTTP("host = 'a b';"), BAD_HOST("a b")},
		{HTTP("host = 'example.com:80';"), BAD_HOST("example.com:80")},
		{HTTP("host = 'example.com/x';"), BAD_HOST("example.com/x")},
		{HTTP("host = 'user@example.com';"), BAD_HOST("user@example.com")},
		{HTTP("host = 'a\\r\\nX: y';"), BAD_HOST("a??X: y")},
		{HTTP("headers = [ 'X' ];"), BAD_HEADER("X")},
		{HTTP("headers = [ 'X:' ];"), BAD_HEADER("X:")},
		{HTTP("headers = [ 'X:  ' ];"), BAD_HEADER("X:  ")},
		{HTTP("headers = [ ': y' ];"), BAD_HEADER(": y")},
		{HTTP("headers = [ 'X Y: z' ];"), BAD_HEADER("X Y: z")},
		{HTTP("headers = [ 'X: a', 'X: y\\r\\nZ: z' ];"), BAD_HEADER("X: y??Z: z")},
		{HTTP("headers = [ 'X: y\\n' ];"), BAD_HEADER("X: y?")},
		{HTTP("headers = ( 'X: y', 7 );"),
		 OF "headers: element 2 must be a string '...', not a whole number\n"},
		{HTTP("headers = 'X: y';"),
		 OF "headers must be an array [ ... ] or a list ( ... ), not a string '...'\n"},
		{HTTP("headers = [ 'host: a', 'Content-length: 7' ];"),
		 OF "header Host is written by the check itself; use the key host\n" OF
		    "header Content-Length is written by the check itself\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_bad_statuses(void **state)
{
	static const char *const statuses[] = {
		"",     "20",      "2000", "200-",     "-200",    "200,",        "200,,201", ",200",
		"9999", "200-099", "099",  "399-200",  "600",     "200 ,201",    "200-600",  "2xx",
		" 200", "200 ",    "+20",  "200-299-", "200;201", "200-299-399",
	};
	char text[256], messages[256];

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		snprintf(text, sizeof(text), HTTP("status = '%s';"), statuses[i]);
		snprintf(messages, sizeof(messages),
			 OF "status '%s' is not a list of statuses 100..599 such as '200-399' or "
			    "'200,204,301-302'\n",
			 statuses[i]);
		assert_refused(text, messages);
	}
}

#define REPEATS(text) \
	OF "body '" text "' repeats too much: all counts in {...}, multiplied, may be 1000\n"

static void refuses_bad_expressions(void **state)
{
	static const struct row rows[] = {
		{HTTP("body = '';"), OF "body has 0 bytes, which is outside 1..1024\n"},
		{HTTP("body = '(ok';"), OF "body '(ok' is not an extended regular expression: "
					   "Unmatched ( or \\(\n"},
		{HTTP("body = '[a';"), OF "body '[a' is not an extended regular expression: "
					  "Unmatched [, [^, [:, [., or [=\n"},
		{HTTP("body = '(a)\\\\1';"),
		 OF "body '(a)\\1' has a reference back, which can take any time\n"},
		{HTTP("body = 'a{1001}';"), REPEATS("a{1001}")},
		{HTTP("body = 'a{1,1001}';"), REPEATS("a{1,1001}")},
		{HTTP("body = '((a{100}){11})';"), REPEATS("((a{100}){11})")},
		{HTTP("body = '((a{2,100}){,11})';"), REPEATS("((a{2,100}){,11})")},
		{HTTP("body = 'a{99999999999999999999}';"), REPEATS("a{99999999999999999999}")},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_texts_that_are_too_long(void **state)
{
	static const struct {
		const char *key;
		size_t max;
	} rows[] = {
		{"type = 'http'; path = '/", 2047}, {"type = 'http'; host = '", 253},
		{"type = 'http'; body = '", 1024},  {"type = 'udp'; payload = '", 1024},
		{"type = 'dns'; query = 'x", 62},
	};
	char word[4096], text[8192];
	struct model *model;
	struct diag diag = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(word, 'x', sizeof(word));
		word[rows[i].max] = '\0';
		snprintf(text, sizeof(text), CHECK("%s%s';"), rows[i].key, word);
		model_free(assert_loads(text));
		snprintf(text, sizeof(text), CHECK("%s%sx';"), rows[i].key, word);
		load_text_write(FILE_NAME, text);
		assert_int_equal(load_file(&model, FILE_NAME, &diag), -EINVAL);
		assert_int_equal(diag.n, 1);
		diag_fini(&diag);
	}
}

#define BAD_QUERY(text) \
	OF "query '" text "' is not a name such as 'example.com': up to 253 characters, each " \
	   "label 1..63 letters, digits, '-' or '_'\n"

static void refuses_bad_questions(void **state)
{
	static const struct row rows[] = {
		{UDP("payload = '';"), OF "payload has 0 bytes, which is outside 1..1024\n"},
		{UDP("payload_hex = '';"),
		 OF "payload_hex has 0 bytes, which is outside 1..1024\n"},
		{UDP("payload_hex = '0';"),
		 OF "payload_hex '0' is not pairs of hex digits such as '00 ff 2a'\n"},
		{UDP("payload_hex = '0 0';"),
		 OF "payload_hex '0 0' is not pairs of hex digits such as '00 ff 2a'\n"},
		{UDP("payload = 'x'; expect_hex = 'gg';"),
		 OF "expect_hex 'gg' is not pairs of hex digits such as '00 ff 2a'\n"},
		{UDP("payload = 'x';\npayload_hex = '00'; expect_hex = '00'; expect = 'x';"),
		 "sluice.conf:3: pool 'web': check: payload and payload_hex exclude each other\n"
		 "sluice.conf:3: pool 'web': check: expect and expect_hex exclude each other\n"},
		{DNS("query = '';"), BAD_QUERY("")},
		{DNS("query = '.';"), BAD_QUERY(".")},
		{DNS("query = 'a..b';"), BAD_QUERY("a..b")},
		{DNS("query = '.a';"), BAD_QUERY(".a")},
		{DNS("query = 'a b';"), BAD_QUERY("a b")},
		{DNS("query = '" NAME_63 "x.com';"), BAD_QUERY(NAME_63 "x.com")},
		{DNS("query = 'a'; query_type = 'a';"),
		 OF "query_type 'a' is not known; known: 'A', 'NS', 'CNAME', 'SOA', 'PTR', 'MX', "
		    "'TXT', 'AAAA', 'SRV', 'HTTPS', 'CAA'\n"},
		/* strings end at a zero byte: libconfig would send half of it */
		{UDP("payload = 'a\\x00b';"),
		 "sluice.conf:2: the string that begins here has a zero byte \\x00, which strings "
		 "cannot have; where bytes are meant, there is a key for hex digits\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void refuses_files_that_cannot_be_used(void **state)
{
	static const struct row rows[] = {
		{EXEC("command = [];"),
		 OF "command has 0 elements; a program and up to 63 arguments may be\n"},
		{EXEC("command = [ 'true' ];"),
		 OF "command 'true' is not an absolute path, which begins with '/'; arguments are "
		    "elements of their own\n"},
		{EXEC("command = [ '/bin/true -x' ];"),
		 OF "command '/bin/true -x': No such file or directory\n"},
		{EXEC("command = [ '/etc/passwd' ];"),
		 OF "command '/etc/passwd': Permission denied\n"},
		{EXEC("command = [ '/' ];"), OF "command '/': not a file\n"},
		{EXEC("command = '/bin/true';"),
		 OF "command must be an array [ ... ] or a list ( ... ), not a string '...'\n"},
		{EXEC("command = ( '/bin/true', 7 );"),
		 OF "command: element 2 must be a string '...', not a whole number\n"},
		{CHECK("type = 'https'; ca_file = 'ca.pem';"),
		 OF "ca_file 'ca.pem' is not an absolute path, which begins with '/'\n"},
		{CHECK("type = 'https'; ca_file = '/does/not/exist';"),
		 OF "ca_file '/does/not/exist': No such file or directory\n"},
		{CHECK("type = 'https'; ca_file = '/etc/passwd'; verify = false;"),
		 OF "ca_file and verify = false exclude each other\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

#define WITH_CHECK(keys) \
	ETH0 "pools = ( { name = 'none'; },\n{ name = 'web'; check = { " keys " }; backends = ( " \
	     "{ name = 'a'; address = '10.0.0.1'; } ); } );\n"
#define ANY_PORT(pool, rest) \
	"vips = ( { name = 'any'; address = '198.18.0.80'; port = 0; protocol = 'tcp'; " \
	"pool = '" pool "'; " rest " } );\n"
#define NO_PORT \
	"sluice.conf:4: vip 'any': port 0 is every port, but the check of pool 'web' needs one: " \
	"give it port = N, see sluice.conf:3\n"

static void needs_a_port_where_a_vip_has_every_port(void **state)
{
	static const struct row rows[] = {
		{WITH_CHECK("type = 'tcp';") ANY_PORT("web", ""), NO_PORT},
		{WITH_CHECK("type = 'udp'; payload = 'x';") ANY_PORT("web", ""), NO_PORT},
		{WITH_CHECK("type = 'http';") ANY_PORT(
			 "none", "sources = ( { prefix = '10.0.0.0/8'; pool = 'web'; } );"),
		 NO_PORT},
		{WITH_CHECK("type = 'http';")
			 ANY_PORT("none", "sources = ( { prefix = '10.0.0.0/8'; pool = 'web'; "
					  "backend = 'a'; } );"),
		 NO_PORT},
	};
	static const char *const good[] = {
		WITH_CHECK("type = 'tcp'; port = 80;") ANY_PORT("web", ""),
		WITH_CHECK("type = 'none';") ANY_PORT("web", ""),
		WITH_CHECK("type = 'exec'; command = [ '/bin/true' ];") ANY_PORT("web", ""),
		WITH_CHECK("type = 'tcp';") ANY_PORT("none", ""),
	};

	(void)state;
	ASSERT_ROWS(rows);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		model_free(assert_loads(good[i]));
}

static void has_defaults(void **state)
{
	struct model *model = assert_loads(
		ETH0 "pools = ( { name = 'a'; }, { name = 'b'; check = { type = 'http'; }; },\n"
		     "{ name = 'c'; check = { type = 'dns'; query = 'a.example.'; interval_ms = "
		     "400; }; },\n"
		     "{ name = 'd'; check = { type = 'agent'; port = 5; }; } );\n");
	const struct model_check *none = &model->pools[0].check, *http = &model->pools[1].check;
	const struct model_check *dns = &model->pools[2].check;

	(void)state;
	assert_int_equal(none->type, MODEL_CHECK_NONE);
	assert_int_equal(model->pools[0].panic, 50);
	assert_int_equal(model->pools[0].slow_start_s, 0);
	assert_int_equal(http->type, MODEL_CHECK_HTTP);
	assert_int_equal(http->via, MODEL_VIA_TUNNEL);
	assert_int_equal(http->port, 0);
	assert_int_equal(http->interval_ms, 2000);
	assert_int_equal(http->timeout_ms, 1000);
	assert_int_equal(http->fast_interval_ms, 500);
	assert_int_equal(http->down_interval_ms, 2000);
	assert_int_equal(http->rise, 2);
	assert_int_equal(http->fall, 3);
	assert_string_equal(http->method, "GET");
	assert_string_equal(http->path, "/");
	assert_null(http->host);
	assert_null(http->body);
	assert_int_equal(http->n_headers, 0);
	assert_int_equal(http->n_statuses, 1);
	assert_int_equal(http->statuses[0].first, 200);
	assert_int_equal(http->statuses[0].last, 399);
	assert_true(http->verify);
	assert_false(http->http2);
	/* times follow a short interval; a name's last dot goes */
	assert_int_equal(dns->timeout_ms, 400);
	assert_int_equal(dns->fast_interval_ms, 400);
	assert_int_equal(dns->down_interval_ms, 400);
	assert_string_equal(dns->query_name, "a.example");
	assert_int_equal(dns->query_type, 1);
	assert_int_equal(model->pools[3].check.via, MODEL_VIA_DIRECT);
	model_free(model);
}

static void takes_http(void **state)
{
	struct model *model = assert_loads(POOL(
		"slow_start_s = 3600; panic = 0; check = { type = 'https'; via = 'direct'; "
		"port = 8443; interval_ms = 3600000; timeout_ms = 60000; fast_interval_ms = 100; "
		"down_interval_ms = 10000; rise = 1; fall = 100; method = 'HEAD'; "
		"path = '/health?a=%20'; host = 'www.example.com'; "
		"headers = [ 'X-Check: a b', 'Accept: */*' ]; status = '200,204, 301-302'; "
		"body = '^ok|fine{2,3}$'; http2 = true; ca_file = '/etc/passwd'; };"));
	const struct model_pool *pool = &model->pools[0];
	const struct model_check *check = &pool->check;

	(void)state;
	assert_int_equal(pool->slow_start_s, 3600);
	assert_int_equal(pool->panic, 0);
	assert_int_equal(check->type, MODEL_CHECK_HTTPS);
	assert_int_equal(check->via, MODEL_VIA_DIRECT);
	assert_int_equal(check->port, 8443);
	assert_int_equal(check->interval_ms, 3600000);
	assert_int_equal(check->timeout_ms, 60000);
	assert_int_equal(check->fast_interval_ms, 100);
	assert_int_equal(check->down_interval_ms, 10000);
	assert_int_equal(check->rise, 1);
	assert_int_equal(check->fall, 100);
	assert_string_equal(check->method, "HEAD");
	assert_string_equal(check->path, "/health?a=%20");
	assert_string_equal(check->host, "www.example.com");
	assert_int_equal(check->n_headers, 2);
	assert_string_equal(check->headers[0], "X-Check: a b");
	assert_string_equal(check->headers[1], "Accept: */*");
	assert_int_equal(check->n_statuses, 3);
	assert_int_equal(check->statuses[1].first, 204);
	assert_int_equal(check->statuses[1].last, 204);
	assert_int_equal(check->statuses[2].first, 301);
	assert_int_equal(check->statuses[2].last, 302);
	assert_string_equal(check->body, "^ok|fine{2,3}$");
	assert_true(check->http2);
	assert_string_equal(check->ca_file, "/etc/passwd");
	model_free(model);
}

static void takes_bytes_as_text_and_as_hex(void **state)
{
	struct model *model = assert_loads(
		ETH0 "pools = ( { name = 'a'; check = { type = 'udp'; payload = 'a\\n\\xff\\\\'; "
		     "expect = 'pong'; }; },\n"
		     "{ name = 'b'; check = { type = 'udp'; payload_hex = '00ff 2A'; expect_hex "
		     "= '00'; }; } );\n");
	const struct model_check *text = &model->pools[0].check, *hex = &model->pools[1].check;

	(void)state;
	assert_int_equal(text->payload_size, 4);
	assert_memory_equal(text->payload, "a\n\xff\\", 4);
	assert_int_equal(text->expect_size, 4);
	assert_memory_equal(text->expect, "pong", 4);
	assert_int_equal(hex->payload_size, 3);
	assert_memory_equal(hex->payload, "\0\xff\x2a", 3);
	assert_int_equal(hex->expect_size, 1);
	assert_memory_equal(hex->expect, "\0", 1);
	model_free(model);
}

static void takes_dns_types_and_commands(void **state)
{
	struct model *model = assert_loads(
		ETH0
		"pools = ( { name = 'a'; check = { type = 'dns'; query = '_x.example-1.com'; "
		"query_type = 'AAAA'; }; },\n"
		"{ name = 'b'; check = { type = 'exec'; command = [ '/bin/true', '', '-x y' ]; "
		"}; } );\n");
	const struct model_check *exec = &model->pools[1].check;

	(void)state;
	assert_string_equal(model->pools[0].check.query_name, "_x.example-1.com");
	assert_int_equal(model->pools[0].check.query_type, 28);
	assert_string_equal(exec->argv[0], "/bin/true");
	assert_string_equal(exec->argv[1], "");
	assert_string_equal(exec->argv[2], "-x y");
	assert_null(exec->argv[3]);
	assert_int_equal(exec->via, MODEL_VIA_DIRECT);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_numbers_outside_their_ranges),
		cmocka_unit_test(refuses_bad_pool_keys),
		cmocka_unit_test(refuses_keys_of_other_kinds),
		cmocka_unit_test(refuses_what_is_missing),
		cmocka_unit_test(refuses_times_that_do_not_fit),
		cmocka_unit_test(refuses_bad_requests),
		cmocka_unit_test(refuses_bad_statuses),
		cmocka_unit_test(refuses_bad_expressions),
		cmocka_unit_test(refuses_texts_that_are_too_long),
		cmocka_unit_test(refuses_bad_questions),
		cmocka_unit_test(refuses_files_that_cannot_be_used),
		cmocka_unit_test(needs_a_port_where_a_vip_has_every_port),
		cmocka_unit_test(has_defaults),
		cmocka_unit_test(takes_http),
		cmocka_unit_test(takes_bytes_as_text_and_as_hex),
		cmocka_unit_test(takes_dns_types_and_commands),
	};

	return cmocka_run_group_tests_name("config/load_check", tests, load_text_enter,
					   load_text_leave);
}
