#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 1,000 connections, and the backends of all slots are swapped twice under them: none is reset. Neither
# with the flow table alone, nor by the hint and the helpers alone. With neither of them all are: the lab
# sees what it is to see.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

FIRST=(active active draining draining)
SECOND=(draining draining active active)

# swap_twice: connections of before, of between and of after.
swap_twice()
{
	flows_hold before $((FLOWS_N * 7 / 10))
	flows_change "${SECOND[@]}"
	[ "$(flows_ring .moving_slots)" = 65537 ] || lab_fail "not all slots move"
	flows_hold between $((FLOWS_N * 2 / 10))
	flows_talk 3
	flows_change "${FIRST[@]}"
	flows_hold after $((FLOWS_N / 10))
	flows_talk 3
}

# settled TRACK HINT: the VIP's settings from now on, and nothing moves.
settled()
{
	FLOWS_TRACK=${FLOWS_TRACK_GIVEN:-$1} FLOWS_HINT=${FLOWS_HINT_GIVEN:-$2}
	flows_change "${FIRST[@]}"
	lab_ctl settle >/dev/null
	lab_ctl flows --purge >/dev/null
}

FLOWS_TRACK_GIVEN=${FLOWS_TRACK:-} FLOWS_HINT_GIVEN=${FLOWS_HINT:-}
flows_up 4
flows_start "${FIRST[@]}"

settled moving moving
swap_twice
flows_end "flow table and hint" "$(flows_helpers .outcomes.sent_on) sent on by helpers"

settled moving off
swap_twice
flows_end "flow table alone" "$(flows_event flow_hit) packets of known flows"

settled never moving
before=$(flows_helpers .outcomes.sent_on)
swap_twice
flows_end "hint alone" "$(($(flows_helpers .outcomes.sent_on) - before)) packets sent on by helpers"

settled never off
flows_hold before 100
flows_change "${SECOND[@]}"
lab_wait_for 20 flows_closed || lab_fail "connections outlive a change that nothing protects from"
flows_count
flows_figures "neither"
[ $FLOWS_LOST = 100 ] || lab_fail "without protection only $FLOWS_LOST of 100 were lost: this lab sees nothing"
