#include "platform/net/h2.h"

#include <stdlib.h>
#include <string.h>

/* Sizes of blocks, and how many free ones stay for the next connection (page faults are dear). */
static const struct {
    size_t bytes;
    unsigned keep;
} classes[] = {
    {PL_H2_ARENA, 128},      {16 * 1024, 16},          {64 * 1024, 8},
    {PL_NET_REQUEST_MAX, 2}, {PL_NET_RESPONSE_MAX, 0},
};
enum { CLASSES = sizeof(classes) / sizeof(*classes) };
_Static_assert(CLASSES == sizeof(((struct pl_h2_pool *)0)->kept) / sizeof(struct pl_h2_free),
               "a list a class");

static size_t class_of(size_t n)
{
    size_t i = 0;
    while (i < CLASSES && classes[i].bytes < n)
        i++;
    return i;
}

void pl_h2_pool_init(struct pl_h2_pool *p, size_t max_bytes)
{
    *p = (struct pl_h2_pool){.max = max_bytes};
}

void pl_h2_pool_free(struct pl_h2_pool *p)
{
    PL_ASSERT(p->used == 0);
    for (size_t i = 0; i < CLASSES; i++) {
        while (p->kept[i].head) {
            void *block = p->kept[i].head;
            memcpy(&p->kept[i].head, block, sizeof(void *));
            free(block);
        }
    }
}

void *pl_h2_pool_take(struct pl_h2_pool *p, size_t n, size_t *out_cap)
{
    size_t i = class_of(n);
    if (i == CLASSES || classes[i].bytes > p->max - p->used)
        return NULL;
    void *block = p->kept[i].head;
    if (block) {
        memcpy(&p->kept[i].head, block, sizeof(void *));
        p->kept[i].n--;
    } else {
        block = malloc(classes[i].bytes);
    }
    if (!block)
        return NULL;
    p->used += classes[i].bytes;
    *out_cap = classes[i].bytes;
    return block;
}

void pl_h2_pool_give(struct pl_h2_pool *p, void *block, size_t cap, size_t used)
{
    if (!block)
        return;
    size_t i = class_of(cap);
    PL_ASSERT(i < CLASSES && classes[i].bytes == cap && used <= cap && p->used >= cap);
    pl_wipe(block, used);
    p->used -= cap;
    if (p->kept[i].n >= classes[i].keep) {
        free(block);
        return;
    }
    memcpy(block, &p->kept[i].head, sizeof(void *));
    p->kept[i].head = block;
    p->kept[i].n++;
}
