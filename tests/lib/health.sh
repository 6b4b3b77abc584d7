# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What labs of health checks share; for tests/e2e/health*.sh, after lab.sh. Backends that should be well
# have a file that their check asks for; a test takes it away.

# A check that turns soon, but not by a machine that is slow for a moment.
HEALTH_TIMES="interval_ms = 400; timeout_ms = $((300 * LAB_PATIENCE < 400 ? 300 * LAB_PATIENCE : 400)); fast_interval_ms = 100;"
# shellcheck disable=SC2034 # it is for the caller
HEALTH_HTTP="type = \"http\"; path = \"/files/well\"; port = 80; $HEALTH_TIMES"

# well N, ill N: its check succeeds, or finds status 404.
well()
{
	echo yes >"$LAB/nginx-$1/files/well"
}

ill()
{
	rm "$LAB/nginx-$1/files/well"
}

# backend NAME FIELD: of what sluicectl says of it.
backend()
{
	lab_query backends ".backends[] | select(.name == \"$1\") | .$2"
}

# is NAME STATE: by its checks.
is()
{
	[ "$(backend "$1" health)" = "$2" ]
}

becomes()
{
	lab_wait_for 20 is "$1" "$2" || lab_fail "$1 did not become $2: $(lab_ctl health)"
}

# field_is NAME FIELD VALUE
field_is()
{
	[ "$(backend "$1" "$2")" = "$3" ]
}

field_becomes()
{
	lab_wait_for 20 field_is "$@" ||
		lab_fail "$1: $2 is $(backend "$1" "$2"), not $3: $(lab_ctl health "$1")"
}

# stream BACKEND FIELD: of its first stream.
stream()
{
	lab_ctl -j health "$1" | jq -r ".streams[0].$2"
}

# all_answered WHEN: requests from now on are.
all_answered()
{
	lab_requests 200
	[ "$LAB_ANSWERED" = 200 ] ||
		lab_fail "$LAB_ANSWERED of 200 requests were answered $1: $(grep -m 3 '^[1-9]' "$LAB/answers")"
}

# shares WEIGHT...: of 1000 requests, all of which are answered.
shares()
{
	lab_requests 1000
	[ "$LAB_ANSWERED" = 1000 ] || lab_fail "$LAB_ANSWERED of 1000 requests were answered"
	lab_shares "$@" || lab_fail "the shares are not $*"
}

# gets_nothing N: none of the last requests was answered by it.
gets_nothing()
{
	! grep -qx "web-$1" "$LAB/answers" || lab_fail "web-$1 got requests"
}

# logged TEXT [TIMES]: sluiced wrote a line with TEXT so often (once).
logged()
{
	[ "$(grep -cF -- "$1" "$LAB/sluiced.log")" = "${2:-1}" ]
}

is_logged()
{
	lab_wait_for 20 logged "$@" ||
		lab_fail "\"$1\" was not logged ${2:-1} times: $(grep -F -- "$1" "$LAB/sluiced.log")"
}

# saved NAME UP: what STATE_DIR/health.json has of the backend with address NAME.
saved()
{
	[ "$(jq ".backends[] | select(.address == \"$1\") | .up" "$LAB/state/health.json")" = "$2" ]
}

is_saved()
{
	lab_wait_for 20 saved "$1" "$2" || lab_fail "health.json does not say that $1 is up: $2"
}

# in_force N: how long changes took from the last result to the last slot, by the log of sluiced -v; from
# the Nth on.
in_force()
{
	sed -n 's/.*health: in force \([0-9]*\) us after the first change, \([0-9]*\) of.*/\1 \2/p' "$LAB/sluiced.log" |
		tail -n "+$1" | sort -n |
		awk '{ v[NR] = $1 } END { if (NR) printf "%d times, median %.1f ms, longest %.1f ms\n", NR, v[int((NR + 1) / 2)] / 1000, v[NR] / 1000 }'
}

n_in_force()
{
	grep -c 'health: in force' "$LAB/sluiced.log" || true
}

# ------------------------------------------------------------------------------------------ load

# Each line is in the log at once: marks count them.
LAB_CURL=(stdbuf -oL "${LAB_CURL[@]}")

# marks NAME: how many requests each worker has finished, for failed_between.
marks()
{
	local k

	for k in $(seq "$LAB_WORKERS"); do
		grep -c '^[0-9]' "$LAB/load-$k.log" || true
	done >"$LAB/marks-$1"
}

# failed_outside FROM TO: how many requests failed that were not under way or begun between two marks.
failed_outside()
{
	local k from to sum=0

	for k in $(seq "$LAB_WORKERS"); do
		from=$(sed -n "${k}p" "$LAB/marks-$1")
		to=$(sed -n "${k}p" "$LAB/marks-$2")
		sum=$((sum + $(grep '^[0-9]' "$LAB/load-$k.log" |
			awk -v from="$from" -v to="$to" \
				'!/^0/ && (NR <= from || NR > to + 1) { n++ } END { print n + 0 }')))
	done
	echo "$sum"
}

# -------------------------------------------------------------------------------------- connections

# talk_serve N: the echo server on webN.
talk_serve()
{
	lab_spawn "web$1" "echo-$1" "$LAB_BUILD/tests/tools/connections" serve 7
}

# talks N: established connections of the echo server on webN.
talks()
{
	lab_in "web$1" ss -Htn state established '( sport = :7 )' | wc -l
}

# talk_start NAME COUNT: opens so many to the VIP "talk" and keeps them talking.
talk_start()
{
	lab_spawn client "$1" "$LAB_BUILD/tests/tools/connections" hold "$LAB_VIP" 7 "$2" 100
	lab_wait_for 30 grep -q '^open' "$LAB/$1.log" || lab_log_fail "$1"
}

# talk_end NAME LOST: so many were lost, no more and no less.
talk_end()
{
	local lost

	lab_signal "$1" TERM
	lab_wait_for 30 lab_gone "$1" || lab_fail "$1 does not end"
	rm -f "$LAB/proc/$1"
	lost=$(awk '/^connections/ { print $6 + $8 + $10 }' "$LAB/$1.log")
	[ "$lost" = "$2" ] || lab_fail "$lost connections were lost, not $2: $(tail -n 1 "$LAB/$1.log")"
	echo "  $1: $(tail -n 1 "$LAB/$1.log")"
}
