// SPDX-License-Identifier: GPL-2.0-only
/*
 * What no balancer can beat: all packets go to one backend, which the verifier knows as a constant.
 */
#include "bench/baseline/packet.h"

const volatile struct baseline_settings settings;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct baseline_count);
} counts SEC(".maps");

SEC("xdp")
int baseline_floor(struct xdp_md *ctx)
{
	const struct baseline_backend to = settings.backend;
	struct packet pkt = {0};

	if (!parse(ctx, &pkt))
		return XDP_PASS;
	count(&counts, 0, pkt.ip_len);
	return encap(ctx, &pkt, &to);
}

char _license[] SEC("license") = "GPL";
