/* SPDX-License-Identifier: MIT */
/*
 * Finding things in a model, and the words of its enums.
 */
#include "config/model.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char web[] = "web", dns[] = "dns", one[] = "one", two[] = "two", www[] = "www";
static struct model_backend web_backends[] = {{.name = one}, {.name = two}};
static struct model_backend dns_backends[] = {{.name = two}};
static struct model_pool pools[] = {
	{.name = web, .backends = web_backends, .n_backends = 2},
	{.name = dns, .backends = dns_backends, .n_backends = 1},
};
static struct model_vip vips[] = {{.name = dns}, {.name = www}};
static const struct model model = {.pools = pools, .n_pools = 2, .vips = vips, .n_vips = 2};

static void finds_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(model_find_pool(&model, "web"), &pools[0]);
	assert_ptr_equal(model_find_pool(&model, "dns"), &pools[1]);
	assert_null(model_find_pool(&model, "www"));
	assert_ptr_equal(model_find_vip(&model, "www"), &vips[1]);
	assert_null(model_find_vip(&model, "web"));
	assert_ptr_equal(model_find_backend(&pools[0], "two"), &web_backends[1]);
	assert_ptr_equal(model_find_backend(&pools[1], "two"), &dns_backends[0]);
	assert_null(model_find_backend(&pools[1], "one"));
}

static void counts_the_backends_of_all_pools(void **state)
{
	static const struct model empty;

	(void)state;
	assert_int_equal(model_count_backends(&model), 3);
	assert_int_equal(model_count_backends(&empty), 0);
}

static void names_states_and_reads_them_back(void **state)
{
	static const char *const words[] = {"active", "filling", "draining", "disabled"};
	enum model_state parsed = MODEL_STATE_DISABLED;

	(void)state;
	for (int i = 0; i < MODEL_STATE_MAX; i++) {
		assert_string_equal(model_state_name((enum model_state)i), words[i]);
		assert_int_equal(model_state_parse(&parsed, words[i]), 0);
		assert_int_equal(parsed, i);
	}
	parsed = MODEL_STATE_DRAINING;
	assert_int_equal(model_state_parse(&parsed, "Active"), -EINVAL);
	assert_int_equal(model_state_parse(&parsed, ""), -EINVAL);
	assert_int_equal(parsed, MODEL_STATE_DRAINING);
	assert_string_equal(model_state_name(MODEL_STATE_MAX), "unknown");
}

static void names_modes_and_protocols(void **state)
{
	(void)state;
	assert_string_equal(model_mode_name(MODEL_MODE_AUTO), "auto");
	assert_string_equal(model_mode_name(MODEL_MODE_NATIVE), "native");
	assert_string_equal(model_mode_name(MODEL_MODE_GENERIC), "generic");
	assert_string_equal(model_mode_name(MODEL_MODE_MAX), "unknown");
	assert_string_equal(model_protocol_name(IPPROTO_TCP), "tcp");
	assert_string_equal(model_protocol_name(IPPROTO_UDP), "udp");
	assert_string_equal(model_protocol_name(IPPROTO_ICMP), "unknown");
}

static void assert_words(const char *const *got, const char *const *expected, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_string_equal(got[i], expected[i]);
}

static void names_hashes_quic_tracking_and_tunnels(void **state)
{
	static const char *const hashes[MODEL_HASH_MAX] = {
		"tuple", "no_source_port", "destination_port", "with_destination_port"};
	static const char *const quics[MODEL_QUIC_MAX] = {"none", "katran", "quic-lb"};
	static const char *const tracks[MODEL_TRACK_MAX] = {"moving", "always", "never"};
	static const char *const hints[MODEL_HINT_MAX] = {"moving", "always", "off"};
	static const char *const failovers[MODEL_FAILOVER_MAX] = {"rank", "rebuild"};
	static const char *const tunnels[MODEL_TUNNEL_MAX] = {"ipip", "gue"};

	(void)state;
	assert_words(model_hash_names, hashes, MODEL_HASH_MAX);
	assert_words(model_quic_names, quics, MODEL_QUIC_MAX);
	assert_words(model_track_names, tracks, MODEL_TRACK_MAX);
	assert_words(model_hint_names, hints, MODEL_HINT_MAX);
	assert_words(model_failover_names, failovers, MODEL_FAILOVER_MAX);
	assert_words(model_tunnel_names, tunnels, MODEL_TUNNEL_MAX);
}

static void prints_the_address_of_a_vip(void **state)
{
	struct model_vip vip = {0};
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(addr_prefix_parse(&vip.prefix, "10.1.0.0/16"), 0);
	assert_ptr_equal(model_vip_address(&vip, text), text);
	assert_string_equal(text, "10.1.0.0/16");
	assert_false(model_vip_is_host(&vip));
	assert_int_equal(addr_prefix_parse(&vip.prefix, "2001:db8::80"), 0);
	assert_string_equal(model_vip_address(&vip, text), "2001:db8::80");
	assert_true(model_vip_is_host(&vip));
}

static void frees_nothing_and_what_is_half_built(void **state)
{
	struct model *half = calloc(1, sizeof(*half));

	(void)state;
	assert_non_null(half);
	half->pools = calloc(2, sizeof(*half->pools));
	half->n_pools = half->pools ? 2 : 0;
	model_free(NULL);
	model_freep(&half);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_name),
		cmocka_unit_test(counts_the_backends_of_all_pools),
		cmocka_unit_test(names_states_and_reads_them_back),
		cmocka_unit_test(names_modes_and_protocols),
		cmocka_unit_test(names_hashes_quic_tracking_and_tunnels),
		cmocka_unit_test(prints_the_address_of_a_vip),
		cmocka_unit_test(frees_nothing_and_what_is_half_built),
	};

	return cmocka_run_group_tests_name("config/model", tests, NULL, NULL);
}
