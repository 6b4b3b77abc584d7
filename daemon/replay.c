/* SPDX-License-Identifier: MIT */
/*
 * libpcap reads and writes the files, daemon/dryrun.c has the program.
 */
#include "daemon/replay.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <string.h>
#include <sys/stat.h>

#include "config/cleanup.h"
#include "control/outcome.h"
#include "daemon/dryrun.h"

#define FRAME_MAX 65536

struct replay {
	struct dryrun *dryrun;
	pcap_t *in;
	pcap_dumper_t *out;
	FILE *report;
	unsigned long frames;
	unsigned long not_run;
};

static int open_in(struct replay *r, const char *path, struct diag *diag)
{
	char error[PCAP_ERRBUF_SIZE] = "";

	r->in = pcap_open_offline(path, error);
	if (!r->in) {
		/* libpcap's message begins with the path when the file cannot be opened */
		size_t n = strlen(path);
		const char *text =
			strncmp(error, path, n) == 0 && error[n] == ':' ? error + n + 2 : error;

		diag_add(diag, path, 0, "%s", text);
		return -EIO;
	}
	if (pcap_datalink(r->in) != DLT_EN10MB) {
		const char *name = pcap_datalink_val_to_name(pcap_datalink(r->in));

		diag_add(diag, path, 0, "link type %s, only Ethernet (EN10MB) can be replayed",
			 name ? name : "unknown");
		return -EINVAL;
	}
	return 0;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int open_out(struct replay *r, const char *in_path, const char *path, struct diag *diag)
{
	if (same_file(in_path, path)) {
		diag_add(diag, path, 0, "is the capture to be read; name another file to write");
		return -EINVAL;
	}
	r->out = pcap_dump_open(r->in, path);
	if (!r->out) {
		diag_add(diag, NULL, 0, "%s", pcap_geterr(r->in));
		return -EIO;
	}
	return 0;
}

static void run_frame(struct replay *r, const struct pcap_pkthdr *header, const u_char *frame,
		      struct diag *diag)
{
	static unsigned char sent[FRAME_MAX];
	struct pcap_pkthdr out = *header;
	size_t size = sizeof(sent);
	struct dryrun_result result;
	int err;

	r->frames++;
	err = dryrun_frame(r->dryrun, frame, header->caplen, sent, &size, &result);
	if (err) {
		r->not_run++;
		diag_add(diag, NULL, 0, "frame %lu of %u bytes was not run: %s", r->frames,
			 header->caplen,
			 header->caplen < 14 ? "shorter than an Ethernet header" : strerror(-err));
		fprintf(r->report, "%lu - not_run vip=- backend=-\n", r->frames);
		return;
	}
	fprintf(r->report, "%lu %s %s vip=%s backend=%s\n", r->frames, result.verdict.name,
		outcome_name(result.verdict.trace.outcome), result.vip, result.backend);
	if (!result.verdict.transmits)
		return;
	out.caplen = out.len = (bpf_u_int32)size;
	pcap_dump((u_char *)r->out, &out, sent);
}

static int run_frames(struct replay *r, const char *in_path, const char *out_path,
		      struct diag *diag)
{
	struct pcap_pkthdr *header;
	const u_char *frame;
	int got;

	while ((got = pcap_next_ex(r->in, &header, &frame)) == 1)
		run_frame(r, header, frame, diag);
	if (got == PCAP_ERROR) {
		diag_add(diag, in_path, 0, "after frame %lu: %s", r->frames, pcap_geterr(r->in));
		return -EIO;
	}
	if (pcap_dump_flush(r->out)) {
		diag_add(diag, out_path, 0, "writing failed: %s", strerror(errno));
		return -EIO;
	}
	if (fflush(r->report) || ferror(r->report)) {
		diag_add(diag, NULL, 0, "writing the report failed: %s", strerror(errno));
		return -EIO;
	}
	return r->not_run ? -EINVAL : 0;
}

static void replay_fini(struct replay *r)
{
	if (r->out)
		pcap_dump_close(r->out);
	if (r->in)
		pcap_close(r->in);
	dryrun_free(r->dryrun);
}

int replay_run(struct model *model, const char *in_path, const char *out_path, FILE *report,
	       struct diag *diag)
{
	_cleanup_(replay_fini) struct replay r = {.report = report};
	int err = open_in(&r, in_path, diag);

	if (!err)
		err = dryrun_new(&r.dryrun, model, diag);
	if (!err)
		err = open_out(&r, in_path, out_path, diag);
	return err ? err : run_frames(&r, in_path, out_path, diag);
}
