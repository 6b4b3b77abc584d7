/* SPDX-License-Identifier: MIT */
/*
 * HTTP and HTTPS by libcurl's multi interface, which tells us the descriptors and the time that it
 * waits for. We make its sockets, for the mark, and tell it the address, so that no name is ever
 * resolved.
 *
 * Each probe is a connection of its own without anything of former ones: reuse, also of TLS
 * sessions, would hide what is to be seen. It is closed by a reset, for the same reason as in
 * probe_tcp.c; over HTTP/1.1 the server is asked to close it first, so that it sees nothing of
 * that. Headers and body are read up to a limit, beyond which an answer cannot keep us.
 *
 * Reading a file of CA certificates takes up to tens of milliseconds. libcurl keeps what it read,
 * but one file for each multi handle, so each CA file has a multi handle.
 */
#include <curl/curl.h>
#include <errno.h>
#include <regex.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/probe_kind.h"

#define HEADERS_MAX 65536u /* bytes of an answer that are read */
#define BODY_MAX 65536u
#define CA_CACHE_S 60L /* a CA file that was replaced is read after so long */
#define URL_MAX 2048
#define NO_TIME_LIMIT_MS 86400000L /* ours comes first */

/* The probes of one CA file. */
struct http_multi {
	struct http_multi *next;
	CURLM *curl;
	sd_event_source *timer;
	sd_event_source *now; /* instead of the timer when libcurl wants no delay */
	char *ca_file;        /* NULL: the system's, or none */
};

struct http {
	struct probe probe;
	struct probe_watch watch; /* libcurl's descriptor; -1: it waits for none */
	struct http_multi *multi;
	CURL *curl;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	int socket_err;   /* why there is no socket; 0 */
	bool waited;      /* it waited for a socket */
	bool headers_end; /* the empty line after the headers came */
	size_t header_bytes;
	size_t body_bytes;
	char *body; /* NULL: nobody asks for it */
	char error[CURL_ERROR_SIZE];
};

static struct http *http_of(struct probe *probe)
{
	return (struct http *)probe;
}

static bool is_tls(const struct http *http)
{
	return http->probe.target.check->type == MODEL_CHECK_HTTPS;
}

static bool is_connected(const struct http *http)
{
	return http->watch.fd >= 0 && probe_is_connected(http->watch.fd);
}

/* -------------------------------------------------------------------------------- what it found */

static bool status_fits(const struct model_check *check, long status)
{
	for (size_t i = 0; i < check->n_statuses; i++)
		if (status >= check->statuses[i].first && status <= check->statuses[i].last)
			return true;
	return false;
}

/*
 * The body, as far as it was read, matches. 0, -ENOENT: it does not, or -EINVAL: no such
 * expression.
 */
static int match_body(const struct http *http)
{
	regmatch_t range = {.rm_so = 0, .rm_eo = http->body_bytes};
	regex_t regex;
	int err;

	if (regcomp(&regex, http->probe.target.check->body, REG_EXTENDED | REG_NOSUB))
		return -EINVAL;
	err = regexec(&regex, http->body ? http->body : "", 1, &range, REG_STARTEND);
	regfree(&regex);
	return err ? -ENOENT : 0;
}

static void judge_answer(struct http *http)
{
	const struct model_check *check = http->probe.target.check;
	long status = 0, version = 0;
	int err;

	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(http->curl, CURLINFO_HTTP_VERSION, &version);
	if (!http->headers_end) {
		probe_end(&http->probe, JUDGE_FAILURE, "http: the answer is cut short");
		return;
	}
	if (!status_fits(check, status)) {
		probe_end(&http->probe, JUDGE_FAILURE, "http status %ld", status);
		return;
	}
	if (check->http2 && version != CURL_HTTP_VERSION_2_0) {
		probe_end(&http->probe, JUDGE_FAILURE,
			  "http status %ld, but the backend does not speak HTTP/2", status);
		return;
	}
	err = check->body ? match_body(http) : 0;
	if (err == -EINVAL)
		probe_end(&http->probe, JUDGE_UNKNOWN,
			  "http: this host cannot use the check's body");
	else if (err)
		probe_end(&http->probe, JUDGE_FAILURE, "http status %ld, body does not match%s",
			  status, http->body_bytes == BODY_MAX ? " in its first 65536 bytes" : "");
	else
		probe_end(&http->probe, JUDGE_SUCCESS, "http status %ld", status);
}

