/* pleiad-simd: one machine of simulated hardware. Options: docs/man/pleiad-simd.8. */
#include "daemons/simd/server.h"
#include "platform/platform.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: pleiad-simd --dir DIR --authority DIR [options]\n"
    "  --dir DIR          the machine's folder (mode 0700); its secret is made at the first start\n"
    "  --authority DIR    the development authority that certifies it\n"
    "  --socket PATH      where to listen (default DIR/simd.sock)\n"
    "  --quote-ms N       how long the device takes for a quote, 0 to 60000 (default 0)\n"
    "  --tcb-status S     UpToDate, SWHardeningNeeded, ConfigurationNeeded,\n"
    "                     ConfigurationAndSWHardeningNeeded, OutOfDate,\n"
    "                     OutOfDateConfigurationNeeded, Revoked, or Below (no level fits)\n"
    "  --cpusvn N         all TCB components and PCESVN, 0 to 255: a platform rolled back\n"
    "  --fmspc HEX        platform family, 12 digits\n"
    "  --debug            programs run in debug mode, and evidence says so\n"
    "  --revoked          the vendor revokes this platform: its serial goes onto the CRL\n"
    "  --trusted-timer    claim a timer that the host cannot slow\n"
    "  --ready-fd N       write a byte to this descriptor once the socket listens\n"
    "  --version, --help\n"
    "or:    pleiad-simd --new-authority DIR\n"
    "                     make a development authority with fresh keys, and end\n";

enum {
    O_DIR = 1,
    O_AUTHORITY,
    O_SOCKET,
    O_QUOTE_MS,
    O_TCB_STATUS,
    O_CPUSVN,
    O_FMSPC,
    O_DEBUG,
    O_REVOKED,
    O_TIMER,
    O_READY_FD,
    O_NEW_AUTHORITY,
    O_VERSION,
    O_HELP,
};

static const struct option options[] = {
    {"dir", required_argument, NULL, O_DIR},
    {"authority", required_argument, NULL, O_AUTHORITY},
    {"socket", required_argument, NULL, O_SOCKET},
    {"quote-ms", required_argument, NULL, O_QUOTE_MS},
    {"tcb-status", required_argument, NULL, O_TCB_STATUS},
    {"cpusvn", required_argument, NULL, O_CPUSVN},
    {"fmspc", required_argument, NULL, O_FMSPC},
    {"debug", no_argument, NULL, O_DEBUG},
    {"revoked", no_argument, NULL, O_REVOKED},
    {"trusted-timer", no_argument, NULL, O_TIMER},
    {"ready-fd", required_argument, NULL, O_READY_FD},
    {"new-authority", required_argument, NULL, O_NEW_AUTHORITY},
    {"version", no_argument, NULL, O_VERSION},
    {"help", no_argument, NULL, O_HELP},
    {0},
};

static bool number(const char *text, long max, long *out)
{
    char *end = NULL;
    *out = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;
    return *out >= 0 && *out <= max && *end == '\0';
}

static bool family(struct pl_machine_config *m, const char *text)
{
    m->has_fmspc = true;
    return pl_unhex(m->fmspc, sizeof(m->fmspc), pl_span_str(text)) == PL_OK;
}

static bool set_number(struct pl_simd_config *c, int option, const char *text)
{
    long v = 0;
    bool ok = number(text, option == O_QUOTE_MS ? PL_SIMD_QUOTE_MS_MAX : 255, &v);
    if (option == O_QUOTE_MS)
        c->quote_ms = (unsigned)v;
    else if (option == O_CPUSVN)
        c->machine.cpu_svn = (int)v;
    else
        c->ready_fd = (int)v;
    return ok;
}

static bool set(struct pl_simd_config *c, int option, const char *text)
{
    switch (option) {
    case O_DIR:
        c->machine.dir = text;
        return true;
    case O_AUTHORITY:
        c->machine.authority = text;
        return true;
    case O_SOCKET:
        c->socket_path = text;
        return true;
    case O_TCB_STATUS:
        c->machine.tcb_status = text;
        return true;
    case O_FMSPC:
        return family(&c->machine, text);
    case O_DEBUG:
        return c->machine.debug = true;
    case O_REVOKED:
        return c->machine.revoked = true;
    case O_TIMER:
        return c->machine.trusted_timer = true;
    case O_QUOTE_MS:
    case O_CPUSVN:
    case O_READY_FD:
        return set_number(c, option, text);
    default:
        return false;
    }
}

static pl_err new_authority(const char *dir)
{
    struct pl_crypto *c = NULL;
    int64_t now;
    PL_TRY(pl_clock_wall(&now));
    PL_TRY(pl_crypto_new(&c));
    pl_err e = pl_authority_create(c, dir, now);
    pl_crypto_free(c);
    return e;
}

static int finish(pl_err e)
{
    if (e == PL_OK)
        return 0;
    fprintf(stderr, "pleiad-simd: %s [%s %s:%d]\n", pl_code_text(pl_err_code(e)),
            pl_code_name(pl_err_code(e)), e->file, e->line);
    return 1;
}

/* -1 to go on, or the exit code. */
static int parse(struct pl_simd_config *c, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == O_HELP || option == O_VERSION) {
            fputs(option == O_HELP ? usage : "pleiad-simd " PL_VERSION " (simulated hardware)\n",
                  stdout);
            return 0;
        }
        if (option == O_NEW_AUTHORITY)
            return finish(new_authority(optarg));
        if (option == '?' || !set(c, option, optarg)) {
            fputs("pleiad-simd: a bad option; see pleiad-simd --help\n", stderr);
            return 2;
        }
    }
    if (optind != argc || !c->machine.dir || !c->machine.authority) {
        fputs("pleiad-simd: --dir and --authority are needed; see pleiad-simd --help\n", stderr);
        return 2;
    }
    return -1;
}

int main(int argc, char **argv)
{
    static char socket_path[1024];
    struct pl_simd_config c = {.machine.cpu_svn = -1, .ready_fd = -1};
    int code = parse(&c, argc, argv);
    if (code >= 0)
        return code;
    if (!c.socket_path) {
        snprintf(socket_path, sizeof(socket_path), "%s/simd.sock", c.machine.dir);
        c.socket_path = socket_path;
    }
    return finish(pl_simd_serve(&c));
}
