#!/bin/bash
# SPDX-License-Identifier: MIT
#
# How many packets a second a balancer forwards, by cores, packet size, flows and ring size: the kernel's
# pktgen sends, the balancer's own counters and the port's tell what became of the packets.
#
#     bench/pktgen.sh --veth [OPTION...]
#         a lab of its own on this machine: a veth pair in a network namespace, sluiced on one end
#     bench/pktgen.sh --dev DEV --mac MAC --vip ADDRESS [OPTION...]
#         real ports: sends out of DEV (which is pktgen's for that time: use one that carries nothing else)
#         to MAC, the balancer's port, for an IPv4 UDP VIP
#
#     --port N          the VIP's (80)
#     --counters CMD    prints the balancer's counters ("sluicectl -j counters"; "ssh lb sluicectl -j counters")
#     --rx-dev DEV      the balancer's port, when it is in this machine: its queues and rings are set, its
#                       drops counted
#     --cores LIST      (1)            as many queues, by --rx-dev; in the lab also as many senders
#     --senders N       cores that send (as --cores)
#     --sizes LIST      (64 512 1514)  bytes of a frame, without FCS
#     --flows LIST      (1 1000 100000)
#     --rings LIST      ()             descriptors of each receive ring, by --rx-dev
#     --count N         (1000000)      packets for each row and sender
#     --live            frames by build/xdp-live instead of pktgen; only in the lab
#     -j                one JSON document for each row, instead of the table
#
# A row: what was set; sent and forwarded, million packets a second; the latter for each core; how many of
# the packets were not forwarded, how many of those the ports dropped, and how many the balancer.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=bench/facts.sh
. bench/facts.sh

BUILD=${SLUICE_BUILD:-$PWD/build}
PKTGEN=/proc/net/pktgen
LAB_VIP=198.18.0.16
LAB_MAC=02:00:00:00:00:01

lab='' inside='' dev='' mac='' vip='' port=80 counters='' rx_dev='' senders='' json='' live=''
cores="1" sizes="64 512 1514" flows="1 1000 100000" rings='' count=1000000
arguments=("$@")

fail()
{
	echo "pktgen.sh: $*" >&2
	exit 1
}

