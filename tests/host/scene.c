/* SPDX-License-Identifier: MIT */
/*
 * A frame is first written as words (tests/lib/frame.h): where to, from whom, options, what is in it,
 * each drawn from a list of what matters; then its bytes may be mangled.
 */
#include "tests/host/scene.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/load.h"

#define CONFIG "tests/host/everything.conf"
#define N(array) (sizeof(array) / sizeof((array)[0]))

int scene_model(struct model **out, struct diag *diag)
{
	return load_file(out, CONFIG, diag);
}

/* ------------------------------------------------------------------------- what no config says */

static void change_backend(struct sluice_backend *b, char name, uint32_t ifindex)
{
	static const unsigned char device_mac[6] = {2, 0, 0, 0, 0, 9};

	switch (name) {
	case 'b': /* another device, a VLAN there */
	case 'e': /* another device, two tags there */
		b->ifindex = ifindex;
		memcpy(b->smac, device_mac, sizeof(b->smac));
		b->vlan = htons(5);
		b->s_vlan = name == 'e' ? htons(7) : 0;
		break;
	case 'd': /* a device that packets may not leave by */
		b->ifindex = ifindex + 1000;
		break;
	case 'g': /* the device that all comes in by, a VLAN there */
		b->ifindex = 1;
		b->vlan = htons(6);
		break;
	case 'h':
		b->mtu = 600;
		break;
	case 'i':
		b->encap = SLUICE_ENCAP_LOCAL;
		break;
	case 'j':
		b->flags &= (uint8_t)~SLUICE_BACKEND_NEXTHOP;
		break;
	case 'l':
		b->mtu = 0;
		break;
	case 'm':
		b->mtu = 9000;
		break;
	}
}

void scene_change(const struct scene_maps *maps, uint32_t ifindex)
{
	uint32_t last = 0;

	for (uint32_t id = 1; id < maps->n_backends; id++) {
		if (maps->backends[id].encap == SLUICE_ENCAP_NONE)
			continue;
		change_backend(&maps->backends[id], maps->names[id].backend[0], ifindex);
		maps->backends[id].hint = htons((uint16_t)(0x1000 + id));
		last = id;
	}
	/* Every fifth slot moves, every seventh has an owner elsewhere that is not tracked. */
	for (uint32_t i = 0; i < maps->n_slots; i++) {
		uint32_t cur = SLUICE_SLOT_CUR(slots_get(&maps->slots, i));

		if (cur && (i % 5 == 0 || i % 7 == 0))
			slots_set(&maps->slots, i, SLUICE_SLOT(cur, cur % last + 1, i % 5 == 0));
	}
}

/* ------------------------------------------------------------------------------------------ words */

uint64_t scene_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

struct writer {
	uint64_t *random;
	char *text;
	size_t n;
};

static unsigned int below(struct writer *w, unsigned int n)
{
	return (unsigned int)(scene_random(w->random) % n);
}

/* True once in @n times. */
static bool once_in(struct writer *w, unsigned int n)
{
	return below(w, n) == 0;
}

static void say(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct writer *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	w->n += (size_t)vsnprintf(w->text + w->n, SCENE_TEXT_MAX - w->n, format, args);
	va_end(args);
}

#define PICK(w, list) ((list)[below(w, N(list))])

struct target {
	const char *address;
	char l4; /* t, u */
	unsigned int port;
};

static const struct target targets4[] = {
	{"10.200.1.1", 't', 80},   {"10.200.1.1", 'u', 80},   {"10.200.1.2", 't', 8080},
	{"10.200.1.3", 't', 80},   {"10.200.1.4", 't', 42},   {"10.200.1.5", 'u', 443},
	{"10.200.1.6", 'u', 443},  {"10.200.1.7", 't', 80},   {"10.200.1.8", 'u', 80},
	{"10.200.1.9", 't', 80},   {"10.200.1.10", 't', 80},  {"10.200.1.10", 'u', 53},
	{"10.200.1.99", 't', 80},  {"10.201.1.1", 'u', 5353}, {"10.201.7.1", 'u', 53},
	{"10.201.7.1", 'u', 5353}, {"10.200.2.1", 't', 80},
};

