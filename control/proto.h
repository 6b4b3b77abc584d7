/* SPDX-License-Identifier: MIT */
/*
 * The control protocol, without any I/O: messages <-> bytes.
 *
 * A message is a header of 12 bytes, its numbers big-endian, and then the payload, a JSON object:
 *
 *     0  magic    "SLUC"
 *     4  version  u16, PROTO_VERSION
 *     6  type     u16, enum proto_type
 *     8  length   u32, bytes of the payload
 *
 * A request is {"command": "drain", "args": {"backend": "web-3", "pool": "web"}}. Its answer is
 * one reply, whose payload is the command's document (control/print.h lists them), or one error,
 * {"error": "text, perhaps several lines"}. Requests on one connection are answered in order.
 */
#ifndef SLUICE_CONTROL_PROTO_H
#define SLUICE_CONTROL_PROTO_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "config/diag.h"

#define PROTO_MAGIC "SLUC"
#define PROTO_VERSION 1
#define PROTO_HEADER_SIZE 12
#define PROTO_REQUEST_MAX (64u << 10) /* bytes of a request's payload */
#define PROTO_REPLY_MAX (64u << 20)   /* bytes of any other payload */

enum proto_type {
	PROTO_REQUEST = 1,
	PROTO_REPLY = 2,
	PROTO_ERROR = 3, /* the request is refused or was not understood */
	PROTO_EVENT = 4, /* news that nobody asked for just now */
	PROTO_TYPE_MAX,
};

/* A header that was read and found right. */
struct proto_header {
	enum proto_type type;
	uint32_t length; /* of the payload, within the type's limit */
};

/* "request", "reply", "error", "event". */
const char *proto_type_name(enum proto_type type);

/*
 * Packs header and @document into a new buffer, which the caller frees. 0; -ENOMEM; -EINVAL:
 * @document is not an object that can be encoded; -EMSGSIZE: it is longer than the type's limit.
 * All but -ENOMEM leave a message in @diag.
 */
int proto_pack(char **out, size_t *size, enum proto_type type, const json_t *document,
	       struct diag *diag);

/*
 * Reads a header from the first @size bytes of a message. 0; -EAGAIN: the bytes are right as far
 * as they go, but the header is not complete; -EPROTO: this is not a message of this version,
 * type and size, and @diag says what is wrong. @out is untouched on failure.
 */
int proto_read_header(struct proto_header *out, const void *data, size_t size, struct diag *diag);

/*
 * Reads a whole payload into a new object, which the caller drops with json_decref(). 0, or
 * -EPROTO with a message: bad JSON (a key given twice counts as such), or not an object.
 */
int proto_read_payload(json_t **out, const void *data, size_t size, struct diag *diag);

/*
 * Adds the message for a connection that ended in mid-message: @size > 0 bytes of it came, of
 * which @data holds at least the header, as far as it came.
 */
void proto_truncated(struct diag *diag, const void *data, size_t size);

/*
 * The payload of a request. Takes @args over, also on failure; NULL stands for none. NULL: no
 * memory.
 */
json_t *proto_request(const char *command, json_t *args);

/*
 * The payload of an error. @text may come from anywhere: what is not UTF-8 or is a control
 * character other than the newline becomes '?'. NULL: no memory.
 */
json_t *proto_error(const char *text);

/* Fills in the address of the socket at @path. 0, or -ENAMETOOLONG with a message. */
int proto_address(struct sockaddr_un *out, const char *path, struct diag *diag);

#endif
