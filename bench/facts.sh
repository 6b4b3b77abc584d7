# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What a figure is worth nothing without: the machine. Sourced by the other scripts here.

# fact_cpu, fact_kernel, ...: one line each.
fact_cpu()
{
	local model

	model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
	echo "${model:-$(uname -m)}, $(nproc --all) CPUs$(grep -qw hypervisor /proc/cpuinfo && echo ", virtual machine")"
}

fact_caches()
{
	local index level type size list=

	for index in /sys/devices/system/cpu/cpu0/cache/index*; do
		[ -e "$index/size" ] || continue
		read -r level <"$index/level"
		read -r type <"$index/type"
		read -r size <"$index/size"
		[ "$type" = Instruction ] || list="$list${list:+, }L$level $size"
	done
	echo "${list:-not known}"
}

fact_memory()
{
	awk '/^MemTotal/ { printf "%.0f GiB\n", $2 / 1048576 }' /proc/meminfo
}

# The version; of Debian's kernels the package's.
fact_kernel()
{
	local debian

	debian=$(uname -v | sed -nE 's/.*Debian ([^ ]+).*/Debian \1/p')
	echo "$(uname -s) ${debian:-$(uname -r | cut -d- -f1)}"
}

fact_governor()
{
	local file=/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor

	if [ -e $file ]; then
		cat $file
	else
		echo "none (no frequency control)"
	fi
}

# Those that are in force, by the kernel's names.
fact_mitigations()
{
	local file text list=

	for file in /sys/devices/system/cpu/vulnerabilities/*; do
		[ -e "$file" ] || continue
		read -r text <"$file"
		case $text in
		Mitigation*) list="$list${list:+; }${file##*/}: ${text#Mitigation: }" ;;
		esac
	done
	echo "${list:-none}"
}

# A network namespace of one's own does not show these.
fact_jit()
{
	local on=/proc/sys/net/core/bpf_jit_enable harden=/proc/sys/net/core/bpf_jit_harden

	if [ ! -r $harden ]; then
		echo "not known"
	elif [ "$(cat $on)" = 0 ]; then
		echo off
	else
		echo "on, hardening $(cat $harden)"
	fi
}

# fact_driver DEVICE
fact_driver()
{
	ethtool -i "$1" 2>/dev/null | awk -F': ' '/^(driver|version|firmware-version)/ && $2 != "" { printf "%s%s", sep, $2; sep = " " }'
	echo
}

# All of the machine, as "NAME: VALUE" lines.
facts()
{
	echo "CPU: $(fact_cpu)"
	echo "Caches: $(fact_caches)"
	echo "Memory: $(fact_memory)"
	echo "Kernel: $(fact_kernel)"
	echo "BPF JIT: $(fact_jit)"
	echo "Governor: $(fact_governor)"
	echo "Mitigations: $(fact_mitigations)"
}
