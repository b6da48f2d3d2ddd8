/* The version in one place, so that a program and its library can be compared. Thread: any. */
#include "xoe/version.h"

const char *xoe_version(void)
{
    return XOE_VERSION_STRING;
}
