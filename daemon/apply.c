/* SPDX-License-Identifier: MIT */
/*
 * The content of the maps: read for a plan, written by a plan. Arrays are memory that we share with
 * the kernel, so writing them cannot fail; rows are calls that can. Each step that was done can be
 * taken back.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/datapath_impl.h"
#include "daemon/flow_table.h"

/* -------------------------------------------------------------------------------------- reading */

/* For struct running: the large maps, when they are asked for. */
static int read_large(struct running *running, enum map_id map)
{
	const struct datapath *dp = running->ctx;

	return program_read_rows(&dp->program, map, &running->rows[map]);
}

static struct slots slots_of(const struct datapath *dp)
{
	return (struct slots){
		.rings = dp->program.mapped[MAP_RINGS].data,
		.others = dp->program.mapped[MAP_OTHERS].data,
	};
}

/* Those that both maps have: one may be new, when its pin was lost. */
static uint32_t count_slots(const struct datapath *dp)
{
	uint32_t rings = program_map_entries(&dp->program, MAP_RINGS);
	uint32_t others = program_map_entries(&dp->program, MAP_OTHERS);

	return (rings < others ? rings : others) * SLUICE_LINE_SLOTS;
}

static bool is_large(enum map_id map)
{
	return map == MAP_SOURCES || map == MAP_ACCESS;
}

int datapath_running(const struct datapath *dp, struct running *out)
{
	const struct program_memory *mapped = dp->program.mapped;
	struct running r = {
		.backends = mapped[MAP_BACKENDS].data,
		.names = mapped[MAP_NAMES].data,
		.n_ids = program_map_entries(&dp->program, MAP_BACKENDS),
		.targets = mapped[MAP_TARGETS].data,
		.n_targets = program_map_entries(&dp->program, MAP_TARGETS),
		.slots = slots_of(dp),
		.n_slots = count_slots(dp),
		.state = mapped[MAP_STATE].data,
		.max_vips = program_map_entries(&dp->program, MAP_COUNTERS) - 1,
		.read_rows = read_large,
		.ctx = dp,
	};
	int err = 0;

	for (int i = 0; i < MAP_MAX && !err; i++) {
		rows_init(&r.rows[i], map_descriptions[i].key_size, map_descriptions[i].value_size);
		r.max_entries[i] = program_map_entries(&dp->program, i);
		if (map_descriptions[i].kind == MAP_ROWS && !is_large(i))
			err = program_read_rows(&dp->program, i, &r.rows[i]);
	}
	if (err)
		running_fini(&r);
	else
		*out = r;
	return err;
}

void running_fini(struct running *running)
{
	for (int i = 0; i < MAP_MAX; i++)
		rows_fini(&running->rows[i]);
	*running = (struct running){0};
}

/* -------------------------------------------------------------------------------------- writing */

struct old_slot {
	uint32_t at; /* counted from the maps' beginning */
	uint32_t word;
};

/* What a step found, to be put back; rows know it themselves. */
struct before {
	struct plan_backend backend;
	struct sluice_target target;
	struct old_slot *slots; /* of a live ring, those that changed */
	uint32_t n_slots;
};

/* Word by word, each at once: a packet never sees half a MAC address. */
static void write_words(void *to, const void *from, size_t size)
{
	uint64_t *words = to;

	for (size_t i = 0; i < size / sizeof(uint64_t); i++) {
		uint64_t word;

		memcpy(&word, (const char *)from + i * sizeof(word), sizeof(word));
		__atomic_store_n(&words[i], word, __ATOMIC_RELEASE);
	}
}

/* Starts the counters of an id at zero. Best effort, as all counting. */
static void zero_counters(struct datapath *dp, enum map_id map, uint32_t id)
{
	size_t size = (map_descriptions[map].value_size + 7) / 8 * 8;
	_cleanup_(freep) void *zero = calloc((size_t)libbpf_num_possible_cpus(), size);

	if (zero)
		bpf_map_update_elem(program_map_fd(&dp->program, map), &id, zero, BPF_ANY);
}

static void write_backend(struct datapath *dp, const struct plan_backend *step,
			  struct before *before)
{
	struct sluice_backend *backends = dp->program.mapped[MAP_BACKENDS].data;
	struct sluice_name *names = dp->program.mapped[MAP_NAMES].data;

	before->backend = (struct plan_backend){
		.id = step->id,
		.backend = backends[step->id],
		.name = names[step->id],
	};
	if (step->fresh) {
		zero_counters(dp, MAP_BACKEND_COUNTERS, step->id);
		/* No flow of the id's last owner must reach its next one. */
		flow_table_purge(dp, step->id);
	}
	names[step->id] = step->name;
	write_words(&backends[step->id], &step->backend, sizeof(step->backend));
}

static int write_ring(struct datapath *dp, const struct plan *plan, const struct plan_ring *ring,
		      struct plan_words *cache, struct before *before)
{
	const uint32_t *words = plan_words_get(cache, plan, ring);
	struct slots slots = slots_of(dp);

	/* Nobody looks at a ring that is not live yet. */
	if (ring->live)
		before->slots = calloc(ring->changed, sizeof(*before->slots));
	if (!words || (ring->live && !before->slots))
		return -ENOMEM;
	for (uint32_t i = 0; i < ring->owners->ring->size; i++) {
		uint32_t now = slots_get(&slots, ring->base + i);
		uint32_t word = plan_word(ring, words[i], now);

		if (now == word)
			continue;
		if (ring->live && before->n_slots < ring->changed)
			before->slots[before->n_slots++] = (struct old_slot){ring->base + i, now};
		slots_set(&slots, ring->base + i, word);
	}
	return 0;
}

