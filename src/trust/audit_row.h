/* The canonical bytes of an audit row and their hash. Pure functions. */
#ifndef XOE_TRUST_AUDIT_ROW_H
#define XOE_TRUST_AUDIT_ROW_H

#include "base/hash.h"
#include "trust/audit.h"

/* SHA-256 over the previous hash and the fields; docs/formats/audit.md has the bytes. confidence_ppb:
 * detection_confidence in billionths, −1e9 when not measured, so that no rounding of a double matters. */
void xoe_audit_row_hash(const char *previous, int64_t id, int64_t timestamp_ms, const char *request_id, const char *user_id,
                        const char *text_hash, int is_watermarked, int64_t confidence_ppb, const char *model_version,
                        const char *key_id, char out[XOE_SHA256_HEX]);

#endif
