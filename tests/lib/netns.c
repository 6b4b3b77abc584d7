/* SPDX-License-Identifier: MIT */
/*
 * The process moves into new namespaces and never back: the old network namespace is gone with
 * its devices as soon as nobody is in it, the mount namespace with its mounts when the process
 * ends. libxdp is told to use the same BPF file system, so that it leaves nothing on the host's.
 */
#include "tests/lib/netns.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/log.h"
#include "tests/lib/tempdir.h"

/* libxdp forgets what it allocated when it meets a device with another program. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libxdp.so\n";
}

static struct {
	bool ready;
	struct tempdir dir;
	char bpf[64];
} netns;

/* The exit status of a shell command. */
static int run(const char *command)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return 126;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/bin/sh", "sh", "-ec", command, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Why there can be no namespaces and BPF file system here; NULL: there are. */
static const char *prepare(void)
{
	if (geteuid() != 0)
		return "needs root: loads BPF programs and makes namespaces";
	if (tempdir_init(&netns.dir))
		return "no directory can be made in /tmp";
	netns.ready = true;
	snprintf(netns.bpf, sizeof(netns.bpf), "%s/bpf", netns.dir.path);
	setenv("LIBXDP_BPFFS", netns.bpf, 1);
	if (mkdir(netns.bpf, 0700) || unshare(CLONE_NEWNS | CLONE_NEWNET) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "no namespaces can be made here";
	if (mount("bpf", netns.bpf, "bpf", 0, NULL))
		return "no BPF file system can be mounted here";
	if (run("ip -V >/dev/null 2>&1"))
		return "iproute2 is not installed";
	return NULL;
}

static void skipped(void **state)
{
	(void)state;
	skip();
}

void netns_init(struct CMUnitTest *tests, size_t n)
{
	const char *missing = prepare();

	log_init(LOG_LEVEL_ERROR);
	if (!missing)
		return;
	print_message("%s\n", missing);
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){.name = tests[i].name, .test_func = skipped};
}

void netns_enter(void)
{
	assert_int_equal(umount2(netns.bpf, MNT_DETACH), 0);
	assert_int_equal(mount("bpf", netns.bpf, "bpf", 0, NULL), 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	netns_run("for i in all default; do\n"
		  "	echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6\n"
		  "done\n"
		  "ip link set lo up");
}

void netns_fini(void)
{
	if (!netns.ready)
		return;
	umount2(netns.bpf, MNT_DETACH);
	tempdir_fini(&netns.dir);
	netns.ready = false;
}

int netns_group_fini(void **state)
{
	(void)state;
	netns_fini();
	return 0;
}

const char *netns_dir(void)
{
	return netns.dir.path;
}

void netns_run(const char *fmt, ...)
{
	char command[1024];
	va_list args;
	int status;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	status = run(command);
	if (status)
		fail_msg("exit status %d: %s", status, command);
}
