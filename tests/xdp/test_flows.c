/* SPDX-License-Identifier: MIT */
/*
 * The flow table of the loaded program: frames in, then the table itself is looked at, made older,
 * filled by hand. Slots move from "old" to "new", so that a TCP flow that is known goes elsewhere
 * than one that is not.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/fixture.h"

#define AGE_S 30
#define TCP_AGE_S 300

static const char config_text[] =
	"interfaces = ( { name = \"none0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT "\"; } );\n"
	"flows = { size = 1024; age_s = 30; tcp_age_s = 300; };\n"
	"pools = ( { name = \"web\"; backends = (\n"
	"    { name = \"old\"; address = \"10.0.0.1\"; },\n"
	"    { name = \"new\"; address = \"10.0.0.2\"; } ); } );\n"
	"vips = (\n"
	"  { name = \"tcp\"; address = \"10.200.1.1\"; port = 80; protocol = \"tcp\";\n"
	"    pool = \"web\"; ring_size = 4093; },\n"
	"  { name = \"udp\"; address = \"10.200.1.1\"; port = 80; protocol = \"udp\";\n"
	"    pool = \"web\"; ring_size = 4093; } );\n";

static struct model *model;
static struct dryrun *dryrun;
static uint32_t old_id, new_id;
static struct frame left; /* the last frame as it left */

static const struct program *loaded(void)
{
	return datapath_program(dryrun_datapath(dryrun));
}

static uint32_t find_backend(const char *name)
{
	const struct sluice_name *names = loaded()->mapped[MAP_NAMES].data;

	for (uint32_t id = 1; id < program_map_entries(loaded(), MAP_NAMES); id++)
		if (strcmp(names[id].backend, name) == 0)
			return id;
	fail_msg("no backend \"%s\"", name);
	return 0;
}

/* Every slot of both rings. */
static void set_slots(uint32_t word)
{
	const struct slots slots = {
		.rings = loaded()->mapped[MAP_RINGS].data,
		.others = loaded()->mapped[MAP_OTHERS].data,
	};
	uint32_t n = program_map_entries(loaded(), MAP_RINGS) * SLUICE_LINE_SLOTS;

	for (uint32_t i = 0; i < n; i++)
		if (SLUICE_SLOT_CUR(slots_get(&slots, i)))
			slots_set(&slots, i, word);
}

static int setup(void **state)
{
	(void)state;
	fixture_need_bpf();
	model = fixture_model(config_text);
	dryrun = fixture_dryrun(model);
	old_id = find_backend("old");
	new_id = find_backend("new");
	set_slots(SLUICE_SLOT(new_id, old_id, true));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dryrun_free(TAKE(dryrun));
	model_free(TAKE(model));
	return 0;
}

static const char *send_frame(const char *text)
{
	static struct frame in;
	struct dryrun_result result;

	frame_build(&in, text);
	result = fixture_send(dryrun, &in, &left);
	assert_true(result.verdict.transmits);
	return result.backend;
}

/* A TCP segment of one flow with these flags: where it goes. */
static const char *tcp(const char *flags)
{
	char text[96];

	snprintf(text, sizeof(text), "4 192.168.1.1>10.200.1.1 / tcp 31337>80 %s", flags);
	return send_frame(text);
}

static const char *udp(void)
{
	return send_frame("4 192.168.1.1>10.200.1.1 / udp 31337>80");
}

/* ------------------------------------------------------------------------------------ the table */

static uint16_t now_ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint16_t)(((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) >>
			  SLUICE_TICK_SHIFT);
}

static uint16_t ticks(unsigned int seconds)
{
	return (uint16_t)((uint64_t)seconds * 1000000000u >> SLUICE_TICK_SHIFT);
}

/* The entries in use; the last of them in @at. */
static unsigned int find_entries(uint64_t **at)
{
	struct sluice_flow_line *lines = loaded()->mapped[MAP_FLOWS].data;
	uint32_t n = program_map_entries(loaded(), MAP_FLOWS) * SLUICE_FLOW_WAYS;
	unsigned int found = 0;

	for (uint32_t i = 0; i < n; i++) {
		__u64 *entry = &lines[i / SLUICE_FLOW_WAYS].entry[i % SLUICE_FLOW_WAYS];

		if (!*entry)
			continue;
		*at = (uint64_t *)entry;
		found++;
	}
	return found;
}

/* The only entry. */
static uint64_t *entry(void)
{
	uint64_t *at = NULL;

	assert_int_equal(find_entries(&at), 1);
	return at;
}

static struct sluice_flow_line *line_of(const uint64_t *at)
{
	struct sluice_flow_line *lines = loaded()->mapped[MAP_FLOWS].data;

