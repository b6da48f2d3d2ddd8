/* Models in memory, with their adapters; engines share them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "engine/internal.h"
#include "engine/llama_log.h"
#include "gguf.h"

static struct llama_adapter_lora *read_adapter(struct llama_model *model, const xoe_adapter *a)
{
    void *bytes = (void *)(uintptr_t)a->data; /* fmemopen asks for it, and only reads */
    FILE *f = a->n ? fmemopen(bytes, a->n, "rb") : NULL;
    struct llama_adapter_lora *out = f ? llama_adapter_lora_init_from_file_ptr(model, f) : NULL;
    if (f) fclose(f);
    return out;
}

xoe_err xoe_weights_read(struct xoe_weights **out, const xoe_engine_opts *o, xoe_error *e)
{
    struct stat st;
    char why[200], magic[4] = "";
    if (stat(o->path, &st))
        return xoe_error_errno(e, errno == ENOENT ? XOE_ENOTFOUND : XOE_EIO, "cannot open the model %s", o->path);
    FILE *f = fopen(o->path, "rb");
    if (!f) return xoe_error_errno(e, XOE_EIO, "cannot open the model %s", o->path);
    size_t got = fread(magic, 1, sizeof magic, f);
    fclose(f);
    if (got != 4 || memcmp(magic, "GGUF", 4))
        return xoe_error_set(e, XOE_EFORMAT, "%s is not a GGUF model file", o->path);
    struct llama_model_params mp = llama_model_default_params();
    mp.vocab_only = o->vocab_only;
    mp.n_gpu_layers = 0;
    struct xoe_weights *w = *out = xoe_calloc(1, sizeof *w);
    if (!w) return xoe_error_set(e, XOE_ENOMEM, "no memory for an engine");
    atomic_init(&w->users, 1);
    w->model = llama_model_load_from_file(o->path, mp);
    if (!w->model) {
        xoe_llama_last_error(why, sizeof why);
        return xoe_error_set(e, XOE_EFORMAT, "cannot load the model %s: %s", o->path, why[0] ? why : "no reason given");
    }
    for (; w->n_adapters < o->n_adapters; w->n_adapters++)
        if (!(w->adapters[w->n_adapters] = read_adapter(w->model, o->adapters[w->n_adapters]))) {
            xoe_llama_last_error(why, sizeof why);
            return xoe_error_set(e, XOE_EFORMAT, "the adapter does not fit %s: %s", o->path, why[0] ? why : "no reason given");
        }
    return XOE_OK;
}

void xoe_weights_release(struct xoe_weights *w)
{
    if (!w || atomic_fetch_sub(&w->users, 1) != 1) return;
    if (w->model) llama_model_free(w->model);
    xoe_free(w);
}

struct xoe_weights *xoe_weights_share(struct xoe_weights *w)
{
    atomic_fetch_add(&w->users, 1);
    return w;
}

void xoe_model_title(const char *path, char *out, size_t cap)
{
    xoe_llama_init_once();
    struct gguf_context *file = gguf_init_from_file(path, (struct gguf_init_params){.no_alloc = true});
    int64_t key = file ? gguf_find_key(file, "general.name") : -1;
    snprintf(out, cap, "%s", key >= 0 && gguf_get_kv_type(file, key) == GGUF_TYPE_STRING ? gguf_get_val_str(file, key) : "");
    if (file) gguf_free(file);
}
