/* SPDX-License-Identifier: MIT */
/*
 * What the kernel maps should hold: the model, the operator's wishes and the observed next hops,
 * brought together. Pure: no I/O; ids and places in the maps are the plan's business.
 */
#ifndef SLUICE_DAEMON_DESIRED_H
#define SLUICE_DAEMON_DESIRED_H

#include "config/keyset.h"
#include "config/model.h"
#include "daemon/generations.h"
#include "daemon/link.h"
#include "daemon/maps.h"
#include "daemon/owners.h"
#include "daemon/ring_cache.h"
#include "daemon/wishes.h"

/* A port that the program is attached to, in the order of model->interfaces. */
struct desired_port {
	unsigned int ifindex; /* 0: unknown (replay) */
	unsigned int mtu;
};

/* The way to @addr as observed; false: nothing is known. */
typedef bool desired_nexthop_fn(const void *ctx, const struct sluice_addr *addr,
				struct link_nexthop *out);

/* How a backend is, as far as a VIP is concerned. */
struct desired_health {
	bool up;
	bool recent;   /* became so not long ago: flows have not settled */
	bool brief;    /* recent, and what it was before did not last until flows had settled */
	bool unproven; /* not up since it is new, and has not answered yet: no reason for a panic */
};

typedef struct desired_health desired_health_fn(const void *ctx, const struct model_vip *vip,
						const struct model_pool *pool,
						const struct model_backend *backend);

struct desired_input {
	const struct model *model;
	const struct wishes *wishes;
	const struct generations *generations; /* NULL: nothing moves */
	const struct desired_port *ports;      /* model->n_interfaces of them */
	desired_nexthop_fn *nexthop;           /* may be NULL: only gateway_mac counts */
	const void *nexthop_ctx;
	desired_health_fn *health; /* of pools with a check; may be NULL: all are up */
	const void *health_ctx;
	struct ring_cache *rings;
};

/* How a backend's next hop came about, for people. */
enum desired_way {
	DESIRED_WAY_NO_ROUTE,
	DESIRED_WAY_RESOLVING,
	DESIRED_WAY_READY,
	DESIRED_WAY_LOCAL,
	DESIRED_WAY_STATIC, /* gateway_mac */
	DESIRED_WAY_MAX,
};

/*
 * Stands for what a backend had in a model that is gone. Names are borrowed from the generations.
 */
struct desired_leaving {
	struct model_pool pool;
	struct model_backend backend;
};

struct desired_backend {
	const struct model_pool *pool;
	const struct model_backend *backend;
	enum model_state state; /* in force */
	bool state_wished;      /* by the operator or by a check, not the config */
	bool state_advised;     /* by a check */
	unsigned int weight;    /* in force */
	bool weight_wished;
	bool weight_advised;
	bool judged; /* some VIP asks for its health */
	bool up;     /* it is not, or some VIP may send it flows */
	bool well; /* it is not, or some VIP's check finds it up: false also of one used in panic */
	bool astray; /* a VIP that remembers flows of UDP sees it down since shortly, another one up */
	bool leaving; /* no longer in the model: there until its flows have settled */
	enum desired_way way;
	struct sluice_backend record; /* generation 0: the plan gives it */
};

struct desired_vip {
	const struct model_vip *vip;
	uint32_t flags; /* SLUICE_VIP_* */
	struct owners owners;
	size_t first_target; /* of its targets in desired->targets */
	bool answers;        /* the one of its address that stands for it in echo and fragments */
};

/* Where clients of some prefixes of a VIP go. */
struct desired_target {
	size_t vip;                        /* index into desired->vips */
	const struct model_target *target; /* what the config says */
	struct owners owners;              /* ring NULL: the one backend `owners.first` */
};

/* Refers to the model, the generations and the cache's rings, which must outlive it. */
struct desired {
	const struct model *model;
	struct desired_backend
		*backends; /* pool by pool, in the model's order; then those leaving */
	size_t n_backends;
	struct desired_vip *vips; /* in the model's order */
	size_t n_vips;
	struct desired_target *targets; /* VIP by VIP */
	size_t n_targets;
	struct desired_leaving *leaving; /* what the leaving backends point to */
	size_t n_leaving;
	struct keyset places; /* of backends, by pool and address; numbered as they are */
};

/* 0 with @out to be freed by desired_free(), or -ENOMEM. */
int desired_build(struct desired **out, const struct desired_input *input);

/* How much room a model takes in the maps, with some to spare. Pure. */
struct maps_size desired_size(const struct model *model);

/* The program's settings for a model, without the flow table's secret. Pure. */
struct sluice_settings desired_settings(const struct model *model);

/* Who a state or weight comes from: "operator", "check", "config". */
const char *desired_source_name(bool wished, bool advised);

/* The word for a way: "no_route", "resolving", "ready", "local", "static". */
const char *desired_way_name(enum desired_way way);

/* Frees it; accepts NULL. */
void desired_free(struct desired *desired);
void desired_freep(struct desired **desired);

#endif
