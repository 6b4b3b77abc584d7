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
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* The frame's context; a program at another hook says its own before it includes this. */
#ifndef PACKET_CTX
#define PACKET_CTX struct xdp_md
#endif

/* Go on with the next stage. No XDP action is negative. */
#define STAGE_NEXT (-1)

#define TCP_SYN_FLAG 0x02
#define TCP_RST_FLAG 0x04
#define TCP_END_FLAGS 0x05 /* FIN, RST */

#define IP_DF 0x4000
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

/* No header lies further behind the frame's start; lets the verifier bound offsets. */
#define PACKET_OFFSET_MAX 0x3ff

/*
 * An Ethernet header in words. <linux/if_ether.h> has it packed, which makes the compiler load and
 * store it byte by byte.
 */
struct packet_ethernet {
	__u16 dst[3];
	__u16 src[3];
	__be16 type;
};

/* Copies a MAC address that lies at even offsets. */
static __always_inline void packet_copy_mac(__u16 to[3], const void *from)
{
	const __u16 *word = from;

	to[0] = word[0];
	to[1] = word[1];
	to[2] = word[2];
}

enum packet_kind {
	PACKET_FLOW,  /* dst, src, sport are of this packet */
	PACKET_ERROR, /* an ICMP error: they are of the flow that it quotes, seen from the client */
	PACKET_ECHO,  /* an ICMP echo request */
	PACKET_FRAGMENT,  /* not the first one: no ports */
	PACKET_ECHO_REST, /* a later fragment of an echo request */
};

struct packet {
	PACKET_CTX *ctx;
	struct sluice_vip_key dst; /* address, port, protocol: what is looked up */
	struct sluice_addr src;
	__be16 sport;
	__be16 vlan[2];      /* tags of the frame, outer first: id and priority */
	__be16 vlan_type[2]; /* their Ethernet types */
	__u8 n_vlan;
	__u8 family; /* 4 or 6 */
	__u8 kind;   /* enum packet_kind */
	__u8 tos;
	__u8 proto;          /* of the packet's own L4 */
	__u8 tcp_flags;      /* byte 13 of the TCP header; 0 for others */
	__u8 dont_fragment;  /* IPv4 with DF, or IPv6 */
	__u8 first_fragment; /* the first of several */
	__u16 own_mac[3];    /* the frame's destination */
	__u16 l3;            /* offset of the IP header */
	__u16 l4;            /* offset behind the IP header and its extensions */
	__u32 ip_len;        /* the IP packet's length by its own header */
	__be32 fragment_id;
	__u32 vip_id; /* 0 until a VIP is found */
	__u32 vip_flags;
	struct sluice_ring ring;
	__u32 slot;       /* of the ring */
	__u32 backend_id; /* 0 until one is selected */
	__be16 hint;      /* number of the slot's other owner; 0: none is told */
	__u8 server_bytes;
	__u8 extensions; /* IPv6 extension headers are there */
	__u8 egress;     /* came in a tunnel whose packets for elsewhere are sent on */
	__u8 turn_back;  /* it is one of them */
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

/* @size bytes at @offset of the frame, or NULL. */
static __always_inline void *packet_at(const struct packet *pkt, __u32 offset, __u32 size)
{
	void *at = packet_data(pkt) + (offset & PACKET_OFFSET_MAX);

	/* One pointer, checked and used: the compiler must not compute it a second time. */
	asm volatile("" : "+r"(at));
	return at + size <= packet_end(pkt) ? at : NULL;
}

/* The same, of the IP packet: what lies behind its own length is padding. */
static __always_inline void *packet_inside(const struct packet *pkt, __u32 offset, __u32 size)
{
	return offset + size <= pkt->l3 + pkt->ip_len ? packet_at(pkt, offset, size) : NULL;
}

#endif
