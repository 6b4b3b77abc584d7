#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Probes go where data goes: through each kind of tunnel to the backend, whatever routes the balancer has
# to the VIP, and what is missing on the backend shows. The answers pass the balancer's program.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

# probe KIND POOL VIP PORT [BYTES]: one probe into the tunnel to web1, as tests/tools/probe_path.c has it.
probe()
{
	local backend=198.18.1.11

	case $2 in *6) backend=2001:db8:1::11 ;; esac
	lab_in lb "$LAB_BUILD/tests/tools/probe_path" "$1" eth0 "$MAC" "$2" $backend "${@:3}"
}

answers()
{
	local said

	said=$(probe get "$@") || lab_fail "probe of $2 port $3 by $1: $said"
	[ "$said" = web-1 ] || lab_fail "probe of $2 port $3 by $1: $said"
}

is_silent()
{
	local said

	! said=$(probe get "$@") || lab_fail "probe of $2 port $3 by $1 was answered: $said"
	[ "$said" = "connect: no answer" ] || lab_fail "probe of $2 port $3 by $1: $said"
}

# each COMMAND...: for each way to carry packets.
each()
{
	local name address port pool

	while read -r name address port pool _; do
		"$@" "$pool" "$address" "$port"
	done < <(lab_ways)
}

# More than a segment: the kernel cuts it before it comes to the program, which would drop it.
answers_long()
{
	local said

	said=$(probe count "$@" 6000) || lab_fail "long probe of $2 port $3 by $1: $said"
	! grep too_big <<<"$said" || lab_fail "segments of $2 port $3 by $1 do not fit"
	grep -qx web-1 <<<"$said" || lab_fail "long probe of $2 port $3 by $1: $said"
}

# carries_all POOL VIP PORT: packets of 1500 bytes; carries_less: what 1500 leave beside the outer header.
carries_all()
{
	carries 1500 "$@"
}

carries_less()
{
	local -A overhead=([ip4]=20 [ip6]=40 [gue4]=28 [gue6]=48)

	carries $((1500 - overhead[$1])) "$@"
}

carries()
{
	local said expected=$1

	said=$(probe mtu "${@:2}") || lab_fail "$2 to $3: $said"
	[ "$said" = "carried $expected of 1500" ] || lab_fail "$2 to $3: $said, not $expected"
}

routes()
{
	echo "no route to the VIP"
	lab_in lb ip route del default
	! lab_has_ipv6 || lab_in lb ip -6 route del default
	each answers
	echo "the VIP on the link, where nobody has it"
	lab_in lb ip route add $LAB_VIP/32 dev eth0
	! lab_has_ipv6 || lab_in lb ip -6 route add $LAB_VIP6/128 dev eth0
	each answers
	echo "strict reverse path filter"
	lab_sysctl lb net.ipv4.conf.{all,eth0}.rp_filter=1
	each answers
	echo "strict reverse path filter and no route"
	lab_in lb ip route del $LAB_VIP/32 dev eth0
	is_silent ip4 $LAB_VIP 80
	lab_in lb ip route add default via 198.18.0.1
	answers ip4 $LAB_VIP 80
}

# The backend has another way back to the balancer than the way that tunnels come by.
reverse_path()
{
	lab_in web1 ip link add eth1 type veth peer name other netns "$LAB/ns/router"
	lab_in web1 ethtool -K eth1 tx off >/dev/null
	lab_in web1 ip link set eth1 up
	lab_in router ip link set other up
	lab_in web1 ip route add 198.18.0.2 via 198.18.1.1 dev eth1 onlink
	answers ip4 $LAB_VIP 80
	lab_sysctl web1 net.ipv4.conf.eth0.rp_filter=1
	is_silent ip4 $LAB_VIP 80
	lab_in web1 ip link del eth1
	answers ip4 $LAB_VIP 80
}

missing()
{
	echo "the VIP missing on the backend"
	lab_in web1 ip addr del $LAB_VIP/32 dev lo
	! lab_has_ipv6 || lab_in web1 ip addr del $LAB_VIP6/128 dev lo
	each is_silent
	lab_in web1 ip addr add $LAB_VIP/32 dev lo
	! lab_has_ipv6 || lab_in web1 ip addr add $LAB_VIP6/128 dev lo nodad
	each answers
	echo "nobody there to unpack"
	lab_kill helper-1
	lab_helper 1 --detach
	each is_silent
	[ "$(probe mtu ip4 $LAB_VIP 80)" = "carried 0 of 1500" ] || lab_fail "something was carried"
}

own_settings()
{
	lab_in lb ip rule
	lab_in lb ip -6 rule
	lab_in lb ip -br link
	lab_in lb ip route show table all
}

[ -e /dev/net/tun ] || lab_skip "/dev/net/tun is not there"
lab_up 1
lab_ways_config tcp >"$LAB/sluice.conf"
lab_sluiced_start
before=$(own_settings)
MAC=$(lab_in router ip -j link show dev lb | jq -r '.[0].address')

echo "probes through tunnels"
each answers
each answers_long
[ "$(own_settings)" = "$before" ] || lab_fail "something was left behind"
echo "full size"
each carries_all
echo "a cable on the way that takes 1500 bytes"
lab_in router ip link set web1 mtu 1500
each carries_less
echo "the balancer's own cable being it"
lab_in lb ip link set eth0 mtu 1500
each carries_less
lab_in lb ip link set eth0 mtu 1600
lab_in router ip link set web1 mtu 1600
routes
echo "strict reverse path filter on the backend"
reverse_path
missing
