/* SPDX-License-Identifier: MIT */
/*
 * Pools: their backends and tunnel; their check is in load_check.c. What is kept of them lets VIPs
 * find pools and backends by name, and tells whose a server id is.
 */
#include "config/load_parts.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/take.h"

#define SLOW_START_MAX_S 3600u
#define MEMBER_KEY_MAX (2 * SLUICE_NAME_MAX)

/* "POOL/BACKEND", which is one of a kind: names have no "/". false: these are no names. */
static bool member_key(char *key, const struct model_pool *pool, const char *backend)
{
	int len = pool->name ? snprintf(key, MEMBER_KEY_MAX, "%s/%s", pool->name, backend) : -1;

	return len >= 0 && len < MEMBER_KEY_MAX;
}

const struct model_pool *load_find_pool(struct keys *k, struct suggest *near)
{
	const struct load *ld = k->ctx;
	const struct mark *found = marks_find(&ld->pools, near->word);

	if (found)
		return found->object;
	for (size_t i = 0; i < ld->model->n_pools && k->n_errors < HINT_ERRORS_MAX; i++) {
		if (ld->model->pools[i].name)
			suggest_offer(near, ld->model->pools[i].name);
	}
	return NULL;
}

const struct model_backend *load_find_backend(struct keys *k, const struct model_pool *pool,
					      struct suggest *near)
{
	const struct load *ld = k->ctx;
	const struct mark *found = NULL;
	char key[MEMBER_KEY_MAX];

	if (member_key(key, pool, near->word))
		found = marks_find(&ld->members, key);
	if (found)
		return found->object;
	for (size_t i = 0; i < pool->n_backends && k->n_errors < HINT_ERRORS_MAX; i++) {
		if (pool->backends[i].name)
			suggest_offer(near, pool->backends[i].name);
	}
	return NULL;
}

static void backend_init(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_backend *backend = object;
	struct source_place place = keys_place(k, s);

	*backend = (struct model_backend){.weight = MODEL_WEIGHT_DEFAULT,
					  .state = MODEL_STATE_ACTIVE,
					  .file = place.file,
					  .line = place.line};
}

static void backend_name(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_backend *backend = object;

	take_name(k, s, &ld->backends, MODEL_NAME_MAX, &backend->name, backend);
}

static void backend_address(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_backend *backend = object;
	const struct model_backend *other;
	const struct mark *first;
	struct source_place place;
	char text[ADDR_TEXT_MAX];

	take_address(k, s, &backend->address);
	if (!take_is_set(&backend->address))
		return;
	addr_print(&backend->address, text);
	first = marks_add(k, &ld->backend_addresses, text, s, backend);
	if (!first)
		return;
	other = first->object;
	place = keys_place(k, first->setting);
	keys_error(k, s, "address %s is also that of backend \"%s\", see %s:%u", text,
		   other->name ? other->name : "", place.file, place.line);
}

static void backend_weight(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_backend *backend = object;

	take_unsigned(k, s, MODEL_WEIGHT_MIN, MODEL_WEIGHT_MAX, &backend->weight);
}

static void backend_weight_before(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_backend *backend = object;

	take_unsigned(k, s, MODEL_WEIGHT_MIN, MODEL_WEIGHT_MAX, &backend->weight_before);
}

static void backend_state(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_backend *backend = object;
	int state = keys_word(k, s, model_state_names, MODEL_STATE_MAX);

	if (state >= 0)
		backend->state = (enum model_state)state;
	backend->state_given = true;
}

const struct owner *load_owner(struct keys *k, struct owners *owners, const void *key,
			       const struct model_backend *backend, const config_setting_t *s)
{
	struct owner *list = keyset_room(owners->list, owners->keys.n, sizeof(*list));
	size_t number;
	int added = -ENOMEM;

	if (list) {
		owners->list = list;
		added = keyset_add(&owners->keys, key, &number);
	}
	if (added < 0)
		k->err = added;
	else if (added)
		list[number] = (struct owner){.backend = backend, .setting = s};
	else
		return &list[number];
	return NULL;
}

