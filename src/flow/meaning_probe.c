/* The probes are compiled in as JSON and read once. The instruction and the examples of the question are the same each
 * time and stay in the engine's cache, and so does the source, which is read with one rewrite after the other: a reading costs the rewrite. */
#include "flow/meaning_probe.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/schedule.h"
#include "flow/meaning_model.h"
#include "flow/queue_pause.h"

extern const unsigned char xoe_meaning_probes_json[];
extern const size_t xoe_meaning_probes_json_size;

enum { PROBES_MAX = 16 };

static xoe_meaning_probe probes[PROBES_MAX];
static int n_probes;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool read_probe(json_t *j, xoe_meaning_probe *p)
{
    const char *title;
    json_t *words, *state, *v;
    size_t i;
    if (json_unpack(j, "{s:s, s:i, s:i, s:F, s:o, s:o}", "title", &title, "n_layers", &p->n_layers, "layer", &p->layer, "bias", &p->weights.bias,
                    "words", &words, "state", &state))
        return false;
    snprintf(p->title, sizeof p->title, "%s", title);
    p->n_embd = (int)json_array_size(state);
    for (int f = 0; f < XOE_MEANING_N_FEATURES; f++)
        p->weights.w[f] = json_number_value(json_object_get(words, xoe_meaning_feature_names[f]));
    p->weights.w[XOE_MEANING_PROBE] = 1;
    p->state = xoe_malloc((size_t)p->n_embd * sizeof *p->state);
    if (!p->state) return false;
    json_array_foreach(state, i, v) p->state[i] = (float)json_number_value(v);
    return true;
}

static void read_all(void)
{
    json_t *all = json_loadb((const char *)xoe_meaning_probes_json, xoe_meaning_probes_json_size, 0, NULL), *j;
    size_t i;
    json_array_foreach(all, i, j) if (n_probes < PROBES_MAX && read_probe(j, &probes[n_probes])) n_probes++;
    if (n_probes != (int)json_array_size(all)) xoe_log(XOE_LOG_ERROR, "meaning", "a probe in the program cannot be read");
    json_decref(all);
}

const xoe_meaning_probe *xoe_meaning_probe_find(const xoe_engine *model)
{
    xoe_engine_info info;
    pthread_once(&once, read_all);
    xoe_engine_get_info(model, &info);
    for (int i = 0; i < n_probes; i++)
        if (!strcmp(probes[i].title, info.title) && probes[i].n_embd == info.n_embd && probes[i].n_layers == info.n_layers) return &probes[i];
    return NULL;
}

xoe_err xoe_meaning_state(xoe_engine *model, int layer, const char *source, size_t n, const char *rewrite, size_t m, xoe_priority priority,
                          int64_t deadline_mono_ms, float *out, xoe_error *e)
{
    int32_t *t = NULL, *other = NULL;
    size_t n_t = 0, n_other = 0;
    xoe_err rc = xoe_meaning_question(model, XOE_ASK_SAME_MEANING, source, n, rewrite, m, &t, &n_t, e);
    if (rc == XOE_OK) rc = xoe_meaning_question(model, XOE_ASK_SAME_MEANING, source, n, "", 0, &other, &n_other, e);
    size_t n_same = rc == XOE_OK ? xoe_common_prefix(t, n_t - 1, other, n_other) : 0;
    while (rc == XOE_OK && (rc = xoe_engine_read(model, t, n_t, n_same, layer, priority, out, e)) == XOE_EBUSY)
        rc = xoe_queue_pause(deadline_mono_ms, NULL, NULL, e);
    xoe_tokens_free(t);
    xoe_tokens_free(other);
    return rc;
}

xoe_err xoe_meaning_probe_ask(xoe_engine *model, const xoe_meaning_probe *p, const char *source, size_t n, const char *rewrite, size_t m,
                              xoe_priority priority, int64_t deadline_mono_ms, double *sum, xoe_error *e)
{
    float *state = xoe_malloc((size_t)p->n_embd * sizeof *state);
    if (!state) return xoe_error_set(e, XOE_ENOMEM, "no memory to compare two texts");
    xoe_err rc = xoe_meaning_state(model, p->layer, source, n, rewrite, m, priority, deadline_mono_ms, state, e);
    *sum = 0;
    for (int i = 0; rc == XOE_OK && i < p->n_embd; i++)
        *sum += (double)p->state[i] * (double)state[i];
    xoe_free(state);
    return rc;
}
