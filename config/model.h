/* SPDX-License-Identifier: MIT */
/*
 * The model: what a config file asks for, every value checked and every default filled in. It
 * is a tree freed by one call; what was observed (health, next hops) and what the operator asked
 * for at run time live elsewhere.
 */
#ifndef SLUICE_CONFIG_MODEL_H
#define SLUICE_CONFIG_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/addr.h"
#include "xdp/abi.h"

#define MODEL_WEIGHT_MIN 1u
#define MODEL_WEIGHT_MAX 65535u
#define MODEL_WEIGHT_DEFAULT 100u
#define MODEL_RING_SIZE_DEFAULT 65537u
#define MODEL_NAME_MAX (SLUICE_NAME_MAX - 1) /* bytes of a pool's, backend's or VIP's name */

/* Where a backend is in its life. Declared by the config or by the operator. */
enum model_state {
	MODEL_STATE_ACTIVE,   /* takes new flows */
	MODEL_STATE_FILLING,  /* new: takes new flows, and had none before */
	MODEL_STATE_DRAINING, /* no new flows; those it has, stay */
	MODEL_STATE_DISABLED, /* gets nothing */
	MODEL_STATE_MAX,
};

/* How XDP attaches to a port. */
enum model_mode {
	MODEL_MODE_AUTO,    /* native, else generic */
	MODEL_MODE_NATIVE,  /* in the driver or not at all */
	MODEL_MODE_GENERIC, /* in the stack, for drivers without XDP */
	MODEL_MODE_MAX,
};

/* How a ring is populated: Katran's first and second algorithm (they differ by weights). */
enum model_maglev {
	MODEL_MAGLEV_V1 = 1,
	MODEL_MAGLEV_V2 = 2,
};

/* Which parts of a flow choose its slot. */
enum model_hash {
	MODEL_HASH_TUPLE,            /* client address, both ports; any-port VIPs: not the VIP's */
	MODEL_HASH_NO_SOURCE_PORT,   /* ... without the client's port: a client stays together */
	MODEL_HASH_DESTINATION_PORT, /* the VIP's port only */
	MODEL_HASH_WITH_DESTINATION_PORT, /* as tuple, and the VIP's port even where any is served */
	MODEL_HASH_MAX,
};

/* Whose connection ids QUIC packets carry. */
enum model_quic {
	MODEL_QUIC_NONE,
	MODEL_QUIC_KATRAN,
	MODEL_QUIC_LB, /* draft-ietf-quic-load-balancers, plaintext */
	MODEL_QUIC_MAX,
};

/* Which flows the flow table remembers. */
enum model_track {
	MODEL_TRACK_MOVING, /* those of slots that change */
	MODEL_TRACK_ALWAYS,
	MODEL_TRACK_NEVER,
	MODEL_TRACK_MAX,
};

/* Which packets tell their backend who else may have their flow. */
enum model_hint {
	MODEL_HINT_MOVING, /* those of slots that change */
	MODEL_HINT_ALWAYS,
	MODEL_HINT_OFF,
	MODEL_HINT_MAX,
};

/* What becomes of the slots of a backend that fails. */
enum model_failover {
	MODEL_FAILOVER_RANK,    /* each goes to its next owner; the ring stays as it is */
	MODEL_FAILOVER_REBUILD, /* the ring is built anew without it, as Katran does */
	MODEL_FAILOVER_MAX,
};

enum model_tunnel_type {
	MODEL_TUNNEL_IPIP, /* IP in IP, of whatever families */
	MODEL_TUNNEL_GUE,  /* generic UDP encapsulation, variant 1 */
	MODEL_TUNNEL_MAX,
};

#define MODEL_GUE_PORT 6080u

struct model_tunnel {
	enum model_tunnel_type type;
	uint16_t port; /* GUE: UDP destination port, host byte order; else 0 */
	bool has_source;
	struct sluice_addr source; /* GUE: outer source for IPv4 backends */
	bool has_source6;
	struct sluice_addr source6; /* GUE: outer source for IPv6 backends */
};

struct model_interface {
	char *name;
	enum model_mode mode;
	bool has_gateway_mac;
	uint8_t gateway_mac[6]; /* overrides what the kernel knows about next hops */
	const char *file;       /* where it is declared, for later messages; the model's */
	unsigned int line;
};

/* How a backend's health is found out. */
enum model_check_type {
	MODEL_CHECK_NONE,  /* always up */
	MODEL_CHECK_TCP,   /* a connection is made */
	MODEL_CHECK_HTTP,  /* an answer with a status, and perhaps a body, that is asked for */
	MODEL_CHECK_HTTPS, /* the same over TLS */
	MODEL_CHECK_UDP,   /* a datagram is answered */
	MODEL_CHECK_DNS,   /* a question is answered */
	MODEL_CHECK_EXEC,  /* a program ends with 0 */
	MODEL_CHECK_AGENT, /* the backend says so itself, in HAProxy's agent-check words */
	MODEL_CHECK_MAX,
};

