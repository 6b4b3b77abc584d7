/* SPDX-License-Identifier: MIT */
/*
 * A row for each option: its names, and which function takes its value. getopt_long() gets its
 * tables from the rows.
 */
#include "daemon/helper_options.h"

#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "config/cleanup.h"

const char helper_usage[] =
	"usage: sluice-helper -i INTERFACE [OPTIONS]   run in the foreground\n"
	"       sluice-helper --status [-j]            what runs, and its counters\n"
	"       sluice-helper --detach                 take down what is pinned\n"
	"       sluice-helper --version | --help\n"
	"On a backend: unpacks what balancers tunnel to it by INTERFACE (-i may be repeated), and "
	"sends\n"
	"packets of flows that live on another backend on to that one.\n"
	"\n"
	"  --hints FILE            backends and their numbers are those of this sluice.conf;\n"
	"                          SIGHUP reads it anew\n"
	"  --backend ADDRESS[=N]   instead of a file: a backend, with its id if it has one in the\n"
	"                          balancers' config (repeatable)\n"
	"  --no-decap              leave unpacking to the kernel's tunnel device\n"
	"  --from PREFIX           drop tunnelled packets from elsewhere (repeatable)\n"
	"  --self ADDRESS          the host's addresses are these (repeatable), not all that its\n"
	"                          interfaces have\n"
	"  --netns NAME            sockets are in this network namespace (a name of \"ip netns\", "
	"or a\n"
	"                          path)\n"
	"  --gue-port PORT         UDP port of GUE (repeatable; without it 6080 and 9886)\n"
	"  --rate N                send at most N packets a second and CPU on (100000)\n"
	"  --pin-dir DIR           on a BPF file system (" HELPER_PIN_DIR ")\n"
	"  -v                      debug messages too\n"
	"Stopping it changes nothing for packets: program, maps and attachments are pinned and go "
	"on\n"
	"until --detach.\n";

static const uint16_t default_gue_ports[] = {6080, 9886};

struct row {
	const char *name;
	char letter;     /* 0: none */
	const char *arg; /* what it is, for messages; NULL: it takes none */
	/*
	 * Takes the value; 0, or -errno (-EINVAL: it is not @arg, or a message in @diag says why).
	 */
	int (*take)(struct helper_options *o, const char *value, struct diag *diag);
};

/* --------------------------------------------------------------------------------- the options */

static int take_interface(struct helper_options *o, const char *value, struct diag *diag)
{
	if (!*value || strlen(value) >= IF_NAMESIZE)
		return -EINVAL;
	for (size_t i = 0; i < o->n_ports; i++)
		if (strcmp(o->ports[i], value) == 0)
			return 0;
	if (o->n_ports == HELPER_PORTS_MAX) {
		diag_add(diag, NULL, 0, "more than %d interfaces", HELPER_PORTS_MAX);
		return -EINVAL;
	}
	o->ports[o->n_ports++] = value;
	return 0;
}

static int take_no_decap(struct helper_options *o, const char *value, struct diag *diag)
{
	(void)value;
	(void)diag;
	o->no_decap = true;
	return 0;
}

static int take_from(struct helper_options *o, const char *value, struct diag *diag)
{
	struct addr_prefix *from = reallocarray(o->from, o->n_from + 1, sizeof(*from));
	int err;

	if (!from)
		return -ENOMEM;
	o->from = from;
	err = addr_prefix_parse(&from[o->n_from], value);
	if (!err && addr_prefix_has_ipv4(&from[o->n_from])) {
		diag_add(diag, NULL, 0,
			 "--from %s has all of IPv4 in it; all of IPv6 that is in use is 2000::/3, "
			 "and 100::/64 is what balancers send IP in IP from",
			 value);
		return -EINVAL;
	}
	if (err == -ERANGE) {
		diag_add(diag, NULL, 0, "--from %s has bits set beyond its length", value);
		return -EINVAL;
	}
	o->n_from += !err;
	return err;
}

static int take_hints(struct helper_options *o, const char *value, struct diag *diag)
{
	(void)diag;
	o->hints_file = value;
	return *value ? 0 : -EINVAL;
}

static int take_backend(struct helper_options *o, const char *value, struct diag *diag)
{
	return helper_hints_add(&o->backends, value, diag);
}

static int take_self(struct helper_options *o, const char *value, struct diag *diag)
{
	struct sluice_addr *self = reallocarray(o->self, o->n_self + 1, sizeof(*self));
	int err;

	(void)diag;
	if (!self)
		return -ENOMEM;
	o->self = self;
	err = addr_parse(&self[o->n_self], value);
	o->n_self += !err;
	return err;
}

static int take_netns(struct helper_options *o, const char *value, struct diag *diag)
{
	(void)diag;
	o->netns = value;
	return *value ? 0 : -EINVAL;
}

/* A whole number of @min .. @max. */
static int take_number(const char *value, unsigned long min, unsigned long max, unsigned long *out)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || number < min || number > max)
		return -EINVAL;
	*out = number;
	return 0;
}

static int take_gue_port(struct helper_options *o, const char *value, struct diag *diag)
{
	unsigned long port;

	if (take_number(value, 1, UINT16_MAX, &port))
		return -EINVAL;
	if (o->n_gue_ports == HELPER_GUE_PORTS) {
		diag_add(diag, NULL, 0, "more than %d GUE ports", HELPER_GUE_PORTS);
		return -EINVAL;
	}
	o->gue_ports[o->n_gue_ports++] = (uint16_t)port;
	return 0;
}

