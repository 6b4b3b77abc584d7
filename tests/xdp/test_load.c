/* SPDX-License-Identifier: MIT */
/*
 * What the program costs to load with what a config uses: its size as the kernel keeps it, compiled
 * for the machine, how many instructions the verifier walked by its own account, and the time that
 * took. Sizes are compared: code that a config does not use is not there. Of the million instructions
 * that a kernel walks at most there is a reserve, as others walk more of them than this one.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/host/scene.h"
#include "tests/lib/fixture.h"
#include "xdp/sluice.skel.h"

#define INSTRUCTION 8 /* bytes */
#define VERIFIED_MAX 800000
#define LOG_STATS 4 /* of the verifier: its sums alone */

#define CONFIG(vips) \
	"interfaces = ( { name = \"none0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT "\"; } );\n" \
	"pools = ( { name = \"web\"; backends = (\n" \
	"    { name = \"web-1\"; address = \"10.0.0.1\"; },\n" \
	"    { name = \"web-2\"; address = \"fc00::2\"; } ); } );\n" \
	"vips = ( " vips " );\n"

#define VIP(name, address, protocol) \
	"{ name = \"" name "\"; address = \"" address "\"; port = 80; protocol = \"" protocol \
	"\"; pool = \"web\"; ring_size = 4093; }"

/* TCP over IPv4 only; no slot is ever tracked or told. */
static const char config_none[] = CONFIG("{ name = \"t\"; address = \"10.200.1.1\"; port = 80;"
					 "  protocol = \"tcp\"; pool = \"web\"; ring_size = 4093;"
					 "  track = \"never\"; hint = \"off\"; }");

static const char config_typical[] = CONFIG(VIP("t", "10.200.1.1", "tcp") "," VIP(
	"t6", "fc00:1::1", "tcp") "," VIP("u", "10.200.1.1", "udp"));

struct cost {
	uint32_t features;
	uint32_t instructions;
	uint32_t jited;    /* bytes; 0: not compiled, or not told */
	uint32_t verified; /* instructions that the verifier walked */
	double ms;         /* to verify and compile it */
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1000000;
}

/* What the verifier says at the end, in words that are the same since Linux 5.2. */
static uint32_t verified(const char *log)
{
	const char *at = strstr(log, "processed ");
	uint32_t n;

	if (!at || sscanf(at, "processed %" SCNu32 " insns", &n) != 1)
		fail_msg("the verifier does not tell what it did: \"%s\"", log);
	return n;
}

/* Loads @object, a second one of a loaded program, all but @without of its features. */
static struct cost load_object(struct bpf_object *object, uint32_t without)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, "sluice");
	struct sluice_bpf__rodata *constants;
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	static char log[1 << 16];
	struct cost cost = {0};
	size_t n;

	/* There is one since the daemon set it. */
	constants =
		(void *)bpf_map__initial_value(bpf_object__find_map_by_name(object, ".rodata"), &n);
	assert_true(n == sizeof(*constants));
	constants->settings.features &= ~without;
	cost.features = constants->settings.features;
	assert_int_equal(bpf_program__set_log_level(program, LOG_STATS), 0);
	assert_int_equal(bpf_program__set_log_buf(program, log, sizeof(log)), 0);
	cost.ms = now_ms();
	assert_int_equal(bpf_object__load(object), 0);
	cost.ms = now_ms() - cost.ms;
	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), 0);
	cost.instructions = info.xlated_prog_len / INSTRUCTION;
	cost.jited = info.jited_prog_len;
	cost.verified = verified(log);
	/* The same number by another way, since 5.16. */
	if (info.verified_insns)
		assert_int_equal(info.verified_insns, cost.verified);
	return cost;
}

/* Loads the program of @dryrun once more, but for @without of the features. */
static struct cost load_again(const char *name, struct dryrun *dryrun, uint32_t without)
{
	struct bpf_object *object = program_open_again(datapath_program(dryrun_datapath(dryrun)));
	struct cost cost;

	assert_non_null(object);
	cost = load_object(object, without | SLUICE_FEATURE_TRACE);
	bpf_object__close(object);
	print_message("note: %-14s features %04x: %5u instructions, %6u bytes of machine code, %7u "
		      "instructions verified, %.0f ms\n",
		      name, cost.features, cost.instructions, cost.jited, cost.verified, cost.ms);
	assert_true(cost.verified <= VERIFIED_MAX);
	return cost;
}

/* Loads the program as a balancer with this model does. */
static struct cost load(const char *name, struct model *model)
{
	struct dryrun *dryrun = fixture_dryrun(model);
	struct cost cost = load_again(name, dryrun, 0);

	dryrun_free(dryrun);
	model_free(model);
	return cost;
}

static struct model *everything(void)
{
	struct model *model = NULL;
	struct diag diag = {0};

	fixture_check(scene_model(&model, &diag), &diag);
	return model;
}

static void unused_features_cost_nothing(void **state)
{
	struct cost none, typical, all;
	(void)state;

	fixture_need_bpf();
	none = load("none", fixture_model(config_none));
	typical = load("typical", fixture_model(config_typical));
	all = load("all", everything());
	assert_true(none.features < typical.features && typical.features < all.features);
	assert_true(none.instructions < typical.instructions);
	assert_true(typical.instructions < all.instructions);
	assert_true(none.verified < typical.verified && typical.verified < all.verified);
}

/* Without one of them another way through the program may be open: more to walk, not less. */
static void each_feature_can_be_left_out(void **state)
{
	struct model *model;
	struct dryrun *dryrun;
	(void)state;

	fixture_need_bpf();
	model = everything();
	dryrun = fixture_dryrun(model);
	for (uint32_t bit = 1; bit <= SLUICE_FEATURE_HINTS; bit <<= 1) {
		char name[32];

		snprintf(name, sizeof(name), "all but %04x", bit);
		load_again(name, dryrun, bit);
	}
	dryrun_free(dryrun);
	model_free(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unused_features_cost_nothing),
		cmocka_unit_test(each_feature_can_be_left_out),
	};

	return cmocka_run_group_tests_name("xdp/load", tests, NULL, NULL);
}
