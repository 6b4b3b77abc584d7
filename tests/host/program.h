/* SPDX-License-Identifier: MIT */
/*
 * The program compiled for the host, as tests/host/host.c uses it.
 */
#ifndef SLUICE_TESTS_HOST_PROGRAM_H
#define SLUICE_TESTS_HOST_PROGRAM_H

#include "tests/host/maps.h"

/* The program itself: returns an XDP action. */
int sluice(struct xdp_md *ctx);

/* Its settings, which are constants to it and lie in memory that is read-only at first. */
extern const volatile struct sluice_settings settings;

/* What it noted last. */
extern struct sluice_trace trace;

#endif
