#!/bin/bash
# SPDX-License-Identifier: MIT
#
# 10,000 checks every 2 s: all are made, spread evenly, nothing leaks, and nothing stands still when one
# or all of the backends go away at once. SOAK_S in the environment is how many seconds it is watched (5). What it costs is told,
# not judged: backends are addresses of the balancer itself, so their kernel's work is in the numbers.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"

VIPS=100 BACKENDS=100
if [ "$LAB_PATIENCE" -gt 1 ]; then
	VIPS=5
fi
CHECKS=$((VIPS * BACKENDS))

config()
{
	local i comma=

	lab_settings
	echo 'pools = ( { name = "web"; panic = 20; check = { type = "tcp"; via = "direct"; timeout_ms = 1000; }; backends = ('
	for i in $(seq $BACKENDS); do
		echo "$comma { name = \"b$i\"; address = \"10.1.0.$i\"; }"
		comma=,
	done
	echo ' ); } ); vips = ('
	comma=
	for i in $(seq $VIPS); do
		echo "$comma { name = \"v$i\"; address = \"$LAB_VIP\"; port = $((1000 + i)); protocol = \"tcp\"; pool = \"web\"; ring_size = 4093; }"
		comma=,
	done
	echo ' );'
}

# Listens for all backends; nobody accepts, since checks never get that far.
servers()
{
	cat >"$LAB/servers.conf" <<-END
		daemon off;
		master_process off;
		pid $LAB/servers.pid;
		error_log stderr;
		events { worker_connections 1024; }
		http {
			access_log off;
			client_body_temp_path $LAB/body;
			proxy_temp_path $LAB/proxy;
			fastcgi_temp_path $LAB/fastcgi;
			uwsgi_temp_path $LAB/uwsgi;
			scgi_temp_path $LAB/scgi;
			server { listen 1001-$((1000 + VIPS)) backlog=4096; return 204; }
		}
	END
	lab_spawn lb servers nginx -e stderr -c "$LAB/servers.conf"
}

# found STATE N: by their checks, so many of the backends are in that state with some VIP.
found()
{
	[ "$(lab_query backends "[.backends[] | select(.health == \"$1\")] | length")" = "$2" ]
}

# become STATE N: then all of their streams, too.
become()
{
	lab_wait_for 60 found "$1" "$2" || lab_fail "not $2 backends are $1: $(lab_ctl status)"
	lab_wait_for 60 streams "$1" $(($2 * VIPS)) ||
		lab_fail "$(lab_query health '"\(.up) up, \(.down) down, \(.unknown) unknown"'), not $2 $1"
}

streams()
{
	[ "$(lab_query health ".$1")" = "$2" ]
}

# sum FILE FIELD: over all streams of the document.
sum()
{
	jq "[.streams[].$2] | add" "$LAB/$1"
}

descriptors()
{
	find "/proc/$(lab_pid sluiced)/fd" -mindepth 1 | wc -l
}

all_saved()
{
	[ "$(jq '[.backends[] | select(.up)] | length' "$LAB/state/health.json")" = $CHECKS ]
}

# cpu_ms: of sluiced so far.
cpu_ms()
{
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1000 / hz) }' \
		"/proc/$(lab_pid sluiced)/stat"
}

lab_up 0
for i in $(seq $BACKENDS); do
	echo "addr add 10.1.0.$i/32 dev lo"
done | lab_in lb ip -batch -
servers
config >"$LAB/sluice.conf"
lab_spawn lb sluiced env LIBXDP_BPFFS="$LAB/bpf" "$LAB_BUILD/sluiced" -c "$LAB/sluice.conf" -v
lab_wait_for 60 lab_ctl status || lab_fail "sluiced does not serve"

echo "$CHECKS checks"
become up $BACKENDS
lab_ctl -j health >"$LAB/before"
descriptors=$(descriptors) cpu=$(cpu_ms) began=$(date +%s%N)
sleep "${SOAK_S:-5}"
cpu=$(($(cpu_ms) - cpu)) took=$((($(date +%s%N) - began) / 1000000))
lab_ctl -j health >"$LAB/after"
probes=$(($(sum after probes) - $(sum before probes)))
echo "  $probes probes in $took ms, $((100 * cpu / took)) % of a CPU with the backends' part of it"
[ "$probes" -gt 0 ] || lab_fail "nobody was probed"
[ "$(sum after failures)" = 0 ] || lab_fail "$(sum after failures) probes failed"
[ "$(sum after unknown)" = 0 ] || lab_fail "$(sum after unknown) probes could not be made"
[ "$(descriptors)" -lt $((descriptors + 200)) ] || lab_fail "$descriptors descriptors, then $(descriptors)"
echo "  descriptors: $descriptors, then $(descriptors)"

echo "they are spread"
# An interval is 1800 to 2200 ms. Those that are due while the document is made show as 0.
jq '.streams[].next_ms // empty' "$LAB/after" | awk -v all=$CHECKS '
	$1 > 0 && $1 < 1800 { n[int($1 / 100)]++ }
	END {
		least = all
		for (i = 0; i < 18; i++) {
			most = n[i] > most ? n[i] : most
			least = n[i] < least ? n[i] : least
		}
		printf "  due in 100 ms: %d to %d\n", least, most
		exit most > all / 20 * 3
	}' || lab_fail "they come in bunches"

echo "one backend of all VIPs goes"
n=$(n_in_force)
lab_in lb ip addr del 10.1.0.7/32 dev lo
become down 1
[ "$(lab_query status .down_backends)" = 1 ] || lab_fail "status: $(lab_ctl status)"
echo "  in force: $(in_force $((n + 1)))"

echo "all go, and come back"
n=$(n_in_force)
lab_kill servers
become down $BACKENDS
[ "$(lab_query status '.panic_vips | length')" = $VIPS ] || lab_fail "no panic: $(lab_ctl status)"
echo "  in force: $(in_force $((n + 1)))"
lab_in lb ip addr add 10.1.0.7/32 dev lo
servers
become up $BACKENDS
[ "$(lab_query status '.panic_vips | length')" = 0 ] || lab_fail "still in panic: $(lab_ctl status)"
[ "$(descriptors)" -lt $((descriptors + 200)) ] || lab_fail "$descriptors descriptors, then $(descriptors)"
lab_wait_for 60 all_saved ||
	lab_fail "health.json does not have all"
