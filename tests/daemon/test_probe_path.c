/* SPDX-License-Identifier: MIT */
/*
 * Marked sockets against a real kernel: what they send is caught behind the port, a veth pair. Each test
 * gets a network namespace of its own:
 *
 *	port 198.18.0.2/24 2001:db8::2/64 -- wire, where frames are caught
 */
#include "daemon/probe_path.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/addr.h"
#include "config/cleanup.h"
#include "tests/lib/fixture.h"
#include "tests/lib/netns.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define PATIENCE_MS 10000
#define QUIET_MS 100 /* what was sent before is there by then, as nothing is in between */

#define VIP4 "10.200.1.1"
#define VIP6 "fc00:1::1"

/* As clients' packets go, to compare with. */
#define GUE \
	"tunnel = { type = \"gue\"; port = 9886; source = \"10.0.13.37\"; source6 = " \
	"\"fc00:2307::1337\"; }; "
#define POOL(name, address, more) \
	"{ name = \"" name "\"; " more "backends = ( { name = \"" name "\"; address = \"" address \
	"\"; } ); }"

static const struct tunnel {
	enum sluice_encap encap;
	unsigned int overhead;
	const char *address, *source, *pool;
} tunnels[] = {
	{SLUICE_ENCAP_IP4, 20, "10.0.0.1", NULL, POOL("p", "10.0.0.1", "")},
	{SLUICE_ENCAP_IP6, 40, "fc00::1", NULL, POOL("p", "fc00::1", "")},
	{SLUICE_ENCAP_GUE4, 28, "10.0.2.1", "10.0.13.37", POOL("p", "10.0.2.1", GUE)},
	{SLUICE_ENCAP_GUE6, 48, "fc00:0:0:2::1", "fc00:2307::1337",
	 POOL("p", "fc00:0:0:2::1", GUE)},
};

static struct {
	struct probe_path *path;
	sd_event *event;
	unsigned int port;
	int wire;       /* AF_PACKET */
	char *settings; /* the namespace's, before there was a path */
} lab;

/* ----------------------------------------------------------------------------------------- helpers */

/* What a shell command prints; to be freed. */
static char *said(const char *command)
{
	FILE *pipe = popen(command, "r");
	char *text = calloc(1, 65536);

	assert_non_null(pipe);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, pipe) < 65535);
	pclose(pipe);
	return text;
}

static char *settings(void)
{
	return said("ip rule; ip -6 rule 2>&1; ip -br link; ip route show table all; "
		    "ip -6 route show table all 2>&1; tc qdisc show");
}

static bool has_ipv6(void)
{
	return access("/proc/net/if_inet6", F_OK) == 0;
}

static struct sluice_addr addr(const char *text)
{
	struct sluice_addr out;

	assert_int_equal(addr_parse(&out, text), 0);
	return out;
}

static struct sluice_backend backend(const struct tunnel *t)
{
	struct sluice_backend b = {
		.addr = addr(t->address),
		.encap = (uint8_t)t->encap,
		.flags = SLUICE_BACKEND_NEXTHOP,
		.ifindex = lab.port,
		.mtu = 1500,
		.port = htobe16(9886),
	};

	memcpy(b.dmac, FRAME_GATEWAY, 6);
	memcpy(b.smac, FRAME_DEST, 6);
	if (t->source)
		b.source = addr(t->source);
	return b;
}

static int open_wire(void)
{
	struct sockaddr_ll here = {.sll_family = AF_PACKET,
				   .sll_protocol = htobe16(ETH_P_ALL),
				   .sll_ifindex = (int)if_nametoindex("wire")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof(here)), 0);
	return fd;
}

static struct probe_path *new_path(sd_event *event)
{
	struct probe_path *path = NULL;
	struct diag diag = {0};

	fixture_check(probe_path_new(&path, event, &diag), &diag);
	assert_int_equal(probe_path_use_ports(path, &lab.port, 1), 0);
	return path;
}

