#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Three balancers with different views of health behind a router that spreads all flows anew: one does not reach
# web3, one does not reach web4, one reaches all. They remember no flow. Lost are, at most, connections to web3
# and web4, which somebody believes to be down; all others outlive each way through the balancers.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

CHECK='check = { type = "tcp"; via = "direct"; interval_ms = 200; timeout_ms = 100; };'
ALL=(active active active active)
FLOWS_TRACK=${FLOWS_TRACK:-never} FLOWS_HINT=${FLOWS_HINT:-always}

# health_config: checks that end at the backend's own address, often.
health_config()
{
	flows_config "${ALL[@]}"
	sed -i "s/check = { type = \"none\"; };/$CHECK/" "$LAB/sluice$LAB_AT.conf"
}

# unseen N BALANCER: what webN answers to this balancer is lost.
unseen()
{
	lab_in "web$1" ip route add blackhole "$(lab_balancer_address "$2")/32"
}

# sees BACKEND...: these own slots here, and no others.
sees()
{
	[ "$(flows_ring '[.owners[] | select(.slots > 0) | .name] | join(" ")')" = "$*" ]
}

# on N...: connections on these backends.
on()
{
	local i sum=0

	for i in "$@"; do
		sum=$((sum + $(lab_in "web$i" ss -Htn state established "sport = :$FLOWS_PORT" | wc -l)))
	done
	echo $sum
}

flows_up 4 3
health_config
if lab_sluiced --check 2>&1 | grep -q 'not supported yet'; then
	lab_skip "this release has no health checks"
fi
lab_at 2 health_config
lab_at 3 health_config
unseen 3 1
unseen 4 2
for i in 1 2 3; do
	lab_at $i lab_sluiced_start
done
lab_wait_for 20 sees web-1 web-2 web-4 || lab_fail "lb sees others than web-1, web-2 and web-4"
lab_wait_for 20 lab_at 2 sees web-1 web-2 web-3 || lab_fail "lb2 sees others than web-1, web-2 and web-3"
lab_wait_for 20 lab_at 3 sees web-1 web-2 web-3 web-4 || lab_fail "lb3 does not see all"

lab_via 1 2 3
flows_hold some "$FLOWS_N"
flows_talk 2
down=$(on 3 4)
lab_via 3 1 2
flows_talk 2
lab_via 2*2 3 1
flows_talk 2
lab_via 3
flows_talk 2
sent_on=$(flows_helpers .outcomes.sent_on)
flows_count
flows_figures "views of health" "$down on backends that are down for somebody; $sent_on packets sent on"
[ "$FLOWS_LOST" -le "$down" ] || lab_fail "more were lost than are on backends that are down for somebody"
[ "$sent_on" -gt 0 ] || lab_fail "no helper sent anything on: this lab sees nothing"
