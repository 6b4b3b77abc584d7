/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the loader share, and nobody else: load.c has the top and what is small,
 * load_pool.c the pools, load_check*.c their checks, load_hint.c the numbers of backends in hints,
 * load_vip.c the VIPs, load_client.c the client prefixes of a VIP.
 */
#ifndef SLUICE_CONFIG_LOAD_PARTS_H
#define SLUICE_CONFIG_LOAD_PARTS_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/keys.h"
#include "config/keyset.h"
#include "config/marks.h"
#include "config/model.h"
#include "config/source.h"
#include "config/suggest.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
#define GROUP_KEYS(table) .keys = (table), .n_keys = N_ELEMENTS(table)

#define HINT_ERRORS_MAX 100 /* beyond so many errors, the time for hints is better saved */

/* Who had a key first, and where. */
struct owner {
	const struct model_backend *backend;
	const config_setting_t *setting;
};

/* Keys that are of one backend, or of one address, over all pools. */
struct owners {
	struct keyset keys;
	struct owner *list; /* numbered as the keys */
};

/* Distinct prefixes, and where each stands. */
struct placed_prefixes {
	struct keyset prefixes; /* struct addr_prefix */
	struct source_place *places;
};

/* The client prefixes of the VIP being read. */
struct clients {
	struct placed_prefixes access;  /* allow and deny */
	struct placed_prefixes sources; /* numbered as the VIP's sources */
	struct keyset targets;          /* struct model_target, numbered as the VIP's targets */
};

struct load {
	struct model *model;
	struct source *source;
	struct marks interfaces; /* by name */
	struct marks pools;
	struct marks vips;
	struct marks endpoints;         /* VIPs by prefix, port and protocol */
	struct marks members;           /* backends by pool and name */
	struct marks backends;          /* by name, of the pool being read */
	struct marks backend_addresses; /* likewise by address */
	size_t n_backends;              /* in the pools before the one being read */
	struct marks decaps;            /* by address */
	struct owners server_ids;       /* uint32_t */
	struct owners hints;            /* uint32_t: numbers in hints */
	struct owners hinted;           /* struct sluice_addr: addresses that have one */
	struct model_vip *vip;          /* being read */
	bool has_port;                  /* it has a valid one */
	struct clients clients;
	size_t n_clients;  /* prefixes of all VIPs */
	bool clients_full; /* there were more than may be, which was said */
};

extern const struct key_group pool_group;  /* -> struct model_pool */
extern const struct key_group vip_group;   /* -> struct model_vip */
extern const struct key_group check_group; /* -> struct model_check */

/* Of @n elements of list @s, after @before others, none may be beyond @limit. */
void load_check_limit(struct keys *k, const config_setting_t *s, size_t before, size_t n,
		      unsigned int limit, const char *what);

/* The pool called near->word; NULL: there is none, and @near has what may have been meant. */
const struct model_pool *load_find_pool(struct keys *k, struct suggest *near);

/* The backend called near->word in @pool; likewise. */
const struct model_backend *load_find_backend(struct keys *k, const struct model_pool *pool,
					      struct suggest *near);

#define CHECK_QUERY_TYPE 1u /* A: what DNS is asked for by default */

/* Setters for the keys of checks by HTTP, UDP and DNS. */
void check_http_method(struct keys *k, const config_setting_t *s, void *object);
void check_http_path(struct keys *k, const config_setting_t *s, void *object);
void check_http_host(struct keys *k, const config_setting_t *s, void *object);
void check_http_headers(struct keys *k, const config_setting_t *s, void *object);
void check_http_status(struct keys *k, const config_setting_t *s, void *object);
void check_http_body(struct keys *k, const config_setting_t *s, void *object);
void check_http_http2(struct keys *k, const config_setting_t *s, void *object);
void check_udp_payload(struct keys *k, const config_setting_t *s, void *object);
void check_udp_payload_hex(struct keys *k, const config_setting_t *s, void *object);
void check_udp_expect(struct keys *k, const config_setting_t *s, void *object);
void check_udp_expect_hex(struct keys *k, const config_setting_t *s, void *object);
void check_dns_query(struct keys *k, const config_setting_t *s, void *object);
void check_dns_query_type(struct keys *k, const config_setting_t *s, void *object);

/* All keys of a check by HTTP were read: defaults for those that it has not. */
void check_http_finish(struct keys *k, struct model_check *check);

/* All keys of the check by UDP, the group @s, were read. */
void check_udp_finish(struct keys *k, const config_setting_t *s);

/* The VIP, the group @s, has a port for the probes of its targets' checks, or they have one. */
void load_check_vip(struct keys *k, const config_setting_t *s, const struct model_vip *vip);

/*
 * The owner of @key; NULL: from now on that is @backend, by the setting @s, or there is no memory,
 * which k->err says.
 */
const struct owner *load_owner(struct keys *k, struct owners *owners, const void *key,
			       const struct model_backend *backend, const config_setting_t *s);

/* Setter for a backend's number in hints. */
void hint_id(struct keys *k, const config_setting_t *s, void *object);

/* All keys of the backend, the group @s, are there: it gets its number, which must not clash. */
void hint_finish(struct keys *k, const config_setting_t *s, void *object);

/* Setters for the keys of ld->vip, whose pool is known. */
void clients_allow(struct keys *k, const config_setting_t *s, void *object);
void clients_deny(struct keys *k, const config_setting_t *s, void *object);
void clients_sources(struct keys *k, const config_setting_t *s, void *object);
void clients_sources_file(struct keys *k, const config_setting_t *s, void *object);

/* All of the client prefixes of ld->vip, the group @s, are there. */
void clients_finish(struct keys *k, const config_setting_t *s);

/* Frees what was kept of one VIP. */
void clients_fini(struct clients *clients);

#endif
