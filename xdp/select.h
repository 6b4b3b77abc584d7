/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VIP -> backend, in this order: the id in the packet, the client's target, the flow table where
 * the VIP or the slot asks for it, the flow's slot in the ring.
 */
#ifndef SLUICE_XDP_SELECT_H
#define SLUICE_XDP_SELECT_H

#include "xdp/access.h"
#include "xdp/flows.h"
#include "xdp/ids.h"

/* What the VIP's options leave of the tuple: also what the flow table and the outer header see. */
static __always_inline void select_adjust(struct packet *pkt)
{
	if (pkt->vip_flags & SLUICE_VIP_ANY_PORT &&
	    !(pkt->vip_flags & (SLUICE_VIP_DEST_PORT | SLUICE_VIP_WITH_DEST_PORT)))
		pkt->dst.port = 0;
	if (pkt->vip_flags & SLUICE_VIP_NO_SOURCE_PORT)
		pkt->sport = 0;
}

/* What the client's address adds to the flow hash. */
static __always_inline __u32 select_client(const struct packet *pkt)
{
	return pkt->family == 6 ? hash_4words(pkt->src.w, settings.hash_seed6) : pkt->src.w[3];
}

/* The packet's 32-bit flow hash: Katran's, of client address and both ports. */
static __always_inline __u32 select_hash(const struct packet *pkt)
{
	__u32 client;

	/* The client counts for nothing: its port is the VIP's, its address zero. */
	if (pkt->vip_flags & SLUICE_VIP_DEST_PORT) {
		const __u32 none[4] = {0};

		client = pkt->family == 6 ? hash_4words(none, settings.hash_seed6) : 0;
		return hash_2words(client, (__u32)pkt->dst.port << 16 | pkt->dst.port,
				   settings.hash_seed);
	}
	client = select_client(pkt);
	return hash_2words(client, (__u32)pkt->dst.port << 16 | pkt->sport, settings.hash_seed);
}

/*
 * hash mod size without a division: with inv = floor(2^32 / size) the estimate of the quotient
 * is exact or one too low.
 */
static __always_inline __u32 select_modulo(__u32 hash, __u32 size, __u32 inv)
{
	__u32 rest = hash - (__u32)((__u64)hash * inv >> 32) * size;

	return rest >= size ? rest - size : rest;
}

/* The low half of the slot of the flow with this hash; 0: there is none. */
static __always_inline __u32 select_slot(struct packet *pkt, __u32 hash)
{
	struct sluice_ring_line *line;
	__u32 at, index;

	pkt->slot = select_modulo(hash, pkt->ring.size, pkt->ring.inv);
	at = pkt->ring.base + pkt->slot;
	index = at / SLUICE_LINE_SLOTS;
	line = bpf_map_lookup_elem(&rings, &index);
	return line ? line->slot[at % SLUICE_LINE_SLOTS] : 0;
}

/* Does the slot's other owner count? */
static __always_inline int select_has_other(const struct packet *pkt, __u32 word)
{
	return word & SLUICE_SLOT_TRACK || pkt->vip_flags & SLUICE_VIP_HINT_ALWAYS;
}

/* The whole word of the slot whose low half is @word. */
static __always_inline __u32 select_other(const struct packet *pkt, __u32 word)
{
	__u32 at = pkt->ring.base + pkt->slot;
	__u32 index = at / SLUICE_LINE_SLOTS;
	struct sluice_ring_line *line = bpf_map_lookup_elem(&others, &index);

	return line ? word | (__u32)line->slot[at % SLUICE_LINE_SLOTS] << 16 : word;
}

/* Is the flow's backend another one than its slot says, or could it be? */
static __always_inline int select_is_tracked(const struct packet *pkt, __u32 word)
{
	if (!FEATURE(FLOWS))
		return 0;
	if (pkt->vip_flags & SLUICE_VIP_TRACK)
		return 1;
	return word & SLUICE_SLOT_TRACK && !(pkt->vip_flags & SLUICE_VIP_NO_TRACK);
}

/*
 * What the flow table said of a packet, and what is to be written down once it is clear that it
 * goes on.
 */
struct select_note {
	__u64 hash;
	__u32 now;
	__u32 what; /* SELECT_* */
};
#define SELECT_HIT 0x01       /* the flow was known */
#define SELECT_OLD 0x02       /* it was not, and is taken for an old one */
#define SELECT_HINTED 0x04    /* the backend is told the other owner */
#define SELECT_STORE 0x08     /* it is to be remembered */
#define SELECT_HANDSHAKE 0x10 /* ... as one that begins */

/*
 * A flow that is known goes where it went. One that is not and does not begin is an old one where
 * the slot moves: it belongs to the slot's other owner, unless the slot says that it is cur's. UDP
 * shows no beginning: not known is new.
 */
static __always_inline void select_by_flow(struct packet *pkt, __u32 word, int fixed,
					   struct select_note *note)
{
	int syn = pkt->tcp_flags & TCP_SYN_FLAG;
	__u32 flags = syn ? FLOWS_SYN : pkt->tcp_flags & TCP_END_FLAGS ? FLOWS_END : 0;
	__u32 backend, known;

