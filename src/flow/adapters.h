/* Low-rank adapters (LoRA, Hu et al. 2106.09685) that turn a chat model into a paraphraser. They are compiled in, known by the model
 * that they were trained for, and made by tools/train_paraphraser.py; docs/watermark.md tells what they bring. Thread: safe. */
#ifndef XOE_FLOW_ADAPTERS_H
#define XOE_FLOW_ADAPTERS_H

#include "xoe/engine.h"

/* xoe_engine_opts.adapter of an engine that was given xoe_adapters_of(its file). */
typedef enum xoe_adapted { XOE_AS_IT_IS, XOE_TO_REPHRASE } xoe_adapted;

/* Those for the model in this file, for xoe_engine_opts; NULL and *n 0: there are none. Reads the file's header. */
const xoe_adapter *const *xoe_adapters_of(const char *path, int *n);

#endif
