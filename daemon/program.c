/* SPDX-License-Identifier: MIT */
/*
 * The skeleton is opened, its settings and map sizes set, and then the kernel is asked. What the
 * maps are for is known to daemon/maps.h alone.
 */
#include "daemon/program.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "config/cleanup.h"
#include "daemon/vip_lines.h"
#include "xdp/sluice.skel.h"

#define DEVICES_MAX 64
#define TARGETS_MAX 4096
#define DECAP_MAX 1024

void program_fini(struct program *program)
{
	for (int i = 0; i < MAP_MAX; i++)
		if (program->mapped[i].data)
			munmap(program->mapped[i].data, program->mapped[i].bytes);
	sluice_bpf__destroy(program->skel);
	*program = (struct program){0};
}

static uint32_t wanted_entries(const struct sluice_settings *settings, const struct maps_size *size,
			       enum map_id map)
{
	switch (map) {
	case MAP_VIPS: /* and as many addresses */
	case MAP_PREFIXES:
		return size->vips * 2;
	case MAP_VIP_LINES:
		return UINT32_C(1) << settings->vip_bits;
	case MAP_COUNTERS:
		return size->vips + 1;
	case MAP_RINGS:
	case MAP_OTHERS:
		return (size->ring_slots + SLUICE_LINE_SLOTS - 1) / SLUICE_LINE_SLOTS;
	case MAP_BACKENDS:
	case MAP_NAMES:
	case MAP_BACKEND_COUNTERS:
		return size->backends + 1;
	case MAP_SERVER_IDS:
		return size->backends * 4;
	case MAP_SOURCES:
	case MAP_ACCESS:
		return size->sources;
	case MAP_TARGETS:
		return TARGETS_MAX;
	case MAP_FLOWS:
		return settings->features & SLUICE_FEATURE_FLOWS ? settings->flow_lines : 1;
	case MAP_FRAGMENTS:
		return size->fragments;
	case MAP_LIMITERS:
		return SLUICE_LIMIT_MAX;
	case MAP_DECAP:
		return DECAP_MAX;
	case MAP_DEVICES:
		return DEVICES_MAX;
	case MAP_SCRATCH:
	case MAP_STATE:
	case MAP_MAX:
		break;
	}
	return 1;
}

static struct bpf_map *skel_map(const struct program *program, enum map_id map)
{
	return bpf_object__find_map_by_name(program->skel->obj, map_descriptions[map].name);
}

static int map_info(int fd, struct bpf_map_info *info)
{
	__u32 size = sizeof(*info);

	*info = (struct bpf_map_info){0};
	return bpf_obj_get_info_by_fd(fd, info, &size) ? -errno : 0;
}

/* Would the program understand what is in the old map? */
static bool same_layout(const struct bpf_map *map, const struct bpf_map_info *old)
{
	return old->type == (uint32_t)bpf_map__type(map) &&
	       old->key_size == bpf_map__key_size(map) &&
	       old->value_size == bpf_map__value_size(map);
}

/*
 * Decides for one map: the old one goes on, or a new one is to get its content. @old is -1 without
 * an old one.
 */
static int choose_map(struct bpf_map *map, int old, uint32_t wanted, bool *copy, struct diag *diag)
{
	struct bpf_map_info info;
	int err;

	*copy = false;
	if (old < 0)
		return bpf_map__set_max_entries(map, wanted);
	err = map_info(old, &info);
	if (err)
		return err;
	if (!same_layout(map, &info)) {
		diag_add(diag, NULL, 0,
			 "pinned map \"%s\" is from a release with another layout; "
			 "\"sluiced -c FILE --detach\" takes it down, then start anew",
			 bpf_map__name(map));
		return -EPROTO;
	}
	/*
	 * The program computes a VIP's line for one number of lines: others have a map of their
	 * own.
	 */
	if (info.max_entries == wanted ||
	    (info.max_entries > wanted && strcmp(bpf_map__name(map), "vip_lines") != 0))
		return bpf_map__reuse_fd(map, old);
	*copy = true;
	return bpf_map__set_max_entries(map, wanted);
}

static int map_memory(struct program *program, enum map_id map)
{
	struct bpf_map *m = skel_map(program, map);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (size_t)bpf_map__value_size(m) * bpf_map__max_entries(m);
	void *data;

	bytes = (bytes + page - 1) / page * page;
	data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m), 0);
	if (data == MAP_FAILED)
		return -errno;
	program->mapped[map].data = data;
	program->mapped[map].bytes = bytes;
	return 0;
}

static void explain_load(struct diag *diag, int err)
{
	if (err == -EPERM)
		diag_add(diag, NULL, 0,
			 "loading the program is not permitted: sluiced needs root, or CAP_BPF, "
			 "CAP_NET_ADMIN and CAP_PERFMON");
	else if (err == -ENOMEM)
		diag_add(diag, NULL, 0, "no memory for the maps: lower the limits in the config");
	else
		diag_add(diag, NULL, 0,
			 "the kernel refused the program: %s (\"sluiced -v\" shows what it said)",
			 strerror(-err));
}

