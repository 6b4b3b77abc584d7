/* SPDX-License-Identifier: MIT */
/*
 * libconfig 1.5 ends the whole process when an include names a directory, looks for included
 * files in the directory where the process happens to be, and wraps numbers of more than 32 bits
 * around without a word. None of that may happen to a daemon that reloads. So the files are read
 * here: a scanner that knows just enough of libconfig's grammar (comments, strings, names,
 * numbers, @include) copies them into one text and notes where each line came from.
 */
#include "config/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config/cleanup.h"

/* The source under construction. */
struct builder {
	struct source source;
	size_t len;  /* of the text */
	size_t size; /* allocated for it */
	size_t lines_size;
	struct diag *diag;
	bool bad; /* @diag has a message */
	int err;  /* stop: nothing more can be done */
};

/* Where the scanner is in a file. */
struct cursor {
	const char *at;
	struct source_place place;
	bool line_start; /* only here libconfig knows @include */
};

static int read_fd(int fd, char **out, size_t *len)
{
	_cleanup_(freep) char *text = NULL;
	size_t n = 0, size = 0;

	for (;;) {
		ssize_t got;

		if (n + 1 >= size) {
			char *bigger = realloc(text, 2 * size + 4096);

			if (!bigger)
				return -ENOMEM;
			text = bigger;
			size = 2 * size + 4096;
		}
		got = read(fd, text + n, size - n - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
		if (n > SOURCE_BYTES_MAX)
			return -EFBIG;
	}
	text[n] = '\0';
	*out = TAKE(text);
	*len = n;
	return 0;
}

/* The whole of a file, with a NUL behind it. 0 or -errno. */
static int read_path(const char *path, int flags, char **out, size_t *len)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

	return fd < 0 ? -errno : read_fd(fd, out, len);
}

/* Begins a line of the text; it comes from @place. */
static void begin_line(struct builder *b, struct source_place place)
{
	struct source *s = &b->source;

	if (s->n_lines == b->lines_size) {
		size_t size = 2 * b->lines_size + 256;
		struct source_place *lines = reallocarray(s->lines, size, sizeof(*lines));

		if (!lines) {
			b->err = -ENOMEM;
			return;
		}
		s->lines = lines;
		b->lines_size = size;
	}
	s->lines[s->n_lines++] = place;
}

/* The line that was begun last comes from @place after all. */
static void move_line(struct builder *b, struct source_place place)
{
	b->source.lines[b->source.n_lines - 1] = place;
}

/* Appends @n bytes to the text. */
static void append(struct builder *b, const char *bytes, size_t n)
{
	if (b->len + n > SOURCE_BYTES_MAX) {
		b->err = -EFBIG;
		return;
	}
	if (b->len + n >= b->size) {
		size_t size = 2 * (b->len + n) + 4096;
		char *text = realloc(b->source.text, size);

		if (!text) {
			b->err = -ENOMEM;
			return;
		}
		b->source.text = text;
		b->size = size;
	}
	memcpy(b->source.text + b->len, bytes, n);
	b->len += n;
	b->source.text[b->len] = '\0';
}

/* Copies @n bytes at the cursor to the text and moves the cursor behind them. */
static void copy(struct builder *b, struct cursor *c, size_t n)
{
	const char *end = c->at + n;

	append(b, c->at, n);
	for (; c->at < end && !b->err; c->at++) {
		c->line_start = *c->at == '\n';
		if (c->line_start) {
			c->place.line++;
			begin_line(b, c->place);
		}
	}
}

#define complain(b, place, ...) \
	do { \
		diag_add((b)->diag, (place).file, (place).line, __VA_ARGS__); \
		(b)->bad = true; \
	} while (0)

static void copy_comment(struct builder *b, struct cursor *c)
{
	const char *end;

	if (c->at[0] == '/' && c->at[1] == '*') {
		end = strstr(c->at + 2, "*/");
		if (!end)
			complain(b, c->place, "the comment that begins here has no end \"*/\"");
		end = end ? end + 2 : strchr(c->at, '\0');
	} else {
		end = strchrnul(c->at, '\n');
	}
	copy(b, c, (size_t)(end - c->at));
}

