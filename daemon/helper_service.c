/* SPDX-License-Identifier: MIT */
/*
 * A start and a reload are the same transaction: load a program with new maps, fill them, pin them,
 * switch the ports to it, and only then let go of the old one. What can fail comes before the
 * switch. Addresses of the host that come and go later are written into the running program's map.
 */
#include "daemon/helper_service.h"

#include <endian.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "config/cleanup.h"
#include "daemon/helper_netns.h"
#include "daemon/helper_program.h"
#include "daemon/helper_self.h"
#include "daemon/log.h"
#include "daemon/pins.h"
#include "daemon/signals.h"

struct service {
	const struct helper_options *options;
	sd_event *event;
	int lock_fd;  /* on the pin directory */
	int netns_fd; /* where the sockets are; -1: with the ports */
	struct helper_program program;
	sd_event_source *watch[2]; /* addresses: ours, and those where the sockets are */
};

/* One program on its way to the ports. */
struct switch_over {
	int netns_fd;
	struct helper_program program;
	size_t n_hints;
};

static void switch_over_fini(struct switch_over *s)
{
	closep(&s->netns_fd);
	helper_program_fini(&s->program);
}

/* ------------------------------------------------------------------------------ the new program */

static int find_ports(const struct helper_options *o, struct diag *diag)
{
	int err = 0;

	for (size_t i = 0; i < o->n_ports; i++) {
		if (if_nametoindex(o->ports[i]))
			continue;
		diag_add(diag, NULL, 0,
			 "interface \"%s\" does not exist on this host (\"ip link\" lists them)",
			 o->ports[i]);
		err = -ENODEV;
	}
	return err;
}

static int find_netns(struct switch_over *s, const struct helper_options *o, int *id,
		      struct diag *diag)
{
	int err;

	if (!o->netns)
		return 0;
	err = helper_netns_open(&s->netns_fd, o->netns, diag);
	return err ? err : helper_netns_id(s->netns_fd, id, diag);
}

static struct helper_settings make_settings(const struct helper_options *o, int netns)
{
	struct helper_settings settings = {.rate = o->rate, .netns = netns};

	settings.features |= o->no_decap ? 0 : HELPER_FEATURE_DECAP;
	settings.features |= o->n_from ? HELPER_FEATURE_FROM : 0;
	for (size_t i = 0; i < o->n_gue_ports; i++)
		settings.gue_port[i] = htobe16(o->gue_ports[i]);
	return settings;
}

static int fill_self(const struct helper_options *o, const struct helper_program *program,
		     int netns_fd)
{
	int map = helper_program_map(program, HELPER_MAP_SELF);

	return o->n_self ? helper_self_set(map, o->self, o->n_self)
			 : helper_self_refresh(map, netns_fd);
}

/* Hints of the earlier program live on for a while. */
static int fill_maps(struct switch_over *s, const struct helper_options *o,
		     const struct helper_hints *hints, struct diag *diag)
{
	_cleanup_(closep) int old = helper_pins_open(o->pin_dir, HELPER_MAP_HINTS);
	int err = helper_hints_write(hints, helper_program_map(&s->program, HELPER_MAP_HINTS), old);

	if (!err)
		err = fill_self(o, &s->program, s->netns_fd);
	if (!err)
		err = helper_program_set_from(&s->program, o->from, o->n_from);
	if (err)
		diag_add(diag, NULL, 0, "filling the maps: %s", strerror(-err));
	s->n_hints = hints->n;
	return err;
}

static int prepare(struct switch_over *s, const struct helper_options *o, struct diag *diag)
{
	_cleanup_(closep) int counters = helper_pins_open(o->pin_dir, HELPER_MAP_COUNTERS);
	_cleanup_(helper_hints_fini) struct helper_hints loaded = {0};
	struct helper_settings settings;
	int netns = -1;
	int err = find_ports(o, diag);

	if (!err)
		err = find_netns(s, o, &netns, diag);
	if (!err && o->hints_file)
		err = helper_hints_load(&loaded, o->hints_file, diag);
	if (err)
		return err;
	settings = make_settings(o, netns);
	err = helper_program_load(&s->program, &settings, counters, diag);
	return err ? err : fill_maps(s, o, o->hints_file ? &loaded : &o->backends, diag);
}

