/* SPDX-License-Identifier: MIT */
/*
 * What probe.c offers to the kinds of probes (probe_tcp.c, probe_http.c, ...), and they to it. For
 * these files only.
 */
#ifndef SLUICE_DAEMON_PROBE_KIND_H
#define SLUICE_DAEMON_PROBE_KIND_H

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "daemon/probe.h"

/* --------------------------------------------------------------------------------- descriptors */

struct probe_watch;
typedef void probe_ready_fn(struct probe_watch *watch, uint32_t events);

/* A descriptor that is waited for, level-triggered. */
struct probe_watch {
	int fd;
	probe_ready_fn *ready;
};

/* Calls @watch->ready when one of @events (EPOLLIN, EPOLLOUT) comes. 0 or -errno. */
int probe_watch(struct probes *probes, struct probe_watch *watch, uint32_t events);

/* Other events than before. 0 or -errno. */
int probe_rewatch(struct probes *probes, struct probe_watch *watch, uint32_t events);

/* No more calls of @watch->ready; the descriptor stays open. @watch need not have been watched. */
void probe_unwatch(struct probes *probes, struct probe_watch *watch);

/* The same, and the descriptor is closed. Nothing if it is -1 already, which it is afterwards. */
void probe_unwatch_close(struct probes *probes, struct probe_watch *watch);

/* ------------------------------------------------------------------------------------- probes */

struct probe_kind {
	size_t size; /* of its struct, which begins with a struct probe and is all zero at start() */
	/*
	 * Begins. May call probe_end() already. 0 or -errno for probe_start(), and then stop() is
	 * called too.
	 */
	int (*start)(struct probe *probe);
	/* The time is over: to call probe_end(). */
	void (*late)(struct probe *probe);
	/* Gives back all that the probe has, but its own memory. Called once, whatever happened. */
	void (*stop)(struct probe *probe);
};

struct deadlines;

struct probe {
	struct probes *probes;
	const struct probe_kind *kind;
	struct probe_target target;
	probe_done_fn *done;
	void *ctx;
	uint64_t start_us;
	bool ended;
	struct deadlines *deadlines; /* in which it is, until it ended */
	TAILQ_ENTRY(probe) link;     /* of its deadlines, then of those that ended */
	struct probe_report report;
};

extern const struct probe_kind probe_tcp, probe_http, probe_udp, probe_dns, probe_exec, probe_agent;

/*
 * The probe is over. The report's other fields may have been set before. What it has is given back
 * (stop()) and the caller of the whole is told, later, so that @probe is still there on return.
 */
void probe_end(struct probe *probe, enum judge_result result, const char *reason, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Ends it with what errno @err means: @doing ("tcp connect") failed by the backend or the way to
 * it, or by this host. @later: not from the call that began it.
 */
void probe_end_errno(struct probe *probe, const char *doing, int err, bool later);

/*
 * For start(): the same for a call that failed with -errno @err. Returns 0; or @err, not ended: of
 * this host.
 */
int probe_begin_errno(struct probe *probe, const char *doing, int err);

/*
 * Ends it with "@doing timed out after 1003 ms@waiting", @waiting such as " waiting for the
 * answer".
 */
void probe_end_late(struct probe *probe, const char *doing, const char *waiting);

/* The same where nothing came back from the backend: in a tunnel, that has reasons of its own. */
void probe_end_silent(struct probe *probe, const char *doing, const char *waiting);

/* --------------------------------------------------------------------------- sockets and texts */

/* A non-blocking socket of the family of @target's address and with its mark; or -errno. */
int probe_socket(const struct probe_target *target, int type);

/* Connects it to @target: 0; -EINPROGRESS: it will be seen (EPOLLOUT); or another -errno. */
int probe_connect(int fd, const struct probe_target *target);

/*
 * Closing @fd, a connected TCP socket, resets the connection instead of leaving it in TIME_WAIT for
 * a minute: thousands of probes a second would fill the kernel's table of these.
 */
void probe_close_by_reset(int fd);

/* The handshake of @fd, a TCP socket, is done. */
bool probe_is_connected(int fd);

/* What speaks against @fd after an event: 0 or an errno. */
int probe_socket_error(int fd);

/* Copies to @to, with the zero at most @size bytes, the first line of @from in printable ASCII. */
void probe_first_line(char *to, size_t size, const char *from, size_t n);

/* What kinds keep for all of their probes; NULL: nothing. */
struct probe_shared {
	struct http_multi *http;  /* libcurl's state, one for each CA file */
	struct exec_child *dying; /* children that were killed and are still to be waited for */
};

struct probe_shared *probe_shared(struct probes *probes);
sd_event *probe_event(struct probes *probes);

/* For probes_free(). */
void probe_http_free(struct probes *probes);
void probe_exec_free(struct probes *probes);

#endif
