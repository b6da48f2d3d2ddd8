/* Versions of the parts. The headers of SQLite, libwebsockets and llama.cpp belong to their adapters, so
 * their versions come from the build (pkg-config, tools/deps.sh); the others are asked at run time. */
#include "cli/versions.h"

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <zip.h>

#ifndef XOE_BUILT_LLAMA
#define XOE_BUILT_LLAMA "unknown"
#endif

const cli_part *cli_parts(size_t *n)
{
    static cli_part parts[8];
    size_t i = 0;
    parts[i++] = (cli_part){"llama.cpp", XOE_BUILT_LLAMA, "MIT"};
    parts[i++] = (cli_part){"SQLite", XOE_BUILT_SQLITE, "public domain"};
    parts[i++] = (cli_part){"libwebsockets", XOE_BUILT_LWS, "MIT"};
    parts[i++] = (cli_part){"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING), "Apache-2.0"};
    parts[i++] = (cli_part){"jansson", JANSSON_VERSION, "MIT"};
    parts[i++] = (cli_part){"libcurl", curl_version_info(CURLVERSION_NOW)->version, "curl"};
    parts[i++] = (cli_part){"libzip", zip_libzip_version(), "BSD-3-Clause"};
    *n = i;
    return parts;
}
