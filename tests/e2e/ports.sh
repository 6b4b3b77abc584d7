#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A balancer with three ports, all named in the config: packets come in by any of them, and leave by the
# one that the route to their backend names, with its MAC addresses; by redirect where that is another
# one. web-1 is behind eth1, web-2 behind eth2. In native mode, and in the generic one.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

REQUESTS=30

frames()
{
	lab_in router "$LAB_BUILD/tests/tools/frames" "$@"
}

# port I: eth$I of the balancer, lb$I of the router, with a route to web-$I by it.
port()
{
	local i=$1

	ip link add "eth$i" mtu 1600 netns "$LAB/ns/lb" type veth \
		peer name "lb$i" mtu 1600 netns "$LAB/ns/router"
	lab_in lb ethtool -K "eth$i" tx off >/dev/null
	lab_in router ethtool -K "lb$i" tx off >/dev/null
	lab_in lb ip addr add "198.18.3.$((4 * i + 2))/30" dev "eth$i"
	lab_in router ip addr add "198.18.3.$((4 * i + 1))/30" dev "lb$i"
	lab_in lb ip link set "eth$i" up
	lab_in router ip link set "lb$i" up
	lab_takes_xdp "lb$i"
	lab_in lb ip route add "198.18.1.$((10 + i))/32" via "198.18.3.$((4 * i + 1))"
	! lab_has_ipv6 || port_ipv6 "$i"
}

port_ipv6()
{
	lab_in lb ip addr add "2001:db8:3:$1::2/64" dev "eth$1" nodad
	lab_in router ip addr add "2001:db8:3:$1::1/64" dev "lb$1" nodad
	lab_in lb ip route add "2001:db8:1::$((10 + $1))/128" via "2001:db8:3:$1::1"
}

# config MODE
config()
{
	lab_ways_config tcp | sed "/^interfaces/c interfaces = ( $(interface eth0 "$1"), \
		$(interface eth1 "$1"), $(interface eth2 "$1") );"
}

interface()
{
	echo "{ name = \"$1\"; mode = \"$2\"; }"
}

# enter PORT: the router sends the VIPs' packets by this port of the balancer.
enter()
{
	local via=198.18.0.2 via6=2001:db8::2

	case $1 in
	eth[12]) via=198.18.3.$((4 * ${1#eth} + 2)) via6=2001:db8:3:${1#eth}::2 ;;
	esac
	lab_in router ip route replace $LAB_VIP/32 via "$via"
	! lab_has_ipv6 || lab_in router ip route replace $LAB_VIP6/128 via "$via6"
}

mac()
{
	lab_in "$1" ip -j link show dev "$2" | jq -r '.[0].address' | tr -d :
}

# sees I WORDS OUTER: of the frames that the balancer sent by eth$I one has this inner and outer packet,
# and the MAC addresses of this cable.
sees()
{
	local frame

	frame=$(mac router "lb$1")$(mac lb "eth$1")$(frames build "$2" "$3" | cut -c25-)
	grep -qx "$frame" "$LAB/listen-$1.log"
}

# leaves IN PORT: flows that come in by IN (of the router) leave by the port of their backend. Each
# client port is another flow; both backends must have had some.
leaves()
{
	local client=198.18.2.2 in=$1 mine=$2 sport words by1=0 by2=0 source

	for sport in $(seq "$3" $(($3 + 7))); do
		words="4 $client>$LAB_VIP / tcp $sport>80 A"
		source=172.16.$((2 ^ (sport & 255))).$((2 ^ (sport >> 8)))
		frames send "$in" "$(mac lb "$mine")$(mac router "$in")$(frames build "$words" | cut -c25-)"
		lab_wait_for 20 left "$words" "$source" || lab_fail "$in: no frame left for $words"
		if sees 1 "$words" "4 $source>198.18.1.11"; then
			by1=$((by1 + 1))
		else
			by2=$((by2 + 1))
		fi
	done
	echo "  frames by $mine: $by1 left by eth1, $by2 by eth2"
	[ $((by1 * by2)) -gt 0 ] || lab_fail "one port had none"
}

left()
{
	sees 1 "$1" "4 $2>198.18.1.11" || sees 2 "$1" "4 $2>198.18.1.12"
}

# serves PORT: all VIPs, with both backends, when packets come in by PORT.
serves()
{
	local name address port

	enter "$1"
	while read -r name address port _; do
		lab_requests $REQUESTS "$(lab_host "$address"):$port"
		[ "$LAB_ANSWERED" = $REQUESTS ] ||
			lab_fail "$1, $name: $LAB_ANSWERED of $REQUESTS requests were answered"
		[ "$(grep '^web-' "$LAB/answers" | sort -u | wc -l)" = 2 ] ||
			lab_fail "$1, $name: one backend got all"
	done < <(lab_ways)
}

# way BACKEND PORT
way()
{
	lab_query backends ".backends[] | select(.name == \"$1\") | .nexthop.interface" |
		sort -u | grep -qx "$2"
}

[ -e /proc/net/packet ] || lab_skip "the kernel has no packet sockets"
[ -x "$LAB_BUILD/tests/tools/frames" ] || lab_fail "tests/tools/frames is not built: run make tests"
lab_up 2
port 1
port 2
for i in 1 2; do
	lab_spawn router "listen-$i" "$LAB_BUILD/tests/tools/frames" listen "lb$i"
	lab_wait_for 20 grep -qx listening "$LAB/listen-$i.log" || lab_log_fail "listen-$i"
done
for mode in native generic; do
	echo "$mode"
	config $mode >"$LAB/sluice.conf"
	if [ -e "$LAB/proc/sluiced" ]; then
		lab_ctl reload
	else
		lab_sluiced_start
	fi
	[ "$(lab_query status '[.interfaces[].mode] | unique | join(" ")')" = $mode ] ||
		lab_fail "the ports are not all in $mode mode"
	way web-1 eth1 || lab_fail "web-1 is not behind eth1"
	way web-2 eth2 || lab_fail "web-2 is not behind eth2"
	for port in eth0 eth1 eth2; do
		serves $port
	done
	[ "$mode" = native ] && base=1000 || base=2000
	leaves lb eth0 "$base"
	leaves lb1 eth1 $((base + 100))
	leaves lb2 eth2 $((base + 200))
done
[ "$(lab_query counters .total.no_nexthop)" = 0 ] || lab_fail "$(lab_ctl counters)"
