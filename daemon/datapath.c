/* SPDX-License-Identifier: MIT */
/*
 * One program with its maps, pinned and attached. Opening and growing are the same act: load a
 * program that goes on with the old maps, pin, switch the ports to it. At the first start there is
 * nothing old, later the old is what is pinned, when growing it is our own. Carrying plans out is
 * in daemon/apply.c.
 */
#include "daemon/datapath.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "config/cleanup.h"
#include "daemon/attach.h"
#include "daemon/datapath_impl.h"
#include "daemon/log.h"
#include "daemon/pins.h"

static void close_fds(int fds[MAP_MAX])
{
	for (int i = 0; i < MAP_MAX; i++)
		closep(&fds[i]);
}

/* ----------------------------------------------------------------------------------- the switch */

static struct bpf_object *open_again(void *ctx)
{
	return program_open_again(&((struct datapath *)ctx)->program);
}

static struct attach_program program_of(struct datapath *dp)
{
	return (struct attach_program){
		.name = "sluice",
		.fd = program_fd(&dp->program),
		.open_again = open_again,
		.ctx = dp,
	};
}

/* Puts our program onto the port in the place of an earlier one. */
static int replace_port(struct datapath *dp, const char *ifname, unsigned int ifindex,
			struct datapath_port *port, struct diag *diag)
{
	struct attach_program program = program_of(dp);
	struct attach_state state;
	int err = attach_replace(dp->pin_dir, ifname, ifindex, &program, &state, diag);

	if (err)
		return err;
	port->mode = state.mode;
	port->dispatcher = state.dispatcher;
	port->program_id = state.program_id;
	return 0;
}

static unsigned int device_mtu(const char *ifname)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	return fd >= 0 && ioctl(fd, SIOCGIFMTU, &request) == 0 ? (unsigned int)request.ifr_mtu : 0;
}

static struct datapath_port *find_port(struct datapath *dp, const char *ifname)
{
	for (size_t i = 0; i < dp->n_ports; i++)
		if (strcmp(dp->ports[i].name, ifname) == 0)
			return &dp->ports[i];
	return NULL;
}

static struct datapath_port *add_port(struct datapath *dp, const char *ifname, unsigned int ifindex)
{
	struct datapath_port *ports = reallocarray(dp->ports, dp->n_ports + 1, sizeof(*dp->ports));
	struct datapath_port *port;

	if (!ports)
		return NULL;
	dp->ports = ports;
	port = &ports[dp->n_ports++];
	*port = (struct datapath_port){.ifindex = ifindex, .mtu = device_mtu(ifname)};
	snprintf(port->name, sizeof(port->name), "%s", ifname);
	return port;
}

struct takeover {
	struct datapath *dp;
	struct diag *diag;
	int err;
};

/* A port that an earlier daemon left running goes on with our program. */
static void take_port_over(void *ctx, const char *ifname)
{
	struct takeover *t = ctx;
	unsigned int ifindex = if_nametoindex(ifname);
	struct datapath_port *port;

	if (t->err || !ifindex || find_port(t->dp, ifname) ||
	    !attach_exists(t->dp->pin_dir, ifname, ifindex))
		return;
	port = add_port(t->dp, ifname, ifindex);
	t->err = port ? replace_port(t->dp, ifname, ifindex, port, t->diag) : -ENOMEM;
	if (t->err && port)
		t->dp->n_ports--;
}

/*
 * The way back: the program before goes on. @before is NULL when a daemon that is gone left it:
 * only the pin is there, which is good for ports that are alone.
 */
static void give_ports_back(struct datapath *dp, struct datapath *before)
{
	_cleanup_(closep) int fd = pins_open_program(dp->pin_dir);
	const struct attach_program program =
		before ? program_of(before) : (struct attach_program){.fd = fd};
	_cleanup_(diag_fini) struct diag ignored = {0};
	struct attach_state state;

	for (size_t i = 0; program.fd >= 0 && i < dp->n_ports; i++)
		if (before || !dp->ports[i].dispatcher)
			attach_replace(dp->pin_dir, dp->ports[i].name, dp->ports[i].ifindex,
				       &program, &state, &ignored);
}

