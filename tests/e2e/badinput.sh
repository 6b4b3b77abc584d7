#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Bad input of every kind gets a message that names what is wrong, exit status 1, and changes
# nothing: same pins, same program, same rings, and requests are served on.
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

NOBODY=(setpriv --reuid=nobody --regid=nogroup --clear-groups)

# What the running instance is made of, but for what counts up.
fingerprint()
{
	find "$LAB/bpf" -printf '%P %i\n' | sort
	lab_in lb ip -j link show dev eth0 | jq -c '.[0].xdp'
	lab_query status 'del(.uptime_s)'
	lab_query vips '.vips[] | del(.packets, .bytes, .dropped)'
	lab_query backends '.backends[] | del(.packets, .bytes)'
	bpftool map dump pinned "$LAB/bpf/sluice/rings" | sha256sum
}

# unchanged WHAT: the instance is as it was, and serves.
unchanged()
{
	local now

	now=$(fingerprint)
	[ "$now" = "$BEFORE" ] || lab_fail "$1: changed something: $(diff <(echo "$BEFORE") <(echo "$now"))"
	lab_requests 20
	[ "$LAB_ANSWERED" = 20 ] || lab_fail "$1: only $LAB_ANSWERED of 20 requests were answered"
}

# refused TEXT COMMAND...: the command ends with 1, and TEXT is in what it says.
refused()
{
	local text=$1 output status=0

	output=$("${@:2}" 2>&1) || status=$?
	[ $status = 1 ] || lab_fail "${*:2}: exit status $status, expected 1: $output"
	[[ $output == *"$text"* ]] || lab_fail "${*:2}: expected \"$text\" in: $output"
	echo "    ${output//$LAB\//}"
}

# bad_config WHAT SED TEXT: the config with one thing wrong.
bad_config()
{
	echo "$1"
	sed -E "$2" "$LAB/good.conf" >"$LAB/sluice.conf"
	cmp -s "$LAB/good.conf" "$LAB/sluice.conf" && lab_fail "$1: the config is not changed"
	case $1 in
	*"(host)") ;; # right as a text, wrong for this host
	*) refused "$3" lab_sluiced --check ;;
	esac
	refused "$3" lab_ctl reload
	unchanged "$1"
	cp "$LAB/good.conf" "$LAB/sluice.conf"
}

configs_of_all_kinds()
{
	local vip='{ name = "NAME"; pool = "web"; address = "198.18.0.80"; port = PORT; protocol = "tcp"; }'
	local same=${vip/NAME/www2} named=${vip/NAME/www}

	bad_config "syntax error" 's/^vips = \(/vips = /' ': syntax error'
	bad_config "unknown key" 's/state_dir/state_dri/' 'did you mean "state_dir"?'
	bad_config "bad address" 's/198\.18\.1\.12/198.18.1.300/' \
		'backend "web-2": address "198.18.1.300"'
	bad_config "weight 0" 's/weight = 200/weight = 0/' 'weight 0 is outside 1..65535'
	bad_config "weight 65536" 's/weight = 200/weight = 65536/' \
		'weight 65536 is outside 1..65535'
	bad_config "two backends of one name" 's/web-2/web-1/' 'backend "web-1": the name is taken'
	bad_config "two VIPs of one name" "s/tcp\"; } \\);/tcp\"; }, ${named/PORT/81} );/" \
		'vip "www": the name is taken'
	bad_config "a VIP twice" "s/tcp\"; } \\);/tcp\"; }, ${same/PORT/80} );/" \
		'198.18.0.80 port 80 tcp is vip "www" already'
	bad_config "GUE without a source" 's/name = "web";/& tunnel = { type = "gue"; };/' \
		'source is missing'
	bad_config "a pool that is not there" 's/pool = "web"/pool = "wep"/' 'did you mean "web"?'
	bad_config "a check that is not there" 's/"none"/"icmp"/' 'type "icmp" is not known'
	bad_config "a check with a key of another one" 's/"none"/"tcp"; path = "\/"/' \
		'path needs type = "http" or "https", not "tcp"'
	bad_config "more backends than the limit" '1s/$/ limits = { backends = 3; };/' \
		'raises it'
	bad_config "more VIPs than the limit" \
		"1s/\$/ limits = { vips = 1; };/; s/tcp\"; } \\);/tcp\"; }, ${same/PORT/81} );/" \
		'raises it'
	bad_config "an interface that is not there (host)" 's/"eth0"/"eth7"/' \
		'interface "eth7" does not exist'
	bad_config "an interface without native XDP (host)" 's/"eth0"/"lo"/' \
		'interface "lo": its driver has no native XDP'
	bad_config "two errors, both shown: the first" 's/weight = 200/weight = 0/; s/"tcp"/"sctp"/' \
		'weight 0'
	bad_config "two errors, both shown: the second" 's/weight = 200/weight = 0/; s/"tcp"/"sctp"/' \
		'"sctp"'
}

