/* SPDX-License-Identifier: MIT */
/*
 * Which streams there are. A new set of them is built beside the one in force, takes over the
 * streams that both have, and replaces it; when memory runs out, what is in force has not noticed.
 * A stream that is new looks for what was known of its backend before.
 */
#include "daemon/health_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/cleanup.h"

/* -------------------------------------------------------------------------------------- digests */

static void digest_word(uint64_t *digest, uint64_t word)
{
	*digest = (*digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	*digest ^= *digest >> 32;
}

/* With its length, so that neighbours cannot trade bytes. */
static void digest_bytes(uint64_t *digest, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	digest_word(digest, n);
	for (size_t i = 0; i < n; i++)
		digest_word(digest, at[i]);
}

static void digest_text(uint64_t *digest, const char *text)
{
	digest_word(digest, !text);
	if (text)
		digest_bytes(digest, text, strlen(text));
}

static void digest_http(uint64_t *digest, const struct model_check *check)
{
	digest_text(digest, check->method);
	digest_text(digest, check->path);
	digest_text(digest, check->host);
	digest_word(digest, check->n_headers);
	for (size_t i = 0; i < check->n_headers; i++)
		digest_text(digest, check->headers[i]);
	digest_word(digest, check->n_statuses);
	for (size_t i = 0; i < check->n_statuses; i++)
		digest_word(digest,
			    (uint64_t)check->statuses[i].first << 16 | check->statuses[i].last);
	digest_text(digest, check->body);
	digest_word(digest, check->verify);
	digest_text(digest, check->ca_file);
	digest_word(digest, check->http2);
}

static void digest_tunnel(uint64_t *digest, const struct model_tunnel *tunnel)
{
	digest_word(digest, tunnel->type);
	digest_word(digest, tunnel->port);
	digest_bytes(digest, &tunnel->source, sizeof(tunnel->source));
	digest_bytes(digest, &tunnel->source6, sizeof(tunnel->source6));
}

/* All of the check that makes a difference, and the tunnel of probes that go through it. */
static uint64_t digest_how(const struct model_pool *pool)
{
	const struct model_check *check = &pool->check;
	uint64_t digest = 0;

	digest_word(&digest, check->type);
	digest_word(&digest, check->via);
	digest_word(&digest, check->interval_ms);
	digest_word(&digest, check->timeout_ms);
	digest_word(&digest, check->fast_interval_ms);
	digest_word(&digest, check->down_interval_ms);
	digest_word(&digest, (uint64_t)check->rise << 32 | check->fall);
	digest_http(&digest, check);
	digest_bytes(&digest, check->payload, check->payload_size);
	digest_bytes(&digest, check->expect, check->expect_size);
	digest_text(&digest, check->query_name);
	digest_word(&digest, check->query_type);
	for (char **arg = check->argv; arg && *arg; arg++)
		digest_text(&digest, *arg);
	if (check->via == MODEL_VIA_TUNNEL)
		digest_tunnel(&digest, &pool->tunnel);
	return digest;
}

bool stream_key(struct stream_key *out, const struct stream_set *set, const struct model_vip *vip,
		const struct model_pool *pool, const struct model_backend *backend)
{
	const struct model_check *check = &pool->check;

	if (check->type == MODEL_CHECK_NONE)
		return false;
	*out = (struct stream_key){
		.backend = backend->address,
		.target = check->via == MODEL_VIA_TUNNEL ? vip->prefix.addr : backend->address,
		.how = set->digests[pool - set->model->pools],
		.port = check->port ? check->port : vip->port,
	};
	return true;
}

/* ------------------------------------------------------------------------------ what was known */

/* Things keep their places in most files: the one called @name is tried at @i first. */
static const struct model_vip *find_vip(const struct model *model, size_t i, const char *name)
{
	if (i < model->n_vips && !strcmp(model->vips[i].name, name))
		return &model->vips[i];
	return model_find_vip(model, name);
}

static const struct model_pool *find_pool(const struct model *model, size_t i, const char *name)
{
	if (i < model->n_pools && !strcmp(model->pools[i].name, name))
		return &model->pools[i];
	return model_find_pool(model, name);
}

static const struct model_backend *find_backend(const struct model_pool *pool, size_t i,
						const struct sluice_addr *address)
{
	if (i < pool->n_backends && addr_equal(&pool->backends[i].address, address))
		return &pool->backends[i];
	for (i = 0; i < pool->n_backends; i++) {
		if (addr_equal(&pool->backends[i].address, address))
			return &pool->backends[i];
	}
	return NULL;
}

/* What the set @before knows of the backend @user of the set @after, whatever it was asked by. */
static void inherit(struct stream *stream, const struct stream_set *before,
		    const struct stream_set *after, const struct stream_user *user)
{
	size_t i_vip = (size_t)(user->vip - after->model->vips);
	size_t i_pool = (size_t)(user->pool - after->model->pools);
	size_t i_backend = (size_t)(user->backend - user->pool->backends), number;
	const struct model_vip *vip = find_vip(before->model, i_vip, user->vip->name);
	const struct model_pool *pool = find_pool(before->model, i_pool, user->pool->name);
	const struct model_backend *backend =
		pool ? find_backend(pool, i_backend, &user->backend->address) : NULL;
	struct stream_key key;

	if (!vip || !backend || backend->state == MODEL_STATE_DISABLED)
		return;
	if (!stream_key(&key, before, vip, pool, backend)) {
		stream->state.judge = (struct judge){.up = true, .known = true};
		strcpy(stream->state.reason, "it served without a check");
	} else if (keyset_find(&before->keys, &key, &number)) {
		stream->state = before->list[number]->state;
		stream->state.judge.count = 0;
		stream->up_us = before->list[number]->up_us;
	}
}

/* A stream for @user, which no set has; NULL: no memory. */
static struct stream *stream_new(struct health *h, const struct stream_set *set,
				 const struct stream_key *key, const struct stream_user *user)
{
	const struct stream_state *remembered = health_remembered(&h->memories, key);
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->health = h;
	stream->key = *key;
	if (h->set.model)
		inherit(stream, &h->set, set, user);
	else if (remembered)
		stream->state = *remembered;
	stream->late = h->set.model && !stream->state.judge.known;
	return stream;
}

/* ------------------------------------------------------------------------------------- building */

/* A set under construction. */
struct builder {
	struct health *health;
	const struct wishes *wishes;
	struct stream_set set;
	size_t *streams; /* by user: its stream */
	size_t n_users;
	size_t *ends; /* by stream: where its users end, once they are sorted */
};

static bool is_disabled(const struct builder *b, const struct model_pool *pool,
			const struct model_backend *backend)
{
	const struct wish *wish =
		b->wishes ? wishes_find(b->wishes, pool->name, backend->name) : NULL;

	return wish_state(wish, backend) == MODEL_STATE_DISABLED;
}

/* The stream of @key, taken over or new, becomes the next one of the list. 0 or -ENOMEM. */
static int add_stream(struct builder *b, const struct stream_key *key,
		      const struct stream_user *user, size_t number)
{
	const struct stream_set *before = &b->health->set;
	struct stream **list = keyset_room(b->set.list, number, sizeof(struct stream *));
	size_t old;

	if (!list)
		return -ENOMEM;
	b->set.list = list;
	if (before->model && keyset_find(&before->keys, key, &old))
		list[number] = before->list[old];
	else
		list[number] = stream_new(b->health, &b->set, key, user);
	return list[number] ? 0 : -ENOMEM;
}

static int add_user(struct builder *b, struct stream_user user)
{
	struct stream_user *users;
	struct stream_key key;
	size_t *streams, number;
	int added;

	if (is_disabled(b, user.pool, user.backend) ||
	    !stream_key(&key, &b->set, user.vip, user.pool, user.backend))
		return 0;
	users = keyset_room(b->set.users, b->n_users, sizeof(*users));
	if (users)
		b->set.users = users;
	streams = keyset_room(b->streams, b->n_users, sizeof(*streams));
	if (streams)
		b->streams = streams;
	if (!users || !streams)
		return -ENOMEM;
	added = keyset_add(&b->set.keys, &key, &number);
	if (added < 0)
		return added;
	if (added && add_stream(b, &key, &user, number)) {
		b->set.keys.n--; /* it has no stream */
		return -ENOMEM;
	}
	users[b->n_users] = user;
	streams[b->n_users++] = number;
	return 0;
}

static int add_target(struct builder *b, const struct model_vip *vip, const struct model_pool *pool,
		      const struct model_backend *backend)
{
	size_t first = backend ? (size_t)(backend - pool->backends) : 0;
	size_t end = backend ? first + 1 : pool->n_backends;
	int err = 0;

	for (size_t i = first; i < end && !err; i++)
		err = add_user(b, (struct stream_user){vip, pool, &pool->backends[i]});
	return err;
}

/* Backends of a VIP's targets are often of its pool as well. */
static int add_vip(struct builder *b, const struct model_vip *vip)
{
	int err = add_target(b, vip, vip->pool, NULL);

	for (size_t i = 0; i < vip->n_targets && !err; i++) {
		const struct model_target *target = &vip->targets[i];

		if (target->pool != vip->pool)
			err = add_target(b, vip, target->pool, target->backend);
	}
	return err;
}

/* Puts the users into the order of their streams: users of a stream lie together. 0 or -ENOMEM. */
static int sort_users(struct builder *b)
{
	struct stream_user *sorted = calloc(b->n_users + 1, sizeof(*sorted));
	size_t sum = 0;

	b->ends = calloc(b->set.keys.n + 2, sizeof(*b->ends));
	if (!sorted || !b->ends) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < b->n_users; i++)
		b->ends[b->streams[i] + 1]++;
	for (size_t i = 0; i < b->set.keys.n; i++)
		b->ends[i] = sum += b->ends[i];
	/* now these are where they begin */
	for (size_t i = 0; i < b->n_users; i++)
		sorted[b->ends[b->streams[i]]++] = b->set.users[i];
	free(b->set.users);
	b->set.users = sorted;
	return 0;
}