static const struct target targets6[] = {
	{"fc00:1::1", 't', 80},   {"fc00:1::1", 'u', 80},   {"fc00:1::2", 'u', 443},
	{"fc00:1::3", 't', 80},   {"fc00:1::4", 't', 8080}, {"fc00:1::4", 'u', 53},
	{"fc00:1::5", 'u', 42},   {"fc00:1::6", 't', 80},   {"fc00:3:1::1", 't', 8080},
	{"fc00:3:7::1", 't', 80}, {"fc00:3:7::1", 't', 81}, {"fc00:9::1", 't', 80},
};

static const char *const clients4[] = {
	"192.168.1.%u", "192.168.1.%u", "192.168.66.%u", "198.51.100.%u",
	"203.0.113.%u", "192.0.2.%u",   "172.20.7.%u",
};

static const char *const clients6[] = {
	"fc00:2::%u", "fc00:2::%u", "fc00:2:0:1::%u", "fc00:2:0:66::%u", "2001:db8::%u",
};

/* Who talks to whom. */
struct tuple {
	char client[64];
	char vip[64];
	char l4;
	unsigned int sport;
	unsigned int dport;
};

static void draw_tuple(struct writer *w, struct tuple *t, int family)
{
	const struct target *target = family == 4 ? &PICK(w, targets4) : &PICK(w, targets6);
	const char *client = family == 4 ? PICK(w, clients4) : PICK(w, clients6);
	unsigned int host = once_in(w, 3) ? below(w, 250) + 1 : below(w, 3) + 1;

	/* client is one of the lists above */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(t->client, sizeof(t->client), client, host);
#pragma GCC diagnostic pop
	snprintf(t->vip, sizeof(t->vip), "%s", target->address);
	t->l4 = target->l4;
	t->sport = once_in(w, 3) ? below(w, 65536) : 31337 + below(w, 4);
	t->dport = once_in(w, 12) ? below(w, 65536) : target->port;
}

static void say_hex(struct writer *w, unsigned int bytes)
{
	while (bytes-- > 0)
		say(w, "%02x", below(w, 256));
}

static void say_pad(struct writer *w)
{
	unsigned int kind = below(w, 20);

	if (kind < 13)
		say(w, " / pad %u", below(w, 80));
	else if (kind < 18)
		say(w, " / pad %u", 1380 + below(w, 120));
	else if (kind < 19)
		say(w, " / pad %u", 520 + below(w, 60));
	else
		say(w, " / pad %u", 1500 + below(w, 7500));
}

static void say_tcp(struct writer *w, const struct tuple *t)
{
	static const char *const flags[] = {"A", "A", "A", "PA", "S", "S", "FA", "R", "SA"};
	static const char *const options[] = {
		"opt:b706ff0300000000",
		"opt:b706000400000000",
		"opt:b706fe0300000101",
		"opt:0101b70606040000",
		"opt:b706040300000000",
		"opt:b706630000000000",
		"opt:020405b40101b70601000000",
		"opt:b7",
		"opt:01b7",
		"opt:05ff",
		"opt:0000b7",
		"opt:0101010101010101010101010101b70600040000",
		"opt:b70500000000",
		"opt:0300",
		"opt:010101010101010101010101010101010101b70600040000",
	};

	say(w, "tcp %u>%u %s", t->sport, t->dport, PICK(w, flags));
	if (once_in(w, 3))
		say(w, " %s", PICK(w, options));
	say_pad(w);
}

