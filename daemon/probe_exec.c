/* SPDX-License-Identifier: MIT */
/*
 * A program of the operator's is run. It is in a process group of its own, which is killed as a
 * whole when the time is over, and also when the program ends, so that nothing of it stays behind.
 * If we are root it runs as nobody and can gain no privileges; it has no descriptor of ours, a
 * clean environment, and it dies with us.
 *
 * The child shares our memory until it runs the program (vfork), since copying the page tables of a
 * daemon with large tables takes milliseconds. So it makes nothing but bare system calls: the
 * library's functions for ids and signals would change what the parent has, too.
 *
 * The child is waited for by a descriptor (pidfd). One that was killed takes a moment to die, and
 * then has no probe any more: it is kept in a list of its own until it can be reaped.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/cleanup.h"
#include "daemon/probe_kind.h"

#define NOBODY 65534          /* user and group, on every Linux */
#define OUTPUT_MAX (1u << 20) /* bytes that a program may write */
#define DEATH_MS 1000         /* that a killed child may take, when there is no loop any more */
#define READ_MAX 16384        /* of them at a time */
#define FILES 1024            /* its limit of descriptors: what programs expect, not what we need */
#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct exec_child {
	struct probe_watch watch; /* its pidfd */
	pid_t pid;
	struct exec *exec;       /* NULL: it was killed, and nobody asks how it ended */
	struct probes *probes;   /* then */
	struct exec_child *next; /* then */
};

struct exec {
	struct probe probe;
	struct exec_child *child;
	struct probe_watch output; /* the pipe from its standard output and error */
	size_t total;              /* bytes that it wrote */
	size_t n;                  /* bytes in line */
	char line[PROBE_REASON_MAX];
};

static struct exec *exec_of(struct probe *probe)
{
	return (struct exec *)probe;
}

/* ---------------------------------------------------------------------------------- the child */

/* What the child needs, all of it made before there is one. */
struct launch {
	char **argv;
	char *envp[5];
	char backend[32 + ADDR_TEXT_MAX];
	char address[32 + ADDR_TEXT_MAX];
	char port[32];
	int null_fd;
	int output_fd;
	bool root;
	struct rlimit files;
	volatile int err; /* why it could not run */
};

static void make_environment(struct launch *launch, const struct probe_target *target)
{
	char text[ADDR_TEXT_MAX];

	snprintf(launch->backend, sizeof(launch->backend), "SLUICE_BACKEND=%s",
		 addr_print(&target->backend, text));
	snprintf(launch->address, sizeof(launch->address), "SLUICE_ADDRESS=%s",
		 addr_print(&target->address, text));
	snprintf(launch->port, sizeof(launch->port), "SLUICE_PORT=%u", target->port);
	launch->envp[0] = PATH;
	launch->envp[1] = launch->backend;
	launch->envp[2] = launch->address;
	launch->envp[3] = launch->port;
}

/* Gives up what root has, for good. 0 or -1 with errno. */
static int drop_privileges(void)
{
	if (syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) ||
	    syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY))
		return -1;
	return 0;
}

/* The signals that we ignore or block are not so in the program. */
static void reset_signals(void)
{
	static const uint64_t none;
	static const uint64_t
		standard[4]; /* the kernel's struct sigaction: SIG_DFL, nothing else */

	for (int i = 1; i < _NSIG; i++)
		syscall(SYS_rt_sigaction, i, standard, NULL, sizeof(none));
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
}

/* Runs the program; only if that fails it comes back here, to end. */
static void __attribute__((noreturn, noinline)) run_child(struct launch *launch)
{
	syscall(SYS_setpgid, 0, 0);
	if (syscall(SYS_dup3, launch->null_fd, 0, 0) < 0 ||
	    syscall(SYS_dup3, launch->output_fd, 1, 0) < 0 ||
	    syscall(SYS_dup3, launch->output_fd, 2, 0) < 0 ||
	    syscall(SYS_close_range, 3, UINT_MAX, 0) || syscall(SYS_chdir, "/") ||
	    syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &launch->files, NULL) ||
	    syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    (launch->root && drop_privileges()) ||
	    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		goto failed;
	reset_signals();
	syscall(SYS_execve, launch->argv[0], launch->argv, launch->envp);
failed:
	launch->err = errno;
	syscall(SYS_exit_group, 127);
	__builtin_unreachable();
}

/*
 * Its pid or -errno. All signals are blocked meanwhile, since a handler of ours must not run in the
 * child.
 */
static pid_t launch_child(struct launch *launch)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = vfork();
	if (!pid)
		run_child(launch);
	if (pid < 0)
		pid = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid > 0 && launch->err) {
		waitpid(pid, NULL, 0);
		return -launch->err;
	}
	return pid;
}

/* -------------------------------------------------------------------------------- its ending */

/* It is dead or dying with all that it started: the group is there until its leader is reaped. */
static void kill_group(const struct exec_child *child)
{
	kill(-child->pid, SIGKILL);
}

/* true: it is dead, and reaped. */
static bool reap(const struct exec_child *child, siginfo_t *info)
{
	*info = (siginfo_t){0};
	return waitid(P_PIDFD, child->watch.fd, info, WEXITED | WNOHANG) || info->si_pid;
}

/* A child that nobody asks about any more is dead. */
static void bury(struct exec_child *child)
{
	struct exec_child **at = &probe_shared(child->probes)->dying;

	while (*at != child)
		at = &(*at)->next;
	*at = child->next;
	probe_unwatch_close(child->probes, &child->watch);
	free(child);
}

