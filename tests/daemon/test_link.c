/* SPDX-License-Identifier: MIT */
/*
 * Next hops against a real kernel: each test gets two network namespaces of its own, "us" (which
 * the process is in) and the peer, joined by two veth pairs. Nothing but file descriptors holds
 * them, so they end with the process, however it ends.
 *
 *	us: v1 10.1.0.1/16 fd00:1::1/64 02:00:00:00:01:01 -- p1 10.1.0.2 fd00:1::2 02:00:00:00:01:02
 *	    v2 10.2.0.1/16 fd00:2::1/64 02:00:00:00:02:01 -- p2 10.2.0.2 fd00:2::2 02:00:00:00:02:02
 */
#include "daemon/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "daemon/link_impl.h"

#define PATIENCE_S 10
#define PEER1 "02:00:00:00:01:02"
#define PEER2 "02:00:00:00:02:02"
#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct lab {
	const char *missing; /* why there is no lab; NULL: there is one */
	int home;            /* the namespace that the process began in */
	int us;
	int peer;
	sd_event *event;
	struct link *link;
	unsigned int changes; /* calls of `changed` */
	bool follow_when_changed;
	int log;      /* what is logged while it is held; -1: it is not */
	int real_log; /* where it goes else */
} lab;

/* ------------------------------------------------------------------------------------- helpers */

/* Runs a shell command as root in namespace @ns. Its exit status. */
static int run(int ns, const char *command)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (seteuid(0) || setns(ns, CLONE_NEWNET))
			_exit(126);
		execl("/bin/sh", "sh", "-ec", command, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Runs a shell command that has to succeed. */
__attribute__((format(printf, 2, 3))) static void sh(int ns, const char *fmt, ...)
{
	char command[1024];
	va_list args;
	int status;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	status = run(ns, command);
	if (status)
		fail_msg("exit status %d: %s", status, command);
}

static struct sluice_addr address(const char *text)
{
	struct sluice_addr addr;

	assert_int_equal(addr_parse(&addr, text), 0);
	return addr;
}

static struct link_nexthop nexthop(const char *text)
{
	struct sluice_addr addr = address(text);
	struct link_nexthop out;

	assert_true(link_nexthop(lab.link, &addr, &out));
	return out;
}

static void follow(const char *const *texts, size_t n)
{
	struct sluice_addr addrs[32];

	assert_true(n <= N(addrs));
	for (size_t i = 0; i < n; i++)
		addrs[i] = address(texts[i]);
	assert_int_equal(link_follow(lab.link, addrs, n), 0);
}

#define FOLLOW(...) \
	do { \
		const char *const list_[] = {__VA_ARGS__}; \
		follow(list_, N(list_)); \
	} while (0)

/* Runs the event loop until @done says so; false: it did not in PATIENCE_S. */
static bool loop_until(bool (*done)(const void *what), const void *what)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!done(what)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > PATIENCE_S)
			return false;
		assert_true(sd_event_run(lab.event, 50000) >= 0);
	}
	return true;
}

/* What a next hop is to be; what is NULL or 0 may be anything, but for the tags. */
struct wish {
	const char *addr;
	enum link_state state;
	const char *mac;
	const char *device;
	unsigned int mtu;
	const char *device_mac;
	uint16_t vlan;
	uint16_t s_vlan;
};

#define WISH(addr_, state_, ...) \
	{ \
		.addr = addr_, .state = state_, ##__VA_ARGS__ \
	}

static bool mac_is(const uint8_t mac[6], const char *text)
{
	char buffer[MAC_TEXT_MAX];

	return !text || !strcmp(addr_mac_print(mac, buffer), text);
}

static bool wish_true(const void *what)
{
	const struct wish *wish = what;
	struct link_nexthop is = nexthop(wish->addr);

	return is.state == wish->state && is.vlan == wish->vlan && is.s_vlan == wish->s_vlan &&
	       mac_is(is.mac, wish->mac) &&
	       (!wish->device || is.ifindex == if_nametoindex(wish->device)) &&
	       (!wish->mtu || is.mtu == wish->mtu) && mac_is(is.device_mac, wish->device_mac);
}

static void check_wish(const struct wish *wish)
{
	struct link_nexthop is = nexthop(wish->addr);
	char mac[MAC_TEXT_MAX], device_mac[MAC_TEXT_MAX];

	if (!wish_true(wish))
		fail_msg("%s: is %s, device %u (%s), mtu %u, mac %s, vlan %u, s_vlan %u; not as it "
			 "should be",
			 wish->addr, link_state_name(is.state), is.ifindex,
			 addr_mac_print(is.device_mac, device_mac), is.mtu,
			 addr_mac_print(is.mac, mac), is.vlan, is.s_vlan);
}

#define AWAIT(...) \
	do { \
		const struct wish wish_ = WISH(__VA_ARGS__); \
		loop_until(wish_true, &wish_); \
		check_wish(&wish_); \
	} while (0)

#define CHECK(...) check_wish(&(const struct wish)WISH(__VA_ARGS__))

static void on_changed(void *ctx)
{
	struct lab *l = ctx;

	l->changes++;
	if (l->follow_when_changed)
		FOLLOW("10.2.0.2");
}

/* From here to log_release(), or the end of the test, the log is kept for us. */
static void log_hold(void)
{
	lab.real_log = dup(STDERR_FILENO);
	lab.log = memfd_create("log", MFD_CLOEXEC);
	assert_true(lab.real_log >= 0 && lab.log >= 0);
	assert_true(dup2(lab.log, STDERR_FILENO) >= 0);
}

/* The number of lines that hold @word; -1: the log was not held. */
static int log_release(const char *word)
{
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;
	int lines = 0;
	FILE *f;

	if (lab.log < 0)
		return -1;
	dup2(lab.real_log, STDERR_FILENO);
	close(lab.real_log);
	f = fdopen(lab.log, "r");
	lab.log = -1;
	if (!f)
		return -1;
	rewind(f);
	while (getline(&line, &size, f) > 0)
		lines += !!strstr(line, word);
	fclose(f);
	return lines;
}

/* ---------------------------------------------------------------------------------- the lab */

static int group_setup(void **state)
{
	(void)state;
	lab = (struct lab){.home = -1, .us = -1, .peer = -1, .log = -1};
	if (geteuid() != 0) {
		lab.missing = "network namespaces need root";
		return 0;
	}
	lab.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (lab.home < 0 || unshare(CLONE_NEWNET))
		lab.missing = "no network namespace can be made here";
	else if (run(lab.home, "ip -V >/dev/null 2>&1"))
		lab.missing = "iproute2 is not installed";
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	if (lab.home >= 0) {
		setns(lab.home, CLONE_NEWNET);
		close(lab.home);
	}
	return 0;
}

static int namespace_new(void)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		return -1;
	fd = open("/proc/self/ns/net", O_RDONLY);
	return fd;
}

