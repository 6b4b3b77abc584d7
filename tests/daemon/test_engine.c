/* SPDX-License-Identifier: MIT */
/*
 * The engine in a network namespace with two veth devices and a BPF file system of its own: start,
 * reload, orders, and what all of them leave alone when they are refused.
 */
#include "daemon/engine.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "config/load.h"
#include "daemon/stats.h"
#include "tests/lib/fixture.h"
#include "tests/lib/netns.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define PATIENCE_S 10

#define V0 "{ name = \"v0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT "\"; }"
#define V1 "{ name = \"v1\"; }"
#define BACKEND(name, last, more) "{ name = \"" name "\"; address = \"10.0.0." #last "\"; " more "}"
#define POOL(name, backends) "{ name = \"" name "\"; backends = ( " backends " ); }"
#define VIP(name, port, pool) \
	"{ name = \"" name "\"; address = \"192.0.2.1\"; port = " #port \
	"; protocol = \"tcp\"; pool = \"" pool "\"; ring_size = 4093; }"
#define CONFIG(interfaces, pools, vips) \
	"interfaces = ( " interfaces " );\npools = ( " pools " );\nvips = ( " vips " );\n"
#define STAYS "; the flows that it has stay for 300 s at most"
#define TWO BACKEND("a", 1, "") ", " BACKEND("b", 2, "")

static const char plain[] = CONFIG(V0, POOL("web", TWO), VIP("www", 80, "web"));

static struct lab {
	char config[64], pin_dir[64], state_dir[64];
	char head[512]; /* the config's directories */
	sd_event *event;
	struct engine *engine;
	struct engine_view view;
	struct diag diag;
	char *told; /* changes of the last reload or order, a line each */
	size_t told_size;
	uint64_t slots;
} lab;

/* ------------------------------------------------------------------------------------- helpers */

static int setup(void **state)
{
	static unsigned int n;

	(void)state;
	netns_enter();
	netns_run("for i in 0 1; do\n"
		  "	ip link add v$i type veth peer name p$i\n"
		  "	ip addr add 10.9$i.0.1/24 dev v$i\n"
		  "	ip link set v$i up\n"
		  "	ip link set p$i up\n"
		  "done");
	lab = (struct lab){0};
	n++;
	snprintf(lab.config, sizeof(lab.config), "%s/%u.conf", netns_dir(), n);
	snprintf(lab.pin_dir, sizeof(lab.pin_dir), "%s/bpf/sluice", netns_dir());
	snprintf(lab.state_dir, sizeof(lab.state_dir), "%s/state%u", netns_dir(), n);
	snprintf(lab.head, sizeof(lab.head),
		 "pin_dir = \"%s\"; state_dir = \"%s\"; control = { socket = \"%s/socket\"; };",
		 lab.pin_dir, lab.state_dir, netns_dir());
	assert_true(sd_event_new(&lab.event) >= 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	engine_free(lab.engine);
	sd_event_unref(lab.event);
	diag_fini(&lab.diag);
	free(lab.told);
	return 0;
}

/* Writes a config with a head line and the rest. */
static void write_whole(const char *head, const char *text)
{
	FILE *file = fopen(lab.config, "w");

	assert_non_null(file);
	fprintf(file, "%s\n%s", head, text);
	assert_int_equal(fclose(file), 0);
}

static void write_config(const char *text)
{
	write_whole(lab.head, text);
}

static int try_start(void)
{
	_cleanup_(model_freep) struct model *model = NULL;
	int err = load_file(&model, lab.config, &lab.diag);

	if (!err)
		err = engine_new(&lab.engine, lab.event, model, &lab.diag);
	if (!err) {
		TAKE(model);
		lab.view = engine_view(lab.engine);
	}
	return err;
}

static void start(const char *text)
{
	write_config(text);
	fixture_check(try_start(), &lab.diag);
}

static void stop(void)
{
	engine_free(TAKE(lab.engine));
}

static void tell(void *ctx, const char *text)
{
	fprintf(ctx, "%s\n", text);
}

static int finish(int err, const struct engine_result *result)
{
	fclose(result->ctx);
	lab.slots = result->slots;
	lab.view = engine_view(lab.engine);
	return err;
}

static struct engine_result begin(void)
{
	free(TAKE(lab.told));
	return (struct engine_result){
		.change = tell,
		.ctx = open_memstream(&lab.told, &lab.told_size),
	};
}

static int try_reload(void)
{
	struct engine_result result = begin();

	return finish(engine_reload(lab.engine, false, &result, &lab.diag), &result);
}

static void reload(const char *text)
{
	write_config(text);
	fixture_check(try_reload(), &lab.diag);
}

static int try_order(enum engine_order order, const char *backend, const char *pool,
		     unsigned int weight)
{
	struct engine_result result = begin();

	return finish(engine_order(lab.engine, order, backend, pool, weight, &result, &lab.diag),
		      &result);
}

static void order(enum engine_order what, const char *backend, const char *pool,
		  unsigned int weight)
{
	fixture_check(try_order(what, backend, pool, weight), &lab.diag);
}

static void settle(const char *vip)
{
	struct engine_result result = begin();

	fixture_check(finish(engine_settle(lab.engine, vip, &result, &lab.diag), &result),
		      &lab.diag);
}

/* Fails unless there is one message, which ends with @text. */
static void expect_message(const char *text)
{
	const char *got;

	assert_int_equal(lab.diag.n, 1);
	got = lab.diag.entries[0].text;
	assert_string_equal(strlen(got) > strlen(text) ? got + strlen(got) - strlen(text) : got,
			    text);
	diag_fini(&lab.diag);
}

static uint32_t own_program(void)
{
	return program_id(datapath_program(lab.view.datapath));
}

static uint32_t program_on(const char *ifname)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(ifname), 0, &query), 0);
	return query.prog_id;
}

static size_t backend_index(const char *pool, const char *name)
{
	for (size_t i = 0; i < lab.view.desired->n_backends; i++) {
		const struct desired_backend *b = &lab.view.desired->backends[i];

		if (strcmp(b->pool->name, pool) == 0 && strcmp(b->backend->name, name) == 0)
			return i;
	}
	fail_msg("there is no backend %s in pool %s", name, pool);
	return 0;
}

static uint32_t id_of(const char *pool, const char *name)
{
	return lab.view.backend_ids[backend_index(pool, name)];
}

static const struct desired_backend *backend(const char *pool, const char *name)
{
	return &lab.view.desired->backends[backend_index(pool, name)];
}

/* A copy of what the maps hold. */
struct snapshot {
	struct running running;
	unsigned char *bytes;
	size_t size;
	uint32_t program;
};

