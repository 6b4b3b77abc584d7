#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The manual names every outcome and event with the text that the program has for it, and no other.
set -eu
cd "$(dirname "$0")/../.."

texts()
{
	# shellcheck disable=SC2016 # the backticks are Markdown's
	tr -d '\n' <xdp/abi.h | sed 's/\\//g' | grep -oE 'X\([A-Z_0-9]+,[[:space:]]*"[a-z_0-9]+",[[:space:]]*"[^"]*"\)' |
		sed -E 's/^X\([A-Z_0-9]+,[[:space:]]*"([a-z_0-9]+)",[[:space:]]*"([^"]*)"\)$/| `\1` | \2 |/'
}

[ "$(texts | wc -l)" -gt 20 ] || {
	echo "xdp/abi.h: the list of outcomes was not found"
	exit 1
}
diff <(texts) <(grep -E '^\| `' docs/counters.md) || {
	echo "docs/counters.md does not say what xdp/abi.h says"
	exit 1
}
