#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The hint in every kind of outer header: connections of either family by all tunnels, all slots move twice, and
# no balancer remembers anything. Helpers send on what lives elsewhere, and none is reset.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

LAB_SERVER=four_ports

four_ports()
{
	local port

	for port in 80 81 82 83; do
		lab_spawn "web$1" "echo-$1-$port" "$(flows_tool)" serve $port
	done
}

# ways_config STATE...: for the backends of each pool.
ways_config()
{
	local i=1 state rules=()

	for state in "$@"; do
		rules+=(-e "s/name = \"web-$i\";/& state = \"$state\";/")
		i=$((i + 1))
	done
	lab_ways_config tcp | sed "${rules[@]}" -e "s/protocol = \"tcp\";/& \
		track = \"${FLOWS_TRACK:-never}\"; hint = \"${FLOWS_HINT:-moving}\";/" \
		>"$LAB/sluice.conf"
}

# hold NAME N: N connections to each VIP.
hold()
{
	local name address port

	while read -r name address port _; do
		FLOWS_NAMES="$FLOWS_NAMES $name-$1"
		lab_spawn client "$name-$1" "$(flows_tool)" hold "$address" "$port" "$2" "$FLOWS_PAUSE_MS"
		lab_wait_for 30 grep -q "^open $2" "$LAB/$name-$1.log" || lab_log_fail "$name-$1"
	done < <(lab_ways)
}

# swap STATE..., under connections that talk.
swap()
{
	local name

	ways_config "$@"
	lab_ctl reload >/dev/null
	flows_talk 3
	while read -r name _; do
		[ "$(lab_vip_counter "$name" events hinted)" -gt 0 ] || lab_fail "$name: no hint"
	done < <(lab_ways)
}

flows_up 2
ways_config filling draining
lab_sluiced_start
hold before 50
swap draining filling
hold between 20
swap filling draining
sent_on=$(flows_helpers .outcomes.sent_on)
flows_end "$(lab_ways | wc -l) kinds of outer header" "$sent_on packets sent on by helpers"
[ "$(lab_helper_query 1 .outcomes.sent_on)" -gt 0 ] || lab_fail "web1 sent nothing on"
[ "$(lab_helper_query 2 .outcomes.sent_on)" -gt 0 ] || lab_fail "web2 sent nothing on"
