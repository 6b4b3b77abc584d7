/* SPDX-License-Identifier: MIT */
/*
 * Captures in, report and capture out. The captures are written by libpcap, but for those that are
 * broken on purpose.
 */
#include "daemon/replay.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "tests/lib/fixture.h"
#include "tests/lib/tempdir.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const char config_text[] =
	"interfaces = ( { name = \"none0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT "\"; } );\n"
	"pools = ( { name = \"web\"; backends = (\n"
	"    { name = \"web-1\"; address = \"10.0.0.1\"; },\n"
	"    { name = \"web-2\"; address = \"10.0.0.2\"; },\n"
	"    { name = \"web-3\"; address = \"10.0.0.3\"; } ); },\n"
	"  { name = \"empty\"; } );\n"
	"vips = (\n"
	"  { name = \"www\"; address = \"10.200.1.1\"; port = 80; protocol = \"tcp\";\n"
	"    pool = \"web\"; maglev = \"v1\"; },\n"
	"  { name = \"none\"; address = \"10.200.1.99\"; port = 80; protocol = \"tcp\";\n"
	"    pool = \"empty\"; } );\n";

#define TO_WWW "4 192.168.1.1>10.200.1.1 / tcp 31337>80 A"
#define WWW_OUTER "4 172.16.104.123>10.0.0.3"

static struct lab {
	struct tempdir dir;
	char in[64], out[64];
	struct model *model;
	struct diag diag;
	char *report;
	size_t report_size;
} lab;

/* ------------------------------------------------------------------------------------- helpers */

static int setup(void **state)
{
	(void)state;
	lab = (struct lab){0};
	if (tempdir_init(&lab.dir))
		return -1;
	snprintf(lab.in, sizeof(lab.in), "%s/in.pcap", lab.dir.path);
	snprintf(lab.out, sizeof(lab.out), "%s/out.pcap", lab.dir.path);
	lab.model = fixture_model(config_text);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_free(lab.model);
	diag_fini(&lab.diag);
	free(lab.report);
	tempdir_fini(&lab.dir);
	return 0;
}

/* Writes frames to lab.in, the n-th of them at n seconds; a number alone gives so many bytes. */
static void write_capture(int link_type, const char *const *frames, size_t n)
{
	static struct frame frame;
	pcap_t *pcap = pcap_open_dead(link_type, 65535);
	pcap_dumper_t *out = pcap_dump_open(pcap, lab.in);

	assert_non_null(out);
	for (size_t i = 0; i < n; i++) {
		struct pcap_pkthdr header = {.ts = {.tv_sec = (time_t)i + 1}};

		frame.size = strtoul(frames[i], NULL, 10);
		if (strspn(frames[i], "0123456789") == strlen(frames[i]))
			memset(frame.data, 0, frame.size);
		else
			frame_build(&frame, frames[i]);
		header.caplen = header.len = (bpf_u_int32)frame.size;
		pcap_dump((u_char *)out, &header, frame.data);
	}
	pcap_dump_close(out);
	pcap_close(pcap);
}

#define CAPTURE(...) \
	do { \
		const char *const frames_[] = {__VA_ARGS__}; \
		write_capture(DLT_EN10MB, frames_, N(frames_)); \
	} while (0)

static int run(const char *in, const char *out)
{
	FILE *report;
	int err;

	free(TAKE(lab.report));
	report = open_memstream(&lab.report, &lab.report_size);
	assert_non_null(report);
	err = replay_run(lab.model, in, out, report, &lab.diag);
	fclose(report);
	return err;
}

