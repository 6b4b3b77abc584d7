/* SPDX-License-Identifier: MIT */
/*
 * Kinds of values that several keys have: checks them, says what is wrong with them, and puts them
 * where they belong. What has errors leaves its output untouched unless said otherwise.
 */
#ifndef SLUICE_CONFIG_TAKE_H
#define SLUICE_CONFIG_TAKE_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/addr.h"
#include "config/keys.h"
#include "config/marks.h"

/* A name of at most @max bytes, unique in @marks, of @object; into @out also where it is wrong. */
void take_name(struct keys *k, const config_setting_t *s, struct marks *marks, size_t max,
	       char **out, const void *object);

/* A whole number of @min .. @max. */
void take_unsigned(struct keys *k, const config_setting_t *s, unsigned int min, unsigned int max,
		   unsigned int *out);

/* An absolute path of at most @max bytes; replaces (and frees) *@out. */
void take_path(struct keys *k, const config_setting_t *s, size_t max, char **out);

/* An address that packets can be sent to. */
void take_address(struct keys *k, const config_setting_t *s, struct sluice_addr *out);

/* Why nobody can have @addr as its own, in a word; NULL: somebody can. */
const char *take_address_fault(const struct sluice_addr *addr);

#define TAKE_FAULT_MAX 192

/*
 * A prefix, or an address as one. false: what is wrong with @text, which it begins with, is in
 * @fault, at least TAKE_FAULT_MAX bytes.
 */
bool take_prefix(const char *text, struct addr_prefix *out, char *fault);

/* Was @addr taken? */
bool take_is_set(const struct sluice_addr *addr);

#endif
