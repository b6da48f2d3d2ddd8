/* The keyring file, DATA/keys.json: {"version": 1, "keys": [{id, key (hex), scheme, …}]}. Its form is in
 * docs/formats/keys.md.
 *
 * The file is the truth: every call looks whether it changed (size, time, inode) and reads it anew, so a
 * server sees what `xoe key rotate` did. Writers hold flock on DATA/keys.lock around read, change and
 * atomic replacement, so two of them cannot lose a key. A file that does not parse is never touched.
 * Thread: one mutex guards the copy in memory. */
#include "trust/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/text.h"

enum { FILE_MAX = 16 << 20, KEYS_MAX = 20000 };

struct xoe_keyring {
    char *dir, *path, *lock_path;
    pthread_mutex_t lock; /* guards what follows */
    xoe_key *keys;        /* oldest first */
    size_t n;
    struct stat seen;
};

static void wipe(xoe_key *keys, size_t n)
{
    if (!keys) return;
    xoe_zero(keys, n * sizeof *keys);
    xoe_free(keys);
}

/* ---- JSON ---- */

static json_t *to_json(const xoe_key *k)
{
    char hex[2 * XOE_MARK_KEY_BYTES + 1];
    xoe_hex(k->bytes, XOE_MARK_KEY_BYTES, hex);
    const xoe_mark_params *p = &k->params;
    json_t *j = json_pack("{s:s, s:s, s:b, s:I, s:I, s:s, s:i, s:i, s:f, s:f, s:f, s:i, s:i}", "id", k->id, "key", hex, "active", k->active,
                          "created_ms", (json_int_t)k->created_ms, "retired_ms", (json_int_t)k->retired_ms, "scheme",
                          xoe_scheme_name(p->scheme), "width", p->width, "shifts", p->n_shifts, "gamma", p->gamma, "delta", p->delta,
                          "alpha", p->alpha, "depth", p->depth, "payload_bits", p->payload_bits);
    xoe_zero(hex, sizeof hex);
    return j;
}

static bool id_ok(const char *id)
{
    size_t n = strlen(id);
    return n > 0 && n < XOE_KEY_ID_MAX && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static xoe_err from_json(json_t *j, xoe_key *k, const char *path, size_t index, xoe_error *e)
{
    const char *id = NULL, *hex = NULL, *scheme = NULL;
    json_int_t created = 0, retired = 0;
    int active = 0;
    memset(k, 0, sizeof *k);
    if (json_unpack(j, "{s:s, s:s, s:s, s?b, s?I, s?I, s?i, s?i, s?F, s?F, s?F, s?i, s?i}", "id", &id, "key", &hex, "scheme", &scheme, "active",
                    &active, "created_ms", &created, "retired_ms", &retired, "width", &k->params.width, "shifts", &k->params.n_shifts,
                    "gamma", &k->params.gamma, "delta", &k->params.delta, "alpha", &k->params.alpha, "depth", &k->params.depth,
                    "payload_bits", &k->params.payload_bits) ||
        !id_ok(id) || strlen(hex) != 2 * XOE_MARK_KEY_BYTES || xoe_unhex(hex, strlen(hex), k->bytes))
        return xoe_error_set(e, XOE_EFORMAT, "key %zu of %s is malformed; restore the file from a backup, nothing was changed", index + 1, path);
    snprintf(k->id, sizeof k->id, "%s", id);
    k->active = active;
    k->created_ms = created;
    k->retired_ms = retired;
    xoe_err rc = xoe_scheme_parse(scheme, &k->params.scheme, e);
    return rc == XOE_OK ? xoe_mark_params_resolve(&k->params, e) : rc;
}

/* ---- the file ---- */

static xoe_err parse(const char *text, size_t n, const char *path, xoe_key **out, size_t *n_out, xoe_error *e)
{
    json_error_t je;
    xoe_err rc = XOE_OK;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je), *list = json_object_get(root, "keys"), *item;
    size_t i, count = json_array_size(list);
    xoe_key *keys = NULL;
    if (!root || !json_is_array(list) || json_integer_value(json_object_get(root, "version")) != 1 || count > KEYS_MAX) {
        rc = xoe_error_set(e, XOE_EFORMAT, "%s is not a keyring this version reads (line %d); restore it from a backup, nothing was changed", path, root ? 1 : je.line);
        goto out;
    }
    keys = xoe_calloc(count, sizeof *keys);
    if (!keys) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory for the keyring");
        goto out;
    }
    json_array_foreach(list, i, item) {
        rc = from_json(item, &keys[i], path, i, e);
        for (size_t k = 0; rc == XOE_OK && k < i; k++)
            if (!strcmp(keys[k].id, keys[i].id)) rc = xoe_error_set(e, XOE_EFORMAT, "%s has the key %s twice; restore the file from a backup", path, keys[i].id);
        if (rc != XOE_OK) goto out;
    }
    *out = keys;
    *n_out = count;
    keys = NULL;
out:
    wipe(keys, count);
    json_decref(root);
    return rc;
}

