/* SPDX-License-Identifier: MIT */
/*
 * The check of a pool: its kind, its times, which keys a kind has, and what must hold between them.
 * What only HTTP has is in load_check_http.c, what UDP and DNS have in load_check_udp.c.
 */
#include "config/load_parts.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/take.h"

#define INTERVAL_MIN_MS 100u
#define INTERVAL_MAX_MS 3600000u
#define TIMEOUT_MIN_MS 10u
#define TIMEOUT_MAX_MS 60000u
#define ROW_MAX 100u /* results in a row */
#define ARGUMENTS_MAX 64u
#define ARGUMENT_BYTES_MAX 4096u
#define EXEC_PATH_MAX 4095u

#define TYPE(name) (1u << MODEL_CHECK_##name)
#define HTTPS TYPE(HTTPS)
#define HTTP (TYPE(HTTP) | HTTPS)
#define TUNNELLED (TYPE(TCP) | HTTP | TYPE(UDP) | TYPE(DNS))
#define ALL (TUNNELLED | TYPE(EXEC) | TYPE(AGENT))

/* ---------------------------------------------------------------------------------- common keys */

static void check_init(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	(void)k;
	(void)s;
	*check = (struct model_check){
		.type = MODEL_CHECK_MAX,
		.interval_ms = MODEL_CHECK_INTERVAL_MS,
		.rise = MODEL_CHECK_RISE,
		.fall = MODEL_CHECK_FALL,
		.verify = true,
		.query_type = CHECK_QUERY_TYPE,
	};
}

static void check_type(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	int type = keys_word(k, s, model_check_names, MODEL_CHECK_MAX);

	if (type >= 0)
		check->type = (enum model_check_type)type;
}

static void check_via(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	int via = keys_word(k, s, model_via_names, MODEL_VIA_MAX);

	if (via >= 0)
		check->via = (enum model_via)via;
}

static void check_port(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	long long port;

	if (keys_number(k, s, 1, UINT16_MAX, &port))
		check->port = (uint16_t)port;
}

static void check_interval(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_unsigned(k, s, INTERVAL_MIN_MS, INTERVAL_MAX_MS, &check->interval_ms);
}

static void check_timeout(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_unsigned(k, s, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS, &check->timeout_ms);
}

static void check_fast_interval(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_unsigned(k, s, INTERVAL_MIN_MS, INTERVAL_MAX_MS, &check->fast_interval_ms);
}

static void check_down_interval(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_unsigned(k, s, INTERVAL_MIN_MS, INTERVAL_MAX_MS, &check->down_interval_ms);
}

static void check_rise(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_unsigned(k, s, 1, ROW_MAX, &check->rise);
}

static void check_fall(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_unsigned(k, s, 1, ROW_MAX, &check->fall);
}

/* --------------------------------------------------------------------------------- TLS and exec */

static void check_verify(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	(void)k;
	check->verify = config_setting_get_bool(s);
}

/* A file that may be used in this way, which access() knows. false: why not was said. */
static bool is_file(struct keys *k, const config_setting_t *s, const char *path, int mode)
{
	struct stat st;
	int err = stat(path, &st) || access(path, mode) ? errno : 0;

	if (!err && S_ISREG(st.st_mode))
		return true;
	keys_error(k, s, "%s \"%s\": %s", keys_name(s), path, err ? strerror(err) : "not a file");
	return false;
}

static void check_ca_file(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	take_path(k, s, EXEC_PATH_MAX, &check->ca_file);
	if (check->ca_file)
		is_file(k, s, check->ca_file, R_OK);
}

/* true: @argument, the one with index @i, is good. */
static bool is_argument(struct keys *k, const config_setting_t *s, size_t i, const char *argument)
{
	if (strlen(argument) > ARGUMENT_BYTES_MAX) {
		keys_error(k, s, "command: argument %zu is longer than %u bytes", i,
			   ARGUMENT_BYTES_MAX);
		return false;
	}
	if (i)
		return true;
	if (argument[0] != '/') {
		keys_error(k, s,
			   "command \"%s\" is not an absolute path, which begins with \"/\"; "
			   "arguments are elements of their own",
			   argument);
		return false;
	}
	return is_file(k, s, argument, X_OK);
}