static void snapshot_fini(struct snapshot *s)
{
	free(s->bytes);
}

static struct snapshot snapshot(void)
{
	_cleanup_(running_fini) struct running r = {0};
	struct snapshot s = {.program = own_program()};
	FILE *out = open_memstream((char **)&s.bytes, &s.size);

	assert_int_equal(datapath_running(lab.view.datapath, &r), 0);
	fwrite(r.backends, sizeof(*r.backends), r.n_ids, out);
	fwrite(r.names, sizeof(*r.names), r.n_ids, out);
	fwrite(r.slots.rings, sizeof(*r.slots.rings), r.n_slots, out);
	fwrite(r.slots.others, sizeof(*r.slots.others), r.n_slots, out);
	fwrite(r.targets, sizeof(*r.targets), r.n_targets, out);
	fwrite(r.state, sizeof(*r.state), 1, out);
	assert_int_equal(r.read_rows(&r, MAP_SOURCES), 0);
	assert_int_equal(r.read_rows(&r, MAP_ACCESS), 0);
	for (int i = 0; i < MAP_MAX; i++)
		if (r.rows[i].n)
			fwrite(r.rows[i].data, r.rows[i].key_size + r.rows[i].value_size,
			       r.rows[i].n, out);
	fclose(out);
	return s;
}

static void assert_snapshots_equal(const struct snapshot *a, const struct snapshot *b)
{
	assert_int_equal(a->program, b->program);
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->bytes, b->bytes, a->size);
}

/* The words of a VIP's ring, as the map has them: @words gets them; returns how many there are. */
static uint32_t read_ring(const char *vip, uint32_t words[4093])
{
	_cleanup_(running_fini) struct running r = {0};
	const struct sluice_vip *found;
	struct sluice_vip_key key;
	size_t i = 0;

	assert_int_equal(datapath_running(lab.view.datapath, &r), 0);
	while (strcmp(lab.view.desired->vips[i].vip->name, vip) != 0)
		assert_true(++i < lab.view.desired->n_vips);
	key = (struct sluice_vip_key){
		.addr = lab.view.desired->vips[i].vip->prefix.addr,
		.port = htons(lab.view.desired->vips[i].vip->port),
		.proto = lab.view.desired->vips[i].vip->protocol,
	};
	found = rows_find(&r.rows[MAP_VIPS], &key);
	assert_non_null(found);
	assert_int_equal(found->id, lab.view.vip_ids[i]);
	assert_int_equal(found->ring.size, 4093);
	for (i = 0; i < 4093; i++)
		words[i] = slots_get(&r.slots, found->ring.base + (uint32_t)i);
	return found->ring.size;
}

/* How many slots of a VIP's ring lead to backend @id. */
static unsigned int slots_of(const char *vip, uint32_t id)
{
	uint32_t words[4093];
	unsigned int n = 0;

	for (uint32_t i = read_ring(vip, words); i-- > 0;)
		n += SLUICE_SLOT_CUR(words[i]) == id;
	return n;
}

/* ---------------------------------------------------------------------------------- start, stop */

static void a_start_fills_the_maps_and_attaches(void **state)
{
	time_t before = time(NULL);

	(void)state;
	start(plain);
	assert_int_equal(program_on("v0"), own_program());
	assert_int_equal(program_on("v1"), 0);
	assert_int_equal(lab.view.desired->n_vips, 1);
	assert_int_equal(lab.view.vip_ids[0], 1);
	assert_in_range(slots_of("www", id_of("web", "a")), 2000, 2093);
	assert_int_equal(slots_of("www", id_of("web", "a")) + slots_of("www", id_of("web", "b")),
			 4093);
	assert_int_equal(backend("web", "a")->way, DESIRED_WAY_STATIC);
	assert_string_equal(lab.view.model->file, lab.config);
	assert_int_equal(lab.view.wishes->n, 0);
	assert_true(lab.view.started >= before);
	assert_int_equal(lab.view.started, lab.view.loaded);
}

/* The settings of the program that is loaded. */
static struct sluice_settings settings(void)
{
	struct sluice_settings found = {0};
	struct bpf_prog_info info = {0};
	__u32 maps[32], size = sizeof(info), key = 0;
	_cleanup_(closep) int program = bpf_prog_get_fd_by_id(own_program());

	info.nr_map_ids = N(maps);
	info.map_ids = (uintptr_t)maps;
	assert_int_equal(bpf_obj_get_info_by_fd(program, &info, &size), 0);
	for (__u32 i = 0; i < info.nr_map_ids; i++) {
		_cleanup_(closep) int map = bpf_map_get_fd_by_id(maps[i]);
		struct bpf_map_info about = {0};

		size = sizeof(about);
		assert_int_equal(bpf_obj_get_info_by_fd(map, &about, &size), 0);
		if (strstr(about.name, ".rodata"))
			assert_int_equal(bpf_map_lookup_elem(map, &key, &found), 0);
	}
	return found;
}

static void the_hash_seed_reaches_the_program(void **state)
{
	(void)state;
	start(plain);
	assert_int_equal(settings().abi, SLUICE_ABI);
	assert_int_equal(settings().hash_seed, SLUICE_HASH_SEED);
	assert_int_equal(settings().hash_seed6, SLUICE_HASH_SEED6);
	assert_int_equal(settings().features & SLUICE_FEATURE_TRACE, 0);
	stop();
	strcat(lab.head, "hash_seed = 7;");
	start(plain);
	assert_int_equal(settings().hash_seed, 7);
	assert_int_equal(settings().hash_seed6, 7);
}

static void a_restart_changes_nothing_in_the_maps(void **state)
{
	_cleanup_(snapshot_fini) struct snapshot before = {0};
	_cleanup_(snapshot_fini) struct snapshot after = {0};

	(void)state;
	start(plain);
	before = snapshot();
	stop();
	assert_int_equal(program_on("v0"), before.program);
	start(plain);
	after = snapshot();
	assert_int_not_equal(before.program, after.program);
	assert_int_equal(program_on("v0"), after.program);
	after.program = before.program;
	assert_snapshots_equal(&before, &after);
}

static void a_start_with_another_config_keeps_ids(void **state)
{
	uint32_t b;

	(void)state;
	start(plain);
	b = id_of("web", "b");
	stop();
	start(CONFIG(V1, POOL("web", BACKEND("new", 2, "") ", " BACKEND("c", 3, "")),
		     VIP("www", 80, "web") ", " VIP("two", 81, "web")));
	assert_int_equal(id_of("web", "new"), b);
	assert_int_equal(lab.view.vip_ids[0], 1);
	assert_int_equal(lab.view.vip_ids[1], 2);
	assert_int_equal(program_on("v0"), 0);
	assert_int_equal(program_on("v1"), own_program());
}

