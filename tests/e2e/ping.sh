#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is not balanced: ping to a VIP is answered by the balancer, ping to its own address by its
# host; traceroute sees the router and then the VIP; address resolution and what is for no VIP reach
# the host.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

PINGS=20
UDP_PORT=7

# vip NAME ADDRESS PORT PROTOCOL
vip()
{
	echo "{ name = \"$1\"; address = \"$2\"; port = $3; protocol = \"$4\"; pool = \"web\"; }"
}

config()
{
	lab_config '' | sed '/^vips/,$ d'
	echo "vips = ( $(vip www $LAB_VIP 80 tcp), $(vip echo $LAB_VIP $UDP_PORT udp)"
	! lab_has_ipv6 ||
		echo ", $(vip www6 $LAB_VIP6 80 tcp), $(vip echo6 $LAB_VIP6 $UDP_PORT udp)"
	echo ");"
}

# counter NAME: of all packets
counter()
{
	lab_query counters ".total.$1"
}

# ping_all HOST ADDRESS [OPTIONS...]
ping_all()
{
	lab_in "$1" ping -n -q -i 0.01 -c $PINGS -w 30 "${@:3}" "$2" >"$LAB/ping" ||
		lab_fail "$(cat "$LAB/ping")"
	grep -q "^$PINGS packets transmitted, $PINGS received" "$LAB/ping" ||
		lab_fail "$(cat "$LAB/ping")"
}

# Echo requests that the balancer's host answered.
host_echos()
{
	lab_in lb nstat -asz "${1}InEchos" | awk -v name="${1}InEchos" '$1 == name { print $2 }'
}

# pings IP VIP OWN: nstat's word for the family, and the two addresses.
pings()
{
	local before echo size

	echo "ping to $2: the balancer answers"
	before=$(host_echos "$1")
	echo=$(counter echo)
	for size in 0 1 56 1400; do
		ping_all client "$2" -s $size
	done
	ping_all client "$2" -s 3000 # in 3 fragments
	[ "$(counter echo)" = $((echo + (4 + 3) * PINGS)) ] ||
		lab_fail "echo is $(counter echo), it was $echo"
	[ "$(host_echos "$1")" = "$before" ] || lab_fail "requests to the VIP reached the host"

	echo "ping to $3: its host answers"
	echo=$(counter echo)
	ping_all client "$3"
	[ "$(host_echos "$1")" = $((before + PINGS)) ] || lab_fail "the host did not answer"
	[ "$(counter echo)" = "$echo" ] || lab_fail "the balancer answered for its host"
}

# hops ADDRESS OPTIONS...: the addresses that traceroute sees, "ROUTER TARGET".
hops()
{
	lab_in client traceroute -n -q 1 -w 10 -N 1 -m 5 "${@:2}" "$1" >"$LAB/traceroute" || true
	awk 'NR > 1 { printf "%s%s", sep, $2; sep = " " }' "$LAB/traceroute"
}

# traces ADDRESS ROUTER OPTIONS...
traces()
{
	local got

	echo "traceroute ${*:3} to $1"
	got=$(hops "$1" "${@:3}")
	[ "$got" = "$2 $1" ] || lab_fail "$(cat "$LAB/traceroute")"
}

# no_port IP OWN: nstat's word, and the balancer's own address.
no_port()
{
	local name="$1NoPorts" before

	echo "a UDP port without a VIP at $2: the host refuses"
	before=$(lab_in lb nstat -asz "$name" | awk -v name="$name" '$1 == name { print $2 }')
	lab_in client "$LAB_BUILD/tests/tools/datagrams" send "$2" 9 100 1 >"$LAB/refused" 2>&1 || true
	grep -q 'refused 1 lost 0$' "$LAB/refused" || lab_fail "$(cat "$LAB/refused")"
	[ "$(lab_in lb nstat -asz "$name" | awk -v name="$name" '$1 == name { print $2 }')" = $((before + 1)) ] ||
		lab_fail "it was not the host that refused"
}

# knows HOST DEVICE ADDRESS: its neighbour is found.
knows()
{
	lab_in "$1" ip -j neigh show "$3" dev "$2" |
		jq -e '.[0].lladdr and (.[0].state | IN(["REACHABLE"], ["STALE"], ["DELAY"], ["PROBE"]))'
}

# resolves FAMILY ROUTER OWN VIP: both find each other anew.
resolves()
{
	echo "$1: the router and the balancer's host find each other anew"
	lab_in router ip "$1" neigh flush dev lb
	lab_in lb ip "$1" neigh flush dev eth0
	ping_all router "$3"
	knows router lb "$3" >/dev/null || lab_fail "the router does not know the balancer"
	knows lb eth0 "$2" >/dev/null || lab_fail "the balancer does not know the router"
	lab_wait_for 20 lab_serves || lab_fail "sluiced lost the way to the backend"
	lab_requests 20 "$4"
	[ "$LAB_ANSWERED" = 20 ] || lab_fail "$LAB_ANSWERED of 20 requests were answered"
}

# Errors are not rationed, so that each probe has its answer.
no_ration()
{
	lab_sysctl "$1" net.ipv4.icmp_ratelimit=0
	! lab_has_ipv6 || lab_sysctl "$1" net.ipv6.icmp.ratelimit=0
}

lab_up 1
no_ration router
no_ration lb
for address in $LAB_VIP $(lab_has_ipv6 && echo $LAB_VIP6); do
	lab_spawn web1 "echo-$address" "$LAB_BUILD/tests/tools/datagrams" serve "$address" $UDP_PORT
done
config >"$LAB/sluice.conf"
lab_sluiced_start

pings Icmp $LAB_VIP 198.18.0.2
traces $LAB_VIP 198.18.2.1 -T -p 80
traces $LAB_VIP 198.18.2.1 -U -p $UDP_PORT
traces 198.18.0.2 198.18.2.1 -U -p 9
traces $LAB_VIP 198.18.2.1 -I
no_port Udp 198.18.0.2
resolves -4 198.18.0.1 198.18.0.2 $LAB_VIP

lab_has_ipv6 || { echo "(the kernel has no IPv6: only IPv4 was tried)"; exit 0; }
pings Icmp6 $LAB_VIP6 2001:db8::2
traces $LAB_VIP6 2001:db8:2::1 -T -p 80
traces $LAB_VIP6 2001:db8:2::1 -U -p $UDP_PORT
traces 2001:db8::2 2001:db8:2::1 -U -p 9
traces $LAB_VIP6 2001:db8:2::1 -I
no_port Udp6 2001:db8::2
resolves -6 2001:db8::1 2001:db8::2 "[$LAB_VIP6]"

[ "$(counter not_ip)" -gt 0 ] || lab_fail "ARP was not counted as not_ip"