static void check_command(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;
	size_t n = (size_t)config_setting_length(s), taken = 0;

	if (!n || n > ARGUMENTS_MAX) {
		keys_error(k, s,
			   "command has %zu elements; a program and up to %u arguments may be", n,
			   ARGUMENTS_MAX - 1);
		return;
	}
	check->argv = calloc(n + 1, sizeof(*check->argv));
	if (!check->argv)
		k->err = -ENOMEM;
	for (size_t i = 0; i < n && !k->err; i++) {
		const config_setting_t *element = keys_element(k, s, i, KEY_STRING);

		if (element && is_argument(k, element, i, config_setting_get_string(element)))
			keys_string(k, element, &check->argv[taken++]);
	}
}

/* ----------------------------------------------------------------------------- between the keys */

/* Types have keys of their own. The other keys, "type" alone, are of all. */
static const struct {
	const char *key;
	unsigned int types;
} belongs[] = {
	{"via", TUNNELLED},
	{"port", ALL},
	{"interval_ms", ALL},
	{"timeout_ms", ALL},
	{"fast_interval_ms", ALL},
	{"down_interval_ms", ALL},
	{"rise", ALL},
	{"fall", ALL},
	{"method", HTTP},
	{"path", HTTP},
	{"host", HTTP},
	{"headers", HTTP},
	{"status", HTTP},
	{"body", HTTP},
	{"http2", HTTP},
	{"verify", HTTPS},
	{"ca_file", HTTPS},
	{"payload", TYPE(UDP)},
	{"payload_hex", TYPE(UDP)},
	{"expect", TYPE(UDP)},
	{"expect_hex", TYPE(UDP)},
	{"query", TYPE(DNS)},
	{"query_type", TYPE(DNS)},
	{"command", TYPE(EXEC)},
};

/* `"http" or "https"` */
static void print_types(char *text, size_t size, unsigned int types)
{
	size_t len = 0;

	*text = '\0';
	for (int i = 0; i < MODEL_CHECK_MAX && len < size; i++) {
		unsigned int later = types >> i >> 1;

		if (types & (1u << i))
			len += (size_t)snprintf(text + len, size - len, "\"%s\"%s",
						model_check_names[i],
						!later                 ? ""
						: later & (later - 1u) ? ", "
								       : " or ");
	}
}

static void refuse_foreign_keys(struct keys *k, const config_setting_t *s,
				const struct model_check *check)
{
	char types[128];

	for (size_t i = 0; i < N_ELEMENTS(belongs); i++) {
		const config_setting_t *member = config_setting_get_member(s, belongs[i].key);

		if (!member || belongs[i].types & (1u << check->type))
			continue;
		print_types(types, sizeof(types), belongs[i].types);
		keys_error(k, member, "%s needs type = %s, not \"%s\"", belongs[i].key, types,
			   model_check_names[check->type]);
	}
}

static unsigned int at_most(unsigned int value, unsigned int limit)
{
	return value < limit ? value : limit;
}

static void finish_times(struct keys *k, const config_setting_t *s, struct model_check *check)
{
	if (!check->timeout_ms)
		check->timeout_ms = at_most(MODEL_CHECK_TIMEOUT_MS, check->interval_ms);
	if (!check->fast_interval_ms)
		check->fast_interval_ms = at_most(MODEL_CHECK_FAST_MS, check->interval_ms);
	if (!check->down_interval_ms)
		check->down_interval_ms = check->interval_ms;
	if (check->timeout_ms > check->interval_ms)
		keys_error(k, config_setting_get_member(s, "timeout_ms"),
			   "timeout_ms %u is longer than interval_ms %u, and probes of one backend "
			   "do not overlap",
			   check->timeout_ms, check->interval_ms);
	if (check->fast_interval_ms > check->interval_ms)
		keys_error(k, config_setting_get_member(s, "fast_interval_ms"),
			   "fast_interval_ms %u is longer than interval_ms %u",
			   check->fast_interval_ms, check->interval_ms);
}

static void need(struct keys *k, const config_setting_t *s, const char *key, const char *why)
{
	if (!config_setting_get_member(s, key))
		keys_error(k, s, "%s is missing%s", key, why);
}

