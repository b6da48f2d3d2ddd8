/* Counters, gauges and histograms, printed in Prometheus' text format; one table makes enum, name
 * and help. Thread: safe (atomics). */
#ifndef XOE_OPS_METRICS_H
#define XOE_OPS_METRICS_H

#include <stdint.h>
#include "base/buf.h"

/* X(ID, kind, "name", "help") — kind: COUNTER, GAUGE, HISTOGRAM (seconds). A name may end in labels; rows of
 * one name follow each other and have the same help. */
#define XOE_METRIC_TABLE(X)                                                                        \
    X(HTTP_2XX, COUNTER, "xoe_http_requests_total{class=\"2xx\"}", XOE_METRIC_REQUESTS_HELP)        \
    X(HTTP_3XX, COUNTER, "xoe_http_requests_total{class=\"3xx\"}", XOE_METRIC_REQUESTS_HELP)        \
    X(HTTP_4XX, COUNTER, "xoe_http_requests_total{class=\"4xx\"}", XOE_METRIC_REQUESTS_HELP)        \
    X(HTTP_5XX, COUNTER, "xoe_http_requests_total{class=\"5xx\"}", XOE_METRIC_REQUESTS_HELP)        \
    X(HTTP_UNANSWERED, COUNTER, "xoe_http_requests_total{class=\"none\"}", XOE_METRIC_REQUESTS_HELP) \
    X(HTTP_CONNECTIONS, GAUGE, "xoe_http_connections", "open connections")                         \
    X(QUEUE_REFUSED, COUNTER, "xoe_queue_refused_total", "requests refused because the queue was full") \
    X(GENERATIONS, COUNTER, "xoe_generations_total", "answers finished")                           \
    X(GENERATIONS_MARKED, COUNTER, "xoe_generations_watermarked_total", "answers finished that carry a mark") \
    X(DETECTIONS, COUNTER, "xoe_detections_total", "detector queries")                             \
    X(AUDIT_ROWS, COUNTER, "xoe_audit_rows_total", "audit rows made durable")                      \
    X(AUDIT_FAILURES, COUNTER, "xoe_audit_failures_total", "audit rows that could not be written") \
    X(REPHRASE_CHUNKS, COUNTER, "xoe_rephrase_chunks_total", "chunks given to the paraphraser")    \
    X(REPHRASE_REJECTED, COUNTER, "xoe_rephrase_rejected_total", "chunks left as they were")       \
    X(TTFT, HISTOGRAM, "xoe_time_to_first_token_seconds", "request accepted to first token")       \
    X(E2E, HISTOGRAM, "xoe_request_seconds", "request accepted to answer finished")

#define XOE_METRIC_REQUESTS_HELP "HTTP requests by status class; none: the client left first"

typedef enum xoe_metric {
#define XOE_METRIC_ENUM(id, kind, name, help) XOE_M_##id,
    XOE_METRIC_TABLE(XOE_METRIC_ENUM)
#undef XOE_METRIC_ENUM
    XOE_M_COUNT
} xoe_metric;

void xoe_metric_add(xoe_metric m, int64_t n);      /* counter, gauge */
void xoe_metric_set(xoe_metric m, int64_t value);  /* gauge */
void xoe_metric_observe(xoe_metric m, double seconds);
int64_t xoe_metric_get(xoe_metric m);              /* tests */
void xoe_metrics_print(xoe_buf *out);
/* Print one foreign sample with its HELP and TYPE lines (engine statistics). */
void xoe_metrics_sample(xoe_buf *out, const char *name, const char *type, const char *help,
                        const char *labels, double value);

#endif
