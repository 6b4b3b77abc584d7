#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Frames with one and two VLAN tags through the port: they leave with those of the backend's route (here
# it goes by the port itself: none), and with those that they came with where gateway_mac alone says
# the way. The frames are made by hand, so that the kernel needs no VLAN devices.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

CLIENT=198.18.2.2
# That of frames that leave; frames come to FRAME_DEST of tests/lib/frame.h.
GATEWAY=00:00:de:ad:be:af

frames()
{
	lab_in router "$LAB_BUILD/tests/tools/frames" "$@"
}

# tagged HEX TAGS: the frame with the tags (8 hex digits each) behind its MAC addresses.
tagged()
{
	echo "${1:0:24}$2${1:24}"
}

# comes NAME TAGS-IN TAGS-OUT WORDS OUTER: the frame WORDS goes to the balancer with tags; what leaves
# has OUTER around it.
comes()
{
	local in out

	echo "$1"
	in=$(tagged "$(frames build "$4")" "$2")
	out=$(tagged "$(frames build "$4" "$5")" "$3")
	lab_heard "$out" && lab_fail "$1: the answer came before its question"
	frames send lb "$in"
	lab_wait_for 20 lab_heard "$out" && return
	echo "sent     $in"
	echo "expected $out"
	sed 's/^/got      /' "$LAB/listen.log"
	lab_fail "$1: the frame did not come back so"
}

lab_heard()
{
	grep -qx "$1" "$LAB/listen.log"
}

# The outer header of a flow from $CLIENT: 172.16, then the client's last bytes mixed with its port.
outer4()
{
	printf '4 172.16.%d.%d>198.18.1.11' $((2 ^ ($1 & 255))) $((2 ^ ($1 >> 8)))
}

by_route()
{
	[ "$(lab_query backends '.backends[0].nexthop.interface // "none"')" = "$1" ]
}

[ -e /proc/net/packet ] || lab_skip "the kernel has no packet sockets"
[ -x "$LAB_BUILD/tests/tools/frames" ] || lab_fail "tests/tools/frames is not built: run make tests"
lab_up 1
lab_config '' | sed "s/name = \"eth0\";/& gateway_mac = \"$GATEWAY\";/" >"$LAB/sluice.conf"
lab_sluiced_start
lab_spawn router listen "$LAB_BUILD/tests/tools/frames" listen lb
lab_wait_for 20 lab_heard listening || lab_log_fail listen

lab_wait_for 20 by_route eth0 || lab_fail "the route to the backend is not known"
comes "no tag" "" "" \
	"4 $CLIENT>$LAB_VIP / tcp 1025>80 S" "$(outer4 1025)"
comes "one tag, the route has none" 81000007 "" \
	"4 $CLIENT>$LAB_VIP / tcp 1026>80 S" "$(outer4 1026)"
comes "two tags, the route has none" 88a8000581000007 "" \
	"4 $CLIENT>$LAB_VIP / tcp 1027>80 S" "$(outer4 1027)"

lab_in lb ip route del default
lab_wait_for 20 by_route none || lab_fail "the route is gone, but not for sluiced"
comes "no tag, no route" "" "" \
	"4 $CLIENT>$LAB_VIP / tcp 1028>80 S" "$(outer4 1028)"
comes "one tag" 81000007 81000007 \
	"4 $CLIENT>$LAB_VIP / tcp 1029>80 S" "$(outer4 1029)"
comes "one tag with a priority" 8100a064 8100a064 \
	"4 $CLIENT>$LAB_VIP / tcp 1030>80 S" "$(outer4 1030)"
comes "two tags" 88a8000581000007 88a8000581000007 \
	"4 $CLIENT>$LAB_VIP / tcp 1031>80 S" "$(outer4 1031)"
comes "one tag of 802.1ad" 88a80005 88a80005 \
	"4 $CLIENT>$LAB_VIP / tcp 1032>80 S" "$(outer4 1032)"
comes "two tags of 802.1Q" 8100000581000007 8100000581000007 \
	"4 $CLIENT>$LAB_VIP / tcp 1033>80 S" "$(outer4 1033)"

[ "$(lab_query counters .total.forwarded)" = 9 ] ||
	lab_fail "$(lab_query counters .total.forwarded) packets were forwarded, not 9"