static int take_rate(struct helper_options *o, const char *value, struct diag *diag)
{
	unsigned long rate;

	(void)diag;
	if (take_number(value, 0, 1000000000, &rate))
		return -EINVAL;
	o->rate = (unsigned int)rate;
	return 0;
}

static int take_pin_dir(struct helper_options *o, const char *value, struct diag *diag)
{
	(void)diag;
	o->pin_dir = value;
	return *value == '/' ? 0 : -EINVAL;
}

static int take_json(struct helper_options *o, const char *value, struct diag *diag)
{
	(void)value;
	(void)diag;
	o->json = true;
	return 0;
}

static int take_verbose(struct helper_options *o, const char *value, struct diag *diag)
{
	(void)value;
	(void)diag;
	o->verbose = true;
	return 0;
}

static int set_action(struct helper_options *o, enum helper_action action, struct diag *diag)
{
	if (o->action != HELPER_RUN && o->action != action) {
		diag_add(diag, NULL, 0,
			 "one of --status, --detach, --version and --help at a time");
		return -EINVAL;
	}
	o->action = action;
	return 0;
}

static int take_status(struct helper_options *o, const char *value, struct diag *diag)
{
	(void)value;
	return set_action(o, HELPER_STATUS, diag);
}

static int take_detach(struct helper_options *o, const char *value, struct diag *diag)
{
	(void)value;
	return set_action(o, HELPER_DETACH, diag);
}

static int take_version(struct helper_options *o, const char *value, struct diag *diag)
{
	(void)value;
	return set_action(o, HELPER_VERSION, diag);
}

static int take_help(struct helper_options *o, const char *value, struct diag *diag)
{
	(void)value;
	return set_action(o, HELPER_HELP, diag);
}

static const struct row rows[] = {
	{"interface", 'i', "the name of an interface", take_interface},
	{"no-decap", 0, NULL, take_no_decap},
	{"from", 0, "a prefix of IPv4 or IPv6", take_from},
	{"hints", 0, "a file", take_hints},
	{"backend", 0, "an address", take_backend},
	{"self", 0, "an address of IPv4 or IPv6", take_self},
	{"netns", 0, "a network namespace", take_netns},
	{"gue-port", 0, "a port of 1..65535", take_gue_port},
	{"rate", 0, "a number of 0..1000000000", take_rate},
	{"pin-dir", 0, "an absolute path", take_pin_dir},
	{"status", 0, NULL, take_status},
	{"detach", 0, NULL, take_detach},
	{"json", 'j', NULL, take_json},
	{"verbose", 'v', NULL, take_verbose},
	{"version", 0, NULL, take_version},
	{"help", 'h', NULL, take_help},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---------------------------------------------------------------------------------- the command */

static int take(struct helper_options *o, const struct row *row, const char *value,
		struct diag *diag)
{
	size_t before = diag->n;
	int err = row->take(o, value, diag);

	if (err == -EINVAL && diag->n == before)
		diag_add(diag, NULL, 0, "--%s \"%s\" is not %s", row->name, value, row->arg);
	return err;
}

/* What cannot be said together. */
static int check(const struct helper_options *o, struct diag *diag)
{
	if (o->action == HELPER_RUN && !o->n_ports)
		diag_add(diag, NULL, 0, "which interface? -i NAME (\"ip link\" lists them)");
	else if (o->action != HELPER_RUN && o->n_ports)
		diag_add(diag, NULL, 0, "-i is for running only");
	else if (o->json && o->action != HELPER_STATUS)
		diag_add(diag, NULL, 0, "-j is for --status only");
	else if (o->hints_file && o->backends.n)
		diag_add(diag, NULL, 0,
			 "backends come from --hints or from --backend, not from both");
	else
		return 0;
	return -EINVAL;
}

static void set_defaults(struct helper_options *o)
{
	if (o->n_gue_ports)
		return;
	memcpy(o->gue_ports, default_gue_ports, sizeof(default_gue_ports));
	o->n_gue_ports = sizeof(default_gue_ports) / sizeof(default_gue_ports[0]);
}

int helper_options_parse(struct helper_options *out, int argc, char **argv, struct diag *diag)
{
	struct option options[N_ROWS + 1] = {0};
	char letters[2 * N_ROWS + 1] = "";
	int c, index, err = 0;

	*out = (struct helper_options){.rate = HELPER_RATE, .pin_dir = HELPER_PIN_DIR};
	for (size_t i = 0; i < N_ROWS; i++) {
		options[i] =
			(struct option){.name = rows[i].name,
					.has_arg = rows[i].arg ? required_argument : no_argument,
					.val = (int)i + 256};
		if (rows[i].letter)
			snprintf(letters + strlen(letters), sizeof(letters) - strlen(letters),
				 "%c%s", rows[i].letter, rows[i].arg ? ":" : "");
	}
	optind = 0;
	while (!err && (c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		for (index = 0; index < (int)N_ROWS; index++)
			if (c == index + 256 || c == rows[index].letter)
				break;
		/* getopt_long() has said what is wrong. */
		err = index < (int)N_ROWS ? take(out, &rows[index], optarg, diag) : -EINVAL;
	}
	if (!err && optind < argc) {
		diag_add(diag, NULL, 0, "\"%s\" belongs to no option", argv[optind]);
		err = -EINVAL;
	}
	set_defaults(out);
	return err ? err : check(out, diag);
}

void helper_options_fini(struct helper_options *options)
{
	free(options->from);
	free(options->self);
	helper_hints_fini(&options->backends);
	*options = (struct helper_options){0};
}