static int setup(void **state)
{
	(void)state;
	lab.changes = 0;
	lab.follow_when_changed = false;
	if (lab.missing)
		return 0;
	lab.peer = namespace_new();
	lab.us = namespace_new();
	assert_true(lab.peer >= 0 && lab.us >= 0);
	sh(lab.us,
	   "ip link set lo up\n"
	   "for i in 1 2; do\n"
	   "	ip link add v$i address 02:00:00:00:0$i:01 type veth \\\n"
	   "		peer name p$i address 02:00:00:00:0$i:02 netns /proc/%d/fd/%d\n"
	   "	ip link set v$i addrgenmode none\n"
	   "	ip addr add 10.$i.0.1/16 dev v$i\n"
	   "	ip addr add fd00:$i::1/64 dev v$i nodad\n"
	   "	ip addr add fe80::$i:1/64 dev v$i nodad\n"
	   "	ip link set v$i up\n"
	   "done",
	   (int)getpid(), lab.peer);
	sh(lab.peer, "ip link set lo up\n"
		     "for i in 1 2; do\n"
		     "	ip link set p$i addrgenmode none\n"
		     "	ip addr add 10.$i.0.2/16 dev p$i\n"
		     "	ip addr add fd00:$i::2/64 dev p$i nodad\n"
		     "	ip addr add fe80::$i:2/64 dev p$i nodad\n"
		     "	ip link set p$i up\n"
		     "done");
	assert_true(sd_event_new(&lab.event) >= 0);
	assert_int_equal(link_new(&lab.link, lab.event, on_changed, &lab), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_release("");
	link_free(lab.link);
	lab.link = NULL;
	lab.event = sd_event_unref(lab.event);
	if (lab.missing)
		return 0;
	if (seteuid(0) || setns(lab.home, CLONE_NEWNET))
		return -1;
	close(lab.peer);
	close(lab.us);
	return 0;
}

#define NEED_LAB() \
	do { \
		if (lab.missing) { \
			print_message("%s\n", lab.missing); \
			skip(); \
		} \
	} while (0)

#define NEED_VLAN() \
	do { \
		NEED_LAB(); \
		if (run(lab.us, "exec 2>/dev/null; ip link add link v1 name x type vlan id 1; " \
				"ip link del x")) { \
			print_message("the kernel has no VLAN devices (8021q)\n"); \
			skip(); \
		} \
	} while (0)

/* Puts on both sides VLAN device v@id (p@id) on v@below, with addresses like those of v1. */
static void vlan_add(int id, int below, const char *protocol)
{
	for (int host = 1; host <= 2; host++)
		sh(host == 1 ? lab.us : lab.peer,
		   "side=%c id=%d host=%d; dev=$side$id\n"
		   "ip link add link ${side}%d name $dev mtu 1400 type vlan proto %s id $id\n"
		   "ip link set $dev address 02:00:00:00:0$id:0$host addrgenmode none\n"
		   "ip addr add 10.$id.0.$host/16 dev $dev\n"
		   "ip addr add fd00:$id::$host/64 dev $dev nodad\n"
		   "ip addr add fe80::$id:$host/64 dev $dev nodad\n"
		   "ip link set $dev up",
		   host == 1 ? 'v' : 'p', id, host, below, protocol);
}

/* ----------------------------------------------------------------- tests of hand-made messages */

/* A device as the kernel tells of it. */
struct told {
	unsigned int ifindex;
	const char *kind; /* NULL: a physical one */
	unsigned int below;
	uint16_t vlan;
	uint16_t type;
	bool down;
	bool elsewhere; /* the device below is in another namespace */
};

#define DEVICE(ifindex_, ...) \
	{ \
		.ifindex = ifindex_, ##__VA_ARGS__ \
	}
#define VLAN(ifindex_, type_, below_, vlan_, ...) \
	DEVICE(ifindex_, .kind = "vlan", .type = ETH_P_8021##type_, .below = below_, \
	       .vlan = vlan_, ##__VA_ARGS__)

static const struct nlmsghdr *told_message(char *buffer, const struct told *told)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct nlattr *info, *data;

	nlh->nlmsg_type = RTM_NEWLINK;
	ifi->ifi_type = ARPHRD_ETHER;
	ifi->ifi_index = (int)told->ifindex;
	ifi->ifi_flags = told->down ? 0 : IFF_UP;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "v5");
	mnl_attr_put_u32(nlh, IFLA_MTU, 1400);
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, (const uint8_t[6]){2, 0, 0, 0, 5, 1});
	if (told->below)
		mnl_attr_put_u32(nlh, IFLA_LINK, told->below);
	if (told->elsewhere)
		mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, 0);
	if (!told->kind)
		return nlh;
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, told->kind);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons(told->type));
	mnl_attr_put_u16(nlh, IFLA_VLAN_ID, told->vlan);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nlh;
}

static void vlan_devices_lead_to_the_one_that_sends(void **state)
{
	static const struct {
		struct told told[4]; /* by ifindex */
		unsigned int from;
		int err;
		struct link_nexthop nexthop;
	} cases[] = {
		{{DEVICE(2)}, 2, 0, {.ifindex = 2}},
		{{DEVICE(2), VLAN(5, Q, 2, 5)}, 2, 0, {.ifindex = 2}},
		{{DEVICE(2), VLAN(5, Q, 2, 5)}, 5, 0, {.ifindex = 2, .vlan = 5}},
		{{DEVICE(2), VLAN(5, Q, 2, 4094)}, 5, 0, {.ifindex = 2, .vlan = 4094}},
		{{VLAN(3, Q, 9, 5), DEVICE(9)}, 3, 0, {.ifindex = 9, .vlan = 5}},
		{{DEVICE(2), VLAN(5, AD, 2, 3), VLAN(6, Q, 5, 8)},
		 6,
		 0,
		 {.ifindex = 2, .vlan = 8, .s_vlan = 3}},
		{{DEVICE(2), VLAN(5, Q, 2, 3), VLAN(6, Q, 5, 8)},
		 6,
		 0,
		 {.ifindex = 2, .vlan = 8, .s_vlan = 3, .s_vlan_is_q = true}},
		/* Other devices above others stay as they are. */
		{{DEVICE(2), DEVICE(4, .kind = "bond"), VLAN(5, Q, 4, 5)},
		 5,
		 0,
		 {.ifindex = 4, .vlan = 5}},
		{{DEVICE(2), VLAN(5, Q, 2, 5), DEVICE(6, .kind = "macvlan", .below = 5)},
		 6,
		 0,
		 {.ifindex = 6}},
		{{DEVICE(2), VLAN(5, Q, 2, 5, .elsewhere = true)}, 5, 0, {.ifindex = 5}},
		/* Tags that cannot be written. */
		{{DEVICE(2), VLAN(5, Q, 2, 5), VLAN(6, Q, 5, 6), VLAN(7, Q, 6, 7)},
		 7,
		 -EOPNOTSUPP,
		 {0}},
		{{DEVICE(2), VLAN(5, AD, 2, 5)}, 5, -EOPNOTSUPP, {0}},
		{{DEVICE(2), VLAN(5, Q, 2, 5), VLAN(6, AD, 5, 6)}, 6, -EOPNOTSUPP, {0}},
		{{DEVICE(2), VLAN(5, Q, 2, 0)}, 5, -EOPNOTSUPP, {0}},
		{{DEVICE(2), VLAN(5, AD, 2, 0), VLAN(6, Q, 5, 6)}, 6, -EOPNOTSUPP, {0}},
		{{VLAN(5, Q, 6, 5), VLAN(6, Q, 5, 6)}, 5, -EOPNOTSUPP, {0}},
		/* No frame can leave. */
		{{DEVICE(2)}, 5, -ENODEV, {0}},
		{{VLAN(5, Q, 2, 5)}, 5, -ENODEV, {0}},
		{{DEVICE(2, .down = true), VLAN(5, Q, 2, 5)}, 5, -ENODEV, {0}},
		{{DEVICE(2), VLAN(5, AD, 2, 5, .down = true), VLAN(6, Q, 5, 6)}, 6, -ENODEV, {0}},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++) {
		_Alignas(struct nlmsghdr) char buffer[512];
		struct link_device devices[N(cases[i].told)] = {0};
		struct link_nexthop out = {0};
		size_t n = 0;

		for (; n < N(devices) && cases[i].told[n].ifindex; n++) {
			devices[n].ifindex = cases[i].told[n].ifindex;
			link_device_parse(&devices[n], told_message(buffer, &cases[i].told[n]));
		}
		if (link_device_bottom(devices, n, cases[i].from, &out) != cases[i].err ||
		    memcmp(&out, &cases[i].nexthop, sizeof(out)))
			fail_msg("case %zu: device %u, vlan %u, s_vlan %u", i, out.ifindex,
				 out.vlan, out.s_vlan);
	}
}

