/* SPDX-License-Identifier: MIT */
/*
 * Numbers on the command lines of the benchmarks.
 */
#ifndef SLUICE_BENCH_OPTIONS_H
#define SLUICE_BENCH_OPTIONS_H

/*
 * @text as a number of @min .. @max. Another one ends the program, with what is wrong and @usage.
 */
unsigned int options_number(const char *text, unsigned int min, unsigned int max,
			    const char *usage);

#endif