	return &lines[((const char *)at - (const char *)lines) / sizeof(*lines)];
}

/* Makes the only entry so old. */
static void make_older(unsigned int seconds)
{
	uint64_t *at = entry();

	*at = (*at & ~UINT64_C(0xffff)) | (uint16_t)(now_ticks() - ticks(seconds));
}

static bool is_young(uint64_t e)
{
	return (uint16_t)(now_ticks() - SLUICE_FLOW_TIME(e)) <= ticks(10);
}

/* A flow at "new" that is established. */
static void establish(void)
{
	assert_string_equal(tcp("S"), "new");
	assert_string_equal(tcp("A"), "new");
	assert_true((uint64_t *)&line_of(entry())->entry[SLUICE_FLOW_ESTABLISHED] > entry());
}

/* ----------------------------------------------------------------------------------------- tests */

static void entries_say_whether_the_flow_is_tcp(void **state)
{
	(void)state;
	establish();
	assert_true(*entry() & SLUICE_FLOW_TCP);
	assert_int_equal(SLUICE_FLOW_BACKEND(*entry()), new_id);
	*entry() = 0;
	udp();
	assert_false(*entry() & SLUICE_FLOW_TCP);
}

static void established_tcp_has_an_age_of_its_own(void **state)
{
	(void)state;
	establish();
	make_older(AGE_S + 10);
	assert_string_equal(tcp("A"), "new");
	assert_true(is_young(*entry()));
	make_older(TCP_AGE_S - 10);
	assert_string_equal(tcp("A"), "new");
	assert_true(is_young(*entry()));
	make_older(TCP_AGE_S + 10);
	assert_string_equal(tcp("A"), "old"); /* unknown: from before the move */
}

static void a_handshake_has_the_age_of_all_flows(void **state)
{
	(void)state;
	assert_string_equal(tcp("S"), "new");
	make_older(AGE_S - 10);
	assert_string_equal(tcp("A"), "new");
	*entry() = 0;
	assert_string_equal(tcp("S"), "new");
	make_older(AGE_S + 10);
	assert_string_equal(tcp("A"), "old");
}

static void udp_has_the_age_of_all_flows(void **state)
{
	(void)state;
	assert_string_equal(udp(), "new");
	set_slots(SLUICE_SLOT(old_id, old_id, false));
	make_older(AGE_S - 10);
	assert_string_equal(udp(), "new");
	make_older(AGE_S + 10);
	assert_string_equal(udp(), "old");
}

/* After a long silence it begins another flow; one that is sent again does not. */
static void a_syn_follows_a_young_entry_only(void **state)
{
	(void)state;
	establish();
	set_slots(SLUICE_SLOT(old_id, old_id, true));
	assert_string_equal(tcp("S"), "new");
	make_older(AGE_S - 10);
	assert_string_equal(tcp("S"), "new");
	make_older(AGE_S + 10);
	assert_string_equal(tcp("S"), "old");
	/* The new flow is where its own first packet went. */
	assert_string_equal(tcp("A"), "old");
}

static void a_syn_does_not_follow_a_closed_entry(void **state)
{
	(void)state;
	establish();
	set_slots(SLUICE_SLOT(old_id, old_id, true));
	assert_string_equal(tcp("FA"), "new");
	assert_true(*entry() & SLUICE_FLOW_CLOSED);
	assert_string_equal(tcp("A"), "new"); /* its last packets */
	assert_true(*entry() & SLUICE_FLOW_CLOSED);
	assert_string_equal(tcp("S"), "old");
	assert_string_equal(tcp("A"), "old");
}

/*
 * Establishes a flow in a line whose established ways are all taken, by entries of these ages. Returns
 * which of them it replaced.
 */
static unsigned int replaced(const unsigned int ages_s[SLUICE_FLOW_ESTABLISHED], int closed)
{
	struct sluice_flow_line *line, before;
	unsigned int changed = 0, which = 0;

	assert_string_equal(tcp("S"), "new");
	line = line_of(entry());
	for (unsigned int i = 0; i < SLUICE_FLOW_ESTABLISHED; i++)
		line->entry[i] = (uint64_t)(0x80010000u + i) << 32 | (uint64_t)old_id << 16 |
				 (uint16_t)(now_ticks() - ticks(ages_s[i]));
	if (closed >= 0)
		line->entry[closed] |= SLUICE_FLOW_CLOSED;
	before = *line;
	assert_string_equal(tcp("A"), "new");
	for (unsigned int i = 0; i < SLUICE_FLOW_ESTABLISHED; i++)
		if (line->entry[i] != before.entry[i]) {
			which = i;
			changed++;
		}
	assert_int_equal(changed, 1);
	assert_int_equal(SLUICE_FLOW_BACKEND(line->entry[which]), new_id);
	*line = (struct sluice_flow_line){0};
	return which;
}

