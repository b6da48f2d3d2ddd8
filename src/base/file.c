/* Files by plain POSIX calls. A private file is written beside its target, synced and renamed, so a reader
 * or a crash sees the old or the new one, never half. Thread: safe. */
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

xoe_err xoe_file_read(const char *path, xoe_buf *out, xoe_error *e)
{
    char chunk[16384];
    ssize_t got;
    int std_in = !strcmp(path, "-");
    int fd = std_in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    xoe_err rc = XOE_OK;
    if (fd < 0)
        return xoe_error_errno(e, errno == ENOENT ? XOE_ENOTFOUND : XOE_EIO, "cannot open %s", path);
    while ((got = read(fd, chunk, sizeof chunk)) != 0) {
        if (got < 0) {
            if (errno == EINTR) continue;
            rc = xoe_error_errno(e, XOE_EIO, "cannot read %s", path);
            break;
        }
        if (xoe_buf_add(out, chunk, (size_t)got)) {
            rc = xoe_error_set(e, XOE_ETOOBIG, "%s is larger than %zu bytes", path, out->max);
            break;
        }
    }
    if (!std_in) close(fd);
    return rc;
}

xoe_err xoe_file_write_atomic(const char *path, const void *p, size_t n, unsigned mode, xoe_error *e)
{
    char tmp[4096], dir[4096];
    const char *bytes = p;
    int fd = -1, dfd;
    xoe_err rc;
    if (snprintf(tmp, sizeof tmp, "%s.tmp.%ld", path, (long)getpid()) >= (int)sizeof tmp)
        return xoe_error_set(e, XOE_EINVAL, "path too long: %.100s…", path);
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (fd < 0) return xoe_error_errno(e, XOE_EIO, "cannot create %s", tmp);
    while (n) {
        ssize_t put = write(fd, bytes, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) goto fail;
        bytes += put;
        n -= (size_t)put;
    }
    if (fchmod(fd, (mode_t)mode) || fsync(fd)) goto fail;
    close(fd);
    fd = -1;
    if (rename(tmp, path)) goto fail;
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = 0;
    else
        memcpy(dir, ".", 2);
    dfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dfd >= 0) {
        fsync(dfd);
        close(dfd);
    }
    return XOE_OK;
fail:
    rc = xoe_error_errno(e, XOE_EIO, "cannot write %s", path);
    if (fd >= 0) close(fd);
    unlink(tmp);
    return rc;
}

xoe_err xoe_mkdirs(const char *path, unsigned mode, xoe_error *e)
{
    char p[4096];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof p) return xoe_error_set(e, XOE_EINVAL, "bad folder name");
    memcpy(p, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (p[i] != '/' && p[i] != 0) continue;
        char c = p[i];
        p[i] = 0;
        if (mkdir(p, (mode_t)mode) && errno != EEXIST)
            return xoe_error_errno(e, XOE_EIO, "cannot create folder %s", p);
        p[i] = c;
    }
    struct stat st;
    if (stat(path, &st) || !S_ISDIR(st.st_mode))
        return xoe_error_set(e, XOE_EIO, "%s is not a folder", path);
    return XOE_OK;
}

char *xoe_path_join(const char *base, const char *name)
{
    size_t a = strlen(base), b = strlen(name);
    char *p = xoe_malloc(a + b + 2);
    if (!p) return NULL;
    memcpy(p, base, a);
    p[a] = '/';
    memcpy(p + a + 1, name, b + 1);
    return p;
}
