#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A lab for real traffic, sourced by tests/demo.sh and tests/e2e/*.sh. Each host is a network
# namespace, each cable a veth pair:
#
#     client ----- router ----- lb          lb: the balancer, sluiced with XDP on eth0
#                   |  |
#                web1 .. webN               webN: nginx, and sluice-helper on eth0
#
# Requests go client -> router -> lb, through the tunnel lb -> router -> webN, and the answers go
# webN -> router -> client, from the VIP's address. A packet whose flow is another backend's goes
# webN -> router -> webM, when the balancer said so by a hint.
#
# Every host has an address of either family, if the kernel has IPv6:
#
#     client  198.18.2.2      2001:db8:2::2         router's end: 198.18.2.1      2001:db8:2::1
#     lb      198.18.0.2      2001:db8::2                         198.18.0.1      2001:db8::1
#     webN    198.18.1.10+N   2001:db8:1::10+N                    198.18.1.1      2001:db8:1::1
#
# All of a lab lies under the directory $LAB: ns/NAME (namespaces, bound to files, so that none of
# them shows among the host's own), bpf (a BPF file system, with the pins of all: sluice, helper-N),
# proc/NAME (pid and start time of each process), NAME.log, and the config and state of sluiced. lab_down removes all of it; it runs when
# the script ends, however it ends. Nothing outside of $LAB is touched.
#
# Enter a namespace with lab_in, or nsenter --net=$LAB/ns/NAME (`ip netns exec` would hide bpffs).
# The script that sources this runs with `set -eu`: what goes wrong here ends it.

LAB_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_BUILD=${SLUICE_BUILD:-$LAB_TOP/build}
LAB_PASS=$LAB_BUILD/tests/lib/pass.bpf.o # an XDP program that counts packets and passes them on
LAB_VIP=198.18.0.80
LAB_VIP6=2001:db8::80
LAB_CLIENT=198.18.2.2
LAB_CLIENT6=2001:db8:2::2
LAB_GUE_PORT=6080

# The balancer that is meant: lb, or with 2 lb2, which has all of its own (sluiced2, sluice2.conf,
# control2.sock, ...). See lab_at.
LAB_AT=

# Who serves on the backends: a function, called with N.
LAB_SERVER=${LAB_SERVER:-lab_nginx}

# Who takes the outer header off on the backends: helper (sluice-helper) or kernel (its tunnel devices).
LAB_DECAP=${LAB_DECAP:-helper}

# LAB_PATIENCE in the environment is how many times slower than usual this machine is: waits are longer,
# and what is done over and over is done less often.
LAB_PATIENCE=${LAB_PATIENCE:-1}
LAB_POLL_S=0.05
LAB_RATE=500 # requests a second and worker, at most
if [ "$LAB_PATIENCE" -gt 1 ]; then
	LAB_POLL_S=0.3
	LAB_RATE=5
fi

# lab_up N [DIR]: builds a lab with N backends in DIR (must not exist), or in one of its own.
lab_up()
{
	local n=$1 host i

	lab_need
	LAB=${2:-}
	if [ -n "$LAB" ]; then
		mkdir "$LAB" || return 1
	else
		LAB=$(mktemp -d "${TMPDIR:-/tmp}/sluice-lab.XXXXXX") || return 1
	fi
	lab_trap
	chmod 755 "$LAB"
	mkdir "$LAB/ns" "$LAB/proc" "$LAB/bpf" "$LAB/state"
	mount -t bpf bpf "$LAB/bpf"
	echo "$n" >"$LAB/backends"

	for host in client router lb $(seq -f 'web%.0f' "$n"); do
		lab_netns "$host"
	done
	lab_router
	lab_client
	lab_balancer
	for i in $(seq "$n"); do
		lab_web "$i"
	done
}

lab_need()
{
	local program

	if [ "$(id -u)" != 0 ]; then
		echo "a lab needs root (network namespaces, XDP): run it with sudo" >&2
		exit 1
	fi
	for program in sluiced sluicectl sluice-helper; do
		if [ ! -x "$LAB_BUILD/$program" ]; then
			echo "$LAB_BUILD/$program is not built: run make" >&2
			exit 1
		fi
	done
	if [ ! -e "$LAB_PASS" ]; then
		echo "$LAB_PASS is not built: run make tests" >&2
		exit 1
	fi
}

