// SPDX-License-Identifier: GPL-2.0-only
/*
 * A generator without pktgen: the kernel runs `live_send` over frames of its own
 * (BPF_F_TEST_XDP_LIVE_FRAMES) and transmits them by the device that the program names.
 * `live_sink`, on that device, counts what comes back and ends it there.
 */
#include "bench/live.h"
#include "bench/flow.h"

const volatile struct driver_settings settings;
const volatile __u64 flows = 1;
const volatile __u32 ifindex;

struct live_cpu cpus[LIVE_CPUS_MAX];

static __always_inline struct live_cpu *this_cpu(void)
{
	return &cpus[bpf_get_smp_processor_id() & (LIVE_CPUS_MAX - 1)];
}

SEC("xdp")
int live_send(struct xdp_md *ctx)
{
	struct live_cpu *cpu = this_cpu();

	if (!flow_put(ctx, &settings, flow_random(&cpu->random, flows)))
		return XDP_ABORTED;
	cpu->sent++;
	return bpf_redirect(ifindex, 0);
}

SEC("xdp")
int live_sink(struct xdp_md *ctx)
{
	(void)ctx;
	this_cpu()->returned++;
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
