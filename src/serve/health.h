/* /health, /livez, /readyz, /metrics. Handlers run on the loop thread; ud is the xoe_server. */
#ifndef XOE_SERVE_HEALTH_H
#define XOE_SERVE_HEALTH_H

#include "serve/http.h"

void xoe_health_handler(xoe_http_req *r, void *ud);
void xoe_livez_handler(xoe_http_req *r, void *ud);
void xoe_readyz_handler(xoe_http_req *r, void *ud);
void xoe_metrics_handler(xoe_http_req *r, void *ud);

#endif
