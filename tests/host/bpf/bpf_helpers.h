/* SPDX-License-Identifier: MIT */
/*
 * Takes the place of libbpf's header of this name when xdp/ is compiled for the host: the same
 * words, but maps are those of tests/host/maps.c and frames those of tests/host/buffer.c. The
 * helpers get names of their own, since libbpf has functions called like them.
 */
#ifndef SLUICE_TESTS_HOST_BPF_HELPERS_H
#define SLUICE_TESTS_HOST_BPF_HELPERS_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stddef.h>

#define SEC(name) __attribute__((used))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name

/* Calls are cheap here; inlining everything makes sanitizers take minutes. */
#undef __always_inline
#define __always_inline inline
#undef __noinline
#define __noinline __attribute__((noinline))

#define bpf_map_lookup_elem host_map_lookup
#define bpf_map_update_elem host_map_update
#define bpf_redirect_map host_redirect_map
#define bpf_ktime_get_ns host_ktime_get_ns
#define bpf_ktime_get_coarse_ns host_ktime_get_coarse_ns
#define bpf_csum_diff host_csum_diff
#define bpf_xdp_adjust_head host_adjust_head
#define bpf_xdp_adjust_tail host_adjust_tail
#define bpf_xdp_get_buff_len host_get_buff_len
#define bpf_xdp_load_bytes host_load_bytes

/* As bpf-helpers(7) has them. */
void *bpf_map_lookup_elem(const void *map, const void *key);
long bpf_map_update_elem(const void *map, const void *key, const void *value, __u64 flags);
long bpf_redirect_map(const void *map, __u64 key, __u64 flags);
__u64 bpf_ktime_get_ns(void);
__u64 bpf_ktime_get_coarse_ns(void);
long bpf_xdp_adjust_head(struct xdp_md *ctx, int delta);
long bpf_xdp_adjust_tail(struct xdp_md *ctx, int delta);
__u64 bpf_xdp_get_buff_len(struct xdp_md *ctx);
long bpf_xdp_load_bytes(struct xdp_md *ctx, __u32 offset, void *to, __u32 size);

/*
 * The sum of @to, @from must be NULL. The sum is not folded to 16 bits, as before Linux 6.13; later
 * kernels fold it, so that program and host agree only if the program relies on neither. Ends the
 * process for more than the 512 bytes that older kernels take.
 */
long bpf_csum_diff(const __be32 *from, __u32 from_size, const __be32 *to, __u32 to_size,
		   __u32 seed);

#endif
