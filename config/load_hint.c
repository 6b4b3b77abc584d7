/* SPDX-License-Identifier: MIT */
/*
 * Numbers of backends in hints. A number is of one address and an address has one number, in
 * whatever pools: helpers on the backends know nothing of pools.
 */
#include "config/load_parts.h"

#include <stdint.h>

#include "config/hint.h"
#include "config/take.h"

void hint_id(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_backend *backend = object;
	long long id;

	if (keys_number(k, s, HINT_MIN, HINT_MAX, &id))
		backend->hint = (uint16_t)id;
}

/* What is wrong when @owner, of another address, has the number already. */
static void say_number_is_taken(struct keys *k, const config_setting_t *s,
				const struct model_backend *backend, const struct owner *owner,
				bool derived)
{
	struct source_place place = keys_place(k, owner->setting);
	char address[ADDR_TEXT_MAX], other[ADDR_TEXT_MAX];

	addr_print(&backend->address, address);
	addr_print(&owner->backend->address, other);
	keys_error(k, s,
		   "id %u%s of address %s is also that of backend \"%s\" of address %s, see %s:%u; "
		   "give one of them another id, 1..65535",
		   backend->hint, derived ? ", derived from its address," : "", address,
		   owner->backend->name ? owner->backend->name : "", other, place.file, place.line);
}

static void say_address_has_another(struct keys *k, const config_setting_t *s,
				    const struct model_backend *backend, const struct owner *owner,
				    bool derived)
{
	struct source_place place = keys_place(k, owner->setting);
	char address[ADDR_TEXT_MAX];

	addr_print(&backend->address, address);
	keys_error(k, s,
		   "id %u%s, but as backend \"%s\" its address %s has id %u, see %s:%u; give both "
		   "the same id",
		   backend->hint, derived ? ", derived from its address" : "",
		   owner->backend->name ? owner->backend->name : "", address, owner->backend->hint,
		   place.file, place.line);
}

void hint_finish(struct keys *k, const config_setting_t *s, void *object)
{
	const config_setting_t *id = config_setting_get_member(s, "id");
	const config_setting_t *at = id ? id : s;
	struct model_backend *backend = object;
	struct load *ld = k->ctx;
	const struct owner *owner;
	uint32_t number;

	if (!take_is_set(&backend->address) || (id && !backend->hint))
		return;
	if (!id)
		backend->hint = hint_number(&backend->address);
	number = backend->hint;
	owner = load_owner(k, &ld->hinted, &backend->address, backend, at);
	if (owner && owner->backend->hint != backend->hint) {
		say_address_has_another(k, at, backend, owner, !id);
		return;
	}
	owner = load_owner(k, &ld->hints, &number, backend, at);
	if (owner && !addr_equal(&owner->backend->address, &backend->address))
		say_number_is_taken(k, at, backend, owner, !id);
}
