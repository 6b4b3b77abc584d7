/* SPDX-License-Identifier: MIT */
/*
 * sluicectl: asks the daemon, prints its answer. One table holds the commands; a row names the
 * operands and options that the command takes, the function that does it, and how its reply is
 * printed. Exit status: 0 done, 1 refused or failed, 2 wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/cleanup.h"
#include "config/diag.h"
#include "config/model.h"
#include "config/suggest.h"
#include "control/client.h"
#include "control/print.h"

#define EXIT_USAGE 2

/* Options that only some commands take. */
#define OPTION_POOL 0x1
#define OPTION_ALL 0x2
#define OPTION_WAIT 0x4
#define OPTION_PURGE 0x8
#define OPTION_NOW 0x10

struct options {
	const char *socket;
	const char *pool; /* or NULL */
	bool json;
	bool all;
	bool purge;
	bool wait;
	bool now;
	unsigned int given; /* OPTION_* */
};

struct command;

/* Does a command whose operands have the right number. Returns the exit status. */
typedef int run_fn(const struct command *command, const struct options *options, char **operands);

struct command {
	const char *name;
	const char *operands; /* for people */
	const char *help;
	int n_operands;       /* at least */
	int max_operands;     /* at most */
	unsigned int options; /* OPTION_* that it takes */
	run_fn *run;
	print_fn *print; /* for replies that are not printed as JSON */
};

static run_fn run_plain, run_backend, run_drain, run_weight, run_vip, run_flows, run_reload,
	run_health, run_watch, run_help;

