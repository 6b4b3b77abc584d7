/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program of somebody else: counts packets, and passes them on.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

/* Its one entry: packets so far. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} passed SEC(".maps");

static __always_inline int count_and_pass(void)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&passed, &key);

	if (count)
		__sync_fetch_and_add(count, 1);
	return XDP_PASS;
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return count_and_pass();
}

/* The same for frames of several buffers. */
SEC("xdp.frags")
int pass_frags(struct xdp_md *ctx)
{
	(void)ctx;
	return count_and_pass();
}

char _license[] SEC("license") = "GPL";