/* Fails unless lab.out holds exactly these frames, at these seconds. */
static void assert_out(const struct frame *frames, const time_t *seconds, size_t n)
{
	static struct frame got;
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *data;
	pcap_t *pcap = pcap_open_offline(lab.out, error);

	assert_non_null(pcap);
	assert_int_equal(pcap_datalink(pcap), DLT_EN10MB);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(pcap_next_ex(pcap, &header, &data), 1);
		assert_int_equal(header->caplen, header->len);
		assert_true(header->caplen <= sizeof(got.data));
		got.size = header->caplen;
		memcpy(got.data, data, got.size);
		frame_assert_equal(&got, &frames[i], "frame of OUT.pcap");
		assert_int_equal(header->ts.tv_sec, seconds[i]);
	}
	assert_int_equal(pcap_next_ex(pcap, &header, &data), PCAP_ERROR_BREAK);
	pcap_close(pcap);
}

/* Fails unless there is one message: @where, which is the file, and @text. */
static void expect_message(const char *where, const char *text)
{
	assert_int_equal(lab.diag.n, 1);
	if (where)
		assert_string_equal(lab.diag.entries[0].file, where);
	else
		assert_null(lab.diag.entries[0].file);
	assert_string_equal(lab.diag.entries[0].text, text);
	diag_fini(&lab.diag);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* --------------------------------------------------------------------------------------- tests */

static void each_frame_is_reported_and_what_leaves_is_written(void **state)
{
	static struct frame in[2], out[2];
	static const time_t seconds[] = {2, 5};

	(void)state;
	fixture_need_bpf();
	CAPTURE("ARP", TO_WWW, "4 192.168.1.1>10.200.1.99 / tcp 31337>80 S",
		"4 192.168.1.1>10.200.1.7 / tcp 31337>80 A",
		"4 192.168.1.1>10.200.1.1 df ttl3 tos8c / tcp 31337>80 S",
		"4 192.168.1.1>10.200.1.1 / tcp 31337>80 A / pad 1441",
		"4 192.168.1.1>10.200.1.1 len19 / tcp 31337>80 A");
	fixture_check(run(lab.in, lab.out), &lab.diag);
	assert_string_equal(lab.report, "1 PASS not_ip vip=- backend=-\n"
					"2 TX forwarded vip=www backend=web-3\n"
					"3 DROP no_backend vip=none backend=-\n"
					"4 PASS not_vip vip=- backend=-\n"
					"5 TX forwarded vip=www backend=web-3\n"
					"6 DROP too_big_no_df vip=www backend=web-3\n"
					"7 PASS malformed vip=- backend=-\n");
	frame_build(&in[0], TO_WWW);
	frame_build_outer(&out[0], WWW_OUTER, &in[0]);
	frame_build(&in[1], "4 192.168.1.1>10.200.1.1 df ttl3 tos8c / tcp 31337>80 S");
	frame_build_outer(&out[1], WWW_OUTER " tos8c", &in[1]);
	assert_out(out, seconds, 2);
}

static void a_capture_without_frames_gives_one_without_frames(void **state)
{
	(void)state;
	fixture_need_bpf();
	write_capture(DLT_EN10MB, NULL, 0);
	fixture_check(run(lab.in, lab.out), &lab.diag);
	assert_string_equal(lab.report, "");
	assert_out(NULL, NULL, 0);
}

static void an_earlier_out_is_replaced(void **state)
{
	(void)state;
	fixture_need_bpf();
	CAPTURE(TO_WWW, TO_WWW);
	fixture_check(run(lab.in, lab.out), &lab.diag);
	CAPTURE("ARP");
	fixture_check(run(lab.in, lab.out), &lab.diag);
	assert_out(NULL, NULL, 0);
}

static void frames_that_cannot_be_run_are_named_and_the_others_run(void **state)
{
	static struct frame in, out;
	static const time_t second = 3;

	(void)state;
	fixture_need_bpf();
	CAPTURE("0", "13", TO_WWW, "14");
	assert_int_equal(run(lab.in, lab.out), -EINVAL);
	assert_string_equal(lab.report, "1 - not_run vip=- backend=-\n"
					"2 - not_run vip=- backend=-\n"
					"3 TX forwarded vip=www backend=web-3\n"
					"4 PASS not_ip vip=- backend=-\n");
	assert_int_equal(lab.diag.n, 2);
	assert_string_equal(lab.diag.entries[0].text,
			    "frame 1 of 0 bytes was not run: shorter than an Ethernet header");
	assert_string_equal(lab.diag.entries[1].text,
			    "frame 2 of 13 bytes was not run: shorter than an Ethernet header");
	frame_build(&in, TO_WWW);
	frame_build_outer(&out, WWW_OUTER, &in);
	assert_out(&out, &second, 1);
}

/* A kernel with frames of several buffers takes it, an older one takes what fits a page. */
static void a_frame_above_a_page_is_run_or_named(void **state)
{
	struct dryrun *dryrun;
	bool takes;

	(void)state;
	fixture_need_bpf();
	dryrun = fixture_dryrun(lab.model);
	takes = program_settings(datapath_program(dryrun_datapath(dryrun)))->features &
		SLUICE_FEATURE_FRAGS;
	dryrun_free(dryrun);
	CAPTURE("4 192.168.1.1>10.200.1.1 / tcp 31337>80 A / pad 8000");
	assert_int_equal(run(lab.in, lab.out), takes ? 0 : -EINVAL);
	assert_string_equal(lab.report, takes ? "1 DROP too_big_no_df vip=www backend=web-3\n"
					      : "1 - not_run vip=- backend=-\n");
	if (!takes)
		expect_message(NULL, "frame 1 of 8054 bytes was not run: Message too long");
	assert_out(NULL, NULL, 0);
}

static void a_missing_or_foreign_file_is_refused_and_nothing_written(void **state)
{
	char missing[64];
	FILE *file;

	(void)state;
	snprintf(missing, sizeof(missing), "%s/missing.pcap", lab.dir.path);
	assert_int_equal(run(missing, lab.out), -EIO);
	expect_message(missing, "No such file or directory");
	file = fopen(lab.in, "w");
	fputs("this is no capture, but long enough to be one", file);
	fclose(file);
	assert_int_equal(run(lab.in, lab.out), -EIO);
	expect_message(lab.in, "unknown file format");
	file = fopen(lab.in, "w");
	fclose(file);
	assert_int_equal(run(lab.in, lab.out), -EIO);
	assert_int_equal(lab.diag.n, 1);
	assert_string_equal(lab.diag.entries[0].file, lab.in);
	assert_string_equal(lab.report, "");
	assert_false(exists(lab.out));
}

static void another_link_type_is_refused(void **state)
{
	static const char *const frames[] = {"40"};

	(void)state;
	write_capture(DLT_RAW, frames, 1);
	assert_int_equal(run(lab.in, lab.out), -EINVAL);
	expect_message(lab.in, "link type RAW, only Ethernet (EN10MB) can be replayed");
	assert_false(exists(lab.out));
}

static void a_capture_cut_in_the_middle_runs_to_the_cut(void **state)
{
	static struct frame in, out;
	static const time_t second = 1;
	struct stat st;

	(void)state;
	fixture_need_bpf();
	CAPTURE(TO_WWW, TO_WWW);
	assert_int_equal(stat(lab.in, &st), 0);
	assert_int_equal(truncate(lab.in, st.st_size - 5), 0);
	assert_int_equal(run(lab.in, lab.out), -EIO);
	assert_string_equal(lab.report, "1 TX forwarded vip=www backend=web-3\n");
	assert_int_equal(lab.diag.n, 1);
	assert_string_equal(lab.diag.entries[0].file, lab.in);
	assert_ptr_equal(strstr(lab.diag.entries[0].text, "after frame 1: truncated dump file"),
			 lab.diag.entries[0].text);
	frame_build(&in, TO_WWW);
	frame_build_outer(&out, WWW_OUTER, &in);
	assert_out(&out, &second, 1);
}

static void the_capture_to_be_read_is_not_overwritten(void **state)
{
	struct stat before, after;
	char other[64];

	(void)state;
	fixture_need_bpf();
	CAPTURE(TO_WWW);
	assert_int_equal(stat(lab.in, &before), 0);
	assert_int_equal(run(lab.in, lab.in), -EINVAL);
	expect_message(lab.in, "is the capture to be read; name another file to write");
	snprintf(other, sizeof(other), "%s/../%s/link.pcap", lab.dir.path,
		 strrchr(lab.dir.path, '/') + 1);
	assert_int_equal(link(lab.in, other), 0);
	assert_int_equal(run(lab.in, other), -EINVAL);
	expect_message(other, "is the capture to be read; name another file to write");
	assert_int_equal(stat(lab.in, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_string_equal(lab.report, "");
}

static void an_out_that_cannot_be_written_is_an_error(void **state)
{
	char path[80], text[160];

	(void)state;
	fixture_need_bpf();
	CAPTURE(TO_WWW);
	snprintf(path, sizeof(path), "%s/missing/out.pcap", lab.dir.path);
	assert_int_equal(run(lab.in, path), -EIO);
	snprintf(text, sizeof(text), "%s: No such file or directory", path);
	expect_message(NULL, text);
	assert_int_equal(run(lab.in, "/dev/full"), -EIO);
	expect_message("/dev/full", "writing failed: No space left on device");
}

static void a_report_that_cannot_be_written_is_an_error(void **state)
{
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	fixture_need_bpf();
	assert_non_null(full);
	CAPTURE(TO_WWW);
	assert_int_equal(replay_run(lab.model, lab.in, lab.out, full, &lab.diag), -EIO);
	expect_message(NULL, "writing the report failed: No space left on device");
	fclose(full);
}

static void without_a_gateway_frames_still_leave(void **state)
{
	static struct frame in, out;
	static const time_t second = 1;

	(void)state;
	fixture_need_bpf();
	lab.model->interfaces[0].has_gateway_mac = false;
	memset(lab.model->interfaces[0].gateway_mac, 0, 6);
	CAPTURE(TO_WWW);
	fixture_check(run(lab.in, lab.out), &lab.diag);
	assert_string_equal(lab.report, "1 TX forwarded vip=www backend=web-3\n");
	frame_build(&in, TO_WWW);
	frame_build_outer(&out, WWW_OUTER, &in);
	memset(out.data, 0, 6);
	assert_out(&out, &second, 1);
}

static void what_is_not_active_gets_nothing(void **state)
{
	(void)state;
	fixture_need_bpf();
	lab.model->pools[0].backends[2].state = MODEL_STATE_DRAINING;
	CAPTURE(TO_WWW);
	fixture_check(run(lab.in, lab.out), &lab.diag);
	assert_non_null(strstr(lab.report, "1 TX forwarded vip=www backend=web-"));
	assert_null(strstr(lab.report, "web-3"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_frame_is_reported_and_what_leaves_is_written),
		TEST(a_capture_without_frames_gives_one_without_frames),
		TEST(an_earlier_out_is_replaced),
		TEST(frames_that_cannot_be_run_are_named_and_the_others_run),
		TEST(a_frame_above_a_page_is_run_or_named),
		TEST(a_missing_or_foreign_file_is_refused_and_nothing_written),
		TEST(another_link_type_is_refused),
		TEST(a_capture_cut_in_the_middle_runs_to_the_cut),
		TEST(the_capture_to_be_read_is_not_overwritten),
		TEST(an_out_that_cannot_be_written_is_an_error),
		TEST(a_report_that_cannot_be_written_is_an_error),
		TEST(without_a_gateway_frames_still_leave),
		TEST(what_is_not_active_gets_nothing),
	};

	return cmocka_run_group_tests_name("daemon/replay", tests, NULL, NULL);
}
