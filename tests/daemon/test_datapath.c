/* SPDX-License-Identifier: MIT */
/*
 * Program, maps, pins and ports against a real kernel: each test gets a network namespace with
 * three veth devices (v0, v1 and "v.2") and an empty BPF file system. libxdp's dispatcher, which
 * only some kernels can have, is switched off: ports are attached alone.
 */
#include "daemon/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/fixture.h"
#include "tests/lib/netns.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Something for every map. */
static const char config_text[] =
	"interfaces = ( { name = \"v0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT "\"; } );\n"
	"decap = ( \"10.200.9.9\" );\n"
	"pools = ( { name = \"web\"; backends = (\n"
	"    { name = \"web-1\"; address = \"10.0.0.1\"; server_ids = [ 1022, 7 ]; },\n"
	"    { name = \"web-2\"; address = \"10.0.0.2\"; } ); } );\n"
	"vips = ( { name = \"www\"; address = \"10.200.1.1\"; port = 80; protocol = \"tcp\";\n"
	"    pool = \"web\"; ring_size = 4093; track = \"always\";\n"
	"    allow = [ \"192.168.0.0/16\" ]; deny = [ \"192.168.9.0/24\" ];\n"
	"    sources = ( { prefix = \"192.168.8.0/24\"; backend = \"web-2\"; } ); },\n"
	"  { name = \"wide\"; address = \"10.201.0.0/16\"; port = 80; protocol = \"tcp\";\n"
	"    pool = \"web\"; ring_size = 4093; } );\n";

static const struct maps_size small = {
	.vips = 4, .backends = 8, .ring_slots = 2 * 4096, .sources = 16, .fragments = 16};
static const struct maps_size large = {
	.vips = 9, .backends = 20, .ring_slots = 5 * 4096, .sources = 40, .fragments = 40};
static const struct maps_size roomy = {
	.vips = 4, .backends = 8, .ring_slots = 3 * 4096, .sources = 16, .fragments = 16};
static const struct sluice_settings settings = {
	.abi = SLUICE_ABI,
	.features = SLUICE_FEATURE_TRACE | SLUICE_FEATURE_FLOWS | SLUICE_FEATURE_PREFIXES |
		    SLUICE_FEATURE_SOURCES | SLUICE_FEATURE_ACCESS,
	.hash_seed = SLUICE_HASH_SEED,
	.flow_lines = 16,
	.flow_age = 1000,
};

/* What a test has. */
static struct lab {
	char pin_dir[128];
	struct datapath *dp;
	struct diag diag;
	struct model *model;
	struct desired *desired;
	struct running running; /* what the plan's rows point into */
	struct plan *plan;
	struct ring_cache rings;
} lab;

/* ------------------------------------------------------------------------------------- helpers */

static int setup(void **state)
{
	(void)state;
	netns_enter();
	netns_run("for i in v0 v1 v.2; do\n"
		  "	ip link add $i type veth peer name peer-$i\n"
		  "	ip link set $i up\n"
		  "	ip link set peer-$i up\n"
		  "done");
	lab = (struct lab){0};
	snprintf(lab.pin_dir, sizeof(lab.pin_dir), "%s/bpf/one/sluice", netns_dir());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	datapath_free(lab.dp);
	diag_fini(&lab.diag);
	plan_free(lab.plan);
	running_fini(&lab.running);
	desired_free(lab.desired);
	model_free(lab.model);
	ring_cache_fini(&lab.rings);
	lab = (struct lab){0};
	return 0;
}

static int try_open(const struct maps_size *size)
{
	struct datapath_options options = {
		.pin_dir = lab.pin_dir,
		.size = *size,
		.settings = settings,
	};

	return datapath_open(&lab.dp, &options, &lab.diag);
}

static void open_dp(const struct maps_size *size)
{
	fixture_check(try_open(size), &lab.diag);
}

static void close_dp(void)
{
	datapath_free(TAKE(lab.dp));
}

static uint32_t own_program(void)
{
	return program_id(datapath_program(lab.dp));
}

static int map_fd(enum map_id map)
{
	return program_map_fd(datapath_program(lab.dp), map);
}

static int try_attach(const char *first, enum model_mode first_mode, const char *second,
		      enum model_mode second_mode)
{
	const struct model_interface interfaces[] = {
		{.name = (char *)first, .mode = first_mode},
		{.name = (char *)second, .mode = second_mode},
	};

	return datapath_attach(lab.dp, interfaces, second ? 2 : 1, &lab.diag);
}

static void attach(const char *first, const char *second)
{
	fixture_check(try_attach(first, MODEL_MODE_AUTO, second, MODEL_MODE_AUTO), &lab.diag);
}

/* The attached ports are settled, but for those that are not named. */
static void settle(const char *first, const char *second)
{
	const struct model_interface interfaces[] = {
		{.name = (char *)first},
		{.name = (char *)second},
	};

	datapath_detach_others(lab.dp, interfaces, second ? 2 : 1);
}

/* Fails unless @err is @expected and the one message is @fmt. */
__attribute__((format(printf, 3, 4))) static void expect_error(int err, int expected,
							       const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	assert_int_equal(err, expected);
	assert_int_equal(lab.diag.n, 1);
	assert_string_equal(lab.diag.entries[0].text, text);
	diag_fini(&lab.diag);
}

static const char *pin_path(const char *prefix, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s%s", lab.pin_dir, prefix, name);
	return path;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Id of a pinned map, program or link; 0: there is no pin. */
static uint32_t pinned_id(const char *prefix, const char *name)
{
	union {
		struct bpf_map_info map;
		struct bpf_prog_info program;
		struct bpf_link_info link;
	} info = {0};
	__u32 size = sizeof(info);
	_cleanup_(closep) int fd = bpf_obj_get(pin_path(prefix, name));

	if (fd < 0)
		return 0;
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	if (strcmp(prefix, "link-") == 0)
		return info.link.id;
	return strcmp(name, "program") == 0 ? info.program.id : info.map.id;
}

struct ids {
	uint32_t map[MAP_MAX];
	uint32_t program;
};

static struct ids pinned_ids(void)
{
	struct ids ids = {.program = pinned_id("", "program")};

	for (int i = 0; i < MAP_MAX; i++)
		ids.map[i] = pinned_id("", map_descriptions[i].name);
	return ids;
}

static void assert_ids_equal(const struct ids *a, const struct ids *b)
{
	for (int i = 0; i < MAP_MAX; i++)
		assert_int_equal(a->map[i], b->map[i]);
	assert_int_equal(a->program, b->program);
}

/* Id of the XDP program on a device, and its mode; 0: there is none. */
static uint32_t program_on(const char *ifname, bool *generic)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(ifname), 0, &query), 0);
	if (generic)
		*generic = query.attach_mode == XDP_ATTACHED_SKB;
	return query.prog_id;
}

