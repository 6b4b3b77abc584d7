/* SPDX-License-Identifier: MIT */
/*
 * The daemon's transaction without its surroundings: load -> model -> desired -> plan -> apply.
 */
#include "bench/balancer.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench/figures.h"
#include "config/cleanup.h"
#include "config/load.h"
#include "daemon/datapath.h"

#define MTU 1500

struct balancer {
	struct model *model;
	struct generations generations;
	struct datapath *datapath;
	struct ring_cache rings;
};

/* What is to be in force. */
struct candidate {
	const struct model *model;
	struct generations generations;
	const char *down_pool; /* of the backend that is down; NULL: none is */
	const char *down;
};

static const struct wishes no_wishes;

/* Time since *@mark, which is moved to now. */
static uint64_t lap(uint64_t *mark)
{
	uint64_t now = figures_now_ns(), took = now - *mark;

	*mark = now;
	return took;
}

/* The loader reads files: one that has no name. */
static int load_text(struct model **out, const char *text, struct diag *diag)
{
	_cleanup_(closep) int fd = memfd_create("config", MFD_CLOEXEC);
	size_t size = strlen(text);
	char path[64];

	if (fd < 0)
		return -errno;
	if (write(fd, text, size) != (ssize_t)size)
		return -EIO;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return load_file(out, path, diag);
}

static struct desired_health health(const void *ctx, const struct model_vip *vip,
				    const struct model_pool *pool,
				    const struct model_backend *backend)
{
	const struct candidate *c = ctx;

	(void)vip;
	return (struct desired_health){
		.up = !c->down || strcmp(pool->name, c->down_pool) != 0 ||
		      strcmp(backend->name, c->down) != 0,
	};
}

static int make_desired(struct balancer *b, struct candidate *c, struct desired **out)
{
	size_t n = c->model->n_interfaces;
	_cleanup_(freep) struct desired_port *ports = calloc(n, sizeof(*ports));
	struct desired_input input = {
		.model = c->model,
		.wishes = &no_wishes,
		.generations = &c->generations,
		.ports = ports,
		.rings = &b->rings,
		.health = health,
		.health_ctx = c,
	};
	int err = ports ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		ports[i].mtu = MTU;
	ring_cache_begin(&b->rings);
	if (!err)
		err = generations_next(&c->generations, &b->generations, c->model, &no_wishes,
				       time(NULL));
	if (!err)
		err = desired_build(out, &input);
	return err;
}

static int make_fit(struct balancer *b, const struct model *model, struct diag *diag)
{
	struct datapath_options options = {
		.size = desired_size(model),
		.settings = desired_settings(model),
	};

	if (!b->datapath)
		return datapath_open(&b->datapath, &options, diag);
	if (datapath_fits(b->datapath, &options.size, &options.settings))
		return 0;
	return datapath_change(b->datapath, &options.size, &options.settings, diag);
}

static int plan_and_apply(struct balancer *b, const struct desired *desired,
			  struct balancer_times *t, uint64_t *mark, struct diag *diag)
{
	_cleanup_(running_fini) struct running running = {0};
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int err = datapath_running(b->datapath, &running);

	if (!err)
		err = plan_build(&plan, &running, desired, diag);
	t->plan = lap(mark);
	if (err)
		return err;
	t->slots = plan->slots;
	err = datapath_apply(b->datapath, plan, diag);
	t->apply = lap(mark);
	return err;
}

/* From a model to the maps. */
static int write_maps(struct balancer *b, struct candidate *c, struct balancer_times *t,
		      uint64_t *mark, struct diag *diag)
{
	_cleanup_(desired_freep) struct desired *desired = NULL;
	int err = make_fit(b, c->model, diag);

	t->program = lap(mark);
	if (!err)
		err = make_desired(b, c, &desired);
	t->desired = lap(mark);
	if (!err)
		err = plan_and_apply(b, desired, t, mark, diag);
	return err;
}

static int bring_into_force(struct balancer *b, struct candidate *c, struct balancer_times *t,
			    uint64_t *mark, struct diag *diag)
{
	int err = write_maps(b, c, t, mark, diag);

	if (err) {
		generations_fini(&c->generations);
		return err;
	}
	generations_fini(&b->generations);
	b->generations = c->generations;
	ring_cache_sweep(&b->rings);
	return 0;
}

int balancer_load(struct balancer *b, const char *text, struct balancer_times *times,
		  struct diag *diag)
{
	_cleanup_(model_freep) struct model *model = NULL;
	uint64_t begin = figures_now_ns(), mark = begin;
	struct balancer_times t = {0};
	struct candidate c = {0};
	int err = load_text(&model, text, diag);

	t.load = lap(&mark);
	c.model = model;
	if (!err)
		err = bring_into_force(b, &c, &t, &mark, diag);
	if (err)
		return err;
	model_free(b->model);
	b->model = TAKE(model);
	t.total = figures_now_ns() - begin;
	if (times)
		*times = t;
	return 0;
}

int balancer_turn(struct balancer *b, const char *pool, const char *backend, bool up,
		  struct balancer_times *times, struct diag *diag)
{
	uint64_t begin = figures_now_ns(), mark = begin;
	struct balancer_times t = {0};
	struct candidate c = {.model = b->model};
	int err;

	if (!up) {
		c.down_pool = pool;
		c.down = backend;
	}
	err = bring_into_force(b, &c, &t, &mark, diag);
	if (err)
		return err;
	t.total = figures_now_ns() - begin;
	if (times)
		*times = t;
	return 0;
}

/* Slot by slot, in an order that has nothing to do with backends. */
static void track_ring(const struct slots *slots, const struct sluice_ring *ring,
		       unsigned int percent)
{
	for (uint32_t i = 0; i < ring->size; i++) {
		uint32_t cur = SLUICE_SLOT_CUR(slots_get(slots, ring->base + i));

		if ((uint64_t)i * 2654435761u % 100 < percent)
			slots_set(slots, ring->base + i,
				  SLUICE_SLOT(cur, cur > 1 ? cur - 1 : cur + 1, true));
	}
}

int balancer_track(struct balancer *b, unsigned int percent)
{
	_cleanup_(running_fini) struct running running = {0};
	int err = datapath_running(b->datapath, &running);

	for (size_t i = 0; !err && i < running.rows[MAP_VIPS].n; i++) {
		const struct sluice_vip_key *key = rows_key(&running.rows[MAP_VIPS], i);
		const struct sluice_vip *vip = rows_value(&running.rows[MAP_VIPS], i);

		if (key->proto != IPPROTO_ICMP)
			track_ring(&running.slots, &vip->ring, percent);
	}
	return err;
}

int balancer_program(const struct balancer *b)
{
	return program_fd(datapath_program(b->datapath));
}

uint64_t balancer_memory(const struct balancer *b)
{
	return datapath_memory(b->datapath);
}

int balancer_new(struct balancer **out)
{
	struct balancer *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	*out = b;
	return 0;
}

void balancer_free(struct balancer *b)
{
	if (!b)
		return;
	datapath_free(b->datapath);
	ring_cache_fini(&b->rings);
	generations_fini(&b->generations);
	model_free(b->model);
	free(b);
}

void balancer_freep(struct balancer **b)
{
	balancer_free(*b);
}
