/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ids that servers put into their packets, so that a client's later packets name their server:
 * QUIC connection ids, a TCP option, a header before a UDP payload. The layouts are Katran's, and
 * QUIC-LB's (draft-ietf-quic-load-balancers, plaintext).
 */
#ifndef SLUICE_XDP_IDS_H
#define SLUICE_XDP_IDS_H

#include "xdp/backend.h"
#include "xdp/stats.h"

/* ----------------------------------------------------------------------------------------- QUIC */

#define QUIC_LONG 0x80
#define QUIC_TYPE(first) ((first) >> 4 & 3)
#define QUIC_VERSION_2 0x6b3343cfu /* RFC 9369: other type codes */
#define QUIC_LONG_ID 6             /* offset of the destination id: flags, version, length */
#define QUIC_SHORT_ID 1
#define QUIC_ID_MIN 8 /* a long header's id of a server is at least as long */

/* Initial and 0-RTT packets of a client carry an id that the client made up. */
static __always_inline int ids_quic_client_chosen(__u8 first, __u32 version)
{
	__u8 type = QUIC_TYPE(first);

	if (version == QUIC_VERSION_2)
		return type == 1 || type == 2;
	return type == 0 || type == 1;
}

/* Katran's ids: two bits of layout, then the server's id; @at is its offset. 0: none. */
static __always_inline __u32 ids_quic_katran(const struct packet *pkt, __u32 at)
{
	__u8 *id = packet_inside(pkt, at, 3);

	if (!id)
		return 0;
	switch (id[0] >> 6) {
	case 1:
		return (id[0] & 0x3fu) << 10 | id[1] << 2 | id[2] >> 6;
	case 2:
		id = packet_inside(pkt, at, 4);
		return id ? (__u32)id[1] << 16 | id[2] << 8 | id[3] : 0;
	case 3:
		id = packet_inside(pkt, at, 5);
		if (!id || id[1] & 0x80)
			return 0;
		return (__u32)id[1] << 24 | id[2] << 16 | id[3] << 8 | id[4];
	default:
		return 0;
	}
}

/* QUIC-LB: three bits of config (7: no routing), then the server's id of the configured length. */
static __always_inline __u32 ids_quic_lb(const struct packet *pkt, __u32 at)
{
	__u8 *id = packet_inside(pkt, at, 5);
	__u32 word;

	if (!id || id[0] >> 5 == 7)
		return 0;
	word = (__u32)id[1] << 24 | id[2] << 16 | id[3] << 8 | id[4];
	return word >> ((4 - pkt->server_bytes) * 8 & 31);
}

static __always_inline __u32 ids_quic(const struct packet *pkt)
{
	__u32 at = pkt->l4 + sizeof(struct udphdr);
	__u8 *quic = packet_inside(pkt, at, 1);

	if (!quic)
		return 0;
	if (*quic & QUIC_LONG) {
		quic = packet_inside(pkt, at, QUIC_LONG_ID);
		if (!quic || quic[5] < QUIC_ID_MIN ||
		    ids_quic_client_chosen(quic[0], (__u32)quic[1] << 24 | quic[2] << 16 |
							    quic[3] << 8 | quic[4]))
			return 0;
		at += QUIC_LONG_ID;
	} else {
		at += QUIC_SHORT_ID;
	}
	return pkt->vip_flags & SLUICE_VIP_QUIC_LB ? ids_quic_lb(pkt, at)
						   : ids_quic_katran(pkt, at);
}

/* --------------------------------------------------------------------------------- TCP and UDP */

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_ID 0xb7
#define TCP_OPTION_ID_SIZE 6
#define TCP_OPTIONS_MAX 15 /* looked at, as in Katran */

/*
 * The 4 bytes behind option 0xb7, which the server wrote in little-endian order, in the TCP options
 * that lie at [at, end) of the frame; 0: none. A function that the verifier looks at once.
 */
__noinline __u32 ids_tcp_option(struct xdp_md *ctx, __u32 at, __u32 end)
{
	struct packet frame = {.ctx = ctx};

	for (int i = 0; i < TCP_OPTIONS_MAX && at < end; i++) {
		__u8 *option = packet_at(&frame, at, 2);

		if (!option || option[0] == TCP_OPTION_END)
			return 0;
		if (option[0] == TCP_OPTION_NOP) {
			at++;
			continue;
		}
		if (option[1] < 2)
			return 0;
		if (option[0] == TCP_OPTION_ID && option[1] == TCP_OPTION_ID_SIZE) {
			option = packet_at(&frame, at, TCP_OPTION_ID_SIZE);
			if (!option || at + TCP_OPTION_ID_SIZE > end)
				return 0;
			return option[2] | option[3] << 8 | option[4] << 16 |
			       (__u32)option[5] << 24;
		}
		at += option[1];
	}
	return 0;
}

static __always_inline __u32 ids_tcp(const struct packet *pkt)
{
	struct tcphdr *tcp = packet_inside(pkt, pkt->l4, sizeof(*tcp));
	__u32 end;

	if (!tcp || pkt->tcp_flags & TCP_SYN_FLAG || tcp->doff <= sizeof(*tcp) / 4)
		return 0;
	end = pkt->l4 + tcp->doff * 4u;
	if (end > pkt->l3 + pkt->ip_len)
		end = pkt->l3 + pkt->ip_len;
	return ids_tcp_option(pkt->ctx, pkt->l4 + sizeof(*tcp), end);
}

#define UDP_ID_MARK 0x52
#define UDP_ID_HEADER 8

/* A header of 8 bytes before the payload: a mark, then 24 bits of id. 0: none. */
static __always_inline __u32 ids_udp(const struct packet *pkt)
{
	__u8 *header = packet_inside(pkt, pkt->l4 + sizeof(struct udphdr), UDP_ID_HEADER);

	if (!header || header[0] != UDP_ID_MARK)
		return 0;
	return (__u32)header[1] << 16 | header[2] << 8 | header[3];
}

/* ------------------------------------------------------------------------------------- together */

/* The id in the packet, as far as the VIP looks for one. 0: none. */
static __always_inline __u32 ids_read(const struct packet *pkt)
{
	__u32 flags = pkt->vip_flags;

	if (pkt->kind != PACKET_FLOW)
		return 0;
	if (pkt->proto == IPPROTO_TCP)
		return flags & SLUICE_VIP_TCP_ID ? ids_tcp(pkt) : 0;
	if (flags & (SLUICE_VIP_QUIC | SLUICE_VIP_QUIC_LB))
		return ids_quic(pkt);
	return flags & SLUICE_VIP_UDP_ID ? ids_udp(pkt) : 0;
}

/* Selects the backend that the packet's id names, if it names one that serves. */
static __always_inline void ids_route(struct packet *pkt)
{
	__u32 *backend;
	__u32 id;

	if (!FEATURE(IDS))
		return;
	id = ids_read(pkt);
	if (!id)
		return;
	backend = bpf_map_lookup_elem(&server_ids, &id);
	if (!backend || !backend_serves(*backend)) {
		stats_event(pkt, SLUICE_EVENT_ID_UNKNOWN);
		return;
	}
	stats_event(pkt, SLUICE_EVENT_ID_USED);
	pkt->backend_id = *backend;
}

#endif
