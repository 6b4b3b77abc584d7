/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets of many flows, for programs that make them. A flow's addresses and ports are computed
 * from its number, so that choosing it touches no memory. The checksums do not follow: XDP programs
 * do not look at them.
 */
#ifndef SLUICE_BENCH_FLOW_H
#define SLUICE_BENCH_FLOW_H

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench/driver.h"

/* A flow below @flows; Knuth's MMIX generator, whose high bits are the good ones. */
static __always_inline __u64 flow_random(__u64 *state, __u64 flows)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (*state >> 32) * flows >> 32;
}

/* The client's host number: another one for each flow of 2^24. */
static __always_inline __u64 flow_client(__u64 flow)
{
	return flow * 0x9e3779b1u & 0xffffff;
}

/* The client's port, network order: beyond 2^24 flows a client comes back with another one. */
static __always_inline __u64 flow_port(__u64 flow)
{
	__u32 port = 1024 + (((flow * 0x85ebca6bu >> 9) + (flow >> 24)) & 0x7fff);

	return bpf_htons(port);
}

#define FLOW_PUT(data, i, value) (*(__u64 *)((data) + driver_offset[i]) = (value))

/* IPv4: source in word 3, destination and ports in word 4. */
static __always_inline int flow_put_v4(struct xdp_md *ctx, const volatile struct driver_settings *s,
				       __u64 flow)
{
	void *data = (void *)(long)ctx->data;

	if (data + driver_offset[4] + 8 > (void *)(long)ctx->data_end)
		return 0;
	FLOW_PUT(data, 0, s->word[0]);
	FLOW_PUT(data, 1, s->word[1]);
	FLOW_PUT(data, 2, s->word[2]);
	FLOW_PUT(data, 3, s->word[3] | flow_client(flow) << 40);
	FLOW_PUT(data, 4, s->word[4] | (flow & s->vips_mask) << 24 | flow_port(flow) << 32);
	return 1;
}

/* IPv6: source in words 3 and 4, destination in 5 and 6, ports in 7. */
static __always_inline int flow_put_v6(struct xdp_md *ctx, const volatile struct driver_settings *s,
				       __u64 flow)
{
	void *data = (void *)(long)ctx->data;

	if (data + driver_offset[7] + 8 > (void *)(long)ctx->data_end)
		return 0;
	FLOW_PUT(data, 0, s->word[0]);
	FLOW_PUT(data, 1, s->word[1]);
	FLOW_PUT(data, 2, s->word[2]);
	FLOW_PUT(data, 3, s->word[3]);
	FLOW_PUT(data, 4, s->word[4] | flow_client(flow) << 40);
	FLOW_PUT(data, 5, s->word[5]);
	FLOW_PUT(data, 6, s->word[6] | (flow & s->vips_mask) << 56);
	FLOW_PUT(data, 7, s->word[7] | flow_port(flow));
	return 1;
}

static __always_inline int flow_put_same(struct xdp_md *ctx,
					 const volatile struct driver_settings *s)
{
	void *data = (void *)(long)ctx->data;

	if (data + driver_offset[7] + 8 > (void *)(long)ctx->data_end)
		return 0;
	FLOW_PUT(data, 0, s->word[0]);
	FLOW_PUT(data, 1, s->word[1]);
	FLOW_PUT(data, 2, s->word[2]);
	FLOW_PUT(data, 3, s->word[3]);
	FLOW_PUT(data, 4, s->word[4]);
	FLOW_PUT(data, 5, s->word[5]);
	FLOW_PUT(data, 6, s->word[6]);
	FLOW_PUT(data, 7, s->word[7]);
	return 1;
}

/* Writes the headers of a flow's packet, up to its ports at least. 0: the frame is too short. */
static __always_inline int flow_put(struct xdp_md *ctx, const volatile struct driver_settings *s,
				    __u64 flow)
{
	if (!s->family)
		return flow_put_same(ctx, s);
	return s->family == 4 ? flow_put_v4(ctx, s, flow) : flow_put_v6(ctx, s, flow);
}

#endif
