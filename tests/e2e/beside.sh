#!/bin/bash
# SPDX-License-Identifier: MIT
#
# sluiced beside programs of others on the same port, through libxdp's dispatcher: they come and go,
# it comes, dies, comes back, changes and goes, and neither side notices; not one request is lost.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

# other attach|detach|list PORT ...: as another user of libxdp, with the lab's BPF file system, and the
# dispatcher that is installed with sluice (docs/operating.md says when).
other()
{
	lab_in lb env LIBXDP_BPFFS="$LAB/bpf" LIBXDP_OBJECT_PATH="$LAB/lib" \
		"$LAB_BUILD/tests/tools/beside" "$@"
}

# others PORT NAME...: these programs are on the port, in this order.
others()
{
	local names

	names=$(other list "$1" | cut -d' ' -f2 | xargs)
	[ "$names" = "${*:2}" ] || lab_fail "on $1: \"$names\", expected \"${*:2}\""
}

# id_of NAME [PRIORITY]
id_of()
{
	other list eth0 | awk -v name="$1" -v priority="${2:-}" \
		'$2 == name && (priority == "" || $1 == priority) { print $3 }'
}

# seen PRIORITY: packets that the other program of this priority has counted.
seen()
{
	local map

	map=$(bpftool -j prog show id "$(id_of pass "$1")" | jq '.map_ids[0]')
	bpftool -j map dump id "$map" | jq '.[0].formatted.value'
}

# shares PORT: sluiced says that it shares the port, and which program is its own there.
shares()
{
	local found

	found=$(lab_query status ".interfaces[] | select(.name == \"$1\") | \"\(.attach) \(.program_id)\"")
	[ "$found" = "dispatcher $(other list "$1" | awk '$2 == "sluice" { print $3 }')" ] ||
		lab_fail "status of $1: $found; there are: $(other list "$1")"
}

serves()
{
	lab_requests 30
	[ "$LAB_ANSWERED" = 30 ] || lab_fail "$1: $LAB_ANSWERED of 30 requests were answered"
}

# The balancer's own stack, behind all programs, refuses a connection that is not for the VIP.
reached()
{
	local status=0

	lab_in router curl -s --connect-timeout 20 http://198.18.0.2:9/ || status=$?
	[ $status = 7 ] || lab_fail "the balancer itself is not reached (curl: $status)"
}

# under_load WHAT COMMAND...: not one request fails meanwhile.
under_load()
{
	echo "$1"
	lab_load_start 1
	lab_load_more 10
	"${@:2}"
	lab_load_more 10
	lab_load_stop
	[ "$LAB_FAILED" = 0 ] || lab_fail "$1: requests failed: $(grep -m 5 '^[1-9]' "$LAB/answers")"
}

restart()
{
	local before

	before=$(id_of sluice)
	lab_kill sluiced KILL
	others eth0 pass sluice pass
	lab_sluiced_start
	others eth0 pass sluice pass
	[ "$(id_of sluice)" != "$before" ] || lab_fail "the program was not replaced"
}

# It dies when both are there, the old program and the new one, beside the two others. That is for a
# moment only: nothing is started to look for it.
die_halfway()
{
	local end=$((SECONDS + 20 * LAB_PATIENCE))

	lab_kill sluiced KILL
	lab_spawn lb sluiced env LIBXDP_BPFFS="$LAB/bpf" "$LAB_BUILD/sluiced" -c "$LAB/sluice.conf"
	until compgen -G "$LAB/bpf/xdp/*/prog3-prog" >/dev/null; do
		[ $SECONDS -lt $end ] || lab_fail "there never were both"
	done
	lab_kill sluiced KILL
	echo "  left behind: $(other list eth0 | cut -d' ' -f2 | xargs)"
	lab_sluiced_start
	others eth0 pass sluice pass
}

other_comes_and_goes()
{
	other attach eth0 "$LAB_PASS" 90
	others eth0 pass sluice pass pass
	other detach eth0 "$(id_of pass 90)"
	others eth0 pass sluice pass
	shares eth0
}

larger_limits()
{
	local before

	before=$(id_of sluice)
	{
		echo "limits = { vips = 1000; backends = 9000; };"
		lab_config '' ''
	} >"$LAB/sluice.conf"
	lab_ctl reload
	[ "$(id_of sluice)" != "$before" ] || lab_fail "the program was not replaced"
	others eth0 pass sluice pass
	shares eth0
}

lab_up 2
mkdir "$LAB/lib"
cp "$LAB_BUILD/xdp/dispatcher.bpf.o" "$LAB/lib/xdp-dispatcher.o"
other attach eth0 "$LAB_PASS" 10
other list eth0 >/dev/null || lab_skip "the kernel lets libxdp have no dispatcher"

echo "the other was there before"
lab_config '' '' >"$LAB/sluice.conf"
lab_sluiced_start
others eth0 pass sluice
shares eth0
before=$(seen 10)
serves "at first"
[ "$(seen 10)" -ge $((before + 60)) ] || lab_fail "the other program saw $(($(seen 10) - before)) packets"

echo "another comes later, and sees what is left to it"
other attach eth0 "$LAB_PASS" 70
others eth0 pass sluice pass
before=$(seen 70)
serves "beside two"
[ "$(seen 70)" -lt $((before + 30)) ] || lab_fail "packets of the VIP went on to the next program"
reached
[ "$(seen 70)" -gt "$before" ] || lab_fail "the next program gets nothing"

under_load "SIGKILL and start" restart
under_load "others come and go" other_comes_and_goes
under_load "SIGKILL in the middle of a start" die_halfway
under_load "a reload that wants larger tables" larger_limits

echo "a second port, with frames of several buffers"
lab_in lb ip link add eth1 mtu 9000 type veth peer name peer1
lab_in lb ip link set eth1 up
sed -i 's/interfaces = (/&{ name = "eth1"; mode = "native"; },/' "$LAB/sluice.conf"
lab_ctl reload
shares eth0
shares eth1
restart
shares eth0
shares eth1

echo "it leaves one port"
sed -i 's/{ name = "eth1"; mode = "native"; },//' "$LAB/sluice.conf"
lab_ctl reload
others eth1
serves "at the end"

echo "--detach leaves the others alone"
lab_kill sluiced
lab_sluiced --detach
others eth0 pass pass
[ ! -e "$LAB/bpf/sluice" ] || lab_fail "--detach left pins"
before=$(seen 70)
reached
[ "$(seen 70)" -gt "$before" ] || lab_fail "the other program does not run any more"
