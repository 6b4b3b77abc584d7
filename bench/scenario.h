/* SPDX-License-Identifier: MIT */
/*
 * What is sent: a scenario is written as words, "v4,ack,flows=1M,random,vips=16", and says how the
 * frames look and which balancer they are for.
 */
#ifndef SLUICE_BENCH_SCENARIO_H
#define SLUICE_BENCH_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/driver.h"
#include "config/diag.h"

#define SCENARIO_NAME_MAX 64
#define SCENARIO_FRAME_MAX 2048
#define SCENARIO_VIPS_MAX 16
#define SCENARIO_BACKENDS 63

enum scenario_packet {
	SCENARIO_ACK, /* TCP */
	SCENARIO_SYN, /* TCP */
	SCENARIO_UDP,
	SCENARIO_PACKET_MAX,
};

/* Through the helper's program (bench/helper_target.h) instead of the balancer's. */
enum scenario_helper {
	SCENARIO_NO_HELPER,
	SCENARIO_HELPER_PASS,     /* not tunnelled */
	SCENARIO_HELPER_SOCKET,   /* of a flow whose socket is there; hinted */
	SCENARIO_HELPER_REDIRECT, /* of one that is not known; hinted: sent on */
	SCENARIO_HELPER_MAX,
};

struct scenario {
	char name[SCENARIO_NAME_MAX];
	unsigned int family; /* 4 or 6 */
	enum scenario_packet packet;
	enum driver_order order;
	uint64_t flows; /* not with DRIVER_FRESH */
	unsigned int vips;
	unsigned int size;           /* bytes of the frame, without FCS; the headers at least */
	bool gue;                    /* to the backends by GUE, not IP in IP */
	bool pass;                   /* for an address that is not a VIP's */
	bool full;                   /* tables of flows are full of others' before */
	enum scenario_helper helper; /* but for the first, always the same IPv4 packet */
	unsigned int tracked; /* percent of each ring's slots whose flows are in the flow table */
};

/*
 * Words, each optional, separated by commas: v4 v6; ack syn udp; flows=N (k and M are thousands and
 * millions); sequential random fresh; vips=N (1, 2, 4, 8, 16); size=N; tracked=N (percent of the
 * slots); gue; pass; helper=pass|socket|redirect; full. Instead of words the name of a scenario of
 * scenario_list(). 0; or -EINVAL with a message and @out untouched.
 */
int scenario_parse(struct scenario *out, const char *text, struct diag *diag);

/* Name and words of the scenarios that are run when none is named; NULL behind the last. */
struct scenario_row {
	const char *name;
	const char *words;
};
extern const struct scenario_row scenario_list[];

/* The frame of flow 0 (see bench/driver.h), @scenario->size bytes of it, at @frame. */
void scenario_frame(const struct scenario *scenario, unsigned char frame[SCENARIO_FRAME_MAX]);

/*
 * A config for sluice: these VIPs over SCENARIO_BACKENDS backends. For the caller to free; NULL: no
 * memory.
 */
char *scenario_config(const struct scenario *scenario);

/*
 * Entries of sluice's flow table in that config, 8 bytes each: twice as many as there are flows to
 * be known, a power of two; the default at least.
 */
uint32_t scenario_flow_entries(const struct scenario *scenario);

/* Addresses, for those who fill maps by themselves: VIP or backend @i, from 0, as text. */
const char *scenario_vip(char *text, unsigned int family, unsigned int i);
const char *scenario_backend(char *text, unsigned int family, unsigned int i);

#define SCENARIO_PORT 80
#define SCENARIO_GATEWAY "02:00:00:00:00:03"

/* "ack", "random". */
const char *scenario_packet_name(enum scenario_packet packet);
const char *scenario_order_name(enum driver_order order);
const char *scenario_helper_name(enum scenario_helper helper);

#endif