static void say_udp(struct writer *w, const struct tuple *t)
{
	static const char *const payloads[] = {
		"dffaceb0010843ff3344",   "fffaceb0010841000304",
		"00411100000000000040",   "00800304440000000040",
		"00c04100030440000000",   "cffaceb0010841020304",
		"ef6b3343cf0841000304",   "cf6b3343cf0841000304",
		"d000000001080041000304", "e0000000010800010200000000ff",
		"40000102000000000000",   "4000030400000000",
		"40e0030400000000",       "520003ff00000000",
		"5200000100000000",       "5200000000000000",
		"52000063000000",         "00",
	};

	say(w, "udp %u>%u%s", t->sport, t->dport, once_in(w, 6) ? " sum0" : "");
	switch (below(w, 4)) {
	case 0:
		say(w, " / quic %s", PICK(w, payloads));
		break;
	case 1:
		say(w, " / data ");
		say_hex(w, 1 + below(w, 40));
		break;
	default:
		say_pad(w);
	}
}

/* What follows the IP header: the rest of a packet of the flow. */
static void say_l4(struct writer *w, const struct tuple *t)
{
	if (t->l4 == 't')
		say_tcp(w, t);
	else
		say_udp(w, t);
}

static void say_ipv4(struct writer *w, const char *source, const char *dest, bool pieces)
{
	say(w, "4 %s>%s", source, dest);
	if (once_in(w, 4))
		say(w, " tos%02x", below(w, 256));
	if (once_in(w, 2))
		say(w, " df");
	if (once_in(w, 4))
		say(w, " ttl%u", below(w, 4) ? below(w, 256) : below(w, 3));
	if (once_in(w, 8))
		say(w, " ihl%u", 5 + below(w, 11));
	if (!pieces)
		return;
	say(w, " id%u", below(w, 3));
	if (once_in(w, 2))
		say(w, " off%u", 8 + 8 * below(w, 200));
	if (once_in(w, 2))
		say(w, " MF");
}

static void say_ipv6(struct writer *w, const char *source, const char *dest, bool pieces)
{
	static const char *const extensions[] = {"hbh", "route", "dstopt", "hbh dstopt"};

	say(w, "6 %s>%s", source, dest);
	if (once_in(w, 4))
		say(w, " tc%02x", below(w, 256));
	if (once_in(w, 4))
		say(w, " hl%u", below(w, 4) ? below(w, 256) : below(w, 3));
	if (once_in(w, 6))
		say(w, " %s", PICK(w, extensions));
	if (pieces)
		say(w, " frag:%u,%u,%u", once_in(w, 2) ? 8 + 8 * below(w, 200) : 0, below(w, 2),
		    below(w, 3));
}

static void say_ip(struct writer *w, int family, const char *source, const char *dest, bool pieces)
{
	if (family == 4)
		say_ipv4(w, source, dest, pieces);
	else
		say_ipv6(w, source, dest, pieces);
	say(w, " / ");
}

/* An error about a packet that the VIP sent to the client. */
static void say_error(struct writer *w, const struct tuple *t, int family)
{
	static const char *const errors4[] = {"3/0", "3/1", "3/3", "3/4 mtu1400", "11/0", "12/0"};
	static const char *const errors6[] = {"1/0", "1/4", "2/0 mtu1280", "3/0", "4/1"};
	struct tuple back = {.l4 = t->l4, .sport = t->dport, .dport = t->sport};

	if (family == 4)
		say(w, "icmp %s / ", PICK(w, errors4));
	else
		say(w, "icmp6 %s / ", PICK(w, errors6));
	if (once_in(w, 2))
		say(w, "cut %u / ", (family == 4 ? 21 : 41) + below(w, 8));
	say_ip(w, family, t->vip, t->client, once_in(w, 8));
	say_l4(w, &back);
}

static void say_packet(struct writer *w)
{
	int family = once_in(w, 2) ? 4 : 6;
	unsigned int kind = below(w, 20);
	struct tuple t = {0};

	draw_tuple(w, &t, family);
	say_ip(w, family, t.client, t.vip, kind == 1 || kind >= 16);
	if (kind < 2)
		say(w, "%s", family == 4 ? "icmp 8/0 / pad 24" : "icmp6 128/0 / pad 24");
	else if (kind < 3)
		say(w, "%s", family == 4 ? "icmp 13/0 / pad 12" : "icmp6 135/0 / pad 24");
	else if (kind < 6)
		say_error(w, &t, family);
	else
		say_l4(w, &t);
}

