/* SPDX-License-Identifier: MIT */
/*
 * A line changes in three steps: SHARED, then key and VIP, then its new state. Whoever reads it in
 * between looks into `vips`.
 */
#include "daemon/vip_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/cleanup.h"

static void set_state(struct sluice_vip_line *line, uint32_t state)
{
	__atomic_store_n(&line->state, state, __ATOMIC_RELEASE);
}

void vip_lines_defer(struct sluice_vip_line *lines, uint32_t bits, const struct sluice_vip_key *key)
{
	set_state(&lines[sluice_vip_place(key, bits)], SLUICE_LINE_SHARED);
}

static void write_line(struct sluice_vip_line *to, const struct sluice_vip_line *from)
{
	if (memcmp(to, from, sizeof(*to)) == 0)
		return;
	set_state(to, SLUICE_LINE_SHARED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	to->key = from->key;
	to->vip = from->vip;
	set_state(to, from->state);
}

int vip_lines_fill(struct sluice_vip_line *lines, uint32_t bits, const struct rows *rows)
{
	uint32_t n = UINT32_C(1) << bits;
	_cleanup_(freep) struct sluice_vip_line *wanted = calloc(n, sizeof(*wanted));

	if (!wanted)
		return -ENOMEM;
	for (size_t i = 0; i < rows->n; i++) {
		const struct sluice_vip_key *key = rows_key(rows, i);
		struct sluice_vip_line *line = &wanted[sluice_vip_place(key, bits)];

		if (line->state) {
			*line = (struct sluice_vip_line){.state = SLUICE_LINE_SHARED};
			continue;
		}
		line->key = *key;
		memcpy(&line->vip, rows_value(rows, i), sizeof(line->vip));
		line->state = SLUICE_LINE_HOLDS;
	}
	for (uint32_t i = 0; i < n; i++)
		write_line(&lines[i], &wanted[i]);
	return 0;
}
