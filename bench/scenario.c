/* SPDX-License-Identifier: MIT */
/*
 * The addresses are of the blocks that are set aside for benchmarks and documentation. The VIPs'
 * last bytes begin at 16, so that the driver makes VIP i by setting bits.
 */
#include "bench/scenario.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdlib.h>
#include <string.h>

#include "bench/helper_target.h"
#include "config/addr.h"
#include "config/cleanup.h"
#include "config/model.h"

#define FLOWS_MAX (1u << 24)
#define SIZE_MIN 64
#define SIZE_MIN_V6 80

const struct scenario_row scenario_list[] = {
	{"settled-1", "ack,flows=1"},
	{"settled-1k", "ack,flows=1k"},
	{"settled-100k", "ack,flows=100k"},
	{"settled-1M", "ack,flows=1M"},
	{"settled-4M", "ack,flows=4M"},
	{"settled-1M-sequential", "ack,flows=1M,sequential"},
	{"settled-1M-full", "ack,flows=1M,full"},
	{"16vips-1", "ack,flows=1,vips=16"},
	{"16vips-1k", "ack,flows=1k,vips=16"},
	{"16vips-100k", "ack,flows=100k,vips=16"},
	{"16vips-1M", "ack,flows=1M,vips=16"},
	{"16vips-4M", "ack,flows=4M,vips=16"},
	{"syn-flood", "syn,fresh"},
	{"syn-flood-16vips", "syn,fresh,vips=16"},
	{"ack-flood", "ack,fresh"},
	{"udp-1M", "udp,flows=1M"},
	{"pass", "ack,flows=1M,pass"},
	{"v6-1", "v6,ack,flows=1"},
	{"v6-1M", "v6,ack,flows=1M"},
	{"gue-1", "ack,flows=1,gue"},
	{"gue-1M", "ack,flows=1M,gue"},
	{"tracked-2-1M", "ack,flows=1M,tracked=2"},
	{"tracked-10-1M", "ack,flows=1M,tracked=10"},
	{"tracked-100-1M", "ack,flows=1M,tracked=100"},
	{"tracked-100-syn-flood", "syn,fresh,tracked=100"},
	{"tracked-100-ack-flood", "ack,fresh,tracked=100"},
	{"helper-pass", "ack,flows=1M,helper=pass"},
	{"helper-socket", "ack,helper=socket"},
	{"helper-redirect", "ack,helper=redirect"},
	{NULL, NULL},
};

static const char *const packet_names[SCENARIO_PACKET_MAX] = {
	[SCENARIO_ACK] = "ack",
	[SCENARIO_SYN] = "syn",
	[SCENARIO_UDP] = "udp",
};

static const char *const order_names[DRIVER_ORDER_MAX] = {
	[DRIVER_SEQUENTIAL] = "sequential",
	[DRIVER_RANDOM] = "random",
	[DRIVER_FRESH] = "fresh",
};

static const char *const helper_names[SCENARIO_HELPER_MAX] = {
	[SCENARIO_NO_HELPER] = "none",
	[SCENARIO_HELPER_PASS] = "pass",
	[SCENARIO_HELPER_SOCKET] = "socket",
	[SCENARIO_HELPER_REDIRECT] = "redirect",
};

const char *scenario_packet_name(enum scenario_packet packet)
{
	return packet_names[packet];
}

const char *scenario_order_name(enum driver_order order)
{
	return order_names[order];
}

const char *scenario_helper_name(enum scenario_helper helper)
{
	return helper_names[helper];
}

/* ---------------------------------------------------------------------------------------- words */

/* Index of @word in @names, or -1. */
static int find_name(const char *const *names, int n, const char *word)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], word) == 0)
			return i;
	return -1;
}

/* Reads "4096", "100k", "4M". 0 or -EINVAL. */
static int read_number(uint64_t *out, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *text == '-')
		return -EINVAL;
	if (*end == 'k' || *end == 'M')
		n *= *end++ == 'k' ? 1000 : 1000000;
	if (*end || n < min || n > max)
		return -EINVAL;
	*out = n;
	return 0;
}

static int read_pair(struct scenario *s, const char *name, const char *value)
{
	uint64_t n;

	if (strcmp(name, "helper") == 0) {
		int i = find_name(helper_names, SCENARIO_HELPER_MAX, value);

		s->helper = i > 0 ? (enum scenario_helper)i : SCENARIO_NO_HELPER;
		return i > 0 ? 0 : -EINVAL;
	}
	if (strcmp(name, "flows") == 0)
		return read_number(&s->flows, value, 1, FLOWS_MAX);
	if (strcmp(name, "size") == 0 &&
	    read_number(&n, value, SIZE_MIN, SCENARIO_FRAME_MAX) == 0) {
		s->size = (unsigned int)n;
		return 0;
	}
	if (strcmp(name, "tracked") == 0 && read_number(&n, value, 1, 100) == 0) {
		s->tracked = (unsigned int)n;
		return 0;
	}
	if (strcmp(name, "vips") == 0 && read_number(&n, value, 1, SCENARIO_VIPS_MAX) == 0 &&
	    !(n & (n - 1))) {
		s->vips = (unsigned int)n;
		return 0;
	}
	return -EINVAL;
}

