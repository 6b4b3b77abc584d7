#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Backends that die, hang and come back under load: requests fail only while it has not been found out,
# and connections of the others go on.
# shellcheck disable=SC2119 # functions of the lab take arguments or none
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"

# A request to one that hangs has to end some time.
LAB_CURL+=(--max-time $((5 * LAB_PATIENCE)))

# watched TEXT TIMES: so many events of health were told of.
watched()
{
	[ "$(jq -r 'select(.kind == "health") | "\(.backend) \(.from) -> \(.to)"' "$LAB/watch.log" |
		grep -cx "$1")" = "$2" ]
}

is_watched()
{
	lab_wait_for 20 watched "$@" || lab_fail "watch did not tell $2 times of \"$1\": $(cat "$LAB/watch.log")"
}

# found_out N COMMAND...: web-N is broken by the command; how many requests that cost.
found_out()
{
	local n

	n=$(($(n_in_force) + 1))
	marks before
	"${@:2}"
	becomes "web-$1" down
	marks after
	echo "  in force after its last probe: $(in_force $n)"
	lab_load_more 300
}

export LAB_CHECK=$HEALTH_HTTP LAB_FLAGS=-v
export LAB_VIPS="{ name = \"talk\"; pool = \"web\"; address = \"$LAB_VIP\"; port = 7; protocol = \"tcp\"; }"
lab_up 4
for i in 1 2 3 4; do
	well $i
	talk_serve $i
done
lab_config >"$LAB/sluice.conf"
lab_sluiced_start
lab_spawn lb watch "$LAB_BUILD/sluicectl" -s "$LAB/control.sock" -j watch
lab_spawn lb words "$LAB_BUILD/sluicectl" -s "$LAB/control.sock" watch

echo "all are up"
for i in 1 2 3 4; do becomes web-$i up; done
shares 100 100 100 100

echo "one dies"
talk_start others 100
lab_load_start 4
lab_load_more 300
lost=$(talks 2)
for i in 1 3 4; do talks $i; done >"$LAB/talks-before"
[ "$lost" -gt 0 ] || lab_fail "no connection is with web-2"
found_out 2 lab_kill nginx-2 KILL
for i in 1 3 4; do talks $i; done >"$LAB/talks-after"
lab_load_stop
echo "  $LAB_ANSWERED answered, $LAB_FAILED failed until it was found out"
[ "$LAB_FAILED" -gt 0 ] || lab_fail "no request failed: web-2 was not used"
[ "$(failed_outside before after)" = 0 ] || lab_fail "requests failed at other times"
cmp "$LAB/talks-before" "$LAB/talks-after" || lab_fail "connections of others went away"
talk_end others "$lost"
is_watched "web-2 up -> down" 1
is_logged "backend web-2 (198.18.1.12) of VIP www and 1 more: up -> down, http connect: connection refused"
[ "$(lab_query status .down_backends)" = 1 ] || lab_fail "status: $(lab_ctl status)"
[ "$(stream web-2 state)" = down ] || lab_fail "health: $(lab_ctl health)"
[ "$(stream web-2 changes)" = 2 ] || lab_fail "it changed $(stream web-2 changes) times"
shares 100 0 100 100

echo "connections that begin meanwhile outlive its return"
lab_kill echo-2 # with those that were lost
talk_serve 2
talk_start meanwhile 100
[ "$(talks 2)" = 0 ] || lab_fail "$(talks 2) connections are with web-2"
lab_load_start 4
lab_nginx_start 2
becomes web-2 up
lab_load_more 300
lab_load_stop
[ "$LAB_FAILED" = 0 ] || lab_fail "$LAB_FAILED requests failed when it came back"
is_watched "web-2 down -> up" 1
shares 100 100 100 100
talk_end meanwhile 0

echo "one hangs"
lab_load_start 8
lab_load_more 300
found_out 3 lab_signal nginx-3 STOP
lab_load_stop
echo "  $LAB_ANSWERED answered, $LAB_FAILED failed until it was found out"
[ "$(failed_outside before after)" = 0 ] || lab_fail "requests failed at other times"
is_logged "backend web-3 (198.18.1.13) of VIP www and 1 more: up -> down, http timed out"
shares 100 100 0 100
lab_signal nginx-3 CONT
becomes web-3 up
shares 100 100 100 100

echo "one at the limit of panic, and all"
ill 1
ill 2
becomes web-1 down
becomes web-2 down
shares 0 0 100 100
[ "$(lab_query status '.panic_vips | length')" = 0 ] || lab_fail "half is enough: $(lab_ctl status)"
lab_load_start 4
ill 3
ill 4
becomes web-3 down
becomes web-4 down
lab_load_more 300
lab_load_stop
[ "$LAB_FAILED" = 0 ] || lab_fail "$LAB_FAILED requests failed"
[ "$(lab_query status '.panic_vips | join(" ")')" = "www talk" ] || lab_fail "status: $(lab_ctl status)"
lab_ctl status | grep panic
shares 100 100 100 100
for i in 1 2 3 4; do well $i; done
for i in 1 2 3 4; do becomes web-$i up; done
[ "$(lab_query status '.panic_vips | length')" = 0 ] || lab_fail "still in panic: $(lab_ctl status)"
shares 100 100 100 100

echo "every change was told of, one line each"
for log in watch words; do
	! grep -qvE '^(\{.*\}|[0-9].*)$' "$LAB/$log.log" || lab_fail "$log: $(cat "$LAB/$log.log")"
done
[ "$(grep -c 'web-2.*-> down' "$LAB/words.log")" = "$(grep -c 'web-2.*-> down' "$LAB/sluiced.log")" ] ||
	lab_fail "watch and log differ: $(cat "$LAB/words.log")"
cat "$LAB/words.log"
