/* SPDX-License-Identifier: MIT */
/*
 * A sample is one call of BPF_PROG_TEST_RUN, which has a price of its own of some milliseconds: so
 * blocks of packets to the target and to the trivial program take turns within it, and the driver
 * program notes how long each took. From each block of the target the mean of its neighbours is
 * taken off, and the median of all these differences is the sample.
 */
#include "bench/cell.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "bench/driver.skel.h"
#include "config/cleanup.h"

#define BUSY_DRIVER 1.25 /* as FIGURES_BUSY, for the driver's cost, which varies more */

#define FRESH_SHIFT 26 /* so many fresh flows for each cell; the others end at 2^24 */

_Static_assert(sizeof(struct driver_settings) == 8 * DRIVER_WORDS + 16, "as the program has it");

static void make_settings(struct driver_settings *out, const struct scenario *s)
{
	unsigned char frame[SCENARIO_FRAME_MAX];

	scenario_frame(s, frame);
	*out = (struct driver_settings){
		.size = s->size,
		.family = s->helper > SCENARIO_HELPER_PASS ? 0 : s->family,
		.vips_mask = s->vips - 1,
	};
	for (int i = 0; i < DRIVER_WORDS; i++)
		memcpy(&out->word[i], frame + driver_offset[i], sizeof(out->word[i]));
}

/* The kernel lets a program call only such as take frames of several buffers if it does itself. */
static int load_driver(struct driver_bpf **out, const struct scenario *s, int program, bool frags)
{
	struct driver_settings settings;
	struct driver_bpf *skel = driver_bpf__open();
	uint32_t target = DRIVER_TARGET, trivial = DRIVER_TRIVIAL;
	int err, targets, nothing;

	if (!skel)
		return -errno;
	make_settings(&settings, s);
	memcpy((void *)&skel->rodata->settings, &settings, sizeof(settings));
	if (frags) {
		bpf_program__set_flags(skel->progs.driver, BPF_F_XDP_HAS_FRAGS);
		bpf_program__set_flags(skel->progs.trivial, BPF_F_XDP_HAS_FRAGS);
	}
	err = driver_bpf__load(skel);
	if (!err) {
		targets = bpf_map__fd(skel->maps.targets);
		nothing = bpf_program__fd(skel->progs.trivial);
		if (bpf_map_update_elem(targets, &trivial, &nothing, BPF_ANY) ||
		    bpf_map_update_elem(targets, &target, &program, BPF_ANY))
			err = -errno;
	}
	if (err)
		driver_bpf__destroy(skel);
	else
		*out = skel;
	return err;
}

int cell_open(struct cell *cell, struct targets *targets, const struct scenario *scenario,
	      enum target_kind kind, unsigned int number, struct diag *diag)
{
	struct cell c = {.scenario = scenario, .kind = kind, .known = -1};
	int program;
	int err = targets_program(targets, kind, scenario, &program, &c.action, diag);

	if (err)
		return err;
	err = load_driver(&c.driver, scenario, program, true);
	if (err)
		err = load_driver(&c.driver, scenario, program, false);
	if (err) {
		diag_add(diag, NULL, 0, "loading the driver for %s, %s: %s", target_name(kind),
			 scenario->name, strerror(-err));
		return err;
	}
	c.driver->bss->state.fresh = (uint64_t)(number + 1) << FRESH_SHIFT;
	c.driver->bss->state.random = 1;
	*cell = c;
	return 0;
}

/* Sends @packets; -EPROTO: the last one's answer is not the right one. */
static int run(struct cell *cell, uint64_t packets)
{
	unsigned char frame[SCENARIO_FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = cell->scenario->size,
		    .repeat = (int)packets);

	scenario_frame(cell->scenario, frame);
	if (bpf_prog_test_run_opts(bpf_program__fd(cell->driver->progs.driver), &opts))
		return -errno;
	cell->answered = (int)opts.retval;
	return cell->action >= 0 && cell->answered != cell->action ? -EPROTO : 0;
}

/* @packets of @order to the target, and no times. */
static int run_untimed(struct cell *cell, enum driver_order order, uint64_t packets)
{
	__typeof__(cell->driver->bss->state) *state = &cell->driver->bss->state;

	state->flows = cell->scenario->flows;
	state->next = 0;
	state->order = order;
	state->timed = 0;
	state->trivial = 0;
	return packets ? run(cell, packets) : 0;
}

static int warm_up(struct cell *cell, struct targets *targets)
{
	const struct scenario *s = cell->scenario;
	uint64_t fill, flows = s->order == DRIVER_FRESH ? 0 : s->flows;
	int err = targets_prepare(targets, cell->kind, s, &fill);

	if (!err)
		err = run_untimed(cell, DRIVER_FRESH, fill);
	if (!err)
		err = run_untimed(cell, DRIVER_SEQUENTIAL, targets_flows(targets, flows));
	return err;
}

