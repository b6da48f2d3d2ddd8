/* The page's files and the OpenAPI document. Handlers run on the loop thread. */
#ifndef XOE_SERVE_PAGES_H
#define XOE_SERVE_PAGES_H

#include "serve/http.h"

void xoe_pages_handler(xoe_http_req *r, void *ud);

#endif