/* libcurl's words for what went wrong in TLS, without what says where in the library. */
static const char *tls_words(const struct http *http, CURLcode code)
{
	static const char *const heads[] = {
		"SSL certificate problem: ", "OpenSSL SSL_connect: ", "SSL: "};
	const char *words = *http->error ? http->error : curl_easy_strerror(code);
	const char *routine = strstr(words, "routines::");

	if (routine)
		return routine + strlen("routines::");
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		if (!strncmp(words, heads[i], strlen(heads[i])))
			return words + strlen(heads[i]);
	return words;
}

static void judge_connect(struct http *http)
{
	long err = http->socket_err;

	if (!err)
		curl_easy_getinfo(http->curl, CURLINFO_OS_ERRNO, &err);
	probe_end_errno(&http->probe, "http connect", err, http->waited);
}

/* Something broke after the connection was made. */
static void judge_broken(struct http *http, CURLcode code, const char *doing, const char *words)
{
	long err = 0;

	curl_easy_getinfo(http->curl, CURLINFO_OS_ERRNO, &err);
	if (err == ECONNRESET || err == EPIPE)
		probe_end_errno(&http->probe, doing, err, true);
	else if (code == CURLE_OUT_OF_MEMORY && !http->waited)
		probe_end_errno(&http->probe, doing, ENOMEM, true);
	else if (code == CURLE_OUT_OF_MEMORY) /* what libcurl says of a line beyond its limit */
		probe_end(&http->probe, JUDGE_FAILURE, "%s: the answer has too long a line", doing);
	else
		probe_end(&http->probe, JUDGE_FAILURE, "%s: %s", doing, words);
}

static void judge(struct http *http, CURLcode code)
{
	struct probe *probe = &http->probe;

	switch (code) {
	case CURLE_OK:
		judge_answer(http);
		return;
	case CURLE_WRITE_ERROR: /* we wanted no more of it */
		if (http->header_bytes > HEADERS_MAX)
			probe_end(probe, JUDGE_FAILURE,
				  "http: the headers are larger than %u bytes", HEADERS_MAX);
		else
			judge_answer(http);
		return;
	case CURLE_COULDNT_CONNECT:
		judge_connect(http);
		return;
	case CURLE_GOT_NOTHING:
		probe_end(probe, JUDGE_FAILURE,
			  "http: the connection was closed without an answer");
		return;
	case CURLE_PARTIAL_FILE:
		probe_end(probe, JUDGE_FAILURE, "http: the answer is cut short");
		return;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		probe_end(probe, JUDGE_FAILURE, "http: the answer is not HTTP");
		return;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		judge_broken(http, code, "tls", tls_words(http, code));
		return;
	case CURLE_SSL_CACERT_BADFILE:
		probe_end(probe, JUDGE_UNKNOWN, "tls: this host cannot read certificates from %s",
			  probe->target.check->ca_file ? probe->target.check->ca_file
						       : "the system's CA file");
		return;
	case CURLE_URL_MALFORMAT:
	case CURLE_FAILED_INIT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_SSL_ENGINE_INITFAILED:
		probe_end(probe, JUDGE_UNKNOWN, "http: this host: %s", curl_easy_strerror(code));
		return;
	default:
		judge_broken(http, code, "http",
			     *http->error ? http->error : curl_easy_strerror(code));
		return;
	}
}

/* ------------------------------------------------------------------- libcurl and the event loop */

static void take_ended(struct http_multi *multi)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi->curl, &left))) {
		CURLcode code = message->data.result;
		char *http = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &http);
		judge((struct http *)http, code);
	}
}

static void on_ready(struct probe_watch *watch, uint32_t events)
{
	struct http *http = (struct http *)((char *)watch - offsetof(struct http, watch));
	struct http_multi *multi = http->multi;
	int what = 0, running;

	if (events & (EPOLLIN | EPOLLHUP))
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		what |= CURL_CSELECT_ERR;
	curl_multi_socket_action(multi->curl, watch->fd, what, &running);
	take_ended(multi);
}

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	uint32_t events =
		(what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	char *private = NULL;
	struct http *http;

	(void)ctx;
	(void)socket_ctx;
	curl_easy_getinfo(curl, CURLINFO_PRIVATE, &private);
	http = (struct http *)private;
	if (http->watch.fd != fd) {
		if (what == CURL_POLL_REMOVE)
			return 0;
		if (http->watch.fd >= 0)
			return -1;
		http->watch.fd = fd;
		http->waited = true;
		return probe_watch(http->probe.probes, &http->watch, events) ? -1 : 0;
	}
	if (what != CURL_POLL_REMOVE)
		return probe_rewatch(http->probe.probes, &http->watch, events) ? -1 : 0;
	probe_unwatch(http->probe.probes, &http->watch);
	http->watch.fd = -1;
	return 0;
}

