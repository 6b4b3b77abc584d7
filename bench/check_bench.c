/* SPDX-License-Identifier: MIT */
/*
 * What thousands of health checks cost the daemon: CPU time of one process that probes as many
 * targets as evenly as it can, in a network namespace of its own. The targets are addresses of
 * 127.0.0.0/8. What they answer is received on another CPU, so that it comes later, as from other
 * hosts, and is not counted as ours; for HTTP a child process answers there, too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <time.h>

#include "bench/figures.h"
#include "bench/options.h"
#include "config/cleanup.h"
#include "daemon/log.h"
#include "daemon/probe.h"

#define PORT 80
#define TICK_US 2000        /* probes begin in groups, as many as are due by then */
#define WARM_UP_S 2         /* before anything is measured */
#define WINDOW_NS 100000000 /* of which the fullest and the emptiest are told */
#define WINDOWS_MAX 100000
#define TIMEOUT_MS 1000

static const char usage[] =
	"usage: check-bench [-j] [--quick] [--checks N] [--interval MS] [--seconds S] [KIND...]\n"
	"\n"
	"CPU time of N checks (10000) every MS (2000) from one thread, over S seconds (10);\n"
	"KIND: tcp, http (both).\n"
	"\n"
	"  -j       one JSON document\n"
	"  --quick  3 seconds\n";

struct options {
	bool json;
	unsigned int checks;
	unsigned int interval_ms;
	unsigned int seconds;
};

static struct model_status_range ok = {200, 399};

static const struct kind {
	const char *name;
	struct model_check check;
} kinds[] = {
	{"tcp", {.type = MODEL_CHECK_TCP, .timeout_ms = TIMEOUT_MS}},
	{"http",
	 {.type = MODEL_CHECK_HTTP,
	  .timeout_ms = TIMEOUT_MS,
	  .method = (char *)"GET",
	  .path = (char *)"/",
	  .statuses = &ok,
	  .n_statuses = 1}},
};
enum {
	KINDS = sizeof(kinds) / sizeof(*kinds)
};

struct result {
	const char *name;
	double cpu; /* of one CPU */
	double seconds;
	uint64_t probes;
	uint64_t failed;
	uint64_t unknown;
	struct figures ms;
	unsigned int window_min; /* probes that began within WINDOW_NS */
	unsigned int window_max;
	char reason[PROBE_REASON_MAX]; /* of some failure */
};

struct run {
	const struct options *options;
	const struct kind *kind;
	struct probes *probes;
	sd_event *event;
	uint64_t start_ns;
	uint64_t measure_ns; /* from then on it counts */
	uint64_t end_ns;
	uint64_t started;
	unsigned int open;
	double *durations_ms;
	size_t durations_max;
	size_t n_durations;
	unsigned int windows[WINDOWS_MAX];
	struct result *result;
};

/* ------------------------------------------------------------------------------- the other side */

static void answer(int fd)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n"
				   "Content-Type: text/plain\r\nServer: bench\r\n\r\nok\n";
	char request[4096];

	if (recv(fd, request, sizeof(request), 0) > 0)
		send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
	close(fd);
}

static void __attribute__((noreturn)) serve(int listen_fd)
{
	int epoll_fd = epoll_create1(0);
	struct epoll_event add = {.events = EPOLLIN, .data.fd = listen_fd};

	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &add);
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd != listen_fd) {
				answer(events[i].data.fd);
				continue;
			}
			add.data.fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK);
			if (add.data.fd >= 0)
				epoll_ctl(epoll_fd, EPOLL_CTL_ADD, add.data.fd, &add);
		}
	}
}

/* A listener at all addresses, and a child on the first CPU that answers. 0 or -errno. */
static int start_server(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	pid_t pid;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 4096))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		figures_pin(0);
		serve(fd);
	}
	close(fd);
	return 0;
}

static int write_file(const char *path, const char *text)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* A network of our own, with packets received on the first CPU. 0 or -errno. */
static int make_network(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	_cleanup_(closep) int fd = -1;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) || mount("sysfs", "/sys", "sysfs", 0, NULL))
		return -errno;
	if (write_file("/sys/class/net/lo/queues/rx-0/rps_cpus", "1"))
		log_warning("check-bench: the kernel has no RPS: the other side's work is counted, "
			    "too");
	return write_file("/proc/sys/net/ipv4/tcp_syncookies", "0");
}