static void a_failed_first_start_leaves_nothing(void **state)
{
	(void)state;
	write_config(CONFIG(V0 ", { name = \"nix0\"; }", POOL("web", TWO), VIP("www", 80, "web")));
	assert_int_equal(try_start(), -ENODEV);
	expect_message("interface \"nix0\" does not exist on this host (\"ip link\" lists them)");
	assert_null(lab.engine);
	assert_int_equal(program_on("v0"), 0);
	assert_int_not_equal(access(lab.pin_dir, F_OK), 0);
	start(plain);
}

static void a_failed_later_start_leaves_the_datapath_running(void **state)
{
	_cleanup_(snapshot_fini) struct snapshot before = {0};
	_cleanup_(snapshot_fini) struct snapshot after = {0};

	(void)state;
	start(plain);
	before = snapshot();
	stop();
	write_config(CONFIG(V0 ", { name = \"nix0\"; }", POOL("web", BACKEND("z", 9, "")),
			    VIP("www", 99, "web")));
	assert_int_equal(try_start(), -ENODEV);
	diag_fini(&lab.diag);
	assert_int_not_equal(program_on("v0"), 0);
	start(plain);
	after = snapshot();
	after.program = before.program;
	assert_snapshots_equal(&before, &after);
}

static void broken_wishes_stop_the_start_before_anything_happens(void **state)
{
	(void)state;
	netns_run("mkdir %s; echo nonsense >%s/wishes.json", lab.state_dir, lab.state_dir);
	write_config(plain);
	assert_int_equal(try_start(), -EINVAL);
	assert_int_equal(lab.diag.n, 1);
	assert_non_null(strstr(lab.diag.entries[0].file, "wishes.json"));
	diag_fini(&lab.diag);
	assert_int_not_equal(access(lab.pin_dir, F_OK), 0);
}

/* --------------------------------------------------------------------------------------- reload */

static void a_reload_brings_what_is_new_and_keeps_ids(void **state)
{
	uint32_t a, b, program;

	(void)state;
	start(plain);
	a = id_of("web", "a");
	b = id_of("web", "b");
	program = own_program();
	reload(CONFIG(V0, POOL("web", BACKEND("b", 2, "weight = 200; ") ", " BACKEND("c", 3, "")),
		      VIP("www", 80, "web") ", " VIP("two", 81, "web")));
	assert_string_equal(lab.told, "backend a of pool web: removed" STAYS "\n"
				      "backend b of pool web: weight 100 -> 200, by the config\n"
				      "backend c of pool web: added\n"
				      "vip two: added\n");
	assert_int_equal(id_of("web", "b"), b);
	assert_int_not_equal(id_of("web", "c"), a);
	assert_in_range(lab.slots, 4093 + 4093 / 2, 2 * 4093);
	assert_int_equal(slots_of("www", a), 0);
	assert_in_range(slots_of("www", b), 4093 * 2 / 3 - 60, 4093 * 2 / 3 + 60);
	assert_int_equal(slots_of("two", b), slots_of("www", b));
	assert_int_equal(own_program(), program);
	assert_int_equal(program_on("v0"), program);
}

static void a_reload_of_the_same_says_and_writes_nothing(void **state)
{
	_cleanup_(snapshot_fini) struct snapshot before = {0};
	_cleanup_(snapshot_fini) struct snapshot after = {0};

	(void)state;
	start(plain);
	before = snapshot();
	fixture_check(try_reload(), &lab.diag);
	assert_string_equal(lab.told, "");
	assert_int_equal(lab.slots, 0);
	after = snapshot();
	assert_snapshots_equal(&before, &after);
}

/* Configs that are refused, on top of `plain` with limits of 1 VIP and 2 backends. */
static const struct refused_case {
	const char *head; /* NULL: the usual one */
	const char *text;
	int err;
	const char *message; /* its end; NULL: that of the loader */
} refused_cases[] = {
	{NULL, "pools = ( { ;", -EINVAL, NULL},
	{NULL, CONFIG(V0, POOL("web", TWO), VIP("www", 80, "wbe")), -EINVAL, NULL},
	{NULL, CONFIG(V0 ", { name = \"nix0\"; }", POOL("web", TWO), VIP("www", 80, "web")),
	 -ENODEV, "interface \"nix0\" does not exist on this host (\"ip link\" lists them)"},
	{NULL, CONFIG(V1 ", { name = \"nix0\"; }", POOL("web", TWO), VIP("www", 80, "web")),
	 -ENODEV, "interface \"nix0\" does not exist on this host (\"ip link\" lists them)"},
	{NULL,
	 CONFIG("{ name = \"v0\"; mode = \"generic\"; }, { name = \"lo\"; mode = \"native\"; }",
		POOL("web", TWO), VIP("www", 80, "web")),
	 -EOPNOTSUPP,
	 "interface \"lo\": its driver has no native XDP (Operation not supported); use mode = "
	 "\"auto\" or \"generic\""},
	{NULL, CONFIG(V1, POOL("web", TWO), VIP("www", 81, "web")), -E2BIG,
	 "vip \"www\": the limit of VIPs is 1 (those that leave count until they are gone); "
	 "raise limits.vips"},
	{NULL, CONFIG(V1, POOL("web", BACKEND("c", 3, "")), VIP("www", 80, "web")), -E2BIG,
	 "backend \"c\" of pool \"web\": the limit of backends is 2 (those that leave count "
	 "until they are gone); raise limits.backends"},
};

static void a_refused_reload_changes_nothing(void **state)
{
	_cleanup_(snapshot_fini) struct snapshot before = {0};
	const struct model *model;
	const struct desired *desired;
	char limited[640];

	(void)state;
	snprintf(limited, sizeof(limited), "%s limits = { vips = 1; backends = 2; };", lab.head);
	strcpy(lab.head, limited);
	start(plain);
	model = lab.view.model;
	desired = lab.view.desired;
	before = snapshot();
	for (size_t i = 0; i < N(refused_cases); i++) {
		_cleanup_(snapshot_fini) struct snapshot after = {0};

		write_config(refused_cases[i].text);
		assert_int_equal(try_reload(), refused_cases[i].err);
		if (refused_cases[i].message)
			expect_message(refused_cases[i].message);
		assert_int_equal(lab.diag.n > 0, !refused_cases[i].message);
		diag_fini(&lab.diag);
		assert_string_equal(lab.told, "");
		assert_ptr_equal(lab.view.model, model);
		assert_ptr_equal(lab.view.desired, desired);
		after = snapshot();
		assert_snapshots_equal(&before, &after);
		assert_int_equal(program_on("v0"), before.program);
		assert_int_equal(program_on("v1"), 0);
		assert_int_equal(program_on("lo"), 0);
	}
	assert_int_equal(unlink(lab.config), 0);
	assert_int_equal(try_reload(), -EIO);
	diag_fini(&lab.diag);
}