static int on_now(sd_event_source *source, void *ctx)
{
	struct http_multi *multi = ctx;
	int running;

	(void)source;
	curl_multi_socket_action(multi->curl, CURL_SOCKET_TIMEOUT, 0, &running);
	take_ended(multi);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)usec;
	return on_now(source, ctx);
}

static int set_timer(CURLM *curl, long timeout_ms, void *ctx)
{
	struct http_multi *multi = ctx;

	(void)curl;
	sd_event_source_set_enabled(multi->now, timeout_ms ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
	if (timeout_ms > 0)
		sd_event_source_set_time_relative(multi->timer, timeout_ms * 1000ull);
	sd_event_source_set_enabled(multi->timer, timeout_ms > 0 ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
	return 0;
}

static void multi_free(struct http_multi *multi)
{
	curl_multi_cleanup(multi->curl);
	sd_event_source_disable_unref(multi->timer);
	sd_event_source_disable_unref(multi->now);
	free(multi->ca_file);
	free(multi);
}

static int multi_init(struct http_multi *multi, sd_event *event)
{
	int err;

	multi->curl = curl_multi_init();
	if (!multi->curl)
		return -ENOMEM;
	curl_multi_setopt(multi->curl, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
	err = sd_event_add_time_relative(event, &multi->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
					 multi);
	if (err >= 0)
		err = sd_event_source_set_enabled(multi->timer, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_add_defer(event, &multi->now, on_now, multi);
	if (err >= 0)
		err = sd_event_source_set_enabled(multi->now, SD_EVENT_OFF);
	return err < 0 ? err : 0;
}

/* The multi handle of a CA file into @out. 0 or -errno. */
static int find_multi(struct http_multi **out, struct probes *probes, const char *ca_file)
{
	struct http_multi *multi, **first = &probe_shared(probes)->http;
	int err;

	for (multi = *first; multi; multi = multi->next) {
		if (ca_file ? multi->ca_file && !strcmp(multi->ca_file, ca_file)
			    : !multi->ca_file) {
			*out = multi;
			return 0;
		}
	}
	multi = calloc(1, sizeof(*multi));
	if (!multi)
		return -ENOMEM;
	multi->ca_file = ca_file ? strdup(ca_file) : NULL;
	err = ca_file && !multi->ca_file ? -ENOMEM : multi_init(multi, probe_event(probes));
	if (err) {
		multi_free(multi);
		return err;
	}
	multi->next = *first;
	*first = multi;
	*out = multi;
	return 0;
}

void probe_http_free(struct probes *probes)
{
	for (struct http_multi *multi = probe_shared(probes)->http, *next; multi; multi = next) {
		next = multi->next;
		multi_free(multi);
	}
}

/* ------------------------------------------------------------------------------- the request */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http *http = ctx;
	int fd = probe_socket(&http->probe.target, SOCK_STREAM);

	(void)purpose;
	(void)address;
	if (fd < 0) {
		http->socket_err = -fd;
		return CURL_SOCKET_BAD;
	}
	probe_close_by_reset(fd);
	return fd;
}

/* Fewer bytes than there are make libcurl end with CURLE_WRITE_ERROR. */
static size_t take_header(char *bytes, size_t one, size_t n, void *ctx)
{
	struct http *http = ctx;

	(void)one;
	http->header_bytes += n;
	/*
	 * After the headers of an interim answer there are others; after the body may be trailers.
	 */
	if (n > 5 && !memcmp(bytes, "HTTP/", 5))
		http->headers_end = false;
	else if (*bytes == '\r' || *bytes == '\n')
		http->headers_end = true;
	return http->header_bytes > HEADERS_MAX ? 0 : n;
}

static size_t take_body(char *bytes, size_t one, size_t n, void *ctx)
{
	struct http *http = ctx;
	size_t room = BODY_MAX - http->body_bytes, part = n < room ? n : room;

	(void)one;
	if (http->probe.target.check->body && part) {
		char *body = realloc(http->body, http->body_bytes + part + 1);

		if (!body)
			return 0;
		memcpy(body + http->body_bytes, bytes, part);
		body[http->body_bytes + part] = '\0';
		http->body = body;
	}
	http->body_bytes += part;
	return http->body_bytes == BODY_MAX ? 0 : n;
}

/* What is not set here must not come from the environment or files of this host. */
static void set_connection(struct http *http)
{
	CURL *curl = http->curl;

	curl_easy_setopt(curl, CURLOPT_PRIVATE, http);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_CONNECT_TO, http->connect_to);
	curl_easy_setopt(curl, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, http);
	curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, NO_TIME_LIMIT_MS);
}

static void set_tls(struct http *http)
{
	const struct model_check *check = http->probe.target.check;
	CURL *curl = http->curl;

	curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, check->verify ? 1L : 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, check->verify ? 2L : 0L);
	curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
	/* A directory of certificates would not be kept, and would add others to the file's. */
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	if (check->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, check->ca_file);
}

