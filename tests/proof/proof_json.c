/* The JSON reader, one call at a time, from every state that calls can lead to. */
#include "proof.h"
#include "base/json_internal.h"

static struct pl_json j;

/* Any state over these n bytes in which a value, or (pending false) a key or element is next. */
static void any_state(const uint8_t *b, size_t n, bool object, bool pending)
{
    pl_json_init(&j, pl_span(b, n));
    j.p += each(n);
    j.pending = pending;
    j.depth = (unsigned)some(PL_JSON_DEPTH_MAX - !pending) + !pending;
    j.keys = (uint16_t)some(PL_JSON_KEYS_MAX);
    Frama_C_make_unknown((char *)j.key_hash, sizeof(j.key_hash));
    Frama_C_make_unknown((char *)j.key_text, sizeof(j.key_text));
    for (size_t i = 0; i < PL_JSON_DEPTH_MAX; i++)
        j.level[i] = (struct pl_json_level){.object = object,
                                            .comma = some(1),
                                            .named = some(1),
                                            .keys_from = (uint16_t)some(PL_JSON_KEYS_MAX),
                                            .index = (uint32_t)some(UINT32_MAX),
                                            .key_at = (uint32_t)some(n)};
}

/* It is again such a state. */
static void invariant(const uint8_t *b, size_t n)
{
    PROOF_CLAIM(j.begin == b && j.end == b + n);
    PROOF_CLAIM(j.p >= b && j.p <= b + n);
    PROOF_CLAIM(j.err != NULL);
    PROOF_CLAIM(j.depth <= PL_JSON_DEPTH_MAX && j.keys <= PL_JSON_KEYS_MAX);
    for (size_t i = 0; i < PL_JSON_DEPTH_MAX; i++)
        PROOF_CLAIM(j.level[i].keys_from <= PL_JSON_KEYS_MAX && j.level[i].key_at <= n);
}

static void text(size_t cap)
{
    char *out = (char *)proof_bytes(cap);
    size_t got;
    bool ok = pl_json_str(&j, out, cap, some(cap), &got);
    PROOF_CLAIM(got < cap && (ok || got == 0));
}

static void plain(size_t n)
{
    struct pl_span s;
    bool ok = pl_json_plain(&j, &s);
    PROOF_CLAIM(s.n <= n && (!ok || s.n == 0 || (s.p > j.begin && s.p + s.n < j.end)));
}

static void number(void)
{
    uint64_t u;
    int64_t i;
    if (some(1))
        pl_json_u53(&j, some(UINT32_MAX), &u);
    else
        pl_json_i53(&j, &i);
}

static void word(void)
{
    bool v;
    if (some(1))
        pl_json_bool(&j, &v);
    else
        pl_json_null(&j);
}

static void member(void)
{
    struct pl_span key;
    if (pl_json_key(&j, &key))
        PROOF_CLAIM(key.p == j.key_text && key.n <= sizeof(j.key_text));
}

/* The next piece of a string that begins with this byte, or is plain ASCII. */
static void piece(uint8_t *b, size_t n, bool ascii)
{
    struct pl_span s;
    uint8_t tmp[4];
    for (size_t i = 0; ascii && i < n; i++)
        b[i] = (uint8_t)some(0x7f);
    if (!ascii && n)
        b[0] = '\\';
    j.p = b;
    if (pl_json_piece(&j, &s, tmp))
        PROOF_CLAIM(s.p == tmp ? s.n <= 4 : s.p == b && s.n <= n);
}

/* OP is what is called: each is proved by itself, with a MAX of its own. */
int main(void)
{
    enum { PEEK, OBJECT, ARRAY, NUMBER, WORD, TEXT, PLAIN, ESCAPE, ASCII, KEY, ITEM, END };
    size_t n = each(MAX);
    uint8_t *b = proof_bytes(n);
    any_state(b, n, OP == KEY, OP != KEY && OP != ITEM);
    switch (OP) {
    case PEEK:
        pl_json_peek(&j);
        break;
    case OBJECT:
        pl_json_object(&j);
        break;
    case ARRAY:
        pl_json_array(&j);
        break;
    case NUMBER:
        number();
        break;
    case WORD:
        word();
        break;
    case TEXT:
        text(1 + each(4));
        break;
    case PLAIN:
        plain(n);
        break;
    case ESCAPE:
        piece(b, n, false);
        break;
    case ASCII:
        piece(b, n, true);
        break;
    case KEY:
        member();
        break;
    case ITEM:
        pl_json_item(&j);
        break;
    case END:
        PROOF_CLAIM(pl_json_end(&j) != NULL);
        break;
    }
    invariant(b, n);
    return 0;
}
