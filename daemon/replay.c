/* SPDX-License-Identifier: MIT */
/*
 * The same way as in service: model -> desired -> plan -> maps; then BPF_PROG_TEST_RUN instead of
 * a device.
 */
#include "daemon/replay.h"

#include <errno.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "config/cleanup.h"
#include "control/outcome.h"
#include "daemon/datapath.h"
#include "daemon/log.h"

#define DEFAULT_MTU 1500
#define FRAME_MAX 65536

struct replay {
	struct datapath *datapath;
	struct desired *desired;
	struct plan *plan;
	struct ring_cache rings;
	pcap_t *in;
	pcap_dumper_t *out;
	FILE *report;
	unsigned long frames;
	unsigned long not_run;
};

/* ---------------------------------------------------------------------------------------- the maps */

/* The device's MTU where it exists, else Ethernet's. */
static unsigned int mtu_of(const char *ifname)
{
	_cleanup_(closep)
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request) < 0)
		return DEFAULT_MTU;
	return (unsigned int)request.ifr_mtu;
}

/* Without any gateway_mac every frame would end for want of a next hop. */
static void ensure_gateway(struct model *model)
{
	for (size_t i = 0; i < model->n_interfaces; i++)
		if (model->interfaces[i].has_gateway_mac)
			return;
	log_warning("no interface has a gateway_mac: frames are sent to 00:00:00:00:00:00");
	model->interfaces[0].has_gateway_mac = true;
}

static int fill_maps(struct replay *r, const struct model *model, struct diag *diag)
{
	_cleanup_(freep)
	struct desired_port *ports = calloc(model->n_interfaces, sizeof(*ports));
	_cleanup_(running_fini)
	struct running running = {0};
	const struct wishes none = {0};
	struct desired_input input = {
		.model = model,
		.wishes = &none,
		.ports = ports,
		.rings = &r->rings,
	};
	int err;

	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < model->n_interfaces; i++)
		ports[i].mtu = mtu_of(model->interfaces[i].name);
	err = desired_build(&r->desired, &input);
	if (!err)
		err = datapath_running(r->datapath, &running);
	if (!err)
		err = plan_build(&r->plan, &running, r->desired, diag);
	return err ? err : datapath_apply(r->datapath, r->plan, diag);
}

static int prepare(struct replay *r, struct model *model, struct diag *diag)
{
	struct datapath_options options = {
		.size = {.vips = model->limits.vips, .backends = model->limits.backends},
		.settings =
			{
				.abi = SLUICE_ABI,
				.hash_seed = model->hash_seed ? model->hash_seed : SLUICE_HASH_SEED,
				.hash_seed6 =
					model->hash_seed ? model->hash_seed : SLUICE_HASH_SEED6,
				.trace = 1,
			},
	};
	int err;

	for (size_t i = 0; i < model->n_vips; i++)
		options.size.ring_slots += plan_ring_area(model->vips[i].ring_size);
	options.size.ring_slots += SLUICE_LINE_SLOTS; /* at least one line */
	ensure_gateway(model);
	err = datapath_open(&r->datapath, &options, diag);
	return err ? err : fill_maps(r, model, diag);
}

/* ---------------------------------------------------------------------------------------- the files */

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

/* -------------------------------------------------------------------------------------- the frames */

static const char *vip_name(const struct replay *r, uint32_t id)
{
	for (size_t i = 0; id && i < r->desired->n_vips; i++)
		if (r->plan->vip_ids[i] == id)
			return r->desired->vips[i].vip->name;
	return "-";
}

static const char *backend_name(const struct replay *r, uint32_t id)
{
	for (size_t i = 0; id && i < r->desired->n_backends; i++)
		if (r->plan->backend_ids[i] == id)
			return r->desired->backends[i].backend->name;
	return "-";
}

static void run_frame(struct replay *r, const struct pcap_pkthdr *header, const u_char *frame,
		      struct diag *diag)
{
	static unsigned char sent[FRAME_MAX];
	struct pcap_pkthdr out = *header;
	size_t size = sizeof(sent);
	struct datapath_verdict verdict;
	int err;

	r->frames++;
	err = datapath_run(r->datapath, frame, header->caplen, sent, &size, &verdict);
	if (err) {
		r->not_run++;
		diag_add(diag, NULL, 0, "frame %lu of %u bytes was not run: %s", r->frames,
			 header->caplen,
			 header->caplen < 14 ? "shorter than an Ethernet header" : strerror(-err));
		fprintf(r->report, "%lu - not_run vip=- backend=-\n", r->frames);
		return;
	}
	fprintf(r->report, "%lu %s %s vip=%s backend=%s\n", r->frames, verdict.name,
		outcome_name(verdict.trace.outcome), vip_name(r, verdict.trace.vip),
		backend_name(r, verdict.trace.backend));
	if (!verdict.transmits)
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
	return r->not_run ? -EINVAL : 0;
}

static void replay_fini(struct replay *r)
{
	if (r->out)
		pcap_dump_close(r->out);
	if (r->in)
		pcap_close(r->in);
	datapath_free(r->datapath);
	desired_free(r->desired);
	plan_free(r->plan);
	ring_cache_fini(&r->rings);
}

int replay_run(struct model *model, const char *in_path, const char *out_path, FILE *report,
	       struct diag *diag)
{
	_cleanup_(replay_fini)
	struct replay r = {.report = report};
	int err = open_in(&r, in_path, diag);

	if (!err)
		err = prepare(&r, model, diag);
	if (!err)
		err = open_out(&r, in_path, out_path, diag);
	return err ? err : run_frames(&r, in_path, out_path, diag);
}
