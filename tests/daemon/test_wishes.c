/* SPDX-License-Identifier: MIT */
/*
 * The operator's wishes in memory and on disk, in a directory of the test's own.
 */
#include "daemon/wishes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cleanup.h"

static const enum model_state draining = MODEL_STATE_DRAINING;
static const enum model_state disabled = MODEL_STATE_DISABLED;
static const enum model_state active = MODEL_STATE_ACTIVE;

/* ---------------------------------------------------------------------- the test's directory */

static char dir[64];   /* of the test */
static char state[96]; /* the state directory in it: not made yet */
static char file[128]; /* state/wishes.json */

static int make_dir(void **ctx)
{
	(void)ctx;
	strcpy(dir, "/tmp/sluice-test-wishes-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(file, sizeof(file), "%s/wishes.json", state);
	return 0;
}

static int remove_dir(void **ctx)
{
	char path[512];
	struct dirent *entry;
	DIR *d = opendir(state);

	(void)ctx;
	while (d && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", state, entry->d_name);
		if (unlink(path) != 0)
			rmdir(path);
	}
	if (d)
		closedir(d);
	if (rmdir(state) != 0)
		unlink(state);
	return rmdir(dir);
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* ------------------------------------------------------------------------------------- helpers */

static void save(const struct wishes *wishes)
{
	_cleanup_(diag_fini) struct diag diag = {0};

	assert_int_equal(wishes_save(wishes, state, &diag), 0);
	assert_int_equal(diag.n, 0);
}

static void load(struct wishes *out)
{
	_cleanup_(diag_fini) struct diag diag = {0};

	assert_int_equal(wishes_load(out, state, &diag), 0);
	assert_int_equal(diag.n, 0);
}

/* Loading fails with @err, a message that has @words, file and way out, and @out untouched. */
static void assert_refused(int err, const char *words)
{
	struct wish *const untouched = (struct wish *)&err;
	struct wishes out = {.list = untouched, .n = 42};
	_cleanup_(diag_fini) struct diag diag = {0};
	_cleanup_(freep) char *text = NULL;

	assert_int_equal(wishes_load(&out, state, &diag), err);
	assert_ptr_equal(out.list, untouched);
	assert_int_equal(out.n, 42);
	assert_int_equal(diag.n, 1);
	text = diag_entry_text(&diag.entries[0]);
	assert_non_null(text);
	if (!strstr(text, words) || strncmp(text, file, strlen(file)) != 0 ||
	    !strstr(text, "move it away to start without the operator's states"))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static void assert_wish(const struct wishes *wishes, const char *backend, const enum model_state *s,
			int64_t since, unsigned int weight)
{
	const struct wish *wish = wishes_find(wishes, "web", backend);

	assert_non_null(wish);
	assert_string_equal(wish->pool, "web");
	assert_string_equal(wish->backend, backend);
	assert_int_equal(wish->has_state, s != NULL);
	if (s)
		assert_int_equal(wish->state, *s);
	assert_int_equal(wish->since, since);
	assert_int_equal(wish->weight, weight);
}

static void fill(struct wishes *wishes)
{
	assert_int_equal(wishes_set_state(wishes, "web", "web-1", &draining, 1790000000), 0);
	assert_int_equal(wishes_set_weight(wishes, "web", "web-2", 65535), 0);
	assert_int_equal(wishes_set_state(wishes, "web", "web-3", &disabled, INT64_C(1) << 40), 0);
	assert_int_equal(wishes_set_weight(wishes, "web", "web-3", 1), 0);
	assert_int_equal(wishes_set_state(wishes, "web", "web-4", &active, 0), 0);
}

static void assert_filled(const struct wishes *wishes)
{
	assert_int_equal(wishes->n, 4);
	assert_wish(wishes, "web-1", &draining, 1790000000, 0);
	assert_wish(wishes, "web-2", NULL, 0, 65535);
	assert_wish(wishes, "web-3", &disabled, INT64_C(1) << 40, 1);
	assert_wish(wishes, "web-4", &active, 0, 0);
}

/* ----------------------------------------------------------------------------------- in memory */

static void wish_is_found_by_pool_and_backend(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};

	(void)ctx;
	fill(&wishes);
	assert_filled(&wishes);
	assert_null(wishes_find(&wishes, "web", "web-9"));
	assert_null(wishes_find(&wishes, "mail", "web-1"));
}

static void later_wish_replaces_the_earlier(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};

	(void)ctx;
	fill(&wishes);
	assert_int_equal(wishes_set_state(&wishes, "web", "web-1", &disabled, 5), 0);
	assert_int_equal(wishes_set_weight(&wishes, "web", "web-2", 7), 0);
	assert_int_equal(wishes.n, 4);
	assert_wish(&wishes, "web-1", &disabled, 5, 0);
	assert_wish(&wishes, "web-2", NULL, 0, 7);
}

static void wish_disappears_when_nothing_of_it_is_left(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};

	(void)ctx;
	fill(&wishes);
	assert_int_equal(wishes_set_state(&wishes, "web", "web-1", NULL, 5), 0);
	assert_null(wishes_find(&wishes, "web", "web-1"));
	assert_int_equal(wishes_set_state(&wishes, "web", "web-3", NULL, 5), 0);
	assert_wish(&wishes, "web-3", NULL, 0, 1);
	assert_int_equal(wishes_set_weight(&wishes, "web", "web-3", 0), 0);
	assert_int_equal(wishes_set_weight(&wishes, "web", "web-2", 0), 0);
	assert_int_equal(wishes.n, 1);
	assert_wish(&wishes, "web-4", &active, 0, 0);
}