/* ------------------------------------------------------------------------------------ measuring */

static void on_done(void *ctx, const struct probe_report *report)
{
	struct run *run = ctx;
	struct result *r = run->result;

	run->open--;
	if (report->result != JUDGE_SUCCESS) {
		r->failed += report->result == JUDGE_FAILURE;
		r->unknown += report->result == JUDGE_UNKNOWN;
		if (!*r->reason || report->result == JUDGE_UNKNOWN)
			snprintf(r->reason, sizeof(r->reason), "%s", report->reason);
	}
	if (run->n_durations < run->durations_max && figures_now_ns() >= run->measure_ns)
		run->durations_ms[run->n_durations++] = report->duration_us / 1000.0;
}

static void start_one(struct run *run)
{
	unsigned int i = run->started % run->options->checks;
	struct probe_target target = {.port = PORT, .check = &run->kind->check};
	uint32_t address = htonl(0x7f010001u + i);
	struct probe *probe;
	uint64_t now = figures_now_ns();
	int err;

	target.address = addr_from_bytes(AF_INET, &address);
	target.backend = target.address;
	run->started++;
	err = probe_start(&probe, run->probes, &target, on_done, run);
	if (err) {
		struct probe_report report;

		probe_own_error(&report, err);
		run->open++;
		on_done(run, &report);
		return;
	}
	run->open++;
	if (now < run->measure_ns)
		return;
	run->result->probes++;
	if ((now - run->measure_ns) / WINDOW_NS < WINDOWS_MAX)
		run->windows[(now - run->measure_ns) / WINDOW_NS]++;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct run *run = ctx;
	uint64_t now = figures_now_ns();
	uint64_t due = (now - run->start_ns) / 1000 * run->options->checks /
		       (run->options->interval_ms * 1000ull);

	(void)usec;
	if (now >= run->end_ns)
		return 0; /* no more */
	while (run->started < due)
		start_one(run);
	sd_event_source_set_time_relative(source, TICK_US);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The fullest and the emptiest of the windows that are whole. */
static void spread(struct run *run)
{
	size_t n = (run->end_ns - run->measure_ns) / WINDOW_NS;
	struct result *r = run->result;

	r->window_min = run->windows[0];
	for (size_t i = 0; i < n && i < WINDOWS_MAX; i++) {
		if (run->windows[i] < r->window_min)
			r->window_min = run->windows[i];
		if (run->windows[i] > r->window_max)
			r->window_max = run->windows[i];
	}
}

/* Turns the loop until @until_ns, or later if probes are to come to their end. 0 or -errno. */
static int turn(struct run *run, uint64_t until_ns, bool to_the_end)
{
	while (figures_now_ns() < until_ns || (to_the_end && run->open)) {
		int err = sd_event_run(run->event, TICK_US);

		if (err < 0)
			return err;
	}
	return 0;
}

static int measure_run(struct run *run)
{
	_cleanup_(sd_event_source_disable_unrefp) sd_event_source *tick = NULL;
	double cpu;
	int err;

	run->start_ns = figures_now_ns();
	run->measure_ns = run->start_ns + WARM_UP_S * 1000000000ull;
	run->end_ns = run->measure_ns + run->options->seconds * 1000000000ull;
	err = sd_event_add_time_relative(run->event, &tick, CLOCK_MONOTONIC, TICK_US, 1, on_tick,
					 run);
	if (err < 0)
		return err;
	err = turn(run, run->measure_ns, false);
	if (err)
		return err;
	cpu = cpu_s();
	run->result->seconds = (double)figures_now_ns();
	err = turn(run, run->end_ns, false);
	if (err)
		return err;
	cpu = cpu_s() - cpu;
	run->result->seconds = ((double)figures_now_ns() - run->result->seconds) / 1e9;
	run->result->cpu = cpu / run->result->seconds;
	spread(run);
	return turn(run, 0, true);
}

static int measure(struct result *result, const struct kind *kind, const struct options *options)
{
	_cleanup_(freep) struct run *run = calloc(1, sizeof(*run));
	int err;

	if (!run)
		return -ENOMEM;
	*result = (struct result){.name = kind->name};
	run->options = options;
	run->kind = kind;
	run->result = result;
	run->durations_max =
		(size_t)options->checks * 1000 / options->interval_ms * (options->seconds + 1);
	run->durations_ms = calloc(run->durations_max, sizeof(*run->durations_ms));
	if (!run->durations_ms)
		return -ENOMEM;
	err = sd_event_new(&run->event);
	if (err >= 0)
		err = probes_new(&run->probes, run->event);
	if (!err)
		err = measure_run(run);
	if (!err)
		result->ms = figures_of_copy(run->durations_ms, run->n_durations);
	probes_free(run->probes);
	sd_event_unref(run->event);
	free(run->durations_ms);
	return err;
}

/* ------------------------------------------------------------------------------------- printing */

static json_t *result_json(const struct result *r)
{
	return json_pack("{s:s, s:f, s:f, s:I, s:I, s:I, s:f, s:f, s:i, s:i}", "kind", r->name,
			 "cpu", r->cpu, "seconds", r->seconds, "probes", (json_int_t)r->probes,
			 "failed", (json_int_t)r->failed, "unknown", (json_int_t)r->unknown,
			 "median_ms", r->ms.median, "high_ms", r->ms.high, "started_per_100ms_min",
			 (int)r->window_min, "started_per_100ms_max", (int)r->window_max);
}

static void print_json(const struct options *o, const struct result *results, size_t n)
{
	json_t *list = json_array();
	json_t *json = json_pack("{s:i, s:i, s:o}", "checks", (int)o->checks, "interval_ms",
				 (int)o->interval_ms, "kinds", list);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, result_json(&results[i]));
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void print_table(const struct options *o, const struct result *results, size_t n)
{
	printf("%u checks every %u ms\n", o->checks, o->interval_ms);
	printf("%-6s %8s %12s %10s %8s %8s %10s %22s\n", "kind", "CPU", "us/probe", "probes",
	       "failed", "unknown", "median ms", "started per 100 ms");
	for (size_t i = 0; i < n; i++) {
		const struct result *r = &results[i];

		printf("%-6s %6.1f %% %12.1f %10llu %8llu %8llu %10.3f %12u .. %u\n", r->name,
		       r->cpu * 100, r->cpu * r->seconds * 1e6 / (double)r->probes,
		       (unsigned long long)r->probes, (unsigned long long)r->failed,
		       (unsigned long long)r->unknown, r->ms.median, r->window_min, r->window_max);
		if (*r->reason)
			printf("       %s\n", r->reason);
	}
}

/* -------------------------------------------------------------------------------------- options */

static void read_options(struct options *o, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"checks", required_argument, NULL, 'c'},
		{"interval", required_argument, NULL, 'i'},
		{"seconds", required_argument, NULL, 's'},
		{"quick", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "jh", long_options, NULL)) != -1) {
		switch (option) {
		case 'j':
			o->json = true;
			break;
		case 'c':
			o->checks = options_number(optarg, 1, 60000, usage);
			break;
		case 'i':
			o->interval_ms = options_number(optarg, 1, 3600000, usage);
			break;
		case 's':
			o->seconds = options_number(optarg, 1, WINDOWS_MAX / 10, usage);
			break;
		case 'q':
			o->seconds = 3;
			break;
		default:
			fputs(usage, option == 'h' ? stdout : stderr);
			exit(option == 'h' ? 0 : 2);
		}
	}
}

static bool is_wanted(const struct kind *kind, int argc, char **argv)
{
	for (int i = optind; i < argc; i++)
		if (!strcmp(argv[i], kind->name))
			return true;
	return optind == argc;
}

int main(int argc, char **argv)
{
	struct options options = {.checks = 10000, .interval_ms = 2000, .seconds = 10};
	struct result results[KINDS];
	size_t n = 0;
	int err;

	log_init(LOG_LEVEL_WARNING);
	read_options(&options, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	err = make_network();
	if (!err)
		err = start_server();
	figures_pin(figures_last_cpu());
	for (size_t i = 0; i < KINDS && !err; i++)
		if (is_wanted(&kinds[i], argc, argv))
			err = measure(&results[n++], &kinds[i], &options);
	if (err) {
		log_error("check-bench: %s", strerror(-err));
		return 1;
	}
	if (options.json)
		print_json(&options, results, n);
	else
		print_table(&options, results, n);
	return 0;
}
