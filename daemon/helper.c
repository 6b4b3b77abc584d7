/* SPDX-License-Identifier: MIT */
/*
 * sluice-helper, on a backend: reads the command line and does what it says. The duties are in
 * helper_service.c (run, detach) and helper_status.c.
 */
#include <errno.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/helper_options.h"
#include "daemon/helper_service.h"
#include "daemon/helper_status.h"
#include "daemon/log.h"

enum {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
};

static int act(const struct helper_options *options, struct diag *diag)
{
	switch (options->action) {
	case HELPER_RUN:
		return helper_service_run(options, diag);
	case HELPER_STATUS:
		return helper_status_print(stdout, options->pin_dir, options->json, diag);
	case HELPER_DETACH:
		return helper_service_detach(options->pin_dir, diag);
	case HELPER_VERSION:
		printf("sluice-helper %s\n", SLUICE_VERSION);
		return 0;
	case HELPER_HELP:
		fputs(helper_usage, stdout);
		return 0;
	}
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(helper_options_fini) struct helper_options options;
	_cleanup_(diag_fini) struct diag diag = {0};
	int err = helper_options_parse(&options, argc, argv, &diag);

	log_init(options.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (err) {
		log_diag(LOG_LEVEL_ERROR, &diag);
		if (err == -EINVAL && !options.n_ports)
			fputs(helper_usage, stderr);
		return EXIT_USAGE;
	}
	err = act(&options, &diag);
	if (err && !diag.n)
		diag_add(&diag, NULL, 0, "%s", strerror(-err));
	log_diag(LOG_LEVEL_ERROR, &diag);
	return err ? EXIT_REFUSED : EXIT_DONE;
}
