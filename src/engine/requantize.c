/* Requantised copies of model files, for formats that have no fast prompt kernel (Q4_1). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/compute.h"
#include "engine/llama_log.h"
#include "llama.h"
#include "xoe/engine.h"

static const struct {
    const char *name;
    enum llama_ftype type;
} types[] = {
    {"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0}, {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},
    {"q4_k_m", LLAMA_FTYPE_MOSTLY_Q4_K_M}, {"f16", LLAMA_FTYPE_MOSTLY_F16},
};

xoe_err xoe_model_requantize(const char *in, const char *out, const char *type, xoe_error *e)
{
    struct llama_model_quantize_params q = llama_model_quantize_default_params();
    char tmp[4096], why[200];
    struct stat st;
    size_t i = 0;
    while (i < sizeof types / sizeof types[0] && strcmp(types[i].name, type))
        i++;
    if (i == sizeof types / sizeof types[0])
        return xoe_error_param(e, XOE_EINVAL, "type", "unknown type %s; use q8_0, q4_0, q4_k_m or f16", type);
    if (stat(in, &st)) return xoe_error_errno(e, XOE_ENOTFOUND, "cannot open %s", in);
    if (snprintf(tmp, sizeof tmp, "%s.part", out) >= (int)sizeof tmp)
        return xoe_error_set(e, XOE_EINVAL, "path too long");
    xoe_llama_init_once();
    q.ftype = types[i].type;
    q.nthread = xoe_compute_cores();
    q.allow_requantize = true;
    if (llama_model_quantize(in, tmp, &q) != 0) {
        xoe_llama_last_error(why, sizeof why);
        unlink(tmp);
        return xoe_error_set(e, XOE_EFORMAT, "cannot requantise %s: %s", in, why[0] ? why : "llama.cpp refused it");
    }
    if (rename(tmp, out)) {
        unlink(tmp);
        return xoe_error_errno(e, XOE_EIO, "cannot write %s", out);
    }
    return XOE_OK;
}
