/* SPDX-License-Identifier: MIT */
/*
 * Things are matched by the names people gave them. Both sides are sorted once, and walked
 * together.
 */
#include "daemon/changes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/cleanup.h"

struct changes {
	changes_fn *fn;
	void *ctx;
};

static void __attribute__((format(printf, 2, 3))) say(const struct changes *c, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	c->fn(c->ctx, text);
}

static int compare_backends(const void *a, const void *b)
{
	const struct desired_backend *x = *(const struct desired_backend *const *)a;
	const struct desired_backend *y = *(const struct desired_backend *const *)b;
	int order = strcmp(x->pool->name, y->pool->name);

	return order ? order : strcmp(x->backend->name, y->backend->name);
}

static int compare_vips(const void *a, const void *b)
{
	const struct desired_vip *x = *(const struct desired_vip *const *)a;
	const struct desired_vip *y = *(const struct desired_vip *const *)b;

	return strcmp(x->vip->name, y->vip->name);
}

/* Pointers to @n elements of @size bytes at @base, sorted, NULL at the end. */
static const void **sorted(const void *base, size_t n, size_t size,
			   int (*compare)(const void *, const void *))
{
	const void **list = calloc(n + 1, sizeof(*list));

	if (!list)
		return NULL;
	for (size_t i = 0; i < n; i++)
		list[i] = (const char *)base + i * size;
	qsort(list, n, sizeof(*list), compare);
	return list;
}

static void tell_backend(const struct changes *c, const struct desired_backend *b, const char *what)
{
	say(c, "backend %s of pool %s: %s", b->backend->name, b->pool->name, what);
}

static void compare_backend(const struct changes *c, const struct desired_backend *from,
			    const struct desired_backend *to)
{
	const char *name = to->backend->name, *pool = to->pool->name;
	char old[ADDR_TEXT_MAX], new[ADDR_TEXT_MAX];

	if (!addr_equal(&from->record.addr, &to->record.addr))
		say(c, "backend %s of pool %s: address %s -> %s", name, pool,
		    addr_print(&from->record.addr, old), addr_print(&to->record.addr, new));
	if (from->state != to->state)
		say(c, "backend %s of pool %s: %s -> %s, by the %s", name, pool,
		    model_state_name(from->state), model_state_name(to->state),
		    desired_source_name(to->state_wished, to->state_advised));
	if (from->weight != to->weight)
		say(c, "backend %s of pool %s: weight %u -> %u, by the %s", name, pool,
		    from->weight, to->weight,
		    desired_source_name(to->weight_wished, to->weight_advised));
	if (from->way != to->way)
		say(c, "backend %s of pool %s: next hop %s -> %s", name, pool,
		    desired_way_name(from->way), desired_way_name(to->way));
}

static bool same_service(const struct model_vip *a, const struct model_vip *b)
{
	return a->prefix.len == b->prefix.len && addr_equal(&a->prefix.addr, &b->prefix.addr) &&
	       a->port == b->port && a->protocol == b->protocol;
}

/* How packets of it find their backend, beside its ring and its clients. */
static bool same_options(const struct model_vip *a, const struct model_vip *b)
{
	return a->hash == b->hash && a->quic == b->quic &&
	       a->quic_server_id_bytes == b->quic_server_id_bytes &&
	       a->tcp_server_id == b->tcp_server_id && a->udp_stable == b->udp_stable &&
	       a->track == b->track && a->hint == b->hint && a->failover == b->failover;
}

static void tell_vip(const struct changes *c, const struct desired_vip *v, const char *what)
{
	say(c, "vip %s: %s", v->vip->name, what);
}

static const char *panic_text(const struct desired_vip *v)
{
	return v->owners.panic ? "too few backends are up, so those down are used, too (panic)"
			       : "enough backends are up: those down are not used any more";
}

