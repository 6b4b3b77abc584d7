/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Does this host know the TCP flow? It does when it has a socket of it that does not just listen,
 * or sent the SYN cookie that the packet answers.
 */
#ifndef SLUICE_XDP_HELPER_SOCKET_H
#define SLUICE_XDP_HELPER_SOCKET_H

#include "xdp/helper_inner.h"

static __always_inline struct bpf_sock *socket_find(struct packet *pkt)
{
	struct bpf_sock_tuple tuple = {0};
	__u64 netns = (__s64)settings.netns;

	if (pkt->family == 4) {
		tuple.ipv4.saddr = pkt->src.w[3];
		tuple.ipv4.daddr = pkt->dst.addr.w[3];
		tuple.ipv4.sport = pkt->sport;
		tuple.ipv4.dport = pkt->dst.port;
		return bpf_skc_lookup_tcp(pkt->ctx, &tuple, sizeof(tuple.ipv4), netns, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, &pkt->src, sizeof(pkt->src));
	__builtin_memcpy(tuple.ipv6.daddr, &pkt->dst.addr, sizeof(pkt->dst.addr));
	tuple.ipv6.sport = pkt->sport;
	tuple.ipv6.dport = pkt->dst.port;
	return bpf_skc_lookup_tcp(pkt->ctx, &tuple, sizeof(tuple.ipv6), netns, 0);
}

/* Does the packet, an ACK, answer a SYN cookie of the listener? (An ICMP error has no flags.) */
static __always_inline int socket_gave_cookie(struct packet *pkt, const struct tunnel *t,
					      struct bpf_sock *listener)
{
	struct tcphdr *tcp = packet_at(pkt, pkt->l4, sizeof(*tcp));
	void *ip;

	if (!FEATURE(COOKIES) || !(pkt->tcp_flags & INNER_TCP_ACK) || !tcp)
		return 0;
	if (pkt->family == 4) {
		ip = packet_at(pkt, t->inner, sizeof(struct iphdr));
		return ip && !bpf_tcp_check_syncookie(listener, ip, sizeof(struct iphdr), tcp,
						      sizeof(*tcp));
	}
	ip = packet_at(pkt, t->inner, sizeof(struct ipv6hdr));
	return ip &&
	       !bpf_tcp_check_syncookie(listener, ip, sizeof(struct ipv6hdr), tcp, sizeof(*tcp));
}

/* 1: the host knows the flow, which was counted. */
static __always_inline int socket_knows(struct packet *pkt, const struct tunnel *t)
{
	struct bpf_sock *socket = socket_find(pkt);
	int listens, knows = 1;

	if (!socket)
		return 0;
	listens = socket->state == BPF_TCP_LISTEN;
	if (listens)
		knows = socket_gave_cookie(pkt, t, socket);
	bpf_sk_release(socket);
	if (knows)
		helper_keep(listens ? HELPER_KEPT_COOKIE : HELPER_KEPT_SOCKET);
	return knows;
}

#endif
