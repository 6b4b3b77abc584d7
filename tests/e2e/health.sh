#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Backends that die, hang and come back under load: requests fail only while it has not been found out,
# and connections of the others go on.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

# is NAME STATE: what sluicectl says of a backend's health.
is()
{
	[ "$(lab_query backends ".backends[] | select(.name == \"$1\") | .health")" = "$2" ]
}

becomes()
{
	lab_wait_for 20 is "$1" "$2" || lab_fail "$1 did not become $2: $(lab_ctl health)"
}

# all_answered: requests from now on are.
all_answered()
{
	lab_requests 200
	[ "$LAB_ANSWERED" = 200 ] || lab_fail "$LAB_ANSWERED of 200 requests were answered $1"
}

export LAB_CHECK='type = "http"; interval_ms = 400; timeout_ms = 300; fast_interval_ms = 100;'
lab_up 4
lab_config "" "" "" "" >"$LAB/sluice.conf"
lab_sluiced_start
lab_spawn lb watch "$LAB_BUILD/sluicectl" -s "$LAB/control.sock" -j watch

echo "all are up"
for i in 1 2 3 4; do becomes web-$i up; done
all_answered "while all were up"

echo "one dies"
lab_kill nginx-2 KILL
becomes web-2 down
all_answered "without web-2"
lab_ctl health web-2
lab_ctl status