static const struct datapath_port *port(const char *name)
{
	size_t n;
	const struct datapath_port *ports = datapath_ports(lab.dp, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(ports[i].name, name) == 0)
			return &ports[i];
	return NULL;
}

static size_t n_ports(void)
{
	size_t n;

	datapath_ports(lab.dp, &n);
	return n;
}

/* The plan for @model with what the maps hold. */
static void make_plan(void)
{
	const struct wishes none = {0};
	const struct desired_port ports[] = {{.mtu = 1500}};
	const struct desired_input input = {
		.model = lab.model, .wishes = &none, .ports = ports, .rings = &lab.rings};

	plan_free(TAKE(lab.plan));
	running_fini(&lab.running);
	desired_free(TAKE(lab.desired));
	assert_int_equal(desired_build(&lab.desired, &input), 0);
	assert_int_equal(datapath_running(lab.dp, &lab.running), 0);
	fixture_check(plan_build(&lab.plan, &lab.running, lab.desired, &lab.diag), &lab.diag);
}

/* Fills the maps from the config, a device and some packets. */
static void fill(void)
{
	static struct frame in, out;
	uint32_t device = if_nametoindex("v1");

	lab.model = fixture_model(config_text);
	make_plan();
	fixture_check(datapath_apply(lab.dp, lab.plan, &lab.diag), &lab.diag);
	assert_int_equal(bpf_map_update_elem(map_fd(MAP_DEVICES), &device, &device, BPF_ANY), 0);
	frame_build(&in, "4 192.168.1.1>10.200.1.1 / tcp 31337>80 A");
	for (int i = 0; i < 3; i++) {
		struct datapath_verdict verdict;

		out.size = sizeof(out.data);
		assert_int_equal(
			datapath_run(lab.dp, in.data, in.size, out.data, &out.size, &verdict), 0);
		assert_string_equal(verdict.name, "TX");
	}
}

/* All that a map holds: each key with its value, as read from the kernel. */
struct content {
	unsigned char *bytes;
	size_t size;
};

static void content_fini(struct content *c)
{
	free(c->bytes);
}

static int compare_entries(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(size_t *)size);
}

/* @limit: of an array only the entries below. A hash is sorted, since it has an order of its own. */
static struct content read_map(enum map_id map, uint32_t limit)
{
	struct bpf_map_info info = {0};
	__u32 info_size = sizeof(info);
	struct content c = {0};
	unsigned char key[64];
	void *previous = NULL;
	uint32_t max = program_map_entries(datapath_program(lab.dp), map);
	int fd = map_fd(map);
	size_t value, entry;

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &info_size), 0);
	assert_int_equal(info.max_entries, max);
	value = info.type == BPF_MAP_TYPE_PERCPU_ARRAY
			? (info.value_size + 7u) / 8 * 8 * (size_t)libbpf_num_possible_cpus()
			: info.value_size;
	entry = info.key_size + value;
	c.bytes = calloc(max, entry);
	assert_non_null(c.bytes);
	while (c.size / entry < limit && bpf_map_get_next_key(fd, previous, key) == 0) {
		unsigned char *at = c.bytes + c.size;

		memcpy(at, key, info.key_size);
		assert_int_equal(bpf_map_lookup_elem(fd, key, at + info.key_size), 0);
		previous = key;
		c.size += entry;
	}
	if (map_descriptions[map].kind == MAP_ROWS || map == MAP_FRAGMENTS)
		qsort_r(c.bytes, c.size / entry, entry, compare_entries, &entry);
	return c;
}

/* All maps' content, as far as maps of the size @size hold it. */
struct contents {
	struct content map[MAP_MAX];
};

static void contents_fini(struct contents *c)
{
	for (int i = 0; i < MAP_MAX; i++)
		content_fini(&c->map[i]);
}

static struct contents read_maps(const struct maps_size *size)
{
	struct contents c;

	for (int i = 0; i < MAP_MAX; i++) {
		uint32_t limit = UINT32_MAX;

		if (i == MAP_COUNTERS)
			limit = size->vips + 1;
		else if (i == MAP_RINGS || i == MAP_OTHERS)
			limit = size->ring_slots / SLUICE_LINE_SLOTS;
		else if (i == MAP_BACKENDS || i == MAP_NAMES || i == MAP_BACKEND_COUNTERS)
			limit = size->backends + 1;
		c.map[i] = read_map(i, limit);
	}
	return c;
}

static bool all_zero(const struct content *c)
{
	for (size_t i = 0; i < c->size; i++)
		if (c->bytes[i])
			return false;
	return true;
}

static void assert_contents_equal(const struct contents *a, const struct contents *b)
{
	for (int i = 0; i < MAP_MAX; i++) {
		if (a->map[i].size != b->map[i].size ||
		    memcmp(a->map[i].bytes, b->map[i].bytes, a->map[i].size) != 0)
			fail_msg("the map %s holds something else", map_descriptions[i].name);
	}
}

/* Loads a program that passes everything. */
static int load_pass(enum bpf_attach_type expected)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = expected);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", code, N(code), &opts);

	assert_true(fd >= 0);
	return fd;
}

/* ------------------------------------------------------------------------------ open, take over */

static void pins_and_program_outlive_the_daemon(void **state)
{
	struct ids ids;
	uint32_t program;
	bool generic;

	(void)state;
	open_dp(&small);
	attach("v0", "v1");
	program = own_program();
	assert_int_not_equal(program, 0);
	assert_true(port("v0")->fresh && port("v1")->fresh);
	close_dp();
	ids = pinned_ids();
	for (int i = 0; i < MAP_MAX; i++)
		assert_int_not_equal(ids.map[i], 0);
	assert_int_equal(ids.program, program);
	assert_int_not_equal(pinned_id("link-", "v0"), 0);
	assert_int_equal(program_on("v0", &generic), program);
	assert_false(generic);
	assert_int_equal(program_on("v1", &generic), program);
	assert_false(generic);
	assert_int_equal(program_on("v.2", NULL), 0);
}