lab_has_ipv6()
{
	[ -e /proc/net/if_inet6 ]
}

# lab_skip REASON: what the script tests cannot be had here.
lab_skip()
{
	echo "skipped: $*"
	exit 77
}

lab_need_ipv6()
{
	lab_has_ipv6 || lab_skip "the kernel has no IPv6"
}

# From here on the lab goes away when the script ends, also by a signal. The signal's own exit
# status is kept.
lab_trap()
{
	trap lab_down EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# lab_keep: the lab outlives the script; lab_adopt DIR takes it over again.
lab_keep()
{
	trap - EXIT
}

lab_adopt()
{
	LAB=$1
	lab_trap
}

# lab_fail TEXT: ends the script; the lab's last words come with it.
lab_fail()
{
	echo "FAILED: $*" >&2
	exit 1
}

# ------------------------------------------------------------------------------ hosts and cables

lab_netns()
{
	: >"$LAB/ns/$1"
	unshare --net="$LAB/ns/$1" true
	lab_in "$1" ip link set lo up
}

# lab_in HOST COMMAND...: runs a command on a host of the lab.
lab_in()
{
	nsenter --net="$LAB/ns/$1" -- "${@:2}"
}

# lab_cable HOST ADDRESS MTU: HOST's eth0 with ADDRESS, the router's end is named after the host.
# Checksums are complete in every frame, as on a real wire: XDP sees what a driver would see.
lab_cable()
{
	local host=$1 address=$2 mtu=$3

	ip link add eth0 mtu "$mtu" netns "$LAB/ns/$host" type veth \
		peer name "$host" mtu "$mtu" netns "$LAB/ns/router"
	lab_in "$host" ethtool -K eth0 tx off >/dev/null
	lab_in router ethtool -K "$host" tx off >/dev/null
	lab_in "$host" ip addr add "$address" dev eth0
	lab_in "$host" ip link set eth0 up
	lab_in router ip link set "$host" up
}

lab_sysctl()
{
	lab_in "$1" sysctl -qw "${@:2}"
}

# Forwards everything, whatever its source: tunnel packets come from made-up addresses.
lab_router()
{
	lab_sysctl router net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 \
		net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.send_redirects=0 \
		net.ipv4.conf.default.send_redirects=0
	! lab_has_ipv6 || lab_sysctl router net.ipv6.conf.all.forwarding=1
}

# lab_ipv6 HOST ADDRESS ROUTER [METRICS...]: IPv6 on HOST's cable, the router's end being ROUTER;
# METRICS are those of its default route. Addresses serve at once (nodad).
lab_ipv6()
{
	lab_has_ipv6 || return 0
	lab_in "$1" ip addr add "$2" dev eth0 nodad
	lab_in router ip addr add "$3" dev "$1" nodad
	lab_in "$1" ip route replace "${3%/*}" dev eth0
	lab_in "$1" ip route add default via "${3%/*}" "${@:4}"
}

# lab_takes_xdp HOST: the router takes what HOST sends by XDP_TX. A veth hands that to the stack at
# once only when it has an XDP program itself (GRO alone lets frames wait).
lab_takes_xdp()
{
	local section=xdp

	# Frames of more than a page come in several buffers.
	[ "${LAB_MTU:-1600}" -lt 3500 ] || section=xdp.frags
	lab_in router ip link set dev "$1" xdpdrv obj "$LAB_PASS" sec $section
}

lab_client()
{
	lab_cable client $LAB_CLIENT/24 "${LAB_CLIENT_MTU:-1500}"
	lab_in router ip addr add 198.18.2.1/24 dev client
	lab_in client ip route add default via 198.18.2.1
	lab_ipv6 client $LAB_CLIENT6/64 2001:db8:2::1/64
}

# lab_more_balancers N: lb2 .. lbN, for IPv4 alone. Nothing comes to them before lab_via.
lab_more_balancers()
{
	local i

	for i in $(seq 2 "$1"); do
		mkdir "$LAB/state$i"
		lab_netns "lb$i"
		lab_cable "lb$i" "$(lab_balancer_address "$i")/30" "${LAB_MTU:-1600}"
		lab_takes_xdp "lb$i"
		lab_in router ip addr add "198.18.0.$((4 * i - 3))/30" dev "lb$i"
		lab_in "lb$i" ip route add default via "198.18.0.$((4 * i - 3))"
	done
}

# lab_balancer_address N: 198.18.0.2, 198.18.0.6, ...
lab_balancer_address()
{
	echo "198.18.0.$((4 * $1 - 2))"
}

# lab_at N COMMAND...: a function of this file, or of the script's, for the balancer lbN.
lab_at()
{
	local LAB_AT=${1#1}

	"${@:2}"
}

# lab_via N...: from now on the router spreads the VIP's packets over these balancers, by a hash of
# addresses and ports. In another order, or with a weight (N*WEIGHT), it spreads them anew.
lab_via()
{
	local i hops=()

	lab_sysctl router net.ipv4.fib_multipath_hash_policy=1
	for i in "$@"; do
		hops+=(nexthop via "$(lab_balancer_address "${i%\**}")")
		[[ $i != *\** ]] || hops+=(weight "${i#*\*}")
	done
	lab_in router ip route replace $LAB_VIP/32 "${hops[@]}"
}

# The network behind the balancer has room for the outer header.
lab_balancer()
{
	lab_cable lb 198.18.0.2/30 "${LAB_MTU:-1600}"
	lab_takes_xdp lb
	lab_in router ip addr add 198.18.0.1/30 dev lb
	lab_in lb ip route add default via 198.18.0.1
	lab_in router ip route add $LAB_VIP/32 via 198.18.0.2
	lab_ipv6 lb 2001:db8::2/64 2001:db8::1/64
	! lab_has_ipv6 || lab_in router ip route add $LAB_VIP6/128 via 2001:db8::2
}

# A backend as an operator would set it up: the VIP on lo, the helper on the port, a server.
lab_web()
{
	local i=$1 host=web$1 address=198.18.1.$((10 + $1)) address6=2001:db8:1::$((10 + $1))

	lab_cable "$host" "$address/32" "${LAB_MTU:-1600}"
	lab_takes_xdp "$host"
	lab_in router ip addr add 198.18.1.1/32 dev "$host"
	lab_in router ip route add "$address/32" dev "$host"
	lab_in "$host" ip route add 198.18.1.1 dev eth0
	lab_in "$host" ip route add default via 198.18.1.1 mtu "${LAB_CLIENT_MTU:-1500}"
	lab_in "$host" ip addr add $LAB_VIP/32 dev lo
	lab_ipv6 "$host" "$address6/128" 2001:db8:1::1/128 mtu 1500
	if lab_has_ipv6; then
		lab_in router ip route add "$address6/128" dev "$host"
		lab_in "$host" ip addr add $LAB_VIP6/128 dev lo nodad
	fi
	lab_sysctl "$host" net.ipv4.conf.{all,default,eth0}.rp_filter=0
	case $LAB_DECAP in
	helper) lab_helper_start "$i" ;;
	kernel) lab_tunnels "$host" "$address" ;;
	esac
	"$LAB_SERVER" "$i"
}

