/* SPDX-License-Identifier: MIT */
/*
 * sluice is loaded once for each config that scenarios ask for. The baselines are loaded once; both
 * LRU programs share their maps. A table of flows is at its best when it is new: flows that come
 * one after the other lie one after the other. So settled flows are measured with a new table for
 * each sample, floods with one that is full. The same for sluice's flow table, where slots are
 * tracked.
 */
#include "bench/target.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/balancer.h"
#include "bench/baseline/abi.h"
#include "bench/baseline/floor.skel.h"
#include "bench/baseline/lru.skel.h"
#include "bench/helper_target.h"
#include "config/addr.h"
#include "config/cleanup.h"
#include "daemon/ring.h"

#define CONFIGS_MAX 64
#define BACKENDS_6 (BASELINE_BACKENDS_MAX / 2) /* number of the first IPv6 backend */
#define VIPS_6 (BASELINE_VIPS_MAX / 2)

/* sluice, for a config. */
struct instance {
	char *config;
	struct balancer *balancer;
};

struct targets {
	struct targets_options options;
	struct instance instances[CONFIGS_MAX];
	size_t n_instances;
	struct floor_bpf *floor4, *floor6;
	struct lru_bpf *lru, *lru_limited;
	int full_table;               /* LRU map that is full of flows; -1: not needed so far */
	struct helper_target *helper; /* NULL: not needed so far */
	struct bpf_object *object;
	int object_program; /* -1: none */
	bool object_owned;  /* the descriptor is ours to close */
};

static const char *const target_names[TARGET_MAX] = {
	[TARGET_SLUICE] = "sluice",           [TARGET_FLOOR] = "floor",   [TARGET_LRU] = "lru",
	[TARGET_LRU_LIMITED] = "lru-limited", [TARGET_OBJECT] = "object",
};

const char *target_name(enum target_kind kind)
{
	return target_names[kind];
}

/* ------------------------------------------------------------------------------------ baselines */

/* An address as the baselines have it: IPv4 in the first word. */
static void set_address(__be32 out[4], const struct sluice_addr *addr)
{
	memset(out, 0, 4 * sizeof(*out));
	if (addr_is_v4(addr))
		out[0] = addr->w[3];
	else
		memcpy(out, addr->w, sizeof(addr->w));
}

static struct sluice_addr backend_address(unsigned int family, unsigned int i)
{
	char text[ADDR_TEXT_MAX];
	struct sluice_addr addr = {0};

	addr_parse(&addr, scenario_backend(text, family, i));
	return addr;
}

static struct baseline_backend make_backend(unsigned int family, unsigned int i)
{
	struct sluice_addr addr = backend_address(family, i);
	struct baseline_backend backend = {0};

	set_address(backend.addr, &addr);
	addr_mac_parse((unsigned char *)backend.mac, SCENARIO_GATEWAY);
	return backend;
}

static int open_floor(struct floor_bpf **out, unsigned int family, bool frags)
{
	struct floor_bpf *skel = floor_bpf__open();
	struct baseline_settings settings = {.backend = make_backend(family, 0)};

	if (!skel)
		return -errno;
	memcpy((void *)&skel->rodata->settings, &settings, sizeof(settings));
	if (frags)
		bpf_program__set_flags(skel->progs.baseline_floor, BPF_F_XDP_HAS_FRAGS);
	if (floor_bpf__load(skel)) {
		floor_bpf__destroy(skel);
		return -EIO;
	}
	*out = skel;
	return 0;
}

/* @shared: whose maps it uses, or NULL. */
static int open_lru(struct lru_bpf **out, uint32_t new_flows, const struct lru_bpf *shared,
		    bool frags)
{
	struct lru_bpf *skel = lru_bpf__open();
	struct baseline_settings settings = {.new_flows = new_flows};
	int err = 0;

	if (!skel)
		return -errno;
	memcpy((void *)&skel->rodata->settings, &settings, sizeof(settings));
	if (frags)
		bpf_program__set_flags(skel->progs.baseline_lru, BPF_F_XDP_HAS_FRAGS);
	if (shared) {
		err = bpf_map__reuse_fd(skel->maps.vips, bpf_map__fd(shared->maps.vips));
		err |= bpf_map__reuse_fd(skel->maps.lrus, bpf_map__fd(shared->maps.lrus));
		err |= bpf_map__reuse_fd(skel->maps.rings, bpf_map__fd(shared->maps.rings));
		err |= bpf_map__reuse_fd(skel->maps.backends, bpf_map__fd(shared->maps.backends));
	}
	if (err || lru_bpf__load(skel)) {
		lru_bpf__destroy(skel);
		return -EIO;
	}
	*out = skel;
	return 0;
}