static void take_output(struct exec *exec)
{
	char bytes[READ_MAX];
	ssize_t n = read(exec->output.fd, bytes, sizeof(bytes));
	size_t room = sizeof(exec->line) - exec->n;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		probe_unwatch_close(exec->probe.probes, &exec->output);
		return;
	}
	memcpy(exec->line + exec->n, bytes, (size_t)n < room ? (size_t)n : room);
	exec->n += (size_t)n < room ? (size_t)n : room;
	exec->total += n;
}

static void judge(struct exec *exec, const siginfo_t *info)
{
	enum judge_result result = JUDGE_FAILURE;
	char line[PROBE_REASON_MAX];

	if (exec->output.fd >= 0)
		take_output(exec);
	probe_first_line(line, sizeof(line), exec->line, exec->n);
	if (info->si_code == CLD_EXITED && !info->si_status)
		result = JUDGE_SUCCESS;
	probe_end(&exec->probe, result, "exec %s %d%s%s",
		  info->si_code == CLD_EXITED ? "exit code" : "ended by signal", info->si_status,
		  *line ? ": " : "", line);
}

/* The program ended, or a killed one did. */
static void on_death(struct probe_watch *watch, uint32_t events)
{
	struct exec_child *child =
		(struct exec_child *)((char *)watch - offsetof(struct exec_child, watch));
	siginfo_t info;

	(void)events;
	kill_group(child);
	if (!reap(child, &info))
		return;
	if (!child->exec) {
		bury(child);
		return;
	}
	child->pid = 0;
	judge(child->exec, &info);
}

static void on_output(struct probe_watch *watch, uint32_t events)
{
	struct exec *exec = (struct exec *)((char *)watch - offsetof(struct exec, output));

	(void)events;
	take_output(exec);
	if (exec->total > OUTPUT_MAX)
		probe_end(&exec->probe, JUDGE_FAILURE, "exec wrote more than %u bytes of output",
			  OUTPUT_MAX);
}

/* ---------------------------------------------------------------------------------- the probe */

/* Starts the program with the pipe's other end. 0 with exec->child; or -errno. */
static int launch(struct exec *exec, int output_fd)
{
	_cleanup_(closep) int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) struct exec_child *child = calloc(1, sizeof(*child));
	struct launch launch = {
		.argv = exec->probe.target.check->argv,
		.null_fd = null_fd,
		.output_fd = output_fd,
		.root = !geteuid(),
	};

	if (!child)
		return -ENOMEM;
	if (null_fd < 0)
		return -errno;
	make_environment(&launch, &exec->probe.target);
	if (!getrlimit(RLIMIT_NOFILE, &launch.files) && launch.files.rlim_cur > FILES)
		launch.files.rlim_cur = FILES;
	child->watch = (struct probe_watch){.fd = -1, .ready = on_death};
	child->pid = launch_child(&launch);
	if (child->pid < 0)
		return child->pid;
	child->exec = exec;
	child->probes = exec->probe.probes;
	child->watch.fd = syscall(SYS_pidfd_open, child->pid, 0);
	if (child->watch.fd < 0) {
		int err = -errno;

		kill_group(child);
		waitpid(child->pid, NULL, 0);
		return err;
	}
	exec->child = TAKE(child);
	return 0;
}

static int start(struct probe *probe)
{
	_cleanup_(closep) int output_fd = -1;
	struct exec *exec = exec_of(probe);
	int fds[2], err;

	exec->output = (struct probe_watch){.fd = -1, .ready = on_output};
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	exec->output.fd = fds[0];
	output_fd = fds[1];
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK))
		return -errno;
	err = launch(exec, output_fd);
	if (err == -ENOENT || err == -EACCES || err == -ENOEXEC || err == -ENOTDIR) {
		probe_end(probe, JUDGE_UNKNOWN, "exec: this host: user nobody cannot run %s: %s",
			  probe->target.check->argv[0], strerror(-err));
		return 0;
	}
	if (!err)
		err = probe_watch(probe->probes, &exec->child->watch, EPOLLIN);
	if (!err)
		err = probe_watch(probe->probes, &exec->output, EPOLLIN);
	return err;
}

static void late(struct probe *probe)
{
	struct exec *exec = exec_of(probe);
	char line[PROBE_REASON_MAX] = ", and was killed: ";
	size_t n = strlen(line);

	probe_first_line(line + n, sizeof(line) - n, exec->line, exec->n);
	if (!line[n])
		line[n - 2] = '\0';
	probe_end_late(probe, "exec", line);
}

static void stop(struct probe *probe)
{
	struct exec *exec = exec_of(probe);
	struct exec_child *child = exec->child;
	siginfo_t info;

	probe_unwatch_close(probe->probes, &exec->output);
	if (!child)
		return;
	if (child->pid) {
		kill_group(child);
		if (!reap(child, &info)) {
			child->exec = NULL;
			child->next = probe_shared(probe->probes)->dying;
			probe_shared(probe->probes)->dying = child;
			return;
		}
	}
	probe_unwatch_close(probe->probes, &child->watch);
	free(child);
}

void probe_exec_free(struct probes *probes)
{
	struct exec_child *child;

	while ((child = probe_shared(probes)->dying)) {
		struct pollfd death = {.fd = child->watch.fd, .events = POLLIN};
		siginfo_t info;

		/*
		 * It has SIGKILL already. If the kernel does not let it die, init reaps it after
		 * us.
		 */
		poll(&death, 1, DEATH_MS);
		reap(child, &info);
		bury(child);
	}
}

const struct probe_kind probe_exec = {
	.size = sizeof(struct exec),
	.start = start,
	.late = late,
	.stop = stop,
};