# lab_tunnels HOST ADDRESS: the kernel's devices for what balancers send: IPv4 in IPv4, IPv6 in IPv4, both
# in IPv6; GUE hands to these what it unpacks.
lab_tunnels()
{
	lab_in "$1" ip link add ipip1 type ipip external
	lab_in "$1" ip link add sit1 type sit local "$2"
	lab_in "$1" ip link add ip6tnl1 type ip6tnl mode any external
	lab_in "$1" ip link set ipip1 up
	lab_in "$1" ip link set sit1 up
	lab_in "$1" ip link set ip6tnl1 up
	lab_in "$1" ip fou add port $LAB_GUE_PORT gue
	lab_in "$1" ip -6 fou add port $LAB_GUE_PORT gue
}

# The first of these devices that the kernel cannot have; nothing if it has all.
lab_missing_tunnel()
{
	local module

	for module in ipip sit ip6_tunnel fou; do
		modprobe -q $module || [ -d /sys/module/$module ] || {
			echo $module
			return
		}
	done
}

lab_need_tunnels()
{
	[ -z "$(lab_missing_tunnel)" ] || lab_skip "the kernel has no $(lab_missing_tunnel)"
}

# Answers "web-N" on ports 80 to 89; below /files it takes (PUT) and gives files.
lab_nginx()
{
	local i=$1 dir=$LAB/nginx-$1 listen6=

	! lab_has_ipv6 || listen6="listen [::]:80-89 ipv6only=on backlog=4096;"
	mkdir "$dir" "$dir/files"
	cat >"$dir/nginx.conf" <<-EOF
		daemon off;
		master_process off;
		worker_processes 1;
		pid $dir/pid;
		error_log stderr;
		events { worker_connections 1024; }
		http {
			access_log off;
			keepalive_timeout 0;
			client_body_temp_path $dir/body;
			proxy_temp_path $dir/proxy;
			fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi;
			scgi_temp_path $dir/scgi;
			server {
				listen 80-89 backlog=4096;
				$listen6
				client_max_body_size 0;
				location / { return 200 "web-$i\n"; }
				location /files { root $dir; dav_methods PUT; }
			}
		}
	EOF
	lab_nginx_start "$i"
}

