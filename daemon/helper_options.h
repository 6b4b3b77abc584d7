/* SPDX-License-Identifier: MIT */
/*
 * The command line of sluice-helper.
 */
#ifndef SLUICE_DAEMON_HELPER_OPTIONS_H
#define SLUICE_DAEMON_HELPER_OPTIONS_H

#include <stdbool.h>

#include "daemon/helper_hints.h"
#include "xdp/helper.h"

#define HELPER_PIN_DIR "/sys/fs/bpf/sluice-helper"
#define HELPER_RATE 100000u
#define HELPER_PORTS_MAX 64

enum helper_action {
	HELPER_RUN,
	HELPER_STATUS,
	HELPER_DETACH,
	HELPER_VERSION,
	HELPER_HELP,
};

/* Texts are those of the command line. */
struct helper_options {
	enum helper_action action;
	const char *ports[HELPER_PORTS_MAX]; /* interfaces */
	size_t n_ports;
	bool no_decap;
	struct addr_prefix *from; /* if there are any, tunnels come from these only */
	size_t n_from;
	const char *hints_file;       /* NULL: the list is `backends` */
	struct helper_hints backends; /* of the command line */
	struct sluice_addr *self;     /* if there are any, the host has these only */
	size_t n_self;
	const char *netns; /* where sockets are; NULL: with the ports */
	uint16_t gue_ports[HELPER_GUE_PORTS];
	size_t n_gue_ports;
	unsigned int rate; /* packets a second and CPU that are sent on */
	const char *pin_dir;
	bool json;
	bool verbose;
};

extern const char helper_usage[];

/*
 * Reads the command line into @out, defaults included. 0, -ENOMEM, or -EINVAL with a message in
 * @diag. @out is to be freed by helper_options_fini() in any case.
 */
int helper_options_parse(struct helper_options *out, int argc, char **argv, struct diag *diag);

void helper_options_fini(struct helper_options *options);

#endif