/* Whose flows are whose must be on disk before packets meet the new rings. */
static void a_reload_that_cannot_be_written_down_changes_nothing(void **state)
{
	_cleanup_(snapshot_fini) struct snapshot before = {0}, after = {0};
	char away[80];

	(void)state;
	start(plain);
	before = snapshot();
	snprintf(away, sizeof(away), "%s.away", lab.state_dir);
	assert_int_equal(rename(lab.state_dir, away), 0);
	assert_int_equal(mknod(lab.state_dir, S_IFREG | 0600, 0), 0); /* so that none is made */
	write_config(CONFIG(V0, POOL("web", BACKEND("b", 2, "")), VIP("www", 80, "web")));
	assert_int_equal(try_reload(), -ENOTDIR);
	assert_true(lab.diag.n > 0);
	diag_fini(&lab.diag);
	after = snapshot();
	assert_snapshots_equal(&before, &after);
	assert_int_equal(unlink(lab.state_dir), 0);
	assert_int_equal(rename(away, lab.state_dir), 0);
	reload(CONFIG(V0, POOL("web", BACKEND("b", 2, "")), VIP("www", 80, "web")));
	assert_string_equal(lab.told, "backend a of pool web: removed" STAYS "\n");
}

static void what_takes_a_restart_is_refused(void **state)
{
	char usual[512];
	static const struct {
		const char *pin_dir, *state_dir, *control, *more, *message;
	} cases[] = {
		{"bpf/other", "", "socket = \"%s/socket\";", "",
		 "a new pin_dir takes a restart; the rest was not changed either"},
		{"bpf/sluice", "x", "socket = \"%s/socket\";", "",
		 "a new state_dir takes a restart; the rest was not changed either"},
		{"bpf/sluice", "", "socket = \"%s/other\";", "",
		 "another control socket or group takes a restart; the rest was not changed "
		 "either"},
		{"bpf/sluice", "", "socket = \"%s/socket\"; group = \"root\";", "",
		 "another control socket or group takes a restart; the rest was not changed "
		 "either"},
		{"bpf/sluice", "", "socket = \"%s/socket\";", "hash_seed = 7;",
		 "a new hash_seed takes a restart; the rest was not changed either"},
	};

	(void)state;
	strcpy(usual, lab.head);
	start(plain);
	for (size_t i = 0; i < N(cases); i++) {
		char control[128], head[512];

		snprintf(control, sizeof(control), cases[i].control, netns_dir());
		snprintf(head, sizeof(head),
			 "pin_dir = \"%s/%s\"; state_dir = \"%s%s\"; control = { %s }; %s",
			 netns_dir(), cases[i].pin_dir, lab.state_dir, cases[i].state_dir, control,
			 cases[i].more);
		write_whole(head, CONFIG(V0, POOL("web", BACKEND("z", 9, "")), ""));
		assert_int_equal(try_reload(), -EINVAL);
		expect_message(cases[i].message);
		assert_int_equal(lab.view.desired->n_vips, 1);
		assert_int_equal(lab.view.desired->n_backends, 2);
	}
	assert_string_equal(usual, lab.head);
	reload(plain);
}

static void interfaces_come_and_go_with_a_reload(void **state)
{
	uint32_t program;
	size_t n;

	(void)state;
	start(plain);
	program = own_program();
	reload(CONFIG(V0 ", " V1, POOL("web", TWO), VIP("www", 80, "web")));
	assert_int_equal(program_on("v0"), program);
	assert_int_equal(program_on("v1"), program);
	reload(CONFIG(V1, POOL("web", TWO), VIP("www", 80, "web")));
	assert_int_equal(program_on("v0"), 0);
	assert_int_equal(program_on("v1"), program);
	datapath_ports(lab.view.datapath, &n);
	assert_int_equal(n, 1);
	assert_int_equal(backend("web", "a")->way, DESIRED_WAY_NO_ROUTE);
	reload(plain);
	assert_int_equal(program_on("v0"), program);
	assert_int_equal(program_on("v1"), 0);
}

/* A config with @n VIPs from port @first on. */
static char *many_vips(unsigned int first, unsigned int n)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fputs("interfaces = ( " V0 " );\npools = ( " POOL("web", TWO) " );\nvips = (", out);
	for (unsigned int i = 0; i < n; i++)
		fprintf(out,
			"%s\n{ name = \"v%u\"; address = \"192.0.2.1\"; port = %u; "
			"protocol = \"tcp\"; pool = \"web\"; ring_size = 4093; }",
			i ? "," : "", first + i, first + i);
	fputs(" );\n", out);
	fclose(out);
	return text;
}

static void a_few_vips_take_the_place_of_many(void **state)
{
	_cleanup_(freep) char *many = many_vips(1000, 255); /* all the room that `rings` has */
	_cleanup_(freep) char *few = many_vips(5000, 10);

	(void)state;
	start(many);
	reload(few);
	assert_int_equal(lab.view.desired->n_vips, 10);
	assert_int_equal(
		slots_of("v5009", id_of("web", "a")) + slots_of("v5009", id_of("web", "b")), 4093);
}

static void a_reload_makes_room_and_keeps_what_is_there(void **state)
{
	_cleanup_(freep) char *few = many_vips(1000, 3);
	_cleanup_(freep) char *more = many_vips(1000, 130);
	uint32_t program;
	char usual[512];

	(void)state;
	strcpy(usual, lab.head);
	strcat(lab.head, "limits = { vips = 3; backends = 2; };");
	start(few);
	program = own_program();
	strcpy(lab.head, usual);
	reload(more);
	assert_int_equal(lab.slots, 127 * 4093);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(lab.view.vip_ids[i], i + 1);
	assert_int_not_equal(own_program(), program);
	assert_int_equal(program_on("v0"), own_program());
	assert_int_equal(program_map_entries(datapath_program(lab.view.datapath), MAP_BACKENDS),
			 MODEL_LIMIT_BACKENDS + 1);
	reload(few);
	assert_int_equal(lab.view.desired->n_vips, 3);
	assert_int_equal(lab.slots, 0);
}

