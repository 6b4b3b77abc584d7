#!/bin/bash
# SPDX-License-Identifier: MIT
#
# All traffic of 1,000 connections goes to a second balancer, which has just started and has never seen
# them, while every slot moves; the slots move back there, and the traffic goes back to the first. The second
# knows the declared states alone, so that only the helpers can know where some flows live. None is
# reset.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

FIRST=(filling filling draining draining)
SECOND=(draining draining filling filling)

flows_up 4 2
flows_start active active disabled disabled
flows_churn
flows_hold before $((FLOWS_N / 2))
flows_change "${SECOND[@]}"
flows_hold between $((FLOWS_N / 2))

lab_at 2 flows_start "${SECOND[@]}"
[ "$(lab_query digest .all)" = "$(lab_at 2 lab_query digest .all)" ] || lab_fail "the rings differ"
lab_via 2
flows_talk 3

flows_change "${FIRST[@]}"
lab_at 2 flows_change "${FIRST[@]}"
flows_hold after $((FLOWS_N / 10))
flows_talk 3
lab_via 1
flows_talk 3
sent_on=$(flows_helpers .outcomes.sent_on)
flows_end "failover" "$sent_on packets sent on by helpers"
[ "$sent_on" -gt 0 ] || lab_fail "no helper sent anything on: this lab sees nothing"
