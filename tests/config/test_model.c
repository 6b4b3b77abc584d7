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
		cmocka_unit_test(frees_nothing_and_what_is_half_built),
	};

	return cmocka_run_group_tests_name("config/model", tests, NULL, NULL);
}
