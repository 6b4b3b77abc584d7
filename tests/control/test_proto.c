/* SPDX-License-Identifier: MIT */
/*
 * The protocol's bytes: what is packed reads back, what is wrong is named, and no change of any
 * byte of a message does worse than that.
 */
#include "control/proto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "config/cleanup.h"

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))

/* A literal with NULs, as pointer and length. */
#define BYTES(s) (s), sizeof(s) - 1

static void packed_message_has_the_documented_bytes(void **state)
{
	_cleanup_(json_decrefp) json_t *request = proto_request("status", NULL);
	_cleanup_(freep) char *bytes = NULL;
	struct diag diag = {0};
	size_t size;

	(void)state;
	assert_int_equal(proto_pack(&bytes, &size, PROTO_REQUEST, request, &diag), 0);
	assert_int_equal(diag.n, 0);
	assert_int_equal(size, 12 + 30);
	assert_memory_equal(bytes, "SLUC\0\1\0\1\0\0\0\36{\"command\":\"status\",\"args\":{}}",
			    size);
}

static void packed_message_reads_back(void **state)
{
	_cleanup_(json_decrefp) json_t *args =
		json_pack("{s:s, s:i}", "backend", "web-1", "weight", 7);
	_cleanup_(json_decrefp) json_t *request = proto_request("weight", json_incref(args));
	_cleanup_(json_decrefp) json_t *back = NULL;
	_cleanup_(freep) char *bytes = NULL;
	struct proto_header header;
	struct diag diag = {0};
	size_t size;

	(void)state;
	assert_int_equal(proto_pack(&bytes, &size, PROTO_EVENT, request, &diag), 0);
	assert_int_equal(proto_read_header(&header, bytes, size, &diag), 0);
	assert_int_equal(header.type, PROTO_EVENT);
	assert_int_equal(header.length, size - PROTO_HEADER_SIZE);
	assert_int_equal(proto_read_payload(&back, bytes + PROTO_HEADER_SIZE, header.length, &diag),
			 0);
	assert_true(json_equal(back, request));
	assert_true(json_equal(json_object_get(back, "args"), args));
}

static void header_is_judged(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		int err;
		enum proto_type type;
		uint32_t length;
		const char *text;
	} cases[] = {
		{BYTES("SLUC\0\1\0\1\0\0\0\0"), 0, PROTO_REQUEST, 0, NULL},
		{BYTES("SLUC\0\1\0\1\0\1\0\0"), 0, PROTO_REQUEST, 65536, NULL},
		{BYTES("SLUC\0\1\0\2\4\0\0\0"), 0, PROTO_REPLY, 67108864, NULL},
		{BYTES("SLUC\0\1\0\3\0\0\0\2{}"), 0, PROTO_ERROR, 2, NULL},
		{BYTES("SLUC\0\1\0\4\0\0\0\2"), 0, PROTO_EVENT, 2, NULL},
		/* incomplete, but right so far */
		{BYTES(""), -EAGAIN, 0, 0, NULL},
		{BYTES("SLU"), -EAGAIN, 0, 0, NULL},
		{BYTES("SLUC\0\1\0\1\0\0\0"), -EAGAIN, 0, 0, NULL},
		/* wrong */
		{BYTES("G"), -EPROTO, 0, 0,
		 "not a message of sluice: byte 1 is 0x47, not the 0x53 of \"SLUC\""},
		{BYTES("SLUX\0\1\0\1\0\0\0\0"), -EPROTO, 0, 0,
		 "not a message of sluice: byte 4 is 0x58, not the 0x43 of \"SLUC\""},
		{BYTES("SLUC\0\2\0\1\0\0\0\0"), -EPROTO, 0, 0,
		 "the other side speaks version 2, this is version 1: sluicectl and sluiced must "
		 "be "
		 "of one release"},
		{BYTES("SLUC\1\1\0\1\0\0\0\0"), -EPROTO, 0, 0,
		 "the other side speaks version 257, this is version 1: sluicectl and sluiced must "
		 "be of one release"},
		{BYTES("SLUC\0\1\0\0\0\0\0\0"), -EPROTO, 0, 0,
		 "message type 0 is unknown: 1 (request) to 4 (event) are allowed"},
		{BYTES("SLUC\0\1\0\5\0\0\0\0"), -EPROTO, 0, 0,
		 "message type 5 is unknown: 1 (request) to 4 (event) are allowed"},
		{BYTES("SLUC\0\1\0\1\0\1\0\1"), -EPROTO, 0, 0,
		 "a request of 65537 bytes is too long, at most 65536 are allowed"},
		{BYTES("SLUC\0\1\0\2\4\0\0\1"), -EPROTO, 0, 0,
		 "a reply of 67108865 bytes is too long, at most 67108864 are allowed"},
		{BYTES("SLUC\0\1\0\4\xff\xff\xff\xff"), -EPROTO, 0, 0,
		 "an event of 4294967295 bytes is too long, at most 67108864 are allowed"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct proto_header header = {0};
		_cleanup_(diag_fini) struct diag diag = {0};

		assert_int_equal(proto_read_header(&header, cases[i].bytes, cases[i].size, &diag),
				 cases[i].err);
		assert_int_equal(header.type, cases[i].type);
		assert_int_equal(header.length, cases[i].length);
		assert_int_equal(diag.n, cases[i].text ? 1 : 0);
		if (cases[i].text)
			assert_string_equal(diag.entries[0].text, cases[i].text);
	}
}

