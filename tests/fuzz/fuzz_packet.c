/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer target: any bytes as frames through the program, compiled for the host and filled from
 * tests/host/everything.conf. No access outside a frame, and check_frame() must hold for each.
 *
 * An input: two bytes of features that are switched off, one of headroom, one of rates; then frames,
 * each with a header of four bytes:
 *	seconds  that pass before it
 *	buffers  0: the frame is in one; else how many times 16 bytes are in the first
 *	length   of what follows, little-endian; at most what is left
 * A frame gets 64 zero bytes more for each of the upper six bits of its length.
 */
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/cleanup.h"
#include "control/outcome.h"
#include "daemon/desired.h"
#include "tests/host/check.h"
#include "tests/host/host.h"
#include "tests/host/scene.h"

#define OTHER_DEVICE 7
#define SECOND_NS 1000000000ull
#define FRAMES_MAX 16
#define LENGTH_BITS 10

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct sluice_settings all;

static void require(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* Small tables, so that they fill up and inputs run quickly. */
static void set_entries(uint32_t entries[MAP_MAX], const struct maps_size *size)
{
	for (int i = 0; i < MAP_MAX; i++)
		entries[i] = 64;
	entries[MAP_VIPS] = entries[MAP_PREFIXES] = size->vips * 2;
	entries[MAP_VIP_LINES] = 1u << all.vip_bits;
	entries[MAP_COUNTERS] = size->vips + 1;
	entries[MAP_RINGS] = entries[MAP_OTHERS] = size->ring_slots / SLUICE_LINE_SLOTS;
	entries[MAP_BACKENDS] = entries[MAP_NAMES] = size->backends + 1;
	entries[MAP_BACKEND_COUNTERS] = size->backends + 1;
	entries[MAP_FLOWS] = all.flow_lines;
	entries[MAP_FRAGMENTS] = 4;
	entries[MAP_LIMITERS] = SLUICE_LIMIT_MAX;
	entries[MAP_STATE] = 1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	_cleanup_(model_freep) struct model *model = NULL;
	_cleanup_(diag_fini) struct diag diag = {0};
	const uint32_t device = OTHER_DEVICE;
	uint32_t entries[MAP_MAX];
	struct maps_size size;
	struct scene_maps maps;

	(void)argc;
	(void)argv;
	require(!scene_model(&model, &diag), "tests/host/everything.conf is not good");
	size = desired_size(model);
	all = desired_settings(model);
	all.features |= SLUICE_FEATURE_TRACE | SLUICE_FEATURE_FRAGS;
	all.flow_lines = 2;
	set_entries(entries, &size);
	require(!host_open(&all, entries) && !host_fill(model, SCENE_MTU, &diag) &&
			!host_map_write(MAP_DEVICES, &device, &device),
		"the maps cannot be filled");
	maps = (struct scene_maps){
		.backends = host_map_memory(MAP_BACKENDS),
		.names = host_map_memory(MAP_NAMES),
		.n_backends = host_map_entries(MAP_BACKENDS),
		.slots = host_slots(),
		.n_slots = host_map_entries(MAP_RINGS) * SLUICE_LINE_SLOTS,
	};
	scene_change(&maps, OTHER_DEVICE);
	return 0;
}

/* How often the outcomes and one event were counted, over all VIPs. */
static uint64_t count_outcomes(uint64_t *decapsulated)
{
	const struct sluice_counters *counters = host_map_memory(MAP_COUNTERS);
	uint64_t n = 0;

	*decapsulated = 0;
	for (uint32_t id = 0; id < host_map_entries(MAP_COUNTERS); id++) {
		for (int i = 0; i < SLUICE_OUT_MAX; i++)
			n += counters[id].outcome[i];
		*decapsulated += counters[id].event[SLUICE_EVENT_DECAPSULATED];
	}
	return n;
}

static void send_frame(struct host_frame *frame)
{
	static unsigned char out[FRAME_MAX];
	uint64_t stripped_before, stripped, before = count_outcomes(&stripped_before);
	size_t size = sizeof(out);
	struct host_result result = host_send(frame, out, &size);
	struct check_frame check = {
		.in = frame->data,
		.in_size = frame->size,
		.out = out,
		.out_size = size,
		.action = result.action,
		.outcome = result.trace.outcome,
	};
	const char *wrong;

	require(count_outcomes(&stripped) == before + 1, "not counted once");
	check.stripped = stripped != stripped_before;
	wrong = check_frame(&check);
	if (wrong)
		fprintf(stderr, "%s: ", outcome_name(check.outcome));
	require(!wrong, wrong);
}

/* Reads one frame's header and bytes into @frame, whose data is @room; what is left of the input. */
static const uint8_t *read_frame(const uint8_t *bytes, const uint8_t *end, unsigned char *room,
				 struct host_frame *frame)
{
	size_t length = bytes[2] | (size_t)bytes[3] << 8;
	size_t more = (length >> LENGTH_BITS) * 64;
	size_t left = (size_t)(end - bytes) - 4;

	length &= (1u << LENGTH_BITS) - 1;
	if (length > left)
		length = left;
	host_now_ns += bytes[0] * SECOND_NS;
	memcpy(room, bytes + 4, length);
	memset(room + length, 0, more);
	*frame = (struct host_frame){
		.data = room,
		.size = length + more,
		.linear = bytes[1] * 16u,
	};
	return bytes + 4 + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static unsigned char room[FRAME_MAX];
	const uint8_t *end = bytes + n;
	struct sluice_settings settings = all;
	size_t headroom;

	if (n < 4)
		return 0;
	settings.features &= ~(bytes[0] | (uint32_t)bytes[1] << 8) | SLUICE_FEATURE_TRACE;
	headroom = bytes[2] ? bytes[2] : HOST_HEADROOM;
	settings.echo_rate = bytes[3] & 1 ? 1 : settings.echo_rate;
	settings.error_rate = bytes[3] & 2 ? 0 : settings.error_rate;
	host_set(&settings);
	host_maps_forget();
	host_now_ns = 1000 * SECOND_NS;
	bytes += 4;
	for (int i = 0; i < FRAMES_MAX && end - bytes > 4; i++) {
		struct host_frame frame;

		bytes = read_frame(bytes, end, room, &frame);
		frame.headroom = headroom;
		/* A kernel gives frames of several buffers only to who asks for them. */
		if (!(settings.features & SLUICE_FEATURE_FRAGS)) {
			frame.size = frame.size < HOST_LINEAR ? frame.size : HOST_LINEAR;
			frame.linear = 0;
		}
		send_frame(&frame);
	}
	return 0;
}
