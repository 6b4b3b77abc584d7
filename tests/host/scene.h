/* SPDX-License-Identifier: MIT */
/*
 * What the host build and the loaded program are filled with: tests/host/everything.conf, and what
 * no config says but a running balancer has: several devices, a backend that is this host, one that
 * is not reached, MTUs, slots that move. Frames that meet all of it are made at random.
 */
#ifndef SLUICE_TESTS_HOST_SCENE_H
#define SLUICE_TESTS_HOST_SCENE_H

#include <stdint.h>

#include "config/diag.h"
#include "config/model.h"
#include "daemon/slots.h"
#include "tests/lib/frame.h"

#define SCENE_MTU 1500 /* of the ports */

/* The model; the current directory is the project's. 0, or -errno with messages in @diag. */
int scene_model(struct model **out, struct diag *diag);

/* Maps in memory, whoever's. */
struct scene_maps {
	struct sluice_backend *backends;
	const struct sluice_name *names;
	uint32_t n_backends; /* entries of both */
	struct slots slots;
	uint32_t n_slots;
};

/*
 * Puts in what no config says. Some backends are then behind device @ifindex, which must be in the map
 * `devices`.
 */
void scene_change(const struct scene_maps *maps, uint32_t ifindex);

/* A source of random numbers, by its state, which is not 0. */
uint64_t scene_random(uint64_t *state);

/*
 * Makes a frame for the scene, as text (at least SCENE_TEXT_MAX bytes) and bytes; about one in two is
 * then mangled: cut, longer, lengths and types wrong, bits flipped.
 */
#define SCENE_TEXT_MAX 1024
void scene_frame(uint64_t *random, char *text, struct frame *out);

#endif
