/* What a text is looked through for. Bytes of keys are copied next to each other, as the detector wants
 * them, and wiped at the end. Thread: one owner. */
#include "flow/wanted.h"

#include <string.h>

#include "base/mem.h"
#include "mark/scheme.h"

static const size_t LIST_DRAWS_MAX = 4000000000u; /* about a minute of one core */

static xoe_err room(xoe_wanted *w, size_t n, xoe_error *e)
{
    w->params = xoe_malloc(n * sizeof *w->params);
    w->bytes = xoe_malloc(n * sizeof *w->bytes);
    w->ids = xoe_malloc(n * sizeof *w->ids);
    return w->params && w->bytes && w->ids ? XOE_OK : xoe_error_set(e, XOE_ENOMEM, "no memory for %zu keys", n);
}

static void add(xoe_wanted *w, const xoe_mark_params *params, const uint8_t *bytes, const char *id)
{
    w->params[w->n] = *params;
    memcpy(w->bytes[w->n], bytes, XOE_MARK_KEY_BYTES);
    w->ids[w->n++] = id;
}

static bool in_list(const char *const *ids, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(ids[i], id)) return true;
    return false;
}

xoe_err xoe_wanted_keys(xoe_wanted *w, xoe_keyring *ring, const char *const *key_ids, size_t n_key_ids, xoe_error *e)
{
    *w = (xoe_wanted){0};
    xoe_err rc = xoe_keyring_list(ring, &w->all, &w->n_all, e);
    if (rc != XOE_OK) return rc;
    for (size_t i = 0; key_ids && i < n_key_ids; i++) {
        bool known = false;
        for (size_t j = 0; j < w->n_all; j++)
            known = known || !strcmp(w->all[j].id, key_ids[i]);
        if (!known)
            return xoe_error_param(e, XOE_ENOTFOUND, "key_ids", "there is no key %.60s; see: xoe key list", key_ids[i]);
    }
    if ((rc = room(w, w->n_all, e)) != XOE_OK) return rc;
    for (size_t i = 0; i < w->n_all; i++)
        if (!key_ids || in_list(key_ids, n_key_ids, w->all[i].id)) add(w, &w->all[i].params, w->all[i].bytes, w->all[i].id);
    return w->n ? XOE_OK : xoe_error_param(e, XOE_EINVAL, "key_ids", "no key to look for");
}

xoe_err xoe_wanted_scheme(xoe_wanted *w, const xoe_named_scheme *given, int n_vocab, xoe_error *e)
{
    xoe_named_scheme s = *given;
    *w = (xoe_wanted){0};
    xoe_err rc = xoe_named_scheme_finish(&s, n_vocab, e);
    if (rc == XOE_OK && s.other) {
        w->peer_name = xoe_named_scheme_name(&s);
        w->peer_list = s.peer.kind == XOE_INTEROP_HF_GREEN ? (size_t)s.peer.n_vocab : 0;
        rc = xoe_interop_open(&w->peer, &s.peer, e);
    } else if (rc == XOE_OK && (rc = room(w, 1, e)) == XOE_OK) {
        add(w, &s.params, s.key, "");
    }
    xoe_named_scheme_wipe(&s);
    return rc;
}

void xoe_wanted_free(xoe_wanted *w)
{
    if (w->bytes) xoe_zero(w->bytes, w->n * sizeof *w->bytes);
    xoe_free(w->bytes);
    xoe_free(w->params);
    xoe_free(w->ids);
    xoe_keyring_list_free(w->all, w->n_all);
    xoe_interop_close(w->peer);
    *w = (xoe_wanted){0};
}

xoe_err xoe_wanted_test(const xoe_wanted *w, const int32_t *tokens, size_t n_tokens, const xoe_detect_opts *o, xoe_verdict *out,
                        xoe_error *e)
{
    if (w->peer_list && n_tokens > LIST_DRAWS_MAX / w->peer_list)
        return xoe_error_param(e, XOE_ELIMIT, "text", "%s draws a list of %zu tokens for each of the text's %zu: at most %zu are taken at once",
                               w->peer_name, w->peer_list, n_tokens, (size_t)(LIST_DRAWS_MAX / w->peer_list));
    if (w->peer) return xoe_interop_detect(w->peer, tokens, n_tokens, o->fpr, out, NULL, e);
    return xoe_detect_tokens(w->params, (const uint8_t(*)[XOE_MARK_KEY_BYTES])w->bytes, w->n, tokens, n_tokens, o, out, e);
}

const char *xoe_wanted_id(const xoe_wanted *w, size_t key_index)
{
    return w->peer ? "" : w->ids[key_index];
}

const char *xoe_wanted_method(const xoe_wanted *w, size_t key_index)
{
    return w->peer ? w->peer_name : xoe_scheme_name(w->params[key_index].scheme);
}

double xoe_wanted_chance(const xoe_wanted *w, size_t key_index)
{
    if (w->peer) return xoe_interop_chance(w->peer);
    const xoe_mark_params *p = &w->params[key_index];
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    return ops->chance(p) / ops->unit(p);
}
