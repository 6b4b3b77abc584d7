#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is known of backends outlives crash and reload; new ones wait for their first success; an operator's
# orders go before checks and agents; weights of slow starts and agents; the two kinds of failover.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"

reload()
{
	lab_ctl reload >"$LAB/reload" || lab_fail "reload: $(cat "$LAB/reload")"
}

# says N WORDS: the agent on webN.
says()
{
	echo "$2" >"$LAB/agent-$1.new"
	mv "$LAB/agent-$1.new" "$LAB/agent-$1"
}

# agent_is BACKEND WORD: what its agent asked for last.
agent_is()
{
	[ "$(stream "$1" agent)" = "$2" ]
}

export LAB_CHECK=$HEALTH_HTTP
lab_up 4
for i in 1 2 3 4; do
	well $i
done
lab_config '' '' '' >"$LAB/sluice.conf"
lab_sluiced_start

echo "a crash while one is down"
becomes web-1 up
becomes web-2 up
becomes web-3 up
lab_kill nginx-2 KILL
becomes web-2 down
since=$(stream web-2 since)
is_saved 198.18.1.12 false
lab_kill sluiced KILL
lab_load_start 2
lab_load_more 100
lab_sluiced_start
lab_load_more 300
lab_load_stop
[ "$LAB_FAILED" = 0 ] || lab_fail "$LAB_FAILED requests failed: web-2 was used"
is web-2 down || lab_fail "web-2 is $(backend web-2 health)"
[ "$(stream web-2 since)" = "$since" ] || lab_fail "down since $(stream web-2 since), not $since"
logged "backend web-2 (198.18.1.12) of VIP www: up -> down" || lab_fail "it went down again"

echo "a reload with the same checks keeps what is known, a new backend waits for its first success"
probes=$(stream web-2 probes)
ill 4
lab_config '' '' '' '' >"$LAB/sluice.conf"
lab_load_start 2
reload
becomes web-4 down
lab_load_more 300
lab_load_stop
[ "$LAB_FAILED" = 0 ] || lab_fail "$LAB_FAILED requests failed"
gets_nothing 4
is web-2 down || lab_fail "web-2 is $(backend web-2 health)"
[ "$(stream web-2 since)" = "$since" ] || lab_fail "down since $(stream web-2 since), not $since"
[ "$(stream web-2 probes)" -ge "$probes" ] || lab_fail "web-2's stream began anew"
well 4
becomes web-4 up
lab_nginx_start 2
becomes web-2 up
shares 100 100 100 100

echo "the operator goes before"
lab_ctl disable web-1
lab_ctl drain web-2
lab_ctl disable web-4
shares 0 0 100 0
[ "$(lab_query status '.panic_vips | length')" = 0 ] || lab_fail "in panic: $(lab_ctl status)"
[ "$(stream web-1 state)" = null ] || lab_fail "a disabled backend is probed"
echo "  not even in panic are those used that are out"
ill 3
becomes web-3 down
shares 0 0 100 0
[ "$(lab_query status '.panic_vips | join(" ")')" = www ] || lab_fail "not in panic: $(lab_ctl status)"
well 3
becomes web-3 up
echo "  enabled, one waits for its first success"
ill 1
lab_ctl activate web-2
lab_ctl enable web-4
becomes web-4 up
lab_ctl enable web-1
lab_wait_for 20 is web-1 down || lab_fail "web-1 is $(backend web-1 health)"
shares 0 100 100 100
well 1
becomes web-1 up
shares 100 100 100 100

echo "a slow start"
export LAB_POOL='slow_start_s = 4;'
lab_config '' '' '' '' >"$LAB/sluice.conf"
reload
# It may have come up so lately that it is in a slow start already.
field_becomes web-2 weight_by config
ill 2
becomes web-2 down
well 2
becomes web-2 up
field_is web-2 weight_by check || lab_fail "weight by $(backend web-2 weight_by)"
lab_ctl backends | grep -q '^web-2 .* [0-9]*+ ' || lab_fail "no mark: $(lab_ctl backends)"
field_becomes web-2 weight 100
field_is web-2 weight_by config || lab_fail "weight by $(backend web-2 weight_by)"
steps=$(sed -n 's/^backend web-2 of pool web: weight \([0-9]* -> [0-9]*\), by the .*/\1/p' "$LAB/sluiced.log" | tail -n 5)
[ "$steps" = "100 -> 20
20 -> 40
40 -> 60
60 -> 80
80 -> 100" ] || lab_fail "the steps were: $steps"
shares 100 100 100 100
unset LAB_POOL

for failover in rank rebuild; do
	echo "failover by $failover"
	export LAB_WWW="failover = \"$failover\";"
	lab_config '' '' '' '' >"$LAB/sluice.conf"
	reload
	shares 100 100 100 100
	ill 3
	becomes web-3 down
	shares 100 100 0 100
	well 3
	becomes web-3 up
	shares 100 100 100 100
done
unset LAB_WWW

echo "agents"
export LAB_CHECK="type = \"agent\"; port = 9777; $HEALTH_TIMES"
for i in 1 2 3 4; do
	says $i up
	lab_spawn "web$i" "agent-$i" "$LAB_BUILD/tests/tools/agent" 9777 "$LAB/agent-$i"
done
lab_config '' '' '' '' >"$LAB/sluice.conf"
reload
for i in 1 2 3 4; do
	[ "$(stream web-$i check)" = agent ] || lab_fail "no agent of web-$i"
	becomes web-$i up
done
says 2 "up 50%"
field_becomes web-2 weight 50
field_is web-2 weight_by check || lab_fail "weight by $(backend web-2 weight_by)"
shares 100 50 100 100
echo "  of the weight that the operator wants"
lab_ctl weight web-2 200
field_becomes web-2 weight 100
shares 100 100 100 100
lab_ctl weight web-2 config
says 2 100%
field_becomes web-2 weight 100
echo "  drain, maint, ready"
says 1 drain
field_becomes web-1 state draining
field_is web-1 state_by check || lab_fail "state by $(backend web-1 state_by)"
shares 0 100 100 100
says 2 maint
field_becomes web-2 state disabled
shares 0 0 100 100
says 1 ready
field_becomes web-1 state active
says 2 "ready up"
field_becomes web-2 state active
shares 100 100 100 100
echo "  down, and up"
says 3 "down #by hand"
becomes web-3 down
shares 100 100 0 100
is_logged "backend web-3 (198.18.1.13) of VIP www: up -> down, agent says down: by hand"
says 3 up
becomes web-3 up
echo "  the operator's drain stays whatever the agent says"
lab_ctl drain web-3
says 3 maint
lab_wait_for 20 agent_is web-3 maint || lab_fail "web-3's agent was not asked"
field_is web-3 state draining || lab_fail "web-3 is $(backend web-3 state)"
says 3 ready
lab_wait_for 20 agent_is web-3 ready || lab_fail "web-3's agent was not asked"
field_is web-3 state_by operator || lab_fail "state by $(backend web-3 state_by)"
shares 100 100 0 100