static void the_next_daemon_takes_over(void **state)
{
	_cleanup_(contents_fini) struct contents before = {0};
	_cleanup_(contents_fini) struct contents after = {0};
	struct ids old, new;
	uint32_t link;

	(void)state;
	netns_run("ip link set v1 mtu 1400");
	open_dp(&small);
	attach("v0", "v1");
	fill();
	before = read_maps(&small);
	assert_false(all_zero(&before.map[MAP_BACKEND_COUNTERS]));
	old = pinned_ids();
	link = pinned_id("link-", "v1");
	close_dp();

	open_dp(&small);
	new = pinned_ids();
	assert_memory_equal(old.map, new.map, sizeof(old.map));
	assert_int_not_equal(old.program, new.program);
	assert_int_equal(new.program, own_program());
	assert_int_equal(pinned_id("link-", "v1"), link);
	assert_int_equal(program_on("v0", NULL), new.program);
	assert_int_equal(program_on("v1", NULL), new.program);
	after = read_maps(&small);
	assert_contents_equal(&before, &after);

	assert_int_equal(n_ports(), 2);
	assert_int_equal(port("v1")->ifindex, if_nametoindex("v1"));
	assert_int_equal(port("v1")->mtu, 1400);
	assert_int_equal(port("v1")->mode, MODEL_MODE_NATIVE);
	assert_false(port("v1")->fresh);
	attach("v0", "v1");
	assert_false(port("v1")->fresh);
	assert_int_equal(pinned_id("link-", "v1"), link);
	make_plan();
	assert_int_equal(lab.plan->n_steps, 1); /* the device that no backend needs */
	assert_int_equal(lab.plan->steps[0].kind, PLAN_ROW);
	assert_int_equal(lab.plan->rows[0].map, MAP_DEVICES);
	assert_null(lab.plan->rows[0].to);
}

/* Those whose size no limit changes. */
static bool stays(enum map_id map)
{
	return map == MAP_VIP_LINES || map == MAP_DEVICES || map == MAP_TARGETS ||
	       map == MAP_STATE || map == MAP_DECAP || map == MAP_FLOWS || map == MAP_LIMITERS ||
	       map == MAP_SCRATCH;
}

/* After growing from `small` to `large`, in whatever way. */
static void check_grown(const struct contents *before, const struct ids *old, uint32_t link)
{
	_cleanup_(contents_fini) struct contents after = read_maps(&small);
	struct ids new = pinned_ids();

	assert_contents_equal(before, &after);
	assert_true(datapath_fits(lab.dp, &large, &settings));
	for (int i = 0; i < MAP_MAX; i++)
		assert_int_equal(old->map[i] == new.map[i], stays(i));
	assert_int_not_equal(old->program, new.program);
	assert_int_equal(new.program, own_program());
	assert_int_equal(pinned_id("link-", "v0"), link);
	assert_int_equal(program_on("v0", NULL), new.program);
	assert_int_equal(program_on("v1", NULL), new.program);
}

static void growing_keeps_content_and_switches_the_ports(void **state)
{
	_cleanup_(contents_fini) struct contents before = {0};
	struct ids old;
	uint32_t link;

	(void)state;
	open_dp(&small);
	attach("v0", "v1");
	fill();
	before = read_maps(&small);
	old = pinned_ids();
	link = pinned_id("link-", "v0");
	assert_true(datapath_fits(lab.dp, &small, &settings));
	assert_false(datapath_fits(lab.dp, &large, &settings));
	fixture_check(datapath_change(lab.dp, &large, &settings, &lab.diag), &lab.diag);
	check_grown(&before, &old, link);
	make_plan();
	assert_int_equal(lab.plan->slots, 0);
	close_dp();
	open_dp(&large);
	assert_int_equal(n_ports(), 2);
}

static void limits_raised_between_two_starts_keep_content(void **state)
{
	_cleanup_(contents_fini) struct contents before = {0};
	struct ids old;
	uint32_t link;

	(void)state;
	open_dp(&small);
	attach("v0", "v1");
	fill();
	before = read_maps(&small);
	old = pinned_ids();
	link = pinned_id("link-", "v0");
	close_dp();
	open_dp(&large);
	check_grown(&before, &old, link);
}

static void limits_lowered_between_two_starts_keep_the_maps(void **state)
{
	struct ids old, new;

	(void)state;
	open_dp(&large);
	old = pinned_ids();
	close_dp();
	open_dp(&small);
	new = pinned_ids();
	assert_memory_equal(old.map, new.map, sizeof(old.map));
	assert_int_equal(program_map_entries(datapath_program(lab.dp), MAP_BACKENDS),
			 large.backends + 1);
	assert_true(datapath_fits(lab.dp, &large, &settings));
}

/* ----------------------------------------------------------------------- settings, secret, flows */

static void other_settings_take_another_program_and_the_same_maps(void **state)
{
	_cleanup_(contents_fini) struct contents before = {0};
	_cleanup_(contents_fini) struct contents after = {0};
	struct sluice_settings other = settings;
	struct ids old, new;
	uint32_t link;

	(void)state;
	other.features |= SLUICE_FEATURE_DECAP | SLUICE_FEATURE_IPV6;
	other.echo_rate = 7;
	open_dp(&small);
	attach("v0", "v1");
	fill();
	before = read_maps(&small);
	old = pinned_ids();
	link = pinned_id("link-", "v0");
	assert_false(datapath_fits(lab.dp, &small, &other));
	fixture_check(datapath_change(lab.dp, &small, &other, &lab.diag), &lab.diag);
	assert_true(datapath_fits(lab.dp, &small, &other));
	assert_false(datapath_fits(lab.dp, &small, &settings));
	new = pinned_ids();
	assert_memory_equal(old.map, new.map, sizeof(old.map));
	assert_int_not_equal(old.program, new.program);
	assert_int_equal(new.program, own_program());
	assert_int_equal(program_on("v0", NULL), new.program);
	assert_int_equal(program_on("v1", NULL), new.program);
	assert_int_equal(pinned_id("link-", "v0"), link);
	assert_int_equal(program_settings(datapath_program(lab.dp))->echo_rate, 7);
	after = read_maps(&small);
	assert_contents_equal(&before, &after);
}

/* Every setting counts. */
static void a_program_fits_only_its_settings(void **state)
{
	(void)state;
	open_dp(&small);
	for (size_t i = 0; i < sizeof(settings); i += sizeof(uint32_t)) {
		struct sluice_settings other = settings;

		((uint32_t *)&other)[i / sizeof(uint32_t)] ^= 1;
		assert_false(datapath_fits(lab.dp, &small, &other));
	}
	assert_true(datapath_fits(lab.dp, &small, &settings));
}

static void copy_secret(uint64_t secret[2])
{
	struct sluice_state state;
	uint32_t key = 0;

	assert_int_equal(bpf_map_lookup_elem(map_fd(MAP_STATE), &key, &state), 0);
	assert_int_equal(state.abi, SLUICE_ABI);
	memcpy(secret, program_settings(datapath_program(lab.dp))->secret, sizeof(state.secret));
	assert_memory_equal(secret, state.secret, sizeof(state.secret));
}

