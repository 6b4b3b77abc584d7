/* SPDX-License-Identifier: MIT */
/*
 * A benchmark with a mistyped number would measure something else.
 */
#include "bench/options.h"

#include <stdio.h>
#include <stdlib.h>

unsigned int options_number(const char *text, unsigned int min, unsigned int max, const char *usage)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n < min || n > max) {
		fprintf(stderr, "\"%s\" is not a number between %u and %u\n%s", text, min, max,
			usage);
		exit(2);
	}
	return (unsigned int)n;
}
