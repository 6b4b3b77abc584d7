/* SPDX-License-Identifier: MIT */
/*
 * Each start and each reload loads a program with new maps and fills them before it is switched to:
 * what runs is never half of the old and half of the new. Only the counters go on.
 */
#include "daemon/helper_program.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "config/cleanup.h"
#include "daemon/log.h"
#include "xdp/helper.skel.h"

#define PROGRAM_PIN "program"
#define FRESH "-new"

static const char *const map_names[HELPER_MAP_MAX] = {
	[HELPER_MAP_COUNTERS] = "helper_counters", [HELPER_MAP_HINTS] = "helper_hints",
	[HELPER_MAP_SELF] = "helper_self",         [HELPER_MAP_FROM] = "helper_from",
	[HELPER_MAP_BUCKET] = "helper_bucket",
};

/* ----------------------------------------------------------------------------------------- load */

static bool kernel_has(enum bpf_func_id function)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, function, NULL) == 1;
}

/* Lets the verifier cut out what the kernel would refuse. */
static uint32_t kernel_features(void)
{
	if (!kernel_has(BPF_FUNC_skc_lookup_tcp)) {
		log_warning("this kernel lets XDP look no sockets up: hints are not followed");
		return 0;
	}
	if (kernel_has(BPF_FUNC_tcp_check_syncookie))
		return HELPER_FEATURE_SOCKETS | HELPER_FEATURE_COOKIES;
	log_warning(
		"this kernel lets XDP check no SYN cookies: with a hint, the packet that answers "
		"one is sent on");
	return HELPER_FEATURE_SOCKETS;
}

static struct bpf_map *skel_map(const struct helper_program *program, enum helper_map map)
{
	return bpf_object__find_map_by_name(program->skel->obj, map_names[map]);
}

/* Counters of a release that counts other things begin anew. */
static int reuse_counters(const struct helper_program *program, int counters)
{
	struct bpf_map *map = skel_map(program, HELPER_MAP_COUNTERS);
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);

	if (counters < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(counters, &info, &size))
		return -errno;
	if (info.type == (uint32_t)bpf_map__type(map) && info.key_size == bpf_map__key_size(map) &&
	    info.value_size == bpf_map__value_size(map))
		return bpf_map__reuse_fd(map, counters);
	log_info("counters: begin anew, this release counts more");
	return 0;
}

static int load(struct helper_program *program, const struct helper_settings *wanted, int counters)
{
	struct helper_settings settings = *wanted;
	int err;

	program->skel = helper_bpf__open();
	if (!program->skel)
		return -errno;
	settings.features |= kernel_features();
	memcpy((void *)&program->skel->rodata->settings, &settings, sizeof(settings));
	/* Frames of several buffers came with kernel 5.18. */
	if (kernel_has(BPF_FUNC_xdp_get_buff_len))
		bpf_program__set_flags(program->skel->progs.sluice_helper, BPF_F_XDP_HAS_FRAGS);
	err = reuse_counters(program, counters);
	return err ? err : helper_bpf__load(program->skel);
}

int helper_program_load(struct helper_program *out, const struct helper_settings *settings,
			int counters, struct diag *diag)
{
	struct helper_program program = {0};
	int err = load(&program, settings, counters);

	if (err) {
		diag_add(diag, NULL, 0, "loading the program: %s%s", strerror(-err),
			 err == -EPERM ? "; it takes root, or CAP_BPF, CAP_NET_ADMIN and "
					 "CAP_PERFMON"
				       : " (-v shows what the kernel said)");
		helper_program_fini(&program);
		return err;
	}
	*out = program;
	return 0;
}

