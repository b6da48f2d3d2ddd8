/* Model files on disk and whether they are what the manifest says. */
#ifndef XOE_CLI_MODELFILE_H
#define XOE_CLI_MODELFILE_H

#include <stdbool.h>
#include "base/hash.h"
#include "xoe/error.h"

/* Hash a file, or take the remembered hash (FILE.sha256: hash, size and time of change) when the file is
 * as it was then; again: hash in any case. Remembers. label: for the progress bar.
 * Errors: XOE_ENOTFOUND, XOE_EIO. */
xoe_err cli_model_hash(const char *path, const char *label, bool again, bool quiet,
                       char out[XOE_SHA256_HEX], xoe_error *e);
/* The remembered hash without reading the file; false: none, or the file changed. */
bool cli_model_hash_known(const char *path, char out[XOE_SHA256_HEX]);
/* Remember a hash that was just computed. A failure only costs time later. */
void cli_model_hash_remember(const char *path, const char *hash);

#endif