static void payload_is_judged(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *text; /* the message begins so; NULL: it is right */
	} cases[] = {
		{BYTES("{}"), NULL},
		{BYTES(" {\"command\": \"status\"}\n"), NULL},
		{BYTES(""), "the payload is not JSON: "},
		{BYTES("{\"command\": "), "the payload is not JSON: "},
		{BYTES("{\"command\": \"status\"} x"), "the payload is not JSON: "},
		{BYTES("{\"a\": 1, \"a\": 2}"), "the payload is not JSON: duplicate object key"},
		{BYTES("{\"a\": \"\xff\"}"), "the payload is not JSON: unable to decode byte 0xff"},
		{BYTES("{}\0"), "the payload is not JSON: "},
		{BYTES("\033[31m\n"), "the payload is not JSON: "},
		{BYTES("[1]"), "the payload is JSON, but not an object"},
		{BYTES("\"status\""), "the payload is JSON, but not an object"},
		{BYTES("null"), "the payload is JSON, but not an object"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		_cleanup_(json_decrefp) json_t *json = NULL;
		_cleanup_(diag_fini) struct diag diag = {0};

		assert_int_equal(proto_read_payload(&json, cases[i].bytes, cases[i].size, &diag),
				 cases[i].text ? -EPROTO : 0);
		assert_int_equal(json_is_object(json), !cases[i].text);
		assert_int_equal(diag.n, cases[i].text ? 1 : 0);
		if (!cases[i].text)
			continue;
		assert_memory_equal(diag.entries[0].text, cases[i].text, strlen(cases[i].text));
		for (const char *c = diag.entries[0].text; *c; c++)
			assert_in_range(*c, ' ', '~');
	}
}

/* Nests deeper than any stack should be asked to follow. */
static void payload_of_endless_depth_is_refused(void **state)
{
	_cleanup_(freep) char *bytes = malloc(PROTO_REQUEST_MAX);
	_cleanup_(diag_fini) struct diag diag = {0};
	json_t *json = NULL;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, '[', PROTO_REQUEST_MAX);
	assert_int_equal(proto_read_payload(&json, bytes, PROTO_REQUEST_MAX, &diag), -EPROTO);
	assert_null(json);
	assert_int_equal(diag.n, 1);
}

static void document_that_cannot_be_sent_is_refused(void **state)
{
	_cleanup_(json_decrefp) json_t *array = json_array();
	_cleanup_(json_decrefp) json_t *large = NULL;
	_cleanup_(freep) char *text = calloc(1, PROTO_REQUEST_MAX + 1);
	_cleanup_(diag_fini) struct diag diag = {0};
	_cleanup_(freep) char *bytes = NULL;
	size_t size = 0;

	(void)state;
	assert_int_equal(proto_pack(&bytes, &size, PROTO_REPLY, array, &diag), -EINVAL);
	assert_int_equal(proto_pack(&bytes, &size, PROTO_REPLY, NULL, &diag), -EINVAL);
	assert_int_equal(diag.n, 2);

	memset(text, 'x', PROTO_REQUEST_MAX);
	large = json_pack("{s:s}", "error", text);
	assert_int_equal(proto_pack(&bytes, &size, PROTO_REQUEST, large, &diag), -EMSGSIZE);
	assert_int_equal(diag.n, 3);
	assert_string_equal(diag.entries[2].text,
			    "a request of 65548 bytes is too long, at most 65536 are allowed");
	assert_null(bytes);
	assert_int_equal(size, 0);
	assert_int_equal(proto_pack(&bytes, &size, PROTO_ERROR, large, &diag), 0);
}

