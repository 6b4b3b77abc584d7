/* SPDX-License-Identifier: MIT */
/*
 * The middle of a transaction: from a candidate and what is observed to a desired state, from that
 * and what the maps hold to a plan, and the plan into the maps. Of the state in force nothing
 * changes here.
 */
#include "daemon/engine_impl.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"

static bool nexthop(const void *ctx, const struct sluice_addr *addr, struct link_nexthop *out)
{
	return link_nexthop(ctx, addr, out);
}

static size_t list_addresses(const struct model *model, const struct generations *generations,
			     struct sluice_addr *out)
{
	size_t n = 0;

	for (size_t p = 0; p < model->n_pools; p++)
		for (size_t i = 0; i < model->pools[p].n_backends; i++)
			out[n++] = model->pools[p].backends[i].address;
	for (size_t v = 0; v < generations->n; v++) {
		const struct generation *old = &generations->vips[v].old;

		for (size_t i = 0; generations->vips[v].moving && i < old->n_members; i++)
			if (!generation_member_out(&old->members[i]))
				out[n++] = old->members[i].address;
	}
	return n;
}

/* Follows the ways to all backends, those that leave too. 0, or -errno with a message. */
int engine_follow(struct engine *e, const struct model *model,
		  const struct generations *generations, struct diag *diag)
{
	size_t room = model_count_backends(model) + 1;
	_cleanup_(freep) struct sluice_addr *addrs = NULL;
	int err = -ENOMEM;

	for (size_t v = 0; v < generations->n; v++)
		room += generations->vips[v].old.n_members;
	addrs = calloc(room, sizeof(*addrs));
	if (addrs)
		err = link_follow(e->link, addrs, list_addresses(model, generations, addrs));
	if (err)
		diag_add(diag, NULL, 0, "asking the kernel for the ways to the backends: %s",
			 strerror(-err));
	return err;
}

/* The ports in the order of the model's interfaces. */
static struct desired_port *list_ports(const struct engine *e, const struct model *model)
{
	struct desired_port *list = calloc(model->n_interfaces + 1, sizeof(*list));
	const struct datapath_port *ports;
	size_t n;

	if (!list)
		return NULL;
	ports = datapath_ports(e->datapath, &n);
	for (size_t i = 0; i < model->n_interfaces; i++)
		for (size_t j = 0; j < n; j++)
			if (strcmp(ports[j].name, model->interfaces[i].name) == 0)
				list[i] = (struct desired_port){
					.ifindex = ports[j].ifindex,
					.mtu = ports[j].mtu,
				};
	return list;
}

struct advice engine_advice(const struct engine *e, const struct model *model)
{
	return (struct advice){
		.health = e->health,
		.settle_s = model->settle_s,
		.now = time(NULL),
		.grace = e->grace,
	};
}

int engine_make_desired(struct engine *e, const struct engine_candidate *c,
			const struct wishes *wishes, const struct generations *generations,
			struct desired **out)
{
	_cleanup_(freep) struct desired_port *ports = list_ports(e, c->model);
	struct advice advice = engine_advice(e, c->model);
	struct desired_input input = {
		.model = c->model,
		.wishes = wishes,
		.generations = generations,
		.ports = ports,
		.nexthop = nexthop,
		.nexthop_ctx = e->link,
		.health = advice_health,
		.health_ctx = &advice,
		.rings = &e->rings,
	};

	e->looked = advice.now;
	return ports ? desired_build(out, &input) : -ENOMEM;
}

/* One attempt to bring @desired into the maps as they are. -ENOSPC: the rings need more room. */
static int plan_and_apply(struct engine *e, const struct desired *desired, struct plan **out,
			  struct diag *diag)
{
	_cleanup_(running_fini) struct running running = {0};
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int err = datapath_running(e->datapath, &running);

	if (err) {
		diag_add(diag, NULL, 0, "reading the maps: %s", strerror(-err));
		return err;
	}
	err = plan_build(&plan, &running, desired, diag);
	if (!err)
		err = datapath_apply(e->datapath, plan, diag);
	if (err)
		return err;
	plan_strip(plan);
	*out = TAKE(plan);
	return 0;
}

int engine_make_fit(struct engine *e, const struct maps_size *size,
		    const struct sluice_settings *settings, struct diag *diag)
{
	if (datapath_fits(e->datapath, size, settings))
		return 0;
	return datapath_change(e->datapath, size, settings, diag);
}

/*
 * Makes it fit, then writes; where the rings find no gap, once more with room for all at the end.
 */
int engine_write_maps(struct engine *e, const struct engine_candidate *c,
		      const struct desired *desired, struct plan **out, struct diag *diag)
{
	struct sluice_settings settings = desired_settings(c->model);
	struct maps_size size = desired_size(c->model);
	int err = engine_make_fit(e, &size, &settings, diag);

	if (!err)
		err = plan_and_apply(e, desired, out, diag);
	if (err != -ENOSPC)
		return err;
	size.ring_slots +=
		program_map_entries(datapath_program(e->datapath), MAP_RINGS) * SLUICE_LINE_SLOTS;
	err = engine_make_fit(e, &size, &settings, diag);
	if (!err)
		err = plan_and_apply(e, desired, out, diag);
	if (err == -ENOSPC)
		diag_add(diag, NULL, 0, "no room for the rings in %u slots", size.ring_slots);
	return err;
}
