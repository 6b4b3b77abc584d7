/* SPDX-License-Identifier: MIT */
/*
 * A program that is alone is held by a BPF link, pinned as PIN_DIR/link-IFNAME. A BPF file system
 * takes no dot in a name, so ":" stands for it, which no interface has in its name.
 *
 * What the dispatcher calls is pinned by libxdp, in a place of its own. Which of those programs are
 * ours is told by the maps that they use: those pinned in PIN_DIR. So nothing can be left behind
 * that no one knows of, whenever a daemon dies.
 */
#include "daemon/attach.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xdp/libxdp.h>

#include "config/cleanup.h"
#include "daemon/dispatcher.h"
#include "daemon/log.h"

#define LINK_PIN "link-"
#define PROGRAM_MAPS_MAX 64 /* looked at, of a program in the dispatcher */
#define OUR_MAPS_MAX 128

struct pin_path {
	char text[512];
};

/* A copy of @name in @out with each @from as @to. */
static const char *translate(char out[IFNAMSIZ], const char *name, char from, char to)
{
	snprintf(out, IFNAMSIZ, "%s", name);
	for (char *at = strchr(out, from); at; at = strchr(at, from))
		*at = to;
	return out;
}

static struct pin_path pin_path(const char *pin_dir, const char *prefix, const char *name)
{
	struct pin_path path;

	snprintf(path.text, sizeof(path.text), "%s/%s%s", pin_dir, prefix, name);
	return path;
}

static struct pin_path link_pin(const char *pin_dir, const char *ifname)
{
	char name[IFNAMSIZ];

	return pin_path(pin_dir, LINK_PIN, translate(name, ifname, '.', ':'));
}

static void multiprog_closep(struct xdp_multiprog **mp)
{
	if (*mp && !libxdp_get_error(*mp))
		xdp_multiprog__close(*mp);
}

static void program_closep(struct xdp_program **program)
{
	if (*program && !libxdp_get_error(*program))
		xdp_program__close(*program);
}

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void object_closep(struct bpf_object **object)
{
	bpf_object__close(*object);
}

/* Mode of whatever is attached to the device. */
static enum model_mode current_mode(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)ifindex, 0, &query) == 0 && query.attach_mode == XDP_ATTACHED_SKB)
		return MODEL_MODE_GENERIC;
	return MODEL_MODE_NATIVE;
}

static bool pinned_link_is_on(int link_fd, unsigned int ifindex)
{
	struct bpf_link_info info = {0};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(link_fd, &info, &size) == 0 &&
	       info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex == ifindex;
}

static __u32 id_of(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

/* ------------------------------------------------------------------------------- the dispatcher */

/* Ids of the maps that are pinned in PIN_DIR. */
struct our_maps {
	__u32 id[OUR_MAPS_MAX];
	size_t n;
};

static bool is_map(int fd)
{
	char path[64], what[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, what, sizeof(what) - 1) > 0 && strstr(what, "bpf-map");
}

static struct our_maps our_maps(const char *pin_dir)
{
	_cleanup_(dir_closep) DIR *dir = opendir(pin_dir);
	struct our_maps ours = {.n = 0};
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) && ours.n < OUR_MAPS_MAX) {
		struct pin_path path = pin_path(pin_dir, "", entry->d_name);
		_cleanup_(closep) int fd = bpf_obj_get(path.text);
		struct bpf_map_info info = {0};
		__u32 size = sizeof(info);

		if (fd >= 0 && is_map(fd) && bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
			ours.id[ours.n++] = info.id;
	}
	return ours;
}

static bool is_ours(const struct our_maps *ours, int program)
{
	__u32 ids[PROGRAM_MAPS_MAX] = {0};
	struct bpf_prog_info info = {
		.nr_map_ids = PROGRAM_MAPS_MAX,
		.map_ids = (__u64)(uintptr_t)ids,
	};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(program, &info, &size))
		return false;
	for (__u32 i = 0; i < info.nr_map_ids && i < PROGRAM_MAPS_MAX; i++)
		for (size_t j = 0; j < ours->n; j++)
			if (ids[i] == ours->id[j])
				return true;
	return false;
}

/* What the device's dispatcher calls; NULL: it has none. */
static struct xdp_multiprog *dispatcher_of(unsigned int ifindex)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)ifindex);

	if (libxdp_get_error(mp))
		return NULL;
	if (!xdp_multiprog__is_legacy(mp))
		return mp;
	xdp_multiprog__close(mp);
	return NULL;
}

/* Of those that it calls, the first of ours behind @after (NULL: of all). */
static struct xdp_program *next_of_ours(const struct xdp_multiprog *mp, struct xdp_program *after,
					const struct our_maps *ours)
{
	while ((after = xdp_multiprog__next_prog(after, mp)))
		if (is_ours(ours, xdp_program__fd(after)))
			break;
	return after;
}

static bool shared_exists(const char *pin_dir, unsigned int ifindex)
{
	_cleanup_(multiprog_closep) struct xdp_multiprog *mp = dispatcher_of(ifindex);
	struct our_maps ours = our_maps(pin_dir);

	return mp && next_of_ours(mp, NULL, &ours);
}

