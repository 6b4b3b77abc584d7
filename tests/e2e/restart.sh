#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The daemon may die and come back while requests go on: not one fails, and not one packet of the
# VIP slips past the program or is dropped by it. --detach then takes everything down.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

program_id()
{
	lab_in lb ip -j link show dev eth0 | jq '.[0].xdp.prog.id'
}

pins()
{
	find "$LAB/bpf/sluice" -printf '%P\n' | sort
}

# while_down SIGNAL: ends the daemon, requests go on without it, starts it again.
while_down()
{
	local before after

	before=$(pins)
	lab_kill sluiced "$1"
	lab_ctl status >/dev/null 2>&1 && lab_fail "sluicectl found a daemon after SIG$1"
	after=$(pins)
	[ "$before" = "$after" ] || lab_fail "SIG$1 changed the pins: $before -> $after"
	lab_load_more 300
	lab_sluiced_start
	lab_load_more 300
}

no_packet_lost()
{
	local outcome count

	[ "$(lab_slipped)" = 0 ] || lab_fail "$(lab_slipped) packets went past the program"
	for outcome in no_backend no_nexthop too_big no_headroom malformed; do
		count=$(lab_query counters ".total.$outcome")
		[ "$count" = 0 ] || lab_fail "$outcome: $count packets"
	done
}

lab_up 4
lab_config '' '' 'weight = 200;' '' >"$LAB/sluice.conf"
lab_sluiced_start
lab_ctl drain web-4
counted=$(lab_query counters .total.forwarded)

lab_load_start 3
lab_load_more 300
for signal in KILL KILL KILL TERM; do
	echo "SIG$signal and start"
	while_down $signal
	[ "$(lab_query status .operator_changes)" = 1 ] || lab_fail "the operator's drain is lost"
done
lab_load_stop
echo "$LAB_ANSWERED answered, $LAB_FAILED failed"
[ "$LAB_FAILED" = 0 ] || lab_fail "requests failed: $(grep -m 5 '^[1-9]' "$LAB/answers")"
lab_shares 100 100 200 0 || lab_fail "the shares are not by weight"
no_packet_lost
[ "$(lab_query counters .total.forwarded)" -ge $((counted + LAB_ANSWERED)) ] ||
	lab_fail "the counters began anew"

echo "a second daemon is refused --detach while the first runs"
lab_sluiced --detach && lab_fail "--detach took a running daemon's pins"
lab_requests 100
[ "$LAB_ANSWERED" = 100 ] || lab_fail "$LAB_ANSWERED of 100 requests were answered"

echo "--detach"
lab_kill sluiced
[ "$(program_id)" != null ] || lab_fail "the program went with the daemon"
lab_sluiced --detach
[ "$(program_id)" = null ] || lab_fail "--detach left the program on eth0"
[ ! -e "$LAB/bpf/sluice" ] || lab_fail "--detach left pins: $(pins)"
lab_sluiced --detach || lab_fail "--detach of nothing failed"
lab_in client curl -s --connect-timeout 1 "http://$LAB_VIP/" && lab_fail "somebody answered"

echo "a start from nothing"
lab_sluiced_start
lab_requests 100
[ "$LAB_ANSWERED" = 100 ] || lab_fail "$LAB_ANSWERED of 100 requests were answered"
