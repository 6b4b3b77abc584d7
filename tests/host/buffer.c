/* SPDX-License-Identifier: MIT */
/*
 * The frame's end is the end of the pages that are there. A frame that grows at its tail therefore
 * moves towards lower addresses; the program has to read where it begins anew anyway.
 *
 * All around the frame are bytes of a pattern, so that what the program forgets to write shows.
 */
#include "tests/host/buffer.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <sanitizer/asan_interface.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/host/bpf/bpf_helpers.h"

#define ROOM 8192          /* for headroom and frame */
#define GUARD 65536        /* without memory, on both sides: offsets have 15 bits at most */
#define KERNEL_HEADROOM 40 /* struct xdp_frame */
#define PATTERN 0xa5
#define REST_MAX (1u << 17)

__u64 host_now_ns;

static unsigned char *room;
static unsigned char further[REST_MAX]; /* the frame's other buffers */

static void get_room(void)
{
	unsigned char *area;

	if (room)
		return;
	area = mmap(NULL, ROOM + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1,
		    0);
	if (area == MAP_FAILED || mprotect(area + GUARD, ROOM, PROT_READ | PROT_WRITE))
		abort();
	room = area + GUARD;
}

static unsigned char *data_of(const struct xdp_md *ctx)
{
	return (unsigned char *)(uintptr_t)ctx->data;
}

static size_t size_of(const struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

static struct host_buffer *buffer_of(struct xdp_md *ctx)
{
	return (struct host_buffer *)((char *)ctx - offsetof(struct host_buffer, ctx));
}

/* The frame is now @size bytes at @data: these may be used, the others not. */
static void set_frame(struct xdp_md *ctx, unsigned char *data, size_t size)
{
	ASAN_POISON_MEMORY_REGION(room, ROOM);
	ASAN_UNPOISON_MEMORY_REGION(data, size);
	ctx->data = ctx->data_meta = (__u32)(uintptr_t)data;
	ctx->data_end = ctx->data + (__u32)size;
}

void host_buffer_fill(struct host_buffer *buffer, const void *frame, size_t linear, size_t rest,
		      size_t headroom)
{
	unsigned char *data;

	get_room();
	if (linear > HOST_LINEAR || headroom > HOST_HEADROOM || rest > REST_MAX)
		abort();
	data = room + ROOM - linear;
	ASAN_UNPOISON_MEMORY_REGION(room, ROOM);
	memset(room, PATTERN, ROOM);
	memcpy(data, frame, linear);
	memcpy(further, (const unsigned char *)frame + linear, rest);
	buffer->rest = rest;
	buffer->headroom = headroom;
	set_frame(&buffer->ctx, data, linear);
}

size_t host_buffer_take(struct host_buffer *buffer, void *out, size_t room_out)
{
	size_t linear = size_of(&buffer->ctx);

	if (linear + buffer->rest > room_out)
		abort();
	memcpy(out, data_of(&buffer->ctx), linear);
	memcpy((unsigned char *)out + linear, further, buffer->rest);
	return linear + buffer->rest;
}

/* -------------------------------------------------------------------------- what the program calls */

static __u64 read_clock(clockid_t clock)
{
	struct timespec now;

	if (host_now_ns)
		return host_now_ns;
	clock_gettime(clock, &now);
	return (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
}

__u64 bpf_ktime_get_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

__u64 bpf_ktime_get_coarse_ns(void)
{
	return read_clock(CLOCK_MONOTONIC_COARSE);
}

__u64 bpf_xdp_get_buff_len(struct xdp_md *ctx)
{
	return size_of(ctx) + buffer_of(ctx)->rest;
}

long bpf_xdp_load_bytes(struct xdp_md *ctx, __u32 offset, void *to, __u32 size)
{
	size_t linear = size_of(ctx);

	if (!size)
		abort();
	if (offset + (__u64)size > bpf_xdp_get_buff_len(ctx))
		return -EINVAL;
	for (__u32 i = offset; i < offset + size; i++)
		((unsigned char *)to)[i - offset] =
			i < linear ? data_of(ctx)[i] : further[i - linear];
	return 0;
}

long bpf_xdp_adjust_head(struct xdp_md *ctx, int delta)
{
	struct host_buffer *buffer = buffer_of(ctx);
	long headroom = (long)buffer->headroom + delta;
	long size = (long)size_of(ctx) - delta;

	if (headroom < KERNEL_HEADROOM || size < ETH_HLEN)
		return -EINVAL;
	buffer->headroom = (size_t)headroom;
	set_frame(ctx, data_of(ctx) + delta, (size_t)size);
	return 0;
}

static long grow_tail(struct host_buffer *buffer, size_t more)
{
	size_t size = size_of(&buffer->ctx);
	unsigned char *data = data_of(&buffer->ctx);

	if (buffer->rest)
		return -EOPNOTSUPP;
	if (buffer->headroom + size + more > HOST_HEADROOM + HOST_LINEAR)
		return -EINVAL;
	ASAN_UNPOISON_MEMORY_REGION(room, ROOM);
	memmove(data - more, data, size);
	memset(data - more + size, 0, more);
	set_frame(&buffer->ctx, data - more, size + more);
	return 0;
}

long bpf_xdp_adjust_tail(struct xdp_md *ctx, int delta)
{
	struct host_buffer *buffer = buffer_of(ctx);
	size_t less = (size_t) - (long)delta, of_rest;

	if (delta >= 0)
		return grow_tail(buffer, (size_t)delta);
	if (less + ETH_HLEN > bpf_xdp_get_buff_len(ctx))
		return -EINVAL;
	of_rest = less < buffer->rest ? less : buffer->rest;
	buffer->rest -= of_rest;
	set_frame(ctx, data_of(ctx), size_of(ctx) - (less - of_rest));
	return 0;
}

long bpf_csum_diff(const __be32 *from, __u32 from_size, const __be32 *to, __u32 to_size, __u32 seed)
{
	__u64 sum = seed;

	if (from || from_size || to_size % 4 || to_size > 512)
		abort();
	for (__u32 i = 0; i < to_size / 4; i++) {
		__u32 word;

		memcpy(&word, (const char *)to + 4 * i, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (long)((sum & 0xffffffff) + (sum >> 32));
}
