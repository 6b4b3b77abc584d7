/* SPDX-License-Identifier: MIT */
/*
 * sluice's config language: a table of keys for each kind of group, a setter for each key, and
 * what must hold between them. The model is built even where there are errors, so that all of
 * them show, and thrown away at the end.
 */
#include "config/load.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "config/cleanup.h"
#include "config/load_parts.h"
#include "config/take.h"

#define INTERFACE_NAME_MAX 15 /* bytes: the kernel's IFNAMSIZ without the NUL */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define DIR_PATH_MAX (PATH_MAX - NAME_MAX - 2) /* leaves room for "/", a file's name and NUL */
#define FLOWS_MIN 1024
#define FLOWS_MAX 67108864
#define FRAGMENTS_MIN 64
#define FRAGMENTS_MAX 1048576
#define SOURCES_MAX 10000000
#define AGE_MAX_S 3600
#define TCP_AGE_MAX_S 43200
#define RATE_MAX 1000000

static void owners_fini(struct owners *owners)
{
	keyset_fini(&owners->keys);
	free(owners->list);
}

static void load_fini(struct load *ld)
{
	marks_fini(&ld->interfaces);
	marks_fini(&ld->pools);
	marks_fini(&ld->vips);
	marks_fini(&ld->endpoints);
	marks_fini(&ld->members);
	marks_fini(&ld->decaps);
	marks_fini(&ld->backends);
	marks_fini(&ld->backend_addresses);
	owners_fini(&ld->server_ids);
	owners_fini(&ld->hints);
	owners_fini(&ld->hinted);
	clients_fini(&ld->clients);
	model_free(ld->model);
}

void load_check_limit(struct keys *k, const config_setting_t *s, size_t before, size_t n,
		      unsigned int limit, const char *what)
{
	if (before <= limit && before + n > limit)
		keys_error(k, config_setting_get_elem(s, (unsigned int)(limit - before)),
			   "the limit of %s is %u in all; limits = { %s = N; } raises it", what,
			   limit, what);
}

/* ----------------------------------------------------------------------------------- interfaces */

static void interface_init(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_interface *interface = object;
	struct source_place place = keys_place(k, s);

	*interface = (struct model_interface){
		.mode = MODEL_MODE_AUTO, .file = place.file, .line = place.line};
}

static void interface_name(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_interface *interface = object;

	take_name(k, s, &ld->interfaces, INTERFACE_NAME_MAX, &interface->name, interface);
}

static void interface_mode(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_interface *interface = object;
	int mode = keys_word(k, s, model_mode_names, MODEL_MODE_MAX);

	if (mode >= 0)
		interface->mode = (enum model_mode)mode;
}

static void interface_gateway_mac(struct keys *k, const config_setting_t *s, void *object)
{
	static const uint8_t zero[6];
	struct model_interface *interface = object;
	const char *text = config_setting_get_string(s);
	uint8_t mac[6];

	if (addr_mac_parse(mac, text)) {
		keys_error(k, s, "gateway_mac \"%s\" is not of the form 00:11:22:aa:bb:cc", text);
	} else if (mac[0] & 1 || !memcmp(mac, zero, sizeof(mac))) {
		keys_error(k, s, "gateway_mac %s is not the address of one station", text);
	} else {
		memcpy(interface->gateway_mac, mac, sizeof(mac));
		interface->has_gateway_mac = true;
	}
}

static const struct key interface_keys[] = {
	{"name", KEY_STRING, true, interface_name},
	{"mode", KEY_STRING, false, interface_mode},
	{"gateway_mac", KEY_STRING, false, interface_gateway_mac},
};

static const struct key_group interface_group = {
	.what = "interface",
	GROUP_KEYS(interface_keys),
	.init = interface_init,
};

/* --------------------------------------------------------------------------- control and limits */

static void control_socket(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_control *control = object;

	take_path(k, s, SOCKET_PATH_MAX, &control->socket);
}