# lab_nginx_start N: again, after its end.
lab_nginx_start()
{
	local i=$1

	lab_spawn "web$i" "nginx-$i" nginx -e stderr -c "$LAB/nginx-$i/nginx.conf"
	lab_wait_for 30 lab_in "web$i" curl -so /dev/null "http://$LAB_VIP/" ||
		lab_log_fail "nginx-$i"
}

lab_has_xdp()
{
	lab_in "$1" ip -j link show dev eth0 | jq -e '.[0].xdp' >/dev/null
}

# ---------------------------------------------------------------------------------- sluice-helper

# lab_helper N ARGUMENTS...: sluice-helper on webN, with pins of its own.
lab_helper()
{
	lab_in "web$1" env LIBXDP_BPFFS="$LAB/bpf" "$LAB_BUILD/sluice-helper" \
		--pin-dir "$LAB/bpf/helper-$1" "${@:2}"
}

# lab_helper_start N [OPTIONS...]: starts it on eth0, knowing all backends, and waits until it is
# ready.
lab_helper_start()
{
	local i=$1 backends

	backends=$(seq -f '--backend 198.18.1.%.0f' 11 $((10 + $(cat "$LAB/backends")))
		seq -f '--backend 2001:db8:1::%.0f' 11 $((10 + $(cat "$LAB/backends"))))
	# shellcheck disable=SC2086 # a list
	lab_spawn "web$i" "helper-$i" env LIBXDP_BPFFS="$LAB/bpf" "$LAB_BUILD/sluice-helper" \
		-i eth0 --pin-dir "$LAB/bpf/helper-$i" $backends "${@:2}"
	lab_wait_for 10 lab_helper_ready "$i" || lab_log_fail "helper-$i"
}

lab_helper_ready()
{
	lab_has_xdp "web$1" && lab_helper "$1" --status -j | jq -e .running
}

# lab_helper_query N FILTER: what jq's FILTER makes of its status.
lab_helper_query()
{
	lab_helper "$1" --status -j | jq -r "$2"
}

# ------------------------------------------------------------------------------------- processes

# lab_spawn HOST NAME COMMAND...: starts a process on a host; it writes to $LAB/NAME.log.
lab_spawn()
{
	local host=$1 name=$2 pid

	nsenter --net="$LAB/ns/$host" -- "${@:3}" >>"$LAB/$name.log" 2>&1 </dev/null &
	pid=$!
	disown "$pid"
	echo "$pid $(lab_started "$pid")" >"$LAB/proc/$name"
}

# When process PID started, in ticks since boot: with the pid it names one process for ever.
# Nothing for a process that is gone or only waits to be reaped.
lab_started()
{
	local stat

	read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
	# shellcheck disable=SC2086 # the fields behind "(command)" have no blanks
	set -- ${stat##*) }
	case $1 in
	Z | X) ;;
	*) echo "${20}" ;;
	esac
}

