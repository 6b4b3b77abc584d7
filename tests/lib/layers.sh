#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Proves the order of the layers: xdp/abi.h < config/ < control/ < daemon/. A lower one never
# includes a higher one, only daemon/ knows BPF libraries and skeletons, headers include each
# other without a loop, and sluicectl is not linked with a BPF library. Prints each line that is
# wrong. Tests and benchmarks may include anything.
set -eu
cd "$(dirname "$0")/../.."
bad=0

# "FILE:LINE:NAME" of each include of the given files, NAME with its quotes or angle brackets.
includes()
{
	grep -nHE '^[[:space:]]*#[[:space:]]*include' "$@" /dev/null |
		sed -E 's/^([^:]*:[0-9]+):[^"<]*(["<][^">]*[">]).*/\1:\2/'
}

# What may be included: layer (a pattern of "FILE"), then a pattern of NAME.
rules='
xdp/abi\.h            <linux/types\.h>
xdp/.*                "xdp/.*"|<.*>
config/.*             "(config/.*|xdp/abi\.h)"|<system>
control/.*            "((config|control)/.*|xdp/abi\.h)"|<system>
daemon/.*             "(config|control|daemon|xdp)/.*"|<.*>
'

mapfile -t files < <(ls xdp/*.[ch] config/*.[ch] control/*.[ch] daemon/*.[ch] 2>/dev/null)
if [ ${#files[@]} = 0 ]; then
	echo "no source found in $PWD" >&2
	exit 1
fi

includes "${files[@]}" | awk -F: -v rules="$rules" '
	BEGIN {
		n = split(rules, line, "\n")
		for (i = 1; i <= n; i++)
			if (split(line[i], field, " ") == 2) {
				count++
				layer[count] = field[1]
				allowed[count] = field[2]
			}
	}
	# "<system>" of a rule: any header of the system but those of BPF libraries.
	function may(name, pattern) {
		if (name ~ /^<(bpf|xdp)\// || name ~ /\.skel\.h"$/)
			return pattern ~ /<\.\*>/
		gsub(/<system>/, "<.*>", pattern)
		return name ~ "^(" pattern ")$"
	}
	{
		for (i = 1; i <= count; i++)
			if ($1 ~ "^" layer[i] "$")
				break
		if (!may($3, allowed[i])) {
			printf "%s:%s: #include %s crosses the layers\n", $1, $2, $3
			bad = 1
		}
	}
	END { exit bad }' || bad=1

# Pairs "includer included" among headers: tsort names the members of a loop.
loop=$(includes ./*/*.h | sed -nE 's|^\./([^:]*):[0-9]+:"(.*)"$|\1 \2|p' | tsort 2>&1 >/dev/null) || {
	echo "headers include each other in a loop:"
	printf '%s\n' "$loop" | sed '/contains a loop/d; s/^tsort: /  /'
	bad=1
}

for program in build/sluicectl build/san/sluicectl; do
	[ -e $program ] || continue
	if readelf -d $program | grep -E 'NEEDED.*lib(bpf|xdp|elf)\.'; then
		echo "$program: is linked with a BPF library"
		bad=1
	fi
done
exit $bad