static void taking_back_what_was_never_wished_changes_nothing(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};

	(void)ctx;
	assert_int_equal(wishes_set_state(&wishes, "web", "web-1", NULL, 5), 0);
	assert_int_equal(wishes_set_weight(&wishes, "web", "web-1", 0), 0);
	assert_int_equal(wishes.n, 0);
}

static void copy_is_independent(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0}, copy = {0};

	(void)ctx;
	fill(&wishes);
	assert_int_equal(wishes_copy(&copy, &wishes), 0);
	assert_filled(&copy);
	assert_int_equal(wishes_set_state(&copy, "web", "web-1", NULL, 5), 0);
	assert_int_equal(wishes_set_weight(&copy, "web", "web-2", 9), 0);
	assert_filled(&wishes);
}

static void finished_list_is_empty(void **ctx)
{
	struct wishes wishes = {0};

	(void)ctx;
	fill(&wishes);
	wishes_fini(&wishes);
	assert_null(wishes.list);
	assert_int_equal(wishes.n, 0);
	wishes_fini(&wishes);
}

/* ------------------------------------------------------------------------------------- on disk */

static void saved_wishes_come_back(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0}, loaded = {0}, none = {0};

	(void)ctx;
	fill(&wishes);
	save(&wishes);
	load(&loaded);
	assert_filled(&loaded);

	/* What is saved replaces what was there. */
	save(&none);
	wishes_fini(&loaded);
	load(&loaded);
	assert_int_equal(loaded.n, 0);
}

static void missing_file_is_an_empty_list(void **ctx)
{
	struct wishes wishes = {.n = 42};

	(void)ctx;
	load(&wishes);
	assert_int_equal(wishes.n, 0);
	assert_null(wishes.list);
	assert_int_equal(mkdir(state, 0750), 0);
	wishes.n = 42;
	load(&wishes);
	assert_int_equal(wishes.n, 0);
}

static void missing_directory_is_made_for_the_owner_and_group_only(void **ctx)
{
	const struct wishes none = {0};
	mode_t mask = umask(022);
	struct stat st;

	(void)ctx;
	save(&none);
	umask(mask);
	assert_int_equal(stat(state, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void saving_leaves_only_the_file(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};
	struct dirent *entry;
	int others = 0;
	DIR *d;

	(void)ctx;
	fill(&wishes);
	save(&wishes);
	save(&wishes);
	d = opendir(state);
	assert_non_null(d);
	while ((entry = readdir(d)))
		others += entry->d_name[0] != '.' && strcmp(entry->d_name, "wishes.json") != 0;
	closedir(d);
	assert_int_equal(others, 0);
}

static void saving_replaces_the_file_instead_of_writing_into_it(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};
	const struct wishes none = {0};
	char before[8192] = "", after[8192] = "";
	FILE *old;

	(void)ctx;
	fill(&wishes);
	save(&wishes);
	old = fopen(file, "r");
	assert_non_null(old);
	assert_true(fread(before, 1, sizeof(before) - 1, old) > 0);
	save(&none);
	/* Who reads the old file goes on seeing all of it. */
	rewind(old);
	assert_true(fread(after, 1, sizeof(after) - 1, old) > 0);
	fclose(old);
	assert_string_equal(before, after);
}

static void failed_save_leaves_the_old_file_and_says_so(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0}, loaded = {0};
	const struct wishes none = {0};
	_cleanup_(diag_fini) struct diag diag = {0};
	char temporary[160];

	(void)ctx;
	fill(&wishes);
	save(&wishes);
	/* A directory where the temporary file should be. */
	snprintf(temporary, sizeof(temporary), "%s.new", file);
	assert_int_equal(mkdir(temporary, 0700), 0);
	assert_int_equal(wishes_save(&none, state, &diag), -EISDIR);
	assert_int_equal(diag.n, 1);
	assert_string_equal(diag.entries[0].file, file);
	assert_non_null(strstr(diag.entries[0].text, strerror(EISDIR)));
	load(&loaded);
	assert_filled(&loaded);
}

