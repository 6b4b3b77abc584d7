#!/bin/bash
# SPDX-License-Identifier: MIT
#
#     tests/run.sh BUILD [NAME...]
#
# Runs the unit and packet tests of BUILD (build or build/san) and, with its programs, the
# end-to-end tests; with NAMEs only the suites whose name contains one of them. One line for each
# suite, the output of those that failed (of others, lines that begin with "note: "), and last the sum:
# `N passed, N failed[, N skipped]`.
# Exit 1 when a test failed or none ran.
#
# A unit suite is a cmocka program: its TAP lines count. On top, one failure for a program that
# ends by a signal or with an error that no line explains, that runs fewer tests than it announced,
# or none. An end-to-end suite counts as one test: exit 0 passed, 77 skipped (its last line says
# why), all else failed.
set -u
cd "$(dirname "$0")/.." || exit 1

BUILD=${1:?usage: tests/run.sh BUILD [NAME...]}
shift
NAMES=("$@")
LIMIT_S=$((300 * ${LAB_PATIENCE:-1})) # for one suite
export SLUICE_BUILD=$PWD/${BUILD#"$PWD"/}
export CMOCKA_MESSAGE_OUTPUT=TAP
export UBSAN_OPTIONS=print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}

passed=0 failed=0 skipped=0 child=
out=$(mktemp)
trap 'rm -f "$out"' EXIT
trap 'stop 130' INT
trap 'stop 143' TERM HUP

# `timeout` leads a process group of its own and passes the signal on to it.
stop()
{
	[ -z "$child" ] || kill -TERM "$child"
	wait
	exit "$1"
}

# Runs a command with the time limit, its output in $out; returns its exit status (124: too long).
run()
{
	timeout -k 30 $LIMIT_S "$@" >"$out" 2>&1 </dev/null &
	child=$!
	wait $child 2>/dev/null
	local status=$?
	child=
	return $status
}

wanted()
{
	local name

	[ ${#NAMES[@]} -gt 0 ] || return 0
	for name in "${NAMES[@]}"; do
		[[ $1 == *"$name"* ]] && return 0
	done
	return 1
}

# "PASSED FAILED SKIPPED ANNOUNCED" of the TAP in $out. cmocka writes skipped tests as
# "not ok N # SKIP NAME", and a broken group set-up or teardown as "not ok 0 - ...".
tap_count()
{
	awk '/^1\.\.[0-9]+$/ { announced += substr($0, 4) }
	     /^not ok [0-9]+ # SKIP/ { skipped++; next }
	     /^not ok [0-9]+/ { failed++ }
	     /^ok [0-9]+/ { passed++ }
	     END { print passed + 0, failed + 0, skipped + 0, announced + 0 }' "$out"
}

# What a skipped test printed before, as a rule why.
tap_skips()
{
	awk '/^not ok [0-9]+ # SKIP/ { print "skipped " $6 ": " (before == "" ? "?" : before) }
	     { before = /^(not )?ok / ? "" : $0 }' "$out"
}

# report NAME PASSED FAILED SKIPPED [NOTE]
report()
{
	local word=ok note=${5:-}

	if [ "$3" -gt 0 ]; then
		word=FAIL
	elif [ "$2" = 0 ]; then
		word=skip
	fi
	printf '  %-4s  %-24s %3d passed' $word "$1" "$2"
	[ "$3" = 0 ] || printf ', %d failed' "$3"
	[ "$4" = 0 ] || printf ', %d skipped' "$4"
	printf '%s\n' "${note:+  ($note)}"
	if [ "$3" -gt 0 ]; then
		sed 's/^/        /' "$out"
	else
		{
			tap_skips
			grep '^note: ' "$out"
		} | sed 's/^/        /'
	fi
	passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
}

how_ended()
{
	if [ "$1" = 124 ] || [ "$1" = 137 ]; then
		echo "took longer than $LIMIT_S s"
	elif [ "$1" -gt 128 ] && kill -l $(($1 - 128)) >/dev/null 2>&1; then
		echo "ended by SIG$(kill -l $(($1 - 128)))"
	else
		echo "exit status $1"
	fi
}

unit_suite()
{
	local name=$1 status p f s announced note=

	run "$2"
	status=$?
	read -r p f s announced < <(tap_count)
	if [ "$f" = 0 ]; then
		if [ $status != 0 ]; then
			f=1 note=$(how_ended $status)
		elif [ "$announced" = 0 ]; then
			f=1 note="ran no test"
		elif [ $((p + s)) != "$announced" ]; then
			f=1 note="ran $((p + s)) of $announced tests"
		fi
	fi
	report "$name" "$p" "$f" "$s" "$note"
}

e2e_suite()
{
	local status

	run "$2"
	status=$?
	case $status in
	0) report "$1" 1 0 0 ;;
	77) report "$1" 0 0 1 "$(tail -n 1 "$out")" ;;
	*) report "$1" 0 1 0 "$(how_ended $status)" ;;
	esac
}

shopt -s nullglob
for source in tests/*/test_*.c; do
	name=${source#tests/}
	name=${name%.c}
	name=${name/test_/}
	wanted "$name" && unit_suite "$name" "$BUILD/${source%.c}"
done
for script in tests/e2e/*.sh; do
	name=${script#tests/}
	name=${name%.sh}
	wanted "$name" && e2e_suite "$name" "$script"
done

printf '%d passed, %d failed' $passed $failed
[ $skipped = 0 ] || printf ', %d skipped' $skipped
printf '\n'
[ $failed = 0 ] && [ $((passed + skipped)) -gt 0 ]
