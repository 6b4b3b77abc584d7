#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Datagrams of 60000 bytes through a UDP VIP, of either family to backends of either: the client sends
# each in some 40 fragments, all of which follow the first one to its backend, and the echo comes
# back whole.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

PORT=7
SIZE=60000
DATAGRAMS=20

tool()
{
	echo "$LAB_BUILD/tests/tools/datagrams"
}

# vip NAME ADDRESS PORT POOL
vip()
{
	echo "{ name = \"$1\"; address = \"$2\"; port = $3; protocol = \"udp\"; pool = \"$4\"; }"
}

config()
{
	cat <<-EOF
		interfaces = ( { name = "eth0"; mode = "native"; } );
		control = { socket = "$LAB/control.sock"; };
		pin_dir = "$LAB/bpf/sluice";
		state_dir = "$LAB/state";
		pools = (
		  { name = "four"; check = { type = "none"; };
		    backends = ( { name = "web-1"; address = "198.18.1.11"; },
		                 { name = "web-2"; address = "198.18.1.12"; } ); }
	EOF
	! lab_has_ipv6 || cat <<-EOF
		  , { name = "six"; check = { type = "none"; };
		    backends = ( { name = "web-1"; address = "2001:db8:1::11"; },
		                 { name = "web-2"; address = "2001:db8:1::12"; } ); }
	EOF
	echo "); vips = ("
	vip 4in4 $LAB_VIP $PORT four
	if lab_has_ipv6; then
		echo ", $(vip 6in6 $LAB_VIP6 $PORT six)"
		echo ", $(vip 4in6 $LAB_VIP $((PORT + 1)) six)"
		echo ", $(vip 6in4 $LAB_VIP6 $((PORT + 1)) four)"
	fi
	echo ");"
}

# counter NAME KIND COUNTER
counter()
{
	lab_query counters ".vips[] | select(.name == \"$1\") | .$2.$3"
}

# whole NAME ADDRESS PORT: all echoes come back, and every fragment was seen.
whole()
{
	local fragments

	echo "$1: $DATAGRAMS datagrams of $SIZE bytes to $2 port $3"
	lab_in client "$(tool)" send "$2" "$3" $SIZE $DATAGRAMS || lab_fail "$1: not all came back"
	fragments=$(counter "$1" events fragment)
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
	for port in $PORT $((PORT + 1)); do
		lab_spawn web$i "echo-$i-$port" "$(tool)" serve $LAB_VIP "$port"
		! lab_has_ipv6 || lab_spawn web$i "echo6-$i-$port" "$(tool)" serve $LAB_VIP6 "$port"
		lab_wait_for 20 serves "$i" "$port" || lab_log_fail "echo-$i-$port"
	done
done
config >"$LAB/sluice.conf"
lab_sluiced_start

whole 4in4 $LAB_VIP $PORT
if lab_has_ipv6; then
	whole 6in6 $LAB_VIP6 $PORT
	whole 4in6 $LAB_VIP $((PORT + 1))
	whole 6in4 $LAB_VIP6 $((PORT + 1))
else
	echo "(the kernel has no IPv6: only IPv4 is tried)"
fi

[ "$(lab_query counters .total.fragment_lost)" = 0 ] ||
	lab_fail "$(lab_query counters .total.fragment_lost) fragments were lost"
echo "both backends had their part"
for i in 1 2; do
	packets=$(lab_query backends "[.backends[] | select(.name == \"web-$i\") | .packets] | add")
	[ "$packets" -ge 40 ] || lab_fail "web-$i got $packets packets"
done
