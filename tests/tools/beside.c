/* SPDX-License-Identifier: MIT */
/*
 * What another user of libxdp does to a port: labs see with it whether sluice gets along with others.
 *
 *	beside attach PORT FILE PRIORITY        the XDP program in an object file
 *	beside detach PORT ID                   one of the programs, by its id
 *	beside list PORT                        "PRIORITY NAME ID" of each, in the order that they run
 *
 * Status 0: done; 1: it cannot be done, or there is no dispatcher; 2: wrong usage.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xdp/libxdp.h>

static int fail(const char *what, long err)
{
	fprintf(stderr, "%s: %s\n", what, strerror((int)-err));
	return 1;
}

static int attach(int ifindex, const char *file, const char *priority)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .open_filename = file);
	struct xdp_program *program = xdp_program__create(&opts);
	long err = libxdp_get_error(program);

	if (err)
		return fail(file, err);
	xdp_program__set_run_prio(program, (unsigned int)atoi(priority));
	err = xdp_program__attach(program, ifindex, XDP_MODE_NATIVE, 0);
	xdp_program__close(program);
	return err ? fail("attach", err) : 0;
}

static int detach(int ifindex, const char *id)
{
	struct xdp_program *program = xdp_program__from_id((__u32)atoi(id));
	long err = libxdp_get_error(program);

	if (err)
		return fail(id, err);
	err = xdp_program__detach(program, ifindex, XDP_MODE_NATIVE, 0);
	xdp_program__close(program);
	return err ? fail("detach", err) : 0;
}

static int list(int ifindex)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;

	if (libxdp_get_error(mp))
		return 1;
	if (xdp_multiprog__is_legacy(mp)) {
		xdp_multiprog__close(mp);
		return 1;
	}
	while ((program = xdp_multiprog__next_prog(program, mp)))
		printf("%u %s %u\n", xdp_program__run_prio(program), xdp_program__name(program),
		       xdp_program__id(program));
	xdp_multiprog__close(mp);
	return 0;
}

int main(int argc, char **argv)
{
	int ifindex = argc > 2 ? (int)if_nametoindex(argv[2]) : 0;

	if (argc > 2 && !ifindex)
		return fail(argv[2], -errno);
	if (argc == 5 && strcmp(argv[1], "attach") == 0)
		return attach(ifindex, argv[3], argv[4]);
	if (argc == 4 && strcmp(argv[1], "detach") == 0)
		return detach(ifindex, argv[3]);
	if (argc == 3 && strcmp(argv[1], "list") == 0)
		return list(ifindex);
	fputs("usage: beside attach PORT FILE PRIORITY | detach PORT ID | list PORT\n", stderr);
	return 2;
}