static void control_group(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_control *control = object;
	const char *name = config_setting_get_string(s);
	const struct group *entry = getgrnam(name);

	if (!entry) {
		keys_error(k, s, "group \"%s\" does not exist; groupadd --system creates one",
			   name);
		return;
	}
	control->group_id = entry->gr_gid;
	keys_string(k, s, &control->group);
}

static const struct key control_keys[] = {
	{"socket", KEY_STRING, false, control_socket},
	{"group", KEY_STRING, false, control_group},
};

static const struct key_group control_keys_group = {
	.what = "control",
	GROUP_KEYS(control_keys),
};

static void limits_vips(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_limits *limits = object;

	take_unsigned(k, s, 1, MODEL_LIMIT_VIPS_MAX, &limits->vips);
}

static void limits_backends(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_limits *limits = object;

	take_unsigned(k, s, 1, MODEL_LIMIT_BACKENDS_MAX, &limits->backends);
}

static void limits_sources(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_limits *limits = object;

	take_unsigned(k, s, 1, SOURCES_MAX, &limits->sources);
}

static void limits_fragments(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_limits *limits = object;

	take_unsigned(k, s, FRAGMENTS_MIN, FRAGMENTS_MAX, &limits->fragments);
}

static const struct key limits_keys[] = {
	{"vips", KEY_NUMBER, false, limits_vips},
	{"backends", KEY_NUMBER, false, limits_backends},
	{"sources", KEY_NUMBER, false, limits_sources},
	{"fragments", KEY_NUMBER, false, limits_fragments},
};

static const struct key_group limits_group = {
	.what = "limits",
	GROUP_KEYS(limits_keys),
};

/* ------------------------------------------------------------------------------- flows and ICMP */

static void flows_size(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;
	long long size, next = FLOWS_MIN;

	if (!keys_number(k, s, FLOWS_MIN, FLOWS_MAX, &size))
		return;
	while (next < size)
		next *= 2;
	if (next == size)
		model->limits.flows = (unsigned int)size;
	else
		keys_error(k, s, "size %lld is not a power of two; the next one is %lld", size,
			   next);
}

static void flows_age_s(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	take_unsigned(k, s, 1, AGE_MAX_S, &model->flow_age_s);
}

static void flows_tcp_age_s(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	take_unsigned(k, s, 1, TCP_AGE_MAX_S, &model->tcp_age_s);
}

static const struct key flows_keys[] = {
	{"size", KEY_NUMBER, false, flows_size},
	{"age_s", KEY_NUMBER, false, flows_age_s},
	{"tcp_age_s", KEY_NUMBER, false, flows_tcp_age_s},
};

static const struct key_group flows_group = {
	.what = "flows",
	GROUP_KEYS(flows_keys),
};

static void icmp_echo_rate(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	take_unsigned(k, s, 0, RATE_MAX, &model->echo_rate);
}

static void icmp_error_rate(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	take_unsigned(k, s, 0, RATE_MAX, &model->error_rate);
}

static const struct key icmp_keys[] = {
	{"echo_rate", KEY_NUMBER, false, icmp_echo_rate},
	{"error_rate", KEY_NUMBER, false, icmp_error_rate},
};

static const struct key_group icmp_group = {
	.what = "icmp",
	GROUP_KEYS(icmp_keys),
};

/* ---------------------------------------------------------------------------------------- decap */

static void decap_address(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_decap *decap = object;

	take_address(k, s, &decap->address);
}

static void decap_egress(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_decap *decap = object;

	(void)k;
	decap->egress = config_setting_get_bool(s);
}

static const struct key decap_keys[] = {
	{"address", KEY_STRING, true, decap_address},
	{"egress", KEY_BOOL, false, decap_egress},
};

static const struct key_group decap_group = {
	.what = "decap",
	GROUP_KEYS(decap_keys),
};

