/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the later stages know of a packet. Values only, no packet pointers: it stays true when the
 * packet's head moves.
 *
 * A stage takes the packet and returns STAGE_NEXT or an XDP action.
 */
#ifndef SLUICE_XDP_PACKET_H
#define SLUICE_XDP_PACKET_H

#include "xdp/abi.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Go on with the next stage. No XDP action is negative. */
#define STAGE_NEXT (-1)

struct packet {
	struct xdp_md *ctx;
	struct sluice_vip_key dst; /* address, port, protocol: what is looked up */
	struct sluice_addr src;
	__be16 sport;
	__u16 ip_len; /* the IP packet's length by its own header, host order */
	__u8 tos;
	__u8 own_mac[ETH_ALEN]; /* the frame's destination */
	__u32 vip_id;           /* 0 until a VIP is found */
	__u32 vip_flags;
	__u32 ring;
	__u32 ring_size;
	__u32 ring_inv;
	__u32 slot;       /* of the VIP's ring */
	__u32 backend_id; /* 0 until one is selected */
};

/* [start, end) of the frame as it is now; the verifier wants both read anew after a change. */
static __always_inline void *packet_data(const struct packet *pkt)
{
	return (void *)(long)pkt->ctx->data;
}

static __always_inline void *packet_end(const struct packet *pkt)
{
	return (void *)(long)pkt->ctx->data_end;
}

#endif
