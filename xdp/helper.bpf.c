// SPDX-License-Identifier: GPL-2.0-only
/*
 * On a backend: takes the balancer's outer header off, so that the kernel needs no tunnel device.
 * What is not a tunnelled packet passes untouched.
 */
#include "xdp/helper.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IP_FRAGMENT 0x3fff /* offset, or more fragments */

/* Outcome -> packets. Program adds, sluice-helper reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HELPER_OUT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} helper_counters SEC(".maps");

static __always_inline int helper_end(enum helper_outcome outcome)
{
	__u32 key = outcome;
	__u64 *count = bpf_map_lookup_elem(&helper_counters, &key);

	if (count)
		(*count)++;
	return XDP_PASS;
}

SEC("xdp")
int sluice_helper(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data, saved;
	struct iphdr *outer = (void *)(eth + 1), *inner;
	__u32 header;

	if ((void *)(outer + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    outer->protocol != IPPROTO_IPIP || outer->frag_off & bpf_htons(IP_FRAGMENT))
		return helper_end(HELPER_OUT_PASSED);
	header = outer->ihl * 4;
	inner = (void *)outer + header;
	if (outer->version != 4 || header < sizeof(*outer) || (void *)(inner + 1) > end ||
	    inner->version != 4)
		return helper_end(HELPER_OUT_MALFORMED);
	saved = *eth;
	if (bpf_xdp_adjust_head(ctx, header))
		return helper_end(HELPER_OUT_MALFORMED);
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return helper_end(HELPER_OUT_MALFORMED);
	*eth = saved;
	return helper_end(HELPER_OUT_DECAPSULATED);
}

char _license[] SEC("license") = "GPL";
