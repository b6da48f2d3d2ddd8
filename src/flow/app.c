/* Opens what the product needs, once, and keeps a small pool of models that clients name.
 *
 * A pool entry is known by its file, so that a name, an alias and a path to the same file are one
 * model. The entries of app->chat, embed and paraphrase are pinned for good; others count their users
 * and may be closed when they have none.
 *
 * Threads: `load_mu` lets one model load at a time and is taken first; `mu` guards the table and is
 * never held while a file is read or an engine opened or closed. */
#include "flow/app.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "flow/adapters.h"

enum { POOL_MAX = 16, CTX_REPHRASE = 1024, CTX_JUDGE = 1536, PREFILL_REPHRASE = 64 };

typedef enum pool_use { USE_TEXT, USE_EMBEDDINGS, USE_VOCABULARY, USE_REPHRASE /* adapted */, USE_JUDGE /* as it is */ } pool_use;
static const char *const use_names[] = {"", " (embeddings)", " (vocabulary)", " (to rephrase)", " (to judge)"};

typedef struct pool_entry {
    xoe_engine *engine; /* NULL: free entry */
    char path[XOE_MODEL_PATH_MAX];
    char name[XOE_MODEL_NAME_MAX];
    pool_use use;
    bool pinned;
    int users;
    int64_t used_ms;
} pool_entry;

typedef struct app {
    xoe_app pub; /* first: an xoe_app is an app */
    xoe_manifest *manifest;
    pthread_mutex_t load_mu, mu;
    pool_entry pool[POOL_MAX];
    const char *paraphraser_warning;
} app;

static app *self(xoe_app *a)
{
    return (app *)a;
}

/* ---- pool ---- */

static pool_entry *find_path(app *a, const char *path, pool_use use)
{
    for (int i = 0; i < POOL_MAX; i++) {
        pool_entry *p = &a->pool[i];
        if (p->engine && p->use == use && !strcmp(p->path, path)) return p;
    }
    return NULL;
}

/* A place for one more: a free entry below the limit, else the least recently used idle one, whose
 * engine the caller closes. What is pinned is what the product needs: no limit but the table. Under mu. */
static pool_entry *make_room(app *a, bool pin, xoe_engine **close_this)
{
    pool_entry *free_entry = NULL, *oldest = NULL;
    int64_t loaded = 0;
    *close_this = NULL;
    for (int i = 0; i < POOL_MAX; i++) {
        pool_entry *p = &a->pool[i];
        if (!p->engine) {
            if (!free_entry) free_entry = p;
            continue;
        }
        loaded++;
        if (!p->pinned && !p->users && (!oldest || p->used_ms < oldest->used_ms)) oldest = p;
    }
    if (free_entry && (pin || loaded < a->pub.config->max_models)) return free_entry;
    if (!oldest) return NULL;
    *close_this = oldest->engine;
    xoe_log(XOE_LOG_INFO, "models", "closing %s: least recently used of %d", oldest->name, (int)loaded);
    *oldest = (pool_entry){0};
    return oldest;
}

static const char *stem_of(const char *path, char out[XOE_MODEL_NAME_MAX])
{
    const char *base = strrchr(path, '/');
    snprintf(out, XOE_MODEL_NAME_MAX, "%.*s", XOE_MODEL_NAME_MAX - 1, base ? base + 1 : path);
    size_t n = strlen(out);
    if (n > 5 && !strcmp(out + n - 5, ".gguf")) out[n - 5] = 0;
    return out;
}

/* Another engine of this file, whose weights will do. Under load_mu, so that it is not closed. */
static const xoe_engine *with_weights(app *a, const char *path)
{
    const pool_entry *p = NULL;
    pthread_mutex_lock(&a->mu);
    for (int i = 0; i < 3 && !p; i++)
        p = find_path(a, path, (pool_use[]){USE_TEXT, USE_REPHRASE, USE_JUDGE}[i]);
    pthread_mutex_unlock(&a->mu);
    return p ? p->engine : NULL;
}

