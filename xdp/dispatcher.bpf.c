// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dispatcher for libxdp, by its protocol: prog0 to prog9 are places that programs are put in (by
 * freplace), and are called in turn as long as each one's action is among those to go on with.
 *
 * It does what libxdp's own does, and says one thing more: that its places may move the packet.
 * Kernels since 6.12 put no program that does so in a place that does not say so, and libxdp before
 * 1.5 does not.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <xdp/prog_dispatcher.h>

/* The only read-only data, since libxdp writes all of it. */
static volatile const struct xdp_dispatcher_config config = {};

/* An empty place: the packet stays where it is, and the next one is called. */
#define PLACE(name) \
	__noinline int name(struct xdp_md *ctx) \
	{ \
		volatile int action = XDP_DISPATCHER_RETVAL; \
\
		if (!ctx) \
			return XDP_ABORTED; \
		bpf_xdp_adjust_head(ctx, 0); \
		return action; \
	}

PLACE(prog0)
PLACE(prog1)
PLACE(prog2)
PLACE(prog3)
PLACE(prog4)
PLACE(prog5)
PLACE(prog6)
PLACE(prog7)
PLACE(prog8)
PLACE(prog9)
PLACE(compat_test) /* libxdp tries with it what the kernel can do */

/* Calls place @i; returns from the program if that is the end. */
#define CALL(ctx, i) \
	do { \
		int action; \
\
		if (config.num_progs_enabled <= (i)) \
			return XDP_PASS; \
		action = prog##i(ctx); \
		if (!(config.chain_call_actions[i] & 1u << action)) \
			return action; \
	} while (0)

SEC("xdp")
int xdp_dispatcher(struct xdp_md *ctx)
{
	CALL(ctx, 0);
	CALL(ctx, 1);
	CALL(ctx, 2);
	CALL(ctx, 3);
	CALL(ctx, 4);
	CALL(ctx, 5);
	CALL(ctx, 6);
	CALL(ctx, 7);
	CALL(ctx, 8);
	CALL(ctx, 9);
	/* Never called, but there to be put something in. */
	if (config.num_progs_enabled > MAX_DISPATCHER_ACTIONS)
		return compat_test(ctx);
	return XDP_PASS;
}

/* What libxdp puts in compat_test. */
SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

__uint(dispatcher_version, XDP_DISPATCHER_VERSION) SEC(XDP_METADATA_SECTION);

char _license[] SEC("license") = "GPL";
