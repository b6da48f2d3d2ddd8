/* A scheme that the asker names. Which fields a scheme has is one table, so that a field that would be
 * ignored is refused instead: a verdict under a parameter that was not heeded would mislead.
 * Thread: pure functions. */
#include "flow/named_scheme.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static const char *const field_names[XOE_NAMED_N_FIELDS] = {
#define ROW(id, name, value, help) name,
    XOE_NAMED_FIELDS(ROW)
#undef ROW
};

static const char *const own_names[] = {
#define ROW(name, value, text) text,
    XOE_SCHEME_TABLE(ROW)
#undef ROW
};
enum { N_OWN = sizeof own_names / sizeof own_names[0] };

#define BIT(f) (1u << XOE_NAMED_##f)

static unsigned fields_of_own(xoe_scheme scheme)
{
    unsigned all = BIT(KEY) | BIT(WIDTH) | BIT(SHIFTS) | BIT(PAYLOAD_BITS);
    switch (scheme) {
    case XOE_SCHEME_GREEN:
    case XOE_SCHEME_MORPHMARK: return all | BIT(GAMMA);
    case XOE_SCHEME_SYNTHID: return all | BIT(DEPTH);
    case XOE_SCHEME_DUAL: return all | BIT(ALPHA);
    default: return all;
    }
}

static unsigned fields_of_peer(xoe_interop_kind kind)
{
    unsigned all = BIT(KEY) | BIT(WIDTH) | BIT(DEDUP);
    switch (kind) {
    case XOE_INTEROP_TEXTSEAL_GREEN:
    case XOE_INTEROP_TEXTSEAL_DIPMARK:
    case XOE_INTEROP_TEXTSEAL_MORPHMARK: return all | BIT(GAMMA);
    case XOE_INTEROP_TEXTSEAL_SYNTHID:
    case XOE_INTEROP_TEXTSEAL_SYNTHID_WEIGHTED: return all | BIT(GAMMA) | BIT(DEPTH);
    case XOE_INTEROP_TEXTSEAL_DUAL:
    case XOE_INTEROP_SGLANG_DUAL: return all | BIT(KEY_B) | BIT(ALPHA);
    case XOE_INTEROP_VLLM_DUAL: return all | BIT(ALPHA);
    case XOE_INTEROP_HF_SYNTHID: return all | BIT(TABLE_SIZE) | BIT(TABLE_SEED);
    case XOE_INTEROP_HF_GREEN:
    case XOE_INTEROP_HF_GREEN_SELFHASH: return all | BIT(GAMMA) | BIT(VOCAB);
    default: return all;
    }
}

const char *xoe_named_field_name(xoe_named_field f)
{
    return (unsigned)f < XOE_NAMED_N_FIELDS ? field_names[f] : NULL;
}

const char *xoe_named_scheme_at(size_t i)
{
    return i < N_OWN ? own_names[i] : i < N_OWN + XOE_INTEROP_KINDS ? xoe_interop_name((xoe_interop_kind)(i - N_OWN)) : NULL;
}

const char *xoe_named_scheme_origin(const char *name)
{
    static const char *const programs[][2] = {
        {"textseal-", "TextSeal"}, {"vllm-", "vLLM"}, {"sglang-", "SGLang"}, {"hf-", "Hugging Face transformers"}};
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        if (!strncmp(name, programs[i][0], strlen(programs[i][0]))) return programs[i][1];
    return "";
}

const char *xoe_named_scheme_name(const xoe_named_scheme *s)
{
    return s->other ? xoe_interop_name(s->peer.kind) : xoe_scheme_name(s->params.scheme);
}

xoe_err xoe_named_scheme_start(xoe_named_scheme *s, const char *name, xoe_error *e)
{
    *s = (xoe_named_scheme){.params = XOE_MARK_PARAMS_INIT};
    if (xoe_scheme_parse(name, &s->params.scheme, NULL) == XOE_OK) return XOE_OK;
    s->other = true;
    return xoe_interop_parse(name, &s->peer.kind, NULL) == XOE_OK
               ? XOE_OK
               : xoe_error_param(e, XOE_EINVAL, "scheme", "unknown scheme \"%.40s\"; list them with: xoe detect --scheme list", name);
}

/* ---- values ---- */

static const char *param_of(xoe_named_field f, char out[48])
{
    snprintf(out, 48, "scheme.%s", field_names[f]);
    return out;
}

static xoe_err wrong(xoe_named_field f, const char *text, const char *want, xoe_error *e)
{
    char param[48];
    bool secret = f == XOE_NAMED_KEY || f == XOE_NAMED_KEY_B; /* never in a message, which may be logged */
    if (secret) return xoe_error_param(e, XOE_EINVAL, param_of(f, param), "%s must be %s", field_names[f], want);
    return xoe_error_param(e, XOE_EINVAL, param_of(f, param), "%s is \"%.30s\"; it must be %s", field_names[f], text, want);
}

/* A whole number of 64 bits, decimal or 0x…; a minus sign gives its two's complement. *end: what follows. */
static bool whole(const char *text, uint64_t *out, const char **end)
{
    bool minus = *text == '-';
    const char *digits = text + minus;
    int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
    char *stop;
    if (*digits < '0' || *digits > '9') return false;
    errno = 0;
    *out = strtoull(digits, &stop, base);
    if (errno || stop == digits || (minus && *out > (uint64_t)INT64_MAX + 1)) return false;
    if (minus) *out = 0 - *out;
    *end = stop;
    return true;
}

static xoe_err set_u64(xoe_named_field f, const char *text, uint64_t *out, xoe_error *e)
{
    const char *end;
    if (whole(text, out, &end) && !*end) return XOE_OK;
    return wrong(f, text, "a whole number of at most 64 bits", e);
}

