/* SPDX-License-Identifier: MIT */
/*
 * The same way as in service: model -> desired -> plan -> maps; then BPF_PROG_TEST_RUN instead of
 * a device.
 */
#include "daemon/dryrun.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "config/cleanup.h"
#include "daemon/log.h"

#define DEFAULT_MTU 1500

struct dryrun {
	struct datapath *datapath;
	struct desired *desired;
	struct plan *plan;
	struct ring_cache rings;
};

/* The device's MTU where it exists, else Ethernet's. */
static unsigned int mtu_of(const char *ifname)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
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

static int fill_maps(struct dryrun *dryrun, const struct model *model, struct diag *diag)
{
	_cleanup_(freep) struct desired_port *ports = calloc(model->n_interfaces, sizeof(*ports));
	_cleanup_(running_fini) struct running running = {0};
	const struct wishes none = {0};
	struct desired_input input = {
		.model = model,
		.wishes = &none,
		.ports = ports,
		.rings = &dryrun->rings,
	};
	int err;

	if (!ports)
		return -ENOMEM;
	for (size_t i = 0; i < model->n_interfaces; i++)
		ports[i].mtu = mtu_of(model->interfaces[i].name);
	err = desired_build(&dryrun->desired, &input);
	if (!err)
		err = datapath_running(dryrun->datapath, &running);
	if (!err)
		err = plan_build(&dryrun->plan, &running, dryrun->desired, diag);
	return err ? err : datapath_apply(dryrun->datapath, dryrun->plan, diag);
}

static int prepare(struct dryrun *dryrun, struct model *model, struct diag *diag)
{
	struct datapath_options options = {
		.size = desired_size(model),
		.settings = desired_settings(model),
	};
	int err;

	options.settings.features |= SLUICE_FEATURE_TRACE;
	ensure_gateway(model);
	err = datapath_open(&dryrun->datapath, &options, diag);
	return err ? err : fill_maps(dryrun, model, diag);
}

static const char *vip_name(const struct dryrun *dryrun, uint32_t id)
{
	for (size_t i = 0; id && i < dryrun->desired->n_vips; i++)
		if (dryrun->plan->vip_ids[i] == id)
			return dryrun->desired->vips[i].vip->name;
	return "-";
}

static const char *backend_name(const struct dryrun *dryrun, uint32_t id)
{
	for (size_t i = 0; id && i < dryrun->desired->n_backends; i++)
		if (dryrun->plan->backend_ids[i] == id)
			return dryrun->desired->backends[i].backend->name;
	return "-";
}

int dryrun_frame(struct dryrun *dryrun, const void *frame, size_t size, void *out, size_t *out_size,
		 struct dryrun_result *result)
{
	int err = datapath_run(dryrun->datapath, frame, size, out, out_size, &result->verdict);

	if (err)
		return err;
	result->vip = vip_name(dryrun, result->verdict.trace.vip);
	result->backend = backend_name(dryrun, result->verdict.trace.backend);
	return 0;
}

int dryrun_new(struct dryrun **out, struct model *model, struct diag *diag)
{
	struct dryrun *dryrun = calloc(1, sizeof(*dryrun));
	int err = dryrun ? prepare(dryrun, model, diag) : -ENOMEM;

	if (err) {
		dryrun_free(dryrun);
		return err;
	}
	*out = dryrun;
	return 0;
}

struct datapath *dryrun_datapath(struct dryrun *dryrun)
{
	return dryrun->datapath;
}

void dryrun_free(struct dryrun *dryrun)
{
	if (!dryrun)
		return;
	datapath_free(dryrun->datapath);
	desired_free(dryrun->desired);
	plan_free(dryrun->plan);
	ring_cache_fini(&dryrun->rings);
	free(dryrun);
}
