/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the program that sends probes into tunnels and its user-space side agree on.
 */
#ifndef SLUICE_XDP_PROBE_H
#define SLUICE_XDP_PROBE_H

#include "xdp/abi.h"

/*
 * A socket's mark: ours by these bits, of one daemon by those below; the rest is the tunnel's
 * number.
 */
#define PROBE_MARK 0x5c000000u
#define PROBE_MARK_SLOT_SHIFT 16
#define PROBE_MARK_SLOTS 0x100u
#define PROBE_MARK_NUMBER 0x0000ffffu
#define PROBE_MARK_MASK 0xffff0000u /* what tells one daemon's marks */

/* What became of a packet: X(NAME, name, one line for the manual). */
#define PROBE_OUTCOMES(X) \
	X(SENT, "sent", "sent to its backend through the tunnel") \
	X(UNMARKED, "unmarked", "has no mark of this daemon: dropped") \
	X(NO_TUNNEL, "no_tunnel", "no tunnel has this number: dropped") \
	X(LOCAL, "local", "the backend is this host, which has no such address: dropped") \
	X(NO_NEXTHOP, "no_nexthop", "the way to the backend is not resolved: dropped") \
	X(NOT_L4, "not_l4", "not TCP, UDP or ICMP, or a fragment: dropped") \
	X(TOO_BIG, "too_big", "does not fit the tunnel: dropped") \
	X(NO_ROOM, "no_room", "no memory for the outer header: dropped")

enum probe_outcome {
#define PROBE_OUTCOME_ENUM(NAME, name, text) PROBE_OUT_##NAME,
	PROBE_OUTCOMES(PROBE_OUTCOME_ENUM)
#undef PROBE_OUTCOME_ENUM
	PROBE_OUT_MAX
};

/* The one value of the per-CPU map `probe_counters`. */
struct probe_counters {
	__u64 outcome[PROBE_OUT_MAX];
};

#endif
