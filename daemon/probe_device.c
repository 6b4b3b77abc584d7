/* SPDX-License-Identifier: MIT */
/*
 * A TAP device that nobody reads: what is sent to it meets the program at its egress, which lets
 * nothing pass. Without ARP each packet gets there, whether or not anyone has the address; with at
 * most one segment a packet the program never sees what is yet to be cut in pieces.
 */
#include "daemon/probe_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "config/cleanup.h"
#include "daemon/netlink.h"
#include "xdp/probe.h"

#define NAME "sluice-probe"
#define MTU 65000u /* routes have one of their own; what goes past them may have any size */

int probe_device_open(struct probe_device *out, struct diag *diag)
{
	_cleanup_(closep) int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	struct probe_device device;
	int err;

	if (fd < 0) {
		err = -errno;
		diag_add(diag, NULL, 0,
			 "/dev/net/tun: %s; checks by tunnel need it: load the module tun, or use "
			 "via = \"direct\"",
			 strerror(-err));
		return err;
	}
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s%%d", NAME);
	if (ioctl(fd, TUNSETIFF, &request)) {
		err = -errno;
		diag_add(diag, NULL, 0, "making the device %sN for checks by tunnel: %s", NAME,
			 strerror(-err));
		return err;
	}
	snprintf(device.name, sizeof(device.name), "%s", request.ifr_name);
	device.ifindex = if_nametoindex(device.name);
	if (!device.ifindex || sscanf(device.name, NAME "%u", &device.slot) != 1 ||
	    device.slot >= PROBE_MARK_SLOTS) {
		diag_add(diag, NULL, 0, "device %s: checks by tunnel take numbers 0 to %u",
			 device.name, PROBE_MARK_SLOTS - 1);
		return -ENOSPC;
	}
	device.fd = TAKE_FD(fd);
	*out = device;
	return 0;
}

/*
 * Where new devices have no IPv6, this one needs it all the same. Best effort: there may be none.
 */
static void allow_ipv6(const char *name)
{
	_cleanup_(closep) int fd = -1;
	char path[80];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) < 0)
		return;
}

/* No address of its own. Best effort: a kernel without IPv6 does not know what this is about. */
static void want_no_address(unsigned int ifindex)
{
	struct netlink_request request;
	struct nlmsghdr *message = netlink_begin(&request, RTM_NEWLINK, 0);
	struct ifinfomsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));
	struct nlattr *families, *family;

	head->ifi_index = (int)ifindex;
	families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	family = mnl_attr_nest_start(message, AF_INET6);
	mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(message, family);
	mnl_attr_nest_end(message, families);
	netlink_ask(message, NULL, NULL);
}

int probe_device_up(const struct probe_device *device)
{
	struct netlink_request request;
	struct nlmsghdr *message = netlink_begin(&request, RTM_NEWLINK, 0);
	struct ifinfomsg *head = mnl_nlmsg_put_extra_header(message, sizeof(*head));

	allow_ipv6(device->name);
	want_no_address(device->ifindex);
	head->ifi_index = (int)device->ifindex;
	head->ifi_flags = IFF_UP | IFF_NOARP;
	head->ifi_change = IFF_UP | IFF_NOARP;
	mnl_attr_put_u32(message, IFLA_MTU, MTU);
	mnl_attr_put_u32(message, IFLA_GSO_MAX_SEGS, 1);
	return netlink_ask(message, NULL, NULL);
}

bool probe_device_exists(unsigned int slot)
{
	char name[IF_NAMESIZE];

	snprintf(name, sizeof(name), NAME "%u", slot);
	return if_nametoindex(name);
}

void probe_device_close(struct probe_device *device)
{
	if (device->fd >= 0)
		close(TAKE_FD(device->fd));
}