/* Notes that the id is @backend's. true: it is new. An id has one address, in whatever pools. */
static bool own_server_id(struct keys *k, const config_setting_t *s,
			  const struct model_backend *backend, uint32_t id)
{
	struct load *ld = k->ctx;
	const struct owner *owner = load_owner(k, &ld->server_ids, &id, backend, s);
	struct source_place place;

	if (owner && !addr_equal(&owner->backend->address, &backend->address)) {
		place = keys_place(k, owner->setting);
		keys_error(k, s, "server id %u is also that of backend \"%s\", see %s:%u", id,
			   owner->backend->name ? owner->backend->name : "", place.file,
			   place.line);
	}
	return !owner && !k->err;
}

static void backend_server_ids(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_backend *backend = object;
	size_t n = (size_t)config_setting_length(s);
	long long id;

	backend->server_ids = calloc(n + 1, sizeof(*backend->server_ids));
	if (!backend->server_ids)
		k->err = -ENOMEM;
	for (size_t i = 0; i < n && !k->err; i++) {
		const config_setting_t *element = keys_element(k, s, i, KEY_NUMBER);

		if (element && keys_number(k, element, 1, INT32_MAX, &id) &&
		    take_is_set(&backend->address) &&
		    own_server_id(k, element, backend, (uint32_t)id))
			backend->server_ids[backend->n_server_ids++] = (uint32_t)id;
	}
}

/* The ids are compared by address, which comes before. */
static const struct key backend_keys[] = {
	{"name", KEY_STRING, true, backend_name},
	{"address", KEY_STRING, true, backend_address},
	{"weight", KEY_NUMBER, false, backend_weight},
	{"weight_before", KEY_NUMBER, false, backend_weight_before},
	{"state", KEY_STRING, false, backend_state},
	{"id", KEY_NUMBER, false, hint_id},
	{"server_ids", KEY_ELEMENTS, false, backend_server_ids},
};

static const struct key_group backend_group = {
	.what = "backend",
	GROUP_KEYS(backend_keys),
	.init = backend_init,
	.finish = hint_finish,
};

static void tunnel_init(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_tunnel *tunnel = object;

	(void)k;
	(void)s;
	*tunnel = (struct model_tunnel){.type = MODEL_TUNNEL_MAX};
}

static void tunnel_type(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_tunnel *tunnel = object;
	int type = keys_word(k, s, model_tunnel_names, MODEL_TUNNEL_MAX);

	if (type >= 0)
		tunnel->type = (enum model_tunnel_type)type;
}

static void tunnel_port(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_tunnel *tunnel = object;
	long long port;

	if (keys_number(k, s, 1, UINT16_MAX, &port))
		tunnel->port = (uint16_t)port;
}

static void tunnel_source(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_tunnel *tunnel = object;

	tunnel->has_source = true;
	take_address(k, s, &tunnel->source);
	if (take_is_set(&tunnel->source) && !addr_is_v4(&tunnel->source))
		keys_error(k, s, "source %s is not an IPv4 address; those of IPv6 are for source6",
			   config_setting_get_string(s));
}

static void tunnel_source6(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_tunnel *tunnel = object;

	tunnel->has_source6 = true;
	take_address(k, s, &tunnel->source6);
	if (take_is_set(&tunnel->source6) && addr_is_v4(&tunnel->source6))
		keys_error(k, s, "source6 %s is not an IPv6 address; those of IPv4 are for source",
			   config_setting_get_string(s));
}

static void tunnel_finish(struct keys *k, const config_setting_t *s, void *object)
{
	static const char *const of_gue[] = {"port", "source", "source6"};
	struct model_tunnel *tunnel = object;
	const config_setting_t *member;

	if (tunnel->type == MODEL_TUNNEL_GUE && !tunnel->port)
		tunnel->port = MODEL_GUE_PORT;
	for (size_t i = 0; i < N_ELEMENTS(of_gue) && tunnel->type == MODEL_TUNNEL_IPIP; i++) {
		member = config_setting_get_member(s, of_gue[i]);
		if (member)
			keys_error(k, member, "%s needs type = \"gue\"", of_gue[i]);
	}
}

