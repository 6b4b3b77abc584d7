/* SPDX-License-Identifier: MIT */
/*
 * A question is asked over UDP, with a random number and from a random port. What comes back and is
 * not the answer to it (another number, another question, no DNS at all) is passed over, as a
 * resolver does; after some of that the server is taken as broken.
 */
#include <arpa/nameser.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/probe_kind.h"

#define DOING "dns"
#define STRAY_MAX 16

struct dns {
	struct probe probe;
	struct probe_watch watch;
	unsigned int stray; /* replies that were passed over */
	uint16_t id;
	size_t size; /* of the question */
	uint8_t question[NS_PACKETSZ];
};

static struct dns *dns_of(struct probe *probe)
{
	return (struct dns *)probe;
}

/* Its text, or its number as @number, which has room for it. */
static const char *rcode_name(unsigned int rcode, char *number)
{
	static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
					    "NXDOMAIN", "NOTIMP",  "REFUSED"};

	if (rcode < sizeof(names) / sizeof(*names))
		return names[rcode];
	sprintf(number, "%u", rcode & 15);
	return number;
}

/* 0, or -EINVAL: the name is none. */
static int make_question(struct dns *dns)
{
	const struct model_check *check = dns->probe.target.check;
	HEADER header = {.id = htons(dns->id), .rd = 1, .qdcount = htons(1)};
	uint8_t *to = dns->question;
	int n;

	memcpy(to, &header, sizeof(header));
	n = ns_name_compress(check->query_name, to + sizeof(header),
			     sizeof(dns->question) - sizeof(header) - NS_QFIXEDSZ, NULL, NULL);
	if (n < 0)
		return -EINVAL;
	to += sizeof(header) + n;
	*to++ = check->query_type >> 8;
	*to++ = check->query_type & 0xff;
	*to++ = 0;
	*to++ = ns_c_in;
	dns->size = to - dns->question;
	return 0;
}

/* It is the answer to our question: it repeats it, perhaps with other capitals in the name. */
static bool is_answer(const struct dns *dns, const uint8_t *packet, size_t size, ns_msg *reply)
{
	size_t name_end = dns->size - NS_QFIXEDSZ;

	if (size < dns->size || ns_initparse(packet, size, reply))
		return false;
	for (size_t i = sizeof(HEADER); i < name_end; i++)
		if (tolower(packet[i]) != tolower(dns->question[i]))
			return false;
	return ns_msg_id(*reply) == dns->id && ns_msg_getflag(*reply, ns_f_qr) &&
	       ns_msg_count(*reply, ns_s_qd) == 1 &&
	       !memcmp(packet + name_end, dns->question + name_end, NS_QFIXEDSZ);
}

static void judge(struct dns *dns, ns_msg *reply)
{
	unsigned int rcode = ns_msg_getflag(*reply, ns_f_rcode);
	char number[4];

	probe_end(&dns->probe, rcode == ns_r_noerror ? JUDGE_SUCCESS : JUDGE_FAILURE,
		  "dns answer %s, %u records", rcode_name(rcode, number),
		  ns_msg_count(*reply, ns_s_an));
}

static void on_ready(struct probe_watch *watch, uint32_t events)
{
	struct dns *dns = (struct dns *)((char *)watch - offsetof(struct dns, watch));
	static uint8_t packet[NS_MAXMSG];
	ssize_t n = recv(watch->fd, packet, sizeof(packet), 0);
	ns_msg reply;

	(void)events;
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			probe_end_errno(&dns->probe, DOING, errno, true);
	} else if (is_answer(dns, packet, n, &reply)) {
		judge(dns, &reply);
	} else if (++dns->stray == STRAY_MAX) {
		probe_end(&dns->probe, JUDGE_FAILURE,
			  "dns: %u replies, and none of them answers the question", dns->stray);
	}
}

static int start(struct probe *probe)
{
	struct dns *dns = dns_of(probe);
	int err;

	dns->watch = (struct probe_watch){.fd = probe_socket(&probe->target, SOCK_DGRAM),
					  .ready = on_ready};
	if (dns->watch.fd < 0)
		return dns->watch.fd;
	if (getrandom(&dns->id, sizeof(dns->id), GRND_NONBLOCK) != sizeof(dns->id))
		return -errno;
	err = make_question(dns);
	if (err)
		return err;
	err = probe_connect(dns->watch.fd, &probe->target);
	if (!err && send(dns->watch.fd, dns->question, dns->size, 0) < 0)
		err = -errno;
	if (err)
		return probe_begin_errno(probe, DOING, err);
	return probe_watch(probe->probes, &dns->watch, EPOLLIN);
}

static void late(struct probe *probe)
{
	const struct dns *dns = dns_of(probe);
	char waiting[64];

	if (!dns->stray) {
		probe_end_silent(probe, DOING, " waiting for the answer");
		return;
	}
	snprintf(waiting, sizeof(waiting), ", and %u replies did not answer the question",
		 dns->stray);
	probe_end_late(probe, DOING, waiting);
}

static void stop(struct probe *probe)
{
	probe_unwatch_close(probe->probes, &dns_of(probe)->watch);
}

const struct probe_kind probe_dns = {
	.size = sizeof(struct dns),
	.start = start,
	.late = late,
	.stop = stop,
};
