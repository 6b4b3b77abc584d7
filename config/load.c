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
#include <netinet/in.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "config/cleanup.h"
#include "config/keys.h"
#include "config/source.h"
#include "config/suggest.h"

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
#define GROUP_KEYS(table) .keys = (table), .n_keys = N_ELEMENTS(table)

#define INTERFACE_NAME_MAX 15 /* bytes: the kernel's IFNAMSIZ without the NUL */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define DIR_PATH_MAX (PATH_MAX - NAME_MAX - 2) /* leaves room for "/", a file's name and NUL */
#define HINT_ERRORS_MAX 100 /* beyond so many errors, the time for hints is better saved */

/* Something that may be there only once, and where it is. */
struct mark {
	const config_setting_t *setting;
	const void *object; /* the interface, pool, backend or VIP */
	const char *key;    /* lies behind this struct */
};

/* Marks by their key; all zero is an empty one. */
struct marks {
	void *tree;
};

struct load {
	struct model *model;
	struct marks interfaces; /* by name */
	struct marks pools;
	struct marks vips;
	struct marks endpoints;         /* VIPs by address, port and protocol */
	struct marks backends;          /* by name, of the pool being read */
	struct marks backend_addresses; /* likewise by address */
	size_t n_backends;              /* in the pools before the one being read */
};

/* ---------------------------------------------------------------------------------------- marks */

static int compare_marks(const void *a, const void *b)
{
	return strcmp(((const struct mark *)a)->key, ((const struct mark *)b)->key);
}

/*
 * Marks @key as being there: NULL, or the mark that was there before, which stays. Without memory
 * k->err says so.
 */
static const struct mark *marks_add(struct keys *k, struct marks *marks, const char *key,
				    const config_setting_t *setting, const void *object)
{
	size_t size = strlen(key) + 1;
	_cleanup_(freep) struct mark *mark = malloc(sizeof(*mark) + size);
	const struct mark *const *found;

	if (!mark) {
		k->err = -ENOMEM;
		return NULL;
	}
	*mark = (struct mark){
		.setting = setting, .object = object, .key = memcpy(mark + 1, key, size)};
	found = tsearch(mark, &marks->tree, compare_marks);
	if (!found) {
		k->err = -ENOMEM;
		return NULL;
	}
	if (*found != mark)
		return *found;
	mark = NULL;
	return NULL;
}

/* The mark of @key, or NULL. */
static const struct mark *marks_find(const struct marks *marks, const char *key)
{
	const struct mark wanted = {.key = key};
	const struct mark *const *found = tfind(&wanted, &marks->tree, compare_marks);

	return found ? *found : NULL;
}

static void marks_fini(struct marks *marks)
{
	tdestroy(marks->tree, free);
	marks->tree = NULL;
}

static void load_fini(struct load *ld)
{
	marks_fini(&ld->interfaces);
	marks_fini(&ld->pools);
	marks_fini(&ld->vips);
	marks_fini(&ld->endpoints);
	marks_fini(&ld->backends);
	marks_fini(&ld->backend_addresses);
	model_free(ld->model);
}

/* --------------------------------------------------------------------------------------- values */

static bool is_name(const char *text, size_t max)
{
	size_t len = strlen(text);

	for (const char *c = text; *c; c++) {
		if (*c <= ' ' || *c >= 0x7f || strchr("\"'/", *c))
			return false;
	}
	return len >= 1 && len <= max;
}

/* The name of @object, unique in @marks. */
static void take_name(struct keys *k, const config_setting_t *s, struct marks *marks, size_t max,
		      char **out, const void *object)
{
	const char *name = config_setting_get_string(s);
	const struct mark *first = marks_add(k, marks, name, s, object);
	struct source_place place;

	if (!is_name(name, max)) {
		keys_error(k, s,
			   "a name has 1..%zu printable ASCII characters, no space, quote or \"/\"",
			   max);
	} else if (first) {
		place = keys_place(k, first->setting);
		keys_error(k, s, "the name is taken, see %s:%u", place.file, place.line);
	}
	keys_string(k, s, out);
}