static void detach_any(void *ctx, const char *ifname)
{
	attach_remove(ctx, ifname);
}

/* Detaches from all ports and removes all pins, and the directory. 0 or -errno. */
static int take_down(const char *pin_dir)
{
	attach_each(pin_dir, detach_any, (void *)pin_dir);
	return pins_remove(pin_dir);
}

/* ----------------------------------------------------------------------------------------- open */

static int load(struct datapath *dp, const int old[MAP_MAX], struct diag *diag)
{
	return program_load(&dp->program, &dp->options.settings, &dp->options.size, old, diag);
}

static int open_fresh(struct datapath *dp, struct diag *diag)
{
	int none[MAP_MAX];

	for (int i = 0; i < MAP_MAX; i++)
		none[i] = -1;
	return load(dp, none, diag);
}

/* @before: who had the ports until now, in this process; or NULL. */
static int open_with_old(struct datapath *dp, struct datapath *before, const int old[MAP_MAX],
			 struct diag *diag)
{
	struct takeover takeover = {.dp = dp, .diag = diag};
	int err = load(dp, old, diag);

	if (err)
		return err;
	err = pins_prepare(dp->pin_dir, &dp->program);
	if (!err)
		err = attach_each(dp->pin_dir, take_port_over, &takeover);
	if (!err)
		err = takeover.err;
	if (!err)
		err = pins_commit(dp->pin_dir);
	if (err) {
		give_ports_back(dp, before);
		pins_abandon(dp->pin_dir);
	}
	if (err && !diag->n)
		diag_add(diag, NULL, 0, "taking over what is pinned in \"%s\": %s", dp->pin_dir,
			 strerror(-err));
	return err;
}

/* Takes over the pinned maps, as far as they are there. */
static int open_pinned(struct datapath *dp, struct diag *diag)
{
	int old[MAP_MAX];
	int err = pins_enter(dp->pin_dir, &dp->lock_fd, diag);

	if (err)
		return err;
	pins_open(dp->pin_dir, old);
	dp->cold = true;
	for (int i = 0; i < MAP_MAX; i++)
		dp->cold = dp->cold && old[i] < 0;
	err = open_with_old(dp, NULL, old, diag);
	close_fds(old);
	if (err && dp->cold)
		take_down(dp->pin_dir);
	return err;
}

int datapath_open(struct datapath **out, const struct datapath_options *options, struct diag *diag)
{
	struct datapath *dp = calloc(1, sizeof(*dp));
	int err;

	if (!dp)
		return -ENOMEM;
	dp->lock_fd = -1;
	dp->options = *options;
	if (options->pin_dir) {
		dp->pin_dir = strdup(options->pin_dir);
		dp->options.pin_dir = dp->pin_dir;
		err = dp->pin_dir ? open_pinned(dp, diag) : -ENOMEM;
	} else {
		err = open_fresh(dp, diag);
	}
	if (err) {
		datapath_free(dp);
		return err;
	}
	*out = dp;
	return 0;
}

