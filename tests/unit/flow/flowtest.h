/* What the tests of flow/ on a real model (SmolLM2 135M) share: the application in a folder of its own, requests,
 * what a client sees. They fail, not skip, without the model. */
#ifndef XOE_FLOWTEST_H
#define XOE_FLOWTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "flow/app_detect.h"
#include "flow/completion.h"

static xoe_config cfg;
static xoe_app *app;
static char dir[] = "/tmp/xoe-flow-XXXXXX";

static const xoe_chat_inputs sea = {
    .messages_json = "[{\"role\":\"user\",\"content\":\"Write three sentences about the sea.\"}]"};

static inline int write_keys(const char *json)
{
    char path[64];
    snprintf(path, sizeof path, "%s/keys.json", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
    if (fd < 0) return -1;
    bool whole = write(fd, json, strlen(json)) == (ssize_t)strlen(json);
    return close(fd) || !whole ? -1 : 0;
}

/* keys: what DATA/keys.json holds; the same for every run, since what a model writes under a mark depends on it. */
static inline int open_app(const char *keys)
{
    char models[512];
    const char *given = getenv("XOE_MODELS_DIR");
    xoe_error e = XOE_ERROR_INIT;
    snprintf(models, sizeof models, "%s/.local/share/xoe/models", getenv("HOME"));
    if (!mkdtemp(dir) || write_keys(keys) || xoe_config_load(&cfg, "/dev/null", &e)) goto bad;
    if (xoe_config_set(&cfg, "data", dir, "test", &e) || xoe_config_set(&cfg, "models-dir", given ? given : models, "test", &e) ||
        xoe_config_set(&cfg, "model", "smollm2-135m-instruct", "test", &e) || xoe_config_finish(&cfg, &e) ||
        xoe_app_open(&app, &cfg, XOE_APP_CHAT | XOE_APP_AUDIT, &e))
        goto bad;
    return 0;
bad:
    fprintf(stderr, "%s\n", e.msg);
    return -1;
}

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline int teardown(void **s)
{
    (void)s;
    xoe_app_close(app);
    xoe_config_free(&cfg);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline xoe_completion_request request(const char *id, int max_tokens)
{
    xoe_completion_request q = {.engine = app->chat, .request_id = id, .user = "u", .chat = &sea,
        .sampling = XOE_SAMPLING_INIT, .max_tokens = max_tokens, .n_probs = -1};
    q.sampling.has_seed = true;
    q.sampling.seed = 11;
    return q;
}

typedef struct seen {
    xoe_buf text[XOE_N_MAX];
    int n_logprobs, pieces, stop_after;
} seen;

static inline int collect(const xoe_completion_piece *p, void *ud)
{
    seen *s = ud;
    xoe_buf_add(&s->text[p->index], p->text, p->n);
    s->n_logprobs += p->n_logprobs;
    return s->stop_after && ++s->pieces >= s->stop_after ? -1 : 0;
}

static inline void seen_init(seen *s)
{
    *s = (seen){0};
    for (int i = 0; i < XOE_N_MAX; i++)
        xoe_buf_init(&s->text[i], 1 << 20);
}

static inline void seen_free(seen *s)
{
    for (int i = 0; i < XOE_N_MAX; i++)
        xoe_buf_free(&s->text[i]);
}

static inline void run(const xoe_completion_request *q, seen *s, xoe_completion_result *r)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_err rc = xoe_completion_run(app, q, NULL, s ? collect : NULL, s, r, &e);
    if (rc) fail_msg("%s: %s", xoe_err_name(rc), e.msg);
}

#endif
