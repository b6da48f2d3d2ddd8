/* False alarms over random keys, as JSON lines: every way of detecting × every kind of text,
 * observed count at 1e-2 … 1e-5 and the chance of so many if the rate were nominal. Exits 1 when a
 * cell is above nominal beyond binomial error at 1e-3 confidence over all cells (Bonferroni).
 * Usage: bench_mark_null [keys, default 10000] [only ways whose name has this] */
#include "mark_null.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000, alarms[NULL_LEVELS];
    if (argc > 1 && !n) {
        fprintf(stderr, "usage: %s [keys, default 10000] [only ways whose name has this]\n", argv[0]);
        return 2;
    }
    double worst = 0, limit = log(1e-3 / (NULL_WAYS * NULL_KINDS * NULL_LEVELS));
    for (int w = 0; w < NULL_WAYS; w++) {
        if (argc > 2 && !strstr(null_ways[w].name, argv[2])) continue;
        for (int kind = 0; kind < NULL_KINDS; kind++) {
            if (null_count(&null_ways[w], kind, n, 7 + (uint64_t)w, alarms) != 0) return 2;
            printf("{\"way\": \"%s\", \"text\": \"%s\", \"keys\": %zu", null_ways[w].name,
                   null_kind_names[kind], n);
            for (int l = 0; l < NULL_LEVELS; l++) {
                double ln_excess = null_ln_excess(alarms[l], n, null_levels[l]);
                printf(", \"%g\": %zu, \"excess_p_%g\": %.3g", null_levels[l], alarms[l],
                       null_levels[l], exp(ln_excess));
                worst = fmin(worst, ln_excess);
            }
            printf("}\n");
            fflush(stdout);
        }
    }
    printf("{\"worst_excess_p\": %.3g, \"limit\": %.3g, \"ok\": %s}\n", exp(worst), exp(limit),
           worst > limit ? "true" : "false");
    return worst > limit ? 0 : 1;
}