static void set_method(struct http *http)
{
	const char *method = http->probe.target.check->method;
	CURL *curl = http->curl;

	if (!strcmp(method, "HEAD")) {
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	} else if (!strcmp(method, "POST")) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
	} else if (strcmp(method, "GET") != 0) {
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	}
}

static long http_version(const struct model_check *check)
{
	if (!check->http2)
		return CURL_HTTP_VERSION_1_1;
	return check->type == MODEL_CHECK_HTTPS ? CURL_HTTP_VERSION_2TLS
						: CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

static void set_request(struct http *http, const char *url)
{
	const struct model_check *check = http->probe.target.check;
	CURL *curl = http->curl;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, http_version(check));
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "sluice");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, http);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, http);
	set_method(http);
}

static int append(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static int make_headers(struct http *http)
{
	const struct model_check *check = http->probe.target.check;
	int err = check->http2 ? 0 : append(&http->headers, "Connection: close");

	for (size_t i = 0; !err && i < check->n_headers; i++)
		err = append(&http->headers, check->headers[i]);
	return err;
}

/* The URL's host is what the server is to see; where it is, connect_to says. 0 or -errno. */
static int make_url(struct http *http, char *url)
{
	const struct probe_target *target = &http->probe.target;
	bool v4 = addr_is_v4(&target->address);
	char address[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX + 16];
	const char *scheme = is_tls(http) ? "https" : "http", *path = target->check->path;
	int n;

	addr_print(&target->address, address);
	snprintf(to, sizeof(to), v4 ? "::%s:%u" : "::[%s]:%u", address, target->port);
	if (target->check->host)
		n = snprintf(url, URL_MAX, "%s://%s%s", scheme, target->check->host, path);
	else
		n = snprintf(url, URL_MAX, v4 ? "%s://%s:%u%s" : "%s://[%s]:%u%s", scheme, address,
			     target->port, path);
	if (n >= URL_MAX)
		return -ENAMETOOLONG;
	return append(&http->connect_to, to);
}

/* libcurl does nothing yet but to ask for a timer. */
static int start(struct probe *probe)
{
	const struct model_check *check = probe->target.check;
	struct http *http = http_of(probe);
	char url[URL_MAX];
	int err;

	http->watch = (struct probe_watch){.fd = -1, .ready = on_ready};
	err = make_url(http, url);
	if (!err)
		err = make_headers(http);
	if (err)
		return err;
	http->curl = curl_easy_init();
	if (!http->curl)
		return -ENOMEM;
	set_connection(http);
	set_request(http, url);
	if (is_tls(http))
		set_tls(http);
	err = find_multi(&http->multi, probe->probes, check->verify ? check->ca_file : NULL);
	if (err)
		return err;
	return curl_multi_add_handle(http->multi->curl, http->curl) ? -ENOMEM : 0;
}

static void late(struct probe *probe)
{
	struct http *http = http_of(probe);
	curl_off_t secured = 0;
	const char *waiting;

	if (!is_connected(http)) {
		probe_end_silent(probe, "http", " connecting");
		return;
	}
	curl_easy_getinfo(http->curl, CURLINFO_APPCONNECT_TIME_T, &secured);
	if (is_tls(http) && !secured)
		waiting = " in the TLS handshake";
	else if (!http->header_bytes)
		waiting = " waiting for the answer";
	else
		waiting = " in the midst of the answer";
	probe_end_late(probe, "http", waiting);
}

static void stop(struct probe *probe)
{
	struct http *http = http_of(probe);

	if (http->multi)
		curl_multi_remove_handle(http->multi->curl, http->curl);
	curl_easy_cleanup(http->curl);
	curl_slist_free_all(http->headers);
	curl_slist_free_all(http->connect_to);
	free(http->body);
}

const struct probe_kind probe_http = {
	.size = sizeof(struct http),
	.start = start,
	.late = late,
	.stop = stop,
};
