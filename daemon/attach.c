/* SPDX-License-Identifier: MIT */
/*
 * Pins: PIN_DIR/link-IFNAME is the BPF link of a program that is alone; PIN_DIR/shared-IFNAME is
 * the program that libxdp's dispatcher calls (libxdp pins the rest on its own). Which of the two
 * is there says how the port is attached. A BPF file system takes no dot in a name, so ":" stands
 * for it, which no interface has in its name.
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
#include "daemon/log.h"

#define LINK_PIN "link-"
#define SHARED_PIN "shared-"
#define FRESH_PIN "new-shared-" /* for a moment, while one is replaced */

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

static struct pin_path pin_path(const char *pin_dir, const char *prefix, const char *ifname)
{
	struct pin_path path;
	char name[IFNAMSIZ];

	snprintf(path.text, sizeof(path.text), "%s/%s%s", pin_dir, prefix,
		 translate(name, ifname, '.', ':'));
	return path;
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

static __u32 program_id(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.id;
}

/* ------------------------------------------------------------------------------- the dispatcher */

/* Is program @id one of those the device's dispatcher calls? */
static bool shared_is_on(unsigned int ifindex, __u32 id)
{
	_cleanup_(multiprog_closep) struct xdp_multiprog *mp =
		xdp_multiprog__get_from_ifindex((int)ifindex);
	struct xdp_program *program = NULL;

	if (libxdp_get_error(mp) || xdp_multiprog__is_legacy(mp))
		return false;
	while ((program = xdp_multiprog__next_prog(program, mp)))
		if (xdp_program__id(program) == id)
			return true;
	return false;
}

static bool dispatcher_runs(unsigned int ifindex)
{
	_cleanup_(multiprog_closep) struct xdp_multiprog *mp =
		xdp_multiprog__get_from_ifindex((int)ifindex);

	return !libxdp_get_error(mp) && !xdp_multiprog__is_legacy(mp);
}

/* Attaches by libxdp, which falls back to attaching alone where it cannot have its dispatcher. */
static int shared_attach(struct xdp_program **out, unsigned int ifindex, enum xdp_attach_mode mode,
			 const struct attach_program *program)
{
	_cleanup_(object_closep) struct bpf_object *object = program->open_again(program->ctx);
	_cleanup_(program_closep) struct xdp_program *xp = NULL;
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
	if (!dispatcher_runs(ifindex)) {
		xdp_program__detach(xp, (int)ifindex, mode, 0);
		return -EOPNOTSUPP;
	}
	/* The attached program and its maps live on without the object. */
	*out = xdp_program__from_fd(xdp_program__fd(xp));
	return (int)libxdp_get_error(*out);
}

static int shared_add(const char *pin_dir, const char *ifname, unsigned int ifindex,
		      enum xdp_attach_mode mode, const struct attach_program *program)
{
	struct pin_path path = pin_path(pin_dir, SHARED_PIN, ifname);
	_cleanup_(program_closep) struct xdp_program *xp = NULL;
	int err = shared_attach(&xp, ifindex, mode, program);

