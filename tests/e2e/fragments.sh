#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Datagrams of 60000 bytes through UDP VIPs of both families to backends of both: the client sends
# each in some 40 fragments, all of which follow the first one to its backend, and the echo comes
# back whole.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

PORTS="80 81 82 83" # of the VIPs
SIZE=60000
DATAGRAMS=20

tool()
{
	echo "$LAB_BUILD/tests/tools/datagrams"
}

# whole NAME ADDRESS PORT: all echoes come back, and every fragment was seen.
whole()
{
	local fragments

	echo "$1: $DATAGRAMS datagrams of $SIZE bytes to $2 port $3"
	lab_in client "$(tool)" send "$2" "$3" $SIZE $DATAGRAMS </dev/null || lab_fail "$1: not all came back"
	fragments=$(lab_vip_counter "$1" events fragment)
	# At least 40 a datagram, the first of which is not counted: it has the ports.
	[ "$fragments" -ge $((DATAGRAMS * 39)) ] || lab_fail "$1: only $fragments fragments were counted"
}

# serves N PORT: the echo servers of webN are there.
serves()
{
	[ "$(lab_in "web$1" ss -Hlun "sport = :$2" | wc -l)" = "$(lab_has_ipv6 && echo 2 || echo 1)" ]
}

lab_up 2
for i in 1 2; do
	for port in $PORTS; do
		lab_spawn web$i "echo-$i-$port" "$(tool)" serve $LAB_VIP "$port"
		! lab_has_ipv6 || lab_spawn web$i "echo6-$i-$port" "$(tool)" serve $LAB_VIP6 "$port"
		lab_wait_for 20 serves "$i" "$port" || lab_log_fail "echo-$i-$port"
	done
done
lab_ways_config udp >"$LAB/sluice.conf"
lab_sluiced_start

while read -r name address port _; do
	whole "$name" "$address" "$port"
done < <(lab_ways)
lab_has_ipv6 || echo "(the kernel has no IPv6: only IPv4 was tried)"

[ "$(lab_query counters .total.fragment_lost)" = 0 ] ||
	lab_fail "$(lab_query counters .total.fragment_lost) fragments were lost"
echo "both backends had their part"
for i in 1 2; do
	packets=$(lab_query backends "[.backends[] | select(.name == \"web-$i\") | .packets] | add")
	[ "$packets" -ge 40 ] || lab_fail "web-$i got $packets packets"
done