/* Frames of several buffers want a helper and a flag of kernel 5.18. */
static bool kernel_has_frags(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_get_buff_len, NULL) == 1;
}

/*
 * Records of the same size may have another meaning: the maps are of those who have the same ABI.
 */
static int check_abi(int old_state, struct diag *diag)
{
	struct sluice_state state;
	uint32_t key = 0;

	if (old_state < 0 || bpf_map_lookup_elem(old_state, &key, &state) ||
	    state.abi == SLUICE_ABI)
		return 0;
	diag_add(diag, NULL, 0,
		 "what is pinned is from a release with another layout (%u, that of this one is "
		 "%u); \"sluiced -c FILE --detach\" takes it down, then start anew",
		 state.abi, SLUICE_ABI);
	return -EPROTO;
}

/* The flow table's key: that of the old table, which else would be of no use. */
static int get_secret(uint64_t secret[2], int old_state)
{
	struct sluice_state state;
	uint32_t key = 0;

	if (old_state >= 0 && bpf_map_lookup_elem(old_state, &key, &state) == 0) {
		memcpy(secret, state.secret, sizeof(state.secret));
		return 0;
	}
	return getrandom(secret, 2 * sizeof(*secret), 0) == 2 * sizeof(*secret) ? 0 : -EIO;
}

static int set_settings(struct program *program, const struct sluice_settings *wanted,
			int old_state)
{
	struct sluice_settings settings = *wanted;
	uint64_t secret[2];
	int err = get_secret(secret, old_state);

	if (err)
		return err;
	memcpy(settings.secret, secret, sizeof(secret));
	if (kernel_has_frags()) {
		settings.features |= SLUICE_FEATURE_FRAGS;
		err = bpf_program__set_flags(program->skel->progs.sluice, BPF_F_XDP_HAS_FRAGS);
	}
	memcpy((void *)&program->skel->rodata->settings, &settings, sizeof(settings));
	return err;
}

static int choose_maps(struct program *program, const struct sluice_settings *settings,
		       const struct maps_size *size, const int old[MAP_MAX], bool copy[MAP_MAX],
		       struct diag *diag)
{
	int err = 0;

	for (int i = 0; i < MAP_MAX && !err; i++)
		err = choose_map(skel_map(program, i), old[i], wanted_entries(settings, size, i),
				 &copy[i], diag);
	return err;
}

static int map_memories(struct program *program)
{
	int err = 0;

	for (int i = 0; i < MAP_MAX && !err; i++)
		if (map_descriptions[i].kind == MAP_MEMORY)
			err = map_memory(program, i);
	return err;
}

/* ---------------------------------------------------------------------- content of a map, moved */