static int read_word(struct scenario *s, char *word)
{
	char *equals = strchr(word, '=');
	int i;

	if (equals) {
		*equals = '\0';
		return read_pair(s, word, equals + 1);
	}
	i = find_name(packet_names, SCENARIO_PACKET_MAX, word);
	if (i >= 0) {
		s->packet = (enum scenario_packet)i;
		return 0;
	}
	i = find_name(order_names, DRIVER_ORDER_MAX, word);
	if (i >= 0)
		s->order = (enum driver_order)i;
	else if (strcmp(word, "v4") == 0 || strcmp(word, "v6") == 0)
		s->family = word[1] == '4' ? 4 : 6;
	else if (strcmp(word, "gue") == 0)
		s->gue = true;
	else if (strcmp(word, "pass") == 0)
		s->pass = true;
	else if (strcmp(word, "full") == 0)
		s->full = true;
	else
		return -EINVAL;
	return 0;
}

static const char *words_of(const char *text)
{
	for (const struct scenario_row *row = scenario_list; row->name; row++)
		if (strcmp(row->name, text) == 0)
			return row->words;
	return text;
}

int scenario_parse(struct scenario *out, const char *text, struct diag *diag)
{
	struct scenario s = {
		.family = 4,
		.order = DRIVER_RANDOM,
		.flows = 1000000,
		.vips = 1,
		.size = SIZE_MIN,
	};
	_cleanup_(freep) char *words = strdup(words_of(text));
	char *rest = words;

	if (!words)
		return -ENOMEM;
	for (char *word = strsep(&rest, ","); word; word = strsep(&rest, ",")) {
		if (read_word(&s, word)) {
			diag_add(diag, NULL, 0,
				 "scenario \"%s\": \"%s\" is not one of v4, v6, ack, syn, udp, "
				 "sequential, random, fresh, gue, pass, full, flows=1..16M, "
				 "vips=1|2|4|8|16, tracked=1..100, helper=pass|socket|redirect, "
				 "size=%d..%d",
				 text, word, SIZE_MIN, SCENARIO_FRAME_MAX);
			return -EINVAL;
		}
	}
	if (s.family == 6 && s.size < SIZE_MIN_V6)
		s.size = SIZE_MIN_V6;
	if (s.helper > SCENARIO_HELPER_PASS) {
		s.family = 4;
		s.packet = SCENARIO_ACK;
		s.size += sizeof(struct iphdr);
		if (s.size > SCENARIO_FRAME_MAX)
			s.size = SCENARIO_FRAME_MAX;
	}
	s.full |= s.order == DRIVER_FRESH;
	snprintf(s.name, sizeof(s.name), "%s", text);
	*out = s;
	return 0;
}

/* --------------------------------------------------------------------------------------- frames */

const char *scenario_vip(char *text, unsigned int family, unsigned int i)
{
	snprintf(text, ADDR_TEXT_MAX, family == 4 ? "198.18.0.%u" : "2001:db8::%x", 16 + i);
	return text;
}

const char *scenario_backend(char *text, unsigned int family, unsigned int i)
{
	snprintf(text, ADDR_TEXT_MAX, family == 4 ? "198.18.1.%u" : "2001:db8:1::%x", 1 + i);
	return text;
}

