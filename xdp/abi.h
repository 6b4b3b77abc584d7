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

#define SLUICE_ABI 3

/*
 * An address of either family, network byte order; IPv4 a.b.c.d is ::ffff:a.b.c.d (w[3] is
 * a.b.c.d).
 */
struct sluice_addr {
	__be32 w[4];
};

/* ------------------------------------------------------------------------------ rings and slots */

#define SLUICE_RING_SLOTS 65537  /* Katran's, and the default */
#define SLUICE_LINE_SLOTS 32     /* a ring starts at a multiple of this: one 64-byte line */
#define SLUICE_BACKEND_IDS 32768 /* ids are 1 .. SLUICE_BACKEND_IDS - 1; 0 is "no backend" */

/*
 * A slot: bits 0-14 `cur`, the backend that gets the slot's packets; bit 15 `track`; bits 16-30
 * `other`, the slot's other possible owner; bit 31 `keep`: flows that are not known are cur's, as
 * far as can be told here. The low half lies in the map `rings`, the high half at the same place of
 * `others`: a settled packet needs the low one alone, and twice as many of these fit the caches.
 * Each is written at once. Who writes both writes `other` first where `track` is set, else last.
 */
#define SLUICE_SLOT_TRACK 0x8000u
#define SLUICE_SLOT_KEEP 0x80000000u
#define SLUICE_SLOT(cur, other, track) \
	((__u32)(cur) | ((track) ? SLUICE_SLOT_TRACK : 0) | (__u32)(other) << 16)
#define SLUICE_SLOT_CUR(slot) ((slot)&0x7fffu)
#define SLUICE_SLOT_OTHER(slot) ((slot) >> 16 & 0x7fffu)

/* Value of the maps `rings` and `others`: the rings of all VIPs, one after the other, in lines. */
struct sluice_ring_line {
	__u16 slot[SLUICE_LINE_SLOTS];
};

/* Where a ring lies in `rings` and `others`. */
struct sluice_ring {
	__u32 base; /* first slot */
	__u32 size; /* slots, a prime */
	__u32 inv;  /* 2^32 / size, rounded down: stands for the division */
};

/* ----------------------------------------------------------------------------------------- VIPs */

/*
 * Key of the map `vips`; port 0 is any port. An entry with proto IPPROTO_ICMP (for either family)
 * and port 0 says that the address is a VIP's, for echo and fragments.
 */
struct sluice_vip_key {
	struct sluice_addr addr;
	__be16 port;
	__u8 proto; /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_ICMP */
	__u8 pad;
};

/* Key of the LPM map `prefixes`: VIPs that are whole prefixes. */
struct sluice_prefix_key {
	__u32 prefixlen; /* SLUICE_PREFIX_FIXED + bits of addr */
	__be16 port;
	__u8 proto;
	__u8 pad;
	struct sluice_addr addr;
};
#define SLUICE_PREFIX_FIXED 32 /* port, proto and pad always count */

#define SLUICE_VIP_NO_SOURCE_PORT 0x0001u /* hash without the source port */
#define SLUICE_VIP_DEST_PORT 0x0002u      /* hash the destination port only */
#define SLUICE_VIP_WITH_DEST_PORT 0x0004u /* hash the destination port though any port is served */
#define SLUICE_VIP_ANY_PORT 0x0008u       /* the VIP serves every port */
#define SLUICE_VIP_QUIC 0x0010u           /* route by Katran's connection ids */
#define SLUICE_VIP_QUIC_LB 0x0020u        /* route by QUIC-LB's connection ids */
#define SLUICE_VIP_TCP_ID 0x0040u         /* route by the server id in a TCP option */
#define SLUICE_VIP_UDP_ID 0x0080u         /* route by the server id before a UDP payload */
#define SLUICE_VIP_SOURCES 0x0100u        /* some clients have a target of their own */
#define SLUICE_VIP_ACCESS 0x0200u         /* some clients are allowed or denied */
#define SLUICE_VIP_DENY 0x0400u           /* clients that no prefix names are denied */
#define SLUICE_VIP_TRACK 0x0800u          /* remember every flow */
#define SLUICE_VIP_NO_TRACK 0x1000u       /* remember none, also where slots move */
#define SLUICE_VIP_HINT_ALWAYS 0x2000u    /* tell every slot's other owner */
#define SLUICE_VIP_NO_HINT 0x4000u        /* tell none */
#define SLUICE_VIP_OPTIONS 0x00ffffffu    /* all of these */
/*
 * The other bits of the flags: an epoch of the VIP's flows. What the flow table knows of them from
 * an earlier one is forgotten: which backend a flow was taken for is true only until the slots
 * settle.
 */
