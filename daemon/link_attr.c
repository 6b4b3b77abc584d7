/* SPDX-License-Identifier: MIT */
/*
 * Nothing is believed of a message: what is missing or of another size is as good as not there.
 */
#include "daemon/link_attr.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void link_attrs(const struct nlattr **tb, unsigned int max, const struct nlmsghdr *nlh, size_t head)
{
	const struct nlattr *attr;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	mnl_attr_for_each(attr, nlh, head)
	{
		if (mnl_attr_get_type(attr) <= max)
			tb[mnl_attr_get_type(attr)] = attr;
	}
}

void link_attrs_inside(const struct nlattr **tb, unsigned int max, const struct nlattr *parent)
{
	const struct nlattr *attr;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	if (!parent)
		return;
	mnl_attr_for_each_nested(attr, parent)
	{
		if (mnl_attr_get_type(attr) <= max)
			tb[mnl_attr_get_type(attr)] = attr;
	}
}

bool link_has_payload(const struct nlmsghdr *nlh, size_t size)
{
	return mnl_nlmsg_get_payload_len(nlh) >= size;
}

uint32_t link_attr_u32(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : 0;
}

uint16_t link_attr_u16(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= 2 ? mnl_attr_get_u16(attr) : 0;
}

void link_attr_text(char *out, size_t size, const struct nlattr *attr)
{
	size_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

	snprintf(out, size, "%.*s", (int)len, len ? mnl_attr_get_str(attr) : "");
}

bool link_attr_mac(uint8_t mac[6], const struct nlattr *attr)
{
	if (!attr || mnl_attr_get_payload_len(attr) != 6)
		return false;
	memcpy(mac, mnl_attr_get_payload(attr), 6);
	return true;
}

size_t link_addr_size(int family)
{
	return family == AF_INET ? 4 : 16;
}

int link_addr_family(const struct sluice_addr *addr)
{
	return addr_is_v4(addr) ? AF_INET : AF_INET6;
}

bool link_attr_addr(struct sluice_addr *out, int family, const struct nlattr *attr)
{
	if (!attr || mnl_attr_get_payload_len(attr) != link_addr_size(family))
		return false;
	*out = addr_from_bytes(family, mnl_attr_get_payload(attr));
	return true;
}

void link_attr_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct sluice_addr *addr)
{
	size_t size = link_addr_size(link_addr_family(addr));

	mnl_attr_put(nlh, type, size, (const char *)addr + sizeof(*addr) - size);
}
