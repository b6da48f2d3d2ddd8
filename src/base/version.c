#include "xoe/version.h"

const char *xoe_version(void)
{
    return XOE_VERSION_STRING;
}
