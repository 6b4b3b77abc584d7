/* SPDX-License-Identifier: MIT */
/*
 * The content of the maps: read for a plan, written by a plan. Rings, backends and names are
 * memory that we share with the kernel, so writing them cannot fail; VIPs and devices are calls
 * that can. Each step that was done can be taken back.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/datapath_impl.h"

/* --------------------------------------------------------------------------------------- reading */

/* All VIPs of the map. 0 with the list in @out, or -errno. */
static int read_vips(const struct datapath *dp, struct running *out)
{
	int fd = datapath_map_fd(dp, DATAPATH_VIPS, &out->max_vips);
	struct running_vip *vips = calloc((size_t)out->max_vips + 1, sizeof(*vips));
	struct sluice_vip_key key, *previous = NULL;

	if (!vips)
		return -ENOMEM;
	while (out->n_vips < out->max_vips && bpf_map_get_next_key(fd, previous, &key) == 0) {
		struct running_vip *vip = &vips[out->n_vips];

		vip->key = key;
		previous = &vip->key;
		if (bpf_map_lookup_elem(fd, &key, &vip->value)) {
			free(vips);
			return -errno;
		}
		out->n_vips++;
	}
	out->vips = vips;
	return 0;
}

static int read_devices(const struct datapath *dp, struct running *out)
{
	int fd = datapath_map_fd(dp, DATAPATH_DEVICES, &out->max_devices);
	uint32_t *devices = calloc((size_t)out->max_devices + 1, sizeof(*devices));
	uint32_t *previous = NULL;

	if (!devices)
		return -ENOMEM;
	while (out->n_devices < out->max_devices &&
	       bpf_map_get_next_key(fd, previous, &devices[out->n_devices]) == 0)
		previous = &devices[out->n_devices++];
	out->devices = devices;
	return 0;
}

int datapath_running(const struct datapath *dp, struct running *out)
{
	struct running r = {0};
	uint32_t lines;
	int err;

	r.backends = dp->set.mapped[DATAPATH_BACKENDS].data;
	r.names = dp->set.mapped[DATAPATH_NAMES].data;
	datapath_map_fd(dp, DATAPATH_BACKENDS, &r.n_ids);
	r.slots = dp->set.mapped[DATAPATH_RINGS].data;
	datapath_map_fd(dp, DATAPATH_RINGS, &lines);
	r.n_slots = lines * SLUICE_LINE_SLOTS;
	err = read_vips(dp, &r);
	if (!err)
		err = read_devices(dp, &r);
	if (err) {
		running_fini(&r);
		return err;
	}
	*out = r;
	return 0;
}

void running_fini(struct running *running)
{
	free((void *)running->vips);
	free((void *)running->devices);
	*running = (struct running){0};
}

/* --------------------------------------------------------------------------------------- writing */

/* What a step found, to be put back. */
struct before {
	struct sluice_backend backend;
	struct sluice_name name;
	bool had_vip;
	struct sluice_vip vip;
	uint32_t *slots; /* of a live ring, all of them */
};