static xoe_err open_engine(app *a, const char *path, const char *name, pool_use use, xoe_engine **out, xoe_error *e)
{
    const xoe_config *c = a->pub.config;
    xoe_engine_opts o = XOE_ENGINE_OPTS_INIT;
    int64_t start = xoe_clock_mono_ms();
    o.path = path;
    o.name = name;
    o.n_slots = (int)c->slots;
    o.n_ctx_slot = (int)c->ctx;
    o.n_threads = (int)c->threads;
    o.queue_max = (int)c->queue;
    o.embeddings = use == USE_EMBEDDINGS;
    o.vocab_only = use == USE_VOCABULARY;
    if (use == USE_EMBEDDINGS) {
        o.n_ctx_slot = 0; /* as trained: embedding models have short contexts */
    } else if (use != USE_VOCABULARY) {
        o.same_as = with_weights(a, path);
        if (!o.same_as) o.adapters = xoe_adapters_of(path, &o.n_adapters);
    }
    int most = use == USE_REPHRASE ? CTX_REPHRASE : use == USE_JUDGE ? CTX_JUDGE : 0;
    if (most) { /* a sentence at a time: small buffers will do */
        if (o.n_ctx_slot <= 0 || o.n_ctx_slot > most) o.n_ctx_slot = most;
        o.n_prefill = PREFILL_REPHRASE;
        o.n_batch = PREFILL_REPHRASE + o.n_slots;
    }
    if (use == USE_REPHRASE) o.adapter = XOE_TO_REPHRASE;
    xoe_err rc = xoe_engine_open(out, &o, e);
    if (!rc) xoe_log(XOE_LOG_INFO, "models", "opened %s%s in %d ms", name, use_names[use], (int)(xoe_clock_mono_ms() - start));
    return rc;
}

/* The engine of a file, loaded if need be. pin: for good; else one user is counted. */
static xoe_err pool_get(app *a, const char *path, const char *name, pool_use use, bool pin, xoe_engine **out, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    xoe_engine *close_this = NULL, *engine = NULL;
    *out = NULL;
    pthread_mutex_lock(&a->load_mu);
    pthread_mutex_lock(&a->mu);
    pool_entry *p = find_path(a, path, use);
    bool present = p != NULL;
    if (!p) p = make_room(a, pin, &close_this);
    if (present) {
        p->used_ms = xoe_clock_mono_ms();
        p->pinned = p->pinned || pin;
        p->users += !pin;
        *out = p->engine;
    }
    pthread_mutex_unlock(&a->mu);
    if (present) goto out;
    xoe_engine_close(close_this);
    if (!p) {
        rc = xoe_error_param(e, XOE_EUNAVAILABLE, "model",
                             "%.100s is not loaded and all %d models in memory are busy; try again, or raise "
                             "max_models", name, (int)a->pub.config->max_models);
        goto out;
    }
    if ((rc = open_engine(a, path, name, use, &engine, e))) goto out;
    pthread_mutex_lock(&a->mu);
    *p = (pool_entry){.engine = engine, .use = use, .pinned = pin, .users = !pin, .used_ms = xoe_clock_mono_ms()};
    snprintf(p->path, sizeof p->path, "%s", path);
    snprintf(p->name, sizeof p->name, "%s", name);
    pthread_mutex_unlock(&a->mu);
    *out = engine;
out:
    pthread_mutex_unlock(&a->load_mu);
    return rc;
}

/* ---- names ---- */

static void list_names(xoe_app *a, char *out, size_t cap)
{
    xoe_app_model_info *m = NULL;
    size_t n = 0, len = 0;
    out[0] = 0;
    if (xoe_app_models(a, &m, &n, NULL)) return;
    for (size_t i = 0; i < n && len + 1 < cap; i++) {
        int w = snprintf(out + len, cap - len, "%s%s", i ? ", " : "", m[i].name);
        if (w < 0) break;
        len += (size_t)w;
    }
    xoe_free(m);
}

/* Resolve what a client named. A client may name what is there, never a path of ours. */
static xoe_err resolve(xoe_app *pub, const char *name, char path[XOE_MODEL_PATH_MAX],
                       char proper[XOE_MODEL_NAME_MAX], const xoe_model **known, xoe_error *e)
{
    app *a = self(pub);
    char stem[XOE_MODEL_NAME_MAX], names[160];
    if (strchr(name, '/') || name[0] == '.' || xoe_manifest_find(pub->config, name, path, NULL)) {
        list_names(pub, names, sizeof names);
        return xoe_error_param(e, XOE_ENOTFOUND, "model", "there is no model '%.60s' here; there is: %s", name,
                               *names ? names : "none (xoe models pull)");
    }
    stem_of(path, stem);
    *known = xoe_manifest_lookup(a->manifest, name);
    if (!*known) *known = xoe_manifest_lookup(a->manifest, stem);
    snprintf(proper, XOE_MODEL_NAME_MAX, "%s", *known ? (*known)->name : stem);
    return XOE_OK;
}

