/* SPDX-License-Identifier: MIT */
/*
 * Attributes of rtnetlink messages, read with care; for link.c. An attribute may be NULL: it is not
 * there.
 */
#ifndef SLUICE_DAEMON_LINK_ATTR_H
#define SLUICE_DAEMON_LINK_ATTR_H

#include <libmnl/libmnl.h>
#include <stdbool.h>

#include "config/addr.h"

/* Sets @tb[type] for the attributes after a header of @head bytes; those above @max are skipped. */
void link_attrs(const struct nlattr **tb, unsigned int max, const struct nlmsghdr *nlh,
		size_t head);

/* The same for the attributes inside @parent, which may be NULL: there are none. */
void link_attrs_inside(const struct nlattr **tb, unsigned int max, const struct nlattr *parent);

/* Has the message a header of @size bytes? */
bool link_has_payload(const struct nlmsghdr *nlh, size_t size);

/* A number of 32 bits, or 0. */
uint32_t link_attr_u32(const struct nlattr *attr);

/* A number of 16 bits, in the byte order it came in; or 0. */
uint16_t link_attr_u16(const struct nlattr *attr);

/* A text into @out of @size bytes, cut to fit; without an attribute it is empty. */
void link_attr_text(char *out, size_t size, const struct nlattr *attr);

/* A MAC address into @mac. false, with @mac untouched: it is none. */
bool link_attr_mac(uint8_t mac[6], const struct nlattr *attr);

/* An address of @family into @out. false, with @out untouched: it is none. */
bool link_attr_addr(struct sluice_addr *out, int family, const struct nlattr *attr);

/* Adds @addr to a request, in the size of its family. */
void link_attr_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct sluice_addr *addr);

/* AF_INET or AF_INET6, and the bytes of an address of it. */
int link_addr_family(const struct sluice_addr *addr);
size_t link_addr_size(int family);

#endif
