/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program's decision, compiled for the host as in tests/host/, for any number of balancers: the
 * maps that it looks into are those of the balancer whose turn it is.
 */
#include "bench/flow_model.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define access access_map /* the C library has a function of this name */
#include "xdp/select.h"

static const struct fm_maps *current;
static double current_time;

void *bpf_map_lookup_elem(const void *map, const void *key)
{
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	if (map == &rings || map == &others)
		return index < current->n_slots / SLUICE_LINE_SLOTS
			       ? (map == &rings ? current->slots.rings : current->slots.others) +
					 index * SLUICE_LINE_SLOTS
			       : NULL;
	if (map == &backends)
		return index < FM_IDS ? &current->backends[index] : NULL;
	if (map == &flows)
		return index < FM_FLOW_LINES ? &current->flows[index] : NULL;
	return NULL;
}

__u64 bpf_ktime_get_coarse_ns(void)
{
	return (__u64)(current_time * 1e9);
}

/* The program's constants, which are of each balancer. */
static void set_settings(const struct sluice_settings *wanted)
{
	static bool writable;
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)&settings / page * page;
	uintptr_t end = (uintptr_t)(&settings + 1);

	if (!writable && mprotect((void *)first, end - first, PROT_READ | PROT_WRITE))
		abort();
	writable = true;
	memcpy((void *)&settings, wanted, sizeof(*wanted));
}

struct fm_verdict fm_program_select(const struct fm_maps *maps, const struct fm_packet *packet,
				    double now)
{
	struct packet pkt = {
		.dst = {.port = bpf_htons(80), .proto = IPPROTO_TCP},
		.src = {.w = {0, 0, bpf_htonl(0xffff), packet->client}},
		.sport = packet->port,
		.family = 4,
		.kind = PACKET_FLOW,
		.proto = IPPROTO_TCP,
		.tcp_flags = (__u8)((packet->syn ? TCP_SYN_FLAG : 0) | (packet->fin ? 1 : 0)),
		.vip_id = maps->vip.id,
		.vip_flags = maps->vip.flags,
		.ring = maps->vip.ring,
	};

	current = maps;
	current_time = now;
	if (memcmp((const void *)&settings, &maps->settings, sizeof(settings)) != 0)
		set_settings(&maps->settings);
	if (select_backend(&pkt) != STAGE_NEXT)
		return (struct fm_verdict){.slot = pkt.slot};
	return (struct fm_verdict){pkt.backend_id, bpf_ntohs(pkt.hint), pkt.slot};
}
