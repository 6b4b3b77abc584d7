/* SPDX-License-Identifier: MIT */
/*
 * Model + wishes + next hops -> desired. A backend's state and weight are the operator's where
 * there is a wish, else the config's; its next hop is a static gateway_mac where the port has one,
 * else the kernel's. A ring's members are the active backends of the VIP's pool.
 */
#include "daemon/desired.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include "config/cleanup.h"

static const char *const way_names[] = {
	[DESIRED_WAY_NO_ROUTE] = "no_route", [DESIRED_WAY_RESOLVING] = "resolving",
	[DESIRED_WAY_READY] = "ready",       [DESIRED_WAY_LOCAL] = "local",
	[DESIRED_WAY_STATIC] = "static",
};
_Static_assert(sizeof(way_names) / sizeof(*way_names) == DESIRED_WAY_MAX, "one name each");

const char *desired_way_name(enum desired_way way)
{
	return way_names[way];
}

/* The port with a gateway_mac that packets on @ifindex leave by; without a route, the first such. */
static ssize_t find_static_port(const struct desired_input *in, unsigned int ifindex)
{
	for (size_t i = 0; i < in->model->n_interfaces; i++)
		if (in->model->interfaces[i].has_gateway_mac &&
		    (!ifindex || in->ports[i].ifindex == ifindex))
			return (ssize_t)i;
	return -1;
}

static enum desired_way way_of_link(enum link_state state)
{
	switch (state) {
	case LINK_READY:
		return DESIRED_WAY_READY;
	case LINK_RESOLVING:
		return DESIRED_WAY_RESOLVING;
	case LINK_LOCAL:
		return DESIRED_WAY_LOCAL;
	case LINK_NO_ROUTE:
	case LINK_STATE_MAX:
		break;
	}
	return DESIRED_WAY_NO_ROUTE;
}

static uint16_t mtu_field(unsigned int mtu)
{
	return mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
}

/* Fills in how packets leave for the backend. */
static void set_way(struct desired_backend *b, const struct desired_input *in)
{
	struct link_nexthop hop = {.state = LINK_NO_ROUTE};
	ssize_t port;

	if (in->nexthop)
		in->nexthop(in->nexthop_ctx, &b->backend->address, &hop);
	b->way = way_of_link(hop.state);
	if (hop.state == LINK_LOCAL)
		return;
	b->record.ifindex = hop.ifindex;
	b->record.mtu = mtu_field(hop.mtu);
	memcpy(b->record.smac, hop.device_mac, 6);
	port = find_static_port(in, hop.ifindex);
	if (port >= 0) {
		b->way = DESIRED_WAY_STATIC;
		memcpy(b->record.dmac, in->model->interfaces[port].gateway_mac, 6);
		b->record.flags |= SLUICE_BACKEND_NEXTHOP;
		if (!hop.ifindex)
			b->record.mtu = mtu_field(in->ports[port].mtu);
	} else if (hop.state == LINK_READY) {
		memcpy(b->record.dmac, hop.mac, 6);
		b->record.flags |= SLUICE_BACKEND_NEXTHOP;
	}
}

static void fill_backend(struct desired_backend *b, const struct desired_input *in,
			 const struct model_pool *pool, const struct model_backend *backend)
{
	const struct wish *wish = wishes_find(in->wishes, pool->name, backend->name);

	b->pool = pool;
	b->backend = backend;
	b->state_wished = wish && wish->has_state;
	b->state = b->state_wished ? wish->state : backend->state;
	b->weight_wished = wish && wish->weight;
	b->weight = b->weight_wished ? wish->weight : backend->weight;
	b->record.addr = backend->address;
	b->record.encap = addr_is_v4(&backend->address) ? SLUICE_ENCAP_IPIP : SLUICE_ENCAP_IP6;
	set_way(b, in);
}

/* The ring over the active backends of the VIP's pool. */
static int set_ring(struct desired_vip *v, const struct desired *d, const struct desired_input *in)
{
	size_t n = v->vip->pool->n_backends;
	_cleanup_(freep)
	struct ring_member *members = calloc(n + 1, sizeof(*members));
	struct ring_spec spec = {
		.maglev = v->vip->maglev,
		.size = v->vip->ring_size,
		.ranks = 1,
		.members = members,
		.n = n,
	};

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct desired_backend *b = &d->backends[v->first + i];

		members[i].address = b->backend->address;
		members[i].weight = b->state == MODEL_STATE_ACTIVE ? b->weight : 0;
	}
	return ring_cache_get(in->rings, &spec, &v->ring);
}

static int fill_vip(struct desired_vip *v, const struct desired *d, const struct desired_input *in,
		    const struct model_vip *vip, size_t first)
{
	v->vip = vip;
	v->first = first;
	v->key.addr = vip->address;
	v->key.port = htobe16(vip->port);
	v->key.proto = vip->protocol;
	return set_ring(v, d, in);
}

int desired_build(struct desired **out, const struct desired_input *in)
{
	const struct model *model = in->model;
	_cleanup_(desired_freep)
	struct desired *d = calloc(1, sizeof(*d));
	_cleanup_(freep)
	size_t *first = calloc(model->n_pools + 1, sizeof(*first));
	int err;

	if (!d || !first)
		return -ENOMEM;
	d->n_backends = model_count_backends(model);
	d->backends = calloc(d->n_backends + 1, sizeof(*d->backends));
	d->vips = calloc(model->n_vips + 1, sizeof(*d->vips));
	if (!d->backends || !d->vips)
		return -ENOMEM;
	for (size_t p = 0, at = 0; p < model->n_pools; p++) {
		first[p] = at;
		for (size_t i = 0; i < model->pools[p].n_backends; i++)
			fill_backend(&d->backends[at++], in, &model->pools[p],
				     &model->pools[p].backends[i]);
	}
	for (size_t i = 0; i < model->n_vips; i++) {
		const struct model_vip *vip = &model->vips[i];

		err = fill_vip(&d->vips[i], d, in, vip, first[vip->pool - model->pools]);
		if (err)
			return err;
		d->n_vips++;
	}
	*out = TAKE(d);
	return 0;
}

void desired_free(struct desired *desired)
{
	if (!desired)
		return;
	free(desired->backends);
	free(desired->vips);
	free(desired);
}

void desired_freep(struct desired **desired)
{
	desired_free(*desired);
}