/* Else the flows that are remembered were not found any more. */
static void the_secret_lives_as_long_as_the_maps(void **state)
{
	uint64_t first[2], next[2];

	(void)state;
	open_dp(&small);
	copy_secret(first);
	assert_true(first[0] && first[1]);
	close_dp();
	open_dp(&large);
	copy_secret(next);
	assert_memory_equal(first, next, sizeof(first));
	fixture_check(datapath_change(lab.dp, &roomy, &settings, &lab.diag), &lab.diag);
	copy_secret(next);
	assert_memory_equal(first, next, sizeof(first));
	close_dp();
	fixture_check(datapath_remove(lab.pin_dir, &lab.diag), &lab.diag);
	open_dp(&small);
	copy_secret(next);
	assert_true(memcmp(first, next, sizeof(first)) != 0);
}

/* Where an entry lies depends on the table's size. */
static void flows_outlive_the_daemon_but_not_another_size_of_their_table(void **state)
{
	const struct sluice_flow_line line = {.entry = {1 << 16}};
	struct sluice_settings larger = settings;
	struct sluice_flow_line found;
	uint32_t key = 9;

	(void)state;
	open_dp(&small);
	assert_int_equal(bpf_map_update_elem(map_fd(MAP_FLOWS), &key, &line, BPF_ANY), 0);
	close_dp();
	open_dp(&large);
	assert_int_equal(bpf_map_lookup_elem(map_fd(MAP_FLOWS), &key, &found), 0);
	assert_memory_equal(&found, &line, sizeof(line));
	larger.flow_lines *= 2;
	fixture_check(datapath_change(lab.dp, &large, &larger, &lab.diag), &lab.diag);
	assert_int_equal(program_map_entries(datapath_program(lab.dp), MAP_FLOWS),
			 larger.flow_lines);
	assert_int_equal(bpf_map_lookup_elem(map_fd(MAP_FLOWS), &key, &found), 0);
	assert_int_equal(found.entry[0], 0);
}

/* Pins a link in v1's place that takes no other program. */
static void block_v1(void)
{
	_cleanup_(closep) int program = load_pass(0);
	_cleanup_(closep) int old = bpf_obj_get(pin_path("link-", "v1"));
	_cleanup_(closep) int link = -1;
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);

	assert_int_equal(bpf_link_detach(old), 0);
	link = bpf_link_create(program, (int)if_nametoindex("v1"), BPF_XDP, &opts);
	assert_true(link >= 0);
	assert_int_equal(unlink(pin_path("link-", "v1")), 0);
	assert_int_equal(bpf_obj_pin(link, pin_path("link-", "v1")), 0);
}

static void a_port_that_cannot_be_switched_leaves_all_as_it_was(void **state)
{
	struct ids old, new;
	uint32_t foreign;

	(void)state;
	open_dp(&small);
	attach("v0", "v1");
	block_v1();
	attach("v.2", NULL); /* so that v1 is neither the first nor the last of the pins */
	old = pinned_ids();
	foreign = program_on("v1", NULL);
	expect_error(datapath_change(lab.dp, &large, &settings, &lab.diag), -EINVAL,
		     "interface \"v1\": cannot replace the running program: Invalid argument");
	new = pinned_ids();
	assert_ids_equal(&old, &new);
	assert_int_equal(own_program(), old.program);
	assert_int_equal(program_on("v0", NULL), old.program);
	assert_int_equal(program_on("v.2", NULL), old.program);
	assert_int_equal(program_on("v1", NULL), foreign);
	close_dp();

	expect_error(try_open(&large), -EINVAL,
		     "interface \"v1\": cannot replace the running program: Invalid argument");
	new = pinned_ids();
	assert_ids_equal(&old, &new);
	assert_int_equal(program_on("v0", NULL), old.program);
	assert_int_equal(program_on("v.2", NULL), old.program);
	assert_false(exists(pin_path("", "vips-new")));
}

/* A hash cannot be that large. */
static void a_size_that_the_kernel_refuses_leaves_all_as_it_was(void **state)
{
	static const char text[] =
		"the kernel refused the program: Argument list too long (\"sluiced -v\" shows what "
		"it said)";
	/* Refused at once: of most kinds of maps the kernel would take all memory first. */
	const struct maps_size huge = {.vips = 4,
				       .backends = 8,
				       .ring_slots = 2 * 4096,
				       .sources = 16,
				       .fragments = UINT32_MAX};
	struct ids old, new;

	(void)state;
	expect_error(try_open(&huge), -E2BIG, text);
	assert_false(exists(lab.pin_dir));
	open_dp(&small);
	attach("v0", NULL);
	old = pinned_ids();
	expect_error(datapath_change(lab.dp, &huge, &settings, &lab.diag), -E2BIG, text);
	close_dp();
	expect_error(try_open(&huge), -E2BIG, text);
	new = pinned_ids();
	assert_ids_equal(&old, &new);
	assert_int_equal(program_on("v0", NULL), old.program);
}

static void what_a_crash_left_half_pinned_is_replaced(void **state)
{
	struct ids ids;
	_cleanup_(closep) int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "other", 4, 4, 1, NULL);

	(void)state;
	open_dp(&small);
	attach("v0", NULL);
	close_dp();
	assert_int_equal(bpf_obj_pin(map, pin_path("", "rings-new")), 0);
	open_dp(&large);
	assert_int_equal(n_ports(), 1);
	ids = pinned_ids();
	assert_int_not_equal(ids.map[MAP_RINGS], 0);
	assert_false(exists(pin_path("", "rings-new")));
}

static void a_second_daemon_is_refused(void **state)
{
	struct datapath *first;
	struct ids old, new;

	(void)state;
	open_dp(&small);
	attach("v0", NULL);
	old = pinned_ids();
	first = TAKE(lab.dp);
	expect_error(try_open(&small), -EBUSY,
		     "pin_dir \"%s\" is in use by another daemon; an instance of its own needs a "
		     "pin_dir of its own",
		     lab.pin_dir);
	assert_null(lab.dp);
	expect_error(datapath_remove(lab.pin_dir, &lab.diag), -EBUSY,
		     "pin_dir \"%s\" is in use by another daemon; an instance of its own needs a "
		     "pin_dir of its own",
		     lab.pin_dir);
	new = pinned_ids();
	assert_ids_equal(&old, &new);
	assert_int_equal(program_on("v0", NULL), old.program);
	datapath_free(first);
	open_dp(&small);
}

static void a_directory_elsewhere_is_refused_and_left_alone(void **state)
{
	static const char text[] = "pin_dir \"%s\" is not on a BPF file system: mount -t bpf bpf "
				   "/sys/fs/bpf, or name a directory on one";

	(void)state;
	snprintf(lab.pin_dir, sizeof(lab.pin_dir), "%s/plain", netns_dir());
	assert_int_equal(mkdir(lab.pin_dir, 0700), 0);
	expect_error(try_open(&small), -EINVAL, text, lab.pin_dir);
	assert_true(exists(lab.pin_dir));
	expect_error(datapath_remove(lab.pin_dir, &lab.diag), -EINVAL,
		     "pin_dir \"%s\" is not on a BPF file system", lab.pin_dir);
	assert_int_equal(rmdir(lab.pin_dir), 0);
	snprintf(lab.pin_dir, sizeof(lab.pin_dir), "%s/plain/below", netns_dir());
	expect_error(try_open(&small), -EINVAL, text, lab.pin_dir);
	snprintf(lab.pin_dir, sizeof(lab.pin_dir), "%s/plain", netns_dir());
	assert_false(exists(lab.pin_dir));
}

