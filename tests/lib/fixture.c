/* SPDX-License-Identifier: MIT */
/*
 * The config goes through a temporary file, since the loader reads files.
 */
#include "tests/lib/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cleanup.h"
#include "config/load.h"
#include "daemon/log.h"

void fixture_check(int err, struct diag *diag)
{
	char *text = diag_text(diag);

	if (err)
		print_message("%s", text ? text : "no memory\n");
	free(text);
	diag_fini(diag);
	assert_int_equal(err, 0);
}

struct model *fixture_model(const char *text)
{
	char path[] = "/tmp/sluice-test-XXXXXX";
	struct diag diag = {0};
	struct model *model = NULL;
	int fd = mkstemp(path);
	int err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	err = load_file(&model, path, &diag);
	unlink(path);
	fixture_check(err, &diag);
	return model;
}

struct dryrun *fixture_dryrun(struct model *model)
{
	struct diag diag = {0};
	struct dryrun *dryrun = NULL;

	fixture_check(dryrun_new(&dryrun, model, &diag), &diag);
	return dryrun;
}

struct dryrun_result fixture_send(struct dryrun *dryrun, const struct frame *in, struct frame *out)
{
	struct dryrun_result result;

	out->size = sizeof(out->data);
	assert_int_equal(dryrun_frame(dryrun, in->data, in->size, out->data, &out->size, &result),
			 0);
	return result;
}

void fixture_need_bpf(void)
{
	log_init(LOG_LEVEL_WARNING);
	if (geteuid() == 0)
		return;
	print_message("needs root: loads BPF programs\n");
	skip();
}
