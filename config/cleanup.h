/* SPDX-License-Identifier: MIT */
/*
 * Ownership that can be seen: a local that owns carries _cleanup_(), and TAKE() hands it over.
 */
#ifndef SLUICE_CONFIG_CLEANUP_H
#define SLUICE_CONFIG_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/* Calls @fn with the variable's address when the variable goes out of scope. */
#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* The pointer's value; the variable is NULL afterwards, so that its clean-up does nothing. */
#define TAKE(ptr) \
	__extension__({ \
		__auto_type taken_ = (ptr); \
		(ptr) = NULL; \
		taken_; \
	})

/* The descriptor's value; the variable is -1 afterwards. */
#define TAKE_FD(fd) \
	__extension__({ \
		int taken_ = (fd); \
		(fd) = -1; \
		taken_; \
	})

static inline void freep(void *ptr)
{
	free(*(void **)ptr);
}

/* Closes *@fd unless it is -1. */
static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