static void a_directory_with_a_dot_is_refused_with_the_reason(void **state)
{
	(void)state;
	snprintf(lab.pin_dir, sizeof(lab.pin_dir), "%s/bpf/sluice.web", netns_dir());
	expect_error(try_open(&small), -EPERM,
		     "pin_dir \"%s\": cannot make \"%s\": Operation not permitted; it takes "
		     "root, and a BPF file system takes no dot in a name",
		     lab.pin_dir, lab.pin_dir);
}

static void pins_of_another_layout_are_refused_and_left_alone(void **state)
{
	static const struct {
		const char *name;
		enum bpf_map_type type;
		uint32_t key_size;
		uint32_t value_size;
	} cases[] = {
		{"vips", BPF_MAP_TYPE_HASH, sizeof(struct sluice_vip_key), 28},
		{"vips", BPF_MAP_TYPE_HASH, 24, sizeof(struct sluice_vip)},
		{"rings", BPF_MAP_TYPE_HASH, 4, sizeof(struct sluice_ring_line)},
		{"backend_counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 24},
	};

	(void)state;
	netns_run("mkdir -p %s", lab.pin_dir);
	for (size_t i = 0; i < N(cases); i++) {
		_cleanup_(closep) int fd = bpf_map_create(cases[i].type, "other", cases[i].key_size,
							  cases[i].value_size, 4, NULL);
		uint32_t id;

		assert_int_equal(bpf_obj_pin(fd, pin_path("", cases[i].name)), 0);
		id = pinned_id("", cases[i].name);
		expect_error(try_open(&small), -EPROTO,
			     "pinned map \"%s\" is from a release with another layout; \"sluiced "
			     "-c FILE --detach\" takes it down, then start anew",
			     cases[i].name);
		assert_int_equal(pinned_id("", cases[i].name), id);
		netns_run("test $(ls %s | wc -l) = 1", lab.pin_dir);
		assert_int_equal(unlink(pin_path("", cases[i].name)), 0);
	}
}

/* Records of the same size may have another meaning. */
static void pins_of_another_abi_are_refused_and_left_alone(void **state)
{
	_cleanup_(closep) int fd = -1;
	struct sluice_state content;
	struct ids before, after;
	uint32_t key = 0;

	(void)state;
	open_dp(&small);
	attach("v0", NULL);
	settle("v0", NULL);
	close_dp();
	before = pinned_ids();
	fd = bpf_obj_get(pin_path("", "state"));
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &content), 0);
	content.abi = SLUICE_ABI + 1;
	assert_int_equal(bpf_map_update_elem(fd, &key, &content, BPF_ANY), 0);
	expect_error(try_open(&small), -EPROTO,
		     "what is pinned is from a release with another layout (%u, that of this one "
		     "is %u); \"sluiced -c FILE --detach\" takes it down, then start anew",
		     SLUICE_ABI + 1, SLUICE_ABI);
	after = pinned_ids();
	assert_ids_equal(&after, &before);
	assert_int_not_equal(program_on("v0", NULL), 0);
	content.abi = SLUICE_ABI;
	assert_int_equal(bpf_map_update_elem(fd, &key, &content, BPF_ANY), 0);
	open_dp(&small);
}

/* ---------------------------------------------------------------------------------------- ports */

static void an_unknown_interface_is_refused_and_a_first_start_leaves_nothing(void **state)
{
	(void)state;
	open_dp(&small);
	expect_error(try_attach("v0", MODEL_MODE_AUTO, "nix0", MODEL_MODE_AUTO), -ENODEV,
		     "interface \"nix0\" does not exist on this host (\"ip link\" lists them)");
	assert_int_equal(n_ports(), 0);
	assert_int_equal(program_on("v0", NULL), 0);
	assert_false(exists(lab.pin_dir));
}

static void a_failed_attach_takes_only_its_own_back(void **state)
{
	(void)state;
	open_dp(&small);
	attach("v0", NULL);
	settle("v0", NULL);
	expect_error(try_attach("v1", MODEL_MODE_AUTO, "nix0", MODEL_MODE_AUTO), -ENODEV,
		     "interface \"nix0\" does not exist on this host (\"ip link\" lists them)");
	assert_int_equal(n_ports(), 1);
	assert_int_equal(program_on("v0", NULL), own_program());
	assert_int_equal(program_on("v1", NULL), 0);
	assert_false(exists(pin_path("link-", "v1")));
	assert_true(exists(pin_path("", "vips")));
}

static void what_is_settled_is_not_taken_back(void **state)
{
	(void)state;
	open_dp(&small);
	attach("v0", NULL);
	settle("v0", NULL);
	datapath_attach_undo(lab.dp);
	assert_int_equal(program_on("v0", NULL), own_program());
	assert_int_equal(n_ports(), 1);
	attach("v0", "v1");
	datapath_attach_undo(lab.dp);
	assert_int_equal(program_on("v0", NULL), own_program());
	assert_int_equal(program_on("v1", NULL), 0);
}

static void native_is_refused_where_the_driver_has_none(void **state)
{
	(void)state;
	open_dp(&small);
	expect_error(try_attach("lo", MODEL_MODE_NATIVE, NULL, 0), -EOPNOTSUPP,
		     "interface \"lo\": its driver has no native XDP (Operation not supported); "
		     "use mode = \"auto\" or \"generic\"");
	assert_int_equal(program_on("lo", NULL), 0);
	assert_false(exists(lab.pin_dir));
}

static void auto_takes_native_where_it_can_else_generic(void **state)
{
	bool generic;

	(void)state;
	open_dp(&small);
	attach("v0", "lo");
	assert_int_equal(port("v0")->mode, MODEL_MODE_NATIVE);
	assert_int_equal(port("lo")->mode, MODEL_MODE_GENERIC);
	assert_int_not_equal(program_on("lo", &generic), 0);
	assert_true(generic);
	close_dp();
	open_dp(&small);
	assert_int_equal(port("v0")->mode, MODEL_MODE_NATIVE);
	assert_int_equal(port("lo")->mode, MODEL_MODE_GENERIC);
	assert_int_equal(program_on("lo", NULL), own_program());
}

