/* Request heads: what libwebsockets parsed, copied into the request; how its body is framed; whether it may be.
 *
 * A refusal here costs no request thread. API keys are compared as hashes in constant time. An address that sent
 * too many wrong keys waits, whatever key it sends next: else the limit would not slow a guesser down. Loop
 * thread only. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/text.h"
#include "serve/http_loop.h"

enum { DISCARD_MAX = 64 << 20 }; /* a longer refused body is not waited for */

/* ---- reading ---- */

static bool sane_id(const char *s)
{
    size_t n = 0;
    for (; s[n]; n++)
        if (n >= 128 || !(isalnum((unsigned char)s[n]) || strchr("._-", s[n]))) return false;
    return n > 0;
}

static void make_id(xoe_http_req *r, struct lws *wsi)
{
    unsigned char rnd[12];
    int n = lws_hdr_custom_length(wsi, "x-request-id:", 13);
    if (n > 0 && n <= 128 && lws_hdr_custom_copy(wsi, r->id, sizeof r->id, "x-request-id:", 13) > 0 && sane_id(r->id)) return;
    if (xoe_random_bytes(rnd, sizeof rnd)) memset(rnd, 0, sizeof rnd);
    memcpy(r->id, "req-", 4);
    xoe_hex(rnd, sizeof rnd, r->id + 4);
}

static char *copy_header(xoe_http_req *r, struct lws *wsi, enum lws_token_indexes t)
{
    int n = lws_hdr_total_length(wsi, t);
    if (n <= 0) return NULL;
    char *p = xoe_arena_alloc(r->arena, (size_t)n + 1);
    if (!p || lws_hdr_copy(wsi, p, n + 1, t) < 0) return NULL;
    return p;
}

static void read_query(xoe_http_req *r, struct lws *wsi)
{
    char part[1024];
    while (r->n_query < 32) {
        int n = lws_hdr_copy_fragment(wsi, part, sizeof part, WSI_TOKEN_HTTP_URI_ARGS, r->n_query);
        if (n < 0) return;
        r->query[r->n_query] = xoe_arena_strndup(r->arena, part, (size_t)n);
        if (!r->query[r->n_query]) return;
        r->n_query++;
    }
}

