/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flood of first packets, each from another source. The kernel runs `flood_send` over frames of its own
 * and transmits them by the device that the settings name. `flood_sink`, on that device, ends those that the
 * balancer forwarded, so that the flood is the balancer's alone, and passes all else on.
 */
#include "tests/lib/flood.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile struct flood_settings settings;
struct flood_counts counts;

/* Another one each time, until all have been. */
static __always_inline __u32 next_source(__u64 number)
{
	return 10u << 24 | ((__u32)number * 0x9e3779b1u & (FLOOD_SOURCES - 1));
}

/* The frame was sent before, perhaps: what the balancer wrote over is restored. */
SEC("xdp")
int flood_send(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	__u64 *head = data;
	struct iphdr *ip = data + ETH_HLEN;
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 source = next_source(counts.sent);

	if ((void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	head[0] = settings.head[0];
	head[1] = settings.head[1];
	ip->saddr = bpf_htonl(source);
	tcp->source = bpf_htons(1024 + (counts.sent & 0x7fff));
	counts.sent++;
	return bpf_redirect(settings.ifindex, 0);
}

SEC("xdp")
int flood_sink(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct ethhdr *eth = data;
	struct iphdr *outer = data + ETH_HLEN, *inner = outer + 1;

	if ((void *)(inner + 1) > (void *)(long)ctx->data_end ||
	    eth->h_proto != bpf_htons(ETH_P_IP) || outer->protocol != IPPROTO_IPIP ||
	    bpf_ntohl(inner->saddr) >> 24 != 10)
		return XDP_PASS;
	__sync_fetch_and_add(&counts.forwarded, 1);
	return XDP_DROP;
}

char _license[] SEC("license") = "GPL";
