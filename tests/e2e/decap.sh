#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What sluiced sends is what the kernel's own tunnel devices unpack: VIPs and backends of both
# families, by IP in IP and by GUE, on backends without sluice-helper.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

LAB_DECAP=kernel
REQUESTS=20

# Without GUE the kernel unpacks IP in IP still, and GUE no more: so GUE it was.
without_gue()
{
	local web

	for web in web1 web2; do
		lab_in $web ip fou del port $LAB_GUE_PORT
		lab_in $web ip -6 fou del port $LAB_GUE_PORT
	done
	while read -r name address port pool _; do
		case $pool in
		ip*) serves "$name" "$address" "$port" ;;
		gue*)
			! lab_in client curl -s --connect-timeout 1 "http://$(lab_host "$address"):$port/" ||
				lab_fail "$name: IP in IP was sent"
			;;
		esac
	done < <(lab_ways)
}

# serves NAME ADDRESS PORT: this VIP does, with both backends.
serves()
{
	echo "$1: $2 port $3"
	lab_requests $REQUESTS "$(lab_host "$2"):$3"
	[ "$LAB_ANSWERED" = $REQUESTS ] ||
		lab_fail "$1: $LAB_ANSWERED of $REQUESTS requests were answered"
	[ "$(grep '^web-' "$LAB/answers" | sort -u | wc -l)" = 2 ] || lab_fail "$1: one backend got all"
}

lab_need_ipv6
lab_need_tunnels
lab_up 2
lab_ways_config tcp >"$LAB/sluice.conf"
lab_sluiced_start
while read -r name address port _; do
	serves "$name" "$address" "$port"
done < <(lab_ways)
echo "and without GUE"
without_gue
