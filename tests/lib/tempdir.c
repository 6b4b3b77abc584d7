/* SPDX-License-Identifier: MIT */
/*
 * The child holds the reading end of a pipe whose writing end is ours (and that of children of
 * ours, so they should not outlive us). When that end is closed, for whatever reason, it removes
 * the directory.
 */
#include "tests/lib/tempdir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void remove_when_closed(const char *path, int fd)
{
	char byte;

	/* What ends the test from the keyboard must not end us. */
	setsid();
	while (read(fd, &byte, 1) > 0)
		;
	execl("/bin/rm", "rm", "-rf", path, (char *)NULL);
	_exit(1);
}

int tempdir_init(struct tempdir *dir)
{
	int ends[2];

	strcpy(dir->path, "/tmp/sluice-test-XXXXXX");
	if (pipe2(ends, O_CLOEXEC))
		return -1;
	if (!mkdtemp(dir->path) || chmod(dir->path, 0755))
		return -1;
	dir->child = fork();
	if (!dir->child) {
		close(ends[1]);
		remove_when_closed(dir->path, ends[0]);
	}
	close(ends[0]);
	dir->alive_fd = ends[1];
	return dir->child < 0 ? -1 : 0;
}

void tempdir_fini(struct tempdir *dir)
{
	close(dir->alive_fd);
	waitpid(dir->child, NULL, 0);
}