/* The program's and the driver's cost, from the times of the second half of @blocks blocks. */
static int judge(struct cell_sample *sample, const __u32 *block_ns, unsigned int blocks)
{
	unsigned int first = blocks / 4 * 2, n = 0;
	_cleanup_(freep) double *target = calloc(blocks, sizeof(*target));
	_cleanup_(freep) double *trivial = calloc(blocks, sizeof(*trivial));

	if (!target || !trivial)
		return -ENOMEM;
	/* Even ones are the target's. */
	for (unsigned int i = first + 2; i + 1 < blocks; i += 2, n++) {
		trivial[n] = ((double)block_ns[i - 1] + block_ns[i + 1]) / 2 / DRIVER_BLOCK;
		target[n] = (double)block_ns[i] / DRIVER_BLOCK - trivial[n];
	}
	if (!n)
		return -EINVAL;
	sample->ns = figures_of(target, n).median;
	sample->driver_ns = figures_of(trivial, n).median;
	return 0;
}

static int timed_run(struct cell *cell, struct cell_sample *sample, unsigned int blocks)
{
	__typeof__(cell->driver->bss->state) *state = &cell->driver->bss->state;
	double before, after;
	int err;

	state->order = cell->scenario->order;
	state->timed = 1;
	state->packet = 0;
	state->block = 0;
	before = figures_calibrate_ns();
	/* One packet more, for the target, which ends the last block. */
	err = run(cell, (uint64_t)blocks * DRIVER_BLOCK + 1);
	after = figures_calibrate_ns();
	if (!err)
		err = judge(sample, cell->driver->bss->block_ns, blocks);
	sample->calibration = before > after ? before : after;
	return err;
}

static bool is_lru(const struct cell *cell)
{
	return cell->kind == TARGET_LRU || cell->kind == TARGET_LRU_LIMITED;
}

static void explain(const struct cell *cell, int err, struct diag *diag)
{
	if (err == -EPROTO)
		diag_add(diag, NULL, 0,
			 "scenario %s: %s answers with XDP action %d, not with %d as it should",
			 cell->scenario->name, target_name(cell->kind), cell->answered,
			 cell->action);
	else
		diag_add(diag, NULL, 0, "scenario %s: running %s: %s", cell->scenario->name,
			 target_name(cell->kind), strerror(-err));
}

int cell_sample(struct cell *cell, struct targets *targets, unsigned int round, unsigned int blocks,
		struct diag *diag)
{
	uint64_t packets = 0, unknown = 0, packets_after, unknown_after;
	struct cell_sample sample = {0};
	int err;

	figures_urgent(true);
	err = warm_up(cell, targets);
	if (is_lru(cell))
		targets_lru_counts(targets, cell->kind, &packets, &unknown);
	if (!err)
		err = timed_run(cell, &sample, blocks);
	figures_urgent(false);
	if (err) {
		explain(cell, err, diag);
		return err;
	}
	if (is_lru(cell)) {
		targets_lru_counts(targets, cell->kind, &packets_after, &unknown_after);
		packets = packets_after - packets;
		unknown = unknown_after - unknown;
		cell->known = packets ? 1 - (double)unknown / (double)packets : -1;
	}
	cell->samples[round] = sample;
	return 0;
}

/* -------------------------------------------------------------------------------------- figures */

static double calm_driver(const struct cell *cell)
{
	double calm = 0;

	for (unsigned int i = 0; i < CELL_ROUNDS_MAX; i++)
		if (cell->samples[i].calibration && (!calm || cell->samples[i].driver_ns < calm))
			calm = cell->samples[i].driver_ns;
	return calm;
}

bool cell_is_busy(const struct cell *cell, unsigned int round, double calm)
{
	const struct cell_sample *sample = &cell->samples[round];

	return sample->calibration > FIGURES_BUSY * calm ||
	       sample->driver_ns > BUSY_DRIVER * calm_driver(cell);
}

struct figures cell_figures(const struct cell *cell, double calm, size_t *n_calm)
{
	double all[CELL_ROUNDS_MAX], quiet[CELL_ROUNDS_MAX];
	size_t n = 0;

	*n_calm = 0;
	for (unsigned int i = 0; i < CELL_ROUNDS_MAX; i++) {
		if (!cell->samples[i].calibration)
			continue;
		all[n++] = cell->samples[i].ns;
		if (!cell_is_busy(cell, i, calm))
			quiet[(*n_calm)++] = cell->samples[i].ns;
	}
	return *n_calm ? figures_of(quiet, *n_calm) : figures_of_copy(all, n);
}

struct figures cell_driver_figures(const struct cell *cell)
{
	double all[CELL_ROUNDS_MAX];
	size_t n = 0;

	for (unsigned int i = 0; i < CELL_ROUNDS_MAX; i++)
		if (cell->samples[i].calibration)
			all[n++] = cell->samples[i].driver_ns;
	return figures_of_copy(all, n);
}

double cell_ratio(const struct cell *a, const struct cell *b, double calm)
{
	double all[CELL_ROUNDS_MAX], quiet[CELL_ROUNDS_MAX];
	size_t n = 0, n_quiet = 0;

	for (unsigned int i = 0; i < CELL_ROUNDS_MAX; i++) {
		const struct cell_sample *x = &a->samples[i], *y = &b->samples[i];

		if (!x->calibration || !y->calibration || x->ns <= 0)
			continue;
		all[n++] = y->ns / x->ns;
		if (!cell_is_busy(a, i, calm) && !cell_is_busy(b, i, calm))
			quiet[n_quiet++] = y->ns / x->ns;
	}
	return n_quiet ? figures_of(quiet, n_quiet).median : figures_of_copy(all, n).median;
}

void cell_close(struct cell *cell)
{
	driver_bpf__destroy(cell->driver);
	cell->driver = NULL;
}
