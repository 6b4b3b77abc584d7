/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Token buckets, one a CPU: what the balancer sends on its own must not become a flood.
 */
#ifndef SLUICE_XDP_LIMIT_H
#define SLUICE_XDP_LIMIT_H

#include "xdp/bucket.h"
#include "xdp/maps.h"

/* Takes a token, of @rate a second, from this CPU's bucket. 0 when it is empty. */
static __always_inline int limit_take(enum sluice_limiter which, __u32 rate)
{
	__u32 key = which;
	struct sluice_bucket *bucket = bpf_map_lookup_elem(&limiters, &key);

	return bucket && bucket_take(bucket, rate);
}

#endif