xoe_err xoe_app_model(xoe_app *pub, const char *name, bool embeddings, xoe_engine **out, xoe_error *e)
{
    app *a = self(pub);
    char path[XOE_MODEL_PATH_MAX], proper[XOE_MODEL_NAME_MAX];
    const xoe_model *known = NULL;
    *out = NULL;
    if (!name || !*name) {
        *out = embeddings ? pub->embed : pub->chat;
        if (*out) return XOE_OK;
        return xoe_error_param(e, XOE_ENOTFOUND, "model", "no %s model is present; get one with: xoe models pull",
                               embeddings ? "embedding" : "chat");
    }
    /* The default by its own name, also when its file is outside the models folder. */
    pthread_mutex_lock(&a->mu);
    for (int i = 0; i < POOL_MAX; i++) {
        pool_entry *p = &a->pool[i];
        if (!p->engine || p->use != (embeddings ? USE_EMBEDDINGS : USE_TEXT) || strcmp(p->name, name)) continue;
        p->users++;
        p->used_ms = xoe_clock_mono_ms();
        *out = p->engine;
        break;
    }
    pthread_mutex_unlock(&a->mu);
    if (*out) return XOE_OK;
    xoe_err rc = resolve(pub, name, path, proper, &known, e);
    if (rc) return rc;
    bool is_embedder = known && !strcmp(known->purpose, "embedding");
    if (known && is_embedder != embeddings)
        return xoe_error_param(e, XOE_EINVAL, "model", "%s is %s model and cannot be used here", proper,
                               is_embedder ? "an embedding" : "a text");
    return pool_get(a, path, proper, embeddings ? USE_EMBEDDINGS : USE_TEXT, false, out, e);
}

void xoe_app_release(xoe_app *pub, xoe_engine *en)
{
    app *a = self(pub);
    pthread_mutex_lock(&a->mu);
    for (int i = 0; en && i < POOL_MAX; i++)
        if (a->pool[i].engine == en && a->pool[i].users > 0) a->pool[i].users--;
    pthread_mutex_unlock(&a->mu);
}

/* ---- paraphraser ---- */

static bool fit_to_rephrase(const app *a, const char *name)
{
    const xoe_model *m = xoe_manifest_lookup(a->manifest, name);
    return !m || m->paraphrase; /* the owner's own file is the owner's choice */
}

/* The model that rephrases, and as the judge of what it writes the same as it is: the chat model's engine if that is the one. */
static xoe_err open_paraphraser(app *a, const char *path, const char *name, xoe_engine **paraphraser, xoe_engine **judge, xoe_error *e)
{
    int n;
    pthread_mutex_lock(&a->mu);
    bool is_chat = find_path(a, path, USE_TEXT) != NULL;
    pthread_mutex_unlock(&a->mu);
    bool adapted = xoe_adapters_of(path, &n) != NULL;
    xoe_err rc = pool_get(a, path, name, is_chat || !adapted ? USE_TEXT : USE_JUDGE, true, judge, e);
    *paraphraser = *judge;
    return rc == XOE_OK && adapted ? pool_get(a, path, name, USE_REPHRASE, true, paraphraser, e) : rc;
}

xoe_err xoe_app_paraphraser(xoe_app *pub, xoe_engine **out, xoe_error *e)
{
    app *a = self(pub);
    char path[XOE_MODEL_PATH_MAX], name[XOE_MODEL_NAME_MAX];
    const char *warning = "";
    xoe_engine *judge = NULL;
    pthread_mutex_lock(&a->mu);
    *out = pub->paraphrase;
    pthread_mutex_unlock(&a->mu);
    if (*out) return XOE_OK;
    xoe_err rc = xoe_manifest_default(pub->config, "paraphrase", path, name, e);
    if (rc == XOE_ENOTFOUND && pub->chat && !*pub->config->paraphrase_model) {
        xoe_engine_info info;
        xoe_engine_get_info(pub->chat, &info);
        snprintf(path, sizeof path, "%s", info.path);
        snprintf(name, sizeof name, "%s", info.name);
        rc = XOE_OK;
    }
    if (!rc) rc = open_paraphraser(a, path, name, out, &judge, e);
    if (rc) return rc;
    if (!fit_to_rephrase(a, name))
        warning = "no model that is good enough to rephrase is present: expect chunks left unmarked; get one "
                  "with `xoe models pull`";
    pthread_mutex_lock(&a->mu);
    pub->paraphrase = *out;
    pub->judge = judge;
    a->paraphraser_warning = warning;
    pthread_mutex_unlock(&a->mu);
    return XOE_OK;
}

