/* SPDX-License-Identifier: MIT */
/*
 * Client prefixes: allow, deny, sources, and files of sources.
 */
#include "config/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/lib/load_text.h"

/* Two pools; the VIP's keys begin in line 3. */
#define POOLS \
	"pools = ( { name = 'web'; backends = ( { name = 'web-1'; address = '10.0.0.1'; }, " \
	"{ name = 'web-2'; address = '2001:db8::2'; } ); }, { name = 'other'; backends = ( " \
	"{ name = 'web-1'; address = '10.0.0.3'; } ); } );\n"
#define WWW(rest) ETH0 POOLS VIPS(VIP(rest))
#define VIP_WWW "sluice.conf:3: vip 'www': "
#define NO_PREFIX " is neither an IPv4 nor an IPv6 address or prefix\n"
#define ELEMENTS " must be an array [ ... ] or a list ( ... ), not "

static void refuses_bad_access_lists(void **state)
{
	static const struct row rows[] = {
		{WWW("allow = '10.0.0.0/8';"), VIP_WWW "allow" ELEMENTS "a string '...'\n"},
		{WWW("deny = true;"), VIP_WWW "deny" ELEMENTS "true or false\n"},
		{WWW("allow = [ 1 ]; deny = ( [ '10.0.0.0/8' ] );"),
		 VIP_WWW "allow: element 1 must be a string '...', not a whole number\n" VIP_WWW
			 "deny: element 1 must be a string '...', not an array [ ... ]\n"},
		{WWW("allow = [ '10.0.0.0/8',\n'10.0.0/8' ]; deny = ( 'x' );"),
		 "sluice.conf:4: vip 'www': allow '10.0.0/8'" NO_PREFIX
		 "sluice.conf:4: vip 'www': deny 'x'" NO_PREFIX},
		{WWW("deny = [ '2001:db8::1/32' ];"),
		 VIP_WWW "deny 2001:db8::1/32 has bits set beyond its length; the prefix is "
			 "2001:db8::/32\n"},
		{WWW("allow = [ '10.0.0.0/8',\n'::ffff:10.0.0.0/104' ];"),
		 "sluice.conf:4: vip 'www': prefix 10.0.0.0/8 is there already, see "
		 "sluice.conf:3\n"},
		{WWW("allow = [ '10.0.0.1' ];\ndeny = ( '10.0.0.1/32' );"),
		 "sluice.conf:4: vip 'www': prefix 10.0.0.1 is there already, see "
		 "sluice.conf:3\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void assert_prefixes(const struct addr_prefix *list, size_t n, const char *expected)
{
	char got[512] = "", text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		strcat(got, i ? " " : "");
		strcat(got, addr_prefix_print(&list[i], text));
	}
	assert_string_equal(got, expected);
}

/* "PREFIX POOL[/BACKEND], ..." */
static void assert_sources(const struct model_vip *vip, const char *expected)
{
	char got[512] = "", text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < vip->n_sources; i++) {
		const struct model_target *target = &vip->targets[vip->sources[i].target];
		size_t len = strlen(got);

		assert_true(vip->sources[i].target < vip->n_targets);
		snprintf(got + len, sizeof(got) - len, "%s%s %s%s%s", len ? ", " : "",
			 addr_prefix_print(&vip->sources[i].prefix, text), target->pool->name,
			 target->backend ? "/" : "", target->backend ? target->backend->name : "");
	}
	assert_string_equal(got, expected);
}

static void takes_access_lists(void **state)
{
	/* what another VIP has, or the sources, is not there already */
	struct model *model = assert_loads(ETH0 POOLS VIPS(VIP(
		"allow = [ '10.0.0.0/8', '2001:db8::/32' ]; deny = ( "
		"'10.1.0.0/16', '10.1.2.3' ); sources = ( { prefix = '10.0.0.0/8'; "
		"pool = 'other'; } );") ", { name = 'two'; address = '198.18.0.81';"
					"port = 0; protocol = 'tcp'; pool = 'web'; allow = []; "
					"deny = [ '10.0.0.0/8' ]; }, { name = 'none'; address = "
					"'198.18.0.82'; port = 1; protocol = 'tcp'; pool = 'web'; "
					"}"));
	const struct model_vip *www = &model->vips[0], *two = &model->vips[1];

	(void)state;
	assert_prefixes(www->allow, www->n_allow, "10.0.0.0/8 2001:db8::/32");
	assert_prefixes(www->deny, www->n_deny, "10.1.0.0/16 10.1.2.3");
	assert_int_equal(two->n_allow, 0);
	assert_prefixes(two->deny, two->n_deny, "10.0.0.0/8");
	assert_true(www->access_digest && two->access_digest);
	assert_true(model->vips[2].access_digest == 0 && model->vips[2].sources_digest == 0);
	model_free(model);
}

#define SOURCE(rest) WWW("sources = (\n{ " rest " } );")
#define OF_SOURCE "sluice.conf:4: vip 'www': source: "

static void refuses_bad_sources(void **state)
{
	static const struct row rows[] = {
		{WWW("sources = [ '10.0.0.0/8' ];"),
		 VIP_WWW "sources must be a list ( ... ), not an array [ ... ]\n"},
		{WWW("sources = ( '10.0.0.0/8' );"),
		 VIP_WWW "sources: element 1 must be a group { ... }, not a string '...'\n"},
		{SOURCE(""),
		 OF_SOURCE "prefix is missing\n" OF_SOURCE "pool or backend is missing\n"},
		{SOURCE("prefix = '10.0.0.0/8'; backends = 'web-1';"),
		 "sluice.conf:4: unknown key 'backends' in source; did you mean "
		 "'backend'?\n" OF_SOURCE "pool or backend is missing\n"},
		{SOURCE("prefix = 7; pool = 7; backend = 'web-1';"),
		 OF_SOURCE "prefix must be a string '...', not a whole number\n" OF_SOURCE
			   "pool must be a string '...', not a whole number\n"},
		{SOURCE("prefix = '10.0.0.0/40'; pool = 'otter';"),
		 OF_SOURCE "prefix '10.0.0.0/40'" NO_PREFIX OF_SOURCE
			   "pool 'otter' does not exist; did you mean 'other'?\n"},
		{SOURCE("prefix = '10.9.0.0/8'; backend = 'web-3';"),
		 OF_SOURCE "prefix 10.9.0.0/8 has bits set beyond its length; the prefix is "
			   "10.0.0.0/8\n" OF_SOURCE
			   "backend 'web-3' does not exist in pool 'web'; did you mean 'web-1'?\n"},
		{SOURCE("prefix = '10.0.0.0/8'; backend = 'web-2'; pool = 'other';"),
		 OF_SOURCE "backend 'web-2' does not exist in pool 'other'; did you mean "
			   "'web-1'?\n"},
		{SOURCE("prefix = '10.0.0.0/8'; pool = 'other'; },\n{ prefix = '10.0.0.0/9'; "
			"pool = 'other'; },\n{ prefix = '10.0.0.0/8'; pool = 'web';"),
		 "sluice.conf:6: vip 'www': source: prefix 10.0.0.0/8 is there already, see "
		 "sluice.conf:4\n"},
		/* the VIP's own pool is not there: that is said once */
		{ETH0 VIPS(VIP("sources = ( { prefix = '10.0.0.0/8'; backend = 'web-1'; } );")),
		 "sluice.conf:2: vip 'www': pool 'web' does not exist\n"},
	};

	(void)state;
	ASSERT_ROWS(rows);
}

static void has_one_target_for_each_pool_and_backend(void **state)
{
	struct model *model =
		assert_loads(WWW("sources = ( { prefix = '10.0.0.0/8'; pool = 'other'; },"
				 "{ prefix = '10.1.0.0/16'; backend = 'web-1'; },"
				 "{ prefix = '10.2.0.0/16'; backend = 'web-1'; pool = 'other'; },"
				 "{ prefix = '2001:db8::/32'; backend = 'web-1'; pool = 'web'; },"
				 "{ prefix = '2001:db8::/33'; pool = 'web'; },"
				 "{ prefix = '10.3.0.0/16'; pool = 'other'; } );"));
	const struct model_vip *vip = &model->vips[0];

	(void)state;
	assert_sources(vip, "10.0.0.0/8 other, 10.1.0.0/16 web/web-1, 10.2.0.0/16 other/web-1, "
			    "2001:db8::/32 web/web-1, 2001:db8::/33 web, 10.3.0.0/16 other");
	assert_int_equal(vip->n_targets, 4);
	assert_ptr_equal(vip->targets[0].pool, &model->pools[1]);
	assert_null(vip->targets[0].backend);
	assert_ptr_equal(vip->targets[1].backend, &model->pools[0].backends[0]);
	assert_ptr_equal(vip->targets[2].backend, &model->pools[1].backends[0]);
	assert_true(vip->sources_digest && !vip->access_digest);
	model_free(model);
}

static void reads_sources_from_a_file(void **state)
{
	struct model *model;

	(void)state;
	load_text_write("sub/clients.txt", "# who goes where\n"
					   "\n"
					   " \t \n"
					   "10.0.0.0/8 pool other\n"
					   "  10.1.0.0/16\tbackend  web-1 # of our pool\r\n"
					   "10.2.0.0/16 backend web-1 other #\n"
					   "2001:db8::1 backend web-2 web");
	load_text_write("sub/vips.conf", VIPS(VIP("sources_file = 'clients.txt';"
						  "sources = ( { prefix = '10.3.0.0/16'; "
						  "pool = 'web'; } );")));
	model = assert_loads(ETH0 POOLS "@include 'sub/vips.conf'\n");
	assert_sources(&model->vips[0],
		       "10.3.0.0/16 web, 10.0.0.0/8 other, 10.1.0.0/16 web/web-1, 10.2.0.0/16 "
		       "other/web-1, 2001:db8::1 web/web-2");
	assert_int_equal(model->n_files, 3);
	assert_string_equal(model->files[2], "sub/clients.txt");
	model_free(model);
	load_text_write("empty.txt", "");
	model = assert_loads(WWW("sources_file = 'empty.txt';"));
	assert_int_equal(model->vips[0].n_sources, 0);
	assert_true(model->vips[0].sources_digest == 0);
	model_free(model);
}

#define NO_FORM "not of the form 'PREFIX pool NAME' or 'PREFIX backend NAME [POOL]'\n"

static void names_the_line_of_a_file(void **state)
{
	(void)state;
	load_text_write("clients.txt", "10.0.0.0/8 pool other\n"
				       "10.0.0.0/8 pool web\n"
				       "10.3.0.0/16 backend web-1 # in the config, too\n"
				       "10.4.0.0/16\n"
				       "10.4.0.0/16 pool\n"
				       "10.4.0.0/16 pool # other\n"
				       "10.4.0.0/16 pool other web-1\n"
				       "10.4.0.0/16 backend web-1 other 5\n"
				       "10.4.0.0/16 server web-1\n"
				       "10.4.0.1/16 pool otter\n"
				       "x backend web-9\n");
	assert_refused(
		WWW("hash = 'x';\nsources_file = 'clients.txt';\nsources = ( { prefix = "
		    "'10.3.0.0/16'; pool = 'web'; } );") "nonsense = 1;\n",
		"sluice.conf:3: vip 'www': hash 'x' is not known; known: 'tuple', "
		"'no_source_port', 'destination_port', 'with_destination_port'\n"
		"clients.txt:2: vip 'www': prefix 10.0.0.0/8 is there already, see clients.txt:1\n"
		"clients.txt:3: vip 'www': prefix 10.3.0.0/16 is there already, see "
		"sluice.conf:5\n"
		"clients.txt:4: vip 'www': " NO_FORM "clients.txt:5: vip 'www': " NO_FORM
		"clients.txt:6: vip 'www': " NO_FORM "clients.txt:7: vip 'www': " NO_FORM
		"clients.txt:8: vip 'www': " NO_FORM "clients.txt:9: vip 'www': " NO_FORM
		"clients.txt:10: vip 'www': prefix 10.4.0.1/16 has bits set beyond its length; the "
		"prefix is 10.4.0.0/16\n"
		"clients.txt:10: vip 'www': pool 'otter' does not exist; did you mean 'other'?\n"
		"clients.txt:11: vip 'www': prefix 'x'" NO_PREFIX
		"clients.txt:11: vip 'www': backend 'web-9' does not exist in pool 'web'; did you "
		"mean 'web-1'?\n"
		"sluice.conf:6: unknown key 'nonsense'\n");
}

static void shows_20_errors_of_a_file(void **state)
{
	char lines[1024] = "", messages[4096] = "";

	(void)state;
	for (unsigned int i = 1; i <= 20; i++) {
		strcat(lines, "10.0.0.0/8\n");
		snprintf(messages + strlen(messages), sizeof(messages) - strlen(messages),
			 "clients.txt:%u: vip 'www': " NO_FORM, i);
	}
	load_text_write("clients.txt", lines);
	assert_refused(WWW("sources_file = 'clients.txt';"), messages);
	strcat(lines, "11.0.0.0/8 pool web\nx\n\ny pool z\n");
	strcat(messages, "clients.txt: vip 'www': and 3 more\n");
	load_text_write("clients.txt", lines);
	assert_refused(WWW("sources_file = 'clients.txt';"), messages);
}

/* A line of @len bytes that is good but for its length; @zero: with a NUL byte in the comment. */
static void write_long_line(size_t len, int zero)
{
	FILE *f = fopen("clients.txt", "w");
	char line[1024];

	assert_non_null(f);
	memset(line, '#', sizeof(line));
	memcpy(line, "10.0.0.0/8 pool web ", 20);
	if (zero)
		line[len - 1] = '\0';
	assert_int_equal(fwrite(line, 1, len, f), len);
	fputs("\n11.0.0.0/8 pool web", f);
	assert_int_equal(fclose(f), 0);
}

static void refuses_lines_that_are_no_text(void **state)
{
	static const char message[] =
		"clients.txt:1: vip 'www': the line has a NUL byte, or more than 511 bytes\n";
	struct model *model;

	(void)state;
	write_long_line(511, 0);
	model = assert_loads(WWW("sources_file = 'clients.txt';"));
	assert_sources(&model->vips[0], "10.0.0.0/8 web, 11.0.0.0/8 web");
	model_free(model);
	write_long_line(512, 0);
	assert_refused(WWW("sources_file = 'clients.txt';"), message);
	write_long_line(30, 1);
	assert_refused(WWW("sources_file = 'clients.txt';"), message);
}

static void says_why_a_file_cannot_be_read(void **state)
{
	static const struct row rows[] = {
		{WWW("sources_file = 'nope.txt';"),
		 VIP_WWW "sources_file 'nope.txt': No such file or directory\n"},
		{WWW("sources_file = 'sub';"), VIP_WWW "sources_file 'sub': Is a directory\n"},
		{WWW("sources_file = '/dev/zero';"),
		 VIP_WWW "sources_file '/dev/zero': not a regular file\n"},
		{WWW("sources_file = 'fifo';"),
		 VIP_WWW "sources_file 'fifo': not a regular file\n"},
		{WWW("sources_file = '';"), VIP_WWW "sources_file '': No such file or directory\n"},
		{WWW("sources_file = [ 'a' ];"),
		 VIP_WWW "sources_file must be a string '...', not an array [ ... ]\n"},
	};

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	ASSERT_ROWS(rows);
}

#define FULL(n) \
	"the limit of client prefixes is " #n " in all; limits = { sources = N; } raises it\n"
#define TWO \
	"allow = [ '10.0.0.0/8' ]; deny = [ '10.1.0.0/16' ]; sources = ( { prefix = " \
	"'10.0.0.0/8'; pool = 'web'; } ); sources_file = 'clients.txt';"

static void stops_at_the_limit(void **state)
{
	static const struct row rows[] = {
		{ETH0 POOLS "limits = { sources = 4; };\n" VIPS(VIP(TWO)),
		 "clients.txt:2: vip 'www': " FULL(4)},
		{ETH0 POOLS "limits = { sources = 2; };\n" VIPS(VIP(TWO)),
		 "sluice.conf:4: vip 'www': source: " FULL(2)},
		{ETH0 POOLS "limits = { sources = 1; };\n" VIPS(VIP(TWO)),
		 "sluice.conf:4: vip 'www': " FULL(1)},
		/* of all VIPs together */
		{ETH0 POOLS "limits = { sources = 5; };\n" VIPS(
			 VIP(TWO) ",\n{ name = 'two'; address = '198.18.0.81'; port = 1; protocol "
				  "= 'tcp'; pool = 'web'; deny = [ '10.0.0.0/8', '11.0.0.0/8' ]; "
				  "}"),
		 "sluice.conf:5: vip 'two': " FULL(5)},
	};
	struct model *model;

	(void)state;
	load_text_write("clients.txt", "11.0.0.0/8 pool web\n12.0.0.0/8 pool web\nbad line\n");
	assert_rows(rows, 3);
	load_text_write("clients.txt", "11.0.0.0/8 pool web\n12.0.0.0/8 pool web\n");
	assert_rows(rows + 3, 1);
	model = assert_loads(ETH0 POOLS "limits = { sources = 5; };\n" VIPS(VIP(TWO)));
	assert_int_equal(model->vips[0].n_sources, 3);
	model_free(model);
}

static void takes_many_sources(void **state)
{
	const unsigned int n = 100000;
	FILE *f = fopen("clients.txt", "w");
	struct model *model;

	(void)state;
	assert_non_null(f);
	for (unsigned int i = 0; i < n; i++)
		fprintf(f, "2001:db8:%x:%x::/64 backend web-%u\n", i >> 16, i & 0xffff, i % 2 + 1);
	assert_int_equal(fclose(f), 0);
	model = assert_loads(WWW("sources_file = 'clients.txt';"));
	assert_int_equal(model->vips[0].n_sources, n);
	assert_int_equal(model->vips[0].n_targets, 2);
	model_free(model);
	f = fopen("clients.txt", "a");
	assert_non_null(f);
	fputs("2001:db8:1:1::/64 pool web\n", f);
	assert_int_equal(fclose(f), 0);
	assert_refused(WWW("sources_file = 'clients.txt';"),
		       "clients.txt:100001: vip 'www': prefix 2001:db8:1:1::/64 is there already, "
		       "see clients.txt:65538\n");
}

/* ::/0 and the like are for IPv6 clients only. */
static void keeps_families_apart(void **state)
{
	static const struct {
		const char *text;
		const char *allow, *deny, *sources;
	} rows[] = {
		{WWW("allow = [ '10.0.0.0/8', '::/0' ];"), "10.0.0.0/8 ::/0", "0.0.0.0/0", ""},
		{WWW("allow = [ '::/0', '0.0.0.0/0' ];"), "::/0 0.0.0.0/0", "", ""},
		{WWW("deny = [ '0.0.0.0/0', '::/0' ];"), "", "0.0.0.0/0 ::/0", ""},
		{WWW("deny = [ '::/0' ];"), "0.0.0.0/0", "::/0", ""},
		{WWW("deny = [ '::/8', '::/9' ];"), "::/0 0.0.0.0/0", "::/8 ::/9", ""},
		{WWW("deny = [ '8000::/1', '::/96' ];"), "", "8000::/1 ::/96", ""},
		{WWW("sources = ( { prefix = '::/0'; pool = 'other'; } );"), "", "",
		 "::/0 other, 0.0.0.0/0 web"},
		{WWW("sources = ( { prefix = '0.0.0.0/0'; pool = 'web'; }, { prefix = '::/0'; "
		     "backend = 'web-1'; } );"),
		 "", "", "0.0.0.0/0 web, ::/0 web/web-1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct model *model = assert_loads(rows[i].text);
		const struct model_vip *vip = &model->vips[0];

		assert_prefixes(vip->allow, vip->n_allow, rows[i].allow);
		assert_prefixes(vip->deny, vip->n_deny, rows[i].deny);
		assert_sources(vip, rows[i].sources);
		model_free(model);
	}
}

#define DIGESTS_MAX 16

static void tells_contents_apart_by_their_digests(void **state)
{
	static const char *const access[] = {
		"allow = [ '10.0.0.0/8' ];",
		"deny = [ '10.0.0.0/8' ];",
		"allow = [ '10.0.0.0/9' ];",
		"allow = [ '11.0.0.0/8' ];",
		"allow = [ '10.0.0.0/8' ]; deny = [ '11.0.0.0/8' ];",
		"allow = [ '10.0.0.0/8', '11.0.0.0/8' ];",
	};
	static const char *const sources[] = {
		"sources = ( { prefix = '10.0.0.0/8'; pool = 'web'; } );",
		"sources = ( { prefix = '10.0.0.0/9'; pool = 'web'; } );",
		"sources = ( { prefix = '10.0.0.0/8'; pool = 'other'; } );",
		"sources = ( { prefix = '10.0.0.0/8'; backend = 'web-1'; } );",
		"sources = ( { prefix = '10.0.0.0/8'; backend = 'web-2'; } );",
		"sources = ( { prefix = '10.0.0.0/8'; pool = 'other'; backend = 'web-1'; } );",
		"sources = ( { prefix = '10.0.0.0/8'; pool = 'web'; }, "
		"{ prefix = '11.0.0.0/8'; pool = 'other'; } );",
		"sources = ( { prefix = '10.0.0.0/8'; pool = 'other'; }, "
		"{ prefix = '11.0.0.0/8'; pool = 'web'; } );",
	};
	const size_t n_access = sizeof(access) / sizeof(access[0]);
	const size_t n = n_access + sizeof(sources) / sizeof(sources[0]);
	uint64_t digests[DIGESTS_MAX];
	char text[1024];

	(void)state;
	assert_true(n <= DIGESTS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct model *model;

		snprintf(text, sizeof(text),
			 ETH0 POOLS "vips = ( { name = 'www'; address = '198.18.0.80'; port = 80; "
				    "protocol = 'tcp'; pool = 'web'; %s } );\n",
			 i < n_access ? access[i] : sources[i - n_access]);
		model = assert_loads(text);
		digests[i] =
			i < n_access ? model->vips[0].access_digest : model->vips[0].sources_digest;
		model_free(model);
		model = assert_loads(text);
		assert_true(digests[i] == (i < n_access ? model->vips[0].access_digest
							: model->vips[0].sources_digest));
		model_free(model);
		assert_true(digests[i] != 0);
		for (size_t j = i < n_access ? 0 : n_access; j < i; j++)
			assert_true(digests[i] != digests[j]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_bad_access_lists),
		cmocka_unit_test(takes_access_lists),
		cmocka_unit_test(refuses_bad_sources),
		cmocka_unit_test(has_one_target_for_each_pool_and_backend),
		cmocka_unit_test(reads_sources_from_a_file),
		cmocka_unit_test(names_the_line_of_a_file),
		cmocka_unit_test(shows_20_errors_of_a_file),
		cmocka_unit_test(refuses_lines_that_are_no_text),
		cmocka_unit_test(says_why_a_file_cannot_be_read),
		cmocka_unit_test(stops_at_the_limit),
		cmocka_unit_test(takes_many_sources),
		cmocka_unit_test(keeps_families_apart),
		cmocka_unit_test(tells_contents_apart_by_their_digests),
	};

	return cmocka_run_group_tests_name("config/load_client", tests, load_text_enter,
					   load_text_leave);
}