/* --------------------------------------------------------------------------------------- orders */

static const char shared_names[] =
	CONFIG(V0, POOL("web", TWO) ", " POOL("api", BACKEND("a", 1, "") ", " BACKEND("c", 3, "")),
	       VIP("www", 80, "web") ", " VIP("api", 81, "api"));

/* Sets the epoch of www's flows in the map; returns what it was. */
static uint32_t set_epoch(uint32_t epoch)
{
	struct sluice_vip_key key = {.port = htons(80), .proto = IPPROTO_TCP};
	int fd = program_map_fd(datapath_program(lab.view.datapath), MAP_VIPS);
	struct sluice_vip vip;
	uint32_t was;

	assert_int_equal(addr_parse(&key.addr, "192.0.2.1"), 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &vip), 0);
	was = vip.flags >> SLUICE_VIP_EPOCH_SHIFT;
	vip.flags = (vip.flags & SLUICE_VIP_OPTIONS) | epoch << SLUICE_VIP_EPOCH_SHIFT;
	assert_int_equal(bpf_map_update_elem(fd, &key, &vip, BPF_EXIST), 0);
	return was;
}

static void orders_reach_the_maps_and_can_be_taken_back(void **state)
{
	_cleanup_(snapshot_fini) struct snapshot before = {0};
	_cleanup_(snapshot_fini) struct snapshot after = {0};

	(void)state;
	start(plain);
	before = snapshot();
	order(ENGINE_DRAIN, "a", NULL, 0);
	assert_string_equal(lab.told,
			    "backend a of pool web: active -> draining, by the operator\n");
	assert_int_equal(slots_of("www", id_of("web", "a")), 0);
	assert_in_range(lab.slots, 2000, 2093);
	assert_int_equal(lab.view.wishes->n, 1);
	assert_int_equal(backend("web", "a")->state, MODEL_STATE_DRAINING);
	assert_true(backend("web", "a")->state_wished);
	order(ENGINE_DISABLE, "a", "web", 0);
	assert_string_equal(lab.told,
			    "backend a of pool web: draining -> disabled, by the operator\n");
	order(ENGINE_ACTIVATE, "a", NULL, 0);
	assert_string_equal(lab.told, "backend a of pool web: disabled -> active, by the config\n");
	assert_int_equal(lab.view.wishes->n, 0);
	order(ENGINE_WEIGHT, "b", NULL, 300);
	assert_string_equal(lab.told,
			    "backend b of pool web: weight 100 -> 300, by the operator\n");
	assert_in_range(slots_of("www", id_of("web", "b")), 4093 * 3 / 4 - 40, 4093 * 3 / 4 + 40);
	order(ENGINE_WEIGHT, "b", NULL, 100);
	assert_int_equal(lab.view.wishes->n, 0);
	order(ENGINE_WEIGHT, "b", NULL, 7);
	order(ENGINE_WEIGHT, "b", NULL, 0);
	assert_string_equal(lab.told, "backend b of pool web: weight 7 -> 100, by the config\n");
	assert_int_equal(lab.view.wishes->n, 0);
	/* All but the epoch of www's flows is as before. */
	settle(NULL);
	assert_int_equal(set_epoch(0), 1);
	after = snapshot();
	assert_snapshots_equal(&before, &after);
}

static void an_order_goes_to_all_pools_or_to_the_one_named(void **state)
{
	(void)state;
	start(shared_names);
	order(ENGINE_DRAIN, "a", "api", 0);
	assert_string_equal(lab.told,
			    "backend a of pool api: active -> draining, by the operator\n");
	assert_int_equal(backend("web", "a")->state, MODEL_STATE_ACTIVE);
	order(ENGINE_DRAIN, "a", NULL, 0);
	assert_string_equal(lab.told,
			    "backend a of pool web: active -> draining, by the operator\n");
	order(ENGINE_ACTIVATE, "a", NULL, 0);
	assert_string_equal(lab.told, "backend a of pool api: draining -> active, by the config\n"
				      "backend a of pool web: draining -> active, by the config\n");
}

static void orders_outlive_reload_and_restart(void **state)
{
	(void)state;
	start(shared_names);
	order(ENGINE_DRAIN, "a", "web", 0);
	order(ENGINE_WEIGHT, "c", NULL, 50);
	reload(plain); /* without pool api */
	assert_int_equal(backend("web", "a")->state, MODEL_STATE_DRAINING);
	stop();
	start(shared_names);
	assert_int_equal(backend("web", "a")->state, MODEL_STATE_DRAINING);
	assert_true(backend("web", "a")->state_wished);
	assert_int_equal(backend("api", "a")->state, MODEL_STATE_ACTIVE);
	assert_int_equal(backend("api", "c")->weight, 50);
	assert_int_equal(slots_of("www", id_of("web", "a")), 0);
	order(ENGINE_ACTIVATE, "a", NULL, 0);
	order(ENGINE_WEIGHT, "c", "api", 0);
	stop();
	start(shared_names);
	assert_int_equal(lab.view.wishes->n, 0);
	assert_int_equal(backend("web", "a")->state, MODEL_STATE_ACTIVE);
	assert_int_equal(backend("api", "c")->weight, 100);
}

static void activate_goes_before_a_draining_config(void **state)
{
	(void)state;
	start(CONFIG(
		V0, POOL("web", BACKEND("a", 1, "state = \"draining\"; ") ", " BACKEND("b", 2, "")),
		VIP("www", 80, "web")));
	assert_int_equal(slots_of("www", id_of("web", "a")), 0);
	order(ENGINE_ACTIVATE, "a", NULL, 0);
	assert_string_equal(lab.told,
			    "backend a of pool web: draining -> active, by the operator\n");
	assert_true(slots_of("www", id_of("web", "a")) > 0);
	order(ENGINE_DRAIN, "a", NULL, 0);
	assert_string_equal(lab.told, "backend a of pool web: active -> draining, by the config\n");
	assert_int_equal(lab.view.wishes->n, 0);
}

static void orders_for_nobody_are_refused(void **state)
{
	static const struct {
		const char *backend, *pool, *message;
	} cases[] = {
		{"nix", NULL, "there is no backend \"nix\" (\"sluicectl backends\" lists them)"},
		{"b", "api", "pool \"api\" has no backend \"b\""},
		{"a", "nix", "there is no pool \"nix\""},
	};
	_cleanup_(snapshot_fini) struct snapshot before = {0};
	_cleanup_(snapshot_fini) struct snapshot after = {0};

	(void)state;
	start(shared_names);
	before = snapshot();
	for (size_t i = 0; i < N(cases); i++) {
		assert_int_equal(try_order(ENGINE_DRAIN, cases[i].backend, cases[i].pool, 0),
				 -ENOENT);
		expect_message(cases[i].message);
	}
	assert_int_equal(lab.view.wishes->n, 0);
	after = snapshot();
	assert_snapshots_equal(&before, &after);
}

