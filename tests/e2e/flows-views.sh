#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Three balancers behind a router that spreads all flows anew over them, again and again. They do not agree:
# one says that half of the backends come and the others go, one says the opposite, and the third changes
# its mind. They remember no flow, so that each packet goes by what its balancer believes. All name the
# same two owners for each slot, and none of 1,000 connections is reset.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

FIRST=(filling filling draining draining)
SECOND=(draining draining filling filling)
FLOWS_TRACK=${FLOWS_TRACK:-never} FLOWS_HINT=${FLOWS_HINT:-always}

flows_up 4 3
flows_start "${FIRST[@]}"
lab_at 2 flows_start "${SECOND[@]}"
lab_at 3 flows_start "${FIRST[@]}"
[ "$(lab_query digest .all)" != "$(lab_at 2 lab_query digest .all)" ] || lab_fail "the balancers agree"

lab_via 1 2 3
flows_churn
flows_hold some $((FLOWS_N / 2))
lab_via 2*3 3 1
lab_at 3 flows_change "${SECOND[@]}"
flows_talk 3
flows_hold more $((FLOWS_N / 2))
lab_via 3 1*2 2
flows_talk 3
lab_at 3 flows_change "${FIRST[@]}"
lab_via 2
flows_talk 2
lab_via 1 3*2
flows_talk 3
sent_on=$(flows_helpers .outcomes.sent_on)
flows_end "three views" "$sent_on packets sent on by helpers"
[ "$sent_on" -gt 0 ] || lab_fail "no helper sent anything on: this lab sees nothing"
