/* Files of web/ and the OpenAPI document, compiled in by cmake/embed.cmake. */
#ifndef XOE_SERVE_WEB_H
#define XOE_SERVE_WEB_H

#include <stddef.h>

typedef struct xoe_web_file {
    const char *path; /* "/index.html" */
    const unsigned char *data;
    size_t size;
} xoe_web_file;

extern const xoe_web_file xoe_web_files[];
extern const size_t xoe_web_n_files;

#endif