/* ----------------------------------------------------------------------------------- the switch */

static int switch_port(const char *pin_dir, const char *ifname, struct helper_program *program,
		       struct diag *diag)
{
	unsigned int ifindex = if_nametoindex(ifname);
	struct attach_program attachable = helper_program_attachable(program);
	struct attach_state state;
	int err;

	if (attach_exists(pin_dir, ifname, ifindex))
		err = attach_replace(pin_dir, ifname, ifindex, &attachable, &state, diag);
	else
		err = attach_add(pin_dir, ifname, ifindex, MODEL_MODE_AUTO, &attachable, &state,
				 diag);
	if (!err)
		log_info("interface %s: %s XDP, %s", ifname, model_mode_name(state.mode),
			 state.dispatcher ? "shared by libxdp's dispatcher" : "alone");
	return err;
}

static int switch_ports(struct switch_over *s, const struct helper_options *o, struct diag *diag)
{
	int err = 0;

	for (size_t i = 0; i < o->n_ports && !err; i++)
		err = switch_port(o->pin_dir, o->ports[i], &s->program, diag);
	return err;
}

/* A port that an earlier helper had and this one has not. */
static void drop_port(void *ctx, const char *ifname)
{
	const struct helper_options *o = ctx;
	int err;

	for (size_t i = 0; i < o->n_ports; i++)
		if (strcmp(o->ports[i], ifname) == 0)
			return;
	err = attach_remove(o->pin_dir, ifname);
	if (err)
		log_warning("interface %s: cannot detach: %s", ifname, strerror(-err));
	else
		log_info("interface %s: detached", ifname);
}

static void drop_any_port(void *ctx, const char *ifname)
{
	attach_remove(ctx, ifname);
}

static int take_down(const char *pin_dir)
{
	attach_each(pin_dir, drop_any_port, (void *)pin_dir);
	return helper_pins_remove(pin_dir);
}

static int commit(struct switch_over *s, const struct helper_options *o, struct diag *diag)
{
	int err = helper_pins_prepare(o->pin_dir, &s->program);

	if (!err) {
		err = switch_ports(s, o, diag);
		if (!err)
			err = helper_pins_commit(o->pin_dir);
		if (err)
			helper_pins_abandon(o->pin_dir);
	}
	if (err && !diag->n)
		diag_add(diag, NULL, 0, "pinning in \"%s\": %s", o->pin_dir, strerror(-err));
	return err;
}

static void on_addresses(void *ctx)
{
	struct service *service = ctx;
	int err = fill_self(service->options, &service->program, service->netns_fd);

	if (err)
		log_warning("addresses of the host: cannot be read: %s; those known stay",
			    strerror(-err));
	else
		log_debug("addresses of the host: read anew");
}

static void unwatch(struct service *service)
{
	for (int i = 0; i < 2; i++)
		service->watch[i] = sd_event_source_unref(service->watch[i]);
}

/* Follows addresses of the host unless they were given. */
static void watch(struct service *service)
{
	int err = 0;

	unwatch(service);
	if (service->options->n_self)
		return;
	err = helper_self_watch(&service->watch[0], service->event, -1, on_addresses, service);
	if (!err && service->netns_fd >= 0)
		err = helper_self_watch(&service->watch[1], service->event, service->netns_fd,
					on_addresses, service);
	if (err)
		log_warning("addresses of the host: changes cannot be followed: %s",
			    strerror(-err));
	/* What came between reading and following. */
	on_addresses(service);
}

