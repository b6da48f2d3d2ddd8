/* A gigabyte takes seconds to hash, so the result is kept beside the file in FILE.sha256:
 *   HASH SIZE MTIME_NS\n
 * It is a cache against accidents, not a defence against someone who can write in the folder. */
#include "cli/modelfile.h"
#include "cli/progress.h"
#include "base/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_LEN = 4096 + 16 };

static bool stamp_of(const char *path, char stamp[PATH_LEN], struct stat *st)
{
    return snprintf(stamp, PATH_LEN, "%s.sha256", path) < PATH_LEN && stat(path, st) == 0;
}

static int64_t mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

bool cli_model_hash_known(const char *path, char out[XOE_SHA256_HEX])
{
    char stamp[PATH_LEN], hash[XOE_SHA256_HEX];
    struct stat st;
    int64_t size, mtime;
    if (!stamp_of(path, stamp, &st)) return false;
    FILE *f = fopen(stamp, "re");
    if (!f) return false;
    int got = fscanf(f, "%64[0-9a-f] %" SCNd64 " %" SCNd64, hash, &size, &mtime);
    fclose(f);
    if (got != 3 || strlen(hash) != 64 || size != st.st_size || mtime != mtime_ns(&st)) return false;
    memcpy(out, hash, sizeof hash);
    return true;
}

void cli_model_hash_remember(const char *path, const char *hash)
{
    char stamp[PATH_LEN], line[160];
    struct stat st;
    if (!stamp_of(path, stamp, &st)) return;
    int n = snprintf(line, sizeof line, "%s %" PRId64 " %" PRId64 "\n", hash, (int64_t)st.st_size, mtime_ns(&st));
    xoe_file_write_atomic(stamp, line, (size_t)n, 0644, NULL);
}

static void on_hashed(void *ud, unsigned long long done)
{
    cli_progress_update(ud, done);
}

xoe_err cli_model_hash(const char *path, const char *label, bool again, bool quiet,
                       char out[XOE_SHA256_HEX], xoe_error *e)
{
    struct stat st;
    cli_progress bar;
    char text[128];
    if (!again && cli_model_hash_known(path, out)) return XOE_OK;
    snprintf(text, sizeof text, "checking %.80s", label);
    cli_progress_start(&bar, text, stat(path, &st) == 0 ? (unsigned long long)st.st_size : 0, 0, quiet);
    xoe_err rc = xoe_sha256_file(path, out, on_hashed, &bar, e);
    cli_progress_end(&bar);
    if (!rc) cli_model_hash_remember(path, out);
    return rc;
}
