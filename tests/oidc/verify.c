/* What a vault says of tokens: a line for each line of standard input.
 *
 *     oidc_verify ISSUERS NOW STATEMENT
 *
 * ISSUERS is the configuration's member of that name, in a file; NOW the second it is, give or take
 * five minutes; STATEMENT the text that the tokens are for. */
#include "base/base.h"
#include "policy/jwt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(const char *name, struct pl_span s)
{
    printf(" %s=%.*s", name, (int)s.n, (const char *)s.p);
}

static void say(const struct pl_signer *s)
{
    printf("OK");
    print("iss", s->iss);
    print("sub", s->sub);
    for (size_t i = 0; i < s->roles; i++)
        print("role", s->role[i]);
    for (size_t i = 0; i < s->amrs; i++)
        print("amr", s->amr[i]);
    printf(" auth_time=%lld\n", (long long)s->auth_time_s);
}

static pl_err load(struct pl_issuers *out, struct pl_crypto *c, const char *path)
{
    static char text[1 << 17];
    struct pl_json j;
    FILE *f = fopen(path, "rb");
    PL_REQUIRE(f, FILE_MISSING);
    size_t n = fread(text, 1, sizeof(text), f);
    fclose(f);
    pl_json_init(&j, pl_span(text, n));
    pl_issuers_read(&j, c, out);
    return pl_json_end(&j);
}

int main(int argc, char **argv)
{
    static char line[4 * PL_TOKEN_BYTES];
    uint8_t room[PL_TOKEN_TEXT], digest[32];
    struct pl_crypto *c = NULL;
    struct pl_issuers pinned = {0};
    pl_err e = argc == 4 ? pl_crypto_new(&c) : PL_FAIL(BUG);
    if (e == PL_OK)
        e = load(&pinned, c, argv[1]);
    if (e == PL_OK)
        e = pl_sha256_one(c, digest, pl_span_str(argv[3]));
    if (e != PL_OK)
        fprintf(stderr, "oidc_verify: %s\n", pl_code_text(pl_err_code(e)));
    int64_t now = argc == 4 ? strtoll(argv[2], NULL, 10) : 0;
    while (e == PL_OK && fgets(line, sizeof(line), stdin)) {
        struct pl_wr text = pl_wr_fixed(room, sizeof(room));
        struct pl_token_binding want = {.statement_sha256 = digest, .text = &text};
        struct pl_signer s;
        struct pl_span token = pl_span(line, strcspn(line, "\n"));
        pl_err bad =
            pl_jwt_verify(c, &s, &pinned, token, &want, (struct pl_interval){now - 300, now + 300});
        if (bad == PL_OK)
            say(&s);
        else
            printf("%s\n", pl_code_name(pl_err_code(bad)));
    }
    pl_issuers_free(&pinned);
    pl_crypto_free(c);
    return e == PL_OK ? 0 : 1;
}
