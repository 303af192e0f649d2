/* Where in the memory of a process, or in files, do these bytes stand?
 *
 *     search PATTERNS pid PID
 *     search PATTERNS files PATH...
 *
 * PATTERNS: lines of a name and 32 hex digits (16 bytes). Of a process every mapping that can be
 * read is searched, at every offset; as root, also of one that is not dumpable. Prints "NAME WHERE"
 * for each place, and at the end "searched N bytes". WHERE of a mapping begins with "dump" when a
 * core dump would hold it, with "kept" when not (MADV_DONTDUMP). */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATTERN = 16, NAME = 48, SLOTS = 1 << 21, STEP = 1 << 20 };

struct pattern {
    uint8_t bytes[PATTERN];
    char name[NAME];
};

static struct pattern *patterns;
static size_t count, room;
static uint32_t *slots; /* index + 1 of a pattern, open addressing */
static uint8_t *seen;   /* a bit for each first four bytes, hashed: most places end here */
static unsigned long long searched, found;

static uint64_t word(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

static uint64_t mix(uint64_t w) { return (w * 0x9e3779b97f4a7c15U) >> 32; }

static void add(const char *name, const char *hex)
{
    if (count == SLOTS / 2)
        exit(2);
    if (count == room) {
        room = room ? 2 * room : 1024;
        patterns = realloc(patterns, room * sizeof(*patterns));
    }
    struct pattern *p = &patterns[count++];
    snprintf(p->name, NAME, "%s", name);
    for (int i = 0; i < PATTERN; i++) {
        unsigned v = 0;
        if (sscanf(hex + (size_t)i * 2, "%2x", &v) != 1)
            exit(2);
        p->bytes[i] = (uint8_t)v;
    }
    uint64_t h = mix(word(p->bytes));
    seen[h >> 3 & (SLOTS - 1)] |= (uint8_t)(1 << (h & 7));
    size_t at = h & (SLOTS - 1);
    while (slots[at])
        at = (at + 1) & (SLOTS - 1);
    slots[at] = (uint32_t)count;
}

static void load(const char *path)
{
    char name[NAME], hex[PATTERN * 2 + 1];
    FILE *f = fopen(path, "r");
    slots = calloc(SLOTS, sizeof(*slots));
    seen = calloc(SLOTS, 1);
    if (!f || !slots || !seen)
        exit(2);
    while (fscanf(f, "%47s %32s", name, hex) == 2)
        add(name, hex);
    fclose(f);
}

static void look(const uint8_t *p, const char *where)
{
    uint64_t h = mix(word(p));
    if (!(seen[h >> 3 & (SLOTS - 1)] & 1 << (h & 7)))
        return;
    for (size_t at = h & (SLOTS - 1); slots[at]; at = (at + 1) & (SLOTS - 1))
        if (memcmp(patterns[slots[at] - 1].bytes, p, PATTERN) == 0) {
            printf("%s %s\n", patterns[slots[at] - 1].name, where);
            found++;
        }
}

/* From `at` to `end` of fd; what overlaps two steps is looked at in the second. */
static void scan(int fd, uint64_t at, uint64_t end, const char *where)
{
    static uint8_t buf[STEP + PATTERN];
    size_t kept = 0;
    while (at < end) {
        size_t want = end - at < STEP ? (size_t)(end - at) : STEP;
        ssize_t n = pread(fd, buf + kept, want, (off_t)at);
        if (n <= 0)
            return;
        size_t have = kept + (size_t)n;
        for (size_t i = 0; i + PATTERN <= have; i++)
            look(buf + i, where);
        searched += (size_t)n;
        at += (uint64_t)n;
        kept = have < PATTERN - 1 ? have : PATTERN - 1;
        memmove(buf, buf + have - kept, kept);
    }
}

static void scan_process(const char *pid)
{
    char path[64], line[512], head[512] = "", perms[8] = "", name[256] = "";
    unsigned long long from = 0, to = 0;
    snprintf(path, sizeof(path), "/proc/%s/mem", pid);
    int mem = open(path, O_RDONLY);
    snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
    FILE *maps = fopen(path, "r");
    if (mem < 0 || !maps)
        exit(2);
    while (fgets(line, sizeof(line), maps)) {
        unsigned long long a, b;
        char p[8], n[256] = "";
        if (sscanf(line, "%llx-%llx %7s %*s %*s %*s %255s", &a, &b, p, n) >= 3) {
            from = a, to = b;
            memcpy(perms, p, sizeof(perms));
            memcpy(name, n, sizeof(name));
        } else if (strncmp(line, "VmFlags:", 8) == 0 && perms[0] == 'r' && name[1] != 'v') {
            snprintf(head, sizeof(head), "%s %s at %llx", strstr(line, " dd") ? "kept" : "dump",
                     name[0] ? name : "memory", from);
            scan(mem, from, to, head);
        }
    }
    fclose(maps);
    close(mem);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    load(argv[1]);
    if (strcmp(argv[2], "pid") == 0)
        scan_process(argv[3]);
    for (int i = 3; strcmp(argv[2], "files") == 0 && i < argc; i++) {
        int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return 2;
        scan(fd, 0, UINT64_MAX, argv[i]);
        close(fd);
    }
    printf("searched %llu bytes, found %llu\n", searched, found);
    return 0;
}