/* The quote that ends the string whose first character is at @text, or NULL. */
static const char *string_end(const char *text)
{
	for (; *text != '"'; text++) {
		if (*text == '\\' && text[1])
			text++;
		if (!*text)
			return NULL;
	}
	return text;
}

/* Is \x00 in the string from @text to @end? libconfig would end it there. */
static bool has_zero(const char *text, const char *end)
{
	for (; text < end; text++) {
		if (*text == '\\' && (*++text == 'x' || *text == 'X') && text[1] == '0' &&
		    text[2] == '0')
			return true;
	}
	return false;
}

static void copy_string(struct builder *b, struct cursor *c)
{
	const char *end = string_end(c->at + 1);

	if (!end)
		complain(b, c->place, "the string that begins here has no end '\"'");
	else if (has_zero(c->at + 1, end))
		complain(b, c->place,
			 "the string that begins here has a zero byte \\x00, which strings cannot "
			 "have; where bytes are meant, there is a key for hex digits");
	copy(b, c, end ? (size_t)(end + 1 - c->at) : strlen(c->at));
}

/*
 * libconfig holds 31 bits and a sign, as hexadecimal 32 bits, with an L 63 bits; fractions as a
 * double.
 */
static void copy_number(struct builder *b, struct cursor *c)
{
	const char *digits = c->at + (*c->at == '-' || *c->at == '+');
	bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	unsigned long long value, max = hex ? UINT32_MAX : INT32_MAX;
	bool fraction;
	char *end;

	errno = 0;
	value = strtoull(digits, &end, hex ? 16 : 10);
	if (*end == 'L') {
		max = INT64_MAX;
		end += strspn(end, "L");
	}
	fraction = *end == '.' || *end == 'e' || *end == 'E';
	if (!fraction && (errno == ERANGE || value > INT64_MAX))
		complain(b, c->place, "the number %.*s is too large", (int)(end - c->at), c->at);
	else if (!fraction && value > max)
		complain(b, c->place, "the number %.*s needs an L at its end: %.*sL",
			 (int)(end - c->at), c->at, (int)(end - c->at), c->at);
	copy(b, c, (size_t)(end - c->at));
}

/* The path of an include at the cursor, without quotes, in @path and @len; false: there is none. */
static bool at_include(const struct cursor *c, const char **path, size_t *len)
{
	static const char word[] = "@include";
	const char *at = c->at + strspn(c->at, " \t");
	const char *blank;

	if (!c->line_start || strncmp(at, word, sizeof(word) - 1))
		return false;
	blank = at + sizeof(word) - 1;
	at = blank + strspn(blank, " \t");
	if (at == blank || *at != '"')
		return false;
	*path = at + 1;
	*len = strcspn(*path, "\"\n");
	return true;
}

static void build_file(struct builder *b, const char *file, const char *text, size_t len);

static void include(struct builder *b, struct cursor *c, const char *path, size_t len)
{
	_cleanup_(freep) char *text = NULL;
	char *joined;
	const char *file;
	size_t text_len;
	int err;

	c->at = path + len + (path[len] == '"');
	if (path[len] != '"' || memchr(path, '\\', len)) {
		complain(b, c->place, "@include needs a path in quotes, without \"\\\"");
		return;
	}
	if (b->source.n_files == SOURCE_FILES_MAX) {
		complain(b, c->place, "more than %d files; does one include itself?",
			 SOURCE_FILES_MAX);
		b->err = -EINVAL;
		return;
	}
	joined = source_join(c->place.file, path, len);
	if (!joined) {
		b->err = -ENOMEM;
		return;
	}
	/* O_NONBLOCK: a fifo must not make us wait for somebody who writes. */
	err = read_path(joined, O_NONBLOCK, &text, &text_len);
	if (err)
		complain(b, c->place, "cannot include \"%s\": %s", joined, strerror(-err));
	file = source_add_file(&b->source, joined);
	if (!file)
		b->err = -ENOMEM;
	else if (!err)
		build_file(b, file, text, text_len);
}

