/* SPDX-License-Identifier: MIT */
/*
 * Every document is packed from the engine's view and the counters; nothing is kept here. Without
 * memory for a part of it, that part is missing.
 */
#include "daemon/report.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/cleanup.h"
#include "control/outcome.h"
#include "daemon/report_flows.h"
#include "daemon/stats.h"

static json_t *interface_document(const struct datapath_port *port)
{
	return json_pack("{s:s, s:I, s:s, s:s, s:I}", "name", port->name, "ifindex",
			 (json_int_t)port->ifindex, "mode", model_mode_name(port->mode), "attach",
			 port->dispatcher ? "dispatcher" : "alone", "program_id",
			 (json_int_t)port->program_id);
}

static size_t count_down(const struct desired *desired)
{
	size_t n = 0;

	for (size_t i = 0; i < desired->n_backends; i++)
		n += !desired->backends[i].well;
	return n;
}

static json_t *panic_document(const struct desired *desired)
{
	json_t *names = json_array();

	for (size_t i = 0; i < desired->n_vips; i++)
		if (desired->vips[i].owners.panic)
			json_array_append_new(names, json_string(desired->vips[i].vip->name));
	return names;
}

static size_t count_unresolved(const struct desired *desired)
{
	size_t n = 0;

	for (size_t i = 0; i < desired->n_backends; i++)
		n += !(desired->backends[i].record.flags & SLUICE_BACKEND_NEXTHOP);
	return n;
}

json_t *report_status(const struct engine_view *view)
{
	json_t *interfaces = json_array();
	size_t n;
	const struct datapath_port *ports = datapath_ports(view->datapath, &n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(interfaces, interface_document(&ports[i]));
	return json_pack("{s:s, s:i, s:I, s:s, s:s, s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I, "
			 "s:o, s:I}",
			 "version", SLUICE_VERSION, "pid", (int)getpid(), "uptime_s",
			 (json_int_t)(time(NULL) - view->started), "config", view->model->file,
			 "pin_dir", view->model->pin_dir, "state_dir", view->model->state_dir,
			 "loaded_at", (json_int_t)view->loaded, "interfaces", interfaces, "vips",
			 (json_int_t)view->desired->n_vips, "backends",
			 (json_int_t)view->desired->n_backends, "operator_changes",
			 (json_int_t)view->wishes->n, "unresolved_backends",
			 (json_int_t)count_unresolved(view->desired), "memory_bytes",
			 (json_int_t)datapath_memory(view->datapath), "down_backends",
			 (json_int_t)count_down(view->desired), "panic_vips",
			 panic_document(view->desired), "moving_vips",
			 (json_int_t)generations_moving(view->generations));
}

static size_t count_active(const struct engine_view *view, const struct desired_vip *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->owners.n; i++)
		n += model_state_takes_flows(view->desired->backends[v->owners.first + i].state) &&
		     (!v->owners.standing || v->owners.standing[i] & OWNERS_UP);
	return n;
}

static uint64_t count_other_outcomes(const struct sluice_counters *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < SLUICE_OUT_MAX; i++)
		if (i != SLUICE_OUT_FORWARDED)
			sum += c->outcome[i];
	return sum;
}

static json_t *vip_document(const struct engine_view *view, size_t i)
{
	const struct desired_vip *v = &view->desired->vips[i];
	struct sluice_counters c = stats_vip(view->datapath, view->vip_ids[i]);
	char text[PREFIX_TEXT_MAX];
	char maglev[8];

	snprintf(maglev, sizeof(maglev), "v%d", v->vip->maglev);
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
			 v->vip->name, "address", model_vip_address(v->vip, text), "port",
			 (int)v->vip->port, "protocol", model_protocol_name(v->vip->protocol),
			 "pool", v->vip->pool->name, "maglev", maglev, "ring_size",
			 (json_int_t)v->vip->ring_size, "backends",
			 (json_int_t)v->vip->pool->n_backends, "active",
			 (json_int_t)count_active(view, v), "packets",
			 (json_int_t)c.outcome[SLUICE_OUT_FORWARDED], "bytes", (json_int_t)c.bytes,
			 "dropped", (json_int_t)count_other_outcomes(&c));
}

json_t *report_vips(const struct engine_view *view)
{
	json_t *vips = json_array();

	for (size_t i = 0; i < view->desired->n_vips; i++)
		json_array_append_new(vips, vip_document(view, i));
	return json_pack("{s:o}", "vips", vips);
}

static json_t *nexthop_document(const struct desired_backend *b)
{
	char ifname[IF_NAMESIZE] = "";
	char mac[MAC_TEXT_MAX];
	json_t *hop = json_pack("{s:s}", "state", desired_way_name(b->way));

	if (hop && b->record.ifindex && if_indextoname(b->record.ifindex, ifname))
		json_object_set_new(hop, "interface", json_string(ifname));
	if (hop && b->record.flags & SLUICE_BACKEND_NEXTHOP)
		json_object_set_new(hop, "mac", json_string(addr_mac_print(b->record.dmac, mac)));
	return hop;
}

