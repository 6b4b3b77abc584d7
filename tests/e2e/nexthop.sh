#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The way to the backends changes under the daemon's feet: the router gets another MAC address and
# tells by gratuitous ARP (as VRRP does), then the route goes to another router. sluiced follows.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

# way BACKEND KEY VALUE: what sluicectl says about the way to it.
way()
{
	[ "$(lab_query backends ".backends[] | select(.name == \"$1\") | .nexthop.$2")" = "$3" ]
}

serves()
{
	lab_requests 200
	[ "$LAB_ANSWERED" = 200 ] || lab_fail "$1: $LAB_ANSWERED of 200 requests were answered"
}

lab_up 2
lab_config '' '' >"$LAB/sluice.conf"
lab_sluiced_start
serves "at first"

echo "another MAC address"
lab_sysctl router net.ipv4.conf.lb.arp_notify=1
lab_in router ip link set dev lb address 02:00:00:00:00:99
lab_wait_for 20 way web-1 mac 02:00:00:00:00:99 || lab_fail "the new MAC address did not come in"
serves "with another MAC address"

echo "no route to one backend"
lab_in lb ip route add unreachable 198.18.1.11/32
lab_wait_for 20 way web-1 state no_route || lab_fail "the missing route did not come in"
way web-2 state ready || lab_fail "the other backend lost its way, too"
[ "$(lab_query status .unresolved_backends)" = 1 ] || lab_fail "status does not tell"

echo "and again"
lab_in lb ip route del unreachable 198.18.1.11/32
lab_wait_for 20 way web-1 state ready || lab_fail "the route did not come in"
serves "at the end"

echo "another router"
lab_in router ip addr add 198.18.0.5/30 dev lb
lab_in lb ip addr add 198.18.0.6/30 dev eth0
lab_in lb ip neigh replace 198.18.0.5 lladdr 02:00:00:00:00:77 dev eth0
lab_in lb ip route add 198.18.1.0/24 via 198.18.0.5
lab_wait_for 20 way web-2 mac 02:00:00:00:00:77 || lab_fail "the new route did not come in"
lab_in router ip link set dev lb address 02:00:00:00:00:77
serves "by another router"
