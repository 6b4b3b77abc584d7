#!/bin/bash
# SPDX-License-Identifier: MIT
#
# First packets from 2^24 sources, as fast as they can be made, while the backends of all slots are
# swapped twice under 1,000 connections: what the flow table holds is bounded, the flood gets handshakes'
# places only, and no connection is reset. FLOOD_S: seconds for the flood.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

FIRST=(filling filling draining draining)
SECOND=(draining draining filling filling)
SOURCES=$((1 << 24))

flood()
{
	local mac

	mac=$(lab_in lb ip -j link show dev eth0 | jq -r '.[0].address')
	lab_spawn router flood nice -n 19 "$LAB_BUILD/tests/tools/flood" \
		"$LAB_BUILD/tests/lib/flood.bpf.o" lb "$mac" $LAB_VIP $FLOWS_PORT $SOURCES "${FLOOD_S:-15}"
	lab_wait_for 20 grep -q flooding "$LAB/flood.log" || lab_log_fail flood
}

# bounded: two of a line's eight places are for handshakes, and only connections are established.
bounded()
{
	local size handshakes established

	read -r size handshakes established < \
		<(lab_query flows '"\(.size) \(.handshakes) \(.established)"')
	[ "$handshakes" -le $((size / 4)) ] || lab_fail "$handshakes handshakes in a table of $size"
	[ "$established" -le "$FLOWS_N" ] || lab_fail "$established flows, of $FLOWS_N connections"
	[ "$handshakes" -le "$most" ] || most=$handshakes
}

most=0
flows_up 4
flows_start "${FIRST[@]}"
flows_hold before $((FLOWS_N * 7 / 10))
flood
for i in 1 2; do
	flows_change "${SECOND[@]}"
	[ $i = 2 ] || flows_hold between $((FLOWS_N * 2 / 10))
	flows_talk 3
	bounded
	flows_change "${FIRST[@]}"
	[ $i = 2 ] || flows_hold after $((FLOWS_N / 10))
	flows_talk 3
	bounded
done
lab_wait_for 30 grep -q "^sent" "$LAB/flood.log" || lab_log_fail flood
bounded
flows_end "flood" "$(tail -n 1 "$LAB/flood.log"), $most handshakes known at once"
