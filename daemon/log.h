/* SPDX-License-Identifier: MIT */
/*
 * Log lines to stderr: one change, one line, "subject: event, reason". Under systemd (stderr is
 * the journal) each line carries its priority as "<N>"; elsewhere errors and warnings begin with
 * that word.
 */
#ifndef SLUICE_DAEMON_LOG_H
#define SLUICE_DAEMON_LOG_H

#include "config/diag.h"

enum log_level {
	LOG_LEVEL_ERROR = 3,   /* act */
	LOG_LEVEL_WARNING = 4, /* degraded */
	LOG_LEVEL_INFO = 6,    /* something changed */
	LOG_LEVEL_DEBUG = 7,
};

/*
 * Lines above @level are not written (before this call: above info). Also takes over libbpf's and
 * libxdp's messages: all of them are debug lines, since who calls a library reports its errors.
 */
void log_init(enum log_level level);

/*
 * Writes one line; control characters become spaces, more than 2 kB are cut. Of identical lines
 * within 10 s the first 10 are written, then one with how many more came. Keeps errno.
 */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Each message of @diag as a line. */
void log_diag(enum log_level level, const struct diag *diag);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