lab_pid()
{
	cut -d' ' -f1 "$LAB/proc/$1"
}

# lab_alive NAME
lab_alive()
{
	local pid started

	[ -e "$LAB/proc/$1" ] || return 1
	read -r pid started <"$LAB/proc/$1"
	[ -n "$started" ] && [ "$(lab_started "$pid")" = "$started" ]
}

lab_gone()
{
	! lab_alive "$1"
}

# lab_signal NAME SIGNAL
lab_signal()
{
	! lab_alive "$1" || kill -"$2" "$(lab_pid "$1")" 2>/dev/null || true
}

# lab_kill NAME [SIGNAL]: ends a process and waits until it is gone; by force, and 1, after 20 s.
lab_kill()
{
	local status=0

	lab_signal "$1" "${2:-TERM}"
	if ! lab_wait_for 20 lab_gone "$1"; then
		echo "$1 did not end by SIG${2:-TERM}" >&2
		lab_signal "$1" KILL
		status=1
	fi
	rm -f "$LAB/proc/$1"
	return $status
}

# lab_wait_for SECONDS COMMAND...: polls until the command succeeds; 1 when it never did.
lab_wait_for()
{
	local end=$((SECONDS + $1 * LAB_PATIENCE))

	until "${@:2}" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep $LAB_POLL_S
	done
}

# lab_log_fail NAME: the last words of a process that does not do what it should.
lab_log_fail()
{
	echo "$1 does not run; its last lines:" >&2
	tail -n 20 "$LAB/$1.log" >&2
	return 1
}

# Ends all processes of the lab.
lab_stop()
{
	local file

	for file in "$LAB"/proc/*; do
		[ ! -e "$file" ] || lab_signal "${file##*/}" TERM
	done
	for file in "$LAB"/proc/*; do
		[ ! -e "$file" ] || lab_kill "${file##*/}" || true
	done
}

