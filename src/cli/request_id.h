/* Ids of the generations that the terminal asks for. */
#ifndef XOE_CLI_REQUEST_ID_H
#define XOE_CLI_REQUEST_ID_H

enum { CLI_REQUEST_ID_MAX = 40 };

/* "KIND-" and 24 random hex digits; kind: at most 8 letters. */
void cli_request_id(const char *kind, char out[CLI_REQUEST_ID_MAX]);

#endif
