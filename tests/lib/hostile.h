/* SPDX-License-Identifier: MIT */
/*
 * Servers that behave badly, or just as they are told, in a child process that dies with us.
 */
#ifndef SLUICE_TESTS_LIB_HOSTILE_H
#define SLUICE_TESTS_LIB_HOSTILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum hostile_does {
	/* TCP: what it does when there is a connection */
	HOSTILE_HANG,    /* nothing */
	HOSTILE_RESET,   /* resets it when something was received */
	HOSTILE_CLOSE,   /* closes it at once */
	HOSTILE_SAY,     /* writes @text and closes its half */
	HOSTILE_ECHO,    /* an HTTP answer whose body is the request */
	HOSTILE_DRIP,    /* writes @text, then a byte every 50 ms, for ever */
	HOSTILE_FLOOD,   /* writes @text over and over, for ever */
	HOSTILE_HEADERS, /* "HTTP/1.1 200 OK", then headers for ever */
	HOSTILE_BODY,    /* "HTTP/1.1 200 OK", then @text as body for ever */
	/* UDP: what it does when there is a datagram */
	HOSTILE_UDP_SILENT,
	HOSTILE_UDP_ECHO,
	HOSTILE_UDP_SAY,  /* sends @text 20 times */
	HOSTILE_DNS,      /* the question as an answer, with rcode @number */
	HOSTILE_DNS_ID,   /* the same with another id */
	HOSTILE_DNS_NAME, /* the same with another name */
};

struct hostile_service {
	uint16_t port;
	enum hostile_does does;
	const char *text;
	unsigned int number;
};

/* Serves at @address ("127.0.0.1", "::1"); fails the running test if it cannot. Its pid. */
pid_t hostile_start(const char *address, const struct hostile_service *services, size_t n);

void hostile_stop(pid_t pid);

#endif
