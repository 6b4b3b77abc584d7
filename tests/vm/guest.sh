#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The first process of the machine that tests/vm/run.sh starts, on its final root file system: the
# tests, whose output goes out by the second serial port, and the end. TOP, BUILD and TESTS are
# run.sh's; everything else is as on the host, but for what only a booted system has.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8

mount -t tmpfs tmpfs /run
mkdir /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -s /proc/self/fd /dev/fd
modprobe tun # udev would make its node, that loads it
ip link set lo up

cd "$TOP" || exit
stty -F /dev/ttyS1 raw
export LAB_PATIENCE=10
# shellcheck disable=SC2086 # a list
tests/run.sh "$BUILD" $TESTS >/dev/ttyS1 2>&1 </dev/null
echo b >/proc/sysrq-trigger
