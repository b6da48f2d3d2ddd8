/* One file by libcurl, resumed with a Range request.
 *
 * A host that cannot be reached must cost seconds, not minutes: set-up goes on to the next source. So the
 * connection has a short limit, while the transfer itself is only ended when it stands still. */
#include "cli/fetch.h"
#include "cli/progress.h"
#include "xoe/version.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONNECT_S = 5, STALL_S = 30, STALL_BYTES_S = 1000, TRIES = 2 };

typedef struct transfer {
    FILE *f;
    CURL *curl;
    unsigned long long have;
    int64_t expected;
    cli_progress bar;
    bool too_long, write_failed;
} transfer;

static size_t on_bytes(char *p, size_t size, size_t n, void *ud)
{
    transfer *t = ud;
    size *= n;
    if (t->expected && t->have + size > (unsigned long long)t->expected) {
        t->too_long = true;
        return 0;
    }
    if (fwrite(p, 1, size, t->f) != size) {
        t->write_failed = true;
        return 0;
    }
    t->have += size;
    if (!t->bar.total) {
        curl_off_t left = 0;
        curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &left);
        if (left > 0) t->bar.total = t->bar.base + (unsigned long long)left;
    }
    cli_progress_update(&t->bar, t->have);
    return size;
}

static bool is_unreachable(CURLcode rc)
{
    return rc == CURLE_COULDNT_RESOLVE_HOST || rc == CURLE_COULDNT_RESOLVE_PROXY ||
           rc == CURLE_COULDNT_CONNECT || rc == CURLE_OPERATION_TIMEDOUT || rc == CURLE_SSL_CONNECT_ERROR ||
           rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_GOT_NOTHING || rc == CURLE_RECV_ERROR;
}

/* *restart: the host would not go on from the middle. */
static xoe_err transfer_once(transfer *t, const char *url, const char *part, bool *restart,
                             bool *unreachable, xoe_error *e)
{
    char why[CURL_ERROR_SIZE] = "";
    const char *host = strstr(url, "://") ? strstr(url, "://") + 3 : url;
    size_t host_n = strcspn(host, "/");
    long status = 0;
    xoe_err rc = XOE_OK;
    t->f = fopen(part, "abe");
    if (!t->f) return xoe_error_errno(e, XOE_EIO, "cannot write %.150s", part);
    fseek(t->f, 0, SEEK_END);
    long at = ftell(t->f);
    t->have = at > 0 ? (unsigned long long)at : 0;
    if (t->expected && t->have == (unsigned long long)t->expected) goto out; /* only the check is left */
    t->bar.base = t->have;
    t->curl = curl_easy_init();
    if (!t->curl) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory for a download");
        goto out;
    }
    curl_easy_setopt(t->curl, CURLOPT_URL, url);
    curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(t->curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(t->curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(t->curl, CURLOPT_MAXREDIRS, 8L);
    curl_easy_setopt(t->curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_S);
    curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->curl, CURLOPT_USERAGENT, "xoe/" XOE_VERSION_STRING);
    curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->have);
    CURLcode c = curl_easy_perform(t->curl);
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    cli_progress_end(&t->bar);
    if (c == CURLE_OK) goto out;
    *restart = t->bar.base > 0 && (c == CURLE_RANGE_ERROR || status == 416);
    *unreachable = is_unreachable(c) && t->have == t->bar.base;
    if (t->write_failed)
        rc = xoe_error_errno(e, XOE_EIO, "cannot write %.150s", part);
    else if (t->too_long)
        rc = xoe_error_set(e, XOE_EFORMAT, "%.120s sends more than the %lld bytes that the manifest says", url,
                           (long long)t->expected);
    else if (status >= 400)
        rc = xoe_error_set(e, XOE_ENOTFOUND, "%.150s answers with status %ld", url, status);
    else
        rc = xoe_error_set(e, XOE_EUNAVAILABLE, "%.*s: %s", (int)host_n, host, *why ? why : curl_easy_strerror(c));
out:
    curl_easy_cleanup(t->curl);
    t->curl = NULL;
    if (fclose(t->f) && !rc) rc = xoe_error_errno(e, XOE_EIO, "cannot write %.150s", part);
    return rc;
}

xoe_err cli_fetch_url(const char *url, const char *part, int64_t expected, const char *label, bool quiet,
                      bool *unreachable, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    for (int i = 0; i < TRIES; i++) {
        bool restart = false;
        transfer t = {.expected = expected};
        *unreachable = false;
        cli_progress_start(&t.bar, label, (unsigned long long)expected, 0, quiet);
        rc = transfer_once(&t, url, part, &restart, unreachable, e);
        if (t.too_long) unlink(part);
        if (!rc || !restart) return rc;
        if (unlink(part) && errno != ENOENT) return xoe_error_errno(e, XOE_EIO, "cannot remove %.150s", part);
    }
    return rc;
}
