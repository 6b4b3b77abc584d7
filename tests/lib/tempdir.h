/* SPDX-License-Identifier: MIT */
/*
 * A directory for one test, which is removed with all that is in it, also when the test dies: a
 * child waits for that.
 */
#ifndef SLUICE_TESTS_LIB_TEMPDIR_H
#define SLUICE_TESTS_LIB_TEMPDIR_H

#include <sys/types.h>

struct tempdir {
	char path[40];
	int alive_fd; /* closed by the kernel when we die, which the child sees */
	pid_t child;
};

/* Makes the directory, mode 0755. 0, or -1 with errno set. */
int tempdir_init(struct tempdir *dir);

/* Removes the directory and waits until that is done. */
void tempdir_fini(struct tempdir *dir);

#endif