int helper_program_set_from(const struct helper_program *program, const struct addr_prefix *from,
			    size_t n)
{
	static const uint32_t yes = 1;

	for (size_t i = 0; i < n; i++) {
		struct helper_from key = {.prefixlen = from[i].len, .addr = from[i].addr};

		/* A hint may be there. */
		if (!addr_is_v4(&key.addr))
			memset((char *)&key.addr + 8, 0, 2);
		if (bpf_map_update_elem(helper_program_map(program, HELPER_MAP_FROM), &key, &yes,
					BPF_ANY))
			return -errno;
	}
	return 0;
}

int helper_program_map(const struct helper_program *program, enum helper_map map)
{
	return bpf_map__fd(skel_map(program, map));
}

/* ----------------------------------------------------------------------------------- attachable */

static struct bpf_object *open_again(void *ctx)
{
	const struct helper_program *program = ctx;
	DECLARE_LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "helper_bpf");
	struct bpf_object *object;
	const void *elf;
	size_t size;

	elf = helper_bpf__elf_bytes(&size);
	object = bpf_object__open_mem(elf, size, &opts);
	if (!object)
		return NULL;
	for (int i = 0; i < HELPER_MAP_MAX; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, map_names[i]);

		if (bpf_map__reuse_fd(map, helper_program_map(program, i))) {
			bpf_object__close(object);
			return NULL;
		}
	}
	bpf_map__set_initial_value(bpf_object__find_map_by_name(object, ".rodata"),
				   program->skel->rodata, sizeof(*program->skel->rodata));
	bpf_program__set_flags(bpf_object__find_program_by_name(object, HELPER_PROGRAM_NAME),
			       bpf_program__flags(program->skel->progs.sluice_helper));
	return object;
}

static int program_fd(const struct helper_program *program)
{
	return bpf_program__fd(program->skel->progs.sluice_helper);
}

struct attach_program helper_program_attachable(struct helper_program *program)
{
	return (struct attach_program){
		.name = HELPER_PROGRAM_NAME,
		.fd = program_fd(program),
		.open_again = open_again,
		.ctx = program,
	};
}

void helper_program_fini(struct helper_program *program)
{
	helper_bpf__destroy(program->skel);
	*program = (struct helper_program){0};
}

/* ----------------------------------------------------------------------------------------- pins */

struct path {
	char text[PATH_MAX];
};

/* Of a map, or with HELPER_MAP_MAX of the program. */
static struct path pin_path(const char *pin_dir, int map, const char *suffix)
{
	struct path path;

	snprintf(path.text, sizeof(path.text), "%s/%s%s", pin_dir,
		 map < HELPER_MAP_MAX ? map_names[map] : PROGRAM_PIN, suffix);
	return path;
}

int helper_pins_prepare(const char *pin_dir, const struct helper_program *program)
{
	for (int i = 0; i <= HELPER_MAP_MAX; i++) {
		struct path fresh = pin_path(pin_dir, i, FRESH);
		int fd = i < HELPER_MAP_MAX ? helper_program_map(program, i) : program_fd(program);

		unlink(fresh.text);
		if (bpf_obj_pin(fd, fresh.text)) {
			int err = -errno;

			helper_pins_abandon(pin_dir);
			return err;
		}
	}
	return 0;
}

int helper_pins_commit(const char *pin_dir)
{
	for (int i = 0; i <= HELPER_MAP_MAX; i++)
		if (rename(pin_path(pin_dir, i, FRESH).text, pin_path(pin_dir, i, "").text))
			return -errno;
	return 0;
}

static void unpin(const char *pin_dir, const char *suffix)
{
	for (int i = 0; i <= HELPER_MAP_MAX; i++)
		unlink(pin_path(pin_dir, i, suffix).text);
}

void helper_pins_abandon(const char *pin_dir)
{
	unpin(pin_dir, FRESH);
}

int helper_pins_open(const char *pin_dir, enum helper_map map)
{
	return bpf_obj_get(pin_path(pin_dir, (int)map, "").text);
}

int helper_pins_remove(const char *pin_dir)
{
	unpin(pin_dir, "");
	unpin(pin_dir, FRESH);
	return rmdir(pin_dir) ? -errno : 0;
}