xoe_err xoe_app_paraphrase_tokenizer(xoe_app *pub, xoe_engine **out, xoe_error *e)
{
    app *a = self(pub);
    char path[XOE_MODEL_PATH_MAX], name[XOE_MODEL_NAME_MAX];
    pthread_mutex_lock(&a->mu);
    *out = pub->paraphrase;
    pthread_mutex_unlock(&a->mu);
    if (*out) return XOE_OK;
    xoe_err rc = xoe_manifest_default(pub->config, "paraphrase", path, name, e);
    return rc ? rc : pool_get(a, path, name, USE_VOCABULARY, true, out, e);
}

const char *xoe_app_paraphraser_warning(xoe_app *pub)
{
    app *a = self(pub);
    pthread_mutex_lock(&a->mu);
    const char *w = a->paraphraser_warning;
    pthread_mutex_unlock(&a->mu);
    return w;
}

/* ---- what there is ---- */

static bool listed(const xoe_app_model_info *m, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(m[i].name, name)) return true;
    return false;
}

static void describe(app *a, const char *name, const char *path, bool embeddings, xoe_app_model_info *m)
{
    struct stat st;
    *m = (xoe_app_model_info){.embeddings = embeddings};
    snprintf(m->name, sizeof m->name, "%s", name);
    m->modified_s = stat(path, &st) ? 0 : (int64_t)st.st_mtime;
    const xoe_model *known = xoe_manifest_lookup(a->manifest, name);
    m->paraphrase = known && known->paraphrase;
    pthread_mutex_lock(&a->mu);
    const pool_entry *p = find_path(a, path, embeddings ? USE_EMBEDDINGS : USE_TEXT);
    m->loaded = p != NULL;
    m->is_default = p && (p->engine == a->pub.chat || p->engine == a->pub.embed);
    pthread_mutex_unlock(&a->mu);
}

xoe_err xoe_app_models(xoe_app *pub, xoe_app_model_info **out, size_t *n_out, xoe_error *e)
{
    app *a = self(pub);
    size_t n_known = xoe_manifest_count(a->manifest), n = 0, n_aliases = 1;
    char path[XOE_MODEL_PATH_MAX];
    for (const char *p = pub->config->aliases; p && *p; p++)
        n_aliases += *p == ',';
    xoe_app_model_info *m = xoe_calloc(POOL_MAX + n_known + n_aliases, sizeof *m);
    *out = NULL;
    *n_out = 0;
    if (!m) return xoe_error_set(e, XOE_ENOMEM, "no memory for the list of models");
    for (int i = 0; i < POOL_MAX; i++) {
        pthread_mutex_lock(&a->mu);
        pool_entry p = a->pool[i];
        pthread_mutex_unlock(&a->mu);
        if (p.engine && !listed(m, n, p.name)) describe(a, p.name, p.path, p.use == USE_EMBEDDINGS, &m[n++]);
    }
    for (size_t i = 0; i < n_known; i++) {
        const xoe_model *k = xoe_manifest_at(a->manifest, i);
        if (listed(m, n, k->name) || xoe_manifest_find(pub->config, k->name, path, NULL)) continue;
        describe(a, k->name, path, !strcmp(k->purpose, "embedding"), &m[n++]);
    }
    for (const char *p = pub->config->aliases; p && *p;) {
        char name[XOE_MODEL_NAME_MAX];
        size_t len = strcspn(p, "=,");
        snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), p);
        if (*name && !listed(m, n, name) && !xoe_manifest_find(pub->config, name, path, NULL)) {
            char stem[XOE_MODEL_NAME_MAX];
            const xoe_model *k = xoe_manifest_lookup(a->manifest, stem_of(path, stem));
            describe(a, name, path, k && !strcmp(k->purpose, "embedding"), &m[n++]);
        }
        p += strcspn(p, ",");
        p += *p == ',';
    }
    *out = m;
    *n_out = n;
    return XOE_OK;
}