static int setup(void **state)
{
	(void)state;
	netns_enter();
	netns_run("ip link add port type veth peer name wire\n"
		  "for i in port wire; do ethtool -K $i tx off txvlan off rxvlan off; done "
		  ">/dev/null\n"
		  "ip link set wire up\n"
		  "ip link set port up\n"
		  "ip addr add 198.18.0.2/24 dev port");
	if (has_ipv6())
		netns_run("echo 0 >/proc/sys/net/ipv6/conf/port/disable_ipv6\n"
			  "ip addr add 2001:db8::2/64 dev port nodad");
	lab.port = if_nametoindex("port");
	lab.wire = open_wire();
	lab.settings = settings();
	assert_true(sd_event_new(&lab.event) >= 0);
	lab.path = new_path(lab.event);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	probe_path_free(lab.path);
	lab.path = NULL;
	lab.event = sd_event_unref(lab.event);
	close(lab.wire);
	free(lab.settings);
	return 0;
}

/* ----------------------------------------------------------------------------------------- sockets */

/* Begins to connect to @vip with @mark; the error, 0 if something was sent. */
static int dial(const char *vip, uint32_t mark)
{
	struct sluice_addr to = addr(vip);
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htobe16(80)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htobe16(80)};
	bool is_v4 = addr_is_v4(&to);
	_cleanup_(closep) int fd =
		socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int err;

	memcpy(&v4.sin_addr, &to.w[3], 4);
	memcpy(&v6.sin6_addr, &to, 16);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	err = connect(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		      is_v4 ? sizeof(v4) : sizeof(v6))
		      ? errno
		      : 0;
	return err == EINPROGRESS ? 0 : err;
}

