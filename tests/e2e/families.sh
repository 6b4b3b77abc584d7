#!/bin/bash
# SPDX-License-Identifier: MIT
#
# HTTP through VIPs of both families to backends of both families, by IP in IP and by GUE: every
# request is answered, all backends get their share, the counters agree.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

BACKENDS=3
REQUESTS=300

# pool NAME ADDRESS-UP-TO-LAST-NUMBER [MORE]
pool()
{
	local i comma=

	echo "{ name = \"$1\"; $3 backends = ("
	for i in $(seq $BACKENDS); do
		echo "$comma { name = \"$1-$i\"; address = \"$2$((10 + i))\"; }"
		comma=,
	done
	echo "); check = { type = \"none\"; }; }"
}

# Name, address, port and pool of each VIP.
vips()
{
	cat <<-EOF
		4in4 $LAB_VIP 80 ip4
		4in6 $LAB_VIP 81 ip6
		4gue4 $LAB_VIP 82 gue4
		4gue6 $LAB_VIP 83 gue6
		6in4 $LAB_VIP6 80 ip4
		6in6 $LAB_VIP6 81 ip6
		6gue4 $LAB_VIP6 82 gue4
		6gue6 $LAB_VIP6 83 gue6
	EOF
}

config()
{
	local name address port pool comma=
	local gue='tunnel = { type = "gue"; source = "198.18.0.2"; source6 = "2001:db8::2"; };'

	cat <<-EOF
		interfaces = ( { name = "eth0"; mode = "native"; } );
		control = { socket = "$LAB/control.sock"; };
		pin_dir = "$LAB/bpf/sluice";
		state_dir = "$LAB/state";
		pools = (
			$(pool ip4 198.18.1. ""), $(pool ip6 2001:db8:1:: ""),
			$(pool gue4 198.18.1. "$gue"), $(pool gue6 2001:db8:1:: "$gue")
		);
		vips = (
	EOF
	while read -r name address port pool; do
		echo "$comma { name = \"$name\"; address = \"$address\"; port = $port;"
		echo "protocol = \"tcp\"; pool = \"$pool\"; }"
		comma=,
	done < <(vips)
	echo ");"
}

# host ADDRESS: as a URL has it.
host()
{
	case $1 in
	*:*) echo "[$1]" ;;
	*) echo "$1" ;;
	esac
}

# vip_sum POOL: packets that the VIPs with this pool forwarded.
vip_sum()
{
	local name pool sum=0

	while read -r name _ _ pool; do
		[ "$pool" != "$1" ] ||
			sum=$((sum + $(lab_query counters ".vips[] | select(.name == \"$name\") | .counters.forwarded")))
	done < <(vips)
	echo $sum
}

backend_sum()
{
	lab_query backends "[.backends[] | select(.pool == \"$1\") | .packets] | add"
}

# The last packets of a connection may still be under way.
pool_agrees()
{
	[ "$(vip_sum "$1")" = "$(backend_sum "$1")" ]
}

# What the helpers unpacked, in all.
unpacked()
{
	local i

	for i in $(seq $BACKENDS); do
		lab_helper_query "$i" .outcomes.decapsulated
	done | jq -s add
}

helpers_agree()
{
	[ "$(unpacked)" = "$(lab_query counters .total.forwarded)" ]
}

lab_need_ipv6
lab_up $BACKENDS
config >"$LAB/sluice.conf"
lab_sluiced_start

while read -r name address port pool; do
	echo "$name: $address port $port, pool $pool"
	lab_requests $REQUESTS "$(host "$address"):$port"
	[ "$LAB_ANSWERED" = $REQUESTS ] ||
		lab_fail "$name: $LAB_ANSWERED of $REQUESTS requests were answered"
	lab_shares 1 1 1 || lab_fail "$name: the shares are not equal"
	[ "$(lab_query vips ".vips[] | select(.name == \"$name\") | .dropped")" = 0 ] ||
		lab_fail "$name: packets were dropped"
done < <(vips)

echo "counters"
for pool in ip4 ip6 gue4 gue6; do
	[ "$(vip_sum $pool)" -ge $((REQUESTS * 2)) ] || lab_fail "packets for $pool are missing"
	lab_wait_for 20 pool_agrees $pool ||
		lab_fail "$pool: VIPs forwarded $(vip_sum $pool) packets, backends got $(backend_sum $pool)"
done
lab_wait_for 20 helpers_agree ||
	lab_fail "$(lab_query counters .total.forwarded) packets were forwarded, $(unpacked) unpacked"