/* ---- open and close ---- */

/* A pinned engine for a purpose. optional: *out stays NULL when no file is present. */
static xoe_err open_default(app *a, const char *purpose, bool optional, pool_use use, xoe_engine **out, xoe_error *e)
{
    char path[XOE_MODEL_PATH_MAX], name[XOE_MODEL_NAME_MAX];
    xoe_error own = XOE_ERROR_INIT;
    xoe_err rc = xoe_manifest_default(a->pub.config, purpose, path, name, &own);
    if (rc == XOE_ENOTFOUND && optional) {
        xoe_log(XOE_LOG_INFO, "models", "no %s model: %s", purpose, own.msg);
        return XOE_OK;
    }
    if (rc) {
        if (e) *e = own;
        return rc;
    }
    return pool_get(a, path, name, use, true, out, e);
}

const char *xoe_app_rephrase_key(const xoe_app *a, const char *asked)
{
    return asked ? asked : *a->config->rephrase_key ? a->config->rephrase_key : NULL;
}

static xoe_err check_rephrase_key(const xoe_app *a, int parts, xoe_error *e)
{
    xoe_key key;
    const char *id = xoe_app_rephrase_key(a, NULL);
    if (!id || !(parts & (XOE_APP_CHAT | XOE_APP_PARAPHRASE))) return XOE_OK;
    xoe_err rc = xoe_keyring_get(a->keyring, id, &key, NULL);
    bool retired = rc == XOE_OK && key.retired_ms;
    xoe_zero(&key, sizeof key);
    if (rc == XOE_OK && !retired) return XOE_OK;
    return xoe_error_param(e, XOE_EINVAL, "rephrase_key", "%s key %.47s; make one with: xoe key new NAME --shifts 1024", retired ? "this is a retired" : "there is no", id);
}

xoe_err xoe_app_open(xoe_app **out, const xoe_config *config, int parts, xoe_error *e)
{
    app *a = xoe_calloc(1, sizeof *a);
    xoe_err rc;
    *out = NULL;
    if (!a) return xoe_error_set(e, XOE_ENOMEM, "no memory");
    a->pub.config = config;
    a->pub.started_wall_ms = xoe_clock_wall_ms();
    a->paraphraser_warning = "";
    pthread_mutex_init(&a->load_mu, NULL);
    pthread_mutex_init(&a->mu, NULL);
    if ((rc = xoe_manifest_open(&a->manifest, e)) || (rc = xoe_mkdirs(config->data, 0700, e)) ||
        (rc = xoe_keyring_open(&a->pub.keyring, config->data, e)) || (rc = check_rephrase_key(&a->pub, parts, e)))
        goto out;
    if ((parts & XOE_APP_AUDIT) && (rc = xoe_audit_open(&a->pub.audit, config->data, e))) goto out;
    if ((parts & XOE_APP_CHAT) && (rc = open_default(a, "llm", false, USE_TEXT, &a->pub.chat, e))) goto out;
    if ((parts & XOE_APP_TOKENIZER) && !a->pub.chat &&
        (rc = open_default(a, "llm", false, USE_VOCABULARY, &a->pub.chat, e)))
        goto out;
    if ((parts & XOE_APP_EMBED) && (rc = open_default(a, "embedding", true, USE_EMBEDDINGS, &a->pub.embed, e))) goto out;
    if (parts & XOE_APP_PARAPHRASE) {
        xoe_engine *en;
        rc = xoe_app_paraphraser(&a->pub, &en, e);
        if (rc == XOE_ENOTFOUND && !*config->paraphrase_model) rc = XOE_OK;
    }
out:
    if (rc) xoe_app_close(&a->pub);
    else *out = &a->pub;
    return rc;
}

void xoe_app_close(xoe_app *pub)
{
    app *a = self(pub);
    if (!a) return;
    for (int i = 0; i < POOL_MAX; i++)
        xoe_engine_close(a->pool[i].engine);
    xoe_audit_close(pub->audit);
    xoe_keyring_close(pub->keyring);
    xoe_manifest_close(a->manifest);
    pthread_mutex_destroy(&a->mu);
    pthread_mutex_destroy(&a->load_mu);
    xoe_free(a);
}
