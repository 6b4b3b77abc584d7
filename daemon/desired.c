/* SPDX-License-Identifier: MIT */
/*
 * Model + wishes + next hops -> desired. A backend's state and weight are the operator's where
 * there is a wish, else the config's; its next hop is a static gateway_mac where the port has one,
 * else the kernel's. A ring's members are the backends of the VIP's pool
 * that take new flows.
 */
#include "daemon/desired.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/types.h>

#include "config/cleanup.h"
#include "config/hint.h"
#include "daemon/layout.h"

/* Room in `rings` is made in steps of this many slots: 1 MiB. */
#define RING_STEP (256u * 1024)

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

const char *desired_source_name(bool wished, bool advised)
{
	return !wished ? "config" : advised ? "check" : "operator";
}

/*
 * The port with a gateway_mac that packets on @ifindex leave by; without a route, the first such.
 */
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
	if (hop.state == LINK_LOCAL) {
		b->record.encap = SLUICE_ENCAP_LOCAL;
		return;
	}
	b->record.ifindex = hop.ifindex;
	b->record.mtu = mtu_field(hop.mtu);
	b->record.vlan = htobe16(hop.vlan);
	b->record.s_vlan = htobe16(hop.s_vlan);
	b->record.flags |= hop.s_vlan_is_q ? SLUICE_BACKEND_S_VLAN_Q : 0;
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

static void set_tunnel(struct sluice_backend *record, const struct model_tunnel *tunnel)
{
	bool v4 = addr_is_v4(&record->addr);

	record->encap = v4 ? SLUICE_ENCAP_IP4 : SLUICE_ENCAP_IP6;
	if (tunnel->type != MODEL_TUNNEL_GUE)
		return;
	record->encap = v4 ? SLUICE_ENCAP_GUE4 : SLUICE_ENCAP_GUE6;
	record->port = htobe16(tunnel->port);
	record->source = v4 ? tunnel->source : tunnel->source6;
}

static void fill_backend(struct desired_backend *b, const struct desired_input *in,
			 const struct model_pool *pool, const struct model_backend *backend)
{
	const struct wish *wish = wishes_find(in->wishes, pool->name, backend->name);

	b->pool = pool;
	b->backend = backend;
	b->state_wished = wish && wish->has_state;
	b->state = wish_state(wish, backend);
	b->state_advised = wish && wish->state_advised;
	b->weight_wished = wish && wish->weight;
	b->weight_advised = wish && wish->weight_advised;
	b->weight = wish_weight(wish, backend);
	b->record.addr = backend->address;
	b->record.hint = htobe16(backend->hint);
	set_tunnel(&b->record, &pool->tunnel);
	b->up = b->well = true;
	if (b->state != MODEL_STATE_DISABLED)
		b->record.flags |= SLUICE_BACKEND_SERVING;
	set_way(b, in);
}

/* -------------------------------------------------------------------------- backends that leave */

struct place {
	char pool[SLUICE_NAME_MAX];
	struct sluice_addr address;
};

static struct place place_of(const char *pool, const struct sluice_addr *address)
{
	struct place place = {.address = *address};

	strncpy(place.pool, pool, sizeof(place.pool) - 1);
	return place;
}

/* The backend after those that have their place has it now. 0 or -ENOMEM. */
static int note_place(struct desired *d)
{
	const struct desired_backend *b = &d->backends[d->places.n];
	struct place place = place_of(b->pool->name, &b->backend->address);
	size_t number;
	int added = keyset_add(&d->places, &place, &number);

	return added < 0 ? added : 0;
}

static size_t find_backend(const struct desired *d, const char *pool,
			   const struct sluice_addr *address)
{
	struct place place = place_of(pool, address);
	size_t number;

	return keyset_find(&d->places, &place, &number) ? number : d->n_backends;
}