/* The way that probes go. */
enum model_via {
	MODEL_VIA_TUNNEL, /* as data does: to the VIP's address, inside the tunnel to the backend */
	MODEL_VIA_DIRECT, /* to the backend's own address */
	MODEL_VIA_MAX,
};

struct model_status_range {
	uint16_t first;
	uint16_t last;
};

struct model_check {
	enum model_check_type type;
	enum model_via via; /* exec and agent are always direct */
	uint16_t port;      /* host byte order; 0: the VIP's */
	unsigned int interval_ms;
	unsigned int timeout_ms;       /* of one probe */
	unsigned int fast_interval_ms; /* while successes or failures are being counted */
	unsigned int down_interval_ms; /* while it is down; default: interval_ms */
	unsigned int rise;             /* successes in a row that bring it up */
	unsigned int fall;             /* failures in a row that take it down */
	/* http, https */
	char *method;   /* "GET" */
	char *path;     /* "/" */
	char *host;     /* the Host header and SNI; NULL: the address */
	char **headers; /* "Name: value" */
	size_t n_headers;
	struct model_status_range *statuses; /* default: 200-399 */
	size_t n_statuses;
	char *body;    /* extended regular expression that the body matches; NULL: any */
	bool verify;   /* https: the certificate, for `host` or the address */
	char *ca_file; /* https: NULL: the system's */
	bool http2;    /* https: by ALPN; http: with prior knowledge */
	/* udp */
	uint8_t *payload;
	size_t payload_size;
	uint8_t *expect; /* what the reply begins with; NULL: any reply */
	size_t expect_size;
	/* dns */
	char *query_name;    /* "example.com" */
	uint16_t query_type; /* as in the question: 1 is A */
	/* exec; ends with NULL */
	char **argv;
};

struct model_backend {
	char *name;                 /* unique in its pool */
	struct sluice_addr address; /* unique in its pool */
	unsigned int weight;        /* MODEL_WEIGHT_MIN .. MODEL_WEIGHT_MAX */
	unsigned int weight_before; /* until the change that it declares has settled; 0: the same */
	enum model_state state;
	bool state_given; /* the file names the state (--replay counts others as active) */
	/*
	 * In connection ids, TCP options, UDP headers. They hold across pools: an id is of one
	 * address, and of backends in several pools that have it the first one has the id.
	 */
	uint32_t *server_ids;
	size_t n_server_ids;
	uint16_t hint; /* its number in hints, HINT_MIN .. HINT_MAX: one of its address */
	const char *file;
	unsigned int line;
};

struct model_pool {
	char *name; /* unique */
	struct model_backend *backends;
	size_t n_backends; /* may be 0 */
	struct model_check check;
	unsigned int
		slow_start_s; /* a backend that comes up gets its weight over so long; 0: at once */
	unsigned int panic; /* below this percentage of weight up, all that are not out are used */
	struct model_tunnel tunnel;
	const char *file;
	unsigned int line;
};

/* Where clients of some prefixes go: to a pool's ring, or to one backend of a pool. */
struct model_target {
	const struct model_pool *pool;
	const struct model_backend *backend; /* NULL: the whole pool */
};

/* Clients of @prefix go to the VIP's targets[target]. */
struct model_source {
	struct addr_prefix prefix;
	uint32_t target;
};

struct model_vip {
	char *name;                    /* unique */
	struct addr_prefix prefix;     /* its addresses: one (len 128), or a whole prefix */
	uint16_t port;                 /* host byte order; 0: every port */
	uint8_t protocol;              /* IPPROTO_TCP or IPPROTO_UDP */
	const struct model_pool *pool; /* of the same model */
	enum model_maglev maglev;
	uint32_t ring_size; /* 4093, 16381 or 65537 */
	enum model_hash hash;
	enum model_quic quic;              /* UDP only */
	unsigned int quic_server_id_bytes; /* QUIC-LB: 1 .. 4; else 0 */
	bool tcp_server_id;                /* TCP only */
	bool udp_stable;                   /* UDP only */
	enum model_track track;            /* default: always for UDP, moving for TCP */
	enum model_hint hint;
	enum model_failover failover;
	struct addr_prefix *allow; /* if there are any, all others are denied */
	size_t n_allow;
	struct addr_prefix *deny; /* the longest prefix of both lists decides */
	size_t n_deny;
	struct model_target *targets;
	size_t n_targets;
	struct model_source *sources; /* no prefix twice; no ::/0 without 0.0.0.0/0 (load.h) */
	size_t n_sources;
	uint64_t access_digest;  /* of allow and deny; other content, other digest */
	uint64_t sources_digest; /* of sources and the names of their targets */
	const char *file;
	unsigned int line;
};

struct model_control {
	char *socket;  /* path */
	char *group;   /* whose members may use it besides root; NULL: only root */
	long group_id; /* its number; -1 without a group */
};

/* How large the kernel maps are. */
struct model_limits {
	unsigned int vips;
	unsigned int backends;  /* over all pools */
	unsigned int sources;   /* client prefixes of all VIPs, those of allow and deny too */
	unsigned int flows;     /* entries of the flow table, a power of two, 8 bytes each */
	unsigned int fragments; /* datagrams in pieces at a time */
};

