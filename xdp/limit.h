/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Token buckets, one a CPU: what the balancer sends on its own must not become a flood.
 */
#ifndef SLUICE_XDP_LIMIT_H
#define SLUICE_XDP_LIMIT_H

#include "xdp/maps.h"

#define LIMIT_SECOND_NS 1000000000ull

/*
 * Takes a token from the bucket; @rate tokens a second come in, a second's worth at most is kept.
 * 0 when it is empty. Tokens are held as nanoseconds, so no division by time is needed.
 */
static __always_inline int limit_take(enum sluice_limiter which, __u32 rate)
{
	__u32 key = which;
	struct sluice_bucket *bucket = bpf_map_lookup_elem(&limiters, &key);
	__u64 now = bpf_ktime_get_ns();
	__u64 price;

	if (!bucket || !rate)
		return 0;
	price = LIMIT_SECOND_NS / rate;
	bucket->tokens_ns += now - bucket->time_ns;
	bucket->time_ns = now;
	if (bucket->tokens_ns > LIMIT_SECOND_NS)
		bucket->tokens_ns = LIMIT_SECOND_NS;
	if (bucket->tokens_ns < price)
		return 0;
	bucket->tokens_ns -= price;
	return 1;
}

#endif
