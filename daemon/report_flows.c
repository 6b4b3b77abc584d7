/* SPDX-License-Identifier: MIT */
/*
 * The flow table is walked once for all backends.
 */
#include "daemon/report_flows.h"

#include <string.h>

#include "daemon/flow_table.h"

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
			json_array_append_new(
				backends,
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