/* Word by word, each at once: a packet never sees half a MAC address. */
static void write_backend(struct datapath *dp, uint32_t id, const struct sluice_backend *record)
{
	struct sluice_backend *backends = dp->set.mapped[DATAPATH_BACKENDS].data;
	uint64_t words[sizeof(*record) / sizeof(uint64_t)];
	uint64_t *to = (uint64_t *)&backends[id];

	memcpy(words, record, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		__atomic_store_n(&to[i], words[i], __ATOMIC_RELEASE);
}

static void write_name(struct datapath *dp, uint32_t id, const struct sluice_name *name)
{
	struct sluice_name *names = dp->set.mapped[DATAPATH_NAMES].data;

	names[id] = *name;
}

/* Starts the counters of an id at zero. Best effort, as all counting. */
static void zero_counters(struct datapath *dp, enum datapath_map map, uint32_t id, size_t size)
{
	_cleanup_(freep)
	void *zero = calloc((size_t)libbpf_num_possible_cpus(), (size + 7) / 8 * 8);
	uint32_t max;
	int fd = datapath_map_fd(dp, map, &max);

	if (zero)
		bpf_map_update_elem(fd, &id, zero, BPF_ANY);
}

static uint32_t *ring_slots(struct datapath *dp, const struct plan_ring *ring)
{
	return (uint32_t *)dp->set.mapped[DATAPATH_RINGS].data + ring->base;
}

static int write_ring(struct datapath *dp, const struct plan *plan, const struct plan_ring *ring,
		      struct before *before)
{
	uint32_t *slots = ring_slots(dp, ring);

	if (ring->live) {
		before->slots = malloc(ring->ring->size * sizeof(*slots));
		if (!before->slots)
			return -ENOMEM;
		memcpy(before->slots, slots, ring->ring->size * sizeof(*slots));
	}
	for (uint32_t i = 0; i < ring->ring->size; i++) {
		uint32_t word = plan_slot(plan, ring, i);

		if (slots[i] != word)
			__atomic_store_n(&slots[i], word, __ATOMIC_RELEASE);
	}
	return 0;
}

static int set_vip(struct datapath *dp, const struct sluice_vip_key *key,
		   const struct sluice_vip *vip)
{
	uint32_t max;
	int fd = datapath_map_fd(dp, DATAPATH_VIPS, &max);

	return bpf_map_update_elem(fd, key, vip, BPF_ANY) ? -errno : 0;
}

static int delete_vip(struct datapath *dp, const struct sluice_vip_key *key)
{
	uint32_t max;
	int fd = datapath_map_fd(dp, DATAPATH_VIPS, &max);

	return bpf_map_delete_elem(fd, key) && errno != ENOENT ? -errno : 0;
}

static int add_device(struct datapath *dp, uint32_t ifindex)
{
	uint32_t max;
	int fd = datapath_map_fd(dp, DATAPATH_DEVICES, &max);

	return bpf_map_update_elem(fd, &ifindex, &ifindex, BPF_ANY) ? -errno : 0;
}

static int delete_device(struct datapath *dp, uint32_t ifindex)
{
	uint32_t max;
	int fd = datapath_map_fd(dp, DATAPATH_DEVICES, &max);

	return bpf_map_delete_elem(fd, &ifindex) && errno != ENOENT ? -errno : 0;
}

static void remember(struct datapath *dp, const struct plan_step *step, struct before *before)
{
	const struct sluice_backend *backends = dp->set.mapped[DATAPATH_BACKENDS].data;
	const struct sluice_name *names = dp->set.mapped[DATAPATH_NAMES].data;
	uint32_t max;

	switch (step->kind) {
	case PLAN_BACKEND_SET:
	case PLAN_BACKEND_CLEAR:
		before->backend = backends[step->id];
		before->name = names[step->id];
		break;
	case PLAN_VIP_SET:
	case PLAN_VIP_DELETE:
		before->had_vip = bpf_map_lookup_elem(datapath_map_fd(dp, DATAPATH_VIPS, &max),
						      &step->key, &before->vip) == 0;
		break;
	default:
		break;
	}
}

static int do_step(struct datapath *dp, const struct plan *plan, const struct plan_step *step,
		   struct before *before)
{
	switch (step->kind) {
	case PLAN_DEVICE_ADD:
		return add_device(dp, step->id);
	case PLAN_BACKEND_SET:
		if (step->fresh)
			zero_counters(dp, DATAPATH_BACKEND_COUNTERS, step->id,
				      sizeof(struct sluice_backend_counters));
		write_name(dp, step->id, &step->name);
		write_backend(dp, step->id, &step->backend);
		return 0;
	case PLAN_RING_WRITE:
		return write_ring(dp, plan, &step->ring, before);
	case PLAN_VIP_SET:
		if (step->fresh)
			zero_counters(dp, DATAPATH_COUNTERS, step->vip.id,
				      sizeof(struct sluice_counters));
		return set_vip(dp, &step->key, &step->vip);
	case PLAN_VIP_DELETE:
		return delete_vip(dp, &step->key);
	case PLAN_BACKEND_CLEAR:
		write_backend(dp, step->id, &step->backend);
		write_name(dp, step->id, &step->name);
		return 0;
	case PLAN_DEVICE_DELETE:
		return delete_device(dp, step->id);
	}
	return -EINVAL;
}

static void undo_step(struct datapath *dp, const struct plan_step *step,
		      const struct before *before)
{
	switch (step->kind) {
	case PLAN_DEVICE_ADD:
		delete_device(dp, step->id);
		break;
	case PLAN_BACKEND_SET:
	case PLAN_BACKEND_CLEAR:
		write_backend(dp, step->id, &before->backend);
		write_name(dp, step->id, &before->name);
		break;
	case PLAN_RING_WRITE:
		for (uint32_t i = 0; before->slots && i < step->ring.ring->size; i++)
			__atomic_store_n(&ring_slots(dp, &step->ring)[i], before->slots[i],
					 __ATOMIC_RELEASE);
		break;
	case PLAN_VIP_SET:
	case PLAN_VIP_DELETE:
		if (before->had_vip)
			set_vip(dp, &step->key, &before->vip);
		else
			delete_vip(dp, &step->key);
		break;
	case PLAN_DEVICE_DELETE:
		add_device(dp, step->id);
		break;
	}
}

static const char *step_name(enum plan_kind kind)
{
	switch (kind) {
	case PLAN_DEVICE_ADD:
	case PLAN_DEVICE_DELETE:
		return "devices";
	case PLAN_BACKEND_SET:
	case PLAN_BACKEND_CLEAR:
		return "backends";
	case PLAN_RING_WRITE:
		return "rings";
	case PLAN_VIP_SET:
	case PLAN_VIP_DELETE:
		break;
	}
	return "vips";
}

int datapath_apply(struct datapath *dp, const struct plan *plan, struct diag *diag)
{
	_cleanup_(freep)
	struct before *before = calloc(plan->n_steps + 1, sizeof(*before));
	size_t done = 0;
	int err = before ? 0 : -ENOMEM;

	while (!err && done < plan->n_steps) {
		remember(dp, &plan->steps[done], &before[done]);
		err = do_step(dp, plan, &plan->steps[done], &before[done]);
		if (!err)
			done++;
	}
	if (err) {
		diag_add(diag, NULL, 0, "writing the map \"%s\": %s; nothing was changed",
			 done < plan->n_steps ? step_name(plan->steps[done].kind) : "rings",
			 strerror(-err));
		for (size_t i = done; i-- > 0;)
			undo_step(dp, &plan->steps[i], &before[i]);
	}
	for (size_t i = 0; before && i < plan->n_steps; i++)
		free(before[i].slots);
	return err;
}
