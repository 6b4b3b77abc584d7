/* SPDX-License-Identifier: MIT */
/*
 * Sums are taken over bytes, as RFC 1071 writes them down, in network order.
 */
#include "tests/host/check.h"

#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#define ETHERNET 14
#define TAG 4

/* An IP packet in a frame. */
struct packet {
	const unsigned char *ip;
	size_t room; /* bytes from there to the frame's end */
	size_t size; /* of the packet, by its own header */
	size_t l4;   /* offset; of IPv6 always 40 */
	int family;  /* 4, 6; 0: not such a packet, or not all of it */
	unsigned int proto;
};

static unsigned int get16(const unsigned char *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static uint64_t add(uint64_t sum, const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? data[i] : (unsigned int)data[i] << 8;
	return sum;
}

/* Is the checksum in what was summed up right? */
static bool sums_up(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* Bytes of the Ethernet header with its tags. */
static size_t l2_size(const unsigned char *frame, size_t size)
{
	size_t at = ETHERNET;

	for (int i = 0; i < 2 && at + TAG <= size; i++) {
		unsigned int type = get16(frame + at - 2);

		if (type != 0x8100 && type != 0x88a8)
			break;
		at += TAG;
	}
	return at;
}

static struct packet packet_at(const unsigned char *ip, size_t room)
{
	struct packet p = {.ip = ip, .room = room};

	if (room >= 20 && ip[0] >> 4 == 4) {
		p.size = get16(ip + 2);
		p.l4 = (ip[0] & 15) * 4u;
		p.proto = ip[9];
		p.family = p.l4 >= 20 && p.size >= p.l4 && p.size <= room ? 4 : 0;
	} else if (room >= 40 && ip[0] >> 4 == 6) {
		p.size = get16(ip + 4) + 40u;
		p.l4 = 40;
		p.proto = ip[6];
		p.family = p.size <= room ? 6 : 0;
	}
	return p;
}

static struct packet packet_of(const unsigned char *frame, size_t size)
{
	size_t l2 = l2_size(frame, size);

	return size < l2 ? (struct packet){0} : packet_at(frame + l2, size - l2);
}

/* The sum of an L4 segment of @size bytes with its pseudo header. */
static uint64_t sum_l4(const struct packet *p, unsigned int proto, size_t size)
{
	uint64_t sum = proto + size;

	if (p->family == 4)
		sum = add(sum, p->ip + 12, 8);
	else
		sum = add(sum, p->ip + 8, 32);
	return add(sum, p->ip + p->l4, size);
}

/* Are all checksums of the packet right that its receiver would look at? */
static bool is_intact(const struct packet *p)
{
	const unsigned char *l4 = p->ip + p->l4;
	size_t size = p->size - p->l4;

	if (p->family == 4 && (!sums_up(add(0, p->ip, p->l4)) || get16(p->ip + 6) & 0x3fff))
		return false;
	switch (p->proto) {
	case IPPROTO_TCP:
		return size >= 20 && sums_up(sum_l4(p, p->proto, size));
	case IPPROTO_UDP:
		if (size < 8 || get16(l4 + 4) < 8 || get16(l4 + 4) > size)
			return false;
		return !get16(l4 + 6) || sums_up(sum_l4(p, p->proto, get16(l4 + 4)));
	case IPPROTO_ICMP:
		return size >= 8 && sums_up(add(0, l4, size));
	case IPPROTO_ICMPV6:
		return size >= 8 && sums_up(sum_l4(p, p->proto, size));
	default:
		return false;
	}
}

/* ---------------------------------------------------------------------------------- one outcome each */

static const char *check_action(const struct check_frame *f)
{
	switch (f->outcome) {
	case SLUICE_OUT_FORWARDED:
		return f->action == XDP_TX || f->action == XDP_REDIRECT ? NULL : "not sent";
	case SLUICE_OUT_ECHO:
	case SLUICE_OUT_EGRESS:
	case SLUICE_OUT_TOO_BIG:
		return f->action == XDP_TX ? NULL : "not sent back";
	case SLUICE_OUT_LOCAL:
	case SLUICE_OUT_NOT_IP:
	case SLUICE_OUT_MALFORMED:
	case SLUICE_OUT_NOT_L4:
	case SLUICE_OUT_NOT_VIP:
		return f->action == XDP_PASS ? NULL : "not passed";
	default:
		return f->action == XDP_DROP ? NULL : "not dropped";
	}
}

/* Behind outer UDP: the checksum is there where it must be, and right if it is there. */
static const char *check_gue(const struct packet *outer, const struct packet *inner)
{
	const unsigned char *udp = outer->ip + outer->l4;

	if (get16(udp + 4) != outer->size - outer->l4)
		return "outer UDP length";
	if (!get16(udp + 6))
		return outer->family == 4 ? NULL : "no outer UDP checksum over IPv6";
	if (!is_intact(inner) || sums_up(sum_l4(outer, IPPROTO_UDP, outer->size - outer->l4)))
		return NULL;
	return "outer UDP checksum";
}

static const char *check_forwarded(const struct check_frame *f)
{
	struct packet outer = packet_of(f->out, f->out_size);
	size_t header = outer.l4 + (outer.proto == IPPROTO_UDP ? 8 : 0);
	struct packet inner;

	if (!outer.family || outer.size < header)
		return "no outer header";
	inner = packet_at(outer.ip + header, outer.room - header);
	if (!inner.family || outer.size != header + inner.size)
		return "outer length";
	if (!f->stripped) {
		struct packet in = packet_of(f->in, f->in_size);

		if (in.room != inner.room || memcmp(in.ip, inner.ip, in.room) != 0)
			return "the inner packet is another one";
	}
	if (outer.family == 4 && !sums_up(add(0, outer.ip, outer.l4)))
		return "outer header checksum";
	if (outer.proto == IPPROTO_UDP)
		return check_gue(&outer, &inner);
	return outer.proto == (inner.family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6) ? NULL
										: "outer protocol";
}

static const char *check_echo(const struct check_frame *f)
{
	struct packet in = packet_of(f->in, f->in_size);
	struct packet out = packet_of(f->out, f->out_size);

	if (!out.family)
		return "the reply is no packet";
	if (f->stripped || !is_intact(&in))
		return NULL;
	return f->out_size == f->in_size && is_intact(&out) ? NULL : "the reply's checksums";
}

static const char *check_too_big(const struct check_frame *f)
{
	struct packet out = packet_of(f->out, f->out_size);

	if (!out.family || out.room != out.size)
		return "the message's length";
	if (out.size != (out.family == 4 ? 112u : 296u))
		return "the quote's length";
	return is_intact(&out) ? NULL : "the message's checksums";
}

const char *check_frame(const struct check_frame *f)
{
	const char *wrong = check_action(f);

	if (wrong)
		return wrong;
	if (f->action == XDP_PASS && !f->stripped &&
	    (f->out_size != f->in_size || memcmp(f->out, f->in, f->in_size) != 0))
		return "passed, but changed";
	switch (f->outcome) {
	case SLUICE_OUT_FORWARDED:
		return check_forwarded(f);
	case SLUICE_OUT_ECHO:
		return check_echo(f);
	case SLUICE_OUT_TOO_BIG:
		return check_too_big(f);
	default:
		return NULL;
	}
}