/* Read the file when it is not the one in memory. k->lock is held. */
static xoe_err refresh(xoe_keyring *k, xoe_error *e)
{
    struct stat st;
    xoe_buf b;
    xoe_key *keys = NULL;
    size_t n = 0;
    if (stat(k->path, &st)) {
        if (errno != ENOENT) return xoe_error_errno(e, XOE_EIO, "cannot read %s", k->path);
        return k->n ? xoe_error_set(e, XOE_EIO, "%s is gone; restore it from a backup", k->path) : XOE_OK;
    }
    if (k->keys && st.st_ino == k->seen.st_ino && st.st_size == k->seen.st_size && st.st_mtim.tv_sec == k->seen.st_mtim.tv_sec && st.st_mtim.tv_nsec == k->seen.st_mtim.tv_nsec)
        return XOE_OK;
    if (st.st_mode & 077)
        return xoe_error_set(e, XOE_EPERM, "%s can be read by others; mend it with: chmod 600 %s", k->path, k->path);
    xoe_buf_init(&b, FILE_MAX);
    xoe_err rc = xoe_file_read(k->path, &b, e);
    if (rc == XOE_OK) rc = parse(xoe_buf_cstr(&b), b.len, k->path, &keys, &n, e);
    if (b.data) xoe_zero(b.data, b.len);
    xoe_buf_free(&b);
    if (rc != XOE_OK) return rc;
    wipe(k->keys, k->n);
    k->keys = keys;
    k->n = n;
    k->seen = st;
    return XOE_OK;
}

static xoe_err save(xoe_keyring *k, xoe_error *e)
{
    json_t *list = json_array();
    for (size_t i = 0; i < k->n; i++)
        json_array_append_new(list, to_json(&k->keys[i]));
    json_t *root = json_pack("{s:i, s:o}", "version", 1, "keys", list);
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    xoe_err rc = text ? xoe_file_write_atomic(k->path, text, strlen(text), 0600, e) : xoe_error_set(e, XOE_ENOMEM, "no memory for the keyring");
    if (text) xoe_zero(text, strlen(text));
    free(text);
    json_decref(root);
    if (rc == XOE_OK && stat(k->path, &k->seen)) rc = xoe_error_errno(e, XOE_EIO, "cannot read %s", k->path);
    return rc;
}

/* ---- changes, under the file lock ---- */

static xoe_err lock_file(xoe_keyring *k, int *fd, xoe_error *e)
{
    *fd = open(k->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0) return xoe_error_errno(e, XOE_EIO, "cannot write in %s", k->dir);
    while (flock(*fd, LOCK_EX))
        if (errno != EINTR) {
            close(*fd);
            return xoe_error_errno(e, XOE_EIO, "cannot lock %s", k->lock_path);
        }
    return XOE_OK;
}

static xoe_key *find(xoe_keyring *k, const char *id)
{
    for (size_t i = k->n; i-- > 0;)
        if (id ? !strcmp(k->keys[i].id, id) : k->keys[i].active) return &k->keys[i];
    return NULL;
}

static xoe_err make_id(char out[XOE_KEY_ID_MAX], xoe_error *e)
{
    unsigned char r[4];
    char hex[9], date[16];
    time_t t = time(NULL);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(date, sizeof date, "%Y%m%d", &tm);
    if (xoe_random_bytes(r, sizeof r)) return xoe_error_set(e, XOE_EINTERNAL, "the system gives no randomness");
    xoe_hex(r, sizeof r, hex);
    snprintf(out, XOE_KEY_ID_MAX, "k%s-%s", date, hex);
    return XOE_OK;
}

static xoe_err add(xoe_keyring *k, const char *id, const xoe_mark_params *params, bool make_active, xoe_key *out, xoe_error *e)
{
    xoe_key key = {.params = XOE_MARK_PARAMS_INIT, .active = make_active};
    xoe_err rc = XOE_OK;
    if (id && !id_ok(id))
        return xoe_error_param(e, XOE_EINVAL, "id", "a key id has 1 to %d of a-z 0-9 . _ -; got \"%.60s\"", XOE_KEY_ID_MAX - 1, id);
    if (id && find(k, id)) return xoe_error_param(e, XOE_EEXIST, "id", "there is a key %s already", id);
    if (id)
        snprintf(key.id, sizeof key.id, "%s", id);
    else if ((rc = make_id(key.id, e)) != XOE_OK)
        return rc;
    if (params) key.params = *params;
    if ((rc = xoe_mark_params_resolve(&key.params, e)) != XOE_OK) return rc;
    if (xoe_random_bytes(key.bytes, sizeof key.bytes)) return xoe_error_set(e, XOE_EINTERNAL, "the system gives no randomness");
    key.created_ms = xoe_clock_wall_ms();
    xoe_key *grown = xoe_calloc(k->n + 1, sizeof *grown);
    if (!grown) return xoe_error_set(e, XOE_ENOMEM, "no memory for the keyring");
    if (k->n) memcpy(grown, k->keys, k->n * sizeof *grown);
    for (size_t i = 0; make_active && i < k->n; i++)
        if (grown[i].active) {
            grown[i].active = false;
            grown[i].retired_ms = key.created_ms;
        }
    grown[k->n] = key;
    xoe_key *old = k->keys;
    k->keys = grown;
    k->n++;
    rc = save(k, e);
    if (rc != XOE_OK) { /* memory stays what the file is */
        k->keys = old;
        k->n--;
        wipe(grown, k->n + 1);
    } else {
        wipe(old, k->n - 1);
        if (out) *out = key;
    }
    xoe_zero(&key, sizeof key);
    return rc;
}

