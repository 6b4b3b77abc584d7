#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Another release takes over while 1,000 connections talk and all slots move. One with the same layout puts
# its program in the place of the old one, and no packet notices. One with another layout is refused, says
# the way out, and changes nothing: the old one goes on.
# shellcheck source=tests/lib/flows.sh
. "$(dirname "$0")/../lib/flows.sh"

FIRST=(active active draining draining)
SECOND=(draining draining active active)

# build_same: another version, with the objects of this one where they do not say the version.
build_same()
{
	rm -rf "$mine/same"
	mkdir "$mine/same"
	cp -rp "$mine"/{config,control,daemon,xdp,sluicectl,sluice-helper} "$mine/same"
	cd "$LAB_TOP"
	grep -l SLUICE_VERSION {config,control,daemon}/*.c | while read -r file; do
		rm -f "$mine/same/${file%.c}.o"
	done
	build same "$LAB_TOP"
}

# build_next: a version with another layout's number.
build_next()
{
	local number dir

	mkdir "$LAB/next"
	for dir in Makefile config control daemon xdp; do
		cp -rp "$LAB_TOP/$dir" "$LAB/next"
	done
	number=$(awk '$2 == "SLUICE_ABI" { print $3 }' "$LAB_TOP/xdp/abi.h")
	sed -i "s/^#define SLUICE_ABI .*/#define SLUICE_ABI $((number + 1))/" "$LAB/next/xdp/abi.h"
	# What was built from it before may stay.
	touch -r "$LAB_TOP/xdp/abi.h" "$LAB/next/xdp/abi.h"
	build next "$LAB/next"
}

# build NAME SOURCE
build()
{
	make -sC "$2" B="$mine/$1" VERSION="0.0.$1" "$mine/$1/sluiced" >"$LAB/make.log" 2>&1 ||
		lab_log_fail make
}

version_of()
{
	"$1" --version | awk '{ print $2 }'
}

program()
{
	lab_in lb ip -j link show dev eth0 | jq '.[0].xdp.prog.id'
}

pins()
{
	find "$LAB/bpf/sluice" -printf '%P %i\n' | sort
}

running()
{
	lab_query status .version
}

mine=$LAB_BUILD
case $mine in
*/san) lab_skip "other releases are built without sanitizers" ;;
esac
command -v make gcc clang bpftool >/dev/null || lab_skip "nothing to build other releases with"
flows_up 4
build_same
build_next
flows_start "${FIRST[@]}"
flows_churn
flows_hold before $((FLOWS_N / 2))
flows_change "${SECOND[@]}"
flows_hold between $((FLOWS_N / 2))
flows_talk 3
old=$(running)
known=$(lab_query flows .established)
forwarded=$(lab_query counters .total.forwarded)

for how in TERM KILL; do
	before=$(program)
	lab_kill sluiced $how
	case $LAB_BUILD in
	"$mine") LAB_BUILD=$mine/same ;;
	*) LAB_BUILD=$mine ;;
	esac
	lab_sluiced_start
	[ "$(running)" = "$(version_of "$LAB_BUILD/sluiced")" ] || lab_fail "$(running) runs"
	[ "$(program)" != "$before" ] || lab_fail "the old program is still on eth0"
	[ "$(lab_query flows .established)" -ge $((known * 9 / 10)) ] || lab_fail "flows were forgotten"
	[ "$(lab_query counters .total.forwarded)" -ge "$forwarded" ] || lab_fail "the counters began anew"
	flows_talk 3
done
[ "$(running)" = "$old" ] || lab_fail "$(running) runs"

before=$(program) all=$(pins)
lab_kill sluiced
LAB_BUILD=$mine/next
status=0
lab_sluiced -v 2>"$LAB/refused.log" || status=$?
LAB_BUILD=$mine
[ $status = 1 ] || lab_fail "another layout was taken over (exit status $status)"
grep -q 'another layout.*--detach' "$LAB/refused.log" ||
	lab_fail "it said: $(tail -n 1 "$LAB/refused.log")"
[ "$(program)" = "$before" ] || lab_fail "the program was changed"
[ "$(pins)" = "$all" ] || lab_fail "pins were changed"
flows_talk 3
lab_sluiced_start
flows_change "${FIRST[@]}"
flows_talk 3
[ "$(lab_slipped)" = 0 ] || lab_fail "$(lab_slipped) packets went past the program"
flows_end "upgrade"