#define SLUICE_VIP_EPOCH_SHIFT 24

/* Value of the maps `vips` and `prefixes`. */
struct sluice_vip {
	__u32 id; /* 1 .. limit: its index in `counters` */
	struct sluice_ring ring;
	__u32 flags;       /* SLUICE_VIP_* */
	__u8 addr_bits;    /* bits of its prefix; 128: one address */
	__u8 server_bytes; /* QUIC-LB: length of the server id, 1 .. 4 */
	__u16 pad;
};

/*
 * Value of the map `vip_lines`: a direct-mapped copy of `vips`, one cache line each, so that a
 * packet finds its VIP, or that there is none, with one look. A key that shares its line with
 * another is found in `vips` alone.
 */
struct sluice_vip_line {
	struct sluice_vip_key key;
	__u32 state; /* SLUICE_LINE_* */
	struct sluice_vip vip;
	__u32 pad[4];
};
#define SLUICE_LINE_HOLDS 1u  /* key and vip are valid */
#define SLUICE_LINE_SHARED 2u /* other keys belong here: look into `vips` */

/* The line of a key, of 2^bits of them. */
static inline __u32 sluice_vip_place(const struct sluice_vip_key *key, __u32 bits)
{
	__u64 low = (__u64)key->addr.w[3] << 32 | (__u32)key->proto << 16 | key->port;
	__u64 high = (__u64)key->addr.w[0] << 32 | key->addr.w[1];

	low ^= (high + key->addr.w[2]) * 0xc4ceb9fe1a85ec53ull;
	return (__u32)(low * 0x9e3779b97f4a7c15ull >> 32 >> (32 - bits));
}

/* -------------------------------------------------------------- clients with a way of their own */

/* Key of the LPM maps `sources` and `access`. */
struct sluice_source_key {
	__u32 prefixlen; /* SLUICE_SOURCE_FIXED + bits of addr */
	__u32 vip;       /* id */
	struct sluice_addr addr;
};
#define SLUICE_SOURCE_FIXED 32

/* Values of `access`. */
#define SLUICE_ACCESS_ALLOW 1u
#define SLUICE_ACCESS_DENY 2u

#define SLUICE_NAME_MAX 64 /* with the final NUL */

/*
 * Value of the map `targets`, whose index is the value of `sources`: a backend, or the ring of a
 * pool. The names tell the next daemon whose target this is; the program does not read them.
 */
struct sluice_target {
	struct sluice_ring ring; /* size 0: see backend */
	__u32 backend;           /* id */
	__u32 vip;               /* id; 0: the target is free */
	char pool[SLUICE_NAME_MAX];
	char name[SLUICE_NAME_MAX]; /* of the backend; empty: the whole pool */
	__u32 pad;
};

/* ------------------------------------------------------------------------------------- backends */

enum sluice_encap {
	SLUICE_ENCAP_NONE = 0, /* the id is free */
	SLUICE_ENCAP_IP4,      /* outer IPv4, the inner packet follows */
	SLUICE_ENCAP_IP6,      /* outer IPv6, the inner packet follows */
	SLUICE_ENCAP_GUE4,     /* outer IPv4, UDP, the inner packet follows */
	SLUICE_ENCAP_GUE6,     /* outer IPv6, UDP, the inner packet follows */
	SLUICE_ENCAP_LOCAL,    /* the backend is this host: no tunnel */
	SLUICE_ENCAP_MAX,
};

#define SLUICE_BACKEND_NEXTHOP 0x01  /* dmac is known */
#define SLUICE_BACKEND_S_VLAN_Q 0x04 /* s_vlan is an 802.1Q tag, not an 802.1ad one */
#define SLUICE_BACKEND_SERVING 0x02  /* flows that name it (by an id, by the flow table) go to it */

