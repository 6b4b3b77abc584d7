#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Jumbo frames: packets larger than a page, which the driver hands over in several buffers, go through
# the tunnel like any other. Needs XDP for such frames (kernel 5.18).
set -eu
# shellcheck source=tests/lib/lab.sh
. "$(dirname "$0")/../lib/lab.sh"

SIZE=3000000
LAB_MTU=9000
LAB_CLIENT_MTU=8900

lab_up 2
lab_config "" "" >"$LAB/sluice.conf"
lab_sluiced_start
head -c $SIZE /dev/urandom >"$LAB/data"

echo "upload of $SIZE bytes in packets of up to $LAB_CLIENT_MTU bytes"
lab_in client curl -sf --max-time 60 -T "$LAB/data" "http://$LAB_VIP/files/jumbo" ||
	lab_fail "the upload failed"
cmp "$LAB/data" "$LAB"/nginx-*/files/jumbo || lab_fail "what arrived is not what was sent"

packets=$(lab_query vips '.vips[0].packets')
bytes=$(lab_query vips '.vips[0].bytes')
echo "$packets packets, $bytes bytes"
[ $((bytes / packets)) -gt 4096 ] || lab_fail "the packets were no larger than a page"
