/* Replays every file of a corpus folder through LLVMFuzzerTestOneInput, in the ordinary check. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    static uint8_t data[1 << 20];
    int n = 0;
    struct dirent *d;
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
    if (!dir) {
        fprintf(stderr, "usage: %s CORPUS_DIR\n", argv[0]);
        return 2;
    }
    while ((d = readdir(dir))) {
        char path[4096];
        if (d->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], d->d_name);
        FILE *f = fopen(path, "rb");
        if (!f) continue;
        size_t size = fread(data, 1, sizeof data, f);
        fclose(f);
        uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read past the end */
        if (!exact) return 1;
        for (size_t i = 0; i < size; i++)
            exact[i] = data[i];
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
        n++;
    }
    closedir(dir);
    printf("%d inputs replayed\n", n);
    return n > 0 ? 0 : 1;
}
