#!/bin/bash
# SPDX-License-Identifier: MIT
#
#     tests/fuzz/run.sh load|packet SECONDS
#
# Runs a fuzz target of `make fuzz` for so long, from the inputs that are known: the examples of
# configs with tests/fuzz/corpus_load, or tests/fuzz/corpus_packet. New ones are added in build/fuzz/corpus_NAME. An input that
# breaks it is kept in build/fuzz and ends the run: `build/fuzz/NAME FILE` shows it again.
#
# When the corpus has grown by much, this keeps what is needed of it:
#     build/fuzz/packet -merge=1 -max_len=300 NEW_DIRECTORY tests/fuzz/corpus_packet build/fuzz/corpus_packet
set -eu
cd "$(dirname "$0")/../.."

NAME=${1:?usage: tests/fuzz/run.sh load|packet SECONDS}
SECONDS_MAX=${2:?usage: tests/fuzz/run.sh load|packet SECONDS}

case $NAME in
load) known=(config tests/host tests/fuzz/corpus_load) max_len=4096 ;;
packet) known=(tests/fuzz/corpus_packet) max_len=600 ;;
*)
	echo "no fuzz target \"$NAME\": load or packet" >&2
	exit 2
	;;
esac

mkdir -p "build/fuzz/corpus_$NAME"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "build/fuzz/$NAME" -max_total_time="$SECONDS_MAX" -max_len=$max_len -print_final_stats=1 \
	-artifact_prefix="build/fuzz/$NAME-" "build/fuzz/corpus_$NAME" "${known[@]}" >"$log" 2>&1; then
	tail -n 60 "$log" >&2
	exit 1
fi
awk -v name="$NAME" '/cov:/ { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
	/number_of_executed_units/ { n = $2 }
	END { print name ": " n " inputs, " edges " edges, no finding" }' "$log"
