/* SPDX-License-Identifier: MIT */
/*
 * What can be asked of a finished model, and how it is freed. A model cut short by an error is
 * freed by the same call: whatever is not there yet is NULL or zero.
 */
#include "config/model.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

const char *const model_state_names[MODEL_STATE_MAX] = {
	[MODEL_STATE_ACTIVE] = "active",
	[MODEL_STATE_FILLING] = "filling",
	[MODEL_STATE_DRAINING] = "draining",
	[MODEL_STATE_DISABLED] = "disabled",
};

const char *const model_mode_names[MODEL_MODE_MAX] = {
	[MODEL_MODE_AUTO] = "auto",
	[MODEL_MODE_NATIVE] = "native",
	[MODEL_MODE_GENERIC] = "generic",
};

const char *const model_hash_names[MODEL_HASH_MAX] = {
	[MODEL_HASH_TUPLE] = "tuple",
	[MODEL_HASH_NO_SOURCE_PORT] = "no_source_port",
	[MODEL_HASH_DESTINATION_PORT] = "destination_port",
	[MODEL_HASH_WITH_DESTINATION_PORT] = "with_destination_port",
};

const char *const model_quic_names[MODEL_QUIC_MAX] = {
	[MODEL_QUIC_NONE] = "none",
	[MODEL_QUIC_KATRAN] = "katran",
	[MODEL_QUIC_LB] = "quic-lb",
};

const char *const model_track_names[MODEL_TRACK_MAX] = {
	[MODEL_TRACK_MOVING] = "moving",
	[MODEL_TRACK_ALWAYS] = "always",
	[MODEL_TRACK_NEVER] = "never",
};

const char *const model_hint_names[MODEL_HINT_MAX] = {
	[MODEL_HINT_MOVING] = "moving",
	[MODEL_HINT_ALWAYS] = "always",
	[MODEL_HINT_OFF] = "off",
};

const char *const model_failover_names[MODEL_FAILOVER_MAX] = {
	[MODEL_FAILOVER_RANK] = "rank",
	[MODEL_FAILOVER_REBUILD] = "rebuild",
};

const char *const model_tunnel_names[MODEL_TUNNEL_MAX] = {
	[MODEL_TUNNEL_IPIP] = "ipip",
	[MODEL_TUNNEL_GUE] = "gue",
};

const char *const model_check_names[MODEL_CHECK_MAX] = {
	[MODEL_CHECK_NONE] = "none",   [MODEL_CHECK_TCP] = "tcp",     [MODEL_CHECK_HTTP] = "http",
	[MODEL_CHECK_HTTPS] = "https", [MODEL_CHECK_UDP] = "udp",     [MODEL_CHECK_DNS] = "dns",
	[MODEL_CHECK_EXEC] = "exec",   [MODEL_CHECK_AGENT] = "agent",
};

const char *const model_via_names[MODEL_VIA_MAX] = {
	[MODEL_VIA_TUNNEL] = "tunnel",
	[MODEL_VIA_DIRECT] = "direct",
};

static void check_fini(struct model_check *check)
{
	free(check->method);
	free(check->path);
	free(check->host);
	for (size_t i = 0; i < check->n_headers; i++)
		free(check->headers[i]);
	free(check->headers);
	free(check->statuses);
	free(check->body);
	free(check->ca_file);
	free(check->payload);
	free(check->expect);
	free(check->query_name);
	for (char **arg = check->argv; arg && *arg; arg++)
		free(*arg);
	free(check->argv);
}

static void pool_fini(struct model_pool *pool)
{
	check_fini(&pool->check);
	for (size_t i = 0; i < pool->n_backends; i++) {
		free(pool->backends[i].name);
		free(pool->backends[i].server_ids);
	}
	free(pool->backends);
	free(pool->name);
}

static void vip_fini(struct model_vip *vip)
{
	free(vip->name);
	free(vip->allow);
	free(vip->deny);
	free(vip->targets);
	free(vip->sources);
}

void model_free(struct model *model)
{
	if (!model)
		return;
	for (size_t i = 0; i < model->n_interfaces; i++)
		free(model->interfaces[i].name);
	for (size_t i = 0; i < model->n_pools; i++)
		pool_fini(&model->pools[i]);
	for (size_t i = 0; i < model->n_vips; i++)
		vip_fini(&model->vips[i]);
	for (size_t i = 0; i < model->n_files; i++)
		free(model->files[i]);
	free(model->interfaces);
	free(model->pools);
	free(model->vips);
	free(model->decap);
	free(model->file);
	free(model->files);
	free(model->pin_dir);
	free(model->state_dir);
	free(model->control.socket);
	free(model->control.group);
	free(model);
}

void model_freep(struct model **model)
{
	model_free(*model);
}

const struct model_pool *model_find_pool(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->n_pools; i++) {
		if (!strcmp(model->pools[i].name, name))
			return &model->pools[i];
	}
	return NULL;
}

const struct model_vip *model_find_vip(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->n_vips; i++) {
		if (!strcmp(model->vips[i].name, name))
			return &model->vips[i];
	}
	return NULL;
}

const struct model_backend *model_find_backend(const struct model_pool *pool, const char *name)
{
	for (size_t i = 0; i < pool->n_backends; i++) {
		if (!strcmp(pool->backends[i].name, name))
			return &pool->backends[i];
	}
	return NULL;
}

size_t model_count_backends(const struct model *model)
{
	size_t n = 0;

	for (size_t i = 0; i < model->n_pools; i++)
		n += model->pools[i].n_backends;
	return n;
}

size_t model_count_targets(const struct model *model)
{
	size_t n = 0;

	for (size_t i = 0; i < model->n_vips; i++)
		n += model->vips[i].n_targets;
	return n;
}

const struct model_pool *model_vip_pool(const struct model_vip *vip, size_t i)
{
	if (i == 0)
		return vip->pool;
	return vip->targets[i - 1].backend ? NULL : vip->targets[i - 1].pool;
}

const char *model_state_name(enum model_state state)
{
	return state < MODEL_STATE_MAX ? model_state_names[state] : "unknown";
}

const char *model_mode_name(enum model_mode mode)
{
	return mode < MODEL_MODE_MAX ? model_mode_names[mode] : "unknown";
}

const char *model_vip_address(const struct model_vip *vip, char *text)
{
	return addr_prefix_print(&vip->prefix, text);
}

const char *model_protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	default:
		return "unknown";
	}
}

int model_state_parse(enum model_state *out, const char *name)
{
	for (int i = 0; i < MODEL_STATE_MAX; i++) {
		if (!strcmp(model_state_names[i], name)) {
			*out = (enum model_state)i;
			return 0;
		}
	}
	return -EINVAL;
}
