/* Code that somebody wants in another process: it says which one it got into. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void begin(void)
{
    char program[512];
    const char *path = getenv("PL_MARK");
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program));
    FILE *f = path && n > 0 ? fopen(path, "ae") : NULL;
    if (f) {
        fprintf(f, "%.*s\n", (int)n, program);
        fclose(f);
    }
}
