// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balancer: the stages of a packet's path, in order.
 */
#include "xdp/encap.h"
#include "xdp/parse.h"
#include "xdp/select.h"
#include "xdp/vip.h"

SEC("xdp")
int sluice(struct xdp_md *ctx)
{
	struct packet pkt = {.ctx = ctx};
	int action;

	action = parse(&pkt);
	if (action == STAGE_NEXT)
		action = vip_lookup(&pkt);
	if (action == STAGE_NEXT)
		action = select_backend(&pkt);
	if (action == STAGE_NEXT)
		action = encap(&pkt);
	return action;
}

char _license[] SEC("license") = "GPL";