/* ---- the interface ---- */

xoe_err xoe_keyring_open(xoe_keyring **out, const char *data_dir, xoe_error *e)
{
    *out = NULL;
    int fd = -1;
    xoe_err rc = xoe_mkdirs(data_dir, 0700, e);
    if (rc != XOE_OK) return rc;
    xoe_keyring *k = xoe_calloc(1, sizeof *k);
    if (!k) return xoe_error_set(e, XOE_ENOMEM, "no memory for the keyring");
    pthread_mutex_init(&k->lock, NULL);
    k->dir = xoe_strdup(data_dir);
    k->path = xoe_path_join(data_dir, "keys.json");
    k->lock_path = xoe_path_join(data_dir, "keys.lock");
    rc = k->dir && k->path && k->lock_path ? lock_file(k, &fd, e) : xoe_error_set(e, XOE_ENOMEM, "no memory for the keyring");
    if (rc == XOE_OK) {
        rc = refresh(k, e);
        if (rc == XOE_OK && !k->keys) rc = add(k, NULL, NULL, true, NULL, e);
        close(fd);
    }
    if (rc != XOE_OK) {
        xoe_keyring_close(k);
        return rc;
    }
    *out = k;
    return XOE_OK;
}

void xoe_keyring_close(xoe_keyring *k)
{
    if (!k) return;
    wipe(k->keys, k->n);
    xoe_free(k->dir);
    xoe_free(k->path);
    xoe_free(k->lock_path);
    pthread_mutex_destroy(&k->lock);
    xoe_free(k);
}

xoe_err xoe_keyring_new(xoe_keyring *k, const char *id, const xoe_mark_params *params, bool make_active, xoe_key *out, xoe_error *e)
{
    int fd;
    pthread_mutex_lock(&k->lock);
    xoe_err rc = lock_file(k, &fd, e);
    if (rc == XOE_OK) {
        rc = refresh(k, e);
        if (rc == XOE_OK) rc = add(k, id, params, make_active, out, e);
        close(fd);
    }
    pthread_mutex_unlock(&k->lock);
    return rc;
}

xoe_err xoe_keyring_retire(xoe_keyring *k, const char *id, xoe_error *e)
{
    int fd;
    pthread_mutex_lock(&k->lock);
    xoe_err rc = lock_file(k, &fd, e);
    if (rc == XOE_OK) {
        xoe_key *key = (rc = refresh(k, e)) == XOE_OK ? find(k, id) : NULL;
        if (rc == XOE_OK && !key) {
            rc = xoe_error_param(e, XOE_ENOTFOUND, "key_id", "there is no key %s; see: xoe key list", id);
        } else if (rc == XOE_OK && key->retired_ms == 0) {
            bool was = key->active;
            key->active = false;
            key->retired_ms = xoe_clock_wall_ms();
            rc = save(k, e);
            if (rc != XOE_OK) {
                key->active = was;
                key->retired_ms = 0;
            }
        }
        close(fd);
    }
    pthread_mutex_unlock(&k->lock);
    return rc;
}

xoe_err xoe_keyring_get(xoe_keyring *k, const char *id, xoe_key *out, xoe_error *e)
{
    pthread_mutex_lock(&k->lock);
    xoe_err rc = refresh(k, e);
    const xoe_key *key = rc == XOE_OK ? find(k, id) : NULL;
    if (key)
        *out = *key;
    else if (rc == XOE_OK && id)
        rc = xoe_error_param(e, XOE_ENOTFOUND, "key_id", "there is no key %.60s; see: xoe key list", id);
    else if (rc == XOE_OK)
        rc = xoe_error_set(e, XOE_ENOTFOUND, "no key is active; make one with: xoe key rotate");
    pthread_mutex_unlock(&k->lock);
    return rc;
}

xoe_err xoe_keyring_list(xoe_keyring *k, xoe_key **out, size_t *n, xoe_error *e)
{
    *out = NULL;
    *n = 0;
    pthread_mutex_lock(&k->lock);
    xoe_err rc = refresh(k, e);
    if (rc == XOE_OK) {
        *out = xoe_calloc(k->n, sizeof **out);
        if (!*out) rc = xoe_error_set(e, XOE_ENOMEM, "no memory for the keyring");
    }
    if (rc == XOE_OK) {
        for (size_t i = 0; i < k->n; i++)
            (*out)[i] = k->keys[k->n - 1 - i];
        *n = k->n;
    }
    pthread_mutex_unlock(&k->lock);
    return rc;
}

void xoe_keyring_list_free(xoe_key *keys, size_t n)
{
    wipe(keys, n);
}
