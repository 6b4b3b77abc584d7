/* SPDX-License-Identifier: MIT */
/*
 * Replies for people: each command's document as a table, or as it is (JSON). A table is at most
 * 80 columns wide with names of usual length. A key that is missing shows as "-".
 *
 * The documents, which is what the daemon answers and `sluicectl -j` prints. Keys are stable: new
 * ones may come, none changes its meaning. Counts begin when the kernel maps are made; bytes are
 * those of forwarded packets as received, from the IP header on.
 *
 * status
 *   {"version": "0.1.0", "pid": 123, "uptime_s": 60, "config": "/etc/sluice/sluice.conf",
 *    "pin_dir": "/sys/fs/bpf/sluice", "state_dir": "/var/lib/sluice",
 *    "loaded_at": 1764166860,                  seconds since the epoch: the config in force
 *    "interfaces": [{"name": "eth0", "ifindex": 2, "mode": "native" | "generic",
 *                    "attach": "alone" | "dispatcher", "program_id": 7}],
 *    "vips": 3, "backends": 12,
 *    "operator_changes": 1,                    backends whose state or weight the operator set
 *    "unresolved_backends": 0,                 backends without a usable next hop
 *    "memory_bytes": 4718592,                  of the kernel maps
 *    "down_backends": 0,                       that no VIP can use, by their checks
 *    "panic_vips": ["www"],                    VIPs that use backends that are down, since too few
 *                                              others are up
 *    "moving_vips": 0}                         whose last change has not settled
 *
 * vips
 *   {"vips": [{"name": "www", "address": "198.18.0.80", "port": 80, "protocol": "tcp",
 *              "pool": "web", "maglev": "v2", "ring_size": 65537,
 *              "backends": 4, "active": 3,     of its pool, and those that take new flows and are up
 *              "packets": 0, "bytes": 0, "dropped": 0}]}
 *
 * backends
 *   {"backends": [{"name": "web-1", "pool": "web", "address": "198.18.1.11", "id": 1,
 *                  "state": "active" | "filling" | "draining" | "disabled",
 *                  "state_by": "config" | "operator" | "check",
 *                  "weight": 100, "weight_by": "config" | "operator" | "check",
 *                  "health": "up" | "down" | "unchecked",  down: no VIP can use it
 *                  "nexthop": {"state": "ready" | "resolving" | "no_route" | "local" | "static",
 *                              "interface": "eth0", "mac": "00:00:5e:00:53:01"},
 *                  "packets": 0, "bytes": 0,
 *                  "flows": 0}]}              live ones that the flow table knows
 *   A backend that is no longer in the config, and stays until its flows have settled, has the state
 *   "removed"; a new one may be "filling".
 *
 * counters
 *   {"total": {"forwarded": 1, "not_ip": 0, ...},    one for each outcome of xdp/abi.h
 *    "events": {"flow_hit": 0, ...},                 one for each event of xdp/abi.h
 *    "vips": [{"name": "www", "counters": {"forwarded": 1, ...}, "events": {...}}]}
 *
 * ring
 *   {"vip": "www", "maglev": 2, "ring_size": 65537,
 *    "digest": "0123456789abcdef",             see digest
 *    "moving": true,                           a change has not settled yet
 *    "moving_slots": 1234,                     slots with an old owner beside the new one
 *    "owners": [{"name": "web-1", "pool": "web", "state": "active", "weight": 100,
 *                "slots": 16384, "share": 0.25,
 *                "old_slots": 0}],             that it gave up, and still has the old flows of
 *    "since": epoch_s,                         only while moving, as what follows:
 *    "settles_by": epoch_s,                    at the latest
 *    "left_until": epoch_s,                    who left keeps its flows; only if somebody left
 *    "why": ["web-2 left", "web-5 is new", "web-1 has weight 50, not 100"]}
 *
 * digest
 *   {"all": "0123456789abcdef",                of all VIPs, in any order
 *    "vips": [{"name": "www", "digest": "0123456789abcdef"}]}
 *   Equal on balancers that declare the same.
 *
 * flows
 *   {"size": 131072, "age_s": 30, "tcp_age_s": 3600, "established": 12, "handshakes": 3,
 *    "moving_vips": 1,
 *    "backends": [{"name": "web-1", "pool": "web", "flows": 4,
 *                  "leaving": false}]}         it left a ring, and its time there is not over
 *   with --purge: {"purged": 15}
 *
 * settle
 *   {"slots_written": 1234}
 *
 * health
 *   {"streams": [
 *     {"backend": "web-3", "pool": "web", "address": "198.18.1.13",
 *      "vips": ["www"],                        that it stands for
 *      "check": "tcp", "via": "tunnel" | "direct",
 *      "target": "198.18.0.80", "port": 80,    what is asked
 *      "state": "up" | "down" | "unknown", "since": epoch_s,
 *      "reason": "tcp connect timed out after 1003 ms",  of the last result
 *      "count": 1, "of": 2,                    results in a row that speak against the state
 *      "weight_percent": 100,                  by slow start and agent
 *      "agent": "ready" | "drain" | "maint",
 *      "last": [{"result": "success" | "failure" | "unknown", "duration_us": 1003000,
 *                "at": epoch_s}],              the latest first
 *      "probes": 7, "successes": 0, "failures": 7,
 *      "unknown": 0,                           probes that this host could not make
 *      "changes": 1,
 *      "next_ms": 312,                         until the next probe; null: one is under way
 *      "running": false}],
 *    "up": 12, "down": 1, "unknown": 0}        streams
 *
 * watch: a reply, {"since": epoch_s}, and then an event whenever something changes
 *   {"time": epoch_s, "kind": "change", "text": "vip www: added"}
 *   {"time": epoch_s, "kind": "health", "text": "...", "backend": "web-1", "pool": "web",
 *    "vip": "www", "vips": 1,                  the first VIP that it is checked for, of so many
 *    "from": "up", "to": "down",               or "unknown"; or what an agent said
 *    "reason": "tcp connect timed out after 1003 ms", "duration_us": 1003112}
 *
 * drain, activate, disable, enable, weight
 *   {"backends": [{"pool": "web", "name": "web-1", "state": "draining", "weight": 100}],
 *    "slots_written": 1234}                    words of the rings that were written
 *
 * reload
 *   {"vips": 3, "backends": 12, "slots_written": 0, "changes": ["vip www: added", ...]}
 */
#ifndef SLUICE_CONTROL_PRINT_H
#define SLUICE_CONTROL_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Prints @document to @out. @all: also what is left out because it is zero. 0 or -ENOMEM;
 * whether @out took everything, the caller asks @out.
 */
typedef int print_fn(FILE *out, const json_t *document, bool all);

print_fn print_json;      /* any document, indented, its keys in the order given */
print_fn print_json_line; /* any document, in one line */
print_fn print_status;
print_fn print_vips;
print_fn print_backends;
print_fn print_counters;
print_fn print_changed; /* drain, activate, disable, enable, weight */
print_fn print_reload;
print_fn print_ring;
print_fn print_digest;
print_fn print_flows;
print_fn print_settle;
print_fn print_event; /* of watch */
print_fn print_health;

#define PRINT_COUNT_MAX 8
#define PRINT_BYTES_MAX 12

/*
 * Writes @n, not negative, in three digits or so with a decimal suffix: "999", "12.3k", "4.5M";
 * returns @text.
 */
const char *print_count(char text[PRINT_COUNT_MAX], json_int_t n);

/* The same for bytes, in powers of 1024: "999 B", "12.3 KiB", "4.5 MiB". */
const char *print_bytes(char text[PRINT_BYTES_MAX], json_int_t n);

#endif