static void a_device_is_what_its_message_says(void **state)
{
	static const struct told up = VLAN(5, AD, 2, 8), down = VLAN(5, AD, 2, 8, .down = true);
	_Alignas(struct nlmsghdr) char buffer[512];
	struct link_device device = {.ifindex = 5, .ask = true, .said = true};

	(void)state;
	link_device_parse(&device, told_message(buffer, &up));
	assert_true(device.said && device.up && device.ethernet);
	assert_false(device.ask);
	assert_int_equal(device.ifindex, 5);
	assert_int_equal(device.mtu, 1400);
	assert_string_equal(device.name, "v5");
	assert_true(mac_is(device.mac, "02:00:00:00:05:01"));
	assert_int_equal(device.below, 2);
	assert_int_equal(device.vlan, 8);
	assert_int_equal(device.vlan_type, ETH_P_8021AD);
	link_device_parse(&device, told_message(buffer, &down));
	assert_false(device.up);
}

/* Of a device that was up: nothing is left but its number. */
static void check_no_device(const struct nlmsghdr *nlh)
{
	struct link_device device = {
		.ifindex = 5, .up = true, .ethernet = true, .mtu = 9, .below = 2, .vlan = 5};

	link_device_parse(&device, nlh);
	assert_int_equal(device.ifindex, 5);
	assert_false(device.up || device.ethernet);
	assert_int_equal(device.mtu, 0);
	assert_int_equal(device.below, 0);
	assert_int_equal(device.vlan, 0);
}

static void a_message_that_is_cut_or_of_another_type_does_no_harm(void **state)
{
	static const struct told told = VLAN(5, Q, 2, 5);
	_Alignas(struct nlmsghdr) char buffer[512];
	const struct nlmsghdr *nlh = told_message(buffer, &told);

	(void)state;
	for (uint32_t len = MNL_NLMSG_HDRLEN; len <= nlh->nlmsg_len; len += MNL_ALIGNTO) {
		_cleanup_(freep) struct nlmsghdr *cut = malloc(len);
		struct link_device device = {.ifindex = 5};

		assert_non_null(cut);
		memcpy(cut, nlh, len);
		cut->nlmsg_len = len;
		link_device_parse(&device, cut);
		assert_int_equal(device.vlan, len == nlh->nlmsg_len ? 5 : 0);
		cut->nlmsg_type = RTM_DELLINK;
		check_no_device(cut);
	}
	check_no_device(NULL);
}

/* ----------------------------------------------------------------------------- tests in the lab */

static void direct_neighbours_are_resolved_by_the_kernel(void **state)
{
	(void)state;
	NEED_LAB();
	FOLLOW("10.1.0.2", "fd00:1::2", "10.2.0.2", "fd00:2::2");
	AWAIT("10.1.0.2", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1500,
	      .device_mac = "02:00:00:00:01:01");
	AWAIT("fd00:1::2", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1500,
	      .device_mac = "02:00:00:00:01:01");
	AWAIT("10.2.0.2", LINK_READY, .mac = PEER2, .device = "v2", .mtu = 1500,
	      .device_mac = "02:00:00:00:02:01");
	AWAIT("fd00:2::2", LINK_READY, .mac = PEER2, .device = "v2", .mtu = 1500,
	      .device_mac = "02:00:00:00:02:01");
}

static void a_route_leads_to_its_gateway(void **state)
{
	static const struct {
		const char *route;
		const char *addr;
		const char *mac;
		const char *device;
	} cases[] = {
		{"10.5.0.0/16 via 10.1.0.2", "10.5.0.1", PEER1, "v1"},
		{"10.6.0.0/16 via inet6 fd00:2::2", "10.6.0.1", PEER2, "v2"},
		{"10.7.0.0/16 dev v2 via 10.77.0.1 onlink", "10.7.0.1", "02:00:00:00:77:01", "v2"},
		{"fd05::/64 via fd00:1::2", "fd05::1", PEER1, "v1"},
		{"default via 10.2.0.2", "192.0.2.1", PEER2, "v2"},
		{"-6 default via fd00:2::2", "2001:db8::1", PEER2, "v2"},
	};

	(void)state;
	NEED_LAB();
	sh(lab.us, "ip neigh add 10.77.0.1 lladdr 02:00:00:00:77:01 dev v2");
	for (size_t i = 0; i < N(cases); i++) {
		bool v6 = !strncmp(cases[i].route, "-6 ", 3);

		sh(lab.us, "ip %s route add %s", v6 ? "-6" : "", cases[i].route + (v6 ? 3 : 0));
		FOLLOW(cases[i].addr);
		AWAIT(cases[i].addr, LINK_READY, .mac = cases[i].mac, .device = cases[i].device,
		      .mtu = 1500);
	}
}

static void one_link_local_gateway_on_two_devices_is_two(void **state)
{
	static const struct wish wishes[] = {
		WISH("fd05::1", LINK_READY, .mac = "02:00:00:00:09:01", .device = "v1"),
		WISH("fd06::1", LINK_READY, .mac = "02:00:00:00:09:02", .device = "v2"),
		WISH("10.6.0.1", LINK_READY, .mac = "02:00:00:00:09:02", .device = "v2"),
	};

	(void)state;
	NEED_LAB();
	sh(lab.us, "for i in 1 2; do\n"
		   "	ip neigh add fe80::9 lladdr 02:00:00:00:09:0$i dev v$i\n"
		   "	ip route add fd0$((i + 4))::/64 via fe80::9 dev v$i\n"
		   "done\n"
		   "ip route add 10.6.0.0/16 via inet6 fe80::9 dev v2");
	FOLLOW("fd05::1", "fd06::1", "10.6.0.1");
	for (size_t i = 0; i < N(wishes); i++)
		check_wish(&wishes[i]);
}

