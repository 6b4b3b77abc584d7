/* SPDX-License-Identifier: MIT */
/*
 * A ring is walked slot by slot as the plan walks it.
 */
#include "daemon/report_rings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/report_move.h"

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
		json_array_append_new(vips, json_pack("{s:s, s:o}", "name", v->vip->name, "digest",
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
		json_array_append_new(owners,
				      json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:I}", "name",
						b->backend->name, "pool", b->pool->name, "state",
						b->leaving ? "removed" : model_state_name(b->state),
						"weight", (json_int_t)b->weight, "slots",
						(json_int_t)s->slots[i], "share",
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