static const char *health_name(const struct desired_backend *b)
{
	return !b->judged ? "unchecked" : b->well ? "up" : "down";
}

static json_t *backend_document(const struct engine_view *view, size_t i, uint32_t flows)
{
	const struct desired_backend *b = &view->desired->backends[i];
	struct sluice_backend_counters c = stats_backend(view->datapath, view->backend_ids[i]);
	unsigned int carried = 0, full = 0; /* not known */
	char text[ADDR_TEXT_MAX];

	probe_tunnels_size(view->tunnels, view->backend_ids[i], &carried, &full);
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:I, s:s, s:s, s:o, s:I, s:I, s:I, s:I, "
			 "s:I}",
			 "name", b->backend->name, "pool", b->pool->name, "address",
			 addr_print(&b->backend->address, text), "id",
			 (json_int_t)view->backend_ids[i], "state",
			 b->leaving ? "removed" : model_state_name(b->state), "state_by",
			 desired_source_name(b->state_wished, b->state_advised), "weight",
			 (json_int_t)b->weight, "weight_by",
			 desired_source_name(b->weight_wished, b->weight_advised), "health",
			 health_name(b), "nexthop", nexthop_document(b), "packets",
			 (json_int_t)c.packets, "bytes", (json_int_t)c.bytes, "flows",
			 (json_int_t)flows, "tunnel_carries", (json_int_t)carried, "tunnel_full",
			 (json_int_t)full);
}

json_t *report_backends(const struct engine_view *view)
{
	_cleanup_(freep) uint32_t *flows = report_count_flows(view);
	json_t *backends = json_array();

	for (size_t i = 0; i < view->desired->n_backends; i++)
		json_array_append_new(backends, backend_document(view, i, flows ? flows[i] : 0));
	return json_pack("{s:o}", "backends", backends);
}

static json_t *counters_document(const struct sluice_counters *c)
{
	json_t *doc = json_object();

	for (int i = 0; doc && i < SLUICE_OUT_MAX; i++)
		json_object_set_new(doc, outcome_name(i), json_integer((json_int_t)c->outcome[i]));
	return doc;
}

static json_t *events_document(const struct sluice_counters *c)
{
	json_t *doc = json_object();

	for (int i = 0; doc && i < SLUICE_EVENT_MAX; i++)
		json_object_set_new(doc, event_name(i), json_integer((json_int_t)c->event[i]));
	return doc;
}

json_t *report_counters(const struct engine_view *view)
{
	struct sluice_counters total = stats_vip(view->datapath, 0);
	json_t *vips = json_array();

	for (size_t i = 0; i < view->desired->n_vips; i++) {
		struct sluice_counters c = stats_vip(view->datapath, view->vip_ids[i]);

		stats_add(&total, &c);
		json_array_append_new(vips, json_pack("{s:s, s:o, s:o}", "name",
						      view->desired->vips[i].vip->name, "counters",
						      counters_document(&c), "events",
						      events_document(&c)));
	}
	return json_pack("{s:o, s:o, s:o}", "total", counters_document(&total), "events",
			 events_document(&total), "vips", vips);
}

json_t *report_ordered(const struct engine_view *view, const char *backend, const char *pool,
		       uint64_t slots)
{
	json_t *backends = json_array();

	for (size_t i = 0; i < view->desired->n_backends; i++) {
		const struct desired_backend *b = &view->desired->backends[i];

		if (strcmp(b->backend->name, backend) != 0 ||
		    (pool && strcmp(b->pool->name, pool) != 0))
			continue;
		json_array_append_new(backends, json_pack("{s:s, s:s, s:s, s:I}", "pool",
							  b->pool->name, "name", b->backend->name,
							  "state", model_state_name(b->state),
							  "weight", (json_int_t)b->weight));
	}
	return json_pack("{s:o, s:I}", "backends", backends, "slots_written", (json_int_t)slots);
}

json_t *report_event(const char *text, const struct health_event *health)
{
	json_t *event = json_pack("{s:I, s:s, s:s}", "time", (json_int_t)time(NULL), "kind",
				  health ? "health" : "change", "text", text);

	if (!event || !health)
		return event;
	json_object_set_new(event, "backend", json_string(health->backend));
	json_object_set_new(event, "pool", json_string(health->pool));
	json_object_set_new(event, "vip", json_string(health->vip));
	json_object_set_new(event, "vips", json_integer(health->n_vips));
	json_object_set_new(event, "from", json_string(health->from));
	json_object_set_new(event, "to", json_string(health->to));
	json_object_set_new(event, "reason", json_string(health->reason));
	json_object_set_new(event, "duration_us", json_integer((json_int_t)health->duration_us));
	return event;
}
