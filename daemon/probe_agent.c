/* SPDX-License-Identifier: MIT */
/*
 * Connects to the backend's agent, which writes a line without being asked and closes. The line may
 * come in pieces; it is over with its end, or with the connection.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "daemon/agent_words.h"
#include "daemon/probe_kind.h"

#define DOING "agent"
#define LINE_MAX 512

struct agent {
	struct probe probe;
	struct probe_watch watch;
	size_t n;
	char line[LINE_MAX];
};

static struct agent *agent_of(struct probe *probe)
{
	return (struct agent *)probe;
}

static void judge(struct agent *agent)
{
	struct probe_report report = {0};
	char line[LINE_MAX];

	probe_first_line(line, sizeof(line), agent->line, agent->n);
	agent_words_read(&report, line);
	agent->probe.report.wish = report.wish;
	agent->probe.report.weight_percent = report.weight_percent;
	probe_end(&agent->probe, report.result, "%s", report.reason);
}

static void take(struct agent *agent, ssize_t n)
{
	char *from = agent->line + agent->n;

	agent->n += n;
	if (!n && !agent->n)
		probe_end(&agent->probe, JUDGE_FAILURE,
			  "agent closed the connection without a word");
	else if (!n || memchr(from, '\n', n) || memchr(from, '\r', n))
		judge(agent);
	else if (agent->n == sizeof(agent->line))
		probe_end(&agent->probe, JUDGE_FAILURE, "agent's line is longer than %u bytes",
			  LINE_MAX);
}

static void on_ready(struct probe_watch *watch, uint32_t events)
{
	struct agent *agent = (struct agent *)((char *)watch - offsetof(struct agent, watch));
	ssize_t n = recv(watch->fd, agent->line + agent->n, sizeof(agent->line) - agent->n, 0);

	(void)events;
	/* All errors come by recv(), also the one of connecting. */
	if (n >= 0)
		take(agent, n);
	else if (errno != EAGAIN && errno != EINTR)
		probe_end_errno(&agent->probe, DOING, errno, true);
}

static int start(struct probe *probe)
{
	struct agent *agent = agent_of(probe);
	int err;

	agent->watch = (struct probe_watch){.fd = probe_socket(&probe->target, SOCK_STREAM),
					    .ready = on_ready};
	if (agent->watch.fd < 0)
		return agent->watch.fd;
	probe_close_by_reset(agent->watch.fd);
	err = probe_connect(agent->watch.fd, &probe->target);
	if (err && err != -EINPROGRESS)
		return probe_begin_errno(probe, DOING, err);
	return probe_watch(probe->probes, &agent->watch, EPOLLIN);
}

static void late(struct probe *probe)
{
	bool connected = probe_is_connected(agent_of(probe)->watch.fd);

	probe_end_late(probe, DOING, connected ? " waiting for its line" : " connecting");
}

static void stop(struct probe *probe)
{
	probe_unwatch_close(probe->probes, &agent_of(probe)->watch);
}

const struct probe_kind probe_agent = {
	.size = sizeof(struct agent),
	.start = start,
	.late = late,
	.stop = stop,
};
