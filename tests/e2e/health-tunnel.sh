#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is wrong with a tunnel shows as down, with a reason that says where to look; one that loses large
# packets is a warning. A VIP on a device of the balancer is refused, and nothing changes.
# shellcheck disable=SC2119 # functions of the lab take arguments or none
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"

HINT="does it take the tunnel off, is the VIP on its lo, rp_filter not strict?"

# is_silent N: its check finds nobody at the other end, and says where to look.
is_silent()
{
	becomes "web-$1" down
	[[ $(stream "web-$1" reason) == *"timed out"*"$HINT" ]] || lab_fail "web-$1: $(stream "web-$1" reason)"
	is_logged "backend web-$1 (198.18.1.1$1) of VIP www: up -> down, $2" "${3:-1}"
}

# What the daemon has on the balancer, but for its log.
own_settings()
{
	lab_in lb ip rule
	lab_in lb ip -br link
	lab_ctl -j vips | jq '[.vips[] | {name, address, active}]'
	lab_ctl -j backends | jq '[.backends[] | {name, state, health}]'
}

# refused TEXT: so the VIP on lo is.
refused()
{
	grep -q "vip \"www\": address $LAB_VIP is on device \"lo\" of this host.*via = \"direct\"" <<<"$1" ||
		lab_fail "not refused with the way out: $1"
}

[ -e /dev/net/tun ] || lab_skip "/dev/net/tun is not there"
export LAB_CHECK="type = \"tcp\"; $HEALTH_TIMES" LAB_POOL='panic = 0;'
lab_up 3
lab_in router ip link set web1 mtu 1500
lab_config >"$LAB/sluice.conf"

echo "the VIP on a device of the balancer: refused at the start"
lab_in lb ip addr add $LAB_VIP/32 dev lo
if said=$(lab_sluiced 2>&1); then lab_fail "it started: $said"; fi
refused "$said"
! lab_has_xdp lb || lab_fail "a program was attached"
! lab_in lb ip rule | grep -q 0x5c || lab_fail "rules were left: $(lab_in lb ip rule)"
echo "  not by direct checks"
LAB_CHECK+=' via = "direct";' lab_config >"$LAB/sluice.conf"
lab_sluiced_start
for i in 1 2 3; do becomes web-$i up; done
before=$(own_settings)
echo "  at a reload: nothing changes"
lab_config >"$LAB/sluice.conf"
if said=$(lab_ctl reload 2>&1); then lab_fail "it was reloaded: $said"; fi
refused "$said"
[ "$(own_settings)" = "$before" ] || lab_fail "changed: $(diff <(echo "$before") <(own_settings))"
[ "$(stream web-1 via)" = direct ] || lab_fail "checks changed: $(lab_ctl health)"
lab_in lb ip addr del $LAB_VIP/32 dev lo
lab_ctl reload
for i in 1 2 3; do becomes web-$i up; done
[ "$(stream web-1 via)" = tunnel ] || lab_fail "checks did not change: $(lab_ctl health)"

echo "what is missing on the backend"
echo "  the VIP"
lab_in web1 ip addr del $LAB_VIP/32 dev lo
is_silent 1 "tcp connect timed out"
lab_in web1 ip addr add $LAB_VIP/32 dev lo
becomes web-1 up
echo "  somebody who takes the tunnel off"
lab_kill helper-2
lab_helper 2 --detach
is_silent 2 "tcp connect timed out"
lab_helper_start 2
becomes web-2 up
echo "  a reverse path filter that lets tunnels in"
lab_in web3 ip link add eth1 type veth peer name other netns "$LAB/ns/router"
lab_in web3 ethtool -K eth1 tx off >/dev/null
lab_in web3 ip link set eth1 up
lab_in router ip link set other up
lab_in web3 ip route add 198.18.0.2 via 198.18.1.1 dev eth1 onlink
lab_sysctl web3 net.ipv4.conf.eth0.rp_filter=1
is_silent 3 "tcp connect timed out"
lab_in web3 ip link del eth1
becomes web-3 up

echo "a way that loses large packets"
NARROW="backend web-1 (198.18.1.11) of pool web: its tunnel carries packets of 1480 bytes at most"
is_logged "$NARROW"
field_is web-1 tunnel_carries 1480 || lab_fail "web-1: $(lab_ctl -j backends)"
field_becomes web-2 tunnel_carries 1500
lab_ctl backends | grep "^web-1 of web: its tunnel carries packets of 1480 bytes at most, clients send 1500" ||
	lab_fail "backends: $(lab_ctl backends)"
is web-1 up || lab_fail "web-1 is not up for all that"
! grep -q "backend web-2 .*carries" "$LAB/sluiced.log" || lab_fail "web-2's is wide enough"
echo "  is looked at again after a restart"
lab_kill sluiced
lab_in router ip link set web1 mtu 1600
lab_sluiced_start
field_becomes web-1 tunnel_carries 1500
logged "$NARROW" || lab_fail "it was said again"
