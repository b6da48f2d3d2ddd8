/* Static files, compiled in: "/" is index.html. A strict policy keeps the page to its own origin. */
#include "serve/pages.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "serve/web.h"

static const char *type_of(const char *path)
{
    static const struct {
        const char *ending, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".svg", "image/svg+xml"},
                 {".json", "application/json"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
        if (!strcmp(dot, types[i].ending)) return types[i].type;
    return "application/octet-stream";
}

void xoe_pages_handler(xoe_http_req *r, void *ud)
{
    (void)ud;
    const char *path = xoe_http_path(r), *known = xoe_http_header(r, "if-none-match");
    char hash[XOE_SHA256_HEX], tag[24];
    xoe_error e = XOE_ERROR_INIT;
    if (!strcmp(path, "/")) path = "/index.html";
    for (size_t i = 0; i < xoe_web_n_files; i++) {
        const xoe_web_file *f = &xoe_web_files[i];
        if (strcmp(f->path, path)) continue;
        xoe_sha256_hex(f->data, f->size, hash);
        snprintf(tag, sizeof tag, "\"%.16s\"", hash);
        xoe_http_set_header(r, "etag", tag);
        xoe_http_set_header(r, "cache-control", "no-cache");
        xoe_http_set_header(r, "x-content-type-options", "nosniff");
        xoe_http_set_header(r, "referrer-policy", "no-referrer");
        xoe_http_set_header(r, "content-security-policy",
                            "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
        if (known && !strcmp(known, tag))
            xoe_http_reply(r, 304, NULL, "", 0);
        else
            xoe_http_reply(r, 200, type_of(f->path), f->data, f->size);
        return;
    }
    xoe_error_set(&e, XOE_ENOTFOUND, "there is nothing at %s; the API is described at /openapi.json", path);
    xoe_http_reply_error(r, &e);
}
