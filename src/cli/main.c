/* The program: picks a subcommand. */
#include "xoe/version.h"

#include <stdio.h>

int main(void)
{
    printf("xoe %s\n", xoe_version());
    return 0;
}
