/* SPDX-License-Identifier: MIT */
/*
 * What all kinds of probes have in common. Thousands are under way at a time, so what each costs is
 * kept small:
 *
 * Their descriptors are in one epoll set of our own, which is one source of the event loop. The
 * loop asks the kernel once for each source that it serves; the set is asked once for up to BATCH
 * descriptors, and a closed descriptor leaves it by itself.
 *
 * Probes of the same timeout end in the order in which they began, so each timeout has a queue, and
 * one timer of the loop is enough for all queues. It is not touched when a probe ends in time: when
 * it rings, it is set to the oldest probe that there is.
 *
 * A probe that ended is queued, and its owner is told from the loop, outside of any code of the
 * kinds.
 */
#include "daemon/probe.h"

#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "config/cleanup.h"
#include "daemon/probe_kind.h"

#define BATCH 128
#define ACCURACY_US 1000 /* of timeouts */

TAILQ_HEAD(probe_queue, probe);

/* The probes under way whose timeout is timeout_ms, oldest first. */
struct deadlines {
	struct deadlines *next;
	unsigned int timeout_ms;
	struct probe_queue queue;
};

struct probes {
	sd_event *event;
	sd_event_source *io;
	sd_event_source *timer;
	sd_event_source *tell; /* on while there are ended probes and nothing else tells of them */
	int epoll_fd;
	struct epoll_event batch[BATCH];
	int batch_at; /* the one being served; those after it are to be served */
	int batch_n;
	struct deadlines *deadlines;
	uint64_t timer_us; /* when the timer rings; 0: not */
	struct probe_queue ended;
	unsigned int n_ended;
	bool telling;
	struct probe_shared shared;
};