# Removes all of the lab, in any state that it may be in.
lab_remove()
{
	local file

	lab_stop
	for file in "$LAB"/bpf/helper-*; do
		[ ! -e "$file" ] || lab_helper "${file##*-}" --detach || true
	done
	for file in "$LAB/bpf" "$LAB"/ns/*; do
		umount "$file" 2>/dev/null || umount --lazy "$file" 2>/dev/null || true
	done
	rm -rf --one-file-system "$LAB"
}

# What sanitizers had to say, in builds that have them.
lab_sanitizers()
{
	grep -hE -A 20 'Sanitizer:|: runtime error:' "$LAB"/*.log
}

# The end of every script with a lab.
lab_down()
{
	local status=$?

	trap - EXIT
	trap '' HUP INT TERM
	set +e
	if [ -e "$LAB/sluiced.log" ]; then
		lab_stop
		if lab_sanitizers; then
			status=1
		elif [ $status -gt 0 ] && [ $status -lt 77 ]; then
			echo "the last lines of sluiced:"
			tail -qn 20 "$LAB"/sluiced*.log
		fi
	fi >&2
	[ ! -e "$LAB" ] || lab_remove
	exit $status
}

# --------------------------------------------------------------------------------------- sluiced

# The config but for pools and VIPs.
lab_settings()
{
	cat <<-EOF
		interfaces = ( { name = "eth0"; mode = "native"; } );
		control = { socket = "$LAB/control$LAB_AT.sock"; };
		pin_dir = "$LAB/bpf/sluice$LAB_AT";
		state_dir = "$LAB/state$LAB_AT";
		${LAB_MORE:-}
	EOF
}

# lab_config [SETTINGS...]: the config with one backend per argument, its settings being the
# argument; without arguments all backends have the defaults. LAB_MORE goes in front, LAB_WWW into the
# VIP; LAB_VIPS are more of them.
lab_config()
{
	local i n comma=""

	n=$(cat "$LAB/backends")
	[ $# -gt 0 ] && n=$#
	lab_settings
	cat <<-EOF
		pools = (
		  { name = "web";
		    backends = (
	EOF
	for i in $(seq "$n"); do
		printf '%s      { name = "web-%d"; address = "198.18.1.%d";%s }' \
			"$comma" "$i" $((10 + i)) "${1:+ $1}"
		comma=$',\n'
		[ $# -gt 0 ] && shift
	done
	cat <<-EOF

		    );
		    check = { ${LAB_CHECK:-type = \"none\";} };${LAB_POOL:+ $LAB_POOL}
		  } );
		vips = (
		  { name = "www"; pool = "web";
		    address = "$LAB_VIP"; port = 80; protocol = "tcp";${LAB_WWW:+ $LAB_WWW} }${LAB_VIPS:+, $LAB_VIPS} );
	EOF
}

# Every way to carry a VIP's packets to all backends, a line each: a name for the VIP, its address,
# port and pool, and the bytes that the tunnel adds. What needs IPv6 is left out where there is none.
lab_ways()
{
	cat <<-EOF
		4in4 $LAB_VIP 80 ip4 20
		4gue4 $LAB_VIP 82 gue4 28
	EOF
	! lab_has_ipv6 || cat <<-EOF
		4in6 $LAB_VIP 81 ip6 40
		4gue6 $LAB_VIP 83 gue6 48
		6in4 $LAB_VIP6 80 ip4 20
		6in6 $LAB_VIP6 81 ip6 40
		6gue4 $LAB_VIP6 82 gue4 28
		6gue6 $LAB_VIP6 83 gue6 48
	EOF
}

# lab_ways_config PROTOCOL: the config with the VIPs and pools of lab_ways.
lab_ways_config()
{
	local name address port pool comma=
	local gue='tunnel = { type = "gue"; source = "198.18.0.2"; source6 = "2001:db8::2"; };'

	lab_settings
	echo "pools = ( $(lab_pool ip4 198.18.1. ""), $(lab_pool gue4 198.18.1. "$gue")"
	! lab_has_ipv6 ||
		echo ", $(lab_pool ip6 2001:db8:1:: ""), $(lab_pool gue6 2001:db8:1:: "$gue")"
	echo "); vips = ("
	while read -r name address port pool _; do
		echo "$comma { name = \"$name\"; address = \"$address\"; port = $port;"
		echo "protocol = \"$1\"; pool = \"$pool\"; }"
		comma=,
	done < <(lab_ways)
	echo ");"
}

# lab_pool NAME NETWORK SETTINGS: a pool of all backends by their addresses in NETWORK.
lab_pool()
{
	local i comma=

	echo "{ name = \"$1\"; $3 check = { type = \"none\"; }; backends = ("
	for i in $(seq "$(cat "$LAB/backends")"); do
		echo "$comma { name = \"web-$i\"; address = \"$2$((10 + i))\"; }"
		comma=,
	done
	echo "); }"
}

# lab_vip_counter NAME KIND COUNTER: what a VIP counted; KIND is counters or events.
lab_vip_counter()
{
	lab_query counters ".vips[] | select(.name == \"$1\") | .$2.$3"
}

# lab_host ADDRESS: as it is in a URL.
lab_host()
{
	case $1 in
	*:*) echo "[$1]" ;;
	*) echo "$1" ;;
	esac
}

# lab_sluiced ARGUMENTS...: sluiced on the balancer, in the foreground, for a minute at most (exit
# status 124); -c is given.
lab_sluiced()
{
	lab_in "lb$LAB_AT" timeout 60 env LIBXDP_BPFFS="$LAB/bpf" "$LAB_BUILD/sluiced" \
		-c "$LAB/sluice$LAB_AT.conf" "$@"
}

# Starts sluiced on $LAB/sluice.conf, with LAB_FLAGS, and waits until it serves.
lab_sluiced_start()
{
	# shellcheck disable=SC2086 # a list
	lab_spawn "lb$LAB_AT" "sluiced$LAB_AT" env LIBXDP_BPFFS="$LAB/bpf" "$LAB_BUILD/sluiced" \
		-c "$LAB/sluice$LAB_AT.conf" ${LAB_FLAGS:-}
	lab_wait_for 60 lab_serves || lab_fail "sluiced$LAB_AT does not serve after 60 s"
}

# It answers, and knows the way to each backend.
lab_serves()
{
	[ "$(lab_query status .unresolved_backends)" = 0 ]
}

lab_ctl()
{
	"$LAB_BUILD/sluicectl" -s "$LAB/control$LAB_AT.sock" "$@"
}

# lab_query COMMAND FILTER: what jq's FILTER makes of the command's JSON.
lab_query()
{
	lab_ctl -j "$1" | jq -r "$2"
}

# -------------------------------------------------------------------------------------- requests

# The options of every request: a line "web-N" from the backend, then "EXITCODE MESSAGE" from curl.
LAB_CURL=(curl -sN --connect-timeout $((20 * LAB_PATIENCE)) --max-time $((30 * LAB_PATIENCE))
	-w '%{exitcode} %{errormsg}\n')

# lab_requests N [HOST]: N requests, each on a connection of its own, to HOST of the URL ($LAB_VIP;
# others may name a port, or be an address in brackets). Results as of lab_count.
lab_requests()
{
	rm -f "$LAB/requests.log"
	lab_spawn client requests "${LAB_CURL[@]}" "http://${2:-$LAB_VIP}/[1-$1]"
	lab_wait_for 60 lab_gone requests || echo "$1 requests took longer than 60 s" >&2
	lab_kill requests
	mv "$LAB/requests.log" "$LAB/answers"
	lab_count
}

# lab_load_start K: K workers, each sending requests one after the other until lab_load_stop.
lab_load_start()
{
	local k

	rm -f "$LAB"/load-*.log
	LAB_WORKERS=$1
	for k in $(seq "$LAB_WORKERS"); do
		lab_spawn client "load-$k" "${LAB_CURL[@]}" --rate $LAB_RATE/s "http://$LAB_VIP/[1-100000000]"
	done
}

# lab_load_more N: waits until N more requests have been answered.
lab_load_more()
{
	lab_wait_for 60 lab_load_reaches $(($(lab_load_answered) + $1)) ||
		lab_fail "no $1 more requests were answered in 60 s"
}

lab_load_reaches()
{
	[ "$(lab_load_answered)" -ge "$1" ]
}

lab_load_answered()
{
	cat "$LAB"/load-*.log | grep -c '^web-' || true
}

# Ends the workers; the request that each has under way counts neither way.
lab_load_stop()
{
	local k

	for k in $(seq "$LAB_WORKERS"); do
		lab_kill "load-$k"
	done
	cat "$LAB"/load-*.log >"$LAB/answers"
	lab_count
}

# LAB_ANSWERED and LAB_FAILED: how many of the requests in $LAB/answers were.
# shellcheck disable=SC2034 # they are for the caller
lab_count()
{
	LAB_ANSWERED=$(grep -cx 'web-[0-9]*' "$LAB/answers" || true)
	LAB_FAILED=$(grep -c '^[1-9]' "$LAB/answers" || true)
}

# lab_shares WEIGHT...: a table of what each backend answered, against its share by weight. 1 when
# one is off by more than 5 standard deviations (requests are drawn by the hash of random ports) and
# 1 % (the ring's own rounding). Weight 0 must have got nothing.
lab_shares()
{
	awk -v weights="$*" '
		/^web-[0-9]+$/ { got[substr($0, 5)]++; n++ }
		END {
			count = split(weights, weight, " ")
			for (i = 1; i <= count; i++)
				sum += weight[i]
			printf "  %-9s %7s %10s %10s\n", "backend", "weight", "requests", "expected"
			for (i = 1; i <= count; i++) {
				p = weight[i] / sum
				bound = 5 * sqrt(n * p * (1 - p)) + 0.01 * n * p
				off = got[i] - n * p
				wrong = off > bound || off < -bound
				printf "  %-9s %7d %10d %10.0f%s\n", "web-" i, weight[i], got[i], n * p,
					wrong ? "  too far off" : ""
				bad += wrong
			}
			exit bad > 0
		}' "$LAB/answers"
}

# lab_slipped: packets for the VIP that reached the balancer's own stack, past the program.
lab_slipped()
{
	lab_in "lb$LAB_AT" nstat -asz IpInAddrErrors | awk '$1 == "IpInAddrErrors" { print $2 }'
}