/* An address whose tunnels end at this balancer. */
struct model_decap {
	struct sluice_addr address;
	bool egress; /* what is not for a VIP goes back to the router; else the host gets it */
	const char *file;
	unsigned int line;
};

struct model {
	char *file;   /* the config's path as given */
	char **files; /* the same path, and those of the files that it includes or names */
	size_t n_files;
	char *pin_dir;
	char *state_dir;
	struct model_interface *interfaces;
	size_t n_interfaces; /* at least 1 */
	struct model_control control;
	struct model_limits limits;
	uint32_t hash_seed;      /* seed of the flow hash: 0 means Katran's constants */
	unsigned int flow_age_s; /* a flow that is silent for longer is forgotten */
	unsigned int tcp_age_s;  /* ... a TCP connection, at least flow_age_s */
	unsigned int settle_s;   /* a change of a VIP's members settles after so long */
	unsigned int echo_rate;  /* echo replies a second and CPU */
	unsigned int error_rate; /* "too big" messages a second and CPU */
	struct model_decap *decap;
	size_t n_decap;
	struct model_pool *pools;
	size_t n_pools;
	struct model_vip *vips;
	size_t n_vips;
};

#define MODEL_PIN_DIR "/sys/fs/bpf/sluice"
#define MODEL_STATE_DIR "/var/lib/sluice"
#define MODEL_SOCKET "/run/sluice/control.sock"
#define MODEL_LIMIT_VIPS 512u
#define MODEL_LIMIT_BACKENDS 4096u
#define MODEL_LIMIT_SOURCES 2000000u
#define MODEL_LIMIT_FLOWS 131072u
#define MODEL_LIMIT_FRAGMENTS 4096u
#define MODEL_FLOW_AGE_S 30u
#define MODEL_TCP_AGE_S 3600u
#define MODEL_SETTLE_S 300u
#define MODEL_SETTLE_S_MAX 86400u
#define MODEL_ECHO_RATE 1000u
#define MODEL_CHECK_INTERVAL_MS 2000u
#define MODEL_CHECK_TIMEOUT_MS 1000u
#define MODEL_CHECK_FAST_MS 500u
#define MODEL_CHECK_RISE 2u
#define MODEL_CHECK_FALL 3u
#define MODEL_PANIC 50u
#define MODEL_ERROR_RATE 1000u
#define MODEL_LIMIT_VIPS_MAX 65535u
#define MODEL_LIMIT_BACKENDS_MAX (SLUICE_BACKEND_IDS - 1u)

/* Frees the model and all that it owns; accepts NULL. */
void model_free(struct model *model);
void model_freep(struct model **model);

/* The pool named @name, or NULL. */
const struct model_pool *model_find_pool(const struct model *model, const char *name);

/* The VIP named @name, or NULL. */
const struct model_vip *model_find_vip(const struct model *model, const char *name);

/* The backend named @name in @pool, or NULL. */
const struct model_backend *model_find_backend(const struct model_pool *pool, const char *name);

/* The sum of all pools' backends. */
size_t model_count_backends(const struct model *model);

/* The sum of all VIPs' targets. */
size_t model_count_targets(const struct model *model);

/*
 * Whose rings the VIP's clients are sent to: 0 is its own pool, 1 .. vip->n_targets are those of its
 * targets; NULL for a target that is one backend. A pool may come more than once.
 */
const struct model_pool *model_vip_pool(const struct model_vip *vip, size_t i);

/* Does a backend in this state get new flows: is it a member of its pool's rings? */
static inline bool model_state_takes_flows(enum model_state state)
{
	return state == MODEL_STATE_ACTIVE || state == MODEL_STATE_FILLING;
}

/* A VIP that is one address. */
static inline bool model_vip_is_host(const struct model_vip *vip)
{
	return vip->prefix.len == 128;
}

/* Writes its address or prefix to @text, at least PREFIX_TEXT_MAX bytes; returns @text. */
const char *model_vip_address(const struct model_vip *vip, char *text);

/* The words of each enum, by its values. */
extern const char *const model_state_names[MODEL_STATE_MAX];
extern const char *const model_mode_names[MODEL_MODE_MAX];
extern const char *const model_hash_names[MODEL_HASH_MAX];
extern const char *const model_quic_names[MODEL_QUIC_MAX];
extern const char *const model_track_names[MODEL_TRACK_MAX];
extern const char *const model_hint_names[MODEL_HINT_MAX];
extern const char *const model_failover_names[MODEL_FAILOVER_MAX];
extern const char *const model_tunnel_names[MODEL_TUNNEL_MAX];
extern const char *const model_check_names[MODEL_CHECK_MAX];
extern const char *const model_via_names[MODEL_VIA_MAX];

/*
 * Words of the config language and of the control protocol: "active", "native", "tcp"; never NULL.
 */
const char *model_state_name(enum model_state state);
const char *model_mode_name(enum model_mode mode);
const char *model_protocol_name(uint8_t protocol);

/* The state called @name into @out. 0, or -EINVAL with @out untouched. */
int model_state_parse(enum model_state *out, const char *name);

#endif
