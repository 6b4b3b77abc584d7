/* SPDX-License-Identifier: MIT */
/*
 * For tests of the loader: config texts -> the exact messages, or the model. In texts and messages
 * ' stands for ", which C strings would make unreadable, and ` for '. The texts are written to
 * files of a directory made for the tests.
 */
#ifndef SLUICE_TESTS_LIB_LOAD_TEXT_H
#define SLUICE_TESTS_LIB_LOAD_TEXT_H

#include <stddef.h>

#include "config/load.h"

#define FILE_NAME "sluice.conf"

/* Makes the directory, with a directory "sub" in it, and enters it; removes it. Of test groups. */
int load_text_enter(void **state);
int load_text_leave(void **state);

/* Writes a file of the directory. */
void load_text_write(const char *path, const char *text);

/* Loads the text, which must have errors: these. */
void assert_refused(const char *text, const char *messages);

/* Loads the text, which must have none. */
struct model *assert_loads(const char *text);

struct row {
	const char *text;
	const char *messages;
};

void assert_rows(const struct row *rows, size_t n);
#define ASSERT_ROWS(rows) assert_rows(rows, sizeof(rows) / sizeof((rows)[0]))

/* Parts of texts. Each is one line. */
#define INTERFACE(rest) "interfaces = ( { name = 'eth0'; " rest " } );\n"
#define ETH0 INTERFACE("")
#define BACKENDS(list) "pools = ( { name = 'web'; backends = ( " list " ); } );\n"
#define BACKEND(rest) BACKENDS("{ name = 'web-3'; address = '10.0.0.3'; " rest " }")
#define WEB BACKENDS("{ name = 'web-1'; address = '10.0.0.1'; }")
#define VIP(rest) \
	"{ name = 'www'; address = '198.18.0.80'; port = 80; protocol = 'tcp'; pool = " \
	"'web'; " rest " }"
#define VIPS(list) "vips = ( " list " );\n"
#define NAME_63 "123456789-123456789-123456789-123456789-123456789-123456789-123"

#endif