/* Key by key; serves per-CPU values too, with room for all CPUs. */
static int copy_map(int from, int to, const struct bpf_map_info *info)
{
	size_t value_size = (info->value_size + 7u) / 8 * 8 * (size_t)libbpf_num_possible_cpus();
	_cleanup_(freep) void *key = calloc(1, info->key_size);
	_cleanup_(freep) void *value = calloc(1, value_size);
	void *previous = NULL;

	if (!key || !value)
		return -ENOMEM;
	while (bpf_map_get_next_key(from, previous, key) == 0) {
		previous = key;
		if (bpf_map_lookup_elem(from, key, value))
			continue;
		if (bpf_map_update_elem(to, key, value, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int copy_memory(int from, const struct program_memory *to, const struct bpf_map_info *info)
{
	size_t bytes = (size_t)info->value_size * info->max_entries;
	void *data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, from, 0);

	if (data == MAP_FAILED)
		return -errno;
	memcpy(to->data, data, bytes);
	munmap(data, bytes);
	return 0;
}

/*
 * Flow entries lie where their hash says for the table's size: those of a smaller table are of no
 * use in a larger one, and are learned anew. Pieces of datagrams and token buckets live for
 * seconds.
 */
static bool is_worth_copying(enum map_id map)
{
	return map != MAP_VIP_LINES && map != MAP_FLOWS && map != MAP_FRAGMENTS &&
	       map != MAP_LIMITERS;
}

static int copy_content(struct program *program, const int old[MAP_MAX], const bool copy[MAP_MAX])
{
	int err = 0;

	for (int i = 0; i < MAP_MAX && !err; i++) {
		struct bpf_map_info info;

		if (!copy[i] || !is_worth_copying(i))
			continue;
		err = map_info(old[i], &info);
		if (!err && program->mapped[i].data)
			err = copy_memory(old[i], &program->mapped[i], &info);
		else if (!err)
			err = copy_map(old[i], program_map_fd(program, i), &info);
	}
	return err;
}

int program_read_rows(const struct program *program, enum map_id map, struct rows *out)
{
	const struct map_description *d = &map_descriptions[map];
	_cleanup_(freep) unsigned char *key = calloc(2, d->key_size);
	_cleanup_(freep) void *value = calloc(1, d->value_size);
	int fd = program_map_fd(program, map);
	uint32_t max = program_map_entries(program, map);
	void *previous = NULL;

	if (!key || !value)
		return -ENOMEM;
	while (out->n < max && bpf_map_get_next_key(fd, previous, key) == 0) {
		int err = bpf_map_lookup_elem(fd, key, value) ? -errno : rows_add(out, key, value);

		if (err)
			return err;
		previous = memcpy(key + d->key_size, key, d->key_size);
	}
	rows_sort(out);
	return 0;
}

void program_defer_vip(struct program *program, const struct sluice_vip_key *key)
{
	vip_lines_defer(program->mapped[MAP_VIP_LINES].data, program_settings(program)->vip_bits,
			key);
}

int program_fill_vip_lines(struct program *program)
{
	const struct map_description *d = &map_descriptions[MAP_VIPS];
	_cleanup_(rows_fini) struct rows rows;
	int err;

	rows_init(&rows, d->key_size, d->value_size);
	err = program_read_rows(program, MAP_VIPS, &rows);
	return err ? err
		   : vip_lines_fill(program->mapped[MAP_VIP_LINES].data,
				    program_settings(program)->vip_bits, &rows);
}

static void write_state(struct program *program)
{
	struct sluice_state *state = program->mapped[MAP_STATE].data;

	state->abi = SLUICE_ABI;
	memcpy(state->secret, program_settings(program)->secret, sizeof(state->secret));
}

/* ------------------------------------------------------------------------------------ the whole */

static int load(struct program *program, const struct sluice_settings *settings,
		const struct maps_size *size, const int old[MAP_MAX], struct diag *diag)
{
	bool copy[MAP_MAX];
	int err;

	program->skel = sluice_bpf__open();
	if (!program->skel)
		return -errno;
	err = choose_maps(program, settings, size, old, copy, diag);
	if (!err)
		err = check_abi(old[MAP_STATE], diag);
	if (!err)
		err = set_settings(program, settings, old[MAP_STATE]);
	if (!err)
		err = sluice_bpf__load(program->skel);
	if (!err)
		err = map_memories(program);
	if (!err)
		err = copy_content(program, old, copy);
	if (!err)
		err = program_fill_vip_lines(program);
	if (!err)
		write_state(program);
	return err;
}

int program_load(struct program *out, const struct sluice_settings *settings,
		 const struct maps_size *size, const int old[MAP_MAX], struct diag *diag)
{
	struct program program = {0};
	int err = load(&program, settings, size, old, diag);

	if (err) {
		if (err != -EPROTO)
			explain_load(diag, err);
		program_fini(&program);
		return err;
	}
	*out = program;
	return 0;
}

const struct sluice_settings *program_settings(const struct program *program)
{
	return (const struct sluice_settings *)&program->skel->rodata->settings;
}

bool program_fits(const struct program *program, const struct maps_size *size)
{
	for (int i = 0; i < MAP_MAX; i++)
		if (wanted_entries(program_settings(program), size, i) >
		    program_map_entries(program, i))
			return false;
	return true;
}

int program_fd(const struct program *program)
{
	return bpf_program__fd(program->skel->progs.sluice);
}

int program_map_fd(const struct program *program, enum map_id map)
{
	return bpf_map__fd(skel_map(program, map));
}

uint32_t program_map_entries(const struct program *program, enum map_id map)
{
	return bpf_map__max_entries(skel_map(program, map));
}

uint32_t program_id(const struct program *program)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(program_fd(program), &info, &size) ? 0 : info.id;
}

struct bpf_object *program_open_again(const struct program *program)
{
	DECLARE_LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sluice_bpf");
	struct bpf_object *object;
	const void *elf;
	size_t size;

	elf = sluice_bpf__elf_bytes(&size);
	object = bpf_object__open_mem(elf, size, &opts);
	if (!object)
		return NULL;
	for (int i = 0; i < MAP_MAX; i++) {
		struct bpf_map *map =
			bpf_object__find_map_by_name(object, map_descriptions[i].name);

		if (bpf_map__reuse_fd(map, program_map_fd(program, i))) {
			bpf_object__close(object);
			return NULL;
		}
	}
	bpf_map__set_initial_value(bpf_object__find_map_by_name(object, ".rodata"),
				   program->skel->rodata, sizeof(*program->skel->rodata));
	bpf_program__set_flags(bpf_object__find_program_by_name(object, "sluice"),
			       bpf_program__flags(program->skel->progs.sluice));
	return object;
}

struct sluice_trace *program_trace(const struct program *program)
{
	return &program->skel->bss->trace;
}