	if (err)
		return err;
	unlink(path.text);
	err = xdp_program__pin(xp, path.text);
	if (err)
		xdp_program__detach(xp, (int)ifindex, mode, 0);
	return err;
}

/* The dispatcher calls both for a moment: the new one first or last, the maps are the same. */
static int shared_replace(const char *pin_dir, const char *ifname, unsigned int ifindex,
			  const struct attach_program *program)
{
	struct pin_path path = pin_path(pin_dir, SHARED_PIN, ifname);
	struct pin_path fresh = pin_path(pin_dir, FRESH_PIN, ifname);
	enum xdp_attach_mode mode =
		current_mode(ifindex) == MODEL_MODE_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE;
	_cleanup_(program_closep) struct xdp_program *old = xdp_program__from_pin(path.text);
	_cleanup_(program_closep) struct xdp_program *xp = NULL;
	int err = (int)libxdp_get_error(old);

	if (!err)
		err = shared_attach(&xp, ifindex, mode, program);
	if (err)
		return err;
	unlink(fresh.text);
	err = xdp_program__pin(xp, fresh.text);
	if (!err && rename(fresh.text, path.text) < 0)
		err = -errno;
	if (err) {
		xdp_program__detach(xp, (int)ifindex, mode, 0);
		return err;
	}
	return xdp_program__detach(old, (int)ifindex, mode, 0);
}

static int shared_remove(const char *path, const char *ifname)
{
	_cleanup_(program_closep) struct xdp_program *xp = xdp_program__from_pin(path);
	unsigned int ifindex = if_nametoindex(ifname);
	int err = (int)libxdp_get_error(xp);

	if (!err && ifindex && shared_is_on(ifindex, xdp_program__id(xp)))
		err = xdp_program__detach(xp, (int)ifindex,
					  current_mode(ifindex) == MODEL_MODE_GENERIC
						  ? XDP_MODE_SKB
						  : XDP_MODE_NATIVE,
					  0);
	if (unlink(path) < 0 && !err)
		err = -errno;
	return err;
}

/* ---------------------------------------------------------------------------------------- alone */

static int alone_add(const char *pin_dir, const char *ifname, unsigned int ifindex, __u32 flags,
		     int program_fd)
{
	struct pin_path path = pin_path(pin_dir, LINK_PIN, ifname);
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	_cleanup_(closep) int fd = bpf_link_create(program_fd, (int)ifindex, BPF_XDP, &opts);

	if (fd < 0)
		return -errno;
	unlink(path.text);
	return bpf_obj_pin(fd, path.text) ? -errno : 0;
}

static int alone_replace(const char *pin_dir, const char *ifname, int program_fd)
{
	struct pin_path path = pin_path(pin_dir, LINK_PIN, ifname);
	_cleanup_(closep) int fd = bpf_obj_get(path.text);

	if (fd < 0)
		return -errno;
	return bpf_link_update(fd, program_fd, NULL) ? -errno : 0;
}

/* ------------------------------------------------------------------------------------- together */

static bool alone_exists(const char *pin_dir, const char *ifname, unsigned int ifindex)
{
	struct pin_path path = pin_path(pin_dir, LINK_PIN, ifname);
	_cleanup_(closep) int fd = bpf_obj_get(path.text);

	return fd >= 0 && pinned_link_is_on(fd, ifindex);
}

static bool shared_exists(const char *pin_dir, const char *ifname, unsigned int ifindex)
{
	struct pin_path path = pin_path(pin_dir, SHARED_PIN, ifname);
	_cleanup_(closep) int fd = bpf_obj_get(path.text);

	return fd >= 0 && shared_is_on(ifindex, program_id(fd));
}

bool attach_exists(const char *pin_dir, const char *ifname, unsigned int ifindex)
{
	return alone_exists(pin_dir, ifname, ifindex) || shared_exists(pin_dir, ifname, ifindex);
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
	int err = shared_add(pin_dir, ifname, ifindex, generic ? XDP_MODE_SKB : XDP_MODE_NATIVE,
			     program);

	state->mode = generic ? MODEL_MODE_GENERIC : MODEL_MODE_NATIVE;
	state->dispatcher = !err;
	if (err)
		err = alone_add(pin_dir, ifname, ifindex,
				generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE, program->fd);
	return err;
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
	int err = shared ? shared_replace(pin_dir, ifname, ifindex, program)
			 : alone_replace(pin_dir, ifname, program->fd);

	if (err) {
		diag_add(diag, NULL, 0, "interface \"%s\": cannot replace the running program: %s",
			 ifname, strerror(-err));
		return err;
	}
	state->dispatcher = shared;
	state->mode = current_mode(ifindex);
	return 0;
}

int attach_remove(const char *pin_dir, const char *ifname)
{
	struct pin_path link = pin_path(pin_dir, LINK_PIN, ifname);
	struct pin_path shared = pin_path(pin_dir, SHARED_PIN, ifname);
	struct pin_path fresh = pin_path(pin_dir, FRESH_PIN, ifname);
	_cleanup_(closep) int fd = bpf_obj_get(link.text);

	if (fd >= 0) {
		/* Detached at once, whoever else holds the link. */
		bpf_link_detach(fd);
		if (unlink(link.text) < 0)
			return -errno;
	}
	if (access(fresh.text, F_OK) == 0)
		shared_remove(fresh.text, ifname);
	if (access(shared.text, F_OK) == 0)
		return shared_remove(shared.text, ifname);
	return 0;
}

int attach_each(const char *pin_dir, void (*fn)(void *ctx, const char *ifname), void *ctx)
{
	static const char *const prefixes[] = {LINK_PIN, SHARED_PIN, FRESH_PIN};
	DIR *dir = opendir(pin_dir);
	struct dirent *entry;
	char ifname[IFNAMSIZ];

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
			size_t n = strlen(prefixes[i]);

			if (strncmp(entry->d_name, prefixes[i], n) == 0)
				fn(ctx, translate(ifname, entry->d_name + n, ':', '.'));
		}
	}
	closedir(dir);
	return 0;
}
