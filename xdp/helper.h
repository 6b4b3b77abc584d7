/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the helper on a backend and its user-space side agree on: settings, records in maps, and
 * what is counted. Padding is zero, since hash keys compare every byte.
 */
#ifndef SLUICE_XDP_HELPER_H
#define SLUICE_XDP_HELPER_H

#include "xdp/abi.h"

/*
 * Why a packet left the program: X(NAME, name, one line for the manual). New ones are added at the
 * end, here and below, as counters live on when the helper is upgraded.
 */
#define HELPER_OUTCOMES(X) \
	X(PASSED, "passed", "not a tunnelled packet: left to the host") \
	X(DECAPSULATED, "decapsulated", "outer header taken off") \
	X(MALFORMED, "malformed", "headers contradict the frame's length: left to the host") \
	X(TUNNELLED, "tunnelled", "left in its tunnel to the host (--no-decap)") \
	X(SENT_ON, "sent_on", "of a flow of the hinted backend: sent on to it") \
	X(NOT_SELF, "not_self", \
	  "tunnelled to an address that is not the host's: left to the host") \
	X(FRAGMENT, "fragment", "a fragment of a tunnelled packet: left to the host") \
	X(DENIED, "denied", "tunnelled by none of the balancers (--from): dropped")

enum helper_outcome {
#define HELPER_OUTCOME_ENUM(NAME, name, text) HELPER_OUT_##NAME,
	HELPER_OUTCOMES(HELPER_OUTCOME_ENUM)
#undef HELPER_OUTCOME_ENUM
	HELPER_OUT_MAX
};

/* Why a packet with a hint was kept all the same. */
#define HELPER_REASONS(X) \
	X(NEW_FLOW, "new_flow", "begins a flow (SYN)") \
	X(NOT_TCP, "not_tcp", "neither TCP nor an ICMP error about it, or a fragment") \
	X(SOCKET, "socket", "its socket is here") \
	X(COOKIE, "cookie", "answers a SYN cookie from here") \
	X(UNKNOWN, "unknown", "no known backend has the hint's number") \
	X(SELF, "self", "the hint names this host") \
	X(OTHER_FAMILY, "other_family", \
	  "the hinted backend's address is of another family than the tunnel's") \
	X(LIMITED, "limited", "more than the rate limit lets through (--rate)")

enum helper_reason {
#define HELPER_REASON_ENUM(NAME, name, text) HELPER_KEPT_##NAME,
	HELPER_REASONS(HELPER_REASON_ENUM)
#undef HELPER_REASON_ENUM
	HELPER_KEPT_MAX
};

/* The one value of the per-CPU map `helper_counters`. */
struct helper_counters {
	__u64 outcome[HELPER_OUT_MAX];
	__u64 kept[HELPER_KEPT_MAX];
};

#define HELPER_FEATURE_DECAP 0x01u   /* take the outer header off */
#define HELPER_FEATURE_FROM 0x02u    /* only tunnels from prefixes in `helper_from` */
#define HELPER_FEATURE_SOCKETS 0x04u /* second chance: the kernel lets us look sockets up */
#define HELPER_FEATURE_COOKIES 0x08u /* it checks SYN cookies for us, too */

#define HELPER_GUE_PORTS 4

/* Read-only data of the program, set before it is loaded. */
struct helper_settings {
	__u32 features; /* HELPER_FEATURE_* */
	__u32 rate;     /* packets a second and CPU that are sent on */
	__s32 netns;    /* id of the network namespace that sockets are in; -1: the port's own */
	__be16 gue_port[HELPER_GUE_PORTS]; /* UDP destination ports of GUE; 0: none */
};

/* Value of the map `helper_hints`, whose key is a backend's number in hints, as a __u32. */
struct helper_hint {
	struct sluice_addr addr;
	__u64 gone_s; /* since when it is on the list no more, CLOCK_BOOTTIME; 0: it is */
};

/* Key of the LPM map `helper_from`; bytes 8 and 9 of an IPv6 address are zero, hints lie there. */
struct helper_from {
	__u32 prefixlen;
	struct sluice_addr addr;
};

_Static_assert(sizeof(struct helper_hint) == 24, "map layout");
_Static_assert(sizeof(struct helper_from) == 20, "map layout");

#endif