static const struct probe_kind *const kinds[MODEL_CHECK_MAX] = {
	[MODEL_CHECK_TCP] = &probe_tcp,     [MODEL_CHECK_HTTP] = &probe_http,
	[MODEL_CHECK_HTTPS] = &probe_http,  [MODEL_CHECK_UDP] = &probe_udp,
	[MODEL_CHECK_DNS] = &probe_dns,     [MODEL_CHECK_EXEC] = &probe_exec,
	[MODEL_CHECK_AGENT] = &probe_agent,
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --------------------------------------------------------------------------------- descriptors */

static int control(struct probes *probes, int op, struct probe_watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(probes->epoll_fd, op, watch->fd, &event) ? -errno : 0;
}

int probe_watch(struct probes *probes, struct probe_watch *watch, uint32_t events)
{
	return control(probes, EPOLL_CTL_ADD, watch, events);
}

int probe_rewatch(struct probes *probes, struct probe_watch *watch, uint32_t events)
{
	return control(probes, EPOLL_CTL_MOD, watch, events);
}

/* Events of @watch that were fetched and not served yet are none any more. */
static void forget(struct probes *probes, const struct probe_watch *watch)
{
	for (int i = probes->batch_at + 1; i < probes->batch_n; i++)
		if (probes->batch[i].data.ptr == watch)
			probes->batch[i].data.ptr = NULL;
}

void probe_unwatch(struct probes *probes, struct probe_watch *watch)
{
	epoll_ctl(probes->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	forget(probes, watch);
}

void probe_unwatch_close(struct probes *probes, struct probe_watch *watch)
{
	if (watch->fd < 0)
		return;
	close(TAKE_FD(watch->fd)); /* nobody else has it, so it leaves the set */
	forget(probes, watch);
}

/* ------------------------------------------------------------------------- probes that ended */

/* Tells of those that have ended by now; later ones have their turn in the loop's next round. */
static void tell(struct probes *probes)
{
	probes->telling = true;
	for (unsigned int n = probes->n_ended; n && probes->n_ended; n--) {
		struct probe *probe = TAILQ_FIRST(&probes->ended);

		TAILQ_REMOVE(&probes->ended, probe, link);
		probes->n_ended--;
		probe->done(probe->ctx, &probe->report);
		free(probe);
	}
	probes->telling = false;
	if (probes->n_ended)
		sd_event_source_set_enabled(probes->tell, SD_EVENT_ONESHOT);
}

static int on_tell(sd_event_source *source, void *ctx)
{
	(void)source;
	tell(ctx);
	return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
	struct probes *probes = ctx;

	(void)source;
	(void)revents;
	probes->batch_n = epoll_wait(fd, probes->batch, BATCH, 0);
	for (probes->batch_at = 0; probes->batch_at < probes->batch_n; probes->batch_at++) {
		const struct epoll_event *event = &probes->batch[probes->batch_at];
		struct probe_watch *watch = event->data.ptr;

		if (watch)
			watch->ready(watch, event->events);
	}
	probes->batch_n = 0;
	tell(probes);
	return 0;
}

/* Takes it out of its deadlines and gives back what it has. */
static void give_back(struct probe *probe)
{
	TAILQ_REMOVE(&probe->deadlines->queue, probe, link);
	probe->kind->stop(probe);
}

void probe_end(struct probe *probe, enum judge_result result, const char *reason, ...)
{
	struct probes *probes = probe->probes;
	char text[PROBE_REASON_MAX];
	va_list args;

	va_start(args, reason);
	vsnprintf(text, sizeof(text), reason, args);
	va_end(args);
	probe_first_line(probe->report.reason, sizeof(probe->report.reason), text, strlen(text));
	probe->report.result = result;
	probe->report.duration_us = now_us() - probe->start_us;
	give_back(probe);
	probe->ended = true;
	TAILQ_INSERT_TAIL(&probes->ended, probe, link);
	/* Within a batch or a telling, the end of that looks. */
	if (!probes->n_ended++ && !probes->batch_n && !probes->telling)
		sd_event_source_set_enabled(probes->tell, SD_EVENT_ONESHOT);
}

/*
 * Errors that say something about the backend or the way to it; all others are of this host. Some
 * are that only when they come later than from the call itself: then a router says so.
 */
static const struct {
	int err;
	bool later;
	const char *words;
} peer_errors[] = {
	{ECONNREFUSED, false, "connection refused"},
	{ECONNRESET, false, "connection reset by the backend"},
	{ECONNABORTED, false, "connection aborted"},
	{EPIPE, false, "connection closed by the backend"},
	{ETIMEDOUT, false, "no answer"},
	{EHOSTUNREACH, false, "host unreachable"},
	{EHOSTDOWN, false, "host unreachable"},
	{ENOPROTOOPT, false, "the backend does not know the protocol"},
	{EPROTO, false, "protocol error"},
	{ENETUNREACH, true, "a router has no route to it"},
	{EACCES, true, "a router or firewall on the way prohibits it"},
};

static const char *peer_error(int err, bool later)
{
	for (size_t i = 0; i < sizeof(peer_errors) / sizeof(*peer_errors); i++)
		if (peer_errors[i].err == err && (later || !peer_errors[i].later))
			return peer_errors[i].words;
	return NULL;
}

/* Errors of this host, and the way out. */
static const char *own_error(int err)
{
	switch (err) {
	case EMFILE:
		return "no descriptor is free: raise LimitNOFILE of sluiced";
	case ENFILE:
		return "the system can open no more files: raise fs.file-max";
	case ENOMEM:
	case ENOBUFS:
		return "no memory is left";
	case EAGAIN:
		return "no process or port is left: raise TasksMax of sluiced";
	case ENETUNREACH:
	case ENETDOWN:
		return "no route: add one to the address that is probed";
	case EACCES:
	case EPERM:
		return "not permitted: look at this host's firewall, and sluiced needs "
		       "CAP_NET_ADMIN";
	case EADDRNOTAVAIL:
		return "no local port or address is free: widen net.ipv4.ip_local_port_range";
	case EAFNOSUPPORT:
		return "the kernel does not have this kind of address: is IPv6 switched off?";
	case ENOTSUP:
		return "there is no probe of this kind: use another type of check";
	default:
		return strerror(err);
	}
}

void probe_own_error(struct probe_report *report, int err)
{
	*report = (struct probe_report){.result = JUDGE_UNKNOWN};
	snprintf(report->reason, sizeof(report->reason), "this host: %s", own_error(-err));
}

void probe_end_errno(struct probe *probe, const char *doing, int err, bool later)
{
	const char *words = peer_error(err, later);

	if (words)
		probe_end(probe, JUDGE_FAILURE, "%s: %s", doing, words);
	else
		probe_end(probe, JUDGE_UNKNOWN, "%s: this host: %s", doing, own_error(err));
}

int probe_begin_errno(struct probe *probe, const char *doing, int err)
{
	if (!peer_error(-err, false))
		return err;
	probe_end_errno(probe, doing, -err, false);
	return 0;
}

void probe_end_late(struct probe *probe, const char *doing, const char *waiting)
{
	probe_end(probe, JUDGE_FAILURE, "%s timed out after %llu ms%s", doing,
		  (unsigned long long)(now_us() - probe->start_us) / 1000, waiting);
}

void probe_end_silent(struct probe *probe, const char *doing, const char *waiting)
{
	static const char hint[] =
		": does it take the tunnel off, is the VIP on its lo, rp_filter not strict?";
	char text[PROBE_REASON_MAX];

	snprintf(text, sizeof(text), "%s%s", waiting, probe->target.mark ? hint : "");
	probe_end_late(probe, doing, text);
}

/* ----------------------------------------------------------------------------------- deadlines */

static uint64_t deadline(const struct probe *probe)
{
	return probe->start_us + probe->deadlines->timeout_ms * 1000ull;
}

static void set_timer(struct probes *probes, uint64_t at_us)
{
	probes->timer_us = at_us;
	sd_event_source_set_time(probes->timer, at_us);
	sd_event_source_set_enabled(probes->timer, at_us ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* Ends those that are late, and sets the timer to the next one. */
static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	uint64_t next = 0, now = now_us();
	struct probes *probes = ctx;

	(void)source;
	(void)usec;
	for (struct deadlines *d = probes->deadlines; d; d = d->next) {
		struct probe *probe;

		while ((probe = TAILQ_FIRST(&d->queue)) && deadline(probe) <= now)
			probe->kind->late(probe);
		if (probe && (!next || deadline(probe) < next))
			next = deadline(probe);
	}
	set_timer(probes, next);
	tell(probes);
	return 0;
}

/* Those of @timeout_ms; an empty one of another timeout becomes it. NULL: no memory. */
static struct deadlines *find_deadlines(struct probes *probes, unsigned int timeout_ms)
{
	struct deadlines *empty = NULL;

	for (struct deadlines *d = probes->deadlines; d; d = d->next) {
		if (d->timeout_ms == timeout_ms)
			return d;
		if (TAILQ_EMPTY(&d->queue))
			empty = d;
	}
	if (!empty) {
		empty = malloc(sizeof(*empty));
		if (!empty)
			return NULL;
		TAILQ_INIT(&empty->queue);
		empty->next = probes->deadlines;
		probes->deadlines = empty;
	}
	empty->timeout_ms = timeout_ms;
	return empty;
}

/* ---------------------------------------------------------------------------------- the probes */

int probe_start(struct probe **out, struct probes *probes, const struct probe_target *target,
		probe_done_fn *done, void *ctx)
{
	const struct probe_kind *kind = kinds[target->check->type];
	struct deadlines *d;
	struct probe *probe;
	int err;

	if (!kind)
		return -ENOTSUP;
	d = find_deadlines(probes, target->check->timeout_ms);
	probe = d ? calloc(1, kind->size) : NULL;
	if (!probe)
		return -ENOMEM;
	probe->probes = probes;
	probe->kind = kind;
	probe->target = *target;
	probe->done = done;
	probe->ctx = ctx;
	probe->start_us = now_us();
	probe->deadlines = d;
	TAILQ_INSERT_TAIL(&d->queue, probe, link);
	err = kind->start(probe);
	if (err) {
		give_back(probe);
		free(probe);
		return err;
	}
	if (!probe->ended && (!probes->timer_us || deadline(probe) < probes->timer_us))
		set_timer(probes, deadline(probe));
	*out = probe;
	return 0;
}

void probe_cancel(struct probe *probe)
{
	if (!probe)
		return;
	if (probe->ended) {
		TAILQ_REMOVE(&probe->probes->ended, probe, link);
		probe->probes->n_ended--;
	} else {
		give_back(probe);
	}
	free(probe);
}

struct probe_shared *probe_shared(struct probes *probes)
{
	return &probes->shared;
}

sd_event *probe_event(struct probes *probes)
{
	return probes->event;
}

/* As many descriptors as the system lets this process have: each probe needs one. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * The timer comes after descriptors: when this process had to stand still for a while, what had
 * come in time counts as that.
 */
static int add_sources(struct probes *probes)
{
	int err = sd_event_add_io(probes->event, &probes->io, probes->epoll_fd, EPOLLIN, on_io,
				  probes);

	if (!err)
		err = sd_event_add_time(probes->event, &probes->timer, CLOCK_MONOTONIC, 0,
					ACCURACY_US, on_timer, probes);
	if (!err)
		err = sd_event_source_set_enabled(probes->timer, SD_EVENT_OFF);
	if (!err)
		err = sd_event_source_set_priority(probes->timer, SD_EVENT_PRIORITY_NORMAL + 1);
	if (!err)
		err = sd_event_add_defer(probes->event, &probes->tell, on_tell, probes);
	if (!err)
		err = sd_event_source_set_enabled(probes->tell, SD_EVENT_OFF);
	return err < 0 ? err : 0;
}

int probes_new(struct probes **out, sd_event *event)
{
	struct probes *probes = calloc(1, sizeof(*probes));
	int err;

	if (!probes)
		return -ENOMEM;
	probes->event = event;
	TAILQ_INIT(&probes->ended);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	probes->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = probes->epoll_fd < 0 ? -errno : add_sources(probes);
	if (err) {
		probes_free(probes);
		return err;
	}
	raise_limit();
	*out = probes;
	return 0;
}

void probes_free(struct probes *probes)
{
	if (!probes)
		return;
	probe_http_free(probes);
	probe_exec_free(probes);
	for (struct deadlines *d = probes->deadlines, *next; d; d = next) {
		next = d->next;
		free(d);
	}
	sd_event_source_disable_unref(probes->io);
	sd_event_source_disable_unref(probes->timer);
	sd_event_source_disable_unref(probes->tell);
	closep(&probes->epoll_fd);
	curl_global_cleanup();
	free(probes);
}
