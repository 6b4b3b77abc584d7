/* SPDX-License-Identifier: MIT */
/*
 * The kernel side: the program, its maps, their pins, and the ports it is attached to. The only
 * place that writes maps.
 *
 * What is pinned outlives the daemon: datapath_free() closes, it does not detach.
 */
#ifndef SLUICE_DAEMON_DATAPATH_H
#define SLUICE_DAEMON_DATAPATH_H

#include "config/diag.h"
#include "config/model.h"
#include "daemon/plan.h"
#include "daemon/program.h"

struct datapath;

struct datapath_options {
	const char *pin_dir; /* NULL: nothing is pinned or taken over (replay) */
	struct maps_size size;
	struct sluice_settings settings;
};

/*
 * Loads the program. With a pin_dir: takes the pinned maps over, with what they hold; a map that is
 * too small is replaced by a larger one with the same content; ports that already run an earlier
 * program are switched to this one, each at once, without a packet lost. Afterwards all is pinned.
 *
 * 0 with @out to be freed by datapath_free(); or -errno with a message in @diag: -EBUSY (another
 * daemon has the pin_dir), -EPERM, -EINVAL (not a BPF file system), -EPROTO (pins of a release
 * with other maps), or what the kernel said. Nothing has changed then.
 */
int datapath_open(struct datapath **out, const struct datapath_options *options, struct diag *diag);

/* Do maps and program fit: is there room for @size, and was it loaded with @settings? */
bool datapath_fits(const struct datapath *dp, const struct maps_size *size,
		   const struct sluice_settings *settings);

/*
 * Replaces the program, and those maps that are too small for @size, as datapath_open() does. 0, or
 * -errno with a message; then all is as before.
 */
int datapath_change(struct datapath *dp, const struct maps_size *size,
		    const struct sluice_settings *settings, struct diag *diag);

/* A port the program runs on. */
struct datapath_port {
	char name[16];
	unsigned int ifindex;
	unsigned int mtu;
	enum model_mode mode; /* in force: native or generic */
	bool dispatcher;      /* beside other programs, by libxdp's dispatcher; else alone */
	uint32_t program_id;  /* of the program that runs on it */
	bool fresh;           /* attached by the last datapath_attach(), and not settled yet */
	bool changed;         /* by that, from mode_before */
	enum model_mode mode_before;
};

/*
 * Attaches the program to those of @interfaces where it does not run yet (and anew where the mode
 * is to change). All or, after an error with its message in @diag, none.
 */
int datapath_attach(struct datapath *dp, const struct model_interface *interfaces, size_t n,
		    struct diag *diag);

/*
 * Takes back what the last datapath_attach() did, if no datapath_detach_others() has settled it;
 * ports whose mode it changed go back to the old mode.
 */
void datapath_attach_undo(struct datapath *dp);

/* Detaches from all ports that are not among @interfaces: they are settled. */
void datapath_detach_others(struct datapath *dp, const struct model_interface *interfaces,
			    size_t n);

/* The ports; they belong to @dp. */
const struct datapath_port *datapath_ports(const struct datapath *dp, size_t *n);

/*
 * What the maps hold now; sources and access when the plan asks for them. @out's rows belong to the
 * caller (running_fini()), the rest are the maps themselves. 0 or -errno.
 */
int datapath_running(const struct datapath *dp, struct running *out);
void running_fini(struct running *running);

/*
 * Carries the plan out. 0; or -errno with a message in @diag, and what had been written is taken
 * back.
 */
int datapath_apply(struct datapath *dp, const struct plan *plan, struct diag *diag);

/* The program, for reading its maps; it belongs to @dp. */
const struct program *datapath_program(const struct datapath *dp);

/* Bytes that the maps take in the kernel, as it counts them. */
uint64_t datapath_memory(const struct datapath *dp);

/* What the program did with a frame. */
struct datapath_verdict {
	const char *name; /* PASS, DROP, TX, REDIRECT, ABORTED */
	bool transmits;   /* TX or REDIRECT */
	struct sluice_trace trace;
};

/*
 * Sends one frame through the program without any device. @out has room for *@out_size bytes and
 * gets the frame as it left; *@out_size becomes its length. settings.trace must be set. 0 or
 * -errno (-EINVAL: the kernel does not take a frame shorter than an Ethernet header; -EMSGSIZE: nor
 * one that does not fit a page, 3520 bytes where that has 4 KiB).
 */
int datapath_run(struct datapath *dp, const void *frame, size_t size, void *out, size_t *out_size,
		 struct datapath_verdict *verdict);

/*
 * Takes everything down that is pinned in @pin_dir: detaches, removes pins. 0 (also when there
 * is nothing), or -errno with a message in @diag.
 */
int datapath_remove(const char *pin_dir, struct diag *diag);

/* Closes; pinned things live on. Accepts NULL. */
void datapath_free(struct datapath *dp);

#endif