static void check_decap(struct keys *k, const config_setting_t *s, const struct model_decap *decap)
{
	struct load *ld = k->ctx;
	const struct mark *first;
	struct source_place place;
	char text[ADDR_TEXT_MAX];

	addr_print(&decap->address, text);
	first = marks_add(k, &ld->decaps, text, s, decap);
	if (first) {
		place = keys_place(k, first->setting);
		keys_error(k, s, "decap: %s is there already, see %s:%u", text, place.file,
			   place.line);
	}
	for (size_t i = 0; i < ld->model->n_vips; i++) {
		const struct model_vip *vip = &ld->model->vips[i];

		if (vip->prefix.len && addr_prefix_contains(&vip->prefix, &decap->address)) {
			keys_error(k, s, "decap: %s is an address of vip \"%s\", see %s:%u", text,
				   vip->name ? vip->name : "", vip->file, vip->line);
			return;
		}
	}
}

/* An address, or a group with one. */
static void take_decap(struct keys *k, const config_setting_t *s, struct model_decap *decap)
{
	struct source_place place = keys_place(k, s);

	*decap = (struct model_decap){.file = place.file, .line = place.line};
	if (keys_is(s, KEY_STRING))
		take_address(k, s, &decap->address);
	else if (keys_is(s, KEY_GROUP))
		keys_group(k, s, &decap_group, decap);
	else
		keys_error(k, s,
			   "decap: an element must be an address \"...\" or a group { ... }, "
			   "not %s",
			   keys_kind(s));
	if (take_is_set(&decap->address))
		check_decap(k, s, decap);
}

/* ------------------------------------------------------------------------------------------ top */

static void top_init(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	(void)k;
	(void)s;
	model->control.group_id = -1;
	model->limits = (struct model_limits){.vips = MODEL_LIMIT_VIPS,
					      .backends = MODEL_LIMIT_BACKENDS,
					      .sources = MODEL_LIMIT_SOURCES,
					      .flows = MODEL_LIMIT_FLOWS,
					      .fragments = MODEL_LIMIT_FRAGMENTS};
	model->flow_age_s = MODEL_FLOW_AGE_S;
	model->tcp_age_s = MODEL_TCP_AGE_S;
	model->settle_s = MODEL_SETTLE_S;
	model->echo_rate = MODEL_ECHO_RATE;
	model->error_rate = MODEL_ERROR_RATE;
}

static void top_limits(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	keys_group(k, s, &limits_group, &model->limits);
}

static void top_control(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	keys_group(k, s, &control_keys_group, &model->control);
}

static void top_pin_dir(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	take_path(k, s, DIR_PATH_MAX, &model->pin_dir);
}

static void top_state_dir(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	take_path(k, s, DIR_PATH_MAX, &model->state_dir);
}

static void top_hash_seed(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	take_unsigned(k, s, 0, UINT32_MAX, &model->hash_seed);
}

static void top_settle(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	take_unsigned(k, s, 1, MODEL_SETTLE_S_MAX, &model->settle_s);
}

static void top_interfaces(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	model->interfaces =
		keys_list(k, s, &interface_group, sizeof(*model->interfaces), &model->n_interfaces);
}

static void top_pools(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	model->pools = keys_list(k, s, &pool_group, sizeof(*model->pools), &model->n_pools);
}

static void top_vips(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;

	model->vips = keys_list(k, s, &vip_group, sizeof(*model->vips), &model->n_vips);
	load_check_limit(k, s, 0, model->n_vips, model->limits.vips, "vips");
}

static void top_flows(struct keys *k, const config_setting_t *s, void *object)
{
	keys_group(k, s, &flows_group, object);
}

static void top_icmp(struct keys *k, const config_setting_t *s, void *object)
{
	keys_group(k, s, &icmp_group, object);
}

static void top_decap(struct keys *k, const config_setting_t *s, void *object)
{
	struct model *model = object;
	size_t n = (size_t)config_setting_length(s);

	model->decap = calloc(n + 1, sizeof(*model->decap));
	if (!model->decap) {
		k->err = -ENOMEM;
		return;
	}
	model->n_decap = n;
	for (size_t i = 0; i < n; i++)
		take_decap(k, config_setting_get_elem(s, (unsigned int)i), &model->decap[i]);
}

