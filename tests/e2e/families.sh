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

# vip_sum POOL: packets that the VIPs with this pool forwarded.
vip_sum()
{
	local name pool sum=0

	while read -r name _ _ pool _; do
		[ "$pool" != "$1" ] ||
			sum=$((sum + $(lab_vip_counter "$name" counters forwarded)))
	done < <(lab_ways)
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
lab_ways_config tcp >"$LAB/sluice.conf"
lab_sluiced_start

while read -r name address port pool _; do
	echo "$name: $address port $port, pool $pool"
	lab_requests $REQUESTS "$(lab_host "$address"):$port"
	[ "$LAB_ANSWERED" = $REQUESTS ] ||
		lab_fail "$name: $LAB_ANSWERED of $REQUESTS requests were answered"
	lab_shares 1 1 1 || lab_fail "$name: the shares are not equal"
	[ "$(lab_query vips ".vips[] | select(.name == \"$name\") | .dropped")" = 0 ] ||
		lab_fail "$name: packets were dropped"
done < <(lab_ways)

echo "counters"
for pool in ip4 ip6 gue4 gue6; do
	[ "$(vip_sum $pool)" -ge $((REQUESTS * 2)) ] || lab_fail "packets for $pool are missing"
	lab_wait_for 20 pool_agrees $pool ||
		lab_fail "$pool: VIPs forwarded $(vip_sum $pool) packets, backends got $(backend_sum $pool)"
done
lab_wait_for 20 helpers_agree ||
	lab_fail "$(lab_query counters .total.forwarded) packets were forwarded, $(unpacked) unpacked"
