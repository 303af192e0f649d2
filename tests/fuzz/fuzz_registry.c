/* A registry's list: the query of a request, and rows as they come from a database. The first line
 * is the query; each further line is a listing: serial, a byte for the vault, what it is searched
 * by and its platform, and the carrier. The page that comes out is read again as any client reads
 * it.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "daemons/registryd/serve.c"

enum { NOW = 1800000000, LISTINGS = 40 };

struct pl_interval registryd_now(void) { return (struct pl_interval){NOW, NOW}; }

static struct pl_span line_of(struct pl_span *rest)
{
    size_t n = find(*rest, '\n');
    struct pl_span line = pl_span(rest->p, n);
    *rest = n < rest->n ? pl_span(rest->p + n + 1, rest->n - n - 1) : pl_span(NULL, 0);
    return line;
}

static void put(struct store *st, struct pl_span line)
{
    static const char *const measurements[] = {"aa", "bb"};
    struct pl_span labels[2] = {PL_LIT("a=b"), PL_LIT("c=d")}, again;
    uint8_t id[PL_SHA256_BYTES] = {0}, other[32] = {0};
    struct pl_rd r = pl_rd(line);
    struct listing l = {.vault_id = id, .serial = pl_rd_u8(&r)};
    uint8_t bits = pl_rd_u8(&r);
    bool fresh_one;
    id[0] = bits & 15;
    other[0] = bits >> 7;
    l.tee = bits & 16 ? "sgx" : "sim-sgx";
    l.measurement = measurements[bits >> 5 & 1];
    l.platform = PL_ARR(other);
    struct pl_pub pub = {.type = PL_PUB_ED25519};
    l.registry_spki_n = pl_pub_to_spki(l.registry_spki, &pub);
    l.labels = (struct pl_spans){labels, bits >> 6 & 1};
    again = pl_rd_bytes(&r, pl_rd_left(&r));
    if (r.bad || again.n == 0)
        return;
    l.carrier = again;
    l.expires_s = NOW + again.p[0] - 10; /* what the carrier says, as ever */
    struct pl_wr got PL_CLEANUP(pl_wr_free) = pl_wr_heap(PL_CARRIER_MAX);
    pl_err e = store_put(st, &l, NOW, &fresh_one);
    if (e == PL_OK && l.expires_s >= NOW) {
        FUZZ_CHECK(store_get(st, id, NOW, &got) == PL_OK && pl_span_eq(pl_wr_span(&got), again));
        FUZZ_CHECK(store_key(st, id, NOW, &pub) == PL_OK && pub.type == PL_PUB_ED25519);
        if (l.serial % 8 == 0)
            FUZZ_CHECK(store_leave(st, id, l.serial + 1, NOW) == PL_OK);
    } else if (e != PL_OK) {
        FUZZ_CHECK(pl_err_code(e) == PL_E_ENTRY_STALE || pl_err_code(e) == PL_E_REGISTRY_FULL);
    }
}

/* Rows hold whatever a database could; what is no JSON must not make a page that is read wrongly.
 */
static void check_page(struct pl_span body)
{
    size_t n = pl_api_scratch(PL_API_entry_page);
    void *memory = malloc(n);
    FUZZ_CHECK(memory != NULL);
    struct pl_arena scratch = pl_arena(memory, n);
    struct pl_api_entry_page page;
    struct pl_api_in in = {.body = body, .scratch = &scratch};
    if (pl_api_read_entry_page(&page, &in) == PL_OK)
        FUZZ_CHECK(page.entries.n <= REGISTRY_PAGE);
    free(memory);
}

static void ask(struct store *st, struct pl_span query)
{
    struct parsed_query p;
    struct pl_wr body PL_CLEANUP(pl_wr_free) = pl_wr_heap(4 * REGISTRY_PAGE_BYTES);
    if (parse_query(&p, query) != PL_OK)
        return;
    FUZZ_CHECK(p.used <= sizeof(p.text));
    pl_err e = store_page(st, &p.q, NOW, &body);
    FUZZ_CHECK(pl_err_code(e) != PL_E_BUG && pl_err_code(e) != PL_E_REGISTRY_STORE);
    if (e == PL_OK)
        check_page(pl_wr_span(&body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct store *st;
    uint64_t left;
    if (!st)
        FUZZ_CHECK(store_open(&st, ":memory:", 12) == PL_OK);
    struct pl_span rest = pl_span(data, size), query = line_of(&rest);
    for (unsigned i = 0; rest.n && i < LISTINGS; i++)
        put(st, line_of(&rest));
    ask(st, query);
    FUZZ_CHECK(store_sweep(st, NOW, &left) == PL_OK && left <= 12);
    FUZZ_CHECK(store_sweep(st, NOW + 400, &left) == PL_OK && left == 0);
    FUZZ_CHECK(store_sweep(st, NOW + 4 * PL_VAULT_ENTRY_LIFE_MAX_S, &left) == PL_OK);
    return 0;
}
