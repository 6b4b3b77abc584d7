// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probes into tunnels: at the egress of a device that only packets of marked sockets are routed to,
 * puts the outer header of the mark's backend around each, as the balancer does it for clients'
 * packets, and sends it by the port that leads there. Nothing leaves by the device itself.
 */
#define PACKET_CTX struct __sk_buff

#include "xdp/probe.h"
#include "xdp/headers.h"
#include "xdp/tunnel.h"

#include <linux/pkt_cls.h>

/* Marks of the daemon that loads it, but for the number. Written before the load. */
const volatile __u32 probe_mark = PROBE_MARK;

/* Tunnel's number -> backend; a record is replaced as a whole. Daemon writes, program reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PROBE_MARK_NUMBER);
	__type(key, __u32);
	__type(value, struct sluice_backend);
} probe_tunnels SEC(".maps");

/* One entry. Program adds, daemon sums over the CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_counters);
} probe_counters SEC(".maps");

/* Every exit goes through here. */
static __always_inline int probe_end(enum probe_outcome outcome, int action)
{
	struct probe_counters *counters;
	__u32 key = 0;

	counters = bpf_map_lookup_elem(&probe_counters, &key);
	if (counters)
		counters->outcome[outcome]++;
	return action;
}

/* ---------------------------------------------------------------------------------------- parse */

/* What this host's own sockets send has no more than this. 1: it is understood. */
static __always_inline int probe_parse_l4(struct packet *pkt)
{
	struct parse_ports *ports;

	if (pkt->proto == (pkt->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return 1;
	if (pkt->proto != IPPROTO_TCP && pkt->proto != IPPROTO_UDP)
		return 0;
	ports = packet_at(pkt, pkt->l4, sizeof(*ports));
	if (!ports)
		return 0;
	pkt->sport = ports->source;
	return 1;
}

static __always_inline int probe_parse4(struct packet *pkt)
{
	struct iphdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

	if (!ip || ip->ihl < 5 || ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return 0;
	pkt->family = 4;
	pkt->tos = ip->tos;
	pkt->proto = ip->protocol;
	pkt->ip_len = bpf_ntohs(ip->tot_len);
	pkt->src.w[3] = ip->saddr;
	pkt->l4 = pkt->l3 + ip->ihl * 4;
	return probe_parse_l4(pkt);
}

static __always_inline int probe_parse6(struct packet *pkt)
{
	struct ipv6hdr *ip = packet_at(pkt, pkt->l3, sizeof(*ip));

	if (!ip)
		return 0;
	pkt->family = 6;
	pkt->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	pkt->proto = ip->nexthdr;
	pkt->ip_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	__builtin_memcpy(&pkt->src, &ip->saddr, sizeof(pkt->src));
	pkt->l4 = pkt->l3 + sizeof(*ip);
	return probe_parse_l4(pkt);
}

static __always_inline int probe_parse(struct packet *pkt)
{
	/* All of it in one buffer, where sums can be had of it. */
	if (bpf_skb_pull_data(pkt->ctx, pkt->ctx->len))
		return 0;
	pkt->l3 = ETH_HLEN;
	switch (pkt->ctx->protocol) {
	case bpf_htons(ETH_P_IP):
		return probe_parse4(pkt);
	case bpf_htons(ETH_P_IPV6):
		return probe_parse6(pkt);
	default:
		return 0;
	}
}

/* ----------------------------------------------------------------------------------------- send */

/*
 * What tells the kernel where the inner packet is, whose checksum may be the device's to complete.
 */
static __always_inline __u64 probe_room(__u8 encap)
{
	__u64 flags = tunnel_type(encap) == bpf_htons(ETH_P_IP) ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
								: BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;

	return encap >= SLUICE_ENCAP_GUE4 ? flags | BPF_F_ADJ_ROOM_ENCAP_L4_UDP : flags;
}

static __always_inline int probe_write(struct packet *pkt, const struct sluice_backend *to,
				       __u64 payload_sum)
{
	struct packet_ethernet *eth = packet_at(pkt, 0, sizeof(*eth));

	if (!eth)
		return 0;
	packet_copy_mac(eth->dst, to->dmac);
	packet_copy_mac(eth->src, to->smac);
	eth->type = tunnel_type(to->encap);
	return tunnel_write(pkt, to, pkt->l3, payload_sum, 1);
}

/* The tags of the way; the one pushed last is the outer one. 0: no. */
static __always_inline int probe_tag(struct packet *pkt, const struct sluice_backend *to)
{
	__be16 type = to->flags & SLUICE_BACKEND_S_VLAN_Q ? bpf_htons(ETH_P_8021Q)
							  : bpf_htons(ETH_P_8021AD);

	if (to->vlan && bpf_skb_vlan_push(pkt->ctx, bpf_htons(ETH_P_8021Q), bpf_ntohs(to->vlan)))
		return 0;
	return !to->s_vlan || !bpf_skb_vlan_push(pkt->ctx, type, bpf_ntohs(to->s_vlan));
}

static __always_inline int probe_send(struct packet *pkt, const struct sluice_backend *to)
{
	__u32 overhead = tunnel_overhead(to->encap);
	__u64 payload_sum = GUE_NO_SUM;

	/*
	 * The device takes no segments for the kernel to cut later: the UDP header would not fit
	 * them.
	 */
	if (pkt->ctx->gso_size || !tunnel_fits(pkt, to, overhead))
		return probe_end(PROBE_OUT_TOO_BIG, TC_ACT_SHOT);
	if (to->encap >= SLUICE_ENCAP_GUE4)
		payload_sum = gue_payload_sum(pkt, to->encap == SLUICE_ENCAP_GUE6);
	if (bpf_skb_adjust_room(pkt->ctx, overhead, BPF_ADJ_ROOM_MAC, probe_room(to->encap)) ||
	    !probe_write(pkt, to, payload_sum) || !probe_tag(pkt, to))
		return probe_end(PROBE_OUT_NO_ROOM, TC_ACT_SHOT);
	pkt->ctx->mark = 0;
	return probe_end(PROBE_OUT_SENT, bpf_redirect(to->ifindex, 0));
}

SEC("tc")
int sluice_probe(struct __sk_buff *ctx)
{
	struct packet pkt = {.ctx = ctx};
	__u32 number = ctx->mark & PROBE_MARK_NUMBER;
	struct sluice_backend *to;

	if ((ctx->mark & PROBE_MARK_MASK) != probe_mark)
		return probe_end(PROBE_OUT_UNMARKED, TC_ACT_SHOT);
	to = bpf_map_lookup_elem(&probe_tunnels, &number);
	if (!to || !to->encap)
		return probe_end(PROBE_OUT_NO_TUNNEL, TC_ACT_SHOT);
	if (to->encap == SLUICE_ENCAP_LOCAL)
		return probe_end(PROBE_OUT_LOCAL, TC_ACT_SHOT);
	if (!(to->flags & SLUICE_BACKEND_NEXTHOP) || !to->ifindex)
		return probe_end(PROBE_OUT_NO_NEXTHOP, TC_ACT_SHOT);
	if (!probe_parse(&pkt))
		return probe_end(PROBE_OUT_NOT_L4, TC_ACT_SHOT);
	return probe_send(&pkt, to);
}

char _license[] SEC("license") = "GPL";
