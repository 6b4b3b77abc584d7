/* SPDX-License-Identifier: MIT */
/*
 * The list is short-lived: read, written to the map, freed. What is kept from one list to the next
 * is in the maps alone.
 */
#include "daemon/helper_hints.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "config/cleanup.h"
#include "config/hint.h"
#include "config/load.h"
#include "xdp/helper.h"

#define GONE_S 3600

static int append(struct helper_hints *hints, uint16_t number, const struct sluice_addr *address)
{
	struct helper_backend *list = reallocarray(hints->list, hints->n + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	hints->list = list;
	list[hints->n++] = (struct helper_backend){.number = number, .address = *address};
	return 0;
}

static const struct helper_backend *find(const struct helper_hints *hints, uint16_t number)
{
	for (size_t i = 0; i < hints->n; i++)
		if (hints->list[i].number == number)
			return &hints->list[i];
	return NULL;
}

/* ----------------------------------------------------------------------------- the command line */

/* Splits "ADDRESS=NUMBER"; 0 or -EINVAL. */
static int parse(const char *text, struct sluice_addr *address, uint16_t *number)
{
	const char *equals = strchr(text, '=');
	char addr[ADDR_TEXT_MAX], *end;
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	unsigned long value;

	if (len >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (addr_parse(address, addr) || addr_use(address) != ADDR_UNICAST)
		return -EINVAL;
	*number = hint_number(address);
	if (!equals)
		return 0;
	value = strtoul(equals + 1, &end, 10);
	if (equals[1] < '0' || equals[1] > '9' || *end || value < HINT_MIN || value > HINT_MAX)
		return -EINVAL;
	*number = (uint16_t)value;
	return 0;
}

int helper_hints_add(struct helper_hints *hints, const char *text, struct diag *diag)
{
	char address_text[ADDR_TEXT_MAX], other_text[ADDR_TEXT_MAX];
	const struct helper_backend *other;
	struct sluice_addr address;
	uint16_t number;

	if (parse(text, &address, &number)) {
		diag_add(diag, NULL, 0,
			 "backend \"%s\": must be an address that a host can have, or "
			 "ADDRESS=NUMBER with a number of %u..%u",
			 text, HINT_MIN, HINT_MAX);
		return -EINVAL;
	}
	other = find(hints, number);
	if (!other)
		return append(hints, number, &address);
	if (addr_equal(&other->address, &address))
		return 0;
	diag_add(diag, NULL, 0,
		 "backends %s and %s both have number %u in hints; give one another id in the "
		 "balancers' config, and that here: %s=NUMBER",
		 addr_print(&other->address, other_text), addr_print(&address, address_text),
		 number, address_text);
	return -EINVAL;
}

/* ------------------------------------------------------------------------------------- a config */

/* Of a number, which is of one address, the first backend that has it. */
static int append_pool(struct helper_hints *hints, const struct model_pool *pool, bool seen[])
{
	int err = 0;

	for (size_t i = 0; i < pool->n_backends && !err; i++) {
		const struct model_backend *backend = &pool->backends[i];

		if (!seen[backend->hint])
			err = append(hints, backend->hint, &backend->address);
		seen[backend->hint] = true;
	}
	return err;
}

int helper_hints_load(struct helper_hints *out, const char *path, struct diag *diag)
{
	_cleanup_(model_freep) struct model *model = NULL;
	_cleanup_(helper_hints_fini) struct helper_hints hints = {0};
	_cleanup_(freep) bool *seen = calloc(HINT_MAX + 1, sizeof(*seen));
	int err = seen ? load_file(&model, path, diag) : -ENOMEM;

	for (size_t i = 0; !err && i < model->n_pools; i++)
		err = append_pool(&hints, &model->pools[i], seen);
	if (err)
		return err;
	*out = hints;
	hints = (struct helper_hints){0};
	return 0;
}

/* -------------------------------------------------------------------------------------- the map */

static uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec;
}

/*
 * Takes over from @from what @to does not have, for as long as it has not been gone for too long.
 */
static int write_gone(int to, int from)
{
	uint64_t now = now_s();
	uint32_t key, *previous = NULL;
	struct helper_hint hint;

	while (from >= 0 && bpf_map_get_next_key(from, previous, &key) == 0) {
		previous = &key;
		if (bpf_map_lookup_elem(from, &key, &hint))
			continue;
		if (!hint.gone_s)
			hint.gone_s = now;
		if (now - hint.gone_s >= GONE_S)
			continue;
		if (bpf_map_update_elem(to, &key, &hint, BPF_NOEXIST) && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int helper_hints_write(const struct helper_hints *hints, int to, int from)
{
	for (size_t i = 0; i < hints->n; i++) {
		struct helper_hint hint = {.addr = hints->list[i].address};
		uint32_t key = hints->list[i].number;

		if (bpf_map_update_elem(to, &key, &hint, BPF_ANY))
			return -errno;
	}
	return write_gone(to, from);
}

void helper_hints_fini(struct helper_hints *hints)
{
	free(hints->list);
	*hints = (struct helper_hints){0};
}
