/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A backend's record.
 */
#ifndef SLUICE_XDP_BACKEND_H
#define SLUICE_XDP_BACKEND_H

#include "xdp/maps.h"

static __always_inline struct sluice_backend *backend_get(__u32 id)
{
	return bpf_map_lookup_elem(&backends, &id);
}

/* May flows that name the backend still go to it? */
static __always_inline int backend_serves(__u32 id)
{
	struct sluice_backend *backend = backend_get(id);

	return backend && backend->encap && backend->flags & SLUICE_BACKEND_SERVING;
}

/*
 * Ticks of the monotonic clock, wrapping: what ages are measured in. Some milliseconds do not
 * matter.
 */
static __always_inline __u16 backend_now(void)
{
	return (__u16)(bpf_ktime_get_coarse_ns() >> SLUICE_TICK_SHIFT);
}

#endif
