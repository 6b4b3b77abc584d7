#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What `make install` puts where, that systemd finds nothing wrong with the unit, and that
# `make uninstall` leaves nothing but the operator's config.
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
expected="etc/sluice/sluice.conf 640
lib/systemd/system/sluiced.service 644
usr/bin/sluicectl 755
usr/sbin/sluice-helper 755
usr/sbin/sluiced 755"
[ "$(files)" = "$expected" ] || fail "installed: $(files)"
for program in "$dir"/root/usr/*bin/*; do
	"$program" --version >/dev/null || fail "$program does not run"
done
"$dir/root/usr/sbin/sluiced" -c "$dir/root/etc/sluice/sluice.conf" --check

echo "a second install keeps the config"
echo "# the operator was here" >>"$dir/root/etc/sluice/sluice.conf"
make install DESTDIR="$dir/root" >"$dir/log" 2>&1 || fail "$(cat "$dir/log")"
grep -q "the operator was here" "$dir/root/etc/sluice/sluice.conf" || fail "the config was replaced"

echo "uninstall"
make uninstall DESTDIR="$dir/root" >"$dir/log" 2>&1 || fail "$(cat "$dir/log")"
[ "$(files)" = "etc/sluice/sluice.conf 640" ] || fail "uninstall left: $(files)"

echo "the unit"
unit=config/sluiced.service
for setting in Type=notify 'ExecReload=.*-HUP' Restart=on-failure WatchdogSec= \
	RuntimeDirectory=sluice StateDirectory=sluice; do
	grep -q "^$setting" $unit || fail "$unit: no $setting"
done
if ! command -v systemd-analyze >/dev/null; then
	echo "install and uninstall are right; systemd-analyze is not here to verify the unit"
	exit 77
fi
# The program must exist where the unit says, so it is pointed to the one that was built.
sed "s|/usr/sbin/sluiced|$PWD/build/sluiced|" $unit >"$dir/sluiced.service"
said=$(systemd-analyze verify "$dir/sluiced.service" 2>&1) || fail "$unit: $said"
said=$(grep -F sluiced <<<"$said" || true)
[ -z "$said" ] || fail "$unit: $said"
