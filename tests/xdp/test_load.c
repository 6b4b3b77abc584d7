/* SPDX-License-Identifier: MIT */
/*
 * What the program costs to load with what a config uses: its size as the kernel keeps it, compiled
 * for the machine, how many instructions the verifier walked, and the time that took. Only the sizes
 * are compared: code that a config does not use is not there.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/host/scene.h"
#include "tests/lib/fixture.h"

#define INSTRUCTION 8 /* bytes */

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
	uint32_t verified; /* instructions that the verifier walked; 0: not told (before 5.16) */
	double ms;
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1000000;
}

/* Loads the program as a balancer with this model does; maps, rings and all are in the time. */
static struct cost load(const char *name, struct model *model)
{
	double before = now_ms();
	struct dryrun *dryrun = fixture_dryrun(model);
	struct cost cost = {.ms = now_ms() - before};
	const struct program *program = datapath_program(dryrun_datapath(dryrun));
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(program_fd(program), &info, &size), 0);
	cost.features = program_settings(program)->features;
	cost.instructions = info.xlated_prog_len / INSTRUCTION;
	cost.jited = info.jited_prog_len;
	cost.verified = info.verified_insns;
	print_message("note: %-8s features %04x: %5u instructions, %6u bytes of machine code, %7u "
		      "instructions verified, %.0f ms\n",
		      name, cost.features, cost.instructions, cost.jited, cost.verified, cost.ms);
	dryrun_free(dryrun);
	model_free(model);
	return cost;
}

static void unused_features_cost_nothing(void **state)
{
	struct diag diag = {0};
	struct model *everything = NULL;
	struct cost none, typical, all;
	(void)state;

	fixture_need_bpf();
	none = load("none", fixture_model(config_none));
	typical = load("typical", fixture_model(config_typical));
	fixture_check(scene_model(&everything, &diag), &diag);
	all = load("all", everything);
	assert_true(none.features < typical.features && typical.features < all.features);
	assert_true(none.instructions < typical.instructions);
	assert_true(typical.instructions < all.instructions);
	assert_true(all.verified <= 1000000 && none.verified <= all.verified);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unused_features_cost_nothing),
	};

	return cmocka_run_group_tests_name("xdp/load", tests, NULL, NULL);
}