/* The settings as asked for: what the program adds to them is its own. */
static bool same_settings(const struct sluice_settings *a, const struct sluice_settings *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool datapath_fits(const struct datapath *dp, const struct maps_size *size,
		   const struct sluice_settings *settings)
{
	return same_settings(&dp->options.settings, settings) && program_fits(&dp->program, size);
}

/* The ports are those of @dp still; what runs on them is of @changed. */
static void take_programs(struct datapath *dp, struct datapath *changed)
{
	program_fini(&dp->program);
	dp->program = changed->program;
	dp->options = changed->options;
	for (size_t i = 0; i < dp->n_ports; i++) {
		const struct datapath_port *port = find_port(changed, dp->ports[i].name);

		if (port)
			dp->ports[i].program_id = port->program_id;
	}
}

int datapath_change(struct datapath *dp, const struct maps_size *size,
		    const struct sluice_settings *settings, struct diag *diag)
{
	struct datapath changed = {.lock_fd = -1, .options = dp->options, .pin_dir = dp->pin_dir};
	int old[MAP_MAX];
	int err;

	changed.options.size = *size;
	changed.options.settings = *settings;
	for (int i = 0; i < MAP_MAX; i++)
		old[i] = program_map_fd(&dp->program, i);
	err = dp->pin_dir ? open_with_old(&changed, dp, old, diag) : open_fresh(&changed, diag);
	if (err)
		program_fini(&changed.program);
	else
		take_programs(dp, &changed);
	free(changed.ports);
	return err;
}

void datapath_free(struct datapath *dp)
{
	if (!dp)
		return;
	program_fini(&dp->program);
	closep(&dp->lock_fd);
	free(dp->pin_dir);
	free(dp->ports);
	free(dp);
}

/* ---------------------------------------------------------------------------------------- ports */

static void remove_port(struct datapath *dp, struct datapath_port *port)
{
	attach_remove(dp->pin_dir, port->name);
	*port = dp->ports[--dp->n_ports];
}

static int attach_port(struct datapath *dp, const char *ifname, unsigned int ifindex,
		       enum model_mode mode, struct diag *diag)
{
	struct attach_program program = program_of(dp);
	struct datapath_port *port;
	struct attach_state state;
	int err = attach_add(dp->pin_dir, ifname, ifindex, mode, &program, &state, diag);

	if (err)
		return err;
	port = add_port(dp, ifname, ifindex);
	if (!port) {
		attach_remove(dp->pin_dir, ifname);
		return -ENOMEM;
	}
	port->mode = state.mode;
	port->dispatcher = state.dispatcher;
	port->program_id = state.program_id;
	return 0;
}

/* Attaches the port again as it was before its mode was to change. */
static void restore_port(struct datapath *dp, const struct datapath_port *before)
{
	_cleanup_(diag_fini) struct diag diag = {0};

	if (attach_port(dp, before->name, before->ifindex, before->mode, &diag))
		log_diag(LOG_LEVEL_ERROR, &diag);
}

static int attach_one(struct datapath *dp, const struct model_interface *interface,
		      struct diag *diag)
{
	unsigned int ifindex = if_nametoindex(interface->name);
	struct datapath_port *port = find_port(dp, interface->name);
	struct datapath_port before = {0};
	int err;

	if (!ifindex) {
		diag_add(diag, NULL, 0,
			 "interface \"%s\" does not exist on this host (\"ip link\" lists them)",
			 interface->name);
		return -ENODEV;
	}
	if (port && port->ifindex == ifindex &&
	    (interface->mode == MODEL_MODE_AUTO || interface->mode == port->mode))
		return 0;
	if (port) {
		before = *port;
		remove_port(dp, port);
	}
	err = attach_port(dp, interface->name, ifindex, interface->mode, diag);
	if (err) {
		if (before.ifindex == ifindex)
			restore_port(dp, &before);
		return err;
	}
	port = find_port(dp, interface->name);
	port->fresh = true;
	port->changed = before.ifindex == ifindex;
	port->mode_before = before.mode;
	return 0;
}

int datapath_attach(struct datapath *dp, const struct model_interface *interfaces, size_t n,
		    struct diag *diag)
{
	for (size_t i = 0; i < dp->n_ports; i++)
		dp->ports[i].fresh = false;
	for (size_t i = 0; i < n; i++) {
		int err = attach_one(dp, &interfaces[i], diag);

		if (err) {
			datapath_attach_undo(dp);
			return err;
		}
	}
	return 0;
}

void datapath_attach_undo(struct datapath *dp)
{
	for (size_t i = dp->n_ports; i-- > 0;) {
		struct datapath_port port = dp->ports[i];

		if (!port.fresh)
			continue;
		remove_port(dp, &dp->ports[i]);
		port.mode = port.mode_before;
		if (port.changed)
			restore_port(dp, &port);
	}
	if (dp->cold)
		take_down(dp->pin_dir);
	dp->cold = false;
}

struct others {
	struct datapath *dp;
	const struct model_interface *interfaces;
	size_t n;
};

static void detach_other(void *ctx, const char *ifname)
{
	struct others *o = ctx;
	struct datapath_port *port = find_port(o->dp, ifname);

	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->interfaces[i].name, ifname) == 0)
			return;
	if (port)
		remove_port(o->dp, port);
	else
		attach_remove(o->dp->pin_dir, ifname);
}

