/* The client's wish and the server's policy meet here, once, for every endpoint that marks. A default
 * mode that does not fit a request (rephrase of JSON) gives way to marking in generation; one that the
 * client asked for by name is refused instead. Under `enforce` nothing leaves that cannot carry a mark. */
#include "serve/openai_mark.h"

#include <string.h>

#include "base/mem.h"

static xoe_mark_mode mode_named(const char *name)
{
    if (!strcmp(name, "rephrase")) return XOE_MARK_REPHRASE;
    return !strcmp(name, "off") ? XOE_MARK_OFF : XOE_MARK_GENERATE;
}

/* Why a request cannot be rephrased; NULL: it can. */
static const char *not_for_rephrase(const xoe_ask *ask)
{
    if (ask->json_schema || ask->any_json || ask->grammar)
        return "a rewrite cannot keep response_format or grammar; use watermark.mode generate";
    if (ask->n_probs >= 0)
        return "logprobs are those of the text before the rewrite; use watermark.mode generate or off";
    if (ask->echo) return "echo cannot be combined with a rewrite; use watermark.mode generate";
    return NULL;
}

xoe_err xoe_mark_mode_of(const xoe_config *c, const xoe_ask *ask, xoe_mark_mode *out, xoe_error *e)
{
    xoe_mark_mode usual = mode_named(c->watermark);
    const char *why = not_for_rephrase(ask);
    bool named = ask->mark.mode != NULL;
    if (named) *out = mode_named(ask->mark.mode);
    else if (ask->mark.has_apply && !ask->mark.apply) *out = XOE_MARK_OFF;
    else if (ask->mark.has_apply && usual == XOE_MARK_OFF) *out = XOE_MARK_GENERATE;
    else *out = usual;
    if (*out == XOE_MARK_REPHRASE && why) {
        if (named) return xoe_error_param(e, XOE_EINVAL, "watermark.mode", "%s", why);
        *out = XOE_MARK_GENERATE;
    }
    if (ask->mark.async && *out != XOE_MARK_REPHRASE)
        return xoe_error_param(e, XOE_EINVAL, "watermark.async", "async is only for watermark.mode rephrase");
    if (ask->mark.async && ask->n > 1)
        return xoe_error_param(e, XOE_EINVAL, "watermark.async", "async takes one choice; leave n out");
    if (!c->enforce) return XOE_OK;
    if (*out == XOE_MARK_OFF)
        return xoe_error_param(e, XOE_EPERM, ask->mark.mode ? "watermark.mode" : "apply_watermark",
                               "this server marks every answer (enforce); ask without switching the mark off");
    if (ask->mark.async)
        return xoe_error_param(e, XOE_EPERM, "watermark.async",
                               "this server hands out no unmarked text (enforce); ask without async");
    if (*out == XOE_MARK_GENERATE && (ask->sampling.temperature <= 0 || ask->sampling.top_k == 1))
        return xoe_error_param(e, XOE_EPERM, "temperature",
                               "temperature 0 cannot carry a mark and this server marks every answer (enforce)");
    return XOE_OK;
}

/* The newest key of a scheme that is not retired. */
static xoe_err key_of_scheme(xoe_keyring *keys, xoe_scheme scheme, xoe_key *out, xoe_error *e)
{
    xoe_key *list = NULL;
    size_t n = 0;
    bool found = false;
    xoe_err rc = xoe_keyring_list(keys, &list, &n, e);
    if (rc) return rc;
    for (size_t i = 0; i < n && !found; i++)
        if (!list[i].retired_ms && list[i].params.scheme == scheme) {
            *out = list[i];
            found = true;
        }
    xoe_keyring_list_free(list, n);
    if (found) return XOE_OK;
    return xoe_error_param(e, XOE_EINVAL, "watermark.scheme",
                           "there is no key of scheme %s; the operator makes one with `xoe key new --scheme`",
                           xoe_scheme_name(scheme));
}

xoe_err xoe_mark_key_of(xoe_keyring *keys, const xoe_ask_mark *ask, const char *usual, xoe_key *out, xoe_error *e)
{
    xoe_scheme scheme = XOE_SCHEME_GUMBEL;
    xoe_err rc = xoe_keyring_get(keys, ask->key_id ? ask->key_id : usual, out, e);
    if (rc) {
        if (ask->key_id && rc == XOE_ENOTFOUND)
            return xoe_error_param(e, XOE_EINVAL, "watermark.key_id", "there is no key '%.47s'", ask->key_id);
        return rc;
    }
    if (out->retired_ms) { /* a key that was never active may be asked for */
        rc = xoe_error_param(e, XOE_EINVAL, "watermark.key_id", "key %s is retired: it is still detected, but marks "
                             "nothing new", out->id);
        goto out;
    }
    if (ask->scheme) {
        rc = xoe_scheme_parse(ask->scheme, &scheme, NULL);
        if (rc) rc = xoe_error_param(e, XOE_EINVAL, "watermark.scheme", "there is no scheme '%.32s'", ask->scheme);
        else if (scheme != out->params.scheme && ask->key_id)
            rc = xoe_error_param(e, XOE_EINVAL, "watermark.scheme", "key %s is of scheme %s", out->id,
                                 xoe_scheme_name(out->params.scheme));
        else if (scheme != out->params.scheme) rc = key_of_scheme(keys, scheme, out, e);
        if (rc) goto out;
    }
    int bits = out->params.payload_bits;
    if (ask->has_payload && (bits <= 0 || (bits < 64 && ask->payload >> bits)))
        rc = xoe_error_param(e, XOE_EINVAL, "watermark.payload", "key %s carries %d payload bits", out->id, bits);
out:
    if (rc) xoe_zero(out, sizeof *out);
    return rc;
}
