#!/bin/bash
# SPDX-License-Identifier: MIT
#
#     tests/lib/deps.sh [PACKAGE...]
#
# Installs by apt what building, tests and demo need and this machine lacks, and the PACKAGEs. Silent
# and quick when nothing is missing. Run by `make deps`, `make demo`, `make check` and `make bench`.
set -eu

PACKAGES="$*
	make gcc libc6-dev clang libclang-rt-14-dev bpftool pkg-config
	libbpf-dev libxdp-dev libmnl-dev libconfig-dev libjansson-dev libpcap-dev libsystemd-dev libcurl4-openssl-dev
	libcmocka-dev clang-format cppcheck shellcheck
	nginx curl openssl dnsmasq-base jq iproute2 ethtool procps util-linux iputils-ping traceroute
"

# One line for each package that is not fully installed.
missing()
{
	local package installed

	# shellcheck disable=SC2086 # a list
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $PACKAGES 2>/dev/null || true)
	for package in $PACKAGES; do
		grep -qx "installed $package" <<<"$installed" || echo "$package"
	done
}

# nginx is wanted as a program for labs only. Debian's package would start it as a service now and
# at each boot: a policy for the time of the installation prevents the first, `disable` the second.
# A policy that the administrator has set stays in force.
POLICY=/usr/sbin/policy-rc.d

install_packages()
{
	if ! command -v nginx >/dev/null && [ ! -e $POLICY ]; then
		trap 'rm -f $POLICY' EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM
		cat >$POLICY <<-'EOF'
			#!/bin/sh
			[ "$1" != nginx ] || exit 101
		EOF
		chmod 755 $POLICY
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq -o DPkg::Lock::Timeout=300 update
	apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
}

if ! command -v dpkg-query >/dev/null; then
	echo "not a Debian system: install by hand what corresponds to:$PACKAGES" >&2
	exit 0
fi

mapfile -t wanted < <(missing)
[ ${#wanted[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "packages are missing; as root:" >&2
	echo "  apt-get install --no-install-recommends ${wanted[*]}" >&2
	exit 1
fi

echo "installing: ${wanted[*]}"
had_nginx=$(command -v nginx || true)
log=$(mktemp)
if ! install_packages "${wanted[@]}" >"$log" 2>&1 </dev/null; then
	cat "$log" >&2
	rm -f "$log"
	exit 1
fi
rm -f "$log"
if [ -z "$had_nginx" ] && command -v nginx >/dev/null; then
	update-rc.d nginx disable >/dev/null 2>&1 || true
	echo "nginx is here as a program for the labs; its service is neither running nor enabled"
fi