/*
 * Value of the map `backends`, indexed by backend id; one cache line. The MAC addresses lie in
 * aligned words of eight bytes, each written at once.
 */
struct sluice_backend {
	struct sluice_addr addr;
	__u8 dmac[6];  /* next hop */
	__be16 vlan;   /* VLAN id of the frame, the inner one of two; 0: none */
	__u8 smac[6];  /* of the device that it leaves by, when that is not the one it came in by */
	__be16 s_vlan; /* outer VLAN id of two (802.1ad); 0: none */
	__u32 ifindex; /* leave by this device; 0: by the one it came in by, with the tags it had */
	__u16 mtu;     /* of that device, bytes of an IP packet; 0: not known */
	__u8 encap;    /* enum sluice_encap */
	__u8 flags;    /* SLUICE_BACKEND_* */
	__u32 generation;          /* raised each time the id goes to another backend */
	__be16 port;               /* GUE: UDP destination port */
	__be16 hint;               /* its number in hints; 0: none */
	struct sluice_addr source; /* GUE: outer source */
};

/*
 * Value of the map `names`, indexed by backend id. The kernel program never reads it: it tells
 * the next daemon, or a person with bpftool, whose id this is.
 */
struct sluice_name {
	char pool[SLUICE_NAME_MAX];
	char backend[SLUICE_NAME_MAX];
};

/* ---------------------------------------------------------------------------------------- flows */

/*
 * The flow table: lines of eight entries of one word each, so that reading and writing an entry is
 * atomic. The first six ways of a line are for established flows, the last two for handshakes: a
 * flood of first packets never pushes out an established flow.
 *
 * An entry: bits 0-15 when it was last used, in ticks, wrapping; bits 16-30 backend id, 0: free;
 * bit 31 the client has closed; bits 32-47 the low bits of the flow's slot in its ring; bits 48-62
 * more of the flow's hash; bit 63 the flow is TCP. A tick is 2^30 ns of the monotonic clock.
 */
#define SLUICE_FLOW_WAYS 8
#define SLUICE_FLOW_ESTABLISHED 6 /* ways */
#define SLUICE_TICK_SHIFT 30
struct sluice_flow_line {
	__u64 entry[SLUICE_FLOW_WAYS];
};
#define SLUICE_FLOW_BACKEND(entry) ((__u32)((entry) >> 16) & 0x7fffu)
#define SLUICE_FLOW_CLOSED 0x80000000u
#define SLUICE_FLOW_TIME(entry) ((__u16)(entry))
#define SLUICE_FLOW_TAG(entry) ((__u32)((entry) >> 32))
#define SLUICE_FLOW_SLOT(entry) ((__u16)((entry) >> 32))
#define SLUICE_FLOW_TCP 0x8000000000000000ull

/*
 * Value of the map `decap`: what becomes of a packet that is not for a VIP once its tunnel ended.
 */
#define SLUICE_DECAP_PASS 0u   /* the host gets it */
#define SLUICE_DECAP_EGRESS 1u /* back to the router that it came from */

/* Key of the map `fragments`: one datagram in pieces. */
struct sluice_fragment_key {
	struct sluice_addr src;
	struct sluice_addr dst;
	__be32 id;
	__u8 proto; /* of the first fragment's payload for IPv4; 0 for IPv6 */
	__u8 pad[3];
};

/* Its value: where the first fragment went. */
struct sluice_fragment {
	__u32 backend;    /* id; 0: the first piece was dropped, or is not for a VIP */
	__u32 vip;        /* id; 0: the datagram is not for a VIP */
	__u32 generation; /* the backend's */
	__be32 client;    /* last word of the address that the outer header shows */
	__be16 sport;
	__u16 time; /* in ticks, wrapping */
};
/* As backend: the first piece was an echo request, answered. */
#define SLUICE_FRAGMENT_ECHO 0xffffffffu

/* ------------------------------------------------------------------------------------- outcomes */

