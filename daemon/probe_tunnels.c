/* SPDX-License-Identifier: MIT */
/*
 * Records that have not changed since are not written again: a change of one next hop costs one
 * write.
 */
#include "daemon/probe_tunnels.h"

#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/log.h"

static bool uses_tunnel(const struct model_pool *pool)
{
	return pool->check.type != MODEL_CHECK_NONE && pool->check.via == MODEL_VIA_TUNNEL;
}

static bool vip_uses_tunnel(const struct model_vip *vip)
{
	for (size_t i = 0; i <= vip->n_targets; i++) {
		const struct model_pool *pool = model_vip_pool(vip, i);

		if (pool && uses_tunnel(pool))
			return true;
	}
	return false;
}

bool probe_tunnels_needed(const struct model *model)
{
	for (size_t i = 0; i < model->n_vips; i++)
		if (vip_uses_tunnel(&model->vips[i]))
			return true;
	return false;
}

/* 0, or -EADDRINUSE with a message for each VIP whose answers this host would drop. */
static int check_vips(const struct model *model, struct diag *diag)
{
	int err = 0;

	for (size_t i = 0; i < model->n_vips; i++) {
		const struct model_vip *vip = &model->vips[i];
		char ifname[IF_NAMESIZE], address[PREFIX_TEXT_MAX];

		if (!vip_uses_tunnel(vip) || probe_path_can_reach(&vip->prefix.addr, ifname))
			continue;
		diag_add(diag, vip->file, vip->line,
			 "vip \"%s\": address %s is on device \"%s\" of this host, so answers of "
			 "checks in tunnels are dropped here: take it off that device, or use "
			 "via = \"direct\" in the check of pool \"%s\"",
			 vip->name, model_vip_address(vip, address), ifname, vip->pool->name);
		err = -EADDRINUSE;
	}
	return err;
}

int probe_tunnels_prepare(struct probe_tunnels *t, sd_event *event, const struct model *model,
			  const unsigned int *ports, size_t n_ports, struct diag *diag)
{
	int err;

	if (!probe_tunnels_needed(model)) {
		if (!t->path)
			probe_path_sweep();
		return 0;
	}
	err = check_vips(model, diag);
	if (!err && !t->path)
		err = probe_path_new(&t->path, event, diag);
	if (!err && !t->sizes)
		err = tunnel_sizes_new(&t->sizes, event);
	if (err)
		return err;
	err = probe_path_use_ports(t->path, ports, n_ports);
	if (err)
		diag_add(diag, NULL, 0, "ports for checks in tunnels: %s", strerror(-err));
	return err;
}

/* Room for tunnel @number. 0 or -ENOMEM. */
static int make_room(struct probe_tunnels *t, uint32_t number)
{
	uint32_t n = t->n ? t->n : 64;
	struct sluice_backend *set;
	bool *ready;

	while (n <= number)
		n *= 2;
	if (n == t->n)
		return 0;
	set = reallocarray(t->set, n, sizeof(*set));
	if (!set)
		return -ENOMEM;
	t->set = set;
	ready = reallocarray(t->ready, n, sizeof(*ready));
	if (!ready)
		return -ENOMEM;
	t->ready = ready;
	memset(&set[t->n], 0, (n - t->n) * sizeof(*set));
	memset(&ready[t->n], 0, (n - t->n) * sizeof(*ready));
	t->n = n;
	return 0;
}

static void set_tunnel(struct probe_tunnels *t, uint32_t number, const struct desired_backend *b)
{
	int err = make_room(t, number);

	if (!err)
		t->ready[number] |= b->record.flags & SLUICE_BACKEND_NEXTHOP ||
				    b->record.encap == SLUICE_ENCAP_LOCAL;
	if (!err && memcmp(&t->set[number], &b->record, sizeof(b->record)) == 0)
		return;
	if (!err)
		err = probe_path_set(t->path, number, &b->record);
	if (!err)
		t->set[number] = b->record;
	else
		log_warning("backend %s of pool %s: checks keep their old tunnel: %s",
			    b->backend->name, b->pool->name, strerror(-err));
}

/* ---------------------------------------------------------------------------------------- sizes */

#define FULL 1500u /* what clients on Ethernet send */

