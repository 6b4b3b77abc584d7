/* SPDX-License-Identifier: MIT */
/*
 * VIPs: a setter for each key, and then what must hold between the keys, and between VIPs.
 */
#include "config/load_parts.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>

#include "config/take.h"

#define QUIC_ID_BYTES_MAX 4
#define QUIC_ID_BYTES_DEFAULT 3

static void vip_init(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_vip *vip = object;
	struct source_place place = keys_place(k, s);

	ld->vip = vip;
	ld->has_port = false;
	*vip = (struct model_vip){.track = MODEL_TRACK_MAX,
				  .maglev = MODEL_MAGLEV_V2,
				  .ring_size = MODEL_RING_SIZE_DEFAULT,
				  .file = place.file,
				  .line = place.line};
}

static void vip_name(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_vip *vip = object;

	take_name(k, s, &ld->vips, MODEL_NAME_MAX, &vip->name, vip);
}

static void vip_address(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;
	const char *text = config_setting_get_string(s), *use;
	struct addr_prefix prefix;
	char fault[TAKE_FAULT_MAX];

	if (!take_prefix(text, &prefix, fault)) {
		keys_error(k, s, "address %s", fault);
		return;
	}
	use = take_address_fault(&prefix.addr);
	if (use)
		keys_error(k, s, "address %s is %s, which no host can have as its own", text, use);
	else if (addr_prefix_has_ipv4(&prefix))
		keys_error(k, s, "address %s has all of IPv4 in it", text);
	else
		vip->prefix = prefix;
}

static void vip_port(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_vip *vip = object;
	long long port;

	ld->has_port = keys_number(k, s, 0, UINT16_MAX, &port);
	if (ld->has_port)
		vip->port = (uint16_t)port;
}

static void vip_protocol(struct keys *k, const config_setting_t *s, void *object)
{
	static const char *const words[] = {"tcp", "udp"};
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	struct model_vip *vip = object;
	int word = keys_word(k, s, words, N_ELEMENTS(words));

	if (word >= 0)
		vip->protocol = protocols[word];
}

static void vip_pool(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;
	struct suggest near = {.word = config_setting_get_string(s)};

	vip->pool = load_find_pool(k, &near);
	if (!vip->pool)
		keys_error(k, s, "pool \"%s\" does not exist%s%s%s", near.word, SUGGEST_TEXT(near));
}

static void vip_maglev(struct keys *k, const config_setting_t *s, void *object)
{
	static const char *const words[] = {"v1", "v2"};
	static const enum model_maglev values[] = {MODEL_MAGLEV_V1, MODEL_MAGLEV_V2};
	struct model_vip *vip = object;
	int word = keys_word(k, s, words, N_ELEMENTS(words));

	if (word >= 0)
		vip->maglev = values[word];
}

static void vip_ring_size(struct keys *k, const config_setting_t *s, void *object)
{
	static const uint32_t sizes[] = {4093, 16381, 65537};
	struct model_vip *vip = object;
	long long size = keys_value(s);

	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		if (size == sizes[i]) {
			vip->ring_size = sizes[i];
			return;
		}
	}
	keys_error(k, s, "ring_size %lld is none of %u, %u, %u", size, sizes[0], sizes[1],
		   sizes[2]);
}

static void vip_hash(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;
	int hash = keys_word(k, s, model_hash_names, MODEL_HASH_MAX);

	if (hash >= 0)
		vip->hash = (enum model_hash)hash;
}

/* "none" is what is without this key. */
static void vip_quic(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;
	int quic = keys_word(k, s, model_quic_names + 1, MODEL_QUIC_MAX - 1);

	if (quic >= 0)
		vip->quic = (enum model_quic)(quic + 1);
}

static void vip_quic_server_id_bytes(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;

	take_unsigned(k, s, 1, QUIC_ID_BYTES_MAX, &vip->quic_server_id_bytes);
}

static void vip_tcp_server_id(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;

	(void)k;
	vip->tcp_server_id = config_setting_get_bool(s);
}

static void vip_udp_stable(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;

	(void)k;
	vip->udp_stable = config_setting_get_bool(s);
}

static void vip_track(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;
	int track = keys_word(k, s, model_track_names, MODEL_TRACK_MAX);

	if (track >= 0)
		vip->track = (enum model_track)track;
}

static void vip_hint(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;
	int hint = keys_word(k, s, model_hint_names, MODEL_HINT_MAX);

	if (hint >= 0)
		vip->hint = (enum model_hint)hint;
}

static void vip_failover(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;
	int failover = keys_word(k, s, model_failover_names, MODEL_FAILOVER_MAX);

	if (failover >= 0)
		vip->failover = (enum model_failover)failover;
}

static void check_vip_is_unique(struct keys *k, const config_setting_t *s,
				const struct model_vip *vip)
{
	struct load *ld = k->ctx;
	const char *protocol = model_protocol_name(vip->protocol);
	const struct model_vip *other;
	const struct mark *first;
	struct source_place place;
	char prefix[PREFIX_TEXT_MAX], key[PREFIX_TEXT_MAX + 32];

	model_vip_address(vip, prefix);
	snprintf(key, sizeof(key), "%s %u %s", prefix, vip->port, protocol);
	first = marks_add(k, &ld->endpoints, key, s, vip);
	if (!first)
		return;
	other = first->object;
	place = keys_place(k, first->setting);
	keys_error(k, s, "%s port %u %s is vip \"%s\" already, see %s:%u", prefix, vip->port,
		   protocol, other->name ? other->name : "", place.file, place.line);
}