static void an_order_that_cannot_be_kept_is_refused(void **state)
{
	_cleanup_(snapshot_fini) struct snapshot before = {0};
	_cleanup_(snapshot_fini) struct snapshot after = {0};

	(void)state;
	start(plain);
	before = snapshot();
	netns_run("rm -r %s; touch %s", lab.state_dir,
		  lab.state_dir); /* a file where the directory is to be */
	assert_int_equal(try_order(ENGINE_DRAIN, "a", NULL, 0), -ENOTDIR);
	assert_int_equal(lab.diag.n, 1);
	assert_non_null(strstr(lab.diag.entries[0].text, "set state_dir to another directory"));
	diag_fini(&lab.diag);
	assert_int_equal(lab.view.wishes->n, 0);
	after = snapshot();
	assert_snapshots_equal(&before, &after);
}

/* ------------------------------------------------------------------------------------ next hops */

static bool loop_until_way(enum desired_way way, const char *mac)
{
	struct timespec begin_ts, now;
	uint8_t bytes[6];

	assert_int_equal(addr_mac_parse(bytes, mac), 0);
	clock_gettime(CLOCK_MONOTONIC, &begin_ts);
	do {
		lab.view = engine_view(lab.engine);
		if (backend("web", "a")->way == way &&
		    memcmp(backend("web", "a")->record.dmac, bytes, 6) == 0)
			return true;
		assert_true(sd_event_run(lab.event, 50000) >= 0);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin_ts.tv_sec < PATIENCE_S);
	return false;
}

static void moved_next_hops_reach_the_maps(void **state)
{
	_cleanup_(running_fini) struct running r = {0};
	uint32_t id;

	(void)state;
	netns_run("ip route add 10.0.0.0/24 via 10.91.0.9\n"
		  "ip neigh add 10.91.0.9 lladdr 02:00:00:00:00:09 dev v1 nud permanent");
	start(CONFIG(V1, POOL("web", TWO), VIP("www", 80, "web")));
	assert_true(loop_until_way(DESIRED_WAY_READY, "02:00:00:00:00:09"));
	write_config(CONFIG(V1 ", { name = \"nix0\"; }", POOL("web", BACKEND("z", 9, "")), ""));
	assert_int_equal(try_reload(), -ENODEV); /* the old backends are followed as before */
	diag_fini(&lab.diag);
	netns_run("ip neigh change 10.91.0.9 lladdr 02:00:00:00:00:0a dev v1 nud permanent");
	assert_true(loop_until_way(DESIRED_WAY_READY, "02:00:00:00:00:0a"));
	id = id_of("web", "a");
	assert_int_equal(datapath_running(lab.view.datapath, &r), 0);
	assert_memory_equal(r.backends[id].dmac, "\x02\0\0\0\0\x0a", 6);
	assert_int_equal(r.backends[id].ifindex, if_nametoindex("v1"));
	assert_int_equal(r.backends[id].generation, 1);
	assert_int_equal(r.rows[MAP_DEVICES].n, 1);
	assert_int_equal(*(const uint32_t *)rows_key(&r.rows[MAP_DEVICES], 0),
			 if_nametoindex("v1"));
	netns_run("ip route del 10.0.0.0/24");
	assert_true(loop_until_way(DESIRED_WAY_NO_ROUTE, "00:00:00:00:00:00"));
	running_fini(&r);
	assert_int_equal(datapath_running(lab.view.datapath, &r), 0);
	assert_int_equal(r.backends[id].flags, SLUICE_BACKEND_SERVING);
	assert_int_equal(r.rows[MAP_DEVICES].n, 0);
}

/* ---------------------------------------------------------------------------------------- moves */

/* How many slots of www's ring have this word. */
static unsigned int count_words(uint32_t word)
{
	uint32_t words[4093];
	unsigned int n = 0;

	for (uint32_t i = read_ring("www", words); i-- > 0;)
		n += words[i] == word;
	return n;
}

static bool moves(const char *vip)
{
	const struct generation_vip *v;

	lab.view = engine_view(lab.engine);
	v = generations_find(lab.view.generations, vip, NULL);
	return v && v->moving;
}

static void a_drained_backend_serves_its_flows_until_they_have_settled(void **state)
{
	unsigned int had;
	uint32_t a, b;

	(void)state;
	start(plain);
	a = id_of("web", "a");
	b = id_of("web", "b");
	had = slots_of("www", a);
	assert_int_equal(count_words(SLUICE_SLOT(a, a, false)), had);
	order(ENGINE_DRAIN, "a", NULL, 0);
	assert_true(moves("www"));
	assert_int_equal(lab.slots, had);
	assert_int_equal(count_words(SLUICE_SLOT(b, a, true)), had);
	assert_int_equal(count_words(SLUICE_SLOT(b, b, false)), 4093 - had);
	assert_true(backend("web", "a")->record.flags & SLUICE_BACKEND_SERVING);
	settle("www");
	assert_false(moves("www"));
	assert_int_equal(lab.slots, had);
	assert_int_equal(count_words(SLUICE_SLOT(b, b, false)), 4093);
	assert_int_equal(backend("web", "a")->state, MODEL_STATE_DRAINING);
	settle(NULL);
	assert_int_equal(lab.slots, 0);
}

static void settling_a_vip_that_is_not_there_is_refused(void **state)
{
	struct engine_result result;

	(void)state;
	start(plain);
	order(ENGINE_DRAIN, "a", NULL, 0);
	result = begin();
	assert_int_equal(finish(engine_settle(lab.engine, "nix", &result, &lab.diag), &result),
			 -ENOENT);
	expect_message("there is no VIP \"nix\" (\"sluicectl vips\" lists them)");
	assert_true(moves("www"));
}