static void a_mode_can_be_changed(void **state)
{
	bool generic;

	(void)state;
	open_dp(&small);
	fixture_check(try_attach("v0", MODEL_MODE_GENERIC, NULL, 0), &lab.diag);
	settle("v0", NULL);
	program_on("v0", &generic);
	assert_true(generic);
	fixture_check(try_attach("v0", MODEL_MODE_AUTO, NULL, 0), &lab.diag);
	assert_int_equal(port("v0")->mode, MODEL_MODE_GENERIC);
	fixture_check(try_attach("v0", MODEL_MODE_NATIVE, NULL, 0), &lab.diag);
	assert_int_equal(port("v0")->mode, MODEL_MODE_NATIVE);
	assert_int_equal(n_ports(), 1);
	assert_int_equal(program_on("v0", &generic), own_program());
	assert_false(generic);
}

static void a_refused_change_of_mode_leaves_the_port_running(void **state)
{
	bool generic;

	(void)state;
	open_dp(&small);
	fixture_check(try_attach("v0", MODEL_MODE_NATIVE, "lo", MODEL_MODE_AUTO), &lab.diag);
	settle("v0", "lo");
	expect_error(try_attach("v0", MODEL_MODE_GENERIC, "lo", MODEL_MODE_NATIVE), -EOPNOTSUPP,
		     "interface \"lo\": its driver has no native XDP (Operation not supported); "
		     "use mode = \"auto\" or \"generic\"");
	assert_int_equal(n_ports(), 2);
	assert_int_equal(program_on("lo", &generic), own_program());
	assert_true(generic);
	assert_int_equal(program_on("v0", &generic), own_program());
	assert_false(generic);
	assert_int_equal(port("v0")->mode, MODEL_MODE_NATIVE);
	assert_int_equal(port("lo")->mode, MODEL_MODE_GENERIC);
	assert_true(exists(pin_path("link-", "v0")));
}

static void another_program_on_the_device_stays(void **state)
{
	_cleanup_(closep) int foreign = load_pass(BPF_XDP);
	uint32_t id;

	(void)state;
	assert_int_equal(
		bpf_xdp_attach((int)if_nametoindex("v1"), foreign, XDP_FLAGS_DRV_MODE, NULL), 0);
	id = program_on("v1", NULL);
	open_dp(&small);
	for (int mode = 0; mode < MODEL_MODE_MAX; mode++) {
		int err = try_attach("v0", MODEL_MODE_AUTO, "v1", mode);

		assert_true(err == -EBUSY || err == -EEXIST);
		expect_error(err, err,
			     "interface \"v1\": another XDP program is attached and cannot be "
			     "shared with; take it off first (ip link set dev v1 xdp off)");
		assert_int_equal(program_on("v1", NULL), id);
		assert_int_equal(program_on("v0", NULL), 0);
		close_dp();
		open_dp(&small);
	}
}

static void ports_that_are_not_named_are_detached(void **state)
{
	(void)state;
	open_dp(&small);
	attach("v0", "v1");
	settle("v1", NULL);
	assert_int_equal(n_ports(), 1);
	assert_int_equal(program_on("v0", NULL), 0);
	assert_false(exists(pin_path("link-", "v0")));
	assert_int_equal(program_on("v1", NULL), own_program());
}

static void a_name_with_a_dot_is_a_port_like_others(void **state)
{
	(void)state;
	open_dp(&small);
	attach("v.2", NULL);
	settle("v.2", NULL);
	assert_int_equal(program_on("v.2", NULL), own_program());
	close_dp();
	open_dp(&small);
	assert_int_equal(n_ports(), 1);
	assert_non_null(port("v.2"));
	assert_int_equal(program_on("v.2", NULL), own_program());
	close_dp();
	fixture_check(datapath_remove(lab.pin_dir, &lab.diag), &lab.diag);
	assert_int_equal(program_on("v.2", NULL), 0);
	assert_false(exists(lab.pin_dir));
}

static void a_device_made_anew_is_attached_anew(void **state)
{
	(void)state;
	open_dp(&small);
	attach("v0", NULL);
	settle("v0", NULL);
	netns_run("ip link del v0; ip link add v0 type veth peer name peer-v0; ip link set v0 up");
	attach("v0", NULL);
	assert_int_equal(n_ports(), 1);
	assert_int_equal(port("v0")->ifindex, if_nametoindex("v0"));
	assert_int_equal(program_on("v0", NULL), own_program());
	close_dp();

	netns_run("ip link del v0; ip link add v0 type veth peer name peer-v0; ip link set v0 up");
	open_dp(&small);
	assert_int_equal(n_ports(), 0);
	attach("v0", NULL);
	assert_int_equal(program_on("v0", NULL), own_program());
	close_dp();

	netns_run("ip link del v0");
	open_dp(&small);
	settle("v1", NULL);
	assert_false(exists(pin_path("link-", "v0")));
}

static void all_is_taken_down(void **state)
{
	_cleanup_(closep) int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "other", 4, 4, 1, NULL);
	_cleanup_(closep) int held = -1; /* by someone else, who must not keep it attached */

	(void)state;
	open_dp(&small);
	attach("v0", "v1");
	close_dp();
	held = bpf_obj_get(pin_path("link-", "v0"));
	assert_true(held >= 0);
	netns_run("ip link del v1");
	assert_int_equal(bpf_obj_pin(map, pin_path("", "vips-new")), 0);
	fixture_check(datapath_remove(lab.pin_dir, &lab.diag), &lab.diag);
	assert_int_equal(program_on("v0", NULL), 0);
	assert_false(exists(lab.pin_dir));
	fixture_check(datapath_remove(lab.pin_dir, &lab.diag), &lab.diag);
	open_dp(&small);
	assert_int_equal(n_ports(), 0);
}

static void what_is_not_ours_is_not_taken_down(void **state)
{
	_cleanup_(closep) int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "other", 4, 4, 1, NULL);

	(void)state;
	open_dp(&small);
	close_dp();
	assert_int_equal(bpf_obj_pin(map, pin_path("", "foreign")), 0);
	expect_error(datapath_remove(lab.pin_dir, &lab.diag), -ENOTEMPTY,
		     "pin_dir \"%s\": Directory not empty", lab.pin_dir);
	netns_run("test \"$(ls %s)\" = foreign", lab.pin_dir);
}

/* --------------------------------------------------------------------------------- apply a plan */

static void assert_rows_equal(const struct rows *a, const struct rows *b)
{
	assert_int_equal(a->n, b->n);
	assert_true(a->n > 0);
	assert_memory_equal(a->data, b->data, a->n * (a->key_size + a->value_size));
}

