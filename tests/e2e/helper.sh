#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Connections outlive a move to a balancer that remembers no flow: their packets come to web2 with a
# hint, and web2's helper sends them on to web1, where they live. Nothing is lost when the helper is
# killed, restarted or reloaded meanwhile. Then its other options, and --detach.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

CONNECTIONS=100
PORT=7

tool()
{
	echo "$LAB_BUILD/tests/tools/connections"
}

# config STATE-OF-WEB-1 STATE-OF-WEB-2: a VIP whose flows no balancer remembers.
config()
{
	lab_config "state = \"$1\";" "state = \"$2\";" |
		sed "s/port = 80;/port = $PORT; track = \"never\";/" >"$LAB/sluice.conf"
}

# hold_start NAME: connections that talk all the time.
hold_start()
{
	rm -f "$LAB/$1.log"
	lab_spawn client "$1" "$(tool)" hold $LAB_VIP $PORT $CONNECTIONS 20
	lab_wait_for 20 grep -q "^open $CONNECTIONS" "$LAB/$1.log" || lab_log_fail "$1"
}

# hold_end NAME: none of them may be broken.
hold_end()
{
	lab_kill "$1"
	tail -n 1 "$LAB/$1.log"
	grep -q "^connections $CONNECTIONS messages [0-9]* reset 0 closed 0 stalled 0$" "$LAB/$1.log" ||
		lab_fail "connections broke"
}

# grows N FILTER BY: helper N's counter grows by so much.
grows()
{
	local from

	from=$(lab_helper_query "$1" "$2")
	lab_wait_for 20 reaches "$1" "$2" $((from + $3)) ||
		lab_fail "helper $1: $2 stays at $(lab_helper_query "$1" "$2"), it was $from"
}

reaches()
{
	[ "$(lab_helper_query "$1" "$2")" -ge "$3" ]
}

is()
{
	[ "$(lab_helper_query "$1" "$2")" = "$3" ]
}

program_changed()
{
	[ "$(program_id "$1")" != "$2" ]
}

program_id()
{
	lab_in "web$1" ip -j link show dev eth0 | jq '.[0].xdp.prog.id'
}

# Packets that reached web N's stack still in their tunnel: there is nobody to unpack them.
tunnelled_up()
{
	lab_in "web$1" nstat -asz IpInUnknownProtos | awk '$1 == "IpInUnknownProtos" { print $2 }'
}

# while_away SIGNAL: ends web2's helper, whose program goes on, and starts it again.
while_away()
{
	local before

	before=$(lab_helper_query 2 .outcomes.sent_on)
	lab_kill helper-2 "$1"
	is 2 .running false || lab_fail "helper-2 runs after SIG$1"
	grows 2 .outcomes.sent_on 50
	lab_helper_start 2
	is 2 .running true || lab_fail "helper-2 does not run"
	grows 2 .outcomes.sent_on 50
	reaches 2 .outcomes.sent_on "$before" || lab_fail "the counters began anew"
}

# restart N OPTIONS...: web N's helper with other options.
restart()
{
	lab_kill "helper-$1"
	lab_helper_start "$@"
}

self_addresses()
{
	bpftool -j map dump pinned "$LAB/bpf/helper-$1/helper_self" | jq length
}

has_addresses()
{
	[ "$(self_addresses "$1")" = "$2" ]
}

answered()
{
	lab_in client curl -so /dev/null --connect-timeout 1 --max-time 5 \
		--connect-to "::$LAB_VIP:80" http://lab/
}

lab_up 2
for i in 1 2; do
	lab_spawn web$i "echo-$i" "$(tool)" serve $PORT
done
config active disabled
lab_sluiced_start

echo "connections to web1"
hold_start one
is 1 .outcomes.sent_on 0 || lab_fail "web1 sends packets on before anything moved"

echo "their slots move to web2, whose helper sends them on"
config draining active
lab_ctl reload
grows 2 .outcomes.sent_on 200
grows 1 .outcomes.decapsulated 200
is 1 .outcomes.sent_on 0 || lab_fail "web1 sends packets on again"
[ "$(lab_query counters .events.hinted)" -gt 0 ] || lab_fail "the balancer counts no hints"

echo "new ones live on web2, and take no detour"
hold_start two
grows 2 .kept.socket 200

for signal in KILL TERM KILL; do
	echo "SIG$signal and start"
	while_away $signal
done
echo "reload"
program=$(program_id 2)
lab_signal helper-2 HUP
lab_wait_for 20 program_changed 2 "$program" || lab_fail "SIGHUP brought no new program"
grows 2 .outcomes.sent_on 100
hold_end one
hold_end two
for i in 1 2; do
	[ "$(tunnelled_up $i)" = 0 ] ||
		lab_fail "$(tunnelled_up $i) packets reached web$i's stack in their tunnel"