/* Adds a member of an old generation that the model does not have any more. */
static int add_leaving(struct desired *d, const struct desired_input *in,
		       const struct generation_member *member)
{
	const struct model_pool *pool = model_find_pool(in->model, member->pool);
	struct desired_leaving *l = &d->leaving[d->n_leaving++];
	struct desired_backend *b = &d->backends[d->n_backends];

	/* The pool's tunnel is the one in force; without the pool, plain IP in IP. */
	if (pool)
		l->pool = *pool;
	l->pool.name = member->pool;
	l->backend = (struct model_backend){
		.name = member->backend,
		.address = member->address,
		.weight = member->weight,
		.state = MODEL_STATE_DRAINING,
		.hint = member->hint ? member->hint : hint_number(&member->address),
	};
	fill_backend(b, in, &l->pool, &l->backend);
	b->state = MODEL_STATE_DRAINING;
	b->leaving = true;
	d->n_backends++;
	return note_place(d);
}

static size_t count_old_members(const struct generations *generations)
{
	size_t n = 0;

	for (size_t i = 0; generations && i < generations->n; i++)
		if (generations->vips[i].moving)
			n += generations->vips[i].old.n_members;
	return n;
}

/* One that leaves several rings is added once. 0 or -ENOMEM. */
static int add_all_leaving(struct desired *d, const struct desired_input *in)
{
	int err = 0;

	for (size_t i = 0; in->generations && i < in->generations->n; i++) {
		const struct generation_vip *v = &in->generations->vips[i];

		for (size_t m = 0; v->moving && m < v->old.n_members && !err; m++)
			if (!generation_member_out(&v->old.members[m]) &&
			    find_backend(d, v->old.members[m].pool, &v->old.members[m].address) ==
				    d->n_backends)
				err = add_leaving(d, in, &v->old.members[m]);
	}
	return err;
}

/* --------------------------------------------------------------------------------------- health */

/* A backend that takes new flows is a member of the new generation. */
static bool is_member(const struct desired_backend *b)
{
	return model_state_takes_flows(b->state);
}

/*
 * Where too little of the weight is up, all that are not out are used: the checks may be wrong.
 * Those that drain keep their flows. New ones that have not answered yet are no sign of that, and
 * wait, unless there is nobody else.
 */
static void use_all_in_panic(struct owners *o, const struct desired *d,
			     const struct model_pool *pool)
{
	uint64_t all = 0, up = 0, unproven = 0;
	uint8_t leave = OWNERS_UP;

	for (size_t i = 0; i < o->n; i++) {
		const struct desired_backend *b = &d->backends[o->first + i];
		unsigned int weight = is_member(b) ? b->weight : 0;

		all += weight;
		up += o->standing[i] & OWNERS_UP ? weight : 0;
		unproven += o->standing[i] & OWNERS_UNPROVEN ? weight : 0;
	}
	if (up) {
		all -= unproven;
		leave |= OWNERS_UNPROVEN;
	}
	if (up * 100 >= all * pool->panic)
		return;
	for (size_t i = 0; i < o->n; i++) {
		if (o->standing[i] & leave ||
		    d->backends[o->first + i].state == MODEL_STATE_DISABLED)
			continue;
		o->standing[i] |= OWNERS_UP | OWNERS_PANIC;
		o->panic = true;
	}
}

/* The standing of the pool's backends with the VIP. 0 or -ENOMEM. */
static int set_standing(struct owners *o, struct desired *d, const struct model_vip *vip,
			const struct model_pool *pool, const struct desired_input *in)
{
	o->n = pool->n_backends;
	if (pool->check.type == MODEL_CHECK_NONE || !in->health)
		return 0;
	o->standing = calloc(o->n + 1, sizeof(*o->standing));
	if (!o->standing)
		return -ENOMEM;
	for (size_t i = 0; i < o->n; i++) {
		struct desired_health health =
			in->health(in->health_ctx, vip, pool, d->backends[o->first + i].backend);

		o->standing[i] = (health.up ? OWNERS_UP : 0) | (health.recent ? OWNERS_RECENT : 0) |
				 (health.brief ? OWNERS_BRIEF : 0) |
				 (health.unproven && !health.up ? OWNERS_UNPROVEN : 0);
	}
	use_all_in_panic(o, d, pool);
	for (size_t i = 0; i < o->n; i++) {
		struct desired_backend *b = &d->backends[o->first + i];

		bool used = o->standing[i] & OWNERS_UP, panic = o->standing[i] & OWNERS_PANIC;

		b->up = used || (b->judged && b->up);
		b->well = (used && !panic) || (b->judged && b->well);
		b->judged = true;
	}
	return 0;
}

