#include "tools/client.h"
#include "platform/platform.h"

#include <stdlib.h>
#include <string.h>

static pl_err open_app(struct pl_app **out, const struct tool_home *h, struct pl_app_config cfg)
{
    char root_path[PATH_MAX], collateral[PATH_MAX];
    tool_path(root_path, h, "authority/root.pem");
    tool_path(collateral, h, "authority/collateral");
    bool dev = tool_exists(root_path);
    const struct pl_root_file root = {root_path, "dev", "sgx", true};
    cfg.collateral = dev ? collateral : NULL;
    cfg.root = &root;
    cfg.roots = dev;
    return pl_app_open(out, &cfg);
}

pl_err tool_app(struct pl_app **out, const struct tool_home *h, bool tee)
{
    return open_app(out, h, (struct pl_app_config){.no_tee = !tee});
}

pl_err tool_key_app(struct pl_app **out, const struct tool_home *h, const char *path)
{
    return open_app(out, h, (struct pl_app_config){.client_key = path});
}

pl_err tool_owner_app(struct pl_app **out, const struct tool_home *h, const char *path)
{
    char key[PATH_MAX];
    tool_path(key, h, "owner.pem");
    return open_app(out, h,
                    (struct pl_app_config){.no_tee = true, .owner_key = key, .client_key = path});
}

void tool_app_close(struct pl_app **app)
{
    pl_app_close(*app);
    *app = NULL;
}

void tool_text_free(char **text)
{
    free(*text);
    *text = NULL;
}

pl_err tool_places(const struct tool_home *h, struct pl_place *out, size_t *out_n)
{
    struct tool_vault v[TOOL_VAULTS_MAX];
    PL_TRY(tool_vaults_read(h, v, TOOL_VAULTS_MAX, out_n));
    for (size_t i = 0; i < *out_n; i++) {
        PL_TRY(pl_unhex(out[i].vault_id, PL_ID_BYTES, pl_span_str(v[i].id)));
        memcpy(out[i].endpoint, v[i].endpoint, sizeof(v[i].endpoint));
    }
    return PL_OK;
}

int tool_app_fail(const struct tool *t, struct pl_app *app, const char *what, pl_err e)
{
    const char *detail = pl_app_detail(app);
    return *detail ? tool_fail_with(t, what, e, "%s", detail) : tool_fail(t, what, e);
}

pl_err tool_instance(const struct tool_home *h, uint8_t out[static 32])
{
    char path[PATH_MAX];
    struct pl_wr w PL_CLEANUP(pl_wr_free) = {0};
    tool_path(path, h, "instance");
    PL_TRY(tool_read(&w, path, 256));
    PL_REQUIRE(w.n == 65 && w.p[64] == '\n', ENCODING);
    return pl_unhex(out, 32, pl_span(w.p, 64));
}

int tool_deliver(const struct tool *t, const char *text)
{
    const char *path = tool_text(t, "out");
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(4 << 20);
    pl_wr_str(&w, text);
    pl_wr_u8(&w, '\n');
    pl_err e = pl_wr_end(&w);
    if (e == PL_OK && path)
        e = pl_file_write(path, pl_wr_span(&w), 0600, PL_FILE_NEW);
    else if (e == PL_OK)
        e = tool_out_bytes(pl_wr_span(&w), false);
    return e == PL_OK ? TOOL_DONE : tool_fail(t, path ? path : "standard output", e);
}