static void dead_ends_and_own_addresses_are_told_apart(void **state)
{
	static const struct {
		const char *command; /* first */
		const char *addr;
		enum link_state state;
	} cases[] = {
		{NULL, "192.0.2.1", LINK_NO_ROUTE},
		{NULL, "2001:db8::1", LINK_NO_ROUTE},
		{"ip route add blackhole 10.11.0.0/16", "10.11.0.1", LINK_NO_ROUTE},
		{"ip route add unreachable 10.12.0.0/16", "10.12.0.1", LINK_NO_ROUTE},
		{"ip route add prohibit 10.13.0.0/16", "10.13.0.1", LINK_NO_ROUTE},
		{"ip route add blackhole fd11::/64", "fd11::1", LINK_NO_ROUTE},
		{"ip route add unreachable fd12::/64", "fd12::1", LINK_NO_ROUTE},
		{"ip route add prohibit fd13::/64", "fd13::1", LINK_NO_ROUTE},
		{"ip route add 10.14.0.0/16 dev lo", "10.14.0.1", LINK_NO_ROUTE},
		{"ip link add v3 up arp off type veth; ip route add 10.15.0.0/16 dev v3",
		 "10.15.0.1", LINK_NO_ROUTE},
		{"ip tuntap add mode tun t0 && ip link set t0 up && ip route add 10.16.0.0/16 dev "
		 "t0 "
		 "|| :",
		 "10.16.0.1", LINK_NO_ROUTE},
		{"ip route add 10.17.0.0/16 encap ip id 1 dst 10.1.0.2 dev v1 || :", "10.17.0.1",
		 LINK_NO_ROUTE},
		{NULL, "10.1.255.255", LINK_NO_ROUTE}, /* broadcast */
		{NULL, "10.1.0.1", LINK_LOCAL},
		{NULL, "fd00:2::1", LINK_LOCAL},
		{NULL, "127.0.0.1", LINK_LOCAL},
		{NULL, "::1", LINK_LOCAL},
	};
	static const struct link_nexthop zero;

	(void)state;
	NEED_LAB();
	for (size_t i = 0; i < N(cases); i++) {
		struct link_nexthop is;

		if (cases[i].command)
			sh(lab.us, "%s", cases[i].command);
		FOLLOW(cases[i].addr);
		CHECK(cases[i].addr, cases[i].state);
		is = nexthop(cases[i].addr);
		assert_memory_equal(is.mac, zero.mac, sizeof(is.mac));
		assert_memory_equal(is.device_mac, zero.device_mac, sizeof(is.device_mac));
		assert_int_equal(is.ifindex, 0);
		assert_int_equal(is.mtu, 0);
	}
}

static void neighbour_states_are_understood(void **state)
{
	static const struct {
		const char *nud;
		enum link_state state;
	} cases[] = {
		{"reachable", LINK_READY},  {"stale", LINK_READY},          {"delay", LINK_READY},
		{"probe", LINK_READY},      {"permanent", LINK_READY},      {"noarp", LINK_READY},
		{"failed", LINK_RESOLVING}, {"incomplete", LINK_RESOLVING},
	};
	static const char *const addrs[] = {"10.1.0.9", "fd00:1::9"};

	(void)state;
	NEED_LAB();
	/* The states do not pass on by themselves. */
	sh(lab.us, "for t in arp_cache ndisc_cache; do\n"
		   "	ip ntable change name $t dev v1 retrans 100000 delay_probe 100000\n"
		   "done");
	for (size_t i = 0; i < N(cases); i++) {
		for (size_t j = 0; j < N(addrs); j++) {
			bool ready = cases[i].state == LINK_READY;

			assert_int_equal(link_follow(lab.link, NULL, 0), 0);
			sh(lab.us,
			   "ip neigh flush dev v1 nud all\n"
			   "ip neigh replace %s lladdr 02:00:00:00:01:09 dev v1 nud %s",
			   addrs[j], cases[i].nud);
			FOLLOW(addrs[j]);
			CHECK(addrs[j], cases[i].state,
			      .mac = ready ? "02:00:00:00:01:09" : "00:00:00:00:00:00",
			      .device = "v1", .mtu = 1500, .device_mac = "02:00:00:00:01:01");
		}
	}
}

/* @what: an address. */
static bool kernel_gave_up(const void *what)
{
	char command[128];

	snprintf(command, sizeof(command), "ip neigh show %s | grep -q FAILED", (const char *)what);
	return !run(lab.us, command);
}

static void an_unresolved_neighbour_is_asked_for_again(void **state)
{
	(void)state;
	NEED_LAB();
	sh(lab.us,
	   "for t in arp_cache ndisc_cache; do ip ntable change name $t dev v1 retrans 100; done");
	FOLLOW("10.1.0.9", "fd00:1::9");
	CHECK("10.1.0.9", LINK_RESOLVING);
	CHECK("fd00:1::9", LINK_RESOLVING);
	assert_true(loop_until(kernel_gave_up, "10.1.0.9"));
	assert_true(loop_until(kernel_gave_up, "fd00:1::9"));
	assert_int_equal(lab.changes, 0);
	sh(lab.peer, "ip addr add 10.1.0.9/16 dev p1; ip addr add fd00:1::9/64 dev p1 nodad");
	AWAIT("10.1.0.9", LINK_READY, .mac = PEER1);
	AWAIT("fd00:1::9", LINK_READY, .mac = PEER1);
	assert_in_range(lab.changes, 1, 2);
}

static void a_neighbour_that_fails_is_resolving_until_it_is_back(void **state)
{
	static const char *const addrs[] = {"10.1.0.2", "fd00:1::2"};

	(void)state;
	NEED_LAB();
	sh(lab.us,
	   "for t in arp_cache ndisc_cache; do ip ntable change name $t dev v1 retrans 100; done");
	FOLLOW(addrs[0], addrs[1]);
	AWAIT(addrs[0], LINK_READY, .mac = PEER1);
	AWAIT(addrs[1], LINK_READY, .mac = PEER1);
	for (size_t i = 0; i < N(addrs); i++) {
		int bits = i ? 64 : 16;

		lab.changes = 0;
		sh(lab.peer, "ip addr del %s/%d dev p1", addrs[i], bits);
		sh(lab.us, "ip neigh change %s dev v1 nud probe", addrs[i]);
		AWAIT(addrs[i], LINK_RESOLVING, .mac = "00:00:00:00:00:00", .device = "v1");
		assert_int_equal(lab.changes, 1);
		sh(lab.peer, "ip addr add %s/%d dev p1 %s", addrs[i], bits, i ? "nodad" : "");
		AWAIT(addrs[i], LINK_READY, .mac = PEER1);
	}
}

static void a_stale_neighbour_with_a_wrong_mac_is_healed(void **state)
{
	static const char *const addrs[] = {"10.1.0.2", "fd00:1::2"};

	(void)state;
	NEED_LAB();
	sh(lab.us, "for t in arp_cache ndisc_cache; do\n"
		   "	ip ntable change name $t dev v1 retrans 100 delay_probe 100\n"
		   "done");
	for (size_t i = 0; i < N(addrs); i++) {
		sh(lab.us, "ip neigh replace %s lladdr 02:00:00:00:01:66 dev v1 nud stale",
		   addrs[i]);
		FOLLOW(addrs[i]);
		CHECK(addrs[i], LINK_READY, .mac = "02:00:00:00:01:66");
		AWAIT(addrs[i], LINK_READY, .mac = PEER1);
	}
}

/* The peer sends us a datagram that nobody reads. */
static void peer_sends(const char *to)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	struct sluice_addr addr = address(to);
	int fd;

	memcpy(&sin6.sin6_addr, &addr, sizeof(addr));
	assert_int_equal(setns(lab.peer, CLONE_NEWNET), 0);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setns(lab.us, CLONE_NEWNET), 0);
	assert_true(fd >= 0);
	assert_int_equal(sendto(fd, "", 1, 0, (struct sockaddr *)&sin6, sizeof(sin6)), 1);
	close(fd);
}

