#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Path MTU discovery through the balancer, over each tunnel. Up: the way to the backends has little
# room, the client is told so from the VIP's address, and its upload completes. Down: the router has
# little room towards the client and tells the VIP; the balancer hands that to the backend that has
# the flow, and the download completes.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

BACKENDS=2
SIZE=1000000
TUNNEL_MTU=1400 # between balancer and backends
CLIENT_MTU=1300 # from the router to the client

# The metric "mtu" of what HOST knows of the way: path_mtu HOST ADDRESS [from ADDRESS].
path_mtu()
{
	lab_in "$1" ip route get "${@:2}" | grep -o ' mtu [0-9]*' | cut -d' ' -f3 || true
}

# HOSTS forget what they learned of paths.
forget()
{
	local host

	for host; do
		lab_in "$host" ip route flush cache
		! lab_has_ipv6 || lab_in "$host" ip -6 route flush cache
	done
}

# in_hex ADDRESS
in_hex()
{
	local frame

	case $1 in
	*:*)
		frame=$("$LAB_BUILD/tests/tools/frames" build "6 $1>$1 / udp 1>1")
		echo "${frame:44:32}"
		;;
	*)
		frame=$("$LAB_BUILD/tests/tools/frames" build "4 $1>$1 / udp 1>1")
		echo "${frame:52:8}"
		;;
	esac
}

# told ADDRESS MTU: the client got "too big" with this MTU from this address.
told()
{
	local mtu

	mtu=$(printf %04x "$2")
	case $1 in
	*:*) grep -qE "^.{24}86dd6.{11}3a..$(in_hex "$1").{32}0200....0000$mtu" "$LAB/listen.log" ;;
	*) grep -qE "^.{24}080045.{16}01....$(in_hex "$1").{8}0304....0000$mtu" "$LAB/listen.log" ;;
	esac
}

# up NAME ADDRESS PORT ROOM: an upload; ROOM is what the tunnel has for a packet.
up()
{
	local got

	echo "$1: upload of $SIZE bytes, the tunnel has room for $4"
	forget client
	lab_in client curl -sf --max-time 60 -T "$LAB/data" "http://$(lab_host "$2"):$3/files/$1" ||
		lab_fail "$1: the upload failed"
	cmp "$LAB/data" "$LAB"/nginx-*/files/"$1" || lab_fail "$1: what arrived is not what was sent"
	got=$(path_mtu client "$2")
	[ "$got" = "$4" ] || lab_fail "$1: the client's path MTU to $2 is \"$got\", expected $4"
	lab_wait_for 20 told "$2" "$4" || lab_fail "$1: nothing came to the client from $2"
	[ "$(lab_vip_counter "$1" counters too_big)" -gt 0 ] || lab_fail "$1: too_big was not counted"
}

# down NAME ADDRESS PORT CLIENT
down()
{
	local i learned=0

	echo "$1: download of $SIZE bytes, the way to the client has room for $CLIENT_MTU"
	forget "${WEBS[@]}"
	lab_in client curl -sf --max-time 60 -o "$LAB/got" "http://$(lab_host "$2"):$3/files/data" ||
		lab_fail "$1: the download failed"
	cmp "$LAB/data" "$LAB/got" || lab_fail "$1: what arrived is not what was sent"
	[ "$(lab_vip_counter "$1" events icmp_error)" -gt 0 ] || lab_fail "$1: icmp_error was not counted"
	for i in "${WEBS[@]}"; do
		[ "$(path_mtu "$i" "$4" from "$2")" != $CLIENT_MTU ] || learned=$((learned + 1))
	done
	[ $learned = 1 ] || lab_fail "$1: $learned servers learned the path MTU, expected one"
}

# client_of ADDRESS: the client's address of the VIP's family.
client_of()
{
	case $1 in
	*:*) echo $LAB_CLIENT6 ;;
	*) echo $LAB_CLIENT ;;
	esac
}

lab_up $BACKENDS
mapfile -t WEBS < <(seq -f "web%.0f" $BACKENDS)
head -c $SIZE /dev/urandom >"$LAB/data"
for i in $(seq $BACKENDS); do
	cp "$LAB/data" "$LAB/nginx-$i/files/"
done
lab_in lb ip route add 198.18.1.0/24 via 198.18.0.1 mtu $TUNNEL_MTU
! lab_has_ipv6 || lab_in lb ip route add 2001:db8:1::/64 via 2001:db8::1 mtu $TUNNEL_MTU
lab_ways_config tcp >"$LAB/sluice.conf"
lab_sluiced_start

lab_spawn client listen "$LAB_BUILD/tests/tools/frames" listen eth0
lab_wait_for 20 grep -qx listening "$LAB/listen.log" || lab_log_fail listen
while read -r name address port _ overhead; do
	up "$name" "$address" "$port" $((TUNNEL_MTU - overhead))
done < <(lab_ways)
lab_kill listen

lab_in router ip route add $LAB_CLIENT/32 dev client mtu $CLIENT_MTU
! lab_has_ipv6 || lab_in router ip route add $LAB_CLIENT6/128 dev client mtu $CLIENT_MTU
while read -r name address port _; do
	down "$name" "$address" "$port" "$(client_of "$address")"
done < <(lab_ways)
lab_has_ipv6 || echo "(the kernel has no IPv6: only IPv4 was tried)"

for name in too_big_no_df too_big_limited no_backend; do
	[ "$(lab_query counters ".total.$name")" = 0 ] || lab_fail "$name was counted"
done