/* One that no VIP can use does not get the packets of its flows either. */
static void stop_those_down(struct desired *d)
{
	for (size_t i = 0; i < d->n_backends; i++)
		if (!d->backends[i].up)
			d->backends[i].record.flags &= (uint8_t)~SLUICE_BACKEND_SERVING;
}

/* ---------------------------------------------------------------------------------------- rings */

/*
 * Where nobody fails over, the first rank is all there is to know: without health checks, and in a
 * ring that is rebuilt without those that are down.
 */
static unsigned int ranks_for(const struct model_vip *vip, const struct model_pool *pool)
{
	if (vip->hint == MODEL_HINT_ALWAYS)
		return RING_RANKS;
	return pool->check.type == MODEL_CHECK_NONE || vip->failover == MODEL_FAILOVER_REBUILD
		       ? 1
		       : RING_RANKS;
}

/* The member's weight in the ring that is to be; 0: it is none. */
static unsigned int ring_weight(const struct owners *o, const struct desired *d, size_t member,
				const struct model_vip *vip)
{
	const struct desired_backend *b = &d->backends[o->first + member];
	bool up = !o->standing || o->standing[member] & OWNERS_UP;

	return is_member(b) && (up || vip->failover != MODEL_FAILOVER_REBUILD) ? b->weight : 0;
}

/* The ring over the members of @pool, whose backends begin at owners->first. */
static int set_ring(struct owners *o, const struct desired *d, const struct model_vip *vip,
		    const struct model_pool *pool, struct ring_cache *cache)
{
	_cleanup_(freep) struct ring_member *members = calloc(o->n + 1, sizeof(*members));
	struct ring_spec spec = {
		.maglev = vip->maglev,
		.size = vip->ring_size,
		.ranks = ranks_for(vip, pool),
		.members = members,
		.n = o->n,
	};

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < o->n; i++) {
		members[i].address = d->backends[o->first + i].backend->address;
		members[i].weight = ring_weight(o, d, i, vip);
	}
	return ring_cache_get(cache, &spec, &o->ring);
}

/* The member of an old generation as it is now. */
static void set_old_member(struct owners *o, size_t m, const struct desired *d,
			   const struct generation_member *member)
{
	size_t at = find_backend(d, member->pool, &member->address);
	bool in_ring = at >= o->first && at - o->first < o->n;

	o->old_members[m] = at < d->n_backends ? (uint32_t)at : OWNERS_NOBODY;
	o->old_serves[m] = at < d->n_backends && !generation_member_out(member) &&
			   d->backends[at].state != MODEL_STATE_DISABLED &&
			   (!in_ring || !o->standing || o->standing[at - o->first] & OWNERS_UP);
}

/* The ring of the old generation; one of another size has other slots, and names no owners. */
static int set_old_ring(struct owners *o, const struct desired *d, const struct generation *old,
			const struct model_vip *vip, const struct model_pool *pool,
			struct ring_cache *cache)
{
	size_t n = old->n_members;
	_cleanup_(freep) struct ring_member *members = calloc(n + 1, sizeof(*members));
	struct ring_spec spec = {
		.maglev = old->maglev,
		.size = old->ring_size,
		.ranks = ranks_for(vip, pool),
		.members = members,
		.n = n,
	};

	if (old->ring_size != o->ring->size || !n)
		return 0;
	o->old_members = calloc(n, sizeof(*o->old_members));
	o->old_serves = calloc(n, sizeof(*o->old_serves));
	if (!members || !o->old_members || !o->old_serves)
		return -ENOMEM;
	o->n_old = n;
	for (size_t i = 0; i < n; i++) {
		members[i].address = old->members[i].address;
		members[i].weight = old->members[i].weight;
		set_old_member(o, i, d, &old->members[i]);
	}
	return ring_cache_get(cache, &spec, &o->old);
}