static void a_new_mac_of_the_neighbour_is_followed(void **state)
{
	(void)state;
	NEED_LAB();
	FOLLOW("10.1.0.2", "fd00:1::2");
	AWAIT("10.1.0.2", LINK_READY, .mac = PEER1);
	AWAIT("fd00:1::2", LINK_READY, .mac = PEER1);
	lab.changes = 0;
	/* It has to ask who we are, and from that our kernel learns the new address. */
	sh(lab.peer, "ip link set p1 address 02:00:00:00:01:99; ip neigh flush dev p1");
	peer_sends("10.1.0.1");
	peer_sends("fd00:1::1");
	AWAIT("10.1.0.2", LINK_READY, .mac = "02:00:00:00:01:99");
	AWAIT("fd00:1::2", LINK_READY, .mac = "02:00:00:00:01:99");
	assert_in_range(lab.changes, 1, 2);
}

static void a_permanent_neighbour_replaced_is_followed_and_stays_permanent(void **state)
{
	static const char *const addrs[] = {"10.1.0.9", "fd00:1::9"};

	(void)state;
	NEED_LAB();
	for (size_t i = 0; i < N(addrs); i++) {
		sh(lab.us, "ip neigh add %s lladdr 02:00:00:00:09:01 dev v1 nud permanent",
		   addrs[i]);
		FOLLOW(addrs[i]);
		CHECK(addrs[i], LINK_READY, .mac = "02:00:00:00:09:01");
		sh(lab.us, "ip neigh show %s | grep -q PERMANENT", addrs[i]);
		lab.changes = 0;
		sh(lab.us, "ip neigh replace %s lladdr 02:00:00:00:09:02 dev v1 nud permanent",
		   addrs[i]);
		AWAIT(addrs[i], LINK_READY, .mac = "02:00:00:00:09:02");
		assert_int_equal(lab.changes, 1);
		sh(lab.us, "ip neigh show %s | grep -q PERMANENT", addrs[i]);
		sh(lab.us, "ip neigh del %s dev v1", addrs[i]);
		AWAIT(addrs[i], LINK_RESOLVING);
	}
}

static void route_changes_are_followed(void **state)
{
	static const struct {
		const char *command;
		struct wish wish;
	} steps[] = {
		{"ip route add 10.5.0.0/16 via 10.1.0.2",
		 WISH("10.5.0.1", LINK_READY, .mac = PEER1, .device = "v1")},
		{"ip route replace 10.5.0.0/16 via 10.2.0.2",
		 WISH("10.5.0.1", LINK_READY, .mac = PEER2, .device = "v2")},
		{"ip route add 10.5.0.1/32 via 10.1.0.2",
		 WISH("10.5.0.1", LINK_READY, .mac = PEER1, .device = "v1")},
		{"ip route del 10.5.0.1/32",
		 WISH("10.5.0.1", LINK_READY, .mac = PEER2, .device = "v2")},
		{"ip route add 10.5.0.0/20 via inet6 fd00:1::2",
		 WISH("10.5.0.1", LINK_READY, .mac = PEER1)},
		{"ip route add default via 10.2.0.2", WISH("192.0.2.1", LINK_READY, .mac = PEER2)},
		{"ip route add blackhole 192.0.2.0/25", WISH("192.0.2.1", LINK_NO_ROUTE)},
		{"ip route add table 100 default via 10.1.0.2; ip rule add to 192.0.2.1 table 100",
		 WISH("192.0.2.1", LINK_READY, .mac = PEER1)},
		{"ip rule del to 192.0.2.1 table 100", WISH("192.0.2.1", LINK_NO_ROUTE)},
		{"ip -6 route add default via fd00:1::2",
		 WISH("fd05::1", LINK_READY, .mac = PEER1, .device = "v1")},
		{"ip -6 route add fd05::/16 via fd00:2::2",
		 WISH("fd05::1", LINK_READY, .mac = PEER2, .device = "v2")},
		{"ip -6 route add table 100 default via fd00:1::2; ip -6 rule add to fd05::1 table "
		 "100",
		 WISH("fd05::1", LINK_READY, .mac = PEER1, .device = "v1")},
		{"ip nexthop add id 7 via 10.1.0.2 dev v1; ip route add 10.6.0.0/16 nhid 7",
		 WISH("10.6.0.1", LINK_READY, .mac = PEER1, .device = "v1")},
		{"ip nexthop replace id 7 via 10.2.0.2 dev v2",
		 WISH("10.6.0.1", LINK_READY, .mac = PEER2, .device = "v2")},
		{"ip addr add 10.6.0.1/32 dev lo", WISH("10.6.0.1", LINK_LOCAL)},
		{"ip addr del 10.6.0.1/32 dev lo",
		 WISH("10.6.0.1", LINK_READY, .mac = PEER2, .device = "v2")},
	};

	(void)state;
	NEED_LAB();
	sh(lab.us, "echo 0 2>/dev/null >/proc/sys/net/ipv4/nexthop_compat_mode || :");
	FOLLOW("10.5.0.1", "192.0.2.1", "fd05::1", "10.6.0.1", "10.4.0.1", "fd04::1");
	for (size_t i = 0; i < N(steps); i++) {
		sh(lab.us, "%s", steps[i].command);
		loop_until(wish_true, &steps[i].wish);
		check_wish(&steps[i].wish);
	}
}

static void a_source_address_taken_away_takes_its_routes(void **state)
{
	(void)state;
	NEED_LAB();
	sh(lab.us, "ip addr add 10.9.0.1/32 dev lo\n"
		   "ip route add 10.5.0.0/16 via 10.1.0.2 src 10.9.0.1");
	FOLLOW("10.5.0.1");
	AWAIT("10.5.0.1", LINK_READY, .mac = PEER1);
	sh(lab.us, "ip addr del 10.9.0.1/32 dev lo");
	AWAIT("10.5.0.1", LINK_NO_ROUTE);
}

static void a_device_down_has_no_route_until_it_is_up(void **state)
{
	(void)state;
	NEED_LAB();
	sh(lab.us, "ip route add 10.5.0.0/16 via 10.1.0.2\n"
		   "ip route add 10.5.0.0/16 via 10.2.0.2 metric 9");
	FOLLOW("10.1.0.2", "fd00:1::2", "10.5.0.1");
	AWAIT("10.1.0.2", LINK_READY, .mac = PEER1);
	AWAIT("fd00:1::2", LINK_READY, .mac = PEER1);
	AWAIT("10.5.0.1", LINK_READY, .mac = PEER1);
	sh(lab.us, "ip link set v1 down");
	AWAIT("10.1.0.2", LINK_NO_ROUTE);
	AWAIT("fd00:1::2", LINK_NO_ROUTE);
	AWAIT("10.5.0.1", LINK_READY, .mac = PEER2, .device = "v2");
	sh(lab.us, "ip link set v1 up\n"
		   "ip addr add fd00:1::1/64 dev v1 nodad; ip addr add fe80::1:1/64 dev v1 nodad");
	AWAIT("10.1.0.2", LINK_READY, .mac = PEER1);
	AWAIT("fd00:1::2", LINK_READY, .mac = PEER1);
	sh(lab.us, "ip link set v1 arp off");
	AWAIT("10.1.0.2", LINK_NO_ROUTE);
	sh(lab.us, "ip link set v1 arp on");
	AWAIT("10.1.0.2", LINK_READY, .mac = PEER1);
	sh(lab.us, "ip link del v1");
	AWAIT("10.1.0.2", LINK_NO_ROUTE);
	AWAIT("fd00:1::2", LINK_NO_ROUTE);
	CHECK("10.5.0.1", LINK_READY, .mac = PEER2, .device = "v2");
}

