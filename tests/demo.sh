#!/bin/bash
# SPDX-License-Identifier: MIT
#
#     tests/demo.sh [--keep | --down]
#
# The main job on real traffic: HTTP through a VIP to four web servers, requests by weight, a
# backend drained by the operator and another one by the config, counters, and nothing left at the
# end. --keep leaves the lab up to play with; --down takes that one down. `make demo` runs it.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/lib/lab.sh"

KEPT=/run/sluice-demo
WORKERS=2

# Every block of output ends with an empty line.
title()
{
	printf '%s\n%s\n\n' "$1" "${1//?/-}"
}

# Shows a sluicectl command and what it prints.
show()
{
	echo "\$ sluicectl $*"
	lab_ctl "$@" | sed 's/^./  &/'
	echo
}

# requests N WEIGHT...: N requests, all answered, shared out by weight.
requests()
{
	lab_requests "$1"
	echo "$1 requests on new connections: $LAB_ANSWERED answered, $LAB_FAILED failed"
	[ "$LAB_ANSWERED" = "$1" ] || lab_fail "not every request was answered"
	lab_shares "${@:2}" || lab_fail "the shares are not those of the weights"
	echo
}

# under_load COMMAND...: what it does meets $WORKERS clients that send request after request.
under_load()
{
	lab_load_start $WORKERS
	lab_load_more 500
	"$@"
	lab_load_more 500
	lab_load_stop
	echo "meanwhile $WORKERS clients sent request after request:" \
		"$LAB_ANSWERED answered, $LAB_FAILED failed"
	[ "$LAB_FAILED" -le $WORKERS ] || lab_fail "more failed than were open at that moment"
	echo "(connections that are open stay where they are: flow_hit and flow_old count them)"
	echo
}

# what_is_left PIDS NAMESPACES: what there still is of a lab that was taken down.
what_is_left()
{
	local pid inode

	[ ! -e "$LAB" ] || echo "directory $LAB"
	grep -F " $LAB/" /proc/self/mountinfo || true
	for pid in $1; do
		[ ! -d "/proc/$pid" ] || echo "process $pid"
	done
	for inode in $2; do
		find /proc/[0-9]*/ns/net -lname "net:\[$inode\]" 2>/dev/null || true
	done
}

build()
{
	cat <<-EOF
		sluice demo: each host is a network namespace, the cables are veth pairs

		  client ------- router ------- balancer
		  198.18.2.2      |  |          sluiced, XDP in the driver of eth0
		                  |  |          VIP 198.18.0.80 port 80
		         web-1 .. web-4
		         198.18.1.11 .. 14, nginx; the VIP on lo, sluice-helper on eth0

		Requests go client, router, balancer, and in a tunnel (IP in IP) to a web
		server. Answers go straight to the client, from the VIP's address.

	EOF
	lab_up 4 "$@"
}

play()
{
	title "1. The config"
	lab_config '' '' 'weight = 200;' '' >"$LAB/sluice.conf"
	cat "$LAB/sluice.conf"
	echo
	lab_sluiced_start

	title "2. Requests follow the weights"
	requests 2000 100 100 200 100

	title "3. What sluicectl shows"
	show status
	show vips
	show backends

	title "4. Drain web-2 while requests go on"
	under_load show drain web-2
	requests 1000 100 0 200 100

	title "5. Activate it again"
	show activate web-2
	requests 1000 100 100 200 100

	title "6. The same by config: web-4 gets state = \"draining\", then reload"
	lab_config '' '' 'weight = 200;' 'state = "draining";' >"$LAB/sluice.conf"
	diff <(lab_config '' '' 'weight = 200;' '') "$LAB/sluice.conf" | grep '^[<>]' || true
	echo
	under_load show reload
	requests 1000 100 100 200 0

	title "7. Packets, by what became of them"
	show backends
	show counters
}

# All that the lab had must be gone afterwards.
finish()
{
	local pids namespaces left

	title "8. The end"
	lab_kill sluiced
	lab_sluiced --detach
	if [ -e "$LAB/bpf/sluice" ] || lab_has_xdp lb; then
		lab_fail "--detach left pins or the program"
	fi
	echo "sluiced --detach: program and pins are gone"
	pids=$(cut -d' ' -f1 "$LAB"/proc/*)
	namespaces=$(stat -c %i "$LAB"/ns/*)
	lab_remove
	left=$(what_is_left "$pids" "$namespaces")
	[ -z "$left" ] || lab_fail "still there: $left"
	echo "the lab: no namespace, process, mount or file is left"
}

tell_how_to_play()
{
	local ctl="build/sluicectl -s $LAB/control.sock"

	title "The lab stays up"
	cat <<-EOF
		A request, as the client:
		  sudo nsenter --net=$LAB/ns/client curl http://$LAB_VIP/
		The daemon:
		  sudo $ctl status
		  sudo $ctl drain web-1
		  sudo $ctl activate web-1
		Its config is $LAB/sluice.conf; after a change:
		  sudo $ctl reload
		Its log is $LAB/sluiced.log; more hosts are in $LAB/ns.
		Take the lab down:
		  sudo tests/demo.sh --down
	EOF
}

case "$*" in
"")
	build
	play
	finish
	;;
--keep)
	if [ -e $KEPT ]; then
		echo "a lab is up in $KEPT already; tests/demo.sh --down takes it down" >&2
		exit 1
	fi
	build $KEPT
	play
	tell_how_to_play
	lab_keep
	;;
--down)
	if [ ! -e $KEPT ]; then
		echo "no lab is up" >&2
		exit 1
	fi
	lab_adopt $KEPT
	echo "the lab is taken down"
	;;
*)
	sed -n 's/^# \{5\}tests/usage: tests/p' "$0" >&2
	exit 2
	;;
esac