static void take_unsigned(struct keys *k, const config_setting_t *s, unsigned int min,
			  unsigned int max, unsigned int *out)
{
	long long value;

	if (keys_number(k, s, min, max, &value))
		*out = (unsigned int)value;
}

static void take_path(struct keys *k, const config_setting_t *s, size_t max, char **out)
{
	const char *path = config_setting_get_string(s);

	if (path[0] != '/')
		keys_error(k, s, "%s \"%s\" is not an absolute path, which begins with \"/\"",
			   config_setting_name(s), path);
	else if (strlen(path) > max)
		keys_error(k, s, "%s \"%s\" is longer than %zu bytes", config_setting_name(s), path,
			   max);
	else
		keys_string(k, s, out);
}

static bool addr_is_set(const struct sluice_addr *addr)
{
	return addr->w[0] || addr->w[1] || addr->w[2] || addr->w[3];
}

/* An address that packets can be sent to. */
static void take_address(struct keys *k, const config_setting_t *s, struct sluice_addr *out)
{
	static const char *const refused[ADDR_USE_MAX] = {
		[ADDR_UNSPECIFIED] = "unspecified",
		[ADDR_LOOPBACK] = "loopback",
		[ADDR_MULTICAST] = "multicast",
		[ADDR_BROADCAST] = "broadcast",
	};
	const char *text = config_setting_get_string(s);
	struct sluice_addr addr;

	if (addr_parse(&addr, text)) {
		keys_error(k, s, "address \"%s\" is neither an IPv4 nor an IPv6 address", text);
	} else if (refused[addr_use(&addr)]) {
		keys_error(k, s, "address %s is %s, which no host can have as its own", text,
			   refused[addr_use(&addr)]);
	} else {
		*out = addr;
	}
}

