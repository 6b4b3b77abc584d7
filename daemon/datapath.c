/* SPDX-License-Identifier: MIT */
/*
 * One loaded program with its maps. Opening and growing are the same act: load a program whose
 * maps are the old ones where they fit and larger copies where they do not, switch the ports to
 * it, pin. At the first start there is nothing old, later the old is what is pinned, when growing
 * it is our own. Carrying plans out is in daemon/apply.c.
 */
#include "daemon/datapath.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "config/cleanup.h"
#include "daemon/attach.h"
#include "daemon/datapath_impl.h"
#include "daemon/log.h"
#include "xdp/sluice.skel.h"

#define DEVICES_MAX 64

static const char *const map_names[DATAPATH_MAP_MAX] = {
	[DATAPATH_VIPS] = "vips",
	[DATAPATH_RINGS] = "rings",
	[DATAPATH_BACKENDS] = "backends",
	[DATAPATH_NAMES] = "names",
	[DATAPATH_DEVICES] = "devices",
	[DATAPATH_COUNTERS] = "counters",
	[DATAPATH_BACKEND_COUNTERS] = "backend_counters",
};

#define PROGRAM_PIN "program"

struct path {
	char text[PATH_MAX];
};

static struct path pin_path(const char *pin_dir, const char *name, const char *suffix)
{
	struct path path;

	snprintf(path.text, sizeof(path.text), "%s/%s%s", pin_dir, name, suffix);
	return path;
}

/* ------------------------------------------------------------------------------- one loaded set */

static void set_fini(struct datapath_set *set)
{
	for (int i = 0; i < DATAPATH_MAP_MAX; i++)
		if (set->mapped[i].data)
			munmap(set->mapped[i].data, set->mapped[i].bytes);
	sluice_bpf__destroy(set->skel);
	*set = (struct datapath_set){0};
}

static uint32_t wanted_entries(const struct datapath_size *size, enum datapath_map map)
{
	switch (map) {
	case DATAPATH_VIPS:
		return size->vips;
	case DATAPATH_COUNTERS:
		return size->vips + 1;
	case DATAPATH_RINGS:
		return (size->ring_slots + SLUICE_LINE_SLOTS - 1) / SLUICE_LINE_SLOTS;
	case DATAPATH_BACKENDS:
	case DATAPATH_NAMES:
	case DATAPATH_BACKEND_COUNTERS:
		return size->backends + 1;
	case DATAPATH_DEVICES:
	case DATAPATH_MAP_MAX:
		break;
	}
	return DEVICES_MAX;
}

static struct bpf_map *skel_map(struct sluice_bpf *skel, enum datapath_map map)
{
	return bpf_object__find_map_by_name(skel->obj, map_names[map]);
}

static int map_info(int fd, struct bpf_map_info *info)
{
	__u32 size = sizeof(*info);

	*info = (struct bpf_map_info){0};
	return bpf_obj_get_info_by_fd(fd, info, &size) ? -errno : 0;
}

/* Would the program understand what is in the old map? */
static bool same_layout(const struct bpf_map *map, const struct bpf_map_info *old)
{
	return old->type == (uint32_t)bpf_map__type(map) &&
	       old->key_size == bpf_map__key_size(map) &&
	       old->value_size == bpf_map__value_size(map);
}

/*
 * Decides for one map: the old one goes on, or a new one is to get its content. @old is -1 without
 * an old one.
 */
static int choose_map(struct bpf_map *map, int old, uint32_t wanted, bool *copy, struct diag *diag)
{
	struct bpf_map_info info;
	int err;

	*copy = false;
	if (old < 0)
		return bpf_map__set_max_entries(map, wanted);
	err = map_info(old, &info);
	if (err)
		return err;
	if (!same_layout(map, &info)) {
		diag_add(diag, NULL, 0,
			 "pinned map \"%s\" is from a release with another layout; "
			 "\"sluiced -c FILE --detach\" takes it down, then start anew",
			 bpf_map__name(map));
		return -EPROTO;
	}
	if (info.max_entries >= wanted)
		return bpf_map__reuse_fd(map, old);
	*copy = true;
	return bpf_map__set_max_entries(map, wanted);
}

static int map_memory(struct datapath_set *set, enum datapath_map map)
{
	struct bpf_map *m = skel_map(set->skel, map);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (size_t)bpf_map__value_size(m) * bpf_map__max_entries(m);
	void *data;

	bytes = (bytes + page - 1) / page * page;
	data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(m), 0);
	if (data == MAP_FAILED)
		return -errno;
	set->mapped[map].data = data;
	set->mapped[map].bytes = bytes;
	return 0;
}