/*
 * Attaches by libxdp, which falls back to attaching alone where it cannot have its dispatcher: that
 * is taken back. @out: the program, which lives on without the object it came from.
 */
static int try_shared(struct xdp_program **out, unsigned int ifindex, enum xdp_attach_mode mode,
		      const struct attach_program *program)
{
	_cleanup_(object_closep) struct bpf_object *object = program->open_again(program->ctx);
	_cleanup_(program_closep) struct xdp_program *xp = NULL;
	_cleanup_(multiprog_closep) struct xdp_multiprog *mp = NULL;
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .obj = object, .prog_name = program->name);
	int err;

	if (!object)
		return -ENOMEM;
	xp = xdp_program__create(&opts);
	err = (int)libxdp_get_error(xp);
	if (!err)
		err = xdp_program__attach(xp, (int)ifindex, mode, 0);
	if (err)
		return err;
	mp = dispatcher_of(ifindex);
	if (!mp) {
		xdp_program__detach(xp, (int)ifindex, mode, 0);
		return -EOPNOTSUPP;
	}
	*out = xdp_program__from_fd(xdp_program__fd(xp));
	return (int)libxdp_get_error(*out);
}

/*
 * Through libxdp's dispatcher; through ours where the kernel takes the program there neither new
 * (-EINVAL) nor from the dispatcher before (then libxdp tries to attach alone: -EBUSY).
 */
static int shared_attach(struct xdp_program **out, unsigned int ifindex, enum xdp_attach_mode mode,
			 const struct attach_program *program)
{
	_cleanup_(dispatcher_fini) struct dispatcher ours = {0};
	int err = try_shared(out, ifindex, mode, program);

	if ((err == -EINVAL || err == -EBUSY) && dispatcher_init(&ours) == 0)
		err = try_shared(out, ifindex, mode, program);
	return err;
}

/* The programs that stay move to a new dispatcher, which again may have to be ours. */
static int shared_detach(struct xdp_program *program, unsigned int ifindex,
			 enum xdp_attach_mode mode)
{
	_cleanup_(dispatcher_fini) struct dispatcher ours = {0};
	int err = xdp_program__detach(program, (int)ifindex, mode, 0);

	if (err && dispatcher_init(&ours) == 0)
		err = xdp_program__detach(program, (int)ifindex, mode, 0);
	return err;
}

/* Detaches those of ours that the dispatcher calls, but for the program with the id @but. */
static int shared_remove(const char *pin_dir, unsigned int ifindex, __u32 but)
{
	_cleanup_(multiprog_closep) struct xdp_multiprog *mp = dispatcher_of(ifindex);
	struct our_maps ours = our_maps(pin_dir);
	struct xdp_program *program = NULL;
	int err = 0;

	while (mp && !err && (program = next_of_ours(mp, program, &ours)))
		if (xdp_program__id(program) != but)
			err = shared_detach(program, ifindex, xdp_multiprog__attach_mode(mp));
	return err;
}

/* The dispatcher calls both for a moment, with the same maps. */
static int shared_replace(const char *pin_dir, unsigned int ifindex,
			  const struct attach_program *program, __u32 *id)
{
	enum xdp_attach_mode mode =
		current_mode(ifindex) == MODEL_MODE_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	_cleanup_(program_closep) struct xdp_program *xp = NULL;
	int err = shared_attach(&xp, ifindex, mode, program);

	if (err)
		return err;
	*id = xdp_program__id(xp);
	err = shared_remove(pin_dir, ifindex, *id);
	if (err)
		shared_detach(xp, ifindex, mode);
	return err;
}

/* ---------------------------------------------------------------------------------------- alone */

static int alone_add(const char *pin_dir, const char *ifname, unsigned int ifindex, __u32 flags,
		     int program_fd)
{
	struct pin_path path = link_pin(pin_dir, ifname);
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	_cleanup_(closep) int fd = bpf_link_create(program_fd, (int)ifindex, BPF_XDP, &opts);

	if (fd < 0)
		return -errno;
	unlink(path.text);
	return bpf_obj_pin(fd, path.text) ? -errno : 0;
}

static int alone_replace(const char *pin_dir, const char *ifname, int program_fd)
{
	struct pin_path path = link_pin(pin_dir, ifname);
	_cleanup_(closep) int fd = bpf_obj_get(path.text);

	if (fd < 0)
		return -errno;
	return bpf_link_update(fd, program_fd, NULL) ? -errno : 0;
}

/* ------------------------------------------------------------------------------------- together */

static bool alone_exists(const char *pin_dir, const char *ifname, unsigned int ifindex)
{
	struct pin_path path = link_pin(pin_dir, ifname);
	_cleanup_(closep) int fd = bpf_obj_get(path.text);

	return fd >= 0 && pinned_link_is_on(fd, ifindex);
}

bool attach_exists(const char *pin_dir, const char *ifname, unsigned int ifindex)
{
	return alone_exists(pin_dir, ifname, ifindex) || shared_exists(pin_dir, ifindex);
}