/* Why a packet left the program: X(NAME, name, one line for the manual). */
#define SLUICE_OUTCOMES(X) \
	X(FORWARDED, "forwarded", "sent to a backend through the tunnel") \
	X(LOCAL, "local", "the backend is this host: left to it, no tunnel") \
	X(ECHO, "echo", "echo request to a VIP: answered") \
	X(EGRESS, "egress", "tunnelled to us for elsewhere: sent on, no tunnel") \
	X(TOO_BIG, "too_big", "does not fit the tunnel: the sender was told the MTU") \
	X(NOT_IP, "not_ip", "neither IPv4 nor IPv6 (ARP, ...): left to the host") \
	X(MALFORMED, "malformed", "headers contradict the frame: left to the host") \
	X(NOT_L4, "not_l4", "not TCP, UDP or ICMP for a VIP: left to the host") \
	X(NOT_VIP, "not_vip", "destination is not a VIP: left to the host") \
	X(ECHO_LIMITED, "echo_limited", "echo request to a VIP above the rate limit: dropped") \
	X(TOO_BIG_LIMITED, "too_big_limited", "does not fit the tunnel, rate limit: dropped") \
	X(TOO_BIG_NO_DF, "too_big_no_df", "does not fit the tunnel, no DF: dropped") \
	X(TOO_NARROW, "too_narrow", "IPv6's 1280 bytes do not fit the tunnel: dropped") \
	X(FRAGMENT_LOST, "fragment_lost", "a fragment for a VIP without its first one: dropped") \
	X(DENIED, "denied", "client is denied by the VIP's prefixes: dropped") \
	X(NO_BACKEND, "no_backend", "the VIP has no backend for it: dropped") \
	X(NO_NEXTHOP, "no_nexthop", "the way to the backend is not resolved: dropped") \
	X(NO_HEADROOM, "no_headroom", "no room for the outer header: dropped") \
	X(TTL, "ttl", "tunnelled to us with its last hop used up: dropped")

enum sluice_outcome {
#define SLUICE_OUTCOME_ENUM(NAME, name, text) SLUICE_OUT_##NAME,
	SLUICE_OUTCOMES(SLUICE_OUTCOME_ENUM)
#undef SLUICE_OUTCOME_ENUM
	SLUICE_OUT_MAX
};

/* What happened to a packet on its way, beside its outcome. */
#define SLUICE_EVENTS(X) \
	X(ID_USED, "id_used", "went to the backend that its id names") \
	X(ID_UNKNOWN, "id_unknown", "its id names no backend that serves: hashed") \
	X(FLOW_HIT, "flow_hit", "went where the flow table says") \
	X(FLOW_OLD, "flow_old", "not known, its slot moves: went to the old owner") \
	X(HINTED, "hinted", "the outer header names the slot's other owner") \
	X(SOURCE_USED, "source_used", "went to the target of its client's prefix") \
	X(ICMP_ERROR, "icmp_error", "ICMP error, followed the flow it quotes") \
	X(FRAGMENT, "fragment", "a fragment, followed its first one") \
	X(DECAPSULATED, "decapsulated", "came in a tunnel to a decap address")

enum sluice_event {
#define SLUICE_EVENT_ENUM(NAME, name, text) SLUICE_EVENT_##NAME,
	SLUICE_EVENTS(SLUICE_EVENT_ENUM)
#undef SLUICE_EVENT_ENUM
	SLUICE_EVENT_MAX
};

/* Value of the per-CPU map `counters`: index 0 is "no VIP", then one for each VIP id. */
struct sluice_counters {
	__u64 bytes; /* of forwarded packets, as received, from the IP header on */
	__u64 outcome[SLUICE_OUT_MAX];
	__u64 event[SLUICE_EVENT_MAX];
};

/* Value of the per-CPU map `backend_counters`, indexed by backend id. */
struct sluice_backend_counters {
	__u64 packets;
	__u64 bytes; /* as in struct sluice_counters */
};

/* Value of the per-CPU map `limiters`, indexed by enum sluice_limiter: a token bucket. */
struct sluice_bucket {
	__u64 time_ns;   /* when tokens were last added */
	__u64 tokens_ns; /* a token is 1 s / rate */
};

/* Value of the per-CPU map `scratch`, one entry: bytes of a packet that lies in several buffers. */
struct sluice_scratch {
	__be32 w[128];
};

