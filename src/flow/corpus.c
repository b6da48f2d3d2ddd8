/* Reading a corpus.
 *
 * Files are listed first, in sorted order, so that the same folder gives the same passages and progress knows
 * the whole. Each is opened relative to its folder without following links, so that nothing outside is read
 * even when the folder changes meanwhile. A passage that stood before is left out: boilerplate counted again
 * and again is one observation, not many. Thread: the caller's. */
#include "flow/corpus.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"

typedef struct corpus {
    char **paths; /* relative to the folder */
    size_t n, cap;
    unsigned long long n_bytes;
    unsigned char (*seen)[XOE_SHA256_BYTES]; /* open addressing by the first bytes; all zero: free */
    size_t n_slots, n_seen;
    size_t n_unreadable;
} corpus;

static void corpus_free(corpus *c)
{
    for (size_t i = 0; i < c->n; i++)
        xoe_free(c->paths[i]);
    xoe_free(c->paths);
    xoe_free(c->seen);
}

static xoe_err no_memory(xoe_error *e)
{
    return xoe_error_set(e, XOE_ENOMEM, "no memory to read the corpus");
}

/* ---- listing ---- */

static bool is_text_name(const char *name)
{
    size_t n = strlen(name);
    return (n > 4 && !strcasecmp(name + n - 4, ".txt")) || (n > 3 && !strcasecmp(name + n - 3, ".md"));
}

static xoe_err add_path(corpus *c, const char *path, long long bytes, xoe_error *e)
{
    if (c->n >= XOE_CORPUS_FILES_MAX)
        return xoe_error_set(e, XOE_ELIMIT, "the corpus has more than %d files; name a folder inside it", XOE_CORPUS_FILES_MAX);
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 64;
        char **paths = xoe_realloc(c->paths, cap * sizeof *paths);
        if (!paths) return no_memory(e);
        c->paths = paths;
        c->cap = cap;
    }
    if (!(c->paths[c->n] = xoe_strdup(path))) return no_memory(e);
    c->n++;
    c->n_bytes += (unsigned long long)bytes;
    return XOE_OK;
}

/* Adds what is under the open folder fd, whose path from the corpus is `inside` ("" or "a/b/"). Takes fd. */
static xoe_err list(corpus *c, int fd, const char *inside, int depth, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    struct dirent *d;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return no_memory(e);
    }
    while (rc == XOE_OK && (d = readdir(dir))) {
        struct stat st;
        char path[4096];
        if (d->d_name[0] == '.') continue; /* hidden ones too */
        int n = snprintf(path, sizeof path, "%s%s", inside, d->d_name);
        if (n >= (int)sizeof path - 1 ||
            fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW)) {
            c->n_unreadable++;
        } else if (S_ISREG(st.st_mode) && is_text_name(d->d_name)) {
            rc = add_path(c, path, (long long)st.st_size, e);
        } else if (S_ISDIR(st.st_mode)) {
            int sub = depth < XOE_CORPUS_DEPTH_MAX ? openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
            if (sub < 0) {
                c->n_unreadable++;
                continue;
            }
            memcpy(path + n, "/", 2);
            rc = list(c, sub, path, depth + 1, e);
        }
    }
    closedir(dir);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- one file ---- */

/* openat without following a link at any step of the path. */
static int open_inside(int folder, const char *path)
{
    char step[4096];
    int at = folder;
    for (;;) {
        size_t n = strcspn(path, "/");
        bool last = !path[n];
        snprintf(step, sizeof step, "%.*s", (int)n, path);
        int next = openat(at, step, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (last ? O_NONBLOCK : O_DIRECTORY));
        if (at != folder) close(at);
        if (next < 0 || last) return next;
        at = next;
        path += n + 1;
    }
}

/* False: not to be used. */
static bool read_file(int folder, const char *path, xoe_buf *out)
{
    char chunk[65536];
    struct stat st;
    ssize_t n = -1;
    int fd = open_inside(folder, path);
    if (fd < 0) return false;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode))
        while ((n = read(fd, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR))
            if (n > 0 && xoe_buf_add(out, chunk, (size_t)n)) break;
    close(fd);
    return n == 0 && xoe_utf8_valid(xoe_buf_cstr(out), out->len);
}

