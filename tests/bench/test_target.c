/* SPDX-License-Identifier: MIT */
/*
 * The baselines do the work that they are compared by: what they send is, byte for byte, what sluice
 * sends.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/figures.h"
#include "bench/target.h"
#include "tests/lib/fixture.h"

static struct targets *targets;

static int setup(void **state)
{
	struct targets_options options = {.cpu = figures_last_cpu(), .lru_entries = 10000};
	struct diag diag = {0};

	(void)state;
	fixture_need_bpf();
	assert_int_equal(figures_pin(options.cpu), 0);
	fixture_check(targets_new(&targets, &options, &diag), &diag);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	targets_free(targets);
	return 0;
}

static void make_scenario(struct scenario *s, const char *words)
{
	struct diag diag = {0};

	fixture_check(scenario_parse(s, words, &diag), &diag);
}

/* Sends the packet of client @client; @out gets what leaves. The action must be the right one. */
static void send_packet(enum target_kind kind, const struct scenario *s, unsigned char client,
			struct frame *out)
{
	unsigned char in[SCENARIO_FRAME_MAX];
	struct diag diag = {0};
	int program, action;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = s->size,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .repeat = 1);

	scenario_frame(s, in);
	in[s->family == 4 ? 29 : 37] = client;
	in[s->family == 4 ? 34 : 54] = client; /* port */
	fixture_check(targets_program(targets, kind, s, &program, &action, &diag), &diag);
	assert_int_equal(bpf_prog_test_run_opts(program, &opts), 0);
	assert_int_equal(opts.retval, action);
	out->size = opts.data_size_out;
}

static const char *const words[] = {
	"v4,ack", "v4,syn,vips=16", "v4,udp", "v6,ack,vips=4", "v6,udp,size=1000",
};
enum {
	WORDS = sizeof(words) / sizeof(*words)
};

static void lru_sends_what_sluice_sends(void **state)
{
	(void)state;
	for (size_t i = 0; i < WORDS; i++) {
		struct scenario s;
		uint64_t fill;

		print_message("%s\n", words[i]);
		make_scenario(&s, words[i]);
		assert_int_equal(targets_prepare(targets, TARGET_LRU, &s, &fill), 0);
		assert_int_equal(fill, 0);
		for (unsigned int client = 1; client < 100; client++) {
			struct frame expected, got;

			send_packet(TARGET_SLUICE, &s, (unsigned char)client, &expected);
			/* From the ring, then from what it remembers. */
			for (int again = 0; again < 2; again++) {
				send_packet(TARGET_LRU, &s, (unsigned char)client, &got);
				frame_assert_equal(&got, &expected, words[i]);
			}
		}
	}
}

static void floor_sends_what_sluice_sends_to_its_first_backend(void **state)
{
	(void)state;
	for (size_t i = 0; i < WORDS; i++) {
		struct frame expected, got;
		unsigned int client = 0;
		struct scenario s;
		size_t at;

		print_message("%s\n", words[i]);
		make_scenario(&s, words[i]);
		at = s.family == 4 ? 33 : 53; /* last byte of the outer destination */
		do {
			assert_true(++client < 256);
			send_packet(TARGET_SLUICE, &s, (unsigned char)client, &expected);
		} while (expected.data[at] != 1);
		send_packet(TARGET_FLOOR, &s, (unsigned char)client, &got);
		frame_assert_equal(&got, &expected, words[i]);
	}
}

static void lru_knows_the_flows_it_saw(void **state)
{
	uint64_t fill, packets, unknown, packets_after, unknown_after;
	struct frame out;
	struct scenario s;

	(void)state;
	make_scenario(&s, "v4,ack");
	assert_int_equal(targets_prepare(targets, TARGET_LRU, &s, &fill), 0);
	targets_lru_counts(targets, TARGET_LRU, &packets, &unknown);
	for (unsigned int i = 0; i < 30; i++)
		send_packet(TARGET_LRU, &s, (unsigned char)(i % 10), &out);
	targets_lru_counts(targets, TARGET_LRU, &packets_after, &unknown_after);
	assert_int_equal(packets_after - packets, 30);
	assert_int_equal(unknown_after - unknown, 10);
}

static void what_is_not_for_a_vip_is_left_alone(void **state)
{
	static const enum target_kind kinds[] = {TARGET_SLUICE, TARGET_LRU};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		unsigned char in[SCENARIO_FRAME_MAX];
		struct scenario s;
		struct frame out;

		make_scenario(&s, "v4,ack,pass");
		send_packet(kinds[i], &s, 0, &out);
		scenario_frame(&s, in);
		assert_int_equal(out.size, s.size);
		assert_memory_equal(out.data, in, s.size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lru_sends_what_sluice_sends),
		cmocka_unit_test(floor_sends_what_sluice_sends_to_its_first_backend),
		cmocka_unit_test(lru_knows_the_flows_it_saw),
		cmocka_unit_test(what_is_not_for_a_vip_is_left_alone),
	};

	return cmocka_run_group_tests_name("bench/target", tests, setup, teardown);
}
