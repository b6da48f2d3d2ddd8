/* Version and export macro, included by every public header. */
#ifndef XOE_VERSION_H
#define XOE_VERSION_H

#define XOE_VERSION_STRING "0.1.0"

/* Functions and data that libxoe.so exports; everything else is hidden. */
#if defined(__GNUC__)
#define XOE_API __attribute__((visibility("default")))
#else
#define XOE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The library's version, "major.minor.patch". Static; never NULL. Thread: any. */
XOE_API const char *xoe_version(void);

#ifdef __cplusplus
}
#endif
#endif
