/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the helper on a backend counts; shared with its user-space side.
 */
#ifndef SLUICE_XDP_HELPER_H
#define SLUICE_XDP_HELPER_H

/* X(NAME, name, one line for the manual) */
#define HELPER_OUTCOMES(X) \
	X(PASSED, "passed", "not a tunnelled packet: left to the host") \
	X(DECAPSULATED, "decapsulated", "outer header taken off") \
	X(MALFORMED, "malformed", "headers contradict the frame's length: left to the host")

enum helper_outcome {
#define HELPER_OUTCOME_ENUM(NAME, name, text) HELPER_OUT_##NAME,
	HELPER_OUTCOMES(HELPER_OUTCOME_ENUM)
#undef HELPER_OUTCOME_ENUM
	HELPER_OUT_MAX
};

#endif