static void explain_load(struct diag *diag, int err)
{
	if (err == -EPERM)
		diag_add(diag, NULL, 0,
			 "loading the program is not permitted: sluiced needs root, or CAP_BPF, "
			 "CAP_NET_ADMIN and CAP_PERFMON");
	else if (err == -ENOMEM)
		diag_add(diag, NULL, 0, "no memory for the maps: lower the limits in the config");
	else
		diag_add(diag, NULL, 0,
			 "the kernel refused the program: %s (\"sluiced -v\" shows what it said)",
			 strerror(-err));
}

/* Opens the skeleton with its settings; loads nothing. NULL with errno. */
static struct sluice_bpf *open_skeleton(const struct sluice_settings *settings)
{
	struct sluice_bpf *skel = sluice_bpf__open();

	if (skel)
		memcpy((void *)&skel->rodata->settings, settings, sizeof(*settings));
	return skel;
}

/* Loads a set whose maps are those in @old where they fit. copy[i]: map i wants the old content. */
static int set_load(struct datapath_set *set, const struct datapath_options *options,
		    const int old[DATAPATH_MAP_MAX], bool copy[DATAPATH_MAP_MAX], struct diag *diag)
{
	int err;

	set->skel = open_skeleton(&options->settings);
	if (!set->skel) {
		err = -errno;
		explain_load(diag, err);
		return err;
	}
	for (int i = 0; i < DATAPATH_MAP_MAX; i++) {
		err = choose_map(skel_map(set->skel, i), old[i], wanted_entries(&options->size, i),
				 &copy[i], diag);
		if (err == -EPROTO)
			return err;
		if (err)
			goto failed;
	}
	err = sluice_bpf__load(set->skel);
	if (!err)
		err = map_memory(set, DATAPATH_RINGS);
	if (!err)
		err = map_memory(set, DATAPATH_BACKENDS);
	if (!err)
		err = map_memory(set, DATAPATH_NAMES);
failed:
	if (err)
		explain_load(diag, err);
	return err;
}

/* ------------------------------------------------------------------------- content of a map, moved */