static const char *method_of(struct lws *wsi)
{
    static const struct {
        enum lws_token_indexes token;
        const char *name;
    } methods[] = {{WSI_TOKEN_GET_URI, "GET"},       {WSI_TOKEN_POST_URI, "POST"},     {WSI_TOKEN_OPTIONS_URI, "OPTIONS"},
                   {WSI_TOKEN_HEAD_URI, "HEAD"},     {WSI_TOKEN_DELETE_URI, "DELETE"}, {WSI_TOKEN_PUT_URI, "PUT"},
                   {WSI_TOKEN_PATCH_URI, "PATCH"}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (lws_hdr_total_length(wsi, methods[i].token) > 0) return methods[i].name;
    return "";
}

int xoe_head_read(xoe_http_req *r, struct lws *wsi)
{
    char *uri;
    int uri_len;
    snprintf(r->method, sizeof r->method, "%s", method_of(wsi));
    r->head = !strcmp(r->method, "HEAD");
    char *version = copy_header(r, wsi, WSI_TOKEN_HTTP), *connection = copy_header(r, wsi, WSI_TOKEN_CONNECTION);
    r->http10 = version && strstr(version, "1.0");
    r->keep_alive = !r->http10 && !(connection && strcasestr(connection, "close"));
    make_id(r, wsi);
    if (lws_http_get_uri_and_method(wsi, &uri, &uri_len) < 0) return -1;
    r->path = xoe_arena_strndup(r->arena, uri, (size_t)uri_len);
    if (!r->path) return -1;
    read_query(r, wsi);
    r->content_type = copy_header(r, wsi, WSI_TOKEN_HTTP_CONTENT_TYPE);
    r->if_none_match = copy_header(r, wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH);
    return 0;
}

bool xoe_head_is_preflight(const xoe_http_req *r)
{
    const char *origin = r->server->opts.cors_origin;
    return !strcmp(r->method, "OPTIONS") && origin && origin[0];
}

bool xoe_head_may_have_body(const xoe_http_req *r) /* libwebsockets expects one behind these only */
{
    return !strcmp(r->method, "POST") || !strcmp(r->method, "PUT") || !strcmp(r->method, "PATCH");
}

bool xoe_head_expects_continue(struct lws *wsi)
{
    char expect[32];
    return lws_hdr_copy(wsi, expect, sizeof expect, WSI_TOKEN_HTTP_EXPECT) > 0 && !strcasecmp(expect, "100-continue");
}

xoe_err xoe_head_framing(xoe_http_req *r, struct lws *wsi, size_t *n, bool *chunked, bool *fatal, xoe_error *e)
{
    const char *length = copy_header(r, wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH), *coding = copy_header(r, wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING);
    size_t max = r->server->opts.max_body_bytes;
    *n = 0;
    *chunked = false;
    *fatal = true;
    if (coding) {
        if (length || r->http10 || !xoe_head_may_have_body(r) || strcasecmp(coding, "chunked"))
            return xoe_error_set(e, XOE_EINVAL, "send the body with a Content-Length, or with \"Transfer-Encoding: chunked\" and nothing else");
        *chunked = true;
        *fatal = false;
        return XOE_OK;
    }
    if (!length) {
        if (!xoe_head_may_have_body(r)) return XOE_OK;
        return xoe_error_set(e, XOE_EINVAL, "a %s needs a Content-Length or a chunked body", r->method);
    }
    size_t digits = strspn(length, "0123456789");
    if (digits == 0 || length[digits] || digits > 15) return xoe_error_set(e, XOE_EINVAL, "bad Content-Length");
    *n = (size_t)strtoull(length, NULL, 10);
    if (*n <= max) return XOE_OK;
    *fatal = *n > DISCARD_MAX;
    return xoe_error_set(e, XOE_ETOOBIG, "the body has %zu bytes; at most %zu are taken", *n, max);
}

/* ---- admission ---- */

static bool is_prefix(const xoe_http_route *t)
{
    size_t n = strlen(t->path);
    return n && t->path[n - 1] == '*';
}

static bool route_matches(const xoe_http_route *t, const char *path)
{
    return is_prefix(t) ? !strncmp(t->path, path, strlen(t->path) - 1) : !strcmp(t->path, path);
}

/* Exact paths first: where one exists for another method only, a prefix route does not hide the 405. */
static xoe_err find_route(xoe_http_req *r, xoe_error *e)
{
    const xoe_http_opts *o = &r->server->opts;
    char allow[64] = "";
    const char *method = r->head ? "GET" : r->method;
    for (int prefix = 0; prefix < 2 && !allow[0]; prefix++)
        for (size_t i = 0; i < o->n_routes; i++) {
            const xoe_http_route *t = &o->routes[i];
            if (is_prefix(t) != (prefix == 1) || !route_matches(t, r->path)) continue;
            if (!strcmp(t->method, method)) {
                r->route = t;
                return XOE_OK;
            }
            size_t used = strlen(allow);
            if (!prefix) snprintf(allow + used, sizeof allow - used, "%s%s", used ? ", " : "", t->method);
        }
    if (!allow[0])
        return xoe_error_set(e, XOE_ENOTFOUND, "there is nothing at %s; docs are at /openapi.json", r->path);
    xoe_http_set_header(r, "allow", allow);
    return xoe_error_set(e, XOE_EMETHOD, "%s takes %s, not %s", r->path, allow, r->method);
}

/* The pseudonym of a client: of its key, or of its address. Also the rate limit's key. */
static uint64_t set_user(xoe_http_req *r, const char *secret, const char *peer)
{
    unsigned char h[32];
    uint64_t id;
    char hex[33];
    if (secret)
        xoe_sha256(secret, strlen(secret), h);
    else
        xoe_sha256(peer, strlen(peer), h);
    memcpy(&id, h, sizeof id);
    xoe_hex(h, 8, hex);
    snprintf(r->user, sizeof r->user, "%s-%s", secret ? "key" : "addr", hex);
    return id;
}

/* An address, or the network of an IPv6 one: whoever has one such address has 2^64 of them. */
static uint64_t network_of(const char *peer)
{
    unsigned char a[16], h[32];
    uint64_t id;
    bool network = inet_pton(AF_INET6, peer, a) == 1 && !IN6_IS_ADDR_V4MAPPED((struct in6_addr *)a);
    if (network)
        xoe_sha256(a, 8, h);
    else
        xoe_sha256(peer, strlen(peer), h);
    memcpy(&id, h, sizeof id);
    return id;
}

static xoe_err must_wait(xoe_http_req *r, int wait_s, const char *why, xoe_error *e)
{
    char text[16];
    snprintf(text, sizeof text, "%d", wait_s);
    xoe_http_set_header(r, "retry-after", text);
    return xoe_error_set(e, XOE_ERATE, "%s; wait %d s", why, wait_s);
}

static xoe_err authorize(xoe_http_req *r, struct lws *wsi, const char *peer, uint64_t *client, xoe_error *e)
{
    xoe_http_server *s = r->server;
    const char *header = copy_header(r, wsi, WSI_TOKEN_HTTP_AUTHORIZATION), *secret = NULL;
    unsigned char h[32];
    bool asked = s->opts.api_key && s->opts.api_key[0], good = false;
    if (header && !strncasecmp(header, "Bearer ", 7)) secret = header + 7;
    if (asked && secret) {
        xoe_sha256(secret, strlen(secret), h);
        good = xoe_ct_equal(h, s->key_hash, sizeof h);
    }
    *client = set_user(r, good ? secret : NULL, peer);
    if (!asked || r->route->open) return XOE_OK;
    if (!secret) return xoe_error_set(e, XOE_EAUTH, "this server asks for an API key; send it as: Authorization: Bearer KEY");
    uint64_t network = network_of(peer);
    int64_t now = xoe_clock_mono_ms();
    int wait = xoe_ratelimit_wait(s->auth_limit, network, now);
    if (wait) return must_wait(r, wait, "too many wrong API keys from this address", e);
    if (good) return XOE_OK;
    xoe_ratelimit_take(s->auth_limit, network, now);
    return xoe_error_set(e, XOE_EAUTH, "the API key is wrong");
}

xoe_err xoe_head_admit(xoe_http_req *r, struct lws *wsi, const char *peer, xoe_error *e)
{
    xoe_http_server *s = r->server;
    uint64_t client = 0;
    xoe_err rc = find_route(r, e);
    if (rc == XOE_OK) rc = authorize(r, wsi, peer, &client, e);
    if (rc != XOE_OK || r->route->open) return rc;
    int64_t now = xoe_clock_mono_ms();
    int wait = xoe_ratelimit_take(s->limit, client, now);
    if (!wait && r->route->detector) wait = xoe_ratelimit_take(s->detect_limit, client, now);
    return wait ? must_wait(r, wait, "too many requests from this client", e) : XOE_OK;
}