enum sluice_limiter {
	SLUICE_LIMIT_ECHO,
	SLUICE_LIMIT_TOO_BIG,
	SLUICE_LIMIT_MAX,
};

/* ----------------------------------------------------------------------- settings, notes, sizes */

/* What the config uses; code for the rest is cut out when the program is loaded. */
#define SLUICE_FEATURE_IPV6 0x0001u     /* IPv6 VIPs */
#define SLUICE_FEATURE_PREFIXES 0x0002u /* VIPs that are prefixes */
#define SLUICE_FEATURE_ANY_PORT 0x0004u /* VIPs that serve any port */
#define SLUICE_FEATURE_IDS 0x0008u      /* ids in packets: QUIC, TCP option, UDP header */
#define SLUICE_FEATURE_SOURCES 0x0010u  /* targets by client */
#define SLUICE_FEATURE_ACCESS 0x0020u   /* allow and deny */
#define SLUICE_FEATURE_GUE 0x0040u
#define SLUICE_FEATURE_DECAP 0x0080u
#define SLUICE_FEATURE_FLOWS 0x0100u /* some VIP remembers flows */
#define SLUICE_FEATURE_FRAGS 0x0200u /* loaded for frames of several buffers (kernel 5.18) */
#define SLUICE_FEATURE_HINTS 0x0400u /* some VIP tells a slot's other owner */
#define SLUICE_FEATURE_TRACE 0x8000u /* leave a struct sluice_trace for each packet (replay) */

/* Read-only data of the program, set before it is loaded. */
struct sluice_settings {
	__u32 abi;        /* SLUICE_ABI */
	__u32 features;   /* SLUICE_FEATURE_* */
	__u32 hash_seed;  /* S4 of the flow hash */
	__u32 hash_seed6; /* S6 */
	__u32 echo_rate;  /* echo replies a second and CPU */
	__u32 error_rate; /* "too big" messages a second and CPU */
	__u32 flow_lines; /* lines of the flow table, a power of two */
	__u32 flow_age;   /* how long a silent flow is known, in ticks */
	__u32 tcp_age;    /* ... an established TCP connection */
	__u32 vip_bits;   /* lines of `vip_lines`: 2^vip_bits */
	__u64 secret[2];  /* key of the flow table's tags */
};

/*
 * Value of the one entry of the map `state`: what the daemon must know of the other maps when it
 * comes back. The program never reads it.
 */
struct sluice_state {
	__u32 abi; /* SLUICE_ABI of who wrote the maps */
	__u32 pad;
	__u64 secret[2]; /* that the flow table was filled with */
	__u64 digest[2]; /* of the contents of `sources` and `access`; 0: being written */
};

/* MAX_VIPS x RING and MAX_VIPS of a Katran with its default limits. */
#define SLUICE_HASH_SEED 0x02000200u
#define SLUICE_HASH_SEED6 512u

/* What the program last decided; written only with SLUICE_FEATURE_TRACE. */
struct sluice_trace {
	__u32 outcome;
	__u32 vip;     /* id, or 0 */
	__u32 backend; /* id, or 0 */
	__u32 slot;    /* of the VIP's ring */
};

_Static_assert(sizeof(struct sluice_addr) == 16, "map layout");
_Static_assert(sizeof(struct sluice_ring_line) == 64, "one cache line");
_Static_assert(sizeof(struct sluice_vip_key) == 20, "map layout");
_Static_assert(sizeof(struct sluice_prefix_key) == 24, "map layout");
_Static_assert(sizeof(struct sluice_vip) == 24, "map layout");
_Static_assert(sizeof(struct sluice_vip_line) == 64, "one cache line");
_Static_assert(sizeof(struct sluice_source_key) == 24, "map layout");
_Static_assert(sizeof(struct sluice_target) == 152, "map layout");
_Static_assert(sizeof(struct sluice_backend) == 64, "one cache line");
_Static_assert(sizeof(struct sluice_name) == 128, "map layout");
_Static_assert(sizeof(struct sluice_flow_line) == 64, "one cache line");
_Static_assert(sizeof(struct sluice_fragment_key) == 40, "map layout");
_Static_assert(sizeof(struct sluice_fragment) == 20, "map layout");

#endif
