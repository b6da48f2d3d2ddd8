/* The stored calibration: one small JSON file, replaced atomically, read at each detection, so that a server
 * sees what `xoe calibrate` wrote. Whether it still speaks of the detector as deployed is decided by what
 * decides the p-value: the keys looked for, the vocabularies tried, the version.
 * Thread: safe; nothing is kept. */
#include "flow/calibration.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "mark/stats.h"
#include "xoe/version.h"

enum { FORMAT = 1, FILE_MAX = 4 << 20 };

static const double nominal[XOE_CALIBRATION_LEVELS] = {1e-2, 1e-3, 1e-4};
static const double confidence = 0.95, surprising = 1e-3;

void xoe_calibration_levels(xoe_calibration *c, const size_t n_alarms[XOE_CALIBRATION_LEVELS])
{
    size_t n = c->corpus.n_passages;
    for (int i = 0; i < XOE_CALIBRATION_LEVELS; i++) {
        xoe_calibration_level *l = &c->level[i];
        *l = (xoe_calibration_level){.fpr = nominal[i], .n_alarms = n_alarms[i], .rate = n ? (double)n_alarms[i] / (double)n : 0};
        xoe_binom_interval(n, n_alarms[i], confidence, &l->low, &l->high);
        l->excess_p = exp(xoe_ln_binom_tail(n, n_alarms[i], nominal[i]));
    }
}

bool xoe_calibration_excess(const xoe_calibration *c)
{
    for (int i = 0; i < XOE_CALIBRATION_LEVELS; i++)
        if (c->level[i].excess_p < surprising / XOE_CALIBRATION_LEVELS) return true;
    return false;
}

/* ---- keys ---- */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const xoe_key *)a)->id, ((const xoe_key *)b)->id);
}

static bool wanted(const char *const *ids, size_t n, const char *id)
{
    for (size_t i = 0; ids && i < n; i++)
        if (!strcmp(ids[i], id)) return true;
    return !ids;
}

xoe_err xoe_calibration_keys(xoe_keyring *ring, const char *const *key_ids, size_t n_key_ids, char out[65], size_t *n_keys,
                             xoe_error *e)
{
    xoe_key *keys;
    size_t n;
    xoe_buf b;
    xoe_err rc = xoe_keyring_list(ring, &keys, &n, e);
    if (rc != XOE_OK) return rc;
    qsort(keys, n, sizeof *keys, by_id);
    xoe_buf_init(&b, FILE_MAX);
    *n_keys = 0;
    for (size_t i = 0; i < n; i++) {
        const xoe_mark_params *p = &keys[i].params;
        if (!wanted(key_ids, n_key_ids, keys[i].id)) continue;
        xoe_buf_printf(&b, "%s %d %d %d %.17g %.17g %d %d\n", keys[i].id, (int)p->scheme, p->width, p->n_shifts, p->gamma, p->alpha,
                       p->depth, p->payload_bits);
        ++*n_keys;
    }
    xoe_keyring_list_free(keys, n);
    if (b.failed) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for %zu keys", n);
    else xoe_sha256_hex(xoe_buf_cstr(&b), b.len, out);
    xoe_buf_free(&b);
    return rc;
}

/* ---- JSON ---- */

static json_t *levels_json(const xoe_calibration *c)
{
    json_t *levels = json_array();
    for (int i = 0; i < XOE_CALIBRATION_LEVELS; i++) {
        const xoe_calibration_level *l = &c->level[i];
        json_array_append_new(levels, json_pack("{s:f, s:I, s:f, s:f, s:f, s:f}", "fpr", l->fpr, "alarms", (json_int_t)l->n_alarms, "rate",
                                                l->rate, "low", l->low, "high", l->high, "excess_p", l->excess_p));
    }
    return levels;
}

json_t *xoe_calibration_json(const xoe_calibration *c)
{
    char made[32];
    if (!c->made_ms) return json_null();
    xoe_clock_rfc3339(c->made_ms, made);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:b, s:o}", "made", made, "xoe", c->version,
                     "vocabularies", c->vocabularies, "n_keys", (json_int_t)c->n_keys, "words", (json_int_t)c->words, "n_files",
                     (json_int_t)c->corpus.n_files, "n_skipped", (json_int_t)c->corpus.n_skipped, "n_passages",
                     (json_int_t)c->corpus.n_passages, "n_repeated", (json_int_t)c->corpus.n_repeated, "n_too_short",
                     (json_int_t)c->n_too_short, "levels", levels_json(c), "excess", xoe_calibration_excess(c), "stale",
                     c->stale ? json_string(c->stale) : json_null());
}