static void failed_rename_removes_the_temporary_file(void **ctx)
{
	const struct wishes none = {0};
	_cleanup_(diag_fini) struct diag diag = {0};
	char temporary[160];

	(void)ctx;
	assert_int_equal(mkdir(state, 0750), 0);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(wishes_save(&none, state, &diag), -EISDIR);
	assert_int_equal(diag.n, 1);
	snprintf(temporary, sizeof(temporary), "%s.new", file);
	assert_int_equal(access(temporary, F_OK), -1);
}

static void state_directory_that_cannot_be_is_reported(void **ctx)
{
	const struct wishes none = {0};
	_cleanup_(diag_fini) struct diag diag = {0};
	char below[160];

	(void)ctx;
	write_text(state, "a regular file");
	assert_int_equal(wishes_save(&none, state, &diag), -ENOTDIR);
	assert_int_equal(diag.n, 1);
	assert_string_equal(diag.entries[0].file, file);
	assert_refused(-EIO, "cannot be read: Not a directory");

	snprintf(below, sizeof(below), "%s/below", state);
	assert_int_equal(wishes_save(&none, below, &diag), -ENOTDIR);
	assert_int_equal(diag.n, 2);
	/* The way there is not made, only the directory itself. */
	unlink(state);
	assert_int_equal(wishes_save(&none, below, &diag), -ENOENT);
	assert_int_equal(diag.n, 3);
	assert_int_equal(access(state, F_OK), -1);
}

static void file_that_cannot_be_read_is_refused(void **ctx)
{
	(void)ctx;
	assert_int_equal(mkdir(state, 0750), 0);
	assert_int_equal(mkdir(file, 0750), 0);
	assert_refused(-EIO, "cannot be read");
}

#define FILE_WITH(wish) "{\"version\": 1, \"wishes\": [{" wish "}]}"
#define WEB_1 "\"pool\": \"web\", \"backend\": \"web-1\""
#define TEN "0123456789"
#define NAME_OF_64 TEN TEN TEN TEN TEN TEN "0123"

