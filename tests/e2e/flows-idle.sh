#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 1,000 connections that are silent for longer than the flow table's age, and all slots move twice; then the
# balancer forgets every flow. What it does not know the helpers find: none is reset.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

FIRST=(active active draining draining)
SECOND=(draining draining active active)
LAB_MORE='flows = { age_s = 1; };'
FLOWS_PAUSE_MS=3000

flows_up 4
flows_start active active disabled disabled
flows_hold before $((FLOWS_N / 2))
flows_change "${SECOND[@]}"
flows_hold between $((FLOWS_N / 2))
flows_talk 1
flows_change "${FIRST[@]}"
flows_talk 0
lab_ctl flows --purge >/dev/null
flows_talk 0
sent_on=$(flows_helpers .outcomes.sent_on)
flows_end "idle" "$sent_on packets sent on by helpers"
[ "$sent_on" -gt 0 ] || lab_fail "no helper sent anything on: this lab sees nothing"
