#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Labs of open connections, sourced by tests/e2e/flows-*.sh instead of tests/lib/lab.sh: echo servers on
# the backends, many clients that talk all the time, and changes under them. What is asserted is
# counts, never times: not one connection may be reset.
#
# FLOWS_TRACK and FLOWS_HINT in the environment are the VIP's `track` and `hint`. Labs are to be seen
# failing without protection:
#
#     FLOWS_TRACK=never FLOWS_HINT=off tests/e2e/flows-swap.sh
#
# FLOWS_N is how many connections "1,000" are.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "${BASH_SOURCE[0]}")/lab.sh"

FLOWS_PORT=7
FLOWS_N=${FLOWS_N:-1000}
[ "$LAB_PATIENCE" = 1 ] || FLOWS_N=100
FLOWS_PAUSE_MS=${FLOWS_PAUSE_MS:-250} # between the messages of a connection
LAB_SERVER=flows_echo
FLOWS_NAMES='' FLOWS_CHURN=''

flows_tool()
{
	echo "$LAB_BUILD/tests/tools/connections"
}

flows_echo()
{
	lab_spawn "web$1" "echo-$1" "$(flows_tool)" serve $FLOWS_PORT
}

# flows_up BACKENDS [BALANCERS]: the lab, without sluiced.
flows_up()
{
	lab_up "$1"
	lab_more_balancers "${2:-1}"
}

# flows_config STATE...: the balancer's config, a state for each backend.
flows_config()
{
	local state settings=()

	for state in "$@"; do
		settings+=("state = \"$state\";")
	done
	lab_config "${settings[@]}" | sed "s/port = 80;/port = $FLOWS_PORT; \
		track = \"${FLOWS_TRACK:-moving}\"; hint = \"${FLOWS_HINT:-moving}\";/" \
		>"$LAB/sluice$LAB_AT.conf"
}

# flows_start STATE...: sluiced begins with this.
flows_start()
{
	flows_config "$@"
	lab_sluiced_start
}

# flows_change STATE...: and becomes this.
flows_change()
{
	flows_config "$@"
	lab_ctl reload >/dev/null
}

# flows_hold NAME N [PAUSE_MS]: N more connections, that talk until flows_end.
flows_hold()
{
	FLOWS_NAMES="$FLOWS_NAMES $1"
	rm -f "$LAB/$1.log"
	lab_spawn client "$1" "$(flows_tool)" hold $LAB_VIP $FLOWS_PORT "$2" "${3:-$FLOWS_PAUSE_MS}"
	lab_wait_for 30 grep -q "^open $2" "$LAB/$1.log" || lab_log_fail "$1"
}

# flows_churn: connections that come and go, until flows_end.
flows_churn()
{
	FLOWS_CHURN=churn
	rm -f "$LAB/churn.log"
	lab_spawn client churn "$(flows_tool)" churn $LAB_VIP $FLOWS_PORT 10 20
}

# flows_count: ends all connections; FLOWS_HELD, FLOWS_LOST of them, and FLOWS_MESSAGES; of those that came
# and went FLOWS_CAME and FLOWS_FAILED.
flows_count()
{
	local name line

	FLOWS_HELD=0 FLOWS_LOST=0 FLOWS_MESSAGES=0 FLOWS_CAME=0 FLOWS_FAILED=0
	for name in $FLOWS_NAMES $FLOWS_CHURN; do
		lab_signal "$name" TERM
	done
	for name in $FLOWS_NAMES $FLOWS_CHURN; do
		lab_kill "$name"
		line=$(tail -n 1 "$LAB/$name.log")
		# shellcheck disable=SC2086 # words
		set -- $line
		case $line in
		connections*reset*closed*stalled*)
			FLOWS_HELD=$((FLOWS_HELD + $2))
			FLOWS_MESSAGES=$((FLOWS_MESSAGES + $4))
			FLOWS_LOST=$((FLOWS_LOST + $6 + $8 + ${10}))
			;;
		came*failed*)
			FLOWS_CAME=$((FLOWS_CAME + $2))
			FLOWS_FAILED=$((FLOWS_FAILED + $4))
			;;
		*)
			lab_log_fail "$name"
			;;
		esac
	done
	FLOWS_NAMES='' FLOWS_CHURN=''
	[ $FLOWS_MESSAGES -gt 0 ] || lab_fail "the connections did not talk"
}

flows_figures()
{
	printf '%s: %d connections, %d messages, %d lost' "$1" "$FLOWS_HELD" "$FLOWS_MESSAGES" "$FLOWS_LOST"
	[ "$FLOWS_CAME" = 0 ] || printf '; %d came and went, %d failed' "$FLOWS_CAME" "$FLOWS_FAILED"
	printf '%s\n' "${2:+; $2}"
}

# flows_end TITLE [MORE]: ends all, prints one line, and fails if one connection was lost.
flows_end()
{
	flows_count
	flows_figures "$@"
	[ $((FLOWS_LOST + FLOWS_FAILED)) = 0 ] || lab_fail "$1: connections broke"
}

# flows_talk ROUNDS: until each connection that is not broken has had so many echoes more.
flows_talk()
{
	local name until=()

	for name in $FLOWS_NAMES; do
		until+=("$name" $(($(flows_round "$name") + $1 + 1)))
	done
	lab_wait_for 30 flows_reach "${until[@]}" || lab_fail "some connections do not talk"
}

# flows_reach NAME ROUND...
flows_reach()
{
	while [ $# -gt 0 ]; do
		[ "$(flows_round "$1")" -ge "$2" ] || return 1
		shift 2
	done
}

flows_round()
{
	awk '$1 == "round" { round = $2 } END { print round + 0 }' "$LAB/$1.log"
}

# flows_ring FILTER: what jq's FILTER makes of the ring.
flows_ring()
{
	lab_ctl -j ring www | jq -r "$1"
}

# How many connections the client has.
flows_open()
{
	lab_in client ss -Htn state established | wc -l
}

flows_closed()
{
	[ "$(flows_open)" = 0 ]
}

# flows_event NAME: what the program counted.
flows_event()
{
	lab_query counters ".events.$1"
}

# flows_helpers FILTER: the sum over all helpers, by jq's FILTER.
flows_helpers()
{
	local i sum=0

	for i in $(seq "$(cat "$LAB/backends")"); do
		sum=$((sum + $(lab_helper_query "$i" "$1")))
	done
	echo $sum
}
