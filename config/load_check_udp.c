/* SPDX-License-Identifier: MIT */
/*
 * What a check by UDP sends and what it expects, as text or as hex digits; what a check by DNS
 * asks. Text has libconfig's escapes, \xHH among them, but cannot have a zero byte, which is what
 * hex is for.
 */
#include "config/load_parts.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/cleanup.h"

#define BYTES_MAX 1024u /* fits into any path, with room for headers of tunnels */
#define DNS_NAME_MAX 253u
#define DNS_LABEL_MAX 63u

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of hex digits, spaces between pairs; @out has room. false: it is something else. */
static bool parse_hex(const char *text, uint8_t *out, size_t *n)
{
	for (*n = 0; *(text += strspn(text, " ")); text += 2) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0)
			return false;
		out[(*n)++] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static void take_bytes(struct keys *k, const config_setting_t *s, bool hex, uint8_t **out,
		       size_t *n)
{
	const char *text = config_setting_get_string(s);
	_cleanup_(freep) uint8_t *bytes = malloc(strlen(text) + 1);
	size_t size = strlen(text);

	if (!bytes) {
		k->err = -ENOMEM;
		return;
	}
	memcpy(bytes, text, size);
	if (hex && !parse_hex(text, bytes, &size)) {
		keys_error(k, s, "%s \"%s\" is not pairs of hex digits such as \"00 ff 2a\"",
			   keys_name(s), text);
	} else if (!size || size > BYTES_MAX) {
		keys_error(k, s, "%s has %zu bytes, which is outside 1..%u", keys_name(s), size,
			   BYTES_MAX);
	} else {
		free(*out);
		*out = TAKE(bytes);
		*n = size;
	}
}

void check_udp_payload(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_bytes(k, s, false, &check->payload, &check->payload_size);
}

void check_udp_payload_hex(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_bytes(k, s, true, &check->payload, &check->payload_size);
}

void check_udp_expect(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_bytes(k, s, false, &check->expect, &check->expect_size);
}

void check_udp_expect_hex(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_bytes(k, s, true, &check->expect, &check->expect_size);
}

void check_udp_finish(struct keys *k, const config_setting_t *s)
{
	static const char *const pairs[][2] = {{"payload", "payload_hex"},
					       {"expect", "expect_hex"}};

	for (size_t i = 0; i < N_ELEMENTS(pairs); i++) {
		const config_setting_t *hex = config_setting_get_member(s, pairs[i][1]);

		if (hex && config_setting_get_member(s, pairs[i][0]))
			keys_error(k, hex, "%s and %s exclude each other", pairs[i][0],
				   pairs[i][1]);
	}
	if (!config_setting_get_member(s, "payload") &&
	    !config_setting_get_member(s, "payload_hex"))
		keys_error(k, s,
			   "payload is missing, what is sent; payload_hex is the same as hex");
}

/* Labels of 1..63 characters with dots between; one dot may end it. */
static bool is_dns_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-_";
	size_t len = strlen(name);

	if (!len || len > DNS_NAME_MAX)
		return false;
	while (*name) {
		size_t label = strspn(name, allowed);

		if (!label || label > DNS_LABEL_MAX || (name[label] && name[label] != '.'))
			return false;
		name += label + (name[label] == '.');
	}
	return true;
}

void check_dns_query(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	const char *name = config_setting_get_string(s);
	size_t len = strlen(name);

	if (!is_dns_name(name)) {
		keys_error(k, s,
			   "query \"%s\" is not a name such as \"example.com\": up to %u "
			   "characters, each label 1..%u letters, digits, \"-\" or \"_\"",
			   name, DNS_NAME_MAX, DNS_LABEL_MAX);
		return;
	}
	keys_string(k, s, &check->query_name);
	if (check->query_name && name[len - 1] == '.')
		check->query_name[len - 1] = '\0';
}

void check_dns_query_type(struct keys *k, const config_setting_t *s, void *object)
{
	static const char *const words[] = {"A",   "NS",   "CNAME", "SOA",   "PTR", "MX",
					    "TXT", "AAAA", "SRV",   "HTTPS", "CAA"};
	static const uint16_t values[] = {CHECK_QUERY_TYPE, 2, 5, 6, 12, 15, 16, 28, 33, 65, 257};
	struct model_check *check = object;
	int word = keys_word(k, s, words, N_ELEMENTS(words));

	_Static_assert(N_ELEMENTS(words) == N_ELEMENTS(values), "a number for each type");
	if (word >= 0)
		check->query_type = values[word];
}