	note->hash = flows_hash(pkt);
	note->now = backend_now();
	known = fixed ? 0 : flows_find(note->hash, note->now, flags);
	if (known && backend_serves(known)) {
		note->what = SELECT_HIT;
		pkt->backend_id = known;
		return;
	}
	backend = SLUICE_SLOT_OTHER(word);
	if (!fixed && !syn &&
	    (word & (SLUICE_SLOT_TRACK | SLUICE_SLOT_KEEP)) == SLUICE_SLOT_TRACK &&
	    pkt->dst.proto == IPPROTO_TCP && backend != SLUICE_SLOT_CUR(word) &&
	    backend_serves(backend)) {
		note->what = SELECT_OLD;
		pkt->backend_id = backend;
	}
	/*
	 * A flow whose backend is gone has an entry that is found before a handshake's: it is
	 * replaced.
	 */
	if (pkt->kind == PACKET_FLOW && pkt->backend_id && !(pkt->tcp_flags & TCP_RST_FLAG))
		note->what |= syn && !known ? SELECT_STORE | SELECT_HANDSHAKE : SELECT_STORE;
}

/*
 * A UDP packet went where its id says. As with Katran a QUIC id takes along what is remembered of
 * its flow, for packets without one, but is not remembered for itself; a stable-routing id changes
 * nothing.
 */
static __always_inline void select_follow_id(struct packet *pkt)
{
	__u64 hash = flows_hash(pkt);
	__u32 now = backend_now();

	if (pkt->vip_flags & (SLUICE_VIP_QUIC | SLUICE_VIP_QUIC_LB) && flows_find(hash, now, 0))
		flows_store(hash, pkt->backend_id, now, 0);
}

/* Tells the backend the slot's other owner, if there is one: where else the flow may live. */
static __always_inline void select_hint(struct packet *pkt, __u32 word, struct select_note *note)
{
	__u32 always = pkt->vip_flags & SLUICE_VIP_HINT_ALWAYS;
	struct sluice_backend *other;
	__u32 id;

	if (!FEATURE(HINTS) || pkt->vip_flags & SLUICE_VIP_NO_HINT ||
	    !(word & SLUICE_SLOT_TRACK || always))
		return;
	id = SLUICE_SLOT_CUR(word);
	if (id == pkt->backend_id)
		id = SLUICE_SLOT_OTHER(word);
	if (id == pkt->backend_id)
		return;
	other = backend_get(id);
	if (!other || !other->hint || !(other->flags & SLUICE_BACKEND_SERVING))
		return;
	pkt->hint = other->hint;
	note->what |= SELECT_HINTED;
}

/*
 * Writes down what a struct select_note says. A function that the verifier looks at once.
 */
__noinline int select_write(__u64 hash, __u32 backend, __u32 now, __u32 vip, __u32 what)
{
	struct sluice_counters *c = stats_of(vip);

	if (c) {
		c->event[SLUICE_EVENT_FLOW_HIT] += !!(what & SELECT_HIT);
		c->event[SLUICE_EVENT_FLOW_OLD] += !!(what & SELECT_OLD);
		c->event[SLUICE_EVENT_HINTED] += !!(what & SELECT_HINTED);
	}
	if (what & SELECT_STORE)
		flows_store(hash, backend, now, what & SELECT_HANDSHAKE);
	return 0;
}

static __always_inline int select_backend(struct packet *pkt)
{
	struct select_note note = {0};
	__u32 word = 0;
	int fixed, by_id;

	select_adjust(pkt);
	ids_route(pkt);
	by_id = !!pkt->backend_id;
	if (!by_id)
		access_route(pkt);
	fixed = !!pkt->backend_id;
	if (!fixed || (FEATURE(FLOWS) && pkt->vip_flags & SLUICE_VIP_TRACK))
		word = select_slot(pkt, select_hash(pkt));
	if (select_has_other(pkt, word))
		word = select_other(pkt, word);
	if (!fixed)
		pkt->backend_id = SLUICE_SLOT_CUR(word);
	if (select_is_tracked(pkt, word)) {
		if (by_id && pkt->dst.proto == IPPROTO_UDP)
			select_follow_id(pkt);
		else
			select_by_flow(pkt, word, fixed, &note);
		select_write(note.hash, pkt->backend_id, note.now, pkt->vip_id, note.what);
		note.what = 0;
	}
	if (!pkt->backend_id)
		return stats_end(pkt, SLUICE_OUT_NO_BACKEND, XDP_DROP);
	if (!fixed)
		select_hint(pkt, word, &note);
	if (note.what)
		stats_event(pkt, SLUICE_EVENT_HINTED);
	/* Where the client counts for nothing, the outer header does not show it either. */
	if (!fixed && pkt->vip_flags & SLUICE_VIP_DEST_PORT)
		pkt->src = (struct sluice_addr){0};
	return STAGE_NEXT;
}

/* All that a VIP's options ask for: who is let in, then select_backend(). */
static __always_inline int select_with(struct packet *pkt)
{
	int action = access_check(pkt);

	return action == STAGE_NEXT ? select_backend(pkt) : action;
}

/*
 * A function that the verifier looks at once, for any packet, instead of again for each way that a
 * packet can come here.
 */
__noinline int select_any(struct xdp_md *ctx, struct packet *shared)
{
	struct packet pkt;
	int action;

	if (!shared)
		return XDP_DROP;
	pkt = *shared;
	pkt.ctx = ctx;
	action = select_with(&pkt);
	shared->src = pkt.src;
	shared->dst.port = pkt.dst.port;
	shared->sport = pkt.sport;
	shared->slot = pkt.slot;
	shared->backend_id = pkt.backend_id;
	shared->hint = pkt.hint;
	shared->turn_back = pkt.turn_back;
	return action;
}

#endif
