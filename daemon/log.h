/* SPDX-License-Identifier: MIT */
/*
 * Log lines to stderr: one change, one line, "subject: event, reason". Under systemd (stderr is
 * the journal) each line carries its priority as "<N>".
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

/* Lines above @level are not written. Also takes over libbpf's and libxdp's messages. */
void log_init(enum log_level level);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Each message of @diag as a line. */
void log_diag(enum log_level level, const struct diag *diag);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
