/* Plain atomics; a histogram has fixed bounds from 5 ms to 10 minutes. */
#include "ops/metrics.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

enum kind { COUNTER, GAUGE, HISTOGRAM };
enum { N_BOUNDS = 16 };

static const double bounds[N_BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                        2.5,   5,    10,    30,   60,  120,  300, 600};
static const struct {
    enum kind kind;
    const char *name, *help;
} rows[] = {
#define ROW(id, kind, name, help) {kind, name, help},
    XOE_METRIC_TABLE(ROW)
#undef ROW
};

static _Atomic int64_t values[XOE_M_COUNT]; /* a histogram's sum, in microseconds */
static _Atomic int64_t buckets[XOE_M_COUNT][N_BOUNDS + 1];

void xoe_metric_add(xoe_metric m, int64_t n)
{
    atomic_fetch_add_explicit(&values[m], n, memory_order_relaxed);
}

void xoe_metric_set(xoe_metric m, int64_t value)
{
    atomic_store_explicit(&values[m], value, memory_order_relaxed);
}

void xoe_metric_observe(xoe_metric m, double seconds)
{
    int i = 0;
    while (i < N_BOUNDS && seconds > bounds[i])
        i++;
    atomic_fetch_add_explicit(&buckets[m][i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&values[m], (int64_t)(seconds * 1e6), memory_order_relaxed);
}

int64_t xoe_metric_get(xoe_metric m)
{
    if (rows[m].kind != HISTOGRAM) return atomic_load(&values[m]);
    int64_t n = 0;
    for (int i = 0; i <= N_BOUNDS; i++)
        n += atomic_load(&buckets[m][i]);
    return n;
}

static void print_head(xoe_buf *out, const char *name, int length, const char *type, const char *help)
{
    xoe_buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", length, name, help, length, name, type);
}

void xoe_metrics_sample(xoe_buf *out, const char *name, const char *type, const char *help, const char *labels, double value)
{
    print_head(out, name, (int)strlen(name), type, help);
    xoe_buf_printf(out, "%s%s %.15g\n", name, labels ? labels : "", value);
}

static void print_histogram(xoe_buf *out, xoe_metric m)
{
    const char *name = rows[m].name;
    int64_t n = 0;
    for (int i = 0; i < N_BOUNDS; i++) {
        n += atomic_load(&buckets[m][i]);
        xoe_buf_printf(out, "%s_bucket{le=\"%g\"} %lld\n", name, bounds[i], (long long)n);
    }
    n += atomic_load(&buckets[m][N_BOUNDS]);
    xoe_buf_printf(out, "%s_bucket{le=\"+Inf\"} %lld\n%s_sum %.6f\n%s_count %lld\n", name, (long long)n, name,
                   (double)atomic_load(&values[m]) * 1e-6, name, (long long)n);
}

void xoe_metrics_print(xoe_buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const char *before = "";
    for (size_t m = 0; m < XOE_M_COUNT; m++) {
        const char *name = rows[m].name;
        size_t length = strcspn(name, "{");
        if (strncmp(before, name, length + 1)) print_head(out, name, (int)length, types[rows[m].kind], rows[m].help);
        before = name;
        if (rows[m].kind == HISTOGRAM)
            print_histogram(out, (xoe_metric)m);
        else
            xoe_buf_printf(out, "%s %lld\n", name, (long long)atomic_load(&values[m]));
    }
}
