#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A drain, a new backend and a swap of all move no live UDP flow on one balancer: the flow table knows them. QUIC
# moves neither, though its clients come from another port each time: the server's id is in the packet.
# Without table and ids flows move: the lab sees what it is to see.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

LAB_SERVER=udp_server
UDP_N=$((FLOWS_N / 2))

# webN's number is N, as a connection id in Katran's layout says it, too.
udp_server()
{
	lab_spawn "web$1" "echo-$1" "$LAB_BUILD/tests/tools/udp_flows" serve $LAB_VIP $FLOWS_PORT \
		"40$(printf '%02x%02x' $(($1 >> 2)) $(($1 % 4 << 6)))0102030405"
}

# udp_config SETTING STATE...: SETTING is the VIP's.
udp_config()
{
	local i=1 state settings=()

	for state in "${@:2}"; do
		settings+=("state = \"$state\"; server_ids = [ $i ];")
		i=$((i + 1))
	done
	lab_config "${settings[@]}" |
		sed "s/port = 80; protocol = \"tcp\";/port = $FLOWS_PORT; protocol = \"udp\"; $1/" \
			>"$LAB/sluice.conf"
}

# udp_changes SETTING HOW: flows of the tool's command HOW, with all changes under them. UDP_MOVED of them
# moved.
udp_changes()
{
	local config=(udp_config "$1")

	"${config[@]}" active active active disabled
	lab_ctl reload >/dev/null
	lab_ctl settle >/dev/null
	lab_ctl flows --purge >/dev/null
	FLOWS_NAMES=$2
	: >"$LAB/$2.log"
	lab_spawn client "$2" "$LAB_BUILD/tests/tools/udp_flows" "$2" $LAB_VIP $FLOWS_PORT $UDP_N 100
	flows_talk 3
	"${config[@]}" draining active active disabled
	lab_ctl reload >/dev/null
	flows_talk 3
	"${config[@]}" draining active active filling
	lab_ctl reload >/dev/null
	flows_talk 3
	"${config[@]}" active draining draining draining
	lab_ctl reload >/dev/null
	flows_talk 3
	lab_kill "$2"
	tail -n 1 "$LAB/$2.log"
	UDP_MOVED=$(awk '$1 == "flows" { print $6 }' "$LAB/$2.log")
}

flows_up 4
udp_config "" active active active disabled
lab_sluiced_start

udp_changes "" hold
[ "$UDP_MOVED" = 0 ] || lab_fail "UDP flows moved"
udp_changes 'quic = "katran";' quic
[ "$UDP_MOVED" = 0 ] || lab_fail "QUIC flows moved"
[ "$(flows_event id_used)" -gt 0 ] || lab_fail "no id was used"

udp_changes 'track = "never";' hold
[ "$UDP_MOVED" -gt 0 ] || lab_fail "nothing moves without the flow table: this lab sees nothing"
udp_changes "" quic
[ "$UDP_MOVED" -gt 0 ] || lab_fail "nothing moves without ids: this lab sees nothing"
