// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balancer: the stages of a packet's path, in order, behind a shorter way for the usual packet.
 */
#include "xdp/decap.h"
#include "xdp/encap.h"
#include "xdp/fragments.h"
#include "xdp/icmp.h"
#include "xdp/parse.h"
#include "xdp/select.h"
#include "xdp/usual.h"
#include "xdp/vip.h"

/* The destination is known: to its backend. */
static __always_inline int balance(struct packet *pkt)
{
	struct sluice_fragment_key fragment;
	int action;

	if (pkt->first_fragment)
		fragment = fragments_key(pkt);
	action = vip_lookup(pkt);
	if (action == STAGE_NEXT) {
		struct xdp_md *ctx = pkt->ctx;

		action = select_any(ctx, pkt);
		pkt->ctx = ctx; /* which the verifier forgot */
	}
	if (pkt->first_fragment)
		fragments_note(pkt, &fragment, pkt->backend_id);
	if (action == STAGE_NEXT && pkt->kind == PACKET_ERROR)
		stats_event(pkt, SLUICE_EVENT_ICMP_ERROR);
	return action;
}

/* Any frame, step by step. STAGE_NEXT: it is parsed. */
static __always_inline int parse(struct packet *pkt)
{
	__be16 type = parse_ethernet(pkt);
	int action = decap_strip(pkt, &type);

	return action == STAGE_NEXT ? parse_ip(pkt, type) : action;
}

static __always_inline int handle(struct packet *pkt)
{
	int action = parse(pkt);

	if (action != STAGE_NEXT)
		return action;
	if (pkt->kind == PACKET_ECHO)
		return icmp_echo(pkt);
	action = pkt->kind == PACKET_FRAGMENT ? fragments_follow(pkt) : balance(pkt);
	if (action == STAGE_NEXT && pkt->kind == PACKET_ECHO_REST)
		return icmp_echo(pkt);
	return action == STAGE_NEXT ? encap(pkt) : action;
}

/* All stages. A function that the verifier looks at once. */
__noinline int sluice_any(struct xdp_md *ctx)
{
	struct packet pkt = {.ctx = ctx};
	int action = handle(&pkt);

	/* The verifier forgets what lies in the packet when a function apart had it. */
	pkt.ctx = ctx;
	decap_turn_back(&pkt);
	return action;
}

SEC("xdp")
int sluice(struct xdp_md *ctx)
{
	int action = usual(ctx);

	return action == STAGE_NEXT ? sluice_any(ctx) : action;
}

char _license[] SEC("license") = "GPL";
