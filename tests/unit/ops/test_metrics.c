/* Metrics as text: each family once, with its help and type, before its samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "ops/metrics.h"

static int count(const char *hay, const char *needle)
{
    int n = 0;
    for (const char *p = hay; (p = strstr(p, needle)); p++)
        n++;
    return n;
}

static void test_text(void **s)
{
    (void)s;
    xoe_buf b;
    xoe_buf_init(&b, 1 << 20);
    xoe_metric_add(XOE_M_HTTP_2XX, 3);
    xoe_metric_add(XOE_M_HTTP_5XX, 1);
    xoe_metric_add(XOE_M_GENERATIONS, 12345678901234567); /* no digit is lost */
    xoe_metric_set(XOE_M_HTTP_CONNECTIONS, 4);
    xoe_metrics_print(&b);
    const char *text = xoe_buf_cstr(&b);
    assert_int_equal(count(text, "# HELP xoe_http_requests_total "), 1);
    assert_int_equal(count(text, "# TYPE xoe_http_requests_total counter\n"), 1);
    assert_int_equal(count(text, "\nxoe_http_requests_total{class=\""), 5);
    assert_non_null(strstr(text, "\nxoe_http_requests_total{class=\"2xx\"} 3\n"));
    assert_non_null(strstr(text, "\nxoe_http_requests_total{class=\"5xx\"} 1\n"));
    assert_non_null(strstr(text, "\nxoe_http_requests_total{class=\"none\"} 0\n"));
    assert_non_null(strstr(text, "\nxoe_generations_total 12345678901234567\n"));
    assert_non_null(strstr(text, "# TYPE xoe_http_connections gauge\nxoe_http_connections 4\n"));
    assert_int_equal(count(text, "# HELP "), count(text, "# TYPE "));
    xoe_buf_free(&b);
}

static void test_histogram(void **s)
{
    (void)s;
    xoe_buf b;
    xoe_buf_init(&b, 1 << 20);
    const double seconds[] = {0.001, 0.005, 0.02, 3, 10000};
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++)
        xoe_metric_observe(XOE_M_TTFT, seconds[i]);
    assert_int_equal(xoe_metric_get(XOE_M_TTFT), 5);
    xoe_metrics_print(&b);
    const char *text = xoe_buf_cstr(&b);
    static const char *const lines[] = {
        "# TYPE xoe_time_to_first_token_seconds histogram\n",           "xoe_time_to_first_token_seconds_bucket{le=\"0.005\"} 2\n",
        "xoe_time_to_first_token_seconds_bucket{le=\"0.01\"} 2\n",      "xoe_time_to_first_token_seconds_bucket{le=\"0.025\"} 3\n",
        "xoe_time_to_first_token_seconds_bucket{le=\"2.5\"} 3\n",       "xoe_time_to_first_token_seconds_bucket{le=\"5\"} 4\n",
        "xoe_time_to_first_token_seconds_bucket{le=\"600\"} 4\n",       "xoe_time_to_first_token_seconds_bucket{le=\"+Inf\"} 5\n",
        "xoe_time_to_first_token_seconds_sum 10003.026000\n",           "xoe_time_to_first_token_seconds_count 5\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_non_null(strstr(text, lines[i]));
    xoe_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_histogram)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
