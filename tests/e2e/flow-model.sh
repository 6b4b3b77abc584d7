#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Changes at random over simulated flows: none is broken that should not be. FLOW_MODEL_S: seconds for
# each part.
set -eu
cd "$(dirname "$0")/../.."

BUILD=${SLUICE_BUILD:-$PWD/build}
seconds=${FLOW_MODEL_S:-15}
seed=${FLOW_MODEL_SEED:-1}

for options in "" "--helper" "--balancers 3 --helper" "--balancers 3 --helper --orderly"; do
	# shellcheck disable=SC2086
	"$BUILD/flow-model" --seed "$seed" --seconds "$seconds" $options || {
		echo "FAILED: flow-model --seed $seed $options"
		exit 1
	}
done