static void explain(struct diag *diag, const char *ifname, enum model_mode mode, int err)
{
	if (err == -EBUSY || err == -EEXIST)
		diag_add(diag, NULL, 0,
			 "interface \"%s\": another XDP program is attached and cannot be shared "
			 "with; take it off first (ip link set dev %s xdp off)",
			 ifname, ifname);
	else if (mode == MODEL_MODE_NATIVE && (err == -EOPNOTSUPP || err == -EINVAL))
		diag_add(diag, NULL, 0,
			 "interface \"%s\": its driver has no native XDP (%s); use mode = \"auto\" "
			 "or "
			 "\"generic\"",
			 ifname, strerror(-err));
	else if (err == -EPERM)
		diag_add(diag, NULL, 0,
			 "interface \"%s\": attaching is not permitted without root, or "
			 "CAP_NET_ADMIN and CAP_BPF",
			 ifname);
	else
		diag_add(diag, NULL, 0, "interface \"%s\": cannot attach: %s", ifname,
			 strerror(-err));
}

/* In one mode: shared if that can be, else alone. */
static int add_in_mode(const char *pin_dir, const char *ifname, unsigned int ifindex, bool generic,
		       const struct attach_program *program, struct attach_state *state)
{
	_cleanup_(program_closep) struct xdp_program *xp = NULL;
	int err = shared_attach(&xp, ifindex, generic ? XDP_MODE_SKB : XDP_MODE_NATIVE, program);

	state->mode = generic ? MODEL_MODE_GENERIC : MODEL_MODE_NATIVE;
	state->dispatcher = !err;
	if (!err) {
		state->program_id = xdp_program__id(xp);
		return 0;
	}
	log_debug("interface \"%s\": not through libxdp's dispatcher: %s", ifname, strerror(-err));
	state->program_id = id_of(program->fd);
	return alone_add(pin_dir, ifname, ifindex,
			 generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE, program->fd);
}

int attach_add(const char *pin_dir, const char *ifname, unsigned int ifindex, enum model_mode mode,
	       const struct attach_program *program, struct attach_state *state, struct diag *diag)
{
	int err = -EOPNOTSUPP;

	attach_remove(pin_dir, ifname); /* of a device of the same name that is gone */
	if (mode != MODEL_MODE_GENERIC)
		err = add_in_mode(pin_dir, ifname, ifindex, false, program, state);
	if (mode == MODEL_MODE_GENERIC ||
	    (mode == MODEL_MODE_AUTO && err && err != -EBUSY && err != -EPERM)) {
		if (err != -EOPNOTSUPP)
			log_warning("interface \"%s\": native XDP failed (%s), using generic",
				    ifname, strerror(-err));
		err = add_in_mode(pin_dir, ifname, ifindex, true, program, state);
	}
	if (err)
		explain(diag, ifname, mode, err);
	return err;
}

int attach_replace(const char *pin_dir, const char *ifname, unsigned int ifindex,
		   const struct attach_program *program, struct attach_state *state,
		   struct diag *diag)
{
	bool shared = !alone_exists(pin_dir, ifname, ifindex);
	__u32 id = id_of(program->fd);
	int err = shared ? shared_replace(pin_dir, ifindex, program, &id)
			 : alone_replace(pin_dir, ifname, program->fd);

	if (err) {
		diag_add(diag, NULL, 0, "interface \"%s\": cannot replace the running program: %s",
			 ifname, strerror(-err));
		return err;
	}
	*state = (struct attach_state){
		.mode = current_mode(ifindex),
		.dispatcher = shared,
		.program_id = id,
	};
	return 0;
}

int attach_remove(const char *pin_dir, const char *ifname)
{
	struct pin_path pin = link_pin(pin_dir, ifname);
	_cleanup_(closep) int fd = bpf_obj_get(pin.text);
	unsigned int ifindex = if_nametoindex(ifname);

	if (fd >= 0) {
		/* Detached at once, whoever else holds the link. */
		bpf_link_detach(fd);
		if (unlink(pin.text) < 0)
			return -errno;
	}
	return ifindex ? shared_remove(pin_dir, ifindex, 0) : 0;
}

static int each_alone(const char *pin_dir, void (*fn)(void *ctx, const char *ifname), void *ctx)
{
	_cleanup_(dir_closep) DIR *dir = opendir(pin_dir);
	struct dirent *entry;
	char ifname[IFNAMSIZ];
	size_t n = strlen(LINK_PIN);

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, LINK_PIN, n) == 0)
			fn(ctx, translate(ifname, entry->d_name + n, ':', '.'));
	return 0;
}

static int each_shared(const char *pin_dir, void (*fn)(void *ctx, const char *ifname), void *ctx)
{
	struct if_nameindex *devices = if_nameindex();

	if (!devices)
		return -errno;
	for (struct if_nameindex *device = devices; device->if_name; device++)
		if (shared_exists(pin_dir, device->if_index))
			fn(ctx, device->if_name);
	if_freenameindex(devices);
	return 0;
}

int attach_each(const char *pin_dir, void (*fn)(void *ctx, const char *ifname), void *ctx)
{
	int err = each_alone(pin_dir, fn, ctx);

	return err ? err : each_shared(pin_dir, fn, ctx);
}