/* A ring over the backends of @family, for each of its VIPs. */
static int fill_rings(uint64_t *slots, unsigned int family)
{
	struct ring_member members[SCENARIO_BACKENDS];
	_cleanup_(ring_freep) struct ring *ring = NULL;
	uint32_t first = family == 4 ? 0 : VIPS_6, backend = family == 4 ? 0 : BACKENDS_6;
	int err;

	for (unsigned int i = 0; i < SCENARIO_BACKENDS; i++)
		members[i] = (struct ring_member){backend_address(family, i), 100};
	err = ring_build(&ring, MODEL_MAGLEV_V2, BASELINE_RING_SLOTS, 1, members,
			 SCENARIO_BACKENDS);
	for (uint32_t vip = 0; !err && vip < SCENARIO_VIPS_MAX; vip++)
		for (uint32_t slot = 0; slot < BASELINE_RING_SLOTS; slot++)
			slots[(first + vip) * BASELINE_RING_SLOTS + slot] =
				backend + ring->owner[0][slot];
	return err;
}

static int fill_lru_rings(struct lru_bpf *skel)
{
	/* Values of an array take eight bytes each, these as well. */
	size_t bytes = (size_t)BASELINE_VIPS_MAX * BASELINE_RING_SLOTS * sizeof(uint64_t);
	uint64_t *slots;
	int err;

	bytes = (bytes + 4095) / 4096 * 4096;
	slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(skel->maps.rings),
		     0);
	if (slots == MAP_FAILED)
		return -errno;
	err = fill_rings(slots, 4);
	if (!err)
		err = fill_rings(slots, 6);
	munmap(slots, bytes);
	return err;
}

static int put(const struct bpf_map *map, const void *key, const void *value)
{
	return bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) ? -errno : 0;
}

static int fill_lru_vips(struct lru_bpf *skel, unsigned int family, uint8_t proto)
{
	for (uint32_t i = 0; i < SCENARIO_VIPS_MAX; i++) {
		struct baseline_vip vip = {.number = family == 4 ? i : VIPS_6 + i};
		struct baseline_vip_key key = {.port = htons(SCENARIO_PORT), .proto = proto};
		char text[ADDR_TEXT_MAX];
		struct sluice_addr addr;
		int err = addr_parse(&addr, scenario_vip(text, family, i));

		set_address(key.addr, &addr);
		if (!err)
			err = put(skel->maps.vips, &key, &vip);
		if (err)
			return err;
	}
	return 0;
}

static int fill_lru_backends(struct lru_bpf *skel)
{
	int err = 0;

	for (uint32_t i = 0; i < SCENARIO_BACKENDS && !err; i++) {
		struct baseline_backend v4 = make_backend(4, i), v6 = make_backend(6, i);
		uint32_t number = BACKENDS_6 + i;

		err = put(skel->maps.backends, &i, &v4);
		if (!err)
			err = put(skel->maps.backends, &number, &v6);
	}
	return err;
}

static int fill_lru(struct targets *t)
{
	struct lru_bpf *skel = t->lru;
	int err = fill_lru_rings(skel);

	if (!err)
		err = fill_lru_backends(skel);
	for (unsigned int family = 4; family <= 6 && !err; family += 2) {
		err = fill_lru_vips(skel, family, IPPROTO_TCP);
		if (!err)
			err = fill_lru_vips(skel, family, IPPROTO_UDP);
	}
	return err;
}

/*
 * As sluice: frames of several buffers where the kernel has them, so that all can be called alike.
 */
