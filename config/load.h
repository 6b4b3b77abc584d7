/* SPDX-License-Identifier: MIT */
/*
 * Config file (libconfig) -> model. Every error of the file is reported, not just the first:
 * "FILE:LINE: what, value, what is allowed"; an unknown key names the one it resembles.
 */
#ifndef SLUICE_CONFIG_LOAD_H
#define SLUICE_CONFIG_LOAD_H

#include "config/diag.h"
#include "config/model.h"

/*
 * The file may take in others, each on a line of its own: @include "pools.conf", relative to the
 * directory of the file that says so. Messages name the file and line that the reader sees.
 *
 * A VIP's sources_file, likewise relative, has one source a line: "PREFIX pool NAME" or "PREFIX
 * backend NAME [POOL]", the VIP's pool being the default, with # comments and empty lines.
 *
 * IPv6 prefixes that have the mapped form of IPv4 in them, such as ::/0, are meant for IPv6 alone:
 * where allow, deny or sources have one but not 0.0.0.0/0, the model has that, too, and it stands
 * for what IPv4 clients get that no other prefix names.
 *
 * Reads @path into a new model, which the caller frees with model_free().
 * 0; -ENOMEM; -EIO: the file cannot be read; -EINVAL: it has errors. After -EIO and -EINVAL
 * @diag holds at least one message, in the order of the lines, and @out is untouched. @diag stays
 * as it was otherwise. Looks at nothing but the files (programs and certificates of checks must be
 * there, too) and the group database: whether an interface exists is asked when it is used.
 */
int load_file(struct model **out, const char *path, struct diag *diag);

#endif
