/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A token bucket. Tokens are held as nanoseconds, so no division by time is needed.
 */
#ifndef SLUICE_XDP_BUCKET_H
#define SLUICE_XDP_BUCKET_H

#include "xdp/abi.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define BUCKET_SECOND_NS 1000000000ull

/*
 * Takes a token; @rate tokens a second come in, a second's worth at most is kept. 0 when it is
 * empty, or when @rate is 0.
 */
static __always_inline int bucket_take(struct sluice_bucket *bucket, __u32 rate)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 price;

	if (!rate)
		return 0;
	price = BUCKET_SECOND_NS / rate;
	bucket->tokens_ns += now - bucket->time_ns;
	bucket->time_ns = now;
	if (bucket->tokens_ns > BUCKET_SECOND_NS)
		bucket->tokens_ns = BUCKET_SECOND_NS;
	if (bucket->tokens_ns < price)
		return 0;
	bucket->tokens_ns -= price;
	return 1;
}

#endif
