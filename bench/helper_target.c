/* SPDX-License-Identifier: MIT */
/*
 * BPF_PROG_TEST_RUN lets a program find the sockets of the caller's network namespace. So the
 * process goes into a new one, where nobody else's sockets are, and brings up its loopback device.
 */
#include "bench/helper_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/scenario.h"
#include "config/addr.h"
#include "config/cleanup.h"
#include "daemon/helper_hints.h"
#include "daemon/helper_program.h"
#include "daemon/helper_self.h"

#define RATE 1000000000 /* packets a second that are sent on: no limit */

struct helper_target {
	struct helper_program program;
	int listener, client, server;
};

static int enter_namespace(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	_cleanup_(closep) int fd = -1;

	if (unshare(CLONE_NEWNET))
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		return -errno;
	return 0;
}

static struct sockaddr_in place(const char *address, uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, address, &sin.sin_addr);
	return sin;
}

/* A TCP socket that is bound; or -errno. */
static int bound(const char *address, uint16_t port)
{
	struct sockaddr_in sin = place(address, port);
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)))
		return -errno;
	return TAKE_FD(fd);
}

static int open_sockets(struct helper_target *t)
{
	struct sockaddr_in sin = place(HELPER_TARGET_SERVER, SCENARIO_PORT);

	t->listener = bound(HELPER_TARGET_SERVER, SCENARIO_PORT);
	if (t->listener < 0)
		return t->listener;
	t->client = bound(HELPER_TARGET_CLIENT, HELPER_TARGET_KNOWN_PORT);
	if (t->client < 0)
		return t->client;
	if (listen(t->listener, 1) || connect(t->client, (struct sockaddr *)&sin, sizeof(sin)))
		return -errno;
	t->server = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
	return t->server < 0 ? -errno : 0;
}

static int fill_maps(struct helper_target *t, struct diag *diag)
{
	_cleanup_(helper_hints_fini) struct helper_hints hints = {0};
	struct sluice_addr self;
	char other[64];
	int err = addr_parse(&self, HELPER_TARGET_SELF);

	snprintf(other, sizeof(other), "%s=%d", HELPER_TARGET_OTHER, HELPER_TARGET_HINT);
	if (!err)
		err = helper_hints_add(&hints, other, diag);
	if (!err)
		err = helper_hints_write(&hints, helper_program_map(&t->program, HELPER_MAP_HINTS),
					 -1);
	if (!err)
		err = helper_self_set(helper_program_map(&t->program, HELPER_MAP_SELF), &self, 1);
	return err;
}

int helper_target_new(struct helper_target **out, struct diag *diag)
{
	_cleanup_(helper_target_freep) struct helper_target *t = calloc(1, sizeof(*t));
	const struct helper_settings settings = {
		.features = HELPER_FEATURE_DECAP,
		.rate = RATE,
		.netns = -1,
	};
	int err;

	if (!t)
		return -ENOMEM;
	t->listener = t->client = t->server = -1;
	err = helper_program_load(&t->program, &settings, -1, diag);
	if (!err)
		err = fill_maps(t, diag);
	if (!err)
		err = enter_namespace();
	if (!err)
		err = open_sockets(t);
	if (err) {
		diag_add(diag, NULL, 0, "the helper: %s", strerror(-err));
		return err;
	}
	*out = TAKE(t);
	return 0;
}

int helper_target_program(struct helper_target *t)
{
	return helper_program_attachable(&t->program).fd;
}

void helper_target_free(struct helper_target *t)
{
	if (!t)
		return;
	closep(&t->listener);
	closep(&t->client);
	closep(&t->server);
	helper_program_fini(&t->program);
	free(t);
}

void helper_target_freep(struct helper_target **t)
{
	helper_target_free(*t);
}
