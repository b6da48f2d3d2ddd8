/* Files: whole reads with a limit, atomic private writes, folders. Thread: safe. */
#ifndef XOE_BASE_FILE_H
#define XOE_BASE_FILE_H

#include "base/buf.h"
#include "xoe/error.h"

/* Appends the file to out (whose max is the limit). path "-" is standard input.
 * Errors: XOE_ENOTFOUND, XOE_EIO, XOE_ETOOBIG. */
xoe_err xoe_file_read(const char *path, xoe_buf *out, xoe_error *e);
/* Write a temporary file beside it, fsync, rename, fsync the folder. mode e.g. 0600. */
xoe_err xoe_file_write_atomic(const char *path, const void *p, size_t n, unsigned mode, xoe_error *e);
/* mkdir -p, each new folder with mode. */
xoe_err xoe_mkdirs(const char *path, unsigned mode, xoe_error *e);
/* base + "/" + name, malloc'ed (xoe_free); NULL: no memory. */
char *xoe_path_join(const char *base, const char *name);

#endif
