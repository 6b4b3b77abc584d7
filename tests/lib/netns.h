/* SPDX-License-Identifier: MIT */
/*
 * A network namespace and a BPF file system of the test's own, so that ports, attached programs
 * and pins meet no one else's. They are the process's from then on: all end with it, however it
 * ends.
 */
#ifndef SLUICE_TESTS_LIB_NETNS_H
#define SLUICE_TESTS_LIB_NETNS_H

#include <stddef.h>

struct CMUnitTest;

/*
 * Once in a process, before its @tests: a mount namespace with a place for the BPF file system,
 * and a directory for files. When that cannot be had here it prints the reason and replaces each
 * of @tests by one that is skipped.
 */
void netns_init(struct CMUnitTest *tests, size_t n);

/*
 * Moves the process into a new network namespace with an empty BPF file system. Its lo is up, and
 * its kernel sends nothing by itself (no IPv6), so that counters count only what the test does.
 */
void netns_enter(void);

/* Removes what netns_init() made, if anything; the second, as the teardown of a group of tests. */
void netns_fini(void);
int netns_group_fini(void **state);

/* The directory for files: netns_dir()/bpf is the BPF file system. */
const char *netns_dir(void);

/* Runs a shell command there; fails the running test when the command fails. */
void netns_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
