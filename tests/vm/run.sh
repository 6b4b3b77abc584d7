#!/bin/bash
# SPDX-License-Identifier: MIT
#
#     tests/vm/run.sh BUILD [NAME...]
#
# Runs tests of BUILD on Debian's kernels, each in a machine that QEMU emulates in software: no
# /dev/kvm is needed, and nothing is fast. The machine sees this host's files read-only; what it
# writes is gone with it. NAMEs are those of tests/run.sh; without any, the tests that may end
# differently on another kernel, in two lists that run side by side (each mostly waits). The last line
# is the sum: `N passed, N failed[, N skipped]`; a machine that hangs or dies counts as a failure.
#
# The kernels come by apt, are only unpacked, and stay in SLUICE_VM_CACHE (/var/tmp/sluice-vm): remove it
# for newer ones. SLUICE_VM_KERNELS chooses ("6.1 6.12"). Where QEMU or a kernel cannot be had,
# the reason is told and one test counts as skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1

BUILD=${1:?usage: tests/vm/run.sh BUILD [NAME...]}
shift
TESTS=${*:-xdp/ daemon/probe_path e2e/decap|e2e/beside e2e/unit|e2e/probe-path}
CACHE=${SLUICE_VM_CACHE:-/var/tmp/sluice-vm}
KERNELS=${SLUICE_VM_KERNELS:-6.1 6.12}
PACKAGES=(qemu-system-x86 busybox-static kmod cpio xz-utils)
MODULES=(virtio_pci 9pnet_virtio 9p overlay) # that lead to the root file system
LIMIT_S=1500                                 # for one machine

passed=0 failed=0 skipped=0 child=
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'stop 130' INT
trap 'stop 143' TERM HUP

stop()
{
	[ -z "$child" ] || kill "$child"
	wait
	exit "$1"
}

# skip KERNEL: a reason has been told on stdout.
skip()
{
	echo "  skip  kernel $1"
	skipped=$((skipped + 1))
}

# ----------------------------------------------------------------------------------------- the kernel

# The package that holds Debian's newest kernel 6.1 or 6.12.
package_of()
{
	local name=linux-image-$1-amd64

	[ "$1" != 6.1 ] || name=linux-image-amd64
	apt-cache depends --important "$name" | awk '$1 == "Depends:" { print $2; exit }'
}

download()
{
	local package

	package=$(package_of "$1")
	[ -n "$package" ] && apt-get -qq -o APT::Sandbox::User=root download "$package"
}

# fetch KERNEL: unpacks it into $CACHE/KERNEL, unless it is there. Old lists of packages name files that
# are no longer there.
fetch()
{
	local new=$work/fetch

	[ ! -d "$CACHE/$1" ] || return 0
	echo "  fetching kernel $1 to $CACHE/$1"
	rm -rf "$new"
	mkdir -p "$CACHE" "$new/root" && chmod 700 "$CACHE" && cd "$new" || return
	download "$1" || { apt-get -qq update && download "$1"; } || return
	dpkg-deb -x ./*.deb root && depmod -b root "$(ls root/lib/modules)" || return
	mv root "$CACHE/$1"
}

# The modules, unpacked, and the order to load them in.
add_modules()
{
	local module file name

	for module in "${MODULES[@]}"; do
		modprobe -d "$CACHE/$1" -S "$2" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
		name=$(basename "$file" .xz)
		if [[ $file == *.xz ]]; then
			xz -dc "$file" >"$work/initramfs/modules/$name"
		else
			cp "$file" "$work/initramfs/modules/$name"
		fi
		echo "$name"
	done >"$work/initramfs/modules/order"
}

# make_initramfs KERNEL RELEASE
make_initramfs()
{
	local dir=$work/initramfs

	rm -rf "$dir"
	mkdir -p "$dir"/{bin,proc,sys,dev,host,top,root,modules}
	cp /bin/busybox "$dir/bin"
	install -m 755 tests/vm/init "$dir/init"
	add_modules "$1" "$2"
	{
		printf '%s=%q\n' TOP "$PWD" BUILD "$BUILD" TESTS "$TESTS" RELEASE "$2"
		printf '%s=%q\n' MODULES "$(readlink -f "$CACHE/$1/lib/modules/$2")"
	} >"$dir/settings"
	(cd "$dir" && find . | cpio -o -H newc --quiet) >"$work/initrd"
}

# ---------------------------------------------------------------------------------------- the machine

# machine KERNEL-IMAGE: runs it to its end, and shows what the tests say. The console is kept in
# $work/console.
machine()
{
	local status
	# shellcheck disable=SC2054 # the commas are QEMU's
	local options=(
		-accel tcg,thread=multi,tb-size=512 -cpu Nehalem,+rdrand -smp 2 -m 2048
		-nodefaults -no-user-config -no-reboot -display none -nic none
		-kernel "$1" -initrd "$work/initrd"
		-serial "file:$work/console" -serial "file:$work/out"
		-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap
		-device virtio-9p-pci,fsdev=host,mount_tag=host
	)

	: >"$work/out"
	# Lockup watchdogs and the check of the clock would only see that the emulation is slow.
	timeout -k 10 $LIMIT_S qemu-system-x86_64 "${options[@]}" -append "console=ttyS0 loglevel=5 \
panic=-1 oops=panic mitigations=off tsc=reliable no_timer_check nowatchdog random.trust_cpu=on \
rcupdate.rcu_cpu_stall_timeout=120 systemd.show_status=0" \
		>"$work/qemu" 2>&1 </dev/null &
	child=$!
	tail -f -n +1 --pid=$child "$work/out" &
	wait $child
	status=$?
	child=
	wait
	return $status
}

# count KERNEL STATUS: adds what the tests in $work/out came to, list by list. Without all their sums
# the machine failed.
count()
{
	local line sums=0 lists

	IFS='|' read -ra lists <<<"$TESTS"
	while IFS= read -r line; do
		[[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]] || continue
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + ${BASH_REMATCH[4]:-0}))
		sums=$((sums + 1))
	done <"$work/out"
	if [ $sums != ${#lists[@]} ]; then
		echo "  FAIL  kernel $1: the machine ended ($2) before the tests did:"
		tail -n 25 "$work/qemu" "$work/console"
		failed=$((failed + 1))
	fi
	if grep -E -A 20 'BUG:|WARNING:|Oops' "$work/console"; then
		echo "  FAIL  kernel $1 complained"
		failed=$((failed + 1))
	fi
}

run_kernel()
{
	local release

	if ! (fetch "$1"); then
		skip "$1: apt cannot download it"
		return
	fi
	release=$(ls "$CACHE/$1/lib/modules")
	echo "kernel $release"
	make_initramfs "$1" "$release"
	machine "$CACHE/$1/boot/vmlinuz-$release"
	count "$1" $?
}

if [ "$(id -u)" != 0 ]; then
	skip "$KERNELS: needs root"
elif ! tests/lib/deps.sh "${PACKAGES[@]}"; then
	skip "$KERNELS: one of these packages is missing: ${PACKAGES[*]}"
else
	for kernel in $KERNELS; do
		run_kernel "$kernel"
	done
fi
printf '%d passed, %d failed' $passed $failed
[ $skipped = 0 ] || printf ', %d skipped' $skipped
printf '\n'
[ $failed = 0 ]