/* false: the VIP has the address of @backend, which was said. */
static bool check_no_circle(struct keys *k, const config_setting_t *s, const struct model_vip *vip,
			    const struct model_pool *pool, const struct model_backend *backend)
{
	if (!model_vip_is_host(vip) || !addr_equal(&backend->address, &vip->prefix.addr))
		return true;
	keys_error(k, s,
		   "its address is also that of backend \"%s\" of pool \"%s\", see %s:%u; packets "
		   "would go round in circles",
		   backend->name ? backend->name : "", pool->name, backend->file, backend->line);
	return false;
}

static bool check_pool_no_circle(struct keys *k, const config_setting_t *s,
				 const struct model_vip *vip, const struct model_pool *pool)
{
	for (size_t i = 0; i < pool->n_backends; i++) {
		if (!check_no_circle(k, s, vip, pool, &pool->backends[i]))
			return false;
	}
	return true;
}

/* Neither the VIP's pool nor its other targets may lead back to the VIP. */
static void check_circles(struct keys *k, const config_setting_t *s, const struct model_vip *vip)
{
	const config_setting_t *pool = config_setting_get_member(s, "pool");
	bool good = !vip->pool || check_pool_no_circle(k, pool, vip, vip->pool);

	for (size_t i = 0; i < vip->n_targets && good; i++) {
		const struct model_target *target = &vip->targets[i];

		if (target->backend)
			good = check_no_circle(k, s, vip, target->pool, target->backend);
		else
			good = check_pool_no_circle(k, s, vip, target->pool);
	}
}

static void check_quic(struct keys *k, const config_setting_t *s, struct model_vip *vip)
{
	const config_setting_t *quic = config_setting_get_member(s, "quic");
	const config_setting_t *bytes = config_setting_get_member(s, "quic_server_id_bytes");
	const config_setting_t *stable = config_setting_get_member(s, "udp_stable");

	if (vip->quic && vip->protocol == IPPROTO_TCP)
		keys_error(k, quic, "quic needs protocol = \"udp\"");
	if (vip->quic && vip->udp_stable)
		keys_error(k, stable, "udp_stable and quic exclude each other");
	if (vip->quic == MODEL_QUIC_LB && !vip->quic_server_id_bytes)
		vip->quic_server_id_bytes = QUIC_ID_BYTES_DEFAULT;
	else if (bytes && (vip->quic == MODEL_QUIC_KATRAN || !quic))
		keys_error(k, bytes, "quic_server_id_bytes needs quic = \"quic-lb\"");
}

static void check_protocol(struct keys *k, const config_setting_t *s, struct model_vip *vip)
{
	check_quic(k, s, vip);
	if (vip->tcp_server_id && vip->protocol == IPPROTO_UDP)
		keys_error(k, config_setting_get_member(s, "tcp_server_id"),
			   "tcp_server_id needs protocol = \"tcp\"");
	if (vip->udp_stable && vip->protocol == IPPROTO_TCP)
		keys_error(k, config_setting_get_member(s, "udp_stable"),
			   "udp_stable needs protocol = \"udp\"");
	/* UDP does not show which packet begins a flow. */
	if (vip->track == MODEL_TRACK_MAX)
		vip->track = vip->protocol == IPPROTO_UDP ? MODEL_TRACK_ALWAYS : MODEL_TRACK_MOVING;
}

static void vip_finish(struct keys *k, const config_setting_t *s, void *object)
{
	const struct load *ld = k->ctx;
	struct model_vip *vip = object;

	check_protocol(k, s, vip);
	clients_finish(k, s);
	if (ld->has_port)
		load_check_vip(k, s, vip);
	if (!vip->prefix.len)
		return;
	if (ld->has_port && vip->protocol)
		check_vip_is_unique(k, s, vip);
	check_circles(k, s, vip);
}

/* The pool comes before the clients' targets, which are in it unless they say another one. */
static const struct key vip_keys[] = {
	{"name", KEY_STRING, true, vip_name},
	{"address", KEY_STRING, true, vip_address},
	{"port", KEY_NUMBER, true, vip_port},
	{"protocol", KEY_STRING, true, vip_protocol},
	{"pool", KEY_STRING, true, vip_pool},
	{"maglev", KEY_STRING, false, vip_maglev},
	{"ring_size", KEY_NUMBER, false, vip_ring_size},
	{"hash", KEY_STRING, false, vip_hash},
	{"quic", KEY_STRING, false, vip_quic},
	{"quic_server_id_bytes", KEY_NUMBER, false, vip_quic_server_id_bytes},
	{"tcp_server_id", KEY_BOOL, false, vip_tcp_server_id},
	{"udp_stable", KEY_BOOL, false, vip_udp_stable},
	{"track", KEY_STRING, false, vip_track},
	{"hint", KEY_STRING, false, vip_hint},
	{"failover", KEY_STRING, false, vip_failover},
	{"allow", KEY_ELEMENTS, false, clients_allow},
	{"deny", KEY_ELEMENTS, false, clients_deny},
	{"sources", KEY_LIST, false, clients_sources},
	{"sources_file", KEY_STRING, false, clients_sources_file},
};

const struct key_group vip_group = {
	.what = "vip",
	GROUP_KEYS(vip_keys),
	.init = vip_init,
	.finish = vip_finish,
};
