/* SPDX-License-Identifier: MIT */
/*
 * One timer, for the first that is due; a few are asked at a time, so that thousands at a start are
 * no burst. One that says nothing at all has other troubles, which its check tells; it is asked
 * again after a minute.
 */
#include "daemon/tunnel_sizes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/addr.h"
#include "config/cleanup.h"
#include "daemon/log.h"

#define SECOND_US UINT64_C(1000000)
#define SOON_US (3 * SECOND_US)      /* after a tunnel is there */
#define SILENT_US (60 * SECOND_US)   /* after one that said nothing */
#define RARELY_US (3600 * SECOND_US) /* after one that is known */
#define AT_ONCE 4
#define NEVER UINT64_MAX
#define ACCURACY_US 100000u

struct tunnel {
	struct tunnel_sizes *sizes;
	struct tunnel_sizes_target target;
	struct probe_mtu *probe; /* under way */
	uint64_t due_us;         /* else */
	unsigned int carried;    /* 0: not known */
	unsigned int full;       /* then */
};

struct tunnel_sizes {
	sd_event *event; /* borrowed */
	sd_event_source *timer;
	struct tunnel **list; /* by id, as the followed ones were given or not */
	size_t n;
	unsigned int n_probes; /* under way */
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_US + (uint64_t)now.tv_nsec / 1000;
}

/* @us and up to a fifth more, so that those of one start do not stay together. */
static uint64_t in_about(uint64_t us)
{
	return now_us() + us + (uint64_t)random() % (us / 5);
}

/* --------------------------------------------------------------------------------------- asking */