static void a_full_line_gives_up_a_closed_entry_else_the_oldest(void **state)
{
	static const unsigned int ages_s[] = {100, 200, 20, 290, 5, 250};

	(void)state;
	assert_int_equal(replaced(ages_s, -1), 3);
	assert_int_equal(replaced(ages_s, 4), 4);
	assert_int_equal(replaced(ages_s, 0), 0);
	assert_int_equal(replaced(ages_s, 3), 3);
}

/* The VIP's flags with this epoch, in both places where the program finds them. */
static void set_epoch(uint32_t epoch)
{
	struct sluice_vip_key key = {.port = htons(80), .proto = IPPROTO_TCP};
	struct sluice_vip_line *lines = loaded()->mapped[MAP_VIP_LINES].data;
	uint32_t n = program_map_entries(loaded(), MAP_VIP_LINES);
	int fd = program_map_fd(loaded(), MAP_VIPS);
	struct sluice_vip vip;

	assert_int_equal(addr_parse(&key.addr, "10.200.1.1"), 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &vip), 0);
	vip.flags = (vip.flags & SLUICE_VIP_OPTIONS) | epoch << SLUICE_VIP_EPOCH_SHIFT;
	assert_int_equal(bpf_map_update_elem(fd, &key, &vip, BPF_EXIST), 0);
	for (uint32_t i = 0; i < n; i++)
		if (lines[i].state == SLUICE_LINE_HOLDS &&
		    memcmp(&lines[i].key, &key, sizeof(key)) == 0)
			lines[i].vip.flags = vip.flags;
}

/* What was known, and what was guessed, is true for one move. */
static void an_epoch_knows_nothing_of_another_one_s_flows(void **state)
{
	static const uint32_t others[] = {1, 2, 128, 255};

	(void)state;
	establish();
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		uint64_t *at;

		set_epoch(others[i]);
		assert_string_equal(tcp("A"), "old");
		assert_int_equal(find_entries(&at), i + 2);
	}
	set_epoch(0);
	assert_string_equal(tcp("A"), "new");
	/* It is no option: a VIP without any takes the short way. */
	set_slots(SLUICE_SLOT(new_id, new_id, false));
	set_epoch(255);
	assert_string_equal(tcp("A"), "new");
}

/* The number that the outer IPv4 header names, network byte order; 0: none. */
static uint16_t hint(void)
{
	uint16_t id;

	memcpy(&id, left.data + 14 + 4, sizeof(id));
	return id;
}

static void kept_slots_keep_unknown_flows_and_tell_the_other_owner(void **state)
{
	const struct sluice_backend *records = loaded()->mapped[MAP_BACKENDS].data;

	(void)state;
	assert_int_not_equal(records[old_id].hint, 0);
	assert_int_not_equal(records[old_id].hint, records[new_id].hint);
	assert_string_equal(tcp("A"), "old");
	assert_int_equal(hint(), records[new_id].hint);
	*entry() = 0;

	set_slots(SLUICE_SLOT(new_id, old_id, true) | SLUICE_SLOT_KEEP);
	assert_string_equal(tcp("A"), "new");
	assert_int_equal(hint(), records[old_id].hint);
	*entry() = 0;
	assert_string_equal(tcp("S"), "new");
	assert_int_equal(hint(), records[old_id].hint);
	*entry() = 0;

	/* One that is known goes where it went. */
	set_slots(SLUICE_SLOT(old_id, new_id, true));
	assert_string_equal(tcp("S"), "old");
	assert_string_equal(tcp("A"), "old");
	set_slots(SLUICE_SLOT(new_id, old_id, true) | SLUICE_SLOT_KEEP);
	assert_string_equal(tcp("A"), "old");
	assert_int_equal(hint(), records[new_id].hint);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entries_say_whether_the_flow_is_tcp),
		TEST(established_tcp_has_an_age_of_its_own),
		TEST(a_handshake_has_the_age_of_all_flows),
		TEST(udp_has_the_age_of_all_flows),
		TEST(a_syn_follows_a_young_entry_only),
		TEST(a_syn_does_not_follow_a_closed_entry),
		TEST(a_full_line_gives_up_a_closed_entry_else_the_oldest),
		TEST(an_epoch_knows_nothing_of_another_one_s_flows),
		TEST(kept_slots_keep_unknown_flows_and_tell_the_other_owner),
	};

	return cmocka_run_group_tests_name("xdp/flows", tests, NULL, NULL);
}
