// SPDX-License-Identifier: GPL-2.0-only
/*
 * On a backend: gives packets of flows that live on another backend their second chance, and takes
 * the balancer's outer header off the others. What is not tunnelled to this host passes untouched.
 */
#include "xdp/helper_chance.h"
#include "xdp/helper_decap.h"
#include "xdp/helper_outer.h"

SEC("xdp")
int sluice_helper(struct xdp_md *ctx)
{
	struct packet pkt = {.ctx = ctx};
	struct tunnel tunnel = {0};
	int action = outer_parse(&pkt, &tunnel);

	if (action == STAGE_NEXT)
		action = chance(&pkt, &tunnel);
	return action == STAGE_NEXT ? decap(&pkt, &tunnel) : action;
}

char _license[] SEC("license") = "GPL";