static void a_restart_goes_on_with_a_move(void **state)
{
	uint32_t before[4093], after[4093], b;
	int64_t limit;

	(void)state;
	start(plain);
	b = id_of("web", "b");
	order(ENGINE_DRAIN, "a", NULL, 0);
	order(ENGINE_ACTIVATE, "a", NULL, 0);
	order(ENGINE_WEIGHT, "b", NULL, 300);
	read_ring("www", before);
	limit = generations_find(lab.view.generations, "www", NULL)->limit;
	stop();
	start(plain);
	assert_true(moves("www"));
	assert_int_equal(generations_find(lab.view.generations, "www", NULL)->limit, limit);
	read_ring("www", after);
	assert_memory_equal(before, after, sizeof(before));
	settle(NULL);
	assert_in_range(count_words(SLUICE_SLOT(b, b, false)), 3000, 3140);
	stop();
	start(plain);
	assert_false(moves("www"));
	assert_in_range(count_words(SLUICE_SLOT(b, b, false)), 3000, 3140);
}

static const char only_a[] = CONFIG(V0, POOL("web", BACKEND("a", 1, "")), VIP("www", 80, "web"));

static struct sluice_backend record_of(uint32_t id)
{
	_cleanup_(running_fini) struct running r = {0};

	assert_int_equal(datapath_running(lab.view.datapath, &r), 0);
	return r.backends[id];
}

static void a_removed_backend_stays_until_its_flows_have_settled(void **state)
{
	struct sluice_backend before, after;
	uint32_t a, b;

	(void)state;
	start(plain);
	a = id_of("web", "a");
	b = id_of("web", "b");
	before = record_of(b);
	reload(only_a);
	assert_string_equal(lab.told, "backend b of pool web: removed" STAYS "\n");
	for (int i = 0; i < 2; i++) { /* now, and after a restart */
		assert_true(backend("web", "b")->leaving);
		assert_int_equal(id_of("web", "b"), b);
		after = record_of(b);
		assert_memory_equal(&before, &after, sizeof(before));
		assert_in_range(count_words(SLUICE_SLOT(a, b, true)), 2000, 2093);
		stop();
		start(only_a);
	}
	settle("www");
	assert_string_equal(lab.told, "");
	assert_int_equal(lab.view.desired->n_backends, 1);
	assert_int_equal(record_of(b).encap, SLUICE_ENCAP_NONE);
	assert_int_equal(count_words(SLUICE_SLOT(a, a, false)), 4093);
}

static void a_backend_that_comes_back_while_it_leaves_is_the_same(void **state)
{
	uint32_t b;

	(void)state;
	start(plain);
	b = id_of("web", "b");
	reload(only_a);
	reload(plain);
	assert_string_equal(lab.told, "backend b of pool web: added\n");
	assert_int_equal(id_of("web", "b"), b);
	assert_int_equal(record_of(b).generation, 1);
	assert_false(backend("web", "b")->leaving);
}

static uint16_t now_ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint16_t)(((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) >>
			  SLUICE_TICK_SHIFT);
}

/* A flow of backend @id in @slot, as the program would note it. */
static void write_flow(uint32_t id, uint32_t slot)
{
	struct sluice_flow_line line = {
		.entry = {(uint64_t)slot << 32 | (uint64_t)id << 16 | now_ticks()}};
	uint32_t key = 0;
	int fd = program_map_fd(datapath_program(lab.view.datapath), MAP_FLOWS);

	assert_int_equal(bpf_map_update_elem(fd, &key, &line, BPF_ANY), 0);
}

