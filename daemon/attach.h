/* SPDX-License-Identifier: MIT */
/*
 * A program onto a port, and off it. Two ways: beside other XDP programs through libxdp's
 * dispatcher, where the kernel allows that; else alone, by a BPF link. Either way the attachment is
 * pinned and outlives the daemon, and a newer program replaces an older one at once. @pin_dir, with
 * the daemon's maps, says what is ours.
 */
#ifndef SLUICE_DAEMON_ATTACH_H
#define SLUICE_DAEMON_ATTACH_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/diag.h"
#include "config/model.h"

/* What is attached. */
struct attach_program {
	const char *name; /* of its function */
	int fd;           /* loaded as an XDP program of its own */
	/*
	 * For the dispatcher, which loads a program in its own way: a second object, opened and not
	 * loaded, with the same settings and maps. It belongs to the caller. NULL: no memory.
	 */
	struct bpf_object *(*open_again)(void *ctx);
	void *ctx;
};

struct attach_state {
	enum model_mode mode; /* in force: native or generic */
	bool dispatcher;
	uint32_t program_id; /* of the program on the port: the dispatcher has a copy of its own */
};

/* Does a program of ours run on the device? */
bool attach_exists(const char *pin_dir, const char *ifname, unsigned int ifindex);

/*
 * Attaches @program to the device. 0 with @state set; or -errno with a message in @diag
 * (-EBUSY: another program is there and cannot be shared with; -EOPNOTSUPP: no native XDP).
 */
int attach_add(const char *pin_dir, const char *ifname, unsigned int ifindex, enum model_mode mode,
	       const struct attach_program *program, struct attach_state *state, struct diag *diag);

/* Puts @program in the place of the one that is attached, without a gap. As attach_add(). */
int attach_replace(const char *pin_dir, const char *ifname, unsigned int ifindex,
		   const struct attach_program *program, struct attach_state *state,
		   struct diag *diag);

/* Detaches what is ours, and removes its pin; a device that is gone is no error. 0 or -errno. */
int attach_remove(const char *pin_dir, const char *ifname);

/*
 * Calls @fn for the name of every device that a program of ours is on, or something is pinned for
 * (perhaps more than once). 0 or -errno.
 */
int attach_each(const char *pin_dir, void (*fn)(void *ctx, const char *ifname), void *ctx);

#endif
