// SPDX-License-Identifier: GPL-2.0-only
/*
 * A balancer that remembers every flow, as most do: a hash map of VIPs; an LRU hash map for each CPU, keyed
 * by the whole flow; where a flow is not known, a Maglev ring, and the flow is remembered. A SYN is not
 * looked up, since it begins a flow; it is remembered. Above a number of new flows a second nothing is
 * remembered any more, if that is set.
 */
#include "bench/baseline/packet.h"
#include "xdp/hash.h"

#define CPUS_MAX 1024
#define UDP_AGE_NS 30000000000ull
#define SECOND_NS 1000000000ull
#define HASH_SEED 0x02000200u
#define HASH_SEED6 512u

const volatile struct baseline_settings settings;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct baseline_vip_key);
	__type(value, struct baseline_vip);
} vips SEC(".maps");

struct lru {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct baseline_flow));
	__uint(value_size, sizeof(struct baseline_place));
};

/* CPU -> its flows; user space puts in those of the CPUs that are measured. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, CPUS_MAX);
	__type(key, __u32);
	__array(values, struct lru);
} lrus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BASELINE_VIPS_MAX *BASELINE_RING_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BASELINE_BACKENDS_MAX);
	__type(key, __u32);
	__type(value, struct baseline_backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct baseline_rate);
} rates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BASELINE_VIPS_MAX);
	__type(key, __u32);
	__type(value, struct baseline_count);
} vip_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BASELINE_BACKENDS_MAX);
	__type(key, __u32);
	__type(value, struct baseline_count);
} backend_counts SEC(".maps");

/* One entry: packets, and in `bytes` those whose flow was not known. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct baseline_count);
} lru_counts SEC(".maps");

static __always_inline struct baseline_vip *find_vip(const struct packet *pkt)
{
	struct baseline_vip_key key = {.port = pkt->flow.dport, .proto = pkt->flow.proto};

	__builtin_memcpy(key.addr, pkt->flow.dst, sizeof(key.addr));
	return bpf_map_lookup_elem(&vips, &key);
}

/* 1 and the backend, if the flow is known. */
static __always_inline int find_flow(const struct packet *pkt, void *lru, __u32 *backend)
{
	struct baseline_place *place = bpf_map_lookup_elem(lru, &pkt->flow);

	if (!place)
		return 0;
	if (pkt->flow.proto == IPPROTO_UDP) {
		__u64 now = bpf_ktime_get_ns();

		if (now - place->time_ns > UDP_AGE_NS)
			return 0;
		place->time_ns = now;
	}
	*backend = place->backend;
	return 1;
}

/* May one more flow be remembered in this second? */
static __always_inline int under_limit(__u64 *now)
{
	__u32 zero = 0;
	struct baseline_rate *rate = bpf_map_lookup_elem(&rates, &zero);

	*now = bpf_ktime_get_ns();
	if (!rate)
		return 0;
	if (*now - rate->since_ns > SECOND_NS) {
		rate->since_ns = *now;
		rate->flows = 1;
	} else {
		rate->flows++;
	}
	return !settings.new_flows || rate->flows <= settings.new_flows;
}

static __always_inline __u32 flow_hash(const struct packet *pkt)
{
	__u32 ports = (__u32)pkt->flow.dport << 16 | pkt->flow.sport;
	__u32 client = pkt->flow.src[0];

	if (pkt->family == 6)
		client = hash_4words(pkt->flow.src, HASH_SEED6);
	return hash_2words(client, ports, HASH_SEED);
}

/* The ring's backend, which the flow keeps from now on. 0: there is no ring. */
static __always_inline int take_from_ring(const struct packet *pkt, void *lru, __u32 vip,
					  __u32 *backend)
{
	__u32 index = vip * BASELINE_RING_SLOTS + flow_hash(pkt) % BASELINE_RING_SLOTS;
	__u32 *slot = bpf_map_lookup_elem(&rings, &index);
	struct baseline_place place = {0};
	__u64 now;
	int remember = under_limit(&now);

	if (!slot)
		return 0;
	*backend = *slot;
	if (remember) {
		place.backend = *slot;
		if (pkt->flow.proto == IPPROTO_UDP)
			place.time_ns = now;
		bpf_map_update_elem(lru, &pkt->flow, &place, BPF_ANY);
	}
	return 1;
}

static __always_inline void count_lookup(int known)
{
	__u32 zero = 0;
	struct baseline_count *c = bpf_map_lookup_elem(&lru_counts, &zero);

	if (c) {
		c->packets++;
		c->bytes += !known;
	}
}

SEC("xdp")
int baseline_lru(struct xdp_md *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct baseline_backend *to;
	struct packet pkt = {0};
	struct baseline_vip *vip;
	__u32 backend = 0;
	void *lru;
	int known;

	if (!parse(ctx, &pkt))
		return XDP_PASS;
	vip = find_vip(&pkt);
	if (!vip)
		return XDP_PASS;
	lru = bpf_map_lookup_elem(&lrus, &cpu);
	if (!lru)
		return XDP_DROP;
	known = !pkt.syn && find_flow(&pkt, lru, &backend);
	count_lookup(known);
	if (!known && !take_from_ring(&pkt, lru, vip->number, &backend))
		return XDP_DROP;
	to = bpf_map_lookup_elem(&backends, &backend);
	if (!to)
		return XDP_DROP;
	count(&vip_counts, vip->number, pkt.ip_len);
	count(&backend_counts, backend, pkt.ip_len);
	return encap(ctx, &pkt, to);
}

char _license[] SEC("license") = "GPL";
