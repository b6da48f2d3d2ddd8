/* Speed of the audit log, as JSON on standard output: durable rows a second by the number of threads that
 * append at once. Each append waits for its own commit, so the threads are the size of a group. Three
 * samples each, all printed; a figure counts only if every row is there and the chain is whole.
 * Usage: bench_audit_speed [FOLDER]; the folder says which disk (default: the current one). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "trust/audit.h"

enum { SAMPLES = 3, THREADS_MAX = 512 };

static const int64_t window_ns = 1000000000;

struct run {
    xoe_audit *log;
    int64_t until_ns;
    atomic_long rows, failed;
};

static void *append_until(void *arg)
{
    struct run *r = arg;
    char hash[XOE_SHA256_HEX];
    for (long i = 0; xoe_clock_mono_ns() < r->until_ns; i++) {
        xoe_sha256_hex(&i, sizeof i, hash);
        xoe_audit_row row = {.request_id = "req-0123456789abcdef#0", .user_id = "u-0123456789abcdef", .text_hash = hash, .is_watermarked = true,
                             .detection_confidence = 0.9991, .model_version = "model-1.5b-q4_k_m", .key_id = "k20260101-01234567"};
        if (xoe_audit_append(r->log, &row, NULL) != XOE_OK) {
            atomic_fetch_add(&r->failed, 1);
            break;
        }
        atomic_fetch_add(&r->rows, 1);
    }
    return NULL;
}

/* Rows a second of n threads on a fresh log; *right stays true when nothing is wrong. */
static double measure(const char *parent, int n, bool *right)
{
    static pthread_t threads[THREADS_MAX];
    char dir[512], file[600];
    xoe_error e = XOE_ERROR_INIT;
    struct run r = {0};
    int64_t rows = 0, bad = 0;
    snprintf(dir, sizeof dir, "%s/xoe-bench-audit-XXXXXX", parent);
    if (!mkdtemp(dir) || xoe_audit_open(&r.log, dir, &e) != XOE_OK) {
        fprintf(stderr, "audit_speed: cannot write in %s: %s\n", parent, e.msg);
        exit(1);
    }
    int64_t start = xoe_clock_mono_ns();
    r.until_ns = start + window_ns;
    for (int i = 0; i < n; i++)
        XOE_ASSERT(pthread_create(&threads[i], NULL, append_until, &r) == 0);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    double took_s = (double)(xoe_clock_mono_ns() - start) * 1e-9;
    xoe_audit_close(r.log);
    *right = *right && !atomic_load(&r.failed) && xoe_audit_verify(dir, &rows, &bad, &e) == XOE_OK && bad == 0 && rows == atomic_load(&r.rows);
    static const char *const files[] = {"audit.db", "audit.db-wal", "audit.db-shm"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(file, sizeof file, "%s/%s", dir, files[i]);
        unlink(file);
    }
    rmdir(dir);
    return (double)rows / took_s;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static const int threads[] = {1, 8, 64, 256};
    bool all_right = true;
    printf("{\"benchmarks\": [\n");
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        double v[SAMPLES];
        bool right = true;
        for (int s = 0; s < SAMPLES; s++)
            v[s] = measure(argc > 1 ? argv[1] : ".", threads[i], &right);
        printf("  {\"name\": \"audit, %d threads\", \"unit\": \"durable rows/s\", \"samples\": [%.5g, %.5g, %.5g], ", threads[i], v[0], v[1], v[2]);
        qsort(v, SAMPLES, sizeof *v, compare);
        printf("\"median\": %.5g, \"correct\": %s}%s\n", v[1], right ? "true" : "false", i + 1 < sizeof threads / sizeof threads[0] ? "," : "");
        fflush(stdout);
        all_right = all_right && right;
    }
    printf("]}\n");
    return all_right ? 0 : 1;
}