static void set_timer(struct tunnel_sizes *sizes)
{
	uint64_t next = NEVER;

	for (size_t i = 0; i < sizes->n; i++) {
		const struct tunnel *t = sizes->list[i];

		if (t && !t->probe && t->due_us < next)
			next = t->due_us;
	}
	if (sizes->n_probes >= AT_ONCE)
		next = NEVER; /* the end of one sets it */
	if (next != NEVER)
		sd_event_source_set_time(sizes->timer, next);
	sd_event_source_set_enabled(sizes->timer, next == NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* One line when what it carries is another size than before. */
static void say(const struct tunnel *t, unsigned int before, unsigned int full_before)
{
	const struct tunnel_sizes_target *target = &t->target;
	bool was_narrow = before && before < full_before;
	char address[ADDR_TEXT_MAX];

	addr_print(&target->leads.addr, address);
	if (t->carried < t->full && !(was_narrow && before == t->carried))
		log_warning("backend %s (%s) of pool %s: its tunnel carries packets of %u bytes at "
			    "most, those of clients have up to %u, and larger ones are lost: raise "
			    "the MTU on the way",
			    target->backend, address, target->pool, t->carried, t->full);
	else if (t->carried == t->full && was_narrow)
		log_info("backend %s (%s) of pool %s: its tunnel carries packets of %u bytes now, "
			 "as clients send them",
			 target->backend, address, target->pool, t->carried);
}

static void on_done(void *ctx, const struct probe_mtu_report *report)
{
	struct tunnel *t = ctx;
	unsigned int before = t->carried, full_before = t->full;

	t->probe = NULL;
	t->sizes->n_probes--;
	t->due_us = in_about(report->carried ? RARELY_US : SILENT_US);
	if (report->carried) {
		t->carried = report->carried;
		t->full = report->full;
		say(t, before, full_before);
	}
	set_timer(t->sizes);
}

/* What this host cannot do now is tried again later; the checks say what is wrong. */
static void ask(struct tunnel *t)
{
	int err = probe_mtu_start(&t->probe, t->sizes->event, &t->target.how, on_done, t);

	if (!err) {
		t->sizes->n_probes++;
		return;
	}
	log_debug("backend %s of pool %s: the size of its tunnel: %s", t->target.backend,
		  t->target.pool, strerror(-err));
	t->due_us = in_about(SILENT_US);
}

void tunnel_sizes_turn(struct tunnel_sizes *sizes)
{
	uint64_t now = now_us();

	for (size_t i = 0; i < sizes->n && sizes->n_probes < AT_ONCE; i++) {
		struct tunnel *t = sizes->list[i];

		if (t && !t->probe && t->due_us <= now)
			ask(t);
	}
	set_timer(sizes);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)source;
	(void)usec;
	tunnel_sizes_turn(ctx);
	return 0;
}

/* ------------------------------------------------------------------------------------ following */

static void tunnel_free(struct tunnel *t)
{
	if (!t)
		return;
	if (t->probe)
		t->sizes->n_probes--;
	probe_mtu_cancel(t->probe);
	free(t);
}

/* Room for @id, and the tunnel there. 0 or -ENOMEM. */
static int make_tunnel(struct tunnel_sizes *sizes, uint32_t id)
{
	struct tunnel **list = sizes->list;
	size_t n = sizes->n;

	if (id >= n) {
		n = (size_t)id + 64;
		list = reallocarray(list, n, sizeof(struct tunnel *));
		if (!list)
			return -ENOMEM;
		memset(&list[sizes->n], 0, (n - sizes->n) * sizeof(struct tunnel *));
		sizes->list = list;
		sizes->n = n;
	}
	if (list[id])
		return 0;
	list[id] = calloc(1, sizeof(**list));
	if (!list[id])
		return -ENOMEM;
	list[id]->sizes = sizes;
	list[id]->due_us = in_about(SOON_US);
	return 0;
}

static bool same_way(const struct tunnel_sizes_target *a, const struct tunnel_sizes_target *b)
{
	return memcmp(&a->leads, &b->leads, sizeof(a->leads)) == 0 &&
	       addr_equal(&a->how.address, &b->how.address) && a->how.port == b->how.port &&
	       a->how.mark == b->how.mark && a->how.full == b->how.full;
}

/* What was found out of another way says nothing of this one. */
static void lead(struct tunnel *t, const struct tunnel_sizes_target *target)
{
	bool same = same_way(&t->target, target);

	t->target = *target;
	if (same)
		return;
	if (t->probe)
		t->sizes->n_probes--;
	probe_mtu_cancel(TAKE(t->probe));
	t->carried = t->full = 0;
	t->due_us = in_about(SOON_US);
}

int tunnel_sizes_follow(struct tunnel_sizes *sizes, const struct tunnel_sizes_target *list,
			size_t n)
{
	_cleanup_(freep) bool *kept = NULL;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = make_tunnel(sizes, list[i].id);
	kept = calloc(sizes->n + 1, sizeof(*kept));
	if (err || !kept)
		n = 0; /* names of before are gone: nobody is asked */
	for (size_t i = 0; i < n; i++) {
		kept[list[i].id] = true;
		lead(sizes->list[list[i].id], &list[i]);
	}
	for (size_t id = 0; id < sizes->n; id++) {
		if (n && kept[id])
			continue;
		tunnel_free(sizes->list[id]);
		sizes->list[id] = NULL;
	}
	set_timer(sizes);
	return kept ? err : -ENOMEM;
}

bool tunnel_sizes_of(const struct tunnel_sizes *sizes, uint32_t id, unsigned int *carried,
		     unsigned int *full)
{
	const struct tunnel *t = id < sizes->n ? sizes->list[id] : NULL;

	if (!t || !t->carried)
		return false;
	*carried = t->carried;
	*full = t->full;
	return true;
}

/* ------------------------------------------------------------------------------- life and death */

int tunnel_sizes_new(struct tunnel_sizes **out, sd_event *event)
{
	struct tunnel_sizes *sizes = calloc(1, sizeof(*sizes));
	int err;

	if (!sizes)
		return -ENOMEM;
	sizes->event = event;
	err = sd_event_add_time(event, &sizes->timer, CLOCK_MONOTONIC, 0, ACCURACY_US, on_timer,
				sizes);
	if (err >= 0)
		err = sd_event_source_set_enabled(sizes->timer, SD_EVENT_OFF);
	if (err < 0) {
		tunnel_sizes_free(sizes);
		return err;
	}
	*out = sizes;
	return 0;
}

void tunnel_sizes_free(struct tunnel_sizes *sizes)
{
	if (!sizes)
		return;
	for (size_t i = 0; i < sizes->n; i++)
		tunnel_free(sizes->list[i]);
	free(sizes->list);
	sd_event_source_disable_unref(sizes->timer);
	free(sizes);
}