static void mtu_and_mac_of_the_device_are_followed(void **state)
{
	(void)state;
	NEED_LAB();
	sh(lab.us, "ip route add 10.5.0.0/16 via 10.1.0.2 mtu lock 1300\n"
		   "ip route add 10.6.0.0/16 via 10.1.0.2 mtu 1450\n"
		   "ip route add fd05::/64 via fd00:1::2 mtu 1350");
	FOLLOW("10.1.0.2", "fd00:1::2", "10.5.0.1", "10.6.0.1", "fd05::1");
	AWAIT("10.1.0.2", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1500,
	      .device_mac = "02:00:00:00:01:01");
	CHECK("10.5.0.1", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1300,
	      .device_mac = "02:00:00:00:01:01");
	CHECK("10.6.0.1", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1450,
	      .device_mac = "02:00:00:00:01:01");
	AWAIT("fd05::1", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1350,
	      .device_mac = "02:00:00:00:01:01");
	sh(lab.us, "ip link set v1 mtu 1400");
	AWAIT("10.1.0.2", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1400);
	AWAIT("fd00:1::2", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1400);
	CHECK("10.5.0.1", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1300);
	CHECK("10.6.0.1", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1400);
	CHECK("fd05::1", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1350);
	sh(lab.us, "ip route replace 10.5.0.0/16 via 10.1.0.2 mtu lock 1200");
	AWAIT("10.5.0.1", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1200);
	sh(lab.us, "ip link set v1 address 02:00:00:00:01:77");
	AWAIT("10.1.0.2", LINK_READY, .mac = PEER1, .device = "v1", .mtu = 1400,
	      .device_mac = "02:00:00:00:01:77");
}

static void a_route_over_vlan_devices_leaves_by_the_one_that_sends(void **state)
{
	static const struct wish wishes[] = {
		WISH("10.1.0.2", LINK_READY, .mac = PEER1, .device = "v1"),
		WISH("10.5.0.2", LINK_READY, .mac = "02:00:00:00:05:02", .device = "v1",
		     .mtu = 1400, .device_mac = "02:00:00:00:05:01", .vlan = 5),
		WISH("fd00:5::2", LINK_READY, .mac = "02:00:00:00:05:02", .device = "v1",
		     .mtu = 1400, .device_mac = "02:00:00:00:05:01", .vlan = 5),
		WISH("10.6.0.2", LINK_READY, .mac = "02:00:00:00:06:02", .device = "v1",
		     .mtu = 1400, .device_mac = "02:00:00:00:06:01", .vlan = 6, .s_vlan = 3),
		WISH("fd00:6::2", LINK_READY, .mac = "02:00:00:00:06:02", .device = "v1",
		     .mtu = 1400, .device_mac = "02:00:00:00:06:01", .vlan = 6, .s_vlan = 3),
		WISH("10.7.0.2", LINK_READY, .mac = "02:00:00:00:07:02", .device = "v1",
		     .mtu = 1400, .device_mac = "02:00:00:00:07:01", .vlan = 7, .s_vlan = 5),
		WISH("10.3.0.2", LINK_NO_ROUTE),
		/* One gateway on two devices. */
		WISH("fd0a::1", LINK_READY, .mac = "02:00:00:00:09:01", .device = "v1"),
		WISH("fd0b::1", LINK_READY, .mac = "02:00:00:00:09:05", .device = "v1", .vlan = 5),
		/* The device below is the peer's. */
		WISH("10.4.0.2", LINK_READY, .mac = "02:00:00:00:04:02", .device = "v4"),
	};
	const char *addrs[N(wishes)];

	(void)state;
	NEED_VLAN();
	vlan_add(5, 1, "802.1Q");
	vlan_add(3, 1, "802.1ad");
	vlan_add(6, 3, "802.1Q");
	vlan_add(7, 5, "802.1Q");
	sh(lab.us, "ip neigh add fe80::9 lladdr 02:00:00:00:09:01 dev v1\n"
		   "ip neigh add fe80::9 lladdr 02:00:00:00:09:05 dev v5\n"
		   "ip route add fd0a::/64 via fe80::9 dev v1\n"
		   "ip route add fd0b::/64 via fe80::9 dev v5\n");
	sh(lab.peer, "ip link add link p2 name v4 netns /proc/%d/fd/%d type vlan id 4",
	   (int)getpid(), lab.us);
	sh(lab.us, "ip addr add 10.4.0.1/16 dev v4; ip link set v4 up\n"
		   "ip neigh add 10.4.0.2 lladdr 02:00:00:00:04:02 dev v4");
	for (size_t i = 0; i < N(wishes); i++)
		addrs[i] = wishes[i].addr;
	follow(addrs, N(addrs));
	for (size_t i = 0; i < N(wishes); i++) {
		loop_until(wish_true, &wishes[i]);
		check_wish(&wishes[i]);
	}
}

static void of_too_many_vlan_tags_is_told_once(void **state)
{
	static const struct wish later = WISH("10.1.0.2", LINK_READY, .mtu = 1450);

	(void)state;
	NEED_VLAN();
	vlan_add(5, 1, "802.1Q");
	vlan_add(6, 5, "802.1Q");
	vlan_add(7, 6, "802.1Q");
	vlan_add(8, 7, "802.1Q");
	log_hold();
	FOLLOW("10.6.0.2", "10.7.0.2", "fd00:7::2", "10.1.0.2");
	FOLLOW("10.6.0.2", "10.7.0.2", "fd00:7::2", "10.7.0.3", "10.8.0.2", "10.1.0.2");
	sh(lab.us, "ip link set v1 mtu 1450");
	loop_until(wish_true, &later);
	assert_int_equal(log_release("device v"), 2); /* v7, v8 */
	check_wish(&later);
	CHECK("10.7.0.2", LINK_NO_ROUTE);
	CHECK("fd00:7::2", LINK_NO_ROUTE);
	CHECK("10.8.0.2", LINK_NO_ROUTE);
	AWAIT("10.6.0.2", LINK_READY, .device = "v1", .vlan = 6, .s_vlan = 5);
}

/* Shell: VLAN device lan on $1 with the id $2 and flags. */
#define MAKE \
	"make() {\n" \
	"	below=$1 id=$2; shift 2\n" \
	"	ip link add link $below name lan type vlan id $id \"$@\"\n" \
	"	ip addr add 10.5.0.1/16 dev lan\n" \
	"	ip link set lan up\n" \
	"	neigh\n" \
	"}\n" \
	"neigh() { ip neigh add 10.5.0.2 lladdr 02:00:00:00:05:02 dev lan; }\n"