static int build(struct builder *b, const struct model *model)
{
	int err = 0;

	b->set.model = model;
	b->set.keys.key_size = sizeof(struct stream_key);
	b->set.digests = calloc(model->n_pools + 1, sizeof(*b->set.digests));
	if (!b->set.digests)
		return -ENOMEM;
	for (size_t i = 0; i < model->n_pools; i++)
		b->set.digests[i] = digest_how(&model->pools[i]);
	for (size_t i = 0; i < model->n_vips && !err; i++)
		err = add_vip(b, &model->vips[i]);
	if (!err)
		err = sort_users(b);
	if (err)
		return err;
	b->set.heap.list = calloc(b->set.keys.n + 1, sizeof(struct stream *));
	return b->set.heap.list ? 0 : -ENOMEM;
}

/* ------------------------------------------------------------------------------------ switching */

static void stream_free(struct stream *stream)
{
	probe_cancel(stream->probe);
	free(stream);
}

/* Frees the streams of @set that @other has not, and what else it has. */
static void fini_but_for(struct stream_set *set, const struct stream_set *other)
{
	size_t number;

	for (size_t i = 0; i < set->keys.n; i++) {
		if (!other || !keyset_find(&other->keys, &set->list[i]->key, &number) ||
		    other->list[number] != set->list[i])
			stream_free(set->list[i]);
	}
	free(set->digests);
	free(set->list);
	free(set->users);
	free(set->heap.list);
	keyset_fini(&set->keys);
	*set = (struct stream_set){0};
}

