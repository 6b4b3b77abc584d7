#!/bin/bash
# SPDX-License-Identifier: MIT
#
# `sluicectl drain --wait` returns when the backend has no live flow any more, not before; or when the time of
# the change is over.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

FLOWS_N=$((FLOWS_N / 5))

# drain_start: and it waits, though nobody talks about anything else for some rounds.
drain_start()
{
	rm -f "$LAB/drain.log"
	lab_spawn lb drain sh -c '"$@"; echo "status $?"' sh \
		"$LAB_BUILD/sluicectl" -s "$LAB/control.sock" drain --wait web-1
	lab_wait_for 10 flows_drains || lab_fail "web-1 does not drain"
}

flows_drains()
{
	[ "$(lab_query backends '.backends[] | select(.name == "web-1") | .state')" = draining ]
}

drain_returned()
{
	grep -q "^status 0$" "$LAB/drain.log"
}

# sockets: how many connections web1 has.
sockets()
{
	lab_in web1 ss -Htn state established | wc -l
}

# old_slots: how many slots web-1 is the old owner of.
old_slots()
{
	flows_ring '[.owners[] | select(.name == "web-1") | .old_slots] | add // 0'
}

flows_up 2
LAB_MORE='flows = { age_s = 1; };'
flows_start active active
flows_hold some $FLOWS_N
drain_start
flows_talk 20
drain_returned && lab_fail "drain --wait returned, and web1 has $(sockets) connections"
drained=$(sockets)
[ "$drained" -gt 0 ] || lab_fail "web1 has no connections: this lab sees nothing"
flows_end "drain --wait" "$drained on the drained one"
lab_wait_for 20 drain_returned || lab_fail "no connection is left, and drain --wait does not return"
[ "$(lab_query flows '.backends[] | select(.name == "web-1") | .flows')" = 0 ] ||
	lab_fail "drain --wait returned, and web-1 has flows"
[ "$(old_slots)" -gt 0 ] || lab_fail "its time is over: this lab sees nothing"

lab_ctl activate web-1 >/dev/null
lab_ctl settle >/dev/null
LAB_MORE='flows = { age_s = 1; }; settle_s = 4;'
flows_change active active
flows_hold more $FLOWS_N
drain_start
lab_wait_for 20 drain_returned || lab_fail "the time is over, and drain --wait does not return"
[ "$(old_slots)" = 0 ] || lab_fail "drain --wait returned, and web-1 is still a slot's owner"
flows_count
flows_figures "drain --wait, until its time is over"
