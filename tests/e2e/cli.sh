#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The command lines that others may rely on: exit status 0 done, 1 refused or failed, 2 usage; and
# `sluicectl -j` prints one JSON document with the documented keys.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

# exits STATUS COMMAND...
exits()
{
	local status=0 output

	output=$("${@:2}" 2>&1) || status=$?
	[ $status = "$1" ] || lab_fail "${*:2}: exit status $status, expected $1: $output"
	[ -n "$output" ] || lab_fail "${*:2}: said nothing"
}

# document COMMAND KEY...: the reply is one JSON object that has these keys.
document()
{
	local key json

	json=$(lab_ctl -j "$1")
	[ "$(jq -s length <<<"$json")" = 1 ] || lab_fail "-j $1: not one document: $json"
	for key in "${@:2}"; do
		jq -e "$key != null" >/dev/null <<<"$json" || lab_fail "-j $1: no $key in $json"
	done
}

lab_up 2
lab_config '' '' >"$LAB/sluice.conf"
lab_sluiced_start

echo "sluiced"
sluiced=$LAB_BUILD/sluiced
exits 0 "$sluiced" --version
exits 0 "$sluiced" --help
exits 0 "$sluiced" -c "$LAB/sluice.conf" --check
exits 2 "$sluiced"
exits 2 "$sluiced" -c
exits 2 "$sluiced" --frobnicate
exits 2 "$sluiced" -c "$LAB/sluice.conf" --check --detach
exits 2 "$sluiced" -c "$LAB/sluice.conf" --replay in.pcap
exits 2 "$sluiced" -c "$LAB/sluice.conf" extra
exits 1 "$sluiced" -c "$LAB/nothing.conf" --check
exits 1 "$sluiced" -c "$LAB/sluice.conf" --replay "$LAB/nothing.pcap" "$LAB/out.pcap"

echo "sluicectl"
for command in status vips backends counters "counters -v" "drain web-1" "activate web-1" \
	"disable web-1 --pool web" "enable web-1" "weight web-1 7" "weight web-1 config" reload; do
	# shellcheck disable=SC2086 # words
	exits 0 lab_ctl $command
done
exits 0 "$LAB_BUILD/sluicectl" --help
exits 0 "$LAB_BUILD/sluicectl" --version
exits 2 lab_ctl
exits 2 lab_ctl frobnicate
exits 2 lab_ctl drain
exits 2 lab_ctl drain web-1 web-2
exits 2 lab_ctl status extra
exits 2 lab_ctl --frobnicate status
exits 2 lab_ctl weight web-1 0
exits 2 lab_ctl weight web-1 65536
exits 2 lab_ctl weight web-1 many
exits 1 lab_ctl drain web-9
exits 1 lab_ctl drain web-1 --pool wob
exits 1 "$LAB_BUILD/sluicectl" -s "$LAB/nothing.sock" status

echo "sluicectl -j"
document status .version .pid .uptime_s .config .pin_dir .state_dir .loaded_at .vips .backends \
	.operator_changes .unresolved_backends .memory_bytes \
	'.interfaces[0] | (.name, .ifindex, .mode, .attach, .program_id)'
document vips '.vips[0] | (.name, .address, .port, .protocol, .pool, .maglev, .ring_size,
	.backends, .active, .packets, .bytes, .dropped)'
document backends '.backends[1] | (.name, .pool, .address, .id, .state, .state_by, .weight,
	.weight_by, .nexthop.state, .nexthop.interface, .nexthop.mac, .packets, .bytes)'
document counters .total.forwarded .total.not_ip '.vips[0].counters.forwarded'
document reload .vips .backends .slots_written .changes
lab_ctl -j drain web-1 | jq -e '.backends[0].state == "draining" and .slots_written > 0' >/dev/null ||
	lab_fail "-j drain does not tell what it did"

echo "memory of 10 VIPs and 100 backends"
{
	lab_settings
	echo 'pools = ( { name = "web"; check = { type = "none"; }; backends = ('
	seq 100 | sed 's/.*/{ name = "web-&"; address = "198.18.1.&"; }/' | paste -sd,
	echo '); } ); vips = ('
	seq 10 | sed 's/.*/{ name = "www-&"; pool = "web"; address = "198.18.0.&"; port = 80; protocol = "tcp"; }/' |
		paste -sd,
	echo ');'
} >"$LAB/sluice.conf"
exits 0 lab_ctl reload
memory=$(lab_query status .memory_bytes)
# 256 KiB for each ring at least; in all less than 32 MiB.
if [ "$memory" -lt 2621440 ] || [ "$memory" -ge 33554432 ]; then
	lab_fail "the maps take $memory bytes"
fi
lab_ctl status | grep -q '^map memory .*M' || lab_fail "status does not tell: $(lab_ctl status)"

echo "sluice-helper"
exits 0 "$LAB_BUILD/sluice-helper" --help
exits 2 "$LAB_BUILD/sluice-helper"
exits 1 lab_helper 1 --status --pin-dir "$LAB/bpf/none"
exits 0 lab_helper 1 --status
lab_helper 1 --detach --pin-dir "$LAB/bpf/none" || lab_fail "--detach of nothing failed"
exits 1 lab_helper 1 --pin-dir "$LAB/bpf/none" -i eth7
[ ! -e "$LAB/bpf/none" ] || lab_fail "the refused helper left pins"
exits 1 lab_helper 1 -i eth0
exits 1 lab_helper 1 --detach
exits 2 lab_helper 1 -i eth0 -j
exits 2 lab_helper 1 --detach -i eth0
exits 2 lab_helper 1 -i eth0 --from 10.0.0.1/8
