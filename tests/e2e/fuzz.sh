#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The fuzz targets for some seconds: any bytes as a config, and as frames through the packet path.
# `make fuzz` does the same for longer.
set -eu
cd "$(dirname "$0")/../.."

if [ "$(basename "${SLUICE_BUILD:-build}")" = san ]; then
	echo "sanitizers are always in: it runs without SAN=1"
	exit 77
fi
if ! echo 'int LLVMFuzzerTestOneInput(const char *b, long n) { return b && n ? 0 : 0; }' |
	clang -fsanitize=fuzzer,address,undefined -x c -o /dev/null - 2>/dev/null; then
	echo "clang has no libFuzzer and sanitizers here: the package libclang-rt-14-dev brings them"
	exit 77
fi
MAKEFLAGS='' make -s build/fuzz/load build/fuzz/packet
tests/fuzz/run.sh load 4
tests/fuzz/run.sh packet 16
