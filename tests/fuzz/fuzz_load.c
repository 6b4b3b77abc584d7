/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: any bytes as a config file. A file that is refused must have a message, one
 * that is accepted must have none and keep what config/model.h promises.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/cleanup.h"
#include "config/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* libconfig forgets strings that it has read when it meets a syntax error. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig\n";
}

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void check_vip(const struct model *model, const struct model_vip *vip)
{
	require(model_find_vip(model, vip->name) == vip && vip->pool && vip->line > 0);
	require(vip->prefix.len && addr_prefix_contains(&vip->prefix, &vip->prefix.addr));
	require((vip->quic == MODEL_QUIC_LB) == (vip->quic_server_id_bytes > 0));
	require(vip->track < MODEL_TRACK_MAX && !(vip->udp_stable && vip->tcp_server_id));
	require(!vip->access_digest == !(vip->n_allow + vip->n_deny));
	require(!vip->sources_digest == !vip->n_sources && !vip->n_targets == !vip->n_sources);
	for (size_t i = 0; i < vip->n_sources; i++)
		require(vip->sources[i].target < vip->n_targets);
	for (size_t i = 0; i < vip->n_targets; i++) {
		const struct model_target *target = &vip->targets[i];

		require(model_find_pool(model, target->pool->name) == target->pool);
		require(!target->backend ||
			model_find_backend(target->pool, target->backend->name) == target->backend);
	}
}

static void check_check(const struct model_check *check)
{
	bool http = check->type == MODEL_CHECK_HTTP || check->type == MODEL_CHECK_HTTPS;

	require(check->type < MODEL_CHECK_MAX && check->via < MODEL_VIA_MAX);
	if (check->type == MODEL_CHECK_NONE)
		return;
	require(check->rise && check->fall && check->interval_ms >= check->timeout_ms);
	require(check->timeout_ms && check->fast_interval_ms && check->down_interval_ms);
	require(http == (check->path && check->method && check->n_statuses));
	require((check->type == MODEL_CHECK_UDP) == !!check->payload_size);
	require((check->type == MODEL_CHECK_DNS) == !!check->query_name);
	require((check->type == MODEL_CHECK_EXEC) == (check->argv && check->argv[0]));
	require(check->type != MODEL_CHECK_AGENT || check->port);
}

static void check_model(const struct model *model)
{
	require(model->n_interfaces > 0 && model->n_vips <= model->limits.vips &&
		model_count_backends(model) <= model->limits.backends);
	for (size_t i = 0; i < model->n_pools; i++) {
		const struct model_pool *pool = &model->pools[i];

		require(model_find_pool(model, pool->name) == pool);
		check_check(&pool->check);
		for (size_t j = 0; j < pool->n_backends; j++)
			require(model_find_backend(pool, pool->backends[j].name) ==
				&pool->backends[j]);
	}
	for (size_t i = 0; i < model->n_vips; i++)
		check_vip(model, &model->vips[i]);
	for (size_t i = 0; i < model->n_decap; i++)
		require(model->decap[i].line > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	_cleanup_(closep) int fd = memfd_create("fuzz_load", MFD_CLOEXEC);
	_cleanup_(model_freep) struct model *model = NULL;
	_cleanup_(diag_fini) struct diag diag = {0};
	_cleanup_(freep) char *text = NULL;
	char path[32];
	int err;

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = load_file(&model, path, &diag);
	text = diag_text(&diag);
	require(!err == !!model && !err == !diag.n && text);
	if (model)
		check_model(model);
	return 0;
}