static void file_that_sluice_would_not_write_is_refused(void **ctx)
{
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{"", ":1: "},
		{"garbage", ":1: "},
		{"{\n  \"version\": 1,\n  \"wishes\": [", ":3: "},
		{"{\"version\": 1, \"wishes\": []} x", ":1: end of file expected"},
		{"{\"version\": 1, \"version\": 1, \"wishes\": []}", "duplicate"},
		{"{\"version\": 1, \"wishes\": [\"\xff\xfe\"]}", "0xff"},
		{"[]", "Expected object"},
		{"{}", "version"},
		{"{\"version\": \"1\", \"wishes\": []}", "Expected integer, got string"},
		{"{\"version\": 2, \"wishes\": {\"new\": true}}", "version 2"},
		{"{\"version\": 0, \"wishes\": []}", "version 0"},
		{"{\"version\": 1}", "\"wishes\" is not a list"},
		{"{\"version\": 1, \"wishes\": {}}", "\"wishes\" is not a list"},
		{"{\"version\": 1, \"wishes\": [], \"colour\": 1}", "unknown field \"colour\""},
		{"{\"version\": 1, \"wishes\": [1]}", "wish 1: Expected object, got integer"},
		{FILE_WITH(""), "wish 1: "},
		{FILE_WITH("\"pool\": \"web\", \"weight\": 1"), "backend"},
		{FILE_WITH("\"pool\": 1, \"backend\": \"web-1\", \"weight\": 1"), "got integer"},
		{FILE_WITH("\"pool\": \"\", \"backend\": \"b\", \"weight\": 1"), "name"},
		{FILE_WITH("\"pool\": \"p\", \"backend\": \"\", \"weight\": 1"), "name"},
		{FILE_WITH("\"pool\": \"" NAME_OF_64 "\", \"backend\": \"b\", \"weight\": 1"),
		 "name"},
		{FILE_WITH("\"pool\": \"p\", \"backend\": \"" NAME_OF_64 "\", \"weight\": 1"),
		 "name"},
		{FILE_WITH(WEB_1), "neither"},
		{FILE_WITH(WEB_1 ", \"weight\": 0"), "outside 1..65535"},
		{FILE_WITH(WEB_1 ", \"weight\": 65536"), "outside 1..65535"},
		{FILE_WITH(WEB_1 ", \"weight\": -1"), "outside 1..65535"},
		{FILE_WITH(WEB_1 ", \"weight\": 4294967297"), "outside 1..65535"},
		{FILE_WITH(WEB_1 ", \"weight\": 1.5"), "got real"},
		{FILE_WITH(WEB_1 ", \"weight\": 99999999999999999999"), "too big"},
		{FILE_WITH(WEB_1 ", \"state\": \"asleep\", \"since\": 1"), "unknown state"},
		{FILE_WITH(WEB_1 ", \"state\": null, \"since\": 1"), "got null"},
		{FILE_WITH(WEB_1 ", \"state\": \"draining\""), "together"},
		{FILE_WITH(WEB_1 ", \"since\": 1, \"weight\": 1"), "together"},
		{FILE_WITH(WEB_1 ", \"state\": \"draining\", \"since\": -1"), "negative"},
		{FILE_WITH(WEB_1 ", \"state\": \"draining\", \"since\": \"now\""), "got string"},
		{FILE_WITH(WEB_1 ", \"weight\": 1, \"until\": 1"),
		 "wish 1: unknown field \"until\""},
		{FILE_WITH(WEB_1 ", \"weight\": 1}, {" WEB_1 ", \"weight\": 2"),
		 "wish 2: a second entry"},
	};

	(void)ctx;
	assert_int_equal(mkdir(state, 0750), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_text(file, cases[i].text);
		assert_refused(-EINVAL, cases[i].words);
	}
}

/* The format is a promise: a daemon that was updated reads what the older one wrote. */
static void file_of_version_1_is_read(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};

	(void)ctx;
	assert_int_equal(mkdir(state, 0750), 0);
	write_text(file, "{\"wishes\": [\n"
			 "{" WEB_1 ", \"state\": \"draining\", \"since\": 12},\n"
			 "{\"backend\": \"web-2\", \"pool\": \"web\", \"weight\": 65535}\n"
			 "], \"version\": 1}");
	load(&wishes);
	assert_int_equal(wishes.n, 2);
	assert_wish(&wishes, "web-1", &draining, 12, 0);
	assert_wish(&wishes, "web-2", NULL, 0, 65535);
}

static void any_truncation_is_refused(void **ctx)
{
	_cleanup_(wishes_fini) struct wishes wishes = {0};
	struct stat st;

	(void)ctx;
	fill(&wishes);
	save(&wishes);
	assert_int_equal(stat(file, &st), 0);
	for (off_t size = st.st_size - 1; size >= 0; size--) {
		assert_int_equal(truncate(file, size), 0);
		assert_refused(-EINVAL, ": ");
	}
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wish_is_found_by_pool_and_backend),
		cmocka_unit_test(later_wish_replaces_the_earlier),
		cmocka_unit_test(wish_disappears_when_nothing_of_it_is_left),
		cmocka_unit_test(taking_back_what_was_never_wished_changes_nothing),
		cmocka_unit_test(copy_is_independent),
		cmocka_unit_test(finished_list_is_empty),
		ON_DISK(saved_wishes_come_back),
		ON_DISK(missing_file_is_an_empty_list),
		ON_DISK(missing_directory_is_made_for_the_owner_and_group_only),
		ON_DISK(saving_leaves_only_the_file),
		ON_DISK(saving_replaces_the_file_instead_of_writing_into_it),
		ON_DISK(failed_save_leaves_the_old_file_and_says_so),
		ON_DISK(failed_rename_removes_the_temporary_file),
		ON_DISK(state_directory_that_cannot_be_is_reported),
		ON_DISK(file_that_cannot_be_read_is_refused),
		ON_DISK(file_that_sluice_would_not_write_is_refused),
		ON_DISK(file_of_version_1_is_read),
		ON_DISK(any_truncation_is_refused),
	};

	return cmocka_run_group_tests_name("daemon/wishes", tests, NULL, NULL);
}
