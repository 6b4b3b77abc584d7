/* SPDX-License-Identifier: MIT */
/*
 * The program on the host, whole: maps filled from a model in the daemon's own way, frames sent
 * through. There is one of it in a process.
 */
#ifndef SLUICE_TESTS_HOST_HOST_H
#define SLUICE_TESTS_HOST_HOST_H

#include "config/diag.h"
#include "config/model.h"
#include "tests/host/buffer.h"
#include "tests/host/maps.h"

/* Makes the maps, empty, and sets the program's settings. 0 or -errno. */
int host_open(const struct sluice_settings *settings, const uint32_t entries[MAP_MAX]);

/* Other settings; the maps stay. */
void host_set(const struct sluice_settings *settings);

/*
 * Fills the maps: model -> desired -> plan -> rows and arrays. All backends are behind the ports'
 * gateway_mac, with @mtu bytes of an IP packet. 0, or -errno with a message in @diag.
 */
int host_fill(const struct model *model, unsigned int mtu, struct diag *diag);

/* A frame as it comes in; what is zero here stands for what the kernel's test run has. */
struct host_frame {
	const void *data;
	size_t size;
	size_t linear;    /* bytes in the first buffer; 0: as many as fit it */
	size_t headroom;  /* before the frame; 0: HOST_HEADROOM */
	uint32_t ifindex; /* 0: 1, lo */
};

struct host_result {
	int action; /* XDP_... */
	struct sluice_trace trace;
};

/* Sends it; @out has room for *@size bytes and gets the frame as it left, *@size its length. */
struct host_result host_send(const struct host_frame *frame, void *out, size_t *size);

void host_close(void);

#endif
