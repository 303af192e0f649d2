/* COSE keys against libcbor: ours takes exactly those maps of a known key type whose encoding is
 * the canonical one; RSA keys may still be too small or strange. */
#include "base/cbor.h"
#include "fuzz.h"
#include "policy/webauthn.h"

#include <cbor.h>

enum { PAIRS = 5 };

/* The members that a key of each type has, in order: label, and the value that must stand there, or
 * the length of the byte string (0: any). */
static const struct shape {
    int64_t kty, alg, crv;
    size_t pairs, bytes;
} shapes[] = {{2, -7, 1, 5, 32}, {1, -8, 6, 4, 32}, {3, -257, 0, 4, 0}};

/* CTAP2's canonical form is that of deterministic encoding here: shortest heads, keys in order. */
static void put_int(struct pl_wr *w, int64_t v)
{
    pl_cbor_put(w, v < 0 ? PL_CBOR_NINT : PL_CBOR_UINT, (uint64_t)(v < 0 ? -1 - v : v));
}

static bool bytes_of(struct pl_wr *w, const cbor_item_t *item, size_t n)
{
    if (!cbor_isa_bytestring(item) || !cbor_bytestring_is_definite(item))
        return false;
    pl_cbor_put_bytes(w, pl_span(cbor_bytestring_handle(item), cbor_bytestring_length(item)));
    return n == 0 || cbor_bytestring_length(item) == n;
}

static bool is_int(const cbor_item_t *item, int64_t v)
{
    if (v < 0 ? !cbor_isa_negint(item) : !cbor_isa_uint(item))
        return false;
    return cbor_get_int(item) == (uint64_t)(v < 0 ? -1 - v : v);
}

/* Is this map such a key? Written anew to w. */
static bool fits(struct pl_wr *w, const cbor_item_t *map, const struct shape *s)
{
    int64_t label[PAIRS] = {1, 3, -1, -2, -3}, value[PAIRS] = {s->kty, s->alg, s->crv};
    size_t ints = s->crv ? 3 : 2;
    struct cbor_pair *pair = cbor_map_handle(map);
    bool ok = cbor_map_size(map) == s->pairs;
    pl_cbor_put(w, PL_CBOR_MAP, s->pairs);
    for (size_t i = 0; ok && i < s->pairs; i++) {
        ok = is_int(pair[i].key, label[i]);
        put_int(w, label[i]);
        if (i < ints)
            put_int(w, value[i]);
        ok = ok &&
             (i < ints ? is_int(pair[i].value, value[i]) : bytes_of(w, pair[i].value, s->bytes));
    }
    return ok;
}

/* libcbor makes room for whatever a head announces: such inputs are not given to it. */
static void announced(void *most, size_t n)
{
    if (n > *(size_t *)most)
        *(size_t *)most = n;
}

static bool bounded(struct pl_span in)
{
    struct cbor_callbacks heads = cbor_empty_callbacks;
    size_t most = 0;
    heads.array_start = heads.map_start = announced;
    while (in.n > 0) {
        struct cbor_decoder_result step = cbor_stream_decode(in.p, in.n, &heads, &most);
        if (step.status != CBOR_DECODER_FINISHED)
            break;
        in = pl_span(in.p + step.read, in.n - step.read);
    }
    return most <= 1000;
}

static bool peer(struct pl_span in)
{
    struct cbor_load_result how;
    bool good = false;
    if (!bounded(in))
        return false;
    cbor_item_t *item = cbor_load(in.p, in.n, &how);
    for (size_t i = 0; item && cbor_isa_map(item) && i < 3; i++) {
        struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(in.n + 64);
        good |= fits(&w, item, &shapes[i]) && pl_span_eq(pl_wr_span(&w), in);
    }
    if (item)
        cbor_decref(&item);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pl_crypto *c;
    struct pl_span in = pl_span(data, size);
    uint8_t sha256[32] = {0};
    if (!c)
        FUZZ_CHECK(pl_crypto_new(&c) == PL_OK);
    enum pl_code code = pl_err_code(pl_cose_spki(c, sha256, in));
    FUZZ_CHECK(code == PL_E_OK || code == PL_E_PASSKEY_KEY || code == PL_E_KEY_FORMAT);
    FUZZ_CHECK((code != PL_E_PASSKEY_KEY) == peer(in));
    FUZZ_CHECK((code == PL_E_OK) == !pl_span_zero(PL_ARR(sha256)));
    return 0;
}
