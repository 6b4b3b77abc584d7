/* SPDX-License-Identifier: MIT */
/*
 * The one frame that the host build of the program works on, and what the program can do to it. It
 * lies below 4 GiB, as struct xdp_md wants it; whoever reads or writes behind its end meets memory
 * that is not there, and before its start or behind a shortened end, with ASan, poison.
 */
#ifndef SLUICE_TESTS_HOST_BUFFER_H
#define SLUICE_TESTS_HOST_BUFFER_H

#include <linux/bpf.h>
#include <stddef.h>

#define HOST_HEADROOM 256 /* as the kernel's test run gives */
#define HOST_LINEAR 3520 /* what fits its first buffer: a page less headroom and the end's record */

/* The first of a frame's buffers, with what else the program sees. */
struct host_buffer {
	struct xdp_md ctx;
	size_t rest; /* bytes of the frame in further buffers, which the program cannot reach */
	size_t headroom;
};

/*
 * Puts the frame's first @linear bytes into the buffer, with @headroom bytes before them (40 of
 * which are the kernel's own), the other @rest bytes aside. @linear is at most HOST_LINEAR.
 */
void host_buffer_fill(struct host_buffer *buffer, const void *frame, size_t linear, size_t rest,
		      size_t headroom);

/* Copies the frame as it is now to @out, which has room for @room bytes; returns its length. */
size_t host_buffer_take(struct host_buffer *buffer, void *out, size_t room);

/* The time that the program sees, in ns; 0: that of the monotonic clock. */
extern __u64 host_now_ns;

#endif
