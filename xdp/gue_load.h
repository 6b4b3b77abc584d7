/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sum of a packet that lies in several buffers: it is copied piece by piece.
 */
#ifndef SLUICE_XDP_GUE_LOAD_H
#define SLUICE_XDP_GUE_LOAD_H

#include "xdp/gue.h"
#include "xdp/maps.h"

#define GUE_LOAD sizeof(struct sluice_scratch) /* at most 512 */
#define GUE_LOADS (65575 / GUE_LOAD)           /* of the longest IPv6 packet, before the last */

/*
 * The sum of the @size bytes, not 0, at @at of the frame; GUE_NO_SUM where it cannot be had.
 * Kernels without the helper look at this function, too: FEATURE() hides it from them here, not
 * where it is called.
 */
__noinline __u64 gue_load_sum(struct xdp_md *ctx, __u32 at, __u32 size)
{
	__u32 last = (size - 1) % GUE_LOAD + 1, zero = 0, sum = 0;
	struct sluice_scratch *copy;

	if (!FEATURE(FRAGS))
		return GUE_NO_SUM;
	copy = bpf_map_lookup_elem(&scratch, &zero);
	if (!copy)
		return GUE_NO_SUM;
	for (__u32 i = 0; i < GUE_LOADS && (i + 1) * GUE_LOAD < size; i++) {
		if (bpf_xdp_load_bytes(ctx, at + i * GUE_LOAD, copy, GUE_LOAD))
			return GUE_NO_SUM;
		sum = checksum_fold((__u32)bpf_csum_diff(NULL, 0, copy->w, GUE_LOAD, sum));
	}
	__builtin_memset(copy, 0, GUE_LOAD);
	if (bpf_xdp_load_bytes(ctx, at + size - last, copy, last))
		return GUE_NO_SUM;
	return checksum_fold((__u32)bpf_csum_diff(NULL, 0, copy->w, GUE_LOAD, sum));
}

#endif
