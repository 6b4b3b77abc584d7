/* SPDX-License-Identifier: MIT */
/*
 * Words of a scenario, the frame that is made of them, and the config.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/scenario.h"
#include "config/diag.h"
#include "tests/lib/fixture.h"

static void words_are_read(void **state)
{
	static const struct scenario cases[] = {
		{.name = "ack",
		 .family = 4,
		 .packet = SCENARIO_ACK,
		 .order = DRIVER_RANDOM,
		 .flows = 1000000,
		 .vips = 1,
		 .size = 64},
		{.name = "settled-100k",
		 .family = 4,
		 .packet = SCENARIO_ACK,
		 .order = DRIVER_RANDOM,
		 .flows = 100000,
		 .vips = 1,
		 .size = 64},
		{.name = "v6,syn,flows=12,sequential,vips=4,size=200",
		 .family = 6,
		 .packet = SCENARIO_SYN,
		 .order = DRIVER_SEQUENTIAL,
		 .flows = 12,
		 .vips = 4,
		 .size = 200},
		{.name = "v6",
		 .family = 6,
		 .packet = SCENARIO_ACK,
		 .order = DRIVER_RANDOM,
		 .flows = 1000000,
		 .vips = 1,
		 .size = 80},
		{.name = "udp,gue,flows=4M",
		 .family = 4,
		 .packet = SCENARIO_UDP,
		 .order = DRIVER_RANDOM,
		 .flows = 4000000,
		 .vips = 1,
		 .size = 64,
		 .gue = true},
		{.name = "fresh",
		 .family = 4,
		 .packet = SCENARIO_ACK,
		 .order = DRIVER_FRESH,
		 .flows = 1000000,
		 .vips = 1,
		 .size = 64,
		 .full = true},
		{.name = "pass,full",
		 .family = 4,
		 .packet = SCENARIO_ACK,
		 .order = DRIVER_RANDOM,
		 .flows = 1000000,
		 .vips = 1,
		 .size = 64,
		 .pass = true,
		 .full = true},
		{.name = "syn,fresh,tracked=100",
		 .family = 4,
		 .packet = SCENARIO_SYN,
		 .order = DRIVER_FRESH,
		 .flows = 1000000,
		 .vips = 1,
		 .size = 64,
		 .full = true,
		 .tracked = 100},
		{.name = "helper=pass",
		 .family = 4,
		 .packet = SCENARIO_ACK,
		 .order = DRIVER_RANDOM,
		 .flows = 1000000,
		 .vips = 1,
		 .size = 64,
		 .helper = SCENARIO_HELPER_PASS},
		{.name = "v6,udp,helper=redirect",
		 .family = 4,
		 .packet = SCENARIO_ACK,
		 .order = DRIVER_RANDOM,
		 .flows = 1000000,
		 .vips = 1,
		 .size = 100,
		 .helper = SCENARIO_HELPER_REDIRECT},
		{.name = "size=2048,helper=socket",
		 .family = 4,
		 .packet = SCENARIO_ACK,
		 .order = DRIVER_RANDOM,
		 .flows = 1000000,
		 .vips = 1,
		 .size = SCENARIO_FRAME_MAX,
		 .helper = SCENARIO_HELPER_SOCKET},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct scenario *e = &cases[i];
		struct diag diag = {0};
		struct scenario s;

		print_message("%s\n", e->name);
		assert_int_equal(scenario_parse(&s, e->name, &diag), 0);
		assert_string_equal(s.name, e->name);
		assert_int_equal(s.family, e->family);
		assert_int_equal(s.packet, e->packet);
		assert_int_equal(s.order, e->order);
		assert_int_equal(s.flows, e->flows);
		assert_int_equal(s.vips, e->vips);
		assert_int_equal(s.size, e->size);
		assert_int_equal(s.gue, e->gue);
		assert_int_equal(s.pass, e->pass);
		assert_int_equal(s.full, e->full);
		assert_int_equal(s.tracked, e->tracked);
		assert_int_equal(s.helper, e->helper);
	}
}

static void wrong_words_are_named(void **state)
{
	static const char *const texts[] = {
		"",          "tcp",         "v4,",         "flows=0",     "flows=many", "flows=20M",
		"vips=3",    "vips=32",     "size=10",     "size=9999",   "colour=red", "settled",
		"tracked=0", "helper=none", "helper=fast", "tracked=101",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct scenario s = {.family = 77};
		struct diag diag = {0};

		print_message("%s\n", texts[i]);
		assert_int_not_equal(scenario_parse(&s, texts[i], &diag), 0);
		assert_int_equal(diag.n, 1);
		assert_int_equal(s.family, 77);
		diag_fini(&diag);
	}
}

/* The frame of each family and protocol is what its words say, and sluice's loader takes the config. */
static void frames_and_configs_agree(void **state)
{
	static const struct {
		const char *words;
		size_t port; /* offset of the destination port */
		unsigned int vips;
	} cases[] = {
		{"v4,ack,vips=16", 36, 16}, {"v4,udp,size=1000", 36, 1}, {"v6,syn,vips=2", 56, 2},
		{"v6,udp,gue", 56, 1},      {"v4,gue", 36, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned char frame[SCENARIO_FRAME_MAX];
		struct diag diag = {0};
		struct scenario s;
		struct model *model;
		char *config;

		print_message("%s\n", cases[i].words);
		assert_int_equal(scenario_parse(&s, cases[i].words, &diag), 0);
		config = scenario_config(&s);
		assert_non_null(config);
		model = fixture_model(config);
		free(config);
		scenario_frame(&s, frame);
		assert_int_equal(model->n_vips, cases[i].vips);
		assert_int_equal(model->pools[0].n_backends, SCENARIO_BACKENDS);
		assert_int_equal(frame[cases[i].port] << 8 | frame[cases[i].port + 1],
				 model->vips[0].port);
		assert_memory_equal(frame + (s.family == 4 ? 30 : 38),
				    (char *)&model->vips[0].prefix.addr + (s.family == 4 ? 12 : 0),
				    s.family == 4 ? 4 : 16);
		model_free(model);
	}
}

/* The flow table of tracked slots has two entries for each flow, in no more than 16 bytes. */
static void flow_tables_have_room(void **state)
{
	static const struct {
		const char *words;
		uint32_t entries;
	} cases[] = {
		{"tracked=2", 131072},
		{"tracked=10", 262144},
		{"tracked=100", 2097152},
		{"flows=1,tracked=100", 131072},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct diag diag = {0};
		struct scenario s;
		struct model *model;
		char *config;

		print_message("%s\n", cases[i].words);
		assert_int_equal(scenario_parse(&s, cases[i].words, &diag), 0);
		assert_int_equal(scenario_flow_entries(&s), cases[i].entries);
		config = scenario_config(&s);
		model = fixture_model(config);
		free(config);
		assert_int_equal(model->limits.flows, cases[i].entries);
		model_free(model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_read),
		cmocka_unit_test(wrong_words_are_named),
		cmocka_unit_test(frames_and_configs_agree),
		cmocka_unit_test(flow_tables_have_room),
	};

	return cmocka_run_group_tests_name("bench/scenario", tests, NULL, NULL);
}
