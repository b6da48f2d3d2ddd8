/* Where the tests' models lie: XOE_MODELS_DIR, or where `xoe models pull` puts them. */
#ifndef MODELPATH_H
#define MODELPATH_H

#include <stdio.h>
#include <stdlib.h>

enum { MODEL_PATH_BYTES = 600 };

/* file "": the folder. Returns path. */
static inline const char *model_path(char path[MODEL_PATH_BYTES], const char *file)
{
    const char *dir = getenv("XOE_MODELS_DIR");
    snprintf(path, MODEL_PATH_BYTES, "%s%s%s%s", dir ? dir : getenv("HOME"), dir ? "" : "/.local/share/xoe/models", *file ? "/" : "", file);
    return path;
}

#endif