/* Of @n elements of list @s, after @before others, none may be beyond @limit. */
static void check_limit(struct keys *k, const config_setting_t *s, size_t before, size_t n,
			unsigned int limit, const char *what)
{
	if (before <= limit && before + n > limit)
		keys_error(k, config_setting_get_elem(s, (unsigned int)(limit - before)),
			   "more than %u %s in all; limits = { %s = N; } raises the limit", limit,
			   what, what);
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

/* ---------------------------------------------------------------------------------------- pools */

static void backend_init(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_backend *backend = object;
	struct source_place place = keys_place(k, s);

	*backend = (struct model_backend){.weight = MODEL_WEIGHT_DEFAULT,
					  .state = MODEL_STATE_ACTIVE,
					  .file = place.file,
					  .line = place.line};
}

static void backend_name(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_backend *backend = object;

	take_name(k, s, &ld->backends, MODEL_NAME_MAX, &backend->name, backend);
}

static void backend_address(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_backend *backend = object;
	const struct model_backend *other;
	const struct mark *first;
	struct source_place place;
	char text[ADDR_TEXT_MAX];

	take_address(k, s, &backend->address);
	if (!addr_is_set(&backend->address))
		return;
	addr_print(&backend->address, text);
	first = marks_add(k, &ld->backend_addresses, text, s, backend);
	if (!first)
		return;
	other = first->object;
	place = keys_place(k, first->setting);
	keys_error(k, s, "address %s is also that of backend \"%s\", see %s:%u", text,
		   other->name ? other->name : "", place.file, place.line);
}

static void backend_weight(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_backend *backend = object;

	take_unsigned(k, s, MODEL_WEIGHT_MIN, MODEL_WEIGHT_MAX, &backend->weight);
}

static void backend_state(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_backend *backend = object;
	int state = keys_word(k, s, model_state_names, MODEL_STATE_MAX);

	if (state >= 0)
		backend->state = (enum model_state)state;
	backend->state_given = true;
}

static const struct key backend_keys[] = {
	{"name", KEY_STRING, true, backend_name},
	{"address", KEY_STRING, true, backend_address},
	{"weight", KEY_NUMBER, false, backend_weight},
	{"state", KEY_STRING, false, backend_state},
};

static const struct key_group backend_group = {
	.what = "backend",
	GROUP_KEYS(backend_keys),
	.init = backend_init,
};

static void check_type(struct keys *k, const config_setting_t *s, void *object)
{
	static const char *const types[] = {[MODEL_CHECK_NONE] = "none"};
	struct model_check *check = object;
	int type = keys_word(k, s, types, N_ELEMENTS(types));

	if (type >= 0)
		check->type = (enum model_check_type)type;
}

static const struct key check_keys[] = {
	{"type", KEY_STRING, true, check_type},
};

static const struct key_group check_group = {
	.what = "check",
	GROUP_KEYS(check_keys),
};

static void pool_init(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_pool *pool = object;
	struct source_place place = keys_place(k, s);

	*pool = (struct model_pool){
		.check.type = MODEL_CHECK_NONE, .file = place.file, .line = place.line};
}

static void pool_name(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_pool *pool = object;

	take_name(k, s, &ld->pools, MODEL_NAME_MAX, &pool->name, pool);
}

static void pool_backends(struct keys *k, const config_setting_t *s, void *object)
{
	struct load *ld = k->ctx;
	struct model_pool *pool = object;

	pool->backends =
		keys_list(k, s, &backend_group, sizeof(*pool->backends), &pool->n_backends);
	marks_fini(&ld->backends);
	marks_fini(&ld->backend_addresses);
	check_limit(k, s, ld->n_backends, pool->n_backends, ld->model->limits.backends, "backends");
	ld->n_backends += pool->n_backends;
}

/* A check of a kind that comes later says only this, not that its keys are unknown. */
static void pool_check(struct keys *k, const config_setting_t *s, void *object)
{
	static const char *const later[] = {"tcp", "http", "https", "udp", "dns", "exec", "agent"};
	struct model_pool *pool = object;
	const char *type = "";

	config_setting_lookup_string(s, "type", &type);
	for (size_t i = 0; i < N_ELEMENTS(later); i++) {
		if (!strcmp(type, later[i])) {
			keys_error(k, config_setting_get_member(s, "type"),
				   "check type \"%s\" is not supported yet, use \"none\"", type);
			return;
		}
	}
	keys_group(k, s, &check_group, &pool->check);
}

static const struct key pool_keys[] = {
	{"name", KEY_STRING, true, pool_name},
	{"backends", KEY_LIST, false, pool_backends},
	{"check", KEY_GROUP, false, pool_check},
};

static const struct key_group pool_group = {
	.what = "pool",
	GROUP_KEYS(pool_keys),
	.init = pool_init,
};

/* ----------------------------------------------------------------------------------------- VIPs */

static void vip_init(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;
	struct source_place place = keys_place(k, s);

	*vip = (struct model_vip){.maglev = MODEL_MAGLEV_V2,
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

	take_address(k, s, &vip->prefix.addr);
	vip->prefix.len = 128;
}

static void vip_port(struct keys *k, const config_setting_t *s, void *object)
{
	struct model_vip *vip = object;
	long long port;

	if (keys_number(k, s, 1, UINT16_MAX, &port))
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
	struct load *ld = k->ctx;
	struct model_vip *vip = object;
	struct suggest near = {.word = config_setting_get_string(s)};
	const struct mark *found = marks_find(&ld->pools, near.word);

	if (found) {
		vip->pool = found->object;
		return;
	}
	for (size_t i = 0; i < ld->model->n_pools && k->errors.n < HINT_ERRORS_MAX; i++) {
		if (ld->model->pools[i].name)
			suggest_offer(&near, ld->model->pools[i].name);
	}
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

static void check_vip_is_unique(struct keys *k, const config_setting_t *s,
				const struct model_vip *vip)
{
	struct load *ld = k->ctx;
	const char *protocol = model_protocol_name(vip->protocol);
	const struct model_vip *other;
	const struct mark *first;
	struct source_place place;
	char addr[ADDR_TEXT_MAX], key[ADDR_TEXT_MAX + 32];

	addr_print(&vip->prefix.addr, addr);
	snprintf(key, sizeof(key), "%s %u %s", addr, vip->port, protocol);
	first = marks_add(k, &ld->endpoints, key, s, vip);
	if (!first)
		return;
	other = first->object;
	place = keys_place(k, first->setting);
	keys_error(k, s, "%s port %u %s is vip \"%s\" already, see %s:%u", addr, vip->port,
		   protocol, other->name ? other->name : "", place.file, place.line);
}

/* The VIP's pool must not lead back to the VIP. */
static void check_vip_pool(struct keys *k, const config_setting_t *s, const struct model_vip *vip)
{
	const struct model_pool *pool = vip->pool;
	const struct model_backend *same = NULL;

	for (size_t i = 0; i < pool->n_backends; i++) {
		const struct model_backend *backend = &pool->backends[i];

		if (!addr_is_set(&backend->address))
			continue;
		if (addr_equal(&backend->address, &vip->prefix.addr))
			same = same ? same : backend;
	}
	if (same)
		keys_error(k, s,
			   "its address is also that of backend \"%s\" of pool \"%s\", see %s:%u; "
			   "packets would go round in circles",
			   same->name ? same->name : "", pool->name, same->file, same->line);
}

static void vip_finish(struct keys *k, const config_setting_t *s, void *object)
{
	const struct model_vip *vip = object;

	if (!addr_is_set(&vip->prefix.addr))
		return;
	if (vip->port && vip->protocol)
		check_vip_is_unique(k, s, vip);
	if (vip->pool)
		check_vip_pool(k, config_setting_get_member(s, "pool"), vip);
}

static const struct key vip_keys[] = {
	{"name", KEY_STRING, true, vip_name},
	{"address", KEY_STRING, true, vip_address},
	{"port", KEY_NUMBER, true, vip_port},
	{"protocol", KEY_STRING, true, vip_protocol},
	{"pool", KEY_STRING, true, vip_pool},
	{"maglev", KEY_STRING, false, vip_maglev},
	{"ring_size", KEY_NUMBER, false, vip_ring_size},
};

static const struct key_group vip_group = {
	.what = "vip",
	GROUP_KEYS(vip_keys),
	.init = vip_init,
	.finish = vip_finish,
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

static const struct key limits_keys[] = {
	{"vips", KEY_NUMBER, false, limits_vips},
	{"backends", KEY_NUMBER, false, limits_backends},
};

static const struct key_group limits_group = {
	.what = "limits",
	GROUP_KEYS(limits_keys),
};

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
	check_limit(k, s, 0, model->n_vips, model->limits.vips, "vips");
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

/* Limits come before what they limit, pools before the VIPs that use them. */
static const struct key top_keys[] = {
	{"limits", KEY_GROUP, false, top_limits},
	{"control", KEY_GROUP, false, top_control},
	{"pin_dir", KEY_STRING, false, top_pin_dir},
	{"state_dir", KEY_STRING, false, top_state_dir},
	{"hash_seed", KEY_NUMBER, false, top_hash_seed},
	{"settle_s", KEY_NUMBER, false, top_settle},
	{"interfaces", KEY_LIST, false, top_interfaces},
	{"pools", KEY_LIST, false, top_pools},
	{"vips", KEY_LIST, false, top_vips},
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
	_cleanup_(load_fini) struct load ld = {.model = calloc(1, sizeof(*ld.model))};
	struct keys k = {.source = source, .subject = "", .ctx = &ld};
	int err;

	if (!ld.model)
		return -ENOMEM;
	keys_group(&k, config_root_setting(config), &top_group, ld.model);
	if (k.err) {
		diag_fini(&k.errors);
		return k.err;
	}
	if (k.errors.n) {
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
