#!/bin/bash
# SPDX-License-Identifier: MIT
#
# One of ten backends is drained on two balancers that share 1,000 connections, while the daemon of one is
# stopped, killed and started. Then that balancer reboots: it loses maps and state, its connections go to
# the other one, and come back. None is reset, and the drained backend gets no new ones.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

ALL=(active active active active active active active active active active)
DRAINED=(active active draining active active active active active active active)

restart()
{
	lab_kill sluiced "$1"
	[ $# = 1 ] || "${@:2}"
	lab_sluiced_start
}

reboot()
{
	lab_kill sluiced KILL
	lab_sluiced --detach 2>/dev/null
	rm -rf "$LAB/state"
	mkdir "$LAB/state"
	flows_start "${DRAINED[@]}"
}

sockets()
{
	lab_in web3 ss -Htn state established | wc -l
}

flows_up 10 2
flows_start "${ALL[@]}"
lab_at 2 flows_start "${ALL[@]}"
lab_via 1 2
flows_churn
flows_hold before $((FLOWS_N * 8 / 10))
lab_ctl drain web-3 >/dev/null
restart TERM lab_at 2 lab_ctl drain web-3 >/dev/null
flows_hold while $((FLOWS_N / 10))
restart KILL lab_via 2*3 1
flows_talk 3
restart KILL
[ "$(lab_query digest .all)" = "$(lab_at 2 lab_query digest .all)" ] || lab_fail "the rings differ"

lab_via 2
drained=$(sockets)
[ "$drained" -gt 0 ] || lab_fail "web3 has no connections: this lab sees nothing"
reboot
[ "$(lab_query digest .all)" = "$(lab_at 2 lab_query digest .all)" ] || lab_fail "the rings differ"
flows_hold after $((FLOWS_N / 10))
lab_via 1
flows_talk 3
lab_via 2 1
flows_talk 3
[ "$(sockets)" -le "$drained" ] || lab_fail "web3 was drained, and got new connections"
flows_end "drain and restart" "$drained on the drained one, $(flows_helpers .outcomes.sent_on) packets sent on by helpers"