static void truncation_tells_what_came(void **state)
{
	static const struct {
		size_t size;
		const char *text;
	} cases[] = {
		{1, "the connection was closed in mid-message: 1 of the header's 12 bytes came"},
		{11, "the connection was closed in mid-message: 11 of the header's 12 bytes came"},
		{12, "the connection was closed in mid-message: 0 of the payload's 300 bytes came"},
		{13, "the connection was closed in mid-message: 1 of the payload's 300 bytes came"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		_cleanup_(diag_fini) struct diag diag = {0};

		proto_truncated(&diag, "SLUC\0\1\0\1\0\0\1\54{", cases[i].size);
		assert_int_equal(diag.n, 1);
		assert_string_equal(diag.entries[0].text, cases[i].text);
	}
}

static void error_text_is_cleaned(void **state)
{
	static const struct {
		const char *text;
		const char *expected;
	} cases[] = {
		{"no backend \"web-9\"", "no backend \"web-9\""},
		{"a.conf:1: x\na.conf:2: y", "a.conf:1: x\na.conf:2: y"},
		{"pool \"k\xc3\xa4se\"", "pool \"k\xc3\xa4se\""},
		{"\033[2Jgone\r", "?[2Jgone?"},
		{"latin \xe4 1", "latin ? 1"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		_cleanup_(json_decrefp) json_t *error = proto_error(cases[i].text);

		assert_string_equal(json_string_value(json_object_get(error, "error")),
				    cases[i].expected);
	}
}

static void long_path_is_refused(void **state)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct sockaddr_un addr = {0};
	char path[109];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[107] = '\0';
	assert_int_equal(proto_address(&addr, path, &diag), 0);
	assert_string_equal(addr.sun_path, path);
	path[107] = 'x';
	path[108] = '\0';
	assert_int_equal(proto_address(&addr, path, &diag), -ENAMETOOLONG);
	assert_int_equal(diag.n, 1);
}

/* Reads @bytes as a receiver does. Whatever it holds, the result is a document or one message. */
static bool read_message(const char *bytes, size_t size)
{
	_cleanup_(json_decrefp) json_t *json = NULL;
	_cleanup_(diag_fini) struct diag diag = {0};
	struct proto_header header;
	int err;

	err = proto_read_header(&header, bytes, size, &diag);
	if (!err && header.length > size - PROTO_HEADER_SIZE)
		proto_truncated(&diag, bytes, size);
	else if (!err)
		err = proto_read_payload(&json, bytes + PROTO_HEADER_SIZE, header.length, &diag);
	assert_int_equal(diag.n, json ? 0 : 1);
	assert_true(!err == (json || header.length > size - PROTO_HEADER_SIZE));
	return json;
}

/* Each byte in turn takes each value; the buffer is exact, so that ASan sees any step beyond. */
static void no_changed_byte_does_harm(void **state)
{
	_cleanup_(json_decrefp) json_t *request =
		proto_request("drain", json_pack("{s:s}", "backend", "w\xc3\xa9\"1"));
	_cleanup_(freep) char *bytes = NULL;
	struct diag diag = {0};
	size_t size, good = 0;

	(void)state;
	assert_int_equal(proto_pack(&bytes, &size, PROTO_REQUEST, request, &diag), 0);
	for (size_t i = 0; i < size; i++) {
		for (unsigned int flip = 0; flip < 256; flip++) {
			bytes[i] ^= flip;
			good += read_message(bytes, size);
			bytes[i] ^= flip;
		}
	}
	/* Unchanged once for each byte, and with other letters in the strings; not always. */
	assert_in_range(good, size + 1, size * 256 - 1);
	for (size_t n = PROTO_HEADER_SIZE; n < size; n++)
		assert_false(read_message(bytes, n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packed_message_has_the_documented_bytes),
		cmocka_unit_test(packed_message_reads_back),
		cmocka_unit_test(header_is_judged),
		cmocka_unit_test(payload_is_judged),
		cmocka_unit_test(payload_of_endless_depth_is_refused),
		cmocka_unit_test(document_that_cannot_be_sent_is_refused),
		cmocka_unit_test(truncation_tells_what_came),
		cmocka_unit_test(error_text_is_cleaned),
		cmocka_unit_test(long_path_is_refused),
		cmocka_unit_test(no_changed_byte_does_harm),
	};

	return cmocka_run_group_tests_name("control/proto", tests, NULL, NULL);
}