static const struct command commands[] = {
	{"status", "", "the daemon: config, interfaces, sizes", 0, 0, 0, run_plain, print_status},
	{"vips", "", "the VIPs and their traffic", 0, 0, 0, run_plain, print_vips},
	{"backends", "", "the backends: state, weight, next hop, traffic", 0, 0, 0, run_plain,
	 print_backends},
	{"counters", "[-v]", "why packets left the program, in all and for each VIP", 0, 0,
	 OPTION_ALL, run_plain, print_counters},
	{"drain", "BACKEND [--pool P] [--wait]", "no new flows for it; those it has, stay", 1, 1,
	 OPTION_POOL | OPTION_WAIT, run_drain, print_changed},
	{"activate", "BACKEND [--pool P]", "new flows for it: ends drain and disable", 1, 1,
	 OPTION_POOL, run_backend, print_changed},
	{"disable", "BACKEND [--pool P]", "nothing for it any more", 1, 1, OPTION_POOL, run_backend,
	 print_changed},
	{"enable", "BACKEND [--pool P]", "the same as activate", 1, 1, OPTION_POOL, run_backend,
	 print_changed},
	{"weight", "BACKEND N|config [--pool P]", "its weight is N, or the config's again", 2, 2,
	 OPTION_POOL, run_weight, print_changed},
	{"reload", "[--now]", "the daemon reads its config anew", 0, 0, OPTION_NOW, run_reload,
	 print_reload},
	{"ring", "VIP", "who owns how many slots, and what moves", 1, 1, 0, run_vip, print_ring},
	{"digest", "", "a digest of each ring, equal on balancers that agree", 0, 0, 0, run_plain,
	 print_digest},
	{"flows", "[VIP] [--purge]", "the flows that are known, by backend", 0, 1, OPTION_PURGE,
	 run_flows, print_flows},
	{"health", "[BACKEND]", "the checks: targets, results, what is next", 0, 1, 0, run_health,
	 print_health},
	{"watch", "", "what changes, as it happens, until interrupted", 0, 0, 0, run_watch,
	 print_event},
	{"settle", "[VIP]", "ends a change now: its old owners are forgotten", 0, 1, 0, run_vip,
	 print_settle},
	{"help", "", "this text", 0, 0, 0, run_help, NULL},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct option long_options[] = {
	{"json", no_argument, NULL, 'j'},       {"socket", required_argument, NULL, 's'},
	{"pool", required_argument, NULL, 'p'}, {"all", no_argument, NULL, 'v'},
	{"wait", no_argument, NULL, 'w'},       {"purge", no_argument, NULL, 'P'},
	{"now", no_argument, NULL, 'n'},        {"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},    {0},
};

/* --------------------------------------------------------------------------- talking to sluiced */

static void report(const struct diag *diag)
{
	for (size_t i = 0; i < diag->n; i++) {
		_cleanup_(freep) char *text = diag_entry_text(&diag->entries[i]);

		fprintf(stderr, "sluicectl: %s\n", text ? text : diag->entries[i].text);
	}
	if (!diag->n)
		fprintf(stderr, "sluicectl: %s\n", strerror(ENOMEM));
}

/* Asks for the command called @name with @args (taken over). 0, or -errno, which was reported. */
static int fetch(json_t **document, const char *name, const struct options *options, json_t *args)
{
	_cleanup_(client_freep) struct client *client = NULL;
	_cleanup_(json_decrefp) json_t *own_args = args;
	_cleanup_(diag_fini) struct diag diag = {0};
	int err = client_open(&client, options->socket, CLIENT_TIMEOUT_MS, &diag);

	if (!err)
		err = client_ask(client, document, name, TAKE(own_args), &diag);
	if (err)
		report(&diag);
	return err;
}

/* Sends the command with @args (taken over) and prints its reply. Returns the exit status. */
static int ask(const struct command *command, const struct options *options, json_t *args)
{
	_cleanup_(json_decrefp) json_t *document = NULL;
	print_fn *print = options->json ? print_json : command->print;

	if (fetch(&document, command->name, options, args))
		return EXIT_FAILURE;
	if (!print(stdout, document, options->all))
		return EXIT_SUCCESS;
	fprintf(stderr, "sluicectl: %s\n", strerror(ENOMEM));
	return EXIT_FAILURE;
}

static int run_plain(const struct command *command, const struct options *options, char **operands)
{
	(void)operands;
	return ask(command, options, NULL);
}

/* The arguments that name a backend; NULL with a message: no memory, or a name is not UTF-8. */
static json_t *backend_args(const struct options *options, const char *backend)
{
	json_t *args = json_pack("{s:s, s:s*}", "backend", backend, "pool", options->pool);

	if (!args)
		fprintf(stderr, "sluicectl: backend \"%s\": not a name in UTF-8\n", backend);
	return args;
}

static int run_backend(const struct command *command, const struct options *options,
		       char **operands)
{
	json_t *args = backend_args(options, operands[0]);

	return args ? ask(command, options, args) : EXIT_FAILURE;
}

/*
 * How many live flows the backend has, by the `flows` document, and whether it is given time for
 * them.
 */
static json_int_t count_flows(const json_t *document, const char *backend, const char *pool,
			      bool *leaving)
{
	const json_t *b;
	json_int_t sum = 0;
	size_t i;

	*leaving = false;
	json_array_foreach (json_object_get(document, "backends"), i, b) {
		const char *name = json_string_value(json_object_get(b, "name"));
		const char *of = json_string_value(json_object_get(b, "pool"));

		if (!name || !of || strcmp(name, backend) != 0 || (pool && strcmp(of, pool) != 0))
			continue;
		sum += json_integer_value(json_object_get(b, "flows"));
		*leaving |= json_is_true(json_object_get(b, "leaving"));
	}
	return sum;
}

/*
 * Waits until the backend has no flow that is known, or its time is over. A flow is known from its
 * first packet after the change, so none is trusted before the table's age is over.
 */
static int wait_for_drain(const struct options *options, const char *backend)
{
	for (json_int_t waited = 0;; waited++) {
		_cleanup_(json_decrefp) json_t *document = NULL;
		json_int_t flows;
		bool leaving;

		if (fetch(&document, "flows", options, NULL))
			return EXIT_FAILURE;
		flows = count_flows(document, backend, options->pool, &leaving);
		if (!leaving ||
		    (!flows && waited > json_integer_value(json_object_get(document, "age_s"))))
			return EXIT_SUCCESS;
		sleep(1);
	}
}

static int run_drain(const struct command *command, const struct options *options, char **operands)
{
	int status = run_backend(command, options, operands);

	if (status || !options->wait)
		return status;
	fflush(stdout);
	return wait_for_drain(options, operands[0]);
}

static int run_reload(const struct command *command, const struct options *options, char **operands)
{
	(void)operands;
	return ask(command, options, options->now ? json_pack("{s:b}", "now", 1) : NULL);
}

static int run_health(const struct command *command, const struct options *options, char **operands)
{
	return ask(command, options, operands[0] ? backend_args(options, operands[0]) : NULL);
}

/* Prints events as they come. 0 or -errno, which was reported. */
static int print_events(const struct command *command, const struct options *options,
			struct client *client)
{
	print_fn *print = options->json ? print_json_line : command->print;
	_cleanup_(diag_fini) struct diag diag = {0};
	int err = 0;

	while (!err && !ferror(stdout)) {
		_cleanup_(json_decrefp) json_t *event = NULL;
		enum proto_type type;

		err = client_receive(client, &type, &event, &diag);
		if (!err && type == PROTO_EVENT)
			err = print(stdout, event, false);
		fflush(stdout);
	}
	if (err)
		report(&diag);
	return err;
}

/* Waits without limit: that nothing happens is no fault. */
static int run_watch(const struct command *command, const struct options *options, char **operands)
{
	_cleanup_(client_freep) struct client *client = NULL;
	_cleanup_(json_decrefp) json_t *reply = NULL;
	_cleanup_(diag_fini) struct diag diag = {0};
	int err = client_open(&client, options->socket, 0, &diag);

	(void)operands;
	if (!err)
		err = client_ask(client, &reply, command->name, NULL, &diag);
	if (err) {
		report(&diag);
		return EXIT_FAILURE;
	}
	return print_events(command, options, client) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The VIP is an argument, if it is given. */
static int run_vip(const struct command *command, const struct options *options, char **operands)
{
	return ask(command, options,
		   operands[0] ? json_pack("{s:s}", "vip", operands[0]) : json_object());
}

static int run_flows(const struct command *command, const struct options *options, char **operands)
{
	return ask(command, options,
		   json_pack("{s:s*, s:b}", "vip", operands[0], "purge", options->purge));
}

/* Reads a weight; "config" is 0. Returns -1 if it is none. */
static long weight_parse(const char *text)
{
	unsigned long n;
	char *end;

	if (!strcmp(text, "config"))
		return 0;
	if (strspn(text, "0123456789") != strlen(text))
		return -1;
	errno = 0;
	n = strtoul(text, &end, 10);
	return end == text || errno || n < MODEL_WEIGHT_MIN || n > MODEL_WEIGHT_MAX ? -1 : (long)n;
}

static int run_weight(const struct command *command, const struct options *options, char **operands)
{
	long weight = weight_parse(operands[1]);
	json_t *args;

	if (weight < 0) {
		fprintf(stderr, "sluicectl: weight \"%s\": %u..%u or \"config\" is allowed\n",
			operands[1], MODEL_WEIGHT_MIN, MODEL_WEIGHT_MAX);
		return EXIT_USAGE;
	}
	args = backend_args(options, operands[0]);
	if (!args)
		return EXIT_FAILURE;
	json_object_set_new(args, "weight", json_integer(weight));
	return ask(command, options, args);
}

/* ----------------------------------------------------------------------------- the command line */

static void print_usage(FILE *out)
{
	fputs("usage: sluicectl [-j] [-s SOCKET] COMMAND [OPERAND...]\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const struct command *c = &commands[i];
		int n = fprintf(out, "  %s %s", c->name, c->operands);

		fprintf(out, "%*s%s\n", n < 38 ? 38 - n : 1, "", c->help);
	}
	fputs("\n"
	      "  -j, --json           print the reply as one JSON document\n"
	      "  -s, --socket SOCKET  the daemon's control socket; default " MODEL_SOCKET "\n"
	      "  -p, --pool P         the backend of this pool, not of every pool that has the "
	      "name\n"
	      "  -v, --all            also counters that are zero\n"
	      "      --wait           return when its flows are gone, or their time is over\n"
	      "      --purge          forget all flows\n"
	      "      --now            backends that are gone from the config lose their flows now\n"
	      "  -h, --help           this text\n"
	      "      --version        the version of sluicectl\n"
	      "\n"
	      "Exit status: 0 done, 1 refused or failed, 2 wrong usage.\n",
	      out);
}

static int run_help(const struct command *command, const struct options *options, char **operands)
{
	(void)command;
	(void)options;
	(void)operands;
	print_usage(stdout);
	return EXIT_SUCCESS;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static int unknown_command(const char *name)
{
	struct suggest meant = {.word = name};

	for (size_t i = 0; i < N_COMMANDS; i++)
		suggest_offer(&meant, commands[i].name);
	fprintf(stderr, "sluicectl: unknown command \"%s\"", name);
	if (meant.best)
		fprintf(stderr, ", did you mean \"%s\"?\n", meant.best);
	else
		fputs(" (sluicectl help lists them)\n", stderr);
	return EXIT_USAGE;
}

/* Reads the options into @o. Returns -1 to go on, else the exit status. */
static int read_options(struct options *o, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "js:p:vhV", long_options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			o->json = true;
			break;
		case 's':
			o->socket = optarg;
			break;
		case 'p':
			o->pool = optarg;
			o->given |= OPTION_POOL;
			break;
		case 'v':
			o->all = true;
			o->given |= OPTION_ALL;
			break;
		case 'w':
			o->wait = true;
			o->given |= OPTION_WAIT;
			break;
		case 'P':
			o->purge = true;
			o->given |= OPTION_PURGE;
			break;
		case 'n':
			o->now = true;
			o->given |= OPTION_NOW;
			break;
		case 'h':
			print_usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("sluicectl " SLUICE_VERSION);
			return EXIT_SUCCESS;
		default: /* getopt_long() told what is wrong */
			fputs("sluicectl help shows what is allowed\n", stderr);
			return EXIT_USAGE;
		}
	}
	return -1;
}

static int run(int argc, char **argv)
{
	struct options options = {.socket = MODEL_SOCKET};
	const struct command *command;
	int status, n;

	status = read_options(&options, argc, argv);
	if (status >= 0)
		return status;
	if (optind == argc) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	command = find_command(argv[optind]);
	if (!command)
		return unknown_command(argv[optind]);
	n = argc - optind - 1;
	if (n < command->n_operands || n > command->max_operands ||
	    options.given & ~command->options) {
		fprintf(stderr, "usage: sluicectl [-j] [-s SOCKET] %s%s%s\n", command->name,
			*command->operands ? " " : "", command->operands);
		return EXIT_USAGE;
	}
	return command->run(command, &options, argv + optind + 1);
}

int main(int argc, char **argv)
{
	int status = run(argc, argv);

	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "sluicectl: cannot write the output: %s\n", strerror(errno));
		return status ? status : EXIT_FAILURE;
	}
	return status;
}
