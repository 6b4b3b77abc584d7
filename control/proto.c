/* SPDX-License-Identifier: MIT */
/*
 * Both ends of the control socket speak through this file. A header is judged as early as its
 * bytes allow: whoever talks another language (say, HTTP) is told after four bytes and not left
 * waiting for twelve. What a peer sent is quoted in messages only after cleaning, since it ends
 * in logs and on terminals.
 */
#include "control/proto.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "config/cleanup.h"

static const char *const type_names[] = {
	[PROTO_REQUEST] = "request",
	[PROTO_REPLY] = "reply",
	[PROTO_ERROR] = "error",
	[PROTO_EVENT] = "event",
};

_Static_assert(sizeof(type_names) / sizeof(type_names[0]) == PROTO_TYPE_MAX,
	       "one name for each type");

static uint16_t get16(const uint8_t *bytes)
{
	uint16_t v;

	memcpy(&v, bytes, sizeof(v));
	return be16toh(v);
}

static uint32_t get32(const uint8_t *bytes)
{
	uint32_t v;

	memcpy(&v, bytes, sizeof(v));
	return be32toh(v);
}

static void put_header(char *bytes, enum proto_type type, uint32_t length)
{
	uint16_t half[2] = {htobe16(PROTO_VERSION), htobe16(type)};
	uint32_t len = htobe32(length);

	memcpy(bytes, PROTO_MAGIC, 4);
	memcpy(bytes + 4, half, 4);
	memcpy(bytes + 8, &len, 4);
}

static uint32_t length_max(enum proto_type type)
{
	return type == PROTO_REQUEST ? PROTO_REQUEST_MAX : PROTO_REPLY_MAX;
}

static void say_too_long(struct diag *diag, enum proto_type type, size_t length)
{
	diag_add(diag, NULL, 0, "%s %s of %zu bytes is too long, at most %u are allowed",
		 type == PROTO_REQUEST || type == PROTO_REPLY ? "a" : "an", proto_type_name(type),
		 length, length_max(type));
}

const char *proto_type_name(enum proto_type type)
{
	const char *name = (unsigned int)type < PROTO_TYPE_MAX ? type_names[type] : NULL;

	return name ? name : "unknown";
}

int proto_pack(char **out, size_t *size, enum proto_type type, const json_t *document,
	       struct diag *diag)
{
	_cleanup_(freep) char *bytes = NULL;
	size_t length = 0;

	/* The length first: encoding twice is cheaper than holding a large document twice. */
	if (json_is_object(document))
		length = json_dumpb(document, NULL, 0, JSON_COMPACT);
	if (!length) {
		diag_add(diag, NULL, 0, "the %s is not a JSON object that can be sent",
			 proto_type_name(type));
		return -EINVAL;
	}
	if (length > length_max(type)) {
		say_too_long(diag, type, length);
		return -EMSGSIZE;
	}
	bytes = malloc(PROTO_HEADER_SIZE + length);
	if (!bytes)
		return -ENOMEM;
	put_header(bytes, type, length);
	if (json_dumpb(document, bytes + PROTO_HEADER_SIZE, length, JSON_COMPACT) != length)
		return -ENOMEM;
	*out = TAKE(bytes);
	*size = PROTO_HEADER_SIZE + length;
	return 0;
}

int proto_read_header(struct proto_header *out, const void *data, size_t size, struct diag *diag)
{
	const uint8_t *bytes = data;
	unsigned int version, type;
	uint32_t length;

	for (size_t i = 0; i < 4 && i < size; i++) {
		if (bytes[i] != (uint8_t)PROTO_MAGIC[i]) {
			diag_add(diag, NULL, 0,
				 "not a message of sluice: byte %zu is 0x%02x, not the 0x%02x of "
				 "\"" PROTO_MAGIC "\"",
				 i + 1, bytes[i], PROTO_MAGIC[i]);
			return -EPROTO;
		}
	}
	if (size < PROTO_HEADER_SIZE)
		return -EAGAIN;

	version = get16(bytes + 4);
	type = get16(bytes + 6);
	length = get32(bytes + 8);
	if (version != PROTO_VERSION) {
		diag_add(diag, NULL, 0,
			 "the other side speaks version %u, this is version %u: sluicectl and "
			 "sluiced must be of one release",
			 version, PROTO_VERSION);
		return -EPROTO;
	}
	if (type < PROTO_REQUEST || type >= PROTO_TYPE_MAX) {
		diag_add(diag, NULL, 0,
			 "message type %u is unknown: 1 (request) to 4 (event) are allowed", type);
		return -EPROTO;
	}
	if (length > length_max(type)) {
		say_too_long(diag, type, length);
		return -EPROTO;
	}
	out->type = type;
	out->length = length;
	return 0;
}

/* Replaces in @text what a terminal or a log should not get; @utf8: other than ASCII may stay. */
static void clean(char *text, bool utf8)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if ((iscntrl(*c) && *c != '\n') || (!utf8 && *c >= 0x80))
			*c = '?';
	}
}

int proto_read_payload(json_t **out, const void *data, size_t size, struct diag *diag)
{
	_cleanup_(json_decrefp) json_t *json = NULL;
	json_error_t error;

	json = json_loadb(data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!json) {
		clean(error.text, false);
		for (char *c = error.text; (c = strchr(c, '\n'));)
			*c = ' ';
		diag_add(diag, NULL, 0, "the payload is not JSON: %s (at byte %d)", error.text,
			 error.position);
		return -EPROTO;
	}
	if (!json_is_object(json)) {
		diag_add(diag, NULL, 0, "the payload is JSON, but not an object");
		return -EPROTO;
	}
	*out = TAKE(json);
	return 0;
}

void proto_truncated(struct diag *diag, const void *data, size_t size)
{
	if (size < PROTO_HEADER_SIZE)
		diag_add(diag, NULL, 0,
			 "the connection was closed in mid-message: %zu of the header's %d bytes "
			 "came",
			 size, PROTO_HEADER_SIZE);
	else
		diag_add(diag, NULL, 0,
			 "the connection was closed in mid-message: %zu of the payload's %u bytes "
			 "came",
			 size - PROTO_HEADER_SIZE, get32((const uint8_t *)data + 8));
}

json_t *proto_request(const char *command, json_t *args)
{
	return json_pack("{s:s, s:o}", "command", command, "args", args ? args : json_object());
}

json_t *proto_error(const char *text)
{
	_cleanup_(freep) char *copy = strdup(text);
	json_t *string;

	if (!copy)
		return NULL;
	clean(copy, true);
	string = json_string(copy);
	if (!string) { /* not UTF-8 */
		clean(copy, false);
		string = json_string(copy);
	}
	return json_pack("{s:o}", "error", string);
}

int proto_address(struct sockaddr_un *out, const char *path, struct diag *diag)
{
	size_t n = strlen(path);

	if (n >= sizeof(out->sun_path)) {
		diag_add(diag, path, 0, "a socket's path may have %zu bytes, this one has %zu",
			 sizeof(out->sun_path) - 1, n);
		return -ENAMETOOLONG;
	}
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(out->sun_path, path, n);
	return 0;
}