/* Key by key; serves per-CPU values too, with room for all CPUs. */
static int copy_map(int from, int to, const struct bpf_map_info *info)
{
	size_t value_size = (info->value_size + 7u) / 8 * 8 * (size_t)libbpf_num_possible_cpus();
	_cleanup_(freep) void *key = calloc(1, info->key_size);
	_cleanup_(freep) void *value = calloc(1, value_size);
	void *previous = NULL;

	if (!key || !value)
		return -ENOMEM;
	while (bpf_map_get_next_key(from, previous, key) == 0) {
		previous = key;
		if (bpf_map_lookup_elem(from, key, value))
			continue;
		if (bpf_map_update_elem(to, key, value, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int copy_memory(int from, const struct datapath_memory *to, const struct bpf_map_info *info)
{
	size_t bytes = (size_t)info->value_size * info->max_entries;
	void *data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, from, 0);

	if (data == MAP_FAILED)
		return -errno;
	memcpy(to->data, data, bytes);
	munmap(data, bytes);
	return 0;
}

static int copy_content(const int old[DATAPATH_MAP_MAX], struct datapath_set *set,
			const bool copy[DATAPATH_MAP_MAX])
{
	for (int i = 0; i < DATAPATH_MAP_MAX; i++) {
		struct bpf_map_info info;
		int err;

		if (!copy[i])
			continue;
		err = map_info(old[i], &info);
		if (err)
			return err;
		if (set->mapped[i].data)
			err = copy_memory(old[i], &set->mapped[i], &info);
		else
			err = copy_map(old[i], bpf_map__fd(skel_map(set->skel, i)), &info);
		if (err)
			return err;
	}
	return 0;
}

/* ------------------------------------------------------------------------------------- the pins */

/* Pins @fd under its temporary name. */
static int pin_fresh(const char *pin_dir, const char *name, int fd)
{
	struct path fresh = pin_path(pin_dir, name, "-new");

	unlink(fresh.text);
	return bpf_obj_pin(fd, fresh.text) ? -errno : 0;
}

/* Pins maps and program under temporary names: what can fail, before anything is switched. */
static int pin_set(const char *pin_dir, const struct datapath_set *set)
{
	int err = 0;

	for (int i = 0; i < DATAPATH_MAP_MAX && !err; i++)
		err = pin_fresh(pin_dir, map_names[i], bpf_map__fd(skel_map(set->skel, i)));
	return err ? err
		   : pin_fresh(pin_dir, PROGRAM_PIN, bpf_program__fd(set->skel->progs.sluice));
}

/* Moves one of these pins to its place, so that there is always a pin. */
static int pin_move(const char *pin_dir, const char *name)
{
	return rename(pin_path(pin_dir, name, "-new").text, pin_path(pin_dir, name, "").text)
		       ? -errno
		       : 0;
}

static int pins_move(const char *pin_dir)
{
	int err = 0;

	for (int i = 0; i < DATAPATH_MAP_MAX && !err; i++)
		err = pin_move(pin_dir, map_names[i]);
	return err ? err : pin_move(pin_dir, PROGRAM_PIN);
}

static void unpin_set(const char *pin_dir, const char *suffix)
{
	for (int i = 0; i < DATAPATH_MAP_MAX; i++)
		unlink(pin_path(pin_dir, map_names[i], suffix).text);
	unlink(pin_path(pin_dir, PROGRAM_PIN, suffix).text);
}

static void detach_any(void *ctx, const char *ifname)
{
	attach_remove(ctx, ifname);
}

/* Detaches from all ports and removes all pins, and the directory. 0 or -errno. */
static int remove_pins(const char *pin_dir)
{
	attach_each(pin_dir, detach_any, (void *)pin_dir);
	unpin_set(pin_dir, "");
	unpin_set(pin_dir, "-new");
	return rmdir(pin_dir) ? -errno : 0;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* Is @path, or the first directory above it that exists, on a BPF file system? */
static bool will_be_on_bpffs(const char *path)
{
	char above[PATH_MAX];
	char *slash;

	snprintf(above, sizeof(above), "%s", path);
	while (access(above, F_OK) < 0 && (slash = strrchr(above, '/')))
		*slash = '\0';
	return is_bpffs(above);
}

/* Makes the directory, with those above it, as long as that is inside a BPF file system. */
static int make_pin_dir(const char *pin_dir, struct diag *diag)
{
	char path[PATH_MAX];
	char *slash;

	if (!will_be_on_bpffs(pin_dir)) {
		diag_add(diag, NULL, 0,
			 "pin_dir \"%s\" is not on a BPF file system: mount -t bpf bpf "
			 "/sys/fs/bpf, or name a directory on one",
			 pin_dir);
		return -EINVAL;
	}
	snprintf(path, sizeof(path), "%s", pin_dir);
	for (slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (access(path, F_OK) < 0 && mkdir(path, 0700) < 0) {
			int err = errno;

			diag_add(diag, NULL, 0, "pin_dir \"%s\": cannot make \"%s\": %s%s", pin_dir,
				 path, strerror(err),
				 err == EACCES || err == EPERM
					 ? "; sluiced needs root, and a BPF file system takes no "
					   "dot in a name"
					 : "");
			return -err;
		}
		if (!slash)
			return 0;
		*slash = '/';
	}
}

/* One daemon a directory: the lock goes with the process. */
static int lock_pin_dir(int *out, const char *pin_dir, struct diag *diag)
{
	_cleanup_(closep) int fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*out = TAKE_FD(fd);
		return 0;
	}
	err = -errno;
	if (err == -EWOULDBLOCK) {
		diag_add(diag, NULL, 0,
			 "pin_dir \"%s\" is in use by another sluiced; an instance of its own "
			 "needs a "
			 "pin_dir of its own",
			 pin_dir);
		return -EBUSY;
	}
	diag_add(diag, NULL, 0, "pin_dir \"%s\": %s", pin_dir, strerror(-err));
	return err;
}

static void close_fds(int fds[DATAPATH_MAP_MAX])
{
	for (int i = 0; i < DATAPATH_MAP_MAX; i++)
		closep(&fds[i]);
}

/* ----------------------------------------------------------------------------------- the switch */

static struct bpf_object *open_again(void *ctx)
{
	struct datapath *dp = ctx;
	struct bpf_object *object;
	DECLARE_LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sluice_bpf");
	const void *elf;
	size_t size;

	elf = sluice_bpf__elf_bytes(&size);
	object = bpf_object__open_mem(elf, size, &opts);
	if (!object)
		return NULL;
	for (int i = 0; i < DATAPATH_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_names[i]);

		if (bpf_map__reuse_fd(map, bpf_map__fd(skel_map(dp->set.skel, i)))) {
			bpf_object__close(object);
			return NULL;
		}
	}
	bpf_map__set_initial_value(bpf_object__find_map_by_name(object, ".rodata"),
				   dp->set.skel->rodata, sizeof(*dp->set.skel->rodata));
	return object;
}

static struct attach_program program_of(struct datapath *dp)
{
	return (struct attach_program){
		.fd = bpf_program__fd(dp->set.skel->progs.sluice),
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
	int err = attach_replace(dp->options.pin_dir, ifname, ifindex, &program, &state, diag);

	if (err)
		return err;
	port->mode = state.mode;
	port->dispatcher = state.dispatcher;
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
	    !attach_exists(t->dp->options.pin_dir, ifname, ifindex))
		return;
	port = add_port(t->dp, ifname, ifindex);
	t->err = port ? replace_port(t->dp, ifname, ifindex, port, t->diag) : -ENOMEM;
	if (t->err && port)
		t->dp->n_ports--;
}

/* The way back for ports that are alone: the program that is pinned goes on. */
static void give_ports_back(struct datapath *dp)
{
	_cleanup_(closep) int fd = bpf_obj_get(pin_path(dp->options.pin_dir, PROGRAM_PIN, "").text);
	const struct attach_program program = {.fd = fd};
	_cleanup_(diag_fini) struct diag ignored = {0};
	struct attach_state state;

	for (size_t i = 0; fd >= 0 && i < dp->n_ports; i++)
		if (!dp->ports[i].dispatcher)
			attach_replace(dp->options.pin_dir, dp->ports[i].name, dp->ports[i].ifindex,
				       &program, &state, &ignored);
}

/* ----------------------------------------------------------------------------------------- open */

static int open_fresh(struct datapath *dp, struct diag *diag)
{
	int none[DATAPATH_MAP_MAX];
	bool copy[DATAPATH_MAP_MAX];

	for (int i = 0; i < DATAPATH_MAP_MAX; i++)
		none[i] = -1;
	return set_load(&dp->set, &dp->options, none, copy, diag);
}

static int open_with_old(struct datapath *dp, const int old[DATAPATH_MAP_MAX], struct diag *diag)
{
	struct takeover takeover = {.dp = dp, .diag = diag};
	bool copy[DATAPATH_MAP_MAX];
	int err = set_load(&dp->set, &dp->options, old, copy, diag);

	if (err)
		return err;
	err = copy_content(old, &dp->set, copy);
	if (!err)
		err = pin_set(dp->options.pin_dir, &dp->set);
	if (!err)
		err = attach_each(dp->options.pin_dir, take_port_over, &takeover);
	if (!err)
		err = takeover.err;
	if (!err)
		err = pins_move(dp->options.pin_dir);
	if (err) {
		give_ports_back(dp);
		unpin_set(dp->options.pin_dir, "-new");
	}
	if (err && !diag->n)
		diag_add(diag, NULL, 0, "taking over what is pinned in \"%s\": %s",
			 dp->options.pin_dir, strerror(-err));
	return err;
}

/* Takes over the pinned maps, as far as they are there. */
static int open_pinned(struct datapath *dp, struct diag *diag)
{
	int old[DATAPATH_MAP_MAX];
	int err = make_pin_dir(dp->pin_dir, diag);

	if (!err)
		err = lock_pin_dir(&dp->lock_fd, dp->pin_dir, diag);
	if (err)
		return err;
	dp->cold = true;
	for (int i = 0; i < DATAPATH_MAP_MAX; i++) {
		old[i] = bpf_obj_get(pin_path(dp->pin_dir, map_names[i], "").text);
		dp->cold = dp->cold && old[i] < 0;
	}
	err = open_with_old(dp, old, diag);
	close_fds(old);
	if (err && dp->cold)
		remove_pins(dp->pin_dir);
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

static uint32_t entries(const struct datapath *dp, enum datapath_map map)
{
	return bpf_map__max_entries(skel_map(dp->set.skel, map));
}

bool datapath_fits(const struct datapath *dp, const struct datapath_size *size)
{
	for (int i = 0; i < DATAPATH_MAP_MAX; i++)
		if (wanted_entries(size, i) > entries(dp, i))
			return false;
	return true;
}

int datapath_grow(struct datapath *dp, const struct datapath_size *size, struct diag *diag)
{
	struct datapath grown = {.lock_fd = -1, .options = dp->options};
	int old[DATAPATH_MAP_MAX];
	int err;

	grown.options.size = *size;
	for (int i = 0; i < DATAPATH_MAP_MAX; i++)
		old[i] = bpf_map__fd(skel_map(dp->set.skel, i));
	if (dp->options.pin_dir)
		err = open_with_old(&grown, old, diag);
	else
		err = open_fresh(&grown, diag);
	if (err) {
		set_fini(&grown.set);
		free(grown.ports);
		return err;
	}
	set_fini(&dp->set);
	dp->set = grown.set;
	dp->options = grown.options;
	free(grown.ports);
	return 0;
}

void datapath_free(struct datapath *dp)
{
	if (!dp)
		return;
	set_fini(&dp->set);
	closep(&dp->lock_fd);
	free(dp->pin_dir);
	free(dp->ports);
	free(dp);
}

/* ---------------------------------------------------------------------------------------- ports */

static void remove_port(struct datapath *dp, struct datapath_port *port)
{
	attach_remove(dp->options.pin_dir, port->name);
	*port = dp->ports[--dp->n_ports];
}

static int attach_port(struct datapath *dp, const char *ifname, unsigned int ifindex,
		       enum model_mode mode, struct diag *diag)
{
	struct attach_program program = program_of(dp);
	struct datapath_port *port;
	struct attach_state state;
	int err = attach_add(dp->options.pin_dir, ifname, ifindex, mode, &program, &state, diag);

	if (err)
		return err;
	port = add_port(dp, ifname, ifindex);
	if (!port) {
		attach_remove(dp->options.pin_dir, ifname);
		return -ENOMEM;
	}
	port->mode = state.mode;
	port->dispatcher = state.dispatcher;
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
		remove_pins(dp->pin_dir);
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
		attach_remove(o->dp->options.pin_dir, ifname);
}

void datapath_detach_others(struct datapath *dp, const struct model_interface *interfaces, size_t n)
{
	struct others others = {.dp = dp, .interfaces = interfaces, .n = n};

	dp->cold = false;
	for (size_t i = 0; i < dp->n_ports; i++)
		dp->ports[i].fresh = false;
	if (dp->options.pin_dir)
		attach_each(dp->options.pin_dir, detach_other, &others);
}

const struct datapath_port *datapath_ports(const struct datapath *dp, size_t *n)
{
	*n = dp->n_ports;
	return dp->ports;
}

int datapath_remove(const char *pin_dir, struct diag *diag)
{
	_cleanup_(closep) int lock_fd = -1;
	int err;

	if (access(pin_dir, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (!is_bpffs(pin_dir)) {
		diag_add(diag, NULL, 0, "pin_dir \"%s\" is not on a BPF file system", pin_dir);
		return -EINVAL;
	}
	err = lock_pin_dir(&lock_fd, pin_dir, diag);
	if (err)
		return err;
	err = remove_pins(pin_dir);
	if (err)
		diag_add(diag, NULL, 0, "pin_dir \"%s\": %s", pin_dir, strerror(-err));
	return err;
}

/* ------------------------------------------------------------------------------------ questions */

int datapath_map_fd(const struct datapath *dp, enum datapath_map map, uint32_t *max_entries)
{
	*max_entries = entries(dp, map);
	return bpf_map__fd(skel_map(dp->set.skel, map));
}

uint32_t datapath_program_id(const struct datapath *dp)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_program__fd(dp->set.skel->progs.sluice), &info, &size)
		       ? 0
		       : info.id;
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

	for (int i = 0; i < DATAPATH_MAP_MAX; i++)
		sum += map_bytes(bpf_map__fd(skel_map(dp->set.skel, i)));
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

	if (size > run_max())
		return -EMSGSIZE;
	dp->set.skel->bss->trace = (struct sluice_trace){0};
	if (bpf_prog_test_run_opts(bpf_program__fd(dp->set.skel->progs.sluice), &opts))
		return -errno;
	*out_size = opts.data_size_out;
	verdict->name = action_name(opts.retval);
	verdict->transmits = opts.retval == XDP_TX || opts.retval == XDP_REDIRECT;
	verdict->trace = dp->set.skel->bss->trace;
	return 0;
}