/* The outer header of a packet for the helper. */
static size_t put_tunnel(const struct scenario *s, unsigned char *at)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)(s->size - ETH_HLEN)),
		.id = htons(HELPER_TARGET_HINT),
		.frag_off = htons(0x4000),
		.ttl = 64,
		.protocol = IPPROTO_IPIP,
	};

	if (s->helper <= SCENARIO_HELPER_PASS)
		return 0;
	inet_pton(AF_INET, "172.16.0.1", &ip.saddr);
	inet_pton(AF_INET, HELPER_TARGET_SELF, &ip.daddr);
	memcpy(at, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t put_ip(const struct scenario *s, unsigned char *at, size_t size)
{
	uint8_t proto = s->packet == SCENARIO_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	bool helper = s->helper > SCENARIO_HELPER_PASS;
	char vip[ADDR_TEXT_MAX];

	scenario_vip(vip, s->family, 0);
	if (s->family == 4) {
		struct iphdr ip = {
			.version = 4,
			.ihl = 5,
			.tot_len = htons((uint16_t)size),
			.frag_off = htons(0x4000),
			.ttl = 64,
			.protocol = proto,
		};

		inet_pton(AF_INET, helper ? HELPER_TARGET_CLIENT : "10.0.0.0", &ip.saddr);
		inet_pton(AF_INET,
			  helper    ? HELPER_TARGET_SERVER
			  : s->pass ? "198.18.9.16"
				    : vip,
			  &ip.daddr);
		memcpy(at, &ip, sizeof(ip));
		return sizeof(ip);
	} else {
		struct ipv6hdr ip = {
			.version = 6,
			.payload_len = htons((uint16_t)(size - sizeof(ip))),
			.nexthdr = proto,
			.hop_limit = 64,
		};

		inet_pton(AF_INET6, "2001:db8:c::", &ip.saddr);
		inet_pton(AF_INET6, s->pass ? "2001:db8:9::10" : vip, &ip.daddr);
		memcpy(at, &ip, sizeof(ip));
		return sizeof(ip);
	}
}

void scenario_frame(const struct scenario *s, unsigned char frame[SCENARIO_FRAME_MAX])
{
	struct ethhdr eth = {
		.h_dest = {2, 0, 0, 0, 0, 1},
		.h_source = {2, 0, 0, 0, 0, 2},
		.h_proto = htons(s->family == 4 ? ETH_P_IP : ETH_P_IPV6),
	};
	size_t at = sizeof(eth);

	memset(frame, 0, SCENARIO_FRAME_MAX);
	memcpy(frame, &eth, sizeof(eth));
	at += put_tunnel(s, frame + at);
	at += put_ip(s, frame + at, s->size - at);
	if (s->packet == SCENARIO_UDP) {
		struct udphdr udp = {
			.dest = htons(SCENARIO_PORT),
			.len = htons((uint16_t)(s->size - at)),
			.check = htons(0x1234),
		};

		memcpy(frame + at, &udp, sizeof(udp));
	} else {
		struct tcphdr tcp = {
			.dest = htons(SCENARIO_PORT),
			.doff = 5,
			.ack = s->packet == SCENARIO_ACK,
			.syn = s->packet == SCENARIO_SYN,
			.window = htons(1024),
		};

		/* For others the driver puts it in. */
		if (s->helper > SCENARIO_HELPER_PASS)
			tcp.source = htons(s->helper == SCENARIO_HELPER_SOCKET
						   ? HELPER_TARGET_KNOWN_PORT
						   : HELPER_TARGET_UNKNOWN_PORT);
		memcpy(frame + at, &tcp, sizeof(tcp));
	}
}

/* --------------------------------------------------------------------------------------- config */

uint32_t scenario_flow_entries(const struct scenario *s)
{
	uint64_t known = 2 * s->flows * s->tracked / 100;
	uint32_t entries = MODEL_LIMIT_FLOWS;

	while (entries < known)
		entries *= 2;
	return entries;
}

static void write_config(const struct scenario *s, FILE *f)
{
	char text[ADDR_TEXT_MAX];

	if (s->tracked)
		fprintf(f, "flows = { size = %u; }; /* %u %% of the slots */\n",
			scenario_flow_entries(s), s->tracked);
	fprintf(f, "interfaces = ( { name = \"bench0\"; gateway_mac = \"%s\"; } );\n",
		SCENARIO_GATEWAY);
	fprintf(f, "pools = ( { name = \"pool\";\n");
	if (s->gue)
		fprintf(f, "  tunnel = { type = \"gue\"; port = 6080; source = \"198.18.2.1\"; "
			   "source6 = \"2001:db8:2::1\"; };\n");
	fprintf(f, "  backends = (");
	for (unsigned int i = 0; i < SCENARIO_BACKENDS; i++)
		fprintf(f, "%s\n    { name = \"b%u\"; address = \"%s\"; }", i ? "," : "", i,
			scenario_backend(text, s->family, i));
	fprintf(f, " ); } );\nvips = (");
	for (unsigned int i = 0; i < s->vips; i++)
		fprintf(f,
			"%s\n  { name = \"v%u\"; address = \"%s\"; port = %d; protocol = \"%s\"; "
			"pool = \"pool\"; }",
			i ? "," : "", i, scenario_vip(text, s->family, i), SCENARIO_PORT,
			s->packet == SCENARIO_UDP ? "udp" : "tcp");
	fprintf(f, " );\n");
}

char *scenario_config(const struct scenario *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	write_config(s, f);
	return fclose(f) ? NULL : text;
}
