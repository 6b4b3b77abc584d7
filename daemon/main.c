/* SPDX-License-Identifier: MIT */
/*
 * sluiced: command line, and start and stop in order. The control socket is taken first, since a
 * daemon that has it already must keep everything; then the engine takes over or sets up the
 * kernel side; only when both stand, the event loop runs and systemd is told.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "config/cleanup.h"
#include "config/load.h"
#include "daemon/commands.h"
#include "daemon/log.h"
#include "daemon/replay.h"
#include "daemon/report.h"
#include "daemon/server.h"
#include "daemon/signals.h"

enum {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
};

static const char usage_text[] =
	"usage: sluiced -c FILE [-v]                   run in the foreground\n"
	"       sluiced -c FILE --check                check the config, touch nothing\n"
	"       sluiced -c FILE --replay IN.pcap OUT.pcap\n"
	"                                              a capture through the program, no device\n"
	"       sluiced -c FILE --detach               take down what is pinned\n"
	"       sluiced --version | --help\n"
	"-v also shows debug messages, those of libbpf among them.\n";

enum action {
	ACTION_RUN,
	ACTION_CHECK,
	ACTION_REPLAY,
	ACTION_DETACH,
};

struct arguments {
	const char *config;
	enum action action;
	bool verbose;
	const char *in; /* of --replay */
	const char *out;
};

struct daemon {
	sd_event *event;
	struct server *server;
	struct engine *engine;
};

/* ------------------------------------------------------------------------------------------ run */

static json_t *handle(void *ctx, struct server_peer *peer, const json_t *request, struct diag *diag)
{
	struct daemon *d = ctx;

	return commands_handle(d->engine, peer, request, diag);
}

/* Hands news on to those who watch. */
static void publish(void *ctx, const char *text, const struct health_event *health)
{
	_cleanup_(json_decrefp) json_t *event = report_event(text, health);
	struct daemon *d = ctx;

	if (event)
		server_publish(d->server, event);
}

static void tell_ready(const struct daemon *d)
{
	struct engine_view view = engine_view(d->engine);

	sd_notifyf(0, "READY=1\nSTATUS=%zu VIPs, %zu backends", view.desired->n_vips,
		   view.desired->n_backends);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *ctx)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct engine_result result = {0};
	struct daemon *d = ctx;

	(void)source;
	(void)info;
	sd_notify(0, "RELOADING=1");
	log_info("config: reload, asked for by a signal");
	if (engine_reload(d->engine, false, &result, &diag)) {
		log_diag(LOG_LEVEL_ERROR, &diag);
		log_error("config: not reloaded, the one in force stays");
	}
	tell_ready(d);
	return 0;
}

/* Takes @model over in any case. */
static int run(struct model *model, struct diag *diag)
{
	struct daemon d = {0};
	int err = sd_event_default(&d.event);

	signal(SIGPIPE, SIG_IGN);
	if (err >= 0)
		err = signals_watch(d.event, on_reload, &d);
	if (err < 0) {
		diag_add(diag, NULL, 0, "event loop: %s", strerror(-err));
		goto no_server;
	}
	err = server_new(&d.server, d.event, &model->control, handle, &d, diag);
	if (err)
		goto no_server;
	err = engine_new(&d.engine, d.event, model, diag);
	if (err)
		goto no_engine;
	model = NULL;
	engine_watch(d.engine, publish, &d);
	sd_event_set_watchdog(d.event, true);
	log_info("sluiced %s: ready", SLUICE_VERSION);
	tell_ready(&d);
	err = sd_event_loop(d.event);
	sd_notify(0, "STOPPING=1");
	log_info("sluiced: stops, the pinned program goes on");
	engine_free(d.engine);
no_engine:
	server_free(d.server);
no_server:
	sd_event_unref(d.event);
	model_free(model);
	return err < 0 ? err : 0;
}

/* ---------------------------------------------------------------------------------------- check */

static int check(const struct model *model)
{
	for (size_t i = 0; i < model->n_interfaces; i++)
		if (!if_nametoindex(model->interfaces[i].name))
			log_warning("%s:%u: interface \"%s\" is not on this host at the moment",
				    model->file, model->interfaces[i].line,
				    model->interfaces[i].name);
	printf("%s: good: %zu VIPs, %zu backends in %zu pools, %zu interfaces\n", model->file,
	       model->n_vips, model_count_backends(model), model->n_pools, model->n_interfaces);
	return 0;
}

/* ------------------------------------------------------------------------------------ arguments */

static bool parse_arguments(struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"verbose", no_argument, NULL, 'v'},
		{"check", no_argument, NULL, 'k'},        {"replay", no_argument, NULL, 'r'},
		{"detach", no_argument, NULL, 'd'},       {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},         {0},
	};
	int actions = 0, c;

	while ((c = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			a->config = optarg;
			continue;
		case 'v':
			a->verbose = true;
			continue;
		case 'k':
			a->action = ACTION_CHECK;
			break;
		case 'r':
			a->action = ACTION_REPLAY;
			break;
		case 'd':
			a->action = ACTION_DETACH;
			break;
		case 'V':
			printf("sluiced %s\n", SLUICE_VERSION);
			exit(EXIT_DONE);
		case 'h':
			fputs(usage_text, stdout);
			exit(EXIT_DONE);
		default:
			return false;
		}
		actions++;
	}
	if (a->action == ACTION_REPLAY && argc - optind == 2) {
		a->in = argv[optind++];
		a->out = argv[optind++];
	}
	return actions <= 1 && a->config && optind == argc && (a->action != ACTION_REPLAY || a->in);
}

static int act(const struct arguments *a, struct diag *diag)
{
	_cleanup_(model_freep) struct model *model = NULL;
	int err = load_file(&model, a->config, diag);

	if (err)
		return err;
	switch (a->action) {
	case ACTION_CHECK:
		return check(model);
	case ACTION_REPLAY:
		return replay_run(model, a->in, a->out, stdout, diag);
	case ACTION_DETACH:
		return datapath_remove(model->pin_dir, diag);
	case ACTION_RUN:
		break;
	}
	return run(TAKE(model), diag);
}

int main(int argc, char **argv)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct arguments a = {0};
	int err;

	if (!parse_arguments(&a, argc, argv)) {
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	log_init(a.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	err = act(&a, &diag);
	if (err && !diag.n)
		diag_add(&diag, NULL, 0, "%s", strerror(-err));
	log_diag(LOG_LEVEL_ERROR, &diag);
	return err ? EXIT_REFUSED : EXIT_DONE;
}
