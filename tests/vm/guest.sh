#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The first process of the machine that tests/vm/run.sh starts, on its final root file system. It
# becomes systemd, if the host has it, with nothing to start but this script again (`tests`), which
# runs the tests, sends what they say out by the second serial port, and ends the machine. TOP, BUILD
# and TESTS (lists of names, with "|" between them, that run side by side) are run.sh's; everything
# else is as on the host, but for what only a booted system has.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
UNITS=/run/systemd/system
SYSTEMD=/lib/systemd/systemd

# unit NAME: the text is on stdin.
unit()
{
	{
		echo "[Unit]"
		echo "DefaultDependencies=no"
		cat
	} >"$UNITS/$1"
}

# Of the host's units none is there. Those that are named by others do nothing.
become_systemd()
{
	local target

	mkdir -p $UNITS /run/none
	for target in sysinit basic shutdown network-online; do
		unit $target.target </dev/null
	done
	unit default.target <<-EOF
		Wants=tests.service
	EOF
	unit tests.service <<-EOF
		[Service]
		ExecStart=/bin/bash $TOP/tests/vm/guest.sh tests
		PassEnvironment=TOP BUILD TESTS
		StandardOutput=null
		StandardError=null
		TasksMax=infinity
	EOF
	export SYSTEMD_UNIT_PATH=$UNITS SYSTEMD_GENERATOR_PATH=/run/none
	exec $SYSTEMD
}

# Whole lines, as two may write.
run_tests()
{
	# shellcheck disable=SC2086 # a list
	tests/run.sh "$BUILD" $1 2>&1 </dev/null | grep --line-buffered '' >/dev/ttyS1
}

# mounted TYPE DIR
mounted()
{
	mountpoint -q "$2" || mount -t "$1" "$1" "$2"
}

if [ "${1:-}" != tests ]; then
	mount -t tmpfs tmpfs /run
	[ ! -x $SYSTEMD ] || become_systemd
fi
mkdir -p /dev/shm
mounted tmpfs /dev/shm
mounted bpf /sys/fs/bpf
mounted cgroup2 /sys/fs/cgroup
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
modprobe tun # udev would make its node, that loads it
ip link set lo up
cd "$TOP" || exit
stty -F /dev/ttyS1 raw
export LAB_PATIENCE=10
IFS='|' read -ra lists <<<"$TESTS"
for list in "${lists[@]}"; do
	run_tests "$list" &
done
wait
echo b >/proc/sysrq-trigger
