// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drives another XDP program, packet after packet, inside one BPF_PROG_TEST_RUN: it undoes what the
 * program did to the packet before, writes the headers of the next flow, and calls the program
 * under test, or, block by block in turn, one that does nothing. The difference is what the program
 * costs.
 */
#include "bench/flow.h"

const volatile struct driver_settings settings;

struct driver_state state;
__u32 block_ns[DRIVER_BLOCKS_MAX];

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} targets SEC(".maps");

/* The end of one block is the beginning of the next. */
static __always_inline void next_block(void)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 done = state.block - 1;

	if (done < DRIVER_BLOCKS_MAX)
		block_ns[done] = now - state.begun;
	state.begun = now;
	state.block++;
	state.trivial = !(state.block & 1);
}

static __always_inline __u64 next_flow(void)
{
	__u64 flow;

	if (state.order == DRIVER_RANDOM)
		return flow_random(&state.random, state.flows);
	if (state.order == DRIVER_FRESH)
		return state.fresh++;
	flow = state.next++;
	if (state.next >= state.flows)
		state.next = 0;
	return flow;
}

SEC("xdp")
int driver(struct xdp_md *ctx)
{
	long size = (void *)(long)ctx->data_end - (void *)(long)ctx->data;
	__u64 flow;

	/* In 64 bits: the verifier allows no shorter arithmetic on pointers. */
	asm volatile("" : "+r"(size));
	if (state.timed && !(state.packet++ & (DRIVER_BLOCK - 1)))
		next_block();
	/* Also where nothing is to be moved, so that this costs the same behind each target. */
	if (bpf_xdp_adjust_head(ctx, (int)size - (int)settings.size))
		return XDP_ABORTED;
	flow = next_flow();
	if (!flow_put(ctx, &settings, flow))
		return XDP_ABORTED;
	/* Two calls with constant indexes: the kernel makes a direct jump of each. */
	if (state.trivial)
		bpf_tail_call(ctx, &targets, DRIVER_TRIVIAL);
	else
		bpf_tail_call(ctx, &targets, DRIVER_TARGET);
	return XDP_ABORTED;
}

SEC("xdp")
int trivial(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
