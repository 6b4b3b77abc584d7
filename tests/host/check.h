/* SPDX-License-Identifier: MIT */
/*
 * What holds for every frame that leaves the program, whatever came in: judged from the bytes alone,
 * by code that shares nothing with the program's.
 */
#ifndef SLUICE_TESTS_HOST_CHECK_H
#define SLUICE_TESTS_HOST_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "xdp/abi.h"

/* A frame that came in, and what became of it. */
struct check_frame {
	const unsigned char *in;
	size_t in_size;
	const unsigned char *out;
	size_t out_size;
	int action;    /* XDP_... */
	bool stripped; /* a tunnel ended here: `in` had another header in front */
	enum sluice_outcome outcome;
};

/*
 * Does the action belong to the outcome; is what passes unchanged; are tunnelled packets whole, and their
 * outer headers right in version, lengths and checksums; are the answers' checksums right. NULL: all
 * holds; else what does not.
 */
const char *check_frame(const struct check_frame *frame);

#endif