usage()
{
	sed -n '/^#     bench/,/^# A row/ { s/^# \{0,1\}//; /^A row/d; p }' bench/pktgen.sh >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--veth) lab=1 ;;
	--inside) inside=1 ;; # of the lab's namespaces; for this script itself
	--live) live=1 ;;
	-j) json=1 ;;
	--dev | --mac | --vip | --port | --counters | --rx-dev | --senders | --cores | --sizes | --flows | --rings | --count)
		[ $# -gt 1 ] || usage
		name=${1#--}
		printf -v "${name//-/_}" %s "$2"
		shift
		;;
	*) usage ;;
	esac
	shift
done
[ -n "$lab" ] || [ -n "$dev$mac$vip" ] || usage
[ -n "$lab" ] || { [ -n "$dev" ] && [ -n "$mac" ] && [ -n "$vip" ]; } || usage
[ -z "$live" ] || [ -n "$lab" ] || fail "--live sends only in the lab: add --veth"
[ "$(id -u)" = 0 ] || fail "needs root"
for n in $port $cores $sizes $flows $rings $count $senders; do
	[[ $n =~ ^[1-9][0-9]*$ ]] || fail "\"$n\" is not a number"
done

# --------------------------------------------------------------------------------------------- the lab

# A network namespace, and a mount namespace for a BPF file system: they end with the process.
if [ -n "$lab" ] && [ -z "$inside" ]; then
	modprobe pktgen 2>/dev/null || true
	exec unshare --net --mount --propagation private "$0" --inside "${arguments[@]}"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-pktgen.XXXXXX")
sluiced=
cleanup()
{
	[ -z "$sluiced" ] || kill "$sluiced" 2>/dev/null || true
	wait
	[ ! -e "$PKTGEN/pgctrl" ] || echo reset >"$PKTGEN/pgctrl" 2>/dev/null || true
	restore_port
	umount "$work/bpf" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

lab_config()
{
	local i list=

	for i in $(seq 63); do
		list="$list${list:+,} { name = \"b$i\"; address = \"198.18.1.$i\"; }"
	done
	cat <<-END
		interfaces = ( { name = "lb0"; mode = "native"; gateway_mac = "02:00:00:00:00:02"; } );
		pin_dir = "$work/bpf/sluice";
		state_dir = "$work/state";
		control = { socket = "$work/control.sock"; };
		pools = ( { name = "pool"; backends = ($list ); } );
		vips = ( { name = "vip"; address = "$vip"; port = $port; protocol = "udp"; pool = "pool"; } );
	END
}

lab_up()
{
	local most=0 n

	for n in $cores; do
		[ "$n" -le "$most" ] || most=$n
	done
	[ "$most" -le "$(nproc)" ] || fail "--cores $most: this machine has $(nproc)"
	dev=gen0 rx_dev=lb0 mac=$LAB_MAC vip=$LAB_VIP
	counters="$BUILD/sluicectl -s $work/control.sock -j counters"
	ip link add gen0 numtxqueues "$most" numrxqueues "$most" type veth peer name lb0 \
		address $LAB_MAC numtxqueues "$most" numrxqueues "$most"
	for n in gen0 lb0; do
		echo 1 >/proc/sys/net/ipv6/conf/$n/disable_ipv6
		ethtool -K $n gro on # with NAPI: what XDP transmits is taken in by the other end
		ip link set $n mtu 1600 up # a full frame fits the tunnel
	done
	mkdir "$work/bpf" "$work/state"
	mount -t bpf bpf "$work/bpf"
	lab_config >"$work/sluice.conf"
	LIBXDP_BPFFS=$work/bpf "$BUILD/sluiced" -c "$work/sluice.conf" >"$work/log" 2>&1 &
	sluiced=$!
	for n in $(seq 600); do
		$counters >/dev/null 2>&1 && return
		kill -0 $sluiced 2>/dev/null || break
		sleep 0.1
	done
	cat "$work/log" >&2
	fail "sluiced did not start"
}

# How sluiced's program runs on its port.
attachment()
{
	"$BUILD/sluicectl" -s "$work/control.sock" -j status |
		jq -r '"\(.version), \(.interfaces[0] | "\(.mode), \(.attach)")"'
}

# ------------------------------------------------------------------------------------- the ports

ring_before='' queues_before=''

# setting OPTION PATTERN: what ethtool -g or -l says is in force now; empty: it cannot tell.
setting()
{
	ethtool "$1" "$rx_dev" 2>/dev/null |
		awk -v name="$2" '/^Current/ { now = 1 } now && $1 == name && $2 ~ /^[0-9]+$/ { print $2; exit }'
}

restore_port()
{
	[ -z "$ring_before" ] || ethtool -G "$rx_dev" rx "$ring_before" 2>/dev/null || true
	[ -z "$queues_before" ] || ethtool -L "$rx_dev" combined "$queues_before" 2>/dev/null || true
}

# set_port CORES RING: what can be set. A driver may take the link down for it.
set_port()
{
	local now

	[ -n "$rx_dev" ] && [ -z "$lab" ] || return 0
	now=$(setting -l Combined:)
	if [ -n "$now" ] && [ "$now" != "$1" ]; then
		queues_before=${queues_before:-$now}
		ethtool -L "$rx_dev" combined "$1" || fail "$rx_dev does not take $1 queues"
		sleep 5
	fi
	[ "$2" != - ] || return 0
	now=$(setting -g RX:)
	if [ "$now" != "$2" ]; then
		ring_before=${ring_before:-$now}
		ethtool -G "$rx_dev" rx "$2" || fail "$rx_dev does not take a ring of $2"
		sleep 5
	fi
}

# forwarded, and all other outcomes together.
read_counters()
{
	$counters | jq -r '.total | "\(.forwarded) \((to_entries | map(select(.key | IN(
		"no_backend", "no_nexthop", "no_headroom", "denied", "too_big_limited", "too_big_no_df",
		"fragment_lost")).value) | add) // 0)"'
}

# What the sending port could not send, and the receiving one (if it is here) not take in.
read_port_drops()
{
	ip -s -j link show dev "$dev" | jq '.[0].stats64.tx.dropped'
	[ -z "$rx_dev" ] || ip -s -j link show dev "$rx_dev" |
		jq '.[0].stats64.rx | (.dropped // 0) + (.missed_errors // 0) + (.over_errors // 0)'
}

port_drops()
{
	read_port_drops | jq -s add
}

# ----------------------------------------------------------------------------------- the generators

put()
{
	echo "$2" >"$PKTGEN/$1" || fail "pktgen: $1 does not take \"$2\""
}

# Its threads take their time to let a device go.
add_device()
{
	local try

	for try in {1..50}; do
		echo "add_device $dev@$1" >"$PKTGEN/kpktgend_$1" 2>/dev/null && return
		sleep 0.2
	done
	fail "pktgen: kpktgend_$1 does not take $dev@$1 ($try times)"
}