static void say_tunnel(struct writer *w)
{
	static const char *const ends4[] = {"10.210.0.1", "10.210.0.2", "10.210.0.3"};
	static const char *const ends6[] = {"fc00:1404::1", "fc00:1404::2"};
	static const char *const udp[] = {"", "", "udp 1000>6080 / ", "udp 1000>9886 / ",
					  "udp 1000>53 / "};
	bool v4 = once_in(w, 2);

	say_ip(w, v4 ? 4 : 6, v4 ? "198.51.100.7" : "fc00:5::1",
	       v4 ? PICK(w, ends4) : PICK(w, ends6), once_in(w, 20));
	say(w, "%s", PICK(w, udp));
}

/* --------------------------------------------------------------------------------------- mangling */

static void put_random(struct writer *w, struct frame *f, size_t at)
{
	if (at < f->size)
		f->data[at] = (unsigned char)below(w, 256);
}

/* Where something decides: types, tags, version, lengths, fragment bits, protocols. */
static void mangle_field(struct writer *w, struct frame *f)
{
	static const unsigned char offsets[] = {12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23,
						24, 26, 27, 34, 36, 38, 39, 40, 46, 47, 54,
						55, 56, 57, 58, 62, 66, 67, 74, 78};
	static const unsigned char values[] = {0,  1,  4,  5,  6,  8,    15,   17,   40,
					       41, 43, 44, 58, 60, 0x45, 0x60, 0x80, 0xff};
	size_t at = PICK(w, offsets);

	if (at < f->size)
		f->data[at] = PICK(w, values);
}

static void mangle_size(struct writer *w, struct frame *f)
{
	size_t more = below(w, 100);

	if (once_in(w, 2) && f->size > 14) {
		f->size = 14 + below(w, (unsigned int)f->size - 13);
	} else if (f->size + more < sizeof(f->data)) {
		for (size_t i = 0; i < more; i++)
			f->data[f->size + i] = (unsigned char)below(w, 256);
		f->size += more;
	}
}

/* Two bytes of tag type and two of tag in front of the Ethernet type. */
static void mangle_tag(struct writer *w, struct frame *f)
{
	static const unsigned char tags[][4] = {
		{0x81, 0, 0, 5}, {0x81, 0, 0xa0, 9}, {0x88, 0xa8, 0, 7}, {0x91, 0, 0, 7}};

	if (f->size < 14 || f->size + 4 > sizeof(f->data))
		return;
	memmove(f->data + 16, f->data + 12, f->size - 12);
	memcpy(f->data + 12, PICK(w, tags), 4);
	f->size += 4;
}

static void mangle(struct writer *w, struct frame *f)
{
	switch (below(w, 5)) {
	case 0:
		put_random(w, f, below(w, (unsigned int)f->size));
		break;
	case 1:
		put_random(w, f, below(w, 90));
		break;
	case 2:
		mangle_field(w, f);
		break;
	case 3:
		mangle_size(w, f);
		break;
	case 4:
		mangle_tag(w, f);
		break;
	}
}

void scene_frame(uint64_t *random, char *text, struct frame *out)
{
	struct writer w = {.random = random, .text = text};
	unsigned int manglings;

	for (int i = 0; i < 3 && once_in(&w, i ? 2 : 6); i++)
		say(&w, "%s %u / ", once_in(&w, 2) ? "qinq" : "vlan", below(&w, 4096));
	if (once_in(&w, 8))
		say_tunnel(&w);
	say_packet(&w);
	frame_build(out, text);
	manglings = once_in(&w, 2) ? 1 + below(&w, 3) : 0;
	for (unsigned int i = 0; i < manglings; i++)
		mangle(&w, out);
}
