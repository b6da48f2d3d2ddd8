/* llama.cpp logs through one global callback; loading runs on the caller's thread, so a thread-local
 * line is enough to say why a load failed. */
#include "engine/llama_log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "llama.h"

static _Thread_local char last_error[200];

static void on_log(enum ggml_log_level level, const char *text, void *ud)
{
    (void)ud;
    if (level == GGML_LOG_LEVEL_ERROR) {
        snprintf(last_error, sizeof last_error, "%s", text);
        last_error[strcspn(last_error, "\n")] = 0;
    }
    if (level == GGML_LOG_LEVEL_ERROR || level == GGML_LOG_LEVEL_WARN) xoe_log(XOE_LOG_DEBUG, "llama", "%s", text);
}

static void init(void)
{
    llama_log_set(on_log, NULL);
    llama_backend_init();
}

void xoe_llama_init_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init);
    last_error[0] = 0;
}

void xoe_llama_last_error(char *out, size_t n)
{
    snprintf(out, n, "%s", last_error);
    last_error[0] = 0;
}
