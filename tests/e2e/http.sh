#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Requests through the VIP reach the backends by weight, and every way to change who gets them
# does what it says: orders by sluicectl, reload by signal and by sluicectl, restart.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

# serves WEIGHT...: requests are all answered, and shared by these weights.
serves()
{
	lab_requests 1000
	[ "$LAB_ANSWERED" = 1000 ] || lab_fail "$LAB_ANSWERED of 1000 requests were answered"
	lab_shares "$@" || lab_fail "shares are not by weights $*"
}

# backend NAME KEY VALUE: sluicectl says so.
backend()
{
	local value

	value=$(lab_query backends ".backends[] | select(.name == \"$1\") | .$2")
	[ "$value" = "$3" ] || lab_fail "backend $1: $2 is \"$value\", expected \"$3\""
}

# counters_agree: every packet of the VIP was forwarded, and is counted for one backend.
counters_agree()
{
	local forwarded sum dropped

	forwarded=$(lab_query counters '.vips[] | select(.name == "www") | .counters.forwarded')
	sum=$(lab_query backends '[.backends[].packets] | add')
	dropped=$(lab_query vips '.vips[0].dropped')
	[ "$forwarded" -gt 0 ] || lab_fail "no packet was counted"
	[ "$forwarded" = "$sum" ] || lab_fail "forwarded $forwarded packets, backends got $sum"
	[ "$dropped" = 0 ] || lab_fail "$dropped packets were dropped"
}

restart()
{
	lab_kill sluiced
	lab_sluiced_start
}

lab_up 5
lab_config '' '' 'weight = 200;' '' >"$LAB/sluice.conf"
lab_sluiced_start

echo "weights of the config"
serves 100 100 200 100 0
counters_agree

echo "drain, and it survives both reloads and a restart"
lab_ctl drain web-2
backend web-2 state draining
backend web-2 state_by operator
serves 100 0 200 100
lab_config '' '' 'weight = 300;' '' >"$LAB/sluice.conf"
lab_signal sluiced HUP
lab_wait_for 20 backend web-3 weight 300 || lab_fail "SIGHUP did not bring the config in"
serves 100 0 300 100
lab_config '' '' 'weight = 200;' '' >"$LAB/sluice.conf"
lab_ctl reload
serves 100 0 200 100
restart
backend web-2 state_by operator
serves 100 0 200 100

echo "activate takes the drain back"
lab_ctl activate web-2
backend web-2 state active
backend web-2 state_by config
serves 100 100 200 100

echo "disable and enable"
lab_ctl disable web-1
backend web-1 state disabled
serves 0 100 200 100
lab_ctl enable web-1 --pool web
serves 100 100 200 100

echo "weight, and it survives a restart"
lab_ctl weight web-4 350
backend web-4 weight_by operator
restart
serves 100 100 200 350
lab_ctl weight web-4 config
backend web-4 weight_by config
serves 100 100 200 100

echo "state in the config"
lab_config '' '' 'state = "draining";' 'state = "disabled";' >"$LAB/sluice.conf"
lab_ctl reload
backend web-3 state draining
backend web-4 state disabled
serves 100 100 0 0

echo "the operator's word counts before the config's"
lab_ctl activate web-3
serves 100 100 100 0

echo "a backend is added, and one removed"
lab_config '' '' '' '' '' >"$LAB/sluice.conf"
lab_ctl reload
serves 100 100 100 100 100
lab_config '' '' '' '' >"$LAB/sluice.conf"
lab_ctl reload
serves 100 100 100 100 0

echo "every backend is drained: nothing is left to forward to"
lab_config 'state = "draining";' 'state = "draining";' 'state = "draining";' \
	'state = "draining";' >"$LAB/sluice.conf"
lab_ctl reload
lab_ctl drain web-3
lab_in client curl -s --connect-timeout 1 "http://$LAB_VIP/" && lab_fail "somebody answered"
[ "$(lab_query counters .total.no_backend)" -gt 0 ] || lab_fail "no_backend was not counted"

echo "a VIP is taken away: its packets are left to the host"
lab_config '' '' '' '' | sed 's/port = 80;/port = 81;/' >"$LAB/sluice.conf"
slipped=$(lab_slipped)
lab_ctl reload
lab_in client curl -s --connect-timeout 1 "http://$LAB_VIP/" && lab_fail "somebody answered"
[ "$(lab_slipped)" -gt "$slipped" ] || lab_fail "packets of no VIP did not reach the host"
[ "$slipped" = 0 ] || lab_fail "$slipped packets of the VIP reached the host"
