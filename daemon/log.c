/* SPDX-License-Identifier: MIT */
/*
 * A line is made, looked up among those of late, and written with one write(). A line that comes
 * again and again (an interface that flaps, a disk that is full) shall not hide the others: of
 * identical ones only the first few are written, then how many more came. The count is written
 * when the time is over and something is logged, when other lines need its place, or at exit.
 */
#include "daemon/log.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <xdp/libxdp.h>

#include "config/cleanup.h"

#define TEXT_MAX 2048  /* bytes of a line, with the NUL; longer ones are cut */
#define REPEAT_LINES 8 /* different lines that are remembered */
#define REPEAT_MAX 10  /* identical lines that are written within ... */
#define REPEAT_NS 10000000000ull

/* A line of late. */
struct repeat {
	char text[TEXT_MAX];
	enum log_level level;
	uint64_t since_ns; /* of the monotonic clock */
	unsigned int n;    /* how often it came since then; 0: the place is free */
};

static struct repeat repeats[REPEAT_LINES];
static enum log_level max_level = LOG_LEVEL_INFO;
static bool to_journal;

static void write_line(enum log_level level, const char *text, const char *note)
{
	if (to_journal)
		fprintf(stderr, "<%d>%s%s\n", level, text, note);
	else
		fprintf(stderr, "%s%s%s\n",
			level == LOG_LEVEL_ERROR     ? "error: "
			: level == LOG_LEVEL_WARNING ? "warning: "
						     : "",
			text, note);
}

/* Tells what was left out, and frees the place. */
static void repeat_end(struct repeat *repeat)
{
	char note[64];

	if (repeat->n > REPEAT_MAX) {
		snprintf(note, sizeof(note), " ... repeated %u times", repeat->n - REPEAT_MAX);
		write_line(repeat->level, repeat->text, note);
	}
	repeat->n = 0;
}

static void repeats_end(void)
{
	for (size_t i = 0; i < REPEAT_LINES; i++)
		repeat_end(&repeats[i]);
}

/* Counts a line among those of late. false: it came too often to be written. */
static bool repeat_count(enum log_level level, const char *text)
{
	struct repeat *same = NULL, *oldest = &repeats[0];
	struct timespec ts;
	uint64_t now_ns;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now_ns = ts.tv_sec * 1000000000ull + ts.tv_nsec;
	for (size_t i = 0; i < REPEAT_LINES; i++) {
		struct repeat *r = &repeats[i];

		if (r->n > 0 && now_ns - r->since_ns >= REPEAT_NS)
			repeat_end(r);
		if (r->n > 0 && r->level == level && strcmp(r->text, text) == 0)
			same = r;
		if (r->n == 0 || (oldest->n > 0 && r->since_ns < oldest->since_ns))
			oldest = r;
	}
	if (same)
		return ++same->n <= REPEAT_MAX;
	repeat_end(oldest);
	strcpy(oldest->text, text);
	oldest->level = level;
	oldest->since_ns = now_ns;
	oldest->n = 1;
	return true;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char cut[] = "...";
	int saved_errno = errno, n;
	char text[TEXT_MAX];
	va_list args;

	if (level > max_level)
		return;
	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n >= (int)sizeof(text))
		strcpy(text + sizeof(text) - sizeof(cut), cut);
	/* One line, whatever was quoted in it. */
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == '\x7f')
			*c = ' ';
	}
	if (repeat_count(level, text))
		write_line(level, text, "");
	errno = saved_errno;
}

void log_diag(enum log_level level, const struct diag *diag)
{
	for (size_t i = 0; i < diag->n; i++) {
		_cleanup_(freep) char *text = diag_entry_text(&diag->entries[i]);

		log_line(level, "%s", text ? text : diag->entries[i].text);
	}
}

/* What a library says, each of its lines as one. Whoever called it reports the error itself. */
static int library_lines(const char *fmt, va_list args)
{
	_cleanup_(freep) char *text = NULL;
	char *next, *line;

	if (max_level < LOG_LEVEL_DEBUG)
		return 0;
	if (vasprintf(&text, fmt, args) < 0) {
		text = NULL;
		return 0;
	}
	next = text;
	while ((line = strsep(&next, "\n"))) {
		if (*line)
			log_debug("%s", line);
	}
	return 0;
}

static int libbpf_lines(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	return library_lines(fmt, args);
}

static int libxdp_lines(enum libxdp_print_level level, const char *fmt, va_list args)
{
	(void)level;
	return library_lines(fmt, args);
}

/* systemd names the journal's socket by device and inode: stderr may have gone elsewhere since. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(enum log_level level)
{
	static bool at_exit;

	max_level = level;
	to_journal = stderr_is_journal();
	libbpf_set_print(libbpf_lines);
	libxdp_set_print(libxdp_lines);
	if (!at_exit)
		at_exit = atexit(repeats_end) == 0;
}
