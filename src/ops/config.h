/* Configuration: one table makes the struct, the defaults, the file keys, the XOE_* environment
 * names, the --flags, the help and docs/configuration.md. Precedence: flag > environment > file >
 * default. File: JSON object {"port": 8080, …} at --config, else DATA/config.json when it exists. */
#ifndef XOE_OPS_CONFIG_H
#define XOE_OPS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "xoe/error.h"

/* X(TYPE, field, default, "help") — TYPE: STR, INT, NUM, BOOL. Environment XOE_FIELD, flag --field
 * with '_' as '-'. A SECRET is a STR that is never printed. */
#define XOE_CONFIG_TABLE(X)                                                                        \
    X(STR, data, "", "folder of keys, database and indexes (default: the user's data folder/xoe)") \
    X(STR, models_dir, "", "folder of model files (default: DATA/models)")                         \
    X(STR, host, "127.0.0.1", "address to listen on")                                              \
    X(INT, port, 8080, "port to listen on; 0 takes a free one and prints it")                      \
    X(STR, model, "", "chat model: a name of the manifest or a GGUF file (default: by memory)")    \
    X(STR, embedding_model, "", "embedding model (default: all-minilm-l6-v2 when present)")        \
    X(STR, paraphrase_model, "", "model that rephrases; empty: the best one present")              \
    X(STR, rephrase_key, "", "id of the key that rephrasing takes; empty: the active one")         \
    X(STR, aliases, "", "other names of models: gpt-4o-mini=NAME,gpt-4=NAME")                      \
    X(SECRET, api_key, "", "clients must send this key; empty: none asked on loopback")            \
    X(INT, slots, 8, "answers at once")                                                            \
    X(INT, ctx, 4096, "context tokens an answer, prompt included")                                 \
    X(INT, threads, 0, "compute threads; 0: all cores this process may use")                       \
    X(INT, queue, 64, "requests waiting for a slot; more are refused with 429")                    \
    X(INT, max_models, 4, "models in memory at once; the least recently used idle one is closed") \
    X(INT, max_body_bytes, 8388608, "largest request body")                                        \
    X(INT, request_timeout_s, 600, "longest time for one request")                                 \
    X(INT, rate_per_minute, 0, "requests a minute a client; 0: no limit")                          \
    X(INT, detect_rate_per_minute, 120, "detector requests a minute a client; 0: no limit")        \
    X(INT, auth_failures_per_minute, 30, "wrong API keys a minute from an address before it must wait; 0: no limit") \
    X(INT, idle_timeout_s, 30, "longest time for a client to send a request, or to send none on an open connection") \
    X(INT, write_timeout_s, 60, "longest time for a client to take what waits for it, or 1 KiB a second of it") \
    X(STR, cors_origin, "", "allowed origin for browsers of other sites; empty: none")             \
    X(STR, watermark, "generate", "default mode: generate, rephrase or off")                       \
    X(BOOL, enforce, false, "refuse answers without a mark")                                       \
    X(NUM, fpr, 0.001, "target false-positive rate of the detector")                               \
    X(INT, watermax_drafts, 8, "drafts of every piece of an answer under a watermax key: the work grows with them") \
    X(INT, watermax_piece, 16, "tokens of such a piece: the shorter, the stronger the mark") \
    X(STR, log_level, "info", "debug, info, warn, error or off")

#define XOE_CFG_C_STR char *
#define XOE_CFG_C_SECRET char *
#define XOE_CFG_C_INT int64_t
#define XOE_CFG_C_NUM double
#define XOE_CFG_C_BOOL bool

typedef struct xoe_config {
#define XOE_CONFIG_FIELD(type, field, def, help) XOE_CFG_C_##type field;
    XOE_CONFIG_TABLE(XOE_CONFIG_FIELD)
#undef XOE_CONFIG_FIELD
} xoe_config;

/* Defaults, then the file, then the environment. file NULL: the default place, absence is fine. */
xoe_err xoe_config_load(xoe_config *c, const char *file, xoe_error *e);
/* One value by its flag name without dashes ("port", "max-body-bytes"); the place (file, flag,
 * environment) is told in errors. Errors: XOE_ENOTFOUND (no such setting), XOE_EINVAL. */
xoe_err xoe_config_set(xoe_config *c, const char *name, const char *value, const char *place,
                       xoe_error *e);
bool xoe_config_is_flag(const char *name, bool *takes_value);
/* The i-th flag's name without dashes; false when there are no more. */
bool xoe_config_flag_at(size_t i, char name[64]);
/* One line of help for a flag: "  --port N   port to listen on [8080]". */
void xoe_config_print_flag_help(FILE *out, size_t i);
/* Resolve data and models_dir, check ranges, refuse a public address without a key. */
xoe_err xoe_config_finish(xoe_config *c, xoe_error *e);
void xoe_config_free(xoe_config *c);
void xoe_config_print_help(FILE *out);     /* flags with defaults */
void xoe_config_print_markdown(FILE *out); /* docs/configuration.md's table */

#endif
