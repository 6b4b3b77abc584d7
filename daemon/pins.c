/* SPDX-License-Identifier: MIT */
/*
 * A BPF file system takes no dot in a name, and renames over what is there.
 */
#include "daemon/pins.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "config/cleanup.h"

#define PROGRAM_PIN "program"
#define FRESH "-new"

struct path {
	char text[PATH_MAX];
};

static struct path pin_path(const char *pin_dir, const char *name, const char *suffix)
{
	struct path path;

	snprintf(path.text, sizeof(path.text), "%s/%s%s", pin_dir, name, suffix);
	return path;
}

/* Pins @fd under its temporary name. */
static int pin_fresh(const char *pin_dir, const char *name, int fd)
{
	struct path fresh = pin_path(pin_dir, name, FRESH);

	unlink(fresh.text);
	return bpf_obj_pin(fd, fresh.text) ? -errno : 0;
}

int pins_prepare(const char *pin_dir, const struct program *program)
{
	int err = 0;

	for (int i = 0; i < MAP_MAX && !err; i++)
		err = pin_fresh(pin_dir, map_descriptions[i].name, program_map_fd(program, i));
	return err ? err : pin_fresh(pin_dir, PROGRAM_PIN, program_fd(program));
}

/* Moves the pin to its place, so that there is always a pin. */
static int pin_move(const char *pin_dir, const char *name)
{
	return rename(pin_path(pin_dir, name, FRESH).text, pin_path(pin_dir, name, "").text)
		       ? -errno
		       : 0;
}

int pins_commit(const char *pin_dir)
{
	int err = 0;

	for (int i = 0; i < MAP_MAX && !err; i++)
		err = pin_move(pin_dir, map_descriptions[i].name);
	return err ? err : pin_move(pin_dir, PROGRAM_PIN);
}

static void unpin(const char *pin_dir, const char *suffix)
{
	for (int i = 0; i < MAP_MAX; i++)
		unlink(pin_path(pin_dir, map_descriptions[i].name, suffix).text);
	unlink(pin_path(pin_dir, PROGRAM_PIN, suffix).text);
}

void pins_abandon(const char *pin_dir)
{
	unpin(pin_dir, FRESH);
}

int pins_remove(const char *pin_dir)
{
	unpin(pin_dir, "");
	unpin(pin_dir, FRESH);
	return rmdir(pin_dir) ? -errno : 0;
}

void pins_open(const char *pin_dir, int fds[MAP_MAX])
{
	for (int i = 0; i < MAP_MAX; i++)
		fds[i] = bpf_obj_get(pin_path(pin_dir, map_descriptions[i].name, "").text);
}

int pins_open_program(const char *pin_dir)
{
	return bpf_obj_get(pin_path(pin_dir, PROGRAM_PIN, "").text);
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
					 ? "; it takes root, and a BPF file system takes no "
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
			 "pin_dir \"%s\" is in use by another daemon; an instance of its own "
			 "needs a pin_dir of its own",
			 pin_dir);
		return -EBUSY;
	}
	diag_add(diag, NULL, 0, "pin_dir \"%s\": %s", pin_dir, strerror(-err));
	return err;
}

int pins_enter(const char *pin_dir, int *lock_fd, struct diag *diag)
{
	int err = make_pin_dir(pin_dir, diag);

	return err ? err : lock_pin_dir(lock_fd, pin_dir, diag);
}

int pins_enter_existing(const char *pin_dir, int *lock_fd, struct diag *diag)
{
	if (access(pin_dir, F_OK) < 0 && errno == ENOENT)
		return -ENOENT;
	if (!is_bpffs(pin_dir)) {
		diag_add(diag, NULL, 0, "pin_dir \"%s\" is not on a BPF file system", pin_dir);
		return -EINVAL;
	}
	return lock_pin_dir(lock_fd, pin_dir, diag);
}