size_t xoe_corpus_cut(const char *text, size_t n, size_t words, size_t *words_out)
{
    size_t at = 0, count = 0, max = words * XOE_CORPUS_WORD_BYTES;
    while (at < n && count < words && at < max) {
        while (at < n && isspace((unsigned char)text[at]))
            at++;
        size_t word = at;
        while (at < n && !isspace((unsigned char)text[at]) && (at < max || ((unsigned char)text[at] & 0xC0) == 0x80))
            at++;
        count += at > word;
    }
    if (at < n && at >= max && count < words) count = words; /* no blanks: full by its bytes */
    *words_out = count;
    return at;
}

/* 1: new, 0: stood before, −1: no memory. */
static int first_time(corpus *c, const char *text, size_t n)
{
    static const unsigned char none[XOE_SHA256_BYTES];
    unsigned char h[XOE_SHA256_BYTES];
    size_t i;
    if (2 * c->n_seen >= c->n_slots) {
        size_t slots = c->n_slots ? 2 * c->n_slots : 1024;
        unsigned char(*grown)[XOE_SHA256_BYTES] = xoe_calloc(slots, sizeof *grown);
        if (!grown) return -1;
        for (size_t k = 0; k < c->n_slots; k++) {
            if (!memcmp(c->seen[k], none, sizeof none)) continue;
            memcpy(&i, c->seen[k], sizeof i);
            for (i &= slots - 1; memcmp(grown[i], none, sizeof none); i = (i + 1) & (slots - 1)) {}
            memcpy(grown[i], c->seen[k], sizeof none);
        }
        xoe_free(c->seen);
        c->seen = grown;
        c->n_slots = slots;
    }
    xoe_sha256(text, n, h);
    memcpy(&i, h, sizeof i);
    for (i &= c->n_slots - 1; memcmp(c->seen[i], none, sizeof none); i = (i + 1) & (c->n_slots - 1))
        if (!memcmp(c->seen[i], h, sizeof h)) return 0;
    memcpy(c->seen[i], h, sizeof h);
    c->n_seen++;
    return 1;
}

static xoe_err passages(corpus *c, const xoe_buf *file, size_t words, const xoe_corpus_visitor *v, xoe_corpus_stats *s, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    unsigned long long before = s->n_bytes;
    for (size_t at = 0, n, have; rc == XOE_OK && at < file->len; at += n) {
        while (at < file->len && isspace((unsigned char)file->data[at]))
            at++;
        n = xoe_corpus_cut(file->data + at, file->len - at, words, &have);
        s->n_bytes = before + at + n;
        if (2 * have < words) continue;
        int first = first_time(c, file->data + at, n);
        if (first < 0) return no_memory(e);
        s->n_repeated += !first;
        if (!first) continue;
        s->n_passages++;
        rc = v->passage(v->ud, file->data + at, n, e);
        if (rc == XOE_OK && v->progress) v->progress(v->ud, s, c->n_bytes);
    }
    s->n_bytes = before + file->len;
    return rc;
}

xoe_err xoe_corpus_walk(const char *folder, size_t words, const xoe_corpus_visitor *v, xoe_corpus_stats *out, xoe_error *e)
{
    corpus c = {0};
    xoe_buf file;
    *out = (xoe_corpus_stats){0};
    xoe_buf_init(&file, XOE_CORPUS_FILE_MAX);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), twin = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    xoe_err rc = twin >= 0 ? list(&c, twin, "", 0, e) : xoe_error_errno(e, XOE_ENOTFOUND, "cannot read the folder %.150s", folder);
    if (rc == XOE_OK && c.n == 0)
        rc = xoe_error_set(e, XOE_EINVAL, "there is no .txt or .md file in %.150s", folder);
    if (rc == XOE_OK) qsort(c.paths, c.n, sizeof *c.paths, by_name);
    out->n_skipped = c.n_unreadable;
    for (size_t i = 0; rc == XOE_OK && i < c.n; i++) {
        xoe_buf_reset(&file);
        if (read_file(fd, c.paths[i], &file)) {
            out->n_files++;
            rc = passages(&c, &file, words, v, out, e);
        } else {
            out->n_skipped++;
        }
    }
    if (fd >= 0) close(fd);
    xoe_buf_free(&file);
    corpus_free(&c);
    return rc;
}
