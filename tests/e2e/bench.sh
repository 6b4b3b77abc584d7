#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The benchmarks run and say what they should say. How fast is not asserted.
set -eu
cd "$(dirname "$0")/../.."

BUILD=${SLUICE_BUILD:-$PWD/build}
work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail()
{
	echo "FAILED: $*" >&2
	exit 1
}

# asserts FILE FILTER WHAT: the filter finds FILE true.
asserts()
{
	jq -e "$2" "$work/$1" >/dev/null || fail "$3: $(head -c 2000 "$work/$1")"
}

if [ "$(id -u)" != 0 ]; then
	echo "needs root: loads BPF programs"
	exit 77
fi

echo "xdp-bench"
"$BUILD/xdp-bench" --quick -j >"$work/xdp"
[ "$(jq -s length "$work/xdp")" = 1 ] || fail "xdp-bench -j: not one document"
"$BUILD/xdp-bench" --list | awk '{ print $1 }' >"$work/named"
jq -r '.scenarios[].name' "$work/xdp" >"$work/measured"
cmp -s "$work/named" "$work/measured" || fail "not all scenarios: $(tr '\n' ' ' <"$work/measured")"
asserts xdp 'all(.scenarios[]; .programs.sluice.samples > 0)' "sluice was not measured in all scenarios"
asserts xdp 'all(.scenarios[] | select(.for_vip); all(.programs[]; .action == "TX"))' "not all was sent"
asserts xdp 'all(.scenarios[] | select(.helper == "redirect"); .programs.sluice.action == "TX")' "the helper sent nothing on"
asserts xdp 'all(.scenarios[] | select((.for_vip | not) and .helper != "redirect"); all(.programs[]; .action == "PASS"))' \
	"not all was left to the host"
asserts xdp 'all(.scenarios[] | select(.tunnel == "ip"); .programs.floor and .programs.lru)' "no baselines"
asserts xdp 'all(.scenarios[] | select(.order == "fresh"); .programs.lru.known_flows == 0)' "fresh flows were known"
# shellcheck disable=SC2016 # jq's variables
asserts xdp '. as $all | all(.scenarios[] | select(.flows > 0 and .flows <= $all.lru_entries and .programs.lru.known_flows);
	.programs.lru.known_flows > 0.9)' "settled flows were not known"

status=0
"$BUILD/xdp-bench" --quick ack,flows=many >/dev/null 2>&1 || status=$?
[ $status = 1 ] || fail "a scenario that is none: exit status $status"

echo "ring-bench, plan-bench"
"$BUILD/ring-bench" --quick --size 4093 -j >"$work/ring"
asserts ring 'all(.rings[]; .balance >= 1 and .moved.fail.share > 0)' "ring-bench"
"$BUILD/plan-bench" -j 3 2 5 >"$work/plan"
asserts plan '.setups[0].steps | .cold_start.slots_written == 3 * 65537 and .reload_same.slots_written == 0 and
	.backend_down.slots_written > 0 and .backend_down.slots_written == .backend_up.slots_written' "plan-bench"

echo "check-bench"
"$BUILD/check-bench" --quick --checks 1000 -j >"$work/check"
asserts check '[.kinds[].kind] == ["tcp", "http"]' "kinds are missing"
asserts check 'all(.kinds[]; .probes > 0 and .cpu > 0 and .failed == 0 and .unknown == 0)' "checks failed"

echo "pktgen.sh, with frames by xdp-live"
SLUICE_BUILD=$BUILD bench/pktgen.sh --veth --live -j --count 20000 --sizes 64 --flows 100 >"$work/veth"
asserts veth '.sent_mpps > 0 and .forwarded_mpps > 0 and .dropped == 0' "pktgen.sh"