/* Where the tunnel's own device takes less, the data path tells clients, and nothing gets lost. */
static unsigned int full_size(const struct sluice_backend *record)
{
	static const unsigned int overheads[] = {
		[SLUICE_ENCAP_IP4] = 20,
		[SLUICE_ENCAP_IP6] = 40,
		[SLUICE_ENCAP_GUE4] = 28,
		[SLUICE_ENCAP_GUE6] = 48,
	};
	unsigned int fits = record->mtu - overheads[record->encap];

	return record->mtu && fits < FULL ? fits : FULL;
}

/* A VIP whose probes go into the tunnels of @pool; NULL: none. */
static const struct model_vip *find_vip(const struct model *model, const struct model_pool *pool)
{
	for (size_t v = 0; v < model->n_vips; v++)
		for (size_t i = 0; i <= model->vips[v].n_targets; i++)
			if (model_vip_pool(&model->vips[v], i) == pool)
				return &model->vips[v];
	return NULL;
}

/* Can packets be sent into its tunnel, and does somebody count on it? */
static bool is_ready(const struct desired_backend *b)
{
	return !b->leaving && uses_tunnel(b->pool) && b->state != MODEL_STATE_DISABLED &&
	       b->record.flags & SLUICE_BACKEND_NEXTHOP && b->record.encap <= SLUICE_ENCAP_GUE6 &&
	       b->record.encap != SLUICE_ENCAP_NONE;
}

static void follow_sizes(struct probe_tunnels *t, const struct desired *desired,
			 const uint32_t *backend_ids)
{
	_cleanup_(freep) struct tunnel_sizes_target *list =
		calloc(desired->n_backends + 1, sizeof(*list));
	const struct model_pool *pool = NULL;
	const struct model_vip *vip = NULL;
	size_t n = 0;

	for (size_t i = 0; list && i < desired->n_backends; i++) {
		const struct desired_backend *b = &desired->backends[i];

		if (b->pool != pool)
			vip = find_vip(desired->model, b->pool);
		pool = b->pool;
		if (!vip || !is_ready(b) || !probe_tunnels_mark(t, backend_ids[i]))
			continue;
		list[n++] = (struct tunnel_sizes_target){
			.id = backend_ids[i],
			.backend = b->backend->name,
			.pool = pool->name,
			.leads = b->record,
			.how = {vip->prefix.addr, vip->port ? vip->port : pool->check.port,
				probe_tunnels_mark(t, backend_ids[i]), full_size(&b->record)},
		};
	}
	if (!list || tunnel_sizes_follow(t->sizes, list, n))
		log_warning("sizes of tunnels are not looked at: no memory");
}

bool probe_tunnels_size(const struct probe_tunnels *t, uint32_t id, unsigned int *carried,
			unsigned int *full)
{
	return t->sizes && tunnel_sizes_of(t->sizes, id, carried, full);
}

/* ------------------------------------------------------------------------------------ following */

void probe_tunnels_follow(struct probe_tunnels *t, const struct desired *desired,
			  const uint32_t *backend_ids)
{
	_cleanup_(freep) bool *kept = NULL;

	if (!t->path)
		return;
	for (size_t i = 0; i < desired->n_backends; i++)
		if (uses_tunnel(desired->backends[i].pool))
			set_tunnel(t, backend_ids[i], &desired->backends[i]);
	kept = calloc((size_t)t->n + 1, sizeof(*kept));
	for (size_t i = 0; kept && i < desired->n_backends; i++)
		if (backend_ids[i] < t->n)
			kept[backend_ids[i]] = uses_tunnel(desired->backends[i].pool);
	for (uint32_t number = 1; kept && number < t->n; number++) {
		if (kept[number] || t->set[number].encap == SLUICE_ENCAP_NONE)
			continue;
		probe_path_clear(t->path, number);
		t->set[number] = (struct sluice_backend){0};
		t->ready[number] = false;
	}
	follow_sizes(t, desired, backend_ids);
}

uint32_t probe_tunnels_mark(const struct probe_tunnels *t, uint32_t id)
{
	return t->path && id < t->n && t->set[id].encap != SLUICE_ENCAP_NONE && t->ready[id]
		       ? probe_path_mark(t->path, id)
		       : 0;
}

void probe_tunnels_fini(struct probe_tunnels *t)
{
	tunnel_sizes_free(t->sizes);
	probe_path_free(t->path);
	free(t->set);
	free(t->ready);
	*t = (struct probe_tunnels){0};
}
