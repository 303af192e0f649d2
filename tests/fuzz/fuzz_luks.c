/* The header and the token of a LUKS2 container, as libcryptsetup hands them out: the first line is
 * the header's JSON, the rest the token's. Its functions are here instead of the library. */
#include "fuzz.h"

#include "integrations/luks/volume.h"

#include <libcryptsetup.h>
#include <string.h>

static char header[1 << 16], token[1 << 16], set[1 << 18];

#define STUB(name, type, params, result)                                                           \
    type name params;                                                                              \
    type name params { return result; }

STUB(__wrap_crypt_set_log_callback, void,
     (struct crypt_device * cd, void (*f)(int, const char *, void *), void *p),
     ((void)cd, (void)f, (void)p))
STUB(__wrap_crypt_init, int, (struct crypt_device * *cd, const char *path),
     (*cd = NULL, (void)path, 0))
STUB(__wrap_crypt_load, int, (struct crypt_device * cd, const char *type, void *params),
     ((void)cd, (void)type, (void)params, 0))
STUB(__wrap_crypt_free, void, (struct crypt_device * cd), (void)cd)
STUB(__wrap_crypt_get_uuid, const char *, (struct crypt_device * cd), ((void)cd, "a-uuid"))
STUB(__wrap_crypt_dump_json, int, (struct crypt_device * cd, const char **json, uint32_t flags),
     ((void)cd, (void)flags, *json = header, 0))
STUB(__wrap_crypt_token_status, crypt_token_info,
     (struct crypt_device * cd, int i, const char **type),
     ((void)cd, *type = i == 3 ? "pleiad" : "other",
      i < 3 ? CRYPT_TOKEN_INACTIVE : CRYPT_TOKEN_EXTERNAL))
STUB(__wrap_crypt_token_json_get, int, (struct crypt_device * cd, int i, const char **json),
     ((void)cd, *json = token, i))
STUB(__wrap_crypt_token_json_set, int, (struct crypt_device * cd, int i, const char *json),
     ((void)cd, snprintf(set, sizeof(set), "%s", json), i))

static void copy(char *out, size_t cap, struct pl_span in)
{
    size_t n = in.n < cap - 1 ? in.n : cap - 1;
    if (n)
        memcpy(out, in.p, n);
    out[n] = '\0';
}

/* What the token holds is what is read; set again and read again it is the same. */
static void descriptor(struct pl_volume *v)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_VOLUME_DESCRIPTOR_MAX);
    struct pl_wr again PL_CLEANUP(pl_wr_free) = pl_wr_heap(2 * PL_VOLUME_DESCRIPTOR_MAX);
    if (pl_volume_descriptor(v, &w) != PL_OK)
        return;
    FUZZ_CHECK(w.n > 0 && w.n <= PL_VOLUME_DESCRIPTOR_MAX);
    FUZZ_CHECK(pl_volume_set_descriptor(v, pl_wr_span(&w)) == PL_OK);
    memcpy(token, set, sizeof(token));
    FUZZ_CHECK(pl_volume_descriptor(v, &again) == PL_OK);
    FUZZ_CHECK(pl_span_eq(pl_wr_span(&w), pl_wr_span(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    struct pl_volume *v;
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    if (size > sizeof(token) / 2)
        return 0;
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    size_t n = end ? (size_t)(end - data) : size;
    copy(header, sizeof(header), pl_span(data, n));
    copy(token, sizeof(token), pl_span(data + n, size - n));
    if (pl_volume_load(&v, c, "") != PL_OK) {
        FUZZ_CHECK(v == NULL);
        copy(header, sizeof(header), PL_LIT("{\"digests\":{},\"segments\":{}}"));
        FUZZ_CHECK(pl_volume_load(&v, c, "") == PL_OK);
    }
    FUZZ_CHECK(!pl_span_zero(pl_span(pl_volume_bound(v), 32)));
    descriptor(v);
    pl_volume_close(v);
    return 0;
}
