/* SPDX-License-Identifier: MIT */
/*
 * Names, numbers, paths, addresses. Each message quotes the value and says what is allowed.
 */
#include "config/take.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_name(const char *text, size_t max)
{
	size_t len = strlen(text);

	for (const char *c = text; *c; c++) {
		if (*c <= ' ' || *c >= 0x7f || strchr("\"'/", *c))
			return false;
	}
	return len >= 1 && len <= max;
}

void take_name(struct keys *k, const config_setting_t *s, struct marks *marks, size_t max,
	       char **out, const void *object)
{
	const char *name = config_setting_get_string(s);
	const struct mark *first = marks_add(k, marks, name, s, object);
	struct source_place place;

	if (!is_name(name, max)) {
		keys_error(k, s,
			   "a name has 1..%zu printable ASCII characters, no space, quote or \"/\"",
			   max);
	} else if (first) {
		place = keys_place(k, first->setting);
		keys_error(k, s, "the name is taken, see %s:%u", place.file, place.line);
	}
	keys_string(k, s, out);
}

void take_unsigned(struct keys *k, const config_setting_t *s, unsigned int min, unsigned int max,
		   unsigned int *out)
{
	long long value;

	if (keys_number(k, s, min, max, &value))
		*out = (unsigned int)value;
}

void take_path(struct keys *k, const config_setting_t *s, size_t max, char **out)
{
	const char *path = config_setting_get_string(s);

	if (path[0] != '/')
		keys_error(k, s, "%s \"%s\" is not an absolute path, which begins with \"/\"",
			   keys_name(s), path);
	else if (strlen(path) > max)
		keys_error(k, s, "%s \"%s\" is longer than %zu bytes", keys_name(s), path, max);
	else
		keys_string(k, s, out);
}

bool take_is_set(const struct sluice_addr *addr)
{
	return addr->w[0] || addr->w[1] || addr->w[2] || addr->w[3];
}

const char *take_address_fault(const struct sluice_addr *addr)
{
	static const char *const faults[ADDR_USE_MAX] = {
		[ADDR_UNSPECIFIED] = "unspecified",
		[ADDR_LOOPBACK] = "loopback",
		[ADDR_MULTICAST] = "multicast",
		[ADDR_BROADCAST] = "broadcast",
	};

	return faults[addr_use(addr)];
}

void take_address(struct keys *k, const config_setting_t *s, struct sluice_addr *out)
{
	const char *text = config_setting_get_string(s), *name = keys_name(s);
	struct sluice_addr addr;

	if (addr_parse(&addr, text))
		keys_error(k, s, "%s \"%s\" is neither an IPv4 nor an IPv6 address", name, text);
	else if (take_address_fault(&addr))
		keys_error(k, s, "%s %s is %s, which no host can have as its own", name, text,
			   take_address_fault(&addr));
	else
		*out = addr;
}

bool take_prefix(const char *text, struct addr_prefix *out, char *fault)
{
	struct addr_prefix around;
	char corrected[PREFIX_TEXT_MAX];
	int err = addr_prefix_parse(out, text);

	if (err == -ERANGE && !addr_prefix_around(&around, text))
		snprintf(fault, TAKE_FAULT_MAX,
			 "%s has bits set beyond its length; the prefix is %s", text,
			 addr_prefix_print(&around, corrected));
	else if (err)
		snprintf(fault, TAKE_FAULT_MAX,
			 "\"%.80s\" is neither an IPv4 nor an IPv6 address or prefix", text);
	return !err;
}