/* Who owns the VIP's slots for clients that go to @pool. @name: of the pool in the generations. */
static int set_owners(struct owners *o, struct desired *d, const struct model_vip *vip,
		      const struct model_pool *pool, const char *name,
		      const struct desired_input *in)
{
	const struct generation_vip *g =
		in->generations ? generations_find(in->generations, vip->name, name) : NULL;
	int err = set_standing(o, d, vip, pool, in);

	o->hint_always = vip->hint == MODEL_HINT_ALWAYS;
	if (!err)
		err = set_ring(o, d, vip, pool, in->rings);
	if (!err && g && g->moving) {
		o->back = g->back;
		err = set_old_ring(o, d, &g->old, vip, pool, in->rings);
	}
	return err;
}

static uint32_t vip_flags(const struct model_vip *vip)
{
	static const uint32_t hash_flags[MODEL_HASH_MAX] = {
		[MODEL_HASH_NO_SOURCE_PORT] = SLUICE_VIP_NO_SOURCE_PORT,
		[MODEL_HASH_DESTINATION_PORT] = SLUICE_VIP_DEST_PORT,
		[MODEL_HASH_WITH_DESTINATION_PORT] = SLUICE_VIP_WITH_DEST_PORT,
	};
	static const uint32_t quic_flags[MODEL_QUIC_MAX] = {
		[MODEL_QUIC_KATRAN] = SLUICE_VIP_QUIC,
		[MODEL_QUIC_LB] = SLUICE_VIP_QUIC_LB,
	};
	uint32_t flags = hash_flags[vip->hash] | quic_flags[vip->quic];

	/* Where an id led a flow away from its slot is remembered: not every packet has it. */
	if (vip->track == MODEL_TRACK_ALWAYS ||
	    (vip->track != MODEL_TRACK_NEVER &&
	     (vip->quic || vip->tcp_server_id || vip->udp_stable)))
		flags |= SLUICE_VIP_TRACK;
	flags |= vip->track == MODEL_TRACK_NEVER ? SLUICE_VIP_NO_TRACK : 0;
	flags |= vip->hint == MODEL_HINT_ALWAYS ? SLUICE_VIP_HINT_ALWAYS : 0;
	flags |= vip->hint == MODEL_HINT_OFF ? SLUICE_VIP_NO_HINT : 0;
	flags |= vip->port ? 0 : SLUICE_VIP_ANY_PORT;
	flags |= vip->tcp_server_id ? SLUICE_VIP_TCP_ID : 0;
	flags |= vip->udp_stable ? SLUICE_VIP_UDP_ID : 0;
	flags |= vip->n_sources ? SLUICE_VIP_SOURCES : 0;
	flags |= vip->n_allow || vip->n_deny ? SLUICE_VIP_ACCESS : 0;
	flags |= vip->n_allow ? SLUICE_VIP_DENY : 0;
	return flags;
}

