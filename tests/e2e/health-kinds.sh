#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every kind of check against a real server, through the tunnel and directly: up when the server is well,
# down with a reason that says what is wrong when it is not, and up again.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"
# shellcheck source=tests/lib/health.sh
. "$(dirname "$0")/../lib/health.sh"

# pool_is POOL N STATE: of web-N in this pool.
pool_is()
{
	[ "$(lab_query backends ".backends[] | select(.pool == \"$1\" and .name == \"web-$2\") | .health")" = "$3" ]
}

reason()
{
	lab_ctl -j health web-2 | jq -r ".streams[] | select(.pool == \"$1\") | .reason"
}

has_turned()
{
	pool_is "$1" 2 "$2" && [[ $(reason "$1") == *"$3"* ]]
}

# turns POOL STATE REASON: web-2 of the pool does, for a reason with this text; web-1 stays up.
turns()
{
	lab_wait_for 20 has_turned "$@" || lab_fail "$1 is not $2 by \"$3\": $(lab_ctl health web-2)"
	pool_is "$1" 1 up || lab_fail "web-1 of $1 is not up: $(lab_ctl health web-1)"
	echo "  $1 $2: $(reason "$1")"
}

# vip POOL PORT PROTOCOL CHECK: a pool with a check, and its VIP.
N_VIPS=0
vip()
{
	POOLS+="${POOLS:+,} { name = \"$1\"; check = { $4 $HEALTH_TIMES }; backends = (
		{ name = \"web-1\"; address = \"198.18.1.11\"; }, { name = \"web-2\"; address = \"198.18.1.12\"; } ); }"
	VIPS+="${VIPS:+,} { name = \"$1\"; pool = \"$1\"; address = \"$LAB_VIP\"; port = $2; protocol = \"$3\"; }"
	N_VIPS=$((N_VIPS + 1))
}

# certificate NAME: signed by the authority of the lab.
certificate()
{
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-keyout "$LAB/$1.key" -out "$LAB/$1.csr" 2>/dev/null
	openssl x509 -req -in "$LAB/$1.csr" -CA "$LAB/ca.pem" -CAkey "$LAB/ca.key" -CAcreateserial \
		-days 2 -extfile <(echo "subjectAltName = DNS:$1") -out "$LAB/$1.pem" 2>/dev/null
}

# tls N NAME: nginx on webN with the certificate of NAME on port 443, and HTTP/2 without TLS on 8080.
tls()
{
	local dir=$LAB/tls-$1

	mkdir -p "$dir"
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		master_process off;
		pid $dir/pid;
		error_log stderr;
		events { worker_connections 256; }
		http {
			access_log off;
			client_body_temp_path $dir/body;
			proxy_temp_path $dir/proxy;
			fastcgi_temp_path $dir/fastcgi;
			uwsgi_temp_path $dir/uwsgi;
			scgi_temp_path $dir/scgi;
			ssl_certificate $LAB/$2.pem;
			ssl_certificate_key $LAB/$2.key;
			server {
				listen 443 ssl http2;
				listen 8080 http2;
				location / { return 200 "\$server_protocol \$host\n"; }
			}
		}
	END
	lab_spawn "web$1" "tls-$1" nginx -e stderr -c "$dir/nginx.conf"
}

# s_server N, echo_server N, dns N ADDRESS
s_server()
{
	lab_spawn "web$1" "s_server-$1" openssl s_server -quiet -www -accept 4433 \
		-cert "$LAB/other.example.pem" -key "$LAB/other.example.key"
}

echo_server()
{
	lab_spawn "web$1" "echo-$1" "$LAB_BUILD/tests/tools/datagrams" serve $LAB_VIP 7
}

dns()
{
	lab_spawn "web$1" "dns-$1" dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv \
		--no-hosts --user=root --pid-file="$LAB/dns-$1.pid" --listen-address=$LAB_VIP \
		--bind-interfaces --local=/example.com/ "--address=/$2/192.0.2.1"
}

# asks N TEXT: the program of exec checks says so of webN.
asks()
{
	echo "$2" >"$LAB/exec-198.18.1.1$1.new"
	mv "$LAB/exec-198.18.1.1$1.new" "$LAB/exec-198.18.1.1$1"
}

command -v dnsmasq >/dev/null || lab_skip "dnsmasq is not there"
lab_up 2
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=lab" \
	-addext "basicConstraints=critical,CA:TRUE" -keyout "$LAB/ca.key" -out "$LAB/ca.pem" 2>/dev/null
certificate www.example
certificate other.example
cat >"$LAB/check" <<'END'
#!/bin/sh
# What the file of the backend says: commands.
. "$1-$SLUICE_BACKEND"
END
chmod 755 "$LAB/check"
for i in 1 2; do
	well $i
	tls $i www.example
	s_server $i
	echo_server $i
	dns $i example.com
	# shellcheck disable=SC2016 # the check's shell is to expand it
	asks $i 'echo fine as "$(id -un)"'
done
POOLS='' VIPS=''
vip tcp 80 tcp 'type = "tcp";'
vip direct 82 tcp 'type = "tcp"; via = "direct"; port = 80;'
vip http 81 tcp 'type = "http"; path = "/files/well"; body = "^yes"; port = 80;'
vip https 443 tcp "type = \"https\"; host = \"www.example\"; ca_file = \"$LAB/ca.pem\"; http2 = true; body = \"^HTTP/2.0 www.example\";"
vip h2c 8080 tcp 'type = "http"; http2 = true; host = "h2c.example"; body = "^HTTP/2.0 h2c.example";'
vip s_server 4433 tcp 'type = "https"; verify = false; body = "Ciphers supported";'
vip s_direct 4434 tcp 'type = "https"; verify = false; via = "direct"; port = 4433;'
vip udp 7 udp 'type = "udp"; payload = "ping\n"; expect = "ping";'
vip dns 53 udp 'type = "dns"; query = "example.com"; query_type = "A";'
vip exec 84 tcp "type = \"exec\"; command = [ \"$LAB/check\", \"$LAB/exec\" ];"
{
	lab_settings
	echo "pools = ( $POOLS ); vips = ( $VIPS );"
} >"$LAB/sluice.conf"
lab_sluiced_start

# all_up: of web-1 and web-2, for all VIPs.
all_up()
{
	[ "$(lab_query health .up)" = $((2 * N_VIPS)) ]
}

echo "all are well"
lab_wait_for 30 all_up || lab_fail "$(lab_ctl health)"
lab_ctl health web-1 | sed '/^$/,$d'
turns exec up "fine as nobody"

echo "each is ill, and well again"
ill 2
turns http down "http status 404"
echo no >"$LAB/nginx-2/files/well"
turns http down "body"
well 2
turns http up "http status 200"
lab_kill nginx-2
turns tcp down "connection refused"
turns direct down "connection refused"
lab_nginx_start 2
turns tcp up "tcp connected"
turns direct up "tcp connected"
lab_kill tls-2
turns https down "connection refused"
turns h2c down "connection refused"
tls 2 other.example
turns h2c up "http status 200"
turns https down "certificate"
lab_kill tls-2
tls 2 www.example
turns https up "http status 200"
lab_signal s_server-2 STOP
turns s_server down "http timed out"
turns s_direct down "in the TLS handshake"
lab_signal s_server-2 CONT
turns s_server up "http status 200"
turns s_direct up "http status 200"
lab_signal echo-2 STOP
turns udp down "udp timed out"
lab_signal echo-2 CONT
turns udp up "repl"
lab_kill dns-2
turns dns down "connection refused"
dns 2 nothing.example
turns dns down "NXDOMAIN"
lab_kill dns-2
dns 2 example.com
turns dns up ""
asks 2 'echo "disk full"; exit 3'
turns exec down "disk full"
asks 2 'sleep 100'
turns exec down "was killed"
asks 2 'echo fine'
turns exec up "fine"
lab_wait_for 30 all_up || lab_fail "$(lab_ctl health)"