static void finish_tls(struct keys *k, const config_setting_t *s, const struct model_check *check)
{
	const config_setting_t *ca_file = config_setting_get_member(s, "ca_file");

	if (ca_file && !check->verify)
		keys_error(k, ca_file, "ca_file and verify = false exclude each other");
}

static void check_finish(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_check *check = object;

	finish_times(k, s, check);
	if (check->type == MODEL_CHECK_MAX)
		return;
	refuse_foreign_keys(k, s, check);
	switch (check->type) {
	case MODEL_CHECK_HTTPS:
		finish_tls(k, s, check);
		check_http_finish(k, check);
		break;
	case MODEL_CHECK_HTTP:
		check_http_finish(k, check);
		break;
	case MODEL_CHECK_UDP:
		check_udp_finish(k, s);
		break;
	case MODEL_CHECK_DNS:
		need(k, s, "query", ", the name to ask for, such as \"example.com\"");
		break;
	case MODEL_CHECK_EXEC:
		need(k, s, "command", ", a list with the program's absolute path and arguments");
		check->via = MODEL_VIA_DIRECT;
		break;
	case MODEL_CHECK_AGENT:
		need(k, s, "port", ", that of the agent on the backend");
		check->via = MODEL_VIA_DIRECT;
		break;
	default:
		break;
	}
}

static const struct key check_keys[] = {
	{"type", KEY_STRING, true, check_type},
	{"via", KEY_STRING, false, check_via},
	{"port", KEY_NUMBER, false, check_port},
	{"interval_ms", KEY_NUMBER, false, check_interval},
	{"timeout_ms", KEY_NUMBER, false, check_timeout},
	{"fast_interval_ms", KEY_NUMBER, false, check_fast_interval},
	{"down_interval_ms", KEY_NUMBER, false, check_down_interval},
	{"rise", KEY_NUMBER, false, check_rise},
	{"fall", KEY_NUMBER, false, check_fall},
	{"method", KEY_STRING, false, check_http_method},
	{"path", KEY_STRING, false, check_http_path},
	{"host", KEY_STRING, false, check_http_host},
	{"headers", KEY_ELEMENTS, false, check_http_headers},
	{"status", KEY_STRING, false, check_http_status},
	{"body", KEY_STRING, false, check_http_body},
	{"http2", KEY_BOOL, false, check_http_http2},
	{"verify", KEY_BOOL, false, check_verify},
	{"ca_file", KEY_STRING, false, check_ca_file},
	{"payload", KEY_STRING, false, check_udp_payload},
	{"payload_hex", KEY_STRING, false, check_udp_payload_hex},
	{"expect", KEY_STRING, false, check_udp_expect},
	{"expect_hex", KEY_STRING, false, check_udp_expect_hex},
	{"query", KEY_STRING, false, check_dns_query},
	{"query_type", KEY_STRING, false, check_dns_query_type},
	{"command", KEY_ELEMENTS, false, check_command},
};

_Static_assert(N_ELEMENTS(belongs) + 1 == N_ELEMENTS(check_keys), "each key belongs to some types");

const struct key_group check_group = {
	.what = "check",
	GROUP_KEYS(check_keys),
	.init = check_init,
	.finish = check_finish,
};

/* ------------------------------------------------------------------------------------- of VIPs */

/* true: the VIP has no port that @pool's probes could go to, which was said. */
static bool lacks_port(struct keys *k, const config_setting_t *s, const struct model_vip *vip,
		       const struct model_pool *pool)
{
	const struct model_check *check = &pool->check;

	if (vip->port || check->port || check->type >= MODEL_CHECK_MAX ||
	    !(TUNNELLED & (1u << check->type)))
		return false;
	keys_error(
		k, s,
		"port 0 is every port, but the check of pool \"%s\" needs one: give it port = N, "
		"see %s:%u",
		pool->name ? pool->name : "", pool->file, pool->line);
	return true;
}

void load_check_vip(struct keys *k, const config_setting_t *s, const struct model_vip *vip)
{
	const config_setting_t *port = config_setting_get_member(s, "port");
	bool said = vip->pool && lacks_port(k, port, vip, vip->pool);

	for (size_t i = 0; i < vip->n_targets && !said; i++)
		said = lacks_port(k, port, vip, vip->targets[i].pool);
}
