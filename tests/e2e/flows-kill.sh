#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The daemon is killed in the middle of what it does, at moments of chance, while it reads configs that
# swap the backends of all slots; the next one goes on from what it finds. None of 1,000 connections is
# reset, and in the end the ring is the one that a fresh balancer makes. FLOWS_KILLS: how often.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

FIRST=(filling filling draining draining)
SECOND=(draining draining filling filling)

# kill_while STATE... -- STATE...: the daemon gets this config, and dies up to 30 ms later; the next one gets
# the other. What begins meanwhile is under way.
kill_while()
{
	flows_config "${@:1:4}"
	lab_signal sluiced HUP
	sleep "$(printf '0.%03d' $((RANDOM % 30)))"
	lab_kill sluiced KILL
	flows_talk 0
	flows_start "${@:5}"
}

flows_up 4 2
flows_start active active disabled disabled
flows_churn
flows_hold before $((FLOWS_N / 2))
for i in $(seq "${FLOWS_KILLS:-8}"); do
	case $((i % 4)) in
	0) kill_while "${FIRST[@]}" "${FIRST[@]}" ;;
	1) kill_while "${SECOND[@]}" "${SECOND[@]}" ;;
	2) kill_while "${FIRST[@]}" "${SECOND[@]}" ;;
	3) kill_while "${FIRST[@]}" "${FIRST[@]}" ;;
	esac
	[ "$i" != 1 ] || flows_hold between $((FLOWS_N / 2))
	flows_talk 1
done
lab_at 2 flows_start "${FIRST[@]}"
[ "$(lab_query digest .all)" = "$(lab_at 2 lab_query digest .all)" ] || lab_fail "the ring is not what it should be"
[ "$(lab_query counters .total.no_backend)" = 0 ] || lab_fail "packets found no backend"
flows_end "kill" "${FLOWS_KILLS:-8} daemons killed"
