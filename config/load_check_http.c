/* SPDX-License-Identifier: MIT */
/*
 * What a check by HTTP asks, and what it takes for an answer. Nothing that comes from here may end
 * a line of the request early, and no expression may keep the daemon busy.
 */
#include "config/load_parts.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/cleanup.h"
#include "config/take.h"

#define METHOD_MAX 16u
#define PATH_BYTES_MAX 2048u
#define HOST_MAX 253u
#define HEADERS_MAX 32u
#define HEADER_BYTES_MAX 2048u
#define BODY_MAX 1024u
#define REPEATS_MAX 1000u
#define STATUS_MIN 100
#define STATUS_MAX 599
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define TOKEN LETTERS "0123456789!#$%&'*+-.^_`|~" /* RFC 9110 */

/* Has @text only the characters of @set, 1..@max of them? */
static bool consists_of(const char *text, const char *set, size_t max)
{
	size_t len = strspn(text, set);

	return len >= 1 && len <= max && !text[len];
}

/* Printable ASCII: @low is ' ' with spaces, '!' without. */
static bool is_printable(const char *text, char low)
{
	for (; *text; text++) {
		if (*text < low || *text > '~')
			return false;
	}
	return true;
}

void check_http_method(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	const char *method = config_setting_get_string(s);

	if (!consists_of(method, LETTERS "-", METHOD_MAX))
		keys_error(k, s, "method \"%s\" is not a word of 1..%u letters such as \"HEAD\"",
			   method, METHOD_MAX);
	else if (!strcasecmp(method, "CONNECT"))
		keys_error(k, s, "method CONNECT is for proxies; use \"GET\" or \"HEAD\"");
	else
		keys_string(k, s, &check->method);
}

void check_http_path(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	const char *path = config_setting_get_string(s);

	if (path[0] != '/' || !is_printable(path, '!') || strchr(path, '#') ||
	    strlen(path) > PATH_BYTES_MAX)
		keys_error(k, s,
			   "path \"%s\" must begin with \"/\" and have up to %u printable ASCII "
			   "characters, no space and no \"#\"; write others as %%XX",
			   path, PATH_BYTES_MAX);
	else
		keys_string(k, s, &check->path);
}

void check_http_host(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	const char *host = config_setting_get_string(s);
	struct sluice_addr addr;

	if (consists_of(host, LETTERS "0123456789.-_", HOST_MAX) || !addr_parse(&addr, host))
		keys_string(k, s, &check->host);
	else
		keys_error(k, s,
			   "host \"%s\" is neither a name of letters, digits, \".\", \"-\" and "
			   "\"_\" nor an address; the port is a key of its own",
			   host);
}

/*
 * Headers that the check itself writes, or that would change what a request is; NULL: no such one.
 */
static const char *reserved_header(const char *header, size_t len)
{
	static const char *const reserved[] = {"Host",       "Content-Length", "Transfer-Encoding",
					       "Connection", "Upgrade",        "Expect"};

	for (size_t i = 0; i < N_ELEMENTS(reserved); i++) {
		if (strlen(reserved[i]) == len && !strncasecmp(reserved[i], header, len))
			return reserved[i];
	}
	return NULL;
}

static bool is_header(struct keys *k, const config_setting_t *s)
{
	const char *header = config_setting_get_string(s);
	size_t len = strspn(header, TOKEN);
	const char *reserved = reserved_header(header, len);

	if (!len || header[len] != ':' || header[len + 1 + strspn(header + len + 1, " ")] == '\0' ||
	    !is_printable(header, ' ') || strlen(header) > HEADER_BYTES_MAX) {
		keys_error(k, s,
			   "header \"%s\" is not of the form \"Name: value\" in up to %u printable "
			   "ASCII characters",
			   header, HEADER_BYTES_MAX);
		return false;
	}
	if (reserved) {
		keys_error(k, s, "header %s is written by the check itself%s", reserved,
			   strcmp(reserved, "Host") ? "" : "; use the key host");
		return false;
	}
	return true;
}

void check_http_headers(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	size_t n = (size_t)config_setting_length(s);

	if (n > HEADERS_MAX) {
		keys_error(k, s, "%zu headers are more than %u", n, HEADERS_MAX);
		return;
	}
	check->headers = calloc(n + 1, sizeof(*check->headers));
	if (!check->headers)
		k->err = -ENOMEM;
	for (size_t i = 0; i < n && !k->err; i++) {
		const config_setting_t *element = keys_element(k, s, i, KEY_STRING);

		if (element && is_header(k, element)) {
			keys_string(k, element, &check->headers[check->n_headers]);
			check->n_headers += !k->err;
		}
	}
}