static void compare_vip(const struct changes *c, const struct desired_vip *from,
			const struct desired_vip *to)
{
	const char *name = to->vip->name;

	if (!same_service(from->vip, to->vip))
		say(c, "vip %s: address, port or protocol changed", name);
	else if (!same_options(from->vip, to->vip))
		say(c, "vip %s: hash, ids, track, hint or failover changed", name);
	if (strcmp(from->vip->pool->name, to->vip->pool->name) != 0)
		say(c, "vip %s: pool %s -> %s", name, from->vip->pool->name, to->vip->pool->name);
	if (from->vip->maglev != to->vip->maglev || from->vip->ring_size != to->vip->ring_size)
		say(c, "vip %s: ring v%d of %u slots -> v%d of %u", name, from->vip->maglev,
		    from->vip->ring_size, to->vip->maglev, to->vip->ring_size);
	if (from->vip->access_digest != to->vip->access_digest)
		say(c, "vip %s: clients in allow or deny changed", name);
	if (from->vip->sources_digest != to->vip->sources_digest)
		say(c, "vip %s: clients in sources changed", name);
	if (from->owners.panic != to->owners.panic)
		tell_vip(c, to, panic_text(to));
}

static void tell_new_vip(const struct changes *c, const struct desired_vip *v)
{
	tell_vip(c, v, "added");
	if (v->owners.panic)
		tell_vip(c, v, panic_text(v));
}

/* Those that leave come last, and are gone as far as people asked for. */
static size_t count_present(const struct desired *d)
{
	size_t n = d->n_backends;

	while (n && d->backends[n - 1].leaving)
		n--;
	return n;
}

/* Do the flows of the backend that @b was in `from` keep it in @to? */
static bool has_flows_left(const struct desired *to, const struct desired_backend *b)
{
	for (size_t i = count_present(to); i < to->n_backends; i++)
		if (addr_equal(&to->backends[i].record.addr, &b->record.addr) &&
		    strcmp(to->backends[i].pool->name, b->pool->name) == 0)
			return true;
	return false;
}

static void tell_removed(const struct changes *c, const struct desired *to,
			 const struct desired_backend *b)
{
	if (has_flows_left(to, b))
		say(c,
		    "backend %s of pool %s: removed; the flows that it has stay for %u s at most",
		    b->backend->name, b->pool->name, to->model->settle_s);
	else
		tell_backend(c, b, "removed");
}

static void walk_backends(const struct changes *c, const struct desired *from,
			  const struct desired *to)
{
	_cleanup_(freep) const void **a = sorted(from->backends, count_present(from),
						 sizeof(*from->backends), compare_backends);
	_cleanup_(freep) const void **b =
		sorted(to->backends, count_present(to), sizeof(*to->backends), compare_backends);

	for (size_t i = 0, j = 0; a && b && (a[i] || b[j]);) {
		int order = !a[i] ? 1 : !b[j] ? -1 : compare_backends(&a[i], &b[j]);

		if (order < 0)
			tell_removed(c, to, a[i]);
		else if (order > 0)
			tell_backend(c, b[j], "added");
		else
			compare_backend(c, a[i], b[j]);
		i += order <= 0;
		j += order >= 0;
	}
}

static void walk_vips(const struct changes *c, const struct desired *from, const struct desired *to)
{
	_cleanup_(freep) const void **a =
		sorted(from->vips, from->n_vips, sizeof(*from->vips), compare_vips);
	_cleanup_(freep) const void **b =
		sorted(to->vips, to->n_vips, sizeof(*to->vips), compare_vips);

	for (size_t i = 0, j = 0; a && b && (a[i] || b[j]);) {
		int order = !a[i] ? 1 : !b[j] ? -1 : compare_vips(&a[i], &b[j]);

		if (order < 0)
			tell_vip(c, a[i], "removed");
		else if (order > 0)
			tell_new_vip(c, b[j]);
		else
			compare_vip(c, a[i], b[j]);
		i += order <= 0;
		j += order >= 0;
	}
}

void changes_list(const struct desired *from, const struct desired *to, changes_fn *fn, void *ctx)
{
	static const struct desired nothing;
	const struct changes c = {.fn = fn, .ctx = ctx};

	walk_backends(&c, from ? from : &nothing, to);
	walk_vips(&c, from ? from : &nothing, to);
}
