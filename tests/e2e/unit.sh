#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The units as systemd runs them, under names of their own and in the namespaces of a lab:
# sluiced.service starts, reloads, is killed and restarted, and stops, sluice-helper.service takes over
# on a backend; not one request is lost.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

UNITS=/run/systemd/system
BALANCER=sluice-test-$$
HELPER=sluice-test-helper-$$

# unit NAME SOURCE HOST ARGUMENTS: config/SOURCE.service as NAME on HOST, with these arguments. What is
# hidden or read-only for it but belongs to the lab is opened.
unit()
{
	sed -e "s|^ExecStart=/usr/sbin/\([a-z-]*\).*|ExecStart=$LAB_BUILD/\1 $4|" \
		-e "s|^\(RuntimeDirectory\|StateDirectory\)=.*|\1=$1|" \
		-e "/^EnvironmentFile=/d" "$LAB_TOP/config/$2.service" >"$UNITS/$1.service"
	mkdir "$UNITS/$1.service.d"
	cat >"$UNITS/$1.service.d/lab.conf" <<-EOF
		[Service]
		NetworkNamespacePath=$LAB/ns/$3
		Environment=LIBXDP_BPFFS=$LAB/bpf
		BindPaths=$LAB $LAB_BUILD
		ReadWritePaths=$LAB/bpf
		StandardOutput=append:$LAB/$2.log
		StandardError=append:$LAB/$2.log
		TimeoutStartSec=$((60 * LAB_PATIENCE))
		WatchdogSec=$((30 * LAB_PATIENCE))
		RestartSec=1
	EOF
}

unit_down()
{
	local status=$? name

	set +e
	for name in $BALANCER $HELPER; do
		[ -e "$UNITS/$name.service" ] || continue
		systemctl stop "$name"
		systemctl clean --what=runtime --what=state "$name"
		rm -r "$UNITS/$name.service" "$UNITS/$name.service.d"
		systemctl reset-failed "$name"
	done 2>/dev/null
	systemctl daemon-reload
	(exit $status)
	lab_down
}

# property NAME PROPERTY
property()
{
	systemctl show --property "$2" --value "$1"
}

# ctl COMMAND...: the control socket is where the unit says.
ctl()
{
	"$LAB_BUILD/sluicectl" -s /run/$BALANCER/control.sock "$@"
}

serves()
{
	[ "$(ctl -j status | jq .unresolved_backends)" = 0 ]
}

# step WHAT COMMAND...: under load.
step()
{
	echo "$1"
	"${@:2}"
	lab_load_more 3
}

config()
{
	lab_config '' | sed -e "s|$LAB/control.sock|/run/$BALANCER/control.sock|" \
		-e "s|$LAB/state|/var/lib/$BALANCER|"
}

start()
{
	systemctl start "$1" || lab_fail "systemctl start: $(systemctl status "$1" 2>&1)"
}

reload()
{
	config | sed 's/name = "www";/name = "web";/' >"$LAB/sluice.conf"
	systemctl reload $BALANCER
	lab_wait_for 20 has_vip web || lab_fail "the new config is not in force"
}

has_vip()
{
	ctl -j vips | jq -e --arg name "$1" '.vips[] | select(.name == $name)'
}

# killed NAME: its process is, by SIGKILL, and systemd starts it again.
killed()
{
	local before

	before=$(property "$1" MainPID)
	systemctl kill --signal KILL "$1"
	lab_wait_for 30 runs_anew "$1" "$before" || lab_fail "$1 was not started again"
	[ "$(property "$1" NRestarts)" = 1 ] || lab_fail "$1: restarts: $(property "$1" NRestarts)"
}

# runs_anew NAME PID: as another process.
runs_anew()
{
	[ "$(property "$1" ActiveState)" = active ] && [ "$(property "$1" MainPID)" != "$2" ]
}

stop()
{
	systemctl stop "$1"
	[ "$(property "$1" Result)" = success ] || lab_fail "$1 ended with $(property "$1" Result)"
}

helper_arguments()
{
	echo "-i eth0 --pin-dir $LAB/bpf/helper-1 --backend 198.18.1.11"
}

take_over()
{
	lab_kill helper-1
	start $HELPER
	lab_helper 1 --status -j | jq -e .running >/dev/null || lab_fail "the helper does not run"
}

[ -d $UNITS ] || lab_skip "systemd did not start this machine"
lab_up 1
trap unit_down EXIT
unit $BALANCER sluiced lb "-c $LAB/sluice.conf"
unit $HELPER sluice-helper web1 "$(helper_arguments)"
systemctl daemon-reload

echo "start"
config >"$LAB/sluice.conf"
start $BALANCER
lab_wait_for 60 serves || lab_fail "it does not serve"
lab_load_start 1
lab_load_more 3

step "reload" reload
step "SIGKILL" killed $BALANCER
step "restart" systemctl restart $BALANCER
step "stop" stop $BALANCER
step "the helper takes over" take_over
step "the helper: SIGKILL" killed $HELPER
step "the helper: stop" stop $HELPER
lab_load_stop
[ "$LAB_FAILED" = 0 ] || lab_fail "requests failed: $(grep -m 5 '^[1-9]' "$LAB/answers")"