static void a_move_that_sends_no_one_away_ends_when_no_flow_needs_it(void **state)
{
	uint32_t words[4093], slot = 0, a;
	struct timespec begin_ts, now;

	(void)state;
	/* It may end when flows that are not idle have shown themselves: an age after it began. */
	start("settle_s = 1; flows = { age_s = 1; };\n" CONFIG(
		V0, POOL("web", TWO) ", " POOL("api", BACKEND("c", 3, "") ", " BACKEND("d", 4, "")),
		VIP("www", 80, "web") ", " VIP("api", 81, "api")));
	a = id_of("web", "a");
	order(ENGINE_WEIGHT, "b", NULL, 300);
	order(ENGINE_WEIGHT, "d", NULL, 300);
	read_ring("www", words);
	while (SLUICE_SLOT_OTHER(words[slot]) != a || SLUICE_SLOT_CUR(words[slot]) == a)
		assert_true(++slot < 4093);
	write_flow(a, slot);
	assert_true(moves("www") && moves("api"));
	clock_gettime(CLOCK_MONOTONIC, &begin_ts);
	do {
		write_flow(a, slot);
		assert_true(sd_event_run(lab.event, 50000) >= 0);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (moves("api") && now.tv_sec - begin_ts.tv_sec < 3 * PATIENCE_S);
	assert_false(moves("api"));
	assert_true(moves("www"));
	assert_int_equal(engine_purge_flows(lab.engine, a + 1), 0);
	assert_int_equal(engine_purge_flows(lab.engine, a), 1);
}

/* The move goes on: a flow of long ago may be with a slot that has moved. */
static void those_who_left_are_gone_after_settle_s(void **state)
{
	struct timespec begin_ts, now;
	uint32_t c;

	(void)state;
	start("settle_s = 1;\n" CONFIG(V0, POOL("web", TWO ", " BACKEND("c", 3, "")),
				       VIP("www", 80, "web")));
	c = id_of("web", "c");
	reload("settle_s = 1;\n" CONFIG(V0, POOL("web", TWO), VIP("www", 80, "web")));
	assert_true(backend("web", "c")->leaving);
	clock_gettime(CLOCK_MONOTONIC, &begin_ts);
	do {
		assert_true(sd_event_run(lab.event, 50000) >= 0);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (record_of(c).encap && now.tv_sec - begin_ts.tv_sec < 3 * PATIENCE_S);
	assert_int_equal(record_of(c).encap, SLUICE_ENCAP_NONE);
	assert_true(moves("www"));
	assert_int_equal(lab.view.desired->n_backends, 2);
	/* After a restart, too. */
	stop();
	start("settle_s = 1;\n" CONFIG(V0, POOL("web", TWO), VIP("www", 80, "web")));
	assert_int_equal(lab.view.desired->n_backends, 2);
	assert_true(moves("www"));
}

static void a_backend_that_was_disabled_and_removed_stays_out(void **state)
{
	(void)state;
	start(plain);
	order(ENGINE_DRAIN, "b", NULL, 0);
	order(ENGINE_DISABLE, "b", NULL, 0);
	stop();
	start(only_a);
	assert_int_equal(lab.view.desired->n_backends, 1);
	assert_true(moves("www"));
}

/* ---------------------------------------------------------------------- what a config uses, clients */

static uint32_t link_on_v0(void)
{
	struct bpf_link_info info = {0};
	__u32 size = sizeof(info);
	_cleanup_(closep) int fd = -1;
	char path[128];

	snprintf(path, sizeof(path), "%s/link-v0", lab.pin_dir);
	fd = bpf_obj_get(path);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	return info.id;
}

#define WIDE_VIP \
	"{ name = \"wide\"; address = \"192.0.3.0/24\"; port = 80; protocol = \"tcp\"; " \
	"pool = \"web\"; ring_size = 4093; }"

static void another_feature_takes_another_program(void **state)
{
	uint32_t program, link, features, words[4093], after[4093];

	(void)state;
	start(plain);
	program = own_program();
	link = link_on_v0();
	features = settings().features;
	assert_int_equal(features & SLUICE_FEATURE_PREFIXES, 0);
	read_ring("www", words);
	reload(CONFIG(V0, POOL("web", TWO), VIP("www", 80, "web") ", " WIDE_VIP));
	assert_int_not_equal(own_program(), program);
	assert_int_equal(program_on("v0"), own_program());
	assert_int_equal(link_on_v0(), link);
	assert_int_equal(settings().features, features | SLUICE_FEATURE_PREFIXES);
	read_ring("www", after);
	assert_memory_equal(words, after, sizeof(words));
	program = own_program();
	reload(CONFIG(V0, POOL("web", TWO),
		      VIP("www", 80, "web") ", " WIDE_VIP ", " VIP("two", 81, "web")));
	assert_int_equal(own_program(), program);
	reload(plain);
	assert_int_equal(settings().features, features);
	assert_int_equal(link_on_v0(), link);
}

static void a_refused_reload_leaves_the_features(void **state)
{
	_cleanup_(snapshot_fini) struct snapshot before = {0};
	_cleanup_(snapshot_fini) struct snapshot after = {0};
	struct sluice_settings had, has;

	(void)state;
	strcat(lab.head, "limits = { vips = 1; backends = 2; };");
	start(plain);
	before = snapshot();
	had = settings();
	write_config(CONFIG(V0, POOL("web", TWO), WIDE_VIP));
	assert_int_equal(try_reload(), -E2BIG);
	expect_message("vip \"wide\": the limit of VIPs is 1 (those that leave count until "
		       "they are gone); raise limits.vips");
	has = settings();
	assert_memory_equal(&had, &has, sizeof(had));
	assert_int_equal(program_on("v0"), own_program());
	after = snapshot();
	after.program = before.program;
	assert_snapshots_equal(&before, &after);
}

/* Rows of `sources` are compared only when they are to be other ones: a foreign row shows it. */
static void clients_are_not_compared_at_a_restart(void **state)
{
	static const char clients[] =
		CONFIG(V0, POOL("web", TWO),
		       "{ name = \"www\"; address = \"192.0.2.1\"; port = 80; protocol = \"tcp\"; "
		       "pool = \"web\"; ring_size = 4093; deny = [ \"10.8.0.0/16\" ]; "
		       "sources = ( { prefix = \"10.9.0.0/16\"; backend = \"b\"; } ); }");
	struct sluice_source_key foreign = {.prefixlen = SLUICE_SOURCE_FIXED + 128, .vip = 9};
	_cleanup_(running_fini) struct running r = {0};
	_cleanup_(running_fini) struct running next = {0};
	uint32_t target = 1;
	uint64_t digest[2];

	(void)state;
	start(clients);
	assert_int_equal(datapath_running(lab.view.datapath, &r), 0);
	memcpy(digest, r.state->digest, sizeof(digest));
	assert_true(digest[0] && digest[1]);
	assert_int_equal(bpf_map_update_elem(program_map_fd(datapath_program(lab.view.datapath),
							    MAP_SOURCES),
					     &foreign, &target, BPF_ANY),
			 0);
	stop();
	start(clients);
	assert_int_equal(datapath_running(lab.view.datapath, &next), 0);
	assert_memory_equal(next.state->digest, digest, sizeof(digest));
	assert_int_equal(next.read_rows(&next, MAP_SOURCES), 0);
	assert_int_equal(next.rows[MAP_SOURCES].n, 2);
	reload(plain);
	running_fini(&next);
	assert_int_equal(datapath_running(lab.view.datapath, &next), 0);
	assert_int_equal(next.read_rows(&next, MAP_SOURCES), 0);
	assert_int_equal(next.rows[MAP_SOURCES].n, 0);
	assert_int_not_equal(next.state->digest[0], digest[0]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		TEST(a_start_fills_the_maps_and_attaches),
		TEST(the_hash_seed_reaches_the_program),
		TEST(a_restart_changes_nothing_in_the_maps),
		TEST(a_start_with_another_config_keeps_ids),
		TEST(a_failed_first_start_leaves_nothing),
		TEST(a_failed_later_start_leaves_the_datapath_running),
		TEST(broken_wishes_stop_the_start_before_anything_happens),
		TEST(a_reload_brings_what_is_new_and_keeps_ids),
		TEST(a_reload_of_the_same_says_and_writes_nothing),
		TEST(a_refused_reload_changes_nothing),
		TEST(a_reload_that_cannot_be_written_down_changes_nothing),
		TEST(what_takes_a_restart_is_refused),
		TEST(interfaces_come_and_go_with_a_reload),
		TEST(a_few_vips_take_the_place_of_many),
		TEST(a_reload_makes_room_and_keeps_what_is_there),
		TEST(orders_reach_the_maps_and_can_be_taken_back),
		TEST(an_order_goes_to_all_pools_or_to_the_one_named),
		TEST(orders_outlive_reload_and_restart),
		TEST(activate_goes_before_a_draining_config),
		TEST(orders_for_nobody_are_refused),
		TEST(an_order_that_cannot_be_kept_is_refused),
		TEST(moved_next_hops_reach_the_maps),
		TEST(a_drained_backend_serves_its_flows_until_they_have_settled),
		TEST(settling_a_vip_that_is_not_there_is_refused),
		TEST(a_restart_goes_on_with_a_move),
		TEST(a_removed_backend_stays_until_its_flows_have_settled),
		TEST(a_backend_that_comes_back_while_it_leaves_is_the_same),
		TEST(a_move_that_sends_no_one_away_ends_when_no_flow_needs_it),
		TEST(those_who_left_are_gone_after_settle_s),
		TEST(a_backend_that_was_disabled_and_removed_stays_out),
		TEST(another_feature_takes_another_program),
		TEST(a_refused_reload_leaves_the_features),
		TEST(clients_are_not_compared_at_a_restart),
	};
	int failed;

	setenv("LIBXDP_SKIP_DISPATCHER", "1", 1);
	netns_init(tests, N(tests));
	failed = cmocka_run_group_tests_name("daemon/engine", tests, NULL, NULL);
	netns_fini();
	return failed;
}
