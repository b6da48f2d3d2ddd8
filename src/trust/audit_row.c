/* Each field is written as its length in decimal, ':', its bytes and ',' (a netstring), so that no two
 * different rows give the same bytes. */
#include "trust/audit_row.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

static void field(xoe_buf *b, const char *s)
{
    xoe_buf_printf(b, "%zu:", strlen(s));
    xoe_buf_puts(b, s);
    xoe_buf_putc(b, ',');
}

static void number(xoe_buf *b, int64_t v)
{
    char s[24];
    snprintf(s, sizeof s, "%lld", (long long)v);
    field(b, s);
}

void xoe_audit_row_hash(const char *previous, int64_t id, int64_t timestamp_ms, const char *request_id, const char *user_id,
                        const char *text_hash, int is_watermarked, int64_t confidence_ppb, const char *model_version,
                        const char *key_id, char out[XOE_SHA256_HEX])
{
    xoe_buf b;
    xoe_buf_init(&b, 1 << 16);
    field(&b, "xoe-audit-1");
    field(&b, previous);
    number(&b, id);
    number(&b, timestamp_ms);
    field(&b, request_id);
    field(&b, user_id);
    field(&b, text_hash);
    number(&b, is_watermarked);
    number(&b, confidence_ppb);
    field(&b, model_version);
    field(&b, key_id);
    XOE_ASSERT(!b.failed); /* fields are capped by xoe_audit_append */
    xoe_sha256_hex(b.data, b.len, out);
    xoe_buf_free(&b);
}