xoe_err xoe_calibration_save(const xoe_calibration *c, xoe_keyring *ring, const char *data_dir, xoe_error *e)
{
    xoe_key *keys = NULL;
    size_t n = 0;
    xoe_err rc = xoe_keyring_list(ring, &keys, &n, e);
    if (rc != XOE_OK) return rc;
    json_t *j = xoe_calibration_json(c), *ids = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(ids, json_string(keys[i].id));
    xoe_keyring_list_free(keys, n);
    json_object_del(j, "stale");
    json_object_set_new(j, "version", json_integer(FORMAT));
    json_object_set_new(j, "made_ms", json_integer((json_int_t)c->made_ms));
    json_object_set_new(j, "keys", json_string(c->keys));
    json_object_set_new(j, "key_ids", ids);
    char *text = json_dumps(j, JSON_INDENT(1)), *path = xoe_path_join(data_dir, "calibration.json");
    if (text && path) rc = xoe_file_write_atomic(path, text, strlen(text), 0600, e);
    else rc = xoe_error_set(e, XOE_ENOMEM, "no memory for the calibration");
    free(text);
    xoe_free(path);
    json_decref(j);
    return rc;
}

static bool from_json(json_t *j, xoe_calibration *c)
{
    const char *version, *vocabularies, *keys;
    json_int_t format, made, n_keys, words, files, skipped, passages, repeated, too_short;
    json_t *levels;
    size_t n_alarms[XOE_CALIBRATION_LEVELS];
    if (json_unpack(j, "{s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "version", &format, "made_ms", &made, "xoe",
                    &version, "vocabularies", &vocabularies, "keys", &keys, "n_keys", &n_keys, "words", &words, "n_files", &files, "n_skipped",
                    &skipped, "n_passages", &passages, "n_repeated", &repeated, "n_too_short", &too_short, "levels", &levels) ||
        format != FORMAT || made <= 0 || passages < 0 || json_array_size(levels) != XOE_CALIBRATION_LEVELS)
        return false;
    for (size_t i = 0; i < XOE_CALIBRATION_LEVELS; i++) {
        json_int_t alarms = json_integer_value(json_object_get(json_array_get(levels, i), "alarms"));
        if (alarms < 0 || alarms > passages) return false;
        n_alarms[i] = (size_t)alarms;
    }
    *c = (xoe_calibration){.made_ms = made, .n_keys = (size_t)n_keys, .words = (size_t)words, .n_too_short = (size_t)too_short};
    c->corpus = (xoe_corpus_stats){.n_files = (size_t)files, .n_skipped = (size_t)skipped, .n_passages = (size_t)passages, .n_repeated = (size_t)repeated};
    snprintf(c->version, sizeof c->version, "%s", version);
    snprintf(c->vocabularies, sizeof c->vocabularies, "%s", vocabularies);
    snprintf(c->keys, sizeof c->keys, "%s", keys);
    xoe_calibration_levels(c, n_alarms);
    return true;
}

void xoe_calibration_load(xoe_calibration *out, const char *data_dir)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf b;
    char *path = xoe_path_join(data_dir, "calibration.json");
    *out = (xoe_calibration){0};
    if (!path) return;
    xoe_buf_init(&b, FILE_MAX);
    xoe_err rc = xoe_file_read(path, &b, &e);
    json_t *j = rc == XOE_OK ? json_loadb(xoe_buf_cstr(&b), b.len, 0, NULL) : NULL;
    if (rc != XOE_OK && rc != XOE_ENOTFOUND) xoe_log(XOE_LOG_WARN, "calibration", "%s", e.msg);
    if (rc == XOE_OK && !from_json(j, out)) {
        *out = (xoe_calibration){0};
        xoe_log(XOE_LOG_WARN, "calibration", "%s is not one that this version reads; make it anew with: xoe calibrate", path);
    }
    json_decref(j);
    xoe_buf_free(&b);
    xoe_free(path);
}

void xoe_calibration_compare(xoe_calibration *c, const char *keys, const char *vocabularies)
{
    if (!c->made_ms) return;
    c->stale = strcmp(c->keys, keys) != 0                   ? "other keys were calibrated than are looked for"
               : strcmp(c->vocabularies, vocabularies) != 0 ? "other vocabularies were calibrated than are tried"
               : strcmp(c->version, xoe_version()) != 0     ? "another version of Xoe was calibrated"
                                                            : NULL;
}
