/* SPDX-License-Identifier: MIT */
/*
 * When each stream is probed. All that wait are in a heap, so one timer is enough, for the first of
 * them. They come at a random place of their interval, and each later one is off by up to a tenth,
 * so that many never come together.
 */
#include "daemon/health_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MS 1000u /* us */

/* xorshift64*: it only has to spread. */
static uint64_t next_random(struct health *h)
{
	h->random ^= h->random >> 12;
	h->random ^= h->random << 25;
	h->random ^= h->random >> 27;
	return (h->random * UINT64_C(0x2545f4914f6cdd1d)) >> 16;
}

/* ---------------------------------------------------------------------------------------- heap */

static void place(struct stream_heap *heap, struct stream *stream, size_t at)
{
	heap->list[at] = stream;
	stream->place = at;
}

void schedule_push(struct stream_heap *heap, struct stream *stream)
{
	size_t at = ++heap->n;

	for (; at > 1 && heap->list[at / 2]->due_us > stream->due_us; at /= 2)
		place(heap, heap->list[at / 2], at);
	place(heap, stream, at);
}

/* Takes the first one out, which must be there. */
static struct stream *pop(struct stream_heap *heap)
{
	struct stream *first = heap->list[1], *last = heap->list[heap->n--];
	size_t at = 1;

	first->place = 0;
	while (heap->n) {
		size_t child = 2 * at;

		if (child < heap->n && heap->list[child + 1]->due_us < heap->list[child]->due_us)
			child++;
		if (child > heap->n || heap->list[child]->due_us >= last->due_us)
			break;
		place(heap, heap->list[child], at);
		at = child;
	}
	if (first != last)
		place(heap, last, at);
	return first;
}

uint64_t schedule_next_us(const struct stream_heap *heap)
{
	return heap->n ? heap->list[1]->due_us : HEALTH_NEVER;
}

/* -------------------------------------------------------------------------------------- probes */

void schedule_first(struct health *health, struct stream *stream, uint64_t now_us)
{
	const struct model_check *check = stream->check;
	uint64_t within_ms = check->interval_ms;

	if (!stream->state.judge.known && check->fast_interval_ms < within_ms)
		within_ms = check->fast_interval_ms;
	stream->due_us = now_us + next_random(health) % (within_ms * MS);
}

/*
 * 9 to 11 tenths of the interval from when the probe that has ended was due: those that a
 * standstill made late together do not stay together. From its start, where it was very late. After
 * the first one, somewhere in the interval.
 */
static void schedule_next(struct stream *stream)
{
	struct health *h = stream->health;
	uint64_t interval_us =
		(uint64_t)judge_interval_ms(&stream->state.judge, stream->check) * MS;

	uint64_t from_us = stream->start_us;

	if (from_us - stream->due_us < interval_us / 2)
		from_us = stream->due_us;
	stream->due_us = from_us + interval_us * 9 / 10 + next_random(h) % (interval_us / 5 + 1);
	/* the first ones came in a hurry, all at a start together */
	if (stream->n_probes == 1)
		stream->due_us = from_us + next_random(h) % interval_us;
	schedule_push(&h->set.heap, stream);
}

static void on_done(void *ctx, const struct probe_report *report)
{
	struct stream *stream = ctx;

	stream->probe = NULL;
	health_take(stream, report);
	schedule_next(stream);
	health_set_timer(stream->health);
}

/* false: this host cannot do it, as @report says. */
static bool begin(struct stream *stream, struct probe_report *report)
{
	struct health *h = stream->health;
	const struct stream_user *user = &stream->users[0];
	bool in_tunnel = stream->check->via == MODEL_VIA_TUNNEL;
	struct probe_target target = {
		.address = stream->key.target,
		.port = (uint16_t)stream->key.port,
		.backend = stream->key.backend,
		.mark = in_tunnel ? h->mark(h->ctx, user->pool, user->backend) : 0,
		.check = stream->check,
	};
	int err;

	if (in_tunnel && !target.mark) {
		snprintf(report->reason, sizeof(report->reason),
			 "this host: there is no tunnel to it yet, or no next hop");
		return false;
	}
	err = probe_start(&stream->probe, h->probes, &target, on_done, stream);
	if (err)
		probe_own_error(report, err);
	return !err;
}

/* One that cannot begin has ended, and says nothing about the backend. */
static void start(struct stream *stream, uint64_t now_us)
{
	struct probe_report report = {.result = JUDGE_UNKNOWN};

	stream->start_us = now_us;
	if (begin(stream, &report))
		return;
	health_take(stream, &report);
	schedule_next(stream);
}

void schedule_run(struct health *health, uint64_t now_us)
{
	struct stream_heap *heap = &health->set.heap;

	for (int i = 0; i < HEALTH_STARTS && schedule_next_us(heap) <= now_us; i++)
		start(pop(heap), now_us);
}
