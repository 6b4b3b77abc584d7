/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the kernel programs and user space agree on: the records in the maps, their limits, and
 * the outcomes. This is the lowest layer: it includes nothing of sluice.
 *
 * Every record is padded by hand and the padding is zero, since hash keys compare every byte.
 * Change a record's meaning or layout: raise SLUICE_ABI.
 */
#ifndef SLUICE_XDP_ABI_H
#define SLUICE_XDP_ABI_H

#include <linux/types.h>

#define SLUICE_ABI 1

/* An address of either family, network byte order; IPv4 a.b.c.d is ::ffff:a.b.c.d (w[3] is a.b.c.d). */
struct sluice_addr {
	__be32 w[4];
};

/* ------------------------------------------------------------------------------ rings and slots */

#define SLUICE_RING_SLOTS 65537  /* Katran's, and the default */
#define SLUICE_LINE_SLOTS 16     /* a ring starts at a multiple of this: one 64-byte line */
#define SLUICE_BACKEND_IDS 32768 /* ids are 1 .. SLUICE_BACKEND_IDS - 1; 0 is "no backend" */

/*
 * A slot is one word, so that writing it is atomic: bits 0-14 `cur`, the backend that gets the
 * slot's packets; bit 15 `track`; bits 16-30 `other`, the slot's other possible owner.
 */
#define SLUICE_SLOT_TRACK 0x8000u
#define SLUICE_SLOT(cur, other, track) \
	((__u32)(cur) | ((track) ? SLUICE_SLOT_TRACK : 0) | (__u32)(other) << 16)
#define SLUICE_SLOT_CUR(slot) ((slot)&0x7fffu)
#define SLUICE_SLOT_OTHER(slot) ((slot) >> 16 & 0x7fffu)

/* Value of the map `rings`: the rings of all VIPs, one after the other, in lines. */
struct sluice_ring_line {
	__u32 slot[SLUICE_LINE_SLOTS];
};

/* ----------------------------------------------------------------------------------------- VIPs */

/* Key of the map `vips`. */
struct sluice_vip_key {
	struct sluice_addr addr;
	__be16 port;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 pad;
};

/* Value of the map `vips`. */
struct sluice_vip {
	__u32 id;        /* 1 .. limit: its index in `counters` */
	__u32 ring;      /* its first slot in `rings` */
	__u32 ring_size; /* slots of its ring, a prime */
	__u32 ring_inv;  /* 2^32 / ring_size, rounded down: stands for the division */
	__u32 flags;     /* SLUICE_VIP_* */
	__u32 pad;
};

/* -------------------------------------------------------------------------------------- backends */

enum sluice_encap {
	SLUICE_ENCAP_NONE = 0, /* the id is free */
	SLUICE_ENCAP_IPIP = 1, /* outer IPv4, the inner packet follows */
	SLUICE_ENCAP_IP6 = 2,  /* outer IPv6, the inner packet follows */
	SLUICE_ENCAP_MAX,
};

#define SLUICE_BACKEND_NEXTHOP 0x01 /* dmac is known */

/*
 * Value of the map `backends`, indexed by backend id; one cache line. The MAC addresses lie in
 * aligned words of eight bytes, each written at once.
 */
struct sluice_backend {
	struct sluice_addr addr;
	__u8 dmac[6]; /* next hop */
	__be16 pad0;
	__u8 smac[6]; /* of the device that it leaves by, when that is not the one it came in by */
	__be16 pad1;
	__u32 ifindex;    /* leave by this device; 0: by the one it came in by */
	__u16 mtu;        /* of that device, bytes of an IP packet; 0: not known */
	__u8 encap;       /* enum sluice_encap */
	__u8 flags;       /* SLUICE_BACKEND_* */
	__u32 generation; /* raised each time the id goes to another backend */
	__u32 pad2[5];
};

/*
 * Value of the map `names`, indexed by backend id. The kernel program never reads it: it tells
 * the next daemon, or a person with bpftool, whose id this is.
 */
#define SLUICE_NAME_MAX 64 /* with the final NUL */
struct sluice_name {
	char pool[SLUICE_NAME_MAX];
	char backend[SLUICE_NAME_MAX];
};

/* ------------------------------------------------------------------------------------- outcomes */

/* Why a packet left the program: X(NAME, name, one line for the manual). */
#define SLUICE_OUTCOMES(X) \
	X(FORWARDED, "forwarded", "sent to a backend through the tunnel") \
	X(NOT_IP, "not_ip", "neither IPv4 nor IPv6 (ARP, ...): left to the host") \
	X(MALFORMED, "malformed", "headers contradict the frame's length: left to the host") \
	X(NOT_L4, "not_l4", "neither TCP nor UDP: left to the host") \
	X(FRAGMENT, "fragment", "a fragment: left to the host") \
	X(NOT_VIP, "not_vip", "destination is not a VIP: left to the host") \
	X(NO_BACKEND, "no_backend", "the VIP has no backend for it: dropped") \
	X(NO_NEXTHOP, "no_nexthop", "the way to the backend is not resolved: dropped") \
	X(TOO_BIG, "too_big", "does not fit the tunnel: dropped") \
	X(NO_HEADROOM, "no_headroom", "the driver left no room for the outer header: dropped")

enum sluice_outcome {
#define SLUICE_OUTCOME_ENUM(NAME, name, text) SLUICE_OUT_##NAME,
	SLUICE_OUTCOMES(SLUICE_OUTCOME_ENUM)
#undef SLUICE_OUTCOME_ENUM
	SLUICE_OUT_MAX
};

/* Value of the per-CPU map `counters`: index 0 is "no VIP", then one for each VIP id. */
struct sluice_counters {
	__u64 bytes; /* of forwarded packets, as received, from the IP header on */
	__u64 outcome[SLUICE_OUT_MAX];
};

/* Value of the per-CPU map `backend_counters`, indexed by backend id. */
struct sluice_backend_counters {
	__u64 packets;
	__u64 bytes; /* as in struct sluice_counters */
};

/* ------------------------------------------------------------------------ settings, notes, sizes */

/* Read-only data of the program, set before it is loaded. */
struct sluice_settings {
	__u32 abi;        /* SLUICE_ABI */
	__u32 hash_seed;  /* S4 of the flow hash */
	__u32 hash_seed6; /* S6 */
	__u8 trace;       /* leave a struct sluice_trace for each packet (replay) */
	__u8 pad[3];
};

/* MAX_VIPS x RING and MAX_VIPS of a Katran with its default limits. */
#define SLUICE_HASH_SEED 0x02000200u
#define SLUICE_HASH_SEED6 512u

/* What the program last decided; written only with settings.trace. */
struct sluice_trace {
	__u32 outcome;
	__u32 vip;     /* id, or 0 */
	__u32 backend; /* id, or 0 */
	__u32 slot;    /* of the VIP's ring */
};

_Static_assert(sizeof(struct sluice_addr) == 16, "map layout");
_Static_assert(sizeof(struct sluice_ring_line) == 64, "map layout");
_Static_assert(sizeof(struct sluice_vip_key) == 20, "map layout");
_Static_assert(sizeof(struct sluice_vip) == 24, "map layout");
_Static_assert(sizeof(struct sluice_backend) == 64, "one cache line");
_Static_assert(sizeof(struct sluice_name) == 128, "map layout");

#endif