/* The next frame on the wire to a backend or a VIP, with its tag in *@tci (0: none). false: none came. */
static bool catch_frame(struct frame *out, unsigned int *tci, int wait_ms)
{
	struct pollfd ready = {.fd = lab.wire, .events = POLLIN};
	char control[256];
	struct iovec part = {.iov_base = out->data, .iov_len = sizeof(out->data)};

	while (poll(&ready, 1, wait_ms) == 1) {
		struct msghdr message = {.msg_iov = &part,
					 .msg_iovlen = 1,
					 .msg_control = control,
					 .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(lab.wire, &message, 0);
		struct cmsghdr *c;

		assert_true(n > ETH_HLEN);
		/* Others are the kernel's own. */
		if (memcmp(out->data, FRAME_GATEWAY, 6))
			continue;
		out->size = (size_t)n;
		*tci = 0;
		for (c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
			struct tpacket_auxdata aux;

			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
			if (c->cmsg_type == PACKET_AUXDATA && aux.tp_status & TP_STATUS_VLAN_VALID)
				*tci = aux.tp_vlan_tci | (unsigned int)aux.tp_vlan_tpid << 16;
		}
		return true;
	}
	return false;
}

static void assert_arrives(const char *vip, uint32_t number)
{
	static struct frame frame;
	unsigned int tci;

	assert_int_equal(dial(vip, probe_path_mark(lab.path, number)), 0);
	assert_true(catch_frame(&frame, &tci, PATIENCE_MS));
}

static void assert_nothing_arrives(void)
{
	static struct frame frame;
	unsigned int tci;

	assert_false(catch_frame(&frame, &tci, QUIET_MS));
}

static void set_first(void)
{
	struct sluice_backend b = backend(&tunnels[0]);

	assert_int_equal(probe_path_set(lab.path, 1, &b), 0);
}

/* ------------------------------------------------------------------------------------------ frames */

/* What the balancer makes of the packet that is behind @overhead bytes of @caught. */
static void as_clients(struct frame *out, const struct tunnel *t, const char *vip,
		       const struct frame *caught)
{
	static struct frame in;
	struct dryrun_result result;
	struct dryrun *dryrun;
	struct model *model;
	char config[1024];

	snprintf(config, sizeof(config),
		 "interfaces = ( { name = \"none0\"; gateway_mac = \"" FRAME_GATEWAY_TEXT
		 "\"; } ); pools = ( %s ); vips = ( { name = \"v\"; address = \"%s\"; port = 80; "
		 "protocol = \"tcp\"; pool = \"p\"; } );",
		 t->pool, vip);
	model = fixture_model(config);
	dryrun = fixture_dryrun(model);
	in.size = caught->size - t->overhead;
	memcpy(in.data, FRAME_DEST, 6);
	memcpy(in.data + 6, FRAME_SOURCE, 6);
	memcpy(in.data + 12, strchr(vip, ':') ? "\x86\xdd" : "\x08\x00", 2);
	memcpy(in.data + ETH_HLEN, caught->data + ETH_HLEN + t->overhead, in.size - ETH_HLEN);
	result = fixture_send(dryrun, &in, out);
	assert_string_equal(result.verdict.name, "TX");
	dryrun_free(dryrun);
	model_free(model);
}

static void a_connection_leaves_as_a_clients_does(void **state)
{
	static const char *const vips[] = {VIP4, VIP6};
	static struct frame caught, expected;
	unsigned int tci;
	(void)state;

	for (size_t i = 0; i < N(tunnels); i++) {
		struct sluice_backend b = backend(&tunnels[i]);

		assert_int_equal(probe_path_set(lab.path, (uint32_t)i + 1, &b), 0);
		for (size_t v = 0; v < (has_ipv6() ? 2 : 1); v++) {
			uint32_t mark = probe_path_mark(lab.path, (uint32_t)i + 1);

			assert_int_equal(dial(vips[v], mark), 0);
			assert_true(catch_frame(&caught, &tci, PATIENCE_MS));
			assert_int_equal(tci, 0);
			as_clients(&expected, &tunnels[i], vips[v], &caught);
			frame_assert_equal(&caught, &expected, tunnels[i].address);
		}
	}
}

static void frames_carry_the_tags_of_the_way(void **state)
{
	static const unsigned char inner[] = {0x81, 0, 0, 8, 8, 0};
	static struct frame caught;
	struct sluice_backend b = backend(&tunnels[0]);
	unsigned int tci;
	(void)state;

	b.vlan = htobe16(8);
	assert_int_equal(probe_path_set(lab.path, 1, &b), 0);
	assert_int_equal(dial(VIP4, probe_path_mark(lab.path, 1)), 0);
	assert_true(catch_frame(&caught, &tci, PATIENCE_MS));
	assert_int_equal(tci, 0x81000008);
	b.s_vlan = htobe16(7);
	assert_int_equal(probe_path_set(lab.path, 1, &b), 0);
	assert_int_equal(dial(VIP4, probe_path_mark(lab.path, 1)), 0);
	assert_true(catch_frame(&caught, &tci, PATIENCE_MS));
	assert_int_equal(tci, 0x88a80007);
	assert_memory_equal(caught.data + 12, inner, sizeof(inner));
	b.flags |= SLUICE_BACKEND_S_VLAN_Q;
	assert_int_equal(probe_path_set(lab.path, 1, &b), 0);
	assert_int_equal(dial(VIP4, probe_path_mark(lab.path, 1)), 0);
	assert_true(catch_frame(&caught, &tci, PATIENCE_MS));
	assert_int_equal(tci, 0x81000007);
}

static void the_way_to_the_vip_does_not_matter(void **state)
{
	static const char *const ways[] = {
		"true", /* no route */
		"ip route add default via 198.18.0.1",
		"ip route replace " VIP4 "/32 dev port", /* where nobody has it */
		"ip route replace unreachable " VIP4 "/32",
		"ip rule add pref 200 from all unreachable",
	};
	(void)state;

	set_first();
	for (size_t i = 0; i < N(ways); i++) {
		netns_run("%s", ways[i]);
		assert_arrives(VIP4, 1);
	}
}

static void a_backend_without_a_port_is_reached_by_the_first(void **state)
{
	static struct frame caught;
	struct sluice_backend b = backend(&tunnels[0]);
	unsigned int tci;
	(void)state;

	netns_run("ip link set port address 02:00:00:00:00:07");
	b.ifindex = 0;
	memset(b.smac, 0, 6);
	assert_int_equal(probe_path_set(lab.path, 1, &b), 0);
	assert_int_equal(dial(VIP4, probe_path_mark(lab.path, 1)), 0);
	assert_true(catch_frame(&caught, &tci, PATIENCE_MS));
	assert_memory_equal(caught.data + 6, "\x02\0\0\0\0\x07", 6);
}

static void what_has_no_tunnel_goes_nowhere(void **state)
{
	struct probe_counters counters;
	(void)state;

	netns_run("ip route add default via 198.18.0.1\n"
		  "ip neigh add 198.18.0.1 lladdr " FRAME_GATEWAY_TEXT " dev port");
	set_first();
	assert_int_equal(dial(VIP4, probe_path_mark(lab.path, 2)), 0);
	assert_nothing_arrives();
	assert_arrives(VIP4, 1);
	probe_path_clear(lab.path, 1);
	assert_int_equal(dial(VIP4, probe_path_mark(lab.path, 1)), 0);
	assert_nothing_arrives();
	assert_int_equal(probe_path_counters(lab.path, &counters), 0);
	assert_int_equal(counters.outcome[PROBE_OUT_SENT], 1);
	assert_int_equal(counters.outcome[PROBE_OUT_NO_TUNNEL], 2);
}

static void tunnels_have_numbers_from_one(void **state)
{
	struct sluice_backend b = backend(&tunnels[0]);
	(void)state;

	assert_int_equal(probe_path_set(lab.path, 0, &b), -EINVAL);
	assert_int_equal(probe_path_set(lab.path, PROBE_PATH_TUNNELS + 1, &b), -EINVAL);
	assert_int_equal(probe_path_set(lab.path, PROBE_PATH_TUNNELS, &b), 0);
	assert_arrives(VIP4, PROBE_PATH_TUNNELS);
}

static void all_tunnels_fit_at_once(void **state)
{
	struct sluice_backend b = backend(&tunnels[0]);
	(void)state;

	for (uint32_t i = 1; i <= PROBE_PATH_TUNNELS; i++)
		assert_int_equal(probe_path_set(lab.path, i, &b), 0);
}

static void a_port_that_is_gone_is_an_error_and_no_more(void **state)
{
	struct sluice_backend b = backend(&tunnels[0]);
	(void)state;

	set_first();
	netns_run("ip link del port");
	memset(b.smac, 0, 6);
	assert_int_equal(probe_path_set(lab.path, 2, &b), -ENODEV);
	assert_int_equal(probe_path_use_ports(lab.path, &lab.port, 1), 0);
	assert_int_equal(probe_path_use_ports(lab.path, NULL, 0), 0);
}

/* ---------------------------------------------------------------------------------------- leftovers */

static void nothing_is_left_behind(void **state)
{
	_cleanup_(freep) char *meanwhile = settings();
	_cleanup_(freep) char *after = NULL;
	(void)state;

	assert_string_not_equal(meanwhile, lab.settings);
	probe_path_free(lab.path);
	lab.path = NULL;
	after = settings();
	assert_string_equal(after, lab.settings);
}

/* Another daemon, which ends without a word. */
static void crash(void)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct probe_path *path;
		struct diag diag = {0};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(probe_path_new(&path, NULL, &diag) ||
		      probe_path_use_ports(path, &lab.port, 1));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_crash_leaves_rules_that_the_next_one_removes(void **state)
{
	_cleanup_(freep) char *left = NULL, *after = NULL, *links = NULL;
	(void)state;

	probe_path_free(lab.path);
	lab.path = NULL;
	crash();
	left = settings();
	links = said("ip -br link");
	assert_string_not_equal(left, lab.settings);
	assert_null(strstr(links, "probe"));
	/* Nobody uses their marks; who does is refused. */
	assert_int_equal(dial(VIP4, PROBE_MARK | 1), ENETUNREACH);
	probe_path_sweep();
	after = settings();
	assert_string_equal(after, lab.settings);
	crash();
	lab.path = new_path(NULL);
	set_first();
	assert_arrives(VIP4, 1);
	nothing_is_left_behind(NULL);
}

static void the_rules_of_others_stay(void **state)
{
	_cleanup_(freep) char *before = NULL, *after = NULL;
	(void)state;

	probe_path_free(lab.path);
	lab.path = NULL;
	netns_run("ip rule add pref 92 fwmark 0x5c000000/0xff000000 lookup 7 protocol 92\n"
		  "ip rule add pref 92 fwmark 0x5c010000/0xffff0000 lookup 7\n"
		  "ip rule add pref 93 fwmark 0x5d000000/0xffff0000 unreachable protocol 92\n"
		  "ip rule add pref 300 from 10.0.0.0/8 lookup 7");
	before = settings();
	probe_path_sweep();
	lab.path = new_path(NULL);
	probe_path_free(lab.path);
	lab.path = NULL;
	after = settings();
	assert_string_equal(after, before);
}

static void several_share_a_host(void **state)
{
	struct probe_path *other = new_path(NULL);
	struct sluice_backend b = backend(&tunnels[0]);
	(void)state;

	set_first();
	assert_int_not_equal(probe_path_mark(other, 1), probe_path_mark(lab.path, 1));
	/* No tunnel 1 there. */
	assert_int_equal(dial(VIP4, probe_path_mark(other, 1)), 0);
	assert_nothing_arrives();
	assert_int_equal(probe_path_set(other, 1, &b), 0);
	probe_path_clear(lab.path, 1);
	assert_int_equal(dial(VIP4, probe_path_mark(lab.path, 1)), 0);
	assert_nothing_arrives();
	set_first();
	probe_path_free(other);
	assert_arrives(VIP4, 1);
	crash();
	probe_path_sweep();
	assert_arrives(VIP4, 1);
}

/* An answer by any other way would be another backend's. */
static void without_its_device_nothing_is_sent(void **state)
{
	(void)state;
	set_first();
	netns_run("ip route add default via 198.18.0.1\n"
		  "ip neigh add 198.18.0.1 lladdr " FRAME_GATEWAY_TEXT " dev port\n"
		  "ip link del sluice-probe0");
	assert_int_equal(dial(VIP4, probe_path_mark(lab.path, 1)), ENETUNREACH);
	if (has_ipv6())
		assert_int_equal(dial(VIP6, probe_path_mark(lab.path, 1)), ENETUNREACH);
	assert_nothing_arrives();
}

/* ------------------------------------------------------------------------------------------ changes */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The event loop until the source address of @family is @text; NULL: until there is none. */
static void assert_source_becomes(int family, const char *text)
{
	int64_t end = now_ms() + PATIENCE_MS;
	struct sluice_addr source, expected = text ? addr(text) : (struct sluice_addr){0};

	for (;;) {
		bool has = probe_path_source(lab.path, family, &source);

		if (text ? has && addr_equal(&source, &expected) : !has)
			return;
		if (now_ms() >= end)
			fail_msg("the source does not become %s", text ? text : "none");
		assert_true(sd_event_run(lab.event, 50000) >= 0);
	}
}

static void rules_that_somebody_removes_come_back(void **state)
{
	int64_t end = now_ms() + PATIENCE_MS;
	uint32_t mark = probe_path_mark(lab.path, 1);
	_cleanup_(freep) char *before = said("ip rule"), *after = NULL;
	(void)state;

	set_first();
	netns_run("ip rule del pref 92; ip rule del pref 93");
	/* No route is another reason than a rule that refuses, but the same error. */
	assert_int_equal(dial(VIP4, mark), ENETUNREACH);
	while (dial(VIP4, mark)) {
		assert_true(now_ms() < end);
		assert_true(sd_event_run(lab.event, 50000) >= 0);
	}
	after = said("ip rule");
	assert_string_equal(after, before);
	/* Our own changes are no reason for others. */
	while (sd_event_run(lab.event, 0) > 0)
		assert_true(now_ms() < end);
}

static void the_source_address_follows_those_of_the_port(void **state)
{
	(void)state;
	set_first();
	assert_source_becomes(AF_INET, "198.18.0.2");
	netns_run("ip addr del 198.18.0.2/24 dev port; ip addr add 198.18.0.9/24 dev port");
	assert_source_becomes(AF_INET, "198.18.0.9");
	assert_arrives(VIP4, 1);
	netns_run("ip addr flush dev port");
	assert_source_becomes(AF_INET, NULL);
	assert_int_equal(dial(VIP4, probe_path_mark(lab.path, 1)), ENETUNREACH);
	netns_run("ip addr add 10.0.0.7/32 dev lo");
	assert_source_becomes(AF_INET, "10.0.0.7");
	assert_arrives(VIP4, 1);
	if (!has_ipv6())
		return;
	assert_source_becomes(AF_INET6, NULL);
	assert_int_equal(dial(VIP6, probe_path_mark(lab.path, 1)), EADDRNOTAVAIL);
	/* Not before nobody else claims it. */
	netns_run("ip addr add 2001:db8::9/64 dev port");
	assert_source_becomes(AF_INET6, "2001:db8::9");
	assert_arrives(VIP6, 1);
}

static void the_source_address_is_one_that_backends_can_answer_to(void **state)
{
	struct sluice_backend b = backend(&tunnels[0]);
	(void)state;

	/* As to a network of containers, before the ports in the kernel's list. */
	netns_run("ip addr add 172.17.0.1/16 dev wire; ip addr add 198.18.0.3/24 dev port\n"
		  "ip addr add 10.9.9.9/32 dev lo");
	assert_int_equal(probe_path_use_ports(lab.path, &lab.port, 1), 0);
	assert_source_becomes(AF_INET, "198.18.0.2");
	/* The route to a backend knows better. */
	netns_run("ip route add 10.0.0.0/8 via 198.18.0.1 src 198.18.0.3");
	assert_int_equal(probe_path_set(lab.path, 1, &b), 0);
	assert_source_becomes(AF_INET, "198.18.0.3");
	assert_arrives(VIP4, 1);
}

static void a_vip_on_a_local_device_is_told(void **state)
{
	struct sluice_addr v4 = addr(VIP4), v6 = addr(VIP6);
	char name[IF_NAMESIZE] = "";
	(void)state;

	assert_int_equal(probe_path_can_reach(&v4, name), 1);
	assert_int_equal(probe_path_can_reach(&v6, name), 1);
	netns_run("ip addr add " VIP4 "/32 dev lo");
	assert_int_equal(probe_path_can_reach(&v4, name), 0);
	assert_string_equal(name, "lo");
	netns_run("ip addr del " VIP4 "/32 dev lo");
	assert_int_equal(probe_path_can_reach(&v4, name), 1);
	/* The other end's address is not ours. */
	netns_run("ip addr add 10.1.1.1 peer " VIP4 "/32 dev port");
	assert_int_equal(probe_path_can_reach(&v4, name), 1);
	if (!has_ipv6())
		return;
	netns_run("ip addr add " VIP6 "/128 dev port nodad");
	assert_int_equal(probe_path_can_reach(&v6, name), 0);
	assert_string_equal(name, "port");
}

static void skipped(void **state)
{
	(void)state;
	skip();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		TEST(a_connection_leaves_as_a_clients_does),
		TEST(frames_carry_the_tags_of_the_way),
		TEST(the_way_to_the_vip_does_not_matter),
		TEST(a_backend_without_a_port_is_reached_by_the_first),
		TEST(what_has_no_tunnel_goes_nowhere),
		TEST(tunnels_have_numbers_from_one),
		TEST(all_tunnels_fit_at_once),
		TEST(a_port_that_is_gone_is_an_error_and_no_more),
		TEST(nothing_is_left_behind),
		TEST(a_crash_leaves_rules_that_the_next_one_removes),
		TEST(the_rules_of_others_stay),
		TEST(several_share_a_host),
		TEST(without_its_device_nothing_is_sent),
		TEST(rules_that_somebody_removes_come_back),
		TEST(the_source_address_follows_those_of_the_port),
		TEST(the_source_address_is_one_that_backends_can_answer_to),
		TEST(a_vip_on_a_local_device_is_told),
	};
	int failed;

	netns_init(tests, N(tests));
	if (access("/dev/net/tun", F_OK)) {
		print_message("/dev/net/tun is not there\n");
		for (size_t i = 0; i < N(tests); i++)
			tests[i] = (struct CMUnitTest){.name = tests[i].name, .test_func = skipped};
	}
	failed = cmocka_run_group_tests_name("daemon/probe_path", tests, NULL, NULL);
	netns_fini();
	return failed;
}
