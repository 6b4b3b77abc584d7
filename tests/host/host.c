/* SPDX-License-Identifier: MIT */
/*
 * A plan's steps are carried out as daemon/apply.c does it, without a kernel: nothing runs
 * meanwhile, nothing can fail half-way.
 */
#include "tests/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/cleanup.h"
#include "daemon/plan.h"
#include "daemon/vip_lines.h"
#include "tests/host/program.h"

/* Writes the program's constants, as the daemon does before it loads the program. */
void host_set(const struct sluice_settings *wanted)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)&settings / page * page;
	uintptr_t end = (uintptr_t)(&settings + 1);
	void *to = (void *)&settings;

	if (mprotect((void *)first, end - first, PROT_READ | PROT_WRITE))
		abort();
	/* Where this points to is hidden: compilers drop what is written to a constant. */
	asm volatile("" : "+r"(to));
	memcpy(to, wanted, sizeof(*wanted));
}

int host_open(const struct sluice_settings *wanted, const uint32_t entries[MAP_MAX])
{
	host_set(wanted);
	return host_maps_open(entries);
}

void host_close(void)
{
	host_maps_close();
}

/* -------------------------------------------------------------------------------- filling the maps */

static void running_done(struct running *running)
{
	for (int i = 0; i < MAP_MAX; i++)
		rows_fini(&running->rows[i]);
}

static int get_running(struct running *r)
{
	int err = 0;

	*r = (struct running){
		.backends = host_map_memory(MAP_BACKENDS),
		.names = host_map_memory(MAP_NAMES),
		.n_ids = host_map_entries(MAP_BACKENDS),
		.targets = host_map_memory(MAP_TARGETS),
		.n_targets = host_map_entries(MAP_TARGETS),
		.slots = host_slots(),
		.n_slots = host_map_entries(MAP_RINGS) * SLUICE_LINE_SLOTS,
		.state = host_map_memory(MAP_STATE),
		.max_vips = host_map_entries(MAP_COUNTERS) - 1,
	};
	for (int i = 0; i < MAP_MAX && !err; i++) {
		rows_init(&r->rows[i], map_descriptions[i].key_size,
			  map_descriptions[i].value_size);
		r->max_entries[i] = host_map_entries(i);
		if (map_descriptions[i].kind == MAP_ROWS)
			err = host_map_rows(i, &r->rows[i]);
	}
	return err;
}

static int write_ring(const struct plan *plan, const struct plan_ring *ring)
{
	_cleanup_(plan_words_fini) struct plan_words cache = {0};
	const uint32_t *words = plan_words_get(&cache, plan, ring);
	struct slots slots = host_slots();

	for (uint32_t i = 0; words && i < ring->owners->ring->size; i++) {
		uint32_t at = ring->base + i;

		slots_set(&slots, at, plan_word(ring, words[i], slots_get(&slots, at)));
	}
	return words ? 0 : -ENOMEM;
}

static int do_step(const struct plan *plan, const struct plan_step *step)
{
	struct sluice_backend *backends = host_map_memory(MAP_BACKENDS);
	struct sluice_name *names = host_map_memory(MAP_NAMES);
	struct sluice_target *targets = host_map_memory(MAP_TARGETS);
	const struct plan_backend *backend;
	const struct plan_target *target;
	const struct plan_row *row;

	switch (step->kind) {
	case PLAN_BACKEND:
		backend = &plan->backends[step->index];
		backends[backend->id] = backend->backend;
		names[backend->id] = backend->name;
		return 0;
	case PLAN_TARGET:
		target = &plan->targets[step->index];
		targets[target->index] = target->target;
		return 0;
	case PLAN_RING:
		return write_ring(plan, &plan->rings[step->index]);
	case PLAN_ROW:
		row = &plan->rows[step->index];
		return host_map_write(row->map, row->key, row->to);
	}
	return -EINVAL;
}

static int fill_vip_lines(void)
{
	const struct map_description *d = &map_descriptions[MAP_VIPS];
	_cleanup_(rows_fini) struct rows rows;
	int err;

	rows_init(&rows, d->key_size, d->value_size);
	err = host_map_rows(MAP_VIPS, &rows);
	return err ? err : vip_lines_fill(host_map_memory(MAP_VIP_LINES), settings.vip_bits, &rows);
}

static int do_plan(const struct plan *plan)
{
	struct sluice_state *state = host_map_memory(MAP_STATE);
	int err = 0;

	for (size_t i = 0; i < plan->n_steps && !err; i++)
		err = do_step(plan, &plan->steps[i]);
	memcpy(state->digest, plan->digest, sizeof(state->digest));
	return err ? err : fill_vip_lines();
}

int host_fill(const struct model *model, unsigned int mtu, struct diag *diag)
{
	_cleanup_(freep) struct desired_port *ports = calloc(model->n_interfaces, sizeof(*ports));
	_cleanup_(ring_cache_fini) struct ring_cache rings = {0};
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(running_done) struct running running = {0};
	_cleanup_(plan_freep) struct plan *plan = NULL;
	const struct wishes none = {0};
	struct desired_input input = {
		.model = model,
		.wishes = &none,
		.ports = ports,
		.rings = &rings,
	};
	int err;

	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < model->n_interfaces; i++)
		ports[i].mtu = mtu;
	err = desired_build(&desired, &input);
	if (!err)
		err = get_running(&running);
	if (!err)
		err = plan_build(&plan, &running, desired, diag);
	return err ? err : do_plan(plan);
}

/* ----------------------------------------------------------------------------------- sending frames */

struct host_result host_send(const struct host_frame *frame, void *out, size_t *size)
{
	size_t fits = frame->linear && frame->linear < HOST_LINEAR ? frame->linear : HOST_LINEAR;
	size_t linear = frame->size < fits ? frame->size : fits;
	struct host_buffer buffer = {0};
	struct host_result result;

	host_buffer_fill(&buffer, frame->data, linear, frame->size - linear,
			 frame->headroom ? frame->headroom : HOST_HEADROOM);
	buffer.ctx.ingress_ifindex = frame->ifindex ? frame->ifindex : 1;
	trace = (struct sluice_trace){0};
	result.action = sluice(&buffer.ctx);
	result.trace = trace;
	*size = host_buffer_take(&buffer, out, *size);
	return result;
}