static const struct key tunnel_keys[] = {
	{"type", KEY_STRING, true, tunnel_type},
	{"port", KEY_NUMBER, false, tunnel_port},
	{"source", KEY_STRING, false, tunnel_source},
	{"source6", KEY_STRING, false, tunnel_source6},
};

static const struct key_group tunnel_group = {
	.what = "tunnel",
	GROUP_KEYS(tunnel_keys),
	.init = tunnel_init,
	.finish = tunnel_finish,
};

static void pool_init(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_pool *pool = object;
	struct source_place place = keys_place(k, s);

	*pool = (struct model_pool){.check.type = MODEL_CHECK_NONE,
				    .panic = MODEL_PANIC,
				    .file = place.file,
				    .line = place.line};
}

static void pool_name(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_pool *pool = object;

	take_name(k, s, &ld->pools, MODEL_NAME_MAX, &pool->name, pool);
}

static void pool_backends(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_pool *pool = object;

	pool->backends =
		keys_list(k, s, &backend_group, sizeof(*pool->backends), &pool->n_backends);
	marks_fini(&ld->backends);
	marks_fini(&ld->backend_addresses);
	load_check_limit(k, s, ld->n_backends, pool->n_backends, ld->model->limits.backends,
			 "backends");
	ld->n_backends += pool->n_backends;
}

static void pool_check(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_pool *pool = object;

	keys_group(k, s, &check_group, &pool->check);
}

static void pool_slow_start(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_pool *pool = object;

	take_unsigned(k, s, 0, SLOW_START_MAX_S, &pool->slow_start_s);
}

static void pool_panic(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_pool *pool = object;

	take_unsigned(k, s, 0, 100, &pool->panic);
}

static void pool_tunnel(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_pool *pool = object;

	keys_group(k, s, &tunnel_group, &pool->tunnel);
}

/* GUE has no outer source of its own, as IP in IP has. */
static void check_tunnel_source(struct keys *k, const config_setting_t *s,
				const struct model_pool *pool, bool v4)
{
	if (v4 ? pool->tunnel.has_source : pool->tunnel.has_source6)
		return;
	for (size_t i = 0; i < pool->n_backends; i++) {
		const struct model_backend *backend = &pool->backends[i];

		if (!take_is_set(&backend->address) || addr_is_v4(&backend->address) != v4)
			continue;
		keys_error(k, s,
			   "tunnel: %s is missing, our address in tunnels to %s backends such as "
			   "\"%s\"",
			   v4 ? "source" : "source6", v4 ? "IPv4" : "IPv6",
			   backend->name ? backend->name : "");
		return;
	}
}

/* Marks backends by pool and name. */
static void mark_members(struct keys *k, const config_setting_t *s, const struct model_pool *pool)
{
	struct load *ld = k->ctx;
	char key[MEMBER_KEY_MAX];

	for (size_t i = 0; i < pool->n_backends; i++) {
		const struct model_backend *backend = &pool->backends[i];

		if (backend->name && member_key(key, pool, backend->name))
			marks_add(k, &ld->members, key, s, backend);
	}
}

static void pool_finish(struct keys *k, const config_setting_t *s, void *object)
{
	const struct model_pool *pool = object;
	const config_setting_t *tunnel = config_setting_get_member(s, "tunnel");

	if (pool->tunnel.type == MODEL_TUNNEL_GUE) {
		check_tunnel_source(k, tunnel, pool, true);
		check_tunnel_source(k, tunnel, pool, false);
	}
	mark_members(k, s, pool);
}

static const struct key pool_keys[] = {
	{"name", KEY_STRING, true, pool_name},
	{"backends", KEY_LIST, false, pool_backends},
	{"check", KEY_GROUP, false, pool_check},
	{"slow_start_s", KEY_NUMBER, false, pool_slow_start},
	{"panic", KEY_NUMBER, false, pool_panic},
	{"tunnel", KEY_GROUP, false, pool_tunnel},
};

const struct key_group pool_group = {
	.what = "pool",
	GROUP_KEYS(pool_keys),
	.init = pool_init,
	.finish = pool_finish,
};