static int open_baselines(struct targets *t)
{
	bool frags =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_get_buff_len, NULL) == 1;
	int err = open_floor(&t->floor4, 4, frags);

	if (!err)
		err = open_floor(&t->floor6, 6, frags);
	if (!err)
		err = open_lru(&t->lru, 0, NULL, frags);
	if (!err)
		err = open_lru(&t->lru_limited, TARGET_NEW_FLOWS, t->lru, frags);
	return err ? err : fill_lru(t);
}

/* A table takes hundreds of megabytes, which the kernel gives back by and by. */
static int new_table(const struct targets *t)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "lru", sizeof(struct baseline_flow),
				sizeof(struct baseline_place), t->options.lru_entries, NULL);

	return fd < 0 ? -errno : fd;
}

int targets_prepare(struct targets *t, enum target_kind kind, const struct scenario *s,
		    uint64_t *fill)
{
	_cleanup_(closep) int table = -1;
	int *use = &table;
	uint32_t cpu = (uint32_t)t->options.cpu;

	*fill = 0;
	if (kind == TARGET_SLUICE && s->tracked && s->full)
		*fill = scenario_flow_entries(s);
	if (kind != TARGET_LRU && kind != TARGET_LRU_LIMITED)
		return 0;
	if (kind == TARGET_LRU_LIMITED)
		*fill = TARGET_NEW_FLOWS;
	if (s->full) {
		use = &t->full_table;
		if (*use < 0)
			*fill = t->options.lru_entries;
	}
	if (*use < 0)
		*use = new_table(t);
	return *use < 0 ? *use : put(t->lru->maps.lrus, &cpu, use);
}

uint64_t targets_flows(const struct targets *t, uint64_t flows)
{
	return flows < t->options.lru_entries ? flows : t->options.lru_entries;
}

void targets_lru_counts(const struct targets *t, enum target_kind kind, uint64_t *packets,
			uint64_t *unknown)
{
	const struct lru_bpf *skel = kind == TARGET_LRU ? t->lru : t->lru_limited;
	_cleanup_(freep) struct baseline_count *counts =
		calloc((size_t)libbpf_num_possible_cpus(), sizeof(*counts));
	uint32_t zero = 0;

	*packets = *unknown = 0;
	if (!counts || bpf_map_lookup_elem(bpf_map__fd(skel->maps.lru_counts), &zero, counts))
		return;
	*packets = counts[t->options.cpu].packets;
	*unknown = counts[t->options.cpu].bytes;
}

/* ------------------------------------------------------------------------------ somebody else's */

static int open_object(struct targets *t, struct diag *diag)
{
	_cleanup_(freep) char *file = strdup(t->options.object);
	struct bpf_program *program = NULL;
	char *colon;

	if (!file)
		return -ENOMEM;
	colon = strrchr(file, ':');
	if (colon)
		*colon = '\0';
	t->object = bpf_object__open(file);
	if (!t->object) {
		diag_add(diag, file, 0, "%s", strerror(errno));
		return -errno;
	}
	program = colon ? bpf_object__find_program_by_name(t->object, colon + 1)
			: bpf_object__next_program(t->object, NULL);
	if (!program) {
		diag_add(diag, file, 0, "has no program \"%s\"", colon ? colon + 1 : "");
		return -ENOENT;
	}
	bpf_program__set_type(program, BPF_PROG_TYPE_XDP);
	if (bpf_object__load(t->object)) {
		diag_add(diag, file, 0, "the kernel refused it: %s", strerror(errno));
		return -EINVAL;
	}
	t->object_program = bpf_program__fd(program);
	return 0;
}

static int open_somebody(struct targets *t, struct diag *diag)
{
	t->object_program = -1;
	if (t->options.object)
		return open_object(t, diag);
	if (!t->options.object_id)
		return 0;
	t->object_program = bpf_prog_get_fd_by_id(t->options.object_id);
	if (t->object_program < 0) {
		diag_add(diag, NULL, 0, "program %u: %s", t->options.object_id, strerror(errno));
		return -ENOENT;
	}
	t->object_owned = true;
	return 0;
}