static void what_was_applied_is_what_the_maps_hold(void **state)
{
	_cleanup_(running_fini) struct running running = {0};

	(void)state;
	open_dp(&small);
	fill();
	assert_int_equal(datapath_running(lab.dp, &running), 0);
	assert_int_equal(running.n_ids, small.backends + 1);
	assert_int_equal(running.max_vips, small.vips);
	assert_int_equal(running.n_slots, small.ring_slots);
	assert_int_equal(running.max_entries[MAP_DEVICES], 64);
	assert_int_equal(running.rows[MAP_SOURCES].n + running.rows[MAP_ACCESS].n, 0);
	assert_int_equal(running.read_rows(&running, MAP_SOURCES), 0);
	assert_int_equal(running.read_rows(&running, MAP_ACCESS), 0);
	for (int i = 0; i < MAP_MAX; i++)
		if (map_descriptions[i].kind == MAP_ROWS && i != MAP_DEVICES)
			assert_rows_equal(&running.rows[i], &lab.plan->wanted[i]);
	assert_int_equal(running.rows[MAP_DEVICES].n, 1);
	assert_int_equal(*(const uint32_t *)rows_key(&running.rows[MAP_DEVICES], 0),
			 if_nametoindex("v1"));
	assert_int_equal(running.targets[1].backend, lab.plan->backend_ids[1]);
	assert_memory_equal(running.state->digest, lab.plan->digest, sizeof(lab.plan->digest));
	for (size_t i = 0; i < lab.desired->n_backends; i++) {
		struct sluice_backend record = lab.desired->backends[i].record;
		uint32_t id = lab.plan->backend_ids[i];

		record.generation = 1;
		assert_memory_equal(&running.backends[id], &record, sizeof(record));
		assert_string_equal(running.names[id].pool, "web");
		assert_string_equal(running.names[id].backend,
				    lab.desired->backends[i].backend->name);
	}
}

/* A row at the end of the plan. */
static void add_row(enum map_id map, const void *key, const void *from, const void *to)
{
	size_t n = lab.plan->n_rows, n_steps = lab.plan->n_steps;
	struct plan_row *rows = reallocarray(lab.plan->rows, n + 1, sizeof(*rows));
	struct plan_step *steps = reallocarray(lab.plan->steps, n_steps + 1, sizeof(*steps));

	assert_true(rows && steps);
	lab.plan->rows = rows;
	lab.plan->steps = steps;
	rows[lab.plan->n_rows++] = (struct plan_row){map, key, from, to, 0};
	steps[lab.plan->n_steps++] = (struct plan_step){PLAN_ROW, (uint32_t)n};
}

/* Steps of all kinds, on rows of all maps. */
static void assert_all_kinds(void)
{
	unsigned int kinds = 0, maps = 0, expected = 0;

	for (size_t i = 0; i < lab.plan->n_steps; i++)
		kinds |= 1u << lab.plan->steps[i].kind;
	assert_int_equal(kinds,
			 1u << PLAN_ROW | 1u << PLAN_BACKEND | 1u << PLAN_RING | 1u << PLAN_TARGET);
	for (size_t i = 0; i < lab.plan->n_rows; i++)
		maps |= 1u << lab.plan->rows[i].map;
	for (int i = 0; i < MAP_MAX; i++)
		expected |= (unsigned int)(map_descriptions[i].kind == MAP_ROWS) << i;
	assert_int_equal(maps, expected);
}

/* A change of all kinds, and at its end a step that the kernel refuses. */
static void a_failing_step_takes_all_back(void **state)
{
	static const char changed[] =
		"interfaces = ( { name = \"v0\"; gateway_mac = \"02:00:00:00:00:99\"; } );\n"
		"pools = ( { name = \"web\"; backends = (\n"
		"    { name = \"web-2\"; address = \"10.0.0.2\"; server_ids = [ 1022 ]; },\n"
		"    { name = \"web-3\"; address = \"10.0.0.3\"; } ); } );\n"
		"vips = (\n"
		"  { name = \"www\"; address = \"10.200.1.1\"; port = 80; protocol = \"tcp\";\n"
		"    pool = \"web\"; ring_size = 4093; deny = [ \"192.168.9.0/24\" ];\n"
		"    sources = ( { prefix = \"192.168.8.0/24\"; backend = \"web-3\"; } ); },\n"
		"  { name = \"dns\"; address = \"10.200.1.1\"; port = 53; protocol = \"udp\";\n"
		"    pool = \"web\"; ring_size = 4093; } );\n";
	static const uint32_t nowhere = 4711;
	uint32_t v0 = if_nametoindex("v0");
	_cleanup_(contents_fini) struct contents before = {0};
	_cleanup_(contents_fini) struct contents after = {0};
	const struct rows *vips;

	(void)state;
	open_dp(&roomy);
	fill();
	before = read_maps(&small);
	model_free(lab.model);
	lab.model = fixture_model(changed);
	make_plan();
	assert_all_kinds();
	vips = &lab.plan->wanted[MAP_VIPS];
	for (size_t i = 0; i < vips->n; i++) /* the old ones and the new one */
		add_row(MAP_VIPS, rows_key(vips, i), rows_value(vips, i), NULL);
	add_row(MAP_DEVICES, &v0, NULL, &v0);
	add_row(MAP_DEVICES, &nowhere, NULL, &nowhere);
	expect_error(datapath_apply(lab.dp, lab.plan, &lab.diag), -EINVAL,
		     "writing the map \"devices\": Invalid argument; nothing was changed");
	after = read_maps(&small);
	assert_contents_equal(&before, &after);
}

static void a_backend_that_is_gone_leaves_only_its_generation(void **state)
{
	static const struct sluice_backend gone = {.generation = 1};
	static const struct sluice_name nameless;
	_cleanup_(running_fini) struct running running = {0};

	(void)state;
	open_dp(&small);
	fill();
	model_free(lab.model);
	lab.model = fixture_model("interfaces = ( { name = \"v0\"; } );\n");
	make_plan();
	fixture_check(datapath_apply(lab.dp, lab.plan, &lab.diag), &lab.diag);
	assert_int_equal(datapath_running(lab.dp, &running), 0);
	for (int i = 0; i < MAP_MAX; i++)
		assert_int_equal(running.rows[i].n, 0);
	assert_int_equal(running.targets[1].vip, 0);
	for (uint32_t id = 1; id <= 2; id++) {
		assert_memory_equal(&running.backends[id], &gone, sizeof(gone));
		assert_memory_equal(&running.names[id], &nameless, sizeof(nameless));
	}
}