static void vlan_devices_are_followed(void **state)
{
	static const struct {
		const char *command;
		struct wish wish;
	} steps[] = {
		{"make v1 5", WISH("10.5.0.2", LINK_READY, .device = "v1", .vlan = 5)},
		{"ip link set lan mtu 1300",
		 WISH("10.5.0.2", LINK_READY, .device = "v1", .mtu = 1300, .vlan = 5)},
		{"ip link set lan address 02:00:00:00:05:77; neigh",
		 WISH("10.5.0.2", LINK_READY, .device = "v1", .vlan = 5,
		      .device_mac = "02:00:00:00:05:77")},
		{"ip link del lan", WISH("10.5.0.2", LINK_NO_ROUTE)},
		{"make v1 9", WISH("10.5.0.2", LINK_READY, .device = "v1", .vlan = 9)},
		{"ip link del lan; make v1 10",
		 WISH("10.5.0.2", LINK_READY, .device = "v1", .vlan = 10)},
		{"ip link del lan; make v2 10",
		 WISH("10.5.0.2", LINK_READY, .device = "v2", .vlan = 10)},
		{"ip link del lan; ip link add link v1 name s up type vlan proto 802.1ad id 3\n"
		 "make s 10",
		 WISH("10.5.0.2", LINK_READY, .device = "v1", .vlan = 10, .s_vlan = 3)},
		{"ip link set s down", WISH("10.5.0.2", LINK_NO_ROUTE)},
		{"ip link set s up; neigh",
		 WISH("10.5.0.2", LINK_READY, .device = "v1", .vlan = 10, .s_vlan = 3)},
		{"ip link del lan; make v1 10 loose_binding on",
		 WISH("10.5.0.2", LINK_READY, .device = "v1", .vlan = 10)},
		/* It stays up, with its route. */
		{"ip link set v1 down; ip route get 10.5.0.2 >/dev/null",
		 WISH("10.5.0.2", LINK_NO_ROUTE)},
		{"ip link set v1 up", WISH("10.5.0.2", LINK_READY, .device = "v1", .vlan = 10)},
		{"ip link del v1", WISH("10.5.0.2", LINK_NO_ROUTE)},
	};

	(void)state;
	NEED_VLAN();
	FOLLOW("10.5.0.2");
	for (size_t i = 0; i < N(steps); i++) {
		lab.changes = 0;
		sh(lab.us, MAKE "%s", steps[i].command);
		loop_until(wish_true, &steps[i].wish);
		check_wish(&steps[i].wish);
		assert_in_range(lab.changes, 1, 10);
	}
}

static void what_does_not_concern_us_is_not_told(void **state)
{
	(void)state;
	NEED_LAB();
	sh(lab.us, "ip neigh add 10.1.0.9 lladdr 02:00:00:00:09:01 dev v1\n"
		   "ip route add 10.5.0.0/16 via 10.1.0.9");
	FOLLOW("10.5.0.1");
	CHECK("10.5.0.1", LINK_READY, .mac = "02:00:00:00:09:01");
	sh(lab.us, "ip link add x type veth peer name y; ip link set x up; ip link del x\n"
		   "ip neigh add 10.1.0.10 lladdr 02:00:00:00:09:09 dev v1\n"
		   "ip neigh add 10.1.0.9 lladdr 02:00:00:00:09:09 dev v2\n"
		   "ip route replace 10.5.0.0/16 via 10.1.0.9\n"
		   "ip route add 10.6.0.0/16 via 10.2.0.2\n"
		   "ip rule add to 10.6.0.1 table 100\n"
		   "ip addr add 10.9.0.9/32 dev lo");
	sh(lab.us, "ip neigh replace 10.1.0.9 lladdr 02:00:00:00:09:02 dev v1");
	AWAIT("10.5.0.1", LINK_READY, .mac = "02:00:00:00:09:02");
	assert_int_equal(lab.changes, 1);
}

/* Sets 1000 permanent neighbours 10.1.1.1 .. 10.1.4.250 to one MAC address. */
static void thousand_neighbours(const char *mac)
{
	sh(lab.us,
	   "for i in 1 2 3 4; do for j in $(seq 250); do\n"
	   "	echo neigh replace 10.1.$i.$j lladdr %s dev v1\n"
	   "done; done | ip -batch -",
	   mac);
}

static size_t thousand_addrs(struct sluice_addr *addrs)
{
	size_t n = 0;

	for (unsigned char i = 1; i <= 4; i++) {
		for (unsigned char j = 1; j <= 250; j++)
			addrs[n++] = addr_from_bytes(AF_INET, (unsigned char[]){10, 1, i, j});
	}
	return n;
}

static bool thousand_have(const void *what)
{
	struct sluice_addr addrs[1000];
	struct link_nexthop is;

	for (size_t i = 0; i < thousand_addrs(addrs); i++) {
		assert_true(link_nexthop(lab.link, &addrs[i], &is));
		if (is.state != LINK_READY || !mac_is(is.mac, what))
			return false;
	}
	return true;
}

static void a_burst_of_changes_is_told_together(void **state)
{
	struct sluice_addr addrs[1000];

	(void)state;
	NEED_LAB();
	thousand_neighbours("02:00:00:00:aa:01");
	assert_int_equal(link_follow(lab.link, addrs, thousand_addrs(addrs)), 0);
	assert_true(thousand_have("02:00:00:00:aa:01"));
	thousand_neighbours("02:00:00:00:aa:02");
	assert_true(loop_until(thousand_have, "02:00:00:00:aa:02"));
	assert_in_range(lab.changes, 1, 5);
}

/* What /proc/net/netlink counts as dropped, over all sockets of our namespace. */
static unsigned long drops(void)
{
	_cleanup_(freep) char *line = NULL;
	unsigned long sum = 0, one;
	size_t size = 0;
	FILE *f = fopen("/proc/self/net/netlink", "r");

	assert_non_null(f);
	while (getline(&line, &size, f) > 0) {
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %lu", &one) == 1)
			sum += one;
	}
	fclose(f);
	return sum;
}

static void lost_notices_are_made_up_for(void **state)
{
	struct sluice_addr addrs[1001];
	size_t n;

	(void)state;
	NEED_LAB();
	thousand_neighbours("02:00:00:00:aa:00");
	n = thousand_addrs(addrs);
	addrs[n++] = address("10.5.0.1");
	assert_int_equal(link_follow(lab.link, addrs, n), 0);
	CHECK("10.5.0.1", LINK_NO_ROUTE);
	for (unsigned int round = 1; round < 200 && !drops(); round++) {
		char mac[MAC_TEXT_MAX];

		snprintf(mac, sizeof(mac), "02:00:00:00:bb:%02x", round);
		thousand_neighbours(mac);
	}
	assert_true(drops() > 0);
	/* Nothing is received before the loop runs, so the notices of these are lost too. */
	thousand_neighbours("02:00:00:00:aa:09");
	sh(lab.us, "ip route add 10.5.0.0/16 via 10.1.1.1; ip link set v1 mtu 1400");
	AWAIT("10.5.0.1", LINK_READY, .mac = "02:00:00:00:aa:09", .device = "v1", .mtu = 1400);
	assert_true(loop_until(thousand_have, "02:00:00:00:aa:09"));
}

struct crowd {
	struct sluice_addr *addrs;
	size_t n;
	const char *mac;
};

static bool crowd_ready(const void *what)
{
	const struct crowd *crowd = what;
	struct link_nexthop is;

	for (size_t i = 0; i < crowd->n; i++) {
		assert_true(link_nexthop(lab.link, &crowd->addrs[i], &is));
		if (is.state != LINK_READY || !mac_is(is.mac, crowd->mac))
			return false;
	}
	return true;
}

