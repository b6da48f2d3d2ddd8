/* Random, because rows of many processes meet in one audit log. */
#include "cli/request_id.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

void cli_request_id(const char *kind, char out[CLI_REQUEST_ID_MAX])
{
    unsigned char random[12];
    if (xoe_random_bytes(random, sizeof random)) { /* the clock is unique enough */
        int64_t now = xoe_clock_mono_ns();
        memset(random, 0, sizeof random);
        memcpy(random, &now, sizeof now);
    }
    int n = snprintf(out, CLI_REQUEST_ID_MAX, "%.8s-", kind);
    xoe_hex(random, sizeof random, out + n);
}