/* Nor has the id's next owner its flows. */
static void flows_of_a_recycled_id_are_forgotten(void **state)
{
	static const char other[] = "interfaces = ( { name = \"v0\"; } );\n"
				    "pools = ( { name = \"web\"; backends = (\n"
				    "    { name = \"web-1\"; address = \"10.0.0.8\"; } ); } );\n";
	static const char nothing[] = "interfaces = ( { name = \"v0\"; } );\n";
	const struct sluice_flow_line line = {.entry = {1 << 16, 2 << 16}};
	struct sluice_flow_line found;
	uint32_t key = 9;

	(void)state;
	open_dp(&small);
	fill();
	assert_int_equal(bpf_map_update_elem(map_fd(MAP_FLOWS), &key, &line, BPF_ANY), 0);
	for (int i = 0; i < 2; i++) {
		model_free(lab.model);
		lab.model = fixture_model(i ? other : nothing);
		make_plan();
		fixture_check(datapath_apply(lab.dp, lab.plan, &lab.diag), &lab.diag);
	}
	assert_int_equal(lab.plan->backend_ids[0], 1);
	assert_int_equal(bpf_map_lookup_elem(map_fd(MAP_FLOWS), &key, &found), 0);
	assert_int_equal(found.entry[0], 0);
	assert_int_equal(found.entry[1], 2 << 16);
}

static void counters_of_a_recycled_id_start_at_zero(void **state)
{
	static const char other[] =
		"interfaces = ( { name = \"v0\"; gateway_mac = \"02:00:00:00:00:99\"; } );\n"
		"pools = ( { name = \"web\"; backends = (\n"
		"    { name = \"web-1\"; address = \"10.0.0.8\"; },\n"
		"    { name = \"web-2\"; address = \"10.0.0.9\"; } ); } );\n"
		"vips = ( { name = \"www\"; address = \"10.200.1.1\"; port = 81;\n"
		"    protocol = \"tcp\"; pool = \"web\"; ring_size = 4093; } );\n";
	static const char nothing[] = "interfaces = ( { name = \"v0\"; } );\n";
	_cleanup_(content_fini) struct content vip = {0};
	_cleanup_(content_fini) struct content backends = {0};

	(void)state;
	open_dp(&small);
	fill();
	vip = read_map(MAP_COUNTERS, UINT32_MAX);
	assert_false(all_zero(&vip));
	for (int i = 0; i < 2; i++) {
		model_free(lab.model);
		lab.model = fixture_model(i ? other : nothing);
		make_plan();
		fixture_check(datapath_apply(lab.dp, lab.plan, &lab.diag), &lab.diag);
	}
	assert_int_equal(lab.plan->vip_ids[0], 1);
	assert_int_equal(lab.plan->backend_ids[0] + lab.plan->backend_ids[1], 3);
	content_fini(&vip);
	vip = read_map(MAP_COUNTERS, UINT32_MAX);
	backends = read_map(MAP_BACKEND_COUNTERS, UINT32_MAX);
	for (size_t i = 0; i < vip.size; i += vip.size / (small.vips + 1))
		memset(vip.bytes + i, 0, 4); /* the key */
	for (size_t i = 0; i < backends.size; i += backends.size / (small.backends + 1))
		memset(backends.bytes + i, 0, 4);
	assert_true(all_zero(&vip));
	assert_true(all_zero(&backends));
}

static void frames_that_the_kernel_does_not_take_are_an_error(void **state)
{
	static unsigned char frame[FRAME_MAX], out[FRAME_MAX];
	struct datapath_verdict verdict;
	size_t size = sizeof(out);

	(void)state;
	open_dp(&small);
	assert_int_equal(datapath_run(lab.dp, frame, 13, out, &size, &verdict), -EINVAL);
	assert_int_equal(datapath_run(lab.dp, frame, sizeof(frame), out, &size, &verdict),
			 program_settings(datapath_program(lab.dp))->features & SLUICE_FEATURE_FRAGS
				 ? 0
				 : -EMSGSIZE);
	size = sizeof(out);
	assert_int_equal(datapath_run(lab.dp, frame, 14, out, &size, &verdict), 0);
	assert_string_equal(verdict.name, "PASS");
	assert_false(verdict.transmits);
	assert_int_equal(verdict.trace.outcome, SLUICE_OUT_NOT_IP);
	assert_int_equal(size, 14);
}

static void memory_is_counted(void **state)
{
	uint64_t before;

	(void)state;
	open_dp(&small);
	before = datapath_memory(lab.dp);
	assert_true(before >= small.ring_slots * 4);
	fixture_check(datapath_change(lab.dp, &large, &settings, &lab.diag), &lab.diag);
	assert_true(datapath_memory(lab.dp) >= before + (large.ring_slots - small.ring_slots) * 4);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		TEST(pins_and_program_outlive_the_daemon),
		TEST(the_next_daemon_takes_over),
		TEST(growing_keeps_content_and_switches_the_ports),
		TEST(limits_raised_between_two_starts_keep_content),
		TEST(limits_lowered_between_two_starts_keep_the_maps),
		TEST(other_settings_take_another_program_and_the_same_maps),
		TEST(a_program_fits_only_its_settings),
		TEST(the_secret_lives_as_long_as_the_maps),
		TEST(flows_outlive_the_daemon_but_not_another_size_of_their_table),
		TEST(a_port_that_cannot_be_switched_leaves_all_as_it_was),
		TEST(a_size_that_the_kernel_refuses_leaves_all_as_it_was),
		TEST(what_a_crash_left_half_pinned_is_replaced),
		TEST(a_second_daemon_is_refused),
		TEST(a_directory_elsewhere_is_refused_and_left_alone),
		TEST(a_directory_with_a_dot_is_refused_with_the_reason),
		TEST(pins_of_another_layout_are_refused_and_left_alone),
		TEST(pins_of_another_abi_are_refused_and_left_alone),
		TEST(an_unknown_interface_is_refused_and_a_first_start_leaves_nothing),
		TEST(a_failed_attach_takes_only_its_own_back),
		TEST(what_is_settled_is_not_taken_back),
		TEST(native_is_refused_where_the_driver_has_none),
		TEST(auto_takes_native_where_it_can_else_generic),
		TEST(a_mode_can_be_changed),
		TEST(a_refused_change_of_mode_leaves_the_port_running),
		TEST(another_program_on_the_device_stays),
		TEST(ports_that_are_not_named_are_detached),
		TEST(a_name_with_a_dot_is_a_port_like_others),
		TEST(a_device_made_anew_is_attached_anew),
		TEST(all_is_taken_down),
		TEST(what_is_not_ours_is_not_taken_down),
		TEST(what_was_applied_is_what_the_maps_hold),
		TEST(a_failing_step_takes_all_back),
		TEST(a_backend_that_is_gone_leaves_only_its_generation),
		TEST(flows_of_a_recycled_id_are_forgotten),
		TEST(counters_of_a_recycled_id_start_at_zero),
		TEST(frames_that_the_kernel_does_not_take_are_an_error),
		TEST(memory_is_counted),
	};

	int failed;

	setenv("LIBXDP_SKIP_DISPATCHER", "1", 1);
	netns_init(tests, N(tests));
	failed = cmocka_run_group_tests_name("daemon/datapath", tests, NULL, NULL);
	netns_fini();
	return failed;
}