# send_pktgen SENDERS SIZE FLOWS: sets sent, ns.
send_pktgen()
{
	local i base last

	put pgctrl reset
	# As many clients, the VIP's own port; addresses 10.0.0.1 and up.
	base=$((10 << 24 | 1))
	last=$((base + $3 - 1))
	for ((i = 0; i < $1; i++)); do
		add_device "$i"
		for setting in "count $count" "pkt_size $2" "clone_skb 0" "delay 0" "flag QUEUE_MAP_CPU" \
			"dst_mac $mac" "dst $vip" "udp_dst_min $port" "udp_dst_max $port" \
			"udp_src_min 1024" "udp_src_max 1024" "flag IPSRC_RND" \
			"src_min $(address $base)" "src_max $(address $last)"; do
			put "$dev@$i" "$setting"
		done
	done
	put pgctrl start
	# "Result: OK: 123(c100+d23) usec, N (64byte,0frags)" of each device
	read -r sent ns < <(cat "$PKTGEN/$dev@"* | awk '
		/^Result: OK:/ {
			split($3, usec, "(")
			sent += $5
			if (usec[1] > longest) longest = usec[1]
		}
		END { printf "%d %d000\n", sent, longest }')
	[ "$sent" -gt 0 ] || { cat "$PKTGEN/$dev@"* >&2; fail "pktgen sent nothing"; }
}

address()
{
	echo "$(($1 >> 24)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255))"
}

# send_live SENDERS SIZE FLOWS: sets sent, ns.
send_live()
{
	local line

	line=$("$BUILD/xdp-live" -i "$dev" -m "$mac" -c "$1" -n "$count" "udp,size=$2,flows=$3") ||
		fail "xdp-live failed"
	[[ $line =~ ^sent=([0-9]+)\ returned=([0-9]+)\ ns=([0-9]+)$ ]] || fail "xdp-live: $line"
	sent=${BASH_REMATCH[1]} ns=${BASH_REMATCH[3]}
}

# ------------------------------------------------------------------------------------------ the rows

# Waits until packets on their way are counted: sets forwarded and dropped, since the last time.
settle()
{
	local last=

	while forwarded=$(read_counters) && [ "$forwarded" != "$last" ]; do
		last=$forwarded
		sleep 0.2
	done
	read -r forwarded dropped <<<"$forwarded"
}

print_row()
{
	awk -v cores="$1" -v size="$2" -v flows="$3" -v ring="$4" -v sent="$5" -v ns="$6" \
		-v forwarded="$7" -v port="$8" -v dropped="$9" -v json="$json" 'BEGIN {
		mpps = sent * 1000 / ns
		out = forwarded * 1000 / ns
		lost = sent ? 100 * (sent - forwarded) / sent : 0
		if (json)
			format = "{\"cores\": %d, \"bytes\": %d, \"flows\": %d, \"ring\": \"%s\", " \
				"\"sent_mpps\": %.4f, \"forwarded_mpps\": %.4f, \"per_core_mpps\": %.4f, " \
				"\"not_forwarded_percent\": %.3f, \"port_drops\": %d, \"dropped\": %d}\n"
		else
			format = "%5d %6d %8d %6s %10.4f %10.4f %10.4f %9.3f %10d %8d\n"
		printf format, cores, size, flows, ring, mpps, out, out / cores, lost, port, dropped
	}'
}

row()
{
	local before_forwarded before_dropped before_port

	set_port "$1" "$4"
	settle
	before_forwarded=$forwarded before_dropped=$dropped before_port=$(port_drops)
	"send_$generator" "${senders:-$1}" "$2" "$3"
	settle
	print_row "$1" "$2" "$3" "$4" "$sent" "$ns" $((forwarded - before_forwarded)) \
		$(($(port_drops) - before_port)) $((dropped - before_dropped))
}

choose_generator()
{
	generator=pktgen
	[ -z "$live" ] || generator=live
	if [ $generator = pktgen ] && [ ! -e $PKTGEN/pgctrl ]; then
		modprobe pktgen 2>/dev/null || true
	fi
	if [ $generator = pktgen ] && [ ! -e $PKTGEN/pgctrl ]; then
		[ -n "$lab" ] || fail "this kernel has no pktgen (module pktgen, CONFIG_NET_PKTGEN)"
		generator=live
		note "This kernel has no pktgen: build/xdp-live makes the frames."
	fi
}

note()
{
	[ -n "$json" ] || echo "$@"
}

[ -n "$lab" ] && vip=$LAB_VIP
[ -z "$lab" ] || lab_up
counters=${counters:-sluicectl -j counters}
choose_generator
$counters >/dev/null || fail "\"$counters\" does not work: name a command with --counters"

[ -n "$json" ] || facts
note "Sends: $dev, $(fact_driver "$dev"), by $generator"
[ -z "$rx_dev" ] || note "Receives: $rx_dev, $(fact_driver "$rx_dev")"
[ -z "$lab" ] || note "Balancer: $(attachment)"
note
note "cores  bytes    flows   ring  sent Mpps  forwarded   per core  not fwd% port drops  dropped"
for n in $cores; do
	for ring in ${rings:--}; do
		for size in $sizes; do
			for clients in $flows; do
				row "$n" "$size" "$clients" "$ring"
			done
		done
	done
done
