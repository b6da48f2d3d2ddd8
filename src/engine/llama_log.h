/* llama.cpp's log goes to our log at debug level; the last error line is kept for messages. */
#ifndef XOE_ENGINE_LLAMA_LOG_H
#define XOE_ENGINE_LLAMA_LOG_H

#include <stddef.h>

void xoe_llama_init_once(void);
/* The calling thread's last error line since the last call, "" if none. */
void xoe_llama_last_error(char *out, size_t n);

#endif
