/* SPDX-License-Identifier: MIT */
/*
 * The file is in a directory of its own, for as long as libxdp may want it.
 */
#include "daemon/dispatcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <xdp/libxdp.h>

#include "config/cleanup.h"
#include "xdp/dispatcher.skel.h"

#define FILE_NAME "xdp-dispatcher.o"

struct file_path {
	char text[128];
};

static struct file_path file_path(const struct dispatcher *dispatcher)
{
	struct file_path path;

	snprintf(path.text, sizeof(path.text), "%s/" FILE_NAME, dispatcher->dir);
	return path;
}

static int write_file(const struct dispatcher *dispatcher)
{
	_cleanup_(closep) int fd =
		open(file_path(dispatcher).text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	size_t size;
	const void *elf = dispatcher_bpf__elf_bytes(&size);

	if (fd < 0)
		return -errno;
	return write(fd, elf, size) == (ssize_t)size ? 0 : -EIO;
}

int dispatcher_init(struct dispatcher *dispatcher)
{
	struct dispatcher new = {.dir = "/tmp/sluice-dispatcher-XXXXXX"};
	int err;

	if (getenv(XDP_OBJECT_ENVVAR))
		return -EEXIST;
	if (!mkdtemp(new.dir))
		return -errno;
	err = write_file(&new);
	if (!err && setenv(XDP_OBJECT_ENVVAR, new.dir, 1))
		err = -errno;
	if (err)
		dispatcher_fini(&new);
	else
		*dispatcher = new;
	return err;
}

void dispatcher_fini(struct dispatcher *dispatcher)
{
	if (!*dispatcher->dir)
		return;
	unsetenv(XDP_OBJECT_ENVVAR);
	unlink(file_path(dispatcher).text);
	rmdir(dispatcher->dir);
	*dispatcher = (struct dispatcher){0};
}