/*
 * Puts the file in the place of the directive; what follows it in the same line is at the start
 * of a line again.
 */
static void copy_include(struct builder *b, struct cursor *c, const char *path, size_t len)
{
	include(b, c, path, len);
	if (b->err)
		return;
	if (b->len && b->source.text[b->len - 1] != '\n') {
		append(b, "\n", 1);
		begin_line(b, c->place);
	} else {
		move_line(b, c->place);
	}
}

/* Bytes of a name as libconfig knows it, at @text. */
static size_t name_length(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || (text[n] && strchr("-_*", text[n])))
		n++;
	return n;
}

static void copy_token(struct builder *b, struct cursor *c)
{
	const char *at = c->at, *path;
	size_t len;

	if (at_include(c, &path, &len))
		copy_include(b, c, path, len);
	else if (*at == '#' || (*at == '/' && (at[1] == '/' || at[1] == '*')))
		copy_comment(b, c);
	else if (*at == '"')
		copy_string(b, c);
	else if (isalpha((unsigned char)*at) || *at == '*')
		copy(b, c, name_length(at));
	else if (isdigit((unsigned char)*at) ||
		 ((*at == '-' || *at == '+') && isdigit((unsigned char)at[1])))
		copy_number(b, c);
	else if (*at == '.')
		copy(b, c, 1 + strspn(at + 1, "0123456789"));
	else
		copy(b, c, 1);
}

static void build_file(struct builder *b, const char *file, const char *text, size_t len)
{
	struct cursor c = {.at = text, .place = {.file = file, .line = 1}, .line_start = true};

	move_line(b, c.place);
	if (memchr(text, '\0', len)) {
		complain(b, c.place, "the file has a NUL byte: it is not text");
		return;
	}
	while (*c.at && !b->err)
		copy_token(b, &c);
}

int source_read(struct source *out, const char *path, struct diag *diag)
{
	_cleanup_(freep) char *text = NULL;
	struct builder b = {.diag = diag};
	const char *file = NULL;
	char *name;
	size_t len;
	int err;

	err = read_path(path, 0, &text, &len);
	if (err == -ENOMEM)
		return err;
	if (err) {
		diag_add(diag, path, 0, "%s", strerror(-err));
		return -EIO;
	}
	name = strdup(path);
	if (!name)
		return -ENOMEM;
	file = source_add_file(&b.source, name);
	if (!file)
		return -ENOMEM;
	append(&b, "", 0);
	begin_line(&b, (struct source_place){.file = file});
	if (!b.err)
		build_file(&b, file, text, len);
	if (b.err == -EFBIG)
		complain(&b, source_find(&b.source, 0), "more than %u bytes", SOURCE_BYTES_MAX);
	if (b.err == -ENOMEM || b.bad) {
		source_fini(&b.source);
		return b.err == -ENOMEM ? -ENOMEM : -EINVAL;
	}
	*out = b.source;
	return 0;
}

struct source_place source_find(const struct source *source, unsigned int line)
{
	if (line >= 1 && line <= source->n_lines)
		return source->lines[line - 1];
	return (struct source_place){.file = source->files[0]};
}

char *source_join(const char *from, const char *path, size_t len)
{
	const char *slash = strrchr(from, '/');
	char *joined;

	if (len && path[0] == '/')
		return strndup(path, len);
	if (asprintf(&joined, "%.*s%.*s", slash ? (int)(slash + 1 - from) : 0, from, (int)len,
		     path) < 0)
		return NULL;
	return joined;
}

const char *source_add_file(struct source *source, char *path)
{
	char **files = reallocarray(source->files, source->n_files + 1, sizeof(*files));

	if (!files) {
		free(path);
		return NULL;
	}
	source->files = files;
	return files[source->n_files++] = path;
}

void source_fini(struct source *source)
{
	for (size_t i = 0; i < source->n_files; i++)
		free(source->files[i]);
	free(source->files);
	free(source->lines);
	free(source->text);
	*source = (struct source){0};
}
