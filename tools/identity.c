/* pleiad identity: the owner's root key, and the anchor that names it to apps. */
#include "platform/platform.h"
#include "client/owner_grant.h"
#include "tools/client.h"

#include <stdio.h>
#include <string.h>

enum { PROFILES_MAX = 8, PROFILE_MAX = 16384 };

static void free_crypto(struct pl_crypto **c) { pl_crypto_free(*c); }

static pl_err owner_public(struct pl_crypto *c, const struct tool_home *h, uint8_t *spki, size_t *n)
{
    char path[PATH_MAX];
    tool_path(path, h, "owner.pem");
    return tool_key_public(c, spki, n, path);
}

static pl_err make(const struct tool *t, struct pl_crypto *c, const struct tool_home *h)
{
    char path[PATH_MAX], hex[66];
    uint8_t id[PL_INSTANCE_ID_BYTES];
    const char *type = tool_text(t, "type");
    tool_path(path, h, "owner.pem");
    PL_TRY(
        tool_key_new(c, path, type && strcmp(type, "ed25519") == 0 ? PL_PUB_ED25519 : PL_PUB_P256));
    tool_path(path, h, "instance");
    PL_TRY(pl_entropy(id, sizeof(id)));
    pl_hex(hex, PL_ARR(id));
    hex[64] = '\n';
    return pl_file_write(path, pl_span(hex, 65), 0600, PL_FILE_NEW);
}

static pl_err tell(struct tool *t, struct pl_crypto *c, const struct tool_home *h)
{
    uint8_t spki[PL_SPKI_MAX], digest[32], instance[32];
    size_t n;
    char owner[65], id[65];
    PL_TRY(owner_public(c, h, spki, &n));
    PL_TRY(pl_sha256_one(c, digest, pl_span(spki, n)));
    PL_TRY(tool_instance(h, instance));
    pl_hex(owner, PL_ARR(digest));
    pl_hex(id, PL_ARR(instance));
    if (t->json)
        printf("{\"instance_id\":\"%s\",\"owner_spki_sha256\":\"%s\"}\n", id, owner);
    else
        printf("owner     %s\ninstance  %s\n", owner, id);
    return PL_OK;
}

static int new_(struct tool *t)
{
    struct tool_home h;
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    pl_err e = tool_home(&h, t, true);
    if (e == PL_OK)
        e = pl_crypto_new(&c);
    if (e == PL_OK)
        e = make(t, c, &h);
    if (e == PL_OK)
        e = tell(t, c, &h);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, tool_home_name(t), e);
}

static int show(struct tool *t)
{
    struct tool_home h;
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    pl_err e = tool_home(&h, t, false);
    if (e == PL_OK)
        e = pl_crypto_new(&c);
    if (e == PL_OK)
        e = tell(t, c, &h);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, tool_home_name(t), e);
}

/* ---- anchor ---- */

static void free_profiles(struct pl_wr (*w)[PROFILES_MAX])
{
    for (size_t i = 0; i < PROFILES_MAX; i++)
        pl_wr_free(&(*w)[i]);
}

static int write_anchor(struct tool *t, const struct tool_home *h, struct pl_crypto *c,
                        const char *const *profile, size_t profiles)
{
    struct pl_app *app PL_CLEANUP(tool_app_close) = NULL;
    char *json PL_CLEANUP(tool_text_free) = NULL;
    uint8_t spki[PL_SPKI_MAX], instance[32];
    size_t n;
    pl_err e = owner_public(c, h, spki, &n);
    if (e == PL_OK)
        e = tool_instance(h, instance);
    if (e == PL_OK)
        e = tool_app(&app, h, false);
    const struct pl_anchor_order order = {.owner_spki = spki,
                                          .owner_spki_bytes = n,
                                          .instance_id = instance,
                                          .vault_profile = profile,
                                          .vault_profiles = profiles};
    if (e == PL_OK)
        e = pl_anchor_make(&json, app, &order);
    return e == PL_OK ? tool_deliver(t, json) : tool_app_fail(t, app, "anchor", e);
}

static int anchor(struct tool *t)
{
    struct tool_home h;
    struct pl_wr text[PROFILES_MAX] PL_CLEANUP(free_profiles) = {{0}};
    const char *profile[PROFILES_MAX], *name;
    struct pl_crypto *c PL_CLEANUP(free_crypto) = NULL;
    char path[PATH_MAX];
    size_t n = 0;
    pl_err e = tool_home(&h, t, false);
    if (e == PL_OK)
        e = pl_crypto_new(&c);
    if (e != PL_OK)
        return tool_fail(t, tool_home_name(t), e);
    tool_path(path, &h, "vaults.profile");
    for (; (name = tool_nth(t, "profile", (unsigned)n)) || n == 0; n++) {
        if (n == PROFILES_MAX)
            return tool_usage(t, "at most %d times --profile", (int)PROFILES_MAX);
        name = name ? name : path;
        e = tool_read(&text[n], name, PROFILE_MAX);
        if (e != PL_OK)
            return tool_fail(t, name, e);
        while (text[n].n && text[n].p[text[n].n - 1] == '\n')
            text[n].p[--text[n].n] = '\0';
        profile[n] = (const char *)text[n].p;
    }
    return write_anchor(t, &h, c, profile, n);
}

static const struct tool_opt new_opts[] = {
    TOOL_HOME_OPT,
    {.name = "type",
     .arg = TOOL_CHOICE,
     .meta = "TYPE",
     .choices = "p256,ed25519",
     .help = "type of the root key (default p256)"},
    {0},
};
static const struct tool_opt show_opts[] = {TOOL_HOME_OPT, {0}};
static const struct tool_opt anchor_opts[] = {
    TOOL_HOME_OPT,
    {.name = "profile",
     .arg = TOOL_FILE,
     .meta = "FILE",
     .repeats = true,
     .help = "what vaults must be; a vault satisfies one of them (default: DIR/vaults.profile)"},
    {.name = "out", .arg = TOOL_FILE, .meta = "FILE", .help = "write to a new file"},
    {0},
};

const struct tool_cmd tool_identity[] = {
    {.verb = "new",
     .summary = "make the owner's root key and the id of an instance",
     .args = "",
     .opts = new_opts,
     .example = "pleiad identity new --dir me",
     .run = new_},
    {.verb = "show",
     .summary = "print whose key this is",
     .args = "",
     .opts = show_opts,
     .example = "pleiad identity show",
     .run = show},
    {.verb = "anchor",
     .summary = "print the anchor: whose keys, which instance, which vaults",
     .args = "",
     .opts = anchor_opts,
     .example = "pleiad identity anchor > anchor.json",
     .run = anchor},
    {0},
};
