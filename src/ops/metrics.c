/* Plain atomics; a histogram has fixed bounds from 5 ms to 10 minutes. */
#include "ops/metrics.h"

#include <stdatomic.h>
#include <stddef.h>

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

void xoe_metrics_sample(xoe_buf *out, const char *name, const char *type, const char *help, const char *labels, double value)
{
    xoe_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s%s %.10g\n", name, help, name, type, name, labels ? labels : "", value);
}

void xoe_metrics_print(xoe_buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    for (size_t m = 0; m < XOE_M_COUNT; m++) {
        if (rows[m].kind != HISTOGRAM) {
            xoe_metrics_sample(out, rows[m].name, types[rows[m].kind], rows[m].help, NULL, (double)atomic_load(&values[m]));
            continue;
        }
        int64_t n = 0;
        xoe_buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", rows[m].name, rows[m].help, rows[m].name);
        for (int i = 0; i < N_BOUNDS; i++) {
            n += atomic_load(&buckets[m][i]);
            xoe_buf_printf(out, "%s_bucket{le=\"%g\"} %lld\n", rows[m].name, bounds[i], (long long)n);
        }
        n += atomic_load(&buckets[m][N_BOUNDS]);
        xoe_buf_printf(out, "%s_bucket{le=\"+Inf\"} %lld\n%s_sum %.6f\n%s_count %lld\n", rows[m].name, (long long)n,
                       rows[m].name, (double)atomic_load(&values[m]) * 1e-6, rows[m].name, (long long)n);
    }
}