void datapath_detach_others(struct datapath *dp, const struct model_interface *interfaces, size_t n)
{
	struct others others = {.dp = dp, .interfaces = interfaces, .n = n};

	dp->cold = false;
	for (size_t i = 0; i < dp->n_ports; i++)
		dp->ports[i].fresh = false;
	if (dp->pin_dir)
		attach_each(dp->pin_dir, detach_other, &others);
}

const struct datapath_port *datapath_ports(const struct datapath *dp, size_t *n)
{
	*n = dp->n_ports;
	return dp->ports;
}

int datapath_remove(const char *pin_dir, struct diag *diag)
{
	_cleanup_(closep) int lock_fd = -1;
	int err = pins_enter_existing(pin_dir, &lock_fd, diag);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = take_down(pin_dir);
	if (err)
		diag_add(diag, NULL, 0, "pin_dir \"%s\": %s", pin_dir, strerror(-err));
	return err;
}

/* ------------------------------------------------------------------------------------ questions */

const struct program *datapath_program(const struct datapath *dp)
{
	return &dp->program;
}

/* The kernel's own figure, from the descriptor's fdinfo. */
static uint64_t map_bytes(int fd)
{
	char path[64], line[128];
	unsigned long long bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	fclose(file);
	return bytes;
}

uint64_t datapath_memory(const struct datapath *dp)
{
	uint64_t sum = 0;

	for (int i = 0; i < MAP_MAX; i++)
		sum += map_bytes(program_map_fd(&dp->program, i));
	return sum;
}

static const char *action_name(uint32_t action)
{
	static const char *const names[] = {
		[XDP_ABORTED] = "ABORTED", [XDP_DROP] = "DROP",         [XDP_PASS] = "PASS",
		[XDP_TX] = "TX",           [XDP_REDIRECT] = "REDIRECT",
	};

	return action <= XDP_REDIRECT ? names[action] : names[XDP_ABORTED];
}

/*
 * The longest frame that a test run keeps in one piece: a page less headroom and the kernel's
 * struct skb_shared_info. Of a longer one the program would see only the beginning.
 */
static size_t run_max(void)
{
	return (size_t)sysconf(_SC_PAGESIZE) - 256 - 320;
}

int datapath_run(struct datapath *dp, const void *frame, size_t size, void *out, size_t *out_size,
		 struct datapath_verdict *verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)size,
		    .data_out = out, .data_size_out = (uint32_t)*out_size, .repeat = 1);

	if (size > run_max() && !(program_settings(&dp->program)->features & SLUICE_FEATURE_FRAGS))
		return -EMSGSIZE;
	*program_trace(&dp->program) = (struct sluice_trace){0};
	if (bpf_prog_test_run_opts(program_fd(&dp->program), &opts))
		return -errno;
	*out_size = opts.data_size_out;
	verdict->name = action_name(opts.retval);
	verdict->transmits = opts.retval == XDP_TX || opts.retval == XDP_REDIRECT;
	verdict->trace = *program_trace(&dp->program);
	return 0;
}
