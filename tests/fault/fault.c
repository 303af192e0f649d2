#include "fault.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/ec.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    unsigned kinds, left;
    bool hit;
    long live;
} fault;

void fault_arm(unsigned kinds, unsigned k)
{
    fault.kinds = kinds;
    fault.left = k;
    fault.hit = false;
}

bool fault_disarm(void)
{
    fault.kinds = 0;
    return fault.hit;
}

bool fault_now(unsigned kind)
{
    if (!(fault.kinds & kind) || fault.left == 0 || --fault.left > 0)
        return false;
    fault.hit = true;
    return true;
}

long fault_live_blocks(void) { return fault.live; }

unsigned fault_every(unsigned kinds, pl_err (*work)(void *arg), void *arg,
                     void (*after)(void *arg, pl_err e))
{
    for (unsigned k = 1;; k++) {
        long live = fault.live;
        fault_arm(kinds, k);
        pl_err e = work(arg);
        bool hit = fault_disarm();
        bool good = hit ? CHECK(e != PL_OK && pl_err_code(e) != PL_E_BUG) : CHECK_OK(e);
        good = CHECK(fault.live == live) && good;
        if (!good)
            printf("# with call %u of kinds %u failing: %s\n", k, kinds,
                   pl_code_name(pl_err_code(e)));
        if (after)
            after(arg, e);
        if (!hit || !good)
            return k - 1;
    }
}

/* A wrapper: `failed` instead of the call when it is its turn. */
#define WRAP(kind, type, name, params, args, failed)                                               \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        if (fault_now(kind)) {                                                                     \
            errno = EIO;                                                                           \
            return failed;                                                                         \
        }                                                                                          \
        return __real_##name args;                                                                 \
    }

WRAP(FAULT_ENTROPY, ssize_t, getrandom, (void *p, size_t n, unsigned flags), (p, n, flags), -1)
WRAP(FAULT_SYSTEM, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n), -1)
WRAP(FAULT_SYSTEM, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n), -1)
WRAP(FAULT_SYSTEM, int, fsync, (int fd), (fd), -1)
WRAP(FAULT_SYSTEM, int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
WRAP(FAULT_SYSTEM, int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
WRAP(FAULT_SYSTEM, int, renameat2,
     (int from_fd, const char *from, int to_fd, const char *to, unsigned flags),
     (from_fd, from, to_fd, to, flags), -1)
WRAP(FAULT_SYSTEM, int, mlock, (const void *p, size_t n), (p, n), -1)
WRAP(FAULT_SYSTEM, int, mprotect, (void *p, size_t n, int prot), (p, n, prot), -1)
WRAP(FAULT_SYSTEM, int, madvise, (void *p, size_t n, int advice), (p, n, advice), -1)
WRAP(FAULT_CRYPTO, EVP_MD *, EVP_MD_fetch, (OSSL_LIB_CTX * c, const char *name, const char *query),
     (c, name, query), NULL)
WRAP(FAULT_CRYPTO, EVP_MAC *, EVP_MAC_fetch,
     (OSSL_LIB_CTX * c, const char *name, const char *query), (c, name, query), NULL)
WRAP(FAULT_CRYPTO, EVP_CIPHER *, EVP_CIPHER_fetch,
     (OSSL_LIB_CTX * c, const char *name, const char *query), (c, name, query), NULL)
WRAP(FAULT_CRYPTO, EVP_MD_CTX *, EVP_MD_CTX_new, (void), (), NULL)
WRAP(FAULT_CRYPTO, EVP_MAC_CTX *, EVP_MAC_CTX_new, (EVP_MAC * mac), (mac), NULL)
WRAP(FAULT_CRYPTO, EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), (), NULL)
WRAP(FAULT_CRYPTO, EC_GROUP *, EC_GROUP_new_by_curve_name, (int nid), (nid), NULL)
WRAP(FAULT_CRYPTO, int, EVP_MAC_init,
     (EVP_MAC_CTX * c, const unsigned char *key, size_t n, const OSSL_PARAM *params),
     (c, key, n, params), 0)
WRAP(FAULT_CRYPTO, int, EVP_MAC_update, (EVP_MAC_CTX * c, const unsigned char *p, size_t n),
     (c, p, n), 0)
WRAP(FAULT_CRYPTO, int, EVP_MAC_final, (EVP_MAC_CTX * c, unsigned char *out, size_t *n, size_t cap),
     (c, out, n, cap), 0)

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
    void *p = fault_now(FAULT_MEMORY) ? NULL : __real_malloc(n);
    fault.live += p != NULL;
    return p;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    void *p = fault_now(FAULT_MEMORY) ? NULL : __real_calloc(n, size);
    fault.live += p != NULL;
    return p;
}

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n)
{
    void *q = fault_now(FAULT_MEMORY) ? NULL : __real_realloc(p, n);
    fault.live += q != NULL && p == NULL;
    return q;
}

char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__wrap_strdup(const char *s)
{
    char *p = fault_now(FAULT_MEMORY) ? NULL : __real_strdup(s);
    fault.live += p != NULL;
    return p;
}

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
    fault.live -= p != NULL;
    __real_free(p);
}

/* The name that open has with 64-bit file offsets, which meson asks for. */
int __real_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = va_arg(ap, mode_t); /* unused by the kernel unless it creates */
    va_end(ap);
    if (fault_now(FAULT_SYSTEM)) {
        errno = EIO;
        return -1;
    }
    return __real_open64(path, flags, mode);
}
