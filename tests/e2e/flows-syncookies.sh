#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Backends that answer each first packet by a SYN cookie (tcp_syncookies=2) have no socket before the third
# packet of a handshake: the helper takes valid cookies for its own. Connections come and go, and 1,000
# stay, while all slots move twice; then all goes to a balancer that never saw them: none fails.
#
# No handshake is under way when the balancer changes: all backends of this lab have one kernel, hence
# one secret for cookies, and each would take the other's for its own.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

FIRST=(filling filling draining draining)
SECOND=(draining draining filling filling)

flows_up 4 2
for i in 1 2 3 4; do
	lab_sysctl web$i net.ipv4.tcp_syncookies=2
done
flows_start "${FIRST[@]}"
flows_churn
flows_hold before $((FLOWS_N * 7 / 10))
flows_change "${SECOND[@]}"
flows_hold between $((FLOWS_N * 2 / 10))
flows_talk 3
flows_change "${FIRST[@]}"
flows_hold after $((FLOWS_N / 10))
flows_talk 3
lab_kill churn

lab_at 2 flows_start "${FIRST[@]}"
lab_via 2
flows_hold last $((FLOWS_N / 10))
flows_talk 3
cookies=$(flows_helpers .kept.cookie)
flows_end "SYN cookies" "$cookies cookies kept by helpers"
[ "$cookies" -gt 0 ] || lab_fail "no cookie was seen: this lab sees nothing"