done

echo "backends by a file, read anew by a signal; who left it is known for an hour"
lab_kill helper-2
lab_spawn web2 helper-2 env LIBXDP_BPFFS="$LAB/bpf" "$LAB_BUILD/sluice-helper" -i eth0 \
	--pin-dir "$LAB/bpf/helper-2" --hints "$LAB/sluice.conf"
lab_wait_for 10 lab_helper_ready 2 || lab_log_fail helper-2
before=$(lab_helper_query 2 .hints)
sed -i 's/198.18.1.12/198.18.1.99/' "$LAB/sluice.conf"
lab_signal helper-2 HUP
lab_wait_for 20 is 2 .hints $((before + 1)) ||
	lab_fail "$(lab_helper_query 2 .hints) backends are known, not $before and one more"
echo "vips = 5;" >>"$LAB/sluice.conf"
lab_signal helper-2 HUP
lab_wait_for 20 grep -q "reload: failed" "$LAB/helper-2.log" || lab_fail "a bad file was not refused"
is 2 .hints $((before + 1)) || lab_fail "a bad file changed something"

echo "an address of the host that comes and goes"
restart 2
before=$(self_addresses 2)
lab_in web2 ip addr add 198.18.1.112/32 dev eth0
lab_wait_for 20 has_addresses 2 $((before + 1)) || lab_fail "the new address is not known"
lab_in web2 ip addr del 198.18.1.112/32 dev eth0
lab_wait_for 20 has_addresses 2 "$before" || lab_fail "the old address is still known"

echo "balancers by prefix"
lab_config 'state = "disabled";' '' >"$LAB/sluice.conf"
lab_ctl reload
answered || lab_fail "no answer without --from"
restart 2 --from 10.0.0.0/8
answered && lab_fail "an answer though the balancer's prefix is not named"
reaches 2 .outcomes.denied 1 || lab_fail "dropped packets are not counted"
restart 2 --from 10.0.0.0/8 --from 172.16.0.0/16
answered || lab_fail "no answer though the balancer's prefix is named"

echo "another host's address: left to the stack, which has nobody to unpack it"
restart 2 --self 198.18.1.113
answered && lab_fail "an answer by a tunnel that ends elsewhere"
reaches 2 .outcomes.not_self 1 || lab_fail "packets for elsewhere are not counted"
restart 2

if lab_in web2 ip link add ipip0 type ipip external 2>/dev/null; then
	echo "--no-decap, with the kernel's tunnel device"
	lab_in web2 ip link set ipip0 up
	lab_sysctl web2 net.ipv4.conf.ipip0.rp_filter=0
	restart 2 --no-decap
	before=$(lab_helper_query 2 .outcomes.decapsulated)
	answered || lab_fail "no answer through the kernel's tunnel device"
	reaches 2 .outcomes.tunnelled 1 || lab_fail "packets left in their tunnel are not counted"
	is 2 .outcomes.decapsulated "$before" || lab_fail "packets were unpacked"
	lab_in web2 ip link del ipip0
	restart 2
else
	echo "(this kernel has no IP-in-IP device: --no-decap is not tried)"
fi

echo "a service in another network namespace than the port"
lab_netns inside
ip link add up0 netns "$LAB/ns/web2" type veth peer name eth0 netns "$LAB/ns/inside"
lab_in web2 ip link set up0 up
lab_in inside ip link set eth0 up
lab_in inside ip addr add $LAB_VIP/32 dev lo
lab_in inside ip addr add 198.18.4.2/30 dev eth0
lab_in inside ip route add default via 198.18.4.1 mtu 1500
lab_in web2 ip addr add 198.18.4.1/30 dev up0
lab_in web2 ip addr del $LAB_VIP/32 dev lo
lab_in web2 ip route add $LAB_VIP/32 via 198.18.4.2
lab_sysctl web2 net.ipv4.ip_forward=1 net.ipv4.conf.up0.rp_filter=0
lab_sysctl inside net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
lab_spawn inside echo-inside "$(tool)" serve $PORT
restart 2 --netns "$LAB/ns/inside"
config draining active
lab_ctl reload
before=$(lab_helper_query 2 .outcomes.sent_on)
hold_start three
grows 2 .kept.socket 200
is 2 .outcomes.sent_on "$before" || lab_fail "packets of sockets in another namespace are sent on"
hold_end three

echo "--detach"
lab_helper 2 --detach && lab_fail "--detach took a running helper's pins"
lab_kill helper-2
lab_has_xdp web2 || lab_fail "the program went with the helper"
lab_helper 2 --detach
lab_has_xdp web2 && lab_fail "--detach left the program on eth0"
[ ! -e "$LAB/bpf/helper-2" ] || lab_fail "--detach left pins"
! lab_helper 2 --status || lab_fail "there is a status of nothing"
