/* Versions of the parts that Xoe is built from. */
#ifndef XOE_CLI_VERSIONS_H
#define XOE_CLI_VERSIONS_H

#include <stddef.h>

typedef struct cli_part {
    const char *name, *version, *licence;
} cli_part;

/* [*n] parts; static. */
const cli_part *cli_parts(size_t *n);

#endif
