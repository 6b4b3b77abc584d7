/* SPDX-License-Identifier: MIT */
/*
 * Packets from words, as in tests/vectors/packets.md: "4 192.168.1.1>10.200.1.1 tos8c / tcp
 * 31337>80 A". Layers are separated by " / ", outermost first; lengths and checksums are filled in.
 *
 *   4 SRC>DST     IPv4; tosXX, ttlN, idN (decimal), df, MF, offN (bytes), ihlN (words; options are
 *                 zero), protoN, lenN and badsum falsify
 *   6 SRC>DST     IPv6; tcXX, hlN, nhN; hbh, dstopt, route add an extension header of 8 bytes;
 *                 frag:OFFSET,MORE,ID adds a fragment header
 *   tcp S>D FLAGS (S A F R P); opt:HEX raw options, filled up with zero bytes
 *   udp S>D       sum0: no checksum
 *   icmp T/C      with mtuN (the 4 bytes behind the checksum); icmp6 T/C alike
 *   quic HEX, data HEX: raw bytes; pad N: N bytes of a pattern
 *   cut N         of what lies inside keep only N bytes (a quote); lengths of outer layers follow,
 *                 those of the inner ones stay
 * A packet whose last layer is tcp or udp gets a short payload.
 */
#ifndef SLUICE_TESTS_LIB_FRAME_H
#define SLUICE_TESTS_LIB_FRAME_H

#include <stddef.h>

#define FRAME_MAX 16384

struct frame {
	unsigned char data[FRAME_MAX];
	size_t size;
};

/* The tests' MAC addresses, those of the vectors. */
#define FRAME_SOURCE "\x01\0\0\0\0"
#define FRAME_DEST "\x02\0\0\0\0"
#define FRAME_GATEWAY "\0\0\xde\xad\xbe\xaf"
#define FRAME_GATEWAY_TEXT "00:00:de:ad:be:af"

/*
 * Builds an Ethernet frame from the vectors' source to their destination MAC around the packet
 * @text. "ARP" gives an ARP request. A leading "vlan N / " adds a tag of 802.1Q, "qinq N / " one of
 * 802.1ad; there may be three, outermost first. Fails the running test when the text is not understood.
 */
void frame_build(struct frame *out, const char *text);

/*
 * Builds the frame that is to leave: from the vectors' destination MAC to the gateway, outer
 * headers @outer around the IP packet of @inner (which keeps what lies behind its own length).
 */
void frame_build_outer(struct frame *out, const char *outer, const struct frame *inner);

/* Fails the running test, showing both in hex, unless they are equal. */
void frame_assert_equal(const struct frame *got, const struct frame *expected, const char *what);

#endif
