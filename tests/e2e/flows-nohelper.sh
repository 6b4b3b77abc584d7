#!/bin/bash
# SPDX-License-Identifier: MIT
#
# No helper on the backends. On one balancer a drain and a new backend break none of 1,000 connections.
# When all traffic then goes to a balancer that never saw them, those are lost which began after the
# change in slots that moved, and no other.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

BEFORE=(active active active disabled)
CHANGED=(draining active active filling)

# Where the kernel cannot unpack, a helper that knows no other backend does only that.
unpack_only()
{
	local i

	for i in $(seq "$(cat "$LAB/backends")"); do
		lab_kill "helper-$i"
		lab_helper "$i" --detach
		lab_spawn "web$i" "helper-$i" env LIBXDP_BPFFS="$LAB/bpf" "$LAB_BUILD/sluice-helper" \
			-i eth0 --pin-dir "$LAB/bpf/helper-$i"
		lab_wait_for 10 lab_helper_ready "$i" || lab_log_fail "helper-$i"
	done
}

known()
{
	lab_query flows .established
}

# lost NAME: how many of these connections.
lost()
{
	awk '$1 == "connections" { print $6 + $8 + $10 }' "$LAB/$1.log"
}

[ -n "$(lab_missing_tunnel)" ] || LAB_DECAP=kernel
flows_up 4 2
[ "$LAB_DECAP" = kernel ] || unpack_only
flows_start "${BEFORE[@]}"
flows_hold before $((FLOWS_N / 2))

flows_change "${CHANGED[@]}"
flows_talk 3
old=$(known)
flows_hold after $((FLOWS_N / 2))
flows_talk 3
new=$(($(known) - old))
[ "$(flows_open)" = "$FLOWS_N" ] || lab_fail "$(flows_open) of $FLOWS_N connections outlived the change"
[[ $old -gt 0 && $new -gt 0 ]] || lab_fail "nothing moves: this lab sees nothing"

lab_at 2 flows_start "${CHANGED[@]}"
lab_via 2
flows_talk 3
flows_count
flows_figures "no helper" "of $new that were new in slots that move"
[ "$(lost before)" = 0 ] || lab_fail "$(lost before) connections of before the change were lost"
[ "$FLOWS_LOST" -le "$new" ] || lab_fail "more were lost than are new in slots that move"