/* The whole transaction. On failure all is as it was, but for ports that went over already. */
static int apply(struct service *service, struct diag *diag)
{
	const struct helper_options *o = service->options;
	_cleanup_(switch_over_fini) struct switch_over s = {.netns_fd = -1};
	int err = prepare(&s, o, diag);

	if (!err)
		err = commit(&s, o, diag);
	if (err)
		return err;
	attach_each(o->pin_dir, drop_port, (void *)o);
	closep(&service->netns_fd);
	helper_program_fini(&service->program);
	service->netns_fd = TAKE_FD(s.netns_fd);
	service->program = s.program;
	s.program = (struct helper_program){0};
	watch(service);
	log_info("hints: %zu backends known", s.n_hints);
	sd_notifyf(0, "READY=1\nSTATUS=%zu interfaces, %zu backends known", o->n_ports, s.n_hints);
	return 0;
}

/* ------------------------------------------------------------------------------- start and stop */

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *ctx)
{
	_cleanup_(diag_fini) struct diag diag = {0};
	struct service *service = ctx;
	int err;

	(void)source;
	(void)info;
	sd_notify(0, "RELOADING=1");
	err = apply(service, &diag);
	if (err && !diag.n)
		diag_add(&diag, NULL, 0, "%s", strerror(-err));
	log_diag(LOG_LEVEL_ERROR, &diag);
	if (err) {
		log_error("reload: failed, what is in force stays");
		sd_notify(0, "READY=1");
	}
	return 0;
}

/* Whoever asks for the status holds the lock for a moment: a second try tells it from a helper. */
static int enter(struct service *service, struct diag *diag)
{
	static const struct timespec moment = {.tv_nsec = 50000000};
	_cleanup_(diag_fini) struct diag first = {0};
	const char *pin_dir = service->options->pin_dir;

	if (pins_enter(pin_dir, &service->lock_fd, &first) == 0)
		return 0;
	nanosleep(&moment, NULL);
	return pins_enter(pin_dir, &service->lock_fd, diag);
}

static int start(struct service *service, struct diag *diag)
{
	const char *pin_dir = service->options->pin_dir;
	_cleanup_(closep) int old = -1;
	int err = enter(service, diag);

	if (err)
		return err;
	old = helper_pins_open(pin_dir, HELPER_MAP_COUNTERS);
	err = apply(service, diag);
	/* At the first start there is nothing that could go on. */
	if (err && old < 0)
		take_down(pin_dir);
	return err;
}

int helper_service_run(const struct helper_options *options, struct diag *diag)
{
	struct service service = {.options = options, .lock_fd = -1, .netns_fd = -1};
	int err = sd_event_default(&service.event);

	if (err >= 0)
		err = signals_watch(service.event, on_reload, &service);
	if (err < 0) {
		diag_add(diag, NULL, 0, "event loop: %s", strerror(-err));
		goto out;
	}
	err = start(&service, diag);
	if (err)
		goto out;
	sd_event_set_watchdog(service.event, true);
	log_info("sluice-helper %s: ready", SLUICE_VERSION);
	err = sd_event_loop(service.event);
	sd_notify(0, "STOPPING=1");
	log_info("sluice-helper: stops, the pinned program goes on");
out:
	unwatch(&service);
	helper_program_fini(&service.program);
	closep(&service.netns_fd);
	closep(&service.lock_fd);
	sd_event_unref(service.event);
	return err < 0 ? err : 0;
}

int helper_service_detach(const char *pin_dir, struct diag *diag)
{
	_cleanup_(closep) int lock_fd = -1;
	int err = pins_enter_existing(pin_dir, &lock_fd, diag);

	if (err == -ENOENT)
		return 0;
	if (err)
		return err;
	err = take_down(pin_dir);
	if (err)
		diag_add(diag, NULL, 0, "pin_dir \"%s\": %s", pin_dir, strerror(-err));
	return err;
}
