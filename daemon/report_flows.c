/* SPDX-License-Identifier: MIT */
/*
 * A ring is walked slot by slot as the plan walks it; the flow table is walked once for all
 * backends.
 */
#include "daemon/report_flows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/flow_table.h"
#include "daemon/report_move.h"

static void append(json_t *array, json_t *item)
{
	if (item)
		json_array_append_new(array, item);
}

/* ----------------------------------------------------------------------------------------- flows */

struct count {
	uint32_t *by_id;
	uint32_t n_ids;
	size_t established;
	size_t handshakes;
};

static bool count_entry(void *ctx, const struct flow_entry *entry)
{
	struct count *count = ctx;

	if (entry->backend < count->n_ids)
		count->by_id[entry->backend]++;
	if (entry->established)
		count->established++;
	else
		count->handshakes++;
	return true;
}

static int count_all(const struct engine_view *view, struct count *count)
{
	*count = (struct count){
		.n_ids = program_map_entries(datapath_program(view->datapath), MAP_BACKENDS),
	};
	count->by_id = calloc(count->n_ids, sizeof(*count->by_id));
	if (!count->by_id)
		return -1;
	flow_table_each(view->datapath, count_entry, count);
	return 0;
}

uint32_t *report_count_flows(const struct engine_view *view)
{
	uint32_t *flows = calloc(view->desired->n_backends + 1, sizeof(*flows));
	struct count count;

	if (!flows || count_all(view, &count)) {
		free(flows);
		return NULL;
	}
	for (size_t i = 0; i < view->desired->n_backends; i++)
		flows[i] = count.by_id[view->backend_ids[i]];
	free(count.by_id);
	return flows;
}

static bool is_wanted(const struct desired_backend *b, const struct model_vip *vip)
{
	return !vip || strcmp(b->pool->name, vip->pool->name) == 0;
}

json_t *report_flows(const struct engine_view *view, const char *vip_name)
{
	const struct model_vip *vip = vip_name ? model_find_vip(view->model, vip_name) : NULL;
	json_t *backends = json_array();
	struct count count;

	if (!backends || count_all(view, &count)) {
		json_decref(backends);
		return NULL;
	}
	for (size_t i = 0; i < view->desired->n_backends; i++) {
		const struct desired_backend *b = &view->desired->backends[i];

		if (is_wanted(b, vip))
			append(backends,
			       json_pack("{s:s, s:s, s:I, s:b}", "name", b->backend->name, "pool",
					 b->pool->name, "flows",
					 (json_int_t)count.by_id[view->backend_ids[i]], "leaving",
					 generations_leaving(view->generations, b->pool->name,
							     &b->backend->address)));
	}
	free(count.by_id);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "size",
			 (json_int_t)flow_table_size(view->datapath), "age_s",
			 (json_int_t)view->model->flow_age_s, "tcp_age_s",
			 (json_int_t)view->model->tcp_age_s, "established",
			 (json_int_t)count.established, "handshakes", (json_int_t)count.handshakes,
			 "moving_vips", (json_int_t)generations_moving(view->generations),
			 "backends", backends);
}

/* ----------------------------------------------------------------------------------------- rings */

static uint64_t mix(uint64_t digest, uint64_t word)
{
	digest = (digest ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return digest ^ digest >> 32;
}

static uint64_t digest_of(const struct desired *desired, const struct desired_vip *v)
{
	const struct ring *ring = v->owners.ring;
	uint64_t digest = mix(mix(1, ring->size), v->vip->maglev);

	for (uint32_t slot = 0; slot < ring->size; slot++) {
		uint16_t owner = ring->owner[0][slot];
		const struct sluice_addr *addr;

		if (owner == RING_NONE) {
			digest = mix(digest, 0);
			continue;
		}
		addr = &desired->backends[v->owners.first + owner].backend->address;
		digest = mix(digest, (uint64_t)addr->w[0] << 32 | addr->w[1]);
		digest = mix(digest, (uint64_t)addr->w[2] << 32 | addr->w[3]);
	}
	return digest;
}

static json_t *digest_text(uint64_t digest)
{
	char text[20];

	snprintf(text, sizeof(text), "%016" PRIx64, digest);
	return json_string(text);
}

json_t *report_digest(const struct engine_view *view)
{
	json_t *vips = json_array();
	uint64_t all = 1;

	for (size_t i = 0; i < view->desired->n_vips; i++) {
		const struct desired_vip *v = &view->desired->vips[i];
		uint64_t digest = digest_of(view->desired, v);

		/* The order of VIPs in the file does not matter. */
		all += mix(digest, 0);
		append(vips, json_pack("{s:s, s:o}", "name", v->vip->name, "digest",
				       digest_text(digest)));
	}
	return json_pack("{s:o, s:o}", "all", digest_text(all), "vips", vips);
}

/* Slots of each backend: now, and those it is losing or still has the flows of. */
struct shares {
	uint32_t *slots;
	uint32_t *leaving;
	uint32_t moving;
};

static int count_shares(const struct engine_view *view, const struct owners *owners,
			struct shares *s)
{
	size_t n = view->desired->n_backends;

	*s = (struct shares){
		.slots = calloc(n + 1, sizeof(uint32_t)),
		.leaving = calloc(n + 1, sizeof(uint32_t)),
	};
	if (!s->slots || !s->leaving)
		return -1;
	for (uint32_t slot = 0; slot < owners->ring->size; slot++) {
		struct owners_slot of = owners_of(owners, slot);

		if (of.cur != OWNERS_NOBODY)
			s->slots[of.cur]++;
		if (of.track && of.other != of.cur && of.other != OWNERS_NOBODY) {
			s->leaving[of.other]++;
			s->moving++;
		}
	}
	return 0;
}

static json_t *owners_document(const struct engine_view *view, const struct shares *s,
			       uint32_t size)
{
	json_t *owners = json_array();

	for (size_t i = 0; i < view->desired->n_backends; i++) {
		const struct desired_backend *b = &view->desired->backends[i];

		if (!s->slots[i] && !s->leaving[i])
			continue;
		append(owners,
		       json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:I}", "name", b->backend->name,
				 "pool", b->pool->name, "state",
				 b->leaving ? "removed" : model_state_name(b->state), "weight",
				 (json_int_t)b->weight, "slots", (json_int_t)s->slots[i], "share",
				 (double)s->slots[i] / size, "old_slots",
				 (json_int_t)s->leaving[i]));
	}
	return owners;
}

json_t *report_ring(const struct engine_view *view, const char *name)
{
	const struct generation_vip *g = generations_find(view->generations, name, NULL);
	json_t *doc = NULL;
	struct shares s;

	for (size_t i = 0; i < view->desired->n_vips && !doc; i++) {
		const struct desired_vip *v = &view->desired->vips[i];
		uint32_t size = v->owners.ring->size;

		if (strcmp(v->vip->name, name) != 0)
			continue;
		if (count_shares(view, &v->owners, &s) == 0)
			doc = json_pack("{s:s, s:i, s:I, s:o, s:b, s:I, s:o}", "vip", name,
					"maglev", (int)v->vip->maglev, "ring_size",
					(json_int_t)size, "digest",
					digest_text(digest_of(view->desired, v)), "moving",
					g && g->moving, "moving_slots", (json_int_t)s.moving,
					"owners", owners_document(view, &s, size));
		free(s.slots);
		free(s.leaving);
	}
	if (doc && g)
		report_move(doc, g);
	return doc;
}