static void top_finish(struct keys *k, const config_setting_t *s, void *object)
{
	const config_setting_t *interfaces = config_setting_get_member(s, "interfaces");

	(void)object;
	if (!interfaces ||
	    (config_setting_is_list(interfaces) && !config_setting_length(interfaces)))
		keys_error(k, interfaces ? interfaces : s,
			   "no interfaces; name one: interfaces = ( { name = \"eth0\"; } );");
}

/* Limits come before what they limit, pools before the VIPs that use them, those before decap. */
static const struct key top_keys[] = {
	{"limits", KEY_GROUP, false, top_limits},
	{"control", KEY_GROUP, false, top_control},
	{"pin_dir", KEY_STRING, false, top_pin_dir},
	{"state_dir", KEY_STRING, false, top_state_dir},
	{"hash_seed", KEY_NUMBER, false, top_hash_seed},
	{"flows", KEY_GROUP, false, top_flows},
	{"icmp", KEY_GROUP, false, top_icmp},
	{"settle_s", KEY_NUMBER, false, top_settle},
	{"interfaces", KEY_LIST, false, top_interfaces},
	{"pools", KEY_LIST, false, top_pools},
	{"vips", KEY_LIST, false, top_vips},
	{"decap", KEY_ELEMENTS, false, top_decap},
};

static const struct key_group top_group = {
	GROUP_KEYS(top_keys),
	.init = top_init,
	.finish = top_finish,
};

/* ----------------------------------------------------------------------------------------- file */

static void report_syntax(const struct source *source, const config_t *config, struct diag *diag)
{
	const char *text = config_error_text(config);
	struct source_place place = source_find(source, (unsigned int)config_error_line(config));

	diag_add(diag, place.file, place.line, "%s%s", text,
		 strcmp(text, "syntax error") ? "" : " here or just before: is a \";\" missing?");
}

static int set_default(char **out, const char *text)
{
	if (!*out)
		*out = strdup(text);
	return *out ? 0 : -ENOMEM;
}

/* What the file left out, and the files that it consists of, whose names the model's parts use. */
static int complete(struct model *model, struct source *source)
{
	if (set_default(&model->file, source->files[0]) ||
	    set_default(&model->pin_dir, MODEL_PIN_DIR) ||
	    set_default(&model->state_dir, MODEL_STATE_DIR) ||
	    set_default(&model->control.socket, MODEL_SOCKET))
		return -ENOMEM;
	model->files = TAKE(source->files);
	model->n_files = source->n_files;
	source->n_files = 0;
	return 0;
}

static int build_model(struct model **out, struct source *source, const config_t *config,
		       struct diag *diag)
{
	_cleanup_(load_fini) struct load ld = {
		.model = calloc(1, sizeof(*ld.model)),
		.source = source,
		.server_ids.keys.key_size = sizeof(uint32_t),
		.hints.keys.key_size = sizeof(uint32_t),
		.hinted.keys.key_size = sizeof(struct sluice_addr),
		.clients = {.access.prefixes.key_size = sizeof(struct addr_prefix),
			    .sources.prefixes.key_size = sizeof(struct addr_prefix),
			    .targets.key_size = sizeof(struct model_target)},
	};
	struct keys k = {.source = source, .subject = "", .ctx = &ld};
	int err;

	if (!ld.model)
		return -ENOMEM;
	keys_group(&k, config_root_setting(config), &top_group, ld.model);
	if (k.err) {
		keys_fini(&k);
		return k.err;
	}
	if (k.n_errors) {
		keys_report(&k, diag);
		return -EINVAL;
	}
	err = complete(ld.model, source);
	if (err)
		return err;
	*out = TAKE(ld.model);
	return 0;
}

int load_file(struct model **out, const char *path, struct diag *diag)
{
	_cleanup_(source_fini) struct source source = {0};
	_cleanup_(config_destroy) config_t config;
	int err;

	config_init(&config);
	err = source_read(&source, path, diag);
	if (err)
		return err;
	if (!config_read_string(&config, source.text)) {
		report_syntax(&source, &config, diag);
		return -EINVAL;
	}
	return build_model(out, &source, &config, diag);
}