/* Three digits at @text: the status, or -1. */
static int parse_status(const char *text)
{
	int status = 0;

	for (int i = 0; i < 3; i++) {
		if (!isdigit((unsigned char)text[i]))
			return -1;
		status = 10 * status + text[i] - '0';
	}
	return status >= STATUS_MIN && status <= STATUS_MAX ? status : -1;
}

/* "200" or "200-399" at @text; returns what comes behind it, or NULL. */
static const char *parse_range(const char *text, struct model_status_range *out)
{
	int first = parse_status(text), last = first;

	if (first < 0)
		return NULL;
	text += 3;
	if (*text == '-') {
		last = parse_status(text + 1);
		text += last < 0 ? 0 : 4;
	}
	if (last < first)
		return NULL;
	*out = (struct model_status_range){.first = (uint16_t)first, .last = (uint16_t)last};
	return text;
}

/* Ranges with commas between; spaces may stand behind a comma. */
static bool parse_statuses(const char *text, struct model_status_range *out, size_t *n)
{
	for (*n = 0; (text = parse_range(text, &out[*n]));) {
		++*n;
		if (!*text)
			return true;
		if (*text++ != ',')
			return false;
		text += strspn(text, " ");
	}
	return false;
}

void check_http_status(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	const char *text = config_setting_get_string(s);
	_cleanup_(freep) struct model_status_range *ranges = NULL;
	size_t n;

	/* a range has three characters at least */
	ranges = calloc(strlen(text) / 3 + 1, sizeof(*ranges));
	if (!ranges) {
		k->err = -ENOMEM;
		return;
	}
	if (!parse_statuses(text, ranges, &n)) {
		keys_error(k, s,
			   "status \"%s\" is not a list of statuses %d..%d such as \"200-399\" or "
			   "\"200,204,301-302\"",
			   text, STATUS_MIN, STATUS_MAX);
		return;
	}
	check->statuses = TAKE(ranges);
	check->n_statuses = n;
}

/* The largest count of "{2}", "{2,}" or "{2,9}" at @text, which is behind the brace; else 1. */
static unsigned long repeats_at(const char *text)
{
	const char *comma = text + strspn(text, "0123456789");
	unsigned long least = strtoul(text, NULL, 10);
	unsigned long most = *comma == ',' ? strtoul(comma + 1, NULL, 10) : 1;

	return least > most ? least : most;
}

/*
 * What is wrong with an expression, besides its syntax: the C library takes room for each repeat of
 * a repeat, and any time for references back. NULL: nothing.
 */
static const char *body_fault(const char *body)
{
	unsigned long repeats = 1;

	for (const char *c = body; *c; c++) {
		unsigned long count = *c == '{' ? repeats_at(c + 1) : 1;

		if (*c == '\\' && c[1] && isdigit((unsigned char)*++c))
			return "has a reference back, which can take any time";
		if (count > REPEATS_MAX || repeats * count > REPEATS_MAX)
			return "repeats too much: all counts in {...}, multiplied, may be 1000";
		repeats *= count ? count : 1;
	}
	return NULL;
}

void check_http_body(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	const char *body = config_setting_get_string(s), *fault = body_fault(body);
	char why[128];
	regex_t regex;
	int err;

	if (!*body || strlen(body) > BODY_MAX) {
		keys_error(k, s, "body has %zu bytes, which is outside 1..%u", strlen(body),
			   BODY_MAX);
		return;
	}
	if (fault) {
		keys_error(k, s, "body \"%s\" %s", body, fault);
		return;
	}
	err = regcomp(&regex, body, REG_EXTENDED | REG_NOSUB);
	if (err) {
		regerror(err, &regex, why, sizeof(why));
		keys_error(k, s, "body \"%s\" is not an extended regular expression: %s", body,
			   why);
		return;
	}
	regfree(&regex);
	keys_string(k, s, &check->body);
}

void check_http_http2(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	(void)k;
	check->http2 = config_setting_get_bool(s);
}

void check_http_finish(struct keys *k, struct model_check *check)
{
	if (!check->method)
		check->method = strdup("GET");
	if (!check->path)
		check->path = strdup("/");
	if (!check->n_statuses) {
		check->statuses = calloc(1, sizeof(*check->statuses));
		check->n_statuses = !!check->statuses;
		if (check->statuses)
			*check->statuses = (struct model_status_range){.first = 200, .last = 399};
	}
	if (!check->method || !check->path || !check->n_statuses)
		k->err = -ENOMEM;
}