# What a start, beside the running instance, must refuse.
starts_of_all_kinds()
{
	local own=$LAB/own

	echo "a second daemon with the same socket"
	sed "s|$LAB/bpf/sluice|$LAB/bpf/other|" "$LAB/good.conf" >"$LAB/sluice.conf"
	refused 'has this control socket' lab_sluiced
	echo "a second daemon with the same pins"
	sed "s|$LAB/control.sock|$LAB/other.sock|" "$LAB/good.conf" >"$LAB/sluice.conf"
	refused 'is in use by another daemon' lab_sluiced
	if [ "$(lab_query status '.interfaces[0].attach')" = alone ]; then
		echo "another program on the interface, which cannot be shared here"
		sed "s|$LAB/control.sock|$LAB/other.sock|; s|$LAB/bpf/sluice|$LAB/bpf/other|" \
			"$LAB/good.conf" >"$LAB/sluice.conf"
		refused 'interface "eth0": another XDP program is attached' lab_sluiced
	fi
	[ ! -e "$LAB/bpf/other" ] || lab_fail "the refused daemon left pins"
	[ ! -e "$LAB/other.sock" ] || lab_fail "the refused daemon left its socket"
	echo "pins outside of a BPF file system"
	sed "s|$LAB/control.sock|$LAB/other.sock|; s|$LAB/bpf/sluice|$own/pins|" \
		"$LAB/good.conf" >"$LAB/sluice.conf"
	refused 'is not on a BPF file system' lab_sluiced
	echo "no privileges"
	sed "s|$LAB/control.sock|$own/control.sock|; s|$LAB/bpf/sluice|$LAB/bpf/other|;
		s|$LAB/state|$own/state|" \
		"$LAB/good.conf" >"$LAB/sluice.conf"
	refused 'needs root' lab_in lb "${NOBODY[@]}" "$LAB/own/sluiced" -c "$LAB/sluice.conf"
	echo "no config file"
	rm "$LAB/sluice.conf"
	refused 'sluice.conf: No such file' lab_sluiced
	refused 'sluice.conf: No such file' lab_sluiced --check
	refused 'sluice.conf: No such file' lab_ctl reload
	cp "$LAB/good.conf" "$LAB/sluice.conf"
	unchanged "refused starts"
}

# message HEX...: sends these bytes to the control socket and prints what comes back.
message()
{
	perl -MSocket -e '
		socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die;
		connect($s, pack_sockaddr_un($ARGV[0])) or die;
		syswrite($s, pack("H*", $ARGV[1]));
		shutdown($s, 1);
		print while <$s>;' "$LAB/control.sock" "$1"
}

# said TEXT LINES: it is in the answer, or in the log behind LINES lines.
said()
{
	grep -qaF -- "$1" "$LAB/answer" <(tail -n +$(($2 + 1)) "$LAB/sluiced.log")
}

# bad_message WHAT HEX TEXT: TEXT is in the answer, or in the log where there is nobody to answer.
bad_message()
{
	local lines

	echo "$1"
	lines=$(wc -l <"$LAB/sluiced.log")
	message "$2" >"$LAB/answer"
	lab_wait_for 10 said "$3" "$lines" || lab_fail "$1: nobody said \"$3\""
	unchanged "$1"
}

messages_of_all_kinds()
{
	local magic=534c5543 # "SLUC"

	bad_message "a message that breaks off in its header" ${magic}0001 'closed in mid-message'
	bad_message "a message that breaks off in its payload" ${magic}00010001000000107b22 'closed in mid-message'
	bad_message "an oversized message" ${magic}000100017fffffff 'is too long'
	bad_message "a message of another version" ${magic}00630001000000027b7d 'speaks version 99'
	bad_message "no message at all" 474554202f20485454502f312e310d0a 'not a message of sluice'
	bad_message "a payload that is not JSON" ${magic}000100010000000400ff00ff 'JSON'
	bad_message "a message without a command" ${magic}00010001000000027b7d 'unknown command'
	echo "a user without rights"
	refused 'permission denied' drain_as_nobody
	echo "a user without rights, who can open the socket"
	chmod 666 "$LAB/control.sock"
	refused 'is not root' drain_as_nobody
	chmod 660 "$LAB/control.sock"
	unchanged "a user without rights"
}

drain_as_nobody()
{
	"${NOBODY[@]}" "$LAB/own/sluicectl" -s "$LAB/control.sock" drain web-1
}

orders_of_all_kinds()
{
	refused 'there is no backend "web-9"' lab_ctl drain web-9
	refused 'there is no pool "wob"' lab_ctl drain web-1 --pool wob
	refused 'is sluiced running?' "$LAB_BUILD/sluicectl" -s "$LAB/nothing.sock" status
	unchanged "refused orders"
}

lab_up 4
# A directory and programs that a user without privileges can use, wherever this checkout is.
mkdir "$LAB/own"
cp "$LAB_BUILD/sluiced" "$LAB_BUILD/sluicectl" "$LAB/own"
chown nobody "$LAB/own"
lab_config '' '' 'weight = 200;' '' >"$LAB/good.conf"
cp "$LAB/good.conf" "$LAB/sluice.conf"
lab_sluiced_start
BEFORE=$(fingerprint)
configs_of_all_kinds
starts_of_all_kinds
messages_of_all_kinds
orders_of_all_kinds

echo "limits that are raised: the tables grow, nothing is lost"
memory=$(lab_query status .memory_bytes)
lab_load_start 2
sed '1s/$/ limits = { vips = 2000; backends = 9000; };/' "$LAB/good.conf" >"$LAB/sluice.conf"
lab_load_more 200
lab_ctl reload
lab_load_more 200
lab_load_stop
[ "$(lab_query status .memory_bytes)" -gt "$memory" ] || lab_fail "the tables did not grow"
[ "$LAB_FAILED" = 0 ] || lab_fail "$LAB_FAILED requests failed"
[ "$(lab_slipped)" = 0 ] || lab_fail "$(lab_slipped) packets went past the program"