void stream_set_fini(struct stream_set *set)
{
	fini_but_for(set, NULL);
}

/*
 * A probe under way goes on if its check does, but not with one of a model that is to be freed. One
 * that waits has a time already, and keeps it.
 */
static void enter(struct health *h, struct stream *stream, const struct stream_user *users,
		  size_t n_users, uint64_t now_us)
{
	const struct model_check *check = &users[0].pool->check;
	bool waits = stream->place;

	stream->users = users;
	stream->n_users = n_users;
	if (stream->probe && stream->check == check)
		return;
	stream->check = check;
	probe_cancel(TAKE(stream->probe));
	if (!waits)
		schedule_first(h, stream, now_us);
	schedule_push(&h->set.heap, stream);
}

static void enter_all(struct health *h, const struct builder *b)
{
	uint64_t now_us = health_now_us();
	size_t first = 0;

	for (size_t i = 0; i < h->set.keys.n; i++) {
		enter(h, h->set.list[i], &h->set.users[first], b->ends[i] - first, now_us);
		first = b->ends[i];
	}
}

int health_follow(struct health *health, const struct model *model, const struct wishes *wishes)
{
	struct builder b = {.health = health, .wishes = wishes};
	struct stream_set before = health->set;
	int err = build(&b, model);

	if (err) {
		fini_but_for(&b.set, &health->set);
	} else {
		health->set = b.set;
		enter_all(health, &b);
		fini_but_for(&before, &health->set);
		stream_memories_fini(&health->memories);
		health_entered(health);
	}
	free(b.streams);
	free(b.ends);
	return err;
}