static int compare_addresses(const void *a, const void *b)
{
	const struct desired_vip *x = *(const struct desired_vip *const *)a;
	const struct desired_vip *y = *(const struct desired_vip *const *)b;
	int order = addr_compare(&x->vip->prefix.addr, &y->vip->prefix.addr);

	if (order)
		return order;
	if (x->vip->prefix.len != y->vip->prefix.len)
		return x->vip->prefix.len < y->vip->prefix.len ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Of the VIPs of one address the first one answers. 0 or -ENOMEM. */
static int choose_answering(struct desired *d)
{
	_cleanup_(freep) struct desired_vip **list = calloc(d->n_vips + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < d->n_vips; i++)
		list[i] = &d->vips[i];
	qsort(list, d->n_vips, sizeof(*list), compare_addresses);
	for (size_t i = 0; i < d->n_vips; i++)
		list[i]->answers =
			!i || list[i - 1]->vip->prefix.len != list[i]->vip->prefix.len ||
			!addr_equal(&list[i - 1]->vip->prefix.addr, &list[i]->vip->prefix.addr);
	return 0;
}

static int fill_targets(struct desired *d, size_t vip_index, const size_t *pool_first,
			const struct desired_input *in)
{
	const struct model_vip *vip = &d->model->vips[vip_index];

	for (size_t i = 0; i < vip->n_targets; i++) {
		struct desired_target *t = &d->targets[d->n_targets++];
		const struct model_target *target = &vip->targets[i];
		int err;

		t->vip = vip_index;
		t->target = target;
		t->owners.first = pool_first[target->pool - d->model->pools];
		if (target->backend) {
			t->owners.first += (size_t)(target->backend - target->pool->backends);
			continue;
		}
		err = set_owners(&t->owners, d, vip, target->pool, target->pool->name, in);
		if (err)
			return err;
	}
	return 0;
}

/* The VIP's flags in the program: its options, and which epoch of its flows this is. */
static uint32_t flags_with_epoch(const struct model_vip *vip, const struct desired_input *in)
{
	const struct generation_vip *g =
		in->generations ? generations_find(in->generations, vip->name, NULL) : NULL;
	uint32_t flags = vip_flags(vip);

	/* Where every flow is remembered, each stays so. */
	return !g || flags & SLUICE_VIP_TRACK
		       ? flags
		       : flags | (uint32_t)g->epoch << SLUICE_VIP_EPOCH_SHIFT;
}

static int fill_vip(struct desired *d, size_t i, const size_t *pool_first,
		    const struct desired_input *in)
{
	const struct model_vip *vip = &d->model->vips[i];
	struct desired_vip *v = &d->vips[i];
	int err;

	v->vip = vip;
	v->flags = flags_with_epoch(vip, in);
	v->owners.first = pool_first[vip->pool - d->model->pools];
	v->first_target = d->n_targets;
	d->n_vips++;
	err = set_owners(&v->owners, d, vip, vip->pool, NULL, in);
	return err ? err : fill_targets(d, i, pool_first, in);
}

/*
 * The flow table asks whether a backend serves, not whether it is up for the VIP. TCP finds out by itself that
 * nobody is there; flows of UDP would go there on and on.
 */
static void find_astray(struct desired *d, const struct desired_vip *v, const struct owners *o)
{
	if (!(v->flags & SLUICE_VIP_TRACK) || v->vip->protocol != IPPROTO_UDP || !o->standing)
		return;
	for (size_t i = 0; i < o->n; i++) {
		struct desired_backend *b = &d->backends[o->first + i];

		b->astray |= (o->standing[i] & (OWNERS_UP | OWNERS_RECENT)) == OWNERS_RECENT &&
			     b->record.flags & SLUICE_BACKEND_SERVING;
	}
}

static void find_all_astray(struct desired *d)
{
	for (size_t i = 0; i < d->n_vips; i++)
		find_astray(d, &d->vips[i], &d->vips[i].owners);
	for (size_t i = 0; i < d->n_targets; i++)
		find_astray(d, &d->vips[d->targets[i].vip], &d->targets[i].owners);
}

static int allocate(struct desired *d, const struct desired_input *in)
{
	size_t n_leaving = count_old_members(in->generations);

	d->model = in->model;
	d->places.key_size = sizeof(struct place);
	d->backends = calloc(model_count_backends(in->model) + n_leaving + 1, sizeof(*d->backends));
	d->leaving = calloc(n_leaving + 1, sizeof(*d->leaving));
	d->vips = calloc(in->model->n_vips + 1, sizeof(*d->vips));
	d->targets = calloc(model_count_targets(in->model) + 1, sizeof(*d->targets));
	return d->backends && d->leaving && d->vips && d->targets ? 0 : -ENOMEM;
}

int desired_build(struct desired **out, const struct desired_input *in)
{
	const struct model *model = in->model;
	_cleanup_(desired_freep) struct desired *d = calloc(1, sizeof(*d));
	_cleanup_(freep) size_t *pool_first = calloc(model->n_pools + 1, sizeof(*pool_first));
	int err = d && pool_first ? allocate(d, in) : -ENOMEM;

	if (err)
		return err;
	for (size_t p = 0; p < model->n_pools; p++) {
		pool_first[p] = d->n_backends;
		for (size_t i = 0; i < model->pools[p].n_backends && !err; i++) {
			fill_backend(&d->backends[d->n_backends++], in, &model->pools[p],
				     &model->pools[p].backends[i]);
			err = note_place(d);
		}
	}
	if (!err)
		err = add_all_leaving(d, in);
	for (size_t i = 0; i < model->n_vips && !err; i++)
		err = fill_vip(d, i, pool_first, in);
	if (!err)
		err = choose_answering(d);
	if (err)
		return err;
	stop_those_down(d);
	find_all_astray(d);
	*out = TAKE(d);
	return 0;
}

/* What the config uses: SLUICE_FEATURE_*. */
static uint32_t features(const struct model *model)
{
	uint32_t set = model->n_decap ? SLUICE_FEATURE_DECAP | SLUICE_FEATURE_IPV6 : 0;

	for (size_t i = 0; i < model->n_vips; i++) {
		const struct model_vip *vip = &model->vips[i];

		set |= addr_is_v4(&vip->prefix.addr) ? 0 : SLUICE_FEATURE_IPV6;
		set |= model_vip_is_host(vip) ? 0 : SLUICE_FEATURE_PREFIXES;
		set |= vip->port ? 0 : SLUICE_FEATURE_ANY_PORT;
		set |= vip->quic || vip->tcp_server_id || vip->udp_stable ? SLUICE_FEATURE_IDS : 0;
		set |= vip->n_sources ? SLUICE_FEATURE_SOURCES : 0;
		set |= vip->n_allow || vip->n_deny ? SLUICE_FEATURE_ACCESS : 0;
		set |= vip->track == MODEL_TRACK_NEVER ? 0 : SLUICE_FEATURE_FLOWS;
		set |= vip->hint == MODEL_HINT_OFF ? 0 : SLUICE_FEATURE_HINTS;
	}
	for (size_t i = 0; i < model->n_pools; i++)
		if (model->pools[i].tunnel.type == MODEL_TUNNEL_GUE)
			set |= SLUICE_FEATURE_GUE;
	return set;
}

struct maps_size desired_size(const struct model *model)
{
	struct maps_size size = {
		.vips = model->limits.vips,
		.backends = model->limits.backends,
		.sources = model->limits.sources,
		.fragments = model->limits.fragments,
	};

	for (size_t i = 0; i < model->n_vips; i++) {
		const struct model_vip *vip = &model->vips[i];

		for (size_t t = 0; t <= vip->n_targets; t++)
			if (model_vip_pool(vip, t))
				size.ring_slots += layout_ring_area(vip->ring_size);
	}
	size.ring_slots = (size.ring_slots / RING_STEP + 1) * RING_STEP;
	return size;
}

/* Lines for the VIPs' lookup: so many that two keys seldom share one. 2^n. */
static uint32_t vip_bits(const struct model *model)
{
	uint32_t bits = 10;

	while (bits < 16 && UINT32_C(1) << bits < model->n_vips * 16)
		bits++;
	return bits;
}

static uint32_t age_ticks(unsigned int seconds)
{
	return (uint32_t)((uint64_t)seconds * 1000000000u >> SLUICE_TICK_SHIFT) + 1;
}

struct sluice_settings desired_settings(const struct model *model)
{
	return (struct sluice_settings){
		.abi = SLUICE_ABI,
		.features = features(model),
		.hash_seed = model->hash_seed ? model->hash_seed : SLUICE_HASH_SEED,
		.hash_seed6 = model->hash_seed ? model->hash_seed : SLUICE_HASH_SEED6,
		.echo_rate = model->echo_rate,
		.error_rate = model->error_rate,
		.flow_lines = model->limits.flows / SLUICE_FLOW_WAYS,
		.flow_age = age_ticks(model->flow_age_s),
		.tcp_age = age_ticks(model->tcp_age_s > model->flow_age_s ? model->tcp_age_s
									  : model->flow_age_s),
		.vip_bits = vip_bits(model),
	};
}

void desired_free(struct desired *desired)
{
	if (!desired)
		return;
	free(desired->backends);
	for (size_t i = 0; i < desired->n_vips; i++)
		owners_fini(&desired->vips[i].owners);
	for (size_t i = 0; i < desired->n_targets; i++)
		owners_fini(&desired->targets[i].owners);
	free(desired->vips);
	free(desired->targets);
	free(desired->leaving);
	keyset_fini(&desired->places);
	free(desired);
}

void desired_freep(struct desired **desired)
{
	desired_free(*desired);
}