/* --------------------------------------------------------------------------------------- sluice */

static int open_instance(struct instance *instance, char *config, unsigned int tracked,
			 struct diag *diag)
{
	int err = balancer_new(&instance->balancer);

	if (!err)
		err = balancer_load(instance->balancer, config, NULL, diag);
	if (!err && tracked)
		err = balancer_track(instance->balancer, tracked);
	if (err) {
		balancer_free(instance->balancer);
		free(config);
		return err;
	}
	instance->config = config;
	return 0;
}

static int get_instance(struct targets *t, const struct scenario *s, int *program,
			struct diag *diag)
{
	char *config = scenario_config(s);
	size_t i = 0;
	int err;

	if (!config)
		return -ENOMEM;
	while (i < t->n_instances && strcmp(t->instances[i].config, config) != 0)
		i++;
	if (i < t->n_instances) {
		free(config);
	} else {
		if (i == CONFIGS_MAX) {
			free(config);
			return -ENOSPC;
		}
		err = open_instance(&t->instances[i], config, s->tracked, diag);
		if (err)
			return err;
		t->n_instances++;
	}
	*program = balancer_program(t->instances[i].balancer);
	return 0;
}

static int get_helper(struct targets *t, int *program, struct diag *diag)
{
	int err = t->helper ? 0 : helper_target_new(&t->helper, diag);

	if (!err)
		*program = helper_target_program(t->helper);
	return err;
}

/* ------------------------------------------------------------------------------------ the whole */

bool targets_serve(const struct targets *t, enum target_kind kind, const struct scenario *s)
{
	switch (kind) {
	case TARGET_FLOOR:
		return !s->gue && !s->pass && !s->helper;
	case TARGET_LRU:
		return !s->gue && !s->helper;
	case TARGET_LRU_LIMITED:
		return !s->gue && !s->pass && !s->helper && s->order == DRIVER_FRESH;
	case TARGET_OBJECT:
		return t->object_program >= 0;
	default:
		return true;
	}
}

int targets_program(struct targets *t, enum target_kind kind, const struct scenario *s,
		    int *program, int *action, struct diag *diag)
{
	bool leaves = s->helper ? s->helper == SCENARIO_HELPER_REDIRECT : !s->pass;

	*action = leaves ? XDP_TX : XDP_PASS;
	switch (kind) {
	case TARGET_SLUICE:
		return s->helper ? get_helper(t, program, diag) : get_instance(t, s, program, diag);
	case TARGET_FLOOR:
		*program = bpf_program__fd(
			(s->family == 4 ? t->floor4 : t->floor6)->progs.baseline_floor);
		return 0;
	case TARGET_LRU:
		*program = bpf_program__fd(t->lru->progs.baseline_lru);
		return 0;
	case TARGET_LRU_LIMITED:
		*program = bpf_program__fd(t->lru_limited->progs.baseline_lru);
		return 0;
	default:
		*program = t->object_program;
		*action = -1;
		return 0;
	}
}

int targets_new(struct targets **out, const struct targets_options *options, struct diag *diag)
{
	_cleanup_(targets_freep) struct targets *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->options = *options;
	t->full_table = -1;
	err = open_somebody(t, diag);
	if (err)
		return err;
	err = open_baselines(t);
	if (err) {
		diag_add(diag, NULL, 0, "loading the baselines: %s%s", strerror(-err),
			 err == -ENOMEM ? "; use a smaller --lru-entries" : "");
		return err;
	}
	*out = TAKE(t);
	return 0;
}

void targets_free(struct targets *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_instances; i++) {
		balancer_free(t->instances[i].balancer);
		free(t->instances[i].config);
	}
	floor_bpf__destroy(t->floor4);
	floor_bpf__destroy(t->floor6);
	helper_target_free(t->helper);
	lru_bpf__destroy(t->lru);
	lru_bpf__destroy(t->lru_limited);
	closep(&t->full_table);
	if (t->object_owned)
		close(t->object_program);
	bpf_object__close(t->object);
	free(t);
}

void targets_freep(struct targets **t)
{
	targets_free(*t);
}
