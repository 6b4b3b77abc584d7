#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What `make install` puts where, that systemd finds nothing wrong with the units, and that
# `make uninstall` leaves nothing but the operator's files.
set -eu
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MFLAGS MAKELEVEL SAN # of a make that runs the tests

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail()
{
	echo "FAILED: $*" >&2
	exit 1
}

files()
{
	(cd "$dir/root" && find . -type f -printf '%P %m\n' | sort)
}

echo "install"
make install DESTDIR="$dir/root" >"$dir/log" 2>&1 || fail "$(cat "$dir/log")"
own="etc/sluice/helper.env 644
etc/sluice/sluice.conf 640"
expected="$own
lib/systemd/system/sluice-helper.service 644
lib/systemd/system/sluiced.service 644
usr/bin/sluicectl 755
usr/lib/sluice/xdp-dispatcher.o 644
usr/sbin/sluice-helper 755
usr/sbin/sluiced 755"
[ "$(files)" = "$expected" ] || fail "installed: $(files)"
for program in "$dir"/root/usr/*bin/*; do
	"$program" --version >/dev/null || fail "$program does not run"
done
"$dir/root/usr/sbin/sluiced" -c "$dir/root/etc/sluice/sluice.conf" --check

echo "a second install keeps the operator's files"
for file in sluice.conf helper.env; do
	echo "# the operator was here" >>"$dir/root/etc/sluice/$file"
done
make install DESTDIR="$dir/root" >"$dir/log" 2>&1 || fail "$(cat "$dir/log")"
for file in sluice.conf helper.env; do
	grep -q "the operator was here" "$dir/root/etc/sluice/$file" || fail "$file was replaced"
done

echo "uninstall"
make uninstall DESTDIR="$dir/root" >"$dir/log" 2>&1 || fail "$(cat "$dir/log")"
[ "$(files)" = "$own" ] || fail "uninstall left: $(files)"

echo "the units"
# has UNIT SETTING...
has()
{
	local setting

	for setting in Type=notify 'ExecReload=.*-HUP' Restart=on-failure WatchdogSec= "${@:2}"; do
		grep -q "^$setting" "config/$1.service" || fail "$1.service: no $setting"
	done
}
has sluiced RuntimeDirectory=sluice StateDirectory=sluice
has sluice-helper EnvironmentFile=/etc/sluice/helper.env
if ! command -v systemd-analyze >/dev/null; then
	echo "install and uninstall are right; systemd-analyze is not here to verify the units"
	exit 77
fi
# The program must exist where a unit says, so it is pointed to the one that was built.
for name in sluiced sluice-helper; do
	sed "s|/usr/sbin/|$PWD/build/|" config/$name.service >"$dir/$name.service"
	said=$(systemd-analyze verify "$dir/$name.service" 2>&1) || fail "$name.service: $said"
	said=$(grep -F $name <<<"$said" || true)
	[ -z "$said" ] || fail "$name.service: $said"
done