static xoe_err set_count(xoe_named_field f, const char *text, int *out, xoe_error *e)
{
    uint64_t v = 0;
    xoe_err rc = set_u64(f, text, &v, e);
    if (rc == XOE_OK && (v < 1 || v > 1 << 24)) return wrong(f, text, "a whole number of at least 1", e);
    *out = (int)v;
    return rc;
}

static xoe_err set_share(xoe_named_field f, const char *text, double *out, xoe_error *e)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !(*out > 0 && *out < 1)) return wrong(f, text, "a number between 0 and 1", e);
    return XOE_OK;
}

/* Keys of the layers, separated by commas or blanks; as a JSON array too. */
static xoe_err set_keys(xoe_named_scheme *s, const char *text, xoe_error *e)
{
    static const char want[] = "a list of 1 to 64 whole numbers, one a layer, separated by commas", blank[] = ", \t\r\n";
    uint64_t v;
    int n = 0;
    bool array = *text == '[';
    const char *p = text + array;
    for (p += strspn(p, blank); *p && !(array && *p == ']'); p += strspn(p, blank), n++) {
        if (n == XOE_INTEROP_DEPTH_MAX || !whole(p, &v, &p) || !(strchr(blank, *p) || (array && *p == ']')))
            return wrong(XOE_NAMED_KEY, text, want, e);
        s->peer.keys[n] = (int64_t)v;
    }
    if (n == 0 || (array && strcmp(p, "]") != 0)) return wrong(XOE_NAMED_KEY, text, want, e);
    s->peer.depth = n;
    return XOE_OK;
}

static xoe_err set_key(xoe_named_scheme *s, const char *text, xoe_error *e)
{
    s->has_key = true;
    if (s->other && s->peer.kind == XOE_INTEROP_HF_SYNTHID) return set_keys(s, text, e);
    if (s->other) return set_u64(XOE_NAMED_KEY, text, &s->peer.key, e);
    if (strlen(text) != 2 * XOE_MARK_KEY_BYTES || xoe_unhex(text, strlen(text), s->key))
        return wrong(XOE_NAMED_KEY, text, "64 hex digits for this scheme", e);
    return XOE_OK;
}

static xoe_err set_dedup(xoe_named_scheme *s, const char *text, xoe_error *e)
{
    static const char *const how[] = {[XOE_DEDUP_CONTEXT] = "context", [XOE_DEDUP_PAIR] = "pair", [XOE_DEDUP_NONE] = "none"};
    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++)
        if (!strcmp(how[i], text)) {
            s->peer.dedup = (xoe_dedup)i;
            return XOE_OK;
        }
    return wrong(XOE_NAMED_DEDUP, text, "context, pair or none", e);
}

xoe_err xoe_named_scheme_set(xoe_named_scheme *s, xoe_named_field f, const char *text, xoe_error *e)
{
    unsigned has = s->other ? fields_of_peer(s->peer.kind) : fields_of_own(s->params.scheme);
    uint64_t v = 0;
    int count = 0;
    xoe_err rc = XOE_OK;
    if (!(has & 1u << f)) {
        char param[48];
        return xoe_error_param(e, XOE_EINVAL, param_of(f, param), "%s has no %s", xoe_named_scheme_name(s), field_names[f]);
    }
    switch (f) {
    case XOE_NAMED_KEY: return set_key(s, text, e);
    case XOE_NAMED_KEY_B: s->has_key_b = true; return set_u64(f, text, &s->peer.key_b, e);
    case XOE_NAMED_WIDTH: return set_count(f, text, s->other ? &s->peer.width : &s->params.width, e);
    case XOE_NAMED_SHIFTS: return set_count(f, text, &s->params.n_shifts, e);
    case XOE_NAMED_PAYLOAD_BITS: return set_count(f, text, &s->params.payload_bits, e);
    case XOE_NAMED_GAMMA: return set_share(f, text, s->other ? &s->peer.gamma : &s->params.gamma, e);
    case XOE_NAMED_ALPHA: return set_share(f, text, s->other ? &s->peer.alpha : &s->params.alpha, e);
    case XOE_NAMED_DEPTH: return set_count(f, text, s->other ? &s->peer.depth : &s->params.depth, e);
    case XOE_NAMED_VOCAB: return set_count(f, text, &s->peer.n_vocab, e);
    case XOE_NAMED_DEDUP: return set_dedup(s, text, e);
    case XOE_NAMED_TABLE_SIZE:
        if ((rc = set_count(f, text, &count, e)) == XOE_OK) s->peer.table_size = (uint32_t)count;
        return rc;
    default:
        if ((rc = set_u64(f, text, &v, e)) == XOE_OK) s->peer.table_seed = v;
        return rc;
    }
}

xoe_err xoe_named_scheme_finish(xoe_named_scheme *s, int n_vocab, xoe_error *e)
{
    const char *name = xoe_named_scheme_name(s);
    if (!s->has_key) return xoe_error_param(e, XOE_EINVAL, "scheme.key", "%s needs its key", name);
    if (!s->other) return xoe_mark_params_resolve(&s->params, e);
    if ((fields_of_peer(s->peer.kind) & BIT(KEY_B)) && !s->has_key_b)
        return xoe_error_param(e, XOE_EINVAL, "scheme.key_b", "%s needs its second key, key_b", name);
    if ((fields_of_peer(s->peer.kind) & BIT(VOCAB)) && !s->peer.n_vocab) s->peer.n_vocab = n_vocab;
    return XOE_OK;
}

void xoe_named_scheme_wipe(xoe_named_scheme *s)
{
    xoe_zero(s, sizeof *s);
}