static void restore_ring(struct datapath *dp, const struct before *before)
{
	struct slots slots = slots_of(dp);

	for (uint32_t i = 0; i < before->n_slots; i++)
		slots_set(&slots, before->slots[i].at, before->slots[i].word);
}

static void write_target(struct datapath *dp, uint32_t index, const struct sluice_target *target,
			 struct before *before)
{
	struct sluice_target *targets = dp->program.mapped[MAP_TARGETS].data;

	if (before)
		before->target = targets[index];
	write_words(&targets[index], target, sizeof(*target));
}

static int write_row(struct datapath *dp, enum map_id map, const void *key, const void *value)
{
	int fd = program_map_fd(&dp->program, map);

	if (value)
		return bpf_map_update_elem(fd, key, value, BPF_ANY) ? -errno : 0;
	return bpf_map_delete_elem(fd, key) && errno != ENOENT ? -errno : 0;
}

static int do_step(struct datapath *dp, const struct plan *plan, const struct plan_step *step,
		   struct plan_words *words, struct before *before)
{
	const struct plan_target *target;
	const struct plan_row *row;

	switch (step->kind) {
	case PLAN_BACKEND:
		write_backend(dp, &plan->backends[step->index], before);
		return 0;
	case PLAN_RING:
		return write_ring(dp, plan, &plan->rings[step->index], words, before);
	case PLAN_TARGET:
		target = &plan->targets[step->index];
		write_target(dp, target->index, &target->target, before);
		return 0;
	case PLAN_ROW:
		row = &plan->rows[step->index];
		if (row->fresh)
			zero_counters(dp, MAP_COUNTERS, row->fresh);
		if (row->map == MAP_VIPS)
			program_defer_vip(&dp->program, row->key);
		return write_row(dp, row->map, row->key, row->to);
	}
	return -EINVAL;
}

static void undo_step(struct datapath *dp, const struct plan *plan, const struct plan_step *step,
		      const struct before *before)
{
	const struct plan_row *row;
	struct before ignored;

	switch (step->kind) {
	case PLAN_BACKEND:
		write_backend(dp, &before->backend, &ignored);
		break;
	case PLAN_RING:
		restore_ring(dp, before);
		break;
	case PLAN_TARGET:
		write_target(dp, plan->targets[step->index].index, &before->target, NULL);
		break;
	case PLAN_ROW:
		row = &plan->rows[step->index];
		write_row(dp, row->map, row->key, row->from);
		break;
	}
}

static const char *step_map(const struct plan *plan, const struct plan_step *step)
{
	static const enum map_id maps[] = {
		[PLAN_BACKEND] = MAP_BACKENDS,
		[PLAN_RING] = MAP_RINGS,
		[PLAN_TARGET] = MAP_TARGETS,
	};
	enum map_id map = step->kind == PLAN_ROW ? plan->rows[step->index].map : maps[step->kind];

	return map_descriptions[map].name;
}

/* Rows are many and know what was before them; only the other steps need a note. */
static struct before *make_notes(const struct plan *plan)
{
	return calloc(plan->n_steps - plan->n_rows + 1, sizeof(struct before));
}

static int do_steps(struct datapath *dp, const struct plan *plan, struct before *notes,
		    size_t *done)
{
	_cleanup_(plan_words_fini) struct plan_words words = {0};
	size_t note = 0;
	int err = 0;

	for (*done = 0; *done < plan->n_steps; ++*done) {
		const struct plan_step *step = &plan->steps[*done];

		err = do_step(dp, plan, step, &words, &notes[note]);
		if (err)
			break;
		note += step->kind != PLAN_ROW;
	}
	return err;
}

static void undo_steps(struct datapath *dp, const struct plan *plan, const struct before *notes,
		       size_t done)
{
	size_t note = 0;

	for (size_t i = 0; i < done; i++)
		note += plan->steps[i].kind != PLAN_ROW;
	while (done-- > 0) {
		const struct plan_step *step = &plan->steps[done];

		note -= step->kind != PLAN_ROW;
		undo_step(dp, plan, step, &notes[note]);
	}
}

static bool changes_vips(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_rows; i++)
		if (plan->rows[i].map == MAP_VIPS)
			return true;
	return false;
}

int datapath_apply(struct datapath *dp, const struct plan *plan, struct diag *diag)
{
	struct sluice_state *state = dp->program.mapped[MAP_STATE].data;
	struct sluice_state before = *state;
	struct before *notes = make_notes(plan);
	size_t done = 0;
	int err = -ENOMEM;

	if (notes) {
		/* A daemon that dies from here on leaves contents that no digest speaks for. */
		for (size_t i = 0; i < 2; i++)
			if (state->digest[i] != plan->digest[i])
				state->digest[i] = 0;
		err = do_steps(dp, plan, notes, &done);
	}
	if (err) {
		diag_add(diag, NULL, 0, "writing the map \"%s\": %s; nothing was changed",
			 notes ? step_map(plan, &plan->steps[done]) : "rings", strerror(-err));
		if (notes)
			undo_steps(dp, plan, notes, done);
		*state = before;
	} else {
		memcpy(state->digest, plan->digest, sizeof(state->digest));
	}
	/* Without it lookups are slower, not wrong. */
	if (changes_vips(plan))
		program_fill_vip_lines(&dp->program);
	for (size_t i = 0; notes && i < plan->n_steps - plan->n_rows; i++)
		free(notes[i].slots);
	free(notes);
	return err;
}