static void two_thousand_addresses_are_followed(void **state)
{
	_cleanup_(freep) struct sluice_addr *addrs = calloc(2 * 2000, sizeof(*addrs));
	struct crowd crowd = {addrs, 2000, PEER1};
	struct link_nexthop is;

	(void)state;
	NEED_LAB();
	assert_non_null(addrs);
	for (unsigned int i = 0; i < 1000; i++) {
		char text[ADDR_TEXT_MAX];

		snprintf(text, sizeof(text), "192.0.%u.%u", 2 + i / 250, i % 250);
		addrs[i] = address(text);
		snprintf(text, sizeof(text), "2001:db8::%x", 0xffff - i);
		addrs[1000 + i] = address(text);
	}
	memcpy(addrs + 2000, addrs, 2000 * sizeof(*addrs)); /* each twice */
	sh(lab.us, "ip route add default via 10.1.0.2; ip -6 route add default via fd00:1::2");
	assert_int_equal(link_follow(lab.link, addrs, 4000), 0);
	assert_true(loop_until(crowd_ready, &crowd));

	lab.changes = 0;
	sh(lab.us, "ip route replace default via 10.2.0.2; ip -6 route del default; "
		   "ip -6 route add default via fd00:2::2");
	crowd.mac = PEER2;
	assert_true(loop_until(crowd_ready, &crowd));
	assert_in_range(lab.changes, 1, 10);

	assert_int_equal(link_follow(lab.link, addrs, 500), 0);
	crowd.n = 500;
	assert_true(crowd_ready(&crowd));
	assert_false(link_nexthop(lab.link, &addrs[500], &is));
	assert_int_equal(link_follow(lab.link, NULL, 0), 0);
	assert_false(link_nexthop(lab.link, &addrs[0], &is));
}

static bool changed_once(const void *what)
{
	(void)what;
	return lab.changes > 0;
}

static void a_change_met_while_following_anew_is_told_from_the_loop(void **state)
{
	(void)state;
	NEED_LAB();
	sh(lab.us, "ip neigh add 10.1.0.9 lladdr 02:00:00:00:09:01 dev v1\n"
		   "ip neigh add 10.1.0.10 lladdr 02:00:00:00:10:01 dev v1");
	FOLLOW("10.1.0.9");
	sh(lab.us, "ip neigh replace 10.1.0.9 lladdr 02:00:00:00:09:02 dev v1");
	/* One turn of the loop hears of it; it is acted upon a moment later. */
	assert_true(sd_event_run(lab.event, UINT64_MAX) > 0);
	CHECK("10.1.0.9", LINK_READY, .mac = "02:00:00:00:09:01");
	FOLLOW("10.1.0.9", "10.1.0.10");
	assert_int_equal(lab.changes, 0);
	CHECK("10.1.0.10", LINK_READY, .mac = "02:00:00:00:10:01");
	CHECK("10.1.0.9", LINK_READY, .mac = "02:00:00:00:09:02");
	assert_true(loop_until(changed_once, NULL));
	assert_int_equal(lab.changes, 1);
}

static void who_is_told_may_follow_others(void **state)
{
	(void)state;
	NEED_LAB();
	FOLLOW("10.1.0.2");
	lab.follow_when_changed = true;
	assert_true(loop_until(changed_once, NULL));
	AWAIT("10.2.0.2", LINK_READY, .mac = PEER2);
}

static void without_an_event_loop_it_is_asked_once(void **state)
{
	(void)state;
	NEED_LAB();
	link_free(lab.link);
	lab.link = NULL;
	assert_int_equal(link_new(&lab.link, NULL, NULL, NULL), 0);
	sh(lab.us, "ip neigh add 10.1.0.9 lladdr 02:00:00:00:09:01 dev v1");
	FOLLOW("10.1.0.9", "10.1.0.1");
	CHECK("10.1.0.9", LINK_READY, .mac = "02:00:00:00:09:01", .device = "v1", .mtu = 1500);
	CHECK("10.1.0.1", LINK_LOCAL);
}

static void without_privilege_it_waits_for_others_to_resolve(void **state)
{
	(void)state;
	NEED_LAB();
	link_free(lab.link);
	lab.link = NULL;
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(link_new(&lab.link, lab.event, on_changed, &lab), 0);
	FOLLOW("10.1.0.2");
	CHECK("10.1.0.2", LINK_RESOLVING, .device = "v1");
	sh(lab.us, "! ip neigh show 10.1.0.2 | grep .");
	sh(lab.us, "ip neigh add 10.1.0.2 dev v1 use nud none");
	AWAIT("10.1.0.2", LINK_READY, .mac = PEER1);
}

static void states_have_their_words(void **state)
{
	(void)state;
	assert_string_equal(link_state_name(LINK_NO_ROUTE), "no_route");
	assert_string_equal(link_state_name(LINK_RESOLVING), "resolving");
	assert_string_equal(link_state_name(LINK_READY), "ready");
	assert_string_equal(link_state_name(LINK_LOCAL), "local");
	link_free(NULL);
}

#define LAB_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vlan_devices_lead_to_the_one_that_sends),
		cmocka_unit_test(a_device_is_what_its_message_says),
		cmocka_unit_test(a_message_that_is_cut_or_of_another_type_does_no_harm),
		LAB_TEST(direct_neighbours_are_resolved_by_the_kernel),
		LAB_TEST(a_route_leads_to_its_gateway),
		LAB_TEST(one_link_local_gateway_on_two_devices_is_two),
		LAB_TEST(dead_ends_and_own_addresses_are_told_apart),
		LAB_TEST(neighbour_states_are_understood),
		LAB_TEST(an_unresolved_neighbour_is_asked_for_again),
		LAB_TEST(a_neighbour_that_fails_is_resolving_until_it_is_back),
		LAB_TEST(a_stale_neighbour_with_a_wrong_mac_is_healed),
		LAB_TEST(a_new_mac_of_the_neighbour_is_followed),
		LAB_TEST(a_permanent_neighbour_replaced_is_followed_and_stays_permanent),
		LAB_TEST(route_changes_are_followed),
		LAB_TEST(a_source_address_taken_away_takes_its_routes),
		LAB_TEST(a_device_down_has_no_route_until_it_is_up),
		LAB_TEST(mtu_and_mac_of_the_device_are_followed),
		LAB_TEST(a_route_over_vlan_devices_leaves_by_the_one_that_sends),
		LAB_TEST(of_too_many_vlan_tags_is_told_once),
		LAB_TEST(vlan_devices_are_followed),
		LAB_TEST(what_does_not_concern_us_is_not_told),
		LAB_TEST(a_burst_of_changes_is_told_together),
		LAB_TEST(lost_notices_are_made_up_for),
		LAB_TEST(two_thousand_addresses_are_followed),
		LAB_TEST(a_change_met_while_following_anew_is_told_from_the_loop),
		LAB_TEST(who_is_told_may_follow_others),
		LAB_TEST(without_an_event_loop_it_is_asked_once),
		LAB_TEST(without_privilege_it_waits_for_others_to_resolve),
		cmocka_unit_test(states_have_their_words),
	};

	return cmocka_run_group_tests_name("daemon/link", tests, group_setup, group_teardown);
}
